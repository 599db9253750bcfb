//! Inputs of the actions that only Windows has.

use crate::{Literal, Setting, Template};

/// Inputs of `InstallMSI` and `UninstallMSI`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Msi {
    /// A local path, an S3 URI or an HTTP URL.
    pub path: Template,
    /// When to reboot. Default `Allow`.
    pub reboot: Setting<MsiReboot>,
    /// Letters for msiexec's `/L`. Default `*VX`.
    pub log_options: Setting<MsiLogOptions>,
    /// Where the log goes; none: no log.
    pub log_file: Option<Template>,
    /// Properties of the package, in the document's order.
    pub properties: Vec<(String, Template)>,
    /// Whether any signature is good enough. Default false.
    pub ignore_authenticode_signature_errors: Setting<bool>,
    /// Whether no signature is good enough. Default false.
    pub allow_unsigned_installer: Setting<bool>,
}

/// Whether a reboot follows an installer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MsiReboot {
    /// If msiexec asks for it.
    Allow,
    /// Always.
    Force,
    /// Never.
    Skip,
}

impl Literal for MsiReboot {
    const EXPECTED: &'static str = "Allow, Force or Skip";

    fn read(text: &str) -> Option<Self> {
        match text {
            "Allow" => Some(Self::Allow),
            "Force" => Some(Self::Force),
            "Skip" => Some(Self::Skip),
            _ => None,
        }
    }
}

/// Letters for msiexec's `/L`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MsiLogOptions(pub String);

impl Literal for MsiLogOptions {
    const EXPECTED: &'static str = "letters from `iwearucmopvx+!*`";

    fn read(text: &str) -> Option<Self> {
        let known = text.chars().all(|c| "iwearucmopvx+!*".contains(c.to_ascii_lowercase()));
        known.then(|| Self(text.to_owned()))
    }
}

/// Inputs of `SetRegistry`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetRegistry {
    /// The key, with its hive; created when missing.
    pub path: Template,
    /// Name of the value.
    pub name: Template,
    /// The value: one text, or several for `MULTI_SZ`.
    pub value: Vec<Template>,
    /// Its type.
    pub kind: Setting<RegistryType>,
}

/// The type of a registry value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistryType {
    /// Bytes.
    Binary,
    /// A number of 32 bits.
    Dword,
    /// A number of 64 bits.
    Qword,
    /// Text.
    Sz,
    /// Text with environment variables.
    ExpandSz,
    /// Several texts.
    MultiSz,
}

impl Literal for RegistryType {
    const EXPECTED: &'static str = "BINARY, DWORD, QWORD, SZ, EXPAND_SZ or MULTI_SZ";

    fn read(text: &str) -> Option<Self> {
        match text {
            "BINARY" => Some(Self::Binary),
            "DWORD" => Some(Self::Dword),
            "QWORD" => Some(Self::Qword),
            "SZ" => Some(Self::Sz),
            "EXPAND_SZ" => Some(Self::ExpandSz),
            "MULTI_SZ" => Some(Self::MultiSz),
            _ => None,
        }
    }
}

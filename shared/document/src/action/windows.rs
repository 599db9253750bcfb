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
    /// The path of the log. `None` writes no log.
    pub log_file: Option<Template>,
    /// Properties of the package, in the document's order.
    pub properties: Vec<(String, Template)>,
    /// Whether every signature is accepted. Default false.
    pub ignore_authenticode_signature_errors: Setting<bool>,
    /// Whether an installer without a signature is accepted. Default false.
    pub allow_unsigned_installer: Setting<bool>,
}

/// Whether a reboot follows an installer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MsiReboot {
    /// The machine reboots if msiexec asks for it.
    Allow,
    /// The machine always reboots.
    Force,
    /// The machine never reboots.
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
    /// The key with its hive. A missing key is created.
    pub path: Template,
    /// Name of the value.
    pub name: Template,
    /// The value: one text, or several for `MULTI_SZ`.
    pub value: Vec<Template>,
    /// The type of the value.
    pub kind: Setting<RegistryType>,
}

/// The type of a registry value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistryType {
    /// Bytes.
    Binary,
    /// A 32-bit number.
    Dword,
    /// A 64-bit number.
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

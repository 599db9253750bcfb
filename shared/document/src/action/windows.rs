//! Inputs of the actions that only Windows has.

use super::input::{Field, Shape, inputs, optional_special, optional_text, special, text, value, value_or};
use crate::diagnostic::shown;
use crate::parse::{Fields, Parse};
use crate::yaml::Value;
use crate::{Literal, Setting, Template};

/// Properties that the actions set themselves, with the values that they set.
const OWN_PROPERTIES: [(&str, &[&str]); 3] =
    [("REBOOT", &["reallysuppress", "reallysupress"]), ("REINSTALLMODE", &["ecmus"]), ("REINSTALL", &["all"])];

/// The possible beginnings of a registry path, each followed by its short form.
const HIVES: [&str; 10] = [
    "HKEY_CLASSES_ROOT",
    "HKCR:",
    "HKEY_USERS",
    "HKU:",
    "HKEY_LOCAL_MACHINE",
    "HKLM:",
    "HKEY_CURRENT_CONFIG",
    "HKCC:",
    "HKEY_CURRENT_USER",
    "HKCU:",
];

inputs! {
    /// Inputs of `InstallMSI` and `UninstallMSI`.
    Msi on WINDOWS gives ["logFile", "msiExitCode", "stdout"] {
        /// A local path, an S3 URI or an HTTP URL.
        path: Template = text("path"),
        /// When to reboot.
        reboot: Setting<MsiReboot> = value_or("reboot", "Allow"),
        /// Letters for msiexec's `/L`.
        log_options: Setting<MsiLogOptions> = value_or("logOptions", "*VX"),
        /// The path of the log. `None` writes no log.
        log_file: Option<Template> = optional_text("logFile"),
        /// Properties of the package, in the document's order.
        properties: Vec<(String, Template)> = optional_special("properties", Shape::TextByName, properties),
        /// Whether every signature is accepted.
        ignore_authenticode_signature_errors: Setting<bool> = value_or("ignoreAuthenticodeSignatureErrors", "false"),
        /// Whether an installer without a signature is accepted.
        allow_unsigned_installer: Setting<bool> = value_or("allowUnsignedInstaller", "false"),
    }
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
    const SHAPE: Shape = Shape::Word(&["Allow", "Force", "Skip"]);

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

inputs! {
    /// Inputs of `SetRegistry`.
    SetRegistry on WINDOWS {
        /// The key with its hive. A missing key is created.
        path: Template = text("path").checked(check_hive),
        /// Name of the value.
        name: Template = text("name"),
        /// The value: one text, or several for `MULTI_SZ`.
        value: Vec<Template> = special("value", Shape::TextOrTexts, registry_value),
        /// The type of the value.
        kind: Setting<RegistryType> = value("type"),
    }
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

fn properties(
    parse: &mut Parse<'_>,
    fields: &mut Fields<'_>,
    field: &Field<Vec<(String, Template)>>,
) -> Option<Vec<(String, Template)>> {
    let mut properties = Vec::new();
    let node = fields.map.optional(field.input.key);
    let Some(map) = node.and_then(|node| parse.reader.map(node, "`properties`")) else { return Some(properties) };
    for (key, value) in map.entries() {
        let name = key.text().unwrap_or_default().to_owned();
        let Some(value) = parse.template(value, &format!("the property `{name}`")) else { continue };
        let own = |(own, values): &(&str, &[&str])| {
            own.eq_ignore_ascii_case(&name) && values.contains(&value.raw.to_ascii_lowercase().as_str())
        };
        if OWN_PROPERTIES.iter().any(own) {
            let message = format!("the property `{name}={}` is set by the action itself", value.raw);
            parse.reader.error(key.span, "reserved", message);
        }
        properties.push((name, value));
    }
    Some(properties)
}

fn registry_value(
    parse: &mut Parse<'_>,
    fields: &mut Fields<'_>,
    field: &Field<Vec<Template>>,
) -> Option<Vec<Template>> {
    let node = fields.map.required(&mut parse.reader, field.input.key)?;
    match &node.value {
        Value::List(items) => Some(items.iter().filter_map(|item| parse.template(item, "a value")).collect()),
        _ => parse.template(node, "`value`").map(|value| vec![value]),
    }
}

fn check_hive(parse: &mut Parse<'_>, path: &Template) {
    let Some(literal) = path.literal() else { return };
    let upper = literal.to_ascii_uppercase();
    let begins = |hive: &&str| upper.strip_prefix(*hive).is_some_and(|rest| rest.is_empty() || rest.starts_with('\\'));
    if !HIVES.iter().any(begins) {
        let help = Some(format!("a path of the registry begins with one of {}", HIVES.join(", ")));
        let message = format!("`{}` is not a path of the registry", shown(&literal));
        parse.reader.error_with_help(path.span, "wrong-value", message, help);
    }
}

//! Inputs of the actions that only Windows has.

use super::{Fields, Parse};
use crate::diagnostic::shown;
use crate::yaml::{Node, Value};
use crate::{Msi, SetRegistry, Template};

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

impl Parse<'_> {
    pub(super) fn msi(&mut self, fields: &mut Fields<'_>) -> Option<Msi> {
        let path = self.text(fields, "path");
        let reboot = self.value_or(fields, "reboot", "Allow");
        let log_options = self.value_or(fields, "logOptions", "*VX");
        let log_file = self.optional_text(fields, "logFile");
        let properties = fields.map.optional("properties").and_then(|node| self.msi_properties(node));
        let ignore_authenticode_signature_errors = self.value_or(fields, "ignoreAuthenticodeSignatureErrors", "false");
        let allow_unsigned_installer = self.value_or(fields, "allowUnsignedInstaller", "false");
        Some(Msi {
            path: path?,
            reboot,
            log_options,
            log_file,
            properties: properties.unwrap_or_default(),
            ignore_authenticode_signature_errors,
            allow_unsigned_installer,
        })
    }

    fn msi_properties(&mut self, node: &Node) -> Option<Vec<(String, Template)>> {
        let map = self.reader.map(node, "`properties`")?;
        let mut properties = Vec::new();
        for (key, value) in map.entries() {
            let name = key.text().unwrap_or_default().to_owned();
            let Some(value) = self.template(value, &format!("the property `{name}`")) else { continue };
            let own = |(own, values): &(&str, &[&str])| {
                own.eq_ignore_ascii_case(&name) && values.contains(&value.raw.to_ascii_lowercase().as_str())
            };
            if OWN_PROPERTIES.iter().any(own) {
                let message = format!("the property `{name}={}` is set by the action itself", value.raw);
                self.reader.error(key.span, "reserved", message);
            }
            properties.push((name, value));
        }
        Some(properties)
    }

    pub(super) fn set_registry(&mut self, fields: &mut Fields<'_>) -> Option<SetRegistry> {
        let path = self.text(fields, "path");
        let name = self.text(fields, "name");
        let value = fields.map.required(&mut self.reader, "value").and_then(|node| self.registry_value(node));
        let kind = self.value(fields, "type");
        if let Some(path) = &path {
            self.check_hive(path);
        }
        Some(SetRegistry { path: path?, name: name?, value: value?, kind: kind? })
    }

    fn registry_value(&mut self, node: &Node) -> Option<Vec<Template>> {
        match &node.value {
            Value::List(items) => Some(items.iter().filter_map(|item| self.template(item, "a value")).collect()),
            _ => self.template(node, "`value`").map(|value| vec![value]),
        }
    }

    fn check_hive(&mut self, path: &Template) {
        let Some(literal) = path.literal() else { return };
        let upper = literal.to_ascii_uppercase();
        let begins =
            |hive: &&str| upper.strip_prefix(*hive).is_some_and(|rest| rest.is_empty() || rest.starts_with('\\'));
        if !HIVES.iter().any(begins) {
            let help = Some(format!("a path of the registry begins with one of {}", HIVES.join(", ")));
            let message = format!("`{}` is not a path of the registry", shown(&literal));
            self.reader.error_with_help(path.span, "wrong-value", message, help);
        }
    }
}

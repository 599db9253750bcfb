//! The label of a template's mark: which file the template is, and the values for its variables.

use ::hcl::Value as Hcl;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// Returns the label of a template with these values.
pub(super) fn write(path: &str, values: &Hcl) -> String {
    let json = serde_json::to_string(values).unwrap_or_default();
    // Values may contain line breaks, and marks of their own, which would end the label.
    format!("{path}\n{}", BASE64_STANDARD.encode(json))
}

/// Returns the path and the values of a label.
pub(super) fn read(label: &str) -> Option<(&str, Hcl)> {
    let (path, values) = label.split_once('\n')?;
    Some((path, serde_json::from_slice(&BASE64_STANDARD.decode(values).ok()?).ok()?))
}

//! How instances of an image boot: the boot mode, the TPM and the UEFI variables of its own.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use goldsmith_document::MapReader;
use goldsmith_document::yaml::Node;

use super::super::draft::Context;
use super::super::fields;
use crate::{BootMode, ImageRecipe, TpmSupport};

/// The keys that describe how an image boots.
#[derive(Default)]
pub(super) struct Firmware {
    pub(super) boot_mode: Option<BootMode>,
    pub(super) tpm_support: Option<TpmSupport>,
    pub(super) uefi_data: Option<String>,
}

/// Reads the keys. A TPM and UEFI variables exist only on instances that run by UEFI. `uefi-preferred` is not enough for
/// them: on a type without UEFI, an instance would start by the BIOS without them (EC2 user guide, "Instance launch
/// behavior with Amazon EC2 boot modes").
pub(super) fn read(context: &mut Context<'_, '_>, map: &mut MapReader<'_>) -> Firmware {
    let modes = [BootMode::LegacyBios, BootMode::Uefi, BootMode::UefiPreferred].map(|mode| (mode.name(), mode));
    let boot_mode = map.optional("bootMode");
    let boot_mode = boot_mode.and_then(|node| context.reader.choice(node, "`bootMode`", &modes));
    let tpm = map.optional("tpmSupport");
    let tpm_support =
        tpm.and_then(|node| context.reader.choice(node, "`tpmSupport`", &[(TpmSupport::V2.name(), TpmSupport::V2)]));
    let data = map.optional("uefiData");
    let uefi_data = data.and_then(|node| uefi_data(context, node));
    if let Some(mode) = boot_mode.filter(|mode| *mode != BootMode::Uefi) {
        for (key, node) in [("tpmSupport", tpm), ("uefiData", data)] {
            let Some(node) = node else { continue };
            let message = format!("`{key}` needs `bootMode: uefi`, and `bootMode` is `{}`", mode.name());
            context.reader.error(node.span, "wrong-value", message);
        }
    }
    Firmware { boot_mode, tpm_support, uefi_data }
}

/// Reads the file that `uefiData` names, and returns its Base64 text without white space.
fn uefi_data(context: &mut Context<'_, '_>, node: &Node) -> Option<String> {
    let file = context.reader.text(node, "`uefiData`")?.value;
    let (path, text) = fields::beside(context, node, ("uefiData", "file"), &file)?;
    let text: String = text.split_ascii_whitespace().collect();
    let why = match BASE64_STANDARD.decode(&text) {
        _ if text.is_empty() => "is empty".to_owned(),
        _ if text.len() > ImageRecipe::MAX_UEFI_DATA => {
            format!("has {} characters of Base64: EC2 allows {}", text.len(), ImageRecipe::MAX_UEFI_DATA)
        }
        Err(_) => "is not valid Base64".to_owned(),
        Ok(_) => return Some(text),
    };
    context.reader.error(node.span, "wrong-value", format!("{} of `uefiData` {why}", path.display()));
    None
}

//! Tests of how instances of an image boot.

use super::*;
use crate::{BootMode, ImageRecipe, TpmSupport};

fn read_recipe(rest: &str) -> ImageRecipe {
    read(&[&recipe(rest)]).unwrap().recipes.remove(0)
}

#[test]
fn a_boot_mode_a_tpm_and_uefi_data_are_read_and_stored() {
    for (text, mode) in
        [("legacy-bios", BootMode::LegacyBios), ("uefi", BootMode::Uefi), ("uefi-preferred", BootMode::UefiPreferred)]
    {
        let read = read_recipe(&format!("bootMode: {text}\n"));
        assert_eq!((read.boot_mode, mode.name()), (Some(mode), text));
        let stored = serde_json::to_value(&read).unwrap();
        assert_eq!(stored["bootMode"], text);
        assert_eq!((stored.get("tpmSupport"), stored.get("uefiData")), (None, None));
    }
    let read = read_recipe("bootMode: uefi\ntpmSupport: v2.0\nuefiData: keys/uefi.b64\n");
    assert_eq!(read.tpm_support, Some(TpmSupport::V2));
    assert_eq!(read.uefi_data.as_deref(), Some("QU1aTlVFRkkAAQ=="), "without the line breaks");
    let stored = serde_json::to_value(&read).unwrap();
    assert_eq!(stored["tpmSupport"], "v2.0");
    assert_eq!(serde_json::from_value::<ImageRecipe>(stored).unwrap(), read);
    // The source image may have the boot mode, which only a plan knows.
    assert_eq!(read_recipe("tpmSupport: v2.0\n").boot_mode, None);
}

#[test]
fn a_mistake_in_how_an_image_boots_is_explained() {
    for (rest, message) in [
        ("bootMode: [uefi]\n", "web/all.yml:5:11: error: `bootMode` must be text, not a list"),
        ("tpmSupport: {}\n", "web/all.yml:5:13: error: `tpmSupport` must be text, not a map"),
        ("uefiData: [a]\n", "web/all.yml:5:11: error: `uefiData` must be text, not a list"),
        ("bootMode: bios\n", "web/all.yml:5:11: error: `bios` is not a value of `bootMode`"),
        ("tpmSupport: v1.2\n", "web/all.yml:5:13: error: `v1.2` is not a value of `tpmSupport`"),
        (
            "bootMode: uefi-preferred\ntpmSupport: v2.0\n",
            "web/all.yml:6:13: error: `tpmSupport` needs `bootMode: uefi`, and `bootMode` is `uefi-preferred`",
        ),
        (
            "bootMode: legacy-bios\nuefiData: keys/uefi.b64\n",
            "web/all.yml:6:11: error: `uefiData` needs `bootMode: uefi`, and `bootMode` is `legacy-bios`",
        ),
        (
            "uefiData: ../uefi.b64\n",
            "web/all.yml:5:11: error: `uefiData` must be the path of a file in this file's folder or below it, not \
             `../uefi.b64`",
        ),
        ("uefiData: none.b64\n", "web/all.yml:5:11: error: web/none.b64 of `uefiData` cannot be read: no such file"),
        ("uefiData: no.b64\n", "web/all.yml:5:11: error: web/no.b64 of `uefiData` is not valid Base64"),
        ("uefiData: empty.b64\n", "web/all.yml:5:11: error: web/empty.b64 of `uefiData` is empty"),
        (
            "uefiData: long.b64\n",
            "web/all.yml:5:11: error: web/long.b64 of `uefiData` has 64004 characters of Base64: EC2 allows 64000",
        ),
    ] {
        let found = refused(&[&recipe(rest)]);
        assert_eq!(found.lines().next(), Some(message), "{rest}");
    }
}

//! `s3ExportConfiguration` of a Region

use std::net::Ipv4Addr;

use goldsmith_document::yaml::Node;

use crate::definitions::draft::Context;
use crate::{DiskImageFormat, S3Export};

/// Longest name of a role (IAM API reference, CreateRole).
const LONGEST_ROLE: usize = 64;
/// Longest prefix, in bytes: a key of S3 has at most 1,024, and EC2 adds the id of its task and the extension.
const LONGEST_PREFIX: usize = 960;
/// How the name of a bucket never begins and ends (S3 user guide, "General purpose bucket naming rules").
const RESERVED_BEGINS: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
const RESERVED_ENDS: [&str; 5] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];

/// Reads where the image of a Region is exported to.
pub(super) fn read(context: &mut Context<'_, '_>, node: &Node) -> Option<S3Export> {
    let reader = &mut context.reader;
    let mut map = reader.map(node, "`s3ExportConfiguration`")?;
    let format = map.required(reader, "diskImageFormat").and_then(|node| {
        let all = [DiskImageFormat::Vmdk, DiskImageFormat::Raw, DiskImageFormat::Vhd];
        reader.choice(node, "`diskImageFormat`", &all.map(|format| (format.as_str(), format)))
    });
    let mut text = |key: &'static str, is_required: bool, is_right: fn(&str) -> bool, expected: &str| {
        let node = if is_required { map.required(reader, key) } else { map.optional(key) };
        let node = node?;
        let value = reader.text(node, &format!("`{key}`"))?.value;
        if !is_right(&value) {
            reader.error(node.span, "wrong-value", format!("`{key}` must be {expected}, not `{value}`"));
        }
        Some(value)
    };
    let role_name = text("roleName", true, is_role, "the name of a role, without ARN and path");
    let s3_bucket = text("s3Bucket", true, is_bucket, "the name of a bucket, without `s3://` and prefix");
    let s3_prefix = text(
        "s3Prefix",
        false,
        is_prefix,
        "a prefix of at most 960 bytes without control characters that begins without a slash",
    );
    map.finish(reader);
    Some(S3Export { role_name: role_name?, disk_image_format: format?, s3_bucket: s3_bucket?, s3_prefix })
}

fn is_role(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b);
    (1..=LONGEST_ROLE).contains(&text.len()) && text.bytes().all(allowed)
}

/// Returns whether a bucket can have this name (S3 user guide, "General purpose bucket naming rules").
fn is_bucket(text: &str) -> bool {
    let is_end = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(&b);
    let bytes = text.as_bytes();
    (3..=63).contains(&text.len())
        && text.bytes().all(allowed)
        && is_end(bytes.first())
        && is_end(bytes.last())
        && !text.contains("..")
        && text.parse::<Ipv4Addr>().is_err()
        && !RESERVED_BEGINS.iter().any(|begin| text.starts_with(begin))
        && !RESERVED_ENDS.iter().any(|end| text.ends_with(end))
}

fn is_prefix(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST_PREFIX && !text.starts_with('/') && !text.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use crate::definitions::{Draft, SourceFile};
    use crate::{DiskImageFormat, S3Export};

    fn read(keys: &str) -> Result<Option<S3Export>, Vec<String>> {
        let region = format!("{{region: eu-west-1, s3ExportConfiguration: {{{keys}}}}}");
        let text = format!("{{kind: DistributionConfiguration, name: web, distributions: [{region}]}}\n");
        let files = [SourceFile { path: "f.yml".to_owned(), text }];
        let read = Draft::read(&files, &|_| Ok(String::new())).check_alone();
        let found = read.map_err(|found| found.into_iter().map(|one| one.message).collect::<Vec<_>>())?;
        Ok(found.distributions[0].distributions[0].s3_export_configuration.clone())
    }

    #[test]
    fn an_export_has_a_role_a_format_and_a_place() {
        let found =
            read("roleName: vmimport, diskImageFormat: VHD, s3Bucket: images-1, s3Prefix: golden/").unwrap().unwrap();
        assert_eq!((found.role_name.as_str(), found.disk_image_format), ("vmimport", DiskImageFormat::Vhd));
        assert_eq!(found.to_string(), "s3://images-1/golden/");
        assert_eq!(found.object("export-ami-1"), "s3://images-1/golden/export-ami-1.vhd");
        let found = read("roleName: vmimport, diskImageFormat: RAW, s3Bucket: images-1").unwrap().unwrap();
        assert_eq!(found.object("export-ami-1"), "s3://images-1/export-ami-1.raw");
        assert!(found.may_have_written("s3://images-1/export-ami-1.raw"));
        for other in ["s3://images-1/golden/export-ami-1.raw", "s3://images-1/web.raw", "s3://images/export-ami-1.raw"]
        {
            assert!(!found.may_have_written(other), "{other}");
        }
    }

    #[test]
    fn mistakes_are_explained() {
        let right = "roleName: vmimport, diskImageFormat: VMDK, s3Bucket: images-1";
        for (keys, message) in [
            (
                "diskImageFormat: VMDK, s3Bucket: images-1".to_owned(),
                "`roleName` of `s3ExportConfiguration` is missing",
            ),
            (right.replace("VMDK", "OVA"), "`diskImageFormat`"),
            (
                right.replace("vmimport", "'arn:aws:iam::111122223333:role/vmimport'"),
                "`roleName` must be the name of a role, without ARN",
            ),
            (right.replace("images-1", "Images"), "`s3Bucket` must be the name of a bucket"),
            (right.replace("images-1", "-images"), "without `s3://` and prefix, not `-images`"),
            (right.replace("images-1", "'s3://images'"), "`s3Bucket` must be the name of a bucket"),
            (right.replace("images-1", "im..ages"), "`s3Bucket` must be the name of a bucket"),
            (right.replace("images-1", "192.168.5.4"), "`s3Bucket` must be the name of a bucket"),
            (right.replace("images-1", "xn--images"), "`s3Bucket` must be the name of a bucket"),
            (right.replace("images-1", "images--x-s3"), "`s3Bucket` must be the name of a bucket"),
            (right.replace("VMDK", "[VMDK]"), "`diskImageFormat` must be text, not a list"),
            (right.replace("images-1", "{a: b}"), "`s3Bucket` must be text, not a map"),
            (format!("{right}, s3Prefix: \"a\\nb\""), "`s3Prefix` must be a prefix of at most 960 bytes"),
            (format!("{right}, s3Prefix: /golden"), "begins without a slash"),
            (format!("{right}, kmsKey: alias/own"), "kmsKey"),
        ] {
            let found = read(&keys).unwrap_err();
            assert!(matches!(&found[..], [one] if one.contains(message)), "{keys}: {found:?}");
        }
    }
}

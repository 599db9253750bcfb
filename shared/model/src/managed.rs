//! The replacements for the images and components that AWS manages for Image Builder.

/// Canonical's account, which owns Ubuntu's AMIs.
const CANONICAL: &str = "099720109477";
/// Debian's account.
const DEBIAN: &str = "136693071363";
/// Red Hat's account.
const RED_HAT: &str = "309956199498";

/// A source image that replaces a managed image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManagedParent {
    /// A public SSM parameter, and the account that owns the AMI if it is not Amazon itself.
    Parameter {
        /// The parameter's name.
        name: String,
        /// The value that `parentImageOwners` must contain.
        owner: Option<&'static str>,
    },
    /// The newest AMI of an owner who publishes no public parameter.
    Newest {
        /// Account id of the owner.
        owner: &'static str,
        /// Pattern of the AMI's name.
        name: String,
    },
}

/// Returns the source image for a managed image of Image Builder, which is named by its ARN, such as
/// `arn:aws:imagebuilder:eu-west-1:aws:image/amazon-linux-2023-x86/x.x.x`. `None` if the text is not such an ARN, or if
/// there is no replacement, as for the images of Windows and macOS.
///
/// The parameters are those in the documentation of Amazon Linux, Ubuntu and Debian.
#[must_use]
pub fn managed_parent(arn: &str) -> Option<ManagedParent> {
    let image = name_in(arn, ":aws:image/")?;
    let (system, processor) = image.rsplit_once('-')?;
    // The two names of each processor: of Amazon Linux and Red Hat, and of Debian and Ubuntu.
    let (own, debian) = match processor {
        "x86" => ("x86_64", "amd64"),
        "arm64" => ("arm64", "arm64"),
        _ => return None,
    };
    let amazon = |name: String| ManagedParent::Parameter {
        name: format!("/aws/service/ami-amazon-linux-latest/{name}"),
        owner: None,
    };
    if let Some(rest) = system.strip_prefix("ubuntu-server-") {
        let year = rest.strip_suffix("-lts")?;
        // Canonical has published gp3 images since 23.10.
        let volume = if year.parse::<u32>().ok()? >= 24 { "ebs-gp3" } else { "ebs-gp2" };
        let name =
            format!("/aws/service/canonical/ubuntu/server/{year}.04/stable/current/{debian}/hvm/{volume}/ami-id");
        return Some(ManagedParent::Parameter { name, owner: Some(CANONICAL) });
    }
    if let Some(version) = system.strip_prefix("red-hat-enterprise-linux-").filter(|version| is_number(version)) {
        return Some(ManagedParent::Newest { owner: RED_HAT, name: format!("RHEL-{version}.*_HVM-*-{own}-*") });
    }
    if let Some(version) = system.strip_prefix("debian-").filter(|version| is_number(version)) {
        let name = format!("/aws/service/debian/release/{version}/latest/{debian}");
        return Some(ManagedParent::Parameter { name, owner: Some(DEBIAN) });
    }
    match system {
        "amazon-linux-2023" => Some(amazon(format!("al2023-ami-kernel-default-{own}"))),
        "amazon-linux-2023-minimal" => Some(amazon(format!("al2023-ami-minimal-kernel-default-{own}"))),
        "amazon-linux-2" => Some(amazon(format!("amzn2-ami-hvm-{own}-gp2"))),
        _ => None,
    }
}

/// The stock components with names of managed components of Image Builder, which they replace.
const REPLACING: [&str; 13] = [
    "amazon-cloudwatch-agent-linux",
    "apt-repository-test-linux",
    "aws-cli-version-2-linux",
    "chrony-time-configuration-test",
    "docker-ce-linux",
    "ebs-volume-usage-test-linux",
    "hello-world-linux",
    "python-3-linux",
    "reboot-linux",
    "reboot-test-linux",
    "simple-boot-test-linux",
    "update-linux",
    "yum-repository-test-linux",
];
/// The other stock components: Image Builder has none of these names.
const OWN: [&str; 2] = ["hardening-baseline-linux", "hardening-baseline-test-linux"];

/// Returns the stock component that replaces a managed component of Image Builder, given its ARN. A stock component has
/// the name of the managed component that it replaces. `None` if the text is not such an ARN, or if there is no
/// replacement.
#[must_use]
pub fn managed_component(arn: &str) -> Option<&str> {
    match name_in(arn, ":aws:component/")? {
        "docker-ce-ubuntu" | "docker-ce-centos" => Some("docker-ce-linux"),
        name => REPLACING.contains(&name).then_some(name),
    }
}

/// Returns whether the folder `components` of a release has a component of this name.
#[must_use]
pub fn is_stock_component(name: &str) -> bool {
    REPLACING.contains(&name) || OWN.contains(&name)
}

/// Returns the next name in an ARN, without the version.
fn name_in<'t>(arn: &'t str, before: &str) -> Option<&'t str> {
    let (_, rest) = arn.split_once(before).filter(|(service, _)| service.contains("imagebuilder"))?;
    rest.split('/').next()
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{ManagedParent, OWN, REPLACING, is_stock_component, managed_component, managed_parent};
    use crate::SourceImage;

    fn source(image: &str) -> Option<String> {
        let parent = managed_parent(&format!("arn:aws:imagebuilder:eu-west-1:aws:image/{image}"))?;
        Some(match parent {
            ManagedParent::Parameter { name, owner } => {
                let source: SourceImage = format!("ssm:{name}").parse().unwrap();
                format!("{source} {}", owner.unwrap_or("amazon"))
            }
            ManagedParent::Newest { owner, name } => {
                SourceImage::newest(vec![owner.to_owned()], name).unwrap().to_string()
            }
        })
    }

    #[test]
    fn a_managed_image_has_a_source_here() {
        for (image, expected) in [
            (
                "amazon-linux-2023-x86/x.x.x",
                Some("ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64 amazon"),
            ),
            (
                "amazon-linux-2-arm64/2023.1.x",
                Some("ssm:/aws/service/ami-amazon-linux-latest/amzn2-ami-hvm-arm64-gp2 amazon"),
            ),
            (
                "ubuntu-server-22-lts-x86/x.x.x",
                Some(
                    "ssm:/aws/service/canonical/ubuntu/server/22.04/stable/current/amd64/hvm/ebs-gp2/ami-id 099720109477",
                ),
            ),
            (
                "ubuntu-server-24-lts-arm64/x.x.x",
                Some(
                    "ssm:/aws/service/canonical/ubuntu/server/24.04/stable/current/arm64/hvm/ebs-gp3/ami-id 099720109477",
                ),
            ),
            ("debian-12-x86/x.x.x", Some("ssm:/aws/service/debian/release/12/latest/amd64 136693071363")),
            ("red-hat-enterprise-linux-9-x86/x.x.x", Some("the newest `RHEL-9.*_HVM-*-x86_64-*` of 309956199498")),
            ("windows-server-2022-english-full-base-x86/x.x.x", None),
            ("x86", None),
            ("", None),
        ] {
            assert_eq!(source(image).as_deref(), expected, "{image}");
        }
        assert_eq!(managed_parent("arn:aws:imagebuilder:eu-west-1:111122223333:image/amazon-linux-2-x86/1.0.0"), None);
    }

    #[test]
    fn every_stock_component_that_stands_for_one_exists() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../components");
        let stock = |name: &str| {
            let arn = format!("arn:aws:imagebuilder:eu-west-1:aws:component/{name}/x.x.x");
            managed_component(&arn).map(str::to_owned)
        };
        let files = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        let names: Vec<String> = files.filter_map(|file| Some(file.strip_suffix(".yml")?.to_owned())).collect();
        let there: BTreeSet<&str> = names.iter().map(String::as_str).filter(|name| *name != "components").collect();
        assert_eq!(REPLACING.iter().chain(&OWN).copied().collect::<BTreeSet<_>>(), there);
        for name in REPLACING {
            assert_eq!((stock(name).as_deref(), is_stock_component(name)), (Some(name), true));
        }
        for name in OWN {
            assert_eq!((stock(name), is_stock_component(name)), (None, true));
        }
        assert!(!is_stock_component("nginx"));
        assert_eq!(stock("docker-ce-ubuntu").as_deref(), Some("docker-ce-linux"));
        assert_eq!(stock("stig-build-linux-high"), None);
    }
}

//! The approval that images need before they are published.

use goldsmith_document::yaml::Node;

use crate::definitions::draft::Context;
use crate::definitions::fields;
use crate::{Approval, Distribution, placeholder};

pub(super) fn read(context: &mut Context<'_, '_>, node: &Node) -> Option<Approval> {
    let mut map = context.reader.map(node, "`approval`")?;
    let channel = map.required(&mut context.reader, "channel");
    let channel = channel.and_then(|node| fields::parse(&mut context.reader, node, "`channel`"));
    map.finish(&mut context.reader);
    Some(Approval { channel: channel? })
}

/// Rejects every setting that a build would apply before the approval and that a promotion cannot apply later.
pub(super) fn refuse_what_cannot_wait(context: &mut Context<'_, '_>, node: &Node, region: &Distribution) {
    let mut refuse = |node: Option<&Node>, is_there: bool, message: &str| {
        if let Some(node) = node.filter(|_| is_there) {
            context.reader.error(node.span, "wrong-value", message);
        }
    };
    refuse(
        node.get("launchTemplateConfigurations"),
        !region.launch_template_configurations.is_empty(),
        "launch templates do not wait for the `approval`: let them name the AMI as `resolve:ssm:PARAMETER`, with a \
         parameter of the distribution",
    );
    refuse(
        node.get("amiDistributionConfiguration").and_then(|ami| ami.get("targetAccounts")),
        !region.ami_distribution_configuration.target_accounts.is_empty(),
        "copies that other accounts own do not wait for the `approval`: share the image by `launchPermission` instead",
    );
    refuse(
        node.get("s3ExportConfiguration"),
        region.s3_export_configuration.is_some(),
        "an export to S3 does not wait for the `approval`: export an approved AMI with `aws ec2 export-image` instead",
    );
    refuse(
        node.get("ssmParameterConfigurations"),
        region.ssm_parameter_configurations.iter().any(|one| placeholder::differs(&one.parameter_name)),
        "a parameter whose name has a placeholder does not wait for the `approval`: use a fixed name",
    );
}

#[cfg(test)]
mod tests {
    use crate::definitions::{Draft, SourceFile};
    use crate::{DistributionConfiguration, Name};

    /// Reads a distribution of one Region with these keys, whose images need an approval.
    fn read(keys: &str) -> Result<DistributionConfiguration, Vec<String>> {
        let head = "kind: DistributionConfiguration, name: web, approval: {channel: stable}";
        let text = format!("{{{head}, distributions: [{{region: eu-west-1, {keys}}}]}}\n");
        let files = [SourceFile { path: "f.yml".to_owned(), text }];
        let read = Draft::read(&files, &|_| Ok(String::new())).check_alone();
        let messages = read.map_err(|found| found.into_iter().map(|one| one.message).collect());
        messages.map(|mut found| found.distributions.remove(0))
    }

    #[test]
    fn parameters_without_a_channel_follow_the_one_that_approves() {
        let own = "{parameterName: /a}, {parameterName: /b, channel: candidate}";
        let found = read(&format!("ssmParameterConfigurations: [{own}]")).unwrap();
        let channels = found.distributions[0].ssm_parameter_configurations.iter().map(|one| found.channel_of(one));
        assert_eq!(channels.map(|one| one.map(Name::as_str)).collect::<Vec<_>>(), [Some("stable"), Some("candidate")]);
        let none = DistributionConfiguration { approval: None, ..found.clone() };
        assert_eq!(none.channel_of(&found.distributions[0].ssm_parameter_configurations[0]), None);
    }

    #[test]
    fn what_cannot_wait_for_an_approval_is_rejected() {
        for (keys, message) in [
            ("launchTemplateConfigurations: [{launchTemplateName: web}]", "launch templates do not wait"),
            (
                "amiDistributionConfiguration: {targetAccounts: [{account: '222233334444'}]}",
                "copies that other accounts",
            ),
            (
                "s3ExportConfiguration: {roleName: vmimport, diskImageFormat: RAW, s3Bucket: images}",
                "an export to S3 does not wait",
            ),
            (
                "ssmParameterConfigurations: [{parameterName: '/web/{{ imagebuilder:buildVersion }}'}]",
                "a parameter whose name has a placeholder does not wait",
            ),
        ] {
            let found = read(keys).unwrap_err();
            assert!(matches!(&found[..], [one] if one.starts_with(message)), "{keys}: {found:?}");
        }
        let parameter = "{parameterName: '/web/{{ imagebuilder:buildVersion }}', channel: candidate}";
        let found = read(&format!("ssmParameterConfigurations: [{parameter}]")).unwrap_err();
        let expected = "names one image for good, so it follows no channel";
        assert!(found.iter().any(|one| one.ends_with(expected)), "{found:?}");
    }
}

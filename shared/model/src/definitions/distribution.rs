//! `kind: DistributionConfiguration`

mod approval;
mod export;
mod licenses;
mod protection;
mod templates;

use goldsmith_document::MapReader;
use goldsmith_document::yaml::Node;

use super::draft::Context;
use super::{Kind, elsewhere, fields};
use crate::account::is_account_id;
use crate::{
    AmiDistribution, CopyStart, Distribution, DistributionConfiguration, LaunchPermission, MustSucceed,
    ParameterDataType, SsmParameter, TargetAccount, check_region, placeholder,
};

pub(super) fn read(context: &mut Context<'_, '_>, map: &mut MapReader<'_>) -> Option<()> {
    let name = context.named(Kind::DistributionConfiguration, map);
    let description = fields::text(&mut context.reader, map, "description");
    let must_succeed = map.optional("mustSucceed").and_then(|node| {
        let choices = [("all", MustSucceed::All), ("some", MustSucceed::Some)];
        context.reader.choice(node, "`mustSucceed`", &choices)
    });
    let start = map.optional("start").and_then(|node| {
        let choices = [("after-tests", CopyStart::AfterTests), ("with-tests", CopyStart::WithTests)];
        context.reader.choice(node, "`start`", &choices)
    });
    let approval = map.optional("approval").and_then(|node| approval::read(context, node));
    let node = map.required(&mut context.reader, "distributions");
    let items = node.and_then(|node| context.reader.list(node, "`distributions`")).unwrap_or_default();
    if let Some(node) = node.filter(|_| items.is_empty()) {
        context.reader.error(node.span, "empty", "`distributions` needs at least one Region");
    }
    let mut distributions: Vec<Distribution> = Vec::new();
    for item in items {
        let Some(distribution) = distribution(context, item) else { continue };
        if approval.is_some() {
            approval::refuse_what_cannot_wait(context, item, &distribution);
        }
        if distributions.iter().any(|other| other.region == distribution.region) {
            let message = format!("the Region `{}` is in `distributions` twice", distribution.region);
            context.reader.error(item.get("region").unwrap_or(item).span, "duplicate", message);
        }
        distributions.push(distribution);
    }
    map.unsupported(&mut context.reader, "tags");
    let (must_succeed, start) = (must_succeed.unwrap_or_default(), start.unwrap_or_default());
    let configuration =
        DistributionConfiguration { name: name?, description, must_succeed, start, approval, distributions };
    context.draft.definitions.distributions.push(configuration);
    Some(())
}

fn distribution(context: &mut Context<'_, '_>, node: &Node) -> Option<Distribution> {
    let mut map = context.reader.map(node, "a distribution")?;
    let region = map.required(&mut context.reader, "region").and_then(|node| region(context, node));
    let ami = map.optional("amiDistributionConfiguration").and_then(|node| ami(context, node)).unwrap_or_default();
    let parameters = map.optional("ssmParameterConfigurations");
    let parameters = parameters.and_then(|node| context.reader.list(node, "`ssmParameterConfigurations`"));
    let parameters = parameters.unwrap_or_default().iter().filter_map(|node| parameter(context, node)).collect();
    let templates = map.optional("launchTemplateConfigurations");
    let templates = templates.and_then(|node| context.reader.list(node, "`launchTemplateConfigurations`"));
    let templates = templates::read(context, templates.unwrap_or_default());
    let licenses = licenses::read(context, &mut map, region.as_deref());
    let export = map.optional("s3ExportConfiguration").and_then(|node| export::read(context, node));
    let elsewhere = ["fastLaunchConfigurations", "containerDistributionConfiguration"];
    elsewhere::refuse(context, Kind::DistributionConfiguration, &mut map, &elsewhere);
    map.finish(&mut context.reader);
    Some(Distribution {
        region: region?,
        ami_distribution_configuration: ami,
        ssm_parameter_configurations: parameters,
        launch_template_configurations: templates,
        license_configuration_arns: licenses,
        s3_export_configuration: export,
    })
}

fn region(context: &mut Context<'_, '_>, node: &Node) -> Option<String> {
    let text = context.reader.text(node, "`region`")?.value;
    if let Err(error) = check_region(&text) {
        let help = error.near.map(|near| format!("did you mean `{near}`?"));
        context.reader.error_with_help(node.span, "wrong-region", error.to_string(), help);
    }
    Some(text) // even a wrong one, so that its other mistakes are found
}

fn ami(context: &mut Context<'_, '_>, node: &Node) -> Option<AmiDistribution> {
    let mut map = context.reader.map(node, "`amiDistributionConfiguration`")?;
    let name = map.optional("name");
    let name = name.and_then(|node| fields::parse(&mut context.reader, node, "`name`"));
    let description = fields::short_template(&mut context.reader, &mut map, "description", 255);
    let ami_tags = fields::tag_templates(&mut context.reader, &mut map, "amiTags");
    let permission = map.optional("launchPermission").and_then(|node| launch_permission(context, node));
    let launch_permission = permission.unwrap_or_default();
    let share_snapshots = share_snapshots(context, &mut map, &launch_permission);
    let deprecate_after = map.optional("deprecateAfter");
    let deprecate_after_days = deprecate_after
        .and_then(|node| fields::days(&mut context.reader, node, "deprecateAfter", 1..=AmiDistribution::MAX_DAYS));
    if let (Some(node), Some(days)) = (deprecate_after, deprecate_after_days)
        && !launch_permission.user_groups.is_empty()
        && days > AmiDistribution::MAX_PUBLIC_DAYS
    {
        let message = "EC2 deprecates a public AMI after two years at the latest: use at most P730D";
        context.reader.error(node.span, "out-of-range", message);
    }
    let target_accounts = target_accounts(context, &mut map);
    let protection = map.optional("deregistrationProtection");
    let deregistration_protection = protection.and_then(|node| protection::read(context, node));
    let kms_key_id = fields::text(&mut context.reader, &mut map, "kmsKeyId");
    if let Some(node) = map.optional("kmsKeyId")
        && kms_key_id.as_deref().is_some_and(|key| key.ends_with("alias/aws/ebs"))
        && (!launch_permission.is_empty() || !target_accounts.is_empty())
    {
        let message = "an AMI that is encrypted with AWS's own key `alias/aws/ebs` cannot be shared";
        context.reader.error(node.span, "wrong-value", message);
    }
    map.unsupported(&mut context.reader, "targetAccountIds");
    map.finish(&mut context.reader);
    Some(AmiDistribution {
        name,
        description,
        ami_tags,
        launch_permission,
        share_snapshots,
        target_accounts,
        deprecate_after_days,
        deregistration_protection,
        kms_key_id,
    })
}

/// Reads whether snapshots are shared. EC2 can share them with accounts and with everybody, but not with organizations.
fn share_snapshots(context: &mut Context<'_, '_>, map: &mut MapReader<'_>, with: &LaunchPermission) -> bool {
    const KEY: &str = "shareSnapshots";
    let Some(node) = map.optional(KEY) else { return false };
    let shares = context.reader.boolean(node, "`shareSnapshots`").unwrap_or_default();
    if shares && with.user_ids.is_empty() && with.user_groups.is_empty() {
        let message = "`shareSnapshots` needs accounts in `launchPermission`: EC2 shares snapshots with `userIds` and \
                       `userGroups` only, not with organizations";
        context.reader.error(node.span, "wrong-value", message);
    }
    shares
}

/// Reads the accounts that get their own copies.
fn target_accounts(context: &mut Context<'_, '_>, map: &mut MapReader<'_>) -> Vec<TargetAccount> {
    let items = map.optional("targetAccounts").and_then(|node| context.reader.list(node, "`targetAccounts`"));
    let mut accounts: Vec<TargetAccount> = Vec::new();
    for item in items.unwrap_or_default() {
        let Some(mut map) = context.reader.map(item, "a target account") else { continue };
        let node = map.required(&mut context.reader, "account");
        let account = node.and_then(|node| Some((node, context.reader.text(node, "`account`")?.value)));
        let kms_key = fields::text(&mut context.reader, &mut map, "kmsKey");
        map.finish(&mut context.reader);
        let Some((node, account)) = account else { continue };
        if !is_account_id(&account) {
            let message = format!("`{account}` is not an account id of 12 digits");
            context.reader.error(node.span, "wrong-value", message);
        } else if accounts.iter().any(|other| other.account == account) {
            let message = format!("the account `{account}` is in `targetAccounts` twice");
            context.reader.error(node.span, "duplicate", message);
        }
        accounts.push(TargetAccount { account, kms_key });
    }
    accounts
}

fn launch_permission(context: &mut Context<'_, '_>, node: &Node) -> Option<LaunchPermission> {
    let reader = &mut context.reader;
    let mut map = reader.map(node, "`launchPermission`")?;
    let arn = |part: &'static str| {
        move |arn: &str| arn.starts_with("arn:") && arn.contains(":organizations::") && arn.contains(part)
    };
    let permission = LaunchPermission {
        user_ids: fields::texts(reader, &mut map, "userIds", is_account_id, "an account id of 12 digits"),
        user_groups: fields::texts(reader, &mut map, "userGroups", |group| group == "all", "`all`"),
        organization_arns: fields::texts(
            reader,
            &mut map,
            "organizationArns",
            arn(":organization/"),
            "the ARN of an organization",
        ),
        organizational_unit_arns: fields::texts(
            reader,
            &mut map,
            "organizationalUnitArns",
            arn(":ou/"),
            "the ARN of an organizational unit",
        ),
    };
    if !permission.user_groups.is_empty() {
        let message = "`userGroups: [all]` lets every AWS account launch this AMI and read all that is on its disk";
        reader.warning(map.key_span("userGroups").unwrap_or(map.span()), "public-image", message);
    }
    map.finish(reader);
    Some(permission)
}

fn parameter(context: &mut Context<'_, '_>, node: &Node) -> Option<SsmParameter> {
    let mut map = context.reader.map(node, "an SSM parameter")?;
    let name = map.required(&mut context.reader, "parameterName");
    let name = name.and_then(|node| {
        let name = context.reader.text(node, "`parameterName`")?.value;
        // The longest name that it can become is a name with the characters of every other.
        let longest = match placeholder::longest(&name) {
            Ok(longest) => longest,
            Err(error) => {
                context.reader.error(node.span, "wrong-value", error.to_string());
                return None;
            }
        };
        if !is_parameter_name(&longest) {
            let message =
                format!("`{name}` cannot be the name of your own parameter: use a name such as /images/web-server");
            context.reader.error(node.span, "wrong-value", message);
        }
        Some(name)
    });
    let choices = [("aws:ec2:image", ParameterDataType::Image), ("text", ParameterDataType::Text)];
    let data_type = map.optional("dataType");
    let data_type = data_type.and_then(|node| context.reader.choice(node, "`dataType`", &choices));
    let node = map.optional("channel");
    let channel = node.and_then(|node| fields::parse(&mut context.reader, node, "`channel`"));
    if let Some(node) = node
        && name.as_deref().is_some_and(placeholder::differs)
    {
        let message = "a parameter whose name has a placeholder names one image for good, so it follows no channel";
        context.reader.error(node.span, "wrong-value", message);
    }
    map.unsupported(&mut context.reader, "amiAccountId");
    map.finish(&mut context.reader);
    Some(SsmParameter { parameter_name: name?, data_type: data_type.unwrap_or_default(), channel })
}

/// Returns whether SSM accepts the name: at most 1011 characters of `A-Za-z0-9_.-/`. Names that begin with `aws` or
/// `ssm` are reserved, and a name with a slash must begin with one (Systems Manager API reference, PutParameter).
fn is_parameter_name(name: &str) -> bool {
    let first = name.trim_start_matches('/').to_lowercase();
    (1..=1011).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-/".contains(&b))
        && (name.starts_with('/') || !name.contains('/'))
        && !first.is_empty()
        && !first.starts_with("aws")
        && !first.starts_with("ssm")
}

#[cfg(test)]
mod tests {
    use crate::definitions::{Draft, SourceFile};

    /// Reads a distribution for one AMI, and returns the result or the messages.
    fn ami(ami: &str) -> Result<(bool, Option<u32>), String> {
        let region = format!("{{region: eu-west-1, amiDistributionConfiguration: {ami}}}");
        let text = format!("{{kind: DistributionConfiguration, name: web, distributions: [{region}]}}\n");
        let files = [SourceFile { path: "f.yml".to_owned(), text }];
        let read = Draft::read(&files, &|_| Ok(String::new())).check_alone();
        let found = read.map_err(|found| found.iter().map(|one| one.message.clone()).collect::<String>())?;
        let ami = &found.distributions[0].distributions[0].ami_distribution_configuration;
        Ok((ami.share_snapshots, ami.deprecate_after_days))
    }

    #[test]
    fn a_target_account_has_an_id_and_occurs_once() {
        let one = "{account: '222233334444', kmsKey: alias/images}";
        assert!(ami(&format!("{{targetAccounts: [{one}, {{account: '333344445555'}}]}}")).is_ok());
        for (accounts, expected) in [
            (format!("[{one}, {one}]"), "the account `222233334444` is in `targetAccounts` twice"),
            ("[{account: '2222'}]".to_owned(), "`2222` is not an account id of 12 digits"),
            ("[{kmsKey: alias/images}]".to_owned(), "`account` of a target account is missing"),
        ] {
            let message = ami(&format!("{{targetAccounts: {accounts}}}")).unwrap_err();
            assert!(message.contains(expected), "{accounts}: {message}");
        }
        let message = ami(&format!("{{targetAccounts: [{one}], kmsKeyId: alias/aws/ebs}}")).unwrap_err();
        assert_eq!(message, "an AMI that is encrypted with AWS's own key `alias/aws/ebs` cannot be shared");
    }

    #[test]
    fn snapshots_are_shared_with_accounts_and_images_are_deprecated_after_days() {
        let users = "launchPermission: {userIds: ['111122223333']}";
        assert_eq!(ami(&format!("{{{users}, shareSnapshots: true, deprecateAfter: P90D}}")), Ok((true, Some(90))));
        assert_eq!(ami(&format!("{{{users}, shareSnapshots: false, deprecateAfter: P2W}}")), Ok((false, Some(14))));
        assert_eq!(ami("{}"), Ok((false, None)));
        let organization = "organizationArns: ['arn:aws:organizations::111122223333:organization/o-1']";
        for with in ["", &format!("launchPermission: {{{organization}}}, ")] {
            let message = ami(&format!("{{{with}shareSnapshots: true}}")).unwrap_err();
            assert!(message.starts_with("`shareSnapshots` needs accounts in `launchPermission`"), "{message}");
        }
        let public = "launchPermission: {userGroups: [all]}, deprecateAfter";
        assert_eq!(ami(&format!("{{{public}: P730D}}")), Ok((false, Some(730))));
        let message = ami(&format!("{{{public}: P731D}}")).unwrap_err();
        assert!(message.ends_with("EC2 deprecates a public AMI after two years at the latest: use at most P730D"));
        for wrong in ["90", "P0D", "P3651D", "P1M", "PT90H"] {
            let message = ami(&format!("{{deprecateAfter: {wrong}}}")).unwrap_err();
            assert!(message.contains("from P1D to P3650D, such as P90D"), "{wrong}: {message}");
        }
    }

    /// Reads a distribution for one Region with these keys, and returns the messages.
    fn messages(keys: &str) -> Vec<String> {
        let text =
            format!("{{kind: DistributionConfiguration, name: web, distributions: [{{region: eu-west-1, {keys}}}]}}\n");
        let files = [SourceFile { path: "f.yml".to_owned(), text }];
        let read = Draft::read(&files, &|_| Ok(String::new())).check_alone();
        read.err().into_iter().flatten().map(|one| one.message).collect()
    }

    #[test]
    fn parameters_descriptions_and_tags_have_the_placeholders_of_names() {
        let known = "use `imagebuilder:buildDate` or `imagebuilder:buildVersion`";
        let ami = |key: &str, value: &str| format!("amiDistributionConfiguration: {{{key}: {value}}}");
        let parameter = |name: &str| format!("ssmParameterConfigurations: [{{parameterName: '{name}'}}]");
        let long = "x".repeat(230);
        for (keys, message) in [
            (parameter("/images/web/{{ imagebuilder:buildVersion }}"), None),
            (parameter("/images/web/{{ version }}"), Some(format!("unknown placeholder `{{{{ version }}}}`: {known}"))),
            (ami("description", "'of {{ imagebuilder:buildDate }}'"), None),
            (ami("description", "'of {{ today }}'"), Some(format!("unknown placeholder `{{{{ today }}}}`: {known}"))),
            (ami("description", &format!("'{long} {{{{ imagebuilder:buildDate }}}}'")), None),
            (
                ami("description", &format!("'{long}x {{{{ imagebuilder:buildDate }}}}'")),
                Some("`description` can become up to 256 characters: 255 are allowed".to_owned()),
            ),
            (ami("amiTags", "{built: '{{ imagebuilder:buildDate }}'}"), None),
            (
                ami("amiTags", "{built: '{{ imagebuilder:buildDate'}"),
                Some("`{{` without `}}` in `{{ imagebuilder:buildDate`".to_owned()),
            ),
        ] {
            assert_eq!(messages(&keys), message.into_iter().collect::<Vec<_>>(), "{keys}");
        }
    }

    #[test]
    fn a_parameter_may_follow_a_channel() {
        let read = |channel: &str| {
            let parameters =
                format!("[{{parameterName: /images/web, channel: {channel}}}, {{parameterName: /images/all}}]");
            let region = format!("{{region: eu-west-1, ssmParameterConfigurations: {parameters}}}");
            let text = format!("{{kind: DistributionConfiguration, name: web, distributions: [{region}]}}\n");
            let files = [SourceFile { path: "f.yml".to_owned(), text }];
            let read = Draft::read(&files, &|_| Ok(String::new())).check_alone();
            let found = read.map_err(|found| found.to_string())?;
            Ok::<_, String>(found.distributions[0].distributions[0].ssm_parameter_configurations.clone())
        };
        let parameters = read("stable").unwrap();
        let (stable, other) = ("stable".parse().unwrap(), "other".parse().unwrap());
        let written = |channel| parameters.iter().map(|one| one.is_written_for(channel)).collect::<Vec<_>>();
        assert_eq!(written(None), [false, true]);
        assert_eq!(written(Some(&stable)), [true, true]);
        assert_eq!(written(Some(&other)), [false, true]);
        let message = read("a/b").unwrap_err();
        assert!(message.contains("the name `a/b` has a `/`"), "{message}");
    }
}

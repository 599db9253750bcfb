//! Distribution configurations.

use goldsmith_model::{AmiDistribution, AmiName, check_region};

use super::{Translation, list, tag_map};
use crate::fields::Fields;
use crate::finding::Outcome;
use crate::item::{Item, Mark, Part, parts, shown};
use crate::yaml::Yaml;

/// Stands where the Region is not known.
const SOME_REGION: &str = "us-east-1";

/// What an AMI's name gets if it would be the same for every build.
const VERSION: &str = "{{ imagebuilder:buildVersion }}";
const DATE: &str = "{{ imagebuilder:buildDate }}";

/// What an account is called in findings.
const ACCOUNT: &str = "an account id of 12 digits";

pub(super) fn translate(
    translation: &mut Translation<'_>,
    fields: &mut Fields<'_>,
) -> Option<Vec<(&'static str, Yaml)>> {
    let mut entries = Vec::new();
    entries.extend(translation.description(fields).map(|text| ("description", Yaml::Text(text))));
    let mut regions: Vec<(String, Yaml)> = Vec::new();
    for item in fields.take("distributions").map(Item::items).unwrap_or_default() {
        let inner = fields.inner("distributions", item);
        let since = translation.findings.len();
        let (region, distribution) = distribution(translation, inner);
        // Two Regions that are known only later both became the default here, and a configuration names each Region
        // once.
        if regions.iter().any(|(known, _)| *known == region) {
            translation.findings.forget_to_fill_in(since);
            let why = format!("the Region {region} is already listed");
            let place = fields.inner("distributions", item);
            place.tell(
                &mut translation.findings,
                Outcome::LeftOut,
                "region",
                why,
                "add it by hand under another Region",
            );
            continue;
        }
        regions.push((region, distribution));
    }
    if regions.is_empty() {
        let why = "no Region is known";
        fields.tell(
            &mut translation.findings,
            Outcome::LeftOut,
            "distributions",
            why,
            "write it by hand; without it, the image stays in the home Region",
        );
        return None;
    }
    entries.push(("distributions", Yaml::List(regions.into_iter().map(|(_, yaml)| yaml).collect())));
    Some(entries)
}

fn distribution(translation: &mut Translation<'_>, mut fields: Fields<'_>) -> (String, Yaml) {
    let region = region(translation, &mut fields);
    let mut entries = vec![("region", Yaml::text(&region))];
    translation.write_notes(&mut entries);
    if let Some(item) = fields.take("amiDistributionConfiguration") {
        let ami = ami(translation, fields.inner("amiDistributionConfiguration", item));
        entries.extend((!ami.is_empty()).then(|| ("amiDistributionConfiguration", Yaml::map(ami))));
    }
    let mut parameters = Vec::new();
    for item in fields.take("ssmParameterConfigurations").map(Item::items).unwrap_or_default() {
        parameters.extend(parameter(translation, fields.inner("ssmParameterConfigurations", item)));
    }
    if !parameters.is_empty() {
        entries.push(("ssmParameterConfigurations", Yaml::List(parameters)));
    }
    let mut templates = Vec::new();
    for item in fields.take("launchTemplateConfigurations").map(Item::items).unwrap_or_default() {
        templates.extend(template(translation, fields.inner("launchTemplateConfigurations", item)));
    }
    if !templates.is_empty() {
        entries.push(("launchTemplateConfigurations", Yaml::List(templates)));
    }
    let is_here = |arn: &str| {
        arn.starts_with("arn:aws")
            && arn.contains(&format!(":license-manager:{region}:"))
            && arn.contains(":license-configuration:lic-")
    };
    let wanted = format!("the ARN of a license configuration of {region}");
    let licenses = translation.texts(&mut fields, "licenseConfigurationArns", is_here, &wanted);
    if !licenses.is_empty() {
        let why = "a stack uses only the license configurations that its parameter LicenseConfigurationArns lists";
        let instead = "list them, or set the parameter to a pattern of their ARNs";
        fields.tell(&mut translation.findings, Outcome::Changed, "licenseConfigurationArns", why, instead);
    }
    entries.extend(list("licenseConfigurationArns", licenses));
    if let Some(item) = fields.take("s3ExportConfiguration") {
        let export = export(translation, fields.inner("s3ExportConfiguration", item));
        if export.is_some() {
            let why = "a stack exports only with the roles that its parameter ExportRoleArns lists";
            let instead = "list the ARN of the role";
            fields.tell(&mut translation.findings, Outcome::Changed, "s3ExportConfiguration", why, instead);
        }
        entries.extend(export.map(|export| ("s3ExportConfiguration", export)));
    }
    fields.finish(&mut translation.findings);
    translation.write_notes(&mut entries);
    (region, Yaml::map(entries))
}

fn region(translation: &mut Translation<'_>, fields: &mut Fields<'_>) -> String {
    let text = fields.take("region").and_then(Item::text).unwrap_or_default();
    let known: Option<String> = parts(text)
        .iter()
        .map(|part| match part {
            Part::Text(text) => Some((*text).to_owned()),
            Part::Mark(Mark::Unknown, label) if super::is_region(label) => translation.region.clone(),
            Part::Mark(..) => None,
        })
        .collect();
    if let Some(region) = known.filter(|region| check_region(region).is_ok()) {
        return region;
    }
    let region = translation.region.clone().unwrap_or_else(|| SOME_REGION.to_owned());
    let why = match text {
        "" => "no Region is named".to_owned(),
        text => format!("`{}` is not a Region that is known", shown(text)),
    };
    let instead = format!("`{region}` was written: write the Region, or import with --region");
    translation.leave_to_fill_in(fields, "region", why, instead);
    region
}

fn ami(translation: &mut Translation<'_>, mut fields: Fields<'_>) -> Vec<(&'static str, Yaml)> {
    let mut entries = Vec::new();
    entries.extend(name(translation, &mut fields).map(|name| ("name", Yaml::Text(name))));
    entries.extend(translation.description(&mut fields).map(|text| ("description", Yaml::Text(text))));
    entries.extend(tag_map("amiTags", translation.tags(&mut fields, "amiTags")));
    let permission = fields.take("launchPermissionConfiguration");
    let (mut is_with_accounts, mut is_public) = (false, false);
    if let Some(permission) = permission {
        let granted = launch_permission(translation, fields.inner("launchPermissionConfiguration", permission));
        is_public = granted.iter().any(|(key, _)| *key == "userGroups");
        is_with_accounts = is_public || granted.iter().any(|(key, _)| *key == "userIds");
        let is_granted = granted.iter().any(|(key, _)| !key.is_empty());
        entries.extend(is_granted.then(|| ("launchPermission", Yaml::map(granted))));
    }
    let accounts = target_accounts(translation, &mut fields);
    let is_shared = permission.is_some() || !accounts.is_empty();
    entries.extend((!accounts.is_empty()).then_some(("targetAccounts", Yaml::List(accounts))));
    // Packer has these two; Image Builder has nothing like them.
    if fields.take("shareSnapshots").is_some() && is_with_accounts {
        entries.push(("shareSnapshots", Yaml::text("true")));
    }
    let after = deprecate_after(translation, &mut fields, is_public);
    entries.extend(after.map(|days| ("deprecateAfter", Yaml::Text(format!("P{days}D")))));
    let key = translation.text(&mut fields, "kmsKeyId");
    if key.as_deref().is_some_and(|key| key.ends_with("alias/aws/ebs")) && is_shared {
        let why = "an AMI under AWS's own key cannot be shared";
        fields.tell(&mut translation.findings, Outcome::LeftOut, "kmsKeyId", why, "use a key of your own");
    } else {
        entries.extend(key.map(|key| ("kmsKeyId", Yaml::Text(key))));
    }
    fields.finish(&mut translation.findings);
    translation.write_notes(&mut entries);
    entries
}

/// Returns the accounts that get their own copies of the AMI.
fn target_accounts(translation: &mut Translation<'_>, fields: &mut Fields<'_>) -> Vec<Yaml> {
    let accounts = translation.texts(fields, "targetAccountIds", is_account, ACCOUNT);
    accounts.into_iter().map(|account| Yaml::map([("account", Yaml::Text(account))])).collect()
}

/// Returns after how many days an AMI is deprecated, within the limits of EC2.
fn deprecate_after(translation: &mut Translation<'_>, fields: &mut Fields<'_>, is_public: bool) -> Option<u32> {
    const KEY: &str = "deprecateAfter";
    let days: u32 = fields.take(KEY).and_then(Item::text)?.parse().ok()?;
    let most = if is_public { AmiDistribution::MAX_PUBLIC_DAYS } else { AmiDistribution::MAX_DAYS };
    if days > most {
        let why = format!("EC2 deprecates such an AMI after {most} days at the latest");
        fields.tell(&mut translation.findings, Outcome::Changed, KEY, why, format!("`P{most}D` was written"));
    }
    Some(days.min(most))
}

/// Returns the template of the AMI's name, which differs from build to build.
fn name(translation: &mut Translation<'_>, fields: &mut Fields<'_>) -> Option<String> {
    let written = fields.take("name").and_then(Item::text)?;
    let mut name = String::new();
    for part in parts(written) {
        match part {
            Part::Text(text) => name.push_str(&placeholders(text)),
            Part::Mark(Mark::Now, _) => name.push_str(DATE),
            Part::Mark(Mark::Unknown, label) if super::is_region(label) => {
                name.push_str(translation.region.as_deref().unwrap_or_default());
            }
            Part::Mark(..) => {}
        }
    }
    let mut name = name.trim_matches(['-', '_', ' ', '.']).to_owned();
    // An AMI's name is unique in its account and Region, so a constant name would fail the second build.
    if !name.contains("{{") {
        name = if name.is_empty() { return None } else { format!("{name}-{VERSION}") };
    }
    if name != written {
        let why = format!("`{}` has parts without an equivalent, or is the same for every build", shown(written));
        fields.tell(&mut translation.findings, Outcome::Changed, "name", why, format!("`{name}` was written"));
    }
    if let Err(error) = name.parse::<AmiName>() {
        fields.tell(
            &mut translation.findings,
            Outcome::LeftOut,
            "name",
            error.to_string(),
            "write a name; without it, AMIs are called NAME VERSION-BUILD",
        );
        return None;
    }
    Some(name)
}

/// Returns a text whose placeholders are those that exist here, and whose other letters EC2 accepts.
fn placeholders(text: &str) -> String {
    let mut name = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        name.push_str(&allowed(before));
        let Some((inner, after)) = after.split_once("}}") else {
            rest = after;
            continue;
        };
        name.push_str(match inner.trim() {
            inner if inner.starts_with("imagebuilder:buildVersion") => VERSION,
            inner if inner.starts_with("imagebuilder:buildDate") => DATE,
            // Packer's own templates of a time.
            inner if inner.starts_with("timestamp") || inner.starts_with("isotime") => DATE,
            _ => "",
        });
        rest = after;
    }
    name.push_str(&allowed(rest));
    name
}

fn allowed(text: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "()[] ./'@_-".contains(c);
    text.chars().map(|c| if fits(c) { c } else { '-' }).collect()
}

fn is_account(id: &str) -> bool {
    id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_digit())
}

fn launch_permission(translation: &mut Translation<'_>, mut fields: Fields<'_>) -> Vec<(&'static str, Yaml)> {
    let arn = |part: &'static str| {
        move |arn: &str| arn.starts_with("arn:") && arn.contains(":organizations::") && arn.contains(part)
    };
    let mut entries = Vec::new();
    let users = translation.texts(&mut fields, "userIds", is_account, ACCOUNT);
    entries.extend(list("userIds", users));
    let groups = translation.texts(&mut fields, "userGroups", |group| group == "all", "`all`");
    entries.extend(list("userGroups", groups));
    let organizations =
        translation.texts(&mut fields, "organizationArns", arn(":organization/"), "the ARN of an organization");
    entries.extend(list("organizationArns", organizations));
    let units =
        translation.texts(&mut fields, "organizationalUnitArns", arn(":ou/"), "the ARN of an organizational unit");
    entries.extend(list("organizationalUnitArns", units));
    if !entries.is_empty() {
        translation.write_notes(&mut entries);
    }
    fields.finish(&mut translation.findings);
    entries
}

fn parameter(translation: &mut Translation<'_>, mut fields: Fields<'_>) -> Option<Yaml> {
    let name = translation.text(&mut fields, "parameterName");
    let kind = translation.text(&mut fields, "dataType");
    let name = name?;
    let first = name.trim_start_matches('/').to_lowercase();
    let good = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-/".contains(&b))
        && (name.starts_with('/') || !name.contains('/'))
        && !first.is_empty()
        && !first.starts_with("aws")
        && !first.starts_with("ssm");
    if !good {
        let why = format!("`{name}` cannot be the name of your own parameter");
        fields.tell(
            &mut translation.findings,
            Outcome::LeftOut,
            "parameterName",
            why,
            "use a name such as /images/web-server",
        );
        return None;
    }
    fields.finish(&mut translation.findings);
    let mut entries = vec![("parameterName", Yaml::Text(name))];
    entries.extend(kind.filter(|kind| kind == "text").map(|kind| ("dataType", Yaml::Text(kind))));
    Some(Yaml::map(entries))
}

/// Returns where the AMI is exported to; `None` if one of the required values is known only later.
fn export(translation: &mut Translation<'_>, mut fields: Fields<'_>) -> Option<Yaml> {
    let role = translation.text(&mut fields, "roleName");
    let format = translation.text(&mut fields, "diskImageFormat");
    let bucket = translation.text(&mut fields, "s3Bucket");
    let prefix = translation.text(&mut fields, "s3Prefix");
    let missing = [("roleName", &role), ("diskImageFormat", &format), ("s3Bucket", &bucket)];
    for (key, _) in missing.into_iter().filter(|(_, value)| value.is_none()) {
        let why = "an export needs it, so the whole export is left out";
        fields.tell(&mut translation.findings, Outcome::LeftOut, key, why, "write it by hand");
    }
    fields.finish(&mut translation.findings);
    let mut entries = vec![("roleName", Yaml::Text(role?)), ("diskImageFormat", Yaml::Text(format?))];
    entries.push(("s3Bucket", Yaml::Text(bucket?)));
    entries.extend(prefix.map(|prefix| ("s3Prefix", Yaml::Text(prefix))));
    Some(Yaml::map(entries))
}

fn template(translation: &mut Translation<'_>, mut fields: Fields<'_>) -> Option<Yaml> {
    let id = translation.text(&mut fields, "launchTemplateId");
    // Terraform's name for it is the second one.
    let default = translation.flag(&mut fields, "setDefaultVersion").or(translation.flag(&mut fields, "default"));
    let account = translation.text(&mut fields, "accountId");
    let id = id?;
    let is_id = id.strip_prefix("lt-").is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let why = match account {
        Some(account) => format!("the template is in the account {account}"),
        None if !is_id => format!("`{id}` is not the id of a launch template"),
        None => {
            fields.finish(&mut translation.findings);
            let mut entries = vec![("launchTemplateId", Yaml::Text(id))];
            entries
                .extend(default.filter(|is_default| !is_default).map(|_| ("setDefaultVersion", Yaml::text("false"))));
            return Some(Yaml::map(entries));
        }
    };
    let instead = "only templates of the stack's own account get a version: let others name an SSM parameter";
    fields.tell(&mut translation.findings, Outcome::LeftOut, "launchTemplateId", why, instead);
    None
}

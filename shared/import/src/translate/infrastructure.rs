//! Infrastructure configurations.

use goldsmith_model::is_topic_arn;

use super::{Translation, list, tag_map};
use crate::fields::Fields;
use crate::finding::Outcome;
use crate::yaml::Yaml;

/// What Image Builder takes if a configuration names no type.
const DEFAULT_TYPE: &str = "m5.large";

pub(super) fn translate(translation: &mut Translation<'_>, fields: &mut Fields<'_>) -> Vec<(&'static str, Yaml)> {
    let mut entries = Vec::new();
    entries.extend(translation.description(fields).map(|text| ("description", Yaml::Text(text))));
    let mut types = translation.texts(fields, "instanceTypes", is_instance_type, "an instance type such as `t3.small`");
    if types.is_empty() {
        let why = "no instance type is known";
        let instead = format!("`{DEFAULT_TYPE}` was written: write the types that you want");
        fields.tell(&mut translation.findings, Outcome::Changed, "instanceTypes", why, instead);
        types.push(DEFAULT_TYPE.to_owned());
    }
    entries.extend(list("instanceTypes", types));
    translation.write_notes(&mut entries);
    let subnets = translation.texts(fields, "subnetId", |id| is_id(id, "subnet-"), "a subnet id");
    entries.extend(list("subnetIds", subnets));
    translation.write_notes(&mut entries);
    let groups = translation.texts(fields, "securityGroupIds", |id| is_id(id, "sg-"), "a security group id");
    entries.extend(list("securityGroupIds", groups));
    translation.write_notes(&mut entries);
    if let Some(profile) = translation.text(fields, "instanceProfileName") {
        let name = profile.rsplit('/').next().unwrap_or_default().to_owned();
        let fits = |letter: u8| letter.is_ascii_alphanumeric() || b"_+=,.@-".contains(&letter);
        if (1..=128).contains(&name.len()) && name.bytes().all(fits) {
            entries.push(("instanceProfileName", Yaml::Text(name)));
        } else {
            let why = format!("`{profile}` is not the name of an instance profile");
            let instead = "write the name; without it, instances have the stack's own profile";
            fields.tell(&mut translation.findings, Outcome::LeftOut, "instanceProfileName", why, instead);
        }
    }
    translation.write_notes(&mut entries);
    entries.extend(metadata(translation, fields));
    entries.extend(placement(translation, fields));
    translation.write_notes(&mut entries);
    if fields.take("keyPair").is_some() {
        let why = "a stack uses only the key pairs that its parameter KeyPairArns lists";
        let instead =
            "use `keepOnFailure: PT4H` and a shell of Session Manager, or list the key pair and write `keyPair`";
        fields.tell(&mut translation.findings, Outcome::LeftOut, "keyPair", why, instead);
    }
    entries.extend(topic(translation, fields));
    translation.write_notes(&mut entries);
    entries.extend(tag_map("resourceTags", translation.tags(fields, "resourceTags")));
    if translation.flag(fields, "terminateInstanceOnFailure") == Some(false) {
        let why = "Goldsmith keeps a failed instance for a limited time and then terminates it";
        fields.tell(
            &mut translation.findings,
            Outcome::Changed,
            "terminateInstanceOnFailure",
            why,
            "`keepOnFailure: PT4H` was written",
        );
        entries.push(("keepOnFailure", Yaml::text("PT4H")));
    }
    entries
}

/// Reads the topic, which the stack must list.
fn topic(translation: &mut Translation<'_>, fields: &mut Fields<'_>) -> Option<(&'static str, Yaml)> {
    let topic = translation.texts(fields, "snsTopicArn", is_topic_arn, "the ARN of an SNS topic").into_iter().next()?;
    let why = "a stack sends messages only to the topics that its parameter NotificationTopicArns lists";
    let instead = "list it; the message has another form than Image Builder's";
    fields.tell(&mut translation.findings, Outcome::Changed, "snsTopicArn", why, instead);
    Some(("snsTopicArn", Yaml::Text(topic)))
}

/// Reads the zone, the tenancy, and the Dedicated Host or the group of hosts.
fn placement(translation: &mut Translation<'_>, fields: &mut Fields<'_>) -> Option<(&'static str, Yaml)> {
    let item = fields.take("placement")?;
    let mut placement = fields.inner("placement", item);
    let zone = translation.text(&mut placement, "availabilityZone");
    let tenancy = translation.text(&mut placement, "tenancy");
    let tenancy = tenancy.filter(|tenancy| ["default", "dedicated", "host"].contains(&tenancy.as_str()));
    let is_on_host = tenancy.as_deref() == Some("host");
    let mut entries: Vec<_> = zone.into_iter().map(|zone| ("availabilityZone", Yaml::Text(zone))).collect();
    entries.extend(tenancy.map(|tenancy| ("tenancy", Yaml::Text(tenancy))));
    for key in ["hostId", "hostResourceGroupArn"] {
        match translation.text(&mut placement, key) {
            Some(text) if is_on_host => entries.push((key, Yaml::Text(text))),
            Some(_) => {
                let (why, instead) = ("it has no effect without `tenancy: host`", "write `tenancy: host`");
                placement.tell(&mut translation.findings, Outcome::LeftOut, key, why, instead);
            }
            None => {}
        }
    }
    placement.finish(&mut translation.findings);
    let is_empty = entries.is_empty();
    (!is_empty).then(|| {
        translation.write_notes(&mut entries);
        ("placement", Yaml::map(entries))
    })
}

/// Reads the options of the metadata service. Tokens are always required here.
fn metadata(translation: &mut Translation<'_>, fields: &mut Fields<'_>) -> Option<(&'static str, Yaml)> {
    let item = fields.take("instanceMetadataOptions")?;
    let mut options = fields.inner("instanceMetadataOptions", item);
    if translation.text(&mut options, "httpTokens").is_some_and(|tokens| tokens != "required") {
        let why = "instances without IMDSv2 are not launched";
        options.tell(
            &mut translation.findings,
            Outcome::Changed,
            "httpTokens",
            why,
            "tokens are required: request one in scripts",
        );
    }
    let limit = translation.number(&mut options, "httpPutResponseHopLimit", 1..=64);
    options.finish(&mut translation.findings);
    limit.map(|limit| ("instanceMetadataOptions", Yaml::map([("httpPutResponseHopLimit", Yaml::Text(limit))])))
}

/// Returns whether a text is an id of AWS with this prefix.
fn is_id(text: &str, prefix: &str) -> bool {
    let digits = text.strip_prefix(prefix).unwrap_or_default();
    (8..=17).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn is_instance_type(text: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    text.split_once('.').is_some_and(|(family, size)| part(family) && part(size))
}

#[cfg(test)]
mod tests {
    use super::{is_id, is_instance_type};

    #[test]
    fn ids_and_types_have_their_forms() {
        assert!(
            is_id("subnet-0123abcd", "subnet-") && !is_id("subnet-x", "subnet-") && !is_id("sg-0123abcd", "subnet-")
        );
        assert!(is_instance_type("t3.small") && !is_instance_type("small") && !is_instance_type("t3."));
    }
}

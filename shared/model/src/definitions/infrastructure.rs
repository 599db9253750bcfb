//! `kind: InfrastructureConfiguration`

use goldsmith_document::MapReader;
use goldsmith_document::yaml::{Node, Value};
use jiff::SignedDuration;

use super::draft::Context;
use super::{Kind, elsewhere, fields, keys};
use crate::account::is_account_id;
use crate::{InfrastructureConfiguration, InstanceMetadataOptions, Placement, Tenancy, is_topic_arn};

/// A failed instance is kept for at most a week.
const LONGEST_KEEP: SignedDuration = SignedDuration::from_hours(7 * 24);

pub(super) fn read(context: &mut Context<'_, '_>, map: &mut MapReader<'_>) -> Option<()> {
    let name = context.named(Kind::InfrastructureConfiguration, map);
    let reader = &mut context.reader;
    let description = fields::text(reader, map, "description");
    // A value that is not a list is reported below.
    let given = map.required(reader, "instanceTypes").map(|node| &node.value);
    if given.is_some_and(|value| matches!(value, Value::List(types) if types.is_empty())) {
        let span = map.key_span("instanceTypes").unwrap_or(map.span());
        reader.error(span, "empty", "`instanceTypes` needs at least one type");
    }
    let instance_types =
        fields::texts(reader, map, "instanceTypes", fields::is_instance_type, "an instance type such as `t3.small`");
    let subnet_ids = fields::texts(reader, map, "subnetIds", |id| fields::is_id(id, "subnet"), "a subnet id");
    let security_group_ids =
        fields::texts(reader, map, "securityGroupIds", |id| fields::is_id(id, "sg"), "a security group id");
    let profile = map.optional("instanceProfileName").and_then(|node| profile_name(context, node));
    let options = map.optional("instanceMetadataOptions").and_then(|node| metadata_options(context, node));
    let placement = map.optional("placement").and_then(|node| placement(context, node)).unwrap_or_default();
    let key_pair = map.optional("keyPair").and_then(|node| key_pair(context, node));
    let sns_topic_arn = map.optional("snsTopicArn").and_then(|node| topic(context, node));
    let spot = map.optional("spot").and_then(|node| spot(context, node, &placement)).unwrap_or_default();
    let resource_tags = fields::tags(&mut context.reader, map, "resourceTags");
    let keep_on_failure = map.optional("keepOnFailure").and_then(|node| keep(context, node)).unwrap_or_default();
    refuse_others(context, map);
    context.draft.definitions.infrastructures.push(InfrastructureConfiguration {
        name: name?,
        description,
        instance_types,
        subnet_ids,
        security_group_ids,
        instance_profile_name: profile,
        instance_metadata_options: options.unwrap_or_default(),
        placement,
        key_pair,
        sns_topic_arn,
        spot,
        resource_tags,
        keep_on_failure,
    });
    Some(())
}

fn refuse_others(context: &mut Context<'_, '_>, map: &mut MapReader<'_>) {
    // An instance is terminated unless `keepOnFailure` says otherwise, so `true` changes nothing.
    if let Some(node) = map.optional("terminateInstanceOnFailure")
        && context.reader.boolean(node, "`terminateInstanceOnFailure`") == Some(false)
    {
        let message = "`terminateInstanceOnFailure: false` is not supported";
        let help = Some("write `keepOnFailure: PT4H`: the instance is kept that long".to_owned());
        context.reader.error_with_help(node.span, "unsupported", message, help);
    }
    let later = ["instanceProfileArn", "logging", "subnetId", "tags"];
    elsewhere::refuse(context, Kind::InfrastructureConfiguration, map, &later);
}

/// Reads a name without its path, according to the rules of IAM: `[\w+=,.@-]+`, at most 128 characters.
fn profile_name(context: &mut Context<'_, '_>, node: &Node) -> Option<String> {
    let name = context.reader.text(node, "`instanceProfileName`")?.value;
    let fits = |letter: u8| letter.is_ascii_alphanumeric() || b"_+=,.@-".contains(&letter);
    if (1..=128).contains(&name.len()) && name.bytes().all(fits) {
        return Some(name);
    }
    let message = format!("`{name}` is not the name of an instance profile: write it without ARN and path");
    context.reader.error(node.span, "wrong-value", message);
    None
}

fn placement(context: &mut Context<'_, '_>, node: &Node) -> Option<Placement> {
    let mut map = context.reader.map(node, "`placement`")?;
    let zone = map.optional("availabilityZone").and_then(|node| zone(context, node));
    let tenancies = [("default", Tenancy::Default), ("dedicated", Tenancy::Dedicated), ("host", Tenancy::Host)];
    let tenancy = map.optional("tenancy").and_then(|node| context.reader.choice(node, "`tenancy`", &tenancies));
    let (host, group) = (map.optional("hostId"), map.optional("hostResourceGroupArn"));
    map.finish(&mut context.reader);
    let tenancy = tenancy.unwrap_or_default();
    for (key, node) in [("hostId", host), ("hostResourceGroupArn", group)] {
        let Some(node) = node.filter(|_| tenancy != Tenancy::Host) else { continue };
        context.reader.error(node.span, "wrong-value", format!("`{key}` needs `tenancy: host`"));
    }
    if let (Some(_), Some(node)) = (host, group) {
        let message = "a placement has `hostId` or `hostResourceGroupArn`, not both";
        context.reader.error(node.span, "wrong-value", message);
    }
    let is_host = |text: &str| fields::is_id(text, "h");
    let id = "the id of a Dedicated Host, such as `h-0123456789abcdef0`";
    let host_id = host.and_then(|node| text_of_form(context, node, "hostId", is_host, id));
    let arn = "the ARN of a host resource group, such as \
               `arn:aws:resource-groups:eu-west-1:111122223333:group/hosts`";
    let group = group.and_then(|node| text_of_form(context, node, "hostResourceGroupArn", is_host_group, arn));
    Some(Placement { availability_zone: zone, tenancy, host_id, host_resource_group_arn: group })
}

/// Reads a text of a certain form, which `what` describes.
fn text_of_form(
    context: &mut Context<'_, '_>,
    node: &Node,
    key: &str,
    fits: impl Fn(&str) -> bool,
    what: &str,
) -> Option<String> {
    let text = context.reader.text(node, &format!("`{key}`"))?.value;
    if fits(&text) {
        return Some(text);
    }
    context.reader.error(node.span, "wrong-value", format!("`{key}` must be {what}, not `{text}`"));
    None
}

/// Returns whether a text can be the ARN of a host resource group:
/// `arn:aws:resource-groups:eu-west-1:111122223333:group/NAME` (Image Builder API reference, Placement).
fn is_host_group(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let ["arn", partition, "resource-groups", region, account, group] = parts.as_slice() else { return false };
    let name = group.strip_prefix("group/").unwrap_or_default();
    let fits = |letter: u8| letter.is_ascii_alphanumeric() || b"_.-/".contains(&letter);
    partition.starts_with("aws")
        && !region.is_empty()
        && is_account_id(account)
        && !name.is_empty()
        && name.bytes().all(fits)
}

/// Reads the name of an Availability Zone, such as `eu-west-1a`, or of a Local Zone, such as `us-west-2-lax-1a`.
fn zone(context: &mut Context<'_, '_>, node: &Node) -> Option<String> {
    let name = context.reader.text(node, "`availabilityZone`")?.value;
    let is_plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let ends_in_letter = name.ends_with(|last: char| last.is_ascii_lowercase());
    let has_number =
        name.trim_end_matches(|last: char| last.is_ascii_lowercase()).ends_with(|n: char| n.is_ascii_digit());
    if is_plain && ends_in_letter && has_number {
        return Some(name);
    }
    let message = format!("`{name}` is not the name of an Availability Zone such as `eu-west-1a`");
    context.reader.error(node.span, "wrong-value", message);
    None
}

/// Reads the name of a key pair: 1 to 255 ASCII characters (EC2 API reference, CreateKeyPair, `KeyName`).
fn key_pair(context: &mut Context<'_, '_>, node: &Node) -> Option<String> {
    let name = context.reader.text(node, "`keyPair`")?.value;
    if (1..=255).contains(&name.len()) && name.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) {
        return Some(name);
    }
    let message = format!("`{name}` is not the name of a key pair: it has 1 to 255 ASCII characters");
    context.reader.error(node.span, "wrong-value", message);
    None
}

/// Reads whether the build instance is a spot instance. RunInstances rejects one on a Dedicated Host.
fn spot(context: &mut Context<'_, '_>, node: &Node, placement: &Placement) -> Option<bool> {
    let spot = context.reader.boolean(node, "`spot`")?;
    if spot && placement.tenancy == Tenancy::Host {
        let message = "`spot: true` needs another tenancy than `host`: spot instances never run on Dedicated Hosts";
        context.reader.error(node.span, "wrong-value", message);
    }
    Some(spot)
}

fn topic(context: &mut Context<'_, '_>, node: &Node) -> Option<String> {
    let arn = "the ARN of an SNS topic, such as `arn:aws:sns:eu-west-1:111122223333:images`";
    text_of_form(context, node, "snsTopicArn", is_topic_arn, arn)
}

fn metadata_options(context: &mut Context<'_, '_>, node: &Node) -> Option<InstanceMetadataOptions> {
    let mut map = context.reader.map(node, "`instanceMetadataOptions`")?;
    if let Some(tokens) = map.optional("httpTokens")
        && context.reader.text(tokens, "`httpTokens`").is_some_and(|text| text.value != "required")
    {
        let message = "`httpTokens` can only be `required`: instances without IMDSv2 are not launched";
        context.reader.error(tokens.span, "wrong-value", message);
    }
    let limit = map.optional("httpPutResponseHopLimit");
    let limit =
        limit.and_then(|node| fields::number(&mut context.reader, node, "`httpPutResponseHopLimit`", keys::HOP_LIMIT));
    map.finish(&mut context.reader);
    let limit = limit.and_then(|limit| u8::try_from(limit).ok());
    Some(limit.map_or_else(InstanceMetadataOptions::default, |limit| InstanceMetadataOptions {
        http_put_response_hop_limit: limit,
    }))
}

fn keep(context: &mut Context<'_, '_>, node: &Node) -> Option<SignedDuration> {
    let text = context.reader.text(node, "`keepOnFailure`")?.value;
    let duration = text.parse::<SignedDuration>().ok();
    let good = duration.filter(|d| !d.is_negative() && *d <= LONGEST_KEEP && d.subsec_nanos() == 0);
    if good.is_none() {
        let message = format!("`keepOnFailure` must be a duration from PT0S to PT168H, such as PT4H, not `{text}`");
        context.reader.error(node.span, "wrong-value", message);
    }
    good
}

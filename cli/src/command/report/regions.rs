//! The AMIs of a build by Region, and what was done for each.

use goldsmith_model::{DeregistrationProtection, State};
use goldsmith_store::{ImageRecord, PlannedRegion, StateStatus};

use super::facts::Facts;
use super::page::{Badge, Fact, code, fact, time_of};

/// A Region of a build.
pub(super) struct Place {
    pub(super) region: String,
    /// The AMI, if there is one.
    pub(super) ami: Option<String>,
    pub(super) badge: Badge,
    /// What the distribution sets.
    pub(super) facts: Vec<Fact>,
}

/// Returns the Regions of the plan, and then others in which the image has an AMI.
pub(super) fn places(facts: &Facts) -> Vec<Place> {
    let image = &facts.shown.image;
    let planned = facts.build.as_ref().map(|build| build.plan.regions.as_slice()).unwrap_or_default();
    let mut places: Vec<Place> = planned.iter().map(|region| place(facts, region)).collect();
    let others = image.amis.keys().filter(|region| planned.iter().all(|one| one.region != **region));
    places.extend(others.map(|region| Place {
        region: region.clone(),
        ami: image.amis.get(region).cloned(),
        badge: Badge::of_word("SUCCEEDED"),
        facts: made_from(image, region),
    }));
    places
}

fn place(facts: &Facts, planned: &PlannedRegion) -> Place {
    let image = &facts.shown.image;
    let ami = image.amis.get(&planned.region).cloned();
    let is_its = |item: &Option<String>| item.as_ref() == Some(&planned.region);
    let state = facts.shown.states.iter().find(|one| one.state == State::DistributeRegion && is_its(&one.item));
    // A build that has failed elsewhere may not have reached the Region.
    let status = match (state, &ami) {
        (Some(state), _) if state.status != StateStatus::Succeeded => facts.shown.status_of(state),
        (_, Some(_)) => "SUCCEEDED".to_owned(),
        (_, None) if facts.is_running() => "not yet".to_owned(),
        (_, None) => "no AMI".to_owned(),
    };
    let mut list = settings(planned);
    list.extend(made_from(image, &planned.region));
    Place { region: planned.region.clone(), ami, badge: Badge::of_word(&status), facts: list }
}

/// Returns what was made from the AMI of a Region: copies of other accounts, and disk images.
fn made_from(image: &ImageRecord, region: &str) -> Vec<Fact> {
    let copies = image.copies.iter().filter(|copy| copy.region == region);
    let copies = copies.map(|copy| code("copy", format!("{} of account {}", copy.ami, copy.account)));
    let exports = image.exports.iter().filter(|export| export.region == region);
    copies.chain(exports.map(|export| code("exported", &export.location))).collect()
}

fn settings(planned: &PlannedRegion) -> Vec<Fact> {
    let with = &planned.launch_permission;
    let mut list = vec![code("name", &planned.name)];
    list.extend(Some(&planned.description).filter(|text| !text.is_empty()).map(|text| fact("description", text)));
    list.extend(with.user_groups.iter().map(|group| match group.as_str() {
        "all" => fact("shared", "with all accounts: the AMI is public"),
        other => fact("shared", format!("with the group {other}")),
    }));
    let shared = [&with.user_ids, &with.organization_arns, &with.organizational_unit_arns].into_iter().flatten();
    list.extend(shared.map(|with| code("shared", with)));
    if planned.share_snapshots {
        list.push(fact("snapshots", "shared as the AMI is"));
    }
    list.extend(planned.kms_key_id.iter().map(|key| code("key", key)));
    list.extend(planned.parameters.iter().map(|one| match &one.channel {
        Some(channel) => code("parameter", format!("{}, which follows the channel {channel}", one.parameter_name)),
        None => code("parameter", &one.parameter_name),
    }));
    list.extend(planned.launch_templates.iter().map(|one| {
        let default = if one.set_default_version { ", as its default version" } else { "" };
        code("template", format!("{}{default}", one.template))
    }));
    list.extend(planned.license_configurations.iter().map(|license| code("license", license)));
    list.extend(
        planned.target_accounts.iter().map(|one| code("account", format!("{} gets its own copy", one.account))),
    );
    list.extend(planned.export.iter().map(|to| code("export", format!("{to} as {}", to.disk_image_format.as_str()))));
    list.extend(planned.deprecate_at.iter().map(|at| fact("deprecated", time_of(at))));
    list.extend(planned.protection.map(|protection| fact("protection", until(protection))));
    list.extend(planned.tags.iter().map(|(name, value)| code("tag", format!("{name}={value}"))));
    list
}

fn until(protection: DeregistrationProtection) -> &'static str {
    match protection {
        DeregistrationProtection::UntilOff => "from deregistration, until it is switched off",
        DeregistrationProtection::WithCooldown => "from deregistration, until 24 hours after it is switched off",
    }
}

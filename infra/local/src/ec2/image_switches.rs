//! Settings of an image that can be switched on and off: EnableImage, DisableImage, EnableImageDeprecation,
//! DisableImageDeprecation, EnableImageDeregistrationProtection and DisableImageDeregistrationProtection.

use jiff::{SignedDuration, Timestamp};

use super::call::{Call, Row};
use super::xml::Xml;
use crate::api::ApiError;
use crate::events::Event;
use crate::world::{Image, ImageState, Protection};

/// The calls that this file serves.
pub(super) const CALLS: &[Row] = &[
    ("EnableImage", enable),
    ("DisableImage", disable),
    ("EnableImageDeprecation", deprecate),
    ("DisableImageDeprecation", undeprecate),
    ("EnableImageDeregistrationProtection", protect),
    ("DisableImageDeregistrationProtection", unprotect),
];

/// How long a protection with cooldown remains after it was switched off.
const COOLDOWN: SignedDuration = SignedDuration::from_hours(24);

/// Allows launches of a disabled image again.
fn enable(call: &Call<'_>) -> Result<Xml, ApiError> {
    switch(call, |image| set_state(call, image, ImageState::Disabled, ImageState::Available))
}

/// Keeps an image but allows no launches; the image loses its launch permissions.
fn disable(call: &Call<'_>) -> Result<Xml, ApiError> {
    switch(call, |image| {
        set_state(call, image, ImageState::Available, ImageState::Disabled)?;
        // Enabling the image again does not restore them (EC2 user guide, "Disable an Amazon EC2 AMI").
        image.grants = Default::default();
        Ok(())
    })
}

fn set_state(call: &Call<'_>, image: &mut Image, from: ImageState, to: ImageState) -> Result<(), ApiError> {
    if image.state() == to {
        return Ok(());
    }
    if image.state() != from {
        let message = format!("The image {} is in the state {}", image.id, image.state().name());
        return Err(ApiError::new("InvalidAMIID.Unavailable", message));
    }
    image.states.push(to);
    call.endpoint.emit(Event::of_image(image));
    Ok(())
}

/// Sets the time from which the image counts as deprecated: in the future, to the minute.
fn deprecate(call: &Call<'_>) -> Result<Xml, ApiError> {
    let text = call.params.require("DeprecateAt")?;
    let wrong =
        || ApiError::new("InvalidParameterValue", format!("Value ({text}) for parameter DeprecateAt is invalid."));
    let time: Timestamp = text.parse().map_err(|_| wrong())?;
    if time <= Timestamp::now() {
        return Err(wrong());
    }
    switch(call, |image| {
        // Ten years, and two from the creation of a public image (EC2 API reference, EnableImageDeprecation).
        let (from, days) = if image.grants.public { (image.created_at, 2 * 365) } else { (Timestamp::now(), 10 * 365) };
        let limit = from + SignedDuration::from_hours(24 * (days + 1));
        let is_postponed = image.grants.public && image.deprecated_at.is_some_and(|before| time > before);
        if time > limit || is_postponed {
            return Err(wrong());
        }
        image.deprecated_at = Some(time);
        Ok(())
    })
}

/// Removes the deprecation. Every public image has one, which is removed or postponed only after the image was made
/// private (EC2 user guide, "Deprecate an Amazon EC2 AMI").
fn undeprecate(call: &Call<'_>) -> Result<Xml, ApiError> {
    switch(call, |image| {
        if image.grants.public {
            let message = format!("The deprecation of {} cannot be disabled because the image is public.", image.id);
            return Err(ApiError::new("OperationNotPermitted", message));
        }
        image.deprecated_at = None;
        Ok(())
    })
}

/// Protects the image from being deregistered.
fn protect(call: &Call<'_>) -> Result<Xml, ApiError> {
    let cooldown = call.params.flag("WithCooldown");
    switch_to(call, |image| {
        image.protection = Protection::On { cooldown };
        image.protection.name()
    })
}

/// Removes the protection, at once or after its cooldown.
fn unprotect(call: &Call<'_>) -> Result<Xml, ApiError> {
    switch_to(call, |image| {
        image.protection = match image.protection {
            // The cooldown begins when the protection is switched off, not when it was switched on (EC2 user guide,
            // "Protect an Amazon EC2 AMI from deregistration").
            Protection::On { cooldown: true } => Protection::Until(Timestamp::now() + COOLDOWN),
            Protection::Until(end) if Timestamp::now() < end => Protection::Until(end),
            _ => Protection::Off,
        };
        image.protection.name()
    })
}

fn switch(call: &Call<'_>, change: impl FnOnce(&mut Image) -> Result<(), ApiError>) -> Result<Xml, ApiError> {
    let mut world = call.endpoint.world();
    let image = world.own_image(call.scope, call.params.require("ImageId")?)?;
    call.check_dry_run()?;
    change(image)?;
    Ok(Xml::done())
}

/// Changes an image. The two protection calls return its new state in words.
fn switch_to(call: &Call<'_>, change: impl FnOnce(&mut Image) -> String) -> Result<Xml, ApiError> {
    let mut world = call.endpoint.world();
    let image = world.own_image(call.scope, call.params.require("ImageId")?)?;
    call.check_dry_run()?;
    Ok(Xml::of("return", change(image)))
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::super::testing::Scene;

    #[tokio::test]
    async fn an_image_is_deprecated_only_in_the_future() {
        let scene = Scene::new();
        let image = scene.image();
        let refused_at =
            |time: &str| scene.refused("EnableImageDeprecation", &[("ImageId", &image), ("DeprecateAt", time)]);
        let call_at = |time: &str| scene.call("EnableImageDeprecation", &[("ImageId", &image), ("DeprecateAt", time)]);
        assert_eq!(refused_at("2001-01-01T00:00:00Z"), "InvalidParameterValue");
        let after = |days: i64| {
            (Timestamp::now() + SignedDuration::from_hours(24 * days)).strftime("%Y-%m-%dT00:00:00Z").to_string()
        };
        for (days, is_public, is_good) in
            [(3_600, false, true), (3_700, false, false), (700, true, true), (740, true, false)]
        {
            let change = if is_public { "Add" } else { "Remove" };
            let permission = format!("LaunchPermission.{change}.1.Group");
            scene.call("ModifyImageAttribute", &[("ImageId", image.as_str()), (permission.as_str(), "all")]).unwrap();
            assert_eq!(call_at(&after(days)).is_ok(), is_good, "{days} days, public: {is_public}");
        }
        let day = after(700);
        let shown = || scene.call("DescribeImages", &[("ImageId.1", &image)]).unwrap();
        assert!(shown().contains(&format!("<deprecationTime>{}", &day[..19])), "{}", shown());
        assert_eq!(refused_at(&after(701)), "InvalidParameterValue", "it is public");
        assert_eq!(scene.refused("DisableImageDeprecation", &[("ImageId", &image)]), "OperationNotPermitted");
        let private = [("ImageId", image.as_str()), ("LaunchPermission.Remove.1.Group", "all")];
        scene.call("ModifyImageAttribute", &private).unwrap();
        scene.call("DisableImageDeprecation", &[("ImageId", &image)]).unwrap();
        assert!(!shown().contains("deprecationTime"));
    }

    #[tokio::test]
    async fn a_protection_with_cooldown_outlives_its_end() {
        let scene = Scene::new();
        let image = scene.image();
        let id = ("ImageId", image.as_str());
        let on = scene.call("EnableImageDeregistrationProtection", &[id, ("WithCooldown", "true")]).unwrap();
        assert!(on.contains("enabled-with-cooldown"), "{on}");
        let off = scene.call("DisableImageDeregistrationProtection", &[id]).unwrap();
        assert!(off.contains("disabled after 20"), "{off}");
        assert_eq!(scene.refused("DeregisterImage", &[id]), "OperationNotPermitted");
    }
}

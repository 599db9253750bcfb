//! Settings of an image that can be switched on and off: EnableImage, DisableImage, EnableImageDeprecation,
//! DisableImageDeprecation, EnableImageDeregistrationProtection and DisableImageDeregistrationProtection.

use jiff::{SignedDuration, Timestamp};

use super::Call;
use super::xml::Xml;
use crate::api::ApiError;
use crate::events::Event;
use crate::world::{Image, ImageState, Protection};

/// How long a protection with cooldown remains after it was switched off.
const COOLDOWN: SignedDuration = SignedDuration::from_hours(24);

/// Allows launches of a disabled image again.
pub(super) fn enable(call: &Call<'_>) -> Result<Xml, ApiError> {
    switch(call, |image| set_state(call, image, ImageState::Disabled, ImageState::Available))
}

/// Keeps an image but allows no launches; the image loses its launch permissions.
pub(super) fn disable(call: &Call<'_>) -> Result<Xml, ApiError> {
    switch(call, |image| {
        set_state(call, image, ImageState::Available, ImageState::Disabled)?;
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
pub(super) fn deprecate(call: &Call<'_>) -> Result<Xml, ApiError> {
    let text = call.params.require("DeprecateAt")?;
    let wrong =
        || ApiError::new("InvalidParameterValue", format!("Value ({text}) for parameter DeprecateAt is invalid."));
    let time: Timestamp = text.parse().map_err(|_| wrong())?;
    if time <= Timestamp::now() {
        return Err(wrong());
    }
    switch(call, |image| {
        image.deprecated_at = Some(time);
        Ok(())
    })
}

/// Removes the deprecation.
pub(super) fn undeprecate(call: &Call<'_>) -> Result<Xml, ApiError> {
    switch(call, |image| {
        image.deprecated_at = None;
        Ok(())
    })
}

/// Protects the image from being deregistered.
pub(super) fn protect(call: &Call<'_>) -> Result<Xml, ApiError> {
    let cooldown = call.params.flag("WithCooldown");
    switch_to(call, |image| {
        image.protection = Protection::On { cooldown };
        image.protection.name()
    })
}

/// Removes the protection, at once or after its cooldown.
pub(super) fn unprotect(call: &Call<'_>) -> Result<Xml, ApiError> {
    switch_to(call, |image| {
        image.protection = match image.protection {
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
fn switch_to(call: &Call<'_>, change: impl FnOnce(&mut Image) -> &'static str) -> Result<Xml, ApiError> {
    let mut world = call.endpoint.world();
    let image = world.own_image(call.scope, call.params.require("ImageId")?)?;
    call.check_dry_run()?;
    let mut xml = Xml::new();
    xml.text("return", change(image));
    Ok(xml)
}

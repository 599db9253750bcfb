//! How RunInstances buys an instance (`InstanceMarketOptions`).
//!
//! Spot requests are requests for one launch here. A persistent request would launch again by itself.

use super::params::Params;
use crate::api::ApiError;

/// The lowest maximum price, in US dollars for an hour (EC2 API reference, SpotMarketOptions, `MaxPrice`).
const LOWEST_PRICE: f64 = 0.001;

/// Returns whether the call requests a spot instance, or EC2's error if its request cannot be.
pub(super) fn is_spot(params: &Params) -> Result<bool, ApiError> {
    let Some(market) = params.get("InstanceMarketOptions.MarketType") else { return Ok(false) };
    match market {
        "spot" => check(params).map(|()| true),
        "capacity-block" | "interruptible-capacity-reservation" => {
            let message =
                format!("There are no capacity reservations here, so the market type '{market}' cannot be used.");
            Err(ApiError::new("UnsupportedOperation", message))
        }
        other => Err(invalid("MarketType", other)),
    }
}

fn check(params: &Params) -> Result<(), ApiError> {
    let option = |name: &str| params.get(&format!("InstanceMarketOptions.SpotOptions.{name}"));
    if let Some(price) = option("MaxPrice")
        && !price.parse::<f64>().is_ok_and(|price| price >= LOWEST_PRICE)
    {
        return Err(invalid("MaxPrice", price));
    }
    let behavior = option("InstanceInterruptionBehavior").unwrap_or("terminate");
    if !["terminate", "stop", "hibernate"].contains(&behavior) {
        return Err(invalid("InstanceInterruptionBehavior", behavior));
    }
    match (option("SpotInstanceType").unwrap_or("one-time"), behavior) {
        ("one-time", "terminate") => Ok(()),
        // EC2's own words.
        ("one-time", behavior) => Err(ApiError::new(
            "InvalidParameterCombination",
            format!(
                "The request with type 'one-time' is not supported when instanceInterruptionBehavior is set to '{behavior}'."
            ),
        )),
        // RunInstances accepts a persistent request only if an interruption stops or hibernates the instance (EC2 API
        // reference, SpotMarketOptions, `SpotInstanceType`).
        ("persistent", "terminate") => Err(ApiError::new(
            "InvalidParameterCombination",
            "The request with type 'persistent' is not supported when instanceInterruptionBehavior is set to 'terminate'.",
        )),
        ("persistent", _) => Err(ApiError::new(
            "UnsupportedOperation",
            "Spot requests launch once here. AWS launches a persistent request again.",
        )),
        (other, _) => Err(invalid("SpotInstanceType", other)),
    }
}

fn invalid(name: &str, value: &str) -> ApiError {
    ApiError::new("InvalidParameterValue", format!("Value ({value}) for parameter {name} is invalid."))
}

#[cfg(test)]
mod tests {
    use super::super::params::Params;
    use super::is_spot;

    fn asked(options: &[(&str, &str)]) -> Result<bool, String> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        for (name, value) in options {
            form.append_pair(&format!("InstanceMarketOptions.{name}"), value);
        }
        is_spot(&Params::parse(None, form.finish().as_bytes())).map_err(|error| error.code)
    }

    #[test]
    fn a_request_for_one_launch_is_accepted_and_every_other_has_ec2s_error() {
        let spot = ("MarketType", "spot");
        let kind = |kind| ("SpotOptions.SpotInstanceType", kind);
        let behavior = |behavior| ("SpotOptions.InstanceInterruptionBehavior", behavior);
        let price = |price| ("SpotOptions.MaxPrice", price);
        assert_eq!(asked(&[]), Ok(false));
        assert_eq!(asked(&[spot]), Ok(true));
        assert_eq!(asked(&[spot, kind("one-time"), behavior("terminate"), price("0.001")]), Ok(true));
        for (options, code) in [
            (&[("MarketType", "auction")][..], "InvalidParameterValue"),
            (&[("MarketType", "capacity-block")], "UnsupportedOperation"),
            (&[spot, kind("twice")], "InvalidParameterValue"),
            (&[spot, behavior("pause")], "InvalidParameterValue"),
            (&[spot, price("0.0009")], "InvalidParameterValue"),
            (&[spot, price("cheap")], "InvalidParameterValue"),
            (&[spot, behavior("stop")], "InvalidParameterCombination"),
            (&[spot, kind("persistent")], "InvalidParameterCombination"),
            (&[spot, kind("persistent"), behavior("stop")], "UnsupportedOperation"),
        ] {
            assert_eq!(asked(options), Err(code.to_owned()), "{options:?}");
        }
    }
}

//! How RunInstances buys an instance (`InstanceMarketOptions`).

use jiff::Timestamp;

use super::params::Params;
use crate::api::ApiError;
use crate::world::SpotAsk;

/// The lowest maximum price, in US dollars for an hour (EC2 API reference, SpotMarketOptions, `MaxPrice`).
const LOWEST_PRICE: f64 = 0.001;

/// Returns the spot request that the call asks for; `None` if it asks for none. The error is EC2's if its request cannot
/// be.
pub(super) fn spot(params: &Params) -> Result<Option<SpotAsk>, ApiError> {
    let Some(market) = params.get("InstanceMarketOptions.MarketType") else { return Ok(None) };
    match market {
        "spot" => asked(params).map(Some),
        "capacity-block" | "interruptible-capacity-reservation" => {
            let message =
                format!("There are no capacity reservations here, so the market type '{market}' cannot be used.");
            Err(ApiError::new("UnsupportedOperation", message))
        }
        other => Err(invalid("MarketType", other)),
    }
}

fn asked(params: &Params) -> Result<SpotAsk, ApiError> {
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
        ("one-time", "terminate") => match option("ValidUntil") {
            None => Ok(SpotAsk::default()),
            Some(_) => Err(ApiError::new(
                "InvalidParameterCombination",
                "The parameter validUntil is supported only for persistent Spot Instance requests.",
            )),
        },
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
        ("persistent", "stop") => Ok(SpotAsk { persistent: true, valid_until: valid_until(option("ValidUntil"))? }),
        ("persistent", _) => {
            Err(ApiError::new("UnsupportedOperation", "Instances do not hibernate here. On AWS, some types do."))
        }
        (other, _) => Err(invalid("SpotInstanceType", other)),
    }
}

/// Returns the end of a persistent request, which must be in the future.
fn valid_until(text: Option<&str>) -> Result<Option<Timestamp>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    match text.parse::<Timestamp>() {
        Ok(until) if until > Timestamp::now() => Ok(Some(until)),
        _ => Err(invalid("ValidUntil", text)),
    }
}

fn invalid(name: &str, value: &str) -> ApiError {
    ApiError::new("InvalidParameterValue", format!("Value ({value}) for parameter {name} is invalid."))
}

#[cfg(test)]
mod tests {
    use super::super::params::Params;
    use super::spot;

    fn asked(options: &[(&str, &str)]) -> Result<Option<bool>, String> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        for (name, value) in options {
            form.append_pair(&format!("InstanceMarketOptions.{name}"), value);
        }
        let asked = spot(&Params::parse(None, form.finish().as_bytes()));
        asked.map(|asked| asked.map(|asked| asked.persistent)).map_err(|error| error.code)
    }

    #[test]
    fn requests_that_ec2_accepts_are_accepted_and_every_other_has_ec2s_error() {
        let spot = ("MarketType", "spot");
        let kind = |kind| ("SpotOptions.SpotInstanceType", kind);
        let behavior = |behavior| ("SpotOptions.InstanceInterruptionBehavior", behavior);
        let price = |price| ("SpotOptions.MaxPrice", price);
        let until = |until| ("SpotOptions.ValidUntil", until);
        let (stop, later) = (behavior("stop"), until("2999-01-01T00:00:00Z"));
        assert_eq!(asked(&[]), Ok(None));
        assert_eq!(asked(&[spot]), Ok(Some(false)));
        assert_eq!(asked(&[spot, kind("one-time"), behavior("terminate"), price("0.001")]), Ok(Some(false)));
        assert_eq!(asked(&[spot, kind("persistent"), stop]), Ok(Some(true)));
        assert_eq!(asked(&[spot, kind("persistent"), stop, later]), Ok(Some(true)));
        for (options, code) in [
            (&[("MarketType", "auction")][..], "InvalidParameterValue"),
            (&[("MarketType", "capacity-block")], "UnsupportedOperation"),
            (&[spot, kind("twice")], "InvalidParameterValue"),
            (&[spot, behavior("pause")], "InvalidParameterValue"),
            (&[spot, price("0.0009")], "InvalidParameterValue"),
            (&[spot, price("cheap")], "InvalidParameterValue"),
            (&[spot, behavior("stop")], "InvalidParameterCombination"),
            (&[spot, kind("persistent")], "InvalidParameterCombination"),
            (&[spot, kind("persistent"), behavior("hibernate")], "UnsupportedOperation"),
            (&[spot, later], "InvalidParameterCombination"),
            (&[spot, kind("persistent"), stop, until("2020-01-01T00:00:00Z")], "InvalidParameterValue"),
            (&[spot, kind("persistent"), stop, until("soon")], "InvalidParameterValue"),
        ] {
            assert_eq!(asked(options), Err(code.to_owned()), "{options:?}");
        }
    }
}

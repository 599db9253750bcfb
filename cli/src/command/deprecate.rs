//! `goldsmith deprecate IMAGE`

use std::collections::BTreeMap;

use anyhow::Result;
use goldsmith_cloud::ImageUse;
use goldsmith_model::AmiDistribution;
use goldsmith_store::{ImageRecord, stamp};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::args::Globals;
use crate::connection::Connection;
use crate::exit::{Exit, invalid};
use crate::image_switch::refuse;
use crate::output::{self, Show};
use crate::render::columns;
use crate::target;

/// Time from the command until the deprecation if no time is given. EC2 rejects a time in the past and rounds to the
/// minute, and the last of the Regions gets its call some seconds later.
const SOON: SignedDuration = SignedDuration::from_mins(2);
/// By how much EC2's time may differ from the time of the call.
const ROUNDED: SignedDuration = SignedDuration::from_mins(1);

/// Mark an image as deprecated, in all Regions.
///
/// Anyone who has the id of a deprecated AMI can still launch it, but EC2 no longer lists it for other accounts. Builds
/// still start from it. Without an option, the image is deprecated two minutes from now.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// An image as NAME/VERSION/BUILD.
    #[arg(value_name = "IMAGE")]
    image: String,
    /// Time of the deprecation, as a date or a time in UTC: 2027-01-31 or 2027-01-31T12:00:00Z. It is at most ten years
    /// from now or, for a public image, two years after its creation.
    #[arg(long, value_name = "DATE", value_parser = time, group = "when")]
    at: Option<Timestamp>,
    /// Number of days until the deprecation, from 1 to 3650.
    #[arg(long = "in", value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3650), group = "when")]
    days: Option<u32>,
    /// Remove the deprecation. EC2 does not do this for a public image.
    #[arg(long, group = "when")]
    cancel: bool,
}

/// Reads a time, or a date, which means the beginning of that day in UTC.
fn time(text: &str) -> Result<Timestamp, String> {
    // jiff would read the date of a time without a zone, too, and the time would be lost.
    let date = || text.parse::<Date>().ok().filter(|_| text.len() == "2027-01-31".len());
    let day = || TimeZone::UTC.to_timestamp(date()?.at(0, 0, 0, 0)).ok();
    let time = text.parse().ok().or_else(day);
    time.ok_or_else(|| "expected a date such as 2027-01-31, or a time such as 2027-01-31T12:00:00Z".to_owned())
}

/// An image whose deprecation was changed.
#[derive(Debug, Serialize)]
struct Deprecated {
    image: String,
    /// The time at which the AMIs become deprecated, or `None` if they do not.
    at: Option<String>,
    /// The AMIs, by Region.
    amis: BTreeMap<String, String>,
}

impl Show for Deprecated {
    fn lines(&self, _: &Globals) -> Vec<String> {
        let word = self.at.as_ref().map_or_else(|| "not deprecated".to_owned(), |at| format!("deprecated from {at}"));
        let mut rows = vec![vec![self.image.clone(), word]];
        rows.extend(self.amis.iter().map(|(region, ami)| vec![region.clone(), ami.clone()]));
        columns(&rows)
    }
}

pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    let now = Timestamp::now();
    let connection = Connection::open(globals).await?;
    let image = target::image(&connection.store, &args.image).await?;
    output::show(globals, &deprecate(&connection, &image, args.when(now), now).await?)?;
    Ok(Exit::Success)
}

impl Args {
    /// Returns the time at which the image becomes deprecated, or `None` if it does not.
    fn when(&self, now: Timestamp) -> Option<Timestamp> {
        match self.days {
            _ if self.cancel => None,
            Some(days) => Some(now + days_long(days)),
            None => Some(self.at.unwrap_or(now + SOON)),
        }
    }
}

fn days_long(days: u32) -> SignedDuration {
    SignedDuration::from_hours(24 * i64::from(days))
}

/// Deprecates the AMIs of an image, or removes their deprecation. Changes nothing if EC2 would reject the time for one
/// of the AMIs. Safe to repeat.
async fn deprecate(
    connection: &Connection,
    image: &ImageRecord,
    at: Option<Timestamp>,
    now: Timestamp,
) -> Result<Deprecated> {
    refuse(connection, image).await?;
    let mut left = Vec::new();
    for (region, ami) in &image.amis {
        if !check(connection, region, ami, at, now).await? {
            left.push((region, ami));
        }
    }
    // All AMIs were checked before the first one changes, so that a limit of one Region leaves no half of an image
    // deprecated.
    let at = at.map(stamp);
    for (region, ami) in left {
        match &at {
            Some(at) => connection.cloud.images.deprecate(region, ami, at).await?,
            None => connection.cloud.switches.undeprecate(region, ami).await?,
        }
    }
    Ok(Deprecated { image: image.image.to_string(), at, amis: image.amis.clone() })
}

/// Returns whether an AMI is as it should be already. Checks that it exists, and the limits of its deprecation (EC2 API
/// reference, `EnableImageDeprecation`; EC2 user guide, "Deprecate an Amazon EC2 AMI").
async fn check(
    connection: &Connection,
    region: &str,
    ami: &str,
    at: Option<Timestamp>,
    now: Timestamp,
) -> Result<bool> {
    let Some(found) = connection.cloud.images.image(region, ami).await? else {
        return Err(invalid(format!("{ami} in {region} does not exist anymore, and cannot be deprecated")));
    };
    let everybody = ImageUse::Permission("all".to_owned());
    let is_public = connection.cloud.images.uses(region, ami).await?.contains(&everybody);
    let Some(at) = at else {
        if is_public {
            let rule = "EC2 deprecates every public image two years after its creation at the latest";
            let message =
                format!("{ami} in {region} is public, and {rule}: to remove the deprecation, make it private first");
            return Err(invalid(message));
        }
        return Ok(false);
    };
    if at <= now {
        return Err(invalid(format!("{} is in the past: EC2 deprecates an image only in the future", stamp(at))));
    }
    if at > now + days_long(AmiDistribution::MAX_DAYS) {
        return Err(invalid(format!("{} is too late: EC2 deprecates an image in ten years at the latest", stamp(at))));
    }
    let is_late = |made: Timestamp| at > made + days_long(AmiDistribution::MAX_PUBLIC_DAYS);
    if is_public && found.created.parse().is_ok_and(is_late) {
        let rule = "EC2 deprecates a public image two years after its creation at the latest";
        return Err(invalid(format!("{} is too late for {ami} in {region}: {rule}", stamp(at))));
    }
    if let Some(before) = found.deprecated.filter(|before| is_public && at > *before + ROUNDED) {
        // A call that failed halfway is repeated some minutes later, and "now" is later then.
        if at <= now + SOON {
            return Ok(true);
        }
        let rule = "EC2 postpones a deprecation only of a private image";
        let (at, before) = (stamp(at), stamp(before));
        return Err(invalid(format!("{at} is after {before}, when {ami} in {region} is deprecated: {rule}")));
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use goldsmith_cloud::fake::{Fault, HOME};
    use goldsmith_cloud::{Images as _, Kind, LaunchPermission};
    use goldsmith_store::{ImageLife, ImageRecord};
    use jiff::Timestamp;
    use serde_json::json;

    use super::deprecate;
    use crate::command::{Cli, Command};
    use crate::output::Show;
    use crate::testing::{Stack, globals};

    /// The time of the fake, which is the creation time of everything in it.
    const NOW: &str = "2026-01-01T00:00:00Z";
    const ELSEWHERE: &str = "us-east-1";

    async fn image(stack: &Stack) -> ImageRecord {
        stack.connection.store.image(&"web/1.0.0/1".parse().unwrap()).await.unwrap().unwrap()
    }

    /// A stack with an image, and its AMIs in two Regions.
    async fn published() -> (Stack, [String; 2]) {
        let stack = Stack::new();
        let amis = [HOME, ELSEWHERE].map(|region| stack.cloud.add_image(region, "self", "web 1"));
        let by_region = json!({HOME: amis[0], ELSEWHERE: amis[1]});
        stack.closed_build(json!({"status": "AVAILABLE", "amis": by_region})).await;
        (stack, amis)
    }

    /// Calls the command with these options. The clock shows the time of the fake.
    async fn call(stack: &Stack, options: &str) -> Result<Vec<String>, String> {
        let words = ["goldsmith", "deprecate", "web/1.0.0/1"].into_iter().chain(options.split_whitespace());
        let Command::Deprecate(args) = Cli::try_parse_from(words).map_err(|error| error.to_string())?.command else {
            panic!("another command");
        };
        let now: Timestamp = NOW.parse().unwrap();
        let done = deprecate(&stack.connection, &image(stack).await, args.when(now), now).await;
        done.map(|done| done.lines(&globals(""))).map_err(|error| error.to_string())
    }

    fn times(stack: &Stack, amis: &[String; 2]) -> [Option<String>; 2] {
        [(HOME, &amis[0]), (ELSEWHERE, &amis[1])].map(|(region, ami)| stack.cloud.terms(region, ami).1)
    }

    #[tokio::test]
    async fn an_image_is_deprecated_in_every_region_and_the_deprecation_is_removed() {
        let (stack, amis) = published().await;
        for (options, at) in [
            ("", "2026-01-01T00:02:00.000Z"),
            ("--in 90", "2026-04-01T00:00:00.000Z"),
            ("--at 2027-01-31", "2027-01-31T00:00:00.000Z"),
            ("--at 2027-01-31T12:00:00Z", "2027-01-31T12:00:00.000Z"),
        ] {
            for _ in 0..2 {
                let lines = call(&stack, options).await.unwrap();
                assert_eq!(lines[0], format!("web/1.0.0/1  deprecated from {at}"));
                assert_eq!(times(&stack, &amis), [Some(at.to_owned()), Some(at.to_owned())]);
            }
        }
        stack.cloud.fail_at(2, Fault::Refuse(Kind::Throttled)); // the second Region
        assert!(call(&stack, "--cancel").await.is_err());
        for _ in 0..2 {
            let lines = call(&stack, "--cancel").await.unwrap();
            assert_eq!(lines[0], "web/1.0.0/1  not deprecated");
            assert_eq!(times(&stack, &amis), [None, None]);
        }
    }

    #[tokio::test]
    async fn what_ec2_would_reject_changes_nothing() {
        let (stack, amis) = published().await;
        let everybody = LaunchPermission { groups: vec!["all".to_owned()], ..LaunchPermission::default() };
        stack.cloud.share(ELSEWHERE, &amis[1], &everybody).await.unwrap();
        let ami = &amis[1];
        let public = format!(
            "2028-01-02T00:00:00.000Z is too late for {ami} in {ELSEWHERE}: EC2 deprecates a public image two years after its \
             creation at the latest"
        );
        for (options, why) in [
            ("--at 2025-12-31", "2025-12-31T00:00:00.000Z is in the past: EC2 deprecates an image only in the future"),
            (
                "--at 2036-01-01",
                "2036-01-01T00:00:00.000Z is too late: EC2 deprecates an image in ten years at the latest",
            ),
            ("--in 731", public.as_str()),
        ] {
            assert_eq!(call(&stack, options).await.unwrap_err(), why);
        }
        for options in [
            "--in 0",
            "--in 3651",
            "--at tomorrow",
            "--at 2027-01-31T12:00",
            "--in 1 --cancel",
            "--at 2027-01-31 --in 1",
        ] {
            let why = call(&stack, options).await.unwrap_err();
            assert!(why.starts_with("error: "), "{options}: {why}");
        }
        assert_eq!(times(&stack, &amis), [None, None]);
        call(&stack, "--in 730").await.unwrap();
        call(&stack, "--in 1").await.unwrap();
        let cancelled = format!(
            "{ami} in {ELSEWHERE} is public, and EC2 deprecates every public image two years after its creation at the latest: \
             to remove the deprecation, make it private first"
        );
        let postponed = format!(
            "2026-01-03T00:00:00.000Z is after 2026-01-02T00:00:00.000Z, when {ami} in {ELSEWHERE} is deprecated: EC2 postpones \
             a deprecation only of a private image"
        );
        for (options, why) in [("--cancel", cancelled), ("--in 2", postponed)] {
            assert_eq!(call(&stack, options).await.unwrap_err(), why);
        }
        assert_eq!(times(&stack, &amis), ["2026-01-02T00:00:00.000Z"; 2].map(|at| Some(at.to_owned())));
        let earlier = "2026-01-01T00:00:30Z";
        stack.cloud.deprecate(ELSEWHERE, ami, earlier).await.unwrap();
        call(&stack, "").await.unwrap();
        assert_eq!(times(&stack, &amis)[1].as_deref(), Some(earlier), "it is deprecated sooner");
        stack.cloud.deregister(ELSEWHERE, ami).await.unwrap();
        let gone = format!("{ami} in {ELSEWHERE} does not exist anymore, and cannot be deprecated");
        assert_eq!(call(&stack, "--cancel").await.unwrap_err(), gone);
        assert!(times(&stack, &amis)[0].is_some());
        stack.connection.store.set_life(&"web/1.0.0/1".parse().unwrap(), Some(ImageLife::Deleted)).await.unwrap();
        assert_eq!(call(&stack, "").await.unwrap_err(), "web/1.0.0/1 is DELETED, and has no AMIs to enable or disable");
    }
}

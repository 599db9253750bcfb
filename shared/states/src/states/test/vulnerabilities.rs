//! Judges the packages of the new image by the advisories in the stack's bucket and the pipeline's policy.

use goldsmith_advisories::{Case, Inventory, Judgement, Wanted, judge as judged, read};
use goldsmith_contents::{LARGEST_PACKED, unpack};
use goldsmith_store::{BuildRecord, ContentsRecord, FailureCause, PlannedVulnerabilities, Scope};
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use crate::error_names::ErrorName;
use crate::parts::advisories;
use crate::{Context, Error, Result, State};

/// How many lines of a judgement a cause quotes. The whole judgement is in the bucket.
const QUOTED: usize = 12;
/// The longest line of a cause, in characters.
const LONGEST: usize = 500;

/// Judges the image, and stores the judgement. Returns the outcome in a few words, or `None` if the pipeline has no policy.
///
/// # Errors
/// Fails with `Vulnerable` if the policy rejects the image, or if nothing could be compared. Also fails if a call to the
/// table or to S3 fails.
pub(super) async fn judge(context: &Context, record: &BuildRecord) -> Result<Option<String>> {
    let Some(PlannedVulnerabilities { policy, parent }) = &record.plan.vulnerabilities else { return Ok(None) };
    let image = image(context, record).await?;
    let parent = match parent {
        // Contents expire. Without those of the parent, everything counts as new.
        Some(parent) => inventory(context, parent).await?,
        None => None,
    };
    let folder = advisories::folder(context).await?;
    let wanted = Wanted::of([&image].into_iter().chain(&parent));
    let advisories = read::folder(folder.path(), &wanted)
        .map_err(|error| Error::internal(format!("the copied advisories cannot be read: {error}")))?;
    let today = TimeZone::UTC.to_datetime(context.clock.now()).date();
    let judgement = judged(Case { image: &image, parent: parent.as_ref(), advisories: &advisories, policy, today });
    store(context, record, &judgement).await?;
    if judgement.allowed { Ok(Some(in_short(&judgement))) } else { Err(rejected(&judgement)) }
}

/// Returns the packages of the new image, as its first test instance has collected them.
async fn image(context: &Context, record: &BuildRecord) -> Result<Inventory> {
    let scope = Scope { state: State::ExecuteTest, item: record.plan.tests.first().cloned() };
    let state = context.store.state(&record.build, &scope).await?;
    let contents = state.and_then(|state| state.contents);
    let unknown = |why: &str| {
        let message = format!("the image could not be judged, because its contents are not known: {why}");
        Error::failed(ErrorName::Vulnerable, message)
    };
    match &contents {
        None => Err(unknown("its test instance has not reported them")),
        Some(contents) if !contents.is_stored() => Err(unknown(&contents.failure)),
        Some(contents) => inventory(context, contents).await?.ok_or_else(|| unknown("they are not in the bucket")),
    }
}

/// Returns the packages that are listed in contents, or `None` if the contents are no longer in the bucket.
async fn inventory(context: &Context, record: &ContentsRecord) -> Result<Option<Inventory>> {
    let Some(bytes) = context.cloud.objects.get(&record.key, LARGEST_PACKED).await? else { return Ok(None) };
    let unusable = |why: String| {
        let message = format!("the image could not be judged: {} in the stack's bucket {why}", record.key);
        Error::failed(ErrorName::Vulnerable, message)
    };
    // The instance has written the object by itself, and the record has what it reported at that time.
    if hex::encode(Sha256::digest(&bytes)) != record.sha256 {
        return Err(unusable("was changed after the contents were collected".to_owned()));
    }
    let contents = unpack(&bytes).map_err(|error| unusable(format!("cannot be read: {error}")))?;
    // Both types are the same JSON. The agent has one of them, and the judge needs only a part of it.
    let inventory = serde_json::to_value(contents).and_then(serde_json::from_value);
    inventory.map(Some).map_err(|error| unusable(format!("is not a list of packages: {error}")))
}

/// Returns the key of a build's judgement in the stack's bucket.
#[must_use]
pub fn judgement_key(build: &str) -> String {
    format!("judgements/{build}.json")
}

async fn store(context: &Context, record: &BuildRecord, judgement: &Judgement) -> Result<()> {
    let body = serde_json::to_vec(judgement)
        .map_err(|error| Error::internal(format!("the judgement cannot be written as JSON: {error}")))?;
    Ok(context.cloud.objects.put(&judgement_key(&record.build), body).await?)
}

/// Returns a judgement that allows the image in a few words, with everything that weakens it.
fn in_short(judgement: &Judgement) -> String {
    let compared = judgement.covered.iter().any(|part| part.advisories > 0);
    let found = match judgement.counts.found {
        _ if !compared => "nothing was compared, because there are no advisories for its packages".to_owned(),
        0 => "no vulnerability".to_owned(),
        1 => "1 vulnerability, which does not count".to_owned(),
        found => format!("{found} vulnerabilities, of which none counts"),
    };
    let unrated = judgement.findings.iter().filter(|one| one.finding.rating.is_none()).count();
    let weaknesses = [
        (unrated, "not rated by anybody"),
        (judgement.unjudged.len(), "could not be compared"),
        (judgement.issues.len(), "parts of the advisories could not be read"),
    ];
    let told = weaknesses.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("; {count} {what}"));
    found + &told.collect::<String>()
}

fn rejected(judgement: &Judgement) -> Error {
    // Names and versions in it come from the image, and the cause is in the table and on the screens of people.
    let cut = |line: &str| line.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect::<String>();
    let reasons = judgement.reasons.iter().map(|reason| cut(reason)).collect::<Vec<_>>().join(" ");
    let cause = FailureCause {
        message: format!("the vulnerabilityPolicy rejects the image: {reasons}"),
        last_lines: judgement.to_string().lines().skip(1).take(QUOTED).map(cut).collect(),
        ..FailureCause::default()
    };
    Error::because(ErrorName::Vulnerable, cause)
}

#[cfg(test)]
mod tests;

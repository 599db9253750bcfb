//! The page about a build: `cli/templates/report/build.html` has its sections, each of which has its data here.

use askama::Template;
use goldsmith_executor::Audit;
use goldsmith_model::Cause;
use goldsmith_store::{AuditRecord, PlannedLaunch};

use super::contents::Inside;
use super::facts::Facts;
use super::failure::{Broken, broken};
use super::machines::{Attempt, Test, attempts, tests};
use super::page::{Badge, Fact, Frame, Piece, Tile, code, fact, pieces, time_of};
use super::regions::{Place, places};
use super::timeline::{Timeline, timeline};
use crate::approval;
use crate::args::Globals;
use crate::audited;
use crate::command::show::{revocation, stranger};
use crate::render::{count, duration, word};

/// A build's page.
#[derive(Template)]
#[template(path = "report/build.html", whitespace = "minimize")]
pub(super) struct BuildPage<'a> {
    frame: Frame,
    /// `Image`, or what the run did instead.
    kind: &'static str,
    title: String,
    badge: Badge,
    /// The page of the pipeline, if it was written too.
    index: Option<&'static str>,
    pipeline: String,
    /// The sections of the page: their ids and titles.
    sections: Vec<(&'static str, &'static str)>,
    head: Vec<Fact>,
    tiles: Vec<Tile>,
    broken: Option<Broken>,
    /// Why the build was cancelled.
    cancelled: Option<String>,
    pieces: Vec<Piece>,
    took: String,
    timeline: Timeline,
    /// Why the steps are not known.
    unread: Option<String>,
    source: Vec<Fact>,
    components: Vec<Component>,
    attempts: Vec<Attempt>,
    tests: Vec<Test>,
    places: Vec<Place>,
    /// What is in the image.
    inside: Option<&'a Inside>,
    /// Why the contents are not shown, if the build has collected them.
    unlisted: Option<&'a str>,
    audit: Option<Audited>,
    remains: Vec<String>,
    is_running: bool,
}

struct Component {
    name: String,
    version: String,
    digest: String,
    /// The names of the parameters that the recipe sets. Their values may be secrets.
    parameters: String,
    is_test: bool,
}

struct Audited {
    badge: Badge,
    headline: String,
    findings: Vec<Found>,
    left_out: u32,
    notes: Vec<String>,
}

struct Found {
    kind: String,
    path: String,
    package: String,
    what: String,
    remedy: String,
}

impl<'a> BuildPage<'a> {
    /// Returns the page of a build.
    pub(super) fn new(globals: &Globals, frame: Frame, facts: &'a Facts, index: Option<&'static str>) -> Self {
        let (shown, image) = (&facts.shown, &facts.shown.image);
        let kind = match image {
            _ if image.is_verification => "Verification",
            _ if image.distributes.is_some() => "Distribution",
            _ => "Image",
        };
        let spent = facts.spent();
        let whole: f64 = spent.iter().sum();
        let audit = audited::of(&shown.states);
        let tests = tests(facts);
        let contents = facts.contents.as_ref().map(Result::as_ref);
        let mut page = Self {
            kind,
            title: image.image.to_string(),
            badge: Badge::of_image(image),
            index,
            pipeline: image.pipeline.to_string(),
            sections: Vec::new(),
            head: head(globals, facts),
            tiles: tiles(facts, whole, &tests, audit),
            broken: image.failure.as_ref().and_then(|cause| broken(globals, facts, cause)),
            cancelled: image.failure.as_ref().filter(|_| shown.is_cancelled()).map(|cause| cause.message.clone()),
            pieces: pieces(&spent, whole),
            took: duration(whole),
            timeline: timeline(facts),
            unread: facts.unread.clone(),
            source: source(facts),
            components: components(facts),
            attempts: attempts(facts),
            tests,
            places: places(facts),
            inside: contents.and_then(Result::ok),
            unlisted: contents.and_then(Result::err).map(String::as_str),
            audit: audit.map(of_audit),
            remains: remains(facts),
            is_running: facts.is_running(),
            frame,
        };
        page.sections = page.sections();
        page
    }

    /// Returns the sections that the page has, in their order.
    fn sections(&self) -> Vec<(&'static str, &'static str)> {
        let all = [
            (self.broken.is_some(), "failure", "Failure"),
            (true, "time", "Time"),
            (true, "timeline", "Timeline"),
            (true, "source", "Source"),
            (!self.components.is_empty(), "components", "Components"),
            (!self.attempts.is_empty(), "instances", "Instances"),
            (!self.tests.is_empty(), "tests", "Tests"),
            (!self.places.is_empty(), "regions", "Regions"),
            (self.inside.is_some() || self.unlisted.is_some(), "contents", "Contents"),
            (self.audit.is_some(), "audit", "Audit"),
            (true, "remains", "Remains"),
        ];
        all.into_iter().filter(|(is_there, ..)| *is_there).map(|(_, id, title)| (id, title)).collect()
    }
}

fn head(globals: &Globals, facts: &Facts) -> Vec<Fact> {
    let (shown, image) = (&facts.shown, &facts.shown.image);
    let mut list = vec![fact("why", why(&image.cause))];
    list.extend(facts.build.iter().filter_map(|build| build.reason.as_ref()).map(|reason| fact("reason", reason)));
    list.push(fact("began", time_of(&image.created_at)));
    list.extend(image.ended_at.as_ref().map(|ended| fact("ended", time_of(ended))));
    list.push(code("build", &image.build));
    list.extend(shown.channels.iter().map(|channel| fact("channel", channel.to_string())));
    list.extend(approval::in_words(globals, image).map(|words| fact("approval", words)));
    list.extend(image.overridden.then(|| fact("overridden", "yes, so the image is never published")));
    list.extend(image.revoked.iter().map(|revoked| fact("revoked", revocation(revoked))));
    list.extend(
        image.surplus.iter().map(|one| fact("retention", format!("disabled it at {}: {}", time_of(&one.at), one.why))),
    );
    list.extend(
        image
            .distributed_by
            .iter()
            .map(|run| fact("distributed", format!("later, to {}, by run {}", run.regions.join(", "), run.build))),
    );
    list
}

/// Returns why a build started, as a sentence without an end.
fn why(cause: &Cause) -> String {
    match cause {
        Cause::Manual { .. } => "a person started it".to_owned(),
        Cause::Schedule { scheduled_time } => format!("the schedule of {}", time_of(scheduled_time)),
        Cause::SourceUpdate { source, image_id } => format!("{source} has the new AMI {image_id}"),
        Cause::Dependency { image } => format!("the new image {image}"),
    }
}

fn tiles(facts: &Facts, whole: f64, tests: &[Test], audit: Option<&AuditRecord>) -> Vec<Tile> {
    let image = &facts.shown.image;
    let tile = |label, value: String, note: String, class| Tile { label, value, note, class };
    let steps = count(facts.steps.len(), "step");
    let note = if facts.is_running() { "until now".to_owned() } else { steps };
    let mut list = vec![tile("Duration", duration(whole), note, "")];
    if !tests.is_empty() {
        let good = tests.iter().filter(|test| test.badge.class == "good").count();
        let is_bad = tests.iter().any(|test| test.badge.class == "bad");
        let is_none = tests.iter().all(|test| test.badge.word == "not run");
        let class = if is_bad {
            "bad"
        } else if good == tests.len() {
            "good"
        } else {
            ""
        };
        list.push(if is_none && !facts.is_running() {
            tile("Tests", "not run".to_owned(), count(tests.len(), "instance type"), "")
        } else {
            tile("Tests", format!("{good} of {}", tests.len()), "passed".to_owned(), class)
        });
    }
    let planned = facts.build.as_ref().map_or(0, |build| build.plan.regions.len()).max(image.amis.len());
    if !image.is_verification {
        let class = if planned > 0 && image.amis.len() == planned { "good" } else { "" };
        let is_failed = image.failure.is_some() && !image.amis.is_empty();
        let (note, class) = if is_failed { ("Regions, unpublished", "warn") } else { ("Regions", class) };
        list.push(tile("AMIs", format!("{} of {planned}", image.amis.len()), note.to_owned(), class));
    }
    list.extend(audit.map(|audit| {
        let (found, files) = (audit.count(), format!("in {} files", audit.files));
        let class = match found {
            0 if audit.is_incomplete => "warn",
            0 => "good",
            _ if fails_by_audit(image) => "bad",
            _ => "warn",
        };
        tile("Audit", count(found as usize, "finding"), files, class)
    }));
    list
}

fn fails_by_audit(image: &goldsmith_store::ImageRecord) -> bool {
    image.failure.as_ref().is_some_and(|cause| cause.error == "Goldsmith.AuditFailed")
}

fn source(facts: &Facts) -> Vec<Fact> {
    let (shown, image) = (&facts.shown, &facts.shown.image);
    let from = if image.is_verification { "tested AMI" } else { "AMI" };
    let mut list: Vec<Fact> = image.distributes.iter().map(|image| code("distributes", image.to_string())).collect();
    list.push(code(from, &image.source_image));
    if let Some(build) = &facts.build {
        let plan = &build.plan;
        list.push(code("named as", plan.source.to_string()));
        list.push(fact("architecture", &plan.architecture));
        list.push(fact("home Region", &plan.home_region));
        list.extend(launch(&plan.launch));
    }
    list.extend(shown.firmware.iter().map(|firmware| fact("boots", firmware)));
    list.extend(shown.checkpoint.iter().map(|checkpoint| fact("checkpoint", checkpoint)));
    list.extend(shown.source_owner.iter().map(|owner| fact("owner", owner)));
    list.extend(shown.built_on.iter().map(|one| match &one.revoked {
        Some(revoked) => fact("built on", format!("{}, which was revoked: {}", one.image, revoked.reason)),
        None => fact("built on", one.image.to_string()),
    }));
    list.extend(Some(&image.input_digest).filter(|digest| !digest.is_empty()).map(|digest| code("inputs", digest)));
    list
}

/// Returns how the instances of a build are launched.
fn launch(launch: &PlannedLaunch) -> Vec<Fact> {
    let or = |values: &[String], default: &str| if values.is_empty() { default.to_owned() } else { values.join(", ") };
    let mut list = vec![
        code("instance types", launch.instance_types.join(", ")),
        code("subnets", or(&launch.subnets, "the default VPC")),
        code("security groups", or(&launch.security_groups, "the stack's own group")),
        code("instance profile", launch.instance_profile.as_deref().unwrap_or("the stack's own profile")),
    ];
    list.extend(launch.block_devices.iter().map(|device| {
        let size = device.ebs.volume_size.map(|gib| format!("{gib} GiB")).unwrap_or_else(|| "as the source".to_owned());
        code("volume", format!("{}: {size}", device.device_name))
    }));
    list
}

fn components(facts: &Facts) -> Vec<Component> {
    let documents = facts.build.iter().flat_map(|build| &build.plan.documents);
    let of = |one: &goldsmith_store::PlannedDocument| Component {
        name: one.name.to_string(),
        version: one.version.to_string(),
        digest: one.digest.chars().take(12).collect(),
        parameters: one.parameters.keys().cloned().collect::<Vec<_>>().join(", "),
        is_test: one.test_only,
    };
    documents.map(of).collect()
}

fn of_audit(audit: &AuditRecord) -> Audited {
    let of = |one: &goldsmith_store::AuditFinding| Found {
        kind: word(&one.kind),
        path: one.path.clone(),
        package: one.package.clone().unwrap_or_else(|| "none".to_owned()),
        what: one.what.clone(),
        remedy: one.remedy.clone(),
    };
    let (word, sign, class) = if audit.count() == 0 { ("clean", "✓", "good") } else { ("findings", "!", "warn") };
    Audited {
        badge: Badge { word: word.to_owned(), sign, class },
        headline: Audit::headline_of(audit.count(), audit.files, audit.is_incomplete),
        findings: audit.findings.iter().map(of).collect(),
        left_out: audit.left_out,
        notes: audit.notes.clone(),
    }
}

/// Returns what the build has left, and what looks as if it had.
fn remains(facts: &Facts) -> Vec<String> {
    let shown = &facts.shown;
    let kept = shown.kept.iter().map(|kept| {
        format!("instance {} in {}, which the pipeline keeps until {}", kept.id, kept.region, time_of(&kept.until))
    });
    let amis = shown.kept_amis.iter().flat_map(|until| {
        let amis = shown.image.amis.iter();
        amis.map(move |(region, id)| {
            format!("AMI {id} in {region}, which is unpublished and kept until {}", time_of(until))
        })
    });
    let left = shown.left_behind.iter().map(|left| format!("{} in {}: {}", left.what, left.region, left.reason));
    kept.chain(amis).chain(left).chain(shown.leftovers.iter().map(stranger)).collect()
}

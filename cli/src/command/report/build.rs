//! The page about a build: `cli/templates/report/build.html` has its sections, each of which has its data here.

use askama::Template;
use goldsmith_executor::Audit;
use goldsmith_model::{Cause, State};
use goldsmith_store::{AuditRecord, EffectKind, StateStatus};

use super::facts::Facts;
use super::failure::{Broken, broken};
use super::page::{Badge, Fact, Frame, Piece, Tile, code, fact, pieces, time_of};
use super::regions::{Place, places};
use super::timeline::{Timeline, timeline};
use crate::approval;
use crate::args::Globals;
use crate::audited;
use crate::command::show::{revocation, stranger};
use crate::render::{self, count, duration, word};
use crate::watch::label;

/// A build's page.
#[derive(Template)]
#[template(path = "report/build.html")]
pub(super) struct BuildPage {
    frame: Frame,
    /// `Image`, or what the run did instead.
    kind: &'static str,
    title: String,
    badge: Badge,
    /// The page of the pipeline, if it was written too.
    index: Option<&'static str>,
    pipeline: String,
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

/// An instance that the build has requested.
struct Attempt {
    state: String,
    /// The type and the subnet.
    candidate: String,
    badge: Badge,
    outcome: String,
}

struct Test {
    instance_type: String,
    badge: Badge,
    took: String,
    steps: String,
    detail: String,
}

struct Audited {
    headline: String,
    is_clean: bool,
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

impl BuildPage {
    /// Returns the page of a build.
    pub(super) fn new(globals: &Globals, frame: Frame, facts: &Facts, index: Option<&'static str>) -> Self {
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
        Self {
            kind,
            title: image.image.to_string(),
            badge: Badge::of_image(image),
            index,
            pipeline: image.pipeline.to_string(),
            head: head(globals, facts),
            tiles: tiles(facts, whole, &tests, audit),
            broken: image.failure.as_ref().filter(|_| !shown.is_cancelled()).map(|cause| broken(globals, facts, cause)),
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
            audit: audit.map(of_audit),
            remains: remains(facts),
            is_running: facts.is_running(),
            frame,
        }
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
        let class = if is_bad {
            "bad"
        } else if good == tests.len() {
            "good"
        } else {
            ""
        };
        list.push(tile("Tests", format!("{good} of {}", tests.len()), "passed".to_owned(), class));
    }
    let planned = facts.build.as_ref().map_or(0, |build| build.plan.regions.len()).max(image.amis.len());
    if !image.is_verification {
        let class = if planned > 0 && image.amis.len() == planned { "good" } else { "" };
        list.push(tile("AMIs", format!("{} of {planned}", image.amis.len()), "Regions".to_owned(), class));
    }
    list.extend(audit.map(|audit| {
        let (found, files) = (audit.count(), format!("in {} files", audit.files));
        let class = if found > 0 { "warn" } else { "good" };
        tile("Audit", found.to_string(), format!("findings {files}"), class)
    }));
    list
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
    }
    list.extend(shown.firmware.iter().map(|firmware| fact("boots", firmware)));
    list.extend(shown.source_owner.iter().map(|owner| fact("owner", owner)));
    list.extend(shown.built_on.iter().map(|one| match &one.revoked {
        Some(revoked) => fact("built on", format!("{}, which was revoked: {}", one.image, revoked.reason)),
        None => fact("built on", one.image.to_string()),
    }));
    list.extend(Some(&image.input_digest).filter(|digest| !digest.is_empty()).map(|digest| code("inputs", digest)));
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

fn attempts(facts: &Facts) -> Vec<Attempt> {
    let instances = facts.effects.iter().filter_map(|effect| match &effect.kind {
        EffectKind::Instance { candidate, .. } => Some((effect, candidate)),
        _ => None,
    });
    let of = |(effect, candidate): (&goldsmith_store::Effect, &String)| {
        let (badge, outcome) = match (&effect.refused, &effect.lost, &effect.id) {
            (Some(code), ..) => ("rejected", format!("EC2 rejected it: {code}")),
            (_, Some(reason), id) => ("lost", format!("{} ended early: {reason}", id.as_deref().unwrap_or("it"))),
            (_, _, Some(id)) => ("launched", format!("{id} in {}", effect.region)),
            _ => ("requested", "no answer is recorded".to_owned()),
        };
        let (sign, class) = match badge {
            "launched" => ("✓", "good"),
            "requested" => ("●", "run"),
            _ => ("!", "warn"),
        };
        let badge = Badge { word: badge.to_owned(), sign, class };
        Attempt { state: effect.scope.replace('#', " "), candidate: candidate.clone(), badge, outcome }
    };
    instances.map(of).collect()
}

fn tests(facts: &Facts) -> Vec<Test> {
    let states = &facts.shown.states;
    let planned = facts.build.iter().flat_map(|build| &build.plan.tests);
    let of = |instance_type: &String| {
        let of_type =
            |state: State| states.iter().find(|one| one.state == state && one.item.as_ref() == Some(instance_type));
        let launch = of_type(State::LaunchTest).filter(|launch| launch.status == StateStatus::Failed);
        let Some(test) = of_type(State::ExecuteTest).or(launch) else {
            let badge = Badge::of_word("not run");
            let (took, steps, detail) = Default::default();
            return Test { instance_type: instance_type.clone(), badge, took, steps, detail };
        };
        let name = label(test);
        let steps = facts.steps.iter().filter(|step| step.label == name).count();
        let ended = test.ended_at.as_ref().and_then(|ended| render::seconds_between(&test.started_at, ended));
        Test {
            instance_type: instance_type.clone(),
            badge: Badge::of_word(&facts.shown.status_of(test)),
            took: ended.map(duration).unwrap_or_default(),
            steps: count(steps, "step"),
            detail: test.detail.clone(),
        }
    };
    planned.map(of).collect()
}

fn of_audit(audit: &AuditRecord) -> Audited {
    let of = |one: &goldsmith_store::AuditFinding| Found {
        kind: word(&one.kind),
        path: one.path.clone(),
        package: one.package.clone().unwrap_or_else(|| "none".to_owned()),
        what: one.what.clone(),
        remedy: one.remedy.clone(),
    };
    Audited {
        headline: Audit::headline_of(audit.count(), audit.files, audit.is_incomplete),
        is_clean: audit.count() == 0,
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
    let left = shown.left_behind.iter().map(|left| format!("{} in {}: {}", left.what, left.region, left.reason));
    kept.chain(left).chain(shown.leftovers.iter().map(stranger)).collect()
}

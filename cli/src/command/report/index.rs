//! The page about a pipeline: its history, as charts and as a table, its channels, and its next start.

use anyhow::Result;
use askama::Template;
use goldsmith_model::ImagePipeline;
use goldsmith_store::{ChannelMove, ImageStatus};

use super::Reporter;
use super::facts::Facts;
use super::page::{Badge, Fact, Frame, Piece, Tile, code, fact, pieces, thousandths, time_of};
use super::spent::Part;
use crate::command::show::pipeline::{self, Shown};
use crate::render::{cause, count, duration, who, word};
use crate::starts::rebuilt_on;

/// Height of the chart in the units of its drawing.
const HEIGHT: f64 = 1000.0;

/// A pipeline's page.
#[derive(Template)]
#[template(path = "report/index.html", whitespace = "minimize")]
pub(super) struct IndexPage {
    frame: Frame,
    title: String,
    badge: Badge,
    /// The sections of the page: their ids and titles.
    sections: Vec<(&'static str, &'static str)>,
    head: Vec<Fact>,
    tiles: Vec<Tile>,
    channels: Vec<Channel>,
    chart: Chart,
    rows: Vec<Row>,
    /// Number of older builds.
    left_out: usize,
}

struct Channel {
    name: String,
    image: String,
    /// The page of the image, if it is among the reports.
    page: Option<String>,
    moved: String,
    by: String,
    reason: String,
}

/// The durations of the builds as columns, the oldest build first.
struct Chart {
    columns: Vec<Column>,
    legend: Vec<(&'static str, &'static str)>,
    /// The times at the top, in the middle and at the bottom.
    ticks: [String; 3],
    first: String,
    last: String,
    /// Width of the drawing.
    width: usize,
    summary: String,
}

struct Column {
    title: String,
    at: usize,
    class: &'static str,
    parts: Vec<Block>,
}

/// A part of a column, from its top.
struct Block {
    class: &'static str,
    top: String,
    height: String,
}

struct Row {
    image: String,
    page: String,
    badge: Badge,
    began: String,
    cause: String,
    took: String,
    pieces: Vec<Piece>,
    amis: String,
    /// Why it failed.
    failure: Option<String>,
}

impl IndexPage {
    /// Returns the page of a pipeline. `facts` are its builds, newest first, and `names` are the names of their pages.
    pub(super) async fn read(
        reporter: &Reporter<'_>,
        pipeline: ImagePipeline,
        facts: &[Facts],
        names: &[String],
        left_out: usize,
    ) -> Result<Self> {
        let connection = reporter.connection;
        let channels = connection.store.channels(&pipeline.name).await?;
        let shown = pipeline::show(connection, pipeline, reporter.now).await?;
        let longest = facts.iter().map(|one| one.spent().iter().sum::<f64>()).fold(0.0, f64::max);
        Ok(Self {
            frame: reporter.frame(),
            title: shown.pipeline.name.to_string(),
            badge: status(&shown),
            sections: sections(!channels.is_empty()),
            head: head(reporter, &shown),
            tiles: tiles(&shown, facts),
            channels: channels.iter().map(|one| channel(one, facts, names)).collect(),
            chart: chart(facts, longest),
            rows: facts.iter().zip(names).map(|(one, name)| row(one, name, longest)).collect(),
            left_out,
        })
    }
}

fn sections(has_channels: bool) -> Vec<(&'static str, &'static str)> {
    let channels = has_channels.then_some(("channels", "Channels"));
    channels.into_iter().chain([("duration", "Duration"), ("history", "History")]).collect()
}

fn status(shown: &Shown) -> Badge {
    let word = word(shown.holds.status(&shown.pipeline));
    let (sign, class) = if word == "ENABLED" { ("✓", "good") } else { ("–", "off") };
    Badge { word, sign, class }
}

fn head(reporter: &Reporter<'_>, shown: &Shown) -> Vec<Fact> {
    let Shown { pipeline, holds, .. } = shown;
    let mut list = vec![
        fact("recipe", pipeline.image_recipe.to_string()),
        fact("infrastructure", pipeline.infrastructure_configuration.to_string()),
    ];
    list.extend(pipeline.distribution_configuration.iter().map(|name| fact("distribution", name.to_string())));
    list.extend(pipeline.schedule.iter().map(|schedule| {
        let zone = schedule.timezone.as_deref().unwrap_or("UTC");
        code("schedule", format!("{} {zone}", schedule.schedule_expression))
    }));
    list.push(fact("rebuilt on", rebuilt_on(pipeline)));
    list.extend(holds.why_stopped(reporter.globals, pipeline).map(|why| fact("disabled by", why)));
    list.extend(holds.frozen_until.iter().map(|until| fact("frozen until", until.to_string())));
    list.extend(
        shown.rollbacks.iter().map(|one| fact("rolled back", format!("{} to {}", time_of(&one.at), one.image))),
    );
    list
}

fn tiles(shown: &Shown, facts: &[Facts]) -> Vec<Tile> {
    let tile = |label, value: String, note: String, class| Tile { label, value, note, class };
    let next = match (shown.next_times.first(), shown.no_times) {
        (Some(next), _) => tile("Next start", next.to_string(), "by its schedule".to_owned(), "text"),
        (None, why) => tile("Next start", "none".to_owned(), why.unwrap_or_default().to_owned(), ""),
    };
    let ended = facts.iter().filter(|one| !matches!(one.shown.image.status, ImageStatus::Building));
    let (good, all) = ended.fold((0, 0), |(good, all), one| {
        let is_good = !matches!(one.shown.image.status, ImageStatus::Failed | ImageStatus::Cancelled);
        (good + usize::from(is_good), all + 1)
    });
    let mut list = vec![next];
    if all > 0 {
        let class = if good == all { "good" } else { "warn" };
        list.push(tile("Good", format!("{good} of {all}"), "builds that have ended".to_owned(), class));
    }
    list.extend(median(facts).map(|seconds| tile("Median", duration(seconds), "of the good builds".to_owned(), "")));
    let newest = facts.iter().find(|one| one.shown.image.status == ImageStatus::Available);
    list.extend(newest.map(|one| {
        let image = &one.shown.image;
        tile("Newest image", image.image.to_string(), time_of(&image.created_at), "text")
    }));
    list
}

/// Returns the duration in the middle of those of the good builds.
fn median(facts: &[Facts]) -> Option<f64> {
    let good = facts.iter().filter(|one| one.shown.image.status == ImageStatus::Available);
    let mut seconds: Vec<f64> = good.map(|one| one.spent().iter().sum()).collect();
    seconds.sort_by(f64::total_cmp);
    seconds.get(seconds.len() / 2).copied()
}

fn channel(last: &ChannelMove, facts: &[Facts], names: &[String]) -> Channel {
    let at = facts.iter().position(|one| Some(&one.shown.image.image) == last.to.as_ref());
    Channel {
        name: last.channel.to_string(),
        image: last.to.as_ref().map(ToString::to_string).unwrap_or_default(),
        page: at.and_then(|at| names.get(at)).cloned(),
        moved: time_of(&last.at),
        by: who(&last.by).to_owned(),
        reason: last.reason.clone().unwrap_or_default(),
    }
}

fn chart(facts: &[Facts], longest: f64) -> Chart {
    let columns = facts.iter().rev().enumerate().map(|(at, one)| column(at, one, longest)).collect();
    let time = |one: Option<&Facts>| one.map(|one| time_of(&one.shown.image.created_at)).unwrap_or_default();
    let (first, last) = (time(facts.last()), time(facts.first()));
    let builds = count(facts.len(), "build");
    let summary = format!(
        "{builds} from {first} to {last}. The longest took {}. The table below has all values.",
        duration(longest)
    );
    Chart {
        columns,
        legend: Part::ALL.iter().map(|part| (part.class(), part.name())).collect(),
        ticks: [duration(longest), duration(longest / 2.0), "0s".to_owned()],
        first,
        last,
        width: facts.len().max(8) * 10,
        summary,
    }
}

fn column(at: usize, one: &Facts, longest: f64) -> Column {
    let (image, spent) = (&one.shown.image, one.spent());
    let whole: f64 = spent.iter().sum();
    let mut top = HEIGHT;
    let parts = Part::ALL.iter().zip(spent).filter(|(_, seconds)| *seconds > 0.0).map(|(part, seconds)| {
        let height = seconds / longest.max(f64::MIN_POSITIVE) * HEIGHT;
        top -= height;
        Block { class: part.class(), top: thousandths(top.max(0.0)), height: thousandths(height) }
    });
    let parts = parts.collect();
    let badge = Badge::of_image(image);
    let title = format!("{}: {}, {}, {}", image.image, badge.word, duration(whole), time_of(&image.created_at));
    Column { title, at: at * 10, class: badge.class, parts }
}

fn row(one: &Facts, name: &str, longest: f64) -> Row {
    let image = &one.shown.image;
    let spent = one.spent();
    Row {
        image: image.image.to_string(),
        page: name.to_owned(),
        badge: Badge::of_image(image),
        began: time_of(&image.created_at),
        cause: cause(&image.cause),
        took: duration(spent.iter().sum()),
        pieces: pieces(&spent, longest),
        amis: image.amis.len().to_string(),
        failure: image.failure.as_ref().filter(|_| !one.shown.is_cancelled()).map(ToString::to_string),
    }
}

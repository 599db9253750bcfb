//! The message that a topic gets about the end of a build: the event's document for programs, and texts for people. Pure.

use goldsmith_cloud::Message;
use goldsmith_store::{BuildRecord, FailureCause, ImageRecord, ImageStatus, Keep};
use serde_json::{Value, json};

use super::news::News;
use crate::{Config, State};

/// The stack of a command that names none.
const DEFAULT_STACK: &str = "goldsmith";
/// Most characters of a line of a text for people. The record has the whole cause.
const LONGEST_LINE: usize = 500;
/// Most AMIs of other accounts that a text for people lists.
const MOST_COPIES: usize = 50;

/// Returns the message about the end of a build.
pub(super) fn message(config: &Config, record: &BuildRecord, image: &ImageRecord, news: &News) -> Message {
    let subject = subject(&format!("Goldsmith: {}", what_happened(image)));
    let status = json!(image.status).as_str().unwrap_or_default().to_owned();
    let mut message = Message {
        default: document(config, news, &news.detail),
        texts: [("email", text(config, record, image, news)), ("sms", subject.clone())].into(),
        attributes: [("image", image.image.to_string()), ("pipeline", image.pipeline.to_string()), ("status", status)]
            .into(),
        group: id(image.pipeline.as_str()),
        id: id(&image.build),
        subject,
    };
    if message.size() > Message::LARGEST {
        message.default = document(config, news, &shortened(&news.detail));
    }
    message
}

/// Returns the event with the fields that a rule of EventBridge would pass to a topic.
fn document(config: &Config, news: &News, detail: &Value) -> String {
    let fields = json!({
        "source": "goldsmith",
        "detail-type": news.detail_type,
        "region": config.region,
        "resources": news.resources,
        "detail": detail,
    });
    fields.to_string()
}

/// Returns the detail without the lists that can grow, and with the beginning of the failure's message.
fn shortened(detail: &Value) -> Value {
    let mut detail = detail.clone();
    detail["leftBehind"] = json!([]);
    detail["copies"] = json!([]);
    detail["shortened"] = json!(true);
    if let Some(message) = detail.pointer("/failure/message").and_then(Value::as_str) {
        detail["failure"]["message"] = json!(line(message));
    }
    detail
}

/// Returns what happened, in a few words that begin with a small letter or with the image.
fn what_happened(image: &ImageRecord) -> String {
    let this = &image.image;
    let run = match &image.distributes {
        Some(distributed) => format!("the distribution {this} of {distributed}"),
        None if image.is_verification => format!("the verification {this} of {}", image.source_image),
        None => format!("the build of {this}"),
    };
    match (image.status, &image.failure) {
        (ImageStatus::Available, _) if image.overridden => format!("{this} is built, and stays unpublished"),
        (ImageStatus::Available, _) if image.awaited().is_some() => {
            format!("{this} is built, and waits for its approval")
        }
        (ImageStatus::Available, _) => format!("{this} is published"),
        (ImageStatus::Cancelled, _) => format!("{run} was stopped"),
        // A failure of the execution itself names no state.
        (ImageStatus::Failed, Some(cause)) if cause.state.parse::<State>().is_ok() => {
            format!("{run} failed in {}", cause.state)
        }
        (ImageStatus::Failed, _) => format!("{run} failed"),
        _ => format!("{run} succeeded"),
    }
}

/// Returns the text for people.
fn text(config: &Config, record: &BuildRecord, image: &ImageRecord, news: &News) -> String {
    let mut lines = vec![sentence(&what_happened(image)), String::new()];
    let mut field = |name: &str, value: &str| {
        let label = format!("{name}:");
        lines.push(format!("{label:<12}{}", line(value)));
    };
    field("Stack", &format!("{} in {}", config.stack, config.region));
    field("Pipeline", image.pipeline.as_str());
    field("Started by", &image.cause.to_string());
    if let Some(cause) = &news.failure {
        failure(cause, &mut field);
    }
    if !image.amis.is_empty() {
        lines.extend([String::new(), "AMIs:".to_owned()]);
        lines.extend(image.amis.iter().map(|(region, ami)| format!("  {region}: {ami}")));
        let copies = image.copies.iter().take(MOST_COPIES);
        lines.extend(copies.map(|copy| format!("  {}: {} of account {}", copy.region, copy.ami, copy.account)));
        if image.copies.len() > MOST_COPIES {
            lines.push(format!("  and {} more of other accounts", image.copies.len() - MOST_COPIES));
        }
    }
    let outlook = outlook(record, image, news);
    if !outlook.is_empty() {
        lines.push(String::new());
        lines.extend(outlook);
    }
    lines.extend([String::new(), format!("For more, run: {}", command(config, image)), String::new()]);
    lines.join("\n")
}

fn failure(cause: &FailureCause, field: &mut impl FnMut(&str, &str)) {
    let item = cause.item.as_ref().map(|item| format!(" ({item})")).unwrap_or_default();
    field("State", &format!("{}{item}", cause.state));
    let step: Vec<&str> =
        [&cause.document, &cause.phase, &cause.step].into_iter().flatten().map(String::as_str).collect();
    if !step.is_empty() {
        field("Step", &step.join(" / "));
    }
    field("Error", &cause.error);
    field("Cause", &cause.message);
}

/// Returns sentences about what is kept, what could not be removed, and what happens next.
fn outlook(record: &BuildRecord, image: &ImageRecord, news: &News) -> Vec<String> {
    let mut found = Vec::new();
    match record.ending.as_ref().map(|ending| &ending.keep) {
        Some(Keep::Instance { until }) => found.push(format!("The build instance is kept until {until}.")),
        Some(Keep::Images { until }) => found.push(format!("The AMIs are kept until {until}. They are not published.")),
        Some(Keep::Nothing) if image.failure.is_some() => found.push("Nothing of it is kept.".to_owned()),
        _ => {}
    }
    match news.left {
        0 => {}
        1 => found.push("One resource could not be removed or restored yet.".to_owned()),
        count => found.push(format!("{count} resources could not be removed or restored yet.")),
    }
    match (&news.tried_again_at, &news.stopped) {
        (Some(at), _) => found.push(format!("It is tried again at {at}.")),
        (None, Some(stopped)) => found.push(format!(
            "The pipeline no longer starts by itself, because {} builds in a row have failed.",
            stopped.count
        )),
        (None, None) if news.given_up => found.push("It is not tried again.".to_owned()),
        (None, None) => {}
    }
    found
}

/// Returns the command that shows the image or the run.
fn command(config: &Config, image: &ImageRecord) -> String {
    let stack = match config.stack.as_str() {
        DEFAULT_STACK => String::new(),
        stack => format!("--stack {stack} "),
    };
    let name = image.image.to_string();
    // Names may have spaces.
    let name = if name.contains(' ') { format!("'{name}'") } else { name };
    format!("goldsmith {stack}show {name}")
}

/// Returns a text as a sentence: with a capital letter at its beginning, unless it begins with an image, and a full stop.
fn sentence(text: &str) -> String {
    match text.strip_prefix("the ") {
        Some(rest) => format!("The {rest}."),
        None => format!("{text}."),
    }
}

/// Returns the first line of a text, without control characters, and cut if it is long.
fn line(text: &str) -> String {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let shown = first.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    if first.chars().count() <= LONGEST_LINE {
        return shown.collect();
    }
    shown.take(LONGEST_LINE - 3).chain("...".chars()).collect()
}

/// Returns a text as the subject of an email.
fn subject(text: &str) -> String {
    let shown: String =
        text.chars().map(|letter| if letter == ' ' || letter.is_ascii_graphic() { letter } else { '?' }).collect();
    if shown.len() <= Message::LONGEST_SUBJECT {
        return shown;
    }
    format!("{}...", &shown[..Message::LONGEST_SUBJECT - 3])
}

/// Returns a name as the group or the id of a message, which have no spaces.
fn id(name: &str) -> String {
    name.chars().map(|letter| if letter.is_ascii_graphic() { letter } else { '_' }).take(128).collect()
}

#[cfg(test)]
mod tests;

//! What all pages of a report share: the style, the policy that keeps everything else out, and small pieces.

use anyhow::Result;
use askama::Template;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use goldsmith_store::{ImageLife, ImageRecord, ImageStatus};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::spent::{Part, Spent};
use crate::output::harmless;
use crate::render::{self, duration};

/// The style of all pages, which is the only thing on them that is not data or markup.
const STYLE: &str = include_str!("../../../templates/report/style.css");

/// What the frame of a page shows.
pub(super) struct Frame {
    /// The digest of the style, which is the only one that the page's policy allows.
    pub(super) style_digest: String,
    pub(super) style: &'static str,
    /// When the page was written.
    pub(super) written: String,
    /// The version of the program.
    pub(super) version: String,
    /// The stack, and its Region.
    pub(super) stack: String,
}

impl Frame {
    pub(super) fn new(now: Timestamp, version: &str, stack: String) -> Self {
        let digest = BASE64_STANDARD.encode(Sha256::digest(STYLE));
        let style_digest = format!("sha256-{digest}");
        Self { style_digest, style: STYLE, written: time(now), version: version.to_owned(), stack }
    }
}

/// Returns a page as text in which no character acts on a terminal or reorders text, whatever field it comes from. The
/// template library has escaped the markup of all fields.
pub(super) fn finished(page: &impl Template) -> Result<String> {
    let text = page.render()?;
    Ok(harmless(&text).into_owned())
}

/// A word on a colored ground, with a sign, because not everybody sees colors.
pub(super) struct Badge {
    pub(super) word: String,
    pub(super) sign: &'static str,
    pub(super) class: &'static str,
}

impl Badge {
    /// Returns the status of an image.
    pub(super) fn of_image(image: &ImageRecord) -> Self {
        let (sign, class) = match (image.status, image.life) {
            (_, Some(ImageLife::Disabled)) if image.revoked.is_some() => ("✗", "bad"),
            (_, Some(_)) | (ImageStatus::Cancelled, None) => ("–", "off"),
            (ImageStatus::Building, None) => ("●", "run"),
            (ImageStatus::Failed, None) => ("✗", "bad"),
            (ImageStatus::Available | ImageStatus::Verified | ImageStatus::Distributed, None) => ("✓", "good"),
        };
        Self { word: render::status(image), sign, class }
    }

    /// Returns the status of a state or a step by its word.
    pub(super) fn of_word(word: &str) -> Self {
        let (sign, class) = match word {
            "SUCCEEDED" | "success" => ("✓", "good"),
            "RUNNING" | "running" => ("●", "run"),
            "FAILED" | "failed" => ("✗", "bad"),
            "rebooting" => ("↻", "run"),
            "ignoredFailure" => ("!", "warn"),
            _ => ("–", "off"),
        };
        let word = match word {
            "ignoredFailure" => "failed, ignored".to_owned(),
            "success" => "succeeded".to_owned(),
            "rebooting" => "reboots".to_owned(),
            other => other.to_lowercase(),
        };
        Self { word, sign, class }
    }
}

/// A label with its value.
pub(super) struct Fact {
    pub(super) label: &'static str,
    pub(super) value: String,
    /// Whether the value is an id, a command or the like.
    pub(super) is_code: bool,
}

/// Returns a label with a text for people.
pub(super) fn fact(label: &'static str, value: impl Into<String>) -> Fact {
    Fact { label, value: value.into(), is_code: false }
}

/// Returns a label with an id, a command or the like.
pub(super) fn code(label: &'static str, value: impl Into<String>) -> Fact {
    Fact { label, value: value.into(), is_code: true }
}

/// A number that is shown large.
pub(super) struct Tile {
    pub(super) label: &'static str,
    pub(super) value: String,
    pub(super) note: String,
    pub(super) class: &'static str,
}

/// A part of a bar, in thousandths of its length.
pub(super) struct Piece {
    pub(super) class: &'static str,
    pub(super) name: &'static str,
    pub(super) explanation: &'static str,
    pub(super) at: String,
    pub(super) width: String,
    pub(super) took: String,
    pub(super) percent: String,
}

/// Returns the parts of a build's time that are not zero, one after the other.
pub(super) fn pieces(seconds: &Spent, scale: f64) -> Vec<Piece> {
    let whole: f64 = seconds.iter().sum();
    let mut at = 0.0;
    let mut pieces = Vec::new();
    for (part, of) in Part::ALL.iter().zip(seconds).filter(|(_, of)| **of > 0.0) {
        let width = of / scale.max(f64::MIN_POSITIVE) * 1000.0;
        pieces.push(Piece {
            class: part.class(),
            name: part.name(),
            explanation: part.explanation(),
            at: thousandths(at),
            width: thousandths(width),
            took: duration(*of),
            percent: percent(of / whole),
        });
        at += width;
    }
    pieces
}

fn percent(share: f64) -> String {
    if share > 0.0 && share < 0.01 { "<1 %".to_owned() } else { format!("{:.0} %", share * 100.0) }
}

/// Returns a length for a drawing.
pub(super) fn thousandths(length: f64) -> String {
    format!("{length:.1}")
}

/// Returns a time as people read it.
pub(super) fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// Returns a time of the table as people read it. A text that is not a time is returned as it is.
pub(super) fn time_of(text: &str) -> String {
    text.parse().map_or_else(|_| text.to_owned(), time)
}

#[cfg(test)]
mod tests {
    use super::{Spent, percent, pieces};

    #[test]
    fn the_parts_of_a_bar_follow_each_other() {
        let found = pieces(&[30.0, 0.0, 0.0, 60.0, 0.0, 0.0, 10.0], 200.0);
        let drawn: Vec<_> = found.iter().map(|one| (&*one.at, &*one.width, &*one.percent)).collect();
        assert_eq!(drawn, [("0.0", "150.0", "30 %"), ("150.0", "300.0", "60 %"), ("450.0", "50.0", "10 %")]);
        assert_eq!((percent(0.001), percent(0.0)), ("<1 %".to_owned(), "0 %".to_owned()));
        assert!(pieces(&Spent::default(), 0.0).is_empty());
    }
}

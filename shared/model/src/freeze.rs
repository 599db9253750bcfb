//! Freeze windows: days on which a pipeline does not start automatically.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::{ImagePipeline, time_zone};

/// Days on which a pipeline does not start automatically.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Freeze {
    /// The first day.
    pub from: Date,
    /// The day after the last day of the freeze: the pipeline starts again when this day begins.
    pub until: Date,
    /// IANA time zone in which the days begin, or `None` for UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
}

impl Freeze {
    /// Maximum number of windows of a pipeline.
    pub const MAX: usize = 50;

    /// Returns when the window begins and ends. `None` if the time zone is not valid. [`crate::definitions`] rejects
    /// such a time zone.
    fn times(&self) -> Option<(Timestamp, Timestamp)> {
        let zone = time_zone(self.timezone.as_deref().unwrap_or("UTC")).ok()?;
        // If a clock change leaves midnight out, the day begins an hour later.
        let begin = |day: Date| zone.to_timestamp(day.at(0, 0, 0, 0)).ok();
        Some((begin(self.from)?, begin(self.until)?))
    }
}

impl ImagePipeline {
    /// Returns when the pipeline may start automatically again, if it is frozen at this time. Windows that follow one
    /// another without a gap count as one.
    #[must_use]
    pub fn frozen_until(&self, time: Timestamp) -> Option<Timestamp> {
        let windows: Vec<(Timestamp, Timestamp)> = self.freeze.iter().filter_map(Freeze::times).collect();
        let end_at = |time: Timestamp| {
            windows.iter().filter(|(from, until)| (*from..*until).contains(&time)).map(|(_, until)| *until).max()
        };
        // Each step leads out of a window for good, so there is an end.
        std::iter::successors(end_at(time), |until| end_at(*until)).last()
    }

    /// Returns whether the pipeline was frozen at any moment between these times.
    #[must_use]
    pub fn was_frozen(&self, from: Timestamp, until: Timestamp) -> bool {
        self.freeze.iter().filter_map(Freeze::times).any(|(begin, end)| begin < until && from < end)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::ImagePipeline;

    fn pipeline(freeze: serde_json::Value) -> ImagePipeline {
        let json =
            json!({"name": "web", "imageRecipe": "web", "infrastructureConfiguration": "small", "freeze": freeze});
        serde_json::from_value(json).unwrap()
    }

    fn frozen(pipeline: &ImagePipeline, time: &str) -> Option<String> {
        pipeline.frozen_until(time.parse().unwrap()).map(|until| until.to_string())
    }

    #[test]
    fn a_window_begins_and_ends_at_midnight_of_its_time_zone() {
        let web = pipeline(json!([{"from": "2026-12-20", "until": "2027-01-04", "timezone": "Europe/Berlin"}]));
        let end = Some("2027-01-03T23:00:00Z".to_owned());
        for (time, expected) in [
            ("2026-12-19T22:59:59Z", None),
            ("2026-12-19T23:00:00Z", end.clone()),
            ("2027-01-03T22:59:59Z", end),
            ("2027-01-03T23:00:00Z", None),
        ] {
            assert_eq!(frozen(&web, time), expected, "{time}");
        }
        let utc = pipeline(json!([{"from": "2026-12-20", "until": "2026-12-21"}]));
        assert_eq!(frozen(&utc, "2026-12-20T00:00:00Z").as_deref(), Some("2026-12-21T00:00:00Z"));
        assert_eq!(frozen(&pipeline(json!([])), "2026-12-20T00:00:00Z"), None);
    }

    #[test]
    fn windows_that_touch_or_overlap_count_as_one() {
        let web = pipeline(json!([
            {"from": "2026-12-24", "until": "2026-12-27"}, {"from": "2026-12-27", "until": "2026-12-29"},
            {"from": "2026-12-25", "until": "2026-12-28"}, {"from": "2026-12-30", "until": "2026-12-31"},
        ]));
        assert_eq!(frozen(&web, "2026-12-24T12:00:00Z").as_deref(), Some("2026-12-29T00:00:00Z"));
        assert_eq!(frozen(&web, "2026-12-29T12:00:00Z"), None);
    }

    #[test]
    fn a_time_span_was_frozen_if_a_window_overlaps_it() {
        let web = pipeline(json!([{"from": "2026-12-20", "until": "2026-12-21"}]));
        let was = |from: &str, until: &str| web.was_frozen(from.parse().unwrap(), until.parse().unwrap());
        assert!(was("2026-12-19T12:00:00Z", "2026-12-20T00:00:01Z"));
        assert!(was("2026-12-20T23:00:00Z", "2026-12-24T00:00:00Z"));
        assert!(!was("2026-12-21T00:00:00Z", "2026-12-24T00:00:00Z"));
        assert!(!was("2026-12-19T00:00:00Z", "2026-12-20T00:00:00Z"));
    }
}

//! `retention` of an image pipeline: `{keep: 5, olderThan: P90D}`.

use goldsmith_document::yaml::Node;
use goldsmith_document::{MapReader, Reader};

use super::{fields, keys};
use crate::Retention;

pub(super) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Retention> {
    let mut map = reader.map(node, "`retention`")?;
    let keep = map.required(reader, "keep");
    let keep = keep.and_then(|node| fields::number(reader, node, "`keep`", keys::KEEP));
    let older_than_days = days(reader, &mut map, "olderThan", 1);
    // EC2 reports a launch 24 hours later, so a single day without one says nothing.
    let not_launched_for_days = days(reader, &mut map, "notLaunchedFor", 2);
    let automatic = map.optional("automatic").map_or(Some(true), |node| reader.boolean(node, "`automatic`"));
    let disabled_for_days = days(reader, &mut map, "disabledFor", 1);
    map.finish(reader);
    Some(Retention {
        keep: keep?,
        older_than_days: older_than_days?,
        not_launched_for_days: not_launched_for_days?,
        automatic: automatic?,
        disabled_for_days: disabled_for_days?.unwrap_or(Retention::DISABLED_FOR_DAYS),
    })
}

/// Reads an optional number of days, which is `least` at least. Returns `None` if it is wrong.
fn days(reader: &mut Reader<'_>, map: &mut MapReader<'_>, key: &'static str, least: u32) -> Option<Option<u32>> {
    match map.optional(key) {
        None => Some(None),
        Some(node) => fields::days(reader, node, key, least..=Retention::MAX_DAYS).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use crate::Retention;
    use crate::definitions::{Draft, SourceFile};

    fn read(retention: &str) -> Result<Option<Retention>, String> {
        let text = format!(
            "{{kind: ImagePipeline, name: web, imageRecipe: web, infrastructureConfiguration: small, retention: {retention}}}\n"
        );
        let files = [SourceFile { path: "f.yml".to_owned(), text }];
        let read = Draft::read(&files, &|_| Ok(String::new())).check_alone();
        read.map(|found| found.pipelines[0].retention)
            .map_err(|found| found.iter().map(|one| one.message.clone()).collect())
    }

    #[test]
    fn a_number_and_an_age_are_read() {
        let by_itself = |keep| Retention { automatic: true, ..Retention::keep(keep) };
        let older_than = |days| Ok(Some(Retention { older_than_days: Some(days), ..by_itself(1) }));
        assert_eq!(read("{keep: 5}"), Ok(Some(by_itself(5))));
        assert_eq!(read("{keep: 5, automatic: false}"), Ok(Some(Retention::keep(5))));
        assert_eq!(read("{keep: 1, olderThan: P90D}"), older_than(90));
        assert_eq!(read("{keep: 1, olderThan: P2W}"), older_than(14));
        let all = Retention { not_launched_for_days: Some(30), disabled_for_days: 21, ..by_itself(1) };
        assert_eq!(read("{keep: 1, notLaunchedFor: P30D, disabledFor: P3W}"), Ok(Some(all)));
        for (text, message) in [
            ("{keep: 0}", "`keep` must be from 1 to 1000, not 0"),
            (
                "{keep: 1, olderThan: 90}",
                "`olderThan` must be a number of days or weeks from P1D to P3650D, such as P90D, not `90`",
            ),
            (
                "{keep: 1, olderThan: P0D}",
                "`olderThan` must be a number of days or weeks from P1D to P3650D, such as P90D, not `P0D`",
            ),
            (
                "{keep: 1, notLaunchedFor: P1D}",
                "`notLaunchedFor` must be a number of days or weeks from P2D to P3650D, such as P90D, not `P1D`",
            ),
        ] {
            assert_eq!(read(text), Err(message.to_owned()));
        }
        for (wrong, key) in
            [("{keep: 1, automatic: perhaps}", "automatic"), ("{keep: 1, disabledFor: P0D}", "disabledFor")]
        {
            assert!(read(wrong).unwrap_err().starts_with(&format!("`{key}` must be")), "{wrong}");
        }
        assert!(read("{olderThan: P90D}").unwrap_err().contains("keep"));
    }
}

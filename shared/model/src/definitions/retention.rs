//! `retention` of an image pipeline: `{keep: 5, olderThan: P90D}`.

use goldsmith_document::Reader;
use goldsmith_document::yaml::Node;

use super::fields;
use crate::Retention;

pub(super) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Retention> {
    let mut map = reader.map(node, "`retention`")?;
    let keep = map.required(reader, "keep");
    let keep = keep.and_then(|node| fields::number(reader, node, "`keep`", 1..=Retention::MAX_KEEP));
    let older_than = map.optional("olderThan").map(|node| fields::days(reader, node, "olderThan", Retention::MAX_DAYS));
    map.finish(reader);
    let older_than_days = match older_than {
        Some(days) => Some(days?),
        None => None,
    };
    Some(Retention { keep: keep?, older_than_days })
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
        let rule = |keep, older_than_days| Ok(Some(Retention { keep, older_than_days }));
        assert_eq!(read("{keep: 5}"), rule(5, None));
        assert_eq!(read("{keep: 1, olderThan: P90D}"), rule(1, Some(90)));
        assert_eq!(read("{keep: 1, olderThan: P2W}"), rule(1, Some(14)));
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
        ] {
            assert_eq!(read(text), Err(message.to_owned()));
        }
        assert!(read("{olderThan: P90D}").unwrap_err().contains("keep"));
    }
}

//! Resolves versions with an `x`, such as `1.4.x`, to the stored version with the same content, or to the next free
//! version.

use goldsmith_model::definitions::{Draft, Kind, Settled, VersionPlace};
use goldsmith_store::{Store, StoreError, Taken};

/// Returns the newest stored version for each `x`, if one exists. Only the content of the newest version is compared:
/// going back to the content of an older version is a change, and a pattern must select it.
pub(super) async fn newest(store: &Store, draft: &Draft<'_>) -> Result<Settled, StoreError> {
    let mut settled = Settled::new();
    for VersionPlace { kind, name, pattern, .. } in draft.version_places() {
        let Some(pattern) = pattern else { continue };
        let newest = match kind {
            Kind::ImageRecipe => store.best_recipe(&name, pattern).await?.map(|recipe| recipe.version),
            _ => store.best_component(&name, pattern).await?.map(|component| component.version),
        };
        settled.extend(newest.map(|version| ((kind, name, pattern), version)));
    }
    Ok(settled)
}

/// Raises each taken version with an `x`, and returns whether there was one.
pub(super) fn raise(settled: &mut Settled, places: &[VersionPlace<'_>], taken: &[Taken]) -> bool {
    let mut is_raised = false;
    for Taken { kind, name, version, next } in taken {
        let place = places.iter().find(|place| (place.kind, &place.name, place.version) == (*kind, name, *version));
        if let (Some(pattern), Some(next)) = (place.and_then(|place| place.pattern), next) {
            settled.insert((*kind, name.clone(), pattern), *next);
            is_raised = true;
        }
    }
    is_raised
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use goldsmith_model::definitions::SourceFile;

    use super::super::{Purpose, Secrets, judge};
    use crate::testing::{Stack, WEB};

    /// Applies these definitions, and returns the changes as `apply` shows them, without the columns.
    async fn apply(stack: &Stack, text: &str) -> Vec<String> {
        let mut files = [SourceFile { path: "web.yml".to_owned(), text: text.to_owned() }];
        let purpose = Purpose::Apply { bump: false };
        let judged = judge(&stack.connection, Path::new("web.yml"), &mut files, Secrets::default(), purpose).await;
        let (judged, bumped) = judged.unwrap();
        assert_eq!((files[0].text.as_str(), bumped.len()), (text, 0), "the file stays as it is");
        stack.connection.store.write_definitions(&judged.definitions, &judged.changes).await.unwrap();
        let versioned = judged.changes.iter().filter_map(|change| Some((change, change.version?)));
        versioned.map(|(change, version)| format!("{:?} {} {version}", change.outcome, change.name)).collect()
    }

    #[tokio::test]
    async fn an_x_takes_the_stored_version_of_the_same_content_or_the_next_free_one() {
        let stack = Stack::new();
        let first = WEB.replace("semanticVersion: 1.0.0", "semanticVersion: 1.4.x");
        let second = first.replace("\"true\"", "\"false\"");
        assert_eq!(apply(&stack, &first).await, ["Created nginx 1.4.0", "Created web 1.4.0"]);
        assert_eq!(apply(&stack, &first).await, ["Unchanged nginx 1.4.0", "Unchanged web 1.4.0"]);
        assert_eq!(apply(&stack, &second).await, ["Created nginx 1.4.1", "Unchanged web 1.4.0"]);
        assert_eq!(apply(&stack, &second).await, ["Unchanged nginx 1.4.1", "Unchanged web 1.4.0"]);
        // A pattern takes the highest version, so the old content needs a new one.
        assert_eq!(apply(&stack, &first).await, ["Created nginx 1.4.2", "Unchanged web 1.4.0"]);
        let other = first.replacen("1.4.x", "2.0.x", 1);
        assert_eq!(apply(&stack, &other).await, ["Created nginx 2.0.0", "Unchanged web 1.4.0"]);
        // A version that somebody has stored by its number counts too.
        let numbered = second.replacen("1.4.x", "1.4.7", 1);
        assert_eq!(apply(&stack, &numbered).await, ["Created nginx 1.4.7", "Unchanged web 1.4.0"]);
        assert_eq!(apply(&stack, &first).await, ["Created nginx 1.4.8", "Unchanged web 1.4.0"]);
    }
}

//! Implements `--bump`: writes the next free version into a file if its content has changed but its version is stored
//! already.

use std::fs;

use anyhow::{Context, Result};
use goldsmith_document::yaml::Span;
use goldsmith_model::Version;
use goldsmith_model::definitions::{Reference, SourceFile, VersionPlace};
use goldsmith_store::Taken;

use crate::exit::invalid;
use crate::output;

/// A version that was raised in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bumped {
    /// Path of the file.
    file: String,
    /// Position of the version in the file.
    span: Span,
    old: Version,
    new: Version,
}

/// Returns the edit for each taken version, in the order of the conflicts.
pub(super) fn edits(places: &[VersionPlace<'_>], taken: &[Taken]) -> Result<Vec<Bumped>> {
    let edit = |one: &Taken| {
        let place = places
            .iter()
            .find(|place| (place.kind, &place.name, place.version) == (one.kind, &one.name, one.version))
            .with_context(|| format!("{} `{}` {} is not in any file", one.kind, one.name, one.version))?;
        let new = one.next.ok_or_else(|| invalid(format!("{one}: there is no next free version")))?;
        Ok(Bumped { file: place.file().to_owned(), span: place.span(), old: one.version, new })
    };
    taken.iter().map(edit).collect()
}

/// Makes the edits in the texts of the files. All other bytes stay as they are.
pub(super) fn make(files: &mut [SourceFile], edits: &[Bumped]) -> Result<()> {
    let mut edits: Vec<&Bumped> = edits.iter().collect();
    // An edit moves what comes after it on its line, so the last place comes first.
    edits.sort_by_key(|edit| std::cmp::Reverse((edit.span.line, edit.span.column)));
    for edit in edits {
        let Some(file) = files.iter_mut().find(|file| file.path == edit.file) else { continue };
        let (old, new) = (edit.old.to_string(), edit.new.to_string());
        let at = place(&file.text, edit.span, &old).ok_or_else(|| {
            let (path, line) = (&edit.file, edit.span.line);
            invalid(format!(
                "{path}:{line}: `--bump` cannot change the version {old} in the form in which it is written: change it to {new} yourself"
            ))
        })?;
        file.text.replace_range(at..at + old.len(), &new);
    }
    Ok(())
}

/// Returns the position of the version in the text, in bytes, or `None` if there is something else at that place.
fn place(text: &str, span: Span, version: &str) -> Option<usize> {
    let line: usize = text.split_inclusive('\n').take(span.line - 1).map(str::len).sum();
    let column = text[line..].char_indices().nth(span.column - 1)?.0;
    let at = line + column;
    // The place of a text in quotes is that of its first quote.
    let quote = usize::from(text[at..].starts_with(['"', '\'']));
    text[at + quote..].starts_with(version).then_some(at + quote)
}

/// Writes the edited files, and says what was edited.
pub(super) fn write(files: &[SourceFile], edits: &[Bumped]) -> Result<()> {
    for file in files.iter().filter(|file| edits.iter().any(|edit| edit.file == file.path)) {
        fs::write(&file.path, &file.text).with_context(|| format!("{} cannot be written", file.path))?;
    }
    for Bumped { file, span, old, new } in edits {
        output::say(&format!("{file}:{}: version {old} is now {new}", span.line));
    }
    Ok(())
}

/// Returns what in the files names a raised version exactly, and therefore does not use the new version.
pub(super) fn exact_references(references: &[Reference], taken: &[Taken]) -> Vec<String> {
    let mut said = Vec::new();
    for Taken { kind, name, version, next } in taken {
        let is_exact =
            references.iter().any(|one| (one.kind, &one.name, one.version.exact()) == (*kind, name, Some(*version)));
        if let Some(next) = next.filter(|_| is_exact) {
            said.push(format!(
                "warning: these files name {kind} `{name}` {version} exactly, so they do not use {next}: a pattern \
                 such as {}.x.x would",
                version.to_string().split('.').next().unwrap_or_default()
            ));
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use goldsmith_model::definitions::{Draft, Kind, Reference, SourceFile};
    use goldsmith_store::Taken;

    use super::{edits, exact_references, make};

    fn file(text: &str) -> SourceFile {
        SourceFile { path: "web.yml".to_owned(), text: text.to_owned() }
    }

    fn taken(kind: Kind, name: &str, next: &str) -> Taken {
        Taken { kind, name: name.parse().unwrap(), version: "1.0.0".parse().unwrap(), next: next.parse().ok() }
    }

    /// Two components and a recipe. The second component and the recipe are each on one line.
    const TEXT: &str = "# öäü \t1.0.0\r\nkind: Component\nname: nginx\nsemanticVersion:   '1.0.0'   # 1.0.0\nuri: a.yml\n---\n\
                        {kind: Component, name: \"öl\u{20}und\", semanticVersion: \"1.0.0\", uri: a.yml}\n---\n\
                        {kind: ImageRecipe, name: web, semanticVersion: 1.0.0, parentImage: ssm:/a, components: [{name: \
                        nginx, version: 1.0.0}]}\n";

    fn bumped(text: &str, taken: &[Taken]) -> String {
        let mut files = vec![file(text)];
        let read = files.clone();
        let document = "schemaVersion: 1.0\nphases: [{name: build, steps: []}]\n";
        let draft = Draft::read(&read, &|_| Ok(document.to_owned()));
        let edits = edits(&draft.version_places(), taken).unwrap();
        make(&mut files, &edits).unwrap();
        files.remove(0).text
    }

    #[test]
    fn only_the_versions_change_and_every_other_byte_stays() {
        let text = TEXT.replace("öl\u{20}und", "other");
        let all = [
            taken(Kind::Component, "nginx", "1.0.12"),
            taken(Kind::Component, "other", "1.0.1"),
            taken(Kind::ImageRecipe, "web", "1.0.2"),
        ];
        let expected = text
            .replace("'1.0.0'", "'1.0.12'")
            .replace("\"1.0.0\"", "\"1.0.1\"")
            .replace("name: web, semanticVersion: 1.0.0", "name: web, semanticVersion: 1.0.2");
        assert_eq!(bumped(&text, &all), expected);
        assert_eq!(bumped(&text, &all[1..2]), text.replace("\"1.0.0\"", "\"1.0.1\""));
    }

    #[test]
    fn two_versions_in_one_line_are_both_raised() {
        let text = "{kind: ImageRecipe, name: aaa, semanticVersion: 1.0.0, parentImage: ssm:/a, components: []}\n";
        let both = format!("{text}--- {}", text.replace("aaa", "bbb"));
        let all = [taken(Kind::ImageRecipe, "aaa", "1.0.10"), taken(Kind::ImageRecipe, "bbb", "1.0.3")];
        let expected = both.replacen("1.0.0", "1.0.10", 1).replacen("1.0.0, parent", "1.0.3, parent", 1);
        assert_eq!(bumped(&both, &all), expected);
    }

    #[test]
    fn a_version_that_is_written_otherwise_than_it_reads_is_left_to_its_author() {
        let text =
            "{kind: ImageRecipe, name: web, semanticVersion: \"1\\x2e0.0\", parentImage: ssm:/a, components: []}\n";
        let mut files = vec![file(text)];
        let read = files.clone();
        let draft = Draft::read(&read, &|_| Ok(String::new()));
        let edits = edits(&draft.version_places(), &[taken(Kind::ImageRecipe, "web", "1.0.1")]).unwrap();
        let expected = "web.yml:1: `--bump` cannot change the version 1.0.0 in the form in which it is written: change it to 1.0.1 yourself";
        assert_eq!(make(&mut files, &edits).unwrap_err().to_string(), expected);
        assert_eq!(files[0].text, text);
    }

    #[test]
    fn a_reference_to_exactly_the_old_version_is_warned_of() {
        let read = [file(TEXT)];
        let draft = Draft::read(&read, &|_| Ok(String::new()));
        let references: Vec<Reference> = draft.references().cloned().collect();
        let expected = "warning: these files name component `nginx` 1.0.0 exactly, so they do not use 1.0.1: a pattern \
                        such as 1.x.x would";
        assert_eq!(exact_references(&references, &[taken(Kind::Component, "nginx", "1.0.1")]), [expected]);
        assert_eq!(exact_references(&references, &[taken(Kind::ImageRecipe, "web", "1.0.1")]), [""; 0]);
    }
}

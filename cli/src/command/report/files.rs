//! The files of a report, and the program that opens them.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{self, Path};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use goldsmith_model::ImageRef;

/// The program of the desktop that opens a file.
pub(super) const OPENER: &str = "xdg-open";

/// Returns the name of an image's report: letters, digits, `.`, `_` and `-`, so that a link needs no escapes.
pub(super) fn name_of(image: &ImageRef) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
    format!("{}.html", image.to_string().chars().map(safe).collect::<String>())
}

/// Returns a name for each image. Two images have the same name only if a space and a `-` are all that differs: then the
/// later one gets the id of its build.
pub(super) fn names<'a>(images: impl Iterator<Item = (&'a ImageRef, &'a str)>) -> Vec<String> {
    let mut taken = BTreeSet::from(["index.html".to_owned()]);
    let mut name = |(image, build): (&ImageRef, &str)| {
        let name = name_of(image);
        if taken.insert(name.clone()) { name } else { format!("{build}.html") }
    };
    images.map(&mut name).collect()
}

/// Writes a page.
pub(super) fn write(path: &Path, page: &str) -> Result<()> {
    fs::write(path, page).with_context(|| format!("the file {} cannot be written", path.display()))
}

/// Returns whether a program could show a window here.
pub(super) fn has_desktop() -> bool {
    ["DISPLAY", "WAYLAND_DISPLAY"].into_iter().any(|name| env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// Opens a file with a program of the desktop. Returns why it could not be opened, or `None` if it is open.
pub(super) fn open(opener: impl AsRef<OsStr>, has_desktop: bool, file: &Path) -> Option<String> {
    if !has_desktop {
        return Some("there is no desktop here".to_owned());
    }
    let name = opener.as_ref().to_string_lossy().into_owned();
    // A relative path could begin with a `-`, as an option does.
    let file = path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let mut program = Command::new(opener);
    program.arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match program.status() {
        Ok(status) if status.success() => None,
        Ok(status) => Some(format!("{name} failed: {status}")),
        Err(error) => Some(format!("{name} cannot be started: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{name_of, names, open};

    #[test]
    fn a_file_is_named_after_its_image_and_no_two_have_one_name() {
        assert_eq!(name_of(&"web server/1.0.0/7".parse().unwrap()), "web-server-1.0.0-7.html");
        let images = ["web server/1.0.0/7", "web-server/1.0.0/7"].map(|one| one.parse().unwrap());
        let names = names(images.iter().zip(["a-1", "b-1"]));
        assert_eq!(names, ["web-server-1.0.0-7.html", "b-1.html"]);
    }

    #[test]
    fn without_a_desktop_or_its_program_a_file_stays_closed() {
        let file = Path::new("report.html");
        assert_eq!(open("true", true, file), None);
        assert_eq!(open("true", false, file).as_deref(), Some("there is no desktop here"));
        assert_eq!(open("false", true, file).as_deref(), Some("false failed: exit status: 1"));
        let missing = open("no-such-opener", true, file).unwrap();
        assert!(missing.starts_with("no-such-opener cannot be started: "), "{missing}");
    }
}

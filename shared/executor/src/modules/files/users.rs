//! Looks up the numbers of users and groups. Names are looked up in the machine's own files and then with `getent`,
//! which also knows the users of a directory service.

use std::fs;
use std::process::{Command, Stdio};

use super::FileError;

/// The new owner and group of a file. `None` leaves the present one.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ids {
    pub(super) user: Option<u32>,
    pub(super) group: Option<u32>,
}

/// Returns the number of a user, given by name or number, and the number of the user's own group if it is known.
pub(super) fn user(name: &str) -> Result<(u32, Option<u32>), FileError> {
    // A number is looked up too, because the entry also has the user's own group.
    let entry = entry("passwd", name);
    let field = |index: usize| entry.as_ref()?.split(':').nth(index)?.parse().ok();
    match field(2).or_else(|| name.parse().ok()) {
        Some(id) => Ok((id, field(3))),
        None => Err(FileError::NoSuchName { name: name.to_owned(), kind: "user" }),
    }
}

/// Returns the number of a group, given by name or number.
pub(super) fn group(name: &str) -> Result<u32, FileError> {
    let named = || entry("group", name)?.split(':').nth(2)?.parse().ok();
    let missing = || FileError::NoSuchName { name: name.to_owned(), kind: "group" };
    named().or_else(|| name.parse().ok()).ok_or_else(missing)
}

impl Ids {
    /// Returns the ids for inputs that may be absent.
    pub(super) fn named(user_name: Option<&str>, group_name: Option<&str>) -> Result<Self, FileError> {
        let user = user_name.map(user).transpose()?.map(|(id, _)| id);
        Ok(Self { user, group: group_name.map(group).transpose()? })
    }
}

/// Returns the line of a name or number in a database.
fn entry(database: &str, name: &str) -> Option<String> {
    let local = fs::read_to_string(format!("/etc/{database}")).unwrap_or_default();
    line_of(&local, name).map(str::to_owned).or_else(|| {
        let mut command = Command::new("getent");
        let output = command.args([database, name]).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
        String::from_utf8(output.stdout).ok()?.lines().next().map(str::to_owned)
    })
}

/// Returns the line of a name or number in the text of a database. A name counts before a number, as for chown (POSIX):
/// a name may consist of digits.
fn line_of<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    // The name is the first field of both databases, and the number is the third.
    [0, 2].iter().find_map(|field| text.lines().find(|line| line.split(':').nth(*field) == Some(name)))
}

#[cfg(test)]
mod tests {
    use super::{group, line_of, user};

    #[test]
    fn a_name_of_digits_counts_before_the_number() {
        let (named, numbered) = ("4711:x:20:", "other:x:4711:");
        for text in [format!("{named}\n{numbered}\n"), format!("{numbered}\n{named}\n")] {
            assert_eq!(line_of(&text, "4711"), Some(named));
            assert_eq!(line_of(&text, "20"), Some(named));
            assert_eq!(line_of(&text, "x"), None);
        }
        assert_eq!(line_of(numbered, "4711"), Some(numbered));
    }

    #[test]
    fn names_and_numbers_are_found() {
        assert_eq!(user("root").unwrap(), (0, Some(0)));
        assert_eq!(user("0").unwrap(), (0, Some(0)));
        assert_eq!(user("471147").unwrap(), (471147, None));
        assert_eq!((group("root").unwrap(), group("4711").unwrap()), (0, 4711));
        assert_eq!(user("no-such-user").unwrap_err().to_string(), "there is no user `no-such-user`");
        assert_eq!(group("no-such-group").unwrap_err().to_string(), "there is no group `no-such-group`");
    }
}

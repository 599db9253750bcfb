//! Words in the output of a step that a look at the machine can explain. Programs write them in English, because the
//! agent runs without a locale.

use std::path::Path;

use super::lock::{self, Lock};
use super::machine::Machine;
use super::{disk, names, ports};

/// What a line speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Clue {
    /// A file system without space, with the path that could not be written if the line names one.
    Full(Option<String>),
    /// A lock that another process holds.
    Lock(Lock),
    /// A name that could not be resolved, if the line says which one.
    Name(Option<String>),
    /// A port of this machine at which nothing answered.
    Port(u16),
    /// A unit of systemd that did not start.
    Unit(String),
}

/// The texts of programs for a file system without space. The last ones are those of tar, which writes a part of a block
/// and then says no more, and of the package managers, which look before they write.
const FULL_WORDS: [&str; 6] = [
    "No space left on device",
    "Disk quota exceeded",
    ": Wrote only ",
    "have enough free space in ",
    " more space on the ",
    " more space needed on the ",
];
/// The texts of programs for a name without an address.
const NAME_WORDS: [&str; 8] = [
    "Name or service not known",
    "Temporary failure in name resolution",
    "Temporary failure resolving",
    "Could not resolve",
    "Couldn't resolve",
    "unable to resolve host",
    "cannot be resolved",
    "bad address '",
];
/// The texts of programs, in lower case, for an address at which nothing answers.
const PORT_WORDS: [&str; 6] = [
    "connection refused",
    "connection timed out",
    "failed to connect",
    "couldn't connect",
    "could not connect",
    "operation timed out",
];

impl Clue {
    /// Returns what a line speaks of, or `None` if it is an ordinary line.
    pub(crate) fn of(line: &str) -> Option<Self> {
        if FULL_WORDS.iter().any(|word| line.contains(word)) {
            return Some(Self::Full(path_in(line)));
        }
        if let Some(lock) = Lock::of(line) {
            return Some(Self::Lock(lock));
        }
        if NAME_WORDS.iter().any(|word| line.contains(word)) {
            return Some(Self::Name(name_in(line)));
        }
        if let Some(unit) = unit_in(line) {
            return Some(Self::Unit(unit));
        }
        let lower = line.to_ascii_lowercase();
        if PORT_WORDS.iter().any(|word| lower.contains(word)) {
            return port_in(&lower).map(Self::Port);
        }
        None
    }

    /// Returns whether the facts may be gone at the end of the step.
    pub(super) fn is_fleeting(&self) -> bool {
        matches!(self, Self::Full(_) | Self::Lock(_))
    }

    pub(super) fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    /// Returns how many clues of this kind are followed.
    pub(super) fn most(&self) -> usize {
        if matches!(self, Self::Full(_)) { 1 } else { 2 }
    }

    /// Returns the facts. Programs of the step run in `folder`. The facts of units come from [`super::units`].
    pub(super) fn facts(&self, machine: &Machine, folder: &Path) -> Vec<String> {
        match self {
            Self::Full(path) => disk::full(Some(&path.as_ref().map_or(folder.to_owned(), |path| folder.join(path)))),
            Self::Lock(lock) => lock::facts(machine, lock),
            Self::Name(name) => names::facts(machine, name.as_deref()),
            Self::Port(port) => ports::facts(machine, *port),
            Self::Unit(_) => Vec::new(),
        }
    }
}

/// Returns the words of a line without the quotes and the punctuation around them.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let around =
        |c: char| matches!(c, '\'' | '"' | '`' | '‘' | '’' | '“' | '”' | '(' | ')' | '[' | ']' | ',' | ';' | ':' | '.');
    line.split(|c: char| c.is_whitespace() || c == '=')
        .map(move |word| word.trim_matches(around))
        .filter(|word| !word.is_empty())
}

/// Returns the first absolute path in a line. A shell begins its messages with the path of the script, which is not
/// what the message is about.
pub(super) fn path_in(line: &str) -> Option<String> {
    let line = line.split_once(": line ").and_then(|(_, rest)| rest.split_once(": ")).map_or(line, |(_, rest)| rest);
    words(line).find(|word| word.starts_with('/') && word.len() > 1).map(str::to_owned)
}

/// Returns the name that a line says could not be resolved.
fn name_in(line: &str) -> Option<String> {
    const BEFORE: [&str; 3] =
        [" cannot be resolved", ": Name or service not known", ": Temporary failure in name resolution"];
    const AFTER: [&str; 11] = [
        "Could not resolve host: ",
        "Couldn't resolve host: ",
        "Couldn't resolve host name ",
        "Couldn't resolve host ",
        "Could not resolve hostname ",
        "Could not resolve proxy: ",
        "Temporary failure resolving ",
        "Could not resolve ",
        "unable to resolve host address ",
        "unable to resolve host ",
        "bad address ",
    ];
    let after = AFTER.iter().find_map(|word| words(line.split_once(word)?.1).next());
    let before = || BEFORE.iter().find_map(|word| words(line.split_once(word)?.0).last());
    let name = after.or_else(before)?;
    let is_name = name.len() <= 253 && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    // `Could not resolve host for https://…` and `getaddrinfo: Name or service not known` do not say which name.
    let is_word = matches!(
        name,
        "for"
            | "host"
            | "hostname"
            | "name"
            | "getaddrinfo"
            | "error"
            | "lookup"
            | "address"
            | "information"
            | "failed"
    );
    (is_name && !is_word && name.parse::<i64>().is_err()).then(|| name.to_owned())
}

/// Returns the port after an address of this machine, such as in `127.0.0.1:80`, `[::1]:80` or `localhost port 80`.
fn port_in(line: &str) -> Option<u16> {
    let is_digit = |c: char| c.is_ascii_digit();
    let mut rest = line;
    let starts = ["localhost", "127.", "::1"];
    while let Some((at, start)) = starts.iter().filter_map(|start| Some((rest.find(start)?, *start))).min() {
        let is_whole = !rest[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':'));
        rest = &rest[at + start.len()..];
        if !is_whole {
            continue;
        }
        if start == "127." {
            rest = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        }
        let between = rest.find(is_digit).unwrap_or(rest.len());
        let is_port = |text: &str| {
            let text = text.replace("port", "");
            !text.is_empty()
                && text.len() <= 6
                && text
                    .chars()
                    .all(|c| c.is_whitespace() || matches!(c, ':' | '/' | ',' | '|' | ']' | ')' | '=' | '\'' | '"'))
        };
        let (gap, after) = rest.split_at(between);
        let digits = after.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        // In `localhost (127.0.0.1), port 80`, the address that follows names the port.
        let is_address = after[digits.len()..].strip_prefix('.').is_some_and(|rest| rest.starts_with(is_digit));
        if is_port(gap) && !is_address {
            return digits.parse().ok().filter(|port| *port > 0);
        }
    }
    None
}

/// Returns the unit that systemctl says did not start.
fn unit_in(line: &str) -> Option<String> {
    let unit = line.split_once("Job for ")?.1.split_once(" failed")?.0;
    super::units::is_name(unit).then(|| unit.to_owned())
}

#[cfg(test)]
mod tests {
    use super::Clue;

    fn name(line: &str) -> Option<String> {
        match Clue::of(line) {
            Some(Clue::Name(name)) => name,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn a_full_disk_is_recognized_with_its_path() {
        let of = |line: &str| Clue::of(line).unwrap();
        let full = |path: &str| Clue::Full(Some(path.to_owned()));
        assert_eq!(of("cp: error writing '/srv/a/b': No space left on device"), full("/srv/a/b"));
        assert_eq!(of("dd: error writing ‘/tmp/x’: No space left on device"), full("/tmp/x"));
        assert_eq!(
            of(
                "dpkg: error processing archive /var/cache/apt/archives/x.deb (--unpack): cannot copy: failed to write (No space left on device)"
            ),
            full("/var/cache/apt/archives/x.deb")
        );
        assert_eq!(of("OSError: [Errno 28] No space left on device: '/data/out'"), full("/data/out"));
        let script = "/var/lib/goldsmith/x/input.sh: line 1: ";
        assert_eq!(of(&format!("{script}echo: write error: No space left on device")), Clue::Full(None));
        assert_eq!(of(&format!("{script}/srv/a: No space left on device")), full("/srv/a"));
        assert_eq!(of("tar: x: Cannot write: No space left on device"), Clue::Full(None));
        assert_eq!(of("touch: cannot touch 'a': Disk quota exceeded"), Clue::Full(None));
        assert_eq!(of("tar: /tmp/pages.tar: Wrote only 2048 of 10240 bytes"), full("/tmp/pages.tar"));
        assert_eq!(
            of("E: You don't have enough free space in /var/cache/apt/archives/."),
            full("/var/cache/apt/archives/")
        );
        assert_eq!(
            of("installing package kernel-core-6.1 needs 43MB more space on the /boot filesystem"),
            full("/boot")
        );
        assert_eq!(of("  At least 43MB more space needed on the / filesystem."), Clue::Full(None));
    }

    #[test]
    fn a_name_is_found_in_the_words_of_many_programs() {
        for (line, expected) in [
            ("curl: (6) Could not resolve host: mirror.example", Some("mirror.example")),
            (
                "fatal: unable to access 'https://github.com/a/b/': Could not resolve host: github.com",
                Some("github.com"),
            ),
            (
                "Curl error (6): Couldn't resolve host name for https://m.example/x [Could not resolve host: m.example]",
                Some("m.example"),
            ),
            ("wget: unable to resolve host address ‘mirror.example’", Some("mirror.example")),
            ("wget: bad address 'mirror.example'", Some("mirror.example")),
            ("ping: mirror.example: Name or service not known", Some("mirror.example")),
            ("ssh: Could not resolve hostname git.example: Temporary failure in name resolution", Some("git.example")),
            (
                "W: Failed to fetch http://deb.debian.org/x  Temporary failure resolving 'deb.debian.org'",
                Some("deb.debian.org"),
            ),
            ("  Could not resolve 'deb.debian.org'", Some("deb.debian.org")),
            (
                "https://m.example/f cannot be fetched: the name m.example cannot be resolved: Name or service not known",
                Some("m.example"),
            ),
            ("socket.gaierror: [Errno -3] Temporary failure in name resolution", None),
            ("getaddrinfo: Name or service not known", None),
            ("Could not resolve host for https://m.example/x", None),
            ("Could not resolve host: a\u{1b}[31mb", None),
        ] {
            assert_eq!(name(line).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn only_ports_of_this_machine_are_looked_at() {
        let port = |line: &str| match Clue::of(line) {
            Some(Clue::Port(port)) => Some(port),
            None => None,
            other => panic!("{other:?}"),
        };
        for (line, expected) in [
            ("curl: (7) Failed to connect to 127.0.0.1 port 8080 after 0 ms: Connection refused", Some(8080)),
            ("curl: (7) Failed to connect to localhost port 80 after 0 ms: Could not connect to server", Some(80)),
            ("curl: (7) Failed to connect to ::1 port 81: Connection refused", Some(81)),
            ("Connecting to 127.0.0.1:8080... failed: Connection refused.", Some(8080)),
            ("Connecting to localhost (localhost)|127.0.0.1|:9000... failed: Connection refused.", Some(9000)),
            ("bash: connect: Connection refused: /dev/tcp/127.0.0.1/443", Some(443)),
            ("dial tcp [::1]:5432: connect: connection refused", Some(5432)),
            ("connection to server at \"localhost\" (127.0.0.1), port 5432 failed: Connection refused", Some(5432)),
            ("HTTPConnectionPool(host='127.0.0.1', port=8000): [Errno 111] Connection refused", Some(8000)),
            ("http://127.0.0.1:1/f cannot be fetched: Connection refused (os error 111)", Some(1)),
            ("curl: (7) Failed to connect to 10.0.0.7 port 8080 after 0 ms: Connection refused", None),
            ("curl: (7) Failed to connect to 127.0.0.1 port 99999: Connection refused", None),
            ("notlocalhost:80: connection refused", None),
            ("connect: Connection refused", None),
        ] {
            assert_eq!(port(line), expected, "{line}");
        }
    }

    #[test]
    fn a_unit_that_did_not_start_is_named() {
        let of = Clue::of("Job for nginx.service failed because the control process exited with error code.");
        assert_eq!(of, Some(Clue::Unit("nginx.service".to_owned())));
        assert_eq!(Clue::of("Job for -x failed"), None);
        assert_eq!(Clue::of("Job for a;b failed"), None);
    }

    #[test]
    fn an_ordinary_line_says_nothing() {
        for line in ["", "ok", "locked by 3", "port 80", "\u{fffd}127.", "Failed to connect to 127.", "Job for "] {
            assert_eq!(Clue::of(line), None, "{line}");
        }
    }
}

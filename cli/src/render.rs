//! Small pieces of text: tables, durations, times, words of enums.

use goldsmith_model::{BootMode, Cause, TpmSupport};
use goldsmith_store::{CheckpointRecord, ImageLife, ImageRecord, ImageStatus, User};
use jiff::Timestamp;
use serde::Serialize;
use terminal_size::{Width, terminal_size_of};

/// Returns the rows as lines with aligned columns that are two spaces apart.
pub(crate) fn columns(rows: &[Vec<String>]) -> Vec<String> {
    let count = rows.iter().map(Vec::len).max().unwrap_or_default();
    let widths: Vec<usize> = (0..count)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// The width of lines that do not go to a terminal, in characters.
pub(crate) const WIDTH: usize = 100;
/// The narrowest column of text that is wrapped. On a narrower terminal, lines are longer than it is wide.
const NARROWEST: usize = 30;

/// Returns the width of the terminal on standard output, or `None` if it is no terminal.
pub(crate) fn terminal_width() -> Option<usize> {
    terminal_size_of(std::io::stdout()).map(|(Width(width), _)| width.into())
}

/// Returns a text as it is, or its beginning and `…` if it has more than `longest` characters.
pub(crate) fn shortened(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    text.chars().take(longest - 1).chain(['…']).collect()
}

/// Returns the text as lines that are at most `width` wide and are broken between words. `first` is before the first line,
/// and `rest` before the others. A longer word stays whole.
pub(crate) fn wrapped(text: &str, width: usize, first: &str, rest: &str) -> Vec<String> {
    let room = width.saturating_sub(first.chars().count()).max(NARROWEST);
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= room || line.trim().is_empty() => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    let before = |at: usize| if at == 0 { first } else { rest };
    lines.iter().enumerate().map(|(at, line)| format!("{}{line}", before(at)).trim_end().to_owned()).collect()
}

/// Returns the rows as [`columns`] does. If a width is given, the last column of longer rows is wrapped, except in the row
/// `get in`: its command stays in one line, so that it can be copied.
pub(crate) fn columns_within(rows: &[Vec<String>], width: Option<usize>) -> Vec<String> {
    let lines = columns(rows);
    let Some(width) = width else { return lines };
    let count = rows.iter().map(Vec::len).max().unwrap_or_default();
    let column = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let before: usize = (0..count.saturating_sub(1)).map(|at| column(at).unwrap_or_default() + 2).sum();
    let wrap = |(row, line): (&Vec<String>, String)| {
        let is_command = row.first().is_some_and(|label| label == "get in");
        if row.len() < count || is_command || line.chars().count() <= width {
            return vec![line];
        }
        let first: String = line.chars().take(before).collect();
        wrapped(&row[count - 1], width, &first, &" ".repeat(before))
    };
    rows.iter().zip(lines).flat_map(wrap).collect()
}

/// Returns labels and values as [`labelled`] does, and wraps long values if a width is given.
pub(crate) fn labelled_within<'a>(
    rows: impl IntoIterator<Item = (&'a str, String)>,
    width: Option<usize>,
) -> Vec<String> {
    let rows = rows.into_iter().map(|(label, value)| vec![label.to_owned(), value]);
    columns_within(&rows.collect::<Vec<_>>(), width)
}

/// Returns the rows as lines below their headings, or no lines if there are no rows.
pub(crate) fn table<const N: usize>(heads: [&str; N], rows: impl Iterator<Item = Vec<String>>) -> Vec<String> {
    let mut rows: Vec<Vec<String>> = std::iter::once(heads.map(str::to_owned).to_vec()).chain(rows).collect();
    if rows.len() == 1 {
        rows.clear();
    }
    columns(&rows)
}

/// Returns a line for each label and its value, with aligned values.
pub(crate) fn labelled<'a>(rows: impl IntoIterator<Item = (&'a str, String)>) -> Vec<String> {
    columns(&rows.into_iter().map(|(label, value)| vec![label.to_owned(), value]).collect::<Vec<_>>())
}

/// Returns in words for people how instances of an image boot; `None` if the recipe says nothing about it. `uefi_data` is
/// the SHA-256 of the UEFI data.
pub(crate) fn firmware(
    boot_mode: Option<BootMode>,
    tpm_support: Option<TpmSupport>,
    uefi_data: Option<&str>,
) -> Option<String> {
    let mode = boot_mode.map(|mode| match mode {
        BootMode::LegacyBios => "by the BIOS".to_owned(),
        BootMode::Uefi => "only by UEFI".to_owned(),
        BootMode::UefiPreferred => "by UEFI if the instance type supports it".to_owned(),
    });
    let tpm = tpm_support.map(|version| format!("with a TPM ({})", version.name()));
    let data = uefi_data.map(|digest| format!("with UEFI data (SHA-256 {digest})"));
    let parts: Vec<String> = [mode, tpm, data].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// Returns in words for people which checkpoint a build begins with or makes. `after` is the last component that the
/// checkpoint contains.
pub(crate) fn checkpoint(after: &str, found: Option<&CheckpointRecord>) -> String {
    match found {
        Some(CheckpointRecord { image, build, created_at, .. }) => {
            format!("begins with {image}: the disk after {after}, made by {build} at {created_at}")
        }
        None => format!("a new one after {after}"),
    }
}

/// Returns a text as one word of a command line, with the quotes that a shell needs.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |one: char| one.is_ascii_alphanumeric() || "_-./:=,@%+".contains(one);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Returns a count with its noun: `1 error`, `2 errors`.
pub(crate) fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// Returns a count with its noun, and spells out one: `one error`, `2 errors`.
pub(crate) fn count_in_words(number: usize, thing: &str) -> String {
    if number == 1 { format!("one {thing}") } else { count(number, thing) }
}

/// Returns a duration as text: `0.4s`, `12s`, `3m 05s`, `2h 10m`.
pub(crate) fn duration(seconds: f64) -> String {
    if seconds < 10.0 {
        return format!("{:.1}s", seconds.max(0.0));
    }
    // It is rounded before it is divided: 59.7 seconds are a minute and not 60 seconds.
    let whole = seconds.round() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m {seconds:02}s"),
        (hours, minutes, _) => format!("{hours}h {minutes:02}m"),
    }
}

/// Returns the seconds between two times from the table, or `None` if one of them is not a time.
pub(crate) fn seconds_between(from: &str, to: &str) -> Option<f64> {
    let (from, to) = (from.parse::<Timestamp>().ok()?, to.parse::<Timestamp>().ok()?);
    Some(to.duration_since(from).as_secs_f64())
}

/// Returns a short text about why a build started. The generated id of a manual start is left out, because it tells a
/// person nothing.
pub(crate) fn cause(cause: &Cause) -> String {
    match cause {
        Cause::Manual { .. } => cause.kind().to_owned(),
        Cause::Schedule { scheduled_time } => format!("{} {scheduled_time}", cause.kind()),
        Cause::SourceUpdate { image_id, .. } => format!("{} {image_id}", cause.kind()),
        Cause::Dependency { image } => format!("{} {image}", cause.kind()),
    }
}

/// Returns the status of an image: the status that its build gave it, or the change that a person made since then.
pub(crate) fn life(image: &ImageRecord) -> String {
    match image.life {
        Some(ImageLife::Disabled) if image.revoked.is_some() => "REVOKED".to_owned(),
        Some(life) => word(life),
        None => word(image.status),
    }
}

/// Returns the status of an image, as [`life`] does. Marks an image whose build was started with overrides or that
/// nobody has approved, which is the reason why it is not published.
pub(crate) fn status(image: &ImageRecord) -> String {
    let mark = match image {
        _ if image.overridden => " (overridden)",
        _ if image.awaited().is_some() && image.life.is_none() => " (needs approval)",
        // Without a mark, it would look like a build that has failed.
        _ if image.is_verification && image.status != ImageStatus::Verified => " (verification)",
        _ if image.distributes.is_some() && image.status != ImageStatus::Distributed => " (distribution)",
        _ => "",
    };
    format!("{}{mark}", life(image))
}

/// Returns who did something, without the account of an ARN: `user/anna`, `assumed-role/platform/anna`.
pub(crate) fn who(by: &str) -> &str {
    by.rsplit_once(':').map_or(by, |(_, name)| name)
}

/// Returns what uses a definition, in one line.
pub(crate) fn users(users: &[User]) -> String {
    if users.is_empty() {
        return "nothing".to_owned();
    }
    users.iter().map(User::to_string).collect::<Vec<_>>().join(", ")
}

/// Returns the word under which an enum without data is stored, or an empty text for any other value.
pub(crate) fn word(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use goldsmith_model::{BootMode, Cause, TpmSupport};

    use super::{cause, columns, duration, firmware, seconds_between, word};

    #[test]
    fn what_a_recipe_says_of_how_an_image_boots_is_told() {
        assert_eq!(firmware(None, None, None), None);
        for (mode, said) in [
            (BootMode::LegacyBios, "by the BIOS"),
            (BootMode::Uefi, "only by UEFI"),
            (BootMode::UefiPreferred, "by UEFI if the instance type supports it"),
        ] {
            assert_eq!(firmware(Some(mode), None, None).as_deref(), Some(said));
        }
        let all = firmware(Some(BootMode::Uefi), Some(TpmSupport::V2), Some("0a")).unwrap();
        assert_eq!(all, "only by UEFI, with a TPM (v2.0), with UEFI data (SHA-256 0a)");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["a".to_owned(), "bcd".to_owned()], vec!["äöü".to_owned(), "e".to_owned()]];
        assert_eq!(columns(&rows), ["a    bcd", "äöü  e"]);
    }

    #[test]
    fn durations_are_spelled_as_short_as_they_can_be() {
        for (seconds, text) in
            [(0.44, "0.4s"), (-1.0, "0.0s"), (12.4, "12s"), (59.7, "1m 00s"), (185.0, "3m 05s"), (7_812.0, "2h 10m")]
        {
            assert_eq!(duration(seconds), text);
        }
        assert_eq!(seconds_between("2026-01-01T00:00:00.000Z", "2026-01-01T00:00:01.500Z"), Some(1.5));
        assert_eq!(seconds_between("", "2026-01-01T00:00:01.500Z"), None);
    }

    #[test]
    fn a_cause_is_told_by_what_says_something() {
        for (json, text) in [
            (r#"{"kind":"manual","id":"1767225600-00ab"}"#, "manual"),
            (r#"{"kind":"schedule","scheduledTime":"2026-11-24T03:00:00Z"}"#, "schedule 2026-11-24T03:00:00Z"),
            (r#"{"kind":"source-update","source":"ssm:/a","imageId":"ami-1"}"#, "source-update ami-1"),
            (r#"{"kind":"dependency","image":"base/1.0.0/3"}"#, "dependency base/1.0.0/3"),
        ] {
            assert_eq!(cause(&serde_json::from_str::<Cause>(json).unwrap()), text);
        }
    }

    #[test]
    fn enums_are_their_stored_words() {
        assert_eq!(word(goldsmith_store::ImageStatus::Available), "AVAILABLE");
    }
}

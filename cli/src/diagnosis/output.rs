//! Reads the message and the last lines of a failure: which line tells most, and which lines only repeat others.

use goldsmith_store::FailureCause;

/// Words of lines that report an error, in lower case.
const ERROR_WORDS: [&str; 20] = [
    "error",
    "e: ",
    "fatal",
    "fail",
    "cannot",
    "can't",
    "could not",
    "couldn't",
    "unable",
    "denied",
    "refused",
    "not found",
    "no such",
    "no space",
    "killed",
    "invalid",
    "timed out",
    "mismatch",
    "traceback",
    "panic",
];
/// How many lines in a row that differ only in their numbers are shortened. Fewer would not become shorter.
const ALIKE: usize = 4;

/// Returns a message without the names of the step, which the place has.
pub(super) fn bare_message(cause: &FailureCause) -> &str {
    let rest = cause.document.as_deref().and_then(|document| cause.message.strip_prefix(document)?.strip_prefix(" / "));
    let step = cause.step.as_ref().map(|step| format!(" / {step}: "));
    let bare = rest.zip(step).and_then(|(rest, step)| rest.split_once(&step)).map(|(_, bare)| bare);
    bare.filter(|bare| !bare.is_empty()).unwrap_or(&cause.message)
}

/// Returns whether a message says only that something failed, and not why.
pub(super) fn is_bare(message: &str) -> bool {
    let message = message.trim();
    message.is_empty()
        || message == "timed out"
        || message.starts_with("exit status ")
        || message.starts_with("step ") && message.ends_with(" failed")
}

/// Returns the line that tells most: the first one with a word of an error, else the last one. Without lines, this is the
/// message.
pub(super) fn telling(cause: &FailureCause) -> &str {
    let mut lines = cause.last_lines.iter().map(String::as_str).filter(|line| !line.trim().is_empty());
    let first = lines.clone().find(|line| reports_error(line));
    first.or_else(|| lines.next_back()).unwrap_or_else(|| bare_message(cause))
}

fn reports_error(line: &str) -> bool {
    let line = line.to_lowercase();
    ERROR_WORDS.iter().any(|word| line.contains(word))
}

/// Returns the sentences of a text. A period ends a sentence only before a space and a capital letter.
pub(crate) fn sentences(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text.trim();
    let mut from = 0;
    while let Some(at) = rest[from..].find(". ").map(|at| from + at) {
        let is_end = rest[at + 2..].starts_with(|c: char| c.is_uppercase());
        if is_end {
            found.push(rest[..=at].to_owned());
            rest = rest[at + 2..].trim_start();
            from = 0;
        } else {
            from = at + 2;
        }
    }
    if !rest.is_empty() {
        found.push(rest.to_owned());
    }
    found
}

/// Returns lines in which a line that is repeated stands once, with the number of times. Of lines that differ only in
/// their numbers, the first and the last one stand, with the number of the others between them: a number may be the
/// reason, such as the code of an answer, and the last line most often is.
pub(crate) fn collapsed(lines: &[String]) -> Vec<String> {
    let lines: Vec<String> = lines.iter().map(|line| uncolored(line).trim_end().to_owned()).collect();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        let same = lines[at..].iter().take_while(|other| *other == line).count();
        let alike = lines[at..].iter().take_while(|other| skeleton(other) == skeleton(line)).count();
        let taken = if alike > same && alike >= ALIKE {
            let between = format!("({} more lines with other numbers)", alike - 2);
            found.extend([line.clone(), between, lines[at + alike - 1].clone()]);
            alike
        } else if same > 1 {
            found.push(format!("{line} ({same} times)"));
            same
        } else {
            found.push(line.clone());
            1
        };
        at += taken;
    }
    found
}

/// Returns a line with one `0` for each number.
fn skeleton(line: &str) -> String {
    let mut skeleton = String::with_capacity(line.len());
    for c in line.chars() {
        match c {
            '0'..='9' if skeleton.ends_with('0') => {}
            '0'..='9' => skeleton.push('0'),
            other => skeleton.push(other),
        }
    }
    skeleton
}

/// Returns at most `most` of the collapsed lines: the last ones, and the first one with a word of an error.
pub(crate) fn excerpt(lines: &[String], most: usize) -> Vec<String> {
    let lines = collapsed(lines);
    if lines.len() <= most {
        return lines;
    }
    let tail = lines.len() - most.saturating_sub(2);
    let left_out = |number: usize| format!("… {number} more lines …");
    match lines.iter().position(|line| reports_error(line)).filter(|at| *at < tail) {
        Some(at) if at + 1 == tail => lines[at..].to_vec(),
        Some(at) => {
            let between = left_out(tail - at - 1);
            [&lines[at..=at], &[between], &lines[tail..]].concat()
        }
        None => [&[left_out(tail)], &lines[tail..]].concat(),
    }
}

/// Returns a line of output without the sequences that color it. Other control characters are made visible later.
pub(crate) fn uncolored(line: &str) -> String {
    let mut kept = String::with_capacity(line.len());
    let mut rest = line.trim_end_matches('\r');
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        kept.push_str(before);
        let end = after.find(|c: char| !matches!(c, ' '..='?')).unwrap_or(after.len());
        let is_sequence = after[end..].starts_with(|c: char| matches!(c, '@'..='~'));
        rest = if is_sequence { &after[end + 1..] } else { after };
    }
    kept + rest
}

#[cfg(test)]
mod tests {
    use goldsmith_store::FailureCause;

    use super::{bare_message, collapsed, excerpt, is_bare, sentences, telling, uncolored};

    fn lines(text: &[&str]) -> Vec<String> {
        text.iter().map(|line| (*line).to_owned()).collect()
    }

    #[test]
    fn what_is_repeated_stands_once() {
        let shards = ["shard-01: ok", "shard-02: ok", "shard-02: ok", "shard-3: ok"];
        let found = collapsed(&lines(&[&["a", "x", "x", "x"], &shards[..], &["s 1", "s 2", "s 3"]].concat()));
        let shortened = ["shard-01: ok", "(2 more lines with other numbers)", "shard-3: ok"];
        assert_eq!(found, [&["a", "x (3 times)"], &shortened[..], &["s 1", "s 2", "s 3"]].concat());
        assert!(collapsed(&[]).is_empty());
    }

    #[test]
    fn the_last_line_is_always_there() {
        let codes = |all: &[u32]| all.iter().map(|code| format!("status code {code}")).collect::<Vec<_>>();
        for (all, found) in [
            (&[200, 204, 503][..], &["status code 200", "status code 204", "status code 503"][..]),
            (&[200, 200, 503], &["status code 200 (2 times)", "status code 503"]),
            (&[200, 200, 200, 503], &["status code 200", "(2 more lines with other numbers)", "status code 503"]),
            (&[200, 201, 202, 204, 503], &["status code 200", "(3 more lines with other numbers)", "status code 503"]),
        ] {
            assert_eq!(collapsed(&codes(all)), found);
            assert_eq!(excerpt(&codes(all), 5).last().map(String::as_str), Some("status code 503"));
        }
    }

    #[test]
    fn an_excerpt_has_the_first_error_and_the_end() {
        let all: Vec<String> =
            ('a'..='z').map(|c| if c == 'd' { "tar: No space left".to_owned() } else { c.to_string() }).collect();
        assert_eq!(excerpt(&all, 5), ["tar: No space left", "… 19 more lines …", "x", "y", "z"]);
        assert_eq!(excerpt(&all[10..], 4), ["… 14 more lines …", "y", "z"]);
        assert_eq!(excerpt(&all[..4], 4), all[..4]);
        let many: Vec<String> = ["error", "b", "c", "d"].map(str::to_owned).into();
        assert_eq!(excerpt(&many, 3), ["error", "… 2 more lines …", "d"]);
    }

    #[test]
    fn a_message_is_split_at_the_ends_of_its_sentences() {
        let text = "i-1 (t3.small) runs. Check the file /etc/a.conf of e.g. 1.5 or so. Check it. ";
        let expected = ["i-1 (t3.small) runs.", "Check the file /etc/a.conf of e.g. 1.5 or so.", "Check it."];
        assert_eq!(sentences(text), expected);
        assert!(sentences("").is_empty());
    }

    #[test]
    fn the_telling_line_is_the_first_that_reports_an_error() {
        let cause = FailureCause {
            message: "setup / build / Unpack: exit status 1".to_owned(),
            document: Some("setup".to_owned()),
            phase: Some("build".to_owned()),
            step: Some("Unpack".to_owned()),
            last_lines: lines(&["reading", "E: no", "E: yes", ""]),
            ..FailureCause::default()
        };
        assert_eq!((bare_message(&cause), telling(&cause)), ("exit status 1", "E: no"));
        assert!(is_bare(bare_message(&cause)) && !is_bare("the copy failed"));
        assert_eq!(telling(&FailureCause { last_lines: vec![], ..cause.clone() }), "exit status 1");
        assert_eq!(telling(&FailureCause { last_lines: lines(&["a", "b", " "]), ..cause }), "b");
    }

    #[test]
    fn colors_of_a_line_are_left_out_and_nothing_else() {
        for (line, kept) in [
            ("\u{1b}[1;31mE: no\u{1b}[0m such\r", "E: no such"),
            ("plain [31m", "plain [31m"),
            ("cut \u{1b}[31", "cut 31"),
            ("\u{1b}[<b>", ">"),
            ("\u{1b}[é", "é"),
        ] {
            assert_eq!(uncolored(line), kept, "{line:?}");
        }
    }
}

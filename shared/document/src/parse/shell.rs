//! A rough analysis of shell scripts: good enough for a warning, never for an error.

/// Returns roughly how many commands a script has. It counts the lines that are not empty, not a comment, not the
/// continuation of another line, and not in a here-document. A compound command counts as several commands.
pub(super) fn commands(script: &str) -> usize {
    let (mut count, mut continued, mut here) = (0, false, None);
    for line in script.lines().map(str::trim) {
        if here == Some(line) {
            here = None;
            continue;
        }
        let counts = here.is_none() && !continued && !line.is_empty() && !line.starts_with('#');
        count += usize::from(counts);
        if here.is_none() {
            here = here_document(line);
            continued = ["\\", "&&", "||", "|"].iter().any(|end| line.ends_with(end));
        }
    }
    count
}

/// Returns the word that ends the here-document that begins on a line.
fn here_document(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("<<")?;
    let rest = rest.trim_start_matches('-').trim_start();
    let word = rest.trim_start_matches(['\'', '"', '\\']);
    let end = word.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(word.len());
    (end > 0 && !rest.starts_with('<')).then(|| &word[..end])
}

/// Returns whether a script says somewhere that it ends or does something when a command fails.
pub(super) fn stops_at_errors(script: &str) -> bool {
    script.lines().map(str::trim).any(|line| {
        line.split([';', '&', '|']).any(sets_errexit)
            || line.starts_with("trap ") && line.contains("ERR")
            || line.starts_with("#!") && line.contains("bash -e")
    })
}

/// Returns whether a script calls `zypper patch` in a way that skips patches that need a reboot.
pub(super) fn skips_patches(script: &str) -> bool {
    let lines = script.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let mut commands = lines.flat_map(|line| line.split([';', '&', '|']));
    commands.any(|command| {
        let mut words = command.split_whitespace().skip_while(|word| *word != "zypper");
        let patches = words.any(|word| word == "patch");
        patches && !command.contains("interactive-include-reboot-patches")
    })
}

/// Returns whether a script reads the instance metadata and nowhere mentions a token.
pub(super) fn asks_metadata_without_token(script: &str) -> bool {
    let mut lines = script.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let asks = |line: &str| line.contains("169.254.169.254") && (line.contains("curl") || line.contains("wget"));
    lines.any(asks) && !script.to_lowercase().contains("x-aws-ec2-metadata-token")
}

/// Returns whether a command is `set` with the flag `-e` or with `-o errexit`.
fn sets_errexit(command: &str) -> bool {
    let mut words = command.split_whitespace();
    words.next() == Some("set")
        && words.take_while(|word| *word != "--").any(|word| {
            // `set -eux` sets several flags in one word, and `set -o errexit` names the flag.
            let flags = word.starts_with('-') && !word.starts_with("--");
            word == "errexit" || flags && word.contains('e')
        })
}

#[cfg(test)]
mod tests {
    use super::{commands, stops_at_errors};

    #[test]
    fn commands_are_counted_without_what_only_looks_like_one() {
        assert_eq!(commands("yum install -y nginx"), 1);
        assert_eq!(commands("# install\n\nyum install -y \\\n  nginx\n"), 1);
        assert_eq!(commands("cat > /etc/motd <<'END'\nhello\nworld\nEND\n"), 1);
        assert_eq!(commands("cat <<-EOF | tee x\na\nEOF\necho done"), 2);
        assert_eq!(commands("test -f x &&\n  rm x"), 1);
        assert_eq!(commands("a\nb\nc"), 3);
    }

    #[test]
    fn every_way_to_stop_is_known() {
        for script in
            ["set -e", "set -euo pipefail", "x; set -xe", "set -o errexit", "set -u -o errexit", "trap 'x' ERR"]
        {
            assert!(stops_at_errors(script), "{script}");
        }
        for script in ["set -u", "set -x", "set -- -e", "echo set", "reset -e"] {
            assert!(!stops_at_errors(script), "{script}");
        }
    }
}

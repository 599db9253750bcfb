//! The steps of a document.

use crate::yaml::Yaml;

/// Stands where something is to be filled in.
const TO_FILL_IN: &str = "TO-FILL-IN";

/// The steps of a build phase, in order.
#[derive(Debug, Default)]
pub(super) struct Steps(Vec<Yaml>);

impl Steps {
    /// Returns how many steps there are, without the remarks.
    pub(super) fn len(&self) -> usize {
        self.0.iter().filter(|step| !matches!(step, Yaml::Comment(_))).count()
    }

    /// Adds a remark about something that is to be filled in.
    pub(super) fn leave_to_fill_in(&mut self, remark: &str) {
        self.0.push(Yaml::Comment(format!("{TO_FILL_IN}: {remark}")));
    }

    /// Adds a step that runs commands in one bash.
    pub(super) fn bash(&mut self, commands: Vec<String>, attempts: Option<u32>) {
        let mut step = self.step("Shell", "ExecuteBash");
        step.extend(attempts.map(|attempts| ("maxAttempts", Yaml::text(attempts.clamp(1, 10).to_string()))));
        step.push(("inputs", Yaml::map([("commands", Yaml::texts(commands))])));
        self.0.push(Yaml::map(step));
    }

    /// Adds a step that writes a file.
    pub(super) fn create(&mut self, path: &str, content: &str, permissions: Option<&str>) {
        let mut step = self.step("File", "CreateFile");
        let mut input = vec![("path", Yaml::text(escaped(path))), ("content", Yaml::text(content))];
        input.extend(permissions.map(|permissions| ("permissions", Yaml::text(permissions))));
        step.push(("inputs", Yaml::List(vec![Yaml::map(input)])));
        self.0.push(Yaml::map(step));
    }

    /// Adds a step that makes a folder.
    pub(super) fn folder(&mut self, path: &str) {
        let mut step = self.step("Folder", "CreateFolder");
        step.push(("inputs", Yaml::List(vec![Yaml::map([("path", Yaml::text(escaped(path)))])])));
        self.0.push(Yaml::map(step));
    }

    fn step(&self, what: &str, action: &str) -> Vec<(&'static str, Yaml)> {
        let name = format!("{what}{}", self.len() + 1);
        vec![("name", Yaml::Text(name)), ("action", Yaml::text(action))]
    }

    /// Returns the document, or `None` if there is no step and none to fill in.
    pub(super) fn document(mut self, name: &str) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        if self.len() == 0 {
            let say = format!("echo \"{TO_FILL_IN}: the steps of {name} are still to be written.\" >&2; exit 1");
            self.bash(vec![say], None);
        }
        let phase = Yaml::map([("name", Yaml::text("build")), ("steps", Yaml::List(self.0))]);
        let document =
            [("name", Yaml::text(name)), ("schemaVersion", Yaml::text("1.0")), ("phases", Yaml::List(vec![phase]))];
        Some(Yaml::map(document).document())
    }
}

/// Returns a text in which no braces are references of a document.
pub(super) fn escaped(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        result.push_str(before);
        match after.split_once("}}").filter(|(inner, _)| !inner.contains('\n')) {
            Some((inner, after)) => {
                result.push_str(&format!("{{{{literal({inner})}}}}"));
                rest = after;
            }
            None => {
                result.push_str("{{");
                rest = after;
            }
        }
    }
    result.push_str(rest);
    result
}

/// Returns a word that a shell takes as it is.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Returns the options of an interpreter's line if the interpreter is a shell that bash stands for, such as `ex`.
pub(super) fn shell_of(interpreter: &str) -> Option<String> {
    let words: Vec<&str> = interpreter.split_whitespace().collect();
    let is_shell = |word: &str| matches!(word.rsplit('/').next(), Some("bash" | "sh" | "dash"));
    let (shell, options) = match words[..] {
        [env, ref rest @ ..] if env.ends_with("/env") => rest.split_first()?,
        [ref shell, ref rest @ ..] => (shell, rest),
        [] => return None,
    };
    if !is_shell(shell) {
        return None;
    }
    let letters = options.iter().filter_map(|option| option.strip_prefix('-')).flat_map(str::chars);
    Some(letters.filter(|letter| "eux".contains(*letter)).collect())
}

#[cfg(test)]
mod tests {
    use super::{escaped, quoted, shell_of};

    #[test]
    fn braces_stay_what_they_are() {
        assert_eq!(
            escaped("docker ps --format '{{.ID}} {{ .Names }}'"),
            "docker ps --format '{{literal(.ID)}} {{literal( .Names )}}'"
        );
        assert_eq!(escaped("${A:-{}} {{ x\n}}"), "${A:-{}} {{ x\n}}");
    }

    #[test]
    fn words_are_quoted_for_the_shell() {
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }

    #[test]
    fn a_shell_is_known_by_its_line() {
        for (line, options) in [
            ("/bin/sh -e", Some("e")),
            ("/usr/bin/env bash", Some("")),
            ("/bin/bash -eux", Some("eux")),
            ("/usr/bin/python3", None),
            ("", None),
        ] {
            assert_eq!(shell_of(line).as_deref(), options, "{line}");
        }
    }
}

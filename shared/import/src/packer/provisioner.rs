//! The provisioners of a build as a component.

use std::path::{Path, PathBuf};

use ::hcl::edit::structure::Block;
use goldsmith_model::definitions::Kind;

use super::steps::{Steps, escaped, quoted, shell_of};
use super::{Build, SOURCE};
use crate::fields::Fields;
use crate::finding::{Findings, Outcome};
use crate::item::{Item, Part, parts, shown};
use crate::resource::Resource;

/// Where files lie on the instance that only the steps need.
pub(super) const FOLDER: &str = "/var/tmp/goldsmith-import";

/// Most files that are taken over from a folder.
const MAX_FILES: usize = 100;
/// Deepest folder of a folder that is taken over.
const MAX_DEPTH: usize = 4;

/// Returns the component of a build, or `None` if it has no provisioner that can be taken over.
pub(super) fn component(
    build: &Build<'_>,
    name: &str,
    user: &str,
    sources: &[&str],
    findings: &mut Findings,
) -> Option<Resource> {
    let place = build.file.block_place(build.block);
    let mut steps = Steps::default();
    let mut has_shell = false;
    for block in build.block.body.get_blocks("provisioner") {
        let word = block.labels.first().map_or("", |label| label.as_str());
        let address = format!("build.provisioner.{word}");
        let body = build.module.body(build.file, &block.body, &build.module.context(), Some((findings, &address)));
        // The body begins a line later than its block, and people look for the word `provisioner`.
        let body = Item { place: build.file.block_place(block), ..body };
        let mut one = Provisioner { build, fields: Fields::of(Kind::Component, &address, &body), user, findings };
        if !one.runs_for(sources) {
            continue;
        }
        match word {
            "shell" => {
                has_shell = true;
                one.shell(&mut steps);
            }
            "file" => one.file(&mut steps),
            "ansible" | "ansible-local" => one.ansible(&mut steps, word),
            other => {
                one.other(other, block);
                continue;
            }
        }
        one.common();
    }
    if has_shell && user != "root" {
        let why = format!("Packer runs steps as `{user}`");
        let instead = "here, they run as root: `sudo` changes nothing, and `~` is /root";
        findings.push(Outcome::Changed, &place, ("build", "provisioner"), why, instead);
    }
    let document = steps.document(name)?;
    let entries = vec![("name", place.text(name)), ("version", place.text("1.0.0")), ("data", place.text(document))];
    Some(build.resource(Kind::Component, "build", &place, entries))
}

/// A provisioner of a build.
pub(super) struct Provisioner<'p, 'i> {
    build: &'p Build<'p>,
    pub(super) fields: Fields<'i>,
    user: &'p str,
    findings: &'p mut Findings,
}

impl Provisioner<'_, '_> {
    pub(super) fn tell(&mut self, outcome: Outcome, key: &str, why: impl Into<String>, instead: &str) {
        self.fields.tell(self.findings, outcome, key, why, instead);
    }

    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        self.fields.take(key).and_then(Item::text).map(str::to_owned)
    }

    pub(super) fn texts(&mut self, keys: &[&'static str]) -> Vec<String> {
        let items = keys.iter().filter_map(|key| self.fields.take(key)).flat_map(Item::items);
        items.filter_map(|item| item.text()).map(str::to_owned).collect()
    }

    /// Reads a file of the project, or records why it is not read.
    pub(super) fn read(&mut self, steps: &mut Steps, key: &'static str, path: &str) -> Option<String> {
        let is_known = parts(path).iter().all(|part| !matches!(part, Part::Mark(..)));
        let read =
            if is_known { self.build.project.text(&self.found(path)) } else { Err(crate::translate::unknown(path)) };
        read.map_err(|why| {
            steps.leave_to_fill_in(&format!("the content of {} belongs here", shown(path)));
            self.tell(Outcome::ToFillIn, key, why, "add a step with its content to the component");
        })
        .ok()
    }

    fn found(&self, path: &str) -> PathBuf {
        self.build.project.find(path, &self.build.module.folder)
    }

    /// Returns whether the step runs for one of the sources at least, and records it if not for all of them.
    fn runs_for(&mut self, sources: &[&str]) -> bool {
        let (only, except) = (self.texts(&["only"]), self.texts(&["except"]));
        let names = |list: &[String], source: &str| {
            let name = format!("{SOURCE}.{source}");
            list.iter().any(|one| *one == name || one.ends_with(&format!(".{name}")))
        };
        let runs = |source: &&&str| (only.is_empty() || names(&only, source)) && !names(&except, source);
        let count = sources.iter().filter(runs).count();
        let key = if only.is_empty() { "except" } else { "only" };
        if count == 0 {
            self.tell(
                Outcome::LeftOut,
                key,
                "the step runs only for sources that are not imported",
                "keep it in Packer",
            );
        } else if count < sources.len() {
            let instead = "the step runs for all sources of the build: make a component for each";
            self.tell(Outcome::Changed, key, "it runs only for some sources of the build", instead);
        }
        count > 0
    }

    fn shell(&mut self, steps: &mut Steps) {
        let exports = self.exports();
        let attempts =
            self.text("maxRetries").and_then(|retries| retries.parse::<u32>().ok()).map(|retries| retries + 1);
        self.execute_command();
        // This is Packer's own default for `inline`.
        let shebang = self.text("inlineShebang").unwrap_or_else(|| "/bin/sh -e".to_owned());
        let inline = self.texts(&["inline"]);
        if !inline.is_empty() {
            self.script(steps, &exports, &format!("#!{shebang}\n{}\n", inline.join("\n")), attempts);
        }
        for path in self.texts(&["script", "scripts"]) {
            if let Some(script) = self.read(steps, "scripts", &path) {
                self.script(steps, &exports, &script, attempts);
            }
        }
    }

    /// Adds a step that runs a script: in bash if it is one for a shell, and otherwise as a file.
    fn script(&mut self, steps: &mut Steps, exports: &[String], script: &str, attempts: Option<u32>) {
        let body = match script.strip_prefix("#!").and_then(|rest| rest.split_once('\n')) {
            Some((interpreter, body)) => match shell_of(interpreter) {
                Some(flags) => {
                    let set = if flags.is_empty() { String::new() } else { format!("set -{flags}\n") };
                    // The action joins all commands in one script of bash, so the flags must be set in the script
                    // itself.
                    Ok(format!("{set}{body}"))
                }
                None => Err(()),
            },
            None => Ok(script.to_owned()),
        };
        match body {
            Ok(body) => {
                let mut commands = exports.to_vec();
                commands.push(escaped(body.trim_start_matches('\n')));
                steps.bash(commands, attempts);
            }
            Err(()) => {
                // The number of steps makes the name unique: two scripts of the same name may come from different
                // folders.
                let path = format!("{FOLDER}-{}", steps.len() + 1);
                steps.create(&path, &escaped(script), Some("0755"));
                let mut commands = exports.to_vec();
                commands.push(path);
                steps.bash(commands, attempts);
            }
        }
    }

    fn exports(&mut self) -> Vec<String> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for text in self.texts(&["environmentVars"]) {
            if let Some((name, value)) = text.split_once('=') {
                pairs.push((name.to_owned(), value.to_owned()));
            }
        }
        for (name, value) in self.fields.take("env").map(Item::entries).unwrap_or_default() {
            pairs.push((name.clone(), value.text().unwrap_or_default().to_owned()));
        }
        let mut exports: Vec<String> = Vec::new();
        for (name, value) in pairs {
            let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            let line = format!("export {name}={}", quoted(&escaped(&value)));
            // One name that no shell takes would end the whole script.
            if is_name && !exports.contains(&line) {
                exports.push(line);
            }
        }
        exports
    }

    /// Records a command around scripts that does more than to run them as root with their variables.
    fn execute_command(&mut self) {
        let Some(command) = self.text("executeCommand") else { return };
        const USUAL: [&str; 17] = [
            "sudo",
            "bash",
            "sh",
            "env",
            "chmod",
            "+x",
            "echo",
            "|",
            ";",
            "&&",
            "{{.Vars}}",
            "{{.Path}}",
            "-c",
            "/bin/bash",
            "/bin/sh",
            "-eux",
            "-e",
        ];
        // Quotes and spaces differ from project to project, and the words between them do not.
        let joined = command.replace("{{ ", "{{").replace(" }}", "}}").replace(['"', '\''], " ");
        let is_usual =
            |word: &str| USUAL.contains(&word) || word.starts_with('-') || word == self.user || word == "packer";
        if !joined.split_whitespace().all(is_usual) {
            let why = format!("`{}` runs scripts in its own way", shown(&command));
            self.tell(Outcome::Changed, "executeCommand", why, "here, bash runs them as root");
        }
    }

    fn file(&mut self, steps: &mut Steps) {
        if self.text("direction").as_deref() == Some("download") {
            self.tell(Outcome::LeftOut, "direction", "nothing is copied from an instance", "use `S3Upload` in a step");
            let _ = (self.fields.take("source"), self.fields.take("destination"), self.fields.take("sources"));
            return;
        }
        let content = self.text("content");
        let sources = self.texts(&["source", "sources"]);
        let _ = self.fields.take("generated");
        let Some(destination) = self.text("destination") else {
            self.tell(Outcome::LeftOut, "destination", "no destination is named", "add a step with the file");
            return;
        };
        // Packer's file provisioner starts at the home of the user that it logs in as.
        let home = if self.user == "root" { "/root".to_owned() } else { format!("/home/{}", self.user) };
        let destination = match destination.strip_prefix("~/") {
            Some(rest) => format!("{home}/{rest}"),
            None if destination.starts_with('/') => destination,
            None => format!("{home}/{destination}"),
        };
        if let Some(content) = content {
            steps.create(&destination, &escaped(&content), None);
        }
        for source in sources {
            self.copy(steps, &source, &destination);
        }
    }

    /// Adds a step that writes a file, or all files of a folder.
    fn copy(&mut self, steps: &mut Steps, source: &str, destination: &str) {
        let path = self.found(source);
        if !path.is_dir() {
            let name = Path::new(source).file_name().unwrap_or_default().to_string_lossy().into_owned();
            let target =
                if destination.ends_with('/') { format!("{destination}{name}") } else { destination.to_owned() };
            if let Some(content) = self.read(steps, "source", source) {
                steps.create(&target, &escaped(&content), None);
            }
            return;
        }
        // Packer copies the folder itself unless its path ends with a slash.
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let base = destination.trim_end_matches('/');
        let base = if source.ends_with('/') { base.to_owned() } else { format!("{base}/{name}") };
        let mut files: Vec<String> = Vec::new();
        let are_all = list(&path, "", 0, &mut files);
        if !are_all || files.len() > MAX_FILES {
            let why =
                format!("the folder has more than {MAX_FILES} files, or more than {MAX_DEPTH} folders in each other");
            self.tell(Outcome::LeftOut, "source", why, "add steps with the other files, or load them in a step");
        }
        files.truncate(MAX_FILES);
        files.sort();
        steps.folder(&base);
        let mut folders: Vec<&str> = files.iter().filter_map(|file| Some(file.rsplit_once('/')?.0)).collect();
        folders.dedup();
        folders.iter().for_each(|folder| steps.folder(&format!("{base}/{folder}")));
        for file in &files {
            if let Some(content) = self.read(steps, "source", &format!("{}/{file}", source.trim_end_matches('/'))) {
                steps.create(&format!("{base}/{file}"), &escaped(&content), None);
            }
        }
    }

    fn other(&mut self, word: &str, _block: &Block) {
        let (key, why) = ("", format!("there is no translation of the provisioner `{word}`"));
        let place = self.fields.place();
        let instead = match word {
            "powershell" | "windows-shell" | "windows-restart" => "keep it in Packer: Goldsmith does not build Windows",
            "shell-local" | "breakpoint" => "run it before or after the build: no part of a build runs on this machine",
            _ => "write a step that does the same",
        };
        self.findings.push(Outcome::LeftOut, place, (self.fields.address(), key), why, instead);
    }

    /// Records what all provisioners may have.
    fn common(mut self) {
        let _ = (self.fields.take("skipClean"), self.fields.take("remoteFolder"), self.fields.take("remotePath"));
        if self.fields.take("expectDisconnect").is_some() {
            let instead = "add a step with the action `Reboot` where the machine reboots";
            self.tell(Outcome::Changed, "expectDisconnect", "a step does not end with the connection", instead);
        }
        self.fields.finish_with(self.findings, |key| match key {
            "override" => Some("the steps run for all sources of the build: make a component for each"),
            "pauseBefore" => Some("wait for what you need in a step"),
            "timeout" => Some("write `timeoutSeconds` in the step"),
            "validExitCodes" => Some("test the code in the script"),
            _ => None,
        });
    }
}

/// Lists the files below a folder, with their paths from it, and returns whether these are all.
fn list(folder: &Path, before: &str, depth: usize, files: &mut Vec<String>) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return true };
    let mut entries: Vec<_> = entries.flatten().collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    let mut are_all = true;
    for entry in entries {
        // One file more than are taken over says that there are more.
        if files.len() > MAX_FILES {
            return false;
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if before.is_empty() { name } else { format!("{before}/{name}") };
        match entry.file_type() {
            // The limits keep a path such as `/` or a checkout with its history out of a component.
            Ok(kind) if kind.is_dir() && depth < MAX_DEPTH => are_all &= list(&entry.path(), &path, depth + 1, files),
            Ok(kind) if kind.is_dir() => are_all = false,
            Ok(kind) if kind.is_file() => files.push(path),
            _ => {}
        }
    }
    are_all
}

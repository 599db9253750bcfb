//! The inputs of each action.

use super::Parse;
use crate::action::{Action, CreateFile, ExecuteBash, Kind, Reboot, WebDownload};
use crate::yaml::{Node, Span};
use crate::{MapReader, Template};

impl Parse<'_> {
    /// The inputs of a step; `key` is where they stand, or should.
    pub(super) fn inputs(&mut self, kind: Kind, inputs: Option<&Node>, key: Span) -> Option<Action> {
        let Some(node) = inputs else {
            if kind == Kind::Reboot {
                return Some(Action::Reboot(Reboot { delay_seconds: 0 }));
            }
            let name = Kind::ALL.iter().find(|(_, known)| *known == kind).map_or("", |(name, _)| *name);
            self.reader.error(key, "missing-key", format!("Action {name} has no inputs; it requires an 'inputs'"));
            return None;
        };
        match kind {
            Kind::ExecuteBash => self.execute_bash(node).map(Action::ExecuteBash),
            Kind::CreateFile => self.elements(node, key, Self::create_file).map(Action::CreateFile),
            Kind::WebDownload => self.elements(node, key, Self::web_download).map(Action::WebDownload),
            Kind::Reboot => self.reboot(node).map(Action::Reboot),
        }
    }

    fn execute_bash(&mut self, node: &Node) -> Option<ExecuteBash> {
        let mut map = self.reader.map(node, "the inputs of ExecuteBash")?;
        let key = map.key_span("commands").unwrap_or(node.span);
        let items = map.required(&mut self.reader, "commands").and_then(|node| self.reader.list(node, "`commands`"));
        map.finish(&mut self.reader);
        let items = items?;
        if items.is_empty() {
            self.reader.error(key, "empty", "`commands` must not be empty");
        }
        let commands = items.iter().filter_map(|item| self.template(item, "a command")).collect();
        Some(ExecuteBash { commands })
    }

    fn elements<T>(&mut self, node: &Node, key: Span, read: fn(&mut Self, &Node) -> Option<T>) -> Option<Vec<T>> {
        let items = self.reader.list(node, "`inputs` of this action")?;
        if items.is_empty() {
            self.reader.error(key, "empty", "`inputs` must not be empty");
        }
        Some(items.iter().filter_map(|item| read(self, item)).collect())
    }

    fn create_file(&mut self, node: &Node) -> Option<CreateFile> {
        let mut map = self.reader.map(node, "an input of CreateFile")?;
        let path = self.required_template(&mut map, "path");
        let content = self.optional_template(&mut map, "content");
        let encoding = self.optional_template(&mut map, "encoding");
        let owner = self.optional_template(&mut map, "owner");
        let group = self.optional_template(&mut map, "group");
        let permissions = self.optional_template(&mut map, "permissions");
        let overwrite = self.flag(&mut map, "overwrite", true);
        map.finish(&mut self.reader);
        Some(CreateFile { path: path?, content, encoding, owner, group, permissions, overwrite })
    }

    fn web_download(&mut self, node: &Node) -> Option<WebDownload> {
        let mut map = self.reader.map(node, "an input of WebDownload")?;
        let source = self.required_template(&mut map, "source");
        let destination = self.required_template(&mut map, "destination");
        let overwrite = self.flag(&mut map, "overwrite", true);
        let ignore_certificate_errors = self.flag(&mut map, "ignoreCertificateErrors", false);
        let checksum = self.optional_template(&mut map, "checksum");
        let algorithm = self.optional_template(&mut map, "algorithm");
        map.finish(&mut self.reader);
        if checksum.is_some() != algorithm.is_some() {
            let (given, missing) =
                if checksum.is_some() { ("checksum", "algorithm") } else { ("algorithm", "checksum") };
            let span = node.get(given).map_or(node.span, |value| value.span);
            self.reader.error(span, "missing-key", format!("`{given}` needs `{missing}` beside it"));
        }
        let checksum = checksum.zip(algorithm);
        Some(WebDownload { source: source?, destination: destination?, overwrite, checksum, ignore_certificate_errors })
    }

    fn reboot(&mut self, node: &Node) -> Option<Reboot> {
        let mut map = self.reader.map(node, "the inputs of Reboot")?;
        let delay = map.optional("delaySeconds");
        map.finish(&mut self.reader);
        let Some(delay) = delay else { return Some(Reboot { delay_seconds: 0 }) };
        let number = self.reader.integer(delay, "`delaySeconds`")?;
        let Ok(delay_seconds) = u64::try_from(number) else {
            self.reader.error(delay.span, "bad-number", format!("`delaySeconds` must be at least 0, not {number}"));
            return None;
        };
        Some(Reboot { delay_seconds })
    }

    fn required_template(&mut self, map: &mut MapReader<'_>, key: &'static str) -> Option<Template> {
        let node = map.required(&mut self.reader, key)?;
        self.template(node, &format!("`{key}`"))
    }

    fn optional_template(&mut self, map: &mut MapReader<'_>, key: &'static str) -> Option<Template> {
        let node = map.optional(key)?;
        self.template(node, &format!("`{key}`"))
    }

    fn flag(&mut self, map: &mut MapReader<'_>, key: &'static str, default: bool) -> bool {
        map.optional(key).and_then(|node| self.reader.boolean(node, &format!("`{key}`"))).unwrap_or(default)
    }
}

//! Parameters and constants.

use super::Parse;
use crate::secret::hidden_if_secret;
use crate::yaml::Node;
use crate::{Constant, MapReader, Parameter, Spanned};

impl Parse<'_> {
    pub(super) fn parameters(&mut self, node: &Node) -> Vec<Parameter> {
        self.declarations(node, "parameter", |parse, name, map| {
            let default = map.optional("default").and_then(|node| parse.reader.text(node, "`default`"));
            let description = map.optional("description").and_then(|node| parse.reader.text(node, "`description`"));
            let allowed = map.optional("allowedValues").and_then(|node| parse.reader.texts(node, "`allowedValues`"));
            let allowed_values: Vec<String> = allowed.unwrap_or_default().into_iter().map(|text| text.value).collect();
            if let Some(default) =
                default.as_ref().filter(|d| !allowed_values.is_empty() && !allowed_values.contains(&d.value))
            {
                let shown = hidden_if_secret(&name.value, &default.value);
                let message = format!("the default `{shown}` of `{}` is not one of its allowed values", name.value);
                parse.reader.error(default.span, "not-allowed", message);
            }
            if let Some(default) = &default {
                parse.warn_of_secret(&name.value, "default", default);
                parse.warn_of_reference(default);
            }
            let (default, description) = (default.map(|d| d.value), description.map(|d| d.value));
            Some(Parameter { name, default, description, allowed_values })
        })
    }

    pub(super) fn constants(&mut self, node: &Node) -> Vec<Constant> {
        self.declarations(node, "constant", |parse, name, map| {
            let value = map.required(&mut parse.reader, "value")?;
            let value = parse.reader.text(value, "`value`")?;
            parse.warn_of_secret(&name.value, "value", &value);
            parse.warn_of_reference(&value);
            Some(Constant { name, value: value.value })
        })
    }

    /// Reads a list of maps that each have one key, the name. `read` reads the value of that key.
    fn declarations<T>(
        &mut self,
        node: &Node,
        kind: &str,
        read: impl Fn(&mut Self, Spanned<String>, &mut MapReader<'_>) -> Option<T>,
    ) -> Vec<T> {
        let mut declared = Vec::new();
        for item in self.reader.list(node, &format!("`{kind}s`")).unwrap_or_default() {
            let [(key, value)] = item.entries() else {
                let help = Some(format!("begin each {kind} with `- NAME:` and indent what follows"));
                let message = format!("a {kind} must be a map with one key, its name");
                self.reader.error_with_help(item.span, "wrong-shape", message, help);
                continue;
            };
            let Some(name) = self.name(key, &format!("a {kind}")) else { continue };
            let mut seen = std::mem::take(&mut self.scope.names);
            self.unique(&mut seen, &name, "the parameter or constant");
            self.scope.names = seen;
            let Some(mut map) = self.reader.map(value, format!("the {kind} `{}`", name.value)) else { continue };
            if let Some(kind) = map.required(&mut self.reader, "type") {
                self.reader.choice(kind, "`type`", &[("string", ())]);
            }
            declared.extend(read(self, name, &mut map));
            map.finish(&mut self.reader);
        }
        declared
    }
}

//! `goldsmith show KIND/NAME[/VERSION]`: shows a stored definition, and what uses it.

use anyhow::Result;
use goldsmith_model::definitions::Kind;
use goldsmith_model::{DefinitionRef, VersionPattern};
use goldsmith_store::{DeleteError, Store, User};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::args::Globals;
use crate::exit::invalid;
use crate::output::Show;
use crate::render::{columns, users};

/// A definition, as `--output json` prints it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown {
    definition: DefinitionRef,
    /// The stored definition, as it is in the table.
    content: Map<String, Value>,
    used_by: Vec<User>,
}

/// Returns a definition. Without a version, this is the highest version.
pub(super) async fn show(store: &Store, wanted: &DefinitionRef) -> Result<Shown> {
    let DefinitionRef { kind, name, version } = wanted;
    let pattern = version.map_or(VersionPattern::ANY, VersionPattern::from);
    let content = match kind {
        Kind::Component => serde_json::to_value(store.best_component(name, pattern).await?)?,
        Kind::ImageRecipe => serde_json::to_value(store.best_recipe(name, pattern).await?)?,
        Kind::InfrastructureConfiguration => serde_json::to_value(store.infrastructure(name).await?)?,
        Kind::DistributionConfiguration => serde_json::to_value(store.distribution(name).await?)?,
        Kind::ImagePipeline => serde_json::to_value(store.pipeline(name).await?)?,
    };
    let Value::Object(content) = content else {
        return Err(invalid(DeleteError::Unknown(wanted.clone()).to_string()));
    };
    let version = content.get("version").and_then(Value::as_str).and_then(|version| version.parse().ok());
    let definition = DefinitionRef { version, ..wanted.clone() };
    let used_by = store.catalog().await?.users(&definition);
    Ok(Shown { definition, content, used_by })
}

impl Show for Shown {
    fn lines(&self, _: &Globals) -> Vec<String> {
        let mut rows = vec![vec!["used by".to_owned(), users(&self.used_by)]];
        for (key, value) in self.content.iter().filter(|(key, _)| *key != "document") {
            flatten(key, value, &mut rows);
        }
        let mut lines = columns(&rows);
        if let Some(document) = self.content.get("document").and_then(Value::as_str) {
            lines.push(String::new());
            lines.extend(document.lines().map(str::to_owned));
        }
        lines
    }
}

/// Adds a row for each value below a key, such as `components[0].name`.
fn flatten(key: &str, value: &Value, rows: &mut Vec<Vec<String>>) {
    match value {
        Value::Null => {}
        Value::Object(fields) => fields.iter().for_each(|(name, value)| flatten(&format!("{key}.{name}"), value, rows)),
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.for_each(|(index, value)| flatten(&format!("{key}[{index}]"), value, rows));
        }
        Value::String(text) => rows.push(vec![key.to_owned(), text.clone()]),
        other => rows.push(vec![key.to_owned(), other.to_string()]),
    }
}

#[cfg(test)]
mod tests {
    use super::show;
    use crate::output::Show;
    use crate::testing::{Stack, WEB, globals};

    #[tokio::test]
    async fn what_is_stored_is_shown_with_what_uses_it() {
        let stack = Stack::new();
        stack.apply(WEB).await;
        let store = &stack.connection.store;
        let lines =
            async |text: &str| show(store, &text.parse().unwrap()).await.unwrap().lines(&globals("")).join("\n");
        let recipe = "\
used by                pipeline/web
components[0].name     nginx
components[0].version  1.x.x
name                   web
parentImage            ssm:/a
version                1.0.0";
        assert_eq!(lines("recipe/web").await, recipe);
        let component = lines("component/nginx/1.0.0").await;
        assert!(component.starts_with("used by   recipe/web/1.0.0\n"), "{component}");
        assert!(component.contains("\n\nschemaVersion: 1.0\nphases: "), "{component}");
        let unknown = show(store, &"component/nginx/1.0.1".parse().unwrap()).await.unwrap_err();
        assert_eq!(unknown.to_string(), "there is no component/nginx/1.0.1");
    }
}

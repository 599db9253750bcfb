//! `goldsmith definitions [KIND]`

use anyhow::Result;
use goldsmith_model::DefinitionRef;
use goldsmith_model::definitions::Kind;
use goldsmith_store::{Store, User};
use serde::Serialize;

use crate::args::Globals;
use crate::connection::Connection;
use crate::exit::Exit;
use crate::output::{self, Show};
use crate::render::{table, users};

/// List all stored definitions, and what uses each of them.
///
/// A component or recipe is listed once for each version. A reference with a wildcard uses the version that it resolves
/// to now. `goldsmith show` and `goldsmith delete` accept definitions in the form of this list.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// List only this kind: component, recipe, infrastructure, distribution or pipeline.
    #[arg(value_name = "KIND", value_parser = kind)]
    kind: Option<Kind>,
}

fn kind(text: &str) -> Result<Kind, String> {
    // A person may well write the plural.
    let known = Kind::from_word(text).or_else(|| Kind::from_word(text.strip_suffix('s')?));
    known.ok_or_else(|| "a kind is component, recipe, infrastructure, distribution or pipeline".to_owned())
}

/// A definition, as `--output json` prints it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    definition: DefinitionRef,
    used_by: Vec<User>,
}

pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    let connection = Connection::open(globals).await?;
    output::show(globals, &list(&connection.store, args.kind).await?)?;
    Ok(Exit::Success)
}

async fn list(store: &Store, kind: Option<Kind>) -> Result<Vec<Listed>> {
    let catalog = store.catalog().await?;
    let wanted = catalog.definitions().into_iter().filter(|one| kind.is_none_or(|kind| one.kind == kind));
    Ok(wanted.map(|definition| Listed { used_by: catalog.users(&definition), definition }).collect())
}

impl Show for Vec<Listed> {
    fn lines(&self, _: &Globals) -> Vec<String> {
        let row = |one: &Listed| vec![one.definition.to_string(), users(&one.used_by)];
        table(["DEFINITION", "USED BY"], self.iter().map(row))
    }

    fn remarks(&self, globals: &Globals) -> Vec<String> {
        let hint = || format!("There are no such definitions: `{} apply FOLDER` stores some.", globals.again());
        self.is_empty().then(hint).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use goldsmith_model::definitions::Kind;

    use super::{kind, list};
    use crate::output::Show;
    use crate::testing::{Stack, WEB, globals};

    #[tokio::test]
    async fn definitions_are_listed_with_what_uses_them() {
        let stack = Stack::new();
        let store = &stack.connection.store;
        let none = list(store, None).await.unwrap();
        assert_eq!(
            none.remarks(&globals("")),
            ["There are no such definitions: `goldsmith apply FOLDER` stores some."]
        );
        stack.apply(WEB).await;
        let expected = "\
DEFINITION             USED BY
component/nginx/1.0.0  recipe/web/1.0.0
recipe/web/1.0.0       pipeline/web
infrastructure/small   pipeline/web
distribution/two       nothing
pipeline/web           nothing";
        assert_eq!(list(store, None).await.unwrap().lines(&globals("")).join("\n"), expected);
        let components = list(store, Some(Kind::Component)).await.unwrap();
        let json = serde_json::json!([{"definition": "component/nginx/1.0.0", "usedBy": ["recipe/web/1.0.0"]}]);
        assert_eq!(serde_json::to_value(components).unwrap(), json);
    }

    #[test]
    fn a_kind_may_be_written_in_the_plural() {
        assert_eq!((kind("recipe"), kind("recipes")), (Ok(Kind::ImageRecipe), Ok(Kind::ImageRecipe)));
        assert!(kind("image").unwrap_err().starts_with("a kind is component"));
    }
}

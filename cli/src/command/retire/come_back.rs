//! How to reverse a retirement: how the stack was deployed, and the command that deploys such a stack with its table.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use goldsmith_cloud::aws::SdkConfig;
use goldsmith_cloud_account::{Stack, Stacks};
use goldsmith_store::{DynamoTable, Retirement, Store};

use crate::args::Globals;
use crate::hold;
use crate::render::quoted;

/// Returns how a stack was deployed: the parameters that differ from the template's defaults, and the stack's tags.
/// AWS's own tags are left out, because a user cannot set them.
pub(super) async fn as_deployed(stacks: &Stacks, name: &str, stack: &Stack) -> Result<Retirement> {
    // Such a stack was never created, so there is nothing to come back to.
    if stack.is_proposed() {
        return Ok(Retirement::default());
    }
    let defaults = stacks.defaults(name).await?;
    let mut tags = stack.tags.clone();
    tags.retain(|key, _| !key.starts_with("aws:"));
    let parameters = other_than(&defaults, &stack.parameters);
    Ok(Retirement { stack: name.to_owned(), parameters, tags, holder: hold::holder(), beat: 0 })
}

fn other_than(defaults: &BTreeMap<String, String>, values: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    // For a parameter that names one of Systems Manager, the local AWS returns the value of that parameter, but accepts
    // only its name.
    let is_resolved = |default: &str, value: &str| default.starts_with('/') && !value.starts_with('/');
    let other = values.iter().filter(|(key, value)| {
        defaults.get(*key).is_some_and(|default| default != *value && !is_resolved(default, value))
    });
    other.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Returns the command that deploys the same stack again, with the table.
pub(super) fn call(
    globals: &Globals,
    table: &str,
    parameters: &BTreeMap<String, String>,
    tags: &BTreeMap<String, String>,
) -> String {
    let pair = |flag: &str, (key, value): (&String, &String)| format!(" {flag} {}", quoted(&format!("{key}={value}")));
    let parameters: String = parameters.iter().map(|one| pair("--parameter", one)).collect();
    let tags: String = tags.iter().map(|one| pair("--tag", one)).collect();
    format!("{} deploy --table {table}{parameters}{tags}", globals.again())
}

/// Returns text about the tables that a retired stack of this name has left. CloudFormation names a table after
/// its stack. If the tables cannot be listed, the text does not mention them, and only says that there is no stack.
pub(super) async fn left_by(globals: &Globals, config: &SdkConfig) -> String {
    let names = DynamoTable::names(config, &format!("{}-Table-", globals.stack)).await.unwrap_or_default();
    let mut told = String::new();
    for name in names {
        let store = Store::new(Arc::new(DynamoTable::with_config(config, name.clone())));
        if let Ok(Some(retirement)) = store.retirement().await {
            let call = call(globals, &name, &retirement.parameters, &retirement.tags);
            told.push_str(&format!("\n  its table {name} still exists, and a new stack can continue with it: {call}"));
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::globals;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn values_that_differ_from_defaults_are_repeated_in_shell_syntax() {
        let defaults = map(&[("VpcId", ""), ("Examples", "yes"), ("RolePath", "/"), ("Source", "/aws/service/a")]);
        let values = map(&[("VpcId", "vpc-1"), ("Examples", "yes"), ("RolePath", "/teams/a b/"), ("Source", "ami-1")]);
        let parameters = other_than(&defaults, &values);
        let globals = globals("--stack s");
        assert_eq!(
            call(&globals, "s-Table-1", &parameters, &map(&[("owner", "it's us")])),
            "goldsmith --stack s deploy --table s-Table-1 --parameter 'RolePath=/teams/a b/' --parameter VpcId=vpc-1 \
             --tag 'owner=it'\\''s us'"
        );
    }
}

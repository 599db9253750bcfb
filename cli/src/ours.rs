//! Finds out whether a stack belongs to Goldsmith: a command may be given the name of any stack in the account, and
//! must not change or remove another one.

use anyhow::Result;
use goldsmith_cloud_account::{Kept, Stack, Stacks};

use crate::exit::invalid;

/// Rejects a stack that was not made from a Goldsmith template. `nothing` says what was not done to the stack.
pub(crate) async fn refuse_a_strangers(stacks: &Stacks, name: &str, stack: &Stack, nothing: &str) -> Result<()> {
    if stacks.is_goldsmiths(name, stack).await? {
        return Ok(());
    }
    Err(invalid(format!(
        "the stack {name} is not a stack of Goldsmith, because its template makes no parameter /goldsmith/{name}/config; {nothing}: \
         give another name with --stack"
    )))
}

/// Returns what the stack has left behind, or will leave behind when it is deleted: as CloudFormation lists it, or
/// otherwise as the stack's outputs say.
pub(crate) async fn kept(stacks: &Stacks, stack: &Stack) -> Kept {
    let listed = stacks.kept(&stack.id).await.unwrap_or_default();
    let output = |key: &str| stack.outputs.get(key).cloned();
    Kept { table: listed.table.or_else(|| output("Table")), bucket: listed.bucket.or_else(|| output("Bucket")) }
}

//! Executions by name, and task tokens that can be answered once.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::FakeCloud;
use super::call::Call;
use super::world::World;
use crate::{Answer, Execution, ExecutionStatus, Executions, Kind, Result, Started};

/// The largest input or output that Step Functions passes on: 256 KiB.
const LARGEST: usize = 262_144;

/// Executions by ARN, and the tokens for which states wait.
#[derive(Debug, Default)]
pub(super) struct ExecutionBook {
    by_arn: BTreeMap<String, Execution>,
    open_tokens: BTreeSet<String>,
}

/// An answer that Step Functions accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenAnswer {
    /// The task token.
    pub token: String,
    /// The output as JSON text, or the error name and the cause of the failure.
    pub result: std::result::Result<String, (String, String)>,
}

fn start(world: &mut World, call: Call<'_>, machine: &str, name: &str, input: &str) -> Result<Started> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if name.is_empty() || name.len() > 80 || !name.bytes().all(plain) {
        return Err(call.error(Kind::Invalid, "InvalidName", format!("'{name}' is no execution name")));
    }
    check_json(call, "InvalidExecutionInput", input)?;
    let arn = format!("{}:{name}", machine.replacen(":stateMachine:", ":execution:", 1));
    if let Some(known) = world.executions.by_arn.get(&arn) {
        let same = known.status == ExecutionStatus::Running && known.input == input;
        return Ok(if same && !world.pace.refuse_repeated_start { Started::New(arn) } else { Started::NameTaken });
    }
    let execution = Execution {
        arn: arn.clone(),
        name: name.to_owned(),
        status: ExecutionStatus::Running,
        input: input.to_owned(),
        output: None,
        error: None,
        cause: None,
    };
    world.executions.by_arn.insert(arn.clone(), execution);
    Ok(Started::New(arn))
}

fn check_json(call: Call<'_>, code: &str, text: &str) -> Result<()> {
    if text.len() > LARGEST || serde_json::from_str::<serde::de::IgnoredAny>(text).is_err() {
        return Err(call.error(Kind::Invalid, code, "not JSON, or over 256 KiB"));
    }
    Ok(())
}

fn answer(world: &mut World, token: &str, result: std::result::Result<String, (String, String)>) -> Answer {
    if !world.executions.open_tokens.remove(token) {
        return Answer::Late;
    }
    world.answers.push(TokenAnswer { token: token.to_owned(), result });
    Answer::Taken
}

#[async_trait]
impl Executions for FakeCloud {
    async fn start(&self, state_machine: &str, name: &str, input: &str) -> Result<Started> {
        let call = Call::home("StartExecution");
        self.effect(call, name, |world| start(world, call, state_machine, name, input)).await
    }

    async fn execution(&self, arn: &str) -> Result<Option<Execution>> {
        self.read(Call::home("DescribeExecution"), |world| Ok(world.executions.by_arn.get(arn).cloned())).await
    }

    async fn running(&self, state_machine: &str) -> Result<Vec<String>> {
        let of = format!("{}:", state_machine.replacen(":stateMachine:", ":execution:", 1));
        self.read(Call::home("ListExecutions"), |world| {
            let runs = world.executions.by_arn.values().filter(|one| one.status == ExecutionStatus::Running);
            Ok(runs.filter(|one| one.arn.starts_with(&of)).map(|one| one.name.clone()).collect())
        })
        .await
    }

    async fn stop(&self, arn: &str, error: &str, cause: &str) -> Result<()> {
        let call = Call::home("StopExecution");
        self.effect(call, arn, |world| {
            let execution = world.executions.by_arn.get_mut(arn);
            if let Some(execution) = execution.filter(|execution| execution.status == ExecutionStatus::Running) {
                execution.status = ExecutionStatus::Aborted;
                execution.error = Some(error.to_owned());
                execution.cause = Some(cause.to_owned());
            }
            Ok(())
        })
        .await
    }

    async fn succeed(&self, token: &str, output: &str) -> Result<Answer> {
        let call = Call::home("SendTaskSuccess");
        self.effect(call, format!("{token}: {output}"), |world| {
            check_json(call, "InvalidOutput", output)?;
            Ok(answer(world, token, Ok(output.to_owned())))
        })
        .await
    }

    async fn fail(&self, token: &str, error: &str, cause: &str) -> Result<Answer> {
        let call = Call::home("SendTaskFailure");
        self.effect(call, format!("{token}: {error}"), |world| {
            // Step Functions accepts this much. A long cause must not keep a failure from being reported.
            let cut = |text: &str, limit| text.chars().take(limit).collect();
            Ok(answer(world, token, Err((cut(error, 256), cut(cause, 32_768)))))
        })
        .await
    }

    async fn is_waiting(&self, token: &str) -> Result<bool> {
        self.read(Call::home("SendTaskHeartbeat"), |world| Ok(world.executions.open_tokens.contains(token))).await
    }
}

impl FakeCloud {
    /// Makes a state wait for an answer to this token from now on.
    pub fn open_token(&self, token: &str) {
        self.world().executions.open_tokens.insert(token.to_owned());
    }

    /// Ends the wait for this token, as if its state had timed out or its execution had been stopped.
    pub fn close_token(&self, token: &str) {
        self.world().executions.open_tokens.remove(token);
    }

    /// Returns the accepted answers, in order.
    #[must_use]
    pub fn answers(&self) -> Vec<TokenAnswer> {
        self.world().answers.clone()
    }

    /// Returns every known execution, by ARN.
    #[must_use]
    pub fn executions(&self) -> Vec<Execution> {
        self.world().executions.by_arn.values().cloned().collect()
    }

    /// Forgets executions that have ended, as Step Functions does after 90 days. Their names can then be used again.
    pub fn forget_closed_executions(&self) {
        self.world().executions.by_arn.retain(|_, execution| execution.status == ExecutionStatus::Running);
    }

    /// Ends or changes an execution, as the state machine does. Does nothing if the execution does not exist.
    pub fn edit_execution(&self, arn: &str, edit: impl FnOnce(&mut Execution)) {
        if let Some(execution) = self.world().executions.by_arn.get_mut(arn) {
            edit(execution);
        }
    }
}

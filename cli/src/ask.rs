//! Asks for consent to actions that cannot be undone.

use std::io::{self, BufRead, IsTerminal, Write};

use anyhow::Result;
use tokio::signal::ctrl_c;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::exit::{Exit, invalid};
use crate::output::harmless;

/// Asks on the terminal, and returns whether the person agrees. `yes` agrees in advance. `nothing` says what was not
/// done if there is no terminal.
pub(crate) fn consents(question: &str, nothing: &str, yes: bool) -> Result<bool> {
    if yes {
        return Ok(true);
    }
    ask(question, nothing)?;
    Ok(is_yes(&answer()?))
}

/// Asks like `consents`, but returns `None` if the person ends the program instead of answering, so that the caller can
/// undo its work.
pub(crate) async fn consents_or_ends(question: &str, nothing: &str, yes: bool) -> Result<Option<bool>> {
    if yes {
        return Ok(Some(true));
    }
    ask(question, nothing)?;
    let (mut terminated, mut hung_up) = (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
    let mut ended = Box::pin(async move {
        tokio::select! {
            _ = ctrl_c() => {}
            _ = terminated.recv() => {}
            _ = hung_up.recv() => {}
        }
    });
    let answer = unless(&mut ended, answer).await?;
    if answer.is_some() {
        // From here on, nothing else handles these signals, so each of them ends the program as before.
        tokio::spawn(async move {
            ended.await;
            std::process::exit(Exit::Interrupted as i32);
        });
    }
    Ok(answer)
}

/// Returns whether the person has answered yes, or `None` if `ended` comes first. The thread that reads the answer runs
/// until the program ends.
async fn unless(
    ended: impl Future<Output = ()>,
    read: impl FnOnce() -> io::Result<String> + Send + 'static,
) -> Result<Option<bool>> {
    let (tell, told) = oneshot::channel();
    std::thread::spawn(move || tell.send(read()));
    tokio::select! {
        () = ended => Ok(None),
        read = told => Ok(Some(is_yes(&read??))),
    }
}

fn ask(question: &str, nothing: &str) -> Result<()> {
    if !io::stdin().is_terminal() {
        return Err(invalid(format!("{nothing}: there is no terminal to ask on, and --yes was not given")));
    }
    write!(io::stderr().lock(), "{} [y/N] ", harmless(question))?;
    Ok(())
}

fn answer() -> io::Result<String> {
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(answer)
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::{is_yes, unless};

    #[tokio::test]
    async fn ending_the_program_is_not_an_answer() {
        let (_answer, waits) = std::sync::mpsc::channel::<()>();
        let never = move || waits.recv().map(|()| String::new()).map_err(std::io::Error::other);
        assert_eq!(unless(ready(()), never).await.unwrap(), None);
        assert_eq!(unless(pending(), || Ok("y\n".to_owned())).await.unwrap(), Some(true));
        assert_eq!(unless(pending(), || Ok(String::new())).await.unwrap(), Some(false));
    }

    #[test]
    fn only_a_clear_yes_counts_as_yes() {
        for (answer, yes) in
            [("y\n", true), ("Yes\n", true), ("\n", false), ("", false), ("no\n", false), ("yep\n", false)]
        {
            assert_eq!(is_yes(answer), yes, "{answer:?}");
        }
    }
}

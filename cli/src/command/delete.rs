//! `goldsmith delete IMAGE|DEFINITION`

mod channel;
mod image;

use anyhow::Result;
use goldsmith_model::definitions::Kind;
use goldsmith_model::{DefinitionRef, schedule_name};
use goldsmith_store::DeleteError;
use serde::Serialize;

use crate::args::Globals;
use crate::ask::consents;
use crate::connection::Connection;
use crate::exit::{Exit, Stop, invalid};
use crate::output::{self, Show};
use crate::target;

/// Delete an image that nothing refers to, definitions that nothing uses, or a channel.
///
/// An image is deleted in all of its Regions, with its snapshots. It stays if one of these refers to it: a running or
/// stopped instance; any version of a launch template; a parameter of its pipeline; an image that was built from it; a
/// channel; a pipeline whose next build starts from it. Others who have a launch permission may use it too, and this
/// account cannot see whether they do: --unshare must name each of them. The command always says what refers to the
/// image.
///
/// A definition stays if something uses it, and the command says what. A deleted pipeline no longer starts, and its
/// images stay. The parameters of a deleted channel keep their values, and its history stays.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// An image as NAME/VERSION/BUILD, or a definition as `goldsmith definitions` lists it, such as
    /// component/nginx/1.0.0 or pipeline/web. A component or recipe without a version means all of its versions. Or a
    /// channel as channel/PIPELINE/CHANNEL.
    #[arg(value_name = "IMAGE|DEFINITION|CHANNEL")]
    what: String,
    /// Delete the image although this account, this organization or `all` may launch it; can be repeated.
    #[arg(long, value_name = "WHO")]
    unshare: Vec<String>,
    /// Delete without asking.
    #[arg(long)]
    yes: bool,
}

/// The definitions or the image that the command deleted.
#[derive(Debug, Serialize)]
struct Deleted {
    deleted: Vec<DefinitionRef>,
}

impl Show for Deleted {
    fn lines(&self, _: &Globals) -> Vec<String> {
        self.deleted.iter().map(|one| format!("deleted  {one}")).collect()
    }
}

pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    if let Some((pipeline, channel)) = target::channel(&args.what)? {
        return channel::run(globals, &pipeline, &channel, args.yes).await;
    }
    let Some(wanted) = target::definition(&args.what)? else {
        if !args.what.contains('/') {
            let named = "name an image as NAME/VERSION/BUILD, or a definition as KIND/NAME or KIND/NAME/VERSION";
            return Err(invalid(format!("`{}` is neither an image nor a definition: {named}", args.what)));
        }
        let connection = Connection::open(globals).await?;
        let found = target::image(&connection.store, &args.what).await?;
        return image::run(globals, &connection, &found, &args.unshare, args.yes).await;
    };
    if !args.unshare.is_empty() {
        return Err(invalid("--unshare is for images"));
    }
    let connection = Connection::open(globals).await?;
    let found = deletable(&connection, &wanted).await?;
    found.iter().for_each(|one| output::say(&one.to_string()));
    if !consents("Delete?", "nothing was deleted", args.yes)? {
        output::say("Nothing was deleted.");
        return Ok(Exit::Success);
    }
    output::show(globals, &delete(&connection, found).await?)?;
    Ok(Exit::Success)
}

/// Returns the definitions that a reference names, if nothing uses them.
async fn deletable(connection: &Connection, wanted: &DefinitionRef) -> Result<Vec<DefinitionRef>> {
    let catalog = connection.store.catalog().await?;
    catalog.deletable(wanted).map_err(|error| match error {
        DeleteError::Unknown(_) => invalid(error.to_string()),
        DeleteError::Used(_) => Stop { exit: Exit::Failed, message: format!("{error}\nNothing was deleted.") }.into(),
        DeleteError::Store(error) => error.into(),
    })
}

async fn delete(connection: &Connection, found: Vec<DefinitionRef>) -> Result<Deleted> {
    for definition in &found {
        // The schedule goes first: as long as the pipeline is stored, this command can be called again.
        if let (Kind::ImagePipeline, Some(scheduling)) = (definition.kind, &connection.scheduling) {
            connection.schedules.delete(&scheduling.group, &schedule_name(&definition.name)).await?;
        }
        connection.store.delete_definition(definition).await?;
    }
    Ok(Deleted { deleted: found })
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::Kind;
    use goldsmith_cloud::fake::Fault;

    use super::{deletable, delete};
    use crate::output::Show;
    use crate::testing::{Stack, WEB, globals};

    #[tokio::test]
    async fn what_is_used_stays_and_the_message_names_its_users() {
        let stack = Stack::new();
        stack.apply(WEB).await;
        let refused = deletable(&stack.connection, &"infrastructure/small".parse().unwrap()).await.unwrap_err();
        assert_eq!(refused.to_string(), "infrastructure/small is used by pipeline/web\nNothing was deleted.");
        let unknown = deletable(&stack.connection, &"recipe/api".parse().unwrap()).await.unwrap_err();
        assert_eq!(unknown.to_string(), "there is no recipe/api");
    }

    #[tokio::test]
    async fn a_pipeline_goes_with_its_schedule_also_after_a_failure() {
        let stack = Stack::new();
        stack.apply(WEB).await;
        assert_eq!(stack.cloud.schedules().len(), 1);
        let pipeline = "pipeline/web".parse().unwrap();
        let found = deletable(&stack.connection, &pipeline).await.unwrap();
        stack.cloud.fail_next("DeleteSchedule", Fault::Refuse(Kind::Throttled));
        assert!(delete(&stack.connection, found.clone()).await.is_err());
        let deleted = delete(&stack.connection, found).await.unwrap();
        assert_eq!(deleted.lines(&globals("")), ["deleted  pipeline/web"]);
        assert!(stack.cloud.schedules().is_empty());
        let gone = deletable(&stack.connection, &pipeline).await.unwrap_err();
        assert_eq!(gone.to_string(), "there is no pipeline/web");
    }
}

//! Switches a pipeline or an image on or off. A pipeline that is off is not started by its schedule or its sources.

use anyhow::Result;
use goldsmith_document::did_you_mean;
use goldsmith_model::definitions::{Definitions, Kind};
use goldsmith_model::{ImagePipeline, Name, Status};
use serde::Serialize;

use crate::args::Globals;
use crate::connection::Connection;
use crate::exit::{Exit, invalid};
use crate::output::{self, Show};
use crate::render::word;
use crate::{image_switch, schedules, target};

/// The result of a switch.
#[derive(Debug, Serialize)]
pub(crate) struct Switched {
    pipeline: Name,
    status: Status,
}

impl Show for Switched {
    fn lines(&self, _: &Globals) -> Vec<String> {
        vec![format!("{}  {}", self.pipeline, word(self.status))]
    }

    fn remarks(&self, _: &Globals) -> Vec<String> {
        vec![format!(
            "This holds until the pipeline is applied again: write `status: {}` into its file to keep it.",
            word(self.status)
        )]
    }
}

/// Switches the pipeline or the image that a text names, and shows the result.
pub(crate) async fn switch(globals: &Globals, what: &str, status: Status) -> Result<Exit> {
    let named = target::definition(what)?;
    if let Some(other) = named.as_ref().filter(|named| named.kind != Kind::ImagePipeline) {
        return Err(invalid(format!(
            "{other} cannot be switched on or off: name a pipeline, or an image as NAME/VERSION/BUILD"
        )));
    }
    let connection = Connection::open(globals).await?;
    if let Some(pipeline) = named {
        output::show(globals, &switch_pipeline(&connection, pipeline.name.as_str(), status).await?)?;
    } else if what.contains('/') {
        let image = target::image(&connection.store, what).await?;
        let switched = match status {
            Status::Enabled => image_switch::enable(&connection, &image).await?,
            Status::Disabled => image_switch::disable(&connection, &image).await?,
        };
        output::show(globals, &switched)?;
    } else {
        output::show(globals, &switch_pipeline(&connection, what, status).await?)?;
    }
    Ok(Exit::Success)
}

/// Stores this status of a pipeline, and updates its schedule and its subscription. Safe to repeat.
async fn switch_pipeline(connection: &Connection, text: &str, status: Status) -> Result<Switched> {
    let name = find(connection, text).await?.name;
    let mut stored = connection.store.switch_pipeline(&name, status).await?;
    while let Some(pipeline) = stored {
        let definitions = Definitions { pipelines: vec![pipeline.clone()], ..Definitions::default() };
        schedules::keep(connection, &definitions).await?;
        // Somebody may have applied another schedule in the meantime, which this one must not replace.
        stored = connection.store.pipeline(&name).await?.filter(|now| *now != pipeline);
    }
    Ok(Switched { pipeline: name, status })
}

/// Returns the pipeline that a text names, or an error that suggests the nearest name.
pub(crate) async fn find(connection: &Connection, text: &str) -> Result<ImagePipeline> {
    let name: Name = text.parse().map_err(|error: goldsmith_model::NameError| invalid(error.to_string()))?;
    if let Some(pipeline) = connection.store.pipeline(&name).await? {
        return Ok(pipeline);
    }
    let known = connection.store.pipeline_names().await?;
    let near = did_you_mean(name.as_str(), known.iter().map(Name::as_str));
    let help = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    Err(invalid(format!("there is no pipeline `{name}`{help}")))
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::Kind;
    use goldsmith_cloud::fake::Fault;
    use goldsmith_model::Status;

    use super::{switch, switch_pipeline};
    use crate::output::Show;
    use crate::testing::{Stack, WEB, globals, stopped};

    #[tokio::test]
    async fn a_disabled_pipeline_starts_neither_by_its_schedule_nor_by_its_source() {
        let stack = Stack::new();
        stack.apply(WEB).await;
        let (connection, name) = (&stack.connection, "web".parse().unwrap());
        for (status, enabled) in [(Status::Disabled, false), (Status::Enabled, true)] {
            stack.cloud.fail_next("UpdateSchedule", Fault::Refuse(Kind::Throttled));
            assert!(switch_pipeline(connection, "web", status).await.is_err());
            for _ in 0..2 {
                let switched = switch_pipeline(connection, "web", status).await.unwrap();
                assert_eq!(
                    switched.lines(&globals("")),
                    [format!("web  {}", if enabled { "ENABLED" } else { "DISABLED" })]
                );
            }
            assert_eq!(stack.cloud.schedules()[0].enabled, enabled);
            assert_eq!(connection.store.sources().await.unwrap().len(), usize::from(enabled));
            assert_eq!(connection.store.pipeline(&name).await.unwrap().unwrap().status, status);
        }
    }

    #[tokio::test]
    async fn enabling_lets_a_pipeline_start_again_that_failures_have_stopped() {
        let stack = Stack::new();
        stack.apply(WEB).await;
        let (store, web) = (&stack.connection.store, "web".parse().unwrap());
        stack.put("PIPELINE#web", "FAILURES", stopped()).await;
        switch_pipeline(&stack.connection, "web", Status::Disabled).await.unwrap();
        assert!(store.is_stopped(&web).await.unwrap());
        for _ in 0..2 {
            switch_pipeline(&stack.connection, "web", Status::Enabled).await.unwrap();
            assert_eq!(store.failures(&web).await.unwrap(), None);
        }
    }

    #[tokio::test]
    async fn a_definition_other_than_a_pipeline_has_no_switch() {
        let error = switch(&globals(""), "recipe/web", Status::Disabled).await.unwrap_err().to_string();
        assert_eq!(
            error,
            "recipe/web cannot be switched on or off: name a pipeline, or an image as NAME/VERSION/BUILD"
        );
    }

    #[tokio::test]
    async fn a_pipeline_that_is_not_there_is_said_with_the_nearest_name() {
        let stack = Stack::new();
        stack.apply(WEB).await;
        let error = switch_pipeline(&stack.connection, "wbe", Status::Disabled).await.unwrap_err().to_string();
        assert_eq!(error, "there is no pipeline `wbe`; did you mean `web`?");
    }
}

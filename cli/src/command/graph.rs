//! `goldsmith graph [PATH]`

mod mermaid;
mod tree;

use std::path::{Path, PathBuf};

use anyhow::Result;
use goldsmith_model::definitions::{Definitions, Draft, Edges, Graph, Stored, Way};
use goldsmith_model::{ImagePipeline, Name, Schedule, SourceImage, Status};
use jiff::Timestamp;
use serde::Serialize;

use crate::args::{Format, Globals};
use crate::connection::Connection;
use crate::exit::{Exit, invalid, mistaken};
use crate::folder;
use crate::output::{self, Show};
use crate::render::count_in_words;
use crate::starts::Holds;

/// Show which pipelines start from which images, and where their images go.
///
/// Without PATH, the command shows the stored pipelines of the stack. With PATH, it shows the pipelines of these files
/// alone, and needs neither a stack nor credentials.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A definition file, or a folder whose *.yml and *.yaml files are all read.
    #[arg(value_name = "PATH")]
    path: Option<PathBuf>,
    /// Print a flowchart for Mermaid, which GitHub and GitLab draw in Markdown.
    #[arg(long)]
    mermaid: bool,
}

/// A pipeline with its source and the Regions of its images, as `--output json` prints it.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Stage {
    pipeline: Name,
    status: Status,
    /// The source image of the pipeline, or `None` if the recipe is missing.
    source: Option<SourceImage>,
    /// The pipelines whose images that source may be.
    starts_from: Vec<Upstream>,
    /// Whether a new image of the source starts the pipeline.
    is_rebuilt: bool,
    /// The schedule, with its time zone.
    schedule: Option<String>,
    /// The Regions to which the images go. The list is empty if they stay in the home Region.
    regions: Vec<Target>,
}

/// A pipeline from whose image another one starts.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Upstream {
    pipeline: Name,
    /// The kind of the reference: `pipeline`, `parameter` or `filter`.
    by: &'static str,
}

/// A Region to which images go.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    region: String,
    /// The parameters that name the image in that Region.
    parameters: Vec<String>,
}

/// All pipelines, by name.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Stages(Vec<Stage>);

pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    if args.mermaid && globals.output == Format::Json {
        return Err(invalid("--mermaid and --output json are two formats: give one of them"));
    }
    let stages = match &args.path {
        Some(path) => Stages::new(&Graph::new(&read(path)?, &Stored::default())),
        None => {
            let connection = Connection::open(globals).await?;
            stored(&connection, Timestamp::now()).await?
        }
    };
    match args.mermaid {
        true => mermaid::lines(&stages.0).iter().try_for_each(|line| output::line(line))?,
        false => output::show(globals, &stages)?,
    }
    Ok(Exit::Success)
}

/// Returns the pipelines of the stack, with the status that they have now.
async fn stored(connection: &Connection, now: Timestamp) -> Result<Stages> {
    let (stored, none) = (connection.store.stored_pipelines().await?, Definitions::default());
    let graph = Graph::new(&none, &stored);
    let mut stages = Stages::new(&graph);
    for stage in &mut stages.0 {
        if let Some(pipeline) = graph.pipelines().iter().find(|one| one.name == stage.pipeline) {
            stage.status = Holds::of(connection, pipeline, now).await?.status(pipeline);
        }
    }
    Ok(stages)
}

/// Reads the definitions of a folder or file. What they refer to outside of it is left out.
fn read(path: &Path) -> Result<Definitions> {
    let files = folder::read(path, "nothing was drawn")?;
    Draft::read(&files, &folder::documents(&files)).check_alone().map_err(|found| {
        let message = format!("{} in {}", count_in_words(found.errors(), "mistake"), path.display());
        mistaken(found, message)
    })
}

impl Stages {
    fn new(graph: &Graph<'_>) -> Self {
        let edges = graph.edges();
        let mut stages: Vec<Stage> = graph.pipelines().iter().map(|one| stage(graph, &edges, one)).collect();
        // The order must not depend on the order of files or of the table, so that two outputs can be compared.
        stages.sort_by(|a, b| a.pipeline.cmp(&b.pipeline));
        Self(stages)
    }
}

fn stage(graph: &Graph<'_>, edges: &Edges<'_>, pipeline: &ImagePipeline) -> Stage {
    let source = graph.recipe(pipeline).map(|recipe| recipe.parent_image.clone());
    let from = edges.get(&pipeline.name).into_iter().flatten();
    let by = |way: &Way<'_>| match way {
        Way::Pipeline => "pipeline",
        Way::Parameter(_) => "parameter",
        Way::Filter(_) => "filter",
    };
    let schedule = |one: &Schedule| format!("{} {}", one.schedule_expression, one.timezone.as_deref().unwrap_or("UTC"));
    let regions = graph.distribution(pipeline).into_iter().flat_map(|to| &to.distributions);
    Stage {
        pipeline: pipeline.name.clone(),
        status: pipeline.status,
        is_rebuilt: source.as_ref().is_some_and(|source| pipeline.watches(source).is_some()),
        source,
        starts_from: from.map(|(name, way)| Upstream { pipeline: (*name).clone(), by: by(way) }).collect(),
        schedule: pipeline.schedule.as_ref().map(schedule),
        regions: regions
            .map(|one| Target {
                region: one.region.clone(),
                parameters: one.ssm_parameter_configurations.iter().map(|to| to.parameter_name.clone()).collect(),
            })
            .collect(),
    }
}

impl Show for Stages {
    fn lines(&self, _: &Globals) -> Vec<String> {
        tree::lines(&self.0)
    }

    fn remarks(&self, globals: &Globals) -> Vec<String> {
        let hint = || format!("There are no pipelines yet: `{} apply FOLDER` stores some.", globals.again());
        self.0.is_empty().then(hint).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use goldsmith_model::definitions::{Graph, Stored};
    use serde_json::json;

    use super::{Stages, mermaid, read, stored};
    use crate::output::Show;
    use crate::testing::{Stack, globals, stopped};

    /// A base image, two pipelines that build on it, and one that builds on the newer image of these two.
    const DIAMOND: &str = "\
{kind: ImageRecipe, name: base, semanticVersion: 1.0.0, parentImage: ssm:/source, components: [{name: nginx, version: 1.x.x}]}
---
{kind: ImageRecipe, name: app-left, semanticVersion: 1.0.0, parentImage: pipeline:base, components: [{name: nginx, version: 1.x.x}]}
---
{kind: ImageRecipe, name: app-right, semanticVersion: 1.0.0, parentImage: pipeline:base, components: [{name: nginx, version: 1.x.x}]}
---
{kind: ImageRecipe, name: joined, semanticVersion: 1.0.0, parentImage: {owners: [self], name: \"app-*\"}, components: [{name: nginx, version: 1.x.x}]}
---
{kind: DistributionConfiguration, name: two, distributions: [{region: eu-west-1, ssmParameterConfigurations: [{parameterName: /images/joined}]}, {region: us-east-1}]}
---
{kind: ImagePipeline, name: base, imageRecipe: base, infrastructureConfiguration: small, schedule: {scheduleExpression: rate(7 days)}}
---
{kind: ImagePipeline, name: left, imageRecipe: app-left, infrastructureConfiguration: small, rebuildOn: [dependency]}
---
{kind: ImagePipeline, name: right, imageRecipe: app-right, infrastructureConfiguration: small, rebuildOn: [dependency], status: DISABLED}
---
{kind: ImagePipeline, name: joined, imageRecipe: joined, infrastructureConfiguration: small, distributionConfiguration: two, rebuildOn: [source-update]}
";

    fn diamond() -> Stages {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("all.yml");
        std::fs::write(&file, DIAMOND).unwrap();
        Stages::new(&Graph::new(&read(&file).unwrap(), &Stored::default()))
    }

    #[test]
    fn each_pipeline_is_below_what_it_starts_from() {
        let expected = "\
ssm:/source
└── base  (rate(7 days) UTC)  → home Region
    ├── left  (rebuilt)  → home Region
    │   └── joined  (rebuilt)  → eu-west-1: /images/joined, us-east-1
    └── right  (disabled)  → home Region
        └── joined  (see above)";
        assert_eq!(diamond().lines(&globals("")).join("\n"), expected);
    }

    #[tokio::test]
    async fn stored_pipelines_make_the_same_graph_as_their_files() {
        let stack = Stack::new();
        stack.apply(DIAMOND).await;
        let now = "2026-03-27T12:00:00Z".parse().unwrap();
        assert_eq!(stored(&stack.connection, now).await.unwrap().0, diamond().0);
        stack.put("PIPELINE#left", "FAILURES", stopped()).await;
        let lines = stored(&stack.connection, now).await.unwrap().lines(&globals("")).join("\n");
        assert!(lines.contains("left  (disabled)"), "{lines}");
    }

    #[test]
    fn programs_read_the_edges_and_the_targets() {
        let graph = serde_json::to_value(diamond()).unwrap();
        let from = json!([{"pipeline": "left", "by": "filter"}, {"pipeline": "right", "by": "filter"}]);
        let regions = json!([{"region": "eu-west-1", "parameters": ["/images/joined"]},
                             {"region": "us-east-1", "parameters": []}]);
        let joined = json!({"pipeline": "joined", "status": "ENABLED", "source": {"owners": ["self"], "name": "app-*"},
                            "startsFrom": from, "isRebuilt": true, "schedule": null, "regions": regions});
        assert_eq!(graph[1], joined);
    }

    #[test]
    fn mermaid_draws_a_dotted_line_if_a_new_image_starts_nothing() {
        let expected = "\
flowchart LR
    s0[/\"ssm:/source\"/]
    p0[\"base<br/>rate(7 days) UTC\"]
    p1[\"joined\"]
    p2[\"left\"]
    p3[\"right<br/>disabled\"]
    t0[(\"eu-west-1: /images/joined\")]
    s0 -.-> p0
    p2 --> p1
    p3 --> p1
    p1 --> t0
    p0 --> p2
    p0 -.-> p3";
        assert_eq!(mermaid::lines(&diamond().0).join("\n"), expected);
    }
}

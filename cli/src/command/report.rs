//! `goldsmith report IMAGE|PIPELINE`: writes what is known about a build, or about a pipeline and its builds, as HTML.
//! Each page is one file without scripts that loads nothing, so that it can be kept with a change or sent to somebody.

mod build;
mod contents;
mod facts;
mod failure;
mod files;
mod index;
mod machines;
mod page;
mod regions;
mod spent;
mod steps;
#[cfg(test)]
mod tests;
mod timeline;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use futures_util::future::try_join_all;
use goldsmith_model::{ImagePipeline, Name};
use goldsmith_store::ImageRecord;
use jiff::Timestamp;
use serde::Serialize;

use crate::args::Globals;
use crate::connection::Connection;
use crate::exit::Exit;
use crate::output::{self, Show};
use crate::render::count;
use crate::{target, version};
use build::BuildPage;
use facts::{Everything, Facts};
use index::IndexPage;
use page::Frame;

/// The largest number of builds in a pipeline's report.
const BUILDS: usize = 50;
/// Number of builds that are read at the same time.
const AT_ONCE: usize = 8;
/// Name of the page of a pipeline.
const INDEX: &str = "index.html";

/// Write a report of a build, or of a pipeline and its builds, as HTML pages.
///
/// A page is one file without scripts, and it loads nothing. Like `show`, a page contains the last lines of a failed step.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// An image as NAME/VERSION/BUILD, such as web-server/1.2.0/7, or NAME/latest, the id of a build, or a pipeline.
    /// NAME/latest is the newest image that can be used, which leaves out failed ones.
    #[arg(value_name = "IMAGE|PIPELINE")]
    what: String,
    /// The file of a build's report, or the folder of a pipeline's report. By default, both are in the current folder:
    /// NAME-VERSION-BUILD.html, and PIPELINE-report.
    #[arg(short = 'o', long = "to", alias = "file", value_name = "FILE|FOLDER")]
    to: Option<PathBuf>,
    /// Open the report with the program of the desktop for HTML pages.
    #[arg(long)]
    open: bool,
}

/// The written files, as `--output json` prints them.
#[derive(Debug, Serialize)]
struct Written {
    /// The page to begin with.
    report: PathBuf,
    /// The pages of a pipeline's builds, newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    builds: Vec<PathBuf>,
    /// Why the page was not opened, if it should have been.
    #[serde(skip)]
    closed: Option<String>,
}

impl Show for Written {
    fn lines(&self, _: &Globals) -> Vec<String> {
        vec![self.report.display().to_string()]
    }

    fn remarks(&self, _: &Globals) -> Vec<String> {
        let builds = (!self.builds.is_empty())
            .then(|| format!("The folder also contains the reports of {}.", count(self.builds.len(), "build")));
        let closed = self.closed.as_ref().map(|why| format!("The report was not opened, because {why}."));
        builds.into_iter().chain(closed).collect()
    }
}

pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    let connection = Connection::open(globals).await?;
    let reporter = Reporter::new(globals, &connection, Timestamp::now());
    let pipeline = match args.what.parse::<Name>() {
        Ok(name) => connection.store.pipeline(&name).await?,
        Err(_) => None,
    };
    let mut written = match pipeline {
        Some(pipeline) => reporter.pipeline(pipeline, args.to.as_deref()).await?,
        None => reporter.build(&args.what, args.to.as_deref()).await?,
    };
    if args.open {
        written.closed = files::open(files::OPENER, files::has_desktop(), &written.report);
    }
    output::show(globals, &written)?;
    Ok(Exit::Success)
}

/// Writes reports of a stack.
struct Reporter<'a> {
    globals: &'a Globals,
    connection: &'a Connection,
    now: Timestamp,
    /// Version of the program, which a page names.
    version: &'static str,
}

impl<'a> Reporter<'a> {
    fn new(globals: &'a Globals, connection: &'a Connection, now: Timestamp) -> Self {
        Self { globals, connection, now, version: version::OWN }
    }

    /// Writes the report of a build.
    async fn build(&self, what: &str, to: Option<&Path>) -> Result<Written> {
        let image = target::image_instead_of_pipeline(&self.connection.store, what).await?;
        let file = to.map_or_else(|| PathBuf::from(files::name_of(&image.image)), Path::to_owned);
        let all = Everything::read(&self.connection.store).await?;
        let facts = Facts::read(self.connection, image, &all, self.now).await?;
        files::write(&file, &self.page(&facts, None)?)?;
        Ok(Written { report: file, builds: Vec::new(), closed: None })
    }

    /// Writes the report of a pipeline, with a report for each of its last builds.
    async fn pipeline(&self, pipeline: ImagePipeline, to: Option<&Path>) -> Result<Written> {
        let folder = to.map_or_else(|| PathBuf::from(format!("{}-report", pipeline.name)), Path::to_owned);
        let store = &self.connection.store;
        let mut images = store.images_of_pipeline(&pipeline.name).await?;
        images.sort_by(|a, b| b.created_at.cmp(&a.created_at));
        let left_out = images.len().saturating_sub(BUILDS);
        images.truncate(BUILDS);
        let facts = self.facts(images).await?;
        let names = files::names(facts.iter().map(|one| (&one.shown.image.image, one.shown.image.build.as_str())));
        fs::create_dir_all(&folder).with_context(|| format!("the folder {} cannot be made", folder.display()))?;
        let mut builds = Vec::new();
        for (facts, name) in facts.iter().zip(&names) {
            let file = folder.join(name);
            files::write(&file, &self.page(facts, Some(INDEX))?)?;
            builds.push(file);
        }
        let index = IndexPage::read(self, pipeline, &facts, &names, left_out).await?;
        let report = folder.join(INDEX);
        files::write(&report, &page::finished(&index)?)?;
        Ok(Written { report, builds, closed: None })
    }

    /// Reads builds.
    async fn facts(&self, images: Vec<ImageRecord>) -> Result<Vec<Facts>> {
        let all = Everything::read(&self.connection.store).await?;
        let mut facts = Vec::new();
        for some in images.chunks(AT_ONCE) {
            let reads = some.iter().map(|one| Facts::read(self.connection, one.clone(), &all, self.now));
            facts.extend(try_join_all(reads).await?);
        }
        Ok(facts)
    }

    fn page(&self, facts: &Facts, index: Option<&'static str>) -> Result<String> {
        page::finished(&BuildPage::new(self.globals, self.frame(), facts, index))
    }

    fn frame(&self) -> Frame {
        let stack = format!("{} in {}", self.connection.stack, self.connection.region);
        Frame::new(self.now, self.version, stack)
    }
}

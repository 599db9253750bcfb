//! `goldsmith images [NAME]`

use anyhow::Result;
use goldsmith_model::Name;
use goldsmith_store::{ImageRecord, Store};
use serde::Serialize;

use crate::args::Globals;
use crate::connection::Connection;
use crate::exit::Exit;
use crate::output::{self, Show};
use crate::render::{cause, status, table, word};

/// List images.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// List only images with this name.
    #[arg(value_name = "NAME")]
    name: Option<Name>,
    /// List the runs that have only tested an AMI (`goldsmith test`) instead.
    #[arg(long, conflicts_with = "distributions")]
    verifications: bool,
    /// List the runs that have only distributed an image (`goldsmith distribute`) instead.
    #[arg(long)]
    distributions: bool,
}

/// The images, and the name by which they were filtered.
#[derive(Serialize)]
#[serde(transparent)]
struct Images<'a> {
    images: Vec<ImageRecord>,
    #[serde(skip)]
    name: Option<&'a Name>,
    #[serde(skip)]
    what: What,
}

/// What is listed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Images,
    /// Runs that have only tested an AMI.
    Verifications,
    /// Runs that have only distributed an image.
    Distributions,
}

impl What {
    fn has(self, image: &ImageRecord) -> bool {
        match self {
            Self::Images => image.is_image(),
            Self::Verifications => image.is_verification,
            Self::Distributions => image.distributes.is_some(),
        }
    }
}

pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    let connection = Connection::open(globals).await?;
    let name = args.name.as_ref();
    let mut images = list(&connection.store, name).await?;
    let what = match args {
        Args { verifications: true, .. } => What::Verifications,
        Args { distributions: true, .. } => What::Distributions,
        _ => What::Images,
    };
    images.retain(|image| what.has(image));
    output::show(globals, &Images { images, name, what })?;
    Ok(Exit::Success)
}

async fn list(store: &Store, name: Option<&Name>) -> Result<Vec<ImageRecord>> {
    let names = match name {
        Some(name) => vec![name.to_string()],
        None => store.image_names().await?,
    };
    let mut images = Vec::new();
    for name in names {
        images.extend(store.images(&name).await?);
    }
    Ok(images)
}

impl Show for Images<'_> {
    fn lines(&self, _: &Globals) -> Vec<String> {
        match self.what {
            What::Images => table(["IMAGE", "STATUS", "BEGAN", "CAUSE", "AMIS"], self.images.iter().map(row)),
            What::Verifications => table(["RUN", "STATUS", "BEGAN", "TESTED"], self.images.iter().map(verification)),
            What::Distributions => {
                table(["RUN", "STATUS", "BEGAN", "IMAGE", "AMIS"], self.images.iter().map(distribution))
            }
        }
    }

    fn remarks(&self, _: &Globals) -> Vec<String> {
        match self.name {
            _ if !self.images.is_empty() => Vec::new(),
            _ if self.what == What::Verifications => vec!["No AMI was verified yet.".to_owned()],
            _ if self.what == What::Distributions => vec!["No image was distributed after its build yet.".to_owned()],
            Some(name) => vec![format!("No image is named {name}.")],
            None => vec!["There are no images yet.".to_owned()],
        }
    }
}

fn row(image: &ImageRecord) -> Vec<String> {
    vec![image.image.to_string(), status(image), began(image), cause(&image.cause), amis(image)]
}

fn amis(image: &ImageRecord) -> String {
    let amis: Vec<String> = image.amis.iter().map(|(region, id)| format!("{region}={id}")).collect();
    amis.join(" ")
}

fn verification(run: &ImageRecord) -> Vec<String> {
    vec![run.image.to_string(), word(run.status), began(run), run.source_image.clone()]
}

fn distribution(run: &ImageRecord) -> Vec<String> {
    let image = run.distributes.as_ref().map(ToString::to_string).unwrap_or_default();
    vec![run.image.to_string(), word(run.status), began(run), image, amis(run)]
}

/// Returns when a build began, to the second.
fn began(image: &ImageRecord) -> String {
    format!("{}Z", image.created_at.get(..19).unwrap_or(&image.created_at))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Images, What, list};
    use crate::output::Show;
    use crate::testing::{Stack, globals};

    #[tokio::test]
    async fn images_are_listed_with_their_amis() {
        let stack = Stack::new();
        assert!(list(&stack.connection.store, None).await.unwrap().is_empty());
        stack.closed_build(json!({"status": "AVAILABLE", "amis": {"eu-west-1": "ami-1", "us-east-1": "ami-2"}})).await;
        let images = list(&stack.connection.store, None).await.unwrap();
        let expected = [
            "IMAGE        STATUS     BEGAN                 CAUSE   AMIS",
            "web/1.0.0/1  AVAILABLE  2026-01-01T00:00:00Z  manual  eu-west-1=ami-1 us-east-1=ami-2",
        ];
        assert_eq!(Images { images, name: None, what: What::Images }.lines(&globals("")), expected);
        let overridden = Stack::new();
        overridden.closed_build(json!({"status": "AVAILABLE", "overridden": true})).await;
        let images = list(&overridden.connection.store, None).await.unwrap();
        let line = "web/1.0.0/1  AVAILABLE (overridden)  2026-01-01T00:00:00Z  manual";
        assert_eq!(Images { images, name: None, what: What::Images }.lines(&globals(""))[1], line);
        let other = "other".parse().unwrap();
        assert!(list(&stack.connection.store, Some(&other)).await.unwrap().is_empty());
    }
    #[tokio::test]
    async fn verifications_are_listed_with_the_ami_that_they_tested() {
        let stack = Stack::new();
        stack.closed_build(json!({"status": "FAILED", "isVerification": true})).await;
        let images = list(&stack.connection.store, None).await.unwrap();
        let expected =
            ["RUN          STATUS  BEGAN                 TESTED", "web/1.0.0/1  FAILED  2026-01-01T00:00:00Z  ami-0"];
        assert_eq!(Images { images, name: None, what: What::Verifications }.lines(&globals("")), expected);
        let none = Images { images: vec![], name: None, what: What::Verifications };
        assert_eq!(none.remarks(&globals("")), ["No AMI was verified yet."]);
    }

    #[tokio::test]
    async fn distributions_are_listed_with_the_image_and_what_they_have_made() {
        let stack = Stack::new();
        stack
            .closed_build(
                json!({"status": "DISTRIBUTED", "distributes": "web/1.0.0/7", "amis": {"us-east-1": "ami-2"}}),
            )
            .await;
        let images = list(&stack.connection.store, None).await.unwrap();
        assert!(What::Distributions.has(&images[0]) && !What::Images.has(&images[0]));
        let expected = [
            "RUN          STATUS       BEGAN                 IMAGE        AMIS",
            "web/1.0.0/1  DISTRIBUTED  2026-01-01T00:00:00Z  web/1.0.0/7  us-east-1=ami-2",
        ];
        assert_eq!(Images { images, name: None, what: What::Distributions }.lines(&globals("")), expected);
    }
}

//! `goldsmith images [NAME]`

use anyhow::Result;
use goldsmith_model::Name;
use goldsmith_store::{ImageRecord, Store};

use crate::args::{Format, Globals};
use crate::connection::Connection;
use crate::exit::Exit;
use crate::output;
use crate::render::{cause, columns, word};

/// List images.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only images of this name.
    #[arg(value_name = "NAME")]
    name: Option<Name>,
}

pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    let connection = Connection::open(globals).await?;
    let images = list(&connection.store, args.name.as_ref()).await?;
    match globals.output {
        Format::Json => output::json(&images)?,
        Format::Text if images.is_empty() => match &args.name {
            Some(name) => output::say(&format!("No image is named {name}.")),
            None => output::say("There are no images yet."),
        },
        Format::Text => table(&images).iter().try_for_each(|line| output::line(line))?,
    }
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

fn table(images: &[ImageRecord]) -> Vec<String> {
    let mut rows = vec![["IMAGE", "STATUS", "BEGAN", "CAUSE", "AMIS"].map(str::to_owned).to_vec()];
    for image in images {
        let amis: Vec<String> = image.amis.iter().map(|(region, id)| format!("{region}={id}")).collect();
        let began = image.created_at.get(..19).unwrap_or(&image.created_at);
        let cells =
            [image.image.to_string(), word(image.status), format!("{began}Z"), cause(&image.cause), amis.join(" ")];
        rows.push(cells.to_vec());
    }
    columns(&rows)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{list, table};
    use crate::testing::Stack;

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
        assert_eq!(table(&images), expected);
        let other = "other".parse().unwrap();
        assert!(list(&stack.connection.store, Some(&other)).await.unwrap().is_empty());
    }
}

//! `goldsmith diff IMAGE [IMAGE]` and `goldsmith diff component/NAME/VERSION component/NAME/VERSION`

use anyhow::Result;
use goldsmith_contents::{Changed, Diff};
use goldsmith_model::definitions::Kind;
use goldsmith_model::{DefinitionRef, ImageRef};
use goldsmith_store::{ImageRecord, Store};
use serde::Serialize;

use crate::args::Globals;
use crate::connection::Connection;
use crate::exit::{Exit, invalid};
use crate::output::{self, Show};
use crate::since::Inside;
use crate::{contents, target};

/// Show what differs between two images: packages, files, units, users and more, or between two versions of a component.
///
/// One image is compared with the last good image before it of the same pipeline. `+` marks what is only in the later
/// image, `-` marks what is only in the earlier one, and `~` marks what both have with different values. Of components, the
/// steps are compared, and values that may be secrets are hidden.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// NAME/VERSION/BUILD, such as web-server/1.2.0/7, NAME/latest, or the id of a build. NAME/latest is the newest image
    /// that can be used, which leaves out failed ones. Or a component as component/NAME/VERSION.
    #[arg(value_name = "IMAGE|COMPONENT")]
    image: String,
    /// A later image or version, with which the first one is compared.
    #[arg(value_name = "LATER")]
    later: Option<String>,
}

/// What differs between two images.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Compared {
    from: ImageRef,
    to: ImageRef,
    /// The source images, if they differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    source_image: Option<Changed<String>>,
    #[serde(flatten)]
    diff: Diff,
}

pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    if let Some(wanted) = target::definition(&args.image)? {
        let [from, to] = versions(&wanted, args)?;
        let connection = Connection::open(globals).await?;
        output::show(globals, &of_component(&connection, &from, &to).await?)?;
        return Ok(Exit::Success);
    }
    let connection = Connection::open(globals).await?;
    output::show(globals, &compared(&connection, args).await?)?;
    Ok(Exit::Success)
}

/// Returns the two components that a call names.
fn versions(first: &DefinitionRef, args: &Args) -> Result<[DefinitionRef; 2]> {
    let both = "name two versions of a component, as component/NAME/VERSION";
    let later = args.later.as_deref().map(target::definition).transpose()?.flatten();
    let Some(later) = later else { return Err(invalid(both)) };
    let is_fit = |one: &DefinitionRef| one.kind == Kind::Component && one.version.is_some();
    if !is_fit(first) || !is_fit(&later) {
        return Err(invalid(both));
    }
    Ok([first.clone(), later])
}

async fn of_component(connection: &Connection, from: &DefinitionRef, to: &DefinitionRef) -> Result<Inside> {
    let read = async |one: &DefinitionRef| match one.version {
        Some(version) => {
            let found = connection.store.component(&one.name, version).await?;
            found.ok_or_else(|| invalid(format!("there is no {one}")))
        }
        None => Err(invalid(format!("there is no {one}"))),
    };
    Ok(Inside::between(&read(from).await?, &read(to).await?))
}

impl Show for Inside {
    fn lines(&self, _: &Globals) -> Vec<String> {
        let first = format!("component {}: {} → {}", self.component, self.from, self.to);
        let nothing = self.lines.is_empty().then(|| "Nothing differs.".to_owned());
        std::iter::once(first).chain(self.lines.iter().cloned()).chain(nothing).collect()
    }
}

async fn compared(connection: &Connection, args: &Args) -> Result<Compared> {
    let store = &connection.store;
    let first = target::image_or_latest(store, &args.image).await?;
    let (from, to, new) = match &args.later {
        Some(later) => {
            let to = target::image_or_latest(store, later).await?;
            let new = contents::of(connection, &to).await?;
            (first, to, new)
        }
        None => {
            // An image without contents cannot be compared, whether or not there is one before it.
            let new = contents::of(connection, &first).await?;
            (before(store, &first).await?, first, new)
        }
    };
    let old = contents::of(connection, &from).await?;
    let has_other_source = from.source_image != to.source_image;
    Ok(Compared {
        diff: Diff::of(&old, &new),
        source_image: has_other_source
            .then(|| Changed { from: from.source_image.clone(), to: to.source_image.clone() }),
        from: from.image,
        to: to.image,
    })
}

async fn before(store: &Store, image: &ImageRecord) -> Result<ImageRecord> {
    let all = store.images_of_pipeline(&image.pipeline).await?;
    contents::before(&all, image).cloned().ok_or_else(|| {
        let (pipeline, name) = (&image.pipeline, &image.image);
        invalid(format!("the pipeline {pipeline} has no good image before {name}: name two images"))
    })
}

impl Show for Compared {
    fn lines(&self, _: &Globals) -> Vec<String> {
        let mut lines = vec![format!("{} → {}", self.from, self.to)];
        let source = |source: &Changed<String>| format!("source image: {} → {}", source.from, source.to);
        lines.extend(self.source_image.as_ref().map(source));
        lines.extend(self.diff.lines());
        lines
    }
}

#[cfg(test)]
mod tests {
    use goldsmith_contents::{CONTENTS_VERSION, Contents, Package, PackageType, pack};
    use serde_json::json;

    use super::{Args, compared, of_component, versions};
    use crate::digest;
    use crate::output::Show;
    use crate::testing::{Stack, WEB, globals};

    /// Stores an image of pipeline `web` with a package of this version.
    async fn image(stack: &Stack, number: u32, source: &str, version: &str) {
        overridden_or_not(stack, number, source, version, false).await;
    }

    async fn overridden_or_not(stack: &Stack, number: u32, source: &str, version: &str, overridden: bool) {
        let packages = vec![Package::new(PackageType::Deb, "nginx", version, "/var/lib/dpkg/status")];
        let bytes = pack(&Contents { version: CONTENTS_VERSION, packages, ..Contents::default() }).unwrap();
        let key = format!("contents/{number}.json.gz");
        let contents = json!({"key": key, "sha256": digest::of_bytes(&bytes)});
        stack.connection.cloud.objects.put(&key, bytes).await.unwrap();
        let record = json!({"image": format!("web/1.0.0/{number}"), "build": format!("b{number}"), "pipeline": "web",
                            "cause": {"kind": "manual", "id": "1"}, "status": "AVAILABLE", "sourceImage": source,
                            "inputDigest": "", "createdAt": format!("2026-01-0{number}T00:00:00.000Z"),
                            "contents": contents, "overridden": overridden});
        stack.put("IMAGE#web", &format!("V#0000000001.0000000000.0000000000#000000000{number}"), record).await;
        stack.put("IMAGES", "web", json!({})).await;
    }

    #[tokio::test]
    async fn an_image_is_compared_with_the_one_before_it_or_with_a_named_one() {
        let stack = Stack::new();
        image(&stack, 1, "ami-1", "1.0-1").await;
        image(&stack, 2, "ami-1", "1.0-2").await;
        image(&stack, 3, "ami-2", "1.0-3").await;
        let diff = async |image: &str, later: Option<&str>| {
            let args = Args { image: image.to_owned(), later: later.map(str::to_owned) };
            compared(&stack.connection, &args).await.map(|found| found.lines(&globals("")).join("\n"))
        };
        let expected = "\
web/1.0.0/2 → web/1.0.0/3
source image: ami-1 → ami-2
packages: 1 changed
  ~ deb nginx 1.0-2 → 1.0-3";
        assert_eq!(diff("web/1.0.0/3", None).await.unwrap(), expected);
        assert_eq!(diff("web/latest", None).await.unwrap(), expected);
        assert_eq!(diff("web/1.0.0/2", Some("web/latest")).await.unwrap(), expected);
        let back = diff("web/1.0.0/2", Some("web/1.0.0/1")).await.unwrap();
        assert!(back.ends_with("  ~ deb nginx 1.0-2 → 1.0-1 (downgrade)"), "{back}");
        let first = diff("web/1.0.0/1", None).await.unwrap_err().to_string();
        assert_eq!(first, "the pipeline web has no good image before web/1.0.0/1: name two images");
        for (status, why) in [("FAILED", "its build has failed"), ("CANCELLED", "its build was stopped")] {
            stack.closed_build(json!({"status": status})).await; // as web/1.0.0/1, before which there is none
            let unknown = format!("the contents of web/1.0.0/1 are not known: {why} before it collected them");
            assert_eq!(diff("web/1.0.0/1", None).await.unwrap_err().to_string(), unknown);
        }
        // An image whose start has overridden something was never published, and is not what came before.
        overridden_or_not(&stack, 4, "ami-2", "9", true).await;
        image(&stack, 5, "ami-2", "1.0-4").await;
        let next = diff("web/1.0.0/5", None).await.unwrap();
        assert!(next.starts_with("web/1.0.0/3 → web/1.0.0/5\n"), "{next}");
    }

    #[tokio::test]
    async fn two_versions_of_a_component_are_compared_by_their_steps() {
        let stack = Stack::new();
        stack.apply(WEB).await;
        stack
            .apply(
                &WEB.replace("semanticVersion: 1.0.0\ndata", "semanticVersion: 1.0.1\ndata").replace("true", "false"),
            )
            .await;
        let args = |first: &str, later: Option<&str>| Args { image: first.to_owned(), later: later.map(str::to_owned) };
        let call = args("component/nginx/1.0.0", Some("component/nginx/1.0.1"));
        let first = "component/nginx/1.0.0".parse().unwrap();
        let [from, to] = versions(&first, &call).unwrap();
        let lines = of_component(&stack.connection, &from, &to).await.unwrap().lines(&globals(""));
        assert_eq!(lines[0], "component nginx: 1.0.0 → 1.0.1");
        assert!(lines.iter().any(|line| line.starts_with("+ ") && line.contains("false")), "{lines:?}");
        let same = of_component(&stack.connection, &from, &from).await.unwrap().lines(&globals(""));
        assert_eq!(same[1], "Nothing differs.");
        for later in [None, Some("recipe/web/1.0.0"), Some("component/nginx"), Some("web/1.0.0/1")] {
            let error = versions(&first, &args("component/nginx/1.0.0", later)).unwrap_err().to_string();
            assert_eq!(error, "name two versions of a component, as component/NAME/VERSION");
        }
        let gone = "component/nginx/2.0.0".parse().unwrap();
        let error = of_component(&stack.connection, &from, &gone).await.unwrap_err().to_string();
        assert_eq!(error, "there is no component/nginx/2.0.0");
    }
}

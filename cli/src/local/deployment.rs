//! Deploys the zip, the template and the definition to a running stack if one of them has changed.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use goldsmith_cloud::aws::{sdk_config, with_keys};
use serde::Deserialize;

use super::Say;
use super::files::Files;
use super::folders::Folders;
use super::stack::{Deployed, Stack};
use crate::deployment::release::{self, Release};
use crate::deployment::{Deployment, Ways, Wishes};
use crate::digest;
use crate::exit::lacking;

/// Returns the functions' zip: the given zip, the one next to this program as in the archive of a release, or the one
/// that `make package` puts next to this program's folder.
fn find_package(given: Option<&Path>) -> Result<PathBuf> {
    if let Some(path) = given {
        let missing = || lacking(format!("{} does not exist: --package must name a zip of functions", path.display()));
        return path.is_file().then(|| path.to_owned()).ok_or_else(missing);
    }
    let places = places(&env::current_exe().context("the path of this program is unknown")?);
    places.iter().find(|place| place.is_file()).cloned().ok_or_else(|| {
        let [released, packaged] = places.map(|place| place.display().to_string());
        let how = "unpack an archive of a release, or run `make package` in a checkout, or name the zip of the functions with --package";
        lacking(format!("neither {released} nor {packaged} exists: {how}"))
    })
}

/// Returns the paths at which the program `FOLDER/goldsmith` expects the zip: in a release and in a checkout.
fn places(program: &Path) -> [PathBuf; 2] {
    let folder = program.parent().unwrap_or(Path::new("/"));
    let target = folder.parent().unwrap_or(Path::new("/"));
    [release::place(folder, release::this_machines()), target.join("lambda/functions.zip")]
}

/// Returns the release from which a local stack is deployed: the release of this program, with this zip, for this
/// machine.
pub(crate) fn release(package: Option<&Path>) -> Result<Release> {
    Ok(Release::own(find_package(package)?, release::this_machines()))
}

/// Deploys what has changed since the last deployment of `stack`.
pub(crate) async fn ensure(
    stack: &mut Stack,
    folders: &Folders,
    python: &Path,
    files: &Files,
    release: &Release,
    say: Say<'_>,
) -> Result<()> {
    let stamp = digest::stamp(&release.package)?;
    let known = stack.deployed.as_ref().filter(|deployed| deployed.stamp == stamp).map(|deployed| deployed.zip.clone());
    let wanted = Deployed {
        zip: known.map_or_else(|| digest::of_file(&release.package), Ok)?,
        stamp,
        definition: digest::of_bytes(release.definition.as_bytes()),
        template: digest::of_bytes(release.template.as_bytes()),
    };
    if let Some(deployed) = stack.deployed.as_ref().filter(|deployed| deployed.is_same(&wanted)) {
        if *deployed != wanted {
            stack.deployed = Some(wanted);
            stack.save(folders)?;
        }
        return Ok(());
    }
    release.check()?;
    say("Deploying the functions and the state machine to the local AWS.");
    // This is saved before the deployment: if it fails or this process is killed, the next call deploys again.
    stack.deployed = None;
    stack.save(folders)?;
    let wishes = Wishes { parameters: parameters(stack, python, files)?, ..Wishes::default() };
    let config = sdk_config(None, Some(&stack.region), Some(&stack.endpoint_url)).await;
    let config = with_keys(&config, &stack.access_key, &stack.secret_key);
    // On this machine, the places of uploads and the number of finished resources are of no interest.
    let again = format!("goldsmith --stack {} --local", stack.name);
    let ways = Ways { again, aws: stack.aws(None) };
    let deployment = Deployment::new(&config, &stack.name, ways, &|_| {});
    if let Some(prepared) = deployment.prepare(release, &wishes).await? {
        deployment.execute(&prepared).await?;
    }
    stack.deployed = Some(wanted);
    stack.save(folders)
}

/// Returns the values of the template's parameters. The endpoint itself serves the examples' source image and the
/// public parameters. It also serves the SSM agent for images without one, as AWS's bucket in the Region does.
fn parameters(stack: &Stack, python: &Path, files: &Files) -> Result<BTreeMap<String, String>> {
    let mut publish = Command::new(python);
    publish.arg(files.path("ssm_agent.py")).args(["--endpoint-url", &stack.endpoint_url, "--region", &stack.region]);
    publish.env("AWS_ACCESS_KEY_ID", &stack.access_key).env("AWS_SECRET_ACCESS_KEY", &stack.secret_key);
    let output = publish.output().context("cannot start the program that publishes the SSM agent")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("the SSM agent is not published: {}", said.trim().lines().last().unwrap_or("there was no output"));
    }
    let agent: Agent =
        serde_json::from_slice(&output.stdout).context("the program that publishes the SSM agent printed no key")?;
    // On this machine, nobody else has licenses and topics that the stack should not use. The roles of exports are only
    // those that the manual names, because a stack may pass a role only if it is listed.
    let licenses = "arn:aws:license-manager:*:000000000000:license-configuration:*".to_owned();
    let topics = "arn:aws:sns:*:000000000000:*".to_owned();
    let roles = "arn:aws:iam::000000000000:role/vmimport*".to_owned();
    let named = [
        ("Examples", "no".to_owned()),
        ("SsmAgentUrl", agent.url),
        ("SsmAgentKey", agent.key),
        ("LicenseConfigurationArns", licenses),
        ("NotificationTopicArns", topics),
        ("ExportRoleArns", roles),
    ];
    Ok(named.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// The URL of the agent's packages, and the key that signs them.
#[derive(Deserialize)]
struct Agent {
    url: String,
    key: String,
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use goldsmith_local::Secret;

    use super::{Release, ensure, find_package, places};
    use crate::digest;
    use crate::local::files::Files;
    use crate::local::folders::Folders;
    use crate::local::process::Process;
    use crate::local::stack::{Deployed, Stack};
    use crate::zip::testing::zip;

    #[tokio::test]
    async fn a_stack_does_not_count_as_deployed_while_it_is_deployed() {
        let folder = tempfile::tempdir().unwrap();
        let folders = Folders { data: folder.path().to_owned(), state: folder.path().to_owned() };
        let secret: Secret = "secret".parse().unwrap();
        let mut stack =
            Stack::started("goldsmith", [1, 2], [Process { pid: 1, started: 2 }; 2], "p".to_owned(), &secret);
        stack.deployed = Some(Deployed {
            zip: "a".to_owned(),
            stamp: "1-2".to_owned(),
            definition: "b".to_owned(),
            template: "c".to_owned(),
        });
        stack.save(&folders).unwrap();
        let package = folder.path().join("functions.zip");
        std::fs::write(&package, zip(&[("bootstrap", b"#!/bin/sh\n", false)])).unwrap();
        let release = Release::own(package, "x86_64");
        let files = Files::unpack(&folders.data).unwrap();
        // The deployment ends at its first step, and nothing of this process runs after it.
        let python = Path::new("/bin/false");
        ensure(&mut stack, &folders, python, &files, &release, &|_| {}).await.unwrap_err();
        assert_eq!(Stack::load(&folders).unwrap().unwrap().deployed, None);
    }

    #[tokio::test]
    async fn a_zip_that_was_packaged_again_without_a_change_is_not_deployed_again() {
        let folder = tempfile::tempdir().unwrap();
        let folders = Folders { data: folder.path().to_owned(), state: folder.path().to_owned() };
        let mut stack = Stack::started(
            "goldsmith",
            [1, 2],
            [Process { pid: 1, started: 2 }; 2],
            "p".to_owned(),
            &"s".parse().unwrap(),
        );
        let package = folder.path().join("functions.zip");
        std::fs::write(&package, zip(&[("bootstrap", b"#!/bin/sh\n", false)])).unwrap();
        let release = Release::own(package.clone(), "x86_64");
        let deployed = |zip: String, stamp: String| Deployed {
            zip,
            stamp,
            definition: digest::of_bytes(release.definition.as_bytes()),
            template: digest::of_bytes(release.template.as_bytes()),
        };
        let (files, python) = (Files::unpack(&folders.data).unwrap(), Path::new("/bin/false"));
        let (content, stamp) = (digest::of_file(&package).unwrap(), digest::stamp(&package).unwrap());
        stack.deployed = Some(deployed(content.clone(), "1-2".to_owned()));
        ensure(&mut stack, &folders, python, &files, &release, &|_| {}).await.unwrap();
        assert_eq!(Stack::load(&folders).unwrap().unwrap().deployed, Some(deployed(content, stamp.clone())));
        // From now on, its digest is known and the file is not read.
        stack.deployed = Some(deployed("known".to_owned(), stamp));
        ensure(&mut stack, &folders, python, &files, &release, &|_| {}).await.unwrap();
        // Other content is deployed, which fails at its first step.
        stack.deployed = Some(deployed("other".to_owned(), "1-2".to_owned()));
        ensure(&mut stack, &folders, python, &files, &release, &|_| {}).await.unwrap_err();
    }

    #[test]
    fn the_zip_is_beside_a_released_program_or_where_packaging_puts_it() {
        let [released, packaged] = places(Path::new("/build/target/debug/goldsmith"));
        assert_eq!(
            released,
            Path::new("/build/target/debug")
                .join(format!("functions-{}.zip", crate::deployment::release::this_machines()))
        );
        assert_eq!(packaged, Path::new("/build/target/lambda/functions.zip"));
    }

    #[test]
    fn a_missing_zip_is_named() {
        let error = find_package(Some(Path::new("/nowhere/functions.zip"))).unwrap_err().to_string();
        assert!(error.starts_with("/nowhere/functions.zip does not exist"), "{error}");
    }
}

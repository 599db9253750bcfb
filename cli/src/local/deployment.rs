//! Puts zip, template and definition into a running stack, and only when one of them has changed.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Say;
use super::files::{self, Files};
use super::machine::lacking;
use super::stack::{Deployed, Stack};

/// The functions' zip: the given one, else the one that `make package` puts beside this program's folder.
pub(crate) fn find_package(given: Option<&Path>) -> Result<PathBuf> {
    let found = match given {
        Some(path) => path.to_owned(),
        None => beside(&env::current_exe().context("this program does not know where it is")?),
    };
    if found.is_file() {
        return Ok(found);
    }
    Err(lacking(format!("{} is not there: make it by `make package`, or name another with --package", found.display())))
}

/// `TARGET/lambda/functions.zip` of `TARGET/debug/goldsmith`.
fn beside(program: &Path) -> PathBuf {
    let target = program.ancestors().nth(2).unwrap_or(Path::new("/"));
    target.join("lambda/functions.zip")
}

/// Deploys what has changed since `stack` was last deployed.
pub(crate) fn ensure(stack: &mut Stack, python: &Path, files: &Files, package: &Path, say: Say<'_>) -> Result<()> {
    let wanted = Deployed {
        zip: files::digest_of_file(package)?,
        definition: files::digest_of([files::DEFINITION].into_iter()),
        template: files::digest_of([files::TEMPLATE].into_iter()),
    };
    if stack.deployed.as_ref() == Some(&wanted) {
        return Ok(());
    }
    say("Deploying the functions and the state machine to the local AWS.");
    stack.deployed = None;
    let mut deploy = Command::new(python);
    deploy.arg(files.path("deploy.py")).args(["--stack", &stack.name, "--region", &stack.region]);
    deploy.args(["--endpoint-url", &stack.endpoint_url, "--ec2", &stack.ec2_url]);
    deploy.arg("--template").arg(files.path("template.yaml"));
    deploy.arg("--definition").arg(files.path("image-build.asl.json")).arg("--zip").arg(package);
    let output = deploy.output().context("cannot start the deployment")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{}", said.trim().lines().last().unwrap_or("the deployment failed and said nothing"));
    }
    stack.deployed = Some(wanted);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{beside, find_package};

    #[test]
    fn the_zip_is_where_packaging_puts_it() {
        let found = beside(Path::new("/build/target/debug/goldsmith"));
        assert_eq!(found, Path::new("/build/target/lambda/functions.zip"));
    }

    #[test]
    fn a_missing_zip_is_named() {
        let error = find_package(Some(Path::new("/nowhere/functions.zip"))).unwrap_err().to_string();
        assert!(error.starts_with("/nowhere/functions.zip is not there"), "{error}");
    }
}

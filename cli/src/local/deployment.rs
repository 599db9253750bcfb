//! Puts zip, template and definition into a running stack, and only when one of them has changed.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Say;
use super::files::{self, Files};
use super::machine::lacking;
use super::stack::{Deployed, Stack};

/// The functions' zip: the given one, else the one beside this program, as an archive of a release has it, else the one that
/// `make package` puts beside this program's folder.
pub(crate) fn find_package(given: Option<&Path>) -> Result<PathBuf> {
    if let Some(path) = given {
        let missing = || lacking(format!("{} is not there: --package names no functions' zip", path.display()));
        return path.is_file().then(|| path.to_owned()).ok_or_else(missing);
    }
    let places = places(&env::current_exe().context("this program does not know where it is")?);
    places.iter().find(|place| place.is_file()).cloned().ok_or_else(|| {
        let [released, packaged] = places.map(|place| place.display().to_string());
        let how = "unpack an archive of a release, or run `make package` in a checkout, or name the functions' zip with --package";
        lacking(format!("neither {released} nor {packaged} is there: {how}"))
    })
}

/// Where the zip of `FOLDER/goldsmith` may be: of a release and of a checkout.
fn places(program: &Path) -> [PathBuf; 2] {
    let folder = program.parent().unwrap_or(Path::new("/"));
    let target = folder.parent().unwrap_or(Path::new("/"));
    [folder.join(format!("functions-{}.zip", architecture())), target.join("lambda/functions.zip")]
}

/// This program's architecture, as Lambda calls it.
fn architecture() -> &'static str {
    if env::consts::ARCH == "aarch64" { "arm64" } else { env::consts::ARCH }
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
        bail!("{}", failure(&String::from_utf8_lossy(&output.stderr)));
    }
    stack.deployed = Some(wanted);
    Ok(())
}

/// What the deployment says of its failure, all of it: the emulator's answers have several lines. Of a fault of its own only
/// the last line is for people.
fn failure(said: &str) -> &str {
    let said = said.trim();
    let own = said.starts_with("Traceback");
    let told = if own { said.lines().last().unwrap_or_default() } else { said };
    if told.is_empty() { "the deployment failed and said nothing" } else { told }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{architecture, failure, find_package, places};

    #[test]
    fn a_failure_is_told_whole_and_a_stack_trace_is_not() {
        let answer = "the deployment failed: Template format error\n  line 1\n    ^";
        assert_eq!(failure(&format!("{answer}\n")), answer);
        assert_eq!(failure("Traceback (most recent call last):\n  File\nKeyError: 'a'\n"), "KeyError: 'a'");
        assert_eq!(failure("\n"), "the deployment failed and said nothing");
    }

    #[test]
    fn the_zip_is_beside_a_released_program_or_where_packaging_puts_it() {
        let [released, packaged] = places(Path::new("/build/target/debug/goldsmith"));
        assert_eq!(released, Path::new("/build/target/debug").join(format!("functions-{}.zip", architecture())));
        assert_eq!(packaged, Path::new("/build/target/lambda/functions.zip"));
    }

    #[test]
    fn a_missing_zip_is_named() {
        let error = find_package(Some(Path::new("/nowhere/functions.zip"))).unwrap_err().to_string();
        assert!(error.starts_with("/nowhere/functions.zip is not there"), "{error}");
    }
}

//! The files of a deployment: the template, the state machine and the zip of the functions, either of this program or
//! from a folder.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::package;
use crate::exit::{invalid, lacking};

/// The template that was compiled into this program.
const TEMPLATE: &str = include_str!("../../../infra/template.yaml");
/// The state machine that was compiled into this program.
const DEFINITION: &str = include_str!("../../../statemachine/image-build.asl.json");
/// The texts in the template that are replaced: the paths that are known only after the upload, and the architecture of
/// its functions.
const CODE: &str = "CodeUri: functions.zip";
/// The text with which each function in the template names the code.
const FUNCTION: &str = "Type: AWS::Serverless::Function\n";
const DEFINITION_URI: &str = "DefinitionUri: ../statemachine/image-build.asl.json";
/// First property of the table. The table's name may come before it.
const TABLE: &str = "      BillingMode: PAY_PER_REQUEST\n";
const TABLE_POLICY: &str = "    Type: AWS::DynamoDB::Table\n    DeletionPolicy: RetainExceptOnCreate";
const TABLE_NAME: &str = "      TableName: ";
/// The architectures of Lambda.
const ARCHITECTURES: [&str; 2] = ["x86_64", "arm64"];

/// A release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Release {
    /// The template, as it is in the repository.
    pub(crate) template: String,
    /// The state machine.
    pub(crate) definition: String,
    /// The functions' zip.
    pub(crate) package: PathBuf,
    /// Architecture of the functions in the zip, in Lambda's spelling.
    pub(crate) architecture: String,
}

/// The locations to which the parts of a release were uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Uploaded {
    pub(crate) code: String,
    pub(crate) definition: String,
}

impl Release {
    /// Returns the template and the state machine of this program, with this zip. Its functions run on this
    /// architecture.
    pub(crate) fn own(package: PathBuf, architecture: &str) -> Self {
        Release {
            template: TEMPLATE.to_owned(),
            definition: DEFINITION.to_owned(),
            package,
            architecture: architecture.to_owned(),
        }
    }

    /// Returns the release in a folder: an unpacked archive, or a checkout in which `make release` has run. If
    /// `package` is given, it replaces the zip.
    pub(crate) fn of_folder(folder: &Path, package: Option<&Path>, architecture: Option<&str>) -> Result<Self> {
        let read = |file: &str| {
            let path = folder.join(file);
            let why =
                || format!("{} cannot be read: --from must name an unpacked release or a checkout", path.display());
            fs::read_to_string(&path).map_err(|error| invalid(format!("{}: {error}", why())))
        };
        let (template, definition) = (read("infra/template.yaml")?, read("statemachine/image-build.asl.json")?);
        let (package, architecture) = find(&[folder.to_owned(), folder.join("dist")], package, architecture)?;
        Ok(Release { template, definition, package, architecture })
    }

    /// Returns the release of this program: its own template, and the zip next to the program.
    pub(crate) fn of_program(package: Option<&Path>, architecture: Option<&str>) -> Result<Self> {
        let program = env::current_exe().context("the path of this program is unknown")?;
        let folder = program.parent().unwrap_or(Path::new("/"));
        let (package, architecture) = find(&[folder.to_owned()], package, architecture)?;
        Ok(Self::own(package, &architecture))
    }

    /// Rejects a zip without functions for its architecture, before anything is uploaded.
    pub(crate) fn check(&self) -> Result<()> {
        let Some(found) = package::architecture(&self.package)?.filter(|found| *found != self.architecture) else {
            return Ok(());
        };
        let (path, wanted) = (self.package.display(), &self.architecture);
        Err(invalid(format!("{path} has functions for {found}, but is to be deployed for {wanted}")))
    }

    /// Rejects what the local AWS cannot run, because its functions are processes on this machine.
    pub(crate) fn check_local(&self) -> Result<()> {
        let (own, wanted) = (this_machines(), &self.architecture);
        if wanted == own {
            return Ok(());
        }
        Err(invalid(format!("the local AWS runs functions on this machine, which is {own}, not {wanted}")))
    }

    /// Returns the version of the template, or `None` if it is from before releases had versions.
    pub(crate) fn version(&self) -> Option<&str> {
        let (_, rest) = self.template.split_once(r#""version":""#)?;
        rest.split_once('"').map(|(version, _)| version)
    }

    /// Returns the template with the locations of the uploads, and with the name of a table that already exists.
    pub(crate) fn template(&self, uploaded: &Uploaded, table: Option<&str>) -> Result<String> {
        let architectures = ARCHITECTURES.map(|one| format!("    Architectures: [{one}]\n"));
        let written = architectures.iter().find(|line| self.template.contains(line.as_str()));
        let written = written.map_or("    Architectures: [x86_64]\n", String::as_str);
        let mut changes = vec![
            (CODE, format!("CodeUri: {}", uploaded.code)),
            (DEFINITION_URI, format!("DefinitionUri: {}", uploaded.definition)),
            (written, format!("    Architectures: [{}]\n", self.architecture)),
        ];
        // CloudFormation only imports a resource if the template names it literally, not by a reference.
        changes.extend(table.map(|table| (TABLE, format!("{TABLE_NAME}{table}\n{TABLE}"))));
        // The table is older than the stack: even a failed first deployment must not delete it.
        changes.extend(table.map(|_| (TABLE_POLICY, TABLE_POLICY.replace("RetainExceptOnCreate", "Retain"))));
        changes.into_iter().try_fold(self.template.clone(), |text, (place, by)| {
            // Every function names its code: one that was missed would keep a path of the release's folder.
            let wanted = if place == CODE { text.matches(FUNCTION).count().max(1) } else { 1 };
            let found = text.matches(place).count();
            if found != wanted {
                let place = place.trim();
                return Err(invalid(format!(
                    "the template must have `{place}` {wanted} times, but has it {found} times"
                )));
            }
            Ok(text.replace(place, &by))
        })
    }
}

/// Returns the name that a deployed template gives its table, or `None` if CloudFormation has chosen the name.
pub(crate) fn table_of(template: &str) -> Option<&str> {
    template.lines().find_map(|line| line.strip_prefix(TABLE_NAME))
}

/// Returns the zip of a release, and its architecture: the requested architecture, or the first one that exists.
fn find(folders: &[PathBuf], package: Option<&Path>, architecture: Option<&str>) -> Result<(PathBuf, String)> {
    if let Some(package) = package {
        if !package.is_file() {
            return Err(lacking(format!(
                "{} does not exist: --package must name a zip of functions",
                package.display()
            )));
        }
        let name = package.file_name().unwrap_or_default().to_string_lossy();
        let named = ARCHITECTURES.into_iter().find(|one| name.contains(one));
        let said = match architecture.or(named) {
            Some(said) => said,
            None => package::architecture(package)?.unwrap_or(this_machines()),
        };
        return Ok((package.to_owned(), said.to_owned()));
    }
    let wanted: Vec<&str> = architecture.map_or_else(|| ARCHITECTURES.to_vec(), |one| vec![one]);
    let places = wanted.iter().flat_map(|one| folders.iter().map(move |folder| (place(folder, one), *one)));
    let found = places.clone().find(|(path, _)| path.is_file());
    found.map(|(path, one)| (path, one.to_owned())).ok_or_else(|| {
        let named: Vec<String> = places.map(|(path, _)| path.display().to_string()).collect();
        let how = "use the program of an unpacked release, or name the release with --from; in a checkout, make one with \
                   `make release`";
        lacking(format!("there is no zip of functions at {}: {how}", named.join(" or ")))
    })
}

/// Returns the path of the zip for an architecture in a release.
pub(crate) fn place(folder: &Path, architecture: &str) -> PathBuf {
    folder.join(format!("functions-{architecture}.zip"))
}

/// Returns the architecture of this machine, in Lambda's spelling.
pub(crate) fn this_machines() -> &'static str {
    if env::consts::ARCH == "aarch64" { "arm64" } else { "x86_64" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uploaded() -> Uploaded {
        Uploaded { code: "s3://b/code.zip".to_owned(), definition: "s3://b/d.json".to_owned() }
    }

    #[test]
    fn the_template_finds_what_was_uploaded_and_a_table_that_is_there() {
        let release = Release::own(PathBuf::from("functions.zip"), "arm64");
        let plain = release.template(&uploaded(), None).unwrap();
        assert!(plain.contains("CodeUri: s3://b/code.zip\n") && plain.contains("DefinitionUri: s3://b/d.json\n"));
        assert!(plain.contains("Architectures: [arm64]\n") && !plain.contains("Architectures: [x86_64]"));
        assert_eq!(table_of(&plain), None);
        let taken = release.template(&uploaded(), Some("old-Table-1")).unwrap();
        assert_eq!(table_of(&taken), Some("old-Table-1"));
        assert!(taken.contains("Type: AWS::DynamoDB::Table\n    DeletionPolicy: Retain #"), "{taken}");
        // A release for arm64 has its own word for it.
        let arm = Release { template: TEMPLATE.replace("[x86_64]", "[arm64]"), ..release };
        assert_eq!(arm.template(&uploaded(), None).unwrap(), plain);
        let other = Release { template: "Resources: {}\n".to_owned(), ..arm };
        let error = other.template(&uploaded(), None).unwrap_err().to_string();
        assert_eq!(error, "the template must have `CodeUri: functions.zip` 1 times, but has it 0 times");
    }

    #[test]
    fn every_function_has_the_code_that_was_uploaded() {
        let release = Release::own(PathBuf::from("functions.zip"), "x86_64");
        let template = release.template(&uploaded(), None).unwrap();
        let functions = template.matches(FUNCTION).count();
        assert_eq!((functions, template.matches("CodeUri: s3://b/code.zip\n").count()), (12, 12));
        let lacking = Release { template: TEMPLATE.replacen(CODE, "", 1), ..release };
        let error = lacking.template(&uploaded(), None).unwrap_err().to_string();
        assert_eq!(error, "the template must have `CodeUri: functions.zip` 12 times, but has it 11 times");
    }

    #[test]
    fn the_template_has_the_programs_version() {
        assert_eq!(Release::own(PathBuf::new(), "x86_64").version(), Some(env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn a_release_is_found_in_an_archive_and_in_a_checkout() {
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in [("infra/template.yaml", "t"), ("statemachine/image-build.asl.json", "d")] {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let none = Release::of_folder(folder.path(), None, None).unwrap_err().to_string();
        assert!(none.contains("dist/functions-x86_64.zip") && none.contains("make release"), "{none}");
        fs::create_dir(folder.path().join("dist")).unwrap();
        let zip = place(&folder.path().join("dist"), "arm64");
        fs::write(&zip, "").unwrap();
        let found = Release::of_folder(folder.path(), None, None).unwrap();
        assert_eq!((found.package, found.architecture.as_str()), (zip, "arm64"));
        assert!(Release::of_folder(folder.path(), None, Some("x86_64")).is_err());
        let nowhere = Release::of_folder(Path::new("/nowhere"), None, None).unwrap_err().to_string();
        assert!(nowhere.starts_with("/nowhere/infra/template.yaml cannot be read"), "{nowhere}");
    }

    #[test]
    fn the_local_aws_takes_functions_for_this_machine_only() {
        let [own, other] = if this_machines() == "arm64" { ["arm64", "x86_64"] } else { ["x86_64", "arm64"] };
        Release::own(PathBuf::new(), own).check_local().unwrap();
        let error = Release::own(PathBuf::new(), other).check_local().unwrap_err().to_string();
        assert_eq!(error, format!("the local AWS runs functions on this machine, which is {own}, not {other}"));
    }

    #[test]
    fn a_given_zip_says_its_architecture_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let zip = place(folder.path(), "arm64");
        fs::write(&zip, "").unwrap();
        assert_eq!(Release::of_program(Some(&zip), None).unwrap().architecture, "arm64");
        let error = Release::of_program(Some(&zip), None).unwrap().check().unwrap_err().to_string();
        assert!(
            error.ends_with("functions-arm64.zip is not a zip of functions: it is not a zip, or it is cut off"),
            "{error}"
        );
        let error = Release::of_program(Some(Path::new("/nowhere.zip")), None).unwrap_err().to_string();
        assert_eq!(error, "/nowhere.zip does not exist: --package must name a zip of functions");
    }
}

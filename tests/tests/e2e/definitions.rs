//! Folders of definitions for the cases, each a pipeline of its own.

use std::path::Path;

use goldsmith_tests::suite;
use tempfile::TempDir;

/// A pipeline with one component.
pub(crate) struct Pipeline {
    pub(crate) name: String,
    /// What its recipe starts from.
    pub(crate) source: &'static str,
    /// The component's phases, YAML.
    pub(crate) phases: String,
    pub(crate) regions: &'static [&'static str],
    /// Whether a parameter of each Region names the image: `/images/NAME`.
    pub(crate) parameters: bool,
    /// Whether the copies begin with the tests.
    pub(crate) copies_with_tests: bool,
    /// More lines of the pipeline, YAML.
    pub(crate) more: &'static str,
}

impl Pipeline {
    /// A pipeline in two Regions whose component has these steps, each a bash script: `(phase, step, script)`.
    pub(crate) fn new(name: &str, steps: &[(&str, &str, &str)]) -> Self {
        let mut phases = String::new();
        let mut last = "";
        for (phase, step, script) in steps {
            if *phase != last {
                phases += &format!("    - name: {phase}\n      steps:\n");
                last = phase;
            }
            let body = script.lines().map(|line| format!("                {line}\n")).collect::<String>();
            phases += &format!("        - name: {step}\n          action: ExecuteBash\n          inputs:\n");
            phases += &format!("            commands:\n              - |\n{body}");
        }
        let regions = &["eu-west-1", "us-east-1"];
        let source = "ssm:/goldsmith/examples/source";
        Self { name: name.to_owned(), source, phases, regions, parameters: false, copies_with_tests: false, more: "" }
    }

    /// The quickest one that there is: one Region, no tests, and nothing to do. `more` are lines of the pipeline.
    pub(crate) fn quick(name: &str, more: &'static str) -> Self {
        Self { regions: &["eu-west-1"], more, ..Self::new(name, &[("build", "Nothing", "true")]) }
    }

    /// Its folder.
    pub(crate) fn write(&self) -> TempDir {
        folder(&self.text())
    }

    /// Its file.
    pub(crate) fn text(&self) -> String {
        let Self { name, source, phases, regions, parameters, copies_with_tests, more } = self;
        let start = if *copies_with_tests { "start: with-tests\n" } else { "" };
        let parameters = match parameters {
            true => format!("    ssmParameterConfigurations: [{{parameterName: /images/{name}}}]\n"),
            false => String::new(),
        };
        let regions: String = regions.iter().map(|region| format!("  - region: {region}\n{parameters}")).collect();
        format!(
            "kind: Component\nname: {name}\nsemanticVersion: 1.0.0\nplatform: Linux\ndata: |\n  schemaVersion: 1.0\n  \
             phases:\n{phases}---\nkind: ImageRecipe\nname: {name}\nsemanticVersion: 1.0.0\n\
             parentImage: {source}\ncomponents:\n  - {{name: {name}, version: 1.x.x}}\n---\n\
             kind: InfrastructureConfiguration\nname: {name}\ninstanceTypes: [t3.small]\n---\n\
             kind: DistributionConfiguration\nname: {name}\n{start}distributions:\n{regions}---\nkind: ImagePipeline\n\
             name: {name}\nimageRecipe: {name}/1.x.x\ninfrastructureConfiguration: {name}\n\
             distributionConfiguration: {name}\n{more}"
        )
    }
}

/// A folder with one file. Its pipelines belong to the case that runs.
pub(crate) fn folder(text: &str) -> TempDir {
    for pipeline in text.split("kind: ImagePipeline\nname: ").skip(1) {
        suite::claim(pipeline.lines().next().unwrap());
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("pipeline.yml"), text).unwrap();
    folder
}

/// A path of the repository.
pub(crate) fn example(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name)
}

//! Pipelines that write the same SSM parameter: it names the image of whichever has built last, and no pipeline can tell
//! what its own image was.

use std::collections::BTreeSet;

use goldsmith_document::Diagnostics;

use super::graph::Graph;
use super::{Draft, Kind};
use crate::ImagePipeline;
use crate::placeholder::{self, OF_BUILD};

impl Draft<'_> {
    /// Warns of each pipeline of the folder that writes a parameter which another pipeline writes too.
    pub(super) fn warn_of_shared_parameters(&self, graph: &Graph<'_>, found: &mut Diagnostics) {
        for own in &self.definitions.pipelines {
            let Some((source, span)) = self.declared_place(Kind::ImagePipeline, &own.name) else { continue };
            let written = lasting(graph, own);
            for other in graph.pipelines().iter().filter(|other| other.name != own.name) {
                let is_own_too = self.definitions.pipelines.iter().any(|one| one.name == other.name);
                // Two pipelines of the folder are reported once.
                if is_own_too && own.name < other.name {
                    continue;
                }
                let both: BTreeSet<&str> =
                    lasting(graph, other).intersection(&written).map(|(_, parameter)| *parameter).collect();
                if !both.is_empty() {
                    let names: Vec<String> = both.into_iter().map(|name| format!("`{name}`")).collect();
                    let message = format!(
                        "pipeline `{}` writes {}, and so does pipeline `{}`: whichever builds last decides which image is there",
                        own.name,
                        names.join(", "),
                        other.name
                    );
                    found.push(source.warning(span, "shared-parameter", message));
                }
            }
        }
    }
}

/// Returns the Regions and names of the parameters that each build of a pipeline writes. A name with the date or the
/// version of the build is left out, because it differs between builds.
fn lasting<'d>(graph: &Graph<'d>, pipeline: &ImagePipeline) -> BTreeSet<(&'d str, &'d str)> {
    let parameters = graph.parameters(pipeline);
    parameters.filter(|(_, parameter)| !placeholder::pattern(parameter).contains(OF_BUILD)).collect()
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use crate::definitions::{Definitions, Draft, SourceFile, Stored};

    /// Returns a recipe, and the definitions of a pipeline that writes this parameter.
    fn pipeline(name: &str, parameter: &str) -> String {
        format!(
            "kind: ImagePipeline\nname: {name}\nimageRecipe: web\ninfrastructureConfiguration: small\n\
             distributionConfiguration: {name}\n---\n\
             kind: DistributionConfiguration\nname: {name}\ndistributions:\n  - region: eu-west-1\n    \
             ssmParameterConfigurations: [{{parameterName: \"{parameter}\"}}]\n"
        )
    }

    fn read(pipelines: &[String], stored: &Stored) -> Definitions {
        let rest = "kind: InfrastructureConfiguration\nname: small\ninstanceTypes: [t3.small]\n---\n\
                    kind: ImageRecipe\nname: web\nsemanticVersion: 1.0.0\nparentImage: ssm:/source\ncomponents: []\n";
        let files = [SourceFile { path: "a.yml".to_owned(), text: format!("{rest}---\n{}", pipelines.join("---\n")) }];
        Draft::read(&files, &|_| Ok(String::new())).check(stored).unwrap_or_else(|found| panic!("{found}"))
    }

    fn warnings(pipelines: &[String], stored: &Stored) -> Vec<String> {
        read(pipelines, stored).warnings.iter().map(|one| one.message.clone()).collect()
    }

    #[test]
    fn pipelines_that_write_one_parameter_are_warned_of_once() {
        let (app, web) = (pipeline("app", "/images/app"), pipeline("web", "/images/app"));
        let expected = "pipeline `web` writes `/images/app`, and so does pipeline `app`: whichever builds last decides which \
                        image is there";
        assert_eq!(warnings(&[app.clone(), web.clone()], &Stored::default()), [expected]);
        // The same if one of them is stored, and nothing if the pipeline itself is.
        let Definitions { pipelines, recipes, distributions, .. } = read(from_ref(&app), &Stored::default());
        let stored = Stored { pipelines, recipes, distributions, ..Stored::default() };
        assert_eq!(warnings(&[web], &stored), [expected]);
        assert_eq!(warnings(from_ref(&app), &stored), [""; 0]);
        // A name with the version of the build differs between pipelines, too.
        let own = "/images/{{ imagebuilder:buildVersion }}";
        assert_eq!(warnings(&[pipeline("app", own), pipeline("web", own)], &Stored::default()), [""; 0]);
        assert_eq!(warnings(&[app, pipeline("web", "/images/web")], &Stored::default()), [""; 0]);
    }
}

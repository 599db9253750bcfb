//! Selects the instance types that can run the source image, and checks that this stack has an agent for it. EC2 would
//! also reject every other type, but only at the launch: for a test type, this is after the whole build. A missing
//! agent would be noticed only when an instance runs.

use std::collections::BTreeMap;
use std::fmt;

use goldsmith_cloud::{Image, TypeTraits};
use goldsmith_document::did_you_mean;
use goldsmith_model::ImageAudit;

use super::finding::Finding;
use super::problem::Problem;
use super::resolve::{Inputs, Viewer};
use crate::parts::firmware;
use crate::{Context, Result};

/// Sizes that instance types have, in many families or in few.
const SIZES: [&str; 22] = [
    "nano",
    "micro",
    "small",
    "medium",
    "large",
    "xlarge",
    "2xlarge",
    "3xlarge",
    "4xlarge",
    "6xlarge",
    "8xlarge",
    "9xlarge",
    "10xlarge",
    "12xlarge",
    "16xlarge",
    "18xlarge",
    "24xlarge",
    "32xlarge",
    "48xlarge",
    "metal",
    "metal-24xl",
    "metal-48xl",
];

/// The types of a build's instances.
#[derive(Debug, Clone)]
pub(super) struct Types {
    /// The types of the build instance, in the order of the attempts. The list is empty if no named type can run the
    /// source.
    pub(super) build: Vec<String>,
    /// The types on which the image is tested. The image is tested on each of them. The list is empty if there is
    /// nothing to test.
    pub(super) test: Vec<String>,
    /// The documents have no test, but the image must be audited, or its contents judged, which needs an instance.
    pub(super) audit_only: bool,
    /// The types that cannot run on Dedicated Hosts.
    pub(super) without_hosts: Vec<String>,
}

/// Returns the types of the infrastructure configuration that can run the source, and the test types. One type of the
/// infrastructure configuration is enough, but every test type must be able to run the source.
pub(super) async fn runnable(
    context: &Context,
    inputs: &Inputs,
    source: &Image,
    viewer: Viewer,
    findings: &mut Vec<Finding>,
) -> Result<Types> {
    let (infrastructure, tests) = (&inputs.infrastructure, &inputs.pipeline.image_tests_configuration);
    let is_tested = inputs.untested().is_none();
    let test = if is_tested { tests.instance_types.as_slice() } else { &[] };
    // A verification launches nothing on the types of builds, unless the tests name no type.
    let launches_tests_only = inputs.is_verification && !test.is_empty();
    let of_builds = if launches_tests_only { test } else { &infrastructure.instance_types };
    let named = [of_builds, test].concat();
    let region = &context.config.region;
    let known = context.cloud.machines.type_traits(region, &named).await?;
    let unfit = |name: &String| why_not(name, &known, source, region);
    // A type that does not exist is another mistake than one that cannot run the source.
    let wrong = |name: &String| known.contains_key(name).then(|| unfit(name)).flatten();
    let (id, architecture) = (|| source.id.clone(), || source.architecture.clone());
    let build: Vec<String> = of_builds.iter().filter(|name| unfit(name).is_none()).cloned().collect();
    if build.is_empty() && !launches_tests_only {
        if let Some(types) = unknown(of_builds, &known) {
            findings.push(inputs.infrastructure_place("instanceTypes").has(Problem::TypeUnknown {
                infrastructure: infrastructure.name.to_string(),
                region: region.clone(),
                types,
            }));
        }
        let reasons: Vec<String> = of_builds.iter().filter_map(wrong).collect();
        if !reasons.is_empty() {
            findings.push(inputs.infrastructure_place("instanceTypes").has(Problem::TypeArchitecture {
                id: id(),
                architecture: architecture(),
                infrastructure: infrastructure.name.to_string(),
                reasons: reasons.join("; "),
            }));
        }
    }
    if !build.is_empty() && build.len() < of_builds.len() && !launches_tests_only {
        let reasons: Vec<String> = of_builds.iter().filter_map(unfit).collect();
        findings.push(inputs.infrastructure_place("instanceTypes").has(Problem::InstanceTypeSkipped {
            id: id(),
            architecture: architecture(),
            infrastructure: infrastructure.name.to_string(),
            reasons: reasons.join("; "),
        }));
    }
    let agent = context.config.agent_for(&source.architecture);
    // Only the functions have the package.
    if viewer == Viewer::Stack && !agent.is_file() {
        let agent = agent.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let missing = Problem::AgentMissing { id: id(), architecture: architecture(), agent };
        findings.push(inputs.recipe_place("parentImage").has(missing));
    }
    if let Some(types) = unknown(test, &known) {
        let unknown = Problem::TestTypeUnknown { region: region.clone(), types };
        findings.push(inputs.pipeline_place("imageTestsConfiguration.instanceTypes").has(unknown));
    }
    let reasons: Vec<String> = test.iter().filter_map(wrong).collect();
    if !reasons.is_empty() {
        let unfit =
            Problem::TestTypeArchitecture { id: id(), architecture: architecture(), reasons: reasons.join("; ") };
        findings.push(inputs.pipeline_place("imageTestsConfiguration.instanceTypes").has(unfit));
    }
    let audit_only = !is_tested && must_be_examined(inputs);
    if inputs.is_verification && !is_tested && !audit_only {
        let recipe = format!("{} {}", inputs.recipe.name, inputs.recipe.version);
        findings.push(inputs.pipeline_place("imageTestsConfiguration").has(Problem::NothingToVerify { recipe }));
    }
    let needed = Firmware::of_image(inputs, source);
    let lacks = |name: &String| needed.lacking(name, known.get(name)?);
    let test = match test {
        [] if is_tested || audit_only => of_build(&build, lacks),
        // Without those that do not exist: nothing else can be said about them.
        some => some.iter().filter(|name| known.contains_key(*name)).cloned().collect(),
    };
    let lacking: Vec<String> = test.iter().filter(|name| unfit(name).is_none()).filter_map(lacks).collect();
    if !lacking.is_empty() {
        let problem = Problem::TestTypeFirmware { needs: needed.to_string(), reasons: lacking.join("; ") };
        findings.push(inputs.pipeline_place("imageTestsConfiguration.instanceTypes").has(problem));
    }
    let all = build.iter().chain(&test);
    let without_hosts = all.filter(|name| known.get(*name).is_some_and(|traits| !traits.runs_on_hosts));
    let without_hosts = without_hosts.cloned().collect();
    Ok(Types { build, test, audit_only, without_hosts })
}

/// Returns whether the image needs an instance even if it has no test: it must pass its audit, or its policy for
/// vulnerabilities. For a mere warning, an instance costs too much.
fn must_be_examined(inputs: &Inputs) -> bool {
    inputs.pipeline.audit == ImageAudit::Fail || inputs.pipeline.vulnerability_policy.is_some()
}

/// Returns the type of the build on which its tests run. Builds run on the source image and tests on the new one, which
/// may need more, so a type that lacks nothing is preferred.
fn of_build(build: &[String], lacks: impl Fn(&String) -> Option<String>) -> Vec<String> {
    let fitting = build.iter().find(|name| lacks(name).is_none());
    fitting.or(build.first()).into_iter().cloned().collect()
}

/// Returns why a type cannot run the image, or `None` if it can.
fn why_not(name: &str, known: &BTreeMap<String, TypeTraits>, source: &Image, region: &str) -> Option<String> {
    match known.get(name) {
        Some(traits) if traits.architectures.contains(&source.architecture) => {
            let of_source =
                Firmware { by_uefi: source.boot_mode.as_deref() == Some("uefi"), tpm: source.tpm_support.is_some() };
            of_source.lacking(name, traits)
        }
        Some(traits) => Some(format!("{name} is for {}", traits.architectures.join(" and "))),
        None => Some(format!("{region} has no type {name}{}", near(name))),
    }
}

/// Returns the types that EC2 does not know, each with one that may be meant; `None` if it knows all.
fn unknown(names: &[String], known: &BTreeMap<String, TypeTraits>) -> Option<String> {
    let unknown = names.iter().filter(|name| !known.contains_key(*name));
    let unknown: Vec<String> = unknown.map(|name| format!("{name}{}", near(name))).collect();
    (!unknown.is_empty()).then(|| unknown.join(", "))
}

/// Returns the type that a misspelled size may mean, in brackets. Families are not known here, so one that is misspelled
/// has no such advice.
fn near(name: &str) -> String {
    let meant = name.split_once('.').filter(|(_, size)| !SIZES.contains(size));
    let meant = meant.and_then(|(family, size)| Some((family, did_you_mean(size, SIZES)?)));
    meant.map(|(family, size)| format!(" (did you mean `{family}.{size}`?)")).unwrap_or_default()
}

/// What an image needs of the types of its instances.
#[derive(Debug, Clone, Copy)]
struct Firmware {
    by_uefi: bool,
    tpm: bool,
}

impl Firmware {
    /// Returns what the image needs that a build makes. A verification runs the source image itself.
    fn of_image(inputs: &Inputs, source: &Image) -> Self {
        let recipe = &inputs.recipe;
        let wanted = recipe.boot_mode.filter(|_| !inputs.is_verification);
        let tpm = recipe.tpm_support.is_some() && !inputs.is_verification;
        Self { by_uefi: firmware::boot_mode(wanted, source) == Some("uefi"), tpm: tpm || source.tpm_support.is_some() }
    }

    /// Returns what a type lacks, or `None` if it lacks nothing.
    fn lacking(self, name: &str, traits: &TypeTraits) -> Option<String> {
        let has_uefi = traits.boot_modes.is_empty() || traits.boot_modes.iter().any(|mode| mode == "uefi");
        match self {
            Self { by_uefi: true, .. } if !has_uefi => Some(format!("{name} does not support UEFI")),
            Self { tpm: true, .. } if !traits.has_tpm => Some(format!("{name} does not support NitroTPM")),
            _ => None,
        }
    }
}

impl fmt::Display for Firmware {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(if self.tpm { "UEFI and a TPM" } else { "UEFI" })
    }
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::fake::HOME;
    use goldsmith_model::definitions::Definitions;

    use super::near;
    use crate::State;
    use crate::testing::{Stack, Task};

    /// A stack whose source has this architecture, and whose first pipeline has these types.
    async fn stack(architecture: &str, types: &[&str], test: &[&str]) -> Stack {
        let stack = Stack::new().await;
        stack.cloud.edit_image(HOME, &stack.source().await, |image| image.architecture = architecture.to_owned());
        let store = stack.store();
        let mut small = store.infrastructure(&"small".parse().unwrap()).await.unwrap().unwrap();
        small.instance_types = to_owned(types);
        let mut web = store.pipeline(&"web".parse().unwrap()).await.unwrap().unwrap();
        web.image_tests_configuration.instance_types = to_owned(test);
        let (infrastructures, pipelines) = (vec![small], vec![web]);
        store.apply(&Definitions { infrastructures, pipelines, ..Definitions::default() }).await.unwrap();
        stack
    }

    #[tokio::test]
    async fn a_source_without_an_agent_is_rejected_before_a_launch() {
        let stack = stack("arm64", &["t4g.small"], &[]).await;
        stack.lose_agent("arm64");
        let refused = stack.run(&Task::new(State::Plan)).await.unwrap_err();
        let source = stack.source().await;
        let expected = format!(
            "the source image {source} is for arm64, but the package of this stack's functions has no agent-aarch64, which runs \
             documents on such instances: deploy a release that contains it"
        );
        assert!(refused.cause.contains(&expected), "{}", refused.cause);
        assert!(stack.cloud.requests().launches.is_empty());
    }

    #[tokio::test]
    async fn only_types_that_run_the_source_are_tried_and_tested() {
        for (architecture, types, tests, expected, tested) in [
            ("arm64", ["t3.small", "t4g.small"], &[][..], &["t4g.small"][..], "t4g.small"),
            ("x86_64", ["t3.small", "t4g.small"], &[], &["t3.small"], "t3.small"),
            ("arm64", ["m7g.large", "t4g.small"], &["c7gn.large"], &["m7g.large", "t4g.small"], "c7gn.large"),
            ("x86_64", ["nothing", "g4dn.xlarge"], &[], &["g4dn.xlarge"], "g4dn.xlarge"),
        ] {
            let stack = stack(architecture, &types, tests).await;
            stack.run(&Task::new(State::Plan)).await.unwrap();
            let plan = stack.record().await.plan;
            assert_eq!(
                (plan.launch.instance_types.as_slice(), &plan.tests),
                (&to_owned(expected)[..], &to_owned(&[tested]))
            );
            stack.run(&Task::new(State::Launch)).await.unwrap();
            assert_eq!(stack.cloud.requests().launches[0].1.instance_type, expected[0]);
        }
    }

    fn to_owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[tokio::test]
    async fn types_that_do_not_run_the_source_are_named_with_the_reason() {
        for (types, tests, said) in [
            (
                ["t3.small", "nothing"],
                &[][..],
                &[
                    "infrastructure configuration `small` names what is no instance type of eu-west-1: nothing",
                    "is for arm64, but no instance type of infrastructure configuration `small` can run it: t3.small is for \
                     x86_64: name a type of that architecture, or another source image (type-architecture, ",
                ][..],
            ),
            (
                ["t4g.smal", "t4g.2xlrge"],
                &[],
                &[
                    "infrastructure configuration `small` names what is no instance type of eu-west-1: t4g.smal (did you mean \
                   `t4g.small`?), t4g.2xlrge (did you mean `t4g.2xlarge`?): name a type that EC2 has there (type-unknown, ",
                ],
            ),
            (
                ["t3.small", "t4g.small"],
                &["t4g.small", "t3.small"],
                &["is for arm64, but the pipeline tests on a type that cannot run it: t3.small is for x86_64"],
            ),
            (
                ["t3.small", "t4g.small"],
                &["t4g.small", "t4g.smal"],
                &[
                    "the pipeline tests on what is no instance type of eu-west-1: t4g.smal (did you mean `t4g.small`?): name a \
                   type that EC2 has there (test-type-unknown, ",
                ],
            ),
        ] {
            let stack = stack("arm64", &types, tests).await;
            let error = stack.run(&Task::new(State::Plan)).await.unwrap_err();
            assert_eq!(error.error, "Goldsmith.Refused");
            for said in said {
                assert!(error.cause.contains(said), "{}", error.cause);
            }
            assert_eq!(
                error.cause.matches("architecture, `").count(),
                said.iter().filter(|text| text.contains("is for")).count()
            );
            assert!(stack.inventory().is_empty());
        }
    }

    #[test]
    fn a_size_that_is_misspelled_is_recognized() {
        assert_eq!(near("m7i.larg"), " (did you mean `m7i.large`?)");
        for other in ["t33.small", "small", "t3.", "t3.everything", ""] {
            assert_eq!(near(other), "", "{other}");
        }
    }
}

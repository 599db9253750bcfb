//! AMIs that exist already: tested with the tests of a pipeline.

use goldsmith_cloud::Parameters as _;
use goldsmith_cloud::aws::SsmParameters;
use goldsmith_store::{ImageStatus, StateStatus};
use serde_json::Value;

use super::Case;
use crate::definitions::Pipeline;
use crate::inventory::Resource;
use crate::stack::Stack;

pub(super) const CASES: &[(&str, Case)] =
    &[("an_ami_is_tested_with_a_pipelines_tests_and_stays_as_it_is", an_ami_is_tested)];

/// The result of `goldsmith test`, and its exit code.
fn verify(stack: &Stack, ami: &str) -> (i32, Value) {
    let arguments = ["test", ami, "--pipeline", "proven", "--local", "--output", "json"];
    let output = stack.goldsmith(&arguments);
    let json = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    (output.status.code().unwrap(), json)
}

fn told(stack: &Stack, arguments: &[&str]) -> String {
    let output = stack.goldsmith_by_endpoint(arguments);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The images and snapshots of a build, as they are in every Region.
fn images_of(stack: &Stack, build: &str) -> (Vec<Resource>, Vec<Resource>) {
    let all = stack.left_of(build);
    (all.images, all.snapshots)
}

fn an_ami_is_tested(stack: &Stack) {
    let steps = [("build", "Make", "touch /opt/proof"), ("test", "Find", "echo looking for it\ntest -e /opt/proof")];
    let pipeline = Pipeline { parameters: true, ..Pipeline::new("proven", &steps) };
    let built = stack.build(pipeline.write().path());
    assert_eq!(built.exit, 0, "{built:?}");
    let (image, before) = (stack.image(built.image()), images_of(stack, built.build()));
    let ami = &image.amis["eu-west-1"];

    let (code, passed) = verify(stack, ami);
    assert_eq!(
        (code, &passed["outcome"], &passed["tested"]),
        (0, &"verified".into(), &ami.as_str().into()),
        "{passed}"
    );
    let run = stack.image(passed["image"].as_str().unwrap());
    assert_eq!((run.status, run.is_verification, run.amis.len()), (ImageStatus::Verified, true, 0));
    assert_eq!(stack.left_of(&run.build).counts(), (0, 0, 0));
    let states = stack.block_on(stack.store().states(&run.build)).unwrap();
    let mut names: Vec<&str> = states.iter().map(|state| state.state.name()).collect();
    names.sort_unstable();
    assert_eq!(names, ["EndTest", "ExecuteTest", "Finish", "JudgeTests", "LaunchTest", "Plan"]);
    assert!(states.iter().all(|state| state.status == StateStatus::Succeeded));

    // The source belongs to another account, and lacks what the test looks for.
    let (code, failed) = verify(stack, &image.source_image);
    assert_eq!(
        (code, &failed["outcome"], &failed["tested"]),
        (1, &"failed".into(), &image.source_image.as_str().into())
    );
    assert_eq!(failed["failure"]["step"], "Find", "{failed}");
    let failed = stack.image(failed["image"].as_str().unwrap());
    assert_eq!((failed.status, failed.is_verification), (ImageStatus::Failed, true));
    assert_eq!(stack.left_of(&failed.build).counts(), (0, 0, 0));

    assert_eq!(images_of(stack, built.build()), before);
    let named = stack.block_on(SsmParameters::new(stack.sdk()).get("eu-west-1", "/images/proven")).unwrap().unwrap();
    assert_eq!(named.value, *ami);
    let (runs, images) = (told(stack, &["images", "--verifications", "proven"]), told(stack, &["images", "proven"]));
    for (run, status) in [(&run, "VERIFIED"), (&failed, "FAILED")] {
        let row =
            runs.lines().find(|line| line.starts_with(&run.image.to_string())).unwrap_or_else(|| panic!("{runs}"));
        assert!(row.contains(status) && row.ends_with(&run.source_image), "{row}");
        assert!(!images.contains(&run.image.to_string()), "{images}");
        let shown = told(stack, &["show", &run.image.to_string()]);
        let first: Vec<&str> = shown.split_whitespace().take(2).collect();
        assert_eq!(first, ["run", &run.image.to_string()], "{shown}");
        assert!(told(stack, &["logs", &run.build]).contains("looking for it"));
    }
    // The pipeline's next build is no different: the run has taken only a number.
    let next = stack.build(pipeline.write().path());
    assert_eq!((next.exit, next.image()), (0, "proven/1.0.0/4"), "{next:?}");
}

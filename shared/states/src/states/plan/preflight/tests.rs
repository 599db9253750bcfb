//! Tests of each problem alone, of all of them at once, and of none.

use std::path::Path;
use std::sync::Arc;

use futures_util::FutureExt as _;
use goldsmith_cloud::fake::{ACCOUNT, AMAZON, Fault, HOME};
use goldsmith_cloud::{DefaultEncryption, Kind, Parameter};
use goldsmith_model::definitions::{Definitions, Draft, SourceFile};
use goldsmith_model::{
    BlockDeviceMapping, Distribution, DistributionConfiguration, Ebs, ExecutionInput, ImagePipeline, ImageRecipe,
    InfrastructureConfiguration, LaunchPermission, PublishedTemplate,
};
use goldsmith_store::{MemoryTable, Store};
use serde_json::{Value, json};

use super::super::finding::Finding;
use super::super::resolve::{Viewer, resolve};
use super::examine;
use crate::testing::{AWAY, Stack, Task};
use crate::{Context, State};

/// A stack, its definitions, and the input of a start.
struct Scene {
    stack: Stack,
    recipe: ImageRecipe,
    infrastructure: InfrastructureConfiguration,
    distribution: DistributionConfiguration,
    pipeline: ImagePipeline,
    input: Value,
    viewer: Viewer,
    source: String,
}

impl Scene {
    async fn new() -> Self {
        let (stack, name) = (Stack::new().await, "web".parse().unwrap());
        let store = stack.store();
        let mut recipe = store.best_recipe(&name, "x.x.x".parse().unwrap()).await.unwrap().unwrap();
        recipe.version = "1.0.1".parse().unwrap();
        recipe.parent_image = "ssm:/images/base".parse().unwrap();
        let infrastructure = store.infrastructure(&"small".parse().unwrap()).await.unwrap().unwrap();
        let distribution = store.distribution(&"two".parse().unwrap()).await.unwrap().unwrap();
        let pipeline = store.pipeline(&name).await.unwrap().unwrap();
        let (input, viewer, source) = (json!({"pipeline": "web"}), Viewer::Stack, stack.source().await);
        let scene = Self { stack, recipe, infrastructure, distribution, pipeline, input, viewer, source };
        scene.put("/images/base", &scene.source, "aws:ec2:image");
        scene
    }

    fn put(&self, name: &str, value: &str, data_type: &str) {
        let parameter = Parameter { value: value.to_owned(), data_type: data_type.to_owned() };
        self.stack.cloud.cloud().parameters.put(HOME, name, &parameter).now_or_never().unwrap().unwrap();
    }

    fn map(&mut self, device: &str, ebs: Ebs) {
        self.recipe.block_device_mappings.push(BlockDeviceMapping { device_name: device.to_owned(), ebs });
    }

    /// Lets the start only test the source image.
    fn verify(&mut self) {
        self.input["from"] = json!({"at": "test", "image": self.source});
    }

    /// Adds a Region with this launch permission.
    fn go_to(&mut self, region: &str, permission: LaunchPermission) {
        let mut to = Distribution { region: region.to_owned(), ..Distribution::default() };
        to.ami_distribution_configuration.launch_permission = permission;
        self.distribution.distributions.push(to);
    }

    /// Adds a launch template to the second Region.
    fn publish_to(&mut self, template: &str) {
        let template = PublishedTemplate { template: template.to_owned(), set_default_version: true };
        self.distribution.distributions[1].launch_template_configurations.push(template);
    }

    async fn apply(&self) {
        let definitions = Definitions {
            recipes: vec![self.recipe.clone()],
            infrastructures: vec![self.infrastructure.clone()],
            distributions: vec![self.distribution.clone()],
            pipelines: vec![self.pipeline.clone()],
            ..Definitions::default()
        };
        self.stack.store().apply(&definitions).await.unwrap();
    }

    /// Everything that pre-flight finds.
    async fn findings(&self) -> Vec<Finding> {
        self.findings_with(&self.stack.context()).await
    }

    async fn findings_with(&self, context: &Context) -> Vec<Finding> {
        let mut findings = Vec::new();
        let input = ExecutionInput::parse(&self.input).unwrap();
        let pipeline = context.store.pipeline(&input.pipeline).await.unwrap().unwrap();
        let inputs = resolve(context, &input, &pipeline, self.viewer, &mut findings).await.unwrap();
        if let Some(inputs) = inputs {
            examine(context, &input, inputs, self.viewer, &mut findings).await.unwrap();
        }
        findings
    }

    /// Returns the message with which the Plan state refuses the build, or `None`.
    async fn refusal(&self) -> Option<String> {
        let task = Task { input: Some(self.input.clone()), ..Task::new(State::Plan) };
        let cause = self.stack.run(&task).await.err()?.cause;
        let told: Value = serde_json::from_str(&cause).unwrap();
        let cause: Value = serde_json::from_str(told["errorMessage"].as_str().unwrap()).unwrap();
        Some(cause["message"].as_str().unwrap().to_owned())
    }
}

fn names(findings: &[Finding]) -> Vec<&'static str> {
    let mut names: Vec<&str> = findings.iter().map(|finding| finding.problem.name()).collect();
    names.sort_unstable();
    names
}

fn accounts() -> LaunchPermission {
    LaunchPermission { user_ids: vec!["444455556666".to_owned()], ..LaunchPermission::default() }
}

fn everyone() -> LaunchPermission {
    LaunchPermission { user_groups: vec!["all".to_owned()], ..LaunchPermission::default() }
}

fn encrypted() -> Ebs {
    Ebs { encrypted: Some(true), ..Ebs::default() }
}

/// A change that makes one problem.
type SetUp = fn(&mut Scene);

/// Problems of definitions and the account, which may all occur in one build.
const TOGETHER: &[(&str, SetUp)] = &[
    ("definition-missing", |scene| {
        let ghost = json!({"name": "ghost", "version": "1.x.x"});
        scene.recipe.components.push(serde_json::from_value(ghost).unwrap());
    }),
    ("key-at-home", |scene| {
        let home = &mut scene.distribution.distributions[0].ami_distribution_configuration;
        home.kms_key_id = Some("alias/images".to_owned());
    }),
    ("source-owner", |scene| {
        scene.stack.cloud.edit_image(HOME, &scene.source, |image| {
            image.owner = "999988887777".to_owned();
            image.owner_alias = None;
        });
    }),
    ("source-product", |scene| {
        scene.stack.cloud.edit_image(HOME, &scene.source, |image| image.product_codes.push("4t9example".to_owned()));
    }),
    ("test-type-architecture", |scene| {
        scene.pipeline.image_tests_configuration.instance_types = vec!["t4g.small".to_owned()];
    }),
    ("agent-missing", |scene| scene.stack.lose_agent("x86_64")),
    ("type-not-offered", |scene| {
        scene.infrastructure.subnet_ids.push("subnet-a".to_owned());
        scene.stack.cloud.set_up(|account| {
            account.not_offered.extend(["t3.small", "t3a.small"].map(|name| (name.to_owned(), 'a')));
        });
    }),
    ("subnet-missing", |scene| {
        scene.infrastructure.subnet_ids.push("subnet-gone".to_owned());
        scene.stack.cloud.set_up(|account| {
            account.missing.insert("subnet-gone".to_owned());
        });
    }),
    ("security-group-missing", |scene| {
        scene.infrastructure.security_group_ids.push("sg-gone".to_owned());
        scene.stack.cloud.set_up(|account| {
            account.missing.insert("sg-gone".to_owned());
        });
    }),
    ("security-group-vpc", |scene| {
        scene.infrastructure.subnet_ids.push("subnet-b".to_owned());
        scene.infrastructure.security_group_ids.push("sg-2".to_owned());
        scene.stack.cloud.set_up(|account| {
            account.vpcs.insert("sg-2".to_owned(), "vpc-2".to_owned());
        });
    }),
    ("root-device", |scene| scene.map("/dev/sda1", Ebs { volume_size: Some(30), ..Ebs::default() })),
    ("volume-too-small", |scene| scene.map("/dev/xvda", Ebs { volume_size: Some(7), ..Ebs::default() })),
    ("ami-name-taken", |scene| drop(scene.stack.cloud.add_image(AWAY, ACCOUNT, "web 1.0.1-1"))),
    ("too-many-tags", |scene| {
        let tag = |number: usize| (format!("tag-{number}"), String::new());
        scene.recipe.tags.extend((0..30).map(tag));
        let home = &mut scene.distribution.distributions[0].ami_distribution_configuration;
        home.ami_tags.extend((30..45).map(tag));
    }),
    ("region-disabled", |scene| {
        scene.go_to("ap-east-1", LaunchPermission::default());
        scene.stack.cloud.set_up(|account| {
            account.disabled_regions.insert("ap-east-1".to_owned());
        });
    }),
    ("region-unknown", |scene| scene.go_to("eu-nowhere-1", LaunchPermission::default())),
    ("parameter-path", |scene| {
        let golden = json!({"parameterName": "/golden/web"});
        let home = &mut scene.distribution.distributions[0];
        home.ssm_parameter_configurations.push(serde_json::from_value(golden).unwrap());
    }),
    ("parameter-data-type", |scene| scene.put("/images/web", "ami-1", "text")),
    ("launch-template-missing", |scene| scene.publish_to("lt-0123456789abcdef0")),
    ("launch-template-tags", |scene| {
        scene.stack.cloud.add_launch_template(AWAY, "lt-0aaaaaaaaaaaaaaaa", "ami-1");
        scene.publish_to("name-lt-0aaaaaaaaaaaaaaaa");
    }),
    ("public-access-blocked", |scene| {
        scene.go_to("us-west-2", everyone());
        scene.stack.cloud.set_up(|account| {
            account.without_public_images.insert("us-west-2".to_owned());
        });
    }),
    ("shared-with-aws-key", |scene| scene.map("/dev/sdf", encrypted())),
    ("unchecked", |scene| {
        scene.go_to("eu-central-1", accounts());
        let denied = Fault::Refuse(Kind::Denied);
        scene.stack.cloud.fail_always("GetEbsEncryptionByDefault", "eu-central-1", denied);
    }),
];

/// Problems with which some of the others cannot occur.
const ALONE: &[(&str, SetUp)] = &[
    ("definition-missing", |scene| scene.pipeline.infrastructure_configuration = "nowhere".parse().unwrap()),
    ("source-missing", |scene| scene.recipe.parent_image = "ssm:/images/none".parse().unwrap()),
    ("source-missing", |scene| scene.recipe.parent_image = "ami-0123456789abcdef0".parse().unwrap()),
    ("source-missing", |scene| scene.recipe.parent_image = "pipeline:web".parse().unwrap()),
    ("source-unavailable", |scene| {
        let state = goldsmith_cloud::ImageState::Failed;
        scene.stack.cloud.edit_image(HOME, &scene.source, |image| image.state = state);
    }),
    ("source-parameter-denied", |scene| {
        scene.recipe.parent_image = "ssm:/team/base".parse().unwrap();
        scene.distribution.distributions[0].ssm_parameter_configurations.clear();
        scene.stack.cloud.fail_always("GetParameter", HOME, Fault::Refuse(Kind::Denied));
    }),
    ("source-parameter-path", |scene| {
        scene.viewer = Viewer::Person;
        scene.recipe.parent_image = "ssm:/source".parse().unwrap();
    }),
    ("type-architecture", |scene| scene.infrastructure.instance_types = vec!["t4g.small".to_owned()]),
    ("type-not-offered", |scene| {
        scene.infrastructure.subnet_ids.push("subnet-c".to_owned());
        scene.stack.cloud.set_up(|account| {
            account.zones.insert("subnet-c".to_owned(), 'c');
            // The build falls back to the second type, and the test has no second one.
            account.not_offered.insert(("t3.small".to_owned(), 'c'));
        });
    }),
    ("never-public", |scene| {
        scene.go_to("us-west-2", everyone());
        scene.map("/dev/xvda", Ebs { kms_key_id: Some("alias/own".to_owned()), ..encrypted() });
        let away = &mut scene.distribution.distributions[1].ami_distribution_configuration;
        away.kms_key_id = Some("alias/own".to_owned());
    }),
    ("shared-with-aws-key", |scene| {
        scene.stack.cloud.set_up(|account| {
            let by_default = DefaultEncryption { always: true, key: "alias/aws/ebs".to_owned() };
            account.encryption.insert(AWAY.to_owned(), by_default);
        });
    }),
    ("nothing-to-verify", |scene| {
        scene.pipeline.image_tests_configuration.image_tests_enabled = false;
        scene.verify();
    }),
    ("verified-profile", |scene| {
        scene.pipeline.allow_overrides = false;
        scene.infrastructure.instance_profile_name = Some("team-build".to_owned());
        scene.verify();
    }),
    ("test-type-architecture", |scene| {
        scene.pipeline.image_tests_configuration.instance_types = vec!["t4g.small".to_owned()];
        scene.verify();
    }),
    ("component-unused", |scene| scene.input["parameters"] = json!({"apache": {}})),
    ("parameter-unknown", |scene| scene.input["parameters"] = json!({"nginx": {"prt": "80"}})),
    ("parameter-value", |scene| scene.input["parameters"] = json!({"nginx": {"port": "81"}})),
];

#[tokio::test]
async fn each_problem_alone_is_found_alone() {
    for (name, set_up) in TOGETHER.iter().chain(ALONE) {
        let mut scene = Scene::new().await;
        set_up(&mut scene);
        scene.apply().await;
        let findings = scene.findings().await;
        assert_eq!(names(&findings), [*name], "{findings:?}");
        if scene.viewer == Viewer::Stack {
            let expected = findings[0].is_refusal().then(|| findings[0].to_string());
            assert_eq!(scene.refusal().await, expected, "{name}");
        }
    }
}

#[tokio::test]
async fn all_problems_of_a_build_are_found_at_once_and_nothing_is_begun() {
    let mut scene = Scene::new().await;
    TOGETHER.iter().for_each(|(_, set_up)| set_up(&mut scene));
    scene.apply().await;
    let findings = scene.findings().await;
    let mut expected: Vec<&str> = TOGETHER.iter().map(|(name, _)| *name).collect();
    // The image that is to be public has a product code, and an encrypted volume.
    expected.extend(["never-public", "never-public"]);
    expected.sort_unstable();
    assert_eq!(names(&findings), expected, "{findings:#?}");
    let (effects, refusals) =
        (scene.stack.cloud.effects().len(), findings.iter().filter(|one| one.is_refusal()).count());
    let message = scene.refusal().await.unwrap();
    assert!(message.starts_with(&format!("{refusals} problems:\n1. ")), "{message}");
    assert_eq!(scene.stack.cloud.effects().len(), effects, "nothing was written");
}

#[tokio::test]
async fn all_problems_of_a_start_are_found_at_once() {
    let mut scene = Scene::new().await;
    scene.input["parameters"] = json!({"apache": {}, "tomcat": {}, "nginx": {"prt": "80", "port": "81"}});
    scene.apply().await;
    let findings = scene.findings().await;
    assert_eq!(names(&findings), ["component-unused", "component-unused", "parameter-unknown", "parameter-value"]);
}

#[tokio::test]
async fn what_is_allowed_is_no_problem() {
    let mut scene = Scene::new().await;
    scene.infrastructure.subnet_ids = vec!["subnet-a".to_owned(), "subnet-b".to_owned()];
    scene.map("/dev/xvda", Ebs { volume_size: Some(8), kms_key_id: Some("alias/own".to_owned()), ..encrypted() });
    scene.map("/dev/sdf", Ebs { volume_size: Some(1), ..Ebs::default() });
    let away = &mut scene.distribution.distributions[1].ami_distribution_configuration;
    away.kms_key_id = Some("alias/own".to_owned());
    scene.go_to("us-west-2", LaunchPermission::default());
    let tags = [("goldsmith:stack", "goldsmith"), ("goldsmith:home", HOME)];
    let tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    scene.stack.cloud.add_tagged_launch_template(AWAY, "lt-0aaaaaaaaaaaaaaaa", "ami-1", &tags);
    scene.publish_to("lt-0aaaaaaaaaaaaaaaa");
    scene.apply().await;
    assert_eq!(scene.findings().await, []);
    assert_eq!(scene.refusal().await, None);
}

#[tokio::test]
async fn a_verification_is_not_checked_for_what_only_an_image_needs() {
    let mut scene = Scene::new().await;
    scene.map("/dev/sda1", Ebs { volume_size: Some(30), ..Ebs::default() });
    scene.go_to("eu-nowhere-1", LaunchPermission::default());
    scene.put("/images/web", "ami-1", "text");
    scene.infrastructure.instance_types = vec!["t4g.small".to_owned()];
    scene.pipeline.image_tests_configuration.instance_types = vec!["t3.small".to_owned()];
    scene.infrastructure.instance_profile_name = Some("team-build".to_owned());
    scene.verify();
    scene.apply().await;
    assert_eq!(scene.findings().await, []);
    assert_eq!(scene.refusal().await, None);
}

#[tokio::test]
async fn the_examples_have_no_problems() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/web-server");
    let path = folder.join("web-server.yml");
    let files = [SourceFile { path: path.display().to_string(), text: std::fs::read_to_string(&path).unwrap() }];
    let definitions = Draft::read(&files, &|path| std::fs::read_to_string(path)).check(&Default::default()).unwrap();
    let mut scene = Scene::new().await;
    scene.put("/goldsmith/examples/source", &scene.source, "aws:ec2:image");
    let mut context = scene.stack.context();
    context.store = Store::new(Arc::new(MemoryTable::new()));
    context.store.apply(&definitions).await.unwrap();
    scene.input["pipeline"] = json!(definitions.pipelines[0].name);
    for viewer in [Viewer::Stack, Viewer::Person] {
        scene.viewer = viewer;
        assert_eq!(scene.findings_with(&context).await, []);
    }
}

#[tokio::test]
async fn a_denied_read_is_at_most_a_warning_and_a_passing_fault_is_tried_again() {
    let reads = [
        "DescribeRegions",
        "DescribeSubnets",
        "DescribeSecurityGroups",
        "DescribeInstanceTypeOfferings",
        "GetEbsEncryptionByDefault",
        "GetEbsDefaultKmsKeyId",
        "GetImageBlockPublicAccessState",
    ];
    for read in reads {
        for (kind, refused) in [(Kind::Denied, false), (Kind::Invalid, false), (Kind::Throttled, true)] {
            let mut scene = Scene::new().await;
            scene.infrastructure.subnet_ids = vec!["subnet-a".to_owned()];
            scene.go_to("us-west-2", everyone());
            scene.apply().await;
            for region in [HOME, AWAY, "us-west-2"] {
                scene.stack.cloud.fail_always(read, region, Fault::Refuse(kind));
            }
            let task = Task::new(State::Plan);
            assert_eq!(scene.stack.run(&task).await.is_err(), refused, "{read} {kind:?}");
            scene.stack.cloud.heal();
            assert!(scene.stack.run(&task).await.is_ok(), "{read} {kind:?}");
        }
    }
}

#[tokio::test]
async fn an_overridden_image_is_neither_shared_nor_named_by_a_parameter() {
    let mut scene = Scene::new().await;
    let home = &mut scene.distribution.distributions[0];
    home.ami_distribution_configuration.launch_permission = everyone();
    scene.stack.cloud.set_up(|account| {
        account.without_public_images.insert(HOME.to_owned());
    });
    scene.put("/images/web", "ami-1", "text");
    scene.input["sourceImage"] = json!(scene.source);
    scene.apply().await;
    assert_eq!(scene.findings().await, []);
    scene.stack.cloud.add_image(HOME, AMAZON, "overridden web 1.0.1-1");
    assert_eq!(scene.findings().await, [], "a name of another account is free");
    scene.stack.cloud.add_image(HOME, ACCOUNT, "overridden web 1.0.1-1");
    assert_eq!(names(&scene.findings().await), ["ami-name-taken"]);
}

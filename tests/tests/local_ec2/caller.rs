//! A caller in an account and a Region, and what most cases do with instances.

use std::time::Duration;

use aws_sdk_ec2::client::Waiters as _;
use aws_sdk_ec2::config::Region;
use aws_sdk_ec2::config::retry::RetryConfig;
use aws_sdk_ec2::error::ProvideErrorMetadata;
use aws_sdk_ec2::operation::run_instances::builders::RunInstancesFluentBuilder;
use aws_sdk_ec2::types::{Image, Instance, InstanceStateName, InstanceType};
use aws_sdk_ssm::client::Waiters as _;
use aws_sdk_ssm::operation::get_command_invocation::GetCommandInvocationOutput;
use aws_sdk_ssm::operation::send_command::builders::SendCommandFluentBuilder;
use aws_sdk_ssm::types::{CommandInvocationStatus, InstanceInformationStringFilter, PingStatus};
use goldsmith_cloud::aws::{SdkConfig, with_keys};

/// What the suite's endpoint is started with, for its callers to sign with.
pub(crate) const SECRET: &str = "a-secret-of-the-suite";
/// How long a waiter may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);
/// Between two looks at what the SDK has no waiter for.
const PAUSE: Duration = Duration::from_millis(50);
/// Seconds that a script may run.
const EXECUTION: u32 = 600;

/// A caller.
#[derive(Clone)]
pub(crate) struct Aws {
    pub(crate) config: SdkConfig,
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) ec2: aws_sdk_ec2::Client,
    pub(crate) ssm: aws_sdk_ssm::Client,
}

impl Aws {
    /// The account is the access key.
    pub(crate) fn new(config: &SdkConfig, account: &str, region: &str) -> Self {
        let config = with_keys(config, account, SECRET).to_builder().region(Region::new(region.to_owned())).build();
        Aws {
            ec2: aws_sdk_ec2::Client::new(&config),
            ssm: aws_sdk_ssm::Client::new(&config),
            account: account.to_owned(),
            region: region.to_owned(),
            config,
        }
    }

    /// The same account in another Region.
    pub(crate) fn in_region(&self, region: &str) -> Self {
        Self::new(&self.config, &self.account, region)
    }

    /// Another account in the same Region.
    pub(crate) fn of(&self, account: &str) -> Self {
        Self::new(&self.config, account, &self.region)
    }

    /// The same caller, who takes the first answer.
    pub(crate) fn without_retries(&self) -> Self {
        let config = self.config.to_builder().retry_config(RetryConfig::disabled()).build();
        Self::new(&config, &self.account, &self.region)
    }

    /// The newest source image of the Region.
    pub(crate) async fn source(&self) -> String {
        let found = self.ssm.get_parameter().name("/aws/service/goldsmith-local/debian-12").send().await.unwrap();
        found.parameter.unwrap().value.unwrap()
    }

    /// A launch of one small instance.
    pub(crate) fn launching(&self, image: &str) -> RunInstancesFluentBuilder {
        self.ec2.run_instances().image_id(image).instance_type(InstanceType::T3Small).min_count(1).max_count(1)
    }

    /// An instance that runs and takes commands.
    pub(crate) async fn launch(&self, image: &str) -> String {
        self.launched(self.launching(image)).await
    }

    /// The same of a launch with more to it.
    pub(crate) async fn launched(&self, launch: RunInstancesFluentBuilder) -> String {
        let id = first_id(launch.send().await.unwrap().instances());
        self.ec2.wait_until_instance_running().instance_ids(&id).wait(PATIENCE).await.unwrap();
        self.online(&id).await;
        id
    }

    /// Waits until Systems Manager knows the instance.
    pub(crate) async fn online(&self, id: &str) {
        let filter = InstanceInformationStringFilter::builder().key("InstanceIds").values(id).build().unwrap();
        until("the agent", async || {
            let known = self.ssm.describe_instance_information().filters(filter.clone()).send().await.unwrap();
            let instance = self.instance(id).await;
            assert!(!is_over(&instance), "{:?}", instance.state_reason());
            let online = |one: &aws_sdk_ssm::types::InstanceInformation| one.ping_status == Some(PingStatus::Online);
            known.instance_information_list().iter().any(online).then_some(())
        })
        .await;
    }

    pub(crate) async fn instance(&self, id: &str) -> Instance {
        let found = self.ec2.describe_instances().instance_ids(id).send().await.unwrap();
        found.reservations()[0].instances()[0].clone()
    }

    pub(crate) async fn image(&self, id: &str) -> Image {
        self.ec2.describe_images().image_ids(id).send().await.unwrap().images()[0].clone()
    }

    pub(crate) async fn available(&self, image: &str) {
        self.ec2.wait_until_image_available().image_ids(image).wait(PATIENCE).await.unwrap();
    }

    pub(crate) async fn stop(&self, id: &str) {
        self.ec2.stop_instances().instance_ids(id).send().await.unwrap();
        self.ec2.wait_until_instance_stopped().instance_ids(id).wait(PATIENCE).await.unwrap();
    }

    pub(crate) async fn terminate(&self, id: &str) {
        self.ec2.terminate_instances().instance_ids(id).send().await.unwrap();
        self.ec2.wait_until_instance_terminated().instance_ids(id).wait(PATIENCE).await.unwrap();
    }

    /// An image of an instance, once it is available.
    pub(crate) async fn image_of(&self, instance: &str, name: &str) -> String {
        let made = self.ec2.create_image().instance_id(instance).name(name).send().await.unwrap();
        let image = made.image_id.unwrap();
        self.available(&image).await;
        image
    }

    /// The root snapshot of an image.
    pub(crate) async fn snapshot_of(&self, image: &str) -> String {
        let image = self.image(image).await;
        image.block_device_mappings()[0].ebs().unwrap().snapshot_id().unwrap().to_owned()
    }

    /// A command that is to run `script`, for `seconds` at most.
    pub(crate) fn sending(&self, instance: &str, script: &str, seconds: u32) -> SendCommandFluentBuilder {
        let lines = script.lines().map(str::to_owned).collect();
        let send = self.ssm.send_command().document_name("AWS-RunShellScript").instance_ids(instance);
        send.parameters("commands", lines).parameters("executionTimeout", vec![seconds.to_string()])
    }

    /// Sends a script; the command's id.
    pub(crate) async fn send(&self, instance: &str, script: &str) -> String {
        let sent = self.sending(instance, script, EXECUTION).send().await.unwrap();
        sent.command.unwrap().command_id.unwrap()
    }

    /// Waits for the end of a command, whatever it is.
    pub(crate) async fn ended(&self, command: &str, instance: &str) -> GetCommandInvocationOutput {
        until("the command's end", async || {
            let get = self.ssm.get_command_invocation().command_id(command).instance_id(instance);
            let found = get.send().await.unwrap();
            let open = [CommandInvocationStatus::Pending, CommandInvocationStatus::InProgress];
            (!open.contains(found.status().unwrap())).then_some(found)
        })
        .await
    }

    /// What a script that must succeed prints.
    pub(crate) async fn run(&self, instance: &str, script: &str) -> String {
        let command = self.send(instance, script).await;
        let wait = self.ssm.wait_until_command_executed().command_id(command).instance_id(instance);
        let ended = wait.wait(PATIENCE).await.unwrap().into_result().unwrap();
        ended.standard_output_content.unwrap()
    }
}

fn is_over(instance: &Instance) -> bool {
    let over = [InstanceStateName::ShuttingDown, InstanceStateName::Terminated];
    instance.state().and_then(|state| state.name()).is_some_and(|name| over.contains(name))
}

/// Id of the first of these instances.
pub(crate) fn first_id(instances: &[Instance]) -> String {
    instances[0].instance_id().unwrap().to_owned()
}

/// The code with which a call was refused.
#[track_caller]
pub(crate) fn code<T, E: ProvideErrorMetadata>(answer: Result<T, E>) -> String {
    let error = answer.err().expect("it is refused");
    error.code().expect("a refusal has a code").to_owned()
}

/// Waits until `look` finds something.
pub(crate) async fn until<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let began = std::time::Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
        tokio::time::sleep(PAUSE).await;
    }
}

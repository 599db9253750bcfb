//! Codes of Systems Manager.

use aws_sdk_ssm::types::InstanceInformationStringFilter;
use serde_json::json;

use super::{Met, NO_INSTANCE};
use crate::local::Local;

/// Well formed, and unknown.
const NO_COMMAND: &str = "01234567-89ab-cdef-0123-456789abcdef";

pub(super) async fn meet(met: &mut Met, local: &Local) {
    let aws = local.aws("100000000025");
    let ssm = &aws.ssm;
    let id = aws.launch(local.source()).await;
    let send = aws.sending(&id, "true", 60);
    met.refused("InvalidInstanceId", aws.sending(NO_INSTANCE, "true", 60).send().await);
    met.refused("InvalidDocument", send.clone().document_name("AWS-Other").send().await);
    met.refused("InvalidParameters", send.clone().set_parameters(None).send().await);
    met.refused("ValidationException", send.comment("c".repeat(101)).send().await);
    aws.terminate(&id).await;
    let get = ssm.get_command_invocation().command_id(NO_COMMAND).instance_id(&id);
    met.refused("InvocationDoesNotExist", get.send().await);
    met.refused("InvalidCommandId", ssm.cancel_command().command_id(NO_COMMAND).send().await);
    met.refused("InvalidNextToken", ssm.list_commands().next_token("x").send().await);
    met.refused("ParameterNotFound", ssm.get_parameter().name("/aws/service/none").send().await);
    let filter = InstanceInformationStringFilter::builder().key("Nonsense").values("x").build().unwrap();
    met.refused("InvalidFilterKey", ssm.describe_instance_information().filters(filter).send().await);
    let filter = |key: &str| InstanceInformationStringFilter::builder().key(key).values("x").build().unwrap();
    let both = ssm.describe_instance_information().filters(filter("tag:role")).filters(filter("InstanceIds"));
    met.refused("InvalidInstanceInformationFilterValue", both.send().await);
    met.refused("ValidationException", ssm.describe_instance_information().max_results(4).send().await);
    met.refused("UnknownOperationException", ssm.list_documents().send().await);
    // Where the emulator behind it cannot be reached, and where it has 100 versions of which the oldest has a label.
    for code in ["InternalServerError", "ParameterMaxVersionLimitExceeded"] {
        let when = json!({"action": "PutParameter"});
        local.arm(&aws.account, json!([{"when": when, "do": "fail", "code": code}]));
        let put = aws.without_retries().ssm.put_parameter().name("/a").value("a");
        met.refused(code, put.send().await);
    }
}

//! Errors of Systems Manager arrive as the SDK's own types, and EC2's with their code and message.

use aws_sdk_ec2::error::ProvideErrorMetadata as _;

use crate::local::Local;

/// Well formed, and unknown.
const NOBODY: &str = "i-0123456789abcdef0";
const NO_COMMAND: &str = "01234567-89ab-cdef-0123-456789abcdef";

/// The service's error, which must be of this kind.
macro_rules! assert_kind {
    ($call:expr, $kind:ident) => {
        let error = $call.send().await.err().expect("it is refused").into_service_error();
        assert!(error.$kind(), "{error:?}");
        assert!(error.message().is_some_and(|message| !message.is_empty()), "{error:?}");
    };
}

pub(crate) async fn errors_are_read_as_their_types(local: &Local) {
    let aws = local.aws("100000000010");
    let id = aws.launch(local.source()).await;
    assert_kind!(aws.sending(NOBODY, "true", 60), is_invalid_instance_id);
    assert_kind!(aws.of("200000000010").sending(&id, "true", 60), is_invalid_instance_id);
    assert_kind!(aws.sending(&id, "true", 60).document_name("AWS-Other"), is_invalid_document);
    assert_kind!(aws.sending(&id, "true", 0), is_invalid_parameters);
    let sent = aws.send(&id, "true").await;
    let get = aws.ssm.get_command_invocation();
    assert_kind!(get.clone().command_id(NO_COMMAND).instance_id(&id), is_invocation_does_not_exist);
    assert_kind!(get.command_id(&sent).instance_id(NOBODY), is_invocation_does_not_exist);
    assert_kind!(aws.ssm.cancel_command().command_id(NO_COMMAND), is_invalid_command_id);
    assert_kind!(aws.ssm.list_commands().next_token("x"), is_invalid_next_token);
    assert_kind!(aws.ssm.list_command_invocations().next_token("x"), is_invalid_next_token);
    assert_kind!(aws.ssm.get_parameter().name("/aws/service/none"), is_parameter_not_found);
    let filter = aws_sdk_ssm::types::InstanceInformationStringFilter::builder().key("Nonsense").values("x").build();
    assert_kind!(aws.ssm.describe_instance_information().filters(filter.unwrap()), is_invalid_filter_key);

    let refused = aws.ec2.describe_instances().instance_ids(NOBODY).send().await.unwrap_err();
    let answer = refused.raw_response().unwrap();
    assert_eq!(answer.status().as_u16(), 400);
    assert_eq!(refused.code(), Some("InvalidInstanceID.NotFound"));
    assert_eq!(refused.message(), Some("The instance ID 'i-0123456789abcdef0' does not exist"));
    aws.terminate(&id).await;
}

//! Handles one request: distinguishes the four protocols, performs the call, and applies the fault that it triggers.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{Method, Request, Response};

use crate::api::{ApiError, NoAnswer, Reply, Scope, UNKNOWN_CREDENTIALS};
use crate::door::Door;
use crate::endpoint::Endpoint;
use crate::faults::{CallFacts, CallFault};
use crate::request_limits::RequestLimits;
use crate::secret::SHOWN;
use crate::{admin, ebs, ec2, ids, ssm};

/// Handles one request, and returns its answer.
pub(crate) async fn handle(
    endpoint: Arc<Endpoint>,
    door: Door,
    limits: RequestLimits,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, NoAnswer> {
    let (head, body) = request.into_parts();
    if let Some(reason) = door.refusal(&head.headers) {
        tracing::warn!(reason, "a request is refused");
        return respond(Reply { status: 403, ..refuse(&head, &ApiError::new("AccessDenied", reason)) });
    }
    let Some(body) = limits.read(body).await? else { return respond(too_large(&head)) };
    if !knows_secret(&endpoint, &head, &body) {
        return respond(unknown(&head));
    }
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(route) = head.uri.path().strip_prefix("/_local/") {
        let answer = admin::handle(&endpoint, &head.method, route, &body).await;
        return respond(answer.into());
    }
    let scope = Scope::of_request(header("authorization"), header("x-goldsmith-account"));
    let call = if ebs::is_path(head.uri.path()) {
        Call::Ebs(ebs::Request::read(&head, body))
    } else if head.method != Method::POST {
        // EC2 accepts GET too, but no AWS client sends it, whereas images and links of a web page do.
        let error = ApiError::new("InvalidAction", "Calls are made by POST.");
        return respond(Reply { status: 405, ..refuse(&head, &error) });
    } else {
        let denied_keys = header(DENIED_KEYS).unwrap_or_default();
        query_or_json(header("x-amz-target"), head.uri.query(), body, denied_keys)
    };
    respond(answer(&endpoint, &scope, &call).await?)
}

/// Returns whether the sender of a request knows the secret. AWS calls are signed with it. Other requests show it in a
/// header, and so does the emulator for calls that it forwards, whose own signatures it has verified.
fn knows_secret(endpoint: &Endpoint, head: &Parts, body: &[u8]) -> bool {
    let is_signed = || !matches!(Service::of(head), Service::Admin) && endpoint.secret.has_signed(head, body);
    endpoint.secret.is_shown(head) || is_signed()
}

/// Returns a service's answer to credentials that it does not know (common errors of AWS's APIs).
fn unknown(head: &Parts) -> Reply {
    let what = "sign with the secret access key that the endpoint has printed";
    let error = match Service::of(head) {
        Service::Ec2 => ApiError::new("AuthFailure", format!("{UNKNOWN_CREDENTIALS}: {what}")),
        Service::Admin => {
            ApiError::new("AccessDenied", format!("the header {SHOWN} must contain the endpoint's secret"))
        }
        Service::Ebs | Service::Ssm => {
            let message = format!("The security token included in the request is invalid: {what}.");
            ApiError::new("UnrecognizedClientException", message)
        }
    };
    let reply = refuse(head, &error);
    let status = if reply.status == 400 { 403 } else { reply.status };
    Reply { status, ..reply }
}

/// Returns a service's answer to a body that is too large (for EC2, from public reports of Karpenter; otherwise, from
/// the common errors of AWS's APIs).
fn too_large(head: &Parts) -> Reply {
    let of_ec2 = "The request failed because the payload for the body of the request is too large.";
    refuse(
        head,
        &match Service::of(head) {
            Service::Ec2 => ApiError::new("InvalidInput", of_ec2),
            _ => ApiError::new("RequestEntityTooLargeException", "The request entity is too large."),
        },
    )
}

/// The service that a request is for, according to its head.
enum Service {
    Admin,
    Ebs,
    Ssm,
    Ec2,
}

impl Service {
    fn of(head: &Parts) -> Self {
        if head.uri.path().starts_with("/_local/") {
            Service::Admin
        } else if ebs::is_path(head.uri.path()) {
            Service::Ebs
        } else if head.headers.contains_key("x-amz-target") {
            Service::Ssm
        } else {
            Service::Ec2
        }
    }
}

/// Returns the answer to a request that is not performed, in the error format of its service.
fn refuse(head: &Parts, error: &ApiError) -> Reply {
    match Service::of(head) {
        Service::Admin => admin::refuse(error).into(),
        Service::Ebs => ebs::refuse(error.clone()),
        Service::Ssm => ssm::answer(Err(error.clone())).into(),
        Service::Ec2 => ec2::answer(&ec2::Params::parse(None, &[]), Err(error.clone())).into(),
    }
}

/// Header with the ARNs of the keys that the caller may not use according to its policies. The emulator, which knows
/// these policies, sends it.
const DENIED_KEYS: &str = "x-goldsmith-denied-keys";

/// Returns the call of EC2 or Systems Manager.
fn query_or_json(target: Option<&str>, query: Option<&str>, body: Bytes, denied_keys: &str) -> Call {
    match target.and_then(|target| target.strip_prefix("AmazonSSM.")) {
        Some(action) if ssm::HANDED_ON.contains(&action) => Call::HandedOn { action: action.to_owned(), body },
        Some(action) => Call::Ssm { action: action.to_owned(), body },
        None => Call::Ec2 { params: ec2::Params::parse(query, &body), denied_keys: denied_keys.to_owned() },
    }
}

enum Call {
    Ec2 {
        params: ec2::Params,
        /// ARNs, separated by commas.
        denied_keys: String,
    },
    Ebs(ebs::Request),
    Ssm {
        action: String,
        body: Bytes,
    },
    /// A call of Systems Manager that the emulator performs. It passes through here so that faults apply to it.
    HandedOn {
        action: String,
        body: Bytes,
    },
}

impl Call {
    fn action(&self) -> &str {
        match self {
            Call::Ec2 { params, .. } => params.get("Action").unwrap_or_default(),
            Call::Ebs(request) => request.action(),
            Call::Ssm { action, .. } | Call::HandedOn { action, .. } => action,
        }
    }

    /// Returns the facts by which a fault can match the call.
    fn facts(&self) -> CallFacts<'_> {
        let action = self.action();
        match self {
            Call::Ec2 { params, .. } => CallFacts {
                action,
                instance_type: params.get("InstanceType"),
                subnet: params.get("SubnetId").or(params.get("NetworkInterface.1.SubnetId")),
            },
            _ => CallFacts { action, ..CallFacts::default() },
        }
    }

    async fn perform(&self, endpoint: &Arc<Endpoint>, scope: &Scope, fault: Option<&CallFault>) -> Reply {
        let refusal = match fault {
            Some(CallFault::Fail(error)) => Some(error.clone()),
            _ if endpoint.settings().disabled_regions.contains(&scope.region) => Some(self.not_enabled()),
            // A call that deletes something may free the space that is missing.
            _ if self.takes_away() => None,
            _ => self.not_written(endpoint),
        };
        let reply = match refusal {
            Some(error) => return self.refuse(error),
            None => self.carry_out(endpoint, scope, fault).await,
        };
        // The effect of the call may or may not last, as after any failure of a service.
        match self.not_written(endpoint) {
            Some(error) if reply.status < 400 => self.refuse(error),
            _ => reply,
        }
    }

    async fn carry_out(&self, endpoint: &Arc<Endpoint>, scope: &Scope, fault: Option<&CallFault>) -> Reply {
        match self {
            Call::Ec2 { params, denied_keys } => {
                let role_refusal = ec2::export_image::role_refusal(endpoint, scope, params).await;
                let role_refusal = role_refusal.as_ref();
                let call = ec2::Call { endpoint, scope, params, denied_keys, role_refusal, fault };
                ec2::answer(params, ec2::perform(&call)).into()
            }
            Call::Ebs(request) => ebs::perform(endpoint, scope, request).await,
            Call::Ssm { action, body } => {
                let call = ssm::Call { endpoint, scope, body, fault };
                ssm::answer(ssm::perform(&call, action)).into()
            }
            Call::HandedOn { action, body } => ssm::perform_there(endpoint, scope, action, body).await.into(),
        }
    }

    fn refuse(&self, error: ApiError) -> Reply {
        match self {
            Call::Ec2 { params, .. } => ec2::answer(params, Err(error)).into(),
            Call::Ebs(_) => ebs::refuse(error),
            Call::Ssm { .. } | Call::HandedOn { .. } => ssm::answer(Err(error)).into(),
        }
    }

    /// Returns whether the call may change the world.
    fn changes_world(&self) -> bool {
        let reads = ["Describe", "Get", "List"].iter().any(|verb| self.action().starts_with(verb));
        match self {
            Call::Ec2 { params, .. } => !reads && !params.flag("DryRun"),
            Call::Ebs(_) | Call::Ssm { .. } => !reads,
            Call::HandedOn { .. } => false,
        }
    }

    fn takes_away(&self) -> bool {
        ["Terminate", "Deregister", "Delete", "Cancel"].iter().any(|verb| self.action().starts_with(verb))
    }

    /// Returns the error of a call that changes the world if the world cannot be written to its file. A success would
    /// promise that the change lasts.
    fn not_written(&self, endpoint: &Endpoint) -> Option<ApiError> {
        let reason = self.changes_world().then(|| endpoint.unwritten())??;
        let code = match self {
            Call::Ec2 { .. } => "InternalError",
            Call::Ebs(_) => "InternalServerException",
            Call::Ssm { .. } | Call::HandedOn { .. } => "InternalServerError",
        };
        Some(ApiError::new(code, reason))
    }

    /// Returns the error of a Region that is not enabled: such a Region does not know the account's credentials.
    fn not_enabled(&self) -> ApiError {
        match self {
            Call::Ec2 { .. } => ApiError::new("AuthFailure", UNKNOWN_CREDENTIALS),
            _ => ApiError::new("UnrecognizedClientException", "The security token included in the request is invalid."),
        }
    }

    /// Returns the instance that a call or its answer names.
    fn instance(&self, reply: &Reply) -> Option<String> {
        let request = match self {
            Call::Ec2 { params, .. } => params.values().collect::<Vec<_>>().join(" "),
            Call::Ebs(_) => return None,
            Call::Ssm { body, .. } | Call::HandedOn { body, .. } => String::from_utf8_lossy(body).into_owned(),
        };
        [request.as_str(), &String::from_utf8_lossy(&reply.body)].into_iter().find_map(instance_id_in)
    }
}

fn instance_id_in(text: &str) -> Option<String> {
    let mut words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-');
    // Calls and answers have many forms. An id of an instance looks the same in all of them.
    words.find(|word| word.strip_prefix("i-").is_some_and(|hex| hex.len() == 17)).map(str::to_owned)
}

async fn answer(endpoint: &Arc<Endpoint>, scope: &Scope, call: &Call) -> Result<Reply, NoAnswer> {
    let fault = endpoint.faults.on_call(&call.facts(), scope);
    if fault == Some(CallFault::Cut) {
        return Err(NoAnswer);
    }
    let mut release = endpoint.faults.next_release();
    // The effect comes first for all faults but `fail` and `cut`: a lost answer is about a call that has happened.
    let answer = call.perform(endpoint, scope, fault.as_ref()).await;
    tracing::info!(action = call.action(), %scope, status = answer.status, ?fault, "call");
    let instance = || call.instance(&answer);
    match fault {
        Some(CallFault::DropAnswer) => return Err(NoAnswer),
        // An error means that the endpoint ends, which also releases the call.
        Some(CallFault::Hold) => release.changed().await.unwrap_or_default(),
        Some(CallFault::Delay(time)) => tokio::time::sleep(time).await,
        Some(CallFault::EndInstance) => instance().iter().for_each(|id| endpoint.clone().lose_instance(id)),
        Some(CallFault::Interrupt) => instance().iter().for_each(|id| endpoint.clone().interrupt(id)),
        _ => {}
    }
    Ok(answer)
}

fn respond(reply: Reply) -> Result<Response<Full<Bytes>>, NoAnswer> {
    let mut response = Response::builder()
        .status(reply.status)
        .header("content-type", reply.content_type)
        .header("x-amzn-requestid", ids::uuid());
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    response.body(Full::new(reply.body)).map_err(|_| NoAnswer)
}

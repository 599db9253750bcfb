//! Checks the caller, and whether the session of the caller is still valid.

use std::error::Error;

use goldsmith_cloud::aws::SdkConfig;
use goldsmith_cloud::{CloudError, Kind};
use goldsmith_cloud_account::caller;

use super::finding::Finding;
use crate::args::Globals;

const NAME: &str = "credentials";

pub(super) async fn examine(globals: &Globals, config: &SdkConfig) -> Finding {
    match caller(config).await {
        Ok(caller) => Finding::good(NAME, format!("AWS knows the caller as {}.", caller.arn)),
        Err(error) => judge(&error, globals.profile.as_deref()),
    }
}

/// Judges the credentials by the error of the service or of the credentials provider.
fn judge(error: &CloudError, profile: Option<&str>) -> Finding {
    let flag = profile.map(|profile| format!(" --profile {profile}")).unwrap_or_default();
    let sign_in = format!("Sign in again: `aws sso login{flag}`, or `aws login{flag}`.");
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    let causes: Vec<String> = causes.map(ToString::to_string).collect();
    match error.code.as_str() {
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => {
            Finding::problem(NAME, "The session of these credentials has expired.", sign_in)
        }
        "InvalidClientTokenId" | "UnrecognizedClientException" => {
            let remedy = "Use a key that exists and is active: `aws configure` sets one.";
            Finding::problem(NAME, "AWS does not know this access key.", remedy)
        }
        "SignatureDoesNotMatch" | "InvalidSignatureException" => {
            let remedy = "Set the secret access key again, and check this machine's clock.";
            Finding::problem(NAME, "The secret access key does not belong to the access key.", remedy)
        }
        "NoCredentials" if causes.iter().any(|cause| is_over(cause)) => {
            Finding::problem(NAME, "The session of these credentials has expired.", sign_in)
        }
        "NoCredentials" => {
            // If no source of credentials is set up, the SDK lists every source that it has tried.
            let asked = causes.last().filter(|_| error.kind != Kind::Denied);
            let said =
                asked.and_then(|cause| cause.lines().next()).map(|cause| format!(": {cause}")).unwrap_or_default();
            let remedy = format!(
                "Give --profile, set AWS_PROFILE, or sign in: `aws sso login{flag}`, or `aws login{flag}`. A profile with \
                 `credential_process` needs its program to work: run it by hand."
            );
            Finding::problem(NAME, format!("There are no usable AWS credentials{said}."), remedy)
        }
        _ => Finding::problem(NAME, format!("{error}."), "Check the network and the Region, then try again."),
    }
}

/// Returns whether a provider reports that a session has ended, in the words of the SDK's providers.
fn is_over(cause: &str) -> bool {
    let cause = cause.to_ascii_lowercase();
    ["expired", "session is over", "token has been revoked", "unauthorizedexception"]
        .iter()
        .any(|word| cause.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: &str, source: Option<&str>) -> CloudError {
        CloudError {
            operation: "GetCallerIdentity",
            region: "eu-west-1".to_owned(),
            kind: Kind::Denied,
            code: code.to_owned(),
            message: "no".to_owned(),
            source: source.map(|source| source.to_owned().into()),
        }
    }

    #[test]
    fn each_kind_of_trouble_has_its_own_remedy() {
        let cases = [
            ("ExpiredToken", None, "aws sso login --profile p"),
            ("NoCredentials", Some("the SSO token has expired"), "aws sso login --profile p"),
            ("NoCredentials", Some("no providers in chain provided credentials"), "credential_process"),
            ("InvalidClientTokenId", None, "aws configure"),
            ("SignatureDoesNotMatch", None, "clock"),
            ("NoAnswer", None, "network"),
        ];
        for (code, source, remedy) in cases {
            let found = judge(&error(code, source), Some("p"));
            assert!(found.remedy.as_ref().is_some_and(|told| told.contains(remedy)), "{code}: {found:?}");
        }
        let nowhere =
            judge(&error("NoCredentials", Some("no credentials found in chain. Attempted:\n  Environment")), None);
        assert_eq!(nowhere.message, "There are no usable AWS credentials.");
        let asked =
            CloudError { kind: Kind::Unanswered, ..error("NoCredentials", Some("the program failed\nat once")) };
        assert_eq!(judge(&asked, None).message, "There are no usable AWS credentials: the program failed.");
        let found = judge(&error("NoCredentials", Some("the SSO token has expired")), None);
        assert!(found.remedy.unwrap().contains("`aws sso login`"));
    }
}

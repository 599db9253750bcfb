//! The commands that messages tell a person to run. They name the same stack, account and Region.

use crate::args::Globals;
use crate::deployment::Ways;
use crate::local;

impl Globals {
    /// Returns how to call Goldsmith again for the same stack.
    pub(crate) fn again(&self) -> String {
        let mut call = "goldsmith".to_owned();
        if self.stack != "goldsmith" {
            call = format!("{call} --stack {}", self.stack);
        }
        if self.local {
            call.push_str(" --local");
        }
        let (profile, endpoint_url) = (self.profile.as_deref(), self.endpoint_url.as_deref());
        with_given(call, &[("--profile", profile), ("--region", self.region()), ("--endpoint-url", endpoint_url)])
    }

    /// Returns how to call the AWS CLI for the same account and Region.
    pub(crate) fn aws(&self) -> String {
        self.aws_in(self.region())
    }

    /// Returns how to call the AWS CLI for a Region, or for the configured Region if it is `None`. For the local AWS,
    /// the call contains its address and its keys: without them, the AWS CLI would call the configured account.
    pub(crate) fn aws_in(&self, region: Option<&str>) -> String {
        if self.local
            && let Some(call) = local::aws(&self.stack, region)
        {
            return call;
        }
        let (profile, endpoint_url) = (self.profile.as_deref(), self.endpoint_url.as_deref());
        with_given("aws".to_owned(), &[("--profile", profile), ("--region", region), ("--endpoint-url", endpoint_url)])
    }

    /// Returns both calls for a deployment.
    pub(crate) fn ways(&self) -> Ways {
        Ways { again: self.again(), aws: self.aws() }
    }
}

/// Returns a call with the flags that have a value.
fn with_given(call: String, flags: &[(&str, Option<&str>)]) -> String {
    let given = flags.iter().filter_map(|(flag, value)| Some((flag, (*value)?)));
    given.fold(call, |call, (flag, value)| format!("{call} {flag} {value}"))
}

#[cfg(test)]
mod tests {
    use crate::testing::globals;

    #[test]
    fn the_next_call_names_the_same_stack() {
        for flags in ["", " --stack two --local", " --profile p --region eu-west-1"] {
            assert_eq!(globals(flags).again(), format!("goldsmith{flags}"));
        }
    }

    #[test]
    fn the_aws_cli_is_called_for_the_same_account_and_region() {
        let other = globals("--stack s --profile p --region eu-west-1");
        assert_eq!(other.aws(), "aws --profile p --region eu-west-1");
        assert_eq!(other.aws_in(Some("us-east-1")), "aws --profile p --region us-east-1");
        let own = globals("--endpoint-url http://127.0.0.1:4566");
        assert_eq!(own.aws(), "aws --endpoint-url http://127.0.0.1:4566");
    }
}

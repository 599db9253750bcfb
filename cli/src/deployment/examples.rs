//! The source image of the examples: an account and Region has one parameter for it, which belongs to one of the stacks
//! there.

use anyhow::Result;
use goldsmith_cloud::{Kind, Parameters};

/// The template's parameter that says whether a stack owns that parameter, and its value for a stack that does not.
pub(super) const PARAMETER: &str = "Examples";
pub(super) const NO: &str = "no";
/// Name of the parameter in Systems Manager.
const SOURCE: &str = "/goldsmith/examples/source";
pub(super) const NOTE: &str = "/goldsmith/examples/source already exists and belongs to another stack in this Region: this stack is deployed with \
                               Examples=no, and its examples build from the same image.";

/// Returns whether the parameter already exists before this stack is created: otherwise, CloudFormation would try to
/// create it again and roll the deployment back. If the parameter cannot be read, CloudFormation reports the conflict.
pub(super) async fn belong_to_another(parameters: &dyn Parameters, region: &str) -> Result<bool> {
    match parameters.get(region, SOURCE).await {
        Ok(found) => Ok(found.is_some()),
        Err(error) if error.kind == Kind::Denied => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::Parameter;
    use goldsmith_cloud::fake::{FakeCloud, HOME};

    use super::*;

    #[tokio::test]
    async fn only_the_first_stack_of_a_region_owns_the_examples_source() {
        let cloud = FakeCloud::new();
        assert!(!belong_to_another(&cloud, HOME).await.unwrap());
        let source = Parameter { value: "ami-1".to_owned(), data_type: "text".to_owned() };
        Parameters::put(&cloud, HOME, SOURCE, &source).await.unwrap();
        assert!(belong_to_another(&cloud, HOME).await.unwrap());
    }
}

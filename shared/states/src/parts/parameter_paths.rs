//! Paths of the parameters that the stack's roles may read and write, as in the template.

/// The path of AWS's public parameters. Nobody else can write one ("Working with public parameters", Systems Manager user
/// guide), so none of them names an image of this account.
pub(crate) const OF_AWS: &str = "/aws/service/";
/// The path of the examples' sources.
pub(crate) const EXAMPLES: &str = "/goldsmith/examples/";

/// Returns the path of the stack's own parameters, below its `ImageParameterPath`.
pub(crate) fn own(image_parameter_path: &str) -> String {
    format!("/{image_parameter_path}/")
}

//! Undoes versions of launch templates.

use goldsmith_store::Effect;

use crate::{Context, Result};

/// Deletes the version that an effect has made. If it is the default version, the previous one becomes that again first,
/// because EC2 does not delete a default version. Does nothing if there is no such version.
pub(super) async fn undo(
    context: &Context,
    effect: &Effect,
    image: &str,
    source: &str,
    description: &str,
) -> Result<()> {
    let (templates, region, id) = (&context.cloud.templates, &effect.region, &effect.name);
    let Some(template) = templates.launch_template(region, id).await? else { return Ok(()) };
    // The image was made by this build. But somebody else may have made a version that names it as well.
    let versions = templates.versions_with(region, id, image).await?;
    for version in versions.iter().filter(|version| version.description == description) {
        if version.number == template.default_version {
            templates.set_default_version(region, id, source).await?;
        }
        templates.delete_version(region, id, &version.number).await?;
    }
    Ok(())
}

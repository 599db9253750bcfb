//! Undoes versions of launch templates.

use std::collections::BTreeSet;

use goldsmith_store::Effect;

use crate::{Context, Result};

/// Deletes the version that an effect has made. If it is the default version, the previous version becomes the default
/// again first, because EC2 does not delete a default version. Does nothing if there is no such version.
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
    let listed = templates.versions_with(region, id, image).await?;
    let listed = listed.into_iter().filter(|version| version.description == description);
    // EC2 may not list a version yet that was made a moment ago. The journal has the number if the answer came.
    let numbers: BTreeSet<String> = listed.map(|version| version.number).chain(effect.id.clone()).collect();
    for number in numbers {
        if number == template.default_version {
            templates.set_default_version(region, id, source).await?;
        }
        templates.delete_version(region, id, &number).await?;
    }
    Ok(())
}

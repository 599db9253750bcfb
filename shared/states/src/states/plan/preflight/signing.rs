//! Checks the key that signs the provenance of images.

use goldsmith_cloud::Key;

use super::{Look, answer};
use crate::states::plan::finding::Finding;
use crate::states::plan::problem::Problem;
use crate::{Result, TAG_STACK};

/// The field that names the key.
const FIELD: &str = "signingKey";

/// Returns the ARN of the key that signs the image, or `None` if none does. An image whose start has overridden something is
/// never published, and a signature would vouch for it; a run that only tests makes no image.
pub(super) async fn check(look: &Look<'_>, findings: &mut Vec<Finding>) -> Result<Option<String>> {
    let Look { context, inputs, .. } = look;
    let Some(name) = inputs.pipeline.signing_key.as_ref().filter(|_| !inputs.overridden && !inputs.is_verification)
    else {
        return Ok(None);
    };
    let place = || inputs.pipeline_place(FIELD);
    let unusable = |reason: String| {
        let (key, pipeline) = (name.clone(), inputs.pipeline.name.to_string());
        place().has(Problem::SigningKeyUnusable { key, pipeline, reason })
    };
    let found = context.cloud.keys.key(&inputs.home_region, name).await;
    let Some(found) = answer(found, place, findings)? else {
        // The key could not be looked at. It may sign all the same, so the build finds out.
        return Ok(Some(name.clone()));
    };
    let Some(key) = found else {
        findings.push(unusable(format!("there is no such key in {}", inputs.home_region)));
        return Ok(None);
    };
    if let Some(reason) = why_not(&key) {
        findings.push(unusable(reason));
        return Ok(None);
    }
    // The functions may sign only with keys that have the stack's tag, so that no pipeline can use other keys.
    let tags = context.cloud.keys.key_tags(&inputs.home_region, &key.arn).await;
    let tags = answer(tags, place, findings)?;
    if tags.is_some_and(|tags| tags.get(TAG_STACK) != Some(&context.config.stack)) {
        findings.push(unusable(format!(
            "it does not have the tag `{TAG_STACK}` with the value `{}`",
            context.config.stack
        )));
        return Ok(None);
    }
    Ok(Some(key.arn))
}

/// Returns why a key cannot sign, or `None` if it can.
fn why_not(key: &Key) -> Option<String> {
    match key {
        Key { signs_p256: false, .. } => Some("it is not a key for signing with ECC_NIST_P256".to_owned()),
        Key { enabled: false, state, .. } => Some(format!("its state is {state}")),
        _ => None,
    }
}

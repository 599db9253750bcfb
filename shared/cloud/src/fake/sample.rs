//! Requests for tests that need any.

use crate::{Launch, Market, MetadataOptions, Tags};

/// Returns a launch of a small instance on demand, with defaults for everything else.
#[must_use]
pub fn launch(token: impl Into<String>, image: impl Into<String>, tags: Tags) -> Launch {
    Launch {
        token: token.into(),
        image: image.into(),
        instance_type: "t3.small".to_owned(),
        subnet: None,
        security_groups: vec![],
        instance_profile: None,
        zone: None,
        hardware: Default::default(),
        market: Market::OnDemand,
        key_pair: None,
        metadata: MetadataOptions { tokens_required: true, hop_limit: 1 },
        tags,
        block_devices: vec![],
        user_data: None,
    }
}

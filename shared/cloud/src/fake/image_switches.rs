//! Whether instances may be launched from an AMI.

use async_trait::async_trait;
use jiff::SignedDuration;

use super::FakeCloud;
use super::call::Call;
use crate::{ImageState, ImageSwitches, LaunchPermission, Protection, Result};

/// How long a protection with a cooldown lasts after it was switched off.
const COOLDOWN: SignedDuration = SignedDuration::from_hours(24);

#[async_trait]
impl ImageSwitches for FakeCloud {
    async fn disable(&self, region: &str, id: &str) -> Result<()> {
        let call = Call::new("DisableImage", region);
        self.effect(call, id, |world| {
            if world.region(region).images.contains_key(id) {
                let record = world.region(region).own_image(call, id)?;
                record.image.state = ImageState::Failed;
                record.permission = LaunchPermission::default();
            }
            Ok(())
        })
        .await
    }

    async fn enable(&self, region: &str, id: &str) -> Result<()> {
        let call = Call::new("EnableImage", region);
        self.effect(call, id, |world| {
            world.region(region).own_image(call, id)?.image.state = ImageState::Available;
            Ok(())
        })
        .await
    }

    async fn undeprecate(&self, region: &str, id: &str) -> Result<()> {
        let call = Call::new("DisableImageDeprecation", region);
        self.effect(call, id, |world| {
            world.region(region).own_image(call, id)?.deprecated_at = None;
            Ok(())
        })
        .await
    }

    async fn unprotect(&self, region: &str, id: &str) -> Result<()> {
        let call = Call::new("DisableImageDeregistrationProtection", region);
        self.effect(call, id, |world| {
            let until = Some(world.now() + COOLDOWN);
            if let Some(record) = world.region(region).images.get_mut(id) {
                record.image.protection = match record.image.protection {
                    Protection::On { cooldown: true } => Protection::Cooling { until },
                    Protection::On { cooldown: false } => Protection::Off,
                    unchanged => unchanged,
                };
            }
            Ok(())
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use crate::fake::{FakeCloud, HOME};
    use crate::{ImageState, ImageSwitches as _, Images as _, Kind, LaunchPermission};

    #[tokio::test]
    async fn a_disabled_image_loses_its_permissions_for_good() {
        let cloud = FakeCloud::new();
        let id = cloud.add_image(HOME, "self", "web");
        let with = LaunchPermission { groups: vec!["all".to_owned()], ..LaunchPermission::default() };
        cloud.share(HOME, &id, &with).await.unwrap();
        for _ in 0..2 {
            cloud.disable(HOME, &id).await.unwrap();
        }
        assert_eq!(cloud.image(HOME, &id).await.unwrap().unwrap().state, ImageState::Failed);
        for _ in 0..2 {
            cloud.enable(HOME, &id).await.unwrap();
        }
        assert_eq!(cloud.image(HOME, &id).await.unwrap().unwrap().state, ImageState::Available);
        assert!(cloud.launch_permission(HOME, &id).is_empty());
        cloud.deprecate(HOME, &id, "2026-06-01T00:00:00Z").await.unwrap();
        assert!(cloud.terms(HOME, &id).1.is_some());
        for _ in 0..2 {
            cloud.undeprecate(HOME, &id).await.unwrap();
        }
        assert_eq!(cloud.terms(HOME, &id).1, None);
        cloud.disable(HOME, "ami-gone").await.unwrap();
        assert_eq!(cloud.enable(HOME, "ami-gone").await.unwrap_err().kind, Kind::NotFound);
    }

    #[tokio::test]
    async fn a_protected_image_is_not_deregistered_also_while_its_cooldown_lasts() {
        let cloud = FakeCloud::new();
        let ids = ["plain", "cool"].map(|name| cloud.add_image(HOME, "self", name));
        for (id, cooldown) in ids.iter().zip([false, true]) {
            for _ in 0..2 {
                cloud.protect(HOME, id, cooldown).await.unwrap();
            }
            assert_eq!(cloud.deregister(HOME, id).await.unwrap_err().code, "OperationNotPermitted");
            for _ in 0..2 {
                cloud.unprotect(HOME, id).await.unwrap();
            }
        }
        cloud.deregister(HOME, &ids[0]).await.unwrap();
        assert_eq!(cloud.deregister(HOME, &ids[1]).await.unwrap_err().code, "OperationNotPermitted");
        cloud.unprotect(HOME, "ami-gone").await.unwrap();
    }
}

//! Sets the block devices of launches and of the image. The volumes of a build's instances are deleted with the
//! instances, regardless of the source's setting. The new image has the source's setting again.

use goldsmith_cloud::BlockDevice;
use goldsmith_model::BlockDeviceMapping;
use goldsmith_store::PlannedLaunch;

/// Returns how the devices of a launch differ from those of the image. A build instance gets the devices of the recipe.
/// A test instance gets the volumes of its AMI.
pub(super) fn of_launch(planned: &PlannedLaunch, is_test: bool) -> Vec<BlockDevice> {
    let mapped = if is_test { &[][..] } else { planned.block_devices.as_slice() };
    let ending = planned.outliving_devices.iter().map(|name| outliving(name, false));
    mapped.iter().map(block_device).chain(ending).collect()
}

/// Returns how the devices of the new image differ from those of the build instance. `DeleteOnTermination` is the only
/// property of a volume that CreateImage can change (EC2 API reference, CreateImage).
pub(crate) fn of_image(planned: &PlannedLaunch) -> Vec<BlockDevice> {
    planned.outliving_devices.iter().map(|name| outliving(name, true)).collect()
}

/// Returns an entry that only sets whether the volume outlives the instance. EC2 takes everything else, including the
/// snapshot, from the image's entry with this name (EC2 User Guide, "Block device mappings for volumes on Amazon EC2
/// instances").
fn outliving(device_name: &str, stays: bool) -> BlockDevice {
    BlockDevice { device_name: device_name.to_owned(), delete_on_termination: !stays, ..BlockDevice::default() }
}

/// Returns a block device of the recipe in EC2's form. The volumes are deleted with their instance, since the AMI
/// contains their data.
fn block_device(mapping: &BlockDeviceMapping) -> BlockDevice {
    BlockDevice {
        device_name: mapping.device_name.clone(),
        volume_size: mapping.ebs.volume_size,
        volume_type: mapping.ebs.volume_type.clone(),
        iops: mapping.ebs.iops,
        throughput: mapping.ebs.throughput,
        encrypted: mapping.ebs.encrypted,
        kms_key_id: mapping.ebs.kms_key_id.clone(),
        delete_on_termination: true,
    }
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::BlockDevice;
    use goldsmith_cloud::fake::HOME;
    use goldsmith_model::definitions::Definitions;
    use goldsmith_model::{BlockDeviceMapping, Ebs};

    use crate::testing::{Stack, whole_build};

    /// A stack whose source has a data volume in addition to its root volume. Both volumes outlive their instance.
    async fn stack() -> Stack {
        let stack = Stack::new().await;
        stack.cloud.edit_image(HOME, &stack.source().await, |image| {
            let data = BlockDevice { device_name: "/dev/sdf".to_owned(), ..image.block_devices[0].clone() };
            image.block_devices.push(data);
            image.block_devices.iter_mut().for_each(|device| device.delete_on_termination = false);
        });
        stack
    }

    async fn build(stack: &Stack) {
        for task in whole_build() {
            let ended = stack.run(&task).await;
            assert!(ended.is_ok(), "{}: {ended:?}", task.scope());
        }
    }

    /// The device, its size in GiB, and whether it is deleted with its instance.
    async fn of_image(stack: &Stack) -> Vec<(String, Option<u32>, bool)> {
        let id = stack.image().await.amis[HOME].clone();
        let image = stack.cloud.cloud().images.image(HOME, &id).await.unwrap().unwrap();
        let devices = image.block_devices.into_iter();
        devices.map(|device| (device.device_name, device.volume_size, device.delete_on_termination)).collect()
    }

    #[tokio::test]
    async fn instances_leave_no_volume_and_the_image_keeps_its_sources_settings() {
        let stack = stack().await;
        build(&stack).await;
        let requests = stack.cloud.requests();
        assert_eq!(requests.launches.len(), 2, "the build's and the test's");
        for (_, launch) in &requests.launches {
            let asked: Vec<&str> = launch.block_devices.iter().map(|device| device.device_name.as_str()).collect();
            assert_eq!(asked, ["/dev/xvda", "/dev/sdf"]);
        }
        assert_eq!(stack.inventory().region(HOME).volumes, Default::default());
        let expected = [("/dev/xvda".to_owned(), Some(8), false), ("/dev/sdf".to_owned(), Some(8), false)];
        assert_eq!(of_image(&stack).await, expected);
    }

    #[tokio::test]
    async fn volumes_of_the_recipe_are_deleted_with_instances_of_the_image_too() {
        let stack = stack().await;
        let store = stack.store();
        let wanted = store.pipeline(&"web".parse().unwrap()).await.unwrap().unwrap().image_recipe;
        let mut recipe = store.best_recipe(&wanted.name, wanted.version).await.unwrap().unwrap();
        recipe.version = "1.0.1".parse().unwrap();
        let ebs = Ebs { volume_size: Some(30), ..Ebs::default() };
        recipe.block_device_mappings = vec![BlockDeviceMapping { device_name: "/dev/xvda".to_owned(), ebs }];
        let recipes = vec![recipe];
        store.apply(&Definitions { recipes, ..Definitions::default() }).await.unwrap();
        build(&stack).await;
        let expected = [("/dev/xvda".to_owned(), Some(30), true), ("/dev/sdf".to_owned(), Some(8), false)];
        assert_eq!(of_image(&stack).await, expected);
        assert_eq!(stack.inventory().region(HOME).volumes, Default::default());
    }

    #[tokio::test]
    async fn an_image_whose_volumes_do_not_outlive_instances_is_launched_unchanged() {
        let stack = Stack::new().await;
        build(&stack).await;
        let requests = stack.cloud.requests();
        assert!(requests.launches.iter().all(|(_, launch)| launch.block_devices.is_empty()));
        assert!(requests.images.iter().all(|(_, image)| image.block_devices.is_empty()));
    }
}

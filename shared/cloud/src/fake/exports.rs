//! Exports of images. Every role trusts VM Import/Export, and every bucket is in the Region in which it is looked for,
//! unless a test says otherwise.

use async_trait::async_trait;

use super::FakeCloud;
use super::call::Call;
use super::pace::Looks;
use super::world::Region;
use crate::{ExportPlaces, ExportStatus, ExportTask, Exports, ImageExport, Kind, Result};

/// An export task, and what it will become.
pub(super) struct ExportRecord {
    task: ExportTask,
    request: ImageExport,
    until_end: Looks,
    /// Why it will fail.
    failure: Option<String>,
}

impl ExportRecord {
    /// Returns whether the task is in progress.
    pub(super) fn is_active(&self) -> bool {
        self.task.status == ExportStatus::Active
    }

    /// Returns the task as a read shows it now.
    fn look(&mut self) -> ExportTask {
        if self.is_active() && !self.until_end.spend() {
            self.end();
        }
        self.task.clone()
    }

    /// Ends the task, unless it never ends.
    pub(super) fn settle(&mut self) {
        self.until_end.settle();
        if self.is_active() && self.until_end.is_over() {
            self.end();
        }
    }

    fn end(&mut self) {
        self.task.status = if self.failure.is_some() { ExportStatus::Deleted } else { ExportStatus::Completed };
        self.task.message = self.failure.clone().unwrap_or_default();
        self.task.progress = String::new();
    }
}

#[async_trait]
impl Exports for FakeCloud {
    async fn export(&self, region: &str, export: &ImageExport) -> Result<String> {
        let call = Call::new("ExportImage", region);
        self.effect(call, &export.image, |world| {
            let (pace, id) = (world.pace, world.ec2_id("export-ami"));
            let here = world.region(region);
            if let Some(record) = here.exports.values().find(|record| record.request.token == export.token) {
                if record.request != *export {
                    let message = "the token was used for another request";
                    return Err(call.error(Kind::Duplicate, "IdempotentParameterMismatch", message));
                }
                return Ok(record.task.id.clone());
            }
            here.usable_image(call, &export.image)?;
            here.own_image(call, &export.image)?;
            let active = || here.exports.values().filter(|record| record.is_active());
            if active().count() >= pace.exports_at_once || active().any(|record| record.task.image == export.image) {
                let message = "There are already conversion tasks in progress";
                return Err(call.error(Kind::Throttled, "ResourceLimitExceeded", message));
            }
            let task = ExportTask {
                id: id.clone(),
                image: export.image.clone(),
                description: export.description.clone(),
                status: ExportStatus::Active,
                message: "validating".to_owned(),
                progress: "0".to_owned(),
            };
            let failure = here.failing_exports.pop_front();
            let record = ExportRecord { task, request: export.clone(), until_end: Looks(pace.until_export), failure };
            here.exports.insert(id.clone(), record);
            Ok(id)
        })
        .await
    }

    async fn export_task(&self, region: &str, id: &str) -> Result<Option<ExportTask>> {
        let call = Call::new("DescribeExportImageTasks", region);
        self.read(call, |world| Ok(world.region(region).exports.get_mut(id).map(ExportRecord::look))).await
    }

    async fn active_exports(&self, region: &str) -> Result<Vec<ExportTask>> {
        let call = Call::new("DescribeExportImageTasks", region);
        self.read(call, |world| {
            let all = world.region(region).exports.values_mut().map(ExportRecord::look);
            Ok(all.filter(|task| task.status == ExportStatus::Active).collect())
        })
        .await
    }

    async fn cancel_export(&self, region: &str, id: &str) -> Result<()> {
        let call = Call::new("CancelExportTask", region);
        self.effect(call, id, |world| {
            let Some(record) = world.region(region).exports.get_mut(id) else { return Ok(()) };
            if !record.is_active() {
                let message = format!("The export task {id} cannot be canceled");
                return Err(call.error(Kind::WrongState, "IncorrectState", message));
            }
            record.failure = Some("canceled".to_owned());
            record.end();
            Ok(())
        })
        .await
    }
}

#[async_trait]
impl ExportPlaces for FakeCloud {
    async fn services_trusted_by(&self, role: &str) -> Result<Option<Vec<String>>> {
        self.read(Call::home("GetRole"), |world| {
            let is_there = !world.account.missing.contains(role);
            let trusts =
                if world.account.closed_roles.contains(role) { "ec2.amazonaws.com" } else { "vmie.amazonaws.com" };
            Ok(is_there.then(|| vec![trusts.to_owned()]))
        })
        .await
    }

    async fn bucket_region(&self, region: &str, name: &str) -> Result<Option<String>> {
        self.read(Call::new("GetBucketLocation", region), |world| {
            let is_there = !world.account.missing.contains(name);
            let there = world.account.buckets.get(name).map_or(region, String::as_str);
            Ok(is_there.then(|| there.to_owned()))
        })
        .await
    }
}

impl FakeCloud {
    /// Makes the next export of this Region fail, with this message.
    pub fn next_export_fails(&self, region: &str, message: &str) {
        self.world().region(region).failing_exports.push_back(message.to_owned());
    }

    /// Returns the requests of a Region's exports, by the id of the task.
    #[must_use]
    pub fn exports(&self, region: &str) -> Vec<(String, ImageExport)> {
        let mut world = self.world();
        let exports = &world.region(region).exports;
        exports.iter().map(|(id, record)| (id.clone(), record.request.clone())).collect()
    }
}

impl Region {
    /// Returns the AMIs that are being exported, by the id of the task.
    pub(super) fn active_exports(&self) -> std::collections::BTreeMap<String, String> {
        let active = self.exports.iter().filter(|(_, record)| record.is_active());
        active.map(|(id, record)| (id.clone(), record.request.image.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::fake::{ACCOUNT, FakeCloud, HOME, NEVER};
    use crate::{ExportStatus, Exports as _, ImageExport, Kind};

    fn of(image: &str, token: &str) -> ImageExport {
        ImageExport { image: image.to_owned(), token: token.to_owned(), ..ImageExport::default() }
    }

    #[tokio::test]
    async fn an_image_is_exported_once_at_a_time_and_a_token_counts() {
        let cloud = FakeCloud::new();
        cloud.pace(|pace| pace.until_export = NEVER);
        let image = cloud.add_image(HOME, ACCOUNT, "web");
        let task = cloud.export(HOME, &of(&image, "one")).await.unwrap();
        assert_eq!(cloud.export(HOME, &of(&image, "one")).await.unwrap(), task);
        assert!(cloud.export(HOME, &of(&image, "two")).await.unwrap_err().is_transient());
        assert_eq!(cloud.active_exports(HOME).await.unwrap().len(), 1);
        cloud.cancel_export(HOME, &task).await.unwrap();
        assert_eq!(cloud.cancel_export(HOME, &task).await.unwrap_err().kind, Kind::WrongState);
        assert!(cloud.inventory().region(HOME).exports.is_empty());
    }

    #[tokio::test]
    async fn an_export_ends_or_fails() {
        let cloud = FakeCloud::new();
        cloud.pace(|pace| pace.until_export = 1);
        let image = cloud.add_image(HOME, ACCOUNT, "web");
        for (n, failure) in [None, Some("no space")].into_iter().enumerate() {
            failure.into_iter().for_each(|message| cloud.next_export_fails(HOME, message));
            let task = cloud.export(HOME, &of(&image, &n.to_string())).await.unwrap();
            let status = cloud.export_task(HOME, &task).await.unwrap().unwrap().status;
            assert_eq!(status, ExportStatus::Active);
            let ended = cloud.export_task(HOME, &task).await.unwrap().unwrap();
            assert_eq!(ended.message, failure.unwrap_or_default());
            assert_eq!(ended.status == ExportStatus::Completed, failure.is_none());
        }
    }
}

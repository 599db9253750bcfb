//! Exports of images to S3.

use async_trait::async_trait;
use aws_sdk_ec2::types::{DiskImageFormat, ExportImageTask, ExportTaskS3LocationRequest, ResourceType};
use goldsmith_cloud::aws::{failure, incomplete, known};
use goldsmith_cloud::{ExportStatus, ExportTask, Exports, ImageExport, Result};

use crate::Ec2;
use crate::requests::{filter, tag_specifications};

const DESCRIBE: &str = "DescribeExportImageTasks";

#[async_trait]
impl Exports for Ec2 {
    async fn export(&self, region: &str, export: &ImageExport) -> Result<String> {
        const OPERATION: &str = "ExportImage";
        let place =
            ExportTaskS3LocationRequest::builder().s3_bucket(&export.bucket).set_s3_prefix(export.prefix.clone());
        let request = self
            .0
            .client(region)
            .export_image()
            .client_token(&export.token)
            .image_id(&export.image)
            .description(&export.description)
            .disk_image_format(DiskImageFormat::from(export.format.as_str()))
            .role_name(&export.role)
            .s3_export_location(place.build())
            .set_tag_specifications(tag_specifications(&[ResourceType::ExportImageTask], &export.tags));
        let answer = request.send().await.map_err(failure(OPERATION, region))?;
        answer.export_image_task_id.ok_or_else(|| incomplete(OPERATION, region, "id of the task"))
    }

    async fn export_task(&self, region: &str, id: &str) -> Result<Option<ExportTask>> {
        let request = self.0.client(region).describe_export_image_tasks().export_image_task_ids(id);
        let answer = known(request.send().await.map_err(failure(DESCRIBE, region)))?;
        let tasks = answer.and_then(|answer| answer.export_image_tasks).unwrap_or_default();
        tasks.iter().find(|task| task.export_image_task_id() == Some(id)).map(|task| to_task(task, region)).transpose()
    }

    async fn active_exports(&self, region: &str) -> Result<Vec<ExportTask>> {
        let request = self.0.client(region).describe_export_image_tasks().filters(filter("task-state", &["active"]));
        let mut pages = request.into_paginator().send();
        let mut tasks = Vec::new();
        while let Some(page) = pages.next().await {
            for task in page.map_err(failure(DESCRIBE, region))?.export_image_tasks() {
                tasks.push(to_task(task, region)?);
            }
        }
        Ok(tasks.into_iter().filter(|task| task.status == ExportStatus::Active).collect())
    }

    async fn cancel_export(&self, region: &str, id: &str) -> Result<()> {
        let answer = self.0.client(region).cancel_export_task().export_task_id(id).send().await;
        known(answer.map_err(failure("CancelExportTask", region)))?;
        Ok(())
    }
}

fn to_task(task: &ExportImageTask, region: &str) -> Result<ExportTask> {
    let status = match task.status() {
        Some("active") => ExportStatus::Active,
        Some("completed") => ExportStatus::Completed,
        Some("deleting") => ExportStatus::Deleting,
        Some("deleted") => ExportStatus::Deleted,
        _ => return Err(incomplete(DESCRIBE, region, "status that this version knows")),
    };
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    Ok(ExportTask {
        id: text(task.export_image_task_id()),
        image: text(task.image_id()),
        description: text(task.description()),
        status,
        message: text(task.status_message()),
        progress: text(task.progress()),
    })
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::Kind;
    use goldsmith_cloud::aws::replay::Canned;

    use super::*;
    use crate::testing::{ec2, form, tags};

    fn listed(tasks: &[(&str, &str)]) -> Canned {
        let item = |(id, status): &(&str, &str)| {
            format!(
                "<item><exportImageTaskId>{id}</exportImageTaskId><imageId>ami-1</imageId><description>web</description>\
                 <status>{status}</status><statusMessage>because</statusMessage></item>"
            )
        };
        let items: String = tasks.iter().map(item).collect();
        Canned::ok(format!(
            "<DescribeExportImageTasksResponse><exportImageTaskSet>{items}</exportImageTaskSet>\
             </DescribeExportImageTasksResponse>"
        ))
    }

    #[tokio::test]
    async fn an_export_names_its_place_its_role_and_its_tags() {
        let answer = "<ExportImageResponse><exportImageTaskId>export-ami-1</exportImageTaskId></ExportImageResponse>";
        let (ec2, replay) = ec2([
            Canned::ok(answer),
            Canned::ec2_error(400, "ResourceLimitExceeded"),
            Canned::ec2_error(400, "NotExportable"),
        ]);
        let export = ImageExport {
            token: "token-1".to_owned(),
            image: "ami-1".to_owned(),
            format: "VHD".to_owned(),
            role: "vmimport".to_owned(),
            bucket: "images".to_owned(),
            prefix: Some("golden/".to_owned()),
            description: "web".to_owned(),
            tags: tags(),
        };
        assert_eq!(ec2.export("eu-west-1", &export).await.unwrap(), "export-ami-1");
        assert!(ec2.export("eu-west-1", &export).await.unwrap_err().is_transient(), "another one is in progress");
        assert_eq!(ec2.export("eu-west-1", &export).await.unwrap_err().kind, Kind::Invalid);
        let sent = form(&replay, 0);
        for (name, value) in [
            ("ClientToken", "token-1"),
            ("ImageId", "ami-1"),
            ("DiskImageFormat", "VHD"),
            ("RoleName", "vmimport"),
            ("S3ExportLocation.S3Bucket", "images"),
            ("S3ExportLocation.S3Prefix", "golden/"),
            ("Description", "web"),
            ("TagSpecification.1.ResourceType", "export-image-task"),
            ("TagSpecification.1.Tag.1.Value", "b"),
        ] {
            assert_eq!(sent.get(name).map(String::as_str), Some(value), "{name}");
        }
    }

    #[tokio::test]
    async fn a_task_has_a_status_or_does_not_exist() {
        let (ec2, replay) = ec2([
            listed(&[("export-ami-1", "deleted")]),
            Canned::ec2_error(400, "InvalidExportTaskID.NotFound"),
            listed(&[]),
            listed(&[("export-ami-1", "asleep")]),
            listed(&[("export-ami-1", "active"), ("export-ami-2", "completed")]),
        ]);
        let found = ec2.export_task("eu-west-1", "export-ami-1").await.unwrap().unwrap();
        assert_eq!(
            (found.status, found.message.as_str(), found.image.as_str()),
            (ExportStatus::Deleted, "because", "ami-1")
        );
        for _ in 0..2 {
            assert_eq!(ec2.export_task("eu-west-1", "export-ami-1").await.unwrap(), None);
        }
        assert!(ec2.export_task("eu-west-1", "export-ami-1").await.unwrap_err().is_transient());
        let active = ec2.active_exports("eu-west-1").await.unwrap();
        assert_eq!(active.iter().map(|task| task.id.as_str()).collect::<Vec<_>>(), ["export-ami-1"]);
        assert_eq!(form(&replay, 0)["ExportImageTaskId.1"], "export-ami-1");
        assert_eq!(form(&replay, 4)["Filter.1.Name"], "task-state");
    }

    #[tokio::test]
    async fn a_task_that_is_gone_needs_no_cancellation() {
        let done = "<CancelExportTaskResponse><return>true</return></CancelExportTaskResponse>";
        let (ec2, replay) = ec2([
            Canned::ok(done),
            Canned::ec2_error(400, "InvalidExportTaskID.NotFound"),
            Canned::ec2_error(400, "IncorrectState"),
        ]);
        for _ in 0..2 {
            ec2.cancel_export("eu-west-1", "export-ami-1").await.unwrap();
        }
        assert_eq!(ec2.cancel_export("eu-west-1", "export-ami-1").await.unwrap_err().kind, Kind::WrongState);
        assert_eq!(form(&replay, 0)["ExportTaskId"], "export-ami-1");
    }
}

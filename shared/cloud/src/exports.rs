//! Exports of AMIs to S3 as disk images (VM Import/Export).

use async_trait::async_trait;

use crate::{Result, Tags};

/// What is exported, and to where.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageExport {
    /// Client token: a repeated call with it returns the first task.
    pub token: String,
    /// The AMI.
    pub image: String,
    /// `VMDK`, `RAW` or `VHD`.
    pub format: String,
    /// Name of the role with which VM Import/Export writes the object.
    pub role: String,
    /// Bucket of the same Region.
    pub bucket: String,
    /// Beginning of the object's key, or `None` for no prefix.
    pub prefix: Option<String>,
    /// Description of the task, at most 255 characters. Nobody can change it later.
    pub description: String,
    /// Tags of the task.
    pub tags: Tags,
}

/// Status of an export task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportStatus {
    /// EC2 works on it.
    Active,
    /// The object is in the bucket.
    Completed,
    /// EC2 removes what a failed or canceled task has made.
    Deleting,
    /// The task has failed, or was canceled.
    Deleted,
}

/// An export task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportTask {
    /// `export-ami-…`
    pub id: String,
    /// The AMI.
    pub image: String,
    /// Description of the task.
    pub description: String,
    /// Its status.
    pub status: ExportStatus,
    /// What EC2 does at the moment, or why the task has failed.
    pub message: String,
    /// In percent, or an empty text if EC2 shows none.
    pub progress: String,
}

/// Export tasks.
#[async_trait]
pub trait Exports: Send + Sync {
    /// `ExportImage`: begins to export an image, and returns the id of the task. *Effect*, safe to repeat because of the
    /// token; [`Exports::cancel_export`] undoes it while it is active. EC2 limits how many tasks are in progress in a Region,
    /// and has one for an image at most: then the error is transient.
    async fn export(&self, region: &str, export: &ImageExport) -> Result<String>;
    /// `DescribeExportImageTasks`. Returns a task, or `None` if it does not exist (or is not visible yet).
    async fn export_task(&self, region: &str, id: &str) -> Result<Option<ExportTask>>;
    /// `DescribeExportImageTasks`. Returns all active tasks of the account in a Region.
    async fn active_exports(&self, region: &str) -> Result<Vec<ExportTask>>;
    /// `CancelExportTask`: EC2 removes everything that the task has made. *Effect*, safe to repeat. It is no error if the
    /// task does not exist. Fails with the kind `WrongState` if the task has ended or transfers its image to S3.
    async fn cancel_export(&self, region: &str, id: &str) -> Result<()>;
}

/// What exports need from IAM and S3. Every method only reads.
#[async_trait]
pub trait ExportPlaces: Send + Sync {
    /// `GetRole`. Returns the services that a role of the account trusts, such as `vmie.amazonaws.com`; `None` if there is no
    /// such role.
    async fn services_trusted_by(&self, role: &str) -> Result<Option<Vec<String>>>;
    /// `GetBucketLocation`, asked in this Region. Returns the Region of a bucket; `None` if the bucket does not exist.
    async fn bucket_region(&self, region: &str, name: &str) -> Result<Option<String>>;
}

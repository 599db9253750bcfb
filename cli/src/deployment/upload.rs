//! The uploads of a deployment, each named by its digest. To compute the changes, CloudFormation needs only the
//! template. Lambda and Step Functions read the other parts when the changes are made. So the other parts are uploaded
//! after the person has agreed.

use anyhow::{Context, Result};
use goldsmith_cloud::aws::SdkConfig;
use goldsmith_cloud_account::{Artifacts, caller};

use super::release::{Release, Uploaded};
use crate::digest;

/// The parts of a release, and the bucket to which they go.
pub(crate) struct Upload {
    artifacts: Artifacts,
    template: Part,
    rest: [Part; 2],
}

/// A file, and its key in the bucket.
struct Part {
    key: String,
    content: Vec<u8>,
}

impl Part {
    fn new(content: Vec<u8>, extension: &str) -> Self {
        Part { key: format!("{}.{extension}", digest::of_bytes(&content)), content }
    }
}

impl Upload {
    /// Returns the upload of this release. The template contains the locations of the other parts, and the name of a
    /// table that already exists.
    pub(super) async fn of(config: &SdkConfig, release: &Release, table: Option<&str>) -> Result<Self> {
        let artifacts = Artifacts::new(config, &caller(config).await?);
        let path = release.package.display();
        let zip = std::fs::read(&release.package).with_context(|| format!("cannot read {path}"))?;
        let code = Part::new(zip, "zip");
        let definition = Part::new(release.definition.clone().into_bytes(), "json");
        let uploaded = Uploaded { code: artifacts.place(&code.key), definition: artifacts.place(&definition.key) };
        let template = Part::new(release.template(&uploaded, table)?.into_bytes(), "yaml");
        Ok(Upload { artifacts, template, rest: [code, definition] })
    }

    /// Returns the name of the bucket.
    pub(super) fn bucket(&self) -> &str {
        self.artifacts.bucket()
    }

    /// Creates the bucket if it is missing, uploads the template, and returns its URL.
    pub(super) async fn template(&self) -> Result<String> {
        self.artifacts.prepare().await?;
        self.artifacts.put(&self.template.key, self.template.content.clone()).await?;
        Ok(self.artifacts.url(&self.template.key))
    }

    /// Uploads the parts that the template names.
    pub(super) async fn rest(&self) -> Result<()> {
        for part in &self.rest {
            self.artifacts.put(&part.key, part.content.clone()).await?;
        }
        Ok(())
    }
}

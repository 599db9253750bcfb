//! Finds out what a distribution of an image would do now, for people who have not started it yet. Nothing is written.

use std::collections::BTreeMap;

use goldsmith_model::{Cause, ExecutionInput, ImageRef, S3Export};
use goldsmith_store::{Plan, PlannedRegion};
use serde::Serialize;

use super::plan;
use crate::states::plan::finding::Finding;
use crate::states::plan::preview::region::shared_with;
use crate::states::plan::refused;
use crate::states::plan::resolve::Viewer;
use crate::{Context, Result};

/// What a distribution of an image would do now.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DistributionPreview {
    /// The image.
    pub image: ImageRef,
    /// What is missing, by Region; empty if nothing is.
    pub missing: BTreeMap<String, MissingInRegion>,
    /// Why parameters and launch templates stay as they are; absent if they are to name the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub names_stay: Option<String>,
    /// Problems that would stop the distribution, and warnings.
    pub findings: Vec<Finding>,
}

/// What a Region would get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MissingInRegion {
    /// The AMI that is there; absent if the Region gets a copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ami: Option<String>,
    /// Accounts, organizations and groups that may launch the AMI.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shared_with: Vec<String>,
    /// Whether they may copy its snapshots, too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub shares_snapshots: bool,
    /// License configurations that the AMI is associated with, by ARN.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub license_configurations: Vec<String>,
    /// Accounts that get copies of their own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub target_accounts: Vec<String>,
    /// Where the AMI is exported to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub export: Option<S3Export>,
    /// Launch templates that get a version with the AMI, by id or by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub launch_templates: Vec<String>,
    /// Parameters that get the AMI's id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<String>,
}

/// Returns what a distribution of an image would do now.
///
/// # Errors
/// Fails with `Refused` if the image cannot be distributed or its pipeline does not exist, or if a call to the table or
/// to AWS fails.
pub async fn preview_distribution(context: &Context, image: &ImageRef) -> Result<DistributionPreview> {
    let record = context.store.image(image).await?;
    let name = record.ok_or_else(|| refused(format!("there is no image {image}")))?.pipeline;
    let pipeline = context.store.pipeline(&name).await?;
    let pipeline = pipeline.ok_or_else(|| refused(format!("there is no pipeline `{name}` any more")))?;
    let input = ExecutionInput::new(name, Cause::Manual { id: String::new() });
    let mut findings = Vec::new();
    let planned = plan(context, &input, &pipeline, image, Viewer::Person, &mut findings).await?;
    let missing = planned.plan.iter().flat_map(|plan| plan.regions.iter().map(|region| of(plan, region))).collect();
    Ok(DistributionPreview { image: planned.image.image, missing, names_stay: planned.names_stay, findings })
}

fn of(plan: &Plan, planned: &PlannedRegion) -> (String, MissingInRegion) {
    let missing = MissingInRegion {
        ami: plan.existing_ami(&planned.region).map(str::to_owned),
        shared_with: shared_with(planned),
        shares_snapshots: planned.share_snapshots,
        license_configurations: planned.license_configurations.clone(),
        target_accounts: planned.target_accounts.iter().map(|one| one.account.clone()).collect(),
        export: planned.export.clone(),
        launch_templates: planned.launch_templates.iter().map(|one| one.template.clone()).collect(),
        parameters: planned.parameters.iter().map(|one| one.parameter_name.clone()).collect(),
    };
    (planned.region.clone(), missing)
}

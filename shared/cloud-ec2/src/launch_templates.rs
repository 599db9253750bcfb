//! Launch templates and their versions.

use async_trait::async_trait;
use aws_sdk_ec2::types::{
    DeleteLaunchTemplateVersionsResponseErrorItem as Undeleted, LaunchTemplateErrorCode, RequestLaunchTemplateData,
};
use goldsmith_cloud::aws::{failure, incomplete, known};
use goldsmith_cloud::{CloudError, Kind, LaunchTemplate, LaunchTemplates, NewTemplateVersion, Result, TemplateVersion};

use crate::Ec2;
use crate::requests::{filter, from_sdk_tags};

#[async_trait]
impl LaunchTemplates for Ec2 {
    async fn launch_template(&self, region: &str, named: &str) -> Result<Option<LaunchTemplate>> {
        let request = self.0.client(region).describe_launch_templates();
        let request = match named.starts_with("lt-") {
            true => request.launch_template_ids(named),
            false => request.launch_template_names(named),
        };
        let answer = request.send().await.map_err(failure("DescribeLaunchTemplates", region));
        let found = known(answer)?.and_then(|answer| answer.launch_templates?.into_iter().next());
        Ok(found.and_then(|template| {
            Some(LaunchTemplate {
                id: template.launch_template_id?,
                name: template.launch_template_name?,
                default_version: template.default_version_number?.to_string(),
                tags: from_sdk_tags(template.tags.as_deref().unwrap_or_default()),
            })
        }))
    }

    async fn versions_with(&self, region: &str, template: &str, image: &str) -> Result<Vec<TemplateVersion>> {
        let request = self.0.client(region).describe_launch_template_versions().launch_template_id(template);
        let mut pages = request.filters(filter("image-id", &[image])).into_paginator().send();
        let mut versions = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(failure("DescribeLaunchTemplateVersions", region));
            let Some(page) = known(page)? else { return Ok(Vec::new()) };
            versions.extend(page.launch_template_versions().iter().filter_map(|version| {
                Some(TemplateVersion {
                    number: version.version_number()?.to_string(),
                    description: version.version_description().unwrap_or_default().to_owned(),
                })
            }));
        }
        Ok(versions)
    }

    async fn create_version(&self, region: &str, version: &NewTemplateVersion) -> Result<String> {
        const OPERATION: &str = "CreateLaunchTemplateVersion";
        let request = self
            .0
            .client(region)
            .create_launch_template_version()
            .client_token(&version.token)
            .launch_template_id(&version.template)
            // Everything but the image is as in the default version: what people have changed there must reach new
            // instances.
            .source_version(&version.source)
            .version_description(&version.description)
            .launch_template_data(RequestLaunchTemplateData::builder().image_id(&version.image).build());
        let answer = request.send().await.map_err(failure(OPERATION, region))?;
        let number = answer.launch_template_version.and_then(|version| version.version_number);
        Ok(number.ok_or_else(|| incomplete(OPERATION, region, "version number"))?.to_string())
    }

    async fn set_default_version(&self, region: &str, template: &str, version: &str) -> Result<()> {
        let request = self.0.client(region).modify_launch_template().launch_template_id(template);
        request.default_version(version).send().await.map_err(failure("ModifyLaunchTemplate", region))?;
        Ok(())
    }

    async fn delete_version(&self, region: &str, template: &str, version: &str) -> Result<()> {
        const OPERATION: &str = "DeleteLaunchTemplateVersions";
        let request = self.0.client(region).delete_launch_template_versions().launch_template_id(template);
        let answer = request.versions(version).send().await.map_err(failure(OPERATION, region));
        let Some(answer) = known(answer)? else { return Ok(()) };
        // EC2 reports a version that it has not deleted in a good answer.
        match answer.unsuccessfully_deleted_launch_template_versions().iter().find(|one| !is_missing(one)) {
            None => Ok(()),
            Some(left) => Err(undeleted(OPERATION, region, left)),
        }
    }
}

fn is_missing(item: &Undeleted) -> bool {
    let code = item.response_error().and_then(|error| error.code());
    matches!(
        code,
        Some(
            LaunchTemplateErrorCode::LaunchTemplateIdDoesNotExist
                | LaunchTemplateErrorCode::LaunchTemplateVersionDoesNotExist
        )
    )
}

fn undeleted(operation: &'static str, region: &str, left: &Undeleted) -> CloudError {
    let error = left.response_error();
    let code = error.and_then(|error| error.code()).map(LaunchTemplateErrorCode::as_str);
    CloudError {
        operation,
        region: region.to_owned(),
        code: code.unwrap_or("unexpectedError").to_owned(),
        message: error.and_then(|error| error.message()).unwrap_or("the version was not deleted").to_owned(),
        kind: Kind::WrongState,
        source: None,
    }
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::aws::replay::Canned;

    use super::*;
    use crate::testing::{ec2, form};

    const TEMPLATE: &str = "<DescribeLaunchTemplatesResponse><launchTemplates><item><launchTemplateId>lt-1</launchTemplateId>\
        <launchTemplateName>web</launchTemplateName><defaultVersionNumber>3</defaultVersionNumber><latestVersionNumber>4\
        </latestVersionNumber><tagSet><item><key>a</key><value>b</value></item></tagSet></item></launchTemplates>\
        </DescribeLaunchTemplatesResponse>";

    #[tokio::test]
    async fn a_template_is_found_by_id_or_name_or_is_missing() {
        let gone = |code: &str| Canned::ec2_error(400, code);
        let (ec2, replay) = ec2([
            Canned::ok(TEMPLATE),
            Canned::ok(TEMPLATE),
            gone("InvalidLaunchTemplateId.NotFound"),
            gone("InvalidLaunchTemplateName.NotFoundException"),
        ]);
        for named in ["lt-1", "web"] {
            let found = ec2.launch_template("us-east-1", named).await.unwrap().unwrap();
            assert_eq!((found.id.as_str(), found.name.as_str()), ("lt-1", "web"));
            assert_eq!((found.default_version.as_str(), found.tags["a"].as_str()), ("3", "b"));
        }
        for named in ["lt-2", "api"] {
            assert_eq!(ec2.launch_template("us-east-1", named).await.unwrap(), None);
        }
        assert_eq!(form(&replay, 0)["LaunchTemplateId.1"], "lt-1");
        assert_eq!(form(&replay, 1)["LaunchTemplateName.1"], "web");
    }

    #[tokio::test]
    async fn a_version_is_made_with_a_token_becomes_the_default_and_is_deleted() {
        let made = "<CreateLaunchTemplateVersionResponse><launchTemplateVersion><versionNumber>5</versionNumber>\
            </launchTemplateVersion></CreateLaunchTemplateVersionResponse>";
        let refused = |code: &str| {
            Canned::ok(format!(
                "<DeleteLaunchTemplateVersionsResponse><unsuccessfullyDeletedLaunchTemplateVersionSet><item>\
                 <responseError><code>{code}</code><message>no</message></responseError></item>\
                 </unsuccessfullyDeletedLaunchTemplateVersionSet></DeleteLaunchTemplateVersionsResponse>"
            ))
        };
        let (ec2, replay) = ec2([
            Canned::ok(made),
            Canned::ok("<ModifyLaunchTemplateResponse/>"),
            Canned::ok("<DeleteLaunchTemplateVersionsResponse/>"),
            refused("launchTemplateVersionDoesNotExist"),
            refused("unexpectedError"),
        ]);
        let new = NewTemplateVersion {
            token: "token-1".to_owned(),
            template: "lt-1".to_owned(),
            source: "3".to_owned(),
            image: "ami-1".to_owned(),
            description: "web/1.0.0/1".to_owned(),
        };
        assert_eq!(ec2.create_version("us-east-1", &new).await.unwrap(), "5");
        ec2.set_default_version("us-east-1", "lt-1", "5").await.unwrap();
        ec2.delete_version("us-east-1", "lt-1", "5").await.unwrap();
        ec2.delete_version("us-east-1", "lt-1", "5").await.unwrap();
        assert_eq!(ec2.delete_version("us-east-1", "lt-1", "5").await.unwrap_err().kind, Kind::WrongState);
        let sent = form(&replay, 0);
        for (name, value) in [
            ("ClientToken", "token-1"),
            ("LaunchTemplateId", "lt-1"),
            ("SourceVersion", "3"),
            ("VersionDescription", "web/1.0.0/1"),
            ("LaunchTemplateData.ImageId", "ami-1"),
        ] {
            assert_eq!(sent.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert_eq!(form(&replay, 1)["SetDefaultVersion"], "5");
        assert_eq!(form(&replay, 2)["LaunchTemplateVersion.1"], "5");
    }

    #[tokio::test]
    async fn the_versions_that_name_an_image_are_found_on_every_page() {
        let page = |number: u32, more: &str| {
            Canned::ok(format!(
                "<DescribeLaunchTemplateVersionsResponse><launchTemplateVersionSet><item><versionNumber>{number}\
                 </versionNumber><versionDescription>one</versionDescription></item></launchTemplateVersionSet>{more}\
                 </DescribeLaunchTemplateVersionsResponse>"
            ))
        };
        let gone = Canned::ec2_error(400, "InvalidLaunchTemplateId.NotFound");
        let (ec2, replay) = ec2([page(5, "<nextToken>more</nextToken>"), page(4, ""), gone]);
        let found = ec2.versions_with("us-east-1", "lt-1", "ami-1").await.unwrap();
        assert_eq!(found.iter().map(|one| one.number.as_str()).collect::<Vec<_>>(), ["5", "4"]);
        assert_eq!(found[0].description, "one");
        assert_eq!(form(&replay, 0)["Filter.1.Value.1"], "ami-1");
        assert!(ec2.versions_with("us-east-1", "lt-1", "ami-1").await.unwrap().is_empty());
    }
}

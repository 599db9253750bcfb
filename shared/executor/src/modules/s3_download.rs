//! `S3Download`. All objects below a prefix are downloaded, including those beyond the thousand objects at which EC2
//! Image Builder stops. Missing folders are created.

use std::path::{Path, PathBuf};

use goldsmith_document::{AccountId, S3Download, S3Uri};

use super::download::save;
use super::files::FileError;
use super::{Element, Fields, ModuleError, Place};
use crate::aws::{Access, AwsError};
use crate::http::HttpError;
use crate::output::Output;
use crate::resolve::ResolveError;
use crate::retry::retry;

/// An object or a prefix to download.
pub(super) struct Download {
    source: S3Uri,
    destination: String,
    owner: Option<AccountId>,
    overwrite: bool,
}

impl Download {
    pub(super) fn read(input: &S3Download, fields: &mut Fields<'_>) -> Result<Self, ResolveError> {
        Ok(Self {
            source: fields.setting("source", &input.source)?,
            destination: fields.text("destination", &input.destination)?,
            owner: fields.optional_setting("expectedBucketOwner", input.expected_bucket_owner.as_ref())?,
            overwrite: fields.setting("overwrite", &input.overwrite)?,
        })
    }

    /// Returns the objects to download and their destinations.
    fn objects(
        &self,
        access: Access<'_>,
        place: &Place<'_>,
        output: &mut Output<'_>,
    ) -> Result<Vec<(S3Uri, PathBuf)>, ModuleError> {
        let destination = place.path(&self.destination)?;
        let Some(prefix) = self.source.key.strip_suffix('*') else {
            if self.destination.ends_with('/') {
                return Err(FileError::NotAFile { path: destination }.into());
            }
            return Ok(vec![(self.source.clone(), destination)]);
        };
        let all = with_key(&self.source, prefix.to_owned());
        let keys = retry(place.deadline, &mut |text| output.log(text), AwsError::may_pass, || access.list(&all))?;
        let mut objects = Vec::new();
        // The S3 console makes empty objects whose keys end with a slash to show folders. They name no file.
        for key in keys.into_iter().filter(|key| !key.ends_with('/')) {
            let relative = Path::new(&key[prefix.len()..]);
            // Everyone who may write to the bucket chooses the keys. A key such as `prefix/../../etc/passwd` must not
            // lead out of the destination.
            if relative.components().any(|part| !matches!(part, std::path::Component::Normal(_))) {
                return Err(AwsError::Key { key }.into());
            }
            let path = destination.join(relative);
            objects.push((with_key(&self.source, key), path));
        }
        if objects.is_empty() {
            return Err(
                FileError::NoMatch { pattern: format!("s3://{}/{}", all.bucket, self.source.key).into() }.into()
            );
        }
        Ok(objects)
    }
}

impl Element for Download {
    fn run(&self, place: &Place<'_>, output: &mut Output<'_>) -> Result<Option<String>, ModuleError> {
        let owner = self.owner.as_ref().map(|AccountId(id)| id.as_str());
        let access = Access { aws: place.aws, owner, deadline: place.deadline };
        for (object, path) in self.objects(access, place, output)? {
            if path.is_dir() {
                return Err(FileError::NotAFile { path }.into());
            } else if !self.overwrite && path.exists() {
                return Err(FileError::Exists { path, flag: "overwrite" }.into());
            }
            retry(place.deadline, &mut |text| output.log(text), may_pass, || fetch(access, &object, &path))?;
        }
        Ok(None)
    }
}

fn fetch(access: Access<'_>, object: &S3Uri, path: &Path) -> Result<(), ModuleError> {
    let answer = access.get(object)?;
    // A body that ends early becomes an error of AWS, because `may_pass` lets only these be tried again.
    let broken =
        |error| AwsError::Http(HttpError::broken(&format!("s3://{}/{}", object.bucket, object.key), error)).into();
    save(path, &mut answer.into_reader(), None, broken, |_| Ok(()))
}

fn may_pass(error: &ModuleError) -> bool {
    matches!(error, ModuleError::Aws(error) if error.may_pass())
}

fn with_key(uri: &S3Uri, key: String) -> S3Uri {
    S3Uri { bucket: uri.bucket.clone(), key }
}

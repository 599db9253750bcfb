//! `ExecuteDocument`: finds the document and fetches its text. The run executes it as a run of its own.

use std::fs::File;
use std::io::{self, Read};

use goldsmith_document::{AccountId, ExecuteDocument, Literal, S3Uri};

use super::files::FileError;
use super::{Fields, Place, Task, TaskError, Work};
use crate::aws::{Access, AwsError};
use crate::output::Output;
use crate::resolve::Resolver;
use crate::retry::retry;

/// Longest document, in bytes.
const LIMIT: u64 = 4 * 1024 * 1024;

/// A document to run, with its phases and parameters.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) document: String,
    owner: Option<AccountId>,
    /// The phases to run. An empty list runs all phases.
    pub(crate) phases: Vec<String>,
    pub(crate) parameters: Vec<(String, String)>,
}

/// Why a document cannot be fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error(
        "`{arn}` is the ARN of a component, but this agent does not call Image Builder: name a file or an s3:// object"
    )]
    Arn { arn: String },
    #[error("`{text}` is not {}", S3Uri::EXPECTED)]
    Location { text: String },
    #[error("{document} has more than {LIMIT} bytes")]
    TooLong { document: String },
    #[error("{document} ended early")]
    Broken { document: String, source: io::Error },
    #[error("{document} is not text in UTF-8")]
    NotText { document: String },
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Aws(#[from] AwsError),
}

impl Call {
    pub(super) fn task(inputs: &ExecuteDocument, resolver: &Resolver<'_>) -> Result<Task, TaskError> {
        let mut fields = Fields::new(resolver);
        let document = fields.text("document", &inputs.document)?;
        let owner = fields.optional_setting("document-s3-bucket-owner", inputs.bucket_owner.as_ref())?;
        let phases = fields.optional("phases", inputs.phases.as_ref())?.unwrap_or_default();
        // The list is split only now, because one reference may stand for several phases.
        let phases = phases.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let parameters =
            inputs.parameters.iter().map(|(name, value)| Ok((resolver.text(name)?, resolver.text(value)?)));
        let parameters: Vec<(String, String)> = parameters.collect::<Result<_, TaskError>>()?;
        let record = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut inputs = fields.record();
        inputs.insert("parameters".to_owned(), crate::state::Input::Texts(record));
        Ok(Task { inputs: vec![inputs], work: Work::Document(Self { document, owner, phases, parameters }) })
    }

    /// Returns the document's text. As everywhere, a relative path starts at the working directory.
    pub(crate) fn fetch(&self, place: &Place<'_>, output: &mut Output<'_>) -> Result<String, FetchError> {
        let document = || self.document.clone();
        // EC2 Image Builder runs documents by ARN, so `validate` accepts them. Only the agent cannot fetch them.
        if self.document.starts_with("arn:") {
            return Err(FetchError::Arn { arn: document() });
        }
        let mut reader: Box<dyn Read> = if self.document.starts_with("s3://") {
            // A bucket alone is a location too (uploads use it), but it is no document.
            let object = S3Uri::read(&self.document).filter(|object| !object.key.is_empty());
            let object = object.ok_or_else(|| FetchError::Location { text: document() })?;
            let owner = self.owner.as_ref().map(|AccountId(id)| id.as_str());
            let access = Access { aws: place.aws, owner, deadline: place.deadline };
            let answer =
                retry(place.deadline, &mut |text| output.log(text), AwsError::may_pass, || access.get(&object))?;
            Box::new(answer.into_reader())
        } else {
            let path = place.path(&self.document)?;
            Box::new(File::open(&path).map_err(FileError::read(&path))?)
        };
        let mut bytes = Vec::new();
        let broken = |source| FetchError::Broken { document: document(), source };
        // One byte more than the limit distinguishes a document that is too long from one that just fits.
        reader.by_ref().take(LIMIT + 1).read_to_end(&mut bytes).map_err(broken)?;
        if bytes.len() as u64 > LIMIT {
            return Err(FetchError::TooLong { document: document() });
        }
        String::from_utf8(bytes).map_err(|_| FetchError::NotText { document: document() })
    }
}

//! The input of an execution: what a start from the CLI, an event or the console may specify.

use std::collections::BTreeMap;
use std::fmt::Display;

use goldsmith_document::did_you_mean;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use serde_with::skip_serializing_none;

use crate::{AmiId, Cause, ImagePipeline, ImageRef, Name, SourceImage};

/// Every field of the input.
const FIELDS: &[&str] = &["pipeline", "cause", "force", "reason", "sourceImage", "parameters", "from"];

/// Maximum number of bytes of JSON in a field. Text from a person is stored with the build, and DynamoDB limits an item
/// to 400 KB. A recipe may have 20 components with 25 parameters of 1,024 characters each (Image Builder's quotas), but
/// a start overrides far fewer.
const LIMITS: &[(&str, usize)] =
    &[("reason", 1_024), ("cause", 2_048), ("sourceImage", 2_048), ("parameters", 64 * 1_024)];

/// The input of an execution. It allows no other fields, and it depends on the cause alone.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExecutionInput {
    /// The pipeline to build.
    pub pipeline: Name,
    /// The cause. It is absent in a start from the console, where the execution's name replaces it.
    pub cause: Option<Cause>,
    /// Whether to build even if nothing has changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
    /// The reason, in words for people.
    pub reason: Option<String>,
    /// Source image that replaces the recipe's source image.
    pub source_image: Option<SourceImage>,
    /// Other values for the parameters of components, by component.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<Name, BTreeMap<String, String>>,
    /// The state at which the run begins with an existing image. It is absent if an image is to be built.
    pub from: Option<StartFrom>,
}

/// The state at which a run begins that builds no image, and the image for that state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "at", rename_all = "lowercase", deny_unknown_fields)]
pub enum StartFrom {
    /// Test an AMI in the same way as the pipeline's own images, and do nothing else with it.
    Test {
        /// The AMI, which may belong to another account.
        image: AmiId,
    },
    /// Distribute a published image once more: to what its distribution lacks, and to what its pipeline's distribution
    /// configuration has gained since.
    Distribute {
        /// The image, which the pipeline has built.
        image: ImageRef,
    },
}

/// What is wrong with an input. Every message names the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// The input is not an object.
    #[error("the input must be a JSON object such as {{\"pipeline\": \"web-server\"}}")]
    NotAnObject,
    /// The input has an unknown field.
    #[error("the input has no field `{field}`{}", near.map(|near| format!(": did you mean `{near}`?")).unwrap_or_default())]
    Unknown {
        /// Its name.
        field: String,
        /// A field with a similar name.
        near: Option<&'static str>,
    },
    /// A required field is missing.
    #[error("the input lacks the field `{field}`")]
    Missing {
        /// Its name.
        field: &'static str,
    },
    /// The field cannot have this value.
    #[error("the field `{field}` of the input is wrong: {problem}")]
    Value {
        /// Its name.
        field: &'static str,
        /// The problem.
        problem: String,
    },
    /// A text is longer than its field allows.
    #[error("the field `{field}` of the input has {length} bytes: {allowed} are allowed")]
    TooLong {
        /// Its name.
        field: &'static str,
        /// Its length.
        length: usize,
        /// The limit.
        allowed: usize,
    },
    /// Only a start that builds an image may have the field.
    #[error("the field `{field}` of the input is rejected: a start with `from` builds no image")]
    NotBuilt {
        /// Its name.
        field: &'static str,
    },
    /// The pipeline does not allow an override in the input.
    #[error("the field `{field}` of the input is rejected: pipeline `{pipeline}` does not have `allowOverrides: true`")]
    Override {
        /// Its name.
        field: &'static str,
        /// The pipeline.
        pipeline: Name,
    },
}

impl ExecutionInput {
    /// Creates the smallest input, which builds this pipeline for this cause.
    #[must_use]
    pub fn new(pipeline: Name, cause: Cause) -> Self {
        let parameters = BTreeMap::new();
        Self { pipeline, cause: Some(cause), force: false, reason: None, source_image: None, parameters, from: None }
    }

    /// Reads an input.
    ///
    /// # Errors
    /// Returns the first mistake. Unknown fields are reported first, because they are often misspelled known fields.
    pub fn parse(input: &Value) -> Result<Self, InputError> {
        let fields = input.as_object().ok_or(InputError::NotAnObject)?;
        if let Some(unknown) = fields.keys().find(|key| !FIELDS.contains(&key.as_str())) {
            let near = did_you_mean(unknown, FIELDS.iter().copied());
            return Err(InputError::Unknown { field: unknown.clone(), near });
        }
        for (name, allowed) in LIMITS {
            let length = fields.get(*name).map_or(0, |value| value.to_string().len());
            if length > *allowed {
                return Err(InputError::TooLong { field: name, length, allowed: *allowed });
            }
        }
        let input = Self {
            pipeline: field(fields, "pipeline")?.ok_or(InputError::Missing { field: "pipeline" })?,
            cause: field(fields, "cause")?,
            force: field(fields, "force")?.unwrap_or_default(),
            reason: field(fields, "reason")?,
            source_image: field(fields, "sourceImage")?,
            parameters: field(fields, "parameters")?.unwrap_or_default(),
            from: field(fields, "from")?,
        };
        match input.overridden() {
            Some(field) if input.from.is_some() => Err(InputError::NotBuilt { field }),
            _ => Ok(input),
        }
    }

    /// Checks that the pipeline allows the overrides in the input.
    ///
    /// # Errors
    /// [`InputError::Override`] with the first override, if the pipeline does not allow overrides.
    pub fn check_overrides(&self, pipeline: &ImagePipeline) -> Result<(), InputError> {
        match self.overridden() {
            Some(field) if !pipeline.allow_overrides => {
                Err(InputError::Override { field, pipeline: pipeline.name.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Returns the first field that makes the image differ from its recipe. Such an image is never published.
    #[must_use]
    pub fn overridden(&self) -> Option<&'static str> {
        match (&self.source_image, self.parameters.is_empty()) {
            (Some(_), _) => Some("sourceImage"),
            (None, false) => Some("parameters"),
            (None, true) => None,
        }
    }
}

/// Returns a field's value, or `None` if it is absent or null.
fn field<T: for<'de> Deserialize<'de>>(
    fields: &Map<String, Value>,
    name: &'static str,
) -> Result<Option<T>, InputError> {
    let wrong = |problem: &dyn Display| InputError::Value { field: name, problem: problem.to_string() };
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if name == "sourceImage" => {
            // It is parsed separately, because the two forms of a source image hide each other's message.
            let _: SourceImage = text.parse().map_err(|error| wrong(&error))?;
            T::deserialize(&fields[name]).map(Some).map_err(|error| wrong(&error))
        }
        Some(value) => T::deserialize(value).map(Some).map_err(|error| wrong(&error)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::ExecutionInput;
    use crate::{Cause, ImagePipeline};

    #[test]
    fn a_whole_input_reads_back_as_it_was_written() {
        let input = json!({
            "pipeline": "web-server", "cause": {"kind": "manual", "id": "7"}, "force": true, "reason": "try it",
            "sourceImage": "ssm:/a", "parameters": {"nginx": {"port": "9090"}},
        });
        let parsed = ExecutionInput::parse(&input).unwrap();
        assert_eq!(serde_json::to_value(&parsed).unwrap(), input);
        assert_eq!(parsed.overridden(), Some("sourceImage"));
        let test = json!({"pipeline": "web-server", "from": {"at": "test", "image": "ami-0123456789abcdef0"}});
        assert_eq!(serde_json::to_value(ExecutionInput::parse(&test).unwrap()).unwrap(), test);
        let distribute = json!({"pipeline": "web-server", "from": {"at": "distribute", "image": "web/1.0.0/7"}});
        assert_eq!(serde_json::to_value(ExecutionInput::parse(&distribute).unwrap()).unwrap(), distribute);
        let least = ExecutionInput::new("web-server".parse().unwrap(), Cause::Manual { id: "7".to_owned() });
        let json = r#"{"pipeline":"web-server","cause":{"kind":"manual","id":"7"}}"#;
        assert_eq!(serde_json::to_string(&least).unwrap(), json);
        assert_eq!(ExecutionInput::parse(&json!({"pipeline": "web-server"})).unwrap().cause, None);
    }

    #[test]
    fn mistakes_name_the_field() {
        for (input, message) in [
            (json!([]), "the input must be a JSON object such as {\"pipeline\": \"web-server\"}"),
            (json!({"pipelin": "web"}), "the input has no field `pipelin`: did you mean `pipeline`?"),
            (json!({"pipeline": "web", "colour": 1}), "the input has no field `colour`"),
            (json!({"force": true}), "the input lacks the field `pipeline`"),
            (
                json!({"pipeline": 7}),
                "the field `pipeline` of the input is wrong: invalid type: integer `7`, expected a string",
            ),
            (
                json!({"pipeline": "w"}),
                "the field `pipeline` of the input is wrong: the name `w` has a length of 1: 3 to 128 characters are allowed",
            ),
            (
                json!({"pipeline": "web", "cause": {"kind": "manual", "id": "1", "x": 1}}),
                "the field `cause` of the input is wrong: unknown field `x`, expected `id`",
            ),
            (
                json!({"pipeline": "web", "sourceImage": "debian"}),
                "the field `sourceImage` of the input is wrong: `debian` is not a source image: \
                 use ami-…, ssm:NAME, pipeline:NAME or {owners: […], name: …}",
            ),
            (
                json!({"pipeline": "web", "parameters": {"port": "1"}}),
                "the field `parameters` of the input is wrong: invalid type: string \"1\", expected a map",
            ),
            (
                json!({"pipeline": "web", "reason": "r".repeat(300 * 1_024)}),
                "the field `reason` of the input has 307202 bytes: 1024 are allowed",
            ),
            (
                json!({"pipeline": "web", "parameters": {"nginx": {"page": "p".repeat(300 * 1_024)}}}),
                "the field `parameters` of the input has 307221 bytes: 65536 are allowed",
            ),
            (
                json!({"pipeline": "web", "from": {"at": "test", "image": "ami-1"}}),
                "the field `from` of the input is wrong: `ami-1` is not an AMI id: expected `ami-` and 8 or 17 \
                 hexadecimal digits",
            ),
            (
                json!({"pipeline": "web", "from": {"at": "Build"}}),
                "the field `from` of the input is wrong: unknown variant `Build`, expected `test` or `distribute`",
            ),
            (
                json!({"pipeline": "web", "sourceImage": "ssm:/a", "from": {"at": "test", "image": "ami-0123456789abcdef0"}}),
                "the field `sourceImage` of the input is rejected: a start with `from` builds no image",
            ),
            (
                json!({"pipeline": "web", "force": "yes"}),
                "the field `force` of the input is wrong: invalid type: string \"yes\", expected a boolean",
            ),
        ] {
            assert_eq!(ExecutionInput::parse(&input).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn overrides_need_the_pipelines_consent() {
        let pipeline = |allow: bool| -> ImagePipeline {
            let json = json!({"name": "web", "imageRecipe": "web", "infrastructureConfiguration": "small",
                              "allowOverrides": allow});
            serde_json::from_value(json).unwrap()
        };
        let parse = |input: Value| ExecutionInput::parse(&input).unwrap();
        let plain = parse(json!({"pipeline": "web"}));
        let changed = parse(json!({"pipeline": "web", "parameters": {"nginx": {"port": "1"}}}));
        assert_eq!(plain.check_overrides(&pipeline(false)), Ok(()));
        assert_eq!(changed.check_overrides(&pipeline(true)), Ok(()));
        assert_eq!(
            changed.check_overrides(&pipeline(false)).unwrap_err().to_string(),
            "the field `parameters` of the input is rejected: pipeline `web` does not have `allowOverrides: true`"
        );
    }
}

//! Inputs of the actions that run something.

use super::input::{
    Element, Field, Input, Inputs, Shape, inputs, optional_special, optional_text, optional_texts, optional_value,
    read_as_map, text, texts,
};
use super::{Description, WINDOWS};
use crate::parse::{Fields, Given, Parse};
use crate::{AccountId, Expression, Literal, Platform, S3Uri, Setting, Template};

/// Inputs of `Assert`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assert {
    /// The expression that must be true for the step to succeed.
    pub expression: Expression,
}

inputs! {
    /// Inputs of `ExecuteBash`.
    ExecuteBash on UNIX gives ["stdout"] {
        /// The pieces of one script, in order. A piece sees the variables that earlier pieces set. There is at least
        /// one piece.
        commands: Vec<Template> = texts("commands", "a command"),
    }
}

inputs! {
    /// Inputs of `ExecuteBinary`.
    ExecuteBinary gives ["stdout"] {
        /// The program: a path, or a name that is looked up on `PATH`.
        path: Template = text("path"),
        /// The arguments of the program; no shell interprets them.
        arguments: Vec<Template> = optional_texts("arguments", "an argument"),
    }
}

inputs! {
    /// Inputs of `ExecuteDocument`. The step has no time-out and only one attempt.
    ExecuteDocument gives [
        "executedStepCount", "executionId", "failedStepCount", "failureMessage", "ignoredFailedStepCount", "logUrl",
        "status"
    ] {
        /// A local path, an S3 URI, or the ARN of a component.
        document: Template = text("document").checked(check_document),
        /// The account that must own the document's bucket.
        bucket_owner: Option<Setting<AccountId>> = optional_value("document-s3-bucket-owner"),
        /// The names of phases, separated by commas. `None` means all phases.
        phases: Option<Template> = optional_text("phases"),
        /// Names and values of the document's parameters.
        parameters: Vec<(Template, Template)> =
            optional_special("parameters", Shape::NamesAndValues, document_parameters),
    }
}

/// Inputs of `ExecutePowerShell`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecutePowerShell {
    /// The pieces of one script, in order. There is at least one piece.
    Commands(Vec<Template>),
    /// The path of a script.
    File(Template),
}

const COMMANDS: Field<Vec<Template>> = texts("commands", "a command");
const FILE: Field<Option<Template>> = optional_text("file");

// One of two keys must be given, and the macro has no such rule.
impl Element for ExecutePowerShell {
    const INPUTS: &'static [Input] = &[Input { is_required: false, ..COMMANDS.input }, FILE.input];
    const IS_REQUIRED: bool = true;
    const OUTPUTS: &'static [&'static str] = &["stdout"];
    const PLATFORMS: &'static [Platform] = WINDOWS;

    fn from_map(parse: &mut Parse<'_>, fields: &mut Fields<'_>) -> Option<Self> {
        let file = FILE.read(parse, fields)?;
        let both = file.is_some() && fields.node.get("commands").is_some();
        if both {
            let message = "`commands` and `file` cannot be given together";
            parse.reader.error(fields.map.span(), "contradiction", message);
        }
        match file {
            Some(file) => {
                fields.map.optional("commands");
                (!both).then_some(Self::File(file))
            }
            None => COMMANDS.read(parse, fields).map(Self::Commands),
        }
    }
}

read_as_map!(ExecutePowerShell);

impl Inputs for Assert {
    const DESCRIPTION: Description = Description::of_expression();

    fn read(parse: &mut Parse<'_>, given: &Given<'_>) -> Option<Self> {
        let map = parse.reader.map(given.node, given.what())?;
        Some(Self { expression: parse.expression(map, 1)? })
    }
}

/// Reports a nested document that is not a path, an object in S3, or a component.
fn check_document(parse: &mut Parse<'_>, document: &Template) {
    let Some(literal) = document.literal() else { return };
    let problem = if literal.starts_with("s3://") {
        S3Uri::read(&literal).is_none_or(|uri| uri.key.is_empty() || uri.key.ends_with('/'))
    } else if literal.starts_with("arn:") {
        let parts: Vec<&str> = literal.splitn(6, ':').collect();
        !matches!(parts[..], [_, _, "imagebuilder", _, _, resource] if resource.starts_with("component/"))
    } else {
        literal.trim().is_empty()
    };
    if problem {
        let help = "write a path, `s3://BUCKET/KEY`, or the ARN of a component";
        let message = "`document` does not name a document";
        parse.reader.error_with_help(document.span, "wrong-value", message, Some(help.to_owned()));
    }
}

// Names and values stay as they were read, also after a mistake in one of them.
fn document_parameters(
    parse: &mut Parse<'_>,
    fields: &mut Fields<'_>,
    field: &Field<Vec<(Template, Template)>>,
) -> Option<Vec<(Template, Template)>> {
    let mut parameters = Vec::new();
    let Some(node) = fields.map.optional(field.input.key) else { return Some(parameters) };
    for item in parse.reader.list(node, "`parameters`").unwrap_or_default() {
        let Some(map) = parse.reader.map(item, "a parameter for the document") else { continue };
        let mut fields = Fields { map, node: item };
        let (name, value) = (parse.text(&mut fields, "name"), parse.text(&mut fields, "value"));
        fields.map.finish(&mut parse.reader);
        parameters.extend(name.zip(value));
    }
    Some(parameters)
}

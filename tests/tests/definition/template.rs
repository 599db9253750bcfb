//! What the template says about functions and substitutions, read line by line: it is our own and flat.

use std::collections::BTreeMap;

/// A function of the template.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Function {
    /// Which module of the one artefact it runs.
    pub(crate) handler: String,
    /// Its name without the stack's.
    pub(crate) name: String,
    /// The resource that is its role.
    pub(crate) role: String,
}

/// A resource of any type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Resource<'t> {
    /// Its logical id.
    pub(crate) id: &'t str,
    /// Its type, such as `AWS::IAM::Role`.
    pub(crate) kind: &'t str,
    /// Its lines, the first of which is its type.
    pub(crate) text: &'t str,
}

/// Every resource of a template, as it is written.
pub(crate) fn resources(template: &str) -> Vec<Resource<'_>> {
    let body = template.split_once("\nResources:\n").map_or("", |(_, body)| body);
    let body = body.split_once("\nOutputs:\n").map_or(body, |(body, _)| body);
    let mut starts: Vec<usize> = body
        .match_indices("\n  ")
        .map(|(at, _)| at + 1)
        .chain([0])
        .filter(|at| body[at + 2..].starts_with(|letter: char| letter.is_ascii_alphabetic()))
        .collect();
    starts.sort_unstable();
    let ends = starts.iter().skip(1).copied().chain([body.len()]);
    let read = starts.iter().zip(ends).filter_map(|(start, end)| {
        let (head, text) = body[*start..end].split_once('\n')?;
        let kind = text.lines().next()?.trim().strip_prefix("Type: ")?;
        Some(Resource { id: head.trim().split(':').next()?, kind, text })
    });
    read.collect()
}

/// What the checks need of the template.
#[derive(Debug, Default)]
pub(crate) struct Template {
    /// Functions by logical id.
    pub(crate) functions: BTreeMap<String, Function>,
    /// Logical id of the function whose ARN each name in the definition stands for.
    pub(crate) substitutions: BTreeMap<String, String>,
    /// Names of the functions' environment.
    pub(crate) environment: Vec<String>,
}

impl Template {
    /// Reads the template's text.
    pub(crate) fn parse(text: &str) -> Self {
        let mut template = Template::default();
        let (mut resource, mut is_function, mut block) = (String::new(), false, "");
        for line in text.lines() {
            let indent = line.len() - line.trim_start().len();
            let (key, value) = line.trim().split_once(':').unwrap_or((line.trim(), ""));
            let value = value.trim();
            match (indent, key) {
                (2, _) => (resource, is_function) = (key.to_owned(), false),
                (4, "Type") => is_function = value == "AWS::Serverless::Function",
                (_, "DefinitionSubstitutions" | "Variables") => block = key,
                (6, _) if !is_function => block = "",
                (6, "Handler") => template.function(&resource).handler = value.to_owned(),
                (6, "FunctionName") => template.function(&resource).name = of_stack(value),
                (6, "Role") => template.function(&resource).role = logical_id(value),
                (8, _) if block == "DefinitionSubstitutions" => {
                    template.substitutions.insert(key.to_owned(), logical_id(value));
                }
                (8, _) if block == "Variables" => template.environment.push(key.to_owned()),
                _ => {}
            }
        }
        template
    }

    fn function(&mut self, resource: &str) -> &mut Function {
        self.functions.entry(resource.to_owned()).or_default()
    }
}

/// `Name` of `!GetAtt Name.Arn`.
fn logical_id(value: &str) -> String {
    value.trim_start_matches("!GetAtt ").trim_end_matches(".Arn").to_owned()
}

/// `name` of `!Sub "${AWS::StackName}-name"`; anything else as it is, which no expected name equals.
fn of_stack(value: &str) -> String {
    let name = value.strip_prefix("!Sub \"${AWS::StackName}-").and_then(|rest| rest.strip_suffix('"'));
    name.unwrap_or(value).to_owned()
}

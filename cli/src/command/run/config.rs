//! Reads `--config FILE`, which has the format of AWS's own program.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use goldsmith_document::yaml::Node;
use goldsmith_document::{MapReader, Reader};

use crate::exit::mistaken;
use crate::output;
use crate::parameters::{OPTION, Values};
use crate::render::count;

/// Keys that configure the logging of AWS's own program. They are ignored with a warning.
const WITHOUT_EFFECT: [&str; 8] = [
    "documentS3BucketOwner",
    "logS3BucketName",
    "logS3BucketOwner",
    "logS3KeyPrefix",
    "cwLogGroup",
    "cwLogStream",
    "cwLogRegion",
    "cwIgnoreFailures",
];

/// What to run and how.
pub(super) struct Config {
    /// The documents, each with the parameters that only it gets.
    pub(super) documents: Vec<(PathBuf, Values)>,
    /// Parameters that all documents get.
    pub(super) parameters: Values,
    /// The phases to run. The list is empty for all phases.
    pub(super) phases: Vec<String>,
    /// The place where the phases were given, for messages.
    pub(super) phases_from: String,
    /// The place where the parameters were given, for messages.
    pub(super) parameters_from: String,
    pub(super) execution_id: Option<String>,
    pub(super) log_directory: PathBuf,
    pub(super) state_directory: Option<PathBuf>,
    pub(super) trace: bool,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            documents: Vec::new(),
            parameters: Values::new(),
            phases: Vec::new(),
            phases_from: "--phases".to_owned(),
            parameters_from: OPTION.to_owned(),
            execution_id: None,
            log_directory: PathBuf::from("."),
            state_directory: None,
            trace: false,
        }
    }
}

/// Reads the file. Relative paths in it start at the command's current folder.
///
/// # Errors
/// The file cannot be read, or its content is wrong. If the content is wrong, every mistake was reported.
pub(super) fn read(path: &Path) -> Result<Config> {
    let file = path.display().to_string();
    let text = fs::read_to_string(path).with_context(|| format!("{file} cannot be read"))?;
    let mut reader = Reader::new(&file, &text);
    let nodes = reader.documents();
    let config = match &nodes[..] {
        [root] => config(&mut reader, root),
        _ => None,
    };
    let found = &mut reader.diagnostics;
    found.sort();
    match config {
        Some(config) if !found.has_errors() => {
            found.iter().for_each(|warning| output::say(&warning.to_string()));
            let (phases_from, parameters_from) = (format!("phases of {file}"), format!("parameters of {file}"));
            Ok(Config { phases_from, parameters_from, ..config })
        }
        _ => {
            let mistakes = count(found.errors().max(1), "mistake");
            Err(mistaken(std::mem::take(found), format!("{mistakes} in {file}: nothing was run")))
        }
    }
}

fn config(reader: &mut Reader<'_>, root: &Node) -> Option<Config> {
    let mut map = reader.map(root, "this file")?;
    let documents = map.required(reader, "documents");
    let documents = documents.and_then(|node| Some((node.span, reader.list(node, "`documents`")?)));
    let parameters = values(reader, &mut map);
    let phases = text(reader, &mut map, "phases").unwrap_or_default();
    let execution_id = text(reader, &mut map, "executionId").or_else(|| text(reader, &mut map, "executonId"));
    let log_directory = text(reader, &mut map, "logDirectory").unwrap_or_else(|| ".".to_owned());
    let state_directory = text(reader, &mut map, "stateDirectory").map(PathBuf::from);
    let trace = map.optional("trace").and_then(|node| reader.boolean(node, "`trace`")).unwrap_or(false);
    // They are read, so that `finish` does not take them for unknown keys.
    for key in WITHOUT_EFFECT {
        if let (Some(_), Some(span)) = (map.optional(key), map.key_span(key)) {
            reader.warning(span, "no-effect", format!("`{key}` has no effect here"));
        }
    }
    map.finish(reader);
    let (span, items) = documents?;
    if items.is_empty() {
        reader.error(span, "no-documents", "`documents` must not be empty");
    }
    let documents = items.iter().filter_map(|item| document(reader, item)).collect();
    let phases = phases.split(',').map(|phase| phase.trim().to_owned()).filter(|phase| !phase.is_empty()).collect();
    let log_directory = PathBuf::from(log_directory);
    Some(Config {
        documents,
        parameters,
        phases,
        execution_id,
        log_directory,
        state_directory,
        trace,
        ..Config::default()
    })
}

fn document(reader: &mut Reader<'_>, node: &Node) -> Option<(PathBuf, Values)> {
    let mut map = reader.map(node, "a document")?;
    let path = map.required(reader, "path").and_then(|node| reader.text(node, "`path`"));
    let parameters = values(reader, &mut map);
    map.finish(reader);
    Some((PathBuf::from(path?.value), parameters))
}

/// Returns the `parameters` of a map: a list of names and values.
fn values(reader: &mut Reader<'_>, map: &mut MapReader<'_>) -> Values {
    let items = map.optional("parameters").and_then(|node| reader.list(node, "`parameters`")).unwrap_or_default();
    let mut values = Values::new();
    for item in items {
        let Some(mut map) = reader.map(item, "a parameter") else { continue };
        let name = map.required(reader, "name").and_then(|node| reader.text(node, "`name`"));
        let value = map.required(reader, "value").and_then(|node| reader.text(node, "`value`"));
        map.finish(reader);
        let (Some(name), Some(value)) = (name, value) else { continue };
        if values.insert(name.value.clone(), value.value).is_some() {
            reader.error(name.span, "duplicate-name", format!("the parameter `{}` is given twice", name.value));
        }
    }
    values
}

fn text(reader: &mut Reader<'_>, map: &mut MapReader<'_>, key: &'static str) -> Option<String> {
    map.optional(key).and_then(|node| reader.text(node, &format!("`{key}`"))).map(|text| text.value)
}

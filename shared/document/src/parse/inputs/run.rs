//! Inputs of the actions that run something.

use super::{Fields, Parse};
use crate::yaml::Node;
use crate::{Assert, ExecuteBash, ExecuteBinary, ExecuteDocument, ExecutePowerShell, Template};

impl Parse<'_> {
    pub(super) fn assert(&mut self, node: &Node) -> Option<Assert> {
        let map = self.reader.map(node, "the inputs of Assert")?;
        let expression = self.expression(map, 1)?;
        Some(Assert { expression })
    }

    pub(super) fn execute_bash(&mut self, fields: &mut Fields<'_>) -> Option<ExecuteBash> {
        let commands = self.texts(fields, "commands", "a command")?;
        Some(ExecuteBash { commands })
    }

    pub(super) fn execute_binary(&mut self, fields: &mut Fields<'_>) -> Option<ExecuteBinary> {
        let path = self.text(fields, "path");
        let arguments = self.optional_texts(fields, "arguments", "an argument");
        Some(ExecuteBinary { path: path?, arguments })
    }

    pub(super) fn execute_document(&mut self, fields: &mut Fields<'_>) -> Option<ExecuteDocument> {
        let document = self.text(fields, "document");
        if let Some(document) = &document {
            self.check_document(document);
        }
        let bucket_owner = self.optional_value(fields, "document-s3-bucket-owner");
        let phases = self.optional_text(fields, "phases");
        let parameters = fields.map.optional("parameters").and_then(|node| self.document_parameters(node));
        Some(ExecuteDocument { document: document?, bucket_owner, phases, parameters: parameters.unwrap_or_default() })
    }

    fn document_parameters(&mut self, node: &Node) -> Option<Vec<(Template, Template)>> {
        let mut parameters = Vec::new();
        for item in self.reader.list(node, "`parameters`")? {
            let Some(map) = self.reader.map(item, "a parameter for the document") else { continue };
            let mut fields = Fields { map, node: item };
            let (name, value) = (self.text(&mut fields, "name"), self.text(&mut fields, "value"));
            fields.map.finish(&mut self.reader);
            parameters.extend(name.zip(value));
        }
        Some(parameters)
    }

    pub(super) fn execute_power_shell(&mut self, fields: &mut Fields<'_>) -> Option<ExecutePowerShell> {
        let file = self.optional_text(fields, "file");
        let both = file.is_some() && fields.node.get("commands").is_some();
        if both {
            let message = "`commands` and `file` cannot be given together";
            self.reader.error(fields.map.span(), "contradiction", message);
        }
        match file {
            Some(file) => {
                fields.map.optional("commands");
                (!both).then_some(ExecutePowerShell::File(file))
            }
            None => self.texts(fields, "commands", "a command").map(ExecutePowerShell::Commands),
        }
    }
}

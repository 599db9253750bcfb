//! The inputs of one element of a step. Their references are replaced, and the results are recorded.

use goldsmith_document::{Literal, Setting, Template};

use crate::resolve::{ResolveError, Resolver};
use crate::state::{Input, Inputs};

/// Reads inputs and records them under their names in the document.
pub(crate) struct Fields<'f> {
    resolver: &'f Resolver<'f>,
    record: Inputs,
}

impl<'f> Fields<'f> {
    pub(super) fn new(resolver: &'f Resolver<'f>) -> Self {
        Self { resolver, record: Inputs::new() }
    }

    /// Returns the record of all inputs that were read.
    pub(super) fn record(self) -> Inputs {
        self.record
    }

    pub(crate) fn text(&mut self, key: &str, template: &Template) -> Result<String, ResolveError> {
        let text = self.resolver.text(template)?;
        self.record.insert(key.to_owned(), Input::Text(text.clone()));
        Ok(text)
    }

    pub(crate) fn texts(&mut self, key: &str, templates: &[Template]) -> Result<Vec<String>, ResolveError> {
        let texts: Vec<String> =
            templates.iter().map(|template| self.resolver.text(template)).collect::<Result<_, _>>()?;
        self.record.insert(key.to_owned(), Input::Texts(texts.clone()));
        Ok(texts)
    }

    pub(crate) fn optional(&mut self, key: &str, template: Option<&Template>) -> Result<Option<String>, ResolveError> {
        template.map(|template| self.text(key, template)).transpose()
    }

    /// Reads a text. An absent text is recorded and used as an empty text.
    pub(crate) fn or_empty(&mut self, key: &str, template: Option<&Template>) -> Result<String, ResolveError> {
        let text = self.optional(key, template)?.unwrap_or_default();
        self.record.entry(key.to_owned()).or_insert_with(|| Input::Text(String::new()));
        Ok(text)
    }

    pub(crate) fn setting<T: Literal>(&mut self, key: &str, setting: &Setting<T>) -> Result<T, ResolveError> {
        let text = self.text(key, &setting.text)?;
        T::read(&text).ok_or(ResolveError::BadValue { key: key.to_owned(), text, expected: T::EXPECTED })
    }

    pub(crate) fn optional_setting<T: Literal>(
        &mut self,
        key: &str,
        setting: Option<&Setting<T>>,
    ) -> Result<Option<T>, ResolveError> {
        setting.map(|setting| self.setting(key, setting)).transpose()
    }
}

//! One pass over the files: every definition is read, every name and every reference is noted with its place.

use std::path::Path;

use goldsmith_document::yaml::{Node, Span};
use goldsmith_document::{Diagnostic, Diagnostics, MapReader, Reader, Source, Spanned};

use super::{Definitions, Kind, component, distribution, fields, infrastructure, pipeline, recipe};
use crate::{Name, Version, VersionPattern};

/// Reads the file that a component's `uri` names; the path is already relative to where the definition file's is.
pub type Load<'f> = &'f dyn Fn(&Path) -> std::io::Result<String>;

/// A file with definitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path as the user named it; documents beside it are found from here.
    pub path: String,
    /// Its whole text.
    pub text: String,
}

/// What one definition says of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// What is meant.
    pub kind: Kind,
    /// By which name.
    pub name: Name,
    /// Which version; any, where the kind has none.
    pub version: VersionPattern,
}

/// A reference and where it stands.
pub(super) struct Placed<'t> {
    pub(super) source: Source<'t>,
    pub(super) span: Span,
    pub(super) reference: Reference,
    /// Values for the parameters of the component that is meant.
    pub(super) parameters: Vec<(Spanned<String>, Spanned<String>)>,
}

/// Where a recipe's source image is written.
pub(super) struct Parent<'t> {
    pub(super) source: Source<'t>,
    pub(super) span: Span,
    pub(super) recipe: Name,
    pub(super) version: Version,
}

/// A definition's identity and where it stands; it is noted even if the rest of the definition is wrong.
pub(super) struct Declared<'t> {
    pub(super) kind: Kind,
    pub(super) name: Name,
    pub(super) version: Option<Version>,
    source: Source<'t>,
    span: Span,
    version_span: Option<Span>,
}

/// Where a version of a definition is written.
#[derive(Debug, Clone)]
pub struct VersionPlace<'t> {
    /// Component or recipe.
    pub kind: Kind,
    /// Its name.
    pub name: Name,
    /// The version.
    pub version: Version,
    source: Source<'t>,
    span: Span,
}

impl VersionPlace<'_> {
    /// An error at this place.
    #[must_use]
    pub fn error(&self, code: &'static str, message: String) -> Diagnostic {
        self.source.error(self.span, code, message)
    }
}

/// Definitions that were read, and what remains to be checked.
#[derive(Default)]
pub struct Draft<'t> {
    pub(super) definitions: Definitions,
    pub(super) declared: Vec<Declared<'t>>,
    pub(super) references: Vec<Placed<'t>>,
    pub(super) parents: Vec<Parent<'t>>,
    pub(super) diagnostics: Diagnostics,
    /// Something could not be read as far as its name, so that nobody knows what it declares.
    pub(super) incomplete: bool,
}

/// What the reading of one definition needs.
pub(super) struct Context<'c, 't> {
    pub(super) draft: &'c mut Draft<'t>,
    pub(super) reader: Reader<'t>,
    pub(super) load: Load<'c>,
}

impl<'t> Draft<'t> {
    /// Reads all definitions of the files. A YAML document with `phases` and without `kind` is a component's document
    /// that lies beside the definitions, and is passed over, as is an empty one.
    #[must_use]
    pub fn read(files: &'t [SourceFile], load: Load<'_>) -> Self {
        let mut draft = Draft::default();
        for file in files {
            let reader = Reader::new(&file.path, &file.text);
            let mut context = Context { draft: &mut draft, reader, load };
            let documents = context.reader.documents();
            context.draft.incomplete |= context.reader.diagnostics.has_errors();
            for node in &documents {
                context.definition(node);
            }
            let found = context.reader.diagnostics;
            draft.diagnostics.extend(found);
        }
        draft
    }

    /// Whether there is no definition at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.declared.is_empty() && !self.incomplete
    }

    /// Where each version is written that the files declare.
    #[must_use]
    pub fn version_places(&self) -> Vec<VersionPlace<'t>> {
        let place = |one: &Declared<'t>| {
            let (kind, name, source) = (one.kind, one.name.clone(), one.source);
            Some(VersionPlace { kind, name, version: one.version?, source, span: one.version_span? })
        };
        self.declared.iter().filter_map(place).collect()
    }

    /// Where a definition without a version is declared.
    pub(super) fn declared_place(&self, kind: Kind, name: &Name) -> Option<(Source<'t>, Span)> {
        let declared = self.declared.iter().find(|one| one.kind == kind && one.name == *name)?;
        Some((declared.source, declared.span))
    }

    /// All that the definitions refer to, in the folder or outside of it.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        self.references.iter().map(|placed| &placed.reference)
    }
}

impl<'t> Context<'_, 't> {
    fn definition(&mut self, node: &Node) {
        let beside = node.get("kind").is_none() && node.get("phases").is_some();
        if beside || node.is_null() {
            return;
        }
        let map = self.reader.map(node, "a definition");
        let kind = map.and_then(|mut map| map.required(&mut self.reader, "kind"));
        let kind = kind.and_then(|node| self.reader.choice(node, "`kind`", &Kind::ALL));
        let Some((kind, mut map)) = kind.and_then(|kind| Some((kind, self.reader.map(node, format!("this {kind}"))?)))
        else {
            self.draft.incomplete = true;
            return;
        };
        let _ = map.optional("kind"); // asked for above, so that it counts as known
        match kind {
            Kind::Component => component::read(self, &mut map),
            Kind::ImageRecipe => recipe::read(self, &mut map),
            Kind::InfrastructureConfiguration => infrastructure::read(self, &mut map),
            Kind::DistributionConfiguration => distribution::read(self, &mut map),
            Kind::ImagePipeline => pipeline::read(self, &mut map),
        };
        map.finish(&mut self.reader);
    }

    /// Reads name and version and notes that they are taken.
    pub(super) fn versioned(&mut self, kind: Kind, map: &mut MapReader<'_>) -> Option<(Name, Version)> {
        let name = map.required(&mut self.reader, "name");
        let name = name.and_then(|node| Some((fields::parse::<Name>(&mut self.reader, node, "`name`")?, node.span)));
        let version = map.required(&mut self.reader, "semanticVersion");
        let version = version
            .and_then(|node| Some((fields::parse::<Version>(&mut self.reader, node, "`semanticVersion`")?, node.span)));
        self.draft.incomplete |= name.is_none();
        let (name, span) = name?;
        self.declare(kind, &name, version, span);
        Some((name, version?.0))
    }

    /// Reads a name and notes that it is taken.
    pub(super) fn named(&mut self, kind: Kind, map: &mut MapReader<'_>) -> Option<Name> {
        let node = map.required(&mut self.reader, "name");
        let name = node.and_then(|node| Some((fields::parse::<Name>(&mut self.reader, node, "`name`")?, node.span)));
        self.draft.incomplete |= name.is_none();
        let (name, span) = name?;
        self.declare(kind, &name, None, span);
        Some(name)
    }

    fn declare(&mut self, kind: Kind, name: &Name, version: Option<(Version, Span)>, span: Span) {
        let (version, version_span) = version.unzip();
        let unversioned = matches!(kind, Kind::Component | Kind::ImageRecipe) && version.is_none();
        let same = |other: &&Declared| other.kind == kind && other.name == *name && other.version == version;
        if let Some(first) = self.draft.declared.iter().find(same).filter(|_| !unversioned) {
            let version = version.map(|version| format!(" {version}")).unwrap_or_default();
            let help = Some(format!("the first one is in {}:{}", first.source.file, first.span.line));
            self.reader.error_with_help(span, "duplicate", format!("{kind} `{name}`{version} is defined twice"), help);
        }
        let (name, source) = (name.clone(), self.reader.source);
        self.draft.declared.push(Declared { kind, name, version, source, span, version_span });
    }

    /// Notes a reference, to be checked once everything is read.
    pub(super) fn refer(&mut self, span: Span, kind: Kind, name: &Name, version: VersionPattern) {
        let reference = Reference { kind, name: name.clone(), version };
        let source = self.reader.source;
        self.draft.references.push(Placed { source, span, reference, parameters: Vec::new() });
    }
}

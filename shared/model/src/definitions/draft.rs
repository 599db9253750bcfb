//! The first pass over the files. It reads every definition, and records every name and every reference with its place.

use std::collections::BTreeMap;
use std::path::Path;

use goldsmith_document::yaml::{Node, Span};
use goldsmith_document::{Diagnostic, Diagnostics, MapReader, Reader, Source, Spanned};

use super::{Definitions, Kind, component, distribution, fields, infrastructure, pipeline, recipe};
use crate::{DeclaredVersion, Name, Version, VersionPattern};

/// Reads the file that a component's `uri` names. The path is relative to the same folder as the definition file's
/// path.
pub type Load<'f> = &'f dyn Fn(&Path) -> std::io::Result<String>;

/// The versions that replace an `x` in the versions of definitions, as `apply` has chosen them.
pub type Settled = BTreeMap<(Kind, Name, VersionPattern), Version>;

/// A file with definitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// The file's path as the user wrote it. Documents next to the file are found relative to this path.
    pub path: String,
    /// The whole text of the file.
    pub text: String,
}

/// A reference from one definition to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Kind of the other definition.
    pub kind: Kind,
    /// Its name.
    pub name: Name,
    /// Version of the other definition. It matches every version if the kind has none.
    pub version: VersionPattern,
}

/// A reference and its place.
pub(super) struct Placed<'t> {
    pub(super) source: Source<'t>,
    pub(super) span: Span,
    pub(super) reference: Reference,
    /// Values for the parameters of the component, if the reference is to one.
    pub(super) parameters: Vec<(Spanned<String>, Spanned<String>)>,
}

/// Place of a recipe's source image.
pub(super) struct Parent<'t> {
    pub(super) source: Source<'t>,
    pub(super) span: Span,
    pub(super) recipe: Name,
    pub(super) version: Version,
}

/// The kind, name and version of a definition, and its place. It is recorded even if the rest of the definition is
/// wrong.
pub(super) struct Declared<'t> {
    pub(super) kind: Kind,
    pub(super) name: Name,
    pub(super) version: Option<Version>,
    source: Source<'t>,
    span: Span,
    version_span: Option<Span>,
    /// The version as written in the file, if it contains an `x`.
    pattern: Option<VersionPattern>,
}

/// Place of a version of a definition.
#[derive(Debug, Clone)]
pub struct VersionPlace<'t> {
    /// Kind of the definition: component or recipe.
    pub kind: Kind,
    /// Its name.
    pub name: Name,
    /// The version.
    pub version: Version,
    /// The version as written in the file, if it contains an `x` for the next patch version.
    pub pattern: Option<VersionPattern>,
    source: Source<'t>,
    span: Span,
}

impl VersionPlace<'_> {
    /// Returns the path of the file that declares the version, as the user wrote the path.
    #[must_use]
    pub fn file(&self) -> &str {
        self.source.file
    }

    /// Returns the place of the version in that file.
    #[must_use]
    pub fn span(&self) -> Span {
        self.span
    }

    /// Returns an error at this place.
    #[must_use]
    pub fn error(&self, code: &'static str, message: String) -> Diagnostic {
        self.source.error(self.span, code, message)
    }
}

/// The definitions that were read, and the references that must still be checked.
#[derive(Default)]
pub struct Draft<'t> {
    pub(super) definitions: Definitions,
    pub(super) declared: Vec<Declared<'t>>,
    pub(super) references: Vec<Placed<'t>>,
    pub(super) parents: Vec<Parent<'t>>,
    pub(super) diagnostics: Diagnostics,
    /// Whether the name of something could not be read, so that nobody knows what it declares.
    pub(super) incomplete: bool,
}

/// The context in which one definition is read.
pub(super) struct Context<'c, 't> {
    pub(super) draft: &'c mut Draft<'t>,
    pub(super) reader: Reader<'t>,
    pub(super) load: Load<'c>,
    settled: &'c Settled,
}

impl<'t> Draft<'t> {
    /// Reads all definitions of the files. A YAML document with `phases` and without `kind` is a component's document
    /// next to the definitions. Such a document is skipped, and so is an empty one. A version with an `x` counts as the
    /// lowest version that it may become.
    #[must_use]
    pub fn read(files: &'t [SourceFile], load: Load<'_>) -> Self {
        Self::read_with(files, load, &Settled::new())
    }

    /// Reads all definitions of the files, with these versions in place of an `x`.
    #[must_use]
    pub fn read_with(files: &'t [SourceFile], load: Load<'_>, settled: &Settled) -> Self {
        let mut draft = Draft::default();
        for file in files {
            let reader = Reader::new(&file.path, &file.text);
            let mut context = Context { draft: &mut draft, reader, load, settled };
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

    /// Returns whether there is no definition at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.declared.is_empty() && !self.incomplete
    }

    /// Returns the place of each version that the files declare.
    #[must_use]
    pub fn version_places(&self) -> Vec<VersionPlace<'t>> {
        let place = |one: &Declared<'t>| {
            let (kind, name, source) = (one.kind, one.name.clone(), one.source);
            let (version, span, pattern) = (one.version?, one.version_span?, one.pattern);
            Some(VersionPlace { kind, name, version, pattern, source, span })
        };
        self.declared.iter().filter_map(place).collect()
    }

    /// Returns the place where a definition without a version is declared.
    pub(super) fn declared_place(&self, kind: Kind, name: &Name) -> Option<(Source<'t>, Span)> {
        let declared = self.declared.iter().find(|one| one.kind == kind && one.name == *name)?;
        Some((declared.source, declared.span))
    }

    /// Returns everything to which the definitions refer, in the folder or outside of it.
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
        let _ = map.optional("kind"); // read above; this call marks it as known
        match kind {
            Kind::Component => component::read(self, &mut map),
            Kind::ImageRecipe => recipe::read(self, &mut map),
            Kind::InfrastructureConfiguration => infrastructure::read(self, &mut map),
            Kind::DistributionConfiguration => distribution::read(self, &mut map),
            Kind::ImagePipeline => pipeline::read(self, &mut map),
        };
        map.finish(&mut self.reader);
    }

    /// Reads a name and a version, and records that both are taken.
    pub(super) fn versioned(&mut self, kind: Kind, map: &mut MapReader<'_>) -> Option<(Name, Version)> {
        let name = map.required(&mut self.reader, "name");
        let name = name.and_then(|node| Some((fields::parse::<Name>(&mut self.reader, node, "`name`")?, node.span)));
        let version = map.required(&mut self.reader, "semanticVersion");
        let version = version.and_then(|node| {
            Some((fields::parse::<DeclaredVersion>(&mut self.reader, node, "`semanticVersion`")?, node.span))
        });
        self.draft.incomplete |= name.is_none();
        let (name, span) = name?;
        self.declare(kind, &name, version, span);
        Some((name.clone(), self.settled(kind, &name, version?.0)))
    }

    fn settled(&self, kind: Kind, name: &Name, version: DeclaredVersion) -> Version {
        let settled = version.pattern().and_then(|pattern| self.settled.get(&(kind, name.clone(), pattern)));
        settled.copied().unwrap_or(version.lowest())
    }

    /// Reads a name, and records that it is taken.
    pub(super) fn named(&mut self, kind: Kind, map: &mut MapReader<'_>) -> Option<Name> {
        let node = map.required(&mut self.reader, "name");
        let name = node.and_then(|node| Some((fields::parse::<Name>(&mut self.reader, node, "`name`")?, node.span)));
        self.draft.incomplete |= name.is_none();
        let (name, span) = name?;
        self.declare(kind, &name, None, span);
        Some(name)
    }

    fn declare(&mut self, kind: Kind, name: &Name, version: Option<(DeclaredVersion, Span)>, span: Span) {
        let (version, version_span) = version.unzip();
        let pattern = version.and_then(DeclaredVersion::pattern);
        let version = version.map(|version| self.settled(kind, name, version));
        let unversioned = matches!(kind, Kind::Component | Kind::ImageRecipe) && version.is_none();
        let same = |other: &&Declared| other.kind == kind && other.name == *name && other.version == version;
        if let Some(first) = self.draft.declared.iter().find(same).filter(|_| !unversioned) {
            let version = version.map(|version| format!(" {version}")).unwrap_or_default();
            let help = Some(format!("the first one is in {}:{}", first.source.file, first.span.line));
            self.reader.error_with_help(span, "duplicate", format!("{kind} `{name}`{version} is defined twice"), help);
        }
        let (name, source) = (name.clone(), self.reader.source);
        self.draft.declared.push(Declared { kind, name, version, source, span, version_span, pattern });
    }

    /// Records a reference, which is checked after everything was read.
    pub(super) fn refer(&mut self, span: Span, kind: Kind, name: &Name, version: VersionPattern) {
        let reference = Reference { kind, name: name.clone(), version };
        let source = self.reader.source;
        self.draft.references.push(Placed { source, span, reference, parameters: Vec::new() });
    }
}

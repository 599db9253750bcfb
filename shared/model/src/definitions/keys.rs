//! The keys of definitions: what each key means, its form, its default and its limits. The JSON Schema and the
//! reference in `docs/definitions.md` are made from them, and a test compares them with the reader.

mod configurations;
mod pipeline;
mod recipe;

pub(super) use configurations::HOP_LIMIT;
pub(super) use pipeline::{FAILURES, KEEP, MINUTES, PRIORITY};
pub(super) use recipe::{IOPS, THROUGHPUT, VOLUME_SIZE};

use super::Kind;

/// A key of a definition, or of a map in a definition.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// The form of the key's value.
    pub form: Form,
    /// Whether the key is required.
    pub is_required: bool,
    /// What applies if the key is absent, in words. The text is empty if the key is required, or if nothing applies.
    pub default: &'static str,
    /// What the key means, with its limits, in full sentences.
    pub about: &'static str,
}

/// The form of a key's value.
#[derive(Debug, Clone, Copy)]
pub enum Form {
    /// Any scalar, whose source text counts.
    Text,
    /// A whole number within limits.
    Number(Limits),
    /// `true` or `false`, quoted or not.
    Flag,
    /// `true` only, quoted or not.
    True,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A list of texts.
    Texts,
    /// A list of these words.
    Words(&'static [&'static str]),
    /// Names and values of the user's choice.
    Pairs,
    /// A map with these keys.
    Map(&'static [Key]),
    /// A list of maps with these keys.
    Maps(&'static [Key]),
    /// Text, or a map with these keys.
    TextOrMap(&'static [Key]),
    /// `true` or `false`, or a map with these keys.
    FlagOrMap(&'static [Key]),
}

/// The least and the greatest number that a key may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The least number.
    pub least: u32,
    /// The greatest number.
    pub most: u32,
}

impl Limits {
    const fn new(least: u32, most: u32) -> Self {
        Self { least, most }
    }
}

impl Key {
    const fn required(name: &'static str, form: Form, about: &'static str) -> Self {
        Self { name, form, is_required: true, default: "", about }
    }

    const fn optional(name: &'static str, form: Form, default: &'static str, about: &'static str) -> Self {
        Self { name, form, is_required: false, default, about }
    }
}

impl Form {
    /// Returns the keys of the map or maps, if the value can contain any.
    #[must_use]
    pub fn keys(self) -> &'static [Key] {
        match self {
            Self::Map(keys) | Self::Maps(keys) | Self::TextOrMap(keys) | Self::FlagOrMap(keys) => keys,
            Self::Text
            | Self::Number(_)
            | Self::Flag
            | Self::True
            | Self::Word(_)
            | Self::Texts
            | Self::Words(_)
            | Self::Pairs => &[],
        }
    }
}

impl Kind {
    /// Returns the keys of a definition of this kind, without `kind` itself.
    #[must_use]
    pub fn keys(self) -> &'static [Key] {
        match self {
            Self::Component => recipe::COMPONENT,
            Self::ImageRecipe => recipe::RECIPE,
            Self::InfrastructureConfiguration => configurations::INFRASTRUCTURE,
            Self::DistributionConfiguration => configurations::DISTRIBUTION,
            Self::ImagePipeline => pipeline::PIPELINE,
        }
    }
}

/// The description of the key `name`, which every kind has.
const NAME: Key = Key::required("name", Form::Text, "The name: 3 to 128 letters, digits, `-`, `_` and inner spaces.");
/// The description of the key for the version, which every versioned kind has.
const VERSION: Key = Key::required(
    "semanticVersion",
    Form::Text,
    "The version: three numbers, such as `1.4.2`. A version never changes once it is applied: changed content needs a \
     new version. With `1.4.x`, `apply` uses the version that is stored with the same content, or the next free one.",
);
/// The description of a key that only people read.
const DESCRIPTION: Key = Key::optional("description", Form::Text, "", "A description for people.");

//! How the inputs of an action are described and read. Everything that is known about an input follows from its
//! [`Field`]: how it is read, whether a chain may name it, its JSON Schema, and its place in the manual.

use crate::parse::{Fields, Given, Parse};
use crate::{Literal, Platform, Setting, Template};

/// One key of the inputs of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Input {
    /// The key in a document.
    pub key: &'static str,
    /// What the key may hold.
    pub shape: Shape,
    /// Whether the key must be given.
    pub is_required: bool,
    /// The value if the key is not given, as a document would write it.
    pub default: Option<&'static str>,
    /// Another key of the same shape that is given if and only if this key is given.
    pub(crate) beside: Option<&'static str>,
}

/// What an input may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A text.
    Text,
    /// `true`, `false` or a reference.
    Flag,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A list with at least this many texts.
    Texts(usize),
    /// One text or several.
    TextOrTexts,
    /// A map of names and texts.
    TextByName,
    /// A list of maps, each with a `name` and a `value`.
    NamesAndValues,
}

/// How the `inputs` of an action are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A list of maps, which is not empty.
    List,
    /// A map.
    Map,
    /// A map with one operator of a condition.
    Expression,
}

/// What is known about an action before its inputs are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Description {
    pub(crate) form: Form,
    pub(crate) is_required: bool,
    pub(crate) inputs: &'static [Input],
    pub(crate) outputs: &'static [&'static str],
    pub(crate) platforms: &'static [Platform],
}

/// Systems with owners, modes and a shell.
pub(crate) const UNIX: &[Platform] = &[Platform::Linux, Platform::Macos];
pub(crate) const WINDOWS: &[Platform] = &[Platform::Windows];
pub(crate) const NOT_MACOS: &[Platform] = &[Platform::Linux, Platform::Windows];
const EVERYWHERE: &[Platform] = &[Platform::Linux, Platform::Macos, Platform::Windows];

/// The `inputs` of an action.
pub(crate) trait Inputs: Sized {
    const DESCRIPTION: Description;

    fn read(parse: &mut Parse<'_>, given: &Given<'_>) -> Option<Self>;
}

/// One map of inputs. The macro [`inputs!`] implements it.
pub(crate) trait Element: Sized {
    const INPUTS: &'static [Input];
    /// Whether the `inputs` of a step must be given. They may be omitted if no key of them is required.
    const IS_REQUIRED: bool = has_required(Self::INPUTS);
    /// The outputs that a chain may name.
    const OUTPUTS: &'static [&'static str] = &[];
    /// The platforms that have the action. The pages of EC2 Image Builder name them for each action module.
    const PLATFORMS: &'static [Platform] = EVERYWHERE;

    fn from_map(parse: &mut Parse<'_>, fields: &mut Fields<'_>) -> Option<Self>;
}

impl<T: Element> Inputs for Vec<T> {
    const DESCRIPTION: Description = Description { is_required: true, ..Description::of::<T>(Form::List) };

    fn read(parse: &mut Parse<'_>, given: &Given<'_>) -> Option<Self> {
        parse.each(given)
    }
}

impl Description {
    /// Returns the description of inputs that are an expression.
    pub(crate) const fn of_expression() -> Self {
        Self { form: Form::Expression, is_required: true, inputs: &[], outputs: &[], platforms: EVERYWHERE }
    }

    /// Returns the description of inputs that consist of such maps.
    pub(crate) const fn of<T: Element>(form: Form) -> Self {
        Self { form, is_required: T::IS_REQUIRED, inputs: T::INPUTS, outputs: T::OUTPUTS, platforms: T::PLATFORMS }
    }
}

// A loop, because a constant cannot use iterators.
const fn has_required(inputs: &[Input]) -> bool {
    let mut rest = inputs;
    while let [input, more @ ..] = rest {
        if input.is_required {
            return true;
        }
        rest = more;
    }
    false
}

impl Input {
    /// Returns whether a chain may name the input.
    #[must_use]
    pub fn is_chainable(&self) -> bool {
        // The executor records `TextOrTexts` of one text as this text.
        matches!(self.shape, Shape::Text | Shape::Flag | Shape::Word(_) | Shape::TextOrTexts)
    }

    /// Returns the description of each key: of this one, and of the one beside it.
    pub(crate) fn keys(self) -> impl Iterator<Item = Self> {
        let other = self.beside.map(|key| Self { key, beside: None, ..self });
        [Some(Self { beside: None, ..self }), other].into_iter().flatten()
    }
}

/// Reads a field. `None` means that the field is required, and is missing or wrong.
type Read<T> = fn(&mut Parse<'_>, &mut Fields<'_>, &Field<T>) -> Option<T>;

/// An input and how it becomes a field of type `T`.
pub(crate) struct Field<T> {
    pub(crate) input: Input,
    /// What one item of a list is called in messages.
    pub(crate) item: &'static str,
    read: Read<T>,
    check: Option<fn(&mut Parse<'_>, &T)>,
    is_unix_only: bool,
}

impl<T> Field<T> {
    const fn required(key: &'static str, shape: Shape, read: Read<T>) -> Self {
        let input = Input { key, shape, is_required: true, default: None, beside: None };
        Self { input, item: "", read, check: None, is_unix_only: false }
    }

    const fn optional(key: &'static str, shape: Shape, read: Read<T>) -> Self {
        let field = Self::required(key, shape, read);
        Self { input: Input { is_required: false, ..field.input }, ..field }
    }

    /// Returns the field with a check of its value beyond the type.
    pub(crate) const fn checked(self, check: fn(&mut Parse<'_>, &T)) -> Self {
        Self { check: Some(check), ..self }
    }

    /// Returns the field with another way to read it.
    pub(crate) const fn read_by(self, read: Read<T>) -> Self {
        Self { read, ..self }
    }

    /// Returns the field as one that is an error on Windows, although the action itself runs there.
    pub(crate) const fn unix_only(self) -> Self {
        Self { is_unix_only: true, ..self }
    }

    pub(crate) fn read(&self, parse: &mut Parse<'_>, fields: &mut Fields<'_>) -> Option<T> {
        let key = self.input.key;
        if self.is_unix_only
            && parse.target.platform == Some(Platform::Windows)
            && let Some(span) = fields.map.key_span(key)
        {
            parse.reader.error(span, "platform", format!("`{key}` cannot be set on Windows"));
        }
        let value = (self.read)(parse, fields, self);
        if let (Some(check), Some(value)) = (self.check, &value) {
            check(parse, value);
        }
        value
    }
}

/// Describes a text that must be given.
pub(crate) const fn text(key: &'static str) -> Field<Template> {
    Field::required(key, Shape::Text, |parse, fields, field| parse.text(fields, field.input.key))
}

/// Describes a text that may be absent.
pub(crate) const fn optional_text(key: &'static str) -> Field<Option<Template>> {
    Field::optional(key, Shape::Text, |parse, fields, field| Some(parse.optional_text(fields, field.input.key)))
}

/// Describes a value that must be given.
pub(crate) const fn value<T: Literal>(key: &'static str) -> Field<Setting<T>> {
    Field::required(key, T::SHAPE, |parse, fields, field| parse.value(fields, field.input.key))
}

/// Describes a value that may be absent.
pub(crate) const fn optional_value<T: Literal>(key: &'static str) -> Field<Option<Setting<T>>> {
    Field::optional(key, T::SHAPE, |parse, fields, field| Some(parse.optional_value(fields, field.input.key)))
}

/// Describes a value with a default, which is written as in a document.
pub(crate) const fn value_or<T: Literal>(key: &'static str, default: &'static str) -> Field<Setting<T>> {
    let field = Field::optional(key, T::SHAPE, |parse, fields, field| {
        Some(parse.value_or(fields, field.input.key, field.input.default.unwrap_or_default()))
    });
    Field { input: Input { default: Some(default), ..field.input }, ..field }
}

/// Describes a list of texts that must be given and must not be empty.
pub(crate) const fn texts(key: &'static str, item: &'static str) -> Field<Vec<Template>> {
    let read = |parse: &mut Parse<'_>, fields: &mut Fields<'_>, field: &Field<Vec<Template>>| {
        parse.texts(fields, field.input.key, field.item)
    };
    Field { item, ..Field::required(key, Shape::Texts(1), read) }
}

/// Describes a list of texts that may be absent or empty.
pub(crate) const fn optional_texts(key: &'static str, item: &'static str) -> Field<Vec<Template>> {
    let read = |parse: &mut Parse<'_>, fields: &mut Fields<'_>, field: &Field<Vec<Template>>| {
        Some(parse.optional_texts(fields, field.input.key, field.item))
    };
    Field { item, ..Field::optional(key, Shape::Texts(0), read) }
}

/// Describes an input that only one action has: a function reads it.
pub(crate) const fn special<T>(key: &'static str, shape: Shape, read: Read<T>) -> Field<T> {
    Field::required(key, shape, read)
}

/// The same for an input that may be absent.
pub(crate) const fn optional_special<T>(key: &'static str, shape: Shape, read: Read<T>) -> Field<T> {
    Field::optional(key, shape, read)
}

/// Describes two keys that are one input: both are given, or none.
pub(crate) const fn pair<T>(keys: [&'static str; 2], read: Read<T>) -> Field<T> {
    let field = Field::optional(keys[0], Shape::Text, read);
    Field { input: Input { beside: Some(keys[1]), ..field.input }, ..field }
}

/// Declares the inputs of an action: a struct, and how it is read from a map. Each field has its description after `=`,
/// which is one of the functions of this module. After the name, `on` names the platforms if the action does not run
/// everywhere, and `gives` lists the outputs that a chain may name.
macro_rules! inputs {
    (
        $(#[$about:meta])* $name:ident $(on $platforms:ident)? $(gives [$($output:literal),+])? {
            $($(#[$doc:meta])* $field:ident: $type:ty = $description:expr,)+
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name { $($(#[$doc])* pub $field: $type,)+ }

        impl $crate::action::Element for $name {
            const INPUTS: &'static [$crate::action::Input] = &[$({
                const FIELD: $crate::action::Field<$type> = $description;
                FIELD.input
            }),+];
            $(const OUTPUTS: &'static [&'static str] = &[$($output),+];)?
            $(const PLATFORMS: &'static [$crate::Platform] = $crate::action::$platforms;)?

            fn from_map(
                parse: &mut $crate::parse::Parse<'_>,
                fields: &mut $crate::parse::Fields<'_>,
            ) -> Option<Self> {
                // All fields are read before the first missing one ends it, so that every mistake is reported.
                let ($($field,)+) = ($({
                    const FIELD: $crate::action::Field<$type> = $description;
                    FIELD.read(parse, fields)
                },)+);
                Some(Self { $($field: $field?),+ })
            }
        }

        $crate::action::read_as_map!($name);
    };
}

/// Lets an action have one map of these inputs as its `inputs`.
macro_rules! read_as_map {
    ($name:ident) => {
        impl $crate::action::Inputs for $name {
            const DESCRIPTION: $crate::action::Description =
                $crate::action::Description::of::<Self>($crate::action::Form::Map);

            fn read(parse: &mut $crate::parse::Parse<'_>, given: &$crate::parse::Given<'_>) -> Option<Self> {
                parse.one(given)
            }
        }
    };
}

pub(crate) use inputs;
pub(crate) use read_as_map;

//! Parses and checks component documents and explains what is wrong in them. The crate is pure: it takes text and
//! returns a typed tree or diagnostics.
//!
//! The parts that other kinds of definitions also use are public: [`yaml`] (a tree with positions), [`Reader`] (typed
//! reading that rejects unknown keys) and [`Diagnostics`].

mod action;
mod condition;
mod diagnostic;
mod document;
mod parse;
mod phases;
mod platform;
mod reader;
mod reference;
mod repeat;
mod secret;
mod setting;
mod span;
mod suggest;
mod target;
pub mod yaml;

pub use action::*;
pub use condition::{Condition, Expression, MAX_EXPRESSION_DEPTH, Pattern, Relation, Verdict, is_number};
pub use diagnostic::{Diagnostic, Diagnostics, Severity, Source};
pub use document::{Constant, DEFAULT_TIMEOUT, Document, OnFailure, Parameter, Phase, Step, digest};
pub use phases::check_phases;
pub use platform::Platform;
pub use reader::{MapReader, Reader, Spanned, suggestion};
pub use reference::{Chain, ContextKey, FORBIDDEN_METADATA, Part, Reference, Side, SsmName, Template};
pub use repeat::{Loop, Over, Range};
pub use secret::{INSTEAD_OF_SECRET, SECRET, hidden_if_secret, is_of_secret, looks_like_secret, secret_in};
pub use setting::{Literal, Setting};
pub use suggest::did_you_mean;
pub use target::Target;

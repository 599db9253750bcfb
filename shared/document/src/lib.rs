//! Component documents: parse, check, explain what is wrong. Pure: text in, typed tree or diagnostics out.
//!
//! The parts that other kinds of definitions use too are public: [`yaml`] (a tree with positions), [`Reader`]
//! (typed reading that refuses what it does not know) and [`Diagnostics`].

mod action;
mod diagnostic;
mod document;
mod parse;
mod reader;
mod reference;
mod suggest;
pub mod yaml;

pub use action::{Action, CreateFile, ExecuteBash, Reboot, WebDownload};
pub use diagnostic::{Diagnostic, Diagnostics, Severity, Source};
pub use document::{Constant, Document, OnFailure, Parameter, Phase, Step, digest};
pub use reader::{MapReader, Reader, Spanned, suggestion};
pub use reference::{Chain, Part, Reference, Side, Template};
pub use suggest::did_you_mean;

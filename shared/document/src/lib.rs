//! Component documents: parse, check, explain what is wrong. Pure: text in, typed tree or diagnostics out.
//!
//! The parts that other kinds of definitions use too are public: [`yaml`] (a tree with positions), [`Reader`]
//! (typed reading that refuses what it does not know) and [`Diagnostics`].

mod diagnostic;
mod reader;
mod suggest;
pub mod yaml;

pub use diagnostic::{Diagnostic, Diagnostics, Severity, Source};
pub use reader::{MapReader, Reader, Spanned, suggestion};
pub use suggest::did_you_mean;

//! Reads definitions: turns the YAML files of a folder into typed definitions, or reports explained mistakes.
//!
//! [`Draft::read`] reads everything and collects the references. [`Draft::check`] compares the references with the
//! folder itself and with what is already stored, so that all mistakes are reported at once.

mod check;
mod component;
mod cycle;
mod distribution;
mod document;
mod draft;
mod elsewhere;
mod fields;
mod graph;
mod infrastructure;
mod keys;
mod kind;
mod pipeline;
mod recipe;
mod retention;
mod shared_parameter;
mod starting;
#[cfg(test)]
mod tests;
mod vulnerabilities;

use goldsmith_document::Diagnostics;

use crate::{Component, DistributionConfiguration, ImagePipeline, ImageRecipe, InfrastructureConfiguration};

pub use check::Stored;
pub use draft::{Draft, Load, Reference, Settled, SourceFile, VersionPlace};
pub use elsewhere::elsewhere;
pub use graph::{Edges, Graph, Way};
pub use keys::{Form, Key, Limits};
pub use kind::Kind;

/// The definitions of a folder, without mistakes, in the order of the files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Definitions {
    /// Components.
    pub components: Vec<Component>,
    /// Image recipes.
    pub recipes: Vec<ImageRecipe>,
    /// Infrastructure configurations.
    pub infrastructures: Vec<InfrastructureConfiguration>,
    /// Distribution configurations.
    pub distributions: Vec<DistributionConfiguration>,
    /// Image pipelines.
    pub pipelines: Vec<ImagePipeline>,
    /// Warnings about what is valid but probably not intended.
    pub warnings: Diagnostics,
}

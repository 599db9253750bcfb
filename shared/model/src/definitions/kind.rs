//! The kinds of definitions.

use std::fmt;

/// Kind of a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A versioned document.
    Component,
    /// What goes into an image.
    ImageRecipe,
    /// Where a build runs.
    InfrastructureConfiguration,
    /// Where an image is distributed.
    DistributionConfiguration,
    /// The pipeline, which refers to all of the others.
    ImagePipeline,
}

impl Kind {
    /// Every kind, with its word in a file.
    pub const ALL: [(&'static str, Kind); 5] = [
        ("Component", Kind::Component),
        ("ImageRecipe", Kind::ImageRecipe),
        ("InfrastructureConfiguration", Kind::InfrastructureConfiguration),
        ("DistributionConfiguration", Kind::DistributionConfiguration),
        ("ImagePipeline", Kind::ImagePipeline),
    ];
}

impl fmt::Display for Kind {
    /// Writes the kind as it appears in messages.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Kind::Component => "component",
            Kind::ImageRecipe => "image recipe",
            Kind::InfrastructureConfiguration => "infrastructure configuration",
            Kind::DistributionConfiguration => "distribution configuration",
            Kind::ImagePipeline => "image pipeline",
        })
    }
}

//! The graph of pipelines: which pipelines start from the images of which others.
//!
//! A pipeline builds on another one through `pipeline:`, through an SSM parameter that the other one publishes, or
//! through a name filter over the account's own images that matches the names of the other one's images.

use std::collections::BTreeMap;

use super::{Definitions, Stored};
use crate::placeholder::{self, OF_BUILD, is_of_build};
use crate::{AmiName, DistributionConfiguration, ImagePipeline, ImageRecipe, Name, SourceImage};

/// For each pipeline, the pipelines whose images it starts from, and the kind of each reference.
pub type Edges<'d> = BTreeMap<&'d Name, BTreeMap<&'d Name, Way<'d>>>;

/// How a pipeline refers to the image of another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way<'d> {
    /// The pipeline names the other one.
    Pipeline,
    /// The pipeline names an SSM parameter that the other one writes.
    Parameter(&'d str),
    /// The pipeline has a filter that can match the names of the other one's images.
    Filter(&'d str),
}

/// Pipelines, with their recipes and distribution configurations.
#[derive(Debug)]
pub struct Graph<'d> {
    pipelines: Vec<&'d ImagePipeline>,
    recipes: Vec<&'d ImageRecipe>,
    distributions: Vec<&'d DistributionConfiguration>,
}

impl<'d> Graph<'d> {
    /// Creates the graph of these definitions and the stored ones.
    #[must_use]
    pub fn new(own: &'d Definitions, stored: &'d Stored) -> Self {
        // A pipeline of the files replaces the stored one with its name.
        let is_other = |other: &&ImagePipeline| own.pipelines.iter().all(|own| own.name != other.name);
        let others = stored.pipelines.iter().filter(is_other);
        Self {
            pipelines: own.pipelines.iter().chain(others).collect(),
            recipes: own.recipes.iter().chain(&stored.recipes).collect(),
            // The first one of a name counts.
            distributions: own.distributions.iter().chain(&stored.distributions).collect(),
        }
    }

    /// Returns the pipelines.
    #[must_use]
    pub fn pipelines(&self) -> &[&'d ImagePipeline] {
        &self.pipelines
    }

    /// Returns the pipelines on which each pipeline builds.
    #[must_use]
    pub fn edges(&self) -> Edges<'d> {
        let mut edges = Edges::new();
        for pipeline in &self.pipelines {
            let Some(recipe) = self.recipe(pipeline) else { continue };
            let to = edges.entry(&pipeline.name).or_default();
            match &recipe.parent_image {
                SourceImage::Pipeline(name) => drop(to.insert(name, Way::Pipeline)),
                source => to.extend(self.makers(source)),
            }
        }
        edges
    }

    /// Returns the pipelines whose images a source may select, although the source does not name a pipeline.
    pub fn makers(&self, source: &'d SourceImage) -> Vec<(&'d Name, Way<'d>)> {
        let pipelines = self.pipelines.iter().copied();
        match source {
            SourceImage::Parameter(name) => {
                let writers = pipelines.filter(|one| self.writes(one, name));
                writers.map(|one| (&one.name, Way::Parameter(name.as_str()))).collect()
            }
            SourceImage::Newest { owners, name } if owners.iter().any(|owner| owner == "self") => {
                let makers = pipelines.filter(|one| self.makes(one, name));
                makers.map(|one| (&one.name, Way::Filter(name.as_str()))).collect()
            }
            SourceImage::Newest { .. } | SourceImage::Ami(_) | SourceImage::Pipeline(_) => Vec::new(),
        }
    }

    /// Returns the recipe that the pipeline builds now.
    #[must_use]
    pub fn recipe(&self, pipeline: &ImagePipeline) -> Option<&'d ImageRecipe> {
        let wanted = &pipeline.image_recipe;
        let mut recipes = self.recipes.iter().copied().filter(|recipe| recipe.name == wanted.name);
        // A build takes the best version of all, and some versions may be only in the stack.
        let best = wanted.version.best(recipes.clone().map(|recipe| recipe.version))?;
        recipes.find(|recipe| recipe.version == best)
    }

    /// Returns the pipeline's distribution configuration, if it has one.
    #[must_use]
    pub fn distribution(&self, pipeline: &ImagePipeline) -> Option<&'d DistributionConfiguration> {
        let wanted = pipeline.distribution_configuration.as_ref()?;
        self.distributions.iter().copied().find(|distribution| distribution.name == *wanted)
    }

    /// Returns the Region and the name of each parameter under which the pipeline publishes its images. A name may contain
    /// placeholders.
    pub(super) fn parameters(&self, pipeline: &ImagePipeline) -> impl Iterator<Item = (&'d str, &'d str)> {
        let regions = self.distribution(pipeline).into_iter().flat_map(|to| &to.distributions);
        regions.flat_map(|region| {
            let targets = region.ssm_parameter_configurations.iter();
            targets.map(|target| (region.region.as_str(), target.parameter_name.as_str()))
        })
    }

    /// Returns whether the pipeline publishes its images under this parameter. Regions are ignored, because the
    /// definitions do not say which Region is the home Region.
    fn writes(&self, pipeline: &ImagePipeline, parameter: &str) -> bool {
        self.parameters(pipeline).any(|(_, name)| meet(parameter, &placeholder::pattern(name)))
    }

    /// Returns whether the filter may match the name of one of the pipeline's images.
    fn makes(&self, pipeline: &ImagePipeline, filter: &str) -> bool {
        let by_default = AmiName::default_pattern(&pipeline.image_recipe.name);
        let Some(to) = self.distribution(pipeline) else { return meet(filter, &by_default) };
        let names = to.distributions.iter().map(|region| {
            let name = region.ami_distribution_configuration.name.as_ref();
            name.map_or_else(|| by_default.clone(), AmiName::pattern)
        });
        let names: Vec<String> = names.collect();
        if names.is_empty() { meet(filter, &by_default) } else { names.iter().any(|name| meet(filter, name)) }
    }
}

/// Returns whether a text exists that both patterns match. `*` and `?` have the same meaning as in an EC2 filter.
/// [`OF_BUILD`] stands for any number of characters of a version or date.
fn meet(one: &str, other: &str) -> bool {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    // `row[j]`: whether the rest of `one` and the rest of `other` from `j` on can match the same text.
    let only_stars = |rest: &[char]| rest.iter().all(|sign| matches!(*sign, '*' | OF_BUILD));
    let fits = |sign: char| sign == '?' || is_of_build(sign);
    let mut below: Vec<bool> = (0..=other.len()).map(|j| only_stars(&other[j..])).collect();
    for i in (0..one.len()).rev() {
        let mut row = vec![only_stars(&one[i..]); other.len() + 1];
        for j in (0..other.len()).rev() {
            row[j] = match (one[i], other[j]) {
                ('*', _) | (_, '*') | (OF_BUILD, OF_BUILD) => below[j] || row[j + 1],
                (OF_BUILD, sign) => below[j] || (fits(sign) && row[j + 1]),
                (sign, OF_BUILD) => row[j + 1] || (fits(sign) && below[j]),
                (a, b) => (a == b || a == '?' || b == '?') && below[j + 1],
            };
        }
        below = row;
    }
    below[0]
}

#[cfg(test)]
mod tests {
    use super::meet;

    #[test]
    fn patterns_meet_where_one_text_matches_both() {
        for (one, other, expected) in [
            ("golden-*", "golden-*", true),
            ("golden-*", "golden *", false),
            ("*", "web *", true),
            ("web ?.?.?-*", "web *", true),
            ("*-arm64", "web *", true),
            ("al2023-ami-*", "web *", false),
            ("web", "web", true),
            ("web", "web?", false),
            ("w*b", "*e*", true),
            ("", "*", true),
            ("", "a", false),
            ("*strangers*", "web \u{1a}", false),
            ("web 1.?.*", "web \u{1a}", true),
            ("web 1.2.0-7", "web \u{1a}", true),
            ("web 1.2.0-7 beta", "web \u{1a}", false),
            ("*-arm64", "web \u{1a}-arm64", true),
            ("web-*-arm64", "web-\u{1a}", false),
            ("web-2026*Z", "web-\u{1a}", true),
        ] {
            assert_eq!(meet(one, other), expected, "{one} and {other}");
            assert_eq!(meet(other, one), expected, "{other} and {one}");
        }
    }
}

//! Pipelines must not build on each other's images in a circle: no image could be the first one, or each image would be
//! the reason to build the next one without end.
//!
//! A pipeline builds on another one by `pipeline:`, by an SSM parameter that the other one publishes, or by a name
//! filter over the account's own images that matches the other one's image names.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use goldsmith_document::{Diagnostic, Diagnostics};

use super::{Draft, Kind, Stored};
use crate::placeholder::{self, OF_BUILD, is_of_build};
use crate::{AmiName, DistributionConfiguration, ImagePipeline, ImageRecipe, Name, SourceImage};

/// For each pipeline, the pipelines whose images it starts from, and how it refers to them.
type Edges<'d> = BTreeMap<&'d Name, BTreeMap<&'d Name, Way<'d>>>;

/// How a pipeline refers to another one's image.
#[derive(Clone, Copy)]
enum Way<'d> {
    Pipeline,
    Parameter(&'d str),
    Filter(&'d str),
}

impl Draft<'_> {
    /// Reports every circle among the pipelines of the folder and the stored ones.
    pub(super) fn check_cycles(&self, stored: &Stored, found: &mut Diagnostics) {
        let own = &self.definitions.pipelines;
        // A pipeline of the files replaces the stored one with its name.
        let others = stored.pipelines.iter().filter(|other| own.iter().all(|own| own.name != other.name));
        let pipelines: Vec<&ImagePipeline> = own.iter().chain(others).collect();
        let edges = self.edges(&pipelines, stored);
        let mut seen = BTreeSet::new();
        for pipeline in &pipelines {
            let Some(circle) = circle(&edges, &pipeline.name) else { continue };
            // A circle is found from each of its pipelines but reported once.
            if !seen.insert(circle.iter().copied().collect::<BTreeSet<_>>()) {
                continue;
            }
            let in_circle: Vec<&ImagePipeline> =
                pipelines.iter().copied().filter(|one| circle.contains(&&one.name)).collect();
            let names: Vec<String> = circle.iter().chain(circle.first()).map(|name| format!("`{name}`")).collect();
            let message = format!("pipelines build on each other in a circle: {}", names.join(" → "));
            if let Some(error) = self.error_of(&in_circle, stored, message) {
                found.push(Diagnostic { help: ways(&edges, &circle), ..error });
            }
        }
    }

    fn edges<'d>(&'d self, pipelines: &[&'d ImagePipeline], stored: &'d Stored) -> Edges<'d> {
        let mut edges = Edges::new();
        for pipeline in pipelines {
            let Some(recipe) = self.recipe(pipeline, stored) else { continue };
            let to = edges.entry(&pipeline.name).or_default();
            match &recipe.parent_image {
                SourceImage::Pipeline(name) => drop(to.insert(name, Way::Pipeline)),
                SourceImage::Parameter(parameter) => {
                    let writers = pipelines.iter().filter(|one| self.writes(one, stored, parameter));
                    to.extend(writers.map(|one| (&one.name, Way::Parameter(parameter))));
                }
                SourceImage::Newest { owners, name } if owners.iter().any(|owner| owner == "self") => {
                    let makers = pipelines.iter().filter(|one| self.makes(one, stored, name));
                    to.extend(makers.map(|one| (&one.name, Way::Filter(name))));
                }
                SourceImage::Newest { .. } | SourceImage::Ami(_) => {}
            }
        }
        edges
    }

    /// Returns the recipe that the pipeline builds now.
    fn recipe<'d>(&'d self, pipeline: &ImagePipeline, stored: &'d Stored) -> Option<&'d ImageRecipe> {
        let wanted = &pipeline.image_recipe;
        let all = || self.definitions.recipes.iter().chain(&stored.recipes);
        let mut recipes = all().filter(|recipe| recipe.name == wanted.name);
        // A build takes the best version of all, and some versions may be only in the stack.
        let best = wanted.version.best(recipes.clone().map(|recipe| recipe.version))?;
        recipes.find(|recipe| recipe.version == best)
    }

    fn distribution<'d>(
        &'d self,
        pipeline: &ImagePipeline,
        stored: &'d Stored,
    ) -> Option<&'d DistributionConfiguration> {
        let wanted = pipeline.distribution_configuration.as_ref()?;
        let mut all = self.definitions.distributions.iter().chain(&stored.distributions);
        all.find(|distribution| distribution.name == *wanted)
    }

    /// Returns whether the pipeline publishes its images under this parameter. Regions are ignored: the definitions do
    /// not say which Region is the home Region.
    fn writes(&self, pipeline: &ImagePipeline, stored: &Stored, parameter: &str) -> bool {
        let regions = self.distribution(pipeline, stored).into_iter().flat_map(|to| &to.distributions);
        let mut targets = regions.flat_map(|region| &region.ssm_parameter_configurations);
        targets.any(|target| meet(parameter, &placeholder::pattern(&target.parameter_name)))
    }

    /// Returns whether a name that the pipeline gives its images may match the filter.
    fn makes(&self, pipeline: &ImagePipeline, stored: &Stored, filter: &str) -> bool {
        let by_default = AmiName::default_pattern(&pipeline.image_recipe.name);
        let Some(to) = self.distribution(pipeline, stored) else { return meet(filter, &by_default) };
        let names = to.distributions.iter().map(|region| {
            let name = region.ami_distribution_configuration.name.as_ref();
            name.map_or_else(|| by_default.clone(), AmiName::pattern)
        });
        let names: Vec<String> = names.collect();
        if names.is_empty() { meet(filter, &by_default) } else { names.iter().any(|name| meet(filter, name)) }
    }

    /// Returns an error at the place where the folder closes the circle: a recipe's source, else a pipeline's recipe,
    /// else the distribution configuration.
    fn error_of(&self, circle: &[&ImagePipeline], stored: &Stored, message: String) -> Option<Diagnostic> {
        let recipes: Vec<&ImageRecipe> = circle.iter().filter_map(|one| self.recipe(one, stored)).collect();
        let of_circle = |name: &Name, version| recipes.iter().any(|one| one.name == *name && one.version == version);
        if let Some(placed) = self.parents.iter().find(|placed| of_circle(&placed.recipe, placed.version)) {
            return Some(placed.source.error(placed.span, "cycle", message));
        }
        let names: Vec<&Name> = circle.iter().map(|one| &one.image_recipe.name).collect();
        let mut placed = self.references.iter();
        let placed = placed.find(|p| p.reference.kind == Kind::ImageRecipe && names.contains(&&p.reference.name));
        if let Some(placed) = placed {
            return Some(placed.source.error(placed.span, "cycle", message));
        }
        let targets = circle.iter().filter_map(|one| one.distribution_configuration.as_ref());
        let mut places = targets.filter_map(|name| self.declared_place(Kind::DistributionConfiguration, name));
        places.next().map(|(source, span)| source.error(span, "cycle", message))
    }
}

/// Returns the shortest circle that begins and ends with this pipeline, if there is one.
fn circle<'d>(edges: &Edges<'d>, first: &'d Name) -> Option<Vec<&'d Name>> {
    let mut from: BTreeMap<&Name, &Name> = BTreeMap::new();
    // A search in breadth finds a shortest circle, which is the easiest one to understand.
    let mut next = VecDeque::from([first]);
    while let Some(name) = next.pop_front() {
        for to in edges.get(name).into_iter().flat_map(BTreeMap::keys) {
            if *to == first {
                let mut circle = vec![name];
                while let Some(before) = from.get(circle[circle.len() - 1]) {
                    circle.push(before);
                }
                circle.reverse();
                return Some(circle);
            }
            if !from.contains_key(to) {
                from.insert(to, name);
                next.push_back(to);
            }
        }
    }
    None
}

/// Returns how the pipelines of a circle refer to each other, except for plain `pipeline:` sources.
fn ways(edges: &Edges<'_>, circle: &[&Name]) -> Option<String> {
    let pairs = circle.iter().zip(circle.iter().cycle().skip(1));
    let told = pairs.filter_map(|(one, other)| match edges.get(one)?.get(other)? {
        Way::Pipeline => None,
        Way::Parameter(name) => Some(format!("`{one}` starts from the parameter `{name}`, which `{other}` writes")),
        Way::Filter(name) => Some(format!(
            "`{one}` starts from the newest image of self named `{name}`, and the images of `{other}` have such names"
        )),
    });
    let told: Vec<String> = told.collect();
    (!told.is_empty()).then(|| told.join("; "))
}

/// Returns whether a text exists that both patterns match. `*` and `?` have the same meaning as in an EC2 filter;
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

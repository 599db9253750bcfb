//! Pipelines must not build on each other's images in a circle: no image could be the first one, or the images would
//! start each other's builds forever.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use goldsmith_document::{Diagnostic, Diagnostics};

use super::graph::{Edges, Graph, Way};
use super::{Draft, Kind};
use crate::{ImagePipeline, ImageRecipe, Name};

impl Draft<'_> {
    /// Reports every circle among the pipelines of the folder and the stored pipelines.
    pub(super) fn check_cycles(&self, graph: &Graph<'_>, found: &mut Diagnostics) {
        let edges = graph.edges();
        let mut seen = BTreeSet::new();
        for pipeline in graph.pipelines() {
            let Some(circle) = circle(&edges, &pipeline.name) else { continue };
            // A circle is found from each of its pipelines but reported once.
            if !seen.insert(circle.iter().copied().collect::<BTreeSet<_>>()) {
                continue;
            }
            let in_circle: Vec<&ImagePipeline> =
                graph.pipelines().iter().copied().filter(|one| circle.contains(&&one.name)).collect();
            let names: Vec<String> = circle.iter().chain(circle.first()).map(|name| format!("`{name}`")).collect();
            let message = format!("pipelines build on each other in a circle: {}", names.join(" → "));
            if let Some(error) = self.error_of(graph, &in_circle, message) {
                found.push(Diagnostic { help: ways(&edges, &circle), ..error });
            }
        }
    }

    /// Returns an error at the place where the folder closes the circle: the source of a recipe, the recipe of a
    /// pipeline, or the distribution configuration, in this order.
    fn error_of(&self, graph: &Graph<'_>, circle: &[&ImagePipeline], message: String) -> Option<Diagnostic> {
        let recipes: Vec<&ImageRecipe> = circle.iter().filter_map(|one| graph.recipe(one)).collect();
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

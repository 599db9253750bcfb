//! Pipelines that build on each other's images must not do so in a circle: no image could be the first.

use std::collections::{BTreeMap, BTreeSet};

use goldsmith_document::Diagnostics;

use super::draft::Placed;
use super::{Draft, Kind, Stored};
use crate::{ImagePipeline, ImageRecipe, Name, SourceImage};

/// Pipelines and the one whose image each starts from.
type Edges<'d> = BTreeMap<&'d Name, &'d Name>;

impl Draft<'_> {
    /// Reports every circle among the pipelines of the folder and the stored ones that these touch.
    pub(super) fn check_cycles(&self, stored: &Stored, found: &mut Diagnostics) {
        let own = &self.definitions.pipelines;
        let others = stored.pipelines.iter().filter(|other| own.iter().all(|own| own.name != other.name));
        let pipelines: Vec<&ImagePipeline> = own.iter().chain(others).collect();
        let edges: Edges<'_> =
            pipelines.iter().filter_map(|one| Some((&one.name, self.source_pipeline(one, stored)?))).collect();
        let mut seen = BTreeSet::new();
        for pipeline in &pipelines {
            let Some(circle) = circle(&edges, &pipeline.name) else { continue };
            if !seen.insert(circle.iter().copied().collect::<BTreeSet<_>>()) {
                continue;
            }
            let recipes = pipelines.iter().filter(|one| circle.contains(&&one.name)).map(|one| &one.image_recipe.name);
            if let Some(placed) = self.place(&circle, &recipes.collect::<Vec<_>>()) {
                let names: Vec<String> = circle.iter().chain(circle.first()).map(|name| format!("`{name}`")).collect();
                let message = format!("pipelines build on each other in a circle: {}", names.join(" → "));
                found.push(placed.source.error(placed.span, "cycle", message));
            }
        }
    }

    /// The pipeline whose image this one starts from, if it does.
    fn source_pipeline<'d>(&'d self, pipeline: &ImagePipeline, stored: &'d Stored) -> Option<&'d Name> {
        let wanted = &pipeline.image_recipe;
        let all = || self.definitions.recipes.iter().chain(&stored.recipes);
        let mut recipes = all().filter(|recipe| recipe.name == wanted.name);
        let best = wanted.version.best(recipes.clone().map(|recipe| recipe.version))?;
        let recipe: &ImageRecipe = recipes.find(|recipe| recipe.version == best)?;
        match &recipe.parent_image {
            SourceImage::Pipeline(name) => Some(name),
            _ => None,
        }
    }

    /// Where the folder closes the circle: a recipe's source, or else a pipeline's recipe.
    fn place(&self, circle: &[&Name], recipes: &[&Name]) -> Option<&Placed<'_>> {
        let refers = |kind: Kind, names: &[&Name]| {
            self.references.iter().find(|p| p.reference.kind == kind && names.contains(&&p.reference.name))
        };
        refers(Kind::ImagePipeline, circle).or_else(|| refers(Kind::ImageRecipe, recipes))
    }
}

/// The circle that begins and ends with this pipeline, if there is one.
fn circle<'d>(edges: &Edges<'d>, first: &'d Name) -> Option<Vec<&'d Name>> {
    let mut circle = vec![first];
    let mut next = *edges.get(first)?;
    while next != first {
        if circle.contains(&next) {
            return None; // it leads into a circle without being in it
        }
        circle.push(next);
        next = edges.get(next)?;
    }
    Some(circle)
}

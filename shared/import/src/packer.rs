//! Packer's templates: each build of an `amazon-ebs` source becomes a recipe with its pipeline and configurations, and
//! its provisioners become a component.

mod ansible;
mod provisioner;
mod source;
mod steps;
mod terms;

use ::hcl::edit::structure::Block;
use goldsmith_model::definitions::Kind;

use crate::finding::{Findings, Outcome};
use crate::hcl::{File, Module};
use crate::item::{Item, Part, Place, Value, parts};
use crate::project::Project;
use crate::resource::Resource;

/// The only kind of source that makes what a recipe makes.
const SOURCE: &str = "amazon-ebs";

/// A source, with its file.
struct Source<'m> {
    name: &'m str,
    file: &'m File,
    block: &'m Block,
}

/// Returns the resources of a folder.
pub(crate) fn read(module: &Module, project: &Project, findings: &mut Findings) -> Vec<Resource> {
    let mut sources = Vec::new();
    for (file, block) in module.blocks("source") {
        let [kind, name] = &block.labels[..] else { continue };
        if kind.as_str() == SOURCE {
            sources.push(Source { name: name.as_str(), file, block });
        } else {
            let why = format!("a source of the type `{}` does not make an AMI from another AMI", kind.as_str());
            let resource = format!("source.{}.{}", kind.as_str(), name.as_str());
            findings.push(Outcome::LeftOut, &file.block_place(block), (&resource, ""), why, "keep it in Packer");
        }
    }
    let (mut resources, mut used) = (Vec::new(), Vec::new());
    for (number, (file, block)) in module.blocks("build").enumerate() {
        let build = Build { module, project, file, block, number };
        resources.extend(build.resources(&sources, &mut used, findings));
    }
    for source in sources.iter().filter(|source| !used.contains(&source.name)) {
        let resource = format!("source.{SOURCE}.{}", source.name);
        let place = source.file.block_place(source.block);
        findings.push(
            Outcome::LeftOut,
            &place,
            (&resource, ""),
            "no build uses it",
            "name it in a `build`, or do without it",
        );
    }
    resources
}

/// A `build` block.
struct Build<'m> {
    module: &'m Module,
    project: &'m Project,
    file: &'m File,
    block: &'m Block,
    number: usize,
}

impl<'m> Build<'m> {
    fn resources(&self, sources: &[Source<'m>], used: &mut Vec<&'m str>, findings: &mut Findings) -> Vec<Resource> {
        let place = self.file.block_place(self.block);
        let names = self.sources(findings);
        let mine: Vec<&Source<'_>> =
            sources.iter().filter(|source| names.iter().any(|name| name == source.name)).collect();
        used.extend(mine.iter().map(|source| source.name));
        if mine.is_empty() {
            findings.push(Outcome::LeftOut, &place, ("build", ""), "it uses no amazon-ebs source", "keep it in Packer");
            return Vec::new();
        }
        let mine: Vec<&Source<'_>> =
            mine.into_iter().filter(|source| !source::is_windows(self, source, findings)).collect();
        let Some(first) = mine.first() else { return Vec::new() };
        let users: Vec<String> = mine.iter().filter_map(|source| self.user(source)).collect();
        let user = users.first().map_or("ec2-user", String::as_str);
        let name = self.name(first.name);
        let names: Vec<&str> = mine.iter().map(|source| source.name).collect();
        let component = provisioner::component(self, &name, user, &names, findings);
        let mark = component.as_ref().map(|component| crate::item::Mark::Resource.text(&component.address));
        let mut resources: Vec<Resource> = component.into_iter().collect();
        for source in mine {
            resources.extend(source::resources(self, source, mark.as_deref(), findings));
        }
        self.others(findings);
        resources
    }

    /// Returns the name of the build, or of its first source.
    fn name(&self, source: &str) -> String {
        let name = self.block.body.get_attribute("name");
        let name = name.and_then(|name| {
            let item = self.module.item(self.file, &name.value, &self.module.context(), None);
            item.text().filter(|text| parts(text).len() == 1).map(str::to_owned)
        });
        name.unwrap_or_else(|| source.to_owned())
    }

    /// Returns the names of the amazon-ebs sources that the build uses.
    fn sources(&self, findings: &mut Findings) -> Vec<String> {
        let mut names = Vec::new();
        if let Some(listed) = self.block.body.get_attribute("sources") {
            let listed = self.module.item(self.file, &listed.value, &self.module.context(), None);
            names.extend(listed.items().iter().filter_map(|item| item.text()).map(readable));
        }
        for block in self.block.body.get_blocks("source") {
            names.extend(block.labels.first().map(|label| label.as_str().to_owned()));
            let is_changed = block
                .body
                .iter()
                .any(|structure| structure.as_attribute().is_some_and(|attribute| attribute.key.as_str() != "name"));
            if is_changed {
                let place = self.file.block_place(block);
                let why = "settings of a source within a build are not imported";
                findings.push(
                    Outcome::LeftOut,
                    &place,
                    ("build", "source"),
                    why,
                    "write them into the source, and import again",
                );
            }
        }
        let own = |name: String| {
            let name = name.trim_start_matches("sources.").trim_start_matches("source.").to_owned();
            name.strip_prefix("amazon-ebs.").map(str::to_owned)
        };
        names.into_iter().filter_map(own).collect()
    }

    fn user(&self, source: &Source<'_>) -> Option<String> {
        let user = source.block.body.get_attribute("ssh_username")?;
        let item = self.module.item(source.file, &user.value, &self.module.context(), None);
        item.text().filter(|text| parts(text).len() == 1 && !text.contains('\u{e000}')).map(str::to_owned)
    }

    /// Records what else the build has.
    fn others(&self, findings: &mut Findings) {
        for structure in self.block.body.iter() {
            let Some(block) = structure.as_block() else { continue };
            let word = block.ident.as_str();
            let instead = match word {
                "provisioner" | "source" => continue,
                "post-processor" | "post-processors" => {
                    "the pipeline's distribution and parameters say where an image goes"
                }
                "error-cleanup-provisioner" => "remove it: Goldsmith removes what a failed build leaves behind",
                "hcp_packer_registry" => "remove it: Goldsmith keeps its own records of images",
                _ => "do the same by hand",
            };
            let why = "Goldsmith has no equivalent of it";
            findings.push(Outcome::LeftOut, &self.file.block_place(block), ("build", word), why, instead);
        }
    }

    /// Returns a resource that this build makes from a source or from its provisioners, which `of` names.
    fn resource(&self, kind: Kind, of: &str, place: &Place, entries: Vec<(&str, Item)>) -> Resource {
        let scope = format!("{} {} {kind}", self.module.folder.display(), self.number);
        let entries = entries.into_iter().map(|(key, item)| (key.to_owned(), item)).collect();
        let properties = place.item(Value::Map(entries));
        Resource { kind, address: crate::item::address(&scope, of), properties }
    }
}

/// Returns a text with the label of each mark in its place: a source may be named without quotes.
fn readable(text: &str) -> String {
    let part = |part: &Part<'_>| match part {
        Part::Text(text) => (*text).to_owned(),
        Part::Mark(_, label) => (*label).to_owned(),
    };
    parts(text).iter().map(part).collect()
}

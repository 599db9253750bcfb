//! Terraform's resources of Image Builder.

use ::hcl::Value as Hcl;
use ::hcl::edit::structure::Block;
use goldsmith_model::definitions::Kind;

use crate::finding::{Findings, Outcome};
use crate::hcl::{File, Instances, Module};
use crate::item::{Item, Value};
use crate::resource::Resource;

/// Arguments of Terraform itself, which change no resource of AWS.
const META: [&str; 8] =
    ["count", "depends_on", "for_each", "lifecycle", "provider", "region", "skip_destroy", "timeouts"];

/// Returns the resources of a folder.
pub(crate) fn read(module: &Module, findings: &mut Findings) -> Vec<Resource> {
    let mut resources = Vec::new();
    for (file, block) in module.blocks("resource") {
        let [word, name] = &block.labels[..] else { continue };
        let Some(what) = word.as_str().strip_prefix("aws_imagebuilder_") else { continue };
        let address = format!("{}.{}", word.as_str(), name.as_str());
        match kind(what) {
            Some(kind) => resources.extend(instances(module, file, block, kind, &address, findings)),
            None => {
                let place = file.block_place(block);
                let why = format!("Goldsmith has no equivalent of `{}`", word.as_str());
                findings.push(Outcome::LeftOut, &place, (&address, ""), why, "keep it, or do without it");
            }
        }
    }
    modules(module, findings);
    resources
}

/// Records the modules that are called: their files are read on their own if they lie in the same folder.
fn modules(module: &Module, findings: &mut Findings) {
    for (file, block) in module.blocks("module") {
        let source = block.body.get_attribute("source").map(|source| source.value.to_string()).unwrap_or_default();
        let name = block.labels.first().map_or("", |label| label.as_str());
        if !source.contains("./")
            && !format!("{name} {source}").to_lowercase().replace(['-', '_'], "").contains("imagebuilder")
        {
            continue;
        }
        let why = format!("the module {} is read without the values that it is given here", source.trim());
        let instead = "if it has resources of Image Builder, compare the values with its variables";
        findings.push(Outcome::Changed, &file.block_place(block), (&format!("module.{name}"), ""), why, instead);
    }
}

fn kind(what: &str) -> Option<Kind> {
    Some(match what {
        "component" => Kind::Component,
        "image_recipe" => Kind::ImageRecipe,
        "infrastructure_configuration" => Kind::InfrastructureConfiguration,
        "distribution_configuration" => Kind::DistributionConfiguration,
        // An image is built once when Terraform applies it; here, its pipeline builds it when it is started.
        "image_pipeline" | "image" => Kind::ImagePipeline,
        _ => return None,
    })
}

/// Returns the resources that a block stands for.
fn instances(
    module: &Module,
    file: &File,
    block: &Block,
    kind: Kind,
    address: &str,
    findings: &mut Findings,
) -> Vec<Resource> {
    let place = file.block_place(block);
    let each = |key: Hcl, value: Hcl| {
        Hcl::Object([("key".to_owned(), key), ("value".to_owned(), value)].into_iter().collect())
    };
    let all: Vec<(String, Option<(&str, Hcl)>)> = match module.instances(block) {
        Instances::One => vec![(address.to_owned(), None)],
        Instances::Count(0) => {
            let instead = "set the variable that creates it, and import again";
            findings.push(Outcome::LeftOut, &place, (address, "count"), "its `count` is 0", instead);
            Vec::new()
        }
        Instances::Count(count) => {
            let index = |n: u64| Hcl::Object([("index".to_owned(), Hcl::from(n))].into_iter().collect());
            (0..count).map(|n| (format!("{address}[{n}]"), Some(("count", index(n))))).collect()
        }
        Instances::Each(values) if values.is_empty() => {
            let instead = "give the variable that it iterates over a value, and import again";
            findings.push(Outcome::LeftOut, &place, (address, "for_each"), "its `for_each` is empty", instead);
            Vec::new()
        }
        Instances::Each(values) => {
            let one = |(key, value): (String, Hcl)| {
                (format!("{address}[\"{key}\"]"), Some(("each", each(Hcl::from(key.as_str()), value))))
            };
            values.into_iter().map(one).collect()
        }
    };
    let mut resources = Vec::new();
    for (address, variable) in all {
        let mut context = module.context();
        if let Some((name, value)) = variable {
            context.declare_var(name, value);
        }
        let address = module.address(&address);
        let body = module.body(file, &block.body, &context, Some((findings, &address)));
        let entries = body.entries().iter().filter(|(key, _)| !META.contains(&key.as_str())).cloned().collect();
        let properties = Item { place: place.clone(), value: Value::Map(entries) };
        resources.push(Resource { kind, address, properties });
    }
    resources
}

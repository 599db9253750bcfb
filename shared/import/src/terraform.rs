//! Terraform's resources of Image Builder.

use ::hcl::Value as Hcl;
use ::hcl::edit::structure::Block;
use goldsmith_model::definitions::Kind;

use crate::budget::MAX_INSTANCES;
use crate::finding::{Findings, Outcome};
use crate::hcl::{File, Instances, Module};
use crate::item::{Item, Place, Value};
use crate::resource::Resource;
use crate::unrecognized::no_equivalent;

/// Arguments of Terraform itself, which change no resource of AWS.
const META: [&str; 8] =
    ["count", "depends_on", "for_each", "lifecycle", "provider", "region", "skip_destroy", "timeouts"];

/// Returns the resources of a folder.
pub(crate) fn read(module: &Module, findings: &mut Findings) -> Vec<Resource> {
    let mut resources = Vec::new();
    for (file, block) in module.blocks("resource") {
        let [word, name] = &block.labels[..] else { continue };
        let Some(what) = word.as_str().strip_prefix("aws_imagebuilder_") else { continue };
        let address = format!("{}{}.{}", module.path(), word.as_str(), name.as_str());
        match kind(what) {
            Some(kind) => resources.extend(instances(module, file, block, kind, &address, findings)),
            None => {
                let place = file.block_place(block);
                let (why, instead) = no_equivalent(what, word.as_str());
                findings.push(Outcome::LeftOut, &place, (&address, ""), why, instead);
            }
        }
    }
    resources
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
    let mut resources = Vec::new();
    for (index, variable) in variables(module.instances(block), &place, address, findings) {
        let mut context = module.context();
        if let Some((name, value)) = variable {
            context.declare(name, value);
        }
        let address = address.strip_prefix(module.path()).unwrap_or(address);
        let index = if index.is_empty() { index } else { format!("[{index}]") };
        let address = module.address(&format!("{address}{index}"));
        let body = module.body(file, &block.body, &context, Some((findings, &address)));
        let entries = body.entries().iter().filter(|(key, _)| !META.contains(&key.as_str())).cloned().collect();
        let properties = Item { place: place.clone(), value: Value::Map(entries) };
        resources.push(Resource { kind, address, properties });
    }
    resources
}

/// Returns the index of each instance of a block, and the variable that it has: `count` or `each`. Without instances,
/// and if it is not known how many there are, there is a finding.
pub(crate) fn variables(
    instances: Instances,
    place: &Place,
    address: &str,
    findings: &mut Findings,
) -> Vec<(String, Option<(&'static str, Hcl)>)> {
    let map = |entries: Vec<(&str, Hcl)>| {
        Hcl::Object(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    };
    let mut left_out = |key: &str, why: String, instead: &str| {
        findings.push(Outcome::LeftOut, place, (address, key), why, instead);
        Vec::new()
    };
    match instances {
        Instances::One => vec![(String::new(), None)],
        Instances::Uncounted(name) => {
            let why = format!("its `count` {}", depends(&name));
            let instead = "it was imported once: leave it out if there should be none";
            findings.push(Outcome::Changed, place, (address, "count"), why, instead);
            vec![(String::new(), None)]
        }
        Instances::TooMany(key, number) => {
            let why = format!("its `{key}` asks for {number}, and at most {MAX_INSTANCES} are imported");
            left_out(key, why, "lower the number, and import again")
        }
        Instances::Count(0) => {
            left_out("count", "its `count` is 0".to_owned(), "set the variable that creates it, and import again")
        }
        Instances::Count(count) => {
            (0..count).map(|n| (n.to_string(), Some(("count", map(vec![("index", Hcl::from(n))]))))).collect()
        }
        Instances::Unknown(name) => {
            let why = format!("its `for_each` {}", depends(&name));
            left_out("for_each", why, "give that a value, such as in terraform.tfvars, and import again")
        }
        Instances::Each(values) if values.is_empty() => {
            let instead = "give the variable that it iterates over a value, and import again";
            left_out("for_each", "its `for_each` is empty".to_owned(), instead)
        }
        Instances::Each(values) => {
            let one = |(key, value): (String, Hcl)| {
                let each = map(vec![("key", Hcl::from(key.as_str())), ("value", value)]);
                (format!("\"{key}\""), Some(("each", each)))
            };
            values.into_iter().map(one).collect()
        }
    }
}

/// Returns what a number of instances depends on: a name that can be given a value, or an expression.
pub(crate) fn depends(name: &str) -> String {
    let is_name = name.chars().all(|letter| letter.is_alphanumeric() || "_-.[]\"".contains(letter));
    if is_name { format!("depends on `{name}`, which has no value") } else { format!("is not known: `{name}`") }
}

//! What is known of data and resources without AWS.

use ::hcl::edit::structure::Block;
use ::hcl::expr::FuncCall;
use ::hcl::{Expression, Map, Value as Hcl};

use super::{Context, File, Instances, Module, image};
use crate::item::Mark;

impl Module {
    /// Evaluates the data whose value is known without AWS: parameters, searches for AMIs, ARNs that are written out.
    pub(super) fn data(&mut self) {
        let mut values: Vec<(Vec<String>, Hcl)> = Vec::new();
        for (file, block) in self.blocks("data") {
            let [kind, name] = &block.labels[..] else { continue };
            let path = ["data", kind.as_str(), name.as_str()].map(str::to_owned).to_vec();
            let context = self.context();
            let known = |context: &Context| self.known_data(file, block, kind.as_str(), context);
            match self.instances(block) {
                Instances::One => {
                    values.extend(known(&context).into_iter().map(|(key, one)| ([&path[..], &[key]].concat(), one)));
                }
                Instances::Count(count) if count == 0 || !known(&context).is_empty() => {
                    values.push((path, Hcl::Array((0..count).map(|_| Hcl::Object(known(&context))).collect())));
                }
                Instances::Each(each) if each.is_empty() || !known(&context).is_empty() => {
                    let one = |(key, value): (String, Hcl)| {
                        let pair = [("key".to_owned(), Hcl::from(key.as_str())), ("value".to_owned(), value)];
                        let mut context = context.clone();
                        context.declare("each", Hcl::Object(pair.into_iter().collect()));
                        (key, Hcl::Object(known(&context)))
                    };
                    values.push((path, Hcl::Object(each.into_iter().map(one).collect())));
                }
                _ => {}
            }
        }
        for (path, value) in values {
            self.known.set(&path.iter().map(String::as_str).collect::<Vec<_>>(), value);
        }
    }

    /// Returns the attributes of a block of data that are known.
    fn known_data(&self, file: &File, block: &Block, kind: &str, context: &Context) -> Map<String, Hcl> {
        let of = |key: &str| {
            let attribute = block.body.get_attribute(key)?;
            self.item(file, &attribute.value, context, None).text().map(str::to_owned)
        };
        let (keys, value): (&[&str], _) = match kind {
            "aws_ssm_parameter" | "amazon-parameterstore" => {
                (&["value", "insecure_value"], of("name").map(|name| Mark::Parameter.text(&name)))
            }
            "aws_ami" | "amazon-ami" => {
                (&["id", "image_id"], Some(image(&self.body(file, &block.body, context, None))))
            }
            "aws_imagebuilder_component" | "aws_imagebuilder_image" => (&["arn"], of("arn")),
            "local_file" => return known_file(block, context),
            "aws_partition" => (&["partition"], Some("aws".to_owned())),
            "aws_region" => (&["id", "name", "region"], self.found.project.region.clone()),
            _ => (&[], None),
        };
        keys.iter().filter_map(|key| Some(((*key).to_owned(), Hcl::from(value.clone()?)))).collect()
    }

    /// Declares each resource of Image Builder: its ARN is a mark with its address. Of another resource, it is known only
    /// that there is none.
    pub(super) fn resources(&mut self) {
        let mut values = Vec::new();
        for (_, block) in self.blocks("resource") {
            let [kind, name] = &block.labels[..] else { continue };
            let address = format!("{}.{}", kind.as_str(), name.as_str());
            let is_ours = kind.as_str().starts_with("aws_imagebuilder_");
            let value = match self.instances(block) {
                Instances::One | Instances::Uncounted(_) if is_ours => resource(&self.address(&address)),
                Instances::Count(count) if is_ours || count == 0 => {
                    Hcl::Array((0..count).map(|n| resource(&self.address(&format!("{address}[{n}]")))).collect())
                }
                Instances::Each(each) if is_ours || each.is_empty() => {
                    let one = |(key, _): &(String, Hcl)| {
                        (key.clone(), resource(&self.address(&format!("{address}[\"{key}\"]"))))
                    };
                    Hcl::Object(each.iter().map(one).collect())
                }
                Instances::Unknown(_) | Instances::TooMany(..) if is_ours => Hcl::from(Mark::Unknown.text(&address)),
                _ => continue,
            };
            values.push((kind.as_str().to_owned(), name.as_str().to_owned(), value));
        }
        for (kind, name, value) in values {
            self.known.set(&[&kind, &name], value);
        }
    }
}

fn resource(address: &str) -> Hcl {
    let mark = Hcl::from(Mark::Resource.text(address));
    Hcl::Object(["arn", "id", "image_recipe_arn"].map(|key| (key.to_owned(), mark.clone())).into_iter().collect())
}

/// Returns the attributes of a block that reads a file.
fn known_file(block: &Block, context: &Context) -> Map<String, Hcl> {
    let Some(name) = block.body.get_attribute("filename") else { return Map::new() };
    let name = Expression::from(name.value.clone());
    let content = FuncCall::builder("file").arg(name.clone()).build();
    let values = [("content", context.value(&Expression::from(content))), ("filename", context.value(&name))];
    values.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

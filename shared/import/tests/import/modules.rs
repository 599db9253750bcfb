//! Folders of Terraform that call each other, and what a single file as the source means.

use super::{Source, definitions, has, has_not, imported};

const MODULE: &str = r#"
variable "name" { type = string }
variable "parent" {
  type    = string
  default = "ami-0123456789abcdef0"
}
variable "components" { default = [] }
resource "aws_imagebuilder_image_recipe" "this" {
  name         = var.name
  version      = "1.0.0"
  parent_image = var.parent
  dynamic "component" {
    for_each = var.components
    content { component_arn = component.value }
  }
}
output "arn" { value = aws_imagebuilder_image_recipe.this.arn }
"#;

const COMPONENT: &str = r#"
resource "aws_imagebuilder_component" "agent" {
  name     = "agent"
  platform = "Linux"
  version  = "1.0.0"
  data     = file("${path.module}/agent.yml")
}
output "arn" { value = aws_imagebuilder_component.agent.arn }
"#;

const DOCUMENT: &str = "schemaVersion: 1.0\nphases: [{name: build, steps: [{name: Say, action: ExecuteBash, inputs: {commands: [echo]}}]}]\n";

#[test]
fn a_module_gets_the_values_of_each_call() {
    let main = r#"
module "agent" { source = "./modules/agent" }
module "web" {
  source     = "./modules/image"
  name       = "web"
  components = [module.agent.arn]
}
module "shops" {
  source   = "./modules/image"
  for_each = { one = "ami-0123456789abcdef1", two = "ami-0123456789abcdef2" }
  name     = "shop-${each.key}"
  parent   = each.value
}
resource "aws_imagebuilder_infrastructure_configuration" "all" {
  name                  = "all"
  instance_profile_name = "builder"
  instance_types        = ["t3.micro"]
}
resource "aws_imagebuilder_image_pipeline" "web" {
  name                             = "web"
  image_recipe_arn                 = module.web.arn
  infrastructure_configuration_arn = aws_imagebuilder_infrastructure_configuration.all.arn
}
resource "aws_imagebuilder_image_pipeline" "shops" {
  for_each                         = module.shops
  name                             = "shop-${each.key}"
  image_recipe_arn                 = each.value.arn
  infrastructure_configuration_arn = aws_imagebuilder_infrastructure_configuration.all.arn
}
"#;
    let (import, told) = imported(&[
        ("main.tf", main),
        ("modules/image/main.tf", MODULE),
        ("modules/agent/main.tf", COMPONENT),
        ("modules/agent/agent.yml", DOCUMENT),
    ]);
    assert_eq!(told, "");
    assert_eq!(import.definitions["ImageRecipe"], 3);
    let recipe = |name: &str, ami: &str| format!("name: {name}\nsemanticVersion: 1.0.0\nparentImage: {ami}\n");
    has(
        definitions(&import),
        &[
            &format!("{}components:\n  - name: agent\n    version: 1.0.0\n", recipe("web", "ami-0123456789abcdef0")),
            &recipe("shop-one", "ami-0123456789abcdef1"),
            &recipe("shop-two", "ami-0123456789abcdef2"),
            "imageRecipe: web/1.0.0\n",
            "imageRecipe: shop-two/1.0.0\n",
        ],
    );
}

#[test]
fn a_value_that_a_call_does_not_have_is_named() {
    let main =
        "variable \"base\" {}\nmodule \"web\" {\n  source = \"./image\"\n  name   = \"web\"\n  parent = var.base\n}\n";
    let (_, told) = imported(&[("main.tf", main), ("image/main.tf", MODULE)]);
    has(&told, &["[module.web.aws_imagebuilder_image_recipe.this] parent_image\n  `var.base` has no value\n"]);
}

#[test]
fn a_module_elsewhere_in_the_repository_is_read() {
    let main = "module \"web\" {\n  source = \"../../image\"\n  name   = \"web\"\n}\n";
    let files = [(".git/HEAD", ""), ("live/prod/main.tf", main), ("image/main.tf", MODULE)];
    let source = Source::new(&files);
    let import = source.import("live/prod", None);
    assert_eq!(source.told(&import), "");
    has(definitions(&import), &["name: web\n"]);

    let source = Source::new(&files[1..]);
    let import = source.import("live/prod", None);
    assert!(import.definitions.is_empty());
    has(
        &source.told(&import),
        &[
            "left-out [module.web] \n  the module ../../image is outside of the imported folder and its repository\n  import a folder that contains both\n",
        ],
    );
}

#[test]
fn an_example_above_which_a_module_lies_takes_nothing_from_it() {
    let example = "module \"web\" {\n  source = \"../..\"\n  name   = \"example\"\n}\n";
    let (import, told) = imported(&[("main.tf", MODULE), ("examples/one/main.tf", example)]);
    assert_eq!(import.definitions["ImageRecipe"], 1);
    has_not(definitions(&import), &["example"]);
    has(&told, &["left-out [module.web] \n", " is imported without the values that it is given here\n"]);
}

#[test]
fn modules_that_are_not_read_are_told() {
    for (source, why) in [
        (
            "git::https://example.org/image-builder.git",
            "is not in this project, and the command reads only files in it",
        ),
        ("shop/imagebuilder/aws", "is not in this project, and the command reads only files in it"),
        ("./none", "there is no folder none"),
    ] {
        let (_, told) = imported(&[("main.tf", &format!("module \"web\" {{ source = \"{source}\" }}\n"))]);
        has(&told.replace("./", ""), &["left-out [module.web] \n", why]);
        has_not(&told, &["without the values"]);
    }
}

#[test]
fn modules_that_call_each_other_have_an_end() {
    let call = |folder: &str| format!("module \"next\" {{ source = \"../{folder}\" }}\n");
    let (import, told) = imported(&[("a/main.tf", &call("b")), ("b/main.tf", &call("a"))]);
    assert!(import.definitions.is_empty());
    has(&told, &["more than 4 modules call each other"]);
}

#[test]
fn a_file_of_packer_is_read_alone() {
    let template = |name: &str| {
        format!(
            "source \"amazon-ebs\" \"{name}\" {{\n  ami_name = \"{name}-{{{{timestamp}}}}\"\n  instance_type = \"t3.micro\"\n  \
             region = \"eu-west-1\"\n  source_ami = \"ami-0123456789abcdef0\"\n}}\nbuild {{\n  \
             sources = [\"source.amazon-ebs.{name}\"]\n}}\n"
        )
    };
    let source = Source::new(&[("web.pkr.hcl", &template("web")), ("shop.pkr.hcl", &template("shop"))]);
    assert_eq!(source.import("web.pkr.hcl", None).definitions["ImageRecipe"], 1);
    assert_eq!(source.import("", None).definitions["ImageRecipe"], 2);
}

#[test]
fn a_module_for_each_of_an_unknown_map_is_imported_once() {
    let main = "variable \"all\" {}\nmodule \"web\" {\n  source   = \"./image\"\n  for_each = var.all\n  name     = each.key\n}\n";
    let (import, told) = imported(&[("main.tf", main), ("image/main.tf", MODULE)]);
    assert_eq!(import.definitions["ImageRecipe"], 1);
    has(&told, &["changed [module.web] for_each\n  its `for_each` depends on `var.all`, which has no value\n"]);
}

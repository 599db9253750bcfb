//! Sources of Terraform, each for one thing that a source can have.

use super::{Source, definitions, has, has_not, imported};

/// A component whose only command is an expression, with what else the file has.
pub(super) fn component(command: &str) -> String {
    format!(
        r#"resource "aws_imagebuilder_component" "web" {{
  name     = "web"
  platform = "Linux"
  version  = "1.0.0"
  data = yamlencode({{
    schemaVersion = "1.0"
    phases = [{{
      name  = "build"
      steps = [{{ name = "Install", action = "ExecuteBash", inputs = {{ commands = [{command}] }} }}]
    }}]
  }})
}}
"#
    )
}

/// A recipe with this source image.
pub(super) fn recipe(parent: &str) -> String {
    format!(
        r#"resource "aws_imagebuilder_image_recipe" "web" {{
  name         = "web"
  version      = "1.0.0"
  parent_image = {parent}
}}
"#
    )
}

#[test]
fn a_file_in_an_encoded_document_is_a_text_of_it() {
    const SCRIPT: &str = "echo \"one: two\"\n\ncat > /etc/shop <<END\n  {\"a\": 1}\nEND\n";
    for (command, expected) in [
        (r#"file("run.sh")"#, SCRIPT.to_owned()),
        (r#"file("${path.module}/run.sh")"#, SCRIPT.to_owned()),
        (r#""set -e\n${file("run.sh")}""#, format!("set -e\n{SCRIPT}")),
        (r#"join("\n", [for name in ["run", "end"] : file("${name}.sh")])"#, format!("{SCRIPT}\necho end\n")),
        (r#"templatefile("say.tpl", { word = "hi", all = ["a", "b"] })"#, "echo \"hi\"\necho a\necho b\n".to_owned()),
        (r#"base64encode(file("end.sh"))"#, "ZWNobyBlbmQK".to_owned()),
        (r#"filebase64("end.sh")"#, "ZWNobyBlbmQK".to_owned()),
        (r#"trimspace(replace(file("end.sh"), "end", "stop"))"#, "echo stop".to_owned()),
    ] {
        let (import, told) = imported(&[
            ("main.tf", &component(command)),
            ("run.sh", SCRIPT),
            ("end.sh", "echo end\n"),
            ("say.tpl", "echo \"${word}\"\n%{ for one in all ~}\necho ${one}\n%{ endfor ~}\n"),
        ]);
        assert_eq!(told, "", "{command}");
        let document = goldsmith_document::yaml::parse("web", &import.files["components/web.yml"]).unwrap();
        let text = format!("{document:?}");
        has(&text, &[&format!("{expected:?}")]);
    }
}

#[test]
fn json_holds_the_text_of_a_file_as_well() {
    let source = component("\"\"").replace("yamlencode", "jsonencode").replace("\"\"", "file(\"run.sh\")");
    let (import, told) = imported(&[("main.tf", &source), ("run.sh", "echo \"one\"\necho two\n")]);
    assert_eq!(told, "");
    has(&import.files["components/web.yml"], &[r#"["echo \"one\"\necho two\n"]"#]);
}

#[test]
fn what_a_template_or_a_file_lacks_is_to_be_filled_in() {
    let main = component(r#"templatefile("say.tpl", { word = var.word })"#) + "variable \"word\" {}\n";
    let (import, told) = imported(&[("main.tf", &main), ("say.tpl", "echo ${word}\necho two\n")]);
    has(&import.files["components/web.yml"], &["echo TO-FILL-IN-var-word\n", "echo two\n"]);
    has(&told, &["data\n  `var.word` in the document: it has no value\n"]);

    let (import, told) = imported(&[("main.tf", &component(r#"file("none.sh")"#))]);
    has(&import.files["components/web.yml"], &["TO-FILL-IN: the component web is still to be written"]);
    has(&told, &["data\n  there is no file none.sh\n"]);
}

#[test]
fn a_template_does_not_render_itself() {
    let main = component(r#"templatefile("say.tpl", { word = "hi" })"#);
    let (import, _) = imported(&[("main.tf", &main), ("say.tpl", "echo ${word} ${templatefile(\"say.tpl\", {})}\n")]);
    has(&import.files["components/web.yml"], &["echo hi TO-FILL-IN-"]);
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_source() {
    let main = format!("\u{feff}variable \"base\" {{}}\n{}", recipe("var.base"));
    let (import, told) =
        imported(&[("main.tf", &main), ("terraform.tfvars", "\u{feff}base = \"ami-0123456789abcdef0\"\n")]);
    assert_eq!(told, "");
    has(definitions(&import), &["parentImage: ami-0123456789abcdef0\n"]);
}

#[test]
fn a_remark_about_a_whole_file_says_so() {
    let (import, told) = imported(&[("main.tf", "resource \"x\" {\n")]);
    assert!(import.definitions.is_empty());
    has(&told, &["main.tf:", " left-out [file] \n  this is not HCL"]);
}

#[test]
fn the_second_of_two_declarations_is_left_out() {
    let one = component("\"echo first\"");
    let (import, told) = imported(&[("main.tf", &format!("{one}{}", one.replace("first", "second")))]);
    assert_eq!(import.definitions["Component"], 1);
    has(&import.files["components/web.yml"], &["echo first"]);
    has(&told, &["main.tf:13 left-out [aws_imagebuilder_component.web] \n  it is declared twice\n"]);
}

const PIPELINES: &str = r#"
resource "aws_imagebuilder_infrastructure_configuration" "all" {
  name                  = "all"
  instance_profile_name = "builder"
  instance_types        = ["t3.micro"]
}
resource "aws_imagebuilder_image_pipeline" "all" {
  for_each                         = aws_imagebuilder_image_recipe.all
  name                             = "build-${each.key}"
  image_recipe_arn                 = each.value.arn
  infrastructure_configuration_arn = aws_imagebuilder_infrastructure_configuration.all.arn
}
"#;

#[test]
fn a_for_each_without_a_value_makes_nothing() {
    let main = r#"
variable "images" {}
locals { images = { for name, ami in var.images : name => ami } }
resource "aws_imagebuilder_image_recipe" "all" {
  for_each     = local.images
  name         = each.key
  version      = "1.0.0"
  parent_image = each.value
}
"#;
    let main = format!("{main}{PIPELINES}");
    let (import, told) = imported(&[("main.tf", &main)]);
    assert_eq!(import.definitions.into_iter().collect::<Vec<_>>(), [("InfrastructureConfiguration", 1)]);
    assert_eq!(
        told,
        "main.tf:4 left-out [aws_imagebuilder_image_recipe.all] for_each\n  \
         its `for_each` depends on `var.images`, which has no value\n  \
         give that a value, such as in terraform.tfvars, and import again\n\
         main.tf:16 left-out [aws_imagebuilder_image_pipeline.all] for_each\n  \
         its `for_each` depends on `aws_imagebuilder_image_recipe.all`, which has no value\n  \
         give that a value, such as in terraform.tfvars, and import again\n"
    );

    let (import, told) =
        imported(&[("main.tf", &main), ("a.auto.tfvars", "images = { shop = \"ami-0123456789abcdef0\" }\n")]);
    assert_eq!(told, "");
    has(definitions(&import), &["kind: ImageRecipe\nname: shop\n", "name: build-shop\nimageRecipe: shop/1.0.0\n"]);
}

#[test]
fn a_count_without_a_value_is_told() {
    let main = recipe("\"ami-0123456789abcdef0\"").replace("{\n", "{\n  count = var.is_wanted ? 1 : 0\n");
    let (import, told) = imported(&[("main.tf", &(main + "variable \"is_wanted\" {}\n"))]);
    assert_eq!(import.definitions["ImageRecipe"], 1);
    has(&told, &["changed [aws_imagebuilder_image_recipe.web] count\n  its `count` depends on `var.is_wanted`"]);
}

#[test]
fn try_gives_the_first_that_has_a_value() {
    let base = r#"
variable "settings" { default = { name = "shop" } }
variable "later" {}
resource "aws_imagebuilder_component" "none" {
  count    = 0
  name     = "none"
  platform = "Linux"
  version  = "1.0.0"
}
resource "aws_kms_key" "none" { count = 0 }
"#;
    for (expression, written) in [
        (r#"try(aws_imagebuilder_component.none[0].arn, "fallback")"#, "description: fallback\n"),
        (r#"try(aws_kms_key.none[0].arn, "fallback")"#, "description: fallback\n"),
        (r#"try(var.settings.color, "fallback")"#, "description: fallback\n"),
        (r#"try(upper(var.settings.color), var.settings.name)"#, "description: shop\n"),
        (r#"try("is ${var.settings.color}", "fallback")"#, "description: fallback\n"),
        (r#"try(var.settings.name, "fallback")"#, "description: shop\n"),
        (r#"can(var.settings.color) ? "yes" : "no""#, "description: \"no\"\n"),
        (r#"can(var.settings.name) ? "it can" : "it cannot""#, "description: it can\n"),
        (r#"try(var.later.name, "fallback")"#, "# to-fill-in: description: `var.later.name` has no value\n"),
    ] {
        let main = recipe("\"ami-0123456789abcdef0\"").replace("{\n", &format!("{{\n  description = {expression}\n"));
        let (import, _) = imported(&[("main.tf", &format!("{base}{main}"))]);
        let text = definitions(&import).replace("description: no\n", "description: \"no\"\n");
        has(&text, &[written]);
    }
}

#[test]
fn a_remark_names_the_variable_without_a_value() {
    let search = r#"
variable "pattern" {}
data "aws_ami" "base" {
  owners = ["self"]
  filter {
    name   = "name"
    values = [var.pattern]
  }
}
"#;
    let (import, told) = imported(&[("main.tf", &format!("{search}{}", recipe("data.aws_ami.base.id")))]);
    has(&told, &["parent_image\n  `var.pattern` has no value\n"]);
    has(definitions(&import), &["# to-fill-in: parentImage: `var.pattern` has no value\n"]);

    let without = search.replace("owners = [\"self\"]", "").replace("var.pattern", "\"base-*\"");
    let (_, told) = imported(&[("main.tf", &format!("{without}{}", recipe("data.aws_ami.base.id")))]);
    has(&told, &["parent_image\n  it is a search for an AMI without owners\n"]);
}

#[test]
fn no_remark_shows_how_a_search_is_kept() {
    let main = r#"
data "aws_ami" "base" {
  owners = ["self"]
  filter {
    name   = "name"
    values = ["base-*"]
  }
}
"#;
    let recipe = recipe("data.aws_ami.base.id").replace("{\n", "{\n  description = data.aws_ami.base.id\n");
    let component = component("\"echo ${data.aws_ami.base.id}\"");
    let (import, told) = imported(&[("main.tf", &format!("{main}{recipe}{component}"))]);
    has(&told, &["`${the newest AMI base-*}`", "`the newest AMI base-*` in the document"]);
    has_not(&told, &["owners", "{\""]);
    has(&import.files["components/web.yml"], &["echo TO-FILL-IN-the-newest-AMI-base--"]);
}

#[test]
fn images_of_windows_are_called_that() {
    let search = |filter: &str| {
        format!(
            "data \"aws_ami\" \"base\" {{\n  owners = [\"amazon\"]\n  {filter}\n}}\n{}",
            recipe("data.aws_ami.base.id")
        )
    };
    let name = r#"values = ["Windows_Server-2022-English-Full-Base-*"]"#;
    for main in [
        search(&format!("filter {{\n    name = \"name\"\n    {name}\n  }}")),
        search("filter {\n    name = \"platform\"\n    values = [\"windows\"]\n  }"),
        recipe("\"/aws/service/ami-windows-latest/Windows_Server-2022-English-Full-Base\""),
        recipe("\"arn:aws:imagebuilder:eu-west-1:aws:image/windows-server-2022-english-full-base-x86/x.x.x\""),
    ] {
        let (import, told) = imported(&[("main.tf", &main)]);
        assert!(import.definitions.is_empty(), "{main}");
        has(
            &told,
            &[
                "left-out [aws_imagebuilder_image_recipe.web] parent_image\n  the source image is Windows, which Goldsmith does not build\n",
            ],
        );
    }
}

#[test]
fn a_recipe_of_components_for_windows_is_for_windows() {
    let component = component("\"dir\"").replace("Linux", "Windows");
    for arn in [
        "aws_imagebuilder_component.web.arn",
        "\"arn:aws:imagebuilder:eu-west-1:aws:component/aws-cli-version-2-windows/x.x.x\"",
    ] {
        let recipe = recipe("\"ami-0123456789abcdef0\"")
            .replace("{\n", &format!("{{\n  component {{\n    component_arn = {arn}\n  }}\n"));
        let (import, told) = imported(&[("main.tf", &format!("{component}{recipe}"))]);
        assert!(import.definitions.is_empty(), "{arn}");
        has(&told, &["its components are for Windows, which Goldsmith does not build\n"]);
    }
}

#[test]
fn a_document_in_s3_is_the_only_file_of_its_name() {
    let main = component("")
        .replace("data = yamlencode", "other = yamlencode")
        .replace("name     =", "uri      = \"s3://documents/2024/web.yml\"\n  name     =");
    let document = "schemaVersion: 1.0\nphases: [{name: build, steps: [{name: Say, action: ExecuteBash, inputs: {commands: [echo here]}}]}]\n";
    let (import, told) = imported(&[("main.tf", &main), ("documents/web.yml", document)]);
    assert_eq!(import.files["components/web.yml"], document);
    has(&told, &["changed [aws_imagebuilder_component.web] uri\n", "  documents/web.yml was taken: compare the two\n"]);

    let (import, told) = imported(&[("main.tf", &main), ("a/web.yml", document), ("b/web.yml", document)]);
    has(&import.files["components/web.yml"], &["TO-FILL-IN"]);
    has(
        &told,
        &["to-fill-in [aws_imagebuilder_component.web] uri\n  the document is at `s3://documents/2024/web.yml`\n"],
    );
}

#[test]
fn the_region_decides_what_a_map_gives() {
    let main = format!(
        "data \"aws_region\" \"here\" {{}}\nlocals {{ images = {{ eu-west-1 = \"ami-0123456789abcdef0\" }} }}\n{}",
        recipe("local.images[data.aws_region.here.name]")
    );
    let source = Source::new(&[("main.tf", &main)]);
    let import = source.import("", Some("eu-west-1"));
    has(definitions(&import), &["parentImage: ami-0123456789abcdef0\n"]);
}

const DOCUMENT: &str = "schemaVersion: 1.0\nphases: [{name: build, steps: [{name: Say, action: ExecuteBash, inputs: {commands: [echo]}}]}]\n";

#[test]
fn files_that_a_pattern_finds_are_components() {
    let main = r#"
data "local_file" "all" {
  for_each = fileset(path.module, "documents/*.yml")
  filename = "${path.module}/${each.key}"
}
resource "aws_imagebuilder_component" "all" {
  for_each = data.local_file.all
  name     = trim(basename(each.key), ".yml")
  platform = "Linux"
  version  = "1.0.0"
  data     = each.value.content
}
"#;
    let files = [
        ("main.tf", main),
        ("documents/agent.yml", DOCUMENT),
        ("documents/shop.yml", DOCUMENT),
        ("documents/c.txt", ""),
    ];
    let (import, told) = imported(&files);
    assert_eq!(told, "");
    assert_eq!(
        import.files.keys().collect::<Vec<_>>(),
        ["components/agent.yml", "components/shop.yml", "definitions.yml"]
    );
    assert_eq!(import.files["components/agent.yml"], DOCUMENT);
}

#[test]
fn what_cannot_be_told_decides_nothing() {
    for expression in [
        r#"can(regex("w.b", "web")) ? "yes" : "no""#,
        r#"try(cidrhost("10.0.0.0/8", 1), "fallback")"#,
        r#"try(startswith(var.later, "a"), true) ? "yes" : "no""#,
    ] {
        let main = recipe("\"ami-0123456789abcdef0\"").replace("{\n", &format!("{{\n  description = {expression}\n"));
        let (import, _) = imported(&[("main.tf", &format!("variable \"later\" {{}}\n{main}"))]);
        has(definitions(&import), &["# to-fill-in: description: "]);
    }
}

#[test]
fn a_for_each_that_is_not_known_is_shown() {
    let main = recipe("each.value").replace("{\n", "{\n  for_each = yamldecode(file(\"images.yml\"))\n");
    let (import, told) = imported(&[("main.tf", &main), ("images.yml", "web: ami-0123456789abcdef0\n")]);
    assert!(import.definitions.is_empty());
    has(&told, &["for_each\n  its `for_each` is not known: `yamldecode(file(\"images.yml\"))`\n"]);
}

#[test]
fn functions_of_lists_and_texts_are_those_of_terraform() {
    for (expression, written) in [
        (r#"join(",", sort(reverse(["b", "a"])))"#, "a,b"),
        (r#"join(",", [for n in range(2) : "n${n}"])"#, "n0,n1"),
        (r#"join(",", range(1, 6, 2))"#, "1,3,5"),
        (r#"zipmap(["a", "b"], ["x", "y"]).b"#, "y"),
        (r#"one(["x"])"#, "x"),
        (r#"startswith("web", "w") && endswith("web", "b") && tobool("true") ? "yes it is" : "not""#, "yes it is"),
        (r#"trim("..web.", ".")"#, "web"),
    ] {
        let main = recipe("\"ami-0123456789abcdef0\"").replace("{\n", &format!("{{\n  description = {expression}\n"));
        let (import, _) = imported(&[("main.tf", &main)]);
        has(definitions(&import), &[&format!("description: {written}\n")]);
    }
}

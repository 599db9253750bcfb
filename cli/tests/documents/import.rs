//! Tests what `goldsmith import` prints and writes. `shared/import` tests the translation itself.

use super::folder::Folder;

const TEMPLATE: &str = "\
Resources:
  Recipe:
    Type: AWS::ImageBuilder::ImageRecipe
    Properties:
      Name: web
      Version: 1.0.0
      ParentImage: !Sub arn:aws:imagebuilder:${AWS::Region}:aws:image/amazon-linux-2023-x86/x.x.x
      Components:
        - ComponentArn: !Sub arn:aws:imagebuilder:${AWS::Region}:aws:component/update-linux/x.x.x
      UserData: x
";

const DEFINITIONS: &str = "\
kind: ImageRecipe
name: web
semanticVersion: 1.0.0
parentImage: ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64
components:
  - name: update-linux
    version: x.x.x
";

const TOLD: &str = "\
image.yml:10: left out: Recipe UserData: Goldsmith has no such field
  instead: remove it, or do the same in a component
imported: 1 ImageRecipe; 1 remark
";

const NEXT: &str = "\
Recipes name stock components: apply the folder `components` of the release first.
Read the remarks, then run `goldsmith validate imported` and `goldsmith apply imported`.
";

#[test]
fn a_template_becomes_a_folder_that_validates() {
    let folder = Folder::with(&[("image.yml", TEMPLATE)]);
    folder.goldsmith("import image.yml").is(0, TOLD, NEXT);
    assert_eq!(folder.read("imported/definitions.yml"), DEFINITIONS);
    folder.goldsmith("validate imported").is(0, "1 file: valid\n", "");
}

#[test]
fn nothing_is_written_over() {
    let folder = Folder::with(&[("image.yml", TEMPLATE), ("mine", "kept")]);
    let why = "goldsmith: error: mine exists already: name a new folder with --into, so that no file is overwritten\n";
    folder.goldsmith("import image.yml --into mine").is(2, "", why);
    assert_eq!(folder.read("mine"), "kept");
}

#[test]
fn programs_read_the_list() {
    let folder = Folder::with(&[("image.yml", TEMPLATE)]);
    let said = folder.goldsmith("import image.yml --into new/folder --output json");
    let told: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    let expected = serde_json::json!({
        "folder": "new/folder",
        "definitions": {"ImageRecipe": 1},
        "findings": [{
            "outcome": "left-out", "file": "image.yml", "line": 10, "resource": "Recipe", "field": "UserData",
            "why": "Goldsmith has no such field", "instead": "remove it, or do the same in a component",
        }],
        "needsStockComponents": true,
        "mistakes": [],
    });
    assert_eq!((said.status, told), (Some(0), expected));
}

#[test]
fn a_source_without_definitions_makes_no_folder() {
    let folder = Folder::with(&[("image.yml", "Resources: {Bucket: {Type: AWS::S3::Bucket}}\n")]);
    let nothing = "\
image.yml:1: left out: file: it is a template of CloudFormation without a resource `AWS::ImageBuilder::…`
  instead: name a template of CloudFormation with resources `AWS::ImageBuilder::…`, a file of Terraform (*.tf) with resources \
                   `aws_imagebuilder_…`, one of Packer (*.pkr.hcl), or what `aws imagebuilder get-image-recipe` and the like print
Nothing was imported: no definition could be translated.
";
    folder.goldsmith("import image.yml").is(1, nothing, "");
    assert_eq!(folder.names(), ["image.yml"]);
    let missing = folder.goldsmith("import none.yml");
    assert_eq!(missing.status, Some(2));
    assert!(missing.stderr.starts_with("goldsmith: error: none.yml cannot be read\n"), "{}", missing.stderr);
}

#[test]
fn a_document_is_no_import_and_says_where_it_belongs() {
    let document = "schemaVersion: 1.0\nphases:\n  - {name: build, steps: [{name: Run, action: ExecuteBash, inputs: {commands: \
                    [ls]}}]}\n";
    let folder = Folder::with(&[("web.yml", document)]);
    let told = "\
web.yml:1: left out: file: it is the document of a component, which is valid here as it is
  instead: name it by `uri` of a Component, write it into its `data`, or run it: `goldsmith run -d web.yml`
Nothing was imported: no definition could be translated.
";
    folder.goldsmith("import web.yml").is(1, told, "");
    let said = folder.goldsmith("import web.yml --output json");
    let told: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!((said.status, &told["findings"][0]["line"]), (Some(1), &serde_json::json!(1)), "{told}");
}

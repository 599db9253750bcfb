//! Files that a user names and in which nothing is recognized.

use super::{Source, definitions, has, imported};

/// Returns what is said about a file with this name and text, which is imported alone.
fn about(name: &str, text: &str) -> String {
    let source = Source::new(&[(name, text)]);
    let import = source.import(name, None);
    assert!(import.definitions.is_empty() && import.findings.len() == 1, "{:?}", import.findings);
    source.told(&import)
}

const DOCUMENT: &str = "name: web\nschemaVersion: 1.0\nphases: [{name: build, steps: [{name: Say, action: ExecuteBash, inputs: {commands: [ls]}}]}]\n";

#[test]
fn a_named_file_is_told_what_it_seems_to_be() {
    for (name, text, expected) in [
        ("a.yml", "", ":1 left-out [file] \n  the file is empty\n  name a template of CloudFormation"),
        ("a.yml", "a: b\nc: [d\ne: f\n", " left-out [file] \n  it is neither YAML nor JSON: "),
        ("a.json", "{\"a\": 1,\n \"b\": \"}", " left-out [file] \n  it is neither YAML nor JSON: "),
        ("notes.txt", "just words\n", ":1 left-out [file] \n  it is a text, and has no keys\n"),
        ("a.json", "[1, 2]", "  it is a list, and has no keys\n"),
        ("a.json", "{}", "  it is empty\n  name a template"),
        ("a.yml", "x: 1\ny: 2\n", "  it has the keys `x`, `y`, which say nothing to an import\n"),
        ("a.yml", "{a: 1, b: 1, c: 1, d: 1, e: 1, f: 1}", "`d`, `e` and others, which say nothing"),
        (
            "a.yml",
            DOCUMENT,
            "  it is the document of a component, which is valid here as it is\n  name it by `uri` of a Component,",
        ),
        (
            "a.yml",
            &DOCUMENT.replace("Bash", "Bsh"),
            "with a mistake in line 3: unknown action `ExecuteBsh`\n  correct it (",
        ),
        (
            "a.yml",
            "\nkind: ImagePipeline\nname: web\n",
            ":2 left-out [file] \n  it has definitions of Goldsmith, which need no",
        ),
        (
            "a.yml",
            "Resources: {A: {Type: AWS::S3::Bucket}}\n",
            "  it is a template of CloudFormation without a resource",
        ),
        (
            "a.json",
            "{\"builders\": [{}]}",
            "  it is a template of Packer in JSON\n  translate it with `packer hcl2_upgrade ",
        ),
        ("a.tf.json", "{\"resource\": {}}", "  it is of Terraform, but in JSON\n"),
        (
            "a.json",
            "{\"imagePipelineList\": []}",
            "has printed: a list, which has not all of each object\n  print each object",
        ),
        ("a.json", "{\"image\": {\"arn\": \"arn:aws:imagebuilder:x\"}}", "about one image, which is no definition\n"),
        ("a.json", "{\"imageRecipe\": {}}", "but `imageRecipe` has no `arn` of Image Builder\n"),
        ("a.json", "{\"containerRecipe\": {}}", "has printed: Goldsmith has no equivalent of `containerRecipe`\n"),
        (
            "a.json",
            "{\"lifecyclePolicy\": {}}",
            "the `retention` of its own images\n  write `retention: {keep: 5, olderThan: P90D}`",
        ),
        (
            "a.tf",
            "resource \"aws_s3_bucket\" \"a\" {}\n",
            "a.tf left-out [file] \n  no file of Terraform in its folder has a resource",
        ),
        ("a.pkr.hcl", "variable \"a\" {}\n", "  the file has no `build` of a source `amazon-ebs`\n"),
    ] {
        let told = about(name, text);
        assert!(told.starts_with(name) && told.contains(expected), "{text}: {told}");
    }
}

#[test]
fn a_place_is_named_if_there_is_one() {
    let told = about("a.yml", "a: b\nc: \"d\n");
    let expected = "a.yml:2 left-out [file] \n  it is neither YAML nor JSON: while scanning";
    assert!(told.starts_with(expected), "{told}");
}

#[test]
fn the_advice_about_retention_is_valid() {
    let policy = "Resources:\n  Old: {Type: \"AWS::ImageBuilder::LifecyclePolicy\", Properties: {Name: old}}\n";
    let terraform = "resource \"aws_imagebuilder_lifecycle_policy\" \"old\" {}\n";
    for file in [("a.yml", policy), ("a.tf", terraform)] {
        let (import, told) = imported(&[file]);
        assert_eq!(definitions(&import), "");
        has(
            &told,
            &[
                "Goldsmith has no lifecycle policies: each pipeline has the `retention` of its own images\n  write `retention: {keep: \
               5, olderThan: P90D}` into the pipelines\n",
            ],
        );
    }
}

#[test]
fn a_folder_has_other_files_which_are_passed_over() {
    let (_, told) = imported(&[("a.yml", DOCUMENT), ("b.json", "{\"a\": 1}"), ("c.yml", "[")]);
    assert_eq!(told, "");
}

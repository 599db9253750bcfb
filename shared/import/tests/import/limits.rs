//! Sources that ask for too much: they end soon, and the list says what is missing.

use super::terraform::{component, recipe};
use super::{Source, definitions, has, has_not, imported};

#[test]
fn a_calculation_without_a_number_as_its_result_is_not_known() {
    for command in [
        "1 / 0",
        "0 / 0",
        "1 % 0",
        "1.5 / 0",
        "1.5 % 0",
        "1e308 * 1e308",
        "-1e308 - 1e308",
        "18446744073709551615 + 1",
        "18446744073709551615 * 18446744073709551615",
        "0 - 18446744073709551615",
        "(-9223372036854775807 - 1) - 1",
        "(-9223372036854775807 - 1) / 0",
        "pow(10, 999)",
        "parseint(\"zz\", 36)",
    ] {
        let (import, _) = imported(&[("main.tf", &component(&format!("\"n ${{tostring({command})}}\"")))]);
        has(&import.files["components/web.yml"], &["n TO-FILL-IN-"]);
    }
    // A number with too many digits for a number is a text.
    let (import, _) = imported(&[("main.tf", &component("tonumber(\"1e999\")"))]);
    has(&import.files["components/web.yml"], &["1e999"]);
}

#[test]
fn a_calculation_has_the_result_that_it_has_in_terraform() {
    for (command, expected) in [
        ("7 / 2", "3.5"),
        ("6 / 2", "3"),
        ("-7 % 3", "-1"),
        ("2 - 5", "-3"),
        ("(-9223372036854775807 - 1) % -1", "0"),
        ("9223372036854775808 - 1", "9223372036854775807"),
        ("1.5 * 2", "3"),
        ("-2 * -3", "6"),
    ] {
        let (import, told) = imported(&[("main.tf", &component(&format!("\"n ${{{command}}}.\"")))]);
        assert_eq!(told, "", "{command}");
        has(&import.files["components/web.yml"], &[&format!("n {expected}.")]);
    }
}

#[test]
fn loops_within_loops_have_an_end() {
    let many = "[for a in range(1000) : [for b in range(1000) : [for c in range(1000) : a * b * c]]]";
    for command in [format!("length({many})"), format!("jsonencode({many})")] {
        let (import, told) = imported(&[("main.tf", &component(&command))]);
        has(&told, &["left-out [file]", "takes more than 3000000 steps to evaluate: the other values are not known"]);
        has(&import.files["components/web.yml"], &["TO-FILL-IN"]);
    }
}

#[test]
fn lists_that_double_have_an_end() {
    let locals: String = (1..40).map(|n| format!("  l{n} = concat(local.l{0}, local.l{0})\n", n - 1)).collect();
    let main = format!("locals {{\n  l0 = [1, 2]\n{locals}}}\n{}", component("join(\",\", local.l39)"));
    let (_, told) = imported(&[("main.tf", &main)]);
    has_not(&told, &["left-out"]);
    // Only what a round has evaluated is known in the next one, so one expression must double it.
    let double = (0..10).fold("[1]".to_owned(), |list, _| format!("flatten([for x in [1, 2, 3, 4] : {list}])"));
    let (_, told) = imported(&[("main.tf", &component(&format!("length({double})")))]);
    has(&told, &["takes more than 3000000 steps"]);
}

#[test]
fn modules_that_call_each_other_many_times_have_an_end() {
    let calls = |next: usize| -> String {
        (0..10).map(|n| format!("module \"m{n}\" {{\n  source = \"../m{next}\"\n}}\n")).collect()
    };
    let mut files = vec![("main/main.tf".to_owned(), calls(1) + &recipe("\"ami-0123456789abcdef0\""))];
    files.extend((1..5).map(|n| (format!("m{n}/main.tf"), calls(n + 1))));
    files.push(("m5/main.tf".to_owned(), "output \"a\" { value = 1 }\n".to_owned()));
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let (import, told) = imported(&files);
    let remark = "it calls modules more than 1000 times: the other calls were left out";
    assert_eq!(told.matches(remark).count(), 1, "{told}");
    has(definitions(&import), &["kind: ImageRecipe"]);
}

#[test]
fn the_modules_of_a_usual_project_are_all_read() {
    let main: String =
        (0..150).map(|n| format!("module \"m{n}\" {{\n  source = \"./image\"\n  name = \"web-{n}\"\n}}\n")).collect();
    let image = "variable \"name\" {}\n".to_owned()
        + &recipe("\"ami-0123456789abcdef0\"").replace("\"web\"\n  v", "var.name\n  v");
    let (import, told) = imported(&[("main.tf", &main), ("image/main.tf", &image)]);
    assert_eq!((told.as_str(), import.definitions["ImageRecipe"]), ("", 150));
}

#[test]
fn more_instances_than_are_imported_are_told() {
    let head = "resource \"aws_imagebuilder_image_recipe\" \"web\" {\n";
    let recipe = recipe("\"ami-0123456789abcdef0\"").replace("= \"web\"", "= \"web-${count.index}\"");
    let (import, told) = imported(&[("main.tf", &recipe.replace(head, &format!("{head}  count = 1000000\n")))]);
    has(
        &told,
        &["left-out [aws_imagebuilder_image_recipe.web] count\n  its `count` asks for 1000000, and at most 1000"],
    );
    assert_eq!(definitions(&import), "");

    let (import, told) = imported(&[("main.tf", &recipe.replace(head, &format!("{head}  count = 150\n")))]);
    assert_eq!((told.as_str(), import.definitions["ImageRecipe"]), ("", 150));

    let each = "  for_each = toset([for n in range(1001) : \"x${n}\"])\n";
    let recipe = recipe.replace("count.index", "each.key").replace(head, &format!("{head}{each}"));
    let (_, told) = imported(&[("main.tf", &recipe)]);
    has(&told, &["its `for_each` asks for 1001, and at most 1000 are imported"]);
}

#[test]
fn a_range_is_as_long_as_in_terraform_or_not_known() {
    let length = |range: &str| {
        let (import, _) = imported(&[("main.tf", &component(&format!("\"n ${{length({range})}}.\"")))]);
        import.files["components/web.yml"].clone()
    };
    for (range, expected) in [("range(1024)", "n 1024."), ("range(0, 5000, 5)", "n 1000."), ("range(5, 2)", "n 0.")] {
        has(&length(range), &[expected]);
    }
    for range in ["range(1025)", "range(1e9)", "range(18446744073709551615)", "range(18446744073709551614, 1)"] {
        let text = length(range);
        let is_empty = range.ends_with(", 1)");
        has(&text, &[if is_empty { "n 0." } else { "n TO-FILL-IN-" }]);
    }
}

#[test]
fn a_text_that_grows_in_a_loop_is_not_known() {
    let long = "x".repeat(400);
    let template = format!("%{{ for a in range(1000) }}%{{ for b in range(1000) }}{long}%{{ endfor }}%{{ endfor }}");
    let loops = format!("join(\"\", [for a in range(100) : join(\"\", [for b in range(100) : \"{long}\"])])");
    let replace = "replace(replace(replace(join(\"\", range(500)), \"1\", join(\"\", range(999))), \"2\", \
                   join(\"\", range(999))), \"3\", join(\"\", range(999)))";
    for command in ["templatefile(\"long.tpl\", {})", &format!("\"{template}\""), &loops, replace] {
        let (import, told) = imported(&[("main.tf", &component(command)), ("long.tpl", &template)]);
        has(&told, &["left-out [file]", "makes a text of more than 1048576 bytes: its value is not known"]);
        let size: usize = import.files.values().map(String::len).sum();
        assert!(size < 10_000, "{size} bytes");
    }
}

#[test]
fn a_text_of_cloudformation_that_grows_is_not_known() {
    let long = "x".repeat(20_000);
    let head = format!("Parameters:\n  X: {{Type: String, Default: {long}}}\nResources:\n");
    let component = |data: &str| {
        format!(
            "{head}  Agent:\n    Type: AWS::ImageBuilder::Component\n    Properties:\n      Name: agent\n      Platform: \
             Linux\n      Version: 1.2.0\n      Data: {data}\n"
        )
    };
    let sub = format!("!Sub \"{}\"", "${X}".repeat(20_000));
    let join = format!("!Join [\",\", [{}]]", "!Ref X, ".repeat(5_000));
    for (data, function) in [(&sub, "Fn::Sub"), (&join, "Fn::Join")] {
        let source = Source::new(&[("t.yml", &component(data))]);
        let import = source.import("", None);
        let told = source.told(&import);
        has(&told, &[&format!("left-out [Agent] {function}\n  its text has more than 1048576 bytes\n")]);
        assert!(import.files.values().all(|text| text.len() < 10_000));
    }
}

#[test]
fn a_map_of_cloudformation_that_names_itself_has_an_end() {
    let maps = "Mappings:\n  A:\n    b: {c: !FindInMap [A, b, c]}\n";
    let main = "Resources:\n  Recipe:\n    Type: AWS::ImageBuilder::ImageRecipe\n    Properties: {Name: web, Version: 1.0.0, \
                ParentImage: !FindInMap [A, b, c]}\n";
    let (_, told) = imported(&[("t.yml", &format!("{maps}{main}"))]);
    has(&told, &["Fn::FindInMap [A, b, c]"]);
}

#[test]
fn conditions_that_name_each_other_many_times_have_an_end() {
    let condition = |n: usize| format!("  C{n}: !And [{}]\n", format!("{{Condition: C{}}}, ", n + 1).repeat(10));
    let conditions: String = (0..12).map(condition).collect();
    let main = "Resources:\n  Recipe:\n    Type: AWS::ImageBuilder::ImageRecipe\n    Condition: C0\n    Properties: {Name: \
                web, Version: 1.0.0, ParentImage: ami-0123456789abcdef0}\n";
    let source = format!("Conditions:\n{conditions}  C12: !Equals [a, a]\n{main}");
    let (_, told) = imported(&[("t.yml", &source)]);
    has(&told, &["takes more than 3000000 steps"]);
}

#[test]
fn a_folder_with_too_many_files_is_told() {
    let step = "provisioner \"file\" {\n  source = \"files\"\n  destination = \"/opt\"\n}";
    let main = super::packer::template(super::packer::AMI, step);
    let remark = "the folder has more than 100 files, or more than 4 folders in each other";
    for (number, is_told) in [(100, false), (101, true), (150, true)] {
        let names: Vec<String> = (0..number).map(|n| format!("files/{}/f{n}", n % 3)).collect();
        let mut files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
        files.push(("web.pkr.hcl", &main));
        let (import, told) = imported(&files);
        assert_eq!(told.contains(remark), is_told, "{told}");
        assert!(import.files["components/web.yml"].matches("/opt/files/").count() >= 100);
    }
}

#[test]
fn a_dynamic_block_with_too_many_blocks_is_not_known() {
    let block = "  dynamic \"component\" {\n    for_each = [for n in range(1001) : n]\n    content {\n      component_arn = \
                 \"x\"\n    }\n  }\n}\n";
    let main = recipe("\"ami-0123456789abcdef0\"").trim_end().trim_end_matches('}').to_owned() + block;
    let (_, told) = imported(&[("main.tf", &main)]);
    has(&told, &["1001 blocks `component`"]);
}

//! Templates of Packer, each for one thing that a template can have.

use super::{Source, definitions, has, has_not, imported};

/// A template with one source, what else the source has, and the provisioners.
pub(super) fn template(source: &str, provisioners: &str) -> String {
    format!(
        r#"source "amazon-ebs" "web" {{
  ami_name      = "web-{{{{ imagebuilder:buildDate }}}}"
  instance_type = "t3.micro"
  region        = "eu-west-1"
  ssh_username  = "root"
{source}
}}
build {{
  sources = ["source.amazon-ebs.web"]
{provisioners}
}}
"#
    )
}

pub(super) const AMI: &str = "  source_ami = \"ami-0123456789abcdef0\"";
const PLAYBOOK: &str = "- hosts: default\n  tasks: []\n";

#[test]
fn the_inventory_has_the_host_that_playbooks_name() {
    for (word, arguments, inventory) in [
        ("ansible", "", "--inventory='default,'"),
        ("ansible", "host_alias = \"web\"", "--inventory='web,'"),
        ("ansible-local", "", "--inventory='127.0.0.1,'"),
    ] {
        let provisioner = format!("provisioner \"{word}\" {{\n  playbook_file = \"play.yml\"\n  {arguments}\n}}");
        let (import, told) = imported(&[("web.pkr.hcl", &template(AMI, &provisioner)), ("play.yml", PLAYBOOK)]);
        has(&import.files["components/web.yml"], &[&format!("ansible-playbook {inventory} --connection=local ")]);
        has_not(&told, &["host_alias"]);
    }
}

#[test]
fn the_inventory_has_the_groups_of_the_host() {
    let groups = "groups = [\"shops\", \"all_web\"]\n  empty_groups = [\"databases\"]";
    for (word, argument, inventory) in [
        ("ansible", groups, "default\n[shops]\ndefault\n[all_web]\ndefault\n[databases]\n"),
        ("ansible-local", "inventory_groups = [\"shops\"]", "127.0.0.1\n[shops]\n127.0.0.1\n"),
    ] {
        let provisioner = format!("provisioner \"{word}\" {{\n  playbook_file = \"play.yml\"\n  {argument}\n}}");
        let (import, told) = imported(&[("web.pkr.hcl", &template(AMI, &provisioner)), ("play.yml", PLAYBOOK)]);
        let document = &import.files["components/web.yml"];
        let lines = inventory.lines().map(|line| format!("              {line}\n")).collect::<String>();
        has(document, &["path: /var/tmp/goldsmith-import-inventory-1\n", &lines]);
        has(document, &["ansible-playbook --inventory=/var/tmp/goldsmith-import-inventory-1 --connection=local "]);
        has_not(&told, &["groups"]);
    }
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_template() {
    let main = format!("\u{feff}variable \"base\" {{}}\n{}", template("  source_ami = var.base", ""));
    let (import, told) =
        imported(&[("web.pkr.hcl", &main), ("a.auto.pkrvars.hcl", "\u{feff}base = \"ami-0123456789abcdef0\"\n")]);
    assert_eq!(told, "");
    has(definitions(&import), &["parentImage: ami-0123456789abcdef0\n"]);
}

#[test]
fn sources_of_windows_leave_nothing() {
    let filter = "source_ami_filter {\n  filters = { name = \"Windows_Server-2022-*\" }\n  owners = [\"amazon\"]\n}";
    let search = "data \"amazon-ami\" \"base\" {\n  filters = { platform = \"windows\", name = \"base-*\" }\n  owners = [\"self\"]\n}\n";
    for (source, before, key) in [
        (format!("{AMI}\n  communicator = \"winrm\""), "", "communicator"),
        (filter.to_owned(), "", "source_ami_filter"),
        ("  source_ami = data.amazon-ami.base.id".to_owned(), search, "source_ami"),
    ] {
        let main = format!("{before}{}", template(&source, "provisioner \"shell\" { inline = [\"dir\"] }"));
        let (import, told) = imported(&[("web.pkr.hcl", &main)]);
        assert!(import.definitions.is_empty(), "{source}");
        has(
            &told,
            &[&format!(
                "[source.amazon-ebs.web] {key}\n  the source image is Windows, which Goldsmith does not build\n"
            )],
        );
    }
}

#[test]
fn a_remark_names_the_variable_without_a_value() {
    let filter = "source_ami_filter {\n  filters = { name = var.pattern }\n  owners = [\"self\"]\n}";
    let main = format!("variable \"pattern\" {{}}\n{}", template(filter, ""));
    let (import, told) = imported(&[("web.pkr.hcl", &main)]);
    has(&told, &["  `var.pattern` has no value\n"]);
    has(definitions(&import), &["# to-fill-in: parentImage: `var.pattern` has no value\n"]);
}

#[test]
fn the_second_of_two_sources_is_left_out() {
    let main = template(AMI, "");
    let twice = format!("{}\n{main}", main.split("\nbuild").next().unwrap());
    let (import, told) = imported(&[("web.pkr.hcl", &twice)]);
    assert_eq!(import.definitions["ImageRecipe"], 1);
    has(&told, &["left-out [source.amazon-ebs.web] \n  it is declared twice\n"]);
}

#[test]
fn a_step_for_other_sources_is_left_out() {
    for (argument, is_kept, told_of) in [
        ("only = [\"amazon-ebs.web\"]", true, ""),
        ("only = [\"docker.web\"]", false, "only\n  the step runs only for sources that are not imported\n"),
        ("except = [\"amazon-ebs.web\"]", false, "except\n  the step runs only for sources that are not imported\n"),
        ("except = [\"docker.web\"]", true, ""),
    ] {
        let steps = format!(
            "provisioner \"shell\" {{ inline = [\"echo all\"] }}\nprovisioner \"shell\" {{\n  inline = [\"echo some\"]\n  {argument}\n}}"
        );
        let (import, told) = imported(&[("web.pkr.hcl", &template(AMI, &steps))]);
        let document = &import.files["components/web.yml"];
        has(document, &["echo all"]);
        assert_eq!(document.contains("echo some"), is_kept, "{argument}");
        if told_of.is_empty() { assert_eq!(told, "", "{argument}") } else { has(&told, &[told_of]) }
    }
}

#[test]
fn a_script_is_found_from_the_folder_in_which_packer_runs() {
    let main = template(AMI, "provisioner \"shell\" { script = \"images/web/run.sh\" }");
    for (folder, files) in [
        ("", vec![("images/web/web.pkr.hcl", main.as_str()), ("images/web/run.sh", "echo here\n")]),
        (
            "images/web",
            vec![(".git/HEAD", ""), ("images/web/web.pkr.hcl", &main), ("images/web/run.sh", "echo here\n")],
        ),
    ] {
        let source = Source::new(&files);
        let import = source.import(folder, None);
        assert_eq!(source.told(&import), "");
        has(&import.files["components/web.yml"], &["echo here"]);
    }
}

#[test]
fn what_a_step_lacks_is_marked_where_it_belongs() {
    let steps = "provisioner \"shell\" { script = \"none.sh\" }\nprovisioner \"shell\" { inline = [\"echo then\"] }";
    let (import, _) = imported(&[("web.pkr.hcl", &template(AMI, steps))]);
    has(
        &import.files["components/web.yml"],
        &["steps:\n      # TO-FILL-IN: the content of none.sh belongs here\n      - name: Shell1\n"],
    );

    let (import, _) = imported(&[("web.pkr.hcl", &template(AMI, "provisioner \"shell\" { script = \"none.sh\" }"))]);
    has(&import.files["components/web.yml"], &["# TO-FILL-IN: the content of none.sh", "exit 1"]);

    let (import, _) = imported(&[("web.pkr.hcl", &template(&format!("{AMI}\n  encrypt_boot = true"), ""))]);
    has(definitions(&import), &["# to-fill-in: blockDeviceMappings: the root device is not named"]);
}

#[test]
fn a_file_with_a_template_is_the_text_of_the_template() {
    let step = "provisioner \"file\" {\n  content = templatefile(\"motd.tpl\", { name = \"web\" })\n  destination = \"/etc/motd\"\n}";
    let main = template(AMI, step);
    let (import, told) = imported(&[("web.pkr.hcl", &main), ("motd.tpl", "# \"${name}\":\n- one\n")]);
    assert_eq!(told, "");
    has(&import.files["components/web.yml"], &["# \"web\":\n              - one\n"]);
}

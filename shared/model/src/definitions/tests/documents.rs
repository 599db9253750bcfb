//! Tests of the documents of components: where they are, and where their mistakes are shown.

use super::*;

#[test]
fn documents_are_explained_where_they_stand() {
    let head = "kind: Component\nname: nginx\nsemanticVersion: 1.0.0\n";
    let beside = refused(&[&format!("{head}uri: broken.yml\n")]);
    assert_eq!(beside.lines().next(), Some("web/broken.yml:9:17: error: unknown action `ExecuteBsh`"));
    let indented: String = NGINX.replace("ExecuteBash", "ExecuteBsh").lines().map(|l| format!("  {l}\n")).collect();
    let inline = refused(&[&format!("{head}data: |\n\n{indented}")]);
    let expected = "web/all.yml:14:19: error: unknown action `ExecuteBsh`\n            action: ExecuteBsh\n";
    assert!(inline.starts_with(expected), "{inline}");
    let quoted = refused(&[&format!("{head}data: \"schemaVersion: 2.0\\nphases: []\"\n")]);
    let place = quoted.lines().next().unwrap_or_default();
    assert!(place.starts_with("web/all.yml:4:7: error: ") && place.ends_with("(line 1 of the document)"), "{quoted}");
}

#[test]
fn a_component_has_one_document_of_limited_size() {
    let head = "kind: Component\nname: nginx\nsemanticVersion: 1.0.0\n";
    for (rest, message) in [
        (
            "",
            "web/all.yml:1:1: error: a component needs its document: `uri: FILE`, or `data: |` with the document itself",
        ),
        ("uri: nginx.yml\ndata: x\n", "web/all.yml:4:6: error: a component has `data` or `uri`, not both"),
        ("uri: none.yml\n", "web/all.yml:4:6: error: web/none.yml of `uri` cannot be read: no such file"),
        ("uri: s3://b/k\n", "web/all.yml:4:6: error: `s3://` in `uri` is not supported yet"),
        ("uri: long.yml\n", "web/all.yml:4:6: error: the document has 65537 bytes: 65536 are allowed"),
        ("uri: nginx.yml\nplatform: Windows\n", "web/all.yml:5:11: error: the platform `Windows` is not supported yet"),
    ] {
        let found = refused(&[&format!("{head}{rest}")]);
        assert_eq!(found.lines().next(), Some(message));
    }
}

#[test]
fn a_document_beside_the_definitions_is_passed_over() {
    assert_eq!(read(&[NGINX, ""]), Ok(Definitions::default()));
}

#[test]
fn a_document_lies_beside_its_definition_or_below_it() {
    for uri in ["/etc/passwd", "../web/nginx.yml", "a/../../nginx.yml"] {
        let found = refused(&[&COMPONENT.replace("nginx.yml", uri)]);
        let expected = format!(
            "web/all.yml:5:6: error: `uri` must be the path of a document in this file's folder or below it, not `{uri}`"
        );
        assert_eq!(found.lines().next(), Some(expected.as_str()));
    }
    // What lies below is read, though there is nothing here.
    for uri in ["./documents/nginx.yml", "documents/nginx.yml"] {
        let found = refused(&[&COMPONENT.replace("nginx.yml", uri)]);
        assert!(found.contains("cannot be read: no such file"), "{found}");
    }
}

//! Tests of recipes, and of how they fit their components.

use super::*;

#[test]
fn recipes_must_fit_their_components() {
    let one = |parameters: &str| {
        recipe(&format!("components:\n  - {{name: nginx, version: 1.0.0, parameters: {parameters}}}\n"))
    };
    let many = format!("components:\n{}", "  - {name: nginx, version: 1.0.0}\n".repeat(21));
    for (recipe, message) in [
        (one("{prt: 1}"), "web/all.yml:12:48: error: component `nginx` 1.0.0 has no parameter `prt`"),
        (one("{mode: mad}"), "web/all.yml:12:54: error: `mad` is not an allowed value of parameter `mode`"),
        (one("[]"), "web/all.yml:12:47: error: `parameters` must be a map of names and values, not a list"),
        (recipe(&many), "web/all.yml:32:6: error: 21 components: a recipe has at most 20"),
        (
            recipe("components: [{name: nginx, version: x.1.x}]\n"),
            "web/all.yml:11:37: error: `x.1.x` has a number to the right of an `x`: write 1.x.x, not 1.x.2",
        ),
        (
            one("{}").replace("ssm:/source", "{owners: [amazon, \"*\"], name: al2023*}"),
            "web/all.yml:10:32: error: `*` is not an owner: use account ids of 12 digits, `self`, `amazon` or \
             `aws-marketplace`",
        ),
        (
            one("{}").replace("ssm:/source", "{name: al2023*}"),
            "web/all.yml:10:15: error: `owners` of `parentImage` is missing",
        ),
        (
            one("{}").replace("ssm:/source", "pipeline:base"),
            "web/all.yml:10:14: error: there is no image pipeline `base`",
        ),
        (
            one("{}") + "additionalInstanceConfiguration: {}\n",
            "web/all.yml:13:1: error: `additionalInstanceConfiguration` is not supported yet",
        ),
        (
            one("{}") + "workingDirectory: tmp\n",
            "web/all.yml:13:19: error: `workingDirectory` must begin with `/`: `tmp`",
        ),
    ] {
        let found = refused(&[COMPONENT, &recipe]);
        assert_eq!(found.lines().next(), Some(message), "{recipe}");
    }
}

#[test]
fn a_recipe_has_one_checkpoint_at_most_and_something_after_it() {
    let with = |marks: &[&str]| {
        let line = |mark: &&str| format!("  - {{name: nginx, version: 1.0.0{mark}}}\n");
        recipe(&format!("components:\n{}", marks.iter().map(line).collect::<String>()))
    };
    let mark = ", checkpoint: true";
    let read = |marks: &[&str]| read(&[COMPONENT, &with(marks)]).unwrap().recipes.remove(0).checkpoint();
    assert_eq!(read(&["", mark, ""]), Some(2));
    assert_eq!((read(&["", ""]), read(&["", ", checkpoint: false"])), (None, None));
    for (marks, message) in [
        (&[mark, mark, ""][..], "web/all.yml:13:47: error: only one component of a recipe can be its checkpoint"),
        (
            &["", mark],
            "web/all.yml:13:47: error: the last component cannot be the checkpoint: no component runs after it",
        ),
        (&[", checkpoint: yes", ""], "web/all.yml:12:47: error: `checkpoint` must be `true` or `false`"),
    ] {
        let found = refused(&[COMPONENT, &with(marks)]);
        assert!(found.lines().next().is_some_and(|line| line.starts_with(message)), "{found}");
    }
}

#[test]
fn a_parameter_without_default_needs_a_value() {
    let document = "  schemaVersion: 1.0\n  parameters:\n    - port: {type: string}\n  phases:\n    - name: build\n      \
                    steps: []\n";
    let component = format!("kind: Component\nname: nginx\nsemanticVersion: 1.0.0\ndata: |\n{document}");
    let found = refused(&[&component, &recipe("components:\n  - {name: nginx, version: 1.0.0}\n")]);
    assert!(found.contains("component `nginx` 1.0.0 needs a value for its parameter `port`"), "{found}");
    assert!(found.contains("web/all.yml:10:7: warning: "), "{found}");
}

#[test]
fn values_that_look_like_secrets_are_warnings_until_they_are_refused() {
    let document = "  schemaVersion: 1.0\n  parameters:\n    - token: {type: string, default: hunter22}\n  constants:\n    \
                    - deploy: {type: string, value: AKIAIOSFODNN7EXAMPLE}\n  phases:\n    - name: build\n      steps: \
                    [{name: Run, action: ExecuteBash, inputs: {commands: [ls]}}]\n";
    let component = format!("kind: Component\nname: nginx\nsemanticVersion: 1.0.0\ndata: |\n{document}");
    let recipe = recipe("components:\n  - {name: nginx, version: 1.0.0, parameters: {token: hunter33}}\n");
    let said = |instead: Option<&str>| {
        let files = [SourceFile { path: "web/all.yml".to_owned(), text: [component.as_str(), &recipe].join("---\n") }];
        let mut draft = Draft::read(&files, &load);
        instead.into_iter().for_each(|instead| draft.refuse_secrets(instead));
        match draft.check(&Stored::default()) {
            Ok(definitions) => (true, definitions.warnings.to_string()),
            Err(found) => (false, found.to_string()),
        }
    };
    let (is_taken, warnings) = said(None);
    assert_eq!((is_taken, warnings.matches(": warning: ").count()), (true, 3), "{warnings}");
    let (is_taken, mistakes) = said(Some("say so"));
    let help = "help: keep it in the Parameter Store as a SecureString and write `{{ aws:ssm:/path/name }}` where it is used; say so";
    let expected = [
        "web/all.yml:7:38: error: the `default` of `token` looks like a secret, which a document should not contain",
        help,
        "web/all.yml:9:37: error: the `value` of `deploy` looks like a secret, which a document should not contain",
        help,
        "web/all.yml:19:55: error: the value of `token` in `parameters` looks like a secret, which a recipe should not \
         contain",
        help,
    ];
    assert_eq!((is_taken, mistakes.lines().collect::<Vec<_>>()), (false, expected.to_vec()));
}

//! Conditions, loops, references and inputs become the expected types.

use goldsmith_document::{
    Action, Algorithm, Condition, ContextKey, Document, Encoding, ExecutePowerShell, Expression, Form, Input, Mode,
    Module, Over, Part, Pattern, Range, Reference, Relation, S3Uri, Shape, SsmName, Step, Verdict,
};

const EVERY_MODULE: &str = include_str!("documents/every-module.yml");
const STEPS: &str = include_str!("documents/steps.yml");

fn step<'d>(document: &'d Document, name: &str) -> &'d Step {
    let steps = document.phases.iter().flat_map(|phase| &phase.steps);
    steps.into_iter().find(|step| step.name.value == name).unwrap_or_else(|| panic!("no step {name}"))
}

#[test]
fn inputs_become_values_or_their_defaults() {
    let document = Document::parse("every-module.yml", EVERY_MODULE).unwrap();
    for step in &document.phases[0].steps {
        assert_eq!(step.name.value, step.action.name());
    }
    let Action::AppendFile(append) = &step(&document, "AppendFile").action else { panic!() };
    assert_eq!((append[0].encoding.value, &*append[0].encoding.text.raw), (Some(Encoding::Utf8), "utf8"));
    let Action::CreateFile(create) = &step(&document, "CreateFile").action else { panic!() };
    let permissions = create[0].permissions.as_ref().unwrap();
    assert_eq!((permissions.value, &*permissions.text.raw), (Some(Mode(0o640)), "0640"));
    assert_eq!(create[0].encoding.value, Some(Encoding::Utf16Be));
    let Action::S3Download(download) = &step(&document, "S3Download").action else { panic!() };
    assert_eq!(download[0].source.value, Some(S3Uri { bucket: "acme".into(), key: "tools/*".into() }));
    assert_eq!(download[0].expected_bucket_owner.as_ref().unwrap().text.raw, "012345678901", "with its leading zero");
    assert_eq!(download[0].overwrite.value, Some(true));
    let Action::SetFolderOwner(owner) = &step(&document, "SetFolderOwner").action else { panic!() };
    assert_eq!(owner[0].recursive.value, Some(true));
    let Action::WebDownload(web) = &step(&document, "WebDownload").action else { panic!() };
    assert_eq!(web[0].checksum.as_ref().unwrap().algorithm.value, Some(Algorithm::Sha256));
    assert_eq!(web[0].overwrite.value, None, "it is known when the step runs");
    let Action::ExecutePowerShell(ExecutePowerShell::File(file)) = &step(&document, "ExecutePowerShell").action else {
        panic!()
    };
    assert_eq!(file.raw, r"C:\setup.ps1");
    let nested = step(&document, "ExecuteDocument");
    assert_eq!((nested.timeout_seconds, nested.max_attempts), (None, 1));
    let Action::ExecuteDocument(inputs) = &nested.action else { panic!() };
    assert_eq!((&*inputs.parameters[0].0.raw, &*inputs.parameters[0].1.raw), ("channel", "1.20"));
}

/// A valid value of an input.
fn sample(module: Module, input: &Input) -> &'static str {
    match (module, input.key, input.shape) {
        (Module::S3Download, "source", _) | (Module::S3Upload, "destination", _) => "'s3://acme/a'",
        (Module::SetRegistry, "path", _) => r"'HKLM:\SOFTWARE'",
        (Module::SetRegistry, "type", _) => "SZ",
        (Module::WebDownload, "source", _) => "'https://example.com/a'",
        (_, "permissions", _) => "0644",
        (_, _, Shape::Texts(_)) => "[a]",
        _ => "a",
    }
}

#[test]
fn every_action_is_read_with_exactly_its_required_inputs() {
    // The operators of Assert have a test of their own, and ExecutePowerShell requires one of two inputs.
    let described = |module: &&Module| !matches!(module, Module::Assert | Module::ExecutePowerShell);
    for &module in Module::ALL.iter().filter(described) {
        let read = |without: &str| {
            let inputs = module.inputs().filter(|input| input.is_required && input.key != without);
            let pairs: Vec<String> = inputs.map(|input| format!("{}: {}", input.key, sample(module, &input))).collect();
            let map = format!("{{{}}}", pairs.join(", "));
            let inputs = if module.form() == Form::List { format!("[{map}]") } else { map };
            let step = format!("{{name: One, action: {}, inputs: {inputs}}}", module.name());
            Document::parse("f.yml", &format!("schemaVersion: 1.0\nphases: [{{name: build, steps: [{step}]}}]\n"))
        };
        assert_eq!(read("").unwrap().phases[0].steps[0].action.module(), module);
        for input in module.inputs().filter(|input| input.is_required) {
            let found = read(input.key).unwrap_err().to_string();
            assert!(found.contains(&format!("`{}` of ", input.key)) && found.contains("is missing"), "{found}");
        }
    }
}

#[test]
fn every_operator_is_read() {
    let text = |expression: &Expression| match expression {
        Expression::String { relation, baseline, value } => {
            format!("string {relation:?} {} {}", baseline.raw, value.raw)
        }
        Expression::Number { relation, baseline, value } => {
            format!("number {relation:?} {} {}", baseline.raw, value.raw)
        }
        Expression::FileDigest { algorithm, path, .. } => format!("digest {algorithm:?} {}", path.raw),
        Expression::PatternMatches { pattern, value } => format!("pattern {} {}", pattern.raw, value.raw),
        Expression::StringIsEmpty(text) => format!("empty {}", text.raw),
        Expression::StringIsWhitespace(text) => format!("whitespace {}", text.raw),
        Expression::BinaryExists(name) => format!("binary {}", name.raw),
        Expression::FileExists(path) => format!("file {}", path.raw),
        Expression::FolderExists(path) => format!("folder {}", path.raw),
        Expression::And(all) | Expression::Or(all) => format!("{} parts", all.len()),
        Expression::Not(_) => "not".to_owned(),
    };
    let read = |expression: &str| {
        let step = format!("{{name: One, action: Assert, inputs: {expression}}}");
        let document = format!("schemaVersion: 1.0\nphases: [{{name: build, steps: [{step}]}}]\n");
        match &Document::parse("f.yml", &document).unwrap().phases[0].steps[0].action {
            Action::Assert(assert) => text(&assert.expression),
            other => panic!("{other:?}"),
        }
    };
    for (name, relation) in [
        ("Equals", "Equals"),
        ("LessThan", "LessThan"),
        ("LessThanEquals", "LessThanEquals"),
        ("GreaterThan", "GreaterThan"),
        ("GreaterThanEquals", "GreaterThanEquals"),
    ] {
        assert_eq!(read(&format!("{{string{name}: 0777, value: x}}")), format!("string {relation} 0777 x"));
        assert_eq!(read(&format!("{{number{name}: -1.50, value: 2}}")), format!("number {relation} -1.50 2"));
    }
    for (name, digits) in [("MD5", 32), ("SHA1", 40), ("SHA256", 64), ("SHA512", 128)] {
        let digest = "a".repeat(digits);
        let lower = name.chars().take(1).chain(name[1..].to_lowercase().chars()).collect::<String>();
        assert_eq!(read(&format!("{{file{name}Equals: {digest}, path: /a}}")), format!("digest {lower} /a"));
    }
    assert_eq!(read("{patternMatches: '^a+$', value: aa}"), "pattern ^a+$ aa");
    assert_eq!(read("{stringIsEmpty: ''}"), "empty ");
    assert_eq!(read("{stringIsWhitespace: ' '}"), "whitespace  ");
    assert_eq!(read("{binaryExists: docker}"), "binary docker");
    assert_eq!(read("{fileExists: /a}"), "file /a");
    assert_eq!(read("{folderExists: /a}"), "folder /a");
    assert_eq!(read("{and: [{fileExists: /a}]}"), "1 parts");
    assert_eq!(read("{or: [{fileExists: /a}, {not: {fileExists: /b}}]}"), "2 parts");
    assert_eq!(read("{not: [{fileExists: /a}]}"), "not");
}

#[test]
fn conditions_and_loops_become_types() {
    let document = Document::parse("steps.yml", STEPS).unwrap();
    let Some(Condition { expression, then, otherwise }) = &step(&document, "Conditional").condition else { panic!() };
    assert!(matches!(expression, Expression::String { relation: Relation::Equals, .. }));
    assert_eq!((*then, *otherwise), (Verdict::Skip, Verdict::Abort));
    let Some(Condition { then, otherwise, .. }) = &step(&document, "Defaults").condition else { panic!() };
    assert_eq!((*then, *otherwise), (Verdict::Execute, Verdict::Skip));
    let over = |name| step(&document, name).repeat.as_ref().map(|repeat| &repeat.over).unwrap();
    assert_eq!(*over("Countdown"), Over::Range(Range { start: 3, end: 1, step: -1 }));
    let Over::List(items) = over("Listed") else { panic!() };
    assert_eq!(items.iter().map(|item| item.raw.as_str()).collect::<Vec<_>>(), ["010", "{{ Tool }}"]);
    let Over::Delimited { list, delimiter } = over("Split") else { panic!() };
    assert_eq!((list.parts.len(), *delimiter), (1, ','));
    let Over::Delimited { delimiter, .. } = over("Lines") else { panic!() };
    assert_eq!(*delimiter, '\n');
    assert_eq!(step(&document, "Listed").repeat.as_ref().unwrap().name.as_ref().unwrap().value, "os");
    assert!(document.phases[0].disable_logging && step(&document, "Listed").disable_logging);
    assert!(!document.disable_logging && !step(&document, "Split").disable_logging);
}

#[test]
fn every_kind_of_reference_is_read() {
    let document = Document::parse("steps.yml", STEPS).unwrap();
    let Action::ExecuteBash(bash) = &step(&document, "Listed").action else { panic!() };
    let parts = bash.commands[0].parts.iter();
    let references: Vec<&Reference> =
        parts.filter_map(|part| if let Part::Reference(reference) = part { Some(reference) } else { None }).collect();
    let expected = [
        Reference::LoopValue,
        Reference::LoopIndex,
        Reference::LoopValue,
        Reference::Env("HOME".into()),
        Reference::Context(ContextKey::OsName),
        Reference::Ssm(SsmName::Given("/acme/channel".into())),
        Reference::Ssm(SsmName::Declared("Tool".into())),
        Reference::Ssm(SsmName::Stored("/acme/which".into())),
        Reference::Imds("placement/region".into()),
    ];
    assert_eq!(references, expected.iter().collect::<Vec<_>>());
}

#[test]
fn literal_braces_are_text_for_other_programs() {
    let document = Document::parse("steps.yml", STEPS).unwrap();
    let Action::ExecuteBash(bash) = &step(&document, "Literal").action else { panic!() };
    let expected =
        "docker ps --format '{{.ID}} {{range .Ports}}{{ . }}{{end}}' x ${{ github.sha }} {{ \"}}\" }} {{ open";
    assert_eq!(bash.commands[0].literal().as_deref(), Some(expected));
    assert_eq!(bash.commands[0].parts, [Part::Text(expected.into())]);
}

#[test]
fn patterns_ignore_case_and_are_not_anchored() {
    let matches = |pattern, text| Pattern::new(pattern).unwrap().is_match(text);
    assert!(matches("^[a-z]+$", "ThisIsValue") && matches("value", "ThisIsValue"));
    assert!(!matches("^value", "ThisIsValue"));
    assert!(Pattern::new("(a").is_err() && Pattern::new(&"a".repeat(5_000)).is_err());
}

#[test]
fn a_wanted_phase_that_no_document_has_is_an_error() {
    let documents = [Document::parse("steps.yml", STEPS).unwrap()];
    let found = goldsmith_document::check_phases(&documents, "build,valdate,validate", "--phases");
    let expected = "--phases:1:7: error: no document has the phase `valdate`\n  \
                    build,valdate,validate\n        ^^^^^^^\nhelp: did you mean `validate`?";
    assert_eq!(found.to_string(), expected);
}

#[test]
fn parameters_allow_what_they_list() {
    let text = "schemaVersion: 1.0\nparameters: [{size: {type: string, allowedValues: [010, 20]}}, {any: {type: string}}]\n\
                phases: [{name: build, steps: []}]\n";
    let document = Document::parse("f.yml", text).unwrap();
    assert!(document.parameters[0].allows("010") && !document.parameters[0].allows("10"));
    assert!(document.parameters[1].allows("10"));
}

#[test]
fn json_may_use_tabs_and_escapes() {
    let text = "{\n\t\"schemaVersion\": \"1.0\",\n\t\"phases\":[{\"name\":\"build\",\"steps\":[{\"name\":\"One\",\"action\":\"ExecuteBash\",\
                \"inputs\":{\"commands\":[\"echo \\u00e9 \\/ \\\"x\\\"\\n\"]}}]}]}";
    let document = Document::parse("f.json", text).unwrap();
    let Action::ExecuteBash(bash) = &document.phases[0].steps[0].action else { panic!() };
    assert_eq!(bash.commands[0].raw, "echo \u{e9} / \"x\"\n");
}

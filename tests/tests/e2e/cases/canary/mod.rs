//! Where a secret is after builds that used it in every way: nowhere but in its parameter.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use aws_sdk_ssm::types::ParameterType;
use goldsmith_tests::suite;

use super::Case;
use crate::definitions::{Pipeline, folder};
use crate::stack::Stack;

pub(super) const CASES: &[(&str, Case)] = &[("a_secret_is_nowhere_in_aws_or_the_image_after_the_build", canary)];

const NAME: &str = "/goldsmith/build/e2e/canary";
const SECRET: &str = "canary-of-the-parameter-store-5d1f";
/// A value of a recipe's parameter, which is no place for a secret (docs/documents.md).
const OPEN: &str = "canary-of-the-recipe-93ab";
/// A line of the user data that every instance of a build gets.
const USER_DATA: &str = "# Goldsmith: installs the SSM agent if there is none";
/// Uses the secret as an argument, in the environment, in a file and in output of both kinds, also where a long line is cut.
const USES: &str = "set -e
export CANARY='{{ aws:ssm:/goldsmith/build/e2e/canary }}'
env | grep CANARY
/bin/sh -c 'echo \"$1\"; echo \"$1\" >&2' sh \"$CANARY\"
umask 077; echo \"$CANARY\" > /root/canary; cat /root/canary; shred -u /root/canary
printf '%65530s%s\\n' '' \"$CANARY\"
test \"${#CANARY}\" = 34";
/// Parts of a stack that keep something.
const PARTS: [&str; 9] = ["command", "event", "execution", "history", "image", "instance", "log", "object", "table"];

fn canary(stack: &Stack) {
    let ssm = aws_sdk_ssm::Client::new(stack.sdk());
    // An image that begins with a checkpoint is stored here on top of the checkpoint, whose disk nobody has cleaned.
    let others = layers_with(stack, USER_DATA);
    let put = ssm.put_parameter().name(NAME).value(SECRET).r#type(ParameterType::SecureString);
    stack.block_on(put.send()).unwrap();
    assert_eq!(everything(stack, &["watch"]), "");
    let good =
        Pipeline::new("canary", &[("build", "Use", USES), ("build", "Chain", "echo '{{ build.Use.outputs.stdout }}'")]);
    let built = stack.build(folder(&with_parameter(&good)).path());
    assert_eq!((built.exit, built.json["outcome"].as_str()), (0, Some("built")), "{built:?}");
    let failing = Pipeline::new("canary-fails", &[("build", "Use", &format!("{USES}\necho \"$CANARY\"; exit 1"))]);
    let failed = stack.build(failing.write().path());
    assert_eq!((failed.exit, failed.json["outcome"].as_str()), (1, Some("failed")), "{failed:?}");
    for said in [&built, &failed] {
        assert!(!format!("{said:?}").contains(SECRET), "{said:?}");
    }

    let found = everything(stack, &[SECRET, OPEN, "****"]);
    let lines: BTreeSet<&str> = found.lines().collect();
    let of = |value: &str| lines.iter().filter_map(|line| line.strip_prefix(value)).collect::<Vec<_>>();
    for part in PARTS {
        assert!(lines.contains(&*format!("seen {part}")), "nothing of the kind `{part}` was searched: {found}");
    }
    assert_eq!(of("0 "), [""; 0], "{found}");
    // What is no secret is where the docs say: in the definitions, the build's record, and the work order.
    assert_eq!(of("1 "), ["object orders", "table BUILD", "table RECIPE"], "{found}");
    assert!(of("2 ").iter().any(|place| place.starts_with("log ")), "{found}");
    assert_eq!(files_with(stack, SECRET), [""; 0]);
    // Of what the instances wrote, nothing has their user data.
    assert_eq!(layers_with(stack, USER_DATA).difference(&others).collect::<Vec<_>>(), [""; 0]);
    stack.block_on(ssm.delete_parameter().name(NAME).send()).unwrap();
}

/// The pipeline, whose component has a parameter that its recipe gives.
fn with_parameter(pipeline: &Pipeline) -> String {
    let text = pipeline.text();
    let text = text.replace(
        "  schemaVersion: 1.0\n",
        "  schemaVersion: 1.0\n  parameters:\n    - open: {type: string, description: no secret}\n",
    );
    let text = text.replace("              - |\n", "              - set -e; test -n '{{ open }}'\n              - |\n");
    let given = format!("version: 1.x.x, parameters: {{open: {OPEN}}}}}");
    text.replace("version: 1.x.x}", &given)
}

/// Runs the search with the interpreter of the emulator, which has AWS's SDK.
fn everything(stack: &Stack, arguments: &[&str]) -> String {
    let text = |key: &str| stack.description()[key].as_str().unwrap();
    let python = Command::new(suite::goldsmith()).args(["local", "python"]).output().unwrap();
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/cases/canary/everything.py");
    let mut search = Command::new(String::from_utf8_lossy(&python.stdout).trim());
    search.arg(script).args(arguments).env("AWS_ENDPOINT_URL", text("endpointUrl"));
    search.env("AWS_ACCESS_KEY_ID", text("accessKey")).env("AWS_SECRET_ACCESS_KEY", text("secretKey"));
    let output = search.env("AWS_CONFIG_FILE", "/dev/null").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Those of these files that are in layers of images.
fn layers_with(stack: &Stack, text: &str) -> BTreeSet<String> {
    files_with(stack, text).into_iter().filter(|file| file.contains("/layers/")).collect()
}

/// Files of the stack with this text in them, whatever they are: layers of images, disks, logs, objects, the endpoint's journal.
fn files_with(stack: &Stack, text: &str) -> Vec<String> {
    let folder = stack.folder();
    let mut grep = Command::new("grep");
    grep.args(["--recursive", "--devices=skip", "--files-with-matches", "--text", "--fixed-strings", "--regexp", text]);
    let output = grep.arg(&folder).output().unwrap();
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

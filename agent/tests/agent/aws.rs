//! S3, the Parameter Store and the instance's metadata.

use std::fs;
use std::process::Command;

use crate::cloud::Cloud;
use crate::machine::{Machine, Run};

fn run_with(machine: &Machine, prepare: impl FnOnce(&mut Command)) -> Run {
    let mut command = machine.command();
    prepare(&mut command);
    Run::of(command.output().unwrap())
}

/// A machine for one step, run with credentials in the environment.
fn run(cloud: &Cloud, machine: &Machine) -> Run {
    run_with(machine, |command| cloud.serve(command))
}

fn step(action: &str, inputs: &str) -> Machine {
    Machine::with_steps(&format!("      - {{name: Does, action: {action}, timeoutSeconds: 60, inputs: [{inputs}]}}\n"))
}

#[test]
fn an_object_becomes_a_file() {
    let cloud = Cloud::start();
    cloud.object("docs/a b/ü+&.txt", "hello");
    let machine =
        step("S3Download", "{source: 's3://docs/a b/ü+&.txt', destination: new/f, expectedBucketOwner: 012345678901}");
    let done = run(&cloud, &machine);
    assert_eq!((done.status, machine.read("new/f").as_str()), (Some(0), "hello"), "{}", done.stderr);
    assert_eq!(cloud.requests(), ["GET /docs/a%20b/%C3%BC%2B%26.txt?"]);
    let other =
        step("S3Download", "{source: 's3://docs/a b/ü+&.txt', destination: f, expectedBucketOwner: '111122223333'}");
    assert_eq!(
        run(&cloud, &other).message(),
        "GetObject s3://docs/a b/ü+&.txt failed with status 403, AccessDenied: another owner"
    );
    let missing = step("S3Download", "{source: 's3://docs/nothing', destination: f}");
    assert_eq!(
        run(&cloud, &missing).message(),
        "GetObject s3://docs/nothing failed with status 404, NoSuchKey: The specified key does not exist."
    );
    assert!(!missing.path("f").exists());
}

#[test]
fn a_prefix_becomes_a_folder_over_all_pages() {
    let cloud = Cloud::start();
    for name in ["docs/p/1", "docs/p/sub/2", "docs/p/sub/3 x", "docs/p/folder/", "docs/p/zz", "docs/q"] {
        cloud.object(name, name);
    }
    let machine = step("S3Download", "{source: 's3://docs/p/*', destination: got}");
    assert_eq!(run(&cloud, &machine).status, Some(0));
    assert_eq!(machine.read("got/sub/3 x"), "docs/p/sub/3 x");
    assert_eq!((machine.read("got/1"), machine.read("got/zz")), ("docs/p/1".to_owned(), "docs/p/zz".to_owned()));
    assert_eq!(fs::read_dir(machine.path("got")).unwrap().count(), 3);
    let nothing = step("S3Download", "{source: 's3://docs/none/*', destination: got}");
    assert_eq!(run(&cloud, &nothing).message(), "nothing matches s3://docs/none/*");
    cloud.object("docs/bad/../../escape", "x");
    let bad = step("S3Download", "{source: 's3://docs/bad/*', destination: got}");
    assert_eq!(run(&cloud, &bad).message(), "the key `bad/../../escape` cannot be a path below the destination");
}

#[test]
fn overwrite_false_asks_for_nothing() {
    let cloud = Cloud::start();
    let machine = step("S3Download", "{source: 's3://docs/a', destination: f, overwrite: false}");
    fs::create_dir_all(machine.path("")).unwrap();
    fs::write(machine.path("f"), "mine").unwrap();
    assert!(run(&cloud, &machine).message().ends_with("/f exists, and `overwrite` is false"));
    assert_eq!((machine.read("f").as_str(), cloud.requests().len()), ("mine", 0));
}

#[test]
fn a_call_to_a_busy_service_is_retried() {
    let cloud = Cloud::start();
    cloud.object("docs/a", "hello");
    cloud.content.lock().unwrap().refusals = vec![503];
    let machine = step("S3Download", "{source: 's3://docs/a', destination: f}");
    assert_eq!((run(&cloud, &machine).status, machine.read("f").as_str()), (Some(0), "hello"));
    assert_eq!(cloud.requests().len(), 2);
}

#[test]
fn a_bucket_of_another_region_is_read_in_that_region() {
    let cloud = Cloud::start();
    cloud.object("far/a", "from afar");
    let machine = step("S3Download", "{source: 's3://far/a', destination: f}, {source: 's3://far/a', destination: g}");
    let done = run(&cloud, &machine);
    assert_eq!((done.status, machine.read("f").as_str()), (Some(0), "from afar"), "{}", done.stderr);
}

#[test]
fn a_file_goes_whole_to_a_bucket_of_another_region() {
    let cloud = Cloud::start();
    let machine = step("S3Upload", "{source: a, destination: 's3://far/a'}, {source: a, destination: 's3://far/b'}");
    fs::create_dir_all(machine.path("")).unwrap();
    fs::write(machine.path("a"), "x".repeat(100_000)).unwrap();
    let done = run(&cloud, &machine);
    assert_eq!(done.status, Some(0), "{}", done.stderr);
    assert_eq!([cloud.text("far/a").len(), cloud.text("far/b").len()], [100_000; 2]);
}

#[test]
fn files_and_folders_become_objects() {
    let cloud = Cloud::start();
    let machine = step(
        "S3Upload",
        "{source: up/a.txt, destination: 's3://docs/one.txt'}, {source: up/a.txt, destination: 's3://docs/dir/'}, \
         {source: 'up/*', destination: 's3://docs/flat'}, {source: up, destination: 's3://docs/deep/', recurse: true}, \
         {source: 'up/s*', destination: 's3://docs/star', recurse: true}",
    );
    fs::create_dir_all(machine.path("up/sub")).unwrap();
    fs::write(machine.path("up/a.txt"), "a").unwrap();
    fs::write(machine.path("up/sub/b c.txt"), "b").unwrap();
    let done = run(&cloud, &machine);
    assert_eq!(done.status, Some(0), "{}", done.stderr);
    let names: Vec<String> = cloud.content.lock().unwrap().objects.keys().cloned().collect();
    let expected = [
        "docs/deep/a.txt",
        "docs/deep/sub/b c.txt",
        "docs/dir/a.txt",
        "docs/flat/a.txt",
        "docs/one.txt",
        "docs/star/sub/b c.txt",
    ];
    assert_eq!(names, expected);
    assert_eq!((cloud.text("docs/one.txt"), cloud.text("docs/deep/sub/b c.txt")), ("a".to_owned(), "b".to_owned()));
    for (inputs, expected) in [
        ("{source: nowhere, destination: 's3://docs/x'}", "/nowhere does not exist"),
        ("{source: 'no*', destination: 's3://docs/x'}", "nothing matches "),
        ("{source: ., destination: 's3://docs/x'}", " is a folder"),
    ] {
        let message = run(&cloud, &step("S3Upload", inputs)).message();
        assert!(message.contains(expected), "{message}");
    }
}

const SAY: &str = "      - {name: Say, action: ExecuteBash, inputs: {commands: ['echo REF']}}\n";

fn say(cloud: &Cloud, reference: &str) -> Run {
    run(cloud, &Machine::with_steps(&SAY.replace("REF", reference)))
}

#[test]
fn parameters_of_the_store_are_read_by_name_and_by_the_name_in_another() {
    let cloud = Cloud::start();
    cloud.parameter("/app/version", "String", "1.2");
    cloud.parameter("/app/list", "StringList", "a,b");
    cloud.parameter("/app/pointer", "String", "/app/version");
    assert_eq!(say(&cloud, "{{ aws:ssm:/app/version }} {{ aws:ssm:/app/list }}").said(), ["1.2 a,b"]);
    assert_eq!(say(&cloud, "{{ aws:ssm:resolve(aws:ssm:/app/pointer) }}").said(), ["1.2"]);
    assert_eq!(
        say(&cloud, "{{ aws:ssm:/app/nothing }}").message(),
        "`{{ aws:ssm:/app/nothing }}` has no value: GetParameter /app/nothing failed with status 400, \
         ParameterNotFound: no such parameter"
    );
    let document = format!(
        "schemaVersion: 1.0\nparameters: [{{where: {{type: string}}}}]\nphases:\n  - name: build\n    steps:\n{}",
        SAY.replace("REF", "{{ aws:ssm:resolve(where) }} {{ aws:ssm:/app/version }}")
    );
    let machine = Machine::new(&[&document]).parameter("where", "/app/version");
    let before = cloud.requests().len();
    assert_eq!(run(&cloud, &machine).said(), ["1.2 1.2"]);
    assert_eq!(cloud.requests().len(), before + 1, "once for each attempt");
}

#[test]
fn a_busy_parameter_store_is_retried_and_a_missing_parameter_is_not() {
    let cloud = Cloud::start();
    cloud.parameter("/app/version", "String", "1.2");
    cloud.content.lock().unwrap().refusals = vec![503];
    assert_eq!(say(&cloud, "{{ aws:ssm:/app/version }}").said(), ["1.2"]);
    say(&cloud, "{{ aws:ssm:/app/nothing }}");
    assert_eq!(cloud.requests().len(), 3);
}

#[test]
fn a_secret_works_and_is_shown_nowhere() {
    let cloud = Cloud::start();
    cloud.parameter("/app/key", "SecureString", "hunter\"2\nsecond-line");
    let machine = Machine::with_steps(
        "      - {name: Write, action: CreateFile, inputs: [{path: secret, content: '{{ aws:ssm:/app/key }}'}]}\n      \
         - {name: Restart, action: Reboot}\n      \
         - {name: Leak, action: ExecuteBash, onFailure: Continue, inputs: {commands: ['cat secret; echo; cat secret >&2; exit 1']}}\n      \
         - {name: Chain, action: ReadFile, inputs: [{path: secret, printFileContent: true}]}\n      \
         - {name: Fails, action: DeleteFolder, inputs: [{path: '{{ build.Chain.outputs.content }}'}, {path: '{{ aws:ssm:/app/key }}/x', force: '{{ build.Chain.outputs.content }}'}]}\n",
    );
    let first = run(&cloud, &machine);
    let second = run(&cloud, &machine);
    assert_eq!((first.status, second.status), (Some(194), Some(1)));
    assert_eq!(machine.read("secret"), "hunter\"2\nsecond-line");
    let mut said = second.said();
    said.sort();
    let reason = ["****`, which is not `true` or `false`", "`force` is `****"];
    assert_eq!(said, [&["****"; 6][..], &reason].concat());
    let folder = machine.log_folder();
    let mut shown = format!("{}{}{}{}", first.stdout, second.stdout, first.stderr, second.stderr);
    for name in ["console.log", "application.log", "detailedoutput.json"] {
        shown += &fs::read_to_string(folder.join(name)).unwrap();
    }
    assert!(!shown.contains("hunter") && !shown.contains("second-line"), "{shown}");
    assert!(shown.contains("****"));
    let state =
        Command::new("grep").args(["-rlE", "hunter|second-line"]).arg(machine.path("../state")).output().unwrap();
    assert_eq!(String::from_utf8(state.stdout).unwrap(), "", "nothing is kept after the run");
}

#[test]
fn a_secret_is_masked_even_if_a_cut_line_or_the_output_ends_in_it() {
    let cloud = Cloud::start();
    cloud.parameter("/app/key", "SecureString", "hunter2hunter3");
    for before in [65_530, 65_522, 65_536, 262_140] {
        let say = format!("'printf %{before}s; echo {{{{ aws:ssm:/app/key }}}} and more'");
        let machine = Machine::with_steps(&SAY.replace("'echo REF'", &say));
        let run = run(&cloud, &machine);
        assert_eq!(run.status, Some(0), "{}", run.stderr);
        let said = run.said().concat();
        assert_eq!(said.trim_start(), "**** and more", "{before}");
        assert_eq!(said.len(), before + "**** and more".len());
        let folder = machine.log_folder();
        for name in ["console.log", "application.log", "detailedoutput.json"] {
            let kept = fs::read_to_string(folder.join(name)).unwrap();
            assert!(!kept.contains("hunt") && !kept.contains("ter3"), "{name} after {before}");
        }
    }
}

#[test]
fn a_secret_that_is_any_word_does_not_spoil_the_result_tree() {
    let cloud = Cloud::start();
    cloud.parameter("/app/key", "SecureString", "7200");
    let machine = Machine::with_steps(&SAY.replace("REF", "{{ aws:ssm:/app/key }} \\\" 1"));
    assert_eq!(run(&cloud, &machine).said(), ["**** \" 1"]);
    let step = &machine.detailed_output()["documents"][0]["phases"][0]["steps"][0];
    assert_eq!((&step["timeoutSeconds"], &step["outputs"]), (&7200.into(), &r#"[{"stdout":"**** \" 1"}]"#.into()));
}

#[test]
fn metadata_and_context_tell_where_a_step_runs() {
    let cloud = Cloud::start();
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let run = say(
        &cloud,
        "{{ aws:imds:instance-type }} {{ context:accountId }} {{ context:region }} {{ context:executionId }} \
         {{ context:osPlatform }} {{ context:phase }} {{ context:step }} {{ context:hostname }}",
    );
    assert_eq!(run.said(), [format!("t3.small 012345678901 eu-west-1 web-1/Build linux build Say {}", host.trim())]);
    let missing = say(&cloud, "{{ aws:imds:no-such }}").message();
    assert!(
        missing.starts_with("`{{ aws:imds:no-such }}` has no value: ") && missing.ends_with("status 404"),
        "{missing}"
    );
    let times = say(&cloud, "{{ context:date }} {{ context:dateTime }} {{ context:uuid }} {{ context:uuid }}");
    let said = times.said();
    let words: Vec<&str> = said[0].split(' ').collect();
    assert!(words[1].starts_with(words[0]) && words[1].ends_with('Z') && words[2].len() == 36, "{said:?}");
    assert_ne!(words[2], words[3]);
}

#[test]
fn a_role_that_appears_some_seconds_after_the_boot_is_waited_for() {
    let cloud = Cloud::start();
    cloud.parameter("/app/version", "String", "1.2");
    cloud.content.lock().unwrap().no_role = 2;
    let machine = Machine::with_steps(&SAY.replace("REF", "{{ aws:ssm:/app/version }}"));
    let by_run_command = |command: &mut Command| {
        cloud.serve_metadata(command);
        command.env("SSM_COMMAND_ID", "c-1");
    };
    assert_eq!(run_with(&machine, by_run_command).said(), ["1.2"]);
    assert_eq!(cloud.content.lock().unwrap().no_role, 0);
}

#[test]
fn credentials_come_from_the_instance_or_the_container_too() {
    let cloud = Cloud::start();
    cloud.parameter("/app/version", "String", "1.2");
    let machine = || Machine::with_steps(&SAY.replace("REF", "{{ aws:ssm:/app/version }}"));
    assert_eq!(run_with(&machine(), |command| cloud.serve_metadata(command)).said(), ["1.2"]);
    let container = run_with(&machine(), |command| {
        cloud.serve_metadata(command);
        command.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/role", cloud.url()));
        command.env("AWS_CONTAINER_AUTHORIZATION_TOKEN", "container-token").env("AWS_REGION", "eu-west-1");
        command.env("AWS_EC2_METADATA_DISABLED", "true");
    });
    assert_eq!(container.said(), ["1.2"]);
    // Some SSM agents name their own credentials to the scripts that they run.
    let profile = run_with(&machine(), |command| {
        cloud.serve_metadata(command);
        command.env("AWS_PROFILE", "default").env("AWS_SHARED_CREDENTIALS_FILE", "/var/lib/amazon/ssm/credentials");
    });
    assert_eq!(profile.said(), ["1.2"]);
    cloud.content.lock().unwrap().untrusting = true;
    let message = run_with(&machine(), |command| cloud.serve_metadata(command)).message();
    let refused = "no credentials of its role, AssumeRoleUnauthorizedAccess: EC2 cannot assume the role";
    assert!(message.ends_with(refused), "{message}");
    let none = run_with(&machine(), |command| {
        cloud.serve_metadata(command);
        command.env("AWS_EC2_METADATA_DISABLED", "true").env("AWS_REGION", "eu-west-1");
    });
    assert_eq!(
        none.message(),
        "`{{ aws:ssm:/app/version }}` has no value: there are no AWS credentials in the environment, from \
         a container service, or from a role of this instance: AWS_EC2_METADATA_DISABLED disables the instance's metadata"
    );
}

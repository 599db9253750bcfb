//! Tests the real binary when it rejects a call: the exact text on standard error, the documented exit code, and
//! nothing on standard output.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

#[expect(clippy::unwrap_used, reason = "a test whose program cannot be started has failed")]
fn goldsmith(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
    command.args(args).current_dir(folder).env_clear().env("HOME", folder);
    command.env("AWS_ACCESS_KEY_ID", "none").env("AWS_SECRET_ACCESS_KEY", "none").output().unwrap()
}

/// The error of a command that needs a stack if nothing names the stack's Region.
const NO_REGION: &str = "goldsmith: error: no AWS Region is set: give --region, AWS_REGION, or a profile that has one, or use the \
                         stack on this machine with --local\n";

#[track_caller]
fn refused(output: &Output, exit: i32, stderr: &str) {
    assert_eq!(String::from_utf8_lossy(&output.stderr), stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    assert_eq!(output.status.code(), Some(exit));
}

#[test]
fn wrong_definitions_are_rejected_by_line_before_a_stack_is_looked_up() {
    let folder = tempfile::tempdir().unwrap();
    let component = "kind: Component\nname: nginx\nsemanticVersion: 1.0.0\nuri: nginx.yaml\n";
    std::fs::write(folder.path().join("all.yml"), component).unwrap();
    let document =
        "schemaVersion: 1.0\nphases:\n  - name: build\n    steps:\n      - name: Run\n        action: ExecuteBsh\n";
    std::fs::write(folder.path().join("nginx.yaml"), document).unwrap();
    let expected = "\
./nginx.yaml:6:17: error: unknown action `ExecuteBsh`
          action: ExecuteBsh
                  ^^^^^^^^^^
help: did you mean `ExecuteBash`?
goldsmith: error: one mistake in .: nothing was applied
";
    for command in ["apply", "build"] {
        refused(&goldsmith(folder.path(), &[command, "."]), 2, expected);
    }
}

#[test]
fn a_value_that_looks_like_a_secret_is_rejected_unless_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let component = "kind: Component\nname: data\nsemanticVersion: 1.0.0\nuri: db.yaml\n---\nkind: ImageRecipe\nname: web\n\
                     semanticVersion: 1.0.0\nparentImage: ami-0123456789abcdef0\ncomponents:\n\
                     - {name: data, version: 1.x.x, parameters: {dbPassword: hunter33}}\n";
    std::fs::write(folder.path().join("all.yml"), component).unwrap();
    let document = "schemaVersion: 1.0\nparameters:\n- dbPassword: {type: string, default: hunter22}\nphases:\n\
                    - {name: build, steps: [{name: Run, action: ExecuteBash, inputs: {commands: [ls]}}]}\n";
    std::fs::write(folder.path().join("db.yaml"), document).unwrap();
    let help = "help: keep it in the Parameter Store as a SecureString and write `{{ aws:ssm:/path/name }}` where it is used; if it \
                is not a secret, use --allow-plain-secrets";
    let expected = format!(
        "./all.yml:11:57: error: the value of `dbPassword` in `parameters` looks like a secret, which a recipe should not contain\n\
         {help}\n./db.yaml:3:39: error: the `default` of `dbPassword` looks like a secret, which a document should not contain\n\
         {help}\ngoldsmith: error: 2 mistakes in .: nothing was applied\n"
    );
    for command in ["apply", "build"] {
        refused(&goldsmith(folder.path(), &[command, "."]), 2, &expected);
        refused(&goldsmith(folder.path(), &[command, ".", "--allow-plain-secrets"]), 2, NO_REGION);
    }
    let mistyped = component.replace("version: 1.x.x", "versoin: 1.x.x");
    std::fs::write(folder.path().join("all.yml"), mistyped).unwrap();
    for command in ["apply", "build", "validate"] {
        let output = goldsmith(folder.path(), &[command, "."]);
        let said = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap()).concat();
        assert!(said.contains("`versoin`") && !said.contains("hunter"), "{said}");
    }
    std::fs::write(folder.path().join("all.yml"), component).unwrap();
    let parameter = ["build", "web", "--parameter", "data.dbPassword=hunter33"];
    let expected = format!(
        "goldsmith: error: the value of `--parameter data.dbPassword` looks like a secret, which a build's record should \
         not contain\n{help}\n"
    );
    refused(&goldsmith(folder.path(), &parameter), 2, &expected);
    let allowed: Vec<&str> = parameter.into_iter().chain(["--allow-plain-secrets"]).collect();
    refused(&goldsmith(folder.path(), &allowed), 2, NO_REGION);
    let told = |args: &[&str]| {
        let output = goldsmith(folder.path(), args);
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(!said.contains("hunter"), "{said}");
        (output.status.code(), said.matches("error: ").count(), said.matches("warning: ").count())
    };
    assert_eq!(told(&["validate", "."]), (Some(1), 2, 0));
    assert_eq!(told(&["validate", ".", "--allow-plain-secrets"]), (Some(0), 0, 2));
    assert_eq!(told(&["validate", "db.yaml"]), (Some(0), 0, 1), "nothing stores it");
}

#[test]
fn a_file_that_is_not_text_has_a_place_for_each_command() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.yml"), b"kind: ImagePipeline\nname: gr\xfcn\n").unwrap();
    let mistake = "\
a.yml:2:9: error: the file is not UTF-8 text
help: the byte 0xfc is no character of UTF-8 there: save the file as UTF-8
";
    for (command, nothing) in [("apply", "applied"), ("build", "applied"), ("plan", "planned"), ("graph", "drawn")] {
        let expected = format!("./{mistake}goldsmith: error: one mistake in .: nothing was {nothing}\n");
        refused(&goldsmith(folder.path(), &[command, "."]), 2, &expected);
    }
    let validated = goldsmith(folder.path(), &["validate", "a.yml"]);
    assert_eq!(String::from_utf8_lossy(&validated.stdout), format!("{mistake}1 file: 1 error\n"));
}

#[test]
fn what_is_not_there_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let missing = "goldsmith: error: none.yml cannot be read\n  because: No such file or directory (os error 2)\n";
    refused(&goldsmith(folder.path(), &["apply", "none.yml"]), 2, missing);
    for command in ["images", "pipelines", "channels"] {
        refused(&goldsmith(folder.path(), &[command]), 2, NO_REGION);
    }
    for command in ["sbom", "diff", "report"] {
        refused(&goldsmith(folder.path(), &[command, "web/1.0.0/1"]), 2, NO_REGION);
    }
    let none = "goldsmith: error: none is not a folder\n";
    refused(&goldsmith(folder.path(), &["sbom", "--root", "none"]), 2, none);
    refused(&goldsmith(folder.path(), &["deprecate", "web/1.0.0/1"]), 2, NO_REGION);
    let several = "goldsmith: error: only `clean` takes more than one --region\n";
    refused(&goldsmith(folder.path(), &["images", "--region", "eu-west-1", "--region", "us-east-1"]), 2, several);
}

#[test]
fn an_impossible_schedule_is_rejected_before_a_stack_is_looked_up() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = "kind: ImagePipeline\nname: web\nimageRecipe: web\ninfrastructureConfiguration: small\n\
                    schedule: {scheduleExpression: rate(1 minutes), timezone: Europe/Berln}\n";
    std::fs::write(folder.path().join("web.yml"), pipeline).unwrap();
    let expected = "\
./web.yml:5:32: error: `1 minutes` is not a rate: write 1 minute
  schedule: {scheduleExpression: rate(1 minutes), timezone: Europe/Berln}
                                 ^^^^^^^^^^^^^^^
./web.yml:5:59: error: there is no time zone `Europe/Berln`
  schedule: {scheduleExpression: rate(1 minutes), timezone: Europe/Berln}
                                                            ^^^^^^^^^^^^
help: did you mean `Europe/Berlin`?
goldsmith: error: 2 mistakes in .: nothing was applied
";
    refused(&goldsmith(folder.path(), &["apply", "."]), 2, expected);
}

#[test]
fn a_build_gets_each_value_only_once_and_a_wrong_call_applies_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let twice = ["build", "missing", "--parameter", "nginx.port=1", "--parameter", "nginx.port=2"];
    refused(&goldsmith(folder.path(), &twice), 2, "goldsmith: error: --parameter has `nginx.port` twice\n");
    let other = ["build", "web", "--parameter", "nginx.port=1", "--parameter", "apache.port=2"];
    refused(&goldsmith(folder.path(), &other), 2, NO_REGION);
}

#[test]
fn a_file_of_definitions_is_taken_as_a_folder_is() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = "kind: ImagePipeline\nname: web\nimageRecipe: web\ninfrastructureConfiguration: small\n";
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("web.yml"), pipeline).unwrap();
    std::fs::write(at("wrong.yml"), pipeline.replace("name: web", "nam: web")).unwrap();
    // A file whose name may be that of a pipeline hides no pipeline.
    std::fs::copy(at("wrong.yml"), at("web")).unwrap();
    for (command, nothing) in [("plan", "planned"), ("build", "applied")] {
        for what in ["web.yml", "./web.yml", "web"] {
            refused(&goldsmith(folder.path(), &[command, what]), 2, NO_REGION);
        }
        for what in ["wrong.yml", "./web"] {
            let stderr = String::from_utf8(goldsmith(folder.path(), &[command, what]).stderr).unwrap();
            let end = format!("\ngoldsmith: error: 2 mistakes in {what}: nothing was {nothing}\n");
            assert!(stderr.contains(&format!("\n{what}:2:1: error: ")) && stderr.ends_with(&end), "{stderr}");
        }
        let neither = "goldsmith: error: `none.yml` is neither a folder or file nor the name of a pipeline\n";
        refused(&goldsmith(folder.path(), &[command, "none.yml"]), 2, neither);
        let chosen = "goldsmith: error: --pipeline chooses a pipeline of a folder or file, but web is neither\n";
        refused(&goldsmith(folder.path(), &[command, "web", "--pipeline", "web"]), 2, chosen);
    }
}

#[test]
fn a_new_folder_is_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let output = goldsmith(folder.path(), &["init", "web"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "written  web/pipeline.yml\nwritten  web/components/web.yml\n");
    assert!(goldsmith(folder.path(), &["validate", "web"]).status.success());
    let expected = "goldsmith: error: web/pipeline.yml exists already: nothing was written; name another folder, so that no file \
                    is overwritten\n";
    refused(&goldsmith(folder.path(), &["init", "web"]), 2, expected);
    let inner = folder.path().join("web/components");
    let output = goldsmith(&inner, &["init"]);
    let written = "written  ./pipeline.yml\nwritten  ./components/components.yml\n";
    assert_eq!(String::from_utf8_lossy(&output.stdout), written);
    let short = "goldsmith: error: the folder's name `ab` cannot be the name of a definition: name the definitions with --name: 3 to \
                 128 letters, digits, `-`, `_` and inner spaces\n";
    refused(&goldsmith(folder.path(), &["init", "ab"]), 2, short);
    let output = goldsmith(folder.path(), &["init", "ab", "--name", "web server"]);
    let written = "written  ab/pipeline.yml\nwritten  ab/components/web-server.yml\n";
    assert_eq!(String::from_utf8_lossy(&output.stdout), written);
}

#[test]
fn an_endpoint_that_does_not_answer_is_exit_code_4() {
    let folder = tempfile::tempdir().unwrap();
    // A port that was free a moment ago: nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    let output = goldsmith(folder.path(), &["images", "--region", "eu-west-1", "--endpoint-url", &url]);
    assert_eq!(output.status.code(), Some(4));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.starts_with("goldsmith: error: GetParameter in eu-west-1 failed: "), "{stderr}");
}

/// Ends a process when the test ends, however that happens.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        drop(self.0.kill().and_then(|()| self.0.wait()));
    }
}

/// Returns a port on which every request gets the answer that `answer` returns for it.
#[expect(clippy::unwrap_used, reason = "a test whose server cannot be started has failed")]
fn answering(answer: fn(&str) -> String) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let (mut head, mut length) = (String::new(), 0);
            while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).unwrap() > 0 {
                let line = head.lines().last().unwrap_or_default().to_ascii_lowercase();
                length = line.strip_prefix("content-length: ").map_or(length, |digits| digits.parse().unwrap());
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            head.push_str(&String::from_utf8_lossy(&body));
            stream.get_mut().write_all(answer(&head).as_bytes()).unwrap();
        }
    });
    port
}

#[test]
fn a_local_stack_of_another_version_is_not_ended_for_a_command_that_reads() {
    let folder = tempfile::tempdir().unwrap();
    let mut other = Command::new("sleep").arg("600").stdout(Stdio::null()).spawn().map(Ended).unwrap();
    // The 22nd field, where the second, the program's name, is in parentheses.
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", other.0.id())).unwrap();
    let started: u64 = stat.rsplit(')').next().unwrap().split_whitespace().nth(19).unwrap().parse().unwrap();
    let process = format!("{{\"pid\":{},\"started\":{started}}}", other.0.id());
    let port = answering(|_| "HTTP/1.0 200 OK\r\n\r\n{}".to_owned());
    let stack = format!(
        "{{\"name\":\"goldsmith\",\"endpointUrl\":\"u\",\"ec2Url\":\"u\",\"region\":\"eu-west-1\",\"accessKey\":\"test\",\
         \"secretKey\":\"test\",\"port\":{port},\"ec2Port\":{port},\"emulator\":{process},\"ec2\":{process},\
         \"programs\":\"of another version\",\"deployed\":null}}"
    );
    let place = folder.path().join(".local/state/goldsmith/local/goldsmith");
    std::fs::create_dir_all(&place).unwrap();
    std::fs::write(place.join("stack.json"), &stack).unwrap();
    let expected = "goldsmith: error: the local stack `goldsmith` runs, but another version of this program has started it: \
                    continue with that version, or run `goldsmith local up`, which restarts the stack without its \
                    definitions, builds, images and instances\n";
    for command in ["images", "doctor", "retire"] {
        refused(&goldsmith(folder.path(), &[command, "--local"]), 2, expected);
    }
    assert!(other.0.try_wait().unwrap().is_none(), "its processes go on");
    assert_eq!(std::fs::read_to_string(place.join("stack.json")).unwrap(), stack);
}

/// STS returns the caller's identity, and every other call is denied.
fn knowing_the_caller_only(request: &str) -> String {
    let (status, body) = match request.contains("GetCallerIdentity") {
        true => (
            "200 OK",
            "<GetCallerIdentityResponse><GetCallerIdentityResult><Account>123456789012</Account>\
             <Arn>arn:aws:iam::123456789012:user/u</Arn><UserId>U</UserId></GetCallerIdentityResult>\
             </GetCallerIdentityResponse>",
        ),
        false => ("400 Bad Request", "{\"__type\":\"AccessDeniedException\",\"message\":\"not allowed\"}"),
    };
    format!("HTTP/1.0 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn doctor_does_not_miss_a_stack_that_it_may_not_look_for() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://127.0.0.1:{}", answering(knowing_the_caller_only));
    let output = goldsmith(folder.path(), &["doctor", "--region", "eu-west-1", "--endpoint-url", &url]);
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("allow the caller `ssm:GetParameter`"), "{told}");
    assert!(!told.contains("There is no stack"), "{told}");
}

#[test]
fn what_is_deleted_or_switched_must_be_named_as_it_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let neither = "goldsmith: error: `web` is neither an image nor a definition: name an image as NAME/VERSION/BUILD, or a definition \
                   as KIND/NAME or KIND/NAME/VERSION\n";
    let unversioned = "goldsmith: error: image pipeline `web` has no versions: name it as pipeline/web\n";
    for (arguments, message) in [
        (&["delete", "web"][..], neither),
        (&["delete", "pipeline/web/1.0.0"], unversioned),
        (&["delete", "pipeline/web", "--unshare", "all"], "goldsmith: error: --unshare is for images\n"),
        (&["delete", "component/nginx"], NO_REGION),
        (&["delete", "web/1.0.0/1"], NO_REGION),
        (&["definitions", "recipes"], NO_REGION),
        (&["disable", "web"], NO_REGION),
        (&["enable", "web/1.0.0/1"], NO_REGION),
        (&["retention", "web"], NO_REGION),
        (&["rollback", "web", "--to", "web/1.0.0/1"], NO_REGION),
    ] {
        refused(&goldsmith(folder.path(), arguments), 2, message);
    }
}

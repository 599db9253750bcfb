//! Tests the real binary with the credentials from a person's profiles.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::{Command, Output};
use std::thread::JoinHandle;

/// Rejects one call, and returns whose call it was.
fn refuse_one() -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let caller = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let head = BufReader::new(&stream).lines().map(Result::unwrap).take_while(|line| !line.is_empty());
        let signed = head.filter(|line| line.to_lowercase().starts_with("authorization:")).last().unwrap();
        let body = r#"{"__type": "AccessDeniedException", "message": "not you"}"#;
        let head = "HTTP/1.1 400 Bad Request\r\ncontent-type: application/x-amz-json-1.1\r\nconnection: close";
        write!(&stream, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
        signed
    });
    (url, caller)
}

/// Calls `goldsmith images` as a person with this profile does.
fn images(profile: &str, url: &str) -> Output {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    std::fs::write(home.path().join(".aws/config"), format!("[profile own]\nregion = eu-west-1\n{profile}")).unwrap();
    let mut goldsmith = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
    goldsmith.args(["images", "--profile", "own", "--endpoint-url", url]);
    goldsmith
        .env_clear()
        .env("HOME", home.path())
        .env("PATH", "/usr/bin:/bin")
        .env("AWS_EC2_METADATA_DISABLED", "true");
    goldsmith.output().unwrap()
}

#[test]
fn a_program_of_ones_own_may_give_the_credentials() {
    let (url, caller) = refuse_one();
    let keys = r#"{"Version": 1, "AccessKeyId": "AKIAOFPROGRAM", "SecretAccessKey": "secret"}"#;
    let output = images(&format!("credential_process = echo '{keys}'\n"), &url);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("AccessDeniedException: not you"), "{said}");
    let signed = caller.join().unwrap();
    assert!(signed.contains("Credential=AKIAOFPROGRAM/"), "{signed}");
}

#[test]
fn a_user_who_has_not_signed_in_is_told_so() {
    let sso = "sso_session = company\nsso_account_id = 000000000000\nsso_role_name = builder\n\
               [sso-session company]\nsso_region = eu-west-1\nsso_start_url = https://company.example/start\n";
    let login = "login_session = arn:aws:iam::000000000000:user/one\n";
    for (profile, command) in [(sso, "aws sso login"), (login, "aws login")] {
        let output = images(profile, "http://127.0.0.1:9");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(4), "{said}");
        assert!(said.contains("there are no usable AWS credentials") && said.contains(command), "{said}");
    }
}

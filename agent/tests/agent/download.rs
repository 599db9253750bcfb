//! `WebDownload` from a server on this machine.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::machine::Machine;

/// Answers each connection with the next of the given answers, then stops.
pub(crate) fn serve(answers: Vec<(u16, &'static str)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|error| panic!("no port: {error}"));
    let address = listener.local_addr().map(|address| address.to_string()).unwrap_or_default();
    std::thread::spawn(move || {
        for (status, body) in answers {
            let Ok((mut stream, _)) = listener.accept() else { return };
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|length| length == 1) {
                request.push(byte[0]);
            }
            let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n", body.len());
            let place = if status == 302 { format!("location: {body}\r\n") } else { String::new() };
            let _ = stream.write_all(format!("{head}{place}\r\n{body}").as_bytes());
        }
    });
    format!("http://{address}")
}

fn download(url: &str, more: &str) -> Machine {
    Machine::with_steps(&format!(
        "      - name: Get\n        action: WebDownload\n        inputs:\n          - {{source: '{url}', destination: got/{more}}}\n      \
         - {{name: Show, action: ExecuteBash, inputs: {{commands: ['echo {{{{ build.Get.outputs.destination }}}}']}}}}\n"
    ))
}

pub(crate) const SHA256_OF_HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

#[test]
fn a_file_is_fetched_into_a_folder_under_its_own_name_over_a_redirect() {
    let url = serve(vec![(302, "/elsewhere"), (200, "hello")]);
    let machine = download(&format!("{url}/tool.bin?x=1"), "");
    let run = machine.run();
    assert_eq!(run.status, Some(0), "{}", run.stderr);
    assert_eq!(machine.read("got/tool.bin"), "hello");
    assert_eq!(run.said(), [machine.path("got/tool.bin").to_str().unwrap()]);
}

#[test]
fn a_checksum_is_checked_and_a_wrong_file_never_appears() {
    let url = serve(vec![(200, "hello"), (200, "hullo")]);
    let good =
        download(&format!("{url}/f"), &format!("a, checksum: {}, algorithm: sha256", SHA256_OF_HELLO.to_uppercase()));
    assert_eq!(good.run().status, Some(0));
    let wrong = download(&format!("{url}/f"), &format!("a, checksum: {SHA256_OF_HELLO}, algorithm: SHA256"));
    let run = wrong.run();
    assert_eq!(run.status, Some(1));
    let message = run.message();
    assert!(
        message.contains("/f has the SHA256 ") && message.ends_with(&format!(", not {SHA256_OF_HELLO}")),
        "{message}"
    );
    let expected = format!("The expected SHA256 is {SHA256_OF_HELLO}.");
    let evidence = run.evidence();
    assert_eq!((evidence[0].as_str(), evidence.len()), (expected.as_str(), 3));
    assert!(evidence[1].starts_with("The received SHA256 is ") && evidence[1] != expected);
    assert_eq!(evidence[2], "The server has sent 5 bytes with status 200.");
    assert_eq!(std::fs::read_dir(wrong.path("got")).unwrap().count(), 0);
}

#[test]
fn a_right_file_that_is_there_is_not_fetched_again() {
    let machine = download("http://127.0.0.1:1/f", &format!("a, checksum: {SHA256_OF_HELLO}, algorithm: SHA256"));
    std::fs::create_dir_all(machine.path("got")).unwrap();
    std::fs::write(machine.path("got/a"), "hello").unwrap();
    assert_eq!(machine.run().status, Some(0));
}

#[test]
fn overwrite_false_keeps_what_is_there() {
    let machine = download("http://127.0.0.1:1/f", "a, overwrite: false");
    std::fs::create_dir_all(machine.path("got")).unwrap();
    std::fs::write(machine.path("got/a"), "mine").unwrap();
    let run = machine.run();
    assert!(run.message().ends_with("/got/a exists, and `overwrite` is false"));
    assert_eq!(machine.read("got/a"), "mine");
}

#[test]
fn a_missing_file_fails_at_once_and_a_busy_server_is_retried() {
    let url = serve(vec![(404, "no"), (503, "later"), (200, "hello")]);
    let run = download(&format!("{url}/f"), "a").run();
    assert_eq!(run.message(), format!("{url}/f returned status 404"));
    let machine = download(&format!("{url}/f"), "a");
    assert_eq!(machine.run().status, Some(0));
    assert_eq!(machine.read("got/a"), "hello");
}

#[test]
fn a_server_that_is_not_there_is_the_cause_also_where_the_time_is_short() {
    let machine = Machine::with_steps(
        "      - {name: Get, action: WebDownload, timeoutSeconds: 1, inputs: [{source: 'http://127.0.0.1:1/f', destination: f}]}\n",
    );
    let message = machine.run().message();
    assert!(message.starts_with("http://127.0.0.1:1/f cannot be fetched: "), "{message}");
}

/// A server whose certificate no machine trusts; it answers everything with `hello`.
fn serve_untrusted() -> String {
    serve_encrypted("HTTP/1.1 200 X\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello".to_owned())
}

/// The same with another answer.
pub(crate) fn serve_encrypted(answer: String) -> String {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("tls/certificate.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("tls/key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(connection, stream.unwrap());
            // A client that does not trust the certificate hangs up.
            let mut request = [0; 4096];
            if stream.read(&mut request).is_ok_and(|length| length > 0) {
                let _ = stream.write_all(answer.as_bytes());
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        }
    });
    url
}

#[test]
fn an_untrusted_certificate_is_rejected_unless_the_document_allows_it() {
    let url = serve_untrusted();
    let message = download(&format!("{url}/f"), "a").run().message();
    assert!(
        message.starts_with(&format!("{url}/f cannot be fetched: ")) && message.contains("ertificate"),
        "{message}"
    );
    let machine = download(&format!("{url}/f"), "a, ignoreCertificateErrors: true");
    assert_eq!((machine.run().status, machine.read("got/a").as_str()), (Some(0), "hello"));
}

#[test]
fn a_redirect_from_https_to_http_is_refused_at_once() {
    let open = serve(vec![(200, "hullo")]);
    let location = format!("HTTP/1.1 302 X\r\nlocation: {open}/f\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let url = serve_encrypted(location);
    for scheme in ["https", "HTTPS"] {
        let url = url.replacen("https", scheme, 1);
        let machine = download(&format!("{url}/f"), "a, ignoreCertificateErrors: true");
        let message = machine.run().message();
        assert_eq!(
            message,
            format!("{url}/f redirects to {open}/f, which is not encrypted; the redirect is not followed")
        );
        assert!(!machine.path("got/a").exists());
    }
}

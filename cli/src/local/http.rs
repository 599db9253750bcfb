//! Plain HTTP requests to servers on this machine.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

const PATIENCE: Duration = Duration::from_secs(30);

/// Sends a request without a body to a port of the loopback, with the stack's secret, and returns the body of the
/// answer. A status other than 2xx is an error.
pub(crate) fn request(method: &str, port: u16, path: &str, secret: &str) -> Result<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream =
        TcpStream::connect_timeout(&address, PATIENCE).with_context(|| format!("nothing listens on {address}"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let head = format!(
        "{method} {path} HTTP/1.0\r\nhost: {address}\r\nx-goldsmith-local: {secret}\r\ncontent-length: 0\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).with_context(|| format!("{address} does not answer"))?;
    let (head, body) = answer.split_once("\r\n\r\n").with_context(|| format!("{address} does not speak HTTP"))?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    if !status.starts_with('2') {
        bail!("{method} {path} at {address} was answered with {status}: {body}");
    }
    Ok(body.to_owned())
}

/// Returns as many different ports as requested, on which nothing listens now.
pub(crate) fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let mut taken = Vec::new();
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("there is no free port")?;
        *port = listener.local_addr()?.port();
        taken.push(listener); // kept until all are found, so that no port is found twice
    }
    Ok(ports)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpListener};

    use super::{free_ports, request};

    fn answering(answer: &'static str) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 512];
            let length = stream.read(&mut asked).unwrap();
            let asked = String::from_utf8_lossy(&asked[..length]);
            assert!(asked.starts_with("POST /reset HTTP/1.0\r\n") && asked.contains("x-goldsmith-local: secret\r\n"));
            stream.write_all(answer.as_bytes()).unwrap();
        });
        port
    }

    #[test]
    fn the_body_of_a_good_answer_is_given() {
        let port = answering("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone");
        assert_eq!(request("POST", port, "/reset", "secret").unwrap(), "done");
    }

    #[test]
    fn a_refusal_is_an_error_with_its_words() {
        let port = answering("HTTP/1.1 404 Not Found\r\n\r\nno such route");
        assert!(request("POST", port, "/reset", "secret").unwrap_err().to_string().ends_with("404: no such route"));
    }

    #[test]
    fn free_ports_differ() {
        let [one, two] = free_ports().unwrap();
        assert_ne!(one, two);
    }
}

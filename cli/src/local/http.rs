//! Plain HTTP requests to servers on this machine.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::{Context, Result, bail};

const PATIENCE: Duration = Duration::from_secs(30);

/// Sends a request without a body to a port on the loopback, with the stack's secret, and returns the body of the
/// response. A status other than 2xx is an error.
pub(crate) fn request(method: &str, port: u16, path: &str, secret: &str) -> Result<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let agent = ureq::Agent::config_builder()
        // The environment may name a proxy, which cannot reach this machine's loopback.
        .proxy(None)
        .timeout_global(Some(PATIENCE))
        .http_status_as_error(false)
        .build()
        .new_agent();
    let request = ureq::http::Request::builder()
        .method(method)
        .uri(format!("http://{address}{path}"))
        .header("x-goldsmith-local", secret)
        .header("content-length", "0")
        .body(())?;
    let mut answer = agent.run(request).map_err(|error| unanswered(address, error))?;
    // The inventory of a large stack has no bound.
    let body = answer.body_mut().with_config().limit(u64::MAX).read_to_string();
    let body = body.map_err(|error| unanswered(address, error))?;
    if !answer.status().is_success() {
        bail!("{method} {path} at {address} was answered with {}: {body}", answer.status().as_u16());
    }
    Ok(body)
}

/// Explains why there is no response.
fn unanswered(address: SocketAddr, error: ureq::Error) -> anyhow::Error {
    match error {
        ureq::Error::Io(refused) if refused.kind() == std::io::ErrorKind::ConnectionRefused => {
            anyhow::Error::new(refused).context(format!("nothing listens on {address}"))
        }
        ureq::Error::Protocol(_) => anyhow::anyhow!("{address} does not speak HTTP"),
        other => anyhow::Error::new(other).context(format!("{address} does not answer")),
    }
}

/// Returns as many different free ports as requested.
pub(crate) fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let mut taken = Vec::new();
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("there is no free port")?;
        *port = listener.local_addr()?.port();
        taken.push(listener); // kept until all are found, so that no port is found twice
    }
    // From here on, another program may take a port before our server listens on it. `await_answer` in `up` notices it.
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
            assert!(asked.starts_with("POST /reset HTTP/1.1\r\n") && asked.contains("x-goldsmith-local: secret\r\n"));
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
    fn a_server_that_is_not_there_or_speaks_something_else_is_named() {
        let [port] = free_ports().unwrap();
        let missing = request("POST", port, "/reset", "secret").unwrap_err();
        assert_eq!(missing.to_string(), format!("nothing listens on 127.0.0.1:{port}"));
        let port = answering("SSH-2.0-OpenSSH_9.2\r\n");
        let other = request("POST", port, "/reset", "secret").unwrap_err();
        assert_eq!(other.to_string(), format!("127.0.0.1:{port} does not speak HTTP"));
    }

    #[test]
    fn free_ports_differ() {
        let [one, two] = free_ports().unwrap();
        assert_ne!(one, two);
    }
}

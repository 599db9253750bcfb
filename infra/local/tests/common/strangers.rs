//! What else listens on this machine's loopback: a program of somebody else's, by TCP and UDP, and a proxy.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;

use goldsmith_local::requirements_of;
use serde_json::Value;
use tempfile::TempDir;

use super::Client;

/// The ports of TCP and UDP, for a run of the suite with other rights.
pub(crate) const LISTENING: &str = "GOLDSMITH_TEST_LISTENING";

/// File where the run says what became of it: the parent has to know, since what is skipped passes.
const MARK: &str = "GOLDSMITH_TEST_MARK";
/// What is in it after all was tried.
const TRIED: &str = "tried";

/// What a run of the suite with other rights says of itself.
pub(crate) struct Mark(TempDir);

impl Mark {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The run is another user's.
        fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777)).unwrap();
        Mark(folder)
    }

    /// For the environment of the run.
    pub(crate) fn variable(&self) -> (&'static str, String) {
        (MARK, self.0.path().join("mark").to_str().unwrap().to_owned())
    }

    /// The run has tried all; or what was in its way, where something may be.
    pub(crate) fn assert_tried(&self, isolation: &str) {
        let said = fs::read_to_string(self.0.path().join("mark")).expect("the run says what became of it");
        if said != TRIED {
            // A kernel without tun devices has none, whatever is installed.
            eprintln!("SKIPPED (needs networks of their own for instances in {isolation}): {said}");
        }
    }
}

/// Tells the parent that all was tried.
pub(crate) fn mark_tried() {
    mark(TRIED);
}

fn mark(said: &str) {
    fs::write(std::env::var_os(MARK).unwrap(), said).unwrap();
}

/// The three, until the test ends.
pub(crate) struct Strangers {
    tcp: TcpListener,
    udp: UdpSocket,
    proxy: u16,
}

impl Strangers {
    pub(crate) fn open() -> Self {
        let (tcp, udp) = (TcpListener::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        tcp.set_nonblocking(true).unwrap();
        udp.set_nonblocking(true).unwrap();
        Strangers { tcp, udp, proxy: serve() }
    }

    pub(crate) fn listening(&self) -> String {
        format!("{} {}", self.tcp.local_addr().unwrap().port(), self.udp.local_addr().unwrap().port())
    }

    pub(crate) fn proxy(&self) -> String {
        format!("http://127.0.0.1:{}", self.proxy)
    }

    /// Nobody has connected to it, nor sent it anything.
    pub(crate) fn assert_unheard(&self) {
        assert_eq!(self.tcp.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(self.udp.recv(&mut [0; 64]).unwrap_err().kind(), ErrorKind::WouldBlock);
    }
}

/// Answers whatever it is asked, as a proxy that finds everything.
fn serve() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // Its own end of a connection is each client's affair.
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    port
}

/// Whether instances have networks of their own. Where they have not, this tells the parent why; something must be missing.
pub(crate) fn has_own_network(client: Client) -> bool {
    let inventory = client.admin("GET", "inventory", &Value::Null);
    if inventory["network"] == "own" {
        return true;
    }
    let isolation = inventory["isolation"].as_str().unwrap().parse().unwrap();
    let tried = requirements_of(isolation, &std::env::temp_dir()).trials.remove(0);
    let obstacle = tried.network_obstacle.unwrap();
    let is_missing = ["missing", "/dev/net/tun", "default route"].iter().any(|word| obstacle.cause.contains(word));
    assert!(is_missing, "{obstacle}");
    mark(&obstacle.to_string());
    false
}

//! A server for a page, which is open to everybody: it answers whatever it is asked, and lets every origin read that, as the
//! emulator does behind its door. What the page can do is first seen here.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// How long an answer is waited for that somebody else gives.
const FORWARDED: Duration = Duration::from_secs(5);
const OPEN: &str =
    "access-control-allow-origin: *\r\naccess-control-allow-headers: *\r\naccess-control-allow-methods: *\r\n";

/// A listening site; it ends with the suite.
pub(super) struct Site {
    pub(super) port: u16,
    /// What the page found.
    pub(super) reports: Receiver<String>,
    /// Each request to what is neither the page nor its report: method, path, body.
    pub(super) heard: Arc<Mutex<Vec<String>>>,
}

struct Request {
    head: String,
    body: Vec<u8>,
}

impl Site {
    /// Serves the page at `/page`. Everything else goes `to` another address, as it goes when the page's own name has come to
    /// mean that address; where none is named, the site answers itself.
    pub(super) fn open(page: impl Fn(u16) -> String, to: Option<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (page, (report, reports)) = (page(port), channel());
        let heard = Arc::new(Mutex::new(Vec::new()));
        let log = heard.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (page, to, log, report) = (page.clone(), to.clone(), log.clone(), report.clone());
                // A browser opens connections that it then does not use.
                thread::spawn(move || serve(stream, &page, to.as_deref(), &log, &report));
            }
        });
        Site { port, reports, heard }
    }
}

fn serve(mut stream: TcpStream, page: &str, to: Option<&str>, log: &Mutex<Vec<String>>, report: &Sender<String>) {
    let Some(request) = read(&stream) else { return };
    let target = request.head.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned();
    let answer = match (target.as_str(), to) {
        ("GET /page", _) => answer("text/html", page),
        ("POST /report", _) => {
            // Nobody waits for it any more when the suite has given up.
            let _ = report.send(String::from_utf8_lossy(&request.body).into_owned());
            answer("text/plain", "")
        }
        (_, Some(to)) => forward(&request, to),
        (_, None) => {
            log.lock().unwrap().push(format!("{target} {}", String::from_utf8_lossy(&request.body)));
            answer("text/javascript", "0")
        }
    };
    // The browser may have gone on.
    let _ = stream.write_all(&answer);
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        // What it is forwarded to is to end with its answer.
        head += if lower == "connection: keep-alive\r\n" { "connection: close\r\n" } else { &line };
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { head, body })
}

fn answer(kind: &str, body: &str) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nconnection: close\r\n{OPEN}");
    format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// The answer of who listens there, as it came.
fn forward(request: &Request, to: &str) -> Vec<u8> {
    let mut answer = Vec::new();
    let Ok(mut stream) = TcpStream::connect(to) else { return answer };
    let asked = stream.set_read_timeout(Some(FORWARDED));
    let asked = asked.and_then(|()| stream.write_all(format!("{}\r\n", request.head).as_bytes()));
    if asked.and_then(|()| stream.write_all(&request.body)).is_ok() {
        // What came before it was cut off is the answer.
        let _ = stream.read_to_end(&mut answer);
    }
    answer
}

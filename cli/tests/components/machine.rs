//! A machine for one test: the real one, with the test's own folders in place of the folders that components change.

use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use tempfile::TempDir;

/// Folders of a machine that belong to the test.
const OWN: [&str; 6] = ["etc", "opt", "run", "usr/local/bin", "var/tmp", "work"];

/// Where the remaining programs are if some programs are hidden.
const PROGRAMS: &str = "opt/programs";

/// Mounts the test's folders in their places, and then runs the command.
const ENTER: &str = r#"
set -eu
root=$1 programs=$2; shift 2
# Where Debian keeps the ways to programs such as awk.
if [ -e /etc/alternatives ]; then cp -dR /etc/alternatives "$root/etc/"; fi
for folder in etc opt run usr/local/bin var/tmp; do mount --bind "$root/$folder" "/$folder"; done
if [ -e "$root/boot_id" ]; then mount --bind "$root/boot_id" /proc/sys/kernel/random/boot_id; fi
cd "$root/work"
export PATH="/usr/local/bin:$programs:/usr/sbin:/sbin"
exec "$@"
"#;

/// The machine.
pub(crate) struct Machine(TempDir);

/// How a run ended, and what it wrote to standard error.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: Option<i32>,
    pub(crate) stderr: String,
}

/// The folder of the stock components.
pub(crate) fn components() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../components")
}

/// Path of the real binary.
pub(crate) fn goldsmith() -> Command {
    Command::new(env!("CARGO_BIN_EXE_goldsmith"))
}

impl Machine {
    /// Returns a machine of a distribution, by the `ID` of its `os-release`, or `None` if this machine cannot isolate
    /// folders.
    pub(crate) fn new(distribution: &str) -> Option<Self> {
        isolation()?;
        let machine = Self(tempfile::tempdir().unwrap());
        for folder in OWN {
            fs::create_dir_all(machine.path(folder)).unwrap();
        }
        let release = format!("ID={distribution}\nNAME=Test\nVERSION_ID=1\nVERSION_CODENAME=one\n");
        machine.write("etc/os-release", &release);
        machine.write("etc/passwd", "root:x:0:0:root:/root:/bin/bash\n");
        machine.write("etc/group", "root:x:0:\n");
        for program in ["apt-get", "dnf", "yum", "zypper"] {
            machine.remove(&format!("usr/local/bin/{program}"));
        }
        Some(machine)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.path(name)).unwrap().permissions().mode() & 0o7777
    }

    pub(crate) fn set_mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn remove(&self, name: &str) {
        let _ = fs::remove_file(self.path(name)); // it need not be there
    }

    /// Adds a program that records its calls, and then does what the script says.
    pub(crate) fn program(&self, name: &str, script: &str) {
        let path = format!("usr/local/bin/{name}");
        self.write(&path, &format!("#!/bin/bash\necho \"{name} $*\" >> \"$CALLS\"\n{script}\n"));
        self.set_mode(&path, 0o755);
    }

    /// From now on, the machine has all programs of this machine's `/usr/bin` except these.
    pub(crate) fn hide(&self, names: &[&str]) {
        let programs = self.path(PROGRAMS);
        fs::create_dir_all(&programs).unwrap();
        for entry in fs::read_dir("/usr/bin").unwrap() {
            let entry = entry.unwrap();
            if !names.iter().any(|name| entry.file_name() == *name) {
                symlink(entry.path(), programs.join(entry.file_name())).unwrap();
            }
        }
    }

    /// Returns the calls of programs so far.
    pub(crate) fn calls(&self) -> String {
        fs::read_to_string(self.path("calls")).unwrap_or_default()
    }

    /// Runs a component. `options` are options of `goldsmith run`, separated by spaces.
    pub(crate) fn run(&self, component: &str, options: &str) -> Ran {
        let programs = if self.path(PROGRAMS).exists() { format!("/{PROGRAMS}") } else { "/usr/bin:/bin".to_owned() };
        let mut command = Command::new("unshare");
        command.args([isolation().unwrap(), "--", "bash", "-c", ENTER, "enter"]).arg(self.0.path()).arg(programs);
        command.arg(env!("CARGO_BIN_EXE_goldsmith")).args(["run", "--trace", "-l"]).arg(self.path("logs"));
        command.arg("-d").arg(components().join(format!("{component}.yml")));
        command.args(options.split(' ').filter(|option| !option.is_empty()));
        command.env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin");
        command.env("HOME", self.0.path()).env("CALLS", self.path("calls")).env("NO_PROXY", "127.0.0.1");
        let output = command.stdin(Stdio::null()).output().unwrap();
        Ran { status: output.status.code(), stderr: String::from_utf8(output.stderr).unwrap() }
    }
}

impl Ran {
    #[track_caller]
    pub(crate) fn ends_with(&self, status: i32) {
        assert_eq!(self.status, Some(status), "{}", self.stderr);
    }

    #[track_caller]
    pub(crate) fn says(&self, text: &str) {
        assert!(self.stderr.contains(text), "{text}\n{}", self.stderr);
    }
}

/// How `unshare` isolates mounts on this machine. If there is no way, the test is skipped, unless skipping is
/// forbidden.
fn isolation() -> Option<&'static str> {
    let works = |flags: &&&str| {
        let probe = ["--", "mount", "--bind", "/tmp", "/tmp"];
        Command::new("unshare")
            .arg(flags)
            .args(probe)
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    let found = ["-rm", "-m"].iter().find(works).copied();
    if found.is_none() {
        assert!(std::env::var_os("GOLDSMITH_REQUIRE_E2E").is_none(), "mounts cannot be kept apart here");
        eprintln!("SKIPPED (needs user namespaces or root)");
    }
    found
}

/// A web server with these files, by their paths. It ends with the test.
pub(crate) fn serve(files: &[(&str, &[u8])]) -> String {
    let files: HashMap<String, Vec<u8>> =
        files.iter().map(|(path, body)| ((*path).to_owned(), body.to_vec())).collect();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap_or_default();
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            let file = files.get(request.split(' ').nth(1).unwrap_or_default());
            let status = if file.is_some() { "200 OK" } else { "404 Not Found" };
            let body = file.map_or(&[][..], Vec::as_slice);
            let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(&[head.as_bytes(), body].concat());
        }
    });
    address
}

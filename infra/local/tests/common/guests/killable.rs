//! An endpoint in a process of its own, which can be killed. A suite that uses it has a test `serving` that calls
//! [`serve_when_asked`].

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::common::{Client, options};

/// State folder and base image of the endpoint that a process of this test binary serves.
const SERVE: [&str; 2] = ["GOLDSMITH_TEST_STATE", "GOLDSMITH_TEST_BASE"];

/// Serves an endpoint in the process that [`Killable`] has started for it.
pub(crate) async fn serve_when_asked() {
    let [Ok(state), Ok(base)] = SERVE.map(std::env::var) else { return };
    goldsmith_local::serve(options(state.as_ref(), base.as_ref(), None, Duration::ZERO)).await.unwrap();
}

/// An endpoint in a process of its own, killed at the end.
pub(crate) struct Killable {
    child: Child,
    pub(crate) client: Client,
}

impl Killable {
    pub(crate) fn start(state: &Path, base: &Path) -> Self {
        Self::start_by(Command::new(std::env::current_exe().unwrap()), state, base)
    }

    /// Starts one whose calls fail, and which lives on, where its files become larger than they may.
    pub(crate) fn start_bounded(state: &Path, base: &Path) -> Self {
        let mut command = Command::new("sh");
        command.args(["-ec", "trap '' XFSZ; exec \"$@\"", "sh"]).arg(std::env::current_exe().unwrap());
        Self::start_by(command, state, base)
    }

    fn start_by(mut command: Command, state: &Path, base: &Path) -> Self {
        command.args(["--exact", "serving", "--nocapture"]).env(SERVE[0], state).env(SERVE[1], base);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines.find_map(|line| Some(line.unwrap().split_once("listening on ")?.1.to_owned())).unwrap();
        // Else the endpoint would write into a closed pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Killable { child, client: Client::at(address.parse().unwrap()) }
    }

    /// Number of its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it: nothing is tidied up.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

//! A user and all that is theirs: a folder with home, temporary files, checkout and programs.

use std::env;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::checkout;
use crate::rights::Rights;
use crate::traces::instances_in;

/// Variables that would lead out of the folder, or change what is run.
const FOREIGN: [&str; 6] = ["GOLDSMITH_", "XDG_", "AWS_", "CARGO", "MAKE", "MFLAGS"];
/// The state of a local stack, below a home.
const STACK: &str = ".local/state/goldsmith/local/goldsmith";
/// What is made once, below a home.
const DATA: &str = ".local/share/goldsmith";

/// A user with everything of theirs. The end takes it all away.
pub(crate) struct Account {
    pub(crate) rights: Rights,
    folder: TempDir,
}

/// What a program said, and its exit code.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) exit: i32,
    pub(crate) output: String,
    pub(crate) progress: String,
}

impl Account {
    /// A new one, which has the checkout and the programs. The new user sees nothing else;  root has the environment
    /// and the image that root made before.
    pub(crate) fn new(rights: Rights) -> Self {
        let account = Account { rights, folder: tempfile::tempdir().unwrap() };
        let root = account.folder();
        fs::set_permissions(root, PermissionsExt::from_mode(0o755)).unwrap();
        for folder in [account.home(), account.temporary(), account.checkout()] {
            fs::create_dir(folder).unwrap();
        }
        checkout::lay_out(&account.checkout(), &account.target());
        match rights.stranger() {
            Some(id) => {
                let owner = format!("{id}:{id}");
                let given = Command::new("chown").args(["-R", &owner]).arg(root).status();
                assert!(given.unwrap().success(), "the folder cannot be given away");
            }
            None => account.take_what_is_known(),
        }
        account
    }

    /// Links to what is made once: hard work is not repeated.
    fn take_what_is_known(&self) {
        let from = env::var_os("XDG_DATA_HOME")
            .map_or_else(|| env::home_dir().unwrap().join(DATA), |data| PathBuf::from(data).join("goldsmith"));
        let to = self.home().join(DATA);
        fs::create_dir_all(to.join("images")).unwrap();
        for name in names_in(&from).iter().filter(|name| from.join(name).join(".complete").exists()) {
            symlink(from.join(name), to.join(name)).unwrap();
        }
        for name in names_in(&from.join("images")).iter().filter(|name| name.ends_with(".tar")) {
            symlink(from.join("images").join(name), to.join("images").join(name)).unwrap();
        }
    }

    /// Everything of theirs.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.folder().join("home")
    }

    pub(crate) fn temporary(&self) -> PathBuf {
        self.folder().join("tmp")
    }

    pub(crate) fn checkout(&self) -> PathBuf {
        self.folder().join("checkout")
    }

    /// Where the programs are, as in Cargo's target folder.
    pub(crate) fn target(&self) -> PathBuf {
        self.folder().join("target")
    }

    /// Runs a program to its end, as this user would from the checkout.
    pub(crate) fn run(&self, program: &Path, arguments: &[&str], more: &[(&str, &str)]) -> Said {
        let mut command = self.rights.command(program);
        command.args(arguments).current_dir(self.checkout()).stdin(Stdio::null());
        let foreign = |name: &str| FOREIGN.iter().any(|start| name.starts_with(start));
        for (name, _) in env::vars_os().filter(|(name, _)| foreign(&name.to_string_lossy())) {
            command.env_remove(name);
        }
        command.env("HOME", self.home()).env("TMPDIR", self.temporary());
        command.envs(self.rights.asks_for()).envs(more.iter().copied());
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let exit = output.status.code().unwrap_or(-1);
        Said { exit, output: text(&output.stdout), progress: text(&output.stderr) }
    }

    /// Runs the CLI.
    pub(crate) fn goldsmith(&self, arguments: &[&str]) -> Said {
        self.run(&self.target().join("debug/goldsmith"), arguments, &[])
    }

    /// What it prints for programs.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let said = self.goldsmith(&[arguments, &["--output", "json"]].concat());
        assert_eq!(said.exit, 0, "{said:?}");
        serde_json::from_str(&said.output).unwrap()
    }

    /// All that is in the local AWS.
    pub(crate) fn inventory(&self) -> Value {
        let stack = fs::read_to_string(self.home().join(STACK).join("stack.json")).unwrap();
        let stack: Value = serde_json::from_str(&stack).unwrap();
        let url = format!("{}/_local/inventory", stack["ec2Url"].as_str().unwrap());
        let inventory = ureq::get(url).header("x-goldsmith-local", stack["secret"].as_str().unwrap());
        serde_json::from_str(&inventory.call().unwrap().body_mut().read_to_string().unwrap()).unwrap()
    }

    /// Ids of all instances that there were since the stack was started.
    pub(crate) fn instances(&self) -> std::collections::BTreeSet<String> {
        instances_in(&self.home().join(STACK).join("ec2"))
    }
}

impl Drop for Account {
    /// A test that failed has left its stack running.
    fn drop(&mut self) {
        if self.home().join(STACK).exists() {
            println!("{}", self.goldsmith(&["local", "down"]).progress);
        }
    }
}

/// Names of what is in a folder; of a missing one, nothing.
pub(crate) fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

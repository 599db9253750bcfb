//! `UpdateOS` with the package manager of the distribution. It never reboots: a `Reboot` step decides when to reboot.
//!
//! It updates or fails: no manager may skip packages that it cannot reach. It waits for temporary problems, such as
//! another program that holds the manager's locks or a mirror that does not answer. Amazon Linux 2023 stays at the
//! release that it was made with, so the newest release is requested there.

mod patience;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::thread;

use goldsmith_document::UpdateOs;
use goldsmith_glob::name_matches;
use patience::Patience;

use super::command::{command, outcome};
use super::{End, Fields, Outcome, Perform, Place, Task, TaskError};
use crate::os_release::OsRelease;
use crate::output::Output;
use crate::process;
use crate::programs::find_program;
use crate::resolve::Resolver;

/// Exit status of zypper if everything is installed but a script of a package failed. (The statuses 102 and 103, which
/// advise a reboot or another call, come only from `patch`: zypper 1.14, zypper(8), "Exit codes".)
const ZYPPER_SCRIPTLET: i32 = 107;
/// The text of dnf and yum for this problem, with which they exit with 0.
const RPM_SCRIPTLET: &str = "scriptlet failed";

/// The warning with which an apt before 2.1, which does not know the error mode, exits with 0 if a mirror does not
/// answer.
const APT_WARNING: &str = "Some index files failed to download";
/// The warning about a failed script. The packages are still installed, so the RPM package managers do not report a
/// failure.
const SCRIPTLET_WARNING: &str = "warning: a script of an updated package failed; the package is installed";

/// Which packages to update.
pub(super) struct Update {
    /// The packages to update. An empty list updates all packages.
    include: Vec<String>,
    exclude: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
enum UpdateError {
    #[error("this machine has none of dnf, yum, apt-get and zypper")]
    NoManager,
    #[error("{program} cannot be started")]
    Start { program: &'static str, source: io::Error },
    #[error("{} cannot be written", path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// A package manager. The order is that of the search if the distribution does not say which manager is its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manager {
    Dnf,
    Yum,
    Apt,
    Zypper,
}

impl Update {
    pub(super) fn task(inputs: &UpdateOs, resolver: &Resolver<'_>) -> Result<Task, TaskError> {
        let mut fields = Fields::new(resolver);
        let include = fields.texts("include", &inputs.include)?;
        let exclude = fields.texts("exclude", &inputs.exclude)?;
        Ok(Task::here(vec![fields.record()], Self { include, exclude }))
    }

    fn run(&self, place: &Place<'_>, output: &mut Output<'_>) -> Result<Outcome, UpdateError> {
        let kept = |name: &&String| !self.exclude.iter().any(|pattern| name_matches(pattern, name));
        let include: Vec<&str> = self.include.iter().filter(kept).map(String::as_str).collect();
        // For the managers, an empty list means all packages: the opposite of what remains here.
        if include.is_empty() && !self.include.is_empty() {
            output.log("every package to update is excluded");
            return Ok(Outcome::default());
        }
        let os = OsRelease::read();
        let found = Manager::of(&os, |manager| find_program(manager.program()).is_some());
        let run = Calls { place, output, include, exclude: &self.exclude };
        match found.ok_or(UpdateError::NoManager)? {
            Manager::Dnf => run.dnf(&os),
            Manager::Yum => run.yum(),
            Manager::Apt => run.apt(),
            Manager::Zypper => run.zypper(),
        }
    }
}

impl Perform for Update {
    fn perform(&self, place: &Place<'_>, output: &mut Output<'_>) -> Outcome {
        let outcome = self.run(place, output).unwrap_or_else(|error| Outcome::failed(&error));
        // The action has no outputs. The text of the managers was kept only to judge how they ended.
        Outcome { outputs: Default::default(), ..outcome }
    }
}

impl Manager {
    const ALL: [Manager; 4] = [Manager::Dnf, Manager::Yum, Manager::Apt, Manager::Zypper];

    /// Returns the distribution's own manager: others may also be installed, but they know none of its packages. If the
    /// own manager is not installed or the distribution is not known, returns the first installed manager.
    fn of(os: &OsRelease, is_there: impl Fn(Manager) -> bool) -> Option<Manager> {
        let own = [os.id.as_str()].into_iter().chain(os.id_like.split_whitespace()).find_map(|id| match id {
            "debian" | "ubuntu" => Some(&[Manager::Apt][..]),
            "amzn" | "rhel" | "centos" | "fedora" => Some(&[Manager::Dnf, Manager::Yum][..]),
            "suse" | "sles" | "opensuse" => Some(&[Manager::Zypper][..]),
            _ => None,
        });
        own.unwrap_or_default().iter().chain(&Self::ALL).copied().find(|manager| is_there(*manager))
    }

    fn program(self) -> &'static str {
        match self {
            Manager::Dnf => "dnf",
            Manager::Yum => "yum",
            Manager::Apt => "apt-get",
            Manager::Zypper => "zypper",
        }
    }
}

/// The calls of one update.
struct Calls<'c, 'o> {
    place: &'c Place<'c>,
    output: &'c mut Output<'o>,
    include: Vec<&'c str>,
    exclude: &'c [String],
}

impl Calls<'_, '_> {
    fn dnf(mut self, os: &OsRelease) -> Result<Outcome, UpdateError> {
        // Some distributions let dnf skip repositories that it cannot reach. It would then end with success.
        let mut arguments = texts(&["-y", "--refresh", "--setopt=skip_if_unavailable=0"]);
        if os.id == "amzn" && os.version.starts_with("2023") {
            arguments.push("--releasever=latest".to_owned());
        }
        arguments.extend(self.exclude.iter().map(|name| format!("--exclude={name}")));
        arguments.push("upgrade".to_owned());
        self.call("dnf", &arguments, true)
    }

    fn yum(mut self) -> Result<Outcome, UpdateError> {
        let exclude = self.exclude.iter().map(|name| format!("--exclude={name}"));
        let arguments: Vec<String> =
            ["-y".to_owned()].into_iter().chain(exclude).chain(["update".to_owned()]).collect();
        self.call("yum", &arguments, true)
    }

    /// Updates with apt. An update may install new packages (such as kernels), but removes none. Changed configuration
    /// files stay. Without the error mode, apt ends with success if no mirror answers.
    fn apt(mut self) -> Result<Outcome, UpdateError> {
        let update = self.call("apt-get", &texts(&["-q", "-oAPT::Update::Error-Mode=any", "update"]), false)?;
        if update.end != End::Success {
            return Ok(update);
        }
        let options = ["Dpkg::Options::=--force-confdef", "Dpkg::Options::=--force-confold", "DPkg::Lock::Timeout=300"];
        let mut arguments = texts(&["-q", "-y"]);
        arguments.extend(options.iter().map(|option| format!("-o{option}")));
        if !self.exclude.is_empty() {
            arguments.push(format!("-oDir::Etc::Preferences={}", self.apt_preferences()?.display()));
        }
        // Without `--only-upgrade`, `install` would also install named packages that the machine does not have.
        let what = if self.include.is_empty() { ["upgrade", "--with-new-pkgs"] } else { ["install", "--only-upgrade"] };
        arguments.extend(texts(&what));
        self.call("apt-get", &arguments, true)
    }

    /// Writes the machine's preferences together with a ban on other versions of excluded packages. The file is deleted
    /// after the step.
    fn apt_preferences(&self) -> Result<PathBuf, UpdateError> {
        // The option replaces the machine's own file, so its rules are repeated.
        let own = fs::read_to_string("/etc/apt/preferences").unwrap_or_default();
        // A negative priority forbids every version, but an installed package stays (apt_preferences(5)).
        let ban = |name: &String| format!("\nPackage: {name}\nPin: release *\nPin-Priority: -1\n");
        let text = own + "\n" + &self.exclude.iter().map(ban).collect::<String>();
        let path = self.place.scratch.join("preferences");
        fs::write(&path, text).map_err(|source| UpdateError::Write { path: path.clone(), source })?;
        Ok(path)
    }

    /// Updates with zypper. zypper cannot exclude packages, so all other packages are named if some are excluded.
    fn zypper(mut self) -> Result<Outcome, UpdateError> {
        let refresh = self.call("zypper", &texts(&["--non-interactive", "refresh"]), false)?;
        if refresh.end != End::Success {
            return Ok(refresh);
        }
        let mut arguments = texts(&["--non-interactive", "update", "--auto-agree-with-licenses"]);
        if self.include.is_empty() && !self.exclude.is_empty() {
            let list = self.call("zypper", &texts(&["--non-interactive", "--xmlout", "list-updates"]), false)?;
            if list.end != End::Success {
                return Ok(list);
            }
            let names = update_names(list.outputs.get("stdout").map_or("", String::as_str));
            let kept = |name: &String| !self.exclude.iter().any(|pattern| name_matches(pattern, name));
            let names: Vec<String> = names.into_iter().filter(kept).collect();
            // Without names, zypper would update everything, including the excluded packages.
            if names.is_empty() {
                return Ok(Outcome::default());
            }
            arguments.extend(names);
        }
        let done = self.call("zypper", &arguments, true)?;
        match done.exit_code {
            Some(ZYPPER_SCRIPTLET) => {
                self.output.remark(SCRIPTLET_WARNING);
                Ok(Outcome { end: End::Success, ..done })
            }
            _ => Ok(done),
        }
    }

    /// Runs the manager again until it no longer fails because of a temporary problem.
    fn call(&mut self, program: &'static str, arguments: &[String], named: bool) -> Result<Outcome, UpdateError> {
        let mut patience = Patience::new(self.place.deadline);
        loop {
            let mut outcome = self.call_once(program, arguments, named)?;
            if outcome.end == End::Success && outcome.last_lines.iter().any(|line| line.contains(APT_WARNING)) {
                outcome.end = End::Failed("not all package indexes could be fetched".to_owned());
            }
            if outcome.end == End::Success {
                let said = outcome.outputs.get("stdout").map_or("", String::as_str);
                if said.contains(RPM_SCRIPTLET) {
                    self.output.remark(SCRIPTLET_WARNING);
                }
                return Ok(outcome);
            }
            let Some((pause, why)) = patience.pause(&outcome.last_lines) else { return Ok(outcome) };
            self.output.remark(&format!("{program}: {why}; trying again in {} s", pause.as_secs()));
            thread::sleep(pause);
        }
    }

    /// Runs the manager once. If `named` is true, the packages to update are its last arguments.
    fn call_once(&mut self, program: &'static str, arguments: &[String], named: bool) -> Result<Outcome, UpdateError> {
        let mut command = command(program);
        // `Patience` and the warnings know only the English texts. No manager may ask a question, because nobody
        // answers.
        command = command.args(arguments).env("LC_ALL", "C").env("DEBIAN_FRONTEND", "noninteractive");
        command = command.env("NEEDRESTART_MODE", "a").env("ZYPP_LOCK_TIMEOUT", "300");
        if named {
            command = command.args(&self.include);
        }
        let finished =
            process::run(command, self.place, self.output).map_err(|source| UpdateError::Start { program, source })?;
        match outcome(finished) {
            Outcome { end: End::Reboot { .. }, exit_code: Some(code), outputs, last_lines, evidence, watch } => {
                let end = End::Failed(format!("exit status {code}")); // with 194, a package manager does not ask for a reboot
                Ok(Outcome { end, exit_code: Some(code), outputs, last_lines, evidence, watch })
            }
            outcome => Ok(outcome),
        }
    }
}

fn texts(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Returns the names in the output of `zypper --xmlout list-updates`.
fn update_names(xml: &str) -> Vec<String> {
    // The space before `name` excludes other attributes whose names end with it.
    let name = |tag: &str| Some(tag.split_once(" name=\"")?.1.split_once('"')?.0.to_owned());
    xml.split("<update ").skip(1).filter_map(|rest| name(&format!(" {}", rest.split('>').next()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::{Manager, update_names};
    use crate::os_release::OsRelease;

    #[test]
    fn the_distributions_own_manager_is_taken() {
        let of = |id: &str, id_like: &str, there: &[Manager]| {
            let os = OsRelease { id: id.to_owned(), id_like: id_like.to_owned(), ..OsRelease::default() };
            Manager::of(&os, |manager| there.contains(&manager))
        };
        let all = Manager::ALL;
        assert_eq!(of("debian", "", &all), Some(Manager::Apt));
        assert_eq!(of("linuxmint", "ubuntu debian", &all), Some(Manager::Apt));
        assert_eq!(of("rocky", "rhel centos fedora", &all), Some(Manager::Dnf));
        assert_eq!(of("amzn", "centos rhel fedora", &[Manager::Yum, Manager::Zypper]), Some(Manager::Yum));
        assert_eq!(of("opensuse-leap", "suse opensuse", &all), Some(Manager::Zypper));
        assert_eq!(of("sles", "", &all), Some(Manager::Zypper));
        assert_eq!(of("debian", "", &[Manager::Dnf]), Some(Manager::Dnf), "its own is not there");
        assert_eq!((of("", "", &all), of("", "", &[])), (Some(Manager::Dnf), None));
    }

    #[test]
    fn names_of_updates_are_found() {
        let xml = "<stream><update-list><update name=\"vim\" edition=\"9\" kind=\"package\" >\n<summary>name=\"x\"</summary>\
                   </update><update kind=\"package\" name=\"kernel-default\"/></update-list></stream>";
        assert_eq!(update_names(xml), ["vim", "kernel-default"]);
        assert!(update_names("<stream></stream>").is_empty());
    }
}

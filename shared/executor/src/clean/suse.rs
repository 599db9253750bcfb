//! Removes the builder's registration with SUSE's update infrastructure, so that each instance of the image registers
//! itself. A pay-as-you-go instance does so at its first boot (`guestregister.service`), but only if it has no
//! registration.
//!
//! `registercloudguest --clean`, which SUSE wants before an image is made, removes the same files. It is not run here,
//! because it first deletes the registration on SUSE's servers. If the builder has its registration from its parent
//! image, all instances of that image have the same one and would lose it. In addition, it ends before it has removed
//! everything if no region server answers, and it can wait for an update server without end.
//!
//! Only what SUSE's programs have written goes. Other repositories and their passwords stay. So do the mirrors in the
//! settings of container engines, which have the same name for all instances.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::remove::Remover;
use crate::overwrite::overwrite;

/// The program with which instances in a cloud register. Without it, no instance would register itself again, and a
/// registration is one that a recipe has made with `SUSEConnect`, perhaps with the company's own server.
const PROGRAM: &str = "usr/sbin/registercloudguest";

/// What `registercloudguest` knows about the update servers. While it knows one, it does not register. The second
/// folder is that of older versions.
const STATE: [&str; 2] = ["var/cache/cloudregister", "var/lib/cloudregister"];
const SERVERS: &str = "SMTInfo";

const SERVICES: &str = "etc/zypp/services.d";
const REPOSITORIES: &str = "etc/zypp/repos.d";
const CREDENTIALS: &str = "etc/zypp/credentials.d";
/// The system's user name and password.
const SYSTEM: &str = "SCCcredentials";
const SETTINGS: &str = "etc/SUSEConnect";
/// Links to the program that lists the repositories for zypper.
const PLUGINS: &str = "usr/lib/zypp/plugins/services";
const PLUGIN: &str = "cloudguest-repo-service";

/// The domain of the update infrastructure, and the plug-in that stands for it in a URL.
const DOMAIN: &str = "susecloud";
/// The servers of the SUSE Customer Center, with which an instance with its own subscription may be registered instead.
const CENTER: [&str; 2] = ["scc.suse.com", "updates.suse.com"];

const HOSTS: &str = "etc/hosts";
const HOSTS_MARK: &str = "# Added by SMT";
/// The logins for container registries, and the file that names it for shells.
const REGISTRIES: &str = "etc/containers/config.json";
const PROFILE: &str = "etc/profile.local";
const PROFILE_LINES: [&str; 2] =
    ["export REGISTRY_AUTH_FILE=/etc/containers/config.json", "export DOCKER_CONFIG=/etc/containers"];

/// Removes the registration, if there is one.
pub(super) fn forget(remover: &mut Remover, root: &Path) {
    if !root.join(PROGRAM).exists() {
        return;
    }
    let services = of_suse(root, SERVICES, "url");
    let repositories = of_suse(root, REPOSITORIES, "baseurl");
    let hosts = fs::read(root.join(HOSTS)).unwrap_or_default();
    let is_known = STATE.iter().any(|folder| entries(root, folder).any(|path| name(&path).contains(SERVERS)));
    if services.is_empty() && repositories.is_empty() && !is_known && !has(&hosts, DOMAIN) {
        return;
    }
    let mut gone: Vec<String> = STATE.iter().map(|folder| format!("{folder}/*")).collect();
    let mut credentials = BTreeSet::from([SYSTEM.to_owned()]);
    for (folder, files) in [(SERVICES, &services), (REPOSITORIES, &repositories)] {
        gone.extend(files.iter().map(|(name, _)| format!("{folder}/{name}")));
        credentials.extend(files.iter().flat_map(|(_, text)| named(text)));
    }
    gone.extend(credentials.iter().map(|name| format!("{CREDENTIALS}/{name}")));
    let links = entries(root, PLUGINS).filter(|path| fs::read_link(path).is_ok_and(|target| name(&target) == PLUGIN));
    gone.extend(links.map(|path| format!("{PLUGINS}/{}", name(&path))));
    if fs::read_to_string(root.join(SETTINGS)).is_ok_and(|text| is_suse(&text)) {
        gone.push(SETTINGS.to_owned());
    }
    remover.remove(&gone);
    edit(remover, root, HOSTS, |text| without(text, |line| has(line, HOSTS_MARK) || has(line, DOMAIN)));
    edit(remover, root, PROFILE, |text| without(text, |line| PROFILE_LINES.iter().any(|one| line == one.as_bytes())));
    edit(remover, root, REGISTRIES, without_login);
}

/// Returns the services or repositories of SUSE, with their texts.
fn of_suse(root: &Path, folder: &str, key: &str) -> Vec<(String, String)> {
    let read = |path: PathBuf| Some((name(&path), fs::read_to_string(&path).ok()?));
    entries(root, folder).filter_map(read).filter(|(_, text)| values(text, key).any(is_suse)).collect()
}

fn is_suse(url: &str) -> bool {
    url.contains(DOMAIN) || CENTER.iter().any(|server| url.contains(server))
}

/// Returns the credentials that a service or a repository may use: those that its URL names, and those with the name
/// of the service.
fn named(text: &str) -> Vec<String> {
    let in_url = text.split(['?', '&', '\n']).filter_map(|part| part.trim().strip_prefix("credentials="));
    let sections = text.lines().filter_map(|line| line.trim().strip_prefix('[')?.strip_suffix(']'));
    let all = in_url.chain(values(text, "service")).chain(sections);
    all.filter(|name| !name.is_empty() && !name.contains(['/', '*'])).map(str::to_owned).collect()
}

/// Returns the values of a key in a file of zypper.
fn values<'t>(text: &'t str, key: &str) -> impl Iterator<Item = &'t str> {
    text.lines()
        .filter_map(|line| line.split_once('='))
        .filter(move |(name, _)| name.trim() == key)
        .map(|(_, v)| v.trim())
}

/// Returns a text without the lines for which `goes` is true, or `None` if there are none. People write names in other
/// encodings than UTF-8 into `/etc/hosts`.
fn without(text: &[u8], goes: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
    let lines = || text.split(|byte| *byte == b'\n');
    let left: Vec<&[u8]> = lines().filter(|line| !goes(line)).collect();
    // The programs write an empty line before their lines.
    (left.len() < lines().count()).then(|| [left.join(&b'\n').trim_ascii_end(), b"\n"].concat())
}

/// Returns the logins without those for SUSE's registries, which contain the system's password, or `None` if there are
/// none. The result is empty if no other logins are left.
fn without_login(text: &[u8]) -> Option<Vec<u8>> {
    let mut file: Value = serde_json::from_slice(text).ok()?;
    let logins = file.get_mut("auths")?.as_object_mut()?;
    let count = logins.len();
    logins.retain(|registry, _| !registry.contains(DOMAIN));
    let (is_same, is_empty) = (logins.len() == count, logins.is_empty());
    let is_alone = file.as_object().is_some_and(|file| file.len() == 1);
    (!is_same).then(|| if is_empty && is_alone { Vec::new() } else { file.to_string().into_bytes() })
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Replaces a file's text. The old one is overwritten first. A file whose text becomes empty is removed.
fn edit(remover: &mut Remover, root: &Path, path: &str, changed: impl Fn(&[u8]) -> Option<Vec<u8>>) {
    let file = root.join(path);
    if !file.symlink_metadata().is_ok_and(|found| found.is_file()) {
        return;
    }
    let Some(text) = fs::read(&file).ok().and_then(|text| changed(&text)) else { return };
    if text.trim_ascii().is_empty() {
        remover.remove(&[path]);
    } else if let Err(error) = replace(&file, &text) {
        remover.failed(&file, &error);
    }
}

fn replace(file: &Path, text: &[u8]) -> io::Result<()> {
    overwrite(file)?;
    rustix::fs::sync();
    fs::write(file, text)
}

fn entries(root: &Path, folder: &str) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(root.join(folder)).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()))
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    use super::{PROGRAM, forget};
    use crate::clean::remove::Remover;

    const SERVICE: &str = "[SMT-http_smt-ec2_susecloud_net]\nname=SMT-http_smt-ec2_susecloud_net\nenabled=1\n\
                           url=plugin:/susecloud?credentials=SUSE_of_a_url&path=/services/1\ntype = ris\n";
    const REPOSITORY: &str = "[SLES:15]\nenabled=1\nbaseurl=plugin:/susecloud?path=/repo/SLES\nservice=of_a_service\n";
    const OWN: &str = "[own]\nbaseurl=https://rpm.example.com/?credentials=own\nservice=own\n";
    const PASSWORD: &str = "username=SCC_1\npassword=x\n";
    const HOSTS: &[u8] = b"127.0.0.1\tlocalhost\n10.0.0.9 caf\xe9\n\n\
        # Added by SMT registration do not remove, retain comment as well\n\
        52.0.0.1\tsmt-ec2.susecloud.net\tsmt-ec2\n52.0.0.1\tregistry-ec2.susecloud.net\n";

    const GOES: &[(&str, &str)] = &[
        ("etc/SUSEConnect", "url: https://smt-ec2.susecloud.net\n"),
        ("etc/zypp/credentials.d/SCCcredentials", PASSWORD),
        ("etc/zypp/credentials.d/SMT-http_smt-ec2_susecloud_net", PASSWORD),
        ("etc/zypp/credentials.d/SUSE_of_a_url", PASSWORD),
        ("etc/zypp/credentials.d/of_a_service", PASSWORD),
        ("etc/zypp/repos.d/SLES.repo", REPOSITORY),
        ("etc/zypp/services.d/SMT.service", SERVICE),
        ("etc/containers/config.json", "{\"auths\": {\"registry-ec2.susecloud.net\": {\"auth\": \"x\"}}}"),
        (
            "etc/profile.local",
            "\nexport REGISTRY_AUTH_FILE=/etc/containers/config.json\n\n\
                               export DOCKER_CONFIG=/etc/containers\n",
        ),
        ("var/cache/cloudregister/availableSMTInfo_1.obj", "x"),
        ("var/cache/cloudregister/currentSMTInfo.obj", "x"),
        ("var/cache/cloudregister/framework_info", "{\"region\": \"eu-central-1\"}"),
        ("var/lib/cloudregister/currentSMTInfo.obj", "x"),
    ];
    const STAYS: &[(&str, &str)] = &[
        ("etc/zypp/credentials.d/own", PASSWORD),
        ("etc/zypp/repos.d/own.repo", OWN),
        ("etc/zypp/services.d/own.service", "[own]\nurl=https://rmt.example.com/services/1?credentials=own\n"),
    ];

    fn write(root: &Path, path: &str, bytes: impl AsRef<[u8]>) {
        fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
        fs::write(root.join(path), bytes).unwrap();
    }

    /// Returns the files below a folder with their contents, without those of the program.
    fn files(root: &Path) -> Vec<(String, Vec<u8>)> {
        let mut found = Vec::new();
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    folders.push(path);
                } else if !path.ends_with(PROGRAM) {
                    let bytes = fs::read(&path).unwrap_or_default();
                    found.push((path.strip_prefix(root).unwrap().to_str().unwrap().to_owned(), bytes));
                }
            }
        }
        found.sort();
        found
    }

    /// Makes a root folder with these files and a program that must not be run.
    fn machine(sets: &[&[(&str, &str)]]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        write(root, PROGRAM, format!("#!/bin/sh\ntouch {}/was-run\n", root.display()));
        fs::set_permissions(root.join(PROGRAM), fs::Permissions::from_mode(0o755)).unwrap();
        sets.concat().iter().for_each(|(path, text)| write(root, path, text));
        directory
    }

    fn forgotten(root: &Path) {
        for _ in 0..2 {
            let mut remover = Remover::new(root);
            forget(&mut remover, root);
            assert_eq!(remover.take_failures(), [""; 0]);
        }
    }

    #[test]
    fn a_registration_goes_and_what_others_have_set_up_stays() {
        let machine = machine(&[GOES, STAYS]);
        let root = machine.path();
        write(root, "etc/hosts", HOSTS);
        fs::create_dir_all(root.join("usr/lib/zypp/plugins/services")).unwrap();
        symlink("/usr/sbin/cloudguest-repo-service", root.join("usr/lib/zypp/plugins/services/x")).unwrap();
        symlink("/usr/sbin/other", root.join("usr/lib/zypp/plugins/services/y")).unwrap();
        forgotten(root);
        let mut left: Vec<_> =
            STAYS.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect();
        left.push(("etc/hosts".to_owned(), b"127.0.0.1\tlocalhost\n10.0.0.9 caf\xe9\n".to_vec()));
        left.push(("usr/lib/zypp/plugins/services/y".to_owned(), Vec::new()));
        left.sort();
        assert_eq!(files(root), left);
        assert!(root.join("var/cache/cloudregister").is_dir());
    }

    #[test]
    fn each_trace_of_a_registration_is_enough() {
        let hosts = [("etc/hosts", "52.0.0.1 smt-ec2.susecloud.net\n")];
        let center = [("etc/zypp/services.d/S.service", "[S]\nurl = https://scc.suse.com/?credentials=S\n")];
        let traces: [&[_]; 5] = [&GOES[5..6], &GOES[6..7], &GOES[9..10], &hosts, &center];
        for trace in traces {
            let machine = machine(&[&GOES[1..2], trace]);
            forgotten(machine.path());
            assert!(!machine.path().join(GOES[1].0).exists(), "{trace:?}");
        }
    }

    #[test]
    fn a_registration_with_another_server_stays() {
        let settings = [("etc/SUSEConnect", "url: https://rmt.example.com\n")];
        let machine = machine(&[&GOES[1..2], STAYS, &settings]);
        let before = files(machine.path());
        forgotten(machine.path());
        assert_eq!(files(machine.path()), before);
        // Without the program, no instance would register itself again.
        let other = machine_without_program();
        let before = files(other.path());
        forgotten(other.path());
        assert_eq!(files(other.path()), before);
    }

    fn machine_without_program() -> tempfile::TempDir {
        let machine = machine(&[GOES]);
        fs::remove_file(machine.path().join(PROGRAM)).unwrap();
        machine
    }

    #[test]
    fn other_logins_and_settings_of_a_file_stay() {
        let files = [
            ("etc/containers/config.json", "{\"auths\":{\"own\":{\"auth\":\"y\"},\"registry-ec2.susecloud.net\":{}}}"),
            ("etc/profile.local", "export DOCKER_CONFIG=/etc/containers\nexport DOCKER_CONFIG=/srv/own\n"),
        ];
        let machine = machine(&[GOES, &files]);
        forgotten(machine.path());
        let read = |path: &str| fs::read_to_string(machine.path().join(path)).unwrap();
        assert_eq!(read("etc/containers/config.json"), "{\"auths\":{\"own\":{\"auth\":\"y\"}}}");
        assert_eq!(read("etc/profile.local"), "export DOCKER_CONFIG=/srv/own\n");
    }
}

//! Files that the host gives an instance while it runs and that an image never keeps: resolver, proxy, mirror,
//! `reboot`, and the rule that packages do not start services.
//!
//! On an overlay, these files are the layer right below what the instance writes, so an image cannot contain them. In a
//! copied tree, the originals are set aside and the files are put in; an image is made without them.

use std::collections::BTreeMap;
use std::fs;

use super::host_settings::{PROXY_VARIABLES, RESOLVER, mirror, variable};
use super::isolation::{Disk, Isolation, Network, Way};
use super::network;

/// A file: its path, its text and its mode.
pub(super) type GivenFile = (&'static str, String, u32);

/// File below `/run` in which a program inside requests a reboot or a shutdown.
pub(super) const WISH_FILE: &str = "power-request";

/// Debian's own mirror, which an image names whatever mirror the host uses.
const DEFAULT_MIRROR: &str = "deb.debian.org";

/// Requests a reboot or a power-off, depending on the name it is called by.
const POWER: &str = "#!/bin/sh
# Asks the machine that this instance runs on: there is no init here that could do it.
wish=poweroff
case \"${0##*/} $*\" in
    reboot*|*\" -r\"*) wish=reboot ;;
    *\" -c\"*) exit 0 ;;
esac
echo \"$wish\" > /run/power-request.new
mv /run/power-request.new /run/power-request
";

/// Names it is called by. In `/usr/local`, they take precedence over those of an init system that a build installs.
const POWER_COMMANDS: [&str; 4] =
    ["usr/local/sbin/reboot", "usr/local/sbin/shutdown", "usr/local/sbin/poweroff", "usr/local/sbin/halt"];

/// Replaces `systemctl` if no init system runs. systemd can make changes of files by itself; everything else fails.
const SYSTEMCTL: &str = "#!/bin/sh
# No init system runs in this instance.
for word; do
    case \"$word\" in
        --version | --help | enable | disable | reenable | preset | mask | unmask | is-enabled | get-default | set-default)
            for real in /usr/bin/systemctl /bin/systemctl; do
                [ -x \"$real\" ] && SYSTEMD_OFFLINE=1 exec \"$real\" \"$@\"
            done ;;
        -*) ;;
        *) break ;;
    esac
done
echo \"systemctl $*: no init system runs in this local instance, so services are neither started nor stopped.\" >&2
echo 'Start the program itself, or run the local AWS as root with systemd-nspawn installed (goldsmith local doctor).' >&2
exit 1
";

/// Lets apt's helpers stay root: a user namespace with one id has no other user.
const APT_AS_ROOT: &str = "APT::Sandbox::User \"root\";\n";

/// Packages must not start their services, since nothing supervises them here.
const POLICY: &str = "#!/bin/sh\nexit 101\n";

/// Returns the environment of commands inside, which is like that of the SSM agent's service.
pub(super) fn environment() -> BTreeMap<String, String> {
    let mut variables: BTreeMap<String, String> = [
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ("HOME", "/root"),
        ("LANG", "C.UTF-8"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    for name in PROXY_VARIABLES {
        if let Some(value) = variable(name) {
            variables.insert(name.to_owned(), value);
            // The endpoint and the emulator are on this machine, so requests to them must not go through a proxy.
            variables.insert("no_proxy".to_owned(), "localhost,127.0.0.1,169.254.169.254".to_owned());
        }
    }
    variables
}

/// Returns the files, each with its path, text and mode.
pub(super) fn files(way: Way, network: Network) -> Vec<GivenFile> {
    let isolation = way.isolation;
    let mut files = Vec::new();
    if isolation != Isolation::Nspawn {
        files.push(("usr/sbin/policy-rc.d", POLICY.to_owned(), 0o755));
        files.push(("usr/local/sbin/systemctl", SYSTEMCTL.to_owned(), 0o755));
        files.extend(POWER_COMMANDS.map(|path| (path, POWER.to_owned(), 0o755)));
    }
    if isolation == Isolation::SingleUid {
        files.push(("etc/apt/apt.conf.d/99single-uid", APT_AS_ROOT.to_owned(), 0o644));
    }
    let resolver = match network {
        Network::Own => network::resolver(),
        Network::Machine => fs::read_to_string(RESOLVER).ok(),
    };
    if let Some(resolver) = resolver {
        files.push(("etc/resolv.conf", resolver, 0o644));
    }
    if let Some(proxy) = variable("http_proxy").or_else(|| variable("HTTP_PROXY")) {
        files.push(("etc/apt/apt.conf.d/99proxy", format!("Acquire::http::Proxy \"{proxy}\";\n"), 0o644));
    }
    let mirror = mirror().filter(|mirror| !mirror.contains(DEFAULT_MIRROR));
    // The host has its own mirror.
    if let Some(mirror) = mirror.filter(|_| way.disk != Disk::Host) {
        let lines = format!("deb {mirror} bookworm main\ndeb {mirror} bookworm-updates main\n");
        files.push(("etc/apt/sources.list", lines, 0o644));
    }
    files
}

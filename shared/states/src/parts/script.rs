//! The fixed script that Run Command gets. It fetches the agent and the order, checks their digests, and runs the
//! agent.
//!
//! Only URLs and digests vary in it. Both are checked against a pattern first, so that no text from a pipeline's
//! definition can become shell code. The script needs no permission, and no tool except curl, wget or python3.

use crate::{Error, Result};

/// A file that the instance fetches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fetched {
    /// Presigned URL.
    pub(crate) url: String,
    /// SHA-256 in hexadecimal.
    pub(crate) sha256: String,
}

/// Returns the script that fetches these two files.
pub(crate) fn script(agent: &Fetched, order: &Fetched) -> Result<String> {
    for file in [agent, order] {
        let digest = file.sha256.len() == 64 && file.sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !digest || !is_plain_url(&file.url) {
            return Err(Error::internal("a presigned URL or digest has an unexpected form"));
        }
    }
    Ok(TEMPLATE
        .replace("@AGENT_URL@", &agent.url)
        .replace("@AGENT_SHA@", &agent.sha256)
        .replace("@ORDER_URL@", &order.url)
        .replace("@ORDER_SHA@", &order.sha256))
}

/// Returns whether every character of a URL is safe between single quotes in a shell.
pub(crate) fn is_plain_url(url: &str) -> bool {
    (url.starts_with("https://") || url.starts_with("http://"))
        && url.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:/?&=%+*,;@".contains(&byte))
}

/// After a reboot, SSM runs the script again from the top. A file that exists with the right digest is not fetched
/// again, since the URLs may have expired in the meantime.
const TEMPLATE: &str = r#"#!/bin/sh
# Goldsmith: fetches its agent and a work order, checks both, and runs the agent with the order.
set -u
umask 077
dir=/var/lib/goldsmith
failed() {
  printf '{"status":"bootstrap-failed","failureMessage":"%s"}\n' "$1" >&2
  exit 1
}
right() { [ "$(sha256sum "$1" 2>/dev/null | cut -d ' ' -f 1)" = "$2" ]; }
fetch() {
  right "$3" "$2" && return
  if command -v curl >/dev/null 2>&1; then
    curl --fail --silent --location --retry 5 --connect-timeout 10 --max-time 300 --output "$3.part" "$1" ||
      failed "curl could not fetch the $4 (exit $?)"
  elif command -v wget >/dev/null 2>&1; then
    wget --quiet --tries 5 --timeout 60 --output-document "$3.part" "$1" ||
      failed "wget could not fetch the $4 (exit $?)"
  elif command -v python3 >/dev/null 2>&1; then
    python3 -c 'import sys, urllib.request as r; r.urlretrieve(sys.argv[1], sys.argv[2])' "$1" "$3.part" 2>/dev/null ||
      failed "python3 could not fetch the $4 (exit $?)"
  else
    failed "none of curl, wget and python3 is installed, so the $4 cannot be fetched"
  fi
  right "$3.part" "$2" || failed "the fetched $4 does not have the expected SHA-256"
  mv "$3.part" "$3" 2>/dev/null || failed "the $4 cannot be written to $dir"
}
mkdir -p "$dir" 2>/dev/null && chmod 0700 "$dir" 2>/dev/null || failed "$dir cannot be created"
fetch '@AGENT_URL@' '@AGENT_SHA@' "$dir/agent" agent
order="$dir/order-@ORDER_SHA@.json"
# While it runs, the agent keeps the order without what only readers of the log need. If it was killed, the URL may have expired.
if [ -s "$order.taken" ]; then
  (fetch '@ORDER_URL@' '@ORDER_SHA@' "$order" "work order") 2>/dev/null
else
  fetch '@ORDER_URL@' '@ORDER_SHA@' "$order" "work order"
fi
chmod 0700 "$dir/agent" 2>/dev/null || failed "the agent cannot be made executable"
# Without an order, the agent prints its usage and exits with 2.
"$dir/agent" >/dev/null 2>&1
code=$?
if [ "$code" != 2 ]; then
  case $(findmnt -n -o OPTIONS --target "$dir" 2>/dev/null) in
    *noexec*) failed "the agent cannot be executed: the file system of $dir is mounted noexec" ;;
  esac
  if [ "$code" = 126 ] && pgrep -x fapolicyd >/dev/null 2>&1; then
    failed "the agent may not be executed (exit 126): fapolicyd is running, and its rules must allow $dir/agent"
  fi
  failed "the agent cannot be executed on this $(uname -m) machine (exit $code): it is for another architecture, or its loader is missing"
fi
umask 022 # SSM starts commands with this umask, and documents expect it for the files that they create
exec "$dir/agent" "$order"
"#;

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;
    use std::process::Command;

    use sha2::{Digest, Sha256};

    use super::{Fetched, script};

    fn file(url: &str) -> Fetched {
        Fetched { url: url.to_owned(), sha256: "ab".repeat(32) }
    }

    #[test]
    fn only_plain_urls_and_digests_get_into_the_script() {
        let good =
            file("https://bucket.s3.eu-west-1.amazonaws.com/agent/ab?X-Amz-Signature=0f&X-Amz-Date=20260101T000000Z");
        let text = script(&good, &good).unwrap();
        assert!(text.contains(&format!("fetch '{}' ", good.url)) && !text.contains('@'));
        for bad in ["https://x/'; rm -rf /; '", "https://x/$(id)", "ftp://x/a", "https://x/\n"] {
            assert!(script(&good, &file(bad)).is_err(), "{bad}");
        }
        assert!(script(&good, &Fetched { sha256: "ab".to_owned(), ..good.clone() }).is_err());
    }

    fn program(path: &Path, text: &str) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }

    /// A file that exists with the right digest, so that it is not fetched.
    fn there(folder: &Path, name: &str, text: &str) -> Fetched {
        let sha256 = hex::encode(Sha256::digest(text));
        program(&folder.join(name.replace('@', &sha256)), text);
        Fetched { sha256, ..file("https://bucket.example/file") }
    }

    #[test]
    fn an_order_without_its_nonce_suffices_if_the_whole_one_has_expired() {
        let folder = tempfile::tempdir().unwrap();
        let agent = there(folder.path(), "agent", "#!/bin/sh\n[ $# = 0 ] && exit 2\necho \"$1\"\n");
        let expired = file("http://127.0.0.1:1/order"); // nobody listens there
        let text = script(&agent, &expired).unwrap().replace("/var/lib/goldsmith", folder.path().to_str().unwrap());
        let run = || Command::new("sh").args(["-c", &text]).output().unwrap();
        let failed = run();
        assert_eq!((failed.status.code(), failed.stdout.as_slice()), (Some(1), &b""[..]), "{failed:?}");
        let order = folder.path().join(format!("order-{}.json", expired.sha256));
        fs::write(folder.path().join(format!("order-{}.json.taken", expired.sha256)), "{}").unwrap();
        let ended = run();
        let said = format!("{}\n", order.display());
        assert_eq!((ended.status.code(), String::from_utf8(ended.stdout).unwrap()), (Some(0), said));
        assert_eq!(String::from_utf8(ended.stderr).unwrap(), "", "the result is the only line there");
    }

    #[test]
    fn the_script_reports_why_the_agent_may_not_run() {
        for (mount, running, exit, expected) in [
            ("rw,noexec", "", 126, "is mounted noexec"),
            ("rw", "fapolicyd", 126, "fapolicyd is running, and its rules must allow"),
            ("rw", "", 126, "it is for another architecture, or its loader is missing"),
            ("rw", "fapolicyd", 1, "it is for another architecture, or its loader is missing"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let (own, bin) = (folder.path().join("goldsmith"), folder.path().join("bin"));
            fs::create_dir(&bin).unwrap();
            fs::create_dir(&own).unwrap();
            program(&bin.join("findmnt"), &format!("#!/bin/sh\necho {mount}\n"));
            program(&bin.join("pgrep"), &format!("#!/bin/sh\n[ \"$2\" = \"{running}\" ]\n"));
            let agent = there(&own, "agent", &format!("#!/bin/sh\nexit {exit}\n"));
            let order = there(&own, "order-@.json", "{}");
            let text = script(&agent, &order).unwrap().replace("/var/lib/goldsmith", own.to_str().unwrap());
            let path = format!("{}:/usr/bin:/bin", bin.display());
            let output = Command::new("sh").args(["-c", &text]).env("PATH", path).output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{said}");
            assert!(said.starts_with(r#"{"status":"bootstrap-failed""#) && said.contains(expected), "{said}");
        }
    }
}

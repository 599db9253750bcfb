//! A running local stack, as `stack.json` describes it.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context, Result};
use goldsmith_local::{Network, Secret};
use serde::{Deserialize, Serialize};

use super::folders::Folders;
use super::http;
use super::process::Process;

/// Region of every local stack; images can be copied to other Regions.
pub(crate) const REGION: &str = "eu-west-1";
/// Access key id that has all permissions in the emulator. Its secret access key is the stack's own secret.
const ROOT_KEY: &str = "test";

/// A local stack: how to reach it, and its parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stack {
    /// Its name.
    pub(crate) name: String,
    /// Address of every AWS service.
    pub(crate) endpoint_url: String,
    /// Address of the EC2 endpoint's admin routes (`/_local/…`).
    pub(crate) ec2_url: String,
    /// Home Region of the stack.
    pub(crate) region: String,
    /// Access key id with all permissions.
    pub(crate) access_key: String,
    /// The secret access key: the stack's own secret, unless a test has written the keys of another caller here, so
    /// that the CLI acts as that caller.
    pub(crate) secret_key: String,
    /// The stack's secret, which all routes that do not belong to AWS require. It is missing in the description that an
    /// older version wrote.
    #[serde(default)]
    pub(crate) secret: String,
    /// Port of `endpoint_url`.
    pub(crate) port: u16,
    /// Port of `ec2_url`.
    pub(crate) ec2_port: u16,
    /// The emulator.
    pub(crate) emulator: Process,
    /// The EC2 and SSM endpoint.
    pub(crate) ec2: Process,
    /// Digest of the files from which both processes were started: if it changes, they are restarted.
    pub(crate) programs: String,
    /// What is deployed, or `None` before the first deployment or after a failed one.
    pub(crate) deployed: Option<Deployed>,
}

/// What the endpoint's inventory reports about all its instances.
#[derive(Deserialize)]
struct Way {
    isolation: String,
    disk: String,
    /// `None` for an endpoint of an older version.
    network: Option<Network>,
}

/// Digests (SHA-256) of what was deployed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Deployed {
    /// `functions.zip`.
    pub(crate) zip: String,
    /// Length and time of the zip that has this digest, so that a command need not read it all. An older version wrote none.
    #[serde(default)]
    pub(crate) stamp: String,
    /// The state machine.
    pub(crate) definition: String,
    /// The template.
    pub(crate) template: String,
}

impl Deployed {
    /// Returns whether both have the same content, whichever file the zip was.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        (&self.zip, &self.definition, &self.template) == (&other.zip, &other.definition, &other.template)
    }
}

impl Stack {
    /// Returns a stack whose two processes have just been started on these ports.
    pub(crate) fn started(
        name: &str,
        [port, ec2_port]: [u16; 2],
        [emulator, ec2]: [Process; 2],
        programs: String,
        secret: &Secret,
    ) -> Self {
        Stack {
            name: name.to_owned(),
            endpoint_url: format!("http://127.0.0.1:{port}"),
            ec2_url: format!("http://127.0.0.1:{ec2_port}"),
            region: REGION.to_owned(),
            access_key: ROOT_KEY.to_owned(),
            secret_key: secret.reveal().to_owned(),
            secret: secret.reveal().to_owned(),
            port,
            ec2_port,
            emulator,
            ec2,
            programs,
            deployed: None,
        }
    }

    /// Returns the stack from its last description, or `None` if there is none.
    pub(crate) fn load(folders: &Folders) -> Result<Option<Self>> {
        let path = folders.description();
        match fs::read(&path) {
            Ok(text) => {
                let stack = serde_json::from_slice(&text);
                stack.map(Some).with_context(|| format!("{} does not describe a local stack", path.display()))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Writes the stack's description to its folder, either completely or not at all.
    pub(crate) fn save(&self, folders: &Folders) -> Result<()> {
        let path = folders.description();
        let part = path.with_extension("part");
        let text = serde_json::to_vec_pretty(self)?;
        write_secretly(&part, &text)?;
        fs::rename(&part, &path).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Returns whether both processes are running and answer.
    pub(crate) fn is_running(&self) -> bool {
        // The processes come first: if one has ended, another program may have its port by now, and would answer.
        self.emulator.is_alive() && self.ec2.is_alive() && self.emulator_answers() && self.ec2_answers()
    }

    /// Returns whether the emulator answers.
    pub(crate) fn emulator_answers(&self) -> bool {
        http::request("GET", self.port, "/_ministack/health", &self.secret).is_ok()
    }

    /// Returns how the stack's instances run: the names of the isolation and the disk.
    pub(crate) fn instances(&self) -> Result<String> {
        let way: Way =
            serde_json::from_str(&self.inventory()?).context("the EC2 endpoint does not say how its instances run")?;
        let network = if way.network == Some(Network::Own) { " and networks of their own" } else { "" };
        Ok(format!("{} with {} disks{network}", way.isolation, way.disk))
    }

    /// Returns the call of the AWS CLI for the stack. Without a Region, the call is for the stack's home Region.
    pub(crate) fn aws(&self, region: Option<&str>) -> String {
        let key = format!("AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY={}", self.access_key, self.secret_key);
        let region = region.unwrap_or(&self.region);
        format!("{key} aws --region {region} --endpoint-url {}", self.endpoint_url)
    }

    /// Returns whether the EC2 endpoint answers.
    pub(crate) fn ec2_answers(&self) -> bool {
        self.inventory().is_ok()
    }

    fn inventory(&self) -> Result<String> {
        http::request("GET", self.ec2_port, "/_local/inventory", &self.secret)
    }
}

/// Writes a file that no other user can read.
pub(crate) fn write_secretly(path: &Path, text: &[u8]) -> Result<()> {
    let failed = || format!("cannot write {}", path.display());
    // An existing file would keep its mode.
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error).with_context(failed),
        _ => {}
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text)).with_context(failed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use goldsmith_local::Secret;

    use super::{Deployed, Stack};
    use crate::local::folders::Folders;
    use crate::local::process::Process;

    #[test]
    fn the_aws_cli_is_called_with_the_address_and_the_keys() {
        let process = Process { pid: 1, started: 2 };
        let stack =
            Stack::started("goldsmith", [4566, 2], [process; 2], "digest".to_owned(), &"secret".parse().unwrap());
        let call = "AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=secret aws --region us-east-1 --endpoint-url http://127.0.0.1:4566";
        assert_eq!(stack.aws(Some("us-east-1")), call);
        assert_eq!(stack.aws(None), call.replace("us-east-1", "eu-west-1"));
    }

    #[test]
    fn a_stack_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let folders = Folders { data: folder.path().to_owned(), state: folder.path().to_owned() };
        assert_eq!(Stack::load(&folders).unwrap(), None);
        let process = Process { pid: 1, started: 2 };
        let secret: Secret = "secret".parse().unwrap();
        let mut stack = Stack::started("goldsmith", [1, 2], [process; 2], "digest".to_owned(), &secret);
        stack.deployed = Some(Deployed {
            zip: "a".to_owned(),
            stamp: "1-2".to_owned(),
            definition: "b".to_owned(),
            template: "c".to_owned(),
        });
        stack.save(&folders).unwrap();
        let mode = std::fs::metadata(folders.description()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(Stack::load(&folders).unwrap(), Some(stack));
        std::fs::write(folders.description(), "{}").unwrap();
        assert!(Stack::load(&folders).is_err());
    }
}

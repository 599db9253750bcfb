//! The first boot of an instance, as cloud-init does it: the key pair's public key may log in as root, and user data
//! that is a script is run.

use std::process::Stdio;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;

use crate::chain::chain;
use crate::endpoint::Endpoint;
use crate::guest::Guest;

/// File for the output of user data, as with cloud-init.
const LOG: &str = "/var/log/cloud-init-output.log";
/// Bytes of the output that the console keeps: EC2's limit.
const CONSOLE: u64 = 64 * 1024;

/// Reads user data in Base64. The arguments are the instance's id, the public key, and the log.
const SETUP: &str = r#"
umask 077
home="/var/lib/cloud/instances/$1"
mkdir -p "$home/scripts"
ln -sfn "$home" /var/lib/cloud/instance
if [ -n "$2" ]; then
    mkdir -p /root/.ssh
    printf '%s\n' "$2" >> /root/.ssh/authorized_keys
fi
base64 -d > "$home/user-data.txt"
[ "$(head -c 2 "$home/user-data.txt" | tr -d '\0')" = '#!' ] || exit 0
cp "$home/user-data.txt" "$home/scripts/part-001"
chmod 700 "$home/scripts/part-001"
umask 022
cd / && exec "$home/scripts/part-001" >> "$3" 2>&1 < /dev/null
"#;

impl Endpoint {
    /// Does the work of an instance's first boot, once. Errors appear on its console, as on EC2.
    pub(crate) fn set_up(self: &Arc<Self>, id: &str) {
        let Some((key, data)) = self.take_first_boot(id) else { return };
        let Some(guest) = self.guest(id).filter(|_| key.is_some() || data.is_some()) else { return };
        let (endpoint, id) = (self.clone(), id.to_owned());
        self.spawn(async move {
            let said = match run(&guest, &id, &key.unwrap_or_default(), &data.unwrap_or_default()).await {
                Ok(()) => console(&guest).await.unwrap_or_default(),
                Err(error) => format!("user data is not run: {}\n", chain(&error)),
            };
            if let Some(instance) = endpoint.world().instances.get_mut(&id) {
                instance.console.push_str(&said);
            }
        });
    }

    /// Returns the public key and the user data of an instance that has not received them yet.
    fn take_first_boot(&self, id: &str) -> Option<(Option<String>, Option<String>)> {
        let mut world = self.world();
        let instance = world.instances.get(id).filter(|instance| !instance.initialized)?;
        let pair = instance.key_name.as_ref().and_then(|name| world.key_pair(&instance.scope, name));
        let key = pair.map(|pair| pair.public_key.clone());
        let instance = world.instances.get_mut(id)?;
        instance.initialized = true;
        Some((key, instance.user_data.clone()))
    }
}

async fn run(guest: &Guest, id: &str, key: &str, data: &str) -> std::io::Result<()> {
    let gone = || std::io::Error::from(std::io::ErrorKind::NotConnected);
    let mut setup = guest.command("/bin/sh").await.ok_or_else(gone)?;
    setup.args(["-c", SETUP, "sh", id, key, LOG]);
    let mut setup = setup.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    if let Some(mut input) = setup.stdin.take() {
        input.write_all(data.as_bytes()).await?;
    }
    setup.wait().await.map(drop)
}

/// Returns the end of the user data's output; `None` if it left no log.
async fn console(guest: &Guest) -> Option<String> {
    let text = guest.tail(LOG, CONSOLE).await?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

//! Keys for key pairs, made by OpenSSH's `ssh-keygen`, so that the endpoint needs no key generator of its own.

use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::fingerprint;
use crate::api::ApiError;
use crate::ids;

/// A new key in the forms of CreateKeyPair's answer.
pub(super) struct Key {
    /// In PEM.
    pub(super) private: String,
    /// One line, as in `authorized_keys`.
    pub(super) public: String,
    pub(super) fingerprint: String,
}

/// Makes a key of type `rsa` (2048 bits, as EC2's keys) or `ed25519`. This takes a tenth of a second for RSA.
pub(super) fn generate(kind: &str) -> Result<Key, ApiError> {
    if !["rsa", "ed25519"].contains(&kind) {
        return Err(ApiError::new(
            "InvalidParameterValue",
            format!("Value ({kind}) for parameter KeyType is invalid."),
        ));
    }
    let folder = Folder::new()?;
    let file = folder.0.join("key");
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", kind, "-N", "", "-C", "", "-f"]).arg(&file);
    if kind == "rsa" {
        command.args(["-b", "2048", "-m", "PEM"]);
    }
    run(&mut command)?;
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|error| failed(&error.to_string()));
    let public = read(&file.with_extension("pub"))?.trim().to_owned();
    let private = read(&file)?;
    let fingerprint =
        if kind == "rsa" { fingerprint::of_private_rsa(&private)? } else { fingerprint::of_public(&public)? };
    Ok(Key { private, fingerprint, public })
}

/// A public key that was imported.
pub(super) struct Public {
    /// As in `authorized_keys`.
    pub(super) line: String,
    /// The imported text if it differs from the line: DescribeKeyPairs shows it.
    pub(super) imported: Option<String>,
}

/// Reads a public key from the Base64 of a request: OpenSSH's one line, or the block of RFC 4716.
pub(super) fn read_public(base64: &str) -> Result<Public, ApiError> {
    let wrong = || ApiError::new("InvalidKey.Format", "Key is not in valid OpenSSH public key format");
    let text = STANDARD.decode(base64).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(wrong)?;
    let line = if text.starts_with(RFC_4716) { one_line(&text).ok_or_else(wrong)? } else { text.trim().to_owned() };
    let known = ["ssh-rsa ", "ssh-ed25519 "].iter().any(|kind| line.starts_with(kind));
    if !known || line.lines().count() != 1 {
        return Err(wrong());
    }
    Ok(Public { imported: (line != text).then_some(text), line })
}

/// The beginning of a key in the format of RFC 4716.
const RFC_4716: &str = "---- BEGIN SSH2 PUBLIC KEY ----";

/// Returns the line of a key in the format of RFC 4716. That format has headers (`Comment: …`, which a backslash
/// continues), then Base64, which begins with the key's kind.
fn one_line(text: &str) -> Option<String> {
    let mut base64 = String::new();
    let mut in_header = false;
    for line in text.lines().skip(1).map(str::trim).take_while(|line| !line.starts_with("---- END")) {
        if in_header || line.contains(':') {
            in_header = line.ends_with('\\');
        } else {
            base64.push_str(line);
        }
    }
    let blob = STANDARD.decode(&base64).ok()?;
    let (length, rest) = blob.split_first_chunk::<4>()?;
    let kind = std::str::from_utf8(rest.get(..u32::from_be_bytes(*length) as usize)?).ok()?;
    Some(format!("{kind} {base64}"))
}

/// A temporary folder that is removed with its content.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new() -> Result<Self, ApiError> {
        use std::os::unix::fs::DirBuilderExt;
        let path = std::env::temp_dir().join(ids::resource("goldsmith-key"));
        let made = std::fs::DirBuilder::new().mode(0o700).create(&path);
        made.map(|()| Folder(path)).map_err(|error| failed(&error.to_string()))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn run(command: &mut Command) -> Result<(), ApiError> {
    let output = command.stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(failed(String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) => Err(failed(&format!("cannot start ssh-keygen (Debian's openssh-client): {error}"))),
    }
}

fn failed(why: &str) -> ApiError {
    ApiError::new("InternalError", format!("no key can be made: {why}"))
}

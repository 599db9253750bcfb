//! Files in this program from which the local AWS is started.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::digest;

/// The requirements of the Python environment.
pub(crate) const REQUIREMENTS: &str = include_str!("../../../infra/local/requirements.txt");

/// Programs of the emulator: if one of them changes, the emulator is restarted.
const LAUNCHER: [(&str, &str); 13] = [
    ("blocks.py", include_str!("../../../infra/local/blocks.py")),
    ("door.py", include_str!("../../../infra/local/door.py")),
    ("forwarding.py", include_str!("../../../infra/local/forwarding.py")),
    ("launcher.py", include_str!("../../../infra/local/launcher.py")),
    ("licenses.py", include_str!("../../../infra/local/licenses.py")),
    ("permissions.py", include_str!("../../../infra/local/permissions.py")),
    ("provisioning.py", include_str!("../../../infra/local/provisioning.py")),
    ("recording.py", include_str!("../../../infra/local/recording.py")),
    ("runtime_api.py", include_str!("../../../infra/local/runtime_api.py")),
    ("scheduler.py", include_str!("../../../infra/local/scheduler.py")),
    ("signing_keys.py", include_str!("../../../infra/local/signing_keys.py")),
    ("step_functions.py", include_str!("../../../infra/local/step_functions.py")),
    ("topics.py", include_str!("../../../infra/local/topics.py")),
];
/// Files that run in addition to the emulator.
const BESIDE: [(&str, &str); 2] =
    [("ssm_agent.py", include_str!("../../../infra/local/ssm_agent.py")), ("requirements.txt", REQUIREMENTS)];

/// The files on disk.
pub(crate) struct Files {
    folder: PathBuf,
}

impl Files {
    /// Writes the files below `data`, in a folder that is named after their digest, if they do not exist yet.
    pub(crate) fn unpack(data: &Path) -> Result<Self> {
        let all = || LAUNCHER.iter().chain(&BESIDE);
        let digest = digest::of_texts(all().map(|(_, text)| *text));
        let folder = data.join(format!("local-{}", &digest[..16]));
        if !folder.is_dir() {
            // The folder has another name until it is complete; a second process finds the complete folder.
            let part = data.join(format!(".local-{}", std::process::id()));
            fs::create_dir_all(&part).with_context(|| format!("cannot create {}", part.display()))?;
            for (name, text) in all() {
                fs::write(part.join(name), text)
                    .with_context(|| format!("cannot write {}", part.join(name).display()))?;
            }
            // No folder is renamed onto another that is not empty, so this fails if a second process was faster. Its
            // files are the same.
            if fs::rename(&part, &folder).is_err() {
                fs::remove_dir_all(&part).with_context(|| format!("cannot remove {}", part.display()))?;
            }
        }
        Ok(Files { folder })
    }

    /// Returns the path of the file with this name.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// Returns the digest of all files from which the emulator is started.
pub(crate) fn emulator_digest() -> String {
    digest::of_texts(LAUNCHER.iter().map(|(_, text)| *text).chain([REQUIREMENTS]))
}

#[cfg(test)]
mod tests {
    use super::Files;

    #[test]
    fn files_are_written_once_under_their_digest() {
        let data = tempfile::tempdir().unwrap();
        let first = Files::unpack(data.path()).unwrap();
        assert!(first.path("launcher.py").is_file());
        std::fs::write(first.path("mark"), "").unwrap();
        assert!(Files::unpack(data.path()).unwrap().path("mark").is_file());
        assert_eq!(std::fs::read_dir(data.path()).unwrap().count(), 1);
    }
}

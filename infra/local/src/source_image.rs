//! The file systems that instances of the source image start from: the Debian that is made here, or a given file.

use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

use crate::base::{BaseImageError, ensure_base_image};
use crate::guest::isolation::HOST;

/// A root file system by name or by file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceImage {
    /// A minimal Debian 12 with curl, certificates and systemd, made by `mmdebstrap`.
    Debian12,
    /// This machine's own files, as they are. Works only for root, and in the isolation `namespaces`.
    Host,
    /// A root file system (tar, compressed or not) or an OCI image archive, as `skopeo`, `podman save` and
    /// `docker save` write it.
    File(PathBuf),
}

impl FromStr for SourceImage {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "debian-12" => SourceImage::Debian12,
            "host" => SourceImage::Host,
            file => SourceImage::File(file.into()),
        })
    }
}

impl SourceImage {
    /// Returns the path that [`crate::Options::base_image`] takes. A generated file system is kept in `cache_dir`.
    /// `progress` receives a few words about each step that takes time.
    pub async fn ensure(&self, cache_dir: &Path, progress: impl Fn(&str)) -> Result<PathBuf, BaseImageError> {
        match self {
            SourceImage::Debian12 => ensure_base_image(cache_dir, progress).await,
            SourceImage::Host => Ok(HOST.into()),
            SourceImage::File(path) => link(path, cache_dir),
        }
    }
}

/// Returns a link in the cache, since the unpacked tree is kept next to its source.
fn link(path: &Path, cache_dir: &Path) -> Result<PathBuf, BaseImageError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| BaseImageError::Cache { path, source }
    };
    let file = path.canonicalize().map_err(failed(path))?;
    let digest = Sha256::digest(file.as_os_str().as_encoded_bytes());
    let name = hex::encode(&digest[..8]);
    let link = cache_dir.join(format!("file-{name}.tar"));
    std::fs::create_dir_all(cache_dir).map_err(failed(cache_dir))?;
    match std::os::unix::fs::symlink(&file, &link) {
        // An existing link has the right target, because its name is derived from the target.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed(&link)(error)),
        _ => Ok(link),
    }
}

#[cfg(test)]
mod tests {
    use super::SourceImage;

    #[tokio::test]
    async fn a_file_is_linked_and_a_missing_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("root.tar.zst");
        let image: SourceImage = file.to_str().unwrap().parse().unwrap();
        let missing = image.ensure(folder.path(), |_| {}).await.unwrap_err();
        assert!(missing.to_string().contains("root.tar.zst"), "{missing}");
        std::fs::write(&file, "tar").unwrap();
        for _ in 0..2 {
            let link = image.ensure(folder.path(), |_| {}).await.unwrap();
            assert_eq!(std::fs::read_to_string(link).unwrap(), "tar");
        }
    }
}

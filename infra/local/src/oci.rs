//! OCI image archives (and those of `docker save`): which layers they have, and laying one over the other.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::base::{BaseImageError, run};
use crate::guest::isolation::Isolation;

/// Start of a file name that says that a lower layer's file is gone.
const GONE: &str = ".wh.";
/// File that says that nothing of lower layers' content of its folder is there.
const OPAQUE: &str = ".wh..wh..opq";

/// The layers of an unpacked archive, lowest first; none when it is no image archive.
pub(crate) fn layers(archive: &Path) -> Option<Vec<PathBuf>> {
    let read = |name: &str| -> Option<Value> { serde_json::from_slice(&fs::read(archive.join(name)).ok()?).ok() };
    let blob = |digest: &Value| Some(format!("blobs/{}", digest.as_str()?.replacen(':', "/", 1)));
    let names: Vec<String> = if let Some(index) = read("index.json") {
        let mut manifest = read(&blob(&index["manifests"][0]["digest"])?)?;
        // An index of several platforms: the first is what a tool wrote for this machine.
        while manifest["manifests"].is_array() {
            manifest = read(&blob(&manifest["manifests"][0]["digest"])?)?;
        }
        manifest["layers"].as_array()?.iter().map(|layer| blob(&layer["digest"])).collect::<Option<_>>()?
    } else {
        let layers = read("manifest.json")?[0]["Layers"].as_array()?.clone();
        layers.iter().map(|name| name.as_str().map(str::to_owned)).collect::<Option<_>>()?
    };
    let inside = |name: &String| Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    names.iter().all(inside).then(|| names.iter().map(|name| archive.join(name)).collect())
}

/// Lays a layer over a tree: first what it takes away, then what it brings.
pub(crate) async fn lay(isolation: Isolation, layer: &Path, tree: &Path) -> Result<(), BaseImageError> {
    let listed = Command::new("tar").arg("-tf").arg(layer).output();
    let listed = listed.map_err(|source| BaseImageError::Start { program: "tar", source })?;
    for line in String::from_utf8_lossy(&listed.stdout).lines() {
        for path in hidden_by(line, tree) {
            run("rm", isolation.as_root("rm").arg("-rf").arg("--").arg(path)).await?;
        }
    }
    let mut command = isolation.as_root("tar");
    run("tar", command.arg("-C").arg(tree).args(flags(isolation)).arg("--exclude=.wh.*").arg("-xpf").arg(layer)).await
}

/// What of the tree a name in a layer hides. A link in the tree leads nowhere outside.
fn hidden_by(name: &str, tree: &Path) -> Vec<PathBuf> {
    let path = Path::new(name);
    let Some(hidden) = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_prefix(GONE)) else {
        return Vec::new();
    };
    let Ok(folder) = tree.join(path.parent().unwrap_or(Path::new(""))).canonicalize() else { return Vec::new() };
    if !folder.starts_with(tree) {
        return Vec::new();
    }
    if path.ends_with(OPAQUE) {
        return fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    }
    if matches!(hidden, "" | "." | "..") { Vec::new() } else { vec![folder.join(hidden)] }
}

/// Flags with which `tar` unpacks a root file system.
pub(crate) fn flags(isolation: Isolation) -> Vec<&'static str> {
    let mut flags = vec!["--xattrs", "--xattrs-include=*", "--numeric-owner"];
    if !isolation.needs_root() {
        // Only root may make device nodes; an instance gets its own.
        flags.extend(["--exclude=./dev/*", "--exclude=dev/*"]);
    }
    flags
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::{lay, layers};
    use crate::guest::isolation::Isolation;

    /// An archive with two layers: the upper one takes a file and a folder's content away.
    fn archive(folder: &std::path::Path) {
        let blobs = folder.join("blobs/sha256");
        fs::create_dir_all(&blobs).unwrap();
        for (number, files) in [
            (1, vec!["etc/gone", "etc/kept", "opt/old/a"]),
            (2, vec!["etc/.wh.gone", "opt/old/.wh..wh..opq", "opt/old/b"]),
        ] {
            let root = folder.join(format!("root{number}"));
            for file in files {
                fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
                fs::write(root.join(file), "").unwrap();
            }
            let tar = Command::new("tar")
                .arg("-C")
                .arg(&root)
                .arg("-czf")
                .arg(blobs.join(number.to_string()))
                .arg(".")
                .status();
            assert!(tar.unwrap().success());
        }
        fs::write(folder.join("index.json"), r#"{"manifests": [{"digest": "sha256:m"}]}"#).unwrap();
        let manifest = r#"{"layers": [{"digest": "sha256:1"}, {"digest": "sha256:2"}]}"#;
        fs::write(blobs.join("m"), manifest).unwrap();
    }

    #[tokio::test]
    async fn an_upper_layer_takes_away_and_brings() {
        let folder = tempfile::tempdir().unwrap();
        archive(folder.path());
        let tree = folder.path().canonicalize().unwrap().join("tree");
        fs::create_dir(&tree).unwrap();
        for layer in layers(folder.path()).unwrap() {
            lay(Isolation::Chroot, &layer, &tree).await.unwrap();
        }
        let there = |name: &str| tree.join(name).exists();
        assert!(there("etc/kept") && there("opt/old/b"));
        assert!(!there("etc/gone") && !there("opt/old/a") && !there("etc/.wh.gone"));
    }

    #[test]
    fn a_layer_outside_the_archive_is_no_layer() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(layers(folder.path()), None);
        fs::write(folder.path().join("manifest.json"), r#"[{"Layers": ["../../etc/shadow"]}]"#).unwrap();
        assert_eq!(layers(folder.path()), None);
    }
}

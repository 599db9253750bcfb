//! OCI image archives (and those of `docker save`): reading their layers, and applying one layer over another.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::error::BaseImageError;
use crate::guest::inside::is_below_folders;
use crate::guest::isolation::Isolation;
use crate::programs::{ProgramError, run_unattended};

/// Start of a file name that marks a lower layer's file as removed.
const GONE: &str = ".wh.";
/// File that hides the lower layers' content of its folder.
const OPAQUE: &str = ".wh..wh..opq";

/// Returns the layers of an unpacked archive, lowest first; `None` if it is no image archive.
pub(super) fn layers(archive: &Path) -> Option<Vec<PathBuf>> {
    let read = |name: &str| -> Option<Value> { serde_json::from_slice(&fs::read(archive.join(name)).ok()?).ok() };
    let blob = |digest: &Value| Some(format!("blobs/{}", digest.as_str()?.replacen(':', "/", 1)));
    let names: Vec<String> = if let Some(index) = read("index.json") {
        let mut manifest = read(&blob(&index["manifests"][0]["digest"])?)?;
        // In an index of several platforms, the first entry is the one that a tool wrote for this machine.
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

/// Copies the content of one folder over another. Each folder comes before its content, and replaces a link, as in an
/// overlay: no link that a lower layer has left is followed.
const OVER: &str = "from=$1 to=$2; set -- --xattrs '--xattrs-include=*' --numeric-owner
read=$({ { tar -C \"$from\" \"$@\" -cf - .; echo $? >&3; } | tar -C \"$to\" \"$@\" -xpf - >&2; } 3>&1) && [ \"$read\" = 0 ]";

/// Applies a layer to a tree: first the entries that it removes, then those that it adds. `apart` is a folder that does
/// not exist. The layer is first unpacked there: unpacked over the tree, it would be written through the links of the
/// layers below, which may lead anywhere on this machine. tar lets nothing leave the folder through the links of its
/// own archive.
pub(super) async fn lay(isolation: Isolation, layer: &Path, tree: &Path, apart: &Path) -> Result<(), BaseImageError> {
    let listed = Command::new("tar").arg("-tf").arg(layer).output();
    let listed = listed.map_err(|source| ProgramError::Start { program: "tar", source })?;
    let listed = String::from_utf8_lossy(&listed.stdout);
    for line in listed.lines() {
        for path in hidden_by(line, tree) {
            run_unattended("rm", isolation.as_root("rm").arg("-rf").arg("--").arg(path)).await?;
        }
    }
    run_unattended("rm", isolation.as_root("rm").arg("-rf").arg("--").arg(apart)).await?;
    fs::create_dir(apart).map_err(|source| BaseImageError::Cache { path: apart.to_owned(), source })?;
    let mut unpack = isolation.as_root("tar");
    run_unattended(
        "tar",
        unpack.arg("-C").arg(apart).args(flags(isolation)).arg("--exclude=.wh.*").arg("-xpf").arg(layer),
    )
    .await?;
    for folder in implied_by(&listed) {
        // The layer has no entry for the folder, so the folder stays as it is.
        let (below, above) = (tree.join(&folder), apart.join(&folder));
        let is_folder = |path: &Path| path.symlink_metadata().is_ok_and(|facts| facts.is_dir());
        if is_below_folders(tree, &folder.to_string_lossy()) && is_folder(&below) && is_folder(&above) {
            for program in ["chown", "chmod"] {
                run_unattended(
                    program,
                    isolation.as_root(program).arg("--reference").arg(&below).arg("--").arg(&above),
                )
                .await?;
            }
        }
    }
    run_unattended("tar", isolation.as_root("sh").args(["-c", OVER, "sh"]).arg(apart).arg(tree)).await?;
    Ok(run_unattended("rm", isolation.as_root("rm").arg("-rf").arg("--").arg(apart)).await?)
}

/// Returns the folders that the names in a layer need and that the layer itself does not contain.
fn implied_by(listed: &str) -> BTreeSet<PathBuf> {
    let path =
        |name: &str| -> PathBuf { Path::new(name).components().filter(|part| *part != Component::CurDir).collect() };
    let brought: BTreeSet<PathBuf> = listed.lines().filter(|name| name.ends_with('/')).map(path).collect();
    let needed: BTreeSet<PathBuf> = listed
        .lines()
        .flat_map(|name| path(name).ancestors().skip(1).map(Path::to_owned).collect::<Vec<_>>())
        .collect();
    needed.difference(&brought).cloned().collect()
}

/// Returns the paths in the tree that a name in a layer hides. A link in the tree leads nowhere outside.
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

/// Returns the flags with which `tar` unpacks a root file system.
pub(super) fn flags(isolation: Isolation) -> Vec<&'static str> {
    let mut flags = vec!["--xattrs", "--xattrs-include=*", "--numeric-owner"];
    if !isolation.needs_root() {
        // Only root may create device nodes; an instance gets its own.
        flags.extend(["--exclude=./dev/*", "--exclude=dev/*"]);
    }
    flags
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use super::{lay, layers};
    use crate::guest::isolation::Isolation;

    /// Makes an archive with two layers: the upper one removes a file and the content of a folder.
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
            lay(Isolation::Chroot, &layer, &tree, &folder.path().join("layer")).await.unwrap();
        }
        let there = |name: &str| tree.join(name).exists();
        assert!(there("etc/kept") && there("opt/old/b"));
        assert!(!there("etc/gone") && !there("opt/old/a") && !there("etc/.wh.gone"));
    }

    /// Makes a layer as a tool writes one: an archive of these files, made of their own names alone.
    fn layer(folder: &Path, name: &str, make: impl FnOnce(&Path), members: &[&str]) -> PathBuf {
        let (root, layer) = (folder.join(format!("{name}-root")), folder.join(name));
        fs::create_dir(&root).unwrap();
        make(&root);
        let mut tar = Command::new("tar");
        tar.arg("-C").arg(&root).arg("--no-recursion").arg("-cf").arg(&layer).args(members);
        assert!(tar.status().unwrap().success());
        layer
    }

    fn file_in(root: &Path, path: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "layer").unwrap();
    }

    #[tokio::test]
    async fn no_layer_is_written_through_the_links_of_another() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().canonicalize().unwrap();
        let (outside, tree) = (at.join("outside"), at.join("tree"));
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("file"), "host").unwrap();
        fs::create_dir(&tree).unwrap();
        let links = |root: &Path| {
            symlink(&outside, root.join("absolute")).unwrap();
            symlink("../outside", root.join("up")).unwrap();
            symlink(outside.join("file"), root.join("file")).unwrap();
        };
        let lower = layer(&at, "lower", links, &["absolute", "up", "file"]);
        let files = |root: &Path| {
            for path in ["absolute/file", "absolute/new", "up/new", "file"] {
                file_in(root, path);
            }
            symlink("absolute", root.join("by")).unwrap();
        };
        let members = ["absolute/file", "absolute/new", "up/new", "file", "by"];
        let upper = layer(&at, "upper", files, &members);
        // A path through a link of its own archive to a link of the layer below.
        let through = layer(&at, "through", |root| file_in(root, "by/new"), &["by/new"]);
        for layer in [lower, upper, through] {
            lay(Isolation::Chroot, &layer, &tree, &at.join("layer")).await.unwrap();
        }
        assert_eq!(fs::read_to_string(outside.join("file")).unwrap(), "host");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
        for path in ["absolute/file", "absolute/new", "up/new", "file", "by/new"] {
            assert_eq!(fs::read_to_string(tree.join(path)).unwrap(), "layer", "{path}");
        }
    }

    #[tokio::test]
    async fn a_folder_that_a_layer_only_passes_through_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let (at, tree) = (folder.path().canonicalize().unwrap(), folder.path().canonicalize().unwrap().join("tree"));
        fs::create_dir_all(tree.join("root/.ssh")).unwrap();
        for path in ["", "root", "root/.ssh"] {
            fs::set_permissions(tree.join(path), PermissionsExt::from_mode(0o710)).unwrap();
        }
        let upper = layer(&at, "upper", |root| file_in(root, "root/.ssh/key"), &["root/.ssh/key"]);
        lay(Isolation::Chroot, &upper, &tree, &at.join("layer")).await.unwrap();
        for path in ["", "root", "root/.ssh"] {
            assert_eq!(fs::metadata(tree.join(path)).unwrap().permissions().mode() & 0o7777, 0o710, "{path}");
        }
        assert!(tree.join("root/.ssh/key").is_file());
    }

    #[test]
    fn a_layer_outside_the_archive_is_no_layer() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(layers(folder.path()), None);
        fs::write(folder.path().join("manifest.json"), r#"[{"Layers": ["../../etc/shadow"]}]"#).unwrap();
        assert_eq!(layers(folder.path()), None);
    }
}

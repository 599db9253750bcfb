//! Collects the contents of a tree or of this machine. Nothing in it is changed, except that SQLite keeps two files next
//! to a database of RPM that it reads. Nothing of it is run except `rpm` and `systemctl` of this machine.
//!
//! A package of a language that a system package brings, such as Debian's `python3-yaml`, is listed once, as the system
//! package. Programs that a system package owns are not searched for Go modules and crates either: the distribution's
//! advisories cover them.

mod apk;
mod binary;
mod boot;
mod child;
mod configuration;
mod dpkg;
mod gems;
mod kernels;
mod npm;
mod os_release;
mod owners;
mod python;
mod rpm;
mod scene;
mod sockets;
mod stanza;
mod tree;
mod units;
mod unowned;
mod users;
mod walk;

use std::fs::Metadata;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::{CONTENTS_VERSION, Contents, Package};
use scene::{Found, Scene};
use walk::Walk;

/// How contents are collected.
pub struct Options<'o> {
    /// Whether the tree is this running machine. Only then are there sockets, a running kernel and a boot time.
    pub is_live: bool,
    /// The time limit. What is not read by then is left out, and a note says so.
    pub limit: Duration,
    /// Whether a file came with the image. An instance makes files of its own when it boots.
    pub is_of_image: &'o dyn Fn(&Metadata) -> bool,
    /// The names of packages that are installed only for the build, and are removed before the image is made.
    pub left_out: &'o [&'o str],
    /// The time that the contents name, in RFC 3339.
    pub collected_at: Option<String>,
}

impl Options<'_> {
    /// Returns the options for a tree of which nothing is running.
    #[must_use]
    pub fn of_tree() -> Self {
        Self {
            is_live: false,
            limit: Duration::from_secs(600),
            is_of_image: &|_| true,
            left_out: &[],
            collected_at: None,
        }
    }
}

/// Collects what is below `root`, which is `/` for this machine. Never fails: the notes of the result say what could not
/// be read. What a file says is trusted in nothing: there are limits on the time, on what is read of a file, and on what
/// is kept.
#[must_use]
pub fn collect(root: &Path, options: &Options<'_>) -> Contents {
    let mut scene = Scene::new(root, Instant::now() + options.limit);
    dpkg::read(&mut scene);
    apk::read(&mut scene);
    rpm::read(&mut scene);
    let configuration = configuration::changed(&mut scene);
    let walk = Walk::through(root, scene.until(), &scene.owners, options.is_of_image);
    python::read(&mut scene, &walk);
    npm::read(&mut scene, &walk);
    gems::read(&mut scene, &walk);
    binary::read(&mut scene, &walk);
    let (files, files_left_out) = unowned::listed(&scene, &walk);
    walk.notes().into_iter().for_each(|note| scene.note(note));
    let (users, groups) = (users::users(&mut scene), users::groups(&mut scene));
    let (units, kernels) = (units::read(scene.tree), kernels::read(scene.tree, options.is_live));
    let Found { os, mut packages, notes, lacks_packages } = scene.found();
    packages.retain(|package| !options.left_out.contains(&package.name.as_str()));
    Contents {
        version: CONTENTS_VERSION,
        collected_at: options.collected_at.clone(),
        packages: merged(packages),
        packages_incomplete: lacks_packages,
        files,
        files_left_out,
        configuration,
        units,
        sockets: if options.is_live { sockets::read() } else { Vec::new() },
        kernels,
        users,
        groups,
        sizes: walk.sizes,
        boot_millis: options.is_live.then(boot::millis).flatten(),
        os,
        notes,
    }
}

/// Sorts packages, and joins the places of those that are installed more than once.
fn merged(mut packages: Vec<Package>) -> Vec<Package> {
    packages.sort_by(|a, b| a.key().cmp(&b.key()).then_with(|| a.locations.cmp(&b.locations)));
    packages.dedup_by(|later, first| {
        let is_same = later.key() == first.key();
        if is_same {
            first.locations.append(&mut later.locations);
        }
        is_same
    });
    for package in &mut packages {
        package.locations.sort();
        package.locations.dedup();
    }
    packages
}

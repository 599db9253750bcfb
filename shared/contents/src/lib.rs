//! What is in an image: its packages, the files that no package owns, its units, users and more. The agent collects it
//! on an instance ([`collect`]), and people read it as it is, as a CycloneDX or SPDX document, or as the difference
//! between two images ([`Diff`]).
//!
//! This crate calls nothing over the network. To read an RPM database and the boot time, it starts the machine's own
//! `rpm` and `systemctl`.

mod collect;
mod cyclonedx;
mod diff;
mod model;
mod pack;
mod package;
mod spdx;
mod subject;

pub use collect::{Options, collect};
pub use cyclonedx::cyclonedx;
pub use diff::{Change, Changed, Diff, Direction, PackageChange, Packages};
pub use model::{
    CONTENTS_VERSION, ChangedConfiguration, Contents, Group, Kernel, OsRelease, Sizes, Socket, Unit, UnitState,
    UnownedFile, User, is_zero,
};
pub use pack::{LARGEST_PACKED, PackError, pack, unpack};
pub use package::{Package, PackageSource, PackageType};
pub use spdx::spdx;
pub use subject::Subject;

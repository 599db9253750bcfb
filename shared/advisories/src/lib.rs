//! Judges the contents of an image against a folder of security advisories, without a network.
//!
//! [`read::folder`] reads the advisories that name what is installed: OSV, the Debian security tracker, the
//! `updateinfo.xml` of Amazon Linux, RHEL, AlmaLinux and Rocky Linux, and Red Hat's CSAF. [`find`] compares them with
//! the packages of an image. [`judge`] decides by a [`VulnerabilityPolicy`](goldsmith_model::VulnerabilityPolicy) whether
//! the image may be published. The result is the same for the same input: the crate asks for no time, no network and no
//! AWS.

mod advisory;
mod ecosystem;
mod finding;
mod identity;
mod judge;
mod matching;
mod package;
pub mod read;
mod severity;
mod text;

pub use advisory::{Advisory, Affects, Event, Modularity, Named, Range};
pub use ecosystem::{Ecosystem, Family};
pub use finding::{Finding, Findings, Fix, Subject, Unjudged};
pub use judge::{Case, Counts, Judged, Judgement, Outcome, Owner, UsedWaiver, judge};
pub use matching::find;
pub use package::{Inventory, Kind, Os, Package, Source};
pub use read::{Advisories, Coverage, Issue, Wanted};
pub use severity::{Authority, Rating};

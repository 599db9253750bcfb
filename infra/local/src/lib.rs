//! EC2 and Systems Manager on one Linux machine.
//!
//! An endpoint that implements EC2's query protocol and Run Command's JSON protocol for the calls that Goldsmith makes.
//! Its instances are Debian root file systems in which commands really run; its images are what an instance wrote. It
//! follows EC2's states, delays, error codes and rules, sends AWS's events to a local EventBridge and injects faults on
//! request (`/_local/faults`). It is not a sandbox against hostile code: an instance shares this machine's kernel and,
//! except in user namespaces with `pasta`, its network; and if the endpoint runs as root, so do the programs of an
//! instance.

mod admin;
mod agent;
mod api;
mod base;
mod calls;
mod chain;
mod delays;
mod dispatch;
mod door;
mod ebs;
mod ec2;
mod emulator;
mod endpoint;
mod events;
mod exports;
mod faults;
mod first_boot;
mod guest;
mod ids;
mod imaging;
mod lifecycle;
mod metadata;
mod options;
mod own;
mod postman;
mod programs;
mod request_limits;
mod resume;
mod secret;
mod server;
mod sessions;
mod settings;
mod source_image;
mod spot;
mod ssm;
mod world;

pub use base::{BaseImageError, ensure_base_image};
pub use calls::calls;
pub use guest::inotify::{Watches, watches};
pub use guest::isolation::{Disk, Isolation, Network, Way};
pub use guest::probe::{Abilities, Obstacle, Trial, requirements, requirements_of, survey};
pub use guest::remove_state;
pub use options::{DelayProfile, LONGEST_LAG, Options};
pub use own::{FolderError, own_folder};
pub use programs::ProgramError;
pub use request_limits::RequestLimits;
pub use secret::Secret;
pub use server::{Error, Server, serve};
pub use source_image::SourceImage;

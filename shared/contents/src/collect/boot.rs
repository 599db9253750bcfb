//! How long the boot took.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::child::output;

/// Returns the milliseconds from the start of the kernel until systemd had started everything. `None` if systemd does
/// not run or has not finished.
pub(super) fn millis() -> Option<u64> {
    if !Path::new("/run/systemd/system").is_dir() {
        return None;
    }
    let mut show = Command::new("systemctl");
    let property = ["show", "--property=FinishTimestampMonotonic", "--value"];
    let text = output(show.args(property), Instant::now() + Duration::from_secs(5)).ok()?;
    text.trim().parse::<u64>().ok().filter(|micros| *micros > 0).map(|micros| micros / 1000)
}

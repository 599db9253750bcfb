//! Sleep for an SDK that has nothing to wait for: its waiters look every 15 seconds and its retries pause up to a second,
//! which is right for AWS.

use std::time::Duration;

use aws_sdk_ec2::config::{AsyncSleep, Sleep};

/// How much faster.
const FACTOR: u32 = 100;

/// Sleeps a hundredth of what it is asked for. An SDK client with it has no timeouts: they would be as short.
#[derive(Debug)]
pub(crate) struct Hasty;

impl AsyncSleep for Hasty {
    fn sleep(&self, duration: Duration) -> Sleep {
        Sleep::new(tokio::time::sleep(duration / FACTOR))
    }
}

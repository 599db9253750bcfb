//! Delays, in three profiles. Each delay is a named constant whose comment names its source.

use std::time::Duration;

use serde::Deserialize;

/// The speeds of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase", tag = "profile", deny_unknown_fields)]
pub enum DelayProfile {
    /// No delays.
    Instant,
    /// Short delays, but long enough to see each state: for demonstrations and end-to-end tests.
    Demo,
    /// AWS's published times, all divided by `speed_up`, so that designs can be compared in seconds.
    Realistic {
        /// With 1, everything takes AWS's own time; with 60, a minute becomes a second. Values that are not above zero
        /// count as 1.
        #[serde(default = "own_time", rename = "speedUp")]
        speed_up: f64,
    },
}

fn own_time() -> f64 {
    1.0
}

/// Demo: time that an instance spends in each transitional state (`pending`, `stopping`, `shutting-down`).
const DEMO_STATE: Duration = Duration::from_millis(200);
/// Demo: time from `running` until Systems Manager reports the instance online.
const DEMO_ONLINE: Duration = Duration::from_millis(500);
/// Demo: minimum time for which an image stays `pending`. Copying its content may take longer.
const DEMO_IMAGE: Duration = Duration::from_secs(1);

/// Time from RunInstances to a booted system. A user of karpenter-provider-aws reports 40 s with a root volume that is
/// still in S3 and 5 s with a warmed one (its issue 6285). A freshly made image is nearer to the former.
const BOOT: Duration = Duration::from_secs(35);
/// Time from the booted system to the agent's first contact: the agent registers after other services have started. In
/// Image Builder's log in amazon-linux-2023's issue 1054, the contact comes within one poll after the end of the boot.
const ONLINE: Duration = Duration::from_secs(10);
/// Time of an orderly shutdown of a small, idle instance. (A c5.metal took 19 minutes: Packer's builder-amazon issue
/// 680.)
const STOP: Duration = Duration::from_secs(15);
/// Time from TerminateInstances to `terminated`. EC2's guide says 10 s to several minutes.
const TERMINATE: Duration = Duration::from_secs(30);
/// Time before a snapshot's first byte and after its last: the part of published runs that does not depend on the
/// bytes.
const SNAPSHOT_BASE: Duration = Duration::from_secs(20);
/// MiB per second that a snapshot reads from a volume with default throughput. Together with [`FAST_SNAPSHOT_RATE`],
/// this gives the 9 minutes against 1 that supabase/postgres reports for about 10 GiB (its pull request 2457).
const SNAPSHOT_RATE: f64 = 20.0;
/// MiB per second from a volume with raised throughput (same source).
const FAST_SNAPSHOT_RATE: f64 = 200.0;
/// MiB per second between Regions: a quarter of the 2,000 that EBS's quota allows for all time-based copies into a
/// Region.
const COPY_RATE: f64 = 500.0;
/// A spot instance has two minutes between its warning and its end (EC2's guide).
const SPOT_WARNING: Duration = Duration::from_secs(120);
/// Time until EC2 starts an instance again that an interruption has stopped. This is a guess: AWS says only that it
/// happens when capacity is available.
const SPOT_RETURN: Duration = Duration::from_secs(600);
/// Instant and demo: longer than a client takes that looks every few seconds.
const SOON: Duration = Duration::from_secs(60);

/// Time from a script's exit 194 to the reboot: the agent runs `shutdown -r +1`.
const REBOOT: Duration = Duration::from_secs(60);
/// Demo: the same.
const DEMO_REBOOT: Duration = Duration::from_millis(300);
/// Time for which the agent, after its start, waits for the worker of a command that was running. Then it reports the
/// command as failed (amazon-ssm-agent 3.3: the timeout of its channel to the worker).
const LOST_WORKER: Duration = Duration::from_secs(60);
/// Demo: the same.
const DEMO_LOST_WORKER: Duration = Duration::from_millis(300);
/// Time until a parameter's AMI is validated. This is a guess: AWS says only that it happens after the answer, by an
/// asynchronous call.
const PARAMETER: Duration = Duration::from_secs(2);
/// systemd restarts the agent's unit after this time (`RestartSec=90` in amazon-ssm-agent 3.3's unit).
const AGENT_RESTART: Duration = Duration::from_secs(90);
/// Agents send a heartbeat at least every five minutes (Systems Manager's guide, "Heartbeats"). An agent counts as lost
/// if one is missing.
const HEARTBEATS: Duration = Duration::from_secs(300);
/// Instant and demo: longer than a reboot takes on a busy machine. The agent stays online during a reboot.
const CONNECTION_LOST: Duration = Duration::from_secs(5);
/// Time for which the agent waits for the upload of a log that does not finish, for each of the two outputs
/// (amazon-ssm-agent 3.3, fileS3.go: 60 checks, one per second).
const LOG_UPLOAD: Duration = Duration::from_secs(60);
/// Bytes per second that pass the agent's pipe. The agent writes them byte by byte to two files (measured with
/// amazon-ssm-agent 3.3.1142.0).
const OUTPUT_RATE: f64 = 700_000.0;

/// MiB per second of a gp3 volume whose throughput is not set. A higher value counts as raised.
const USUAL_THROUGHPUT: u32 = 125;
const MIB: f64 = 1024.0 * 1024.0;

/// The delays of one profile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Delays {
    /// Time in state `pending`.
    pub(crate) boot: Duration,
    /// Time from `running` to online.
    pub(crate) online: Duration,
    /// Time in state `stopping`.
    pub(crate) stop: Duration,
    /// Time in state `shutting-down`.
    pub(crate) terminate: Duration,
    /// Time from a spot instance's warning to its end.
    pub(crate) spot_warning: Duration,
    /// Time until a stopped spot instance is started again after its interruption.
    pub(crate) spot_return: Duration,
    /// Time from exit 194 to the reboot that it requests.
    pub(crate) reboot: Duration,
    /// Time from the agent's start until it gives up a command that was running when its machine went down.
    pub(crate) lost_worker: Duration,
    /// Time after which an agent that ended by itself is restarted.
    pub(crate) agent_restart: Duration,
    /// Time without contact after which Systems Manager reports an agent's connection as lost.
    pub(crate) connection_lost: Duration,
    /// Time from PutParameter's answer until a value of type `aws:ec2:image` is validated and stored.
    pub(crate) parameter: Duration,
    /// Time for which the end of a log that cannot be read is awaited.
    pub(crate) log_upload: Duration,
    /// Bytes per second of a script's output; `None` if the rate is not limited.
    pub(crate) output_rate: Option<f64>,
    image: Duration,
    /// Seconds per MiB: with default throughput, with raised throughput, and between Regions.
    rates: Option<[f64; 3]>,
}

impl Delays {
    /// Returns the time for which an image of an instance stays `pending` if `changed` bytes of a volume with this
    /// throughput have changed.
    pub(crate) fn snapshot(&self, changed: u64, throughput: Option<u32>) -> Duration {
        let fast = throughput.is_some_and(|asked| asked > USUAL_THROUGHPUT);
        self.image + self.transfer(changed, usize::from(fast))
    }

    /// Returns the time for which a copy of an image of `content` bytes stays `pending`.
    pub(crate) fn copy(&self, content: u64) -> Duration {
        match self.rates {
            // A copy has no fixed part: the sources give only its rate.
            Some(_) => self.transfer(content, 2),
            None => self.image,
        }
    }

    fn transfer(&self, bytes: u64, path: usize) -> Duration {
        let seconds = self.rates.map_or(0.0, |rates| bytes as f64 / MIB * rates[path]);
        Duration::try_from_secs_f64(seconds).unwrap_or_default()
    }
}

impl From<DelayProfile> for Delays {
    fn from(profile: DelayProfile) -> Self {
        let even = |state, online, image, reboot, lost_worker| Delays {
            boot: state,
            online,
            stop: state,
            terminate: state,
            spot_warning: state,
            spot_return: SOON,
            reboot,
            lost_worker,
            log_upload: Duration::ZERO,
            agent_restart: lost_worker,
            parameter: state,
            connection_lost: CONNECTION_LOST,
            output_rate: None,
            image,
            rates: None,
        };
        match profile {
            DelayProfile::Instant => {
                even(Duration::ZERO, Duration::ZERO, Duration::ZERO, Duration::ZERO, Duration::ZERO)
            }
            DelayProfile::Demo => even(DEMO_STATE, DEMO_ONLINE, DEMO_IMAGE, DEMO_REBOOT, DEMO_LOST_WORKER),
            DelayProfile::Realistic { speed_up } => realistic(if speed_up > 0.0 { speed_up } else { 1.0 }),
        }
    }
}

fn realistic(speed_up: f64) -> Delays {
    Delays {
        boot: BOOT.div_f64(speed_up),
        online: ONLINE.div_f64(speed_up),
        stop: STOP.div_f64(speed_up),
        terminate: TERMINATE.div_f64(speed_up),
        spot_warning: SPOT_WARNING.div_f64(speed_up),
        spot_return: SPOT_RETURN.div_f64(speed_up),
        reboot: REBOOT.div_f64(speed_up),
        lost_worker: LOST_WORKER.div_f64(speed_up),
        log_upload: LOG_UPLOAD.div_f64(speed_up),
        parameter: PARAMETER.div_f64(speed_up),
        agent_restart: AGENT_RESTART.div_f64(speed_up),
        connection_lost: HEARTBEATS.div_f64(speed_up),
        output_rate: Some(OUTPUT_RATE * speed_up),
        image: SNAPSHOT_BASE.div_f64(speed_up),
        rates: Some([SNAPSHOT_RATE, FAST_SNAPSHOT_RATE, COPY_RATE].map(|rate| 1.0 / rate / speed_up)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn realistic_times_follow_the_bytes_and_the_throughput() {
        let delays = Delays::from(DelayProfile::Realistic { speed_up: 1.0 });
        let seconds = |duration: Duration| duration.as_secs_f64().round() as u64;
        assert_eq!(seconds(delays.snapshot(10 * GIB, None)), 20 + 512);
        assert_eq!(seconds(delays.snapshot(10 * GIB, Some(125))), 20 + 512);
        assert_eq!(seconds(delays.snapshot(10 * GIB, Some(1000))), 20 + 51);
        assert_eq!(seconds(delays.copy(10 * GIB)), 20);
    }

    #[test]
    fn a_speed_up_divides_all_of_it() {
        let delays = Delays::from(DelayProfile::Realistic { speed_up: 10.0 });
        assert_eq!((delays.boot, delays.stop), (Duration::from_millis(3500), Duration::from_millis(1500)));
        assert_eq!(delays.snapshot(200 << 20, None), Duration::from_secs(3));
        assert_eq!(Delays::from(DelayProfile::Instant).snapshot(GIB, None), Duration::ZERO);
    }

    #[test]
    fn reads_a_profile() {
        let read = |text: &str| serde_json::from_str::<DelayProfile>(text).unwrap();
        assert_eq!(read(r#"{"profile": "realistic", "speedUp": 60}"#), DelayProfile::Realistic { speed_up: 60.0 });
        assert_eq!(read(r#"{"profile": "instant"}"#), DelayProfile::Instant);
    }
}

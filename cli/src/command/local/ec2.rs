//! `goldsmith local ec2`: runs only the endpoint, in the foreground. `up` starts an endpoint for its stack.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use goldsmith_local::{
    DelayProfile, Isolation, LONGEST_LAG, Network, Options, Secret, SourceImage, own_folder, requirements,
    requirements_of, serve,
};

use crate::exit::lacking;
use crate::local::folders::Folders;
use crate::output;

/// Age in seconds of the data that describe calls return: old enough to reveal a caller that believes an empty answer.
const DESCRIBE_LAG: &str = "0.1";

/// Serve only EC2 and Systems Manager, for other programs, until the process is told to end.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Address and port to listen on; port 0 chooses a free port. Nothing is encrypted: on an address other than the
    /// loopback's, anyone who sees the traffic can read all of it.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Secret access key with which callers sign, under any access key id. Anyone who knows it can run commands on this
    /// machine [default: a new one, which is kept in the state folder].
    #[arg(long, value_name = "SECRET", env = "GOLDSMITH_LOCAL_SECRET_KEY", hide_env_values = true)]
    secret_key: Option<Secret>,
    /// File that contains the secret access key.
    #[arg(long, value_name = "FILE", conflicts_with = "secret_key")]
    secret_file: Option<PathBuf>,
    /// Folder for the disks of instances and images. It is created if it does not exist; otherwise it must be empty or
    /// come from an earlier endpoint.
    #[arg(long, value_name = "FOLDER")]
    state: PathBuf,
    /// Folder with the file systems from which instances start [default: the folder of the local stacks].
    #[arg(long, value_name = "FOLDER")]
    images: Option<PathBuf>,
    /// File system of instances that start from the source image: `debian-12`, `host` (this machine's own files, as
    /// root), or a file with a root file system (tar) or an OCI image.
    #[arg(long, value_name = "IMAGE", default_value = "debian-12")]
    image: SourceImage,
    /// How instances are isolated: nspawn, namespaces, user-namespace, single-uid or chroot [default: the first that
    /// works].
    #[arg(long, value_name = "NAME", env = "GOLDSMITH_LOCAL_ISOLATION")]
    isolation: Option<Isolation>,
    /// Network of instances: own (in user namespaces, `pasta` makes it) or machine (they reach everything that listens
    /// on this machine's loopback) [default: own if it works].
    #[arg(long, value_name = "NAME", env = "GOLDSMITH_LOCAL_NETWORK")]
    network: Option<Network>,
    /// Address of the emulator that receives events and log lines.
    #[arg(long, value_name = "URL")]
    events: Option<String>,
    /// How long instances and images take from one state to the next.
    #[arg(long, value_enum, default_value = "demo")]
    delays: Delays,
    /// Divisor of the realistic delays: with 60, a minute becomes a second.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    speed_up: f64,
    /// Age of the data that describe calls return, from 0 to 5 seconds.
    #[arg(long, value_name = "SECONDS", default_value = DESCRIBE_LAG, value_parser = lag)]
    describe_lag: Duration,
    /// Send an event when an instance registers with Systems Manager.
    #[arg(long)]
    registration_events: bool,
}

/// The delay profiles by name.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Delays {
    /// No delays.
    Instant,
    /// Delays of fractions of a second.
    Demo,
    /// The delays that AWS has published.
    Realistic,
}

impl Delays {
    fn profile(self, speed_up: f64) -> DelayProfile {
        match self {
            Delays::Instant => DelayProfile::Instant,
            Delays::Demo => DelayProfile::Demo,
            Delays::Realistic => DelayProfile::Realistic { speed_up },
        }
    }
}

fn lag(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    let lag = Duration::try_from_secs_f64(seconds).ok().filter(|lag| *lag <= LONGEST_LAG);
    lag.ok_or_else(|| format!("0 to {} seconds", LONGEST_LAG.as_secs()))
}

/// Creates the base image if it is missing, and then serves requests.
pub(crate) fn run(args: &Args, folders: &Folders) -> Result<()> {
    // This comes first because the trials below use the folder: nothing may be written into the folder of somebody
    // else.
    own_folder(&args.state)?;
    let abilities = match args.isolation {
        Some(isolation) => requirements_of(isolation, &args.state),
        None => requirements(&args.state),
    };
    if let Some(missing) = abilities.missing() {
        return Err(lacking(format!("instances cannot run: {missing}")));
    }
    // Instances run in parallel, so the endpoint has its own threads, unlike the rest of this program.
    let serving = std::thread::scope(|scope| scope.spawn(|| serve_until_told(args, folders)).join());
    serving.unwrap_or_else(|_| anyhow::bail!("the endpoint failed"))
}

fn serve_until_told(args: &Args, folders: &Folders) -> Result<()> {
    if !args.listen.ip().is_loopback() {
        output::say(&format!(
            "warning: anyone who knows the secret access key and reaches {} can run commands on this machine; nothing is encrypted",
            args.listen
        ));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let images = args.images.clone().unwrap_or_else(|| folders.base_images());
        let base_image = args.image.ensure(&images, output::say).await?;
        let secret = match (&args.secret_key, &args.secret_file) {
            (Some(secret), _) => secret.clone(),
            (None, Some(file)) => Secret::read(file)?,
            (None, None) => Secret::kept_in(&args.state)?,
        };
        let options = Options {
            secret,
            listen: args.listen,
            state_dir: args.state.clone(),
            delays: args.delays.profile(args.speed_up),
            base_image,
            isolation: args.isolation,
            network: args.network,
            events_url: args.events.clone(),
            describe_lag: args.describe_lag,
            registration_events: args.registration_events,
        };
        Ok(serve(options).await?)
    })
}

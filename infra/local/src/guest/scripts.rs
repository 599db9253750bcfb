//! The scripts that make an instance's namespaces and mounts.

/// Scripts that set up the mounts and become or start the first process, by their names in the state folder. Their
/// arguments are the id, the kind of disk, the overlay options, the name, and for `init.sh` the process around it, if
/// there is one. Each script writes the ids of its own process and of the process around it, as the host counts them,
/// and ends when its standard input ends.
pub(super) const SCRIPTS: [(&str, &str); 3] =
    [("init.sh", include_str!("init.sh")), ("nspawn.sh", include_str!("nspawn.sh")), NETWORK];
/// Runs before one of these scripts if the instance has a network of its own, and makes it.
pub(super) const NETWORK: (&str, &str) = ("network.sh", include_str!("network.sh"));

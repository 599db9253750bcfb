//! Things that are recognized by their place: files that packages make for one machine, identities, credentials, and
//! histories. The places are those of Debian, Ubuntu, Fedora and its family, Amazon Linux, and SUSE.

use super::FindingKind::{self, AuthorizedKeys, Credential, History, Identity, PackageSecret, PrivateKey};
use super::keys::{is_wireguard, lines, value_of};

/// A place and what is found there.
pub(super) struct Rule {
    /// The path from the root. `*` stands for any part of one name, and `~` for each user's home.
    pub(super) path: &'static str,
    pub(super) kind: FindingKind,
    pub(super) what: &'static str,
    pub(super) test: Test,
    pub(super) remedy: Remedy,
}

/// The test that decides whether a file at the place is a finding. An empty file never is.
#[derive(Clone, Copy)]
pub(super) enum Test {
    /// The file is a finding whatever it holds.
    Is,
    /// A line that is not a comment begins with this text and has more text after it.
    Line(&'static str),
    /// The file contains these bytes.
    Has(&'static [u8]),
    /// The function decides.
    By(fn(&[u8]) -> bool),
}

/// What helps against a finding.
#[derive(Clone, Copy)]
pub(super) enum Remedy {
    /// The clean-up of a build removes the file unless a component creates the file with this name.
    CleanUp(&'static str),
    /// The clean-up always removes the file.
    Always,
    /// Each instance must make its own, for example as this text says.
    Anew(&'static str),
    /// The file does not belong in an image.
    Remove,
}

impl Remedy {
    /// Returns the remedy as one sentence.
    pub(super) fn sentence(self) -> String {
        match self {
            Self::CleanUp("") => "the clean-up of a build removes it".to_owned(),
            Self::CleanUp(skip) => {
                format!("the clean-up of a build removes it, unless a component creates the file {skip}")
            }
            Self::Always => "the clean-up of a build removes it; something has written it again after that".to_owned(),
            Self::Anew(how) => {
                format!("remove it in a component's last step, and let each instance make its own: {how}")
            }
            Self::Remove => "remove it in a component's last step, and let each instance fetch its own".to_owned(),
        }
    }
}

const SSH: Remedy = Remedy::CleanUp("skip_cleanup_ssh_files");
const INSTANCE: Remedy = Remedy::CleanUp("skip_cleanup_instance_files");
const CREDENTIALS: Remedy = Remedy::CleanUp("skip_cleanup_credential_files");
const UNIT: Remedy = Remedy::Anew("with a unit that runs before the service if the file is missing");

const fn rule(path: &'static str, kind: FindingKind, what: &'static str, remedy: Remedy) -> Rule {
    Rule { path, kind, what, test: Test::Is, remedy }
}

const fn tested(path: &'static str, kind: FindingKind, what: &'static str, test: Test, remedy: Remedy) -> Rule {
    Rule { path, kind, what, test, remedy }
}

const fn token(path: &'static str, what: &'static str) -> Rule {
    rule(path, Credential, what, Remedy::Remove)
}

pub(super) const RULES: &[Rule] = &[
    // keys that packages make
    rule("etc/ssh/ssh_host_*_key", PrivateKey, "OpenSSH host key", SSH),
    rule("etc/dropbear/*_host_key", PrivateKey, "dropbear host key", DROPBEAR),
    rule("etc/dropbear/initramfs/*_host_key", PrivateKey, "dropbear host key in the initramfs", DROPBEAR),
    rule("etc/dropbear-initramfs/*_host_key", PrivateKey, "dropbear host key in the initramfs", DROPBEAR),
    rule("etc/ssl/private/ssl-cert-snakeoil.key", PrivateKey, "key of Debian's self-signed certificate", SNAKEOIL),
    rule(
        "etc/bind/rndc.key",
        PackageSecret,
        "BIND control key",
        Remedy::Anew("with `rndc-confgen -a` before named starts"),
    ),
    rule("etc/rndc.key", PackageSecret, "BIND control key", Remedy::Anew("named-setup-rndc.service makes it")),
    rule(
        "etc/nsd/nsd_*.key",
        PrivateKey,
        "NSD control key",
        Remedy::Anew("with `nsd-control-setup` before nsd starts"),
    ),
    rule("etc/unbound/unbound_*.key", PrivateKey, "Unbound control key", Remedy::Anew("with `unbound-control-setup`")),
    rule("etc/ejabberd/ejabberd.pem", PrivateKey, "key of the ejabberd certificate", UNIT),
    rule("etc/freeradius/*/certs/dh", PackageSecret, "FreeRADIUS Diffie-Hellman parameters", DH),
    rule("etc/raddb/certs/dh", PackageSecret, "FreeRADIUS Diffie-Hellman parameters", DH),
    rule("etc/pacemaker/authkey", PackageSecret, "Pacemaker cluster key", CLUSTER),
    rule("etc/corosync/authkey", PackageSecret, "Corosync cluster key", CLUSTER),
    rule(
        "etc/munge/munge.key",
        PackageSecret,
        "MUNGE key",
        Remedy::Anew("with `mungekey --create`, or give it the cluster's own key"),
    ),
    rule("var/lib/*/.erlang.cookie", PackageSecret, "Erlang node cookie", COOKIE),
    rule("~/.erlang.cookie", PackageSecret, "Erlang node cookie", COOKIE),
    tested(
        "etc/ldap/slapd.d/cn=config/olcDatabase=*.ldif",
        PackageSecret,
        "slapd administrator password, made when slapd was installed",
        Test::Line("olcRootPW:"),
        Remedy::Anew("set `olcRootPW` with a unit before slapd starts"),
    ),
    tested(
        "etc/openldap/slapd.d/cn=config/olcDatabase=*.ldif",
        PackageSecret,
        "slapd administrator password",
        Test::Line("olcRootPW:"),
        Remedy::Anew("set `olcRootPW` with a unit before slapd starts"),
    ),
    rule("var/lib/tor/keys/*_secret_*", PrivateKey, "Tor relay identity", UNIT),
    rule("var/lib/tor/*/hs_ed25519_secret_key", PrivateKey, "Tor service identity", UNIT),
    tested("etc/wireguard/*", PrivateKey, "private key (WireGuard)", Test::By(is_wireguard), UNIT),
    rule(
        "var/lib/samba/private/secrets.tdb",
        PackageSecret,
        "Samba secrets",
        Remedy::Anew("smbd makes it; each instance joins a domain itself"),
    ),
    rule(
        "var/lib/samba/secrets.tdb",
        PackageSecret,
        "Samba secrets",
        Remedy::Anew("smbd makes it; each instance joins a domain itself"),
    ),
    rule(
        "etc/samba/secrets.tdb",
        PackageSecret,
        "Samba secrets",
        Remedy::Anew("smbd makes it; each instance joins a domain itself"),
    ),
    rule("etc/krb5.keytab", PackageSecret, "Kerberos keytab", Remedy::Anew("each instance joins its realm itself")),
    rule("etc/krb5kdc/stash", PackageSecret, "master key of a Kerberos realm", UNIT),
    rule("etc/krb5kdc/.k5.*", PackageSecret, "master key of a Kerberos realm", UNIT),
    rule("var/lib/krb5kdc/.k5.*", PackageSecret, "master key of a Kerberos realm", UNIT),
    rule("var/lib/krb5kdc/principal", PackageSecret, "keys of a Kerberos realm", UNIT),
    rule("var/kerberos/krb5kdc/.k5.*", PackageSecret, "master key of a Kerberos realm", UNIT),
    rule("var/kerberos/krb5kdc/principal", PackageSecret, "keys of a Kerberos realm", UNIT),
    rule(
        "var/lib/certmonger/local/creds",
        PrivateKey,
        "key of certmonger's own certificate authority",
        Remedy::Anew("certmonger makes it if it is missing"),
    ),
    rule("var/lib/zerotier-one/identity.secret", PrivateKey, "ZeroTier identity", UNIT),
    rule("var/lib/tailscale/tailscaled.state", PackageSecret, "Tailscale identity", UNIT),
    rule("var/lib/snapd/device/private-keys-v1/*", PrivateKey, "snapd device key", UNIT),
    rule("var/lib/systemd/credential.secret", PackageSecret, "systemd credentials key", Remedy::Always),
    rule("var/lib/NetworkManager/secret_key", PackageSecret, "NetworkManager key", Remedy::Always),
    tested("etc/docker/key.json", PrivateKey, "Docker engine key", Test::Has(b"\"d\""), UNIT),
    tested(
        "etc/bacula/common_default_passwords",
        PackageSecret,
        "passwords of the Bacula daemons",
        Test::By(has_passwords),
        UNIT,
    ),
    tested(
        "etc/dbconfig-common/*.conf",
        PackageSecret,
        "database user password, made by the installation",
        Test::By(has_db_password),
        UNIT,
    ),
    tested("etc/mysql/debian.cnf", PackageSecret, "password of Debian's database user", Test::By(has_password), UNIT),
    // identities
    tested("etc/machine-id", Identity, "machine id", Test::By(is_id), Remedy::CleanUp("")),
    tested("var/lib/dbus/machine-id", Identity, "machine id (D-Bus's own copy)", Test::By(is_id), Remedy::CleanUp("")),
    rule("etc/nvme/hostid", Identity, "NVMe host id", NVME),
    rule("etc/nvme/hostnqn", Identity, "NVMe host name", NVME),
    tested("etc/iscsi/initiatorname.iscsi", Identity, "iSCSI initiator name", Test::Line("InitiatorName="), INSTANCE),
    tested(
        "etc/popularity-contest.conf",
        Identity,
        "popularity-contest host id",
        Test::By(has_host_id),
        Remedy::Anew("with `dpkg-reconfigure popularity-contest`, or do not install that package"),
    ),
    rule("var/lib/postgresql/*/*/global/pg_control", Identity, "system identifier of a PostgreSQL cluster", POSTGRES),
    rule("var/lib/pgsql/data/global/pg_control", Identity, "system identifier of a PostgreSQL cluster", POSTGRES),
    rule("var/lib/pgsql/*/data/global/pg_control", Identity, "system identifier of a PostgreSQL cluster", POSTGRES),
    rule("var/lib/mysql/auto.cnf", Identity, "MySQL server id", Remedy::Anew("mysqld makes it if it is missing")),
    rule("etc/salt/minion_id", Identity, "Salt minion id", INSTANCE),
    rule("var/lib/docker/engine-id", Identity, "Docker engine id", INSTANCE),
    rule("etc/hostname", Identity, "host name", INSTANCE),
    rule(
        "etc/mailname",
        Identity,
        "mail name, which is the builder's host name",
        Remedy::Anew("with a unit, or set the name of the domain in a component"),
    ),
    rule("var/lib/cloud/data/instance-id", Identity, "cloud-init instance id", CLOUD_INIT),
    rule("var/lib/cloud/instances/*/user-data.txt", Credential, "user data of the builder", CLOUD_INIT),
    rule("var/lib/amazon/ssm/Vault/Store/*", PackageSecret, "SSM agent registration", Remedy::Always),
    rule("var/lib/dhcpcd/duid", Identity, "DHCP identity", UNIT),
    rule("etc/dhcpcd.duid", Identity, "DHCP identity", UNIT),
    rule("etc/insights-client/machine-id", Identity, "Red Hat Insights id", Remedy::Remove),
    rule("etc/sysconfig/rhn/systemid", Identity, "Satellite id", Remedy::Remove),
    rule("var/lib/systemd/random-seed", Identity, "random seed", Remedy::Always),
    rule("var/lib/urandom/random-seed", Identity, "random seed", Remedy::Always),
    rule("var/lib/random-seed", Identity, "random seed", UNIT),
    rule("boot/loader/random-seed", Identity, "boot loader random seed", Remedy::Always),
    rule("boot/efi/loader/random-seed", Identity, "boot loader random seed", Remedy::Always),
    rule("efi/loader/random-seed", Identity, "boot loader random seed", Remedy::Always),
    // credentials
    tested(
        "etc/shadow",
        Credential,
        "user password",
        Test::By(has_hash),
        Remedy::Anew("lock the user with `passwd --lock`, and let people log in through Session Manager"),
    ),
    tested("etc/sasldb2", Credential, "SASL passwords", Test::By(has_sasl_user), UNIT),
    tested("etc/apt/auth.conf", Credential, "package source password", Test::Has(b"password"), Remedy::Remove),
    tested("etc/apt/auth.conf.d/*", Credential, "package source password", Test::Has(b"password"), Remedy::Remove),
    tested("etc/zypp/credentials.d/*", Credential, "package source password", Test::Has(b"password"), Remedy::Remove),
    rule("var/lib/ubuntu-advantage/private/*", Credential, "Ubuntu Pro token", Remedy::Remove),
    tested("etc/ipsec.secrets", Credential, "IPsec secret", Test::By(has_psk), Remedy::Remove),
    tested("etc/exim4/passwd.client", Credential, "mail relay password", Test::By(has_line), Remedy::Remove),
    tested("etc/postfix/sasl_passwd", Credential, "mail relay password", Test::By(has_line), Remedy::Remove),
    tested("etc/kubernetes/*.conf", Credential, "Kubernetes credentials", Test::By(is_kubeconfig), Remedy::Remove),
    rule("~/.aws/credentials", Credential, "AWS credentials", CREDENTIALS),
    rule("~/.aws/cli/cache/*", Credential, "AWS credentials", CREDENTIALS),
    rule("~/.aws/sso/cache/*", Credential, "AWS credentials", CREDENTIALS),
    rule("~/.azure/accessTokens.json", Credential, "Azure credentials", Remedy::Remove),
    rule("~/.azure/msal_token_cache.*", Credential, "Azure credentials", Remedy::Remove),
    rule("~/.azure/service_principal_entries.*", Credential, "Azure credentials", Remedy::Remove),
    rule("~/.config/gcloud/application_default_credentials.json", Credential, "Google Cloud credentials", CREDENTIALS),
    rule("~/.config/gcloud/*.db", Credential, "Google Cloud credentials", CREDENTIALS),
    rule("~/.boto", Credential, "cloud credentials", Remedy::Remove),
    rule("~/.s3cfg", Credential, "S3 credentials", Remedy::Remove),
    tested("~/.config/rclone/rclone.conf", Credential, "cloud credentials", Test::By(has_secret), Remedy::Remove),
    tested("~/.docker/config.json", Credential, "container registry credentials", Test::Has(b"\"auth\""), CREDENTIALS),
    tested(
        "~/.config/containers/auth.json",
        Credential,
        "container registry credentials",
        Test::Has(b"\"auth\""),
        Remedy::Remove,
    ),
    tested("~/.netrc", Credential, "server password", Test::Has(b"password"), CREDENTIALS),
    tested("~/.npmrc", Credential, "package registry credentials", Test::Has(b"_auth"), CREDENTIALS),
    tested("~/.yarnrc.yml", Credential, "package registry credentials", Test::Has(b"npmAuth"), Remedy::Remove),
    tested("~/.pypirc", Credential, "package registry credentials", Test::Has(b"password"), CREDENTIALS),
    tested(
        "~/.config/pip/pip.conf",
        Credential,
        "package registry credentials",
        Test::By(has_url_password),
        Remedy::Remove,
    ),
    tested("etc/pip.conf", Credential, "package registry credentials", Test::By(has_url_password), Remedy::Remove),
    rule("~/.cargo/credentials", Credential, "package registry credentials", CREDENTIALS),
    rule("~/.cargo/credentials.toml", Credential, "package registry credentials", CREDENTIALS),
    rule("~/.gem/credentials", Credential, "package registry credentials", Remedy::Remove),
    tested("~/.m2/settings.xml", Credential, "package registry credentials", Test::Has(b"<password>"), Remedy::Remove),
    tested(
        "~/.gradle/gradle.properties",
        Credential,
        "package registry credentials",
        Test::By(has_password),
        Remedy::Remove,
    ),
    tested("~/.composer/auth.json", Credential, "package registry credentials", Test::Has(b"\""), Remedy::Remove),
    rule("~/.git-credentials", Credential, "Git credentials", CREDENTIALS),
    rule("~/.config/git/credentials", Credential, "Git credentials", Remedy::Remove),
    tested("~/.config/gh/hosts.yml", Credential, "GitHub token", Test::Has(b"oauth_token"), CREDENTIALS),
    tested("~/.kube/config", Credential, "Kubernetes credentials", Test::By(is_kubeconfig), Remedy::Remove),
    token("~/.vault-token", "Vault token"),
    token("~/.terraform.d/credentials.tfrc.json", "Terraform token"),
    token("~/.huggingface/token", "Hugging Face token"),
    token("~/.cache/huggingface/token", "Hugging Face token"),
    token("~/.pgpass", "PostgreSQL password"),
    tested("~/.my.cnf", Credential, "MySQL password", Test::By(has_password), Remedy::Remove),
    token("~/.subversion/auth/svn.simple/*", "Subversion password"),
    // histories
    rule("~/.*_history", History, "shell or program history", Remedy::Always),
    rule("~/.local/share/fish/fish_history", History, "shell history", Remedy::Remove),
    rule("~/.lesshst", History, "less history", Remedy::Always),
    rule("~/.viminfo", History, "Vim history", Remedy::Always),
    rule("~/.wget-hsts", History, "wget history", Remedy::Always),
    // people
    tested("~/.ssh/authorized_keys", AuthorizedKeys, "keys that allow logging in", Test::By(has_line), SSH),
    tested("~/.ssh/authorized_keys2", AuthorizedKeys, "keys that allow logging in", Test::By(has_line), SSH),
    tested(
        "etc/ssh/authorized_keys/*",
        AuthorizedKeys,
        "keys that allow logging in",
        Test::By(has_line),
        Remedy::Remove,
    ),
    tested(
        "etc/dropbear/authorized_keys",
        AuthorizedKeys,
        "keys that allow logging in",
        Test::By(has_line),
        Remedy::Remove,
    ),
    tested(
        "etc/dropbear/initramfs/authorized_keys",
        AuthorizedKeys,
        "keys that can unlock the disk",
        Test::By(has_line),
        Remedy::Remove,
    ),
];

/// The packages of files in folders that several packages, or none, own.
pub(super) const MAKERS: &[(&str, &str)] = &[
    ("etc/bacula/", "bacula-common"),
    ("etc/popularity-contest.conf", "popularity-contest"),
    ("etc/ssh/ssh_host_", "openssh-server"),
    ("etc/ssl/private/ssl-cert-snakeoil.key", "ssl-cert"),
];

const DROPBEAR: Remedy = Remedy::Anew("with `dropbearkey` in a unit before the service, or with `dropbear -R`");
const SNAKEOIL: Remedy =
    Remedy::Anew("with `make-ssl-cert generate-default-snakeoil`, which the clean-up of a build prepares");
const DH: Remedy =
    Remedy::Anew("with `openssl dhparam` in a unit; no secret, but an attack on shared parameters is worth the effort");
const CLUSTER: Remedy = Remedy::Anew("or give it the cluster's own key, which does not belong in an image");
const COOKIE: Remedy = Remedy::Anew("Erlang makes it if it is missing; anyone who knows it can run code on the node");
const NVME: Remedy = INSTANCE;
const POSTGRES: Remedy =
    Remedy::Anew("use `pg_dropcluster` in the last step, and `pg_createcluster` or `initdb` at the first boot");
const CLOUD_INIT: Remedy = Remedy::CleanUp("skip_cleanup_cloudinit_files");

impl Test {
    /// Returns whether the bytes that were read make a file a finding. They may be only the beginning of the file.
    pub(super) fn holds(self, bytes: &[u8]) -> bool {
        if bytes.trim_ascii().is_empty() {
            return false;
        }
        match self {
            Self::Is => true,
            Self::Line(start) => lines(bytes).any(|line| {
                let rest = line.trim_ascii_start().strip_prefix(start.as_bytes());
                rest.is_some_and(|rest| !rest.trim_ascii().is_empty())
            }),
            Self::Has(text) => super::keys::find(bytes, text).is_some(),
            Self::By(test) => test(bytes),
        }
    }
}

/// Returns whether the text is 128 bits in hex.
fn is_id(bytes: &[u8]) -> bool {
    let text = bytes.trim_ascii();
    text.len() == 32 && text.iter().all(u8::is_ascii_hexdigit)
}

fn has_host_id(bytes: &[u8]) -> bool {
    lines(bytes).filter_map(|line| value_of(line, b"MY_HOSTID")).any(|id| id.len() >= 32)
}

/// Returns whether there is a line that is not a comment.
fn has_line(bytes: &[u8]) -> bool {
    lines(bytes).map(<[u8]>::trim_ascii).any(|line| !line.is_empty() && !line.starts_with(b"#"))
}

/// Returns whether a user has a password hash: the user is neither locked nor without a password.
fn has_hash(bytes: &[u8]) -> bool {
    let fields = |line: &[u8]| line.split(|byte| *byte == b':').nth(1).is_some_and(|hash| hash.starts_with(b"$"));
    lines(bytes).any(fields)
}

fn has_psk(bytes: &[u8]) -> bool {
    let words: [&[u8]; 4] = [b" PSK ", b" XAUTH ", b" EAP ", b" NTLM "];
    lines(bytes)
        .any(|line| !line.trim_ascii().starts_with(b"#") && words.iter().any(|w| super::keys::find(line, w).is_some()))
}

fn has_password(bytes: &[u8]) -> bool {
    lines(bytes).any(|line| {
        let line = line.trim_ascii();
        let (Some(at), false) = (line.iter().position(|byte| *byte == b'='), line.starts_with(b"#")) else {
            return false;
        };
        let (name, value) = (line[..at].to_ascii_lowercase(), line[at + 1..].trim_ascii());
        name.trim_ascii().ends_with(b"password") && !value.is_empty() && value != b"\"\""
    })
}

fn has_secret(bytes: &[u8]) -> bool {
    let words: [&[u8]; 4] = [b"secret_access_key", b"pass", b"token", b"client_secret"];
    lines(bytes).any(|line| words.iter().any(|word| value_of(line, word).is_some_and(|value| !value.is_empty())))
}

fn has_passwords(bytes: &[u8]) -> bool {
    lines(bytes).any(|line| {
        let line = line.trim_ascii();
        line.iter()
            .position(|byte| *byte == b'=')
            .is_some_and(|at| line[..at].ends_with(b"PASSWD") && line.len() > at + 1)
    })
}

fn has_db_password(bytes: &[u8]) -> bool {
    lines(bytes).filter_map(|line| value_of(line, b"dbc_dbpass")).any(|value| value.len() > 2)
}

/// Returns whether the file has a user. Debian makes the file with a user that it deletes at once, and a trace of that
/// user remains.
fn has_sasl_user(bytes: &[u8]) -> bool {
    let count = |text: &[u8]| bytes.windows(text.len()).filter(|window| *window == text).count();
    count(b"userPassword") > count(b"no:such:user")
}

/// Returns whether there is a URL of the form `https://user:password@host/`.
fn has_url_password(bytes: &[u8]) -> bool {
    lines(bytes).filter(|line| !line.trim_ascii().starts_with(b"#")).any(|line| {
        let Some(at) = super::keys::find(line, b"://") else { return false };
        let host = line[at + 3..].split(|byte| *byte == b'/').next().unwrap_or_default();
        let user = host.iter().position(|byte| *byte == b'@').map(|end| &host[..end]);
        user.is_some_and(|user| user.contains(&b':'))
    })
}

fn is_kubeconfig(bytes: &[u8]) -> bool {
    let words: [&[u8]; 3] = [b"client-key-data:", b"token:", b"password:"];
    words.iter().any(|word| super::keys::find(bytes, word).is_some())
}

//! Things that are recognized by their place: files that packages make for one machine, identities, credentials, and
//! histories. The places are those of Debian, Ubuntu, Fedora and its family, Amazon Linux, and SUSE.

use super::FindingKind::{self, AuthorizedKeys, Credential, History, Identity, PackageSecret, PrivateKey};
use super::bytes::{find, lines};
use super::contents::{
    has_db_password, has_hash, has_host_id, has_line, has_password, has_passwords, has_psk, has_sasl_user, has_secret,
    has_url_password, is_id, is_kubeconfig,
};
use super::keys::is_wireguard;

/// Places and what is found there.
pub(super) struct Rule {
    /// The paths from the root. `*` stands for any part of one name, and `~` for each user's home.
    pub(super) paths: &'static [&'static str],
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
    /// The builder must not be registered. The text says how its registration is removed.
    Unregister(&'static str),
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
            Self::Unregister(how) => how.to_owned(),
            Self::Remove => "remove it in a component's last step, and let each instance fetch its own".to_owned(),
        }
    }
}

const SSH: Remedy = Remedy::CleanUp("skip_cleanup_ssh_files");
const INSTANCE: Remedy = Remedy::CleanUp("skip_cleanup_instance_files");
const CREDENTIALS: Remedy = Remedy::CleanUp("skip_cleanup_credential_files");
const REGISTRATION: Remedy = Remedy::CleanUp("skip_cleanup_registration_files");
const UNIT: Remedy = Remedy::Anew("with a unit that runs before the service if the file is missing");

const fn rule(paths: &'static [&'static str], kind: FindingKind, what: &'static str, remedy: Remedy) -> Rule {
    Rule { paths, kind, what, test: Test::Is, remedy }
}

impl Rule {
    const fn tested(self, test: Test) -> Self {
        Self { test, ..self }
    }
}

pub(super) const RULES: &[Rule] = &[
    // keys that packages make
    rule(&["etc/ssh/ssh_host_*_key"], PrivateKey, "OpenSSH host key", SSH),
    rule(&["etc/dropbear/*_host_key"], PrivateKey, "dropbear host key", DROPBEAR),
    rule(
        &["etc/dropbear/initramfs/*_host_key", "etc/dropbear-initramfs/*_host_key"],
        PrivateKey,
        "dropbear host key in the initramfs",
        DROPBEAR,
    ),
    rule(&["etc/ssl/private/ssl-cert-snakeoil.key"], PrivateKey, "key of Debian's self-signed certificate", SNAKEOIL),
    rule(
        &["etc/bind/rndc.key"],
        PackageSecret,
        "BIND control key",
        Remedy::Anew("with `rndc-confgen -a` before named starts"),
    ),
    rule(&["etc/rndc.key"], PackageSecret, "BIND control key", Remedy::Anew("named-setup-rndc.service makes it")),
    rule(
        &["etc/nsd/nsd_*.key"],
        PrivateKey,
        "NSD control key",
        Remedy::Anew("with `nsd-control-setup` before nsd starts"),
    ),
    rule(
        &["etc/unbound/unbound_*.key"],
        PrivateKey,
        "Unbound control key",
        Remedy::Anew("with `unbound-control-setup`"),
    ),
    rule(&["etc/ejabberd/ejabberd.pem"], PrivateKey, "key of the ejabberd certificate", UNIT),
    rule(
        &["etc/freeradius/*/certs/dh", "etc/raddb/certs/dh"],
        PackageSecret,
        "FreeRADIUS Diffie-Hellman parameters",
        DH,
    ),
    rule(&["etc/pacemaker/authkey"], PackageSecret, "Pacemaker cluster key", CLUSTER),
    rule(&["etc/corosync/authkey"], PackageSecret, "Corosync cluster key", CLUSTER),
    rule(
        &["etc/munge/munge.key"],
        PackageSecret,
        "MUNGE key",
        Remedy::Anew("with `mungekey --create`, or give it the cluster's own key"),
    ),
    rule(&["var/lib/*/.erlang.cookie", "~/.erlang.cookie"], PackageSecret, "Erlang node cookie", COOKIE),
    rule(
        &["etc/ldap/slapd.d/cn=config/olcDatabase=*.ldif"],
        PackageSecret,
        "slapd administrator password, made when slapd was installed",
        Remedy::Anew("set `olcRootPW` with a unit before slapd starts"),
    )
    .tested(Test::Line("olcRootPW:")),
    rule(
        &["etc/openldap/slapd.d/cn=config/olcDatabase=*.ldif"],
        PackageSecret,
        "slapd administrator password",
        Remedy::Anew("set `olcRootPW` with a unit before slapd starts"),
    )
    .tested(Test::Line("olcRootPW:")),
    rule(&["var/lib/tor/keys/*_secret_*"], PrivateKey, "Tor relay identity", UNIT),
    rule(&["var/lib/tor/*/hs_ed25519_secret_key"], PrivateKey, "Tor service identity", UNIT),
    rule(&["etc/wireguard/*"], PrivateKey, "private key (WireGuard)", UNIT).tested(Test::By(is_wireguard)),
    rule(
        &["var/lib/samba/private/secrets.tdb", "var/lib/samba/secrets.tdb", "etc/samba/secrets.tdb"],
        PackageSecret,
        "Samba secrets",
        Remedy::Anew("smbd makes it; each instance joins a domain itself"),
    ),
    rule(&["etc/krb5.keytab"], PackageSecret, "Kerberos keytab", Remedy::Anew("each instance joins its realm itself")),
    rule(
        &["etc/krb5kdc/stash", "etc/krb5kdc/.k5.*", "var/lib/krb5kdc/.k5.*", "var/kerberos/krb5kdc/.k5.*"],
        PackageSecret,
        "master key of a Kerberos realm",
        UNIT,
    ),
    rule(
        &["var/lib/krb5kdc/principal", "var/kerberos/krb5kdc/principal"],
        PackageSecret,
        "keys of a Kerberos realm",
        UNIT,
    ),
    rule(
        &["var/lib/certmonger/local/creds"],
        PrivateKey,
        "key of certmonger's own certificate authority",
        Remedy::Anew("certmonger makes it if it is missing"),
    ),
    rule(&["var/lib/zerotier-one/identity.secret"], PrivateKey, "ZeroTier identity", UNIT),
    rule(&["var/lib/tailscale/tailscaled.state"], PackageSecret, "Tailscale identity", UNIT),
    rule(&["var/lib/snapd/device/private-keys-v1/*"], PrivateKey, "snapd device key", UNIT),
    rule(&["var/lib/systemd/credential.secret"], PackageSecret, "systemd credentials key", Remedy::Always),
    rule(&["var/lib/NetworkManager/secret_key"], PackageSecret, "NetworkManager key", Remedy::Always),
    rule(&["etc/docker/key.json"], PrivateKey, "Docker engine key", UNIT).tested(Test::Has(b"\"d\"")),
    rule(&["etc/bacula/common_default_passwords"], PackageSecret, "passwords of the Bacula daemons", UNIT)
        .tested(Test::By(has_passwords)),
    rule(&["etc/dbconfig-common/*.conf"], PackageSecret, "database user password, made by the installation", UNIT)
        .tested(Test::By(has_db_password)),
    rule(&["etc/mysql/debian.cnf"], PackageSecret, "password of Debian's database user", UNIT)
        .tested(Test::By(has_password)),
    // identities
    rule(&["etc/machine-id"], Identity, "machine id", Remedy::CleanUp("")).tested(Test::By(is_id)),
    rule(&["var/lib/dbus/machine-id"], Identity, "machine id (D-Bus's own copy)", Remedy::CleanUp(""))
        .tested(Test::By(is_id)),
    rule(&["etc/nvme/hostid"], Identity, "NVMe host id", NVME),
    rule(&["etc/nvme/hostnqn"], Identity, "NVMe host name", NVME),
    rule(&["etc/iscsi/initiatorname.iscsi"], Identity, "iSCSI initiator name", INSTANCE)
        .tested(Test::Line("InitiatorName=")),
    rule(
        &["etc/popularity-contest.conf"],
        Identity,
        "popularity-contest host id",
        Remedy::Anew("with `dpkg-reconfigure popularity-contest`, or do not install that package"),
    )
    .tested(Test::By(has_host_id)),
    rule(
        &[
            "var/lib/postgresql/*/*/global/pg_control",
            "var/lib/pgsql/data/global/pg_control",
            "var/lib/pgsql/*/data/global/pg_control",
        ],
        Identity,
        "system identifier of a PostgreSQL cluster",
        POSTGRES,
    ),
    rule(&["var/lib/mysql/auto.cnf"], Identity, "MySQL server id", Remedy::Anew("mysqld makes it if it is missing")),
    rule(&["etc/salt/minion_id"], Identity, "Salt minion id", INSTANCE),
    rule(&["var/lib/docker/engine-id"], Identity, "Docker engine id", INSTANCE),
    rule(&["var/lib/yum/uuid", "var/lib/zypp/AnonymousUniqueId"], Identity, "id for package servers", INSTANCE),
    rule(&["etc/hostname"], Identity, "host name", INSTANCE),
    rule(
        &["etc/mailname"],
        Identity,
        "mail name, which is the builder's host name",
        Remedy::Anew("with a unit, or set the name of the domain in a component"),
    ),
    rule(&["var/lib/cloud/data/instance-id"], Identity, "cloud-init instance id", CLOUD_INIT),
    rule(&["var/lib/cloud/instances/*/user-data.txt"], Credential, "user data of the builder", CLOUD_INIT),
    rule(&["var/lib/amazon/ssm/Vault/Store/*"], PackageSecret, "SSM agent registration", Remedy::Always),
    rule(&["var/lib/dhcpcd/duid", "etc/dhcpcd.duid"], Identity, "DHCP identity", UNIT),
    rule(
        &["var/cache/cloudregister/*SMTInfo*", "var/lib/cloudregister/*SMTInfo*"],
        Identity,
        "update server of a registration with SUSE",
        SUSE,
    ),
    rule(&["etc/hosts"], Identity, "update server of a registration with SUSE", SUSE)
        .tested(Test::Has(b".susecloud.net")),
    rule(&["etc/insights-client/machine-id"], Identity, "Red Hat Insights id", Remedy::Remove),
    rule(&["etc/pki/consumer/key.pem"], PrivateKey, "key of a registration with Red Hat", REGISTRATION),
    rule(
        &["etc/pki/entitlement/*-key.pem"],
        PrivateKey,
        "entitlement key of a registration with Red Hat",
        REGISTRATION,
    ),
    rule(&["etc/sysconfig/rhn/systemid"], Identity, "Satellite id", REGISTRATION),
    rule(&["var/lib/systemd/random-seed", "var/lib/urandom/random-seed"], Identity, "random seed", Remedy::Always),
    rule(&["var/lib/random-seed"], Identity, "random seed", UNIT),
    rule(
        &["boot/loader/random-seed", "boot/efi/loader/random-seed", "efi/loader/random-seed"],
        Identity,
        "boot loader random seed",
        Remedy::Always,
    ),
    // credentials
    rule(
        &["etc/shadow"],
        Credential,
        "user password",
        Remedy::Anew("lock the user with `passwd --lock`, and let people log in through Session Manager"),
    )
    .tested(Test::By(has_hash)),
    rule(&["etc/sasldb2"], Credential, "SASL passwords", UNIT).tested(Test::By(has_sasl_user)),
    rule(
        &["etc/zypp/credentials.d/SCCcredentials", "etc/zypp/credentials.d/*susecloud*"],
        Credential,
        "password of a registration with SUSE",
        SUSE,
    ),
    rule(&["etc/zypp/credentials.d/*"], Credential, "password of a registration with SUSE", SUSE)
        .tested(Test::Has(b"username=SCC_")),
    rule(
        &["etc/containers/config.json"],
        Credential,
        "container registry credentials of a registration with SUSE",
        SUSE,
    )
    .tested(Test::Has(b".susecloud.net")),
    rule(&["etc/containers/config.json"], Credential, "container registry credentials", Remedy::Remove)
        .tested(Test::Has(b"\"auth\"")),
    rule(
        &["etc/apt/auth.conf", "etc/apt/auth.conf.d/*", "etc/zypp/credentials.d/*"],
        Credential,
        "package source password",
        Remedy::Remove,
    )
    .tested(Test::Has(b"password")),
    rule(&["var/lib/ubuntu-advantage/private/*"], Credential, "Ubuntu Pro token", Remedy::Remove),
    rule(&["etc/ipsec.secrets"], Credential, "IPsec secret", Remedy::Remove).tested(Test::By(has_psk)),
    rule(&["etc/exim4/passwd.client", "etc/postfix/sasl_passwd"], Credential, "mail relay password", Remedy::Remove)
        .tested(Test::By(has_line)),
    rule(&["etc/kubernetes/*.conf", "~/.kube/config"], Credential, "Kubernetes credentials", Remedy::Remove)
        .tested(Test::By(is_kubeconfig)),
    rule(
        &["~/.aws/credentials", "~/.aws/cli/cache/*", "~/.aws/sso/cache/*"],
        Credential,
        "AWS credentials",
        CREDENTIALS,
    ),
    rule(
        &["~/.azure/accessTokens.json", "~/.azure/msal_token_cache.*", "~/.azure/service_principal_entries.*"],
        Credential,
        "Azure credentials",
        Remedy::Remove,
    ),
    rule(
        &["~/.config/gcloud/application_default_credentials.json", "~/.config/gcloud/*.db"],
        Credential,
        "Google Cloud credentials",
        CREDENTIALS,
    ),
    rule(&["~/.boto"], Credential, "cloud credentials", Remedy::Remove),
    rule(&["~/.s3cfg"], Credential, "S3 credentials", Remedy::Remove),
    rule(&["~/.config/rclone/rclone.conf"], Credential, "cloud credentials", Remedy::Remove)
        .tested(Test::By(has_secret)),
    rule(&["~/.docker/config.json"], Credential, "container registry credentials", CREDENTIALS)
        .tested(Test::Has(b"\"auth\"")),
    rule(&["~/.config/containers/auth.json"], Credential, "container registry credentials", Remedy::Remove)
        .tested(Test::Has(b"\"auth\"")),
    rule(&["~/.netrc"], Credential, "server password", CREDENTIALS).tested(Test::Has(b"password")),
    rule(&["~/.npmrc"], Credential, "package registry credentials", CREDENTIALS).tested(Test::Has(b"_auth")),
    rule(&["~/.yarnrc.yml"], Credential, "package registry credentials", Remedy::Remove).tested(Test::Has(b"npmAuth")),
    rule(&["~/.pypirc"], Credential, "package registry credentials", CREDENTIALS).tested(Test::Has(b"password")),
    rule(&["~/.config/pip/pip.conf", "etc/pip.conf"], Credential, "package registry credentials", Remedy::Remove)
        .tested(Test::By(has_url_password)),
    rule(
        &["~/.cargo/credentials", "~/.cargo/credentials.toml"],
        Credential,
        "package registry credentials",
        CREDENTIALS,
    ),
    rule(&["~/.gem/credentials"], Credential, "package registry credentials", Remedy::Remove),
    rule(&["~/.m2/settings.xml"], Credential, "package registry credentials", Remedy::Remove)
        .tested(Test::Has(b"<password>")),
    rule(&["~/.gradle/gradle.properties"], Credential, "package registry credentials", Remedy::Remove)
        .tested(Test::By(has_password)),
    rule(&["~/.composer/auth.json"], Credential, "package registry credentials", Remedy::Remove)
        .tested(Test::Has(b"\"")),
    rule(&["~/.git-credentials"], Credential, "Git credentials", CREDENTIALS),
    rule(&["~/.config/git/credentials"], Credential, "Git credentials", Remedy::Remove),
    rule(&["~/.config/gh/hosts.yml"], Credential, "GitHub token", CREDENTIALS).tested(Test::Has(b"oauth_token")),
    rule(&["~/.vault-token"], Credential, "Vault token", Remedy::Remove),
    rule(&["~/.terraform.d/credentials.tfrc.json"], Credential, "Terraform token", Remedy::Remove),
    rule(&["~/.huggingface/token", "~/.cache/huggingface/token"], Credential, "Hugging Face token", Remedy::Remove),
    rule(&["~/.pgpass"], Credential, "PostgreSQL password", Remedy::Remove),
    rule(&["~/.my.cnf"], Credential, "MySQL password", Remedy::Remove).tested(Test::By(has_password)),
    rule(&["~/.subversion/auth/svn.simple/*"], Credential, "Subversion password", Remedy::Remove),
    // histories
    rule(&["~/.*_history"], History, "shell or program history", Remedy::Always),
    rule(&["~/.local/share/fish/fish_history"], History, "shell history", Remedy::Remove),
    rule(&["~/.lesshst"], History, "less history", Remedy::Always),
    rule(&["~/.viminfo"], History, "Vim history", Remedy::Always),
    rule(&["~/.wget-hsts"], History, "wget history", Remedy::Always),
    // people
    rule(&["~/.ssh/authorized_keys", "~/.ssh/authorized_keys2"], AuthorizedKeys, "keys that allow logging in", SSH)
        .tested(Test::By(has_line)),
    rule(
        &["etc/ssh/authorized_keys/*", "etc/dropbear/authorized_keys"],
        AuthorizedKeys,
        "keys that allow logging in",
        Remedy::Remove,
    )
    .tested(Test::By(has_line)),
    rule(&["etc/dropbear/initramfs/authorized_keys"], AuthorizedKeys, "keys that can unlock the disk", Remedy::Remove)
        .tested(Test::By(has_line)),
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
const DH: Remedy = Remedy::Anew(
    "with `openssl dhparam` in a unit; they are no secret, but parameters that many instances share are worth attacking",
);
const CLUSTER: Remedy = Remedy::Anew("or give it the cluster's own key, which does not belong in an image");
const COOKIE: Remedy = Remedy::Anew("Erlang makes it if it is missing; anyone who knows it can run code on the node");
const NVME: Remedy = INSTANCE;
const SUSE: Remedy = Remedy::Unregister(
    "the clean-up of a build removes what `registercloudguest` has registered, unless a component creates the file \
     skip_cleanup_registration_files; if `SUSEConnect` has registered the builder, run `SUSEConnect --cleanup` in a \
     component's last step",
);
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
            Self::Has(text) => find(bytes, text).is_some(),
            Self::By(test) => test(bytes),
        }
    }
}

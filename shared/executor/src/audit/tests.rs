//! Audits a tree with one of each kind of finding, and a tree with files that only look like findings.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::{fs, io};

use md5::{Digest, Md5};

use super::FindingKind::{AuthorizedKeys, Credential, History, Identity, PackageSecret, PrivateKey};
use super::{Audit, FindingKind, audit_tree, matches_path, private_key_in};

const ID: &str = "0123456789abcdef0123456789abcdef";
const PASSWD: &str = "root:x:0:0::/root:/bin/sh\nci:x:9:9::/srv/ci:/bin/sh\n";

/// Returns arbitrary Base64 text.
fn base64(length: usize) -> String {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    (0..length).map(|n| char::from(letters[(n * 37 + n / 7) % 64])).collect()
}

fn pem(label: &str) -> String {
    format!("-----BEGIN {label}-----\n{}\n{}\n-----END {label}-----\n", base64(64), base64(48))
}

fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x82, length[0], length[1]][..], &content].concat()
}

fn ssh(parts: &[&[u8]]) -> Vec<u8> {
    parts.iter().flat_map(|part| [&u32::try_from(part.len()).unwrap().to_be_bytes()[..], part].concat()).collect()
}

const RSA: &[u8] = &[0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const PBES2: &[u8] = &[0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0d];
const PKCS7_DATA: &[u8] = &[0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
const SHROUDED: &[u8] = &[0x06, 11, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x0a, 0x01, 0x02];
const TRUSTED: &[u8] = &[0x06, 11, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x0a, 0x01, 0x03];

fn pkcs12(bag: &[u8]) -> Vec<u8> {
    der(0x30, &[&[2, 1, 3], &der(0x30, &[PKCS7_DATA, &der(0xa0, &[bag])])])
}

/// Returns a Java key store with entries of these types.
fn key_store(sorts: &[u8]) -> Vec<u8> {
    let mut bytes =
        [&[0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2, 0, 0, 0][..], &[u8::try_from(sorts.len()).unwrap()]].concat();
    for sort in sorts {
        bytes.extend([0, 0, 0, *sort, 0, 1, b'a', 0, 0, 0, 0, 0, 0, 0, 0, 0, 5]);
        bytes.extend(*b"X.509");
        bytes.extend([0, 0, 0, 3, 1, 2, 3]);
    }
    bytes
}

fn write(root: &Path, path: &str, bytes: impl AsRef<[u8]>) {
    fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
    fs::write(root.join(path), bytes).unwrap();
}

fn audited(files: &[(&str, Vec<u8>)]) -> Audit {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "etc/passwd", PASSWD);
    for (path, bytes) in files {
        write(root.path(), path, bytes);
    }
    audit_tree(root.path())
}

/// Returns each kind of key by its content. The names of the files say nothing.
fn keys() -> Vec<(&'static str, Vec<u8>)> {
    let encrypted = format!("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n{}\n", base64(64));
    let json = format!("{{\"private_key\": \"{}\"}}", pem("PRIVATE KEY").replace('\n', "\\n"));
    let keyring = [&[0x95, 1, 0xfe, 4, 0x5f, 0, 0, 0, 1][..], &[7; 509]].concat();
    vec![
        ("private key (PEM)", pem("PRIVATE KEY").into_bytes()),
        ("private key (PEM)", json.into_bytes()),
        ("private key (PEM)", format!("{}{}", pem("CERTIFICATE"), pem("PRIVATE KEY")).into_bytes()),
        ("private key (PEM)", pem("PRIVATE KEY").replace('\n', "\r\n").into_bytes()),
        ("private key (PEM, encrypted)", pem("ENCRYPTED PRIVATE KEY").into_bytes()),
        ("private key (RSA)", pem("RSA PRIVATE KEY").into_bytes()),
        ("private key (RSA, encrypted)", encrypted.into_bytes()),
        ("private key (EC)", pem("EC PRIVATE KEY").into_bytes()),
        ("private key (DSA)", pem("DSA PRIVATE KEY").into_bytes()),
        ("private key (OPENSSH)", pem("OPENSSH PRIVATE KEY").into_bytes()),
        ("private key (OpenPGP)", pem("PGP PRIVATE KEY BLOCK").into_bytes()),
        ("private key (OpenPGP)", keyring),
        ("OpenVPN static key", pem("OpenVPN Static key V1").into_bytes()),
        ("private key (PuTTY)", b"PuTTY-User-Key-File-3: ssh-ed25519\n".to_vec()),
        ("private key (GnuPG)", b"(21:protected-private-key(3:rsa".to_vec()),
        ("private key (GnuPG)", b"Created: 2026\nKey: (private-key (rsa".to_vec()),
        ("private key (age)", format!("# public key: x\nAGE-SECRET-KEY-1{}\n", "Q2".repeat(29)).into_bytes()),
        ("private key (WireGuard)", format!("[Interface]\nPrivateKey = {}=\n", base64(43)).into_bytes()),
        ("private key (DNSSEC)", b"Private-key-format: v1.3\nAlgorithm: 13\n".to_vec()),
        ("private key (Tor)", b"== ed25519v1-secret: type0 ==\0\0\0x".to_vec()),
        ("private key (dropbear)", ssh(&[b"ssh-ed25519", &[9; 64]])),
        ("private key (dropbear)", ssh(&[b"ssh-rsa", &[1; 3], &[9; 128], &[9; 128]])),
        ("private key (dropbear)", ssh(&[b"ecdsa-sha2-nistp256", b"nistp256", &[9; 65], &[9; 32]])),
        ("private key (Java key store)", key_store(&[2, 1])),
        ("private key (PKCS #12 store)", pkcs12(SHROUDED)),
        ("private key (PKCS #8, DER)", der(0x30, &[&[2, 1, 0], &der(0x30, &[RSA, &[5, 0]]), &der(4, &[&[7; 300]])])),
        ("private key (PKCS #8, DER, encrypted)", der(0x30, &[&der(0x30, &[PBES2]), &der(4, &[&[7; 300]])])),
        (
            "private key (RSA, DER)",
            der(
                0x30,
                &[&[2, 1, 0], &der(2, &[&[7; 257]]), &[2, 1, 3, 2, 1, 5, 2, 1, 7, 2, 1, 9, 2, 1, 9, 2, 1, 9, 2, 1, 9]],
            ),
        ),
        ("private key (EC, DER)", der(0x30, &[&[2, 1, 1], &der(4, &[&[7; 32]])])),
    ]
}

#[test]
fn each_form_of_a_private_key_is_known_by_its_content() {
    for (what, bytes) in keys() {
        let audit = audited(&[("srv/data/blob", bytes)]);
        let found: Vec<_> = audit.findings.iter().map(|f| (f.path.as_str(), f.kind, f.what.as_str())).collect();
        assert_eq!(found, [("/srv/data/blob", PrivateKey, what)]);
    }
}

/// Content that is not secret or does not belong to one machine.
#[test]
fn what_only_looks_like_a_key_is_left_alone() {
    let public_ssh = ssh(&[b"ssh-rsa", &[1; 3], &[9; 128]]);
    let public_ec = ssh(&[b"ecdsa-sha2-nistp256", b"nistp256", &[9; 65]]);
    for bytes in [
        pem("CERTIFICATE").into_bytes(),
        pem("PUBLIC KEY").into_bytes(),
        pem("DH PARAMETERS").into_bytes(),
        pem("EC PARAMETERS").into_bytes(),
        b"HEADER = '-----BEGIN RSA PRIVATE KEY-----'\nimport base64 as a_library_with_a_name_so_long_as_a_key\n"
            .to_vec(),
        b"grep -q -e '-----BEGIN PRIVATE KEY-----' /etc/ssl/private/a && echo 'this is the line of a script'\n"
            .to_vec(),
        format!("-----BEGIN PRIVATE KEY-----\n{}\n", "x".repeat(64)).into_bytes(),
        b"-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----\n".to_vec(),
        b"PrivateKey = <your key>\n".to_vec(),
        b"aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n".to_vec(),
        format!("token: ghp_{}\n", "x".repeat(36)).into_bytes(),
        public_ssh,
        public_ec,
        key_store(&[2, 2]),
        pkcs12(TRUSTED),
        der(0x30, &[&der(0x30, &[&[2, 1, 2], &[9; 300]]), &der(3, &[&[1; 128]])]),
        [b"\x7fELF".to_vec(), vec![0; 600], pem("PRIVATE KEY").into_bytes()].concat(),
    ] {
        let audit = audited(&[("srv/data/blob", bytes.clone())]);
        assert!(audit.findings.is_empty(), "{}: {:?}", String::from_utf8_lossy(&bytes), audit.findings);
    }
}

#[test]
fn what_packages_make_is_known_by_its_place() {
    let secret = || b"secret".to_vec();
    let places: &[(&str, Vec<u8>, FindingKind)] = &[
        ("etc/ssh/ssh_host_rsa_key", secret(), PrivateKey),
        ("etc/dropbear/initramfs/dropbear_rsa_host_key", secret(), PrivateKey),
        ("etc/ssl/private/ssl-cert-snakeoil.key", secret(), PrivateKey),
        ("etc/nsd/nsd_control.key", secret(), PrivateKey),
        ("etc/unbound/unbound_server.key", secret(), PrivateKey),
        ("etc/ejabberd/ejabberd.pem", secret(), PrivateKey),
        ("var/lib/tor/x/hs_ed25519_secret_key", secret(), PrivateKey),
        ("etc/wireguard/privatekey", format!("{}=\n", base64(43)).into_bytes(), PrivateKey),
        ("etc/pki/consumer/key.pem", pem("PRIVATE KEY").into_bytes(), PrivateKey),
        ("etc/pki/entitlement/1-key.pem", pem("PRIVATE KEY").into_bytes(), PrivateKey),
        ("etc/docker/key.json", b"{\"d\": \"x\"}".to_vec(), PrivateKey),
        ("etc/bind/rndc.key", b"key \"k\" {\n algorithm hmac-sha256;\n secret \"eA==\";\n};\n".to_vec(), PackageSecret),
        ("etc/freeradius/3.0/certs/dh", pem("DH PARAMETERS").into_bytes(), PackageSecret),
        ("etc/pacemaker/authkey", secret(), PackageSecret),
        ("etc/corosync/authkey", secret(), PackageSecret),
        ("etc/munge/munge.key", secret(), PackageSecret),
        ("var/lib/rabbitmq/.erlang.cookie", secret(), PackageSecret),
        ("etc/ldap/slapd.d/cn=config/olcDatabase={1}mdb.ldif", b"dn: x\nolcRootPW:: e1N\n".to_vec(), PackageSecret),
        ("var/lib/samba/private/secrets.tdb", secret(), PackageSecret),
        ("etc/krb5.keytab", secret(), PackageSecret),
        ("srv/http/service.keytab", vec![5, 2, 0, 0], PackageSecret),
        ("etc/mysql/debian.cnf", b"[client]\npassword = x\n".to_vec(), PackageSecret),
        ("etc/bacula/common_default_passwords", b"# x\nDIRPASSWD=x\n".to_vec(), PackageSecret),
        ("var/lib/systemd/credential.secret", secret(), PackageSecret),
        (
            "etc/named/other.key",
            b"key k { algorithm hmac-md5; secret \"0123456789abcdefghij==\"; };".to_vec(),
            PackageSecret,
        ),
        ("etc/machine-id", ID.into(), Identity),
        ("var/lib/dbus/machine-id", ID.into(), Identity),
        ("etc/nvme/hostid", ID.into(), Identity),
        ("etc/nvme/hostnqn", secret(), Identity),
        ("etc/iscsi/initiatorname.iscsi", b"## x\nInitiatorName=iqn.1993:x\n".to_vec(), Identity),
        ("etc/popularity-contest.conf", format!("MY_HOSTID=\"{ID}\"\n").into_bytes(), Identity),
        ("var/lib/postgresql/15/main/global/pg_control", secret(), Identity),
        ("etc/hostname", secret(), Identity),
        ("etc/mailname", secret(), Identity),
        ("etc/salt/minion_id", secret(), Identity),
        ("var/lib/yum/uuid", ID.into(), Identity),
        ("var/lib/zypp/AnonymousUniqueId", ID.into(), Identity),
        ("etc/sysconfig/rhn/systemid", secret(), Identity),
        ("etc/hosts", b"127.0.0.1 localhost\n52.0.0.1 smt-ec2.susecloud.net smt-ec2\n".to_vec(), Identity),
        ("var/cache/cloudregister/availableSMTInfo_2.obj", secret(), Identity),
        ("var/lib/cloudregister/currentSMTInfo.obj", secret(), Identity),
        ("var/lib/systemd/random-seed", secret(), Identity),
        ("etc/shadow", b"root:*:1::::::\nadmin:$y$j9T$x:1::::::\n".to_vec(), Credential),
        ("etc/apt/auth.conf.d/x.conf", b"machine x password y".to_vec(), Credential),
        ("etc/zypp/credentials.d/SCCcredentials", b"username=SCC_1\npassword=x\n".to_vec(), Credential),
        ("etc/zypp/credentials.d/SMT-http_smt-ec2_susecloud_net", secret(), Credential),
        ("etc/zypp/credentials.d/SUSE_Module", b"username=SCC_1\npassword=x\n".to_vec(), Credential),
        ("etc/zypp/credentials.d/own", b"username=own\npassword=x\n".to_vec(), Credential),
        (
            "etc/containers/config.json",
            b"{\"auths\": {\"registry-ec2.susecloud.net\": {\"auth\": \"x\"}}}".to_vec(),
            Credential,
        ),
        ("etc/pip.conf", b"[global]\nindex-url = https://u:p@host/\n".to_vec(), Credential),
        ("root/.aws/credentials", secret(), Credential),
        ("home/admin/.docker/config.json", b"{\"auths\": {\"x\": {\"auth\": \"y\"}}}".to_vec(), Credential),
        ("srv/ci/.netrc", b"machine x login y password z".to_vec(), Credential),
        ("srv/ci/.npmrc", b"//registry/:_authToken=x".to_vec(), Credential),
        ("root/.git-credentials", secret(), Credential),
        ("root/.kube/config", b"users:\n- user:\n    token: x\n".to_vec(), Credential),
        ("srv/app/.env", format!("TOKEN=ghp_{}\n", &base64(36).replace(['+', '/'], "a")).into_bytes(), Credential),
        ("srv/app/env", format!("AWS_SECRET_ACCESS_KEY=\"{}\"\n", base64(40)).into_bytes(), Credential),
        ("root/.bash_history", secret(), History),
        ("srv/ci/.viminfo", secret(), History),
        ("root/.ssh/authorized_keys", b"ssh-ed25519 AAAA x".to_vec(), AuthorizedKeys),
        ("srv/ci/.ssh/authorized_keys2", b"ssh-ed25519 AAAA x".to_vec(), AuthorizedKeys),
    ];
    let files: Vec<_> = places.iter().map(|(path, bytes, _)| (*path, bytes.clone())).collect();
    let audit = audited(&files);
    for (path, _, kind) in places {
        let found = audit.findings.iter().find(|finding| finding.path == format!("/{path}"));
        let found = found.unwrap_or_else(|| panic!("{path} is missed"));
        assert_eq!(found.kind, *kind, "{path}");
        assert!(!found.remedy.is_empty());
        let is_guessable = matches!(kind, Credential | History | AuthorizedKeys);
        assert_eq!(found.fingerprint.is_none(), is_guessable, "{path}");
    }
    assert_eq!(audit.findings.len(), places.len());
    let told = serde_json::to_string(&audit).unwrap();
    assert!(!told.contains(ID) && !told.contains("$y$j9T"), "no secret is told");
}

#[test]
fn a_registration_with_suse_is_told_from_another_password_by_its_remedy() {
    let registered = b"username=SCC_1\npassword=x\n".to_vec();
    let places = ["SCCcredentials", "SUSE_Module", "own"].map(|name| format!("etc/zypp/credentials.d/{name}"));
    let own = b"username=own\npassword=x\n".to_vec();
    let audit = audited(&[(&places[0], registered.clone()), (&places[1], registered), (&places[2], own)]);
    let found: Vec<_> = audit.findings.iter().map(|f| (&*f.what, f.remedy.contains("SUSEConnect --cleanup"))).collect();
    let registration = ("password of a registration with SUSE", true);
    assert_eq!(found, [registration, registration, ("package source password", false)]);
}

#[test]
fn what_a_clean_system_has_is_no_finding() {
    let audit = audited(&[
        ("etc/machine-id", b"".to_vec()),
        ("var/lib/dbus/other", ID.into()),
        ("etc/machine-id.d/x", ID.into()),
        ("etc/pki/consumer/cert.pem", pem("CERTIFICATE").into_bytes()),
        ("etc/hosts", b"127.0.0.1 localhost\n".to_vec()),
        ("etc/containers/config.json", b"{\"credsStore\": \"ecr-login\"}".to_vec()),
        ("var/cache/cloudregister/framework_info", b"{\"region\": \"eu-central-1\"}".to_vec()),
        ("etc/iscsi/initiatorname.iscsi", b"GenerateName=yes\n".to_vec()),
        ("etc/shadow", b"root:*:1::::::\nadmin:!:1::::::\nx:!$y$j9T$x:1\n".to_vec()),
        ("etc/popularity-contest.conf", b"#MY_HOSTID=\"x\"\nMY_HOSTID=\"\"\n".to_vec()),
        ("etc/mysql/debian.cnf", b"[client]\npassword =\n".to_vec()),
        ("root/.ssh/authorized_keys", b"# nobody\n\n".to_vec()),
        ("root/.docker/config.json", b"{\"credsStore\": \"ecr-login\"}".to_vec()),
        ("root/.npmrc", b"registry=https://registry\n".to_vec()),
        ("root/.bash_history", b"".to_vec()),
        ("srv/other/.aws/credentials", b"of nobody's home".to_vec()),
    ]);
    assert_eq!(audit.findings, []);
    let id = audited(&[("etc/machine-id", b"uninitialized\n".to_vec())]);
    assert_eq!(id.findings, []);
    let linked = tempfile::tempdir().unwrap();
    write(linked.path(), "run/id", ID);
    fs::create_dir(linked.path().join("etc")).unwrap();
    symlink("/run/id", linked.path().join("etc/machine-id")).unwrap();
    assert_eq!(audit_tree(linked.path()).findings, []);
}

#[test]
fn a_key_that_a_package_brings_is_told_quietly_and_its_copy_is_a_finding() {
    let root = tempfile::tempdir().unwrap();
    let (shipped, path) = (pem("PRIVATE KEY"), "usr/share/doc/openvpn/examples/ca.key");
    for path in [path, "etc/openvpn/ca.key"] {
        write(root.path(), path, &shipped);
    }
    write(root.path(), "var/lib/dpkg/info/openvpn.list", format!("/etc/openvpn\n/{path}\n"));
    let sums = format!("{}  {path}\n", hex::encode(Md5::digest(&shipped)));
    write(root.path(), "var/lib/dpkg/info/openvpn.md5sums", sums);
    let audit = audit_tree(root.path());
    let paths = |findings: &[super::Finding]| findings.iter().map(|found| found.path.clone()).collect::<Vec<_>>();
    assert_eq!(paths(&audit.findings), ["/etc/openvpn/ca.key"]);
    assert_eq!(audit.findings[0].package.as_deref(), Some("openvpn"));
    assert_eq!(paths(&audit.shipped), [format!("/{path}")]);
    write(root.path(), path, pem("EC PRIVATE KEY"));
    assert_eq!(paths(&audit_tree(root.path()).findings), ["/etc/openvpn/ca.key".to_owned(), format!("/{path}")]);
}

#[test]
fn on_an_instance_all_is_read_except_packaged_files_below_usr() {
    let root = tempfile::tempdir().unwrap();
    for path in ["usr/share/a.key", "usr/share/b.key", "etc/a.key"] {
        write(root.path(), path, pem("PRIVATE KEY"));
    }
    write(root.path(), "var/lib/dpkg/info/a.list", "/usr/share/a.key\n/etc/a.key\n");
    let later = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let (since, _) = super::since::Since::of(Some(later), None, None);
    let limit = std::time::Duration::from_secs(60);
    let audit = super::Auditor::new(root.path(), since, limit, Vec::new()).audit();
    let paths: Vec<_> = audit.findings.iter().map(|found| found.path.as_str()).collect();
    assert_eq!(paths, ["/etc/a.key", "/usr/share/b.key"]);
    assert_eq!(audit_tree(root.path()).findings.len(), 3);
    let short = super::Auditor::new(root.path(), since, std::time::Duration::ZERO, Vec::new()).audit();
    assert!(short.is_incomplete && !short.notes.is_empty());
}

/// Reads files like a user to whom one file is denied, while other files disappear or change.
fn read_meanwhile(path: &Path) -> io::Result<Vec<u8>> {
    match path.file_name().and_then(|name| name.to_str()) {
        Some("refused") => return Err(io::ErrorKind::PermissionDenied.into()),
        Some("gone") => fs::remove_file(path)?,
        Some("changed") => {
            fs::remove_file(path)?;
            symlink("/etc/passwd", path)?;
        }
        _ => {}
    }
    super::walk::read(path)
}

#[test]
fn an_unreadable_file_makes_an_audit_incomplete_and_a_removed_one_not() {
    let root = tempfile::tempdir().unwrap();
    let audited = || {
        let limit = std::time::Duration::from_secs(60);
        let auditor = super::Auditor::new(root.path(), super::since::Since::NEVER, limit, Vec::new());
        super::Auditor { read: read_meanwhile, ..auditor }.audit()
    };
    for path in ["srv/gone", "srv/changed", "srv/key"] {
        write(root.path(), path, pem("PRIVATE KEY"));
    }
    let audit = audited();
    assert_eq!((audit.findings.len(), audit.files, audit.is_incomplete), (1, 1, false), "{:?}", audit.notes);
    write(root.path(), "srv/refused", pem("PRIVATE KEY"));
    let audit = audited();
    assert_eq!((audit.findings.len(), audit.files, audit.is_incomplete), (1, 1, true));
    assert!(audit.notes[0].starts_with("could not be read: /srv/refused: permission denied"), "{:?}", audit.notes);
    assert!(audit.headline().ends_with("the audit is incomplete"));
}

#[test]
fn a_key_is_found_in_the_middle_of_other_bytes() {
    let bytes = [vec![0xff; 777], b"-----BEGIN RSA PRIVATE KEY-----\0".to_vec(), pem("RSA PRIVATE KEY").into_bytes()];
    let bytes = [bytes.concat(), vec![0; 99]].concat();
    assert_eq!(private_key_in(&bytes), Some((777 + 32, "private key (RSA)".to_owned())));
    assert_eq!(private_key_in(&bytes[..800]), None);
}

#[test]
fn a_star_is_a_part_of_one_name() {
    assert!(matches_path("etc/ssh/ssh_host_rsa_key", "etc/ssh/ssh_host_*_key"));
    assert!(!matches_path("etc/ssh/a/b", "etc/ssh/*") && !matches_path("etc/ssh", "etc/ssh/*"));
}

//! Tests components that install what others publish: they install only what the publisher's key has signed, in the
//! requested version.

use std::fs;
use std::process::Command;

use crate::machine::{Machine, Ran, components, serve};
use crate::publisher::Publisher;

const GENUINE: &[u8] = b"genuine";
const TAMPERED: &[u8] = b"tampered";

/// A machine on which `unzip` finds the AWS CLI 2.1 and its installer in every archive.
fn machine_for_the_cli() -> Option<Machine> {
    let machine = Machine::new("amzn")?;
    let aws = "#!/bin/bash\necho aws-cli/2.1 Python/3\n";
    let install = "#!/bin/bash\necho \"install $*\" >> \"$CALLS\"\ncp aws/dist/aws /usr/local/bin/aws\n";
    let read = "cat \"$2\" >> \"$CALLS\"\necho >> \"$CALLS\"";
    let make = "chmod 755 aws/install aws/dist/aws";
    machine.program(
        "unzip",
        &format!(
            "{read}\nmkdir -p aws/dist\ncat > aws/dist/aws <<'END'\n{aws}END\ncat > aws/install <<'END'\n{install}END\n{make}"
        ),
    );
    Some(machine)
}

/// Runs the component of the AWS CLI with the files that a server has under the names of version 2.1, or of the latest
/// version.
fn aws_cli(
    machine: &Machine,
    version: &str,
    archive: &[u8],
    signature: &[u8],
    (fingerprint, key): (&str, &[u8]),
) -> Ran {
    let suffix = if version == "latest" { String::new() } else { format!("-{version}") };
    let path = format!("/awscli-exe-linux-{}{suffix}.zip", std::env::consts::ARCH);
    let url = serve(&[(&path, archive), (&format!("{path}.sig"), signature)]);
    let key = base64(key);
    let given = format!("version={version},source={url},fingerprint={fingerprint},key={key}");
    machine.run("aws-cli-version-2-linux", &format!("--parameters {given}"))
}

fn base64(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bytes");
    fs::write(&file, bytes).unwrap();
    let output = Command::new("base64").args(["-w", "0"]).arg(&file).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_aws_cli_is_unpacked_and_installed_when_its_signature_is_of_the_key() {
    let Some(publisher) = Publisher::new(1) else { return };
    let Some(machine) = machine_for_the_cli() else { return };
    let trusted = (publisher.fingerprint(0), &*publisher.packets(&[0]));
    for version in ["2.1", "latest"] {
        let ran = aws_cli(&machine, version, GENUINE, &publisher.signature(0, GENUINE), trusted);
        ran.ends_with(0);
        ran.says(&format!("  | aws-cli.zip is signed with the key {}\n", trusted.0));
        ran.says("  | aws-cli/2.1 Python/3\n");
    }
    assert_eq!(machine.calls(), "unzip -q aws-cli.zip\ngenuine\ninstall --update\n".repeat(2));
    assert_eq!(fs::read_dir(machine.path("var/tmp")).unwrap().count(), 0);
}

#[test]
fn an_aws_cli_that_is_tampered_with_or_signed_by_another_is_not_installed() {
    let Some(publisher) = Publisher::new(3) else { return };
    let before = publisher.signature(2, GENUINE);
    publisher.revoke(2);
    let Some(machine) = machine_for_the_cli() else { return };
    // The three keys are all known, so that only the fingerprint decides.
    let (trusted, known) = (publisher.fingerprint(0), publisher.packets(&[0, 1, 2]));
    let own = publisher.signature(0, GENUINE);
    let others = publisher.signature(1, TAMPERED);
    let broken = "aws-cli.zip is not installed, for its signature does not hold: ";
    let foreign = "aws-cli.zip is not installed, for it is signed with the key ";
    let cases: [(&[u8], Vec<u8>, &str, &str); 6] = [
        (TAMPERED, own.clone(), trusted, broken),
        (TAMPERED, publisher.message(0, GENUINE), trusted, broken),
        (TAMPERED, [own.clone(), others.clone()].concat(), trusted, broken),
        (TAMPERED, others, trusted, foreign),
        (GENUINE, own, publisher.fingerprint(1), foreign),
        (GENUINE, b"no signature".to_vec(), trusted, broken),
    ];
    for way in ["gpgv", "gpg"] {
        for (archive, signature, fingerprint, said) in &cases {
            for version in ["2.1", "latest"] {
                let ran = aws_cli(&machine, version, archive, signature, (fingerprint, &known));
                ran.ends_with(1);
                ran.says(said);
            }
        }
        let unknown = (trusted, &*publisher.packets(&[1]));
        aws_cli(&machine, "2.1", GENUINE, &publisher.signature(0, GENUINE), unknown).says(broken);
        let revoked = (publisher.fingerprint(2), &*known);
        aws_cli(&machine, "2.1", GENUINE, &before, revoked).says(broken);
        assert_eq!(machine.calls(), "", "{way}");
        if way == "gpgv" {
            machine.hide(&["gpgv"]);
        }
    }
}

#[test]
fn a_key_that_has_expired_since_still_shows_who_signed() {
    let Some(publisher) = Publisher::of_the_past() else { return };
    let Some(machine) = machine_for_the_cli() else { return };
    let trusted = (publisher.fingerprint(0), &*publisher.packets(&[0]));
    let signature = publisher.signature(0, GENUINE);
    aws_cli(&machine, "2.1", GENUINE, &signature, trusted).ends_with(0);
    machine.hide(&["gpgv"]);
    aws_cli(&machine, "2.1", GENUINE, &signature, trusted).ends_with(0);
    aws_cli(&machine, "2.1", TAMPERED, &signature, trusted).ends_with(1);
}

#[test]
fn another_version_of_the_aws_cli_than_asked_for_fails() {
    let Some(publisher) = Publisher::new(1) else { return };
    let Some(machine) = machine_for_the_cli() else { return };
    let trusted = (publisher.fingerprint(0), &*publisher.packets(&[0]));
    let ran = aws_cli(&machine, "2.10", GENUINE, &publisher.signature(0, GENUINE), trusted);
    ran.ends_with(1);
    ran.says("the archive has aws-cli/2.1 Python/3, which is not aws-cli/2.10");
    assert_eq!(machine.calls(), "unzip -q aws-cli.zip\ngenuine\n");
}

#[test]
fn what_checks_signatures_is_installed_where_it_is_missing() {
    let Some(publisher) = Publisher::new(1) else { return };
    let Some(machine) = machine_for_the_cli() else { return };
    let trusted = (publisher.fingerprint(0), &*publisher.packets(&[0]));
    fs::copy("/usr/bin/gpgv", machine.path("opt/gpgv")).unwrap();
    machine.hide(&["gpgv", "gpg"]);
    let signature = publisher.signature(0, GENUINE);
    // Nothing is installed by a package manager that does not bring it.
    machine.program("apt-get", "");
    let ran = aws_cli(&machine, "2.1", GENUINE, &signature, trusted);
    ran.ends_with(1);
    ran.says("aws-cli.zip is not installed, for its signature does not hold: ");
    machine.program("apt-get", "case $* in *' install '*) ln -sf /opt/gpgv /usr/local/bin/gpgv ;; esac");
    aws_cli(&machine, "2.1", GENUINE, &signature, trusted).ends_with(0);
    let calls = "apt-get -q -oDPkg::Lock::Timeout=300 -oAPT::Update::Error-Mode=any update\n\
                 apt-get -q -oDPkg::Lock::Timeout=300 -y install --no-install-recommends gpgv\n";
    assert_eq!(machine.calls(), format!("{calls}{calls}unzip -q aws-cli.zip\ngenuine\ninstall --update\n"));
}

/// The component of the AWS CLI contains the key whose fingerprint AWS publishes.
#[test]
fn the_key_of_the_aws_cli_has_the_fingerprint_that_aws_publishes() {
    if Publisher::new(0).is_none() {
        return;
    }
    let text = fs::read_to_string(components().join("aws-cli-version-2-linux.yml")).unwrap();
    let lines = text.lines().skip_while(|line| !line.ends_with("default: >-")).skip(1);
    let key: String = lines.take_while(|line| line.starts_with("        ")).map(str::trim).collect();
    let folder = tempfile::tempdir().unwrap();
    let (encoded, packets) = (folder.path().join("encoded"), folder.path().join("packets"));
    fs::write(&encoded, key).unwrap();
    let decoded = Command::new("base64").arg("-d").arg(&encoded).output().unwrap();
    assert!(decoded.status.success());
    fs::write(&packets, decoded.stdout).unwrap();
    let mut gpg = Command::new("gpg");
    gpg.arg("--homedir").arg(folder.path()).args(["--batch", "--with-colons", "--show-keys"]).arg(&packets);
    let listed = String::from_utf8(gpg.output().unwrap().stdout).unwrap();
    let keys = listed.lines().filter(|line| line.starts_with("pub:")).count();
    assert!(keys == 1 && listed.contains(":FB5DB77FD5C118B80511ADA8A6310ACC4672475C:"), "{listed}");
}

/// Documents cannot share code: both contain the same check of a signature, except for the reason for which a key may
/// have expired.
#[test]
fn the_aws_cli_and_cloudwatch_agent_share_the_signature_script() {
    let [cli, agent] = ["aws-cli-version-2-linux", "amazon-cloudwatch-agent-linux"].map(|name| {
        let text = fs::read_to_string(components().join(format!("{name}.yml"))).unwrap();
        let step = |name: &str| text.split_once(&format!("      - name: {name}\n")).unwrap().1.to_owned();
        let (verifier, verify) = (step("Verifier"), step("Verify"));
        let verifier = verifier.split("      - name: ").next().unwrap();
        let decides = &verify[verify.find("              fingerprint=").unwrap()..];
        let decides = decides.split("      - name: ").next().unwrap();
        let lines = verifier.lines().chain(decides.lines());
        lines.filter(|line| !line.trim_start().starts_with('#')).map(str::to_owned).collect::<Vec<_>>()
    });
    assert!(cli.len() > 40 && cli.last().unwrap().contains("is signed with the key"), "{cli:#?}");
    assert_eq!(cli, agent);
}

/// Runs the component of the CloudWatch agent of version 1.2b3. A server has the package, a signature and keys.
fn cloudwatch(machine: &Machine, path: &str, files: [&[u8]; 3], options: &str) -> Ran {
    let [package, signature, keys] = files;
    let url =
        serve(&[(path, package), (&format!("{path}.sig"), signature), ("/assets/amazon-cloudwatch-agent.gpg", keys)]);
    machine.run("amazon-cloudwatch-agent-linux", &format!("--parameters source={url},{options}"))
}

/// A machine whose package manager reports that every package is the agent's, of version 1.2b3.
fn machine_for_cloudwatch(distribution: &str) -> Option<Machine> {
    let machine = Machine::new(distribution)?;
    let agent = "mkdir -p /opt/aws/amazon-cloudwatch-agent/bin\n\
                 ln -sf /bin/true /opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl\ncat \"${@: -1}\" >> \"$CALLS\"";
    machine.program("dpkg", agent);
    machine.program("dpkg-deb", "echo 1.2b3-1");
    machine.program("rpm", &format!("if [ \"$1\" = -qp ]; then echo 1.2b3; exit; fi\n{agent}"));
    Some(machine)
}

const WORD: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };

#[test]
fn the_cloudwatch_agent_is_the_distributions_signed_package() {
    let Some(publisher) = Publisher::new(2) else { return };
    let fingerprint = publisher.fingerprint(1);
    for (distribution, system, format, call) in
        [("debian", "debian", "deb", "dpkg -i "), ("rocky", "redhat", "rpm", "rpm -U --force ")]
    {
        for (version, keys) in [("latest", publisher.armoured(&[1])), ("1.2b3", publisher.packets(&[0, 1]))] {
            let Some(machine) = machine_for_cloudwatch(distribution) else { return };
            let path = format!("/{system}/{WORD}/{version}/amazon-cloudwatch-agent.{format}");
            let files = [GENUINE, &publisher.signature(1, GENUINE), &keys];
            cloudwatch(&machine, &path, files, &format!("version={version},fingerprint={fingerprint}")).ends_with(0);
            let installed = machine.calls();
            assert!(installed.contains(&format!("\n{call}/var/tmp/cloudwatch.")), "{installed}");
            assert!(installed.ends_with(&format!("/amazon-cloudwatch-agent.{format}\ngenuine")), "{installed}");
            assert_eq!(fs::read_dir(machine.path("var/tmp")).unwrap().count(), 0);
        }
    }
    let Some(machine) = Machine::new("alpine") else { return };
    machine.run("amazon-cloudwatch-agent-linux", "").says("there is no package for alpine");
}

#[test]
fn a_wrong_or_wrongly_signed_cloudwatch_agent_is_not_installed() {
    let Some(publisher) = Publisher::new(2) else { return };
    let Some(machine) = machine_for_cloudwatch("debian") else { return };
    let path = format!("/debian/{WORD}/latest/amazon-cloudwatch-agent.deb");
    let trusted = format!("fingerprint={}", publisher.fingerprint(0));
    let (own, others) = (publisher.signature(0, GENUINE), publisher.signature(1, TAMPERED));
    let both = publisher.armoured(&[0, 1]);
    cloudwatch(&machine, &path, [TAMPERED, &own, &both], &trusted)
        .says("amazon-cloudwatch-agent.deb is not installed, for its signature does not hold: ");
    // Who can change the package can change the key beside it; the fingerprint is the component's.
    cloudwatch(&machine, &path, [TAMPERED, &others, &publisher.armoured(&[1])], &trusted).says(&format!(
        "it is signed with the key {}, not with {}",
        publisher.fingerprint(1),
        publisher.fingerprint(0)
    ));
    let ran = machine.run("amazon-cloudwatch-agent-linux", &{
        let url = serve(&[(&path, GENUINE), ("/assets/amazon-cloudwatch-agent.gpg", &both)]);
        format!("--parameters source={url},{trusted}")
    });
    ran.ends_with(1);
    ran.says("404");
    assert_eq!(machine.calls(), "");
    let path = path.replace("latest", "1.2b4");
    cloudwatch(&machine, &path, [GENUINE, &own, &both], &format!("version=1.2b4,{trusted}"))
        .says("the package is of version 1.2b3-1, not 1.2b4");
    assert!(!machine.calls().contains("dpkg -i"), "{}", machine.calls());
}

/// Runs the component of Docker with its own keys, on a machine whose `curl` finds the given keys.
fn docker(machine: &Machine, keys: &[u8], parameters: &str) -> Ran {
    for program in ["apt-get", "dnf", "docker", "systemctl"] {
        machine.program(program, "");
    }
    machine.program("dpkg", "echo amd64");
    machine.program("curl", "cp /opt/keys \"${@: -1}\"");
    machine.write("etc/apt/sources.list.d/.here", "");
    machine.write("etc/yum.repos.d/.here", "");
    fs::write(machine.path("opt/keys"), keys).unwrap();
    machine.run("docker-ce-linux", &format!("--parameters {parameters}"))
}

#[test]
fn docker_comes_from_the_distributions_repository_with_the_right_key() {
    let Some(publisher) = Publisher::new(1) else { return };
    let Some(machine) = Machine::new("debian") else { return };
    let key = publisher.armoured(&[0]);
    docker(&machine, &key, &format!("debFingerprint={}", publisher.fingerprint(0))).ends_with(0);
    assert_eq!(machine.read("etc/apt/keyrings/docker.asc").as_bytes(), key);
    let list =
        "deb [arch=amd64 signed-by=/etc/apt/keyrings/docker.asc] https://download.docker.com/linux/debian one stable\n";
    assert_eq!(machine.read("etc/apt/sources.list.d/docker.list"), list);
    let calls = machine.calls();
    let fetched = "curl -fsSL --proto-redir =https https://download.docker.com/linux/debian/gpg -o /tmp/";
    assert!(calls.contains(fetched), "{calls}");
    let without_curl: String = calls.split_inclusive('\n').filter(|line| !line.starts_with("curl")).collect();
    let expected = "\
apt-get -q -oDPkg::Lock::Timeout=300 -oAPT::Update::Error-Mode=any update
apt-get -q -oDPkg::Lock::Timeout=300 -y install ca-certificates curl gpg
dpkg --print-architecture
apt-get -q -oDPkg::Lock::Timeout=300 -oAPT::Update::Error-Mode=any update
apt-get -q -oDPkg::Lock::Timeout=300 -y install docker-ce docker-ce-cli containerd.io docker-buildx-plugin docker-compose-plugin
systemctl enable docker
docker --version
";
    assert_eq!(without_curl, expected);
    docker(&machine, &key, &format!("version=28.5.2,debFingerprint={}", publisher.fingerprint(0))).ends_with(0);
    let pinned = " -y install docker-ce=5:28.5.2-* docker-ce-cli=5:28.5.2-* containerd.io ";
    assert!(machine.calls().contains(pinned), "{}", machine.calls());
    machine.write("run/systemd/system/.here", "");
    machine.run("docker-ce-linux", "-p test").ends_with(0);
    assert!(machine.calls().ends_with("docker info --format {{.ServerVersion}}\n"), "{}", machine.calls());
}

#[test]
fn dnf_takes_dockers_key_from_the_file_that_was_checked() {
    let Some(publisher) = Publisher::new(1) else { return };
    let Some(machine) = Machine::new("rocky") else { return };
    let parameters = format!("version=28.5.2,rpmFingerprint={}", publisher.fingerprint(0).to_lowercase());
    docker(&machine, &publisher.armoured(&[0]), &parameters).ends_with(0);
    let repository = "\
[docker-ce-stable]
name=Docker CE Stable
baseurl=https://download.docker.com/linux/centos/$releasever/$basearch/stable
enabled=1
gpgcheck=1
gpgkey=file:///etc/pki/rpm-gpg/docker.asc
";
    assert_eq!(machine.read("etc/yum.repos.d/docker-ce.repo"), repository);
    assert_eq!(machine.read("etc/pki/rpm-gpg/docker.asc").as_bytes(), publisher.armoured(&[0]));
    let installed = "\ndnf -y install docker-ce-28.5.2 docker-ce-cli-28.5.2 containerd.io ";
    assert!(machine.calls().contains(installed), "{}", machine.calls());
}

#[test]
fn a_docker_repository_with_another_or_an_extra_key_is_not_trusted() {
    let Some(publisher) = Publisher::new(2) else { return };
    for (distribution, parameter) in [("debian", "debFingerprint"), ("rocky", "rpmFingerprint")] {
        let own = format!("{parameter}={}", publisher.fingerprint(0));
        for (keys, parameters) in [
            (publisher.armoured(&[1]), &*own),
            (publisher.armoured(&[0, 1]), &*own),
            (b"no key".to_vec(), &*own),
            (publisher.armoured(&[0]), "version=latest"), // with Docker's own fingerprint
        ] {
            let Some(machine) = Machine::new(distribution) else { return };
            let ran = docker(&machine, &keys, parameters);
            ran.ends_with(1);
            ran.says("/gpg is not trusted, for its keys are '");
            for file in ["etc/apt/keyrings/docker.asc", "etc/pki/rpm-gpg/docker.asc", "etc/yum.repos.d/docker-ce.repo"]
            {
                assert!(!machine.path(file).exists(), "{file}");
            }
            assert!(!machine.calls().contains("docker-ce"), "{}", machine.calls());
        }
    }
}

//! Components that install something: with package managers that write down how they are called.

use crate::machine::{Machine, server};

#[test]
fn updates_are_followed_by_a_reboot_where_they_need_one() {
    let Some(machine) = Machine::new("amzn") else { return };
    machine.program("dnf", "");
    machine.program("needs-restarting", "");
    machine.run("update-linux", "").ends_with(0);
    assert_eq!(machine.calls(), "dnf -y --refresh --setopt=skip_if_unavailable=0 upgrade\nneeds-restarting -r\n");
    machine.program("needs-restarting", "exit 1");
    machine.run("update-linux", "").ends_with(194);
    machine.write("run/reboot-required", "");
    machine.run("update-linux", "").ends_with(194);
}

#[test]
fn python_comes_from_the_systems_packages() {
    let Some(machine) = Machine::new("debian") else { return };
    machine.program("apt-get", "");
    machine.program("python3", "");
    machine.run("python-3-linux", "-p build,validate").ends_with(0);
    let calls = "apt-get -q -oDPkg::Lock::Timeout=300 -oAPT::Update::Error-Mode=any update\n\
                 apt-get -q -oDPkg::Lock::Timeout=300 -y install --no-install-recommends python3 python3-pip python3-venv\n\
                 python3 -c import sys; print(sys.version); assert sys.version_info >= (3,)\n";
    assert_eq!(machine.calls(), calls);
}

#[test]
fn the_aws_cli_is_unpacked_and_installed() {
    let Some(machine) = Machine::new("amzn") else { return };
    let install = "#!/bin/bash\necho \"install $*\" >> \"$CALLS\"\n\
                   printf '#!/bin/bash\\necho aws-cli/2.1\\n' > /usr/local/bin/aws\nchmod 755 /usr/local/bin/aws\n";
    machine.program("unzip", &format!("mkdir aws\ncat \"$2\" >> \"$CALLS\"\necho >> \"$CALLS\"\ncat > aws/install <<'END'\n{install}END\nchmod 755 aws/install"));
    let ran = machine.run("aws-cli-version-2-linux", &format!("--parameters version=2.1,source={}", server()));
    ran.ends_with(0);
    let machine_name = std::env::consts::ARCH;
    let archive = format!("/awscli-exe-linux-{machine_name}-2.1.zip");
    assert_eq!(machine.calls(), format!("unzip -q aws-cli.zip\n{archive}\ninstall --update\n"));
    ran.says("  | aws-cli/2.1\n");
    assert_eq!(std::fs::read_dir(machine.path("var/tmp")).unwrap().count(), 0);
}

#[test]
fn the_cloudwatch_agent_is_the_distributions_package() {
    let agent = "mkdir -p /opt/aws/amazon-cloudwatch-agent/bin\n\
                 ln -s /bin/true /opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl\ncat \"${@: -1}\" >> \"$CALLS\"";
    let (url, word) = (server(), if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" });
    for (distribution, system, format, call) in
        [("debian", "debian", "deb", "dpkg -i"), ("rocky", "redhat", "rpm", "rpm -U --force")]
    {
        let Some(machine) = Machine::new(distribution) else { return };
        machine.program(call.split(' ').next().unwrap(), agent);
        machine.run("amazon-cloudwatch-agent-linux", &format!("--parameters source={url}")).ends_with(0);
        let package = format!("/var/tmp/amazon-cloudwatch-agent/amazon-cloudwatch-agent.{format}");
        let fetched = format!("/{system}/{word}/latest/amazon-cloudwatch-agent.{format}");
        assert_eq!(machine.calls(), format!("{call} {package}\n{fetched}"));
    }
    let Some(machine) = Machine::new("alpine") else { return };
    machine.run("amazon-cloudwatch-agent-linux", "").says("there is no package for alpine");
}

#[test]
fn docker_comes_from_the_repository_of_the_distribution() {
    let Some(machine) = Machine::new("debian") else { return };
    for program in ["apt-get", "curl", "docker", "systemctl"] {
        machine.program(program, "");
    }
    machine.program("dpkg", "echo amd64");
    machine.write("etc/apt/sources.list.d/.here", "");
    machine.run("docker-ce-linux", "").ends_with(0);
    let list =
        "deb [arch=amd64 signed-by=/etc/apt/keyrings/docker.asc] https://download.docker.com/linux/debian one stable\n";
    assert_eq!(machine.read("etc/apt/sources.list.d/docker.list"), list);
    let calls = "\
apt-get -q -oDPkg::Lock::Timeout=300 -oAPT::Update::Error-Mode=any update
apt-get -q -oDPkg::Lock::Timeout=300 -y install ca-certificates curl
curl -fsSL https://download.docker.com/linux/debian/gpg -o /etc/apt/keyrings/docker.asc
dpkg --print-architecture
apt-get -q -oDPkg::Lock::Timeout=300 -oAPT::Update::Error-Mode=any update
apt-get -q -oDPkg::Lock::Timeout=300 -y install docker-ce docker-ce-cli containerd.io docker-buildx-plugin docker-compose-plugin
systemctl enable docker
docker --version
";
    assert_eq!(machine.calls(), calls);
    machine.write("run/systemd/system/.here", "");
    machine.run("docker-ce-linux", "-p test").ends_with(0);
    assert_eq!(machine.calls(), format!("{calls}docker info --format {{{{.ServerVersion}}}}\n"));
}

#[test]
fn docker_on_amazon_linux_is_amazons_own() {
    let Some(machine) = Machine::new("amzn") else { return };
    for program in ["dnf", "docker", "systemctl"] {
        machine.program(program, "");
    }
    machine.run("docker-ce-linux", "-p build").ends_with(0);
    assert_eq!(machine.calls(), "dnf -y install docker\nsystemctl enable docker\n");
}

//! How the machine resolves names.

use super::joined;
use super::machine::Machine;

/// Returns the settings with which a name was not resolved.
pub(super) fn facts(machine: &Machine, name: Option<&str>) -> Vec<String> {
    let mut facts = vec![nameservers(machine), sources(machine)];
    facts.extend(name.map(|name| hosts(machine, name)));
    facts
}

fn nameservers(machine: &Machine) -> String {
    let Some(text) = machine.text("/etc/resolv.conf") else {
        return "/etc/resolv.conf cannot be read, so the instance knows no nameserver.".to_owned();
    };
    let lines = text.lines().map(str::split_whitespace);
    let servers =
        lines.filter_map(|mut words| words.next().filter(|word| *word == "nameserver").and_then(|_| words.next()));
    let servers: Vec<String> = servers.take(5).map(str::to_owned).collect();
    match &servers[..] {
        [] => "/etc/resolv.conf names no nameserver.".to_owned(),
        [one] => format!("/etc/resolv.conf names the nameserver {one}."),
        several => format!("/etc/resolv.conf names the nameservers {}.", joined(several)),
    }
}

fn sources(machine: &Machine) -> String {
    let text = machine.text("/etc/nsswitch.conf").unwrap_or_default();
    let line = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .find(|line| line.starts_with("hosts:"));
    match line {
        Some(line) => format!("/etc/nsswitch.conf says `{}`.", line.split_whitespace().collect::<Vec<_>>().join(" ")),
        None => "/etc/nsswitch.conf has no line `hosts:`.".to_owned(),
    }
}

fn hosts(machine: &Machine, name: &str) -> String {
    let text = machine.text("/etc/hosts").unwrap_or_default();
    let address = text.lines().find_map(|line| {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let address = words.next()?;
        words.any(|word| word.eq_ignore_ascii_case(name)).then_some(address)
    });
    match address {
        Some(address) => format!("/etc/hosts has the address {address} for {name}."),
        None => format!("/etc/hosts does not have the name {name}."),
    }
}

#[cfg(test)]
mod tests {
    use super::super::machine::testing::Fixture;
    use super::facts;

    #[test]
    fn the_settings_of_a_distribution_are_told() {
        let fixture = Fixture::new(&[
            ("/etc/resolv.conf", b"# made by systemd-resolved\nnameserver 127.0.0.53\noptions edns0\nsearch example\n"),
            ("/etc/nsswitch.conf", b"passwd: files\nhosts:          files dns myhostname # for people\n"),
            ("/etc/hosts", b"127.0.0.1 localhost\n10.1.2.3\tmirror.example mirror # old\n"),
        ]);
        let machine = fixture.machine();
        let settings = [
            "/etc/resolv.conf names the nameserver 127.0.0.53.",
            "/etc/nsswitch.conf says `hosts: files dns myhostname`.",
        ];
        assert_eq!(facts(&machine, None), settings);
        assert_eq!(
            facts(&machine, Some("Mirror.example"))[2],
            "/etc/hosts has the address 10.1.2.3 for Mirror.example."
        );
        assert_eq!(facts(&machine, Some("old"))[2], "/etc/hosts does not have the name old.");
    }

    #[test]
    fn a_machine_without_settings_says_so() {
        let fixture = Fixture::new(&[("/etc/hosts", b"\xff\xfe x\n")]);
        assert_eq!(
            facts(&fixture.machine(), Some("x")),
            [
                "/etc/resolv.conf cannot be read, so the instance knows no nameserver.",
                "/etc/nsswitch.conf has no line `hosts:`.",
                "/etc/hosts has the address \u{fffd}\u{fffd} for x.",
            ]
        );
        let fixture = Fixture::new(&[("/etc/resolv.conf", b"nameserver\n"), ("/etc/nsswitch.conf", b"#hosts: dns\n")]);
        assert_eq!(
            facts(&fixture.machine(), None),
            ["/etc/resolv.conf names no nameserver.", "/etc/nsswitch.conf has no line `hosts:`."]
        );
        let both = Fixture::new(&[("/etc/resolv.conf", b"nameserver 10.0.0.2\nnameserver fd00::2\n")]);
        assert_eq!(facts(&both.machine(), None)[0], "/etc/resolv.conf names the nameservers 10.0.0.2 and fd00::2.");
    }
}

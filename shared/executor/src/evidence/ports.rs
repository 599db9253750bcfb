//! The ports of the machine at which programs listen. Nothing is connected to.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::joined;
use super::machine::Machine;

/// The state of a listening socket.
const LISTEN: &str = "0A";
/// How many other ports are named.
const OTHERS: usize = 10;

/// Returns whether a program listens at a port of this machine.
pub(super) fn facts(machine: &Machine, port: u16) -> Vec<String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| machine.text(path));
    if tables.iter().all(Option::is_none) {
        return Vec::new();
    }
    let sockets: Vec<(IpAddr, u16)> =
        tables.iter().flatten().flat_map(|text| text.lines()).filter_map(listening).collect();
    let at: BTreeSet<IpAddr> =
        sockets.iter().filter(|(_, other)| *other == port).map(|(address, _)| *address).collect();
    if at.is_empty() {
        return vec![format!("No program listens at port {port} of the instance{}.", others(&sockets))];
    }
    let words: Vec<String> = at.iter().map(|address| address.to_string()).collect();
    vec![format!("A program listens at port {port} of the instance, at the address {}.", joined(&words))]
}

fn others(sockets: &[(IpAddr, u16)]) -> String {
    let ports: BTreeSet<u16> = sockets.iter().map(|(_, port)| *port).collect();
    let shown: Vec<String> = ports.iter().take(OTHERS).map(u16::to_string).collect();
    match shown.len() {
        0 => ", nor at another one".to_owned(),
        _ if ports.len() > OTHERS => {
            format!("; there are programs at {} ports, such as {}", ports.len(), joined(&shown))
        }
        1 => format!("; there is one at port {}", joined(&shown)),
        _ => format!("; there are programs at the ports {}", joined(&shown)),
    }
}

/// Returns the address and the port of a line of `/proc/net/tcp` if it is that of a listening socket.
fn listening(line: &str) -> Option<(IpAddr, u16)> {
    let mut fields = line.split_whitespace().skip(1);
    let (address, port) = fields.next()?.split_once(':')?;
    if fields.nth(1)? != LISTEN {
        return None;
    }
    let words = address.as_bytes().chunks(8).map(|word| u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok());
    // Each word is in the byte order of the machine.
    let bytes: Vec<u8> = words.collect::<Option<Vec<u32>>>()?.into_iter().flat_map(u32::to_ne_bytes).collect();
    let address = match <[u8; 4]>::try_from(&bytes[..]) {
        Ok(bytes) => IpAddr::V4(Ipv4Addr::from(bytes)),
        Err(_) => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(&bytes[..]).ok()?)),
    };
    Some((address, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::super::machine::testing::Fixture;
    use super::facts;

    const HEAD: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    fn machine(tcp: &str, tcp6: &str) -> Fixture {
        let (tcp, tcp6) = (format!("{HEAD}{tcp}"), format!("{HEAD}{tcp6}"));
        Fixture::new(&[("/proc/net/tcp", tcp.as_bytes()), ("/proc/net/tcp6", tcp6.as_bytes())])
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn listening_programs_are_found_and_connections_are_not() {
        let fixture = machine(
            "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 17 1\n   \
             1: 0100007F:1F91 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 18 1\n",
            "   0: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A 0 0 0\n   \
             1: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 0 0 0\n",
        );
        let of = |port| facts(&fixture.machine(), port).join("|");
        assert_eq!(of(8080), "A program listens at port 8080 of the instance, at the address 127.0.0.1 and ::1.");
        assert_eq!(of(22), "A program listens at port 22 of the instance, at the address ::.");
        assert_eq!(
            of(8081),
            "No program listens at port 8081 of the instance; there are programs at the ports 22 and 8080."
        );
    }

    #[test]
    fn odd_tables_are_no_failure() {
        assert!(facts(&Fixture::new(&[]).machine(), 80).is_empty());
        let fixture = machine("x\n 0: zz:0016 0 0A\n 0: 0100007F 0 0A\n 0: 01:99999 0 0A\n 0: é00000é:1 0 0A\n", "");
        assert_eq!(
            facts(&fixture.machine(), 80),
            ["No program listens at port 80 of the instance, nor at another one."]
        );
        let many: String = (1..100).map(|n| format!(" {n}: 00000000:{n:04X} 00000000:0000 0A\n")).collect();
        let told = facts(&machine(&many, "").machine(), 443).remove(0);
        assert!(
            told.ends_with("; there are programs at 99 ports, such as 1, 2, 3, 4, 5, 6, 7, 8, 9 and 10."),
            "{told}"
        );
    }
}

//! The sockets on which this machine's programs listen.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::tree::{LIST, Tree};
use crate::Socket;

/// States of `/proc/net/*` (proc(5)): a TCP socket that listens, and a UDP socket without a peer.
const LISTENS: &str = "0A";
const NO_PEER: &str = "07";
/// The program that collects the contents. It does not belong to the image.
const OURS: &str = "goldsmith-agent";

pub(super) fn read() -> Vec<Socket> {
    let machine = Tree::new(Path::new("/"));
    let programs = programs();
    let mut sockets = BTreeSet::new();
    for (protocol, state) in [("tcp", LISTENS), ("tcp6", LISTENS), ("udp", NO_PEER), ("udp6", NO_PEER)] {
        let table = machine.text(&format!("proc/net/{protocol}"), LIST).unwrap_or_default();
        for (address, port, inode) in table.lines().skip(1).filter_map(|line| listening(line, state)) {
            let Some(program) = programs.get(&inode).filter(|program| *program != OURS) else {
                continue;
            };
            let (protocol, program) = (protocol.to_owned(), program.clone());
            sockets.insert(Socket { protocol, port, address, program });
        }
    }
    sockets.into_iter().collect()
}

/// Reads a line of `/proc/net/*`: the address, the port and the inode of a socket in this state.
fn listening(line: &str, state: &str) -> Option<(String, u16, u64)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    if fields.get(3) != Some(&state) {
        return None;
    }
    let (address, port) = fields.get(1)?.split_once(':')?;
    Some((address_of(address)?, u16::from_str_radix(port, 16).ok()?, fields.get(9)?.parse().ok()?))
}

/// Reads an address: words of 32 bits in the machine's byte order, each as eight hexadecimal digits.
fn address_of(hex: &str) -> Option<String> {
    let bytes = hex::decode(hex).ok()?;
    let words: Vec<u8> = bytes
        .chunks_exact(4)
        .flat_map(|word| {
            let word: [u8; 4] = word.try_into().unwrap_or_default();
            u32::from_be_bytes(word).to_ne_bytes()
        })
        .collect();
    if let Ok(four) = <[u8; 4]>::try_from(words.as_slice()) {
        return Some(Ipv4Addr::from(four).to_string());
    }
    Some(Ipv6Addr::from(<[u8; 16]>::try_from(words.as_slice()).ok()?).to_string())
}

/// Returns the names of programs by the inodes of their sockets. Only processes of this root file system count:
/// containers have another one.
fn programs() -> HashMap<u64, String> {
    let place = |path: &Path| path.metadata().ok().map(|found| (found.dev(), found.ino()));
    let own = place(Path::new("/"));
    let mut programs = HashMap::new();
    for process in fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok) {
        let path = process.path();
        let is_process = process.file_name().as_encoded_bytes().iter().all(|byte| byte.is_ascii_digit());
        if !is_process || place(&path.join("root")) != own {
            continue;
        }
        let name = std::fs::read(path.join("comm")).unwrap_or_default();
        // A program names itself, with any bytes.
        let name: String = String::from_utf8_lossy(&name).trim().chars().filter(|c| !c.is_control()).collect();
        for opened in fs::read_dir(path.join("fd")).into_iter().flatten().filter_map(Result::ok) {
            let Ok(target) = fs::read_link(opened.path()) else {
                continue;
            };
            let target = target.to_string_lossy();
            let inode = target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
            if let Some(inode) = inode.and_then(|inode| inode.parse().ok()) {
                programs.entry(inode).or_insert_with(|| name.clone());
            }
        }
    }
    programs
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use super::{address_of, listening, read};

    #[test]
    fn a_line_of_the_kernel_is_read() {
        let line =
            "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 x";
        if cfg!(target_endian = "little") {
            assert_eq!(listening(line, "0A"), Some(("127.0.0.1".to_owned(), 8080, 4711)));
            assert_eq!(address_of("00000000000000000000000001000000").as_deref(), Some("::1"));
        }
        assert_eq!(listening(line, "07"), None);
    }

    #[test]
    fn a_socket_of_this_process_is_found() {
        let (tcp, udp) = (TcpListener::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        let ports = (tcp.local_addr().unwrap().port(), udp.local_addr().unwrap().port());
        let found = read();
        for (protocol, port) in [("tcp", ports.0), ("udp", ports.1)] {
            let is_it = |socket: &&crate::Socket| (socket.protocol.as_str(), socket.port) == (protocol, port);
            assert_eq!(found.iter().find(is_it).map(|socket| socket.address.as_str()), Some("127.0.0.1"));
        }
    }
}

//! What compilers record in programs: the modules of a Go program, and the crates of a Rust program that
//! `cargo auditable` has compiled.

use std::fs::File;
use std::io::Read;

use flate2::read::ZlibDecoder;
use object::read::elf::{FileHeader, SectionHeader};
use object::{Endianness, FileKind, ReadCache};
use serde::Deserialize;

use super::scene::Scene;
use super::walk::Walk;
use crate::{Package, PackageType};

/// The largest number of programs that are read.
const MOST: usize = 5_000;
/// The largest section that is read, in bytes. It is also the limit for what a section contains after decompression.
const LARGEST: u64 = 16 * 1024 * 1024;
/// The largest number of sections. Real programs have fewer than a hundred; the tables of more could fill the memory.
const MOST_SECTIONS: usize = 1_000;
/// The largest number of packages of one program.
const MOST_PACKAGES: usize = 20_000;
/// The beginning of Go's section.
const GO_MAGIC: &[u8] = b"\xff Go buildinf:";
/// The length of the section's header in bytes.
const GO_HEADER: usize = 32;
/// The flag of a header after which the texts follow, as Go writes it since 1.18.
const GO_INLINE: u8 = 2;
/// Go puts this number of bytes before and after the list of modules.
const GO_MARK: usize = 16;

pub(super) fn read(scene: &mut Scene<'_>, walk: &Walk) {
    let programs = walk.files.iter().filter(|found| found.is_of_image && found.mode & 0o111 != 0);
    for found in programs.take(MOST) {
        if !scene.has_time() {
            return;
        }
        packages(scene, &found.path).into_iter().flatten().for_each(|package| scene.add(package));
    }
}

fn packages(scene: &Scene<'_>, path: &str) -> Option<Vec<Package>> {
    let file = scene.tree.open(path).ok()?;
    let mut head = [0; 4];
    (&file).read_exact(&mut head).ok()?;
    if head != *b"\x7fELF" {
        return None;
    }
    let cache = ReadCache::new(file);
    let section = |name: &str| match FileKind::parse(&cache).ok()? {
        FileKind::Elf32 => section::<object::elf::FileHeader32<Endianness>>(&cache, name),
        FileKind::Elf64 => section::<object::elf::FileHeader64<Endianness>>(&cache, name),
        _ => None,
    };
    let location = format!("/{path}");
    let mut found: Vec<Package> = section(".go.buildinfo").and_then(|data| go(data, &location)).unwrap_or_default();
    found.extend(section(".dep-v0").and_then(|data| cargo(data, &location)).unwrap_or_default());
    Some(found)
}

/// Returns the bytes of a section. Only the table of the sections and this section are read, because a file may claim to
/// have any number of symbols.
fn section<'c, Elf: FileHeader<Endian = Endianness>>(file: &'c ReadCache<File>, name: &str) -> Option<&'c [u8]> {
    let header = Elf::parse(file).ok()?;
    let endian = header.endian().ok()?;
    if usize::try_from(header.shnum(endian, file).ok()?).ok()? > MOST_SECTIONS {
        return None;
    }
    let sections = header.sections(endian, file).ok()?;
    let (_, section) = sections.section_by_name(endian, name.as_bytes())?;
    let size: u64 = section.sh_size(endian).into();
    if size > LARGEST {
        return None;
    }
    section.data(endian, file).ok()
}

/// Returns the modules that Go's section names, and the standard library. Programs of Go before 1.18 have another form
/// of the section, and are not read.
fn go(data: &[u8], location: &str) -> Option<Vec<Package>> {
    if !data.starts_with(GO_MAGIC) || data.get(15)? & GO_INLINE == 0 {
        return None;
    }
    let (release, rest) = counted(data.get(GO_HEADER..)?)?;
    let (modules, _) = counted(rest)?;
    let modules = modules.get(GO_MARK..modules.len().checked_sub(GO_MARK)?).unwrap_or_default();
    let release = String::from_utf8_lossy(release).into_owned();
    // `go1.22.3 X:boringcrypto` names the experiments too.
    let release = release.strip_prefix("go").and_then(|release| release.split(' ').next()).unwrap_or_default();
    let package = |name: &str, version: &str| Package::new(PackageType::Golang, name, version, location);
    let mut found = Vec::new();
    if !release.is_empty() {
        found.push(package("stdlib", release));
    }
    for line in String::from_utf8_lossy(modules).lines().take(MOST_PACKAGES) {
        let fields: Vec<&str> = line.split('\t').collect();
        match fields[..] {
            ["mod" | "dep", name, version, ..] => found.push(package(name, version)),
            // The module before it was replaced by another one, or by a folder, which has no version.
            ["=>", name, version, ..] if !version.is_empty() && !name.starts_with(['.', '/']) => {
                found.pop();
                found.push(package(name, version));
            }
            _ => {}
        }
    }
    Some(found)
}

/// Splits bytes into a text that begins with its length, and what follows it. The length is in groups of seven bits,
/// the lowest first.
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut length, mut used) = (0usize, 0);
    loop {
        let byte = *bytes.get(used)?;
        length |= usize::from(byte & 0x7f).checked_shl(u32::try_from(used * 7).ok()?)?;
        used += 1;
        if byte & 0x80 == 0 {
            break;
        }
        if used > 4 {
            return None;
        }
    }
    let end = used.checked_add(length)?;
    Some((bytes.get(used..end)?, &bytes[end..]))
}

#[derive(Deserialize)]
struct Audited {
    packages: Vec<AuditedCrate>,
}

#[derive(Deserialize)]
struct AuditedCrate {
    name: String,
    version: String,
    /// `build` for crates that are only in build scripts.
    #[serde(default)]
    kind: String,
}

/// Returns the crates of the section that `cargo auditable` writes: compressed JSON. Crates that only ran during the
/// compilation are not in the program.
fn cargo(data: &[u8], location: &str) -> Option<Vec<Package>> {
    let mut json = Vec::new();
    ZlibDecoder::new(data).take(LARGEST).read_to_end(&mut json).ok()?;
    let audited: Audited = serde_json::from_slice(&json).ok()?;
    let linked = audited.packages.into_iter().filter(|one| one.kind != "build").take(MOST_PACKAGES);
    Some(linked.map(|one| Package::new(PackageType::Cargo, one.name, one.version, location)).collect())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::{cargo, counted, go};

    fn text(text: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut length = text.len();
        while length > 0x7f {
            bytes.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
            length >>= 7;
        }
        bytes.push(u8::try_from(length).unwrap());
        bytes.extend(text);
        bytes
    }

    #[test]
    fn the_modules_of_a_go_program_are_read_with_their_replacements() {
        let modules = "path\texample.com/tool\nmod\texample.com/tool\t(devel)\t\ndep\tgolang.org/x/net\tv0.1.0\th1:x\n\
                       dep\texample.com/old\tv1.0.0\n=>\texample.com/new\tv1.2.0\th1:y\n\
                       dep\texample.com/local\tv0.0.0\n=>\t../local\t(devel)\t\nbuild\t-compiler=gc\n";
        let mut data = b"\xff Go buildinf:\x08\x02".to_vec();
        data.resize(32, 0);
        data.extend(text(b"go1.22.3 X:boringcrypto"));
        data.extend(text(&[&[b'm'; 16], modules.as_bytes(), &[b'e'; 16]].concat()));
        let found = go(&data, "/usr/local/bin/tool").unwrap();
        let found: Vec<_> = found.iter().map(|one| (one.name.as_str(), one.version.as_str())).collect();
        let expected = [
            ("stdlib", "1.22.3"),
            ("example.com/tool", "(devel)"),
            ("golang.org/x/net", "v0.1.0"),
            ("example.com/new", "v1.2.0"),
            ("example.com/local", "v0.0.0"),
        ];
        assert_eq!(found, expected);
        for end in 0..data.len() {
            go(&data[..end], "/x"); // cut data are no reason to panic
        }
        assert_eq!(counted(&[0xff; 9]), None);
    }

    #[test]
    fn the_crates_of_a_program_are_those_that_are_linked() {
        let json = r#"{"packages":[{"name":"serde","version":"1.0.200","source":"crates.io"},
            {"name":"cc","version":"1.0.0","source":"crates.io","kind":"build"},
            {"name":"tool","version":"0.1.0","source":"local","dependencies":[0],"root":true}]}"#;
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(json.as_bytes()).unwrap();
        let data = encoder.finish().unwrap();
        let found = cargo(&data, "/usr/local/bin/tool").unwrap();
        let names: Vec<_> = found.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["serde", "tool"]);
        assert_eq!(cargo(b"x", "/x"), None);
    }
}

//! The functions' zip, looked into before it is uploaded: Lambda takes any zip, and only a call shows that its program is
//! missing, or of another architecture than the function.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use miniz_oxide::inflate::decompress_to_vec_with_limit;

use crate::exit::invalid;

/// The file that Lambda starts (Lambda developer guide, "Building a custom runtime").
const PROGRAM: &[u8] = b"bootstrap";
/// The end record, each entry of the list of files and each file begin so (APPNOTE.TXT, 4.3.16, 4.3.12, 4.3.7).
const END: &[u8] = b"PK\x05\x06";
const ENTRY: &[u8] = b"PK\x01\x02";
const FILE: &[u8] = b"PK\x03\x04";
/// Bytes before the name, in an entry and in a file.
const BEFORE_ENTRYS_NAME: usize = 46;
const BEFORE_FILES_NAME: usize = 30;
/// The end record without its comment, which is the last of the zip.
const END_SIZE: usize = 22;
/// Methods of compression (4.4.5).
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
/// How a script begins.
const SCRIPT: &[u8] = b"#!";
/// The header of a program up to its machine (System V ABI, "ELF header"), and who is meant by which.
const ELF: &[u8] = b"\x7fELF";
const MACHINE_AT: usize = 18;
const HEADER: usize = 20;
const MACHINES: [(u16, &str); 2] = [(62, "x86_64"), (183, "arm64")];

/// The architecture of the functions in this zip, as Lambda calls it; none: a script, which runs on either.
pub(crate) fn architecture(package: &Path) -> Result<Option<&'static str>> {
    let zip = fs::read(package).with_context(|| format!("cannot read {}", package.display()))?;
    architecture_in(&zip).map_err(|why| invalid(format!("{} is no functions' zip: {why}", package.display())))
}

fn architecture_in(zip: &[u8]) -> Result<Option<&'static str>, &'static str> {
    let program = start_of_program(zip)?;
    if program.starts_with(SCRIPT) {
        return Ok(None);
    }
    if !program.starts_with(ELF) {
        return Err("its `bootstrap` is no program for Linux");
    }
    let machine = number(&program, MACHINE_AT).ok_or("its `bootstrap` is cut off")?;
    let known = MACHINES.into_iter().find(|(number, _)| *number == machine);
    known.map(|(_, name)| Some(name)).ok_or("its `bootstrap` is neither for x86_64 nor for arm64")
}

/// The first bytes of the program, by the list of files at the end of the zip.
fn start_of_program(zip: &[u8]) -> Result<Vec<u8>, &'static str> {
    const CUT_OFF: &str = "it is not a zip, or cut off";
    let from = zip.len().saturating_sub(END_SIZE + usize::from(u16::MAX));
    let end = zip.get(from..).and_then(|last| last.windows(END.len()).rposition(|window| window == END));
    let end = from + end.ok_or(CUT_OFF)?;
    let (entries, mut at) = (number(zip, end + 10).ok_or(CUT_OFF)?, offset(zip, end + 16).ok_or(CUT_OFF)?);
    for _ in 0..entries {
        let entry = zip.get(at..).filter(|entry| entry.starts_with(ENTRY)).ok_or(CUT_OFF)?;
        let length = |place| number(entry, place).map(usize::from);
        let lengths = (length(28), length(30), length(32));
        let (Some(name), Some(extra), Some(comment)) = lengths else { return Err(CUT_OFF) };
        if entry.get(BEFORE_ENTRYS_NAME..BEFORE_ENTRYS_NAME + name) == Some(PROGRAM) {
            let (method, size) = (number(entry, 10).ok_or(CUT_OFF)?, offset(entry, 20).ok_or(CUT_OFF)?);
            let content = content(zip, offset(entry, 42).ok_or(CUT_OFF)?, size).ok_or(CUT_OFF)?;
            return start(content, method).ok_or("its `bootstrap` cannot be unpacked");
        }
        at += BEFORE_ENTRYS_NAME + name + extra + comment;
    }
    Err("there is no file `bootstrap` in it")
}

/// What a file of the zip holds, compressed. Its own header may have another extra field than its entry.
fn content(zip: &[u8], at: usize, size: usize) -> Option<&[u8]> {
    let file = zip.get(at..).filter(|file| file.starts_with(FILE))?;
    let before = BEFORE_FILES_NAME + usize::from(number(file, 26)?) + usize::from(number(file, 28)?);
    file.get(before..before.checked_add(size)?)
}

fn start(content: &[u8], method: u16) -> Option<Vec<u8>> {
    match method {
        STORED => Some(content.iter().take(HEADER).copied().collect()),
        // It stops at the limit, with what it has by then.
        DEFLATED => match decompress_to_vec_with_limit(content, HEADER) {
            Ok(all) => Some(all),
            Err(error) if error.output.len() == HEADER => Some(error.output),
            Err(_) => None,
        },
        _ => None,
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|two| u16::from_le_bytes(*two))
}

fn offset(bytes: &[u8], at: usize) -> Option<usize> {
    bytes.get(at..)?.first_chunk().and_then(|four| usize::try_from(u32::from_le_bytes(*four)).ok())
}

#[cfg(test)]
mod tests {
    use miniz_oxide::deflate::compress_to_vec;

    use super::*;

    /// The header of a program for this machine, with some more.
    fn program(machine: u16) -> Vec<u8> {
        let mut program = [ELF, &[0; 14]].concat();
        program.extend(machine.to_le_bytes());
        program.extend([7; 500]);
        program
    }

    /// A zip of files: name, content, method.
    fn zip(files: &[(&str, &[u8], u16)]) -> Vec<u8> {
        let (mut zip, mut list) = (Vec::new(), Vec::new());
        for (name, content, method) in files {
            let packed = if *method == DEFLATED { compress_to_vec(content, 6) } else { content.to_vec() };
            let size = u32::try_from(packed.len()).unwrap().to_le_bytes();
            let length = u16::try_from(name.len()).unwrap().to_le_bytes();
            let at = u32::try_from(zip.len()).unwrap().to_le_bytes();
            let mut file = [FILE, &[0; 22], &length, &3_u16.to_le_bytes(), name.as_bytes(), b"xxx", &packed].concat();
            file[8..10].copy_from_slice(&method.to_le_bytes());
            zip.extend(file);
            let mut entry = [ENTRY, &[0; 42], name.as_bytes()].concat();
            entry[10..12].copy_from_slice(&method.to_le_bytes());
            entry[20..24].copy_from_slice(&size);
            entry[28..30].copy_from_slice(&length);
            entry[42..46].copy_from_slice(&at);
            list.extend(entry);
        }
        let (count, at) = (u16::try_from(files.len()).unwrap(), u32::try_from(zip.len()).unwrap());
        let end = [END, &[0; 6], &count.to_le_bytes(), &[0; 4], &at.to_le_bytes(), &[0; 2]].concat();
        [zip, list, end].concat()
    }

    #[test]
    fn the_architecture_is_that_of_the_program_in_it() {
        for method in [STORED, DEFLATED] {
            for (machine, name) in MACHINES {
                let zip = zip(&[("agent-x86_64", &program(62), DEFLATED), ("bootstrap", &program(machine), method)]);
                assert_eq!(architecture_in(&zip), Ok(Some(name)));
            }
            let script = zip(&[("bootstrap", b"#!/bin/sh\necho\n", method)]);
            assert_eq!(architecture_in(&script), Ok(None));
        }
    }

    #[test]
    fn what_lambda_could_not_run_is_refused_with_the_reason() {
        let whole = zip(&[("bootstrap", &program(62), DEFLATED)]);
        let cases: [(&[u8], &str); 8] = [
            (b"", "it is not a zip, or cut off"),
            (b"PK, but no zip", "it is not a zip, or cut off"),
            (&whole[..whole.len() - END_SIZE], "it is not a zip, or cut off"),
            (&whole[60..], "it is not a zip, or cut off"),
            (&zip(&[("agent", &program(62), STORED)]), "there is no file `bootstrap` in it"),
            (&zip(&[("bootstrap", b"MZ", STORED)]), "its `bootstrap` is no program for Linux"),
            (&zip(&[("bootstrap", &program(8), STORED)]), "its `bootstrap` is neither for x86_64 nor for arm64"),
            (&zip(&[("bootstrap", &program(62)[..9], DEFLATED)]), "its `bootstrap` is cut off"),
        ];
        for (zip, why) in cases {
            assert_eq!(architecture_in(zip), Err(why));
        }
    }
}

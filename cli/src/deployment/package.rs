//! Checks the zip of the functions before it is uploaded. Lambda accepts any zip, and only an invocation would show
//! that the program is missing or has another architecture than the function.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::exit::invalid;
use crate::zip::Zip;

/// The file that Lambda starts (Lambda developer guide, "Building a custom runtime").
const PROGRAM: &[u8] = b"bootstrap";
/// The first bytes of a script.
const SCRIPT: &[u8] = b"#!";
/// The header of a program up to the field for its machine (System V ABI, "ELF header"), and the machines that are
/// known.
const ELF: &[u8] = b"\x7fELF";
const MACHINE_AT: usize = 18;
const HEADER: usize = 20;
const MACHINES: [(u16, &str); 2] = [(62, "x86_64"), (183, "arm64")];

/// Returns the architecture of the functions in this zip, in Lambda's spelling, or `None` for a script, which runs on
/// both.
pub(crate) fn architecture(package: &Path) -> Result<Option<&'static str>> {
    let zip = fs::read(package).with_context(|| format!("cannot read {}", package.display()))?;
    architecture_in(&zip).map_err(|why| invalid(format!("{} is not a zip of functions: {why}", package.display())))
}

fn architecture_in(zip: &[u8]) -> Result<Option<&'static str>, &'static str> {
    let program = start_of_program(zip)?;
    if program.starts_with(SCRIPT) {
        return Ok(None);
    }
    if !program.starts_with(ELF) {
        return Err("its `bootstrap` is not a program for Linux");
    }
    let machine = program.get(MACHINE_AT..).and_then(|rest| rest.first_chunk()).ok_or("its `bootstrap` is cut off")?;
    let machine = u16::from_le_bytes(*machine);
    let known = MACHINES.into_iter().find(|(number, _)| *number == machine);
    known.map(|(_, name)| Some(name)).ok_or("its `bootstrap` is neither for x86_64 nor for arm64")
}

fn start_of_program(bytes: &[u8]) -> Result<Vec<u8>, &'static str> {
    let zip = Zip { bytes, before: 0 };
    let entries = zip.entries().ok_or("it is not a zip, or it is cut off")?;
    let program = entries.iter().find(|entry| entry.name == PROGRAM).ok_or("it has no file `bootstrap`")?;
    zip.start_of(program, HEADER).ok_or("its `bootstrap` cannot be unpacked")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zip::testing::zip;

    /// The header of a program for this machine, and some more bytes.
    fn program(machine: u16) -> Vec<u8> {
        let mut program = [ELF, &[0; 14]].concat();
        program.extend(machine.to_le_bytes());
        program.extend([7; 500]);
        program
    }

    #[test]
    fn the_architecture_is_that_of_the_program_in_it() {
        for is_packed in [false, true] {
            for (machine, name) in MACHINES {
                let zip = zip(&[("agent-x86_64", &program(62), true), ("bootstrap", &program(machine), is_packed)]);
                assert_eq!(architecture_in(&zip), Ok(Some(name)));
            }
            let script = zip(&[("bootstrap", b"#!/bin/sh\necho\n", is_packed)]);
            assert_eq!(architecture_in(&script), Ok(None));
        }
    }

    #[test]
    fn what_lambda_could_not_run_is_refused_with_the_reason() {
        let whole = zip(&[("bootstrap", &program(62), true)]);
        let cases: [(&[u8], &str); 8] = [
            (b"", "it is not a zip, or it is cut off"),
            (b"PK, but no zip", "it is not a zip, or it is cut off"),
            (&whole[..whole.len() - 22], "it is not a zip, or it is cut off"),
            (&whole[60..], "it is not a zip, or it is cut off"),
            (&zip(&[("agent", &program(62), false)]), "it has no file `bootstrap`"),
            (&zip(&[("bootstrap", b"MZ", false)]), "its `bootstrap` is not a program for Linux"),
            (&zip(&[("bootstrap", &program(8), false)]), "its `bootstrap` is neither for x86_64 nor for arm64"),
            (&zip(&[("bootstrap", &program(62)[..9], true)]), "its `bootstrap` is cut off"),
        ];
        for (zip, why) in cases {
            assert_eq!(architecture_in(zip), Err(why));
        }
    }
}

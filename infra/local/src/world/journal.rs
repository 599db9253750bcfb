//! Keeps the world in a file, so that it survives the endpoint, also one that is killed.
//!
//! The file is a list of changes, one line for all that happened under one lock. A line is written before the lock is
//! released, so before any answer tells about it; a line that is cut off at the end never happened. At the start the
//! changes are played back and written anew as one state. A crash of the whole machine may lose the last seconds.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::World;

/// Version of the file's format: another one is refused.
const VERSION: u64 = 1;
/// Bytes of changes after which the file is written anew.
const LONGEST: u64 = 64 * 1024 * 1024;

/// Why a kept world cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    #[error("cannot use {path}")]
    File { path: PathBuf, source: io::Error },
    #[error("{path} is of another version of Goldsmith: remove its folder")]
    Version { path: PathBuf },
    #[error("line {line} of {path} is damaged: remove its folder")]
    Damaged { path: PathBuf, line: usize, source: serde_json::Error },
}

/// The open file.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    /// Bytes since it was written anew.
    written: u64,
}

impl Journal {
    /// Reads the world that is kept in a folder; an empty one when there is none.
    pub(crate) fn open(folder: &Path) -> Result<(Self, World), JournalError> {
        let path = folder.join("world.jsonl");
        let failed = |source| JournalError::File { path: path.clone(), source };
        let mut world = World::default();
        match File::open(&path) {
            Ok(file) => play_back(&path, BufReader::new(file), &mut world)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let file = write_anew(&path, &mut world).map_err(failed)?;
        Ok((Journal { path, file, written: 0 }, world))
    }

    /// Writes what changed. Does nothing when nothing did.
    pub(crate) fn record(&mut self, world: &mut World) -> io::Result<()> {
        let Some(line) = changes(world)? else { return Ok(()) };
        self.file.write_all(line.as_bytes())?;
        self.written += line.len() as u64;
        if self.written > LONGEST {
            self.rewrite(world)?;
        }
        Ok(())
    }

    /// Writes the whole world in place of all changes.
    pub(crate) fn rewrite(&mut self, world: &mut World) -> io::Result<()> {
        self.file = write_anew(&self.path, world)?;
        self.written = 0;
        Ok(())
    }
}

fn play_back(path: &Path, reader: impl BufRead, world: &mut World) -> Result<(), JournalError> {
    let failed = |source| JournalError::File { path: path.to_owned(), source };
    let mut lines = reader.split(b'\n').enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        let line = line.map_err(failed)?;
        let read = serde_json::from_slice::<Vec<(String, String, Value)>>(&line);
        let damaged = |source| JournalError::Damaged { path: path.to_owned(), line: number + 1, source };
        match read {
            _ if line.is_empty() => {}
            // The endpoint was killed while it wrote.
            Err(_) if number > 0 && lines.peek().is_none() => {}
            Ok(changes) if number == 0 && changes != [version()] => {
                return Err(JournalError::Version { path: path.to_owned() });
            }
            Ok(_) if number == 0 => {}
            Ok(changes) => changes.into_iter().try_for_each(|change| put_back(world, change)).map_err(damaged)?,
            Err(source) => return Err(damaged(source)),
        }
    }
    Ok(())
}

fn version() -> (String, String, Value) {
    ("format".to_owned(), "version".to_owned(), json!(VERSION))
}

fn put_back(world: &mut World, (table, id, row): (String, String, Value)) -> serde_json::Result<()> {
    match world.tables().into_iter().find(|(name, _)| *name == table) {
        Some((_, rows)) => rows.put_back(id, row),
        None => Ok(()),
    }
}

fn changes(world: &mut World) -> io::Result<Option<String>> {
    let mut all: Vec<(&str, String, Value)> = Vec::new();
    for (name, rows) in world.tables() {
        all.extend(rows.take_changes()?.into_iter().map(|(id, row)| (name, id, row)));
    }
    let line = if all.is_empty() { None } else { Some(serde_json::to_string(&all)? + "\n") };
    Ok(line)
}

/// Writes all of it to a new file that then takes the place of the old one.
fn write_anew(path: &Path, world: &mut World) -> io::Result<File> {
    world.tables().into_iter().for_each(|(_, rows)| rows.touch());
    let text = format!("{}\n{}", json!([version()]), changes(world)?.unwrap_or_default());
    let new = path.with_extension("new");
    let mut file = File::options().create(true).write(true).truncate(true).open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Scope;
    use crate::world::Network;

    #[test]
    fn a_world_comes_back_without_the_line_that_was_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let scope = Scope { account: "000000000000".into(), region: "eu-west-1".into() };
        let (mut journal, mut world) = Journal::open(folder.path()).unwrap();
        for name in ["kept", "removed"] {
            world.networks.insert(name.to_owned(), Network::default_of(&scope));
        }
        journal.record(&mut world).unwrap();
        world.networks.remove("removed");
        journal.record(&mut world).unwrap();
        journal.file.write_all(br#"[["networks","kept",nu"#).unwrap();
        drop(journal);
        let (_, back) = Journal::open(folder.path()).unwrap();
        assert_eq!(back.networks.keys().collect::<Vec<_>>(), ["kept"]);
    }

    #[test]
    fn another_version_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("world.jsonl"), "[[\"format\",\"version\",99]]\n").unwrap();
        assert!(matches!(Journal::open(folder.path()), Err(JournalError::Version { .. })));
    }
}

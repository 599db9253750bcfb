//! Stores the world in a file, so that it survives the end of the endpoint, even if the endpoint is killed.
//!
//! The file is a list of changes, with one line for everything that happened under one lock. A line is written before
//! the lock is released, and so before any answer reports the change. A line that is cut off at the end never happened.
//! At the start, the changes are replayed and written as one new state. A crash of the whole machine may lose the last
//! seconds. If the disk is full, the changed rows are remembered and written once there is room.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::World;
use super::lines::{Disk, Lines, Machine};
use super::table::Rows;

/// Name of the file.
const FILE: &str = "world.jsonl";
/// Version of the file's format. Other versions are rejected.
const VERSION: u64 = 1;
/// Bytes of changes after which the file is rewritten.
const LONGEST: u64 = 64 * 1024 * 1024;

/// Why a stored world cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    #[error("cannot use {path}")]
    File { path: PathBuf, source: io::Error },
    #[error("{path} was written by another version of Goldsmith: remove its folder")]
    Version { path: PathBuf },
    #[error("line {line} of {path} is damaged: remove its folder")]
    Damaged { path: PathBuf, line: usize, source: serde_json::Error },
}

/// The file of the world.
#[derive(Debug)]
pub(crate) struct Journal<D = Machine> {
    lines: Lines<D>,
    /// The length at which the file is rewritten.
    longest: u64,
    /// Whether the file belongs to another world: one that was given up, or one whose last line may have no end.
    is_of_another: bool,
    /// Why the last change could not be written.
    failure: Option<String>,
}

impl Journal {
    /// Reads the world that is stored in a folder; an empty one if there is none.
    pub(crate) fn open(folder: &Path) -> Result<(Self, World), JournalError> {
        Self::open_on(Machine, folder)
    }
}

impl<D: Disk + Clone> Journal<D> {
    fn open_on(disk: D, folder: &Path) -> Result<(Self, World), JournalError> {
        let path = folder.join(FILE);
        let mut world = read(&path)?;
        let failed = |source| JournalError::File { path: path.clone(), source };
        let text = state(&mut world).map_err(failed)?;
        let mut journal = match Lines::create(disk.clone(), &path, &text) {
            Ok(lines) => Journal { lines, longest: 0, is_of_another: false, failure: None },
            // The content has been read. Files that an earlier endpoint left may be removed before the file must be
            // rewritten.
            Err(error) if path.exists() => {
                let lines = Lines::open(disk, &path).map_err(failed)?;
                tracing::error!(%error, "the state file cannot be rewritten");
                Journal { lines, longest: 0, is_of_another: true, failure: Some(error.to_string()) }
            }
            Err(source) => return Err(failed(source)),
        };
        journal.longest = journal.lines.length() + LONGEST;
        Ok((journal, world))
    }

    /// Writes the changes; does nothing if there are none. Changes that cannot be written are tried again the next
    /// time, together with later ones.
    pub(crate) fn record(&mut self, world: &mut World) {
        match self.write(world) {
            Ok(()) if self.failure.take().is_some() => tracing::info!("the state can be saved again"),
            Ok(()) => {}
            Err(error) => {
                if self.failure.replace(error.to_string()).is_none() {
                    tracing::error!(%error, "a change is not saved: a restart would lose it");
                }
            }
        }
    }

    /// Writes a world in place of the file's present world.
    pub(crate) fn start_over(&mut self, world: &mut World) {
        self.is_of_another = true;
        self.record(world);
    }

    /// Returns why some changes are not written; `None` if all are.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    fn write(&mut self, world: &mut World) -> io::Result<()> {
        if self.is_of_another {
            return self.rewrite(world);
        }
        let Some(line) = line(world, |rows| rows.changes())? else { return Ok(()) };
        match self.lines.append(&line) {
            Err(_) if self.lines.is_torn() => return self.rewrite(world),
            appended => appended?,
        }
        settle(world);
        // If this fails, the changes themselves are written already.
        if self.lines.length() > self.longest
            && let Err(error) = self.rewrite(world)
        {
            tracing::warn!(%error, "the state file stays longer than necessary");
            self.longest = self.lines.length() + LONGEST;
        }
        Ok(())
    }

    /// Writes the whole world in place of all changes.
    fn rewrite(&mut self, world: &mut World) -> io::Result<()> {
        self.lines.replace(&state(world)?)?;
        settle(world);
        self.is_of_another = false;
        self.longest = self.lines.length() + LONGEST;
        Ok(())
    }
}

fn read(path: &Path) -> Result<World, JournalError> {
    let mut world = World::default();
    match File::open(path) {
        Ok(file) => play_back(path, BufReader::new(file), &mut world)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(JournalError::File { path: path.to_owned(), source }),
    }
    Ok(world)
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

/// Returns the line that contains some rows; `None` if there are none.
fn line(
    world: &mut World,
    rows: impl Fn(&dyn Rows) -> serde_json::Result<Vec<(String, Value)>>,
) -> io::Result<Option<String>> {
    let mut all: Vec<(&str, String, Value)> = Vec::new();
    for (name, table) in world.tables() {
        all.extend(rows(table)?.into_iter().map(|(id, row)| (name, id, row)));
    }
    let line = if all.is_empty() { None } else { Some(serde_json::to_string(&all)? + "\n") };
    Ok(line)
}

/// Returns the file of a world without any changes.
fn state(world: &mut World) -> io::Result<String> {
    Ok(format!("{}\n{}", json!([version()]), line(world, |rows| rows.all())?.unwrap_or_default()))
}

fn settle(world: &mut World) {
    world.tables().into_iter().for_each(|(_, rows)| rows.settle());
}

#[cfg(test)]
mod tests;

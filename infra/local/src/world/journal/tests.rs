//! What a journal keeps, even on a full disk.

use std::cell::Cell;
use std::rc::Rc;

use super::*;
use crate::api::Scope;
use crate::world::Network;

/// A disk with little room, on which it may also be impossible to truncate files.
#[derive(Clone)]
struct Small {
    room: Rc<Cell<u64>>,
    cuts: bool,
}

impl Disk for Small {
    fn write(&self, file: &File, bytes: &[u8], start: u64) -> io::Result<()> {
        let part = bytes.len().min(usize::try_from(self.room.get()).unwrap());
        self.room.set(self.room.get() - part as u64);
        Machine.write(file, &bytes[..part], start)?;
        if part < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn cut(&self, file: &File, length: u64) -> io::Result<()> {
        if self.cuts { Machine.cut(file, length) } else { Err(io::ErrorKind::Unsupported.into()) }
    }
}

/// Returns a world with these networks, on a disk that has room for now.
fn kept(folder: &Path, cuts: bool, names: &[&str]) -> (Small, Journal<Small>, World) {
    let disk = Small { room: Rc::new(Cell::new(u64::from(u32::MAX))), cuts };
    let (mut journal, mut world) = Journal::open_on(disk.clone(), folder).unwrap();
    names.iter().for_each(|name| add(&mut world, name));
    journal.record(&mut world);
    (disk, journal, world)
}

fn add(world: &mut World, name: &str) {
    let scope = Scope { account: "000000000000".into(), region: "eu-west-1".into() };
    world.networks.insert(name.to_owned(), Network::default_of(&scope));
}

/// Returns what a restart at this moment would find.
fn found(folder: &Path) -> Vec<String> {
    read(&folder.join(FILE)).unwrap().networks.keys().cloned().collect()
}

#[test]
fn a_world_comes_back_without_the_line_that_was_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let (_, mut journal, mut world) = kept(folder.path(), true, &["kept", "removed"]);
    world.networks.remove("removed");
    journal.record(&mut world);
    journal.lines.append(r#"[["networks","kept",nu"#).unwrap();
    drop(journal);
    let (_, back) = Journal::open(folder.path()).unwrap();
    assert_eq!(back.networks.keys().collect::<Vec<_>>(), ["kept"]);
}

#[test]
fn a_start_on_a_full_disk_resumes_and_is_written_once_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let (disk, journal, _) = kept(folder.path(), true, &["a", "b"]);
    drop(journal);
    disk.room.set(10);
    let (mut journal, mut world) = Journal::open_on(disk.clone(), folder.path()).unwrap();
    assert!(journal.failure().is_some());
    assert_eq!(found(folder.path()), ["a", "b"]);
    world.networks.remove("a");
    journal.record(&mut world);
    assert!(journal.failure().is_some());
    disk.room.set(u64::from(u32::MAX));
    journal.record(&mut world);
    assert_eq!((journal.failure(), found(folder.path())), (None, vec!["b".to_owned()]));
}

#[test]
fn a_full_disk_loses_nothing_wherever_it_cuts_a_line_off() {
    let line = {
        let folder = tempfile::tempdir().unwrap();
        let (_, journal, mut world) = kept(folder.path(), true, &["a"]);
        add(&mut world, "b");
        drop(journal);
        super::line(&mut world, |rows| rows.changes()).unwrap().unwrap().len() as u64
    };
    let rooms = (0..line).step_by(16).chain([line - 1]);
    for (room, cuts) in rooms.flat_map(|room| [(room, true), (room, false)]) {
        let folder = tempfile::tempdir().unwrap();
        let (disk, mut journal, mut world) = kept(folder.path(), cuts, &["a"]);
        disk.room.set(room);
        add(&mut world, "b");
        journal.record(&mut world);
        assert!(journal.failure().is_some(), "{room} bytes");
        // If the part cannot be cut off, it has everything except the line's end, which is enough to read the line.
        let whole = !cuts && room == line - 1;
        assert_eq!(found(folder.path()), if whole { vec!["a", "b"] } else { vec!["a"] }, "{room} bytes");
        world.networks.remove("a");
        add(&mut world, "c");
        journal.record(&mut world);
        assert!(journal.failure().is_some(), "{room} bytes");
        disk.room.set(u64::from(u32::MAX));
        journal.record(&mut world);
        assert_eq!(journal.failure(), None, "{room} bytes");
        assert_eq!(found(folder.path()), ["b", "c"], "{room} bytes");
        add(&mut world, "d");
        journal.record(&mut world);
        assert_eq!(found(folder.path()), ["b", "c", "d"], "{room} bytes");
    }
}

#[test]
fn a_world_that_was_given_up_does_not_come_back_once_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let (disk, mut journal, _) = kept(folder.path(), true, &["old"]);
    let mut world = World::default();
    disk.room.set(10);
    journal.start_over(&mut world);
    assert!(journal.failure().is_some());
    assert_eq!(found(folder.path()), ["old"]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no part of a file takes room");
    add(&mut world, "new");
    journal.record(&mut world);
    assert_eq!(found(folder.path()), ["old"]);
    disk.room.set(u64::from(u32::MAX));
    journal.record(&mut world);
    assert_eq!((journal.failure(), found(folder.path())), (None, vec!["new".to_owned()]));
}

#[test]
fn a_file_that_cannot_be_rewritten_stays_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let (disk, mut journal, mut world) = kept(folder.path(), true, &["a"]);
    journal.longest = 0;
    add(&mut world, "b");
    let line = line(&mut world, |rows| rows.changes()).unwrap().unwrap();
    disk.room.set(line.len() as u64);
    journal.record(&mut world);
    assert_eq!((journal.failure(), found(folder.path())), (None, vec!["a".to_owned(), "b".to_owned()]));
    disk.room.set(u64::from(u32::MAX));
    add(&mut world, "c");
    journal.record(&mut world);
    assert_eq!(found(folder.path()), ["a", "b", "c"]);
}

#[test]
fn another_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(FILE), "[[\"format\",\"version\",99]]\n").unwrap();
    assert!(matches!(Journal::open(folder.path()), Err(JournalError::Version { .. })));
}

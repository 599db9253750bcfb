//! The actions on files and folders.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use crate::machine::{Machine, Run};

/// A machine for one step with these inputs, whose working folder has some files.
fn step(action: &str, inputs: &str) -> Machine {
    let machine = Machine::with_steps(&format!("      - {{name: Do-it, action: {action}, inputs: [{inputs}]}}\n"));
    fs::create_dir_all(machine.path("src/sub")).unwrap();
    for (name, content) in [("src/a.txt", "a"), ("src/b.txt", "b"), ("src/.hidden", "h"), ("src/sub/c.txt", "c")] {
        fs::write(machine.path(name), content).unwrap();
    }
    symlink("a.txt", machine.path("src/link")).unwrap();
    machine
}

/// Runs a step that must succeed.
fn done(action: &str, inputs: &str) -> Machine {
    let machine = step(action, inputs);
    let run = machine.run();
    assert_eq!(run.status, Some(0), "{action} {inputs}: {}", run.stderr);
    machine
}

/// The cause of a step that must fail, with paths below the working folder.
fn refused(action: &str, inputs: &str) -> String {
    let machine = step(action, inputs);
    let message = failure(&machine, machine.run());
    assert_eq!(machine.names("src"), [".hidden", "a.txt", "b.txt", "link", "sub"], "{action} {inputs}");
    message
}

fn failure(machine: &Machine, run: Run) -> String {
    assert_eq!(run.status, Some(1), "{}", run.stdout);
    run.message().replace(machine.path("").to_str().unwrap(), "")
}

impl Machine {
    fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn mode(&self, name: &str) -> u32 {
        self.path(name).metadata().unwrap().permissions().mode() & 0o7777
    }
}

#[test]
fn create_file_writes_in_every_encoding_and_sets_the_mode_exactly() {
    let machine = done("CreateFile", "{path: new/f, content: \"ä\\n\", encoding: UTF-16-BE, permissions: 0666}");
    assert_eq!(fs::read(machine.path("new/f")).unwrap(), [0, 0xe4, 0, 0x0a]);
    assert_eq!(machine.mode("new/f"), 0o666);
    assert_eq!(done("CreateFile", "{path: empty}").read("empty"), "");
    assert_eq!(done("CreateFile", "{path: src/a.txt, content: new}").read("src/a.txt"), "new");
    assert_eq!(
        refused("CreateFile", "{path: src/a.txt, overwrite: false}"),
        "src/a.txt exists, and `overwrite` is false"
    );
    assert_eq!(refused("CreateFile", "{path: src/sub}"), "src/sub is a folder");
    assert_eq!(refused("CreateFile", "{path: f, owner: no-such-user}"), "there is no user `no-such-user`");
    assert_eq!(refused("CreateFile", "{path: f, group: no-such-group}"), "there is no group `no-such-group`");
}

#[test]
fn append_file_adds_exactly_the_content() {
    let machine = done("AppendFile", "{path: src/a.txt, content: bc}, {path: src/a.txt}");
    assert_eq!(machine.read("src/a.txt"), "abc");
    assert_eq!(refused("AppendFile", "{path: nowhere, content: x}"), "nowhere does not exist");
    assert!(refused("AppendFile", "{path: src/sub, content: x}").starts_with("src/sub cannot be written: "));
}

#[test]
fn create_folder_keeps_what_is_there() {
    let machine = done("CreateFolder", "{path: x/y/z, permissions: 0700}, {path: src, permissions: 0750}");
    assert_eq!((machine.mode("x/y/z"), machine.mode("src")), (0o700, 0o750));
    assert_eq!(machine.read("src/sub/c.txt"), "c");
    assert_eq!(refused("CreateFolder", "{path: src, overwrite: false}"), "src exists, and `overwrite` is false");
    assert_eq!(refused("CreateFolder", "{path: src/a.txt}"), "src/a.txt is not a folder");
}

#[test]
fn copy_file_takes_names_folders_and_patterns() {
    let machine = done(
        "CopyFile",
        "{source: src/a.txt, destination: new/name}, {source: src/a.txt, destination: new/}, {source: 'src/*', destination: all/}",
    );
    assert_eq!((machine.read("new/name"), machine.read("new/a.txt")), ("a".to_owned(), "a".to_owned()));
    assert_eq!(machine.names("all"), [".hidden", "a.txt", "b.txt", "link"], "files only");
    assert_eq!(refused("CopyFile", "{source: nowhere, destination: x}"), "nowhere does not exist");
    assert_eq!(refused("CopyFile", "{source: src/sub, destination: x}"), "src/sub is a folder");
    assert_eq!(refused("CopyFile", "{source: src/a.txt, destination: src/sub}"), "src/sub is a folder");
    assert_eq!(refused("CopyFile", "{source: 'src/*.md', destination: x/}"), "nothing matches src/*.md");
    assert_eq!(
        refused("CopyFile", "{source: 'src/*.txt', destination: x}"),
        "2 files match, so the destination `x` must end with `/`"
    );
    let star = step("CopyFile", "{source: '{{ env:STAR }}/a.txt', destination: x}");
    assert_eq!(
        failure(&star, Run::of(star.command().env("STAR", "*").output().unwrap())),
        "`*` can be used only in the last part of a path, not as in `*/a.txt`"
    );
    assert_eq!(
        refused("CopyFile", "{source: src/a.txt, destination: src/b.txt, overwrite: false}"),
        "src/b.txt exists, and `overwrite` is false"
    );
    let same = step("CopyFile", "{source: src/a.txt, destination: src/link}");
    assert_eq!(failure(&same, same.run()), "source and destination are both src/link");
    assert_eq!(same.read("src/a.txt"), "a");
}

#[test]
fn copy_folder_merges_and_deletes_nothing() {
    let machine = done("CopyFolder", "{source: src, destination: new}, {source: src/, destination: into/}");
    assert_eq!(machine.names("new"), [".hidden", "a.txt", "b.txt", "link", "sub"]);
    assert_eq!(machine.read("into/src/sub/c.txt"), "c");
    assert!(machine.path("new/link").is_symlink());
    let merged = step("CopyFolder", "{source: src, destination: old}");
    fs::create_dir_all(merged.path("old/sub")).unwrap();
    for name in ["kept", "sub/kept", "a.txt"] {
        fs::write(merged.path("old").join(name), "old").unwrap();
    }
    assert_eq!(merged.run().status, Some(0));
    let read = |name| merged.read(name);
    assert_eq!((read("old/kept"), read("old/sub/kept"), read("old/a.txt")), ("old".into(), "old".into(), "a".into()));
    assert_eq!(refused("CopyFolder", "{source: src/a.txt, destination: x}"), "src/a.txt is not a folder");
    assert_eq!(refused("CopyFolder", "{source: src, destination: src/sub/x}"), "src/sub/x is inside src");
    assert_eq!(
        refused("CopyFolder", "{source: src, destination: src/sub, overwrite: false}"),
        "src/sub exists, and `overwrite` is false"
    );
}

#[test]
fn nothing_is_written_through_a_link_at_the_destination() {
    let machine = step("CopyFolder", "{source: src, destination: old}");
    fs::write(machine.path("precious"), "precious").unwrap();
    fs::create_dir(machine.path("old")).unwrap();
    symlink("../precious", machine.path("old/a.txt")).unwrap();
    assert_eq!(machine.run().status, Some(0));
    assert_eq!((machine.read("precious"), machine.read("old/a.txt")), ("precious".to_owned(), "a".to_owned()));
}

#[test]
fn move_file_and_move_folder_leave_nothing_behind() {
    let machine =
        done("MoveFile", "{source: src/a.txt, destination: new/name}, {source: 'src/*.txt', destination: new/}");
    assert_eq!(machine.names("new"), ["b.txt", "name"]);
    assert_eq!(machine.names("src"), [".hidden", "link", "sub"]);
    let machine = done("MoveFolder", "{source: src, destination: new/place}");
    assert_eq!(machine.names(""), ["new"]);
    let machine = step("MoveFolder", "{source: src/sub, destination: there}");
    fs::create_dir(machine.path("there")).unwrap();
    fs::write(machine.path("there/kept"), "").unwrap();
    assert_eq!(machine.run().status, Some(0));
    assert_eq!(machine.names("there"), ["c.txt", "kept"]);
    assert!(!machine.path("src/sub").exists());
    assert_eq!(
        refused("MoveFile", "{source: src/a.txt, destination: src/b.txt, overwrite: false}"),
        "src/b.txt exists, and `overwrite` is false"
    );
}

#[test]
fn deleting_needs_nothing_to_be_there_and_never_follows() {
    let machine = done("DeleteFile", "{path: 'src/*'}, {path: nowhere}, {path: 'nowhere/*'}");
    assert_eq!(machine.names("src"), ["sub"]);
    assert_eq!(refused("DeleteFile", "{path: src/sub}"), "src/sub is a folder");
    let machine = done("DeleteFolder", "{path: src, force: true}, {path: nowhere}");
    assert!(machine.names("").is_empty());
    assert_eq!(refused("DeleteFolder", "{path: src}"), "src is not empty, and `force` is false");
    assert_eq!(refused("DeleteFolder", "{path: src/link, force: true}"), "src/link is not a folder");
    assert_eq!(refused("DeleteFolder", "{path: ''}"), "the path is empty");
    assert_eq!(refused("DeleteFolder", "{path: /, force: true}"), "/ contains the whole system and is not deleted");
    assert_eq!(
        refused("DeleteFolder", "{path: /tmp/.., force: true}"),
        "/tmp/.. contains the whole system and is not deleted"
    );
}

#[test]
fn create_symlink_requires_a_target_and_replaces_only_links() {
    let machine =
        done("CreateSymlink", "{path: bin/tool, target: ../src/a.txt}, {path: src/link, target: b.txt, force: true}");
    assert_eq!((machine.read("bin/tool"), machine.read("src/link")), ("a".to_owned(), "b".to_owned()));
    assert_eq!(fs::read_link(machine.path("bin/tool")).unwrap().to_str(), Some("../src/a.txt"));
    assert_eq!(refused("CreateSymlink", "{path: x, target: nowhere}"), "nowhere does not exist");
    assert_eq!(refused("CreateSymlink", "{path: src/link, target: b.txt}"), "src/link exists, and `force` is false");
    assert_eq!(
        refused("CreateSymlink", "{path: src/a.txt, target: b.txt, force: true}"),
        "src/a.txt is not a link and is not replaced"
    );
}

/// What a later step gets as the output of an earlier one.
fn output(action: &str, inputs: &str, key: &str) -> Vec<String> {
    let machine = step(action, inputs);
    let document = &mut machine.order.documents[0].body.clone();
    document.push_str(&format!(
        "      - {{name: Show, action: ExecuteBash, inputs: {{commands: [\"cat <<'END'\\n{{{{ build.Do-it.outputs.{key} }}}}\\nEND\"]}}}}\n"
    ));
    let machine = machine.with_body(document);
    let run = machine.run();
    assert_eq!(run.status, Some(0), "{}", run.stderr);
    run.said().iter().map(|line| line.replace(machine.path("").to_str().unwrap(), "")).collect()
}

#[test]
fn list_files_gives_sorted_absolute_paths() {
    assert_eq!(output("ListFiles", "{path: src}", "files"), ["src/.hidden,src/a.txt,src/b.txt,src/link"]);
    assert_eq!(
        output("ListFiles", "{path: src, fileNamePattern: '*.txt', recursive: true}, {path: src/sub}", "files"),
        ["src/a.txt,src/b.txt,src/sub/c.txt,src/sub/c.txt"]
    );
    assert_eq!(refused("ListFiles", "{path: nowhere}"), "nowhere does not exist");
    assert_eq!(refused("ListFiles", "{path: src/a.txt}"), "src/a.txt is not a folder");
}

#[test]
fn read_file_gives_the_content_and_prints_it_on_demand() {
    assert_eq!(output("ReadFile", "{path: src/a.txt}, {path: src/link}", "content"), ["a", "a"]);
    let machine = step("ReadFile", "{path: wide, encoding: utf-16, printFileContent: true}");
    fs::write(machine.path("wide"), [0xff, 0xfe, 0xe4, 0, 0x0a, 0, 0x62, 0]).unwrap();
    assert_eq!(machine.run().said(), ["ä", "b"]);
    let machine = step("ReadFile", "{path: binary}");
    fs::write(machine.path("binary"), [0xff, 0]).unwrap();
    assert_eq!(failure(&machine, machine.run()), "binary is not text in UTF-8");
    let machine = step("ReadFile", "{path: huge}");
    fs::write(machine.path("huge"), vec![b'x'; 262_145]).unwrap();
    assert_eq!(failure(&machine, machine.run()), "huge has 262145 bytes, but only 262144 can be read into an output");
    assert_eq!(refused("ReadFile", "{path: nowhere}"), "nowhere does not exist");
    assert_eq!(refused("ReadFile", "{path: src/sub}"), "src/sub is a folder");
}

#[test]
fn set_file_encoding_converts_from_utf_8_and_keeps_the_mode() {
    let machine = step("SetFileEncoding", "{path: f, encoding: utf-16-LE}");
    fs::write(machine.path("f"), "\u{feff}ä").unwrap();
    fs::set_permissions(machine.path("f"), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(machine.run().status, Some(0));
    assert_eq!((fs::read(machine.path("f")).unwrap(), machine.mode("f")), (vec![0xe4, 0], 0o600));
    assert_eq!(refused("SetFileEncoding", "{path: nowhere}"), "nowhere does not exist");
}

#[test]
fn permissions_reach_what_is_inside_but_nothing_outside() {
    let machine = step("SetFolderPermissions", "{path: src, permissions: 750}");
    fs::write(machine.path("outside"), "").unwrap();
    fs::set_permissions(machine.path("outside"), fs::Permissions::from_mode(0o604)).unwrap();
    symlink("../outside", machine.path("src/out")).unwrap();
    assert_eq!(machine.run().status, Some(0));
    let modes = ["src", "src/a.txt", "src/sub/c.txt", "outside"].map(|name| machine.mode(name));
    assert_eq!(modes, [0o750, 0o750, 0o750, 0o604]);
    let machine = done("SetFolderPermissions", "{path: src, permissions: 0700, recursive: false}");
    assert_ne!(machine.mode("src/a.txt"), 0o700);
    let machine = done("SetFilePermissions", "{path: src/link, permissions: '4755'}");
    assert_eq!(machine.mode("src/a.txt"), 0o4755);
    assert_eq!(refused("SetFilePermissions", "{path: src, permissions: 0700}"), "src is a folder");
    assert_eq!(refused("SetFolderPermissions", "{path: src/a.txt, permissions: 0700}"), "src/a.txt is not a folder");
}

#[test]
fn owners_are_set_by_name_with_their_own_group() {
    assert_eq!(refused("SetFileOwner", "{path: src/a.txt, owner: no-such}"), "there is no user `no-such`");
    assert_eq!(refused("SetFolderOwner", "{path: nowhere, owner: root}"), "nowhere does not exist");
    if !rustix::process::geteuid().is_root() {
        let message = refused("SetFileOwner", "{path: src/a.txt, owner: root}");
        assert!(message.starts_with("the owner, group or mode of src/a.txt cannot be set: "), "{message}");
        return;
    }
    let ids = |machine: &Machine, name: &str| {
        let found = fs::symlink_metadata(machine.path(name)).unwrap();
        (found.uid(), found.gid())
    };
    let machine = done("SetFileOwner", "{path: src/link, owner: nobody}");
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let fields: Vec<&str> = passwd.lines().find(|line| line.starts_with("nobody:")).unwrap().split(':').collect();
    let nobody = (fields[2].parse().unwrap(), fields[3].parse().unwrap());
    assert_eq!((ids(&machine, "src/a.txt"), ids(&machine, "src/link")), (nobody, (0, 0)));
    let machine = done("SetFolderOwner", "{path: src, owner: 4711, group: 4712}");
    let all = ["src", "src/link", "src/sub/c.txt"].map(|name| ids(&machine, name));
    assert_eq!(all, [(4711, 4712); 3]);
    let machine = done("SetFolderOwner", "{path: src, owner: 4711, recursive: false}");
    assert_eq!((ids(&machine, "src").0, ids(&machine, "src/a.txt").0), (4711, 0));
    let machine = done("CreateFile", "{path: f, owner: 4711, group: 4712, permissions: 4755}");
    assert_eq!((ids(&machine, "f"), machine.mode("f")), ((4711, 4712), 0o4755));
}

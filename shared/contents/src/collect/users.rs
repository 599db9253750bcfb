//! The users and groups of the machine's own files.

use super::scene::Scene;
use super::tree::SMALL;
use crate::{Group, User};

/// The names of shells with which nobody can log in.
const NO_SHELLS: &[&str] = &["nologin", "false", "sync", "halt", "shutdown"];

pub(super) fn users(scene: &mut Scene<'_>) -> Vec<User> {
    let passwd = scene.text("etc/passwd", SMALL).unwrap_or_default();
    let mut users: Vec<User> = passwd.lines().filter_map(user).collect();
    users.sort_by(|a, b| a.name.cmp(&b.name));
    users
}

fn user(line: &str) -> Option<User> {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, _, uid, gid, _, home, shell] = fields[..] else {
        return None;
    };
    let program = shell.rsplit('/').next().unwrap_or_default();
    Some(User {
        name: name.to_owned(),
        uid: uid.parse().ok()?,
        gid: gid.parse().ok()?,
        home: home.to_owned(),
        shell: shell.to_owned(),
        // An empty field means /bin/sh (passwd(5)).
        has_login_shell: !NO_SHELLS.contains(&program),
    })
}

pub(super) fn groups(scene: &mut Scene<'_>) -> Vec<Group> {
    let group = scene.text("etc/group", SMALL).unwrap_or_default();
    let mut groups: Vec<Group> = group.lines().filter_map(group_of).collect();
    groups.sort_by(|a, b| a.name.cmp(&b.name));
    groups
}

fn group_of(line: &str) -> Option<Group> {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, _, gid, members] = fields[..] else {
        return None;
    };
    let mut members: Vec<String> = members.split(',').filter(|member| !member.is_empty()).map(str::to_owned).collect();
    members.sort();
    Some(Group { name: name.to_owned(), gid: gid.parse().ok()?, members })
}

//! The end of a child process as something that can be waited for together with its output.

use std::io;
use std::os::fd::OwnedFd;
use std::thread;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};

/// Returns a descriptor that becomes readable when a child ends. The child must still be waited for.
pub(super) fn of(pid: Pid) -> io::Result<OwnedFd> {
    // Kernels before 5.3 have no such descriptor, and some containers forbid it.
    pidfd_open(pid, PidfdFlags::empty()).or_else(|_| by_thread(pid))
}

/// Does the same with a thread and a pipe, of which the thread closes its side.
fn by_thread(pid: Pid) -> io::Result<OwnedFd> {
    let (reader, writer) = io::pipe()?;
    thread::Builder::new().name("end".to_owned()).spawn(move || {
        // The status stays for the one who waits for the child, and so does its number, which no other process can get.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while matches!(waitid(WaitId::Pid(pid), options), Err(Errno::INTR)) {}
        drop(writer);
    })?;
    Ok(reader.into())
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::process::Pid;

    use super::{by_thread, of};

    #[test]
    fn the_end_is_seen_with_and_without_a_descriptor_of_the_process() {
        for ways in [of, by_thread] {
            let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
            let end = ways(Pid::from_child(&child)).unwrap();
            let mut watched = [PollFd::new(&end, PollFlags::IN)];
            assert_eq!(poll(&mut watched, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })), Ok(0));
            drop(child.stdin.take());
            assert_eq!(poll(&mut watched, None), Ok(1));
            assert!(child.wait().unwrap().success());
        }
    }
}

//! Starts a program without a copy of the agent.
//!
//! `fork` copies the agent's page tables, and afterwards each page that one of the two processes writes. Here the child
//! uses the agent's memory until it executes its program, and the agent waits for that, as in `posix_spawn`. That
//! function cannot be used: it cannot ask for the end of the child when the agent is killed.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fs::File;
use std::io::{self, PipeReader};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::ptr;

use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, chdir, getpid, getppid, set_parent_process_death_signal, setpgid, waitpid,
};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

use super::command::{Command, path};

/// The size of the child's stack, in bytes. The child makes only a few system calls; there is no guard page below it.
const STACK: usize = 64 * 1024;
/// The shell that runs a script without a first line that names its interpreter, as `execvp` does it.
const SHELL: &CStr = c"/bin/sh";

/// A process that was started, with its outputs.
pub(super) struct Started {
    pub(super) pid: Pid,
    pub(super) stdout: PipeReader,
    pub(super) stderr: PipeReader,
}

/// Everything that the child uses. It is made before the child, which must not allocate.
struct Start<'s> {
    agent: Pid,
    /// The input and the two outputs. Each is above 2 and has `CLOEXEC`: the standard library opens the first three
    /// descriptors at the start, so `dup2` always makes a new descriptor without the flag.
    pipes: [BorrowedFd<'s>; 3],
    folder: CString,
    /// The files that may be the program, in the order in which they are tried.
    programs: Vec<CString>,
    /// The arguments for `execve`. These pointers and those below point into `words` and `variables` of `spawn`.
    arguments: Vec<*const c_char>,
    /// The arguments for the shell. The second one is the path of the program.
    for_shell: Vec<*const c_char>,
    /// The variables.
    environment: Vec<*const c_char>,
    /// Why the program was not executed.
    error: Option<Errno>,
}

/// Starts a command in a folder. The child leads a process group, so that signals reach its processes but not the agent.
/// It reads the end of its input: a program that asks a question must not wait for its time-out. It is killed when the
/// thread that called this function ends.
pub(super) fn spawn(command: &Command, folder: &Path) -> io::Result<Started> {
    let input = File::open("/dev/null")?;
    let (stdout, to_stdout) = io::pipe()?;
    let (stderr, to_stderr) = io::pipe()?;
    let (words, variables) = (command.words()?, command.environment()?);
    let arguments = pointers(&words);
    let mut start = Start {
        agent: getpid(),
        pipes: [input.as_fd(), to_stdout.as_fd(), to_stderr.as_fd()],
        folder: path(folder)?,
        programs: command.candidates()?,
        for_shell: [&[SHELL.as_ptr(), ptr::null()], arguments.get(1..).unwrap_or_default()].concat(),
        arguments,
        environment: pointers(&variables),
        error: None,
    };
    let pid = start.child()?;
    match start.error {
        None => Ok(Started { pid, stdout, stderr }),
        Some(error) => {
            let _ = wait(pid); // the error says more
            Err(error.into())
        }
    }
}

/// Waits for the end of a child.
pub(super) fn wait(pid: Pid) -> io::Result<WaitStatus> {
    loop {
        match waitpid(Some(pid), WaitOptions::empty()) {
            Ok(Some((_, status))) => return Ok(status),
            Ok(None) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

impl Start<'_> {
    /// Makes the child and waits until it has executed its program or has failed.
    fn child(&mut self) -> io::Result<Pid> {
        let mut stack = Box::<[u128]>::new_uninit_slice(STACK / size_of::<u128>());
        let mut all = MaybeUninit::uninit();
        let mut before = MaybeUninit::uninit();
        // SAFETY: the sets are read only after they were written. The child has its own stack, which is aligned to 16 bytes,
        // as both architectures require. Everything else that it uses lives in `self` and in `spawn`. With `CLONE_VFORK`,
        // this thread resumes only after the child has executed its program or has ended, so it frees nothing too early.
        // If SIGKILL ends the agent in the meantime, the kernel keeps the memory for the child. The child shares this
        // thread's TLS, so it may overwrite `errno`, which is read below only if there is no child. The agent has no
        // signal handlers except those of the standard library for SIGSEGV and SIGBUS. The child allocates nothing, takes
        // no lock and does not unwind: rustix makes system calls itself, and a panic would abort in `enter`.
        // glibc before 2.24 forgets the id of this thread in such a call. Only `raise` uses it, with which `abort` begins.
        unsafe {
            libc::sigfillset(all.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
            let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
            let pid = libc::clone(enter, stack.as_mut_ptr_range().end.cast(), flags, ptr::from_mut(self).cast());
            let error = io::Error::last_os_error();
            libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut());
            Pid::from_raw(pid.max(0)).ok_or(error)
        }
    }

    /// Becomes the program, or returns why it cannot. Runs in the child, which only makes system calls.
    fn become_program(&mut self) -> Errno {
        self.settle().err().unwrap_or_else(|| self.execute())
    }

    fn settle(&self) -> Result<(), Errno> {
        let [input, stdout, stderr] = self.pipes;
        dup2_stdin(input)?;
        dup2_stdout(stdout)?;
        dup2_stderr(stderr)?;
        chdir(self.folder.as_c_str())?;
        setpgid(None, None)?;
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // If the agent was killed before that call, the signal never comes, and the child has another parent by now. If
        // the agent started in a PID namespace of its own, the child sees no parent at all, and this is not noticed.
        if getppid().is_some_and(|parent| parent != self.agent) { Err(Errno::SRCH) } else { Ok(()) }
    }

    fn execute(&mut self) -> Errno {
        // Programs expect the usual action of SIGPIPE, which the agent ignores, and no blocked signals.
        // SAFETY: both structures are valid when they are zero, and the child's actions and mask are its own.
        unsafe {
            let usual: libc::sigaction = std::mem::zeroed(); // SIG_DFL is zero
            libc::sigaction(libc::SIGPIPE, &usual, ptr::null_mut());
            let none: libc::sigset_t = std::mem::zeroed();
            libc::sigprocmask(libc::SIG_SETMASK, &none, ptr::null_mut());
        }
        let mut error = Errno::NOENT;
        for program in &self.programs {
            // SAFETY: `pointers` ends each list, and `words` and `variables` of `spawn` outlive this struct.
            let mut failed = unsafe { execve(program, &self.arguments, &self.environment) };
            if failed == Errno::NOEXEC {
                if let Some(script) = self.for_shell.get_mut(1) {
                    *script = program.as_ptr();
                }
                // SAFETY: as above, and the program's path lives as long.
                failed = unsafe { execve(SHELL, &self.for_shell, &self.environment) };
            }
            match failed {
                Errno::ACCESS => error = failed,
                // A file that may not be executed says more than one that is not there.
                Errno::NOENT | Errno::NOTDIR | Errno::NODEV | Errno::STALE | Errno::TIMEDOUT => {
                    error = if error == Errno::ACCESS { error } else { failed };
                }
                failed => return failed,
            }
        }
        error
    }
}

/// The first function of the child. Its result is the exit status, which nobody reads.
extern "C" fn enter(start: *mut c_void) -> c_int {
    // SAFETY: `child` passes a `Start`, and does not use it while this function runs.
    let start = unsafe { &mut *start.cast::<Start<'_>>() };
    start.error = Some(start.become_program());
    127
}

/// Executes a program. Returns why it could not.
///
/// # Safety
/// Both lists end with a null pointer, and every other pointer in them is a text that ends with a zero.
unsafe fn execve(program: &CStr, arguments: &[*const c_char], environment: &[*const c_char]) -> Errno {
    // SAFETY: the caller vouches for the lists.
    unsafe { libc::execve(program.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::NOSYS)
}

fn pointers(texts: &[CString]) -> Vec<*const c_char> {
    texts.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs::{self, Permissions};
    use std::io::{self, Read};
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::thread;

    use super::{Command, spawn, wait};

    /// What a command writes to its standard output, with its exit status or the signal that ended it.
    fn run(command: &Command) -> io::Result<(String, Option<i32>, Option<i32>)> {
        let mut started = spawn(command, "/usr".as_ref())?;
        let mut said = String::new();
        started.stdout.read_to_string(&mut said)?;
        let status = wait(started.pid)?;
        Ok((said, status.exit_status(), status.terminating_signal()))
    }

    fn shell(script: &str) -> Command {
        Command::new("sh").args(["-c", script])
    }

    fn program(path: &Path, text: &str, mode: u32) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_program_gets_its_arguments_variables_folder_and_the_end_of_its_input() {
        let command = shell("echo \"$1,$SET,$CARGO_PKG_NAME\"; env | grep -c ^CARGO_PKG_NAME=; pwd; cat; exit 3");
        let command = command.args(["name", "an argument"]).env("SET", "a value").env("CARGO_PKG_NAME", "changed");
        let said = "an argument,a value,changed\n1\n/usr\n".to_owned();
        assert_eq!(run(&command).unwrap(), (said, Some(3), None));
        assert_eq!(run(&shell("kill -9 $$")).unwrap(), (String::new(), None, Some(9)));
    }

    #[test]
    fn a_program_starts_with_the_usual_signals_in_a_group_of_its_own() {
        let script = "exec grep -hE '^(SigBlk|SigIgn|Pid)|^[0-9]' /proc/self/status /proc/self/stat";
        let (said, ..) = run(&shell(script)).unwrap();
        let words: Vec<&str> = said.split_whitespace().collect();
        let [_, pid, _, blocked, _, ignored, rest @ ..] = &words[..] else { panic!("{said}") };
        let pipe = 1 << 12;
        assert_eq!((u64::from_str_radix(blocked, 16), u64::from_str_radix(ignored, 16).unwrap() & pipe), (Ok(0), 0));
        assert_eq!(&rest[4], pid, "{said}");
    }

    #[test]
    fn a_start_leaves_the_signals_of_this_thread_and_passes_no_other_descriptors() {
        let mask = || {
            let status = fs::read_to_string("/proc/thread-self/status").unwrap();
            status.lines().find(|line| line.starts_with("SigBlk")).unwrap().to_owned()
        };
        // What this process was given by its own parent, it passes on.
        let is_passed_on = |number: &String| {
            let facts = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap_or_default();
            let flags = facts.lines().find_map(|line| i32::from_str_radix(line.strip_prefix("flags:")?.trim(), 8).ok());
            flags.is_some_and(|flags| flags & libc::O_CLOEXEC == 0)
        };
        let all = fs::read_dir("/proc/self/fd").unwrap();
        let numbers = all.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let given: BTreeSet<String> = numbers.filter(is_passed_on).collect();
        let before = mask();
        let _open = fs::File::open("/dev/null").unwrap();
        let (said, ..) = run(&shell("ls /proc/self/fd")).unwrap();
        let passed: BTreeSet<String> = said.lines().map(str::to_owned).collect();
        // `ls` itself has one more.
        assert_eq!((passed.is_superset(&given), passed.len()), (true, given.len() + 1), "{passed:?} {given:?}");
        assert_eq!(mask(), before);
        assert!(run(&Command::new("/missing")).is_err());
        assert_eq!(mask(), before);
    }

    #[test]
    fn a_program_is_killed_when_the_thread_that_started_it_ends() {
        let started = thread::spawn(|| spawn(&shell("exec sleep 60"), "/".as_ref()).unwrap()).join().unwrap();
        assert_eq!(wait(started.pid).unwrap().terminating_signal(), Some(9));
    }

    #[test]
    fn a_name_is_looked_up_and_what_cannot_be_executed_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
        for path in [&first, &second] {
            fs::create_dir(path).unwrap();
        }
        let path = format!("/missing:{}:{}", first.display(), second.display());
        let call = |name: &str| run(&Command::new(name).args(["argument"]).env("PATH", &path));
        assert_eq!(call("tool").unwrap_err().raw_os_error(), Some(2));
        program(&first.join("tool"), "", 0o600);
        assert_eq!(call("tool").unwrap_err().raw_os_error(), Some(13));
        // It has no first line that names its interpreter.
        program(&second.join("tool"), "echo \"$0 $1\"\n", 0o700);
        let script = second.join("tool").display().to_string();
        assert_eq!(call("tool").unwrap().0, format!("{script} argument\n"));
        assert_eq!(call(&script).unwrap().0, format!("{script} argument\n"));
        assert_eq!(spawn(&shell(""), "/missing".as_ref()).err().unwrap().raw_os_error(), Some(2));
        assert_eq!(run(&shell("").args(["a\0b"])).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}

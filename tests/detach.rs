//! Processes that outlive the one that started them. Nothing here waits for time to pass, only
//! for something to be so.

use std::ffi::OsString;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::time::Duration;

use gonogo::world::Clock;
use gonogo::world::shell::{Detach, DetachError, Detached, Guard, Process, detach};
use rustix::process::{Pid, Signal};

struct Bench {
    top: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { top: tempfile::tempdir().expect("a folder") }
    }

    fn log(&self) -> PathBuf {
        self.top.path().join("engine.log")
    }

    /// A shell in the place of the engine.
    fn what(&self, script: &str) -> Detach {
        let args = ["-c", script].map(OsString::from).to_vec();
        let shim = PathBuf::from(env!("CARGO_BIN_EXE_gonogo"));
        let mut what = Detach::new(PathBuf::from("/bin/sh"), args, self.log(), "r-1");
        (what.shim, what.systemd_run) = (shim, None);
        what
    }

    /// A stand-in for `systemd-run`: writes its arguments down and becomes what follows `--`.
    fn systemd_run(&self) -> String {
        let path = self.top.path().join("systemd-run");
        let script = "#!/bin/sh\necho \"$@\" >> \"$0.log\"\n\
            while [ \"$1\" != -- ]; do shift; done\nshift\nexec \"$@\"\n";
        std::fs::write(&path, script).expect("a script");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("chmod");
        path.to_string_lossy().into_owned()
    }

    async fn logged(&self, text: &str) -> String {
        let read = || std::fs::read_to_string(self.log()).unwrap_or_default();
        until(|| read().contains(text)).await;
        read()
    }
}

async fn until(ready: impl Fn() -> bool) {
    let wait = async {
        while !ready() {
            tokio::task::yield_now().await;
        }
    };
    Clock::live().within(Duration::from_secs(20), wait).await.expect("it comes to be so");
}

/// Ends a whole session when the test ends, however it does.
struct Ends(Detached);

impl Drop for Ends {
    fn drop(&mut self) {
        if let Some(pid) = Pid::from_raw(self.0.process.pid) {
            let _ = rustix::process::kill_process_group(pid, Signal::KILL);
        }
    }
}

async fn start(what: &Detach) -> Ends {
    Ends(detach(what, &Clock::live()).await.expect("detached"))
}

#[tokio::test]
async fn f54_t4_it_has_a_session_of_its_own_no_terminal_and_nothing_else_open() {
    let bench = Bench::new();
    // Something of ours that a careless start would hand on.
    let flags = rustix::fs::MemfdFlags::empty();
    let leak = rustix::fs::memfd_create("leak", flags).expect("a file in memory");
    let script = "ls -l /proc/$$/fd; cat /proc/$$/stat; pwd; echo ready; sleep 600; true";
    let started = start(&bench.what(script)).await;
    assert_eq!(started.0.guard, Guard::Session { why: "systemd was not asked".into() });
    let log = bench.logged("ready").await;
    assert!(leak.as_raw_fd() > 2 && !log.contains("leak"), "{log}");
    let open = log.lines().filter(|line| line.contains(" -> ")).count();
    assert_eq!(open, 3, "{log}");
    assert!(log.contains("0 -> /dev/null"), "{log}");
    let stat = log.lines().find(|line| line.contains("(sh)")).expect("its stat");
    let fields: Vec<&str> = stat.split_ascii_whitespace().collect();
    let pid = started.0.process.pid.to_string();
    assert_eq!([fields[0], fields[4], fields[5], fields[6]], [&pid, &pid, &pid, "0"], "{stat}");
    assert!(log.lines().any(|line| line == "/"), "it stands in /: {log}");
    assert_eq!(std::fs::metadata(bench.log()).expect("the log").mode() & 0o777, 0o600);
}

#[tokio::test]
async fn whether_it_lives_is_told_and_what_it_said_at_last() {
    let bench = Bench::new();
    std::fs::write(bench.log(), "of an earlier one\n").expect("a log");
    let started = start(&bench.what("read x < /dev/null; sleep 600; true")).await;
    let process = started.0.process.clone();
    assert!(process.is_alive());
    drop(started);
    until(|| !process.is_alive()).await;
    assert!(Process::this().is_some_and(|this| this.is_alive()));
    let what = bench.what("echo 'the journal is locked' >&2; exit 3");
    // It may be seen before it ends, or not; either way its words are there.
    let said = match detach(&what, &Clock::live()).await {
        Ok(detached) => {
            until(|| !detached.process.is_alive()).await;
            detached.said().to_string()
        }
        Err(DetachError::Ended { said, .. }) => said.to_string(),
        Err(error) => panic!("{error}"),
    };
    assert_eq!(said, "the journal is locked");
}

#[tokio::test]
async fn a_users_systemd_guards_it_where_it_answers() {
    let bench = Bench::new();
    let tool = bench.systemd_run();
    let mut what = bench.what("echo ready; sleep 600; true");
    what.systemd_run = Some(tool.clone());
    let started = start(&what).await;
    let Guard::Unit { unit } = &started.0.guard else { panic!("{:?}", started.0.guard) };
    assert!(unit.starts_with("gonogo-r-1-") && unit.contains(".scope"), "{unit}");
    bench.logged("ready").await;
    let asked = std::fs::read_to_string(format!("{tool}.log")).expect("its arguments");
    assert!(asked.contains(&format!("--user --scope --quiet --collect --unit={unit} --")));
    assert!(asked.lines().next().is_some_and(|trial| trial.ends_with("-- true")), "{asked}");
}

#[tokio::test]
async fn without_systemd_it_starts_all_the_same_and_says_why() {
    let bench = Bench::new();
    for (tool, reason) in [("/bin/false", "no user's systemd answers"), ("no-such", "installed")] {
        let mut what = bench.what("sleep 600; true");
        what.systemd_run = Some(tool.to_owned());
        let started = start(&what).await;
        let Guard::Session { why } = &started.0.guard else { panic!("{:?}", started.0.guard) };
        assert!(why.as_str().contains(reason), "{why}");
        assert!(started.0.process.is_alive());
    }
}

#[tokio::test]
async fn f58_what_cannot_start_is_an_error_that_says_so() {
    let bench = Bench::new();
    let mut what = bench.what("true");
    what.program = PathBuf::from("/no/such/program");
    let error = detach(&what, &Clock::live()).await.expect_err("no such program");
    assert!(error.to_string().contains("No such file"), "{error}");
    let mut what = bench.what("true");
    what.log = PathBuf::from("/no/such/folder/log");
    let error = detach(&what, &Clock::live()).await.expect_err("no such log");
    assert!(matches!(error, DetachError::Log { .. }), "{error}");
}

//! Who drives: one at a time, decided by the kernel.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use gonogo::journal::{Driver, Journal, Library, LockError, Mode, OpenError};
use gonogo::release::{Clean, Epoch};
use rustix::process::{Pid, Signal, kill_process};

use super::kit::{append, at, create, drive, driver, folder, id, intent, quick_dir, watch};

/// Plays another gonogo that drives until its standard input ends.
#[test]
#[ignore = "a part of other tests, which start it: cargo test journal::locks"]
fn hold_the_journal_for_a_parent() {
    let mut folder = String::new();
    std::io::stdin().read_line(&mut folder).expect("standard input");
    if folder.is_empty() {
        return;
    }
    let me = Driver { pid: std::process::id(), ..driver("s-child") };
    let opened = Journal::open(Path::new(folder.trim_end()), Mode::Drive(me)).expect("drivable");
    writeln!(std::io::stdout(), "\nholding").expect("standard output");
    std::io::stdin().read_line(&mut folder).expect("standard input");
    drop(opened);
}

struct Holder(Child);

impl Holder {
    fn start(folder: &Path) -> Self {
        let exe = std::env::current_exe().expect("this test binary");
        #[expect(clippy::disallowed_methods, reason = "plays another gonogo")]
        let mut child = Command::new(exe)
            .args(["--exact", "journal::locks::hold_the_journal_for_a_parent"])
            .args(["--ignored", "--nocapture", "--test-threads", "1"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the test binary starts again");
        let stdin = child.stdin.as_mut().expect("piped");
        writeln!(stdin, "{}", folder.display()).expect("written");
        let stdout = child.stdout.as_mut().expect("piped");
        let held = BufReader::new(stdout).lines().any(|line| line.is_ok_and(|l| l == "holding"));
        assert!(held, "the child did not get the journal");
        Self(child)
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw).expect("a pid");
        kill_process(pid, signal).expect("signalled");
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        self.0.wait().expect("waited");
    }
}

#[test]
fn f8_the_second_driver_observes_even_a_stopped_first_and_drives_when_it_is_dead() {
    let dir = quick_dir();
    let folder = folder(&dir);
    let mut journal = create(&folder);
    append(&mut journal, vec![intent(0)]).expect("kept");
    drop(journal);

    let holder = Holder::start(&folder);
    let pid = holder.0.id();
    for stopped in [false, true] {
        if stopped {
            holder.signal(Signal::STOP);
        }
        let refused = drive(&folder).expect_err("driven");
        assert!(matches!(refused, OpenError::Driven(_)), "stopped {stopped}: {refused}");
        let line = refused.to_string();
        assert!(line.starts_with(&format!("OBSERVING: driver is pid {pid} (alice), ")), "{line}");
        assert!(line.ends_with(" s ago"), "{line}");
        let (_, read, repair) = watch(&folder);
        assert_eq!((read.len(), repair.driven.is_some()), (1, true));
    }
    drop(holder);
    // Its note is still there, its lock is not; its epoch is passed over (I5).
    let (journal, ..) = drive(&folder).expect("drivable");
    assert_eq!(journal.epoch(), Epoch(3));
}

#[test]
fn f8_two_in_one_process_do_not_both_drive() {
    let dir = quick_dir();
    let folder = folder(&dir);
    let journal = create(&folder);
    assert!(matches!(drive(&folder), Err(OpenError::Driven(_))));
    drop(journal);
    assert!(drive(&folder).is_ok());
}

#[test]
fn looking_at_a_lock_does_not_keep_a_driver_out() {
    let dir = quick_dir();
    let library = Library::new(dir.path());
    let id = library.next_id(at(0).wall).expect("an id");
    drop(Journal::create(&library.folder(&id), id.clone(), driver("s-1")).expect("created"));
    std::thread::scope(|scope| {
        let looker = scope.spawn(|| (0..200).all(|_| library.entry(&id).trouble.is_none()));
        for _ in 0..100 {
            drive(&library.folder(&id)).expect("nobody drives");
        }
        assert!(looker.join().expect("looked"));
    });
}

#[test]
fn one_release_an_environment() {
    let dir = quick_dir();
    let library = Library::new(dir.path());
    let (production, staging) = (Clean::new("production"), Clean::new("../staging eu"));
    assert!(library.environment_is_free(&production).is_ok());
    let held = library.lock_environment(&production, &id(), &driver("s-1")).expect("free");
    library.lock_environment(&staging, &id(), &driver("s-1")).expect("another one");
    let refused = library.lock_environment(&production, &id(), &driver("s-2"));
    let refused = refused.expect_err("held");
    assert!(matches!(&refused, LockError::Held { .. }));
    assert_eq!(
        refused.to_string(),
        "environment production is held by r-1123.1 (alice on host7, pid 4711, since \
         2026-11-23T02:41:00Z)"
    );
    let seen = library.environment_is_free(&production).expect_err("held").to_string();
    assert_eq!(seen, refused.to_string());
    drop(held);
    assert!(library.environment_is_free(&production).is_ok());
    library.lock_environment(&production, &id(), &driver("s-2")).expect("free again");
    // No name leads out of its folder.
    let names: Vec<_> = std::fs::read_dir(dir.path().join("environments"))
        .expect("locks")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert!(names.iter().any(|name| name == "%2e%2e%2fstaging%20eu.lock"), "{names:?}");
}

//! What has become of a step, read from its directory.

use std::path::Path;

use super::spec::{Exit, PidFile};
use super::{disk, procfs};
use crate::release::Clean;

/// What a step's directory says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepSeen {
    /// The command was not started, and nobody is left who would.
    NotStarted,
    Running(PidFile),
    Exited(Exit),
    /// It was started, and its shim is gone without a word: killed, or the machine was.
    Gone(PidFile),
    /// The files cannot be read.
    Unknown(Clean),
}

/// Looks at the step in `dir`; blocks for a few small reads.
pub fn observe(dir: &Path) -> StepSeen {
    match look(dir) {
        Ok(seen) => seen,
        Err(error) => StepSeen::Unknown(Clean::new(&format!("{}: {error}", dir.display()))),
    }
}

fn look(dir: &Path) -> std::io::Result<StepSeen> {
    if let Some(exit) = disk::read(dir, "exit.json")? {
        return Ok(StepSeen::Exited(exit));
    }
    let Some(pid) = disk::read::<PidFile>(dir, "pid.json")? else {
        return Ok(StepSeen::NotStarted);
    };
    if procfs::is_alive(&pid) {
        return Ok(StepSeen::Running(pid));
    }
    // It may have ended between the two looks.
    Ok(disk::read(dir, "exit.json")?.map_or(StepSeen::Gone(pid), StepSeen::Exited))
}

#[cfg(test)]
mod tests {
    use super::super::spec::Cause;
    use super::*;
    use crate::release::{Digest, Timestamp};
    use crate::world::logpipe::Counts;

    fn at() -> Timestamp {
        Timestamp { wall: "2026-11-23T02:41:00Z".parse().expect("a time"), boot_ms: 1 }
    }

    fn own() -> PidFile {
        let pid = procfs::own_pid();
        PidFile {
            pid,
            start_ticks: procfs::start_ticks(pid).expect("procfs"),
            boot: procfs::boot_id().expect("procfs"),
            at: at(),
            spec: Digest::zero(),
            token: "t".into(),
            grace_ms: 0,
            acted: false,
        }
    }

    #[test]
    fn f55_a_process_is_known_by_start_time_and_boot_not_by_its_number() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(observe(dir.path()), StepSeen::NotStarted);
        let pid = own();
        disk::write(dir.path(), "pid.json", &pid).expect("written");
        assert_eq!(observe(dir.path()), StepSeen::Running(pid.clone()));
        for other in [
            PidFile { start_ticks: pid.start_ticks - 1, ..pid.clone() },
            PidFile { boot: "another".into(), ..pid.clone() },
        ] {
            disk::write(dir.path(), "pid.json", &other).expect("written");
            assert_eq!(observe(dir.path()), StepSeen::Gone(other));
        }
        let exit = Exit {
            cause: Cause::Signalled { signal: 9 },
            started: at(),
            ended: at(),
            log: Counts::default(),
            log_error: None,
            cpu_ms: Some(10),
            peak_rss_bytes: None,
            leftovers: 0,
        };
        disk::write(dir.path(), "exit.json", &exit).expect("written");
        assert_eq!(observe(dir.path()), StepSeen::Exited(exit));
        std::fs::write(dir.path().join("exit.json"), "{").expect("written");
        assert!(matches!(observe(dir.path()), StepSeen::Unknown(_)));
    }
}

//! Who is who among the machine's processes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike as _};
use rustix::process::{Pid, Signal};

use super::spec::{PidFile, TOKEN};
use crate::release::BootId;

/// More than a process's line in procfs takes: a name of 64 bytes and 51 numbers.
const STAT_BYTES: usize = 2048;

/// What procfs says about one process.
pub(super) struct Stat {
    /// Whether it has ended and only waits to be collected.
    dead: bool,
    parent: i32,
    session: i32,
    start_ticks: u64,
}

pub(super) fn stat(pid: i32) -> Option<Stat> {
    // Read at once: the kernel writes the line anew for every read.
    let mut text = [0; STAT_BYTES];
    let read = std::fs::File::open(format!("/proc/{pid}/stat")).ok()?.read(&mut text).ok()?;
    let text = &text[..read];
    // The name in parentheses may hold anything, parentheses and spaces too.
    let after = text.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(text.get(after + 1..)?).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    let signed = |at: usize| fields.get(at)?.parse::<i32>().ok();
    Some(Stat {
        dead: matches!(*fields.first()?, "Z" | "X" | "x"),
        parent: signed(1)?,
        session: signed(3)?,
        start_ticks: number(19)?,
    })
}

pub(super) fn boot_id() -> Option<BootId> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned())
}

pub(super) fn start_ticks(pid: i32) -> Option<u64> {
    stat(pid).map(|stat| stat.start_ticks)
}

/// Processor time of all children of this process that have ended and been collected, and of
/// theirs.
pub(super) fn children_cpu_ms() -> Option<u64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).ok()?;
    let ms = |time: TimeVal| time.num_milliseconds();
    u64::try_from(ms(usage.user_time() + usage.system_time())).ok()
}

pub(super) fn own_pid() -> i32 {
    rustix::process::getpid().as_raw_nonzero().get()
}

/// Whether the very process that wrote `pid` is still there.
pub(super) fn is_alive(pid: &PidFile) -> bool {
    is_process(pid.pid, pid.start_ticks, &pid.boot)
}

/// Whether the process `pid` that started at `start_ticks` in the boot `boot` is still there.
pub(super) fn is_process(pid: i32, start_ticks: u64, boot: &BootId) -> bool {
    boot_id().as_ref() == Some(boot)
        && stat(pid).is_some_and(|stat| !stat.dead && stat.start_ticks == start_ticks)
}

/// Whether `pid` is alive and the leader of its session.
pub(super) fn leads_a_session(pid: i32) -> bool {
    stat(pid).is_some_and(|stat| !stat.dead && stat.session == pid)
}

/// Whether `pid` leads a session and is a program with exactly these arguments.
pub(super) fn leads_with(pid: i32, args: &[&[u8]]) -> bool {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let Some(line) = line.strip_suffix(&[0]) else { return false };
    leads_a_session(pid) && line.split(|byte| *byte == 0).skip(1).eq(args.iter().copied())
}

/// All processes of the machine that are alive.
fn all() -> BTreeMap<i32, Stat> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return BTreeMap::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(|pid| Some((pid, stat(pid)?))).filter(|(_, stat)| !stat.dead).collect()
}

/// The living processes that this one started, at any remove, and those of its session; not this
/// one itself.
pub(super) fn mine() -> BTreeSet<i32> {
    let (all, own) = (all(), own_pid());
    let session = all.get(&own).map(|stat| stat.session);
    let in_session = |stat: &Stat| session == Some(own) && stat.session == own;
    let descends = |pid: i32| {
        let (mut at, mut steps) = (pid, 0);
        while let Some(stat) = all.get(&at)
            && steps < 1000
        {
            if stat.parent == own {
                return true;
            }
            (at, steps) = (stat.parent, steps + 1);
        }
        false
    };
    let mine = all.iter().filter(|(pid, stat)| in_session(stat) || descends(**pid));
    mine.map(|(pid, _)| *pid).filter(|pid| *pid != own).collect()
}

/// The living processes whose environment carries `token`.
pub(super) fn bearing(token: &str) -> BTreeSet<i32> {
    let variable = format!("{TOKEN}={token}");
    let bears = |pid: i32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|one| one == variable.as_bytes())
    };
    all().into_keys().filter(|pid| bears(*pid)).collect()
}

/// The memory that the children of this process hold, and theirs, in bytes; none where the
/// kernel does not tell.
pub(super) fn memory() -> Option<u64> {
    let (mut total, mut ask, mut seen) = (None, children(own_pid()), 0);
    while let Some(pid) = ask.pop() {
        seen += 1;
        if seen > 1000 {
            break;
        }
        let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status")) else { continue };
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
        if let Some(kib) = kib {
            total = Some(total.unwrap_or(0) + kib * 1024);
        }
        ask.extend(children(pid));
    }
    total
}

fn children(pid: i32) -> Vec<i32> {
    let Ok(threads) = std::fs::read_dir(Path::new("/proc").join(pid.to_string()).join("task"))
    else {
        return Vec::new();
    };
    let mut pids = Vec::new();
    for thread in threads.flatten() {
        let text = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        pids.extend(text.split_ascii_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
    }
    pids
}

/// Sends `signal` to each process. One that is gone already is no error.
pub(super) fn signal_all(pids: &BTreeSet<i32>, signal: Signal) {
    for pid in pids.iter().filter_map(|pid| Pid::from_raw(*pid)) {
        // Between look and signal it may have ended: that is what was wanted.
        let _ = rustix::process::kill_process(pid, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_known() {
        let stat = stat(own_pid()).expect("procfs");
        assert!(!stat.dead && stat.start_ticks > 0 && stat.parent > 0);
        assert!(boot_id().is_some_and(|id| id.len() == 36));
        assert!(!mine().contains(&own_pid()));
    }
}

//! Processes: the only place that starts one.
//!
//! A step does not run under the engine but under a shim: this program again, as
//! `gonogo step-shim`, in a session of its own. It outlives the engine, enforces the time limit,
//! writes the log and leaves the outcome on disk. The order of things is what a crash is judged
//! by (fault F55):
//!
//! ```text
//! engine                     shim
//! spawn, spec into its pipe ▶ setsid, pid.json on disk
//!         "go" into its pipe ◀ "ready"
//!                           ▶ command starts … log … exit.json on disk (atomic)
//! ```
//!
//! Without `pid.json` the command has not been started and never will be, because the engine that
//! would have said "go" is gone. With `exit.json` it is over. Between the two the process in
//! `pid.json`, known by its start time and boot, is asked.
//!
//! A rehearsal replaces the process by an [`Actor`] and keeps all else: the same log pipeline, the
//! same files, the same clock.

mod act;
mod capture;
mod detach;
mod disk;
mod observe;
mod procfs;
mod program;
mod report;
mod shim;
mod spawn;
mod spec;
mod watch;

pub use act::{Actor, Stage};
pub use capture::{Capture, CaptureError, Captured};
pub use detach::{Detach, DetachError, Detached, Guard, Process, become_session_leader, detach};
pub use observe::{StepSeen, observe};
pub use report::{REPORT_BYTES_MAX, ReportError, clear_reports, fresh_report};
pub use shim::shim_main;
pub use spawn::{Running, Shell, ShellError};
pub use spec::{Cause, Exit, PidFile, SecretBy, StepSecret, StepSpec, clean_env};

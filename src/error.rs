//! Exit codes and hints: one table, from which `--help`, the README and the summaries are made.

use std::fmt;
use std::process::ExitCode;

use crate::release::{Refusal, Release, ReleaseResult};

/// How a command ended, as a shell sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Released,
    Failed,
    Usage,
    NoGo,
    RolledBack,
    Held,
    Refused,
    Unreachable,
    Interrupted,
}

impl Exit {
    pub const ALL: [Self; 9] = [
        Self::Released,
        Self::Failed,
        Self::Usage,
        Self::NoGo,
        Self::RolledBack,
        Self::Held,
        Self::Refused,
        Self::Unreachable,
        Self::Interrupted,
    ];

    pub fn code(self) -> u8 {
        match self {
            Self::Released => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NoGo => 3,
            Self::RolledBack => 4,
            Self::Held => 5,
            Self::Refused => 6,
            Self::Unreachable => 7,
            Self::Interrupted => 130,
        }
    }

    /// What the code says, for the documentation.
    pub fn words(self) -> &'static str {
        match self {
            Self::Released => "released, or the command did what it was asked",
            Self::Failed => "failed or aborted before the switch; production serves as before",
            Self::Usage => "usage or configuration: nothing was started",
            Self::NoGo => {
                "no-go: rejected at the gate, expired, or a check that was asked for failed"
            }
            Self::RolledBack => "rolled back: the old version serves again",
            Self::Held => "held: an operator is needed",
            Self::Refused => "refused by policy, rights or a lock; nothing was changed",
            Self::Unreachable => "something that is needed could not be reached or read",
            Self::Interrupted => "detached or interrupted; the release itself goes on",
        }
    }

    /// What to do next, for whoever reads the last line of a log.
    pub fn hint(self) -> Option<&'static str> {
        match self {
            Self::Released => None,
            Self::Failed => {
                Some("`gonogo show RELEASE` names the step; fix it, start a new release")
            }
            Self::Usage => {
                Some("`gonogo --help` lists the commands, `gonogo schema` what the files may say")
            }
            Self::NoGo => Some("`gonogo show RELEASE` says who or what said no, and why"),
            Self::RolledBack => {
                Some("the revision is latched; `gonogo timeline RELEASE` tells how it came")
            }
            Self::Held => Some("`gonogo attach RELEASE` shows why, and what can be done"),
            Self::Refused => Some("the sentence above says by which rule; nothing was changed"),
            Self::Unreachable => {
                Some("the sentence above says what; see to it, then say the same again")
            }
            Self::Interrupted => Some("`gonogo attach RELEASE` picks it up again"),
        }
    }

    /// The code of a release as it stands.
    pub fn of_result(release: &Release) -> Self {
        match &release.result {
            Some(result) => Self::of_ending(result),
            None if release.hold.is_some() => Self::Held,
            None => Self::Interrupted,
        }
    }

    /// The code of a release that has ended.
    pub fn of_ending(result: &ReleaseResult) -> Self {
        match result {
            ReleaseResult::Released => Self::Released,
            ReleaseResult::Failed { .. } | ReleaseResult::Aborted { .. } => Self::Failed,
            ReleaseResult::Rejected { .. } | ReleaseResult::Expired => Self::NoGo,
            ReleaseResult::RolledBack { .. } => Self::RolledBack,
        }
    }

    /// The code of an ask that was refused.
    pub fn of_refusal(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::CannotRecord { .. } => Self::Unreachable,
            Refusal::Ended { .. }
            | Refusal::NotStarted
            | Refusal::NoGate
            | Refusal::Overtaken { .. }
            | Refusal::Stale { .. }
            | Refusal::MayNotVote { .. }
            | Refusal::MayNotWaive { .. }
            | Refusal::MayNotChangePolicy { .. }
            | Refusal::NotNow { .. }
            | Refusal::Observing { .. } => Self::Refused,
        }
    }

    /// The code of an error on its way out of `main`. What is not known to be anything else could
    /// not be reached or read: code 1 would claim that production serves as before.
    pub fn of_error(error: &color_eyre::Report) -> Self {
        if let Some(failure) = error.downcast_ref::<Failure>() {
            return failure.exit;
        }
        match error.downcast_ref::<Refusal>() {
            Some(refusal) => Self::of_refusal(refusal),
            None => Self::Unreachable,
        }
    }

    /// The table, a line each, for `--help`.
    pub fn table() -> String {
        let line = |exit: Self| format!("{:>5}  {}\n", exit.code(), exit.words());
        Self::ALL.into_iter().map(line).collect()
    }

    /// The table in Markdown, for the README.
    pub fn table_markdown() -> String {
        let line = |exit: Self| {
            let hint = exit.hint().unwrap_or("");
            format!("| {} | {} | {hint} |\n", exit.code(), exit.words())
        };
        let head = "| code | meaning | what next |\n|---:|---|---|\n".to_owned();
        head + &Self::ALL.into_iter().map(line).collect::<String>()
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// A command that could not be carried out: with what exit code, why, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub exit: Exit,
    pub what: String,
    pub hint: Option<String>,
}

impl Failure {
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), hint: None }
    }

    #[must_use]
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The hint of its own, or the one of its exit code.
    pub fn advice(&self) -> Option<&str> {
        self.hint.as_deref().or_else(|| self.exit.hint())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::{Clean, ReleaseId};

    #[test]
    fn the_table_is_complete_and_ascends() {
        let codes: Vec<u8> = Exit::ALL.into_iter().map(Exit::code).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 130]);
        assert_eq!(Exit::table().lines().count(), 9);
        assert_eq!(Exit::table_markdown().lines().count(), 11);
    }

    #[test]
    fn every_result_has_its_code() {
        let reason = Clean::new("why");
        let cases = [
            (Some(ReleaseResult::Released), 0),
            (Some(ReleaseResult::Failed { reason: reason.clone() }), 1),
            (Some(ReleaseResult::Aborted { reason: reason.clone() }), 1),
            (Some(ReleaseResult::Rejected { reason: reason.clone() }), 3),
            (Some(ReleaseResult::Expired), 3),
            (Some(ReleaseResult::RolledBack { reason }), 4),
            (None, 130),
        ];
        for (result, code) in cases {
            let mut release = Release::new(ReleaseId::new("r-1").expect("a name"));
            release.result = result;
            assert_eq!(Exit::of_result(&release).code(), code);
        }
    }

    #[test]
    fn an_error_keeps_its_code_on_its_way_out() {
        let failure = Failure::new(Exit::Usage, "no such stage").with_hint("see the plan");
        let report = color_eyre::Report::new(failure);
        assert_eq!(Exit::of_error(&report), Exit::Usage);
        assert_eq!(Exit::of_error(&color_eyre::Report::new(Refusal::NoGate)), Exit::Refused);
        assert_eq!(Exit::of_error(&color_eyre::eyre::eyre!("x")), Exit::Unreachable);
    }
}

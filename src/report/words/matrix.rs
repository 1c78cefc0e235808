//! Which way back fits which trouble: the targets of the customer's matrix, our own times beside
//! them.

use super::price::restore_took;
use super::span::duration;
use crate::release::Release;

/// What can be wrong, as the matrix sorts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    Application,
    Performance,
    Schema,
    Configuration,
    Infrastructure,
}

impl Trouble {
    pub const ALL: [Self; 5] = [
        Self::Application,
        Self::Performance,
        Self::Schema,
        Self::Configuration,
        Self::Infrastructure,
    ];

    pub fn words(self) -> &'static str {
        match self {
            Self::Application => "application bug",
            Self::Performance => "performance",
            Self::Schema => "database schema",
            Self::Configuration => "configuration",
            Self::Infrastructure => "infrastructure",
        }
    }

    pub fn severity(self) -> &'static str {
        match self {
            Self::Application | Self::Schema | Self::Infrastructure => "critical",
            Self::Performance => "high",
            Self::Configuration => "medium",
        }
    }

    pub fn way(self) -> &'static str {
        match self {
            Self::Application | Self::Performance => "switch back",
            Self::Schema => "restore the database",
            Self::Configuration => "previous manifests",
            Self::Infrastructure => "Terraform revert",
        }
    }

    /// Until when the way back must be done, in seconds.
    pub fn target_s(self) -> u64 {
        match self {
            Self::Application | Self::Performance => 120,
            Self::Configuration => 300,
            Self::Schema => 900,
            Self::Infrastructure => 1800,
        }
    }
}

/// How long a way back takes as measured by this release, or that it is not measured.
pub fn ours(release: &Release, trouble: Trouble) -> String {
    match trouble {
        Trouble::Application | Trouble::Performance => {
            let rollout = &release.rollout;
            let measured = rollout.rollback_took_ms.or(rollout.switch_took_ms);
            measured.map_or("not measured".to_owned(), |ms| {
                format!("~{}", duration(ms.div_ceil(1000).max(1).saturating_mul(1000)))
            })
        }
        Trouble::Schema => restore_took(release),
        Trouble::Configuration | Trouble::Infrastructure => "by hand, not measured".to_owned(),
    }
}

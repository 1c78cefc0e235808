//! Evidence: what one window of measuring a slot came to. Raw samples stay in the world; this is
//! what is judged and recorded.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Clean, Finite, MonitorPolicy, Slot, Verdict};

/// A measured value, or why there is none. Never a zero that stands for "nothing seen".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Reading<T> {
    Known { value: T },
    Unknown { reason: Clean },
}

impl<T> Reading<T> {
    pub fn known(value: T) -> Self {
        Self::Known { value }
    }

    pub fn unknown(reason: &str) -> Self {
        Self::Unknown { reason: Clean::new(reason) }
    }

    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Known { value } => Some(value),
            Self::Unknown { .. } => None,
        }
    }
}

/// One window of one slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    pub slot: Slot,
    /// How long the window really was, in seconds; shorter when a container's exit ended it.
    pub window_s: u64,
    /// Requests that the slot answered in the window.
    pub requests: Reading<Finite>,
    /// Failed requests among all, 0 to 1.
    pub error_ratio: Reading<Finite>,
    pub mean_ms: Reading<Finite>,
    pub p95_ms: Reading<Finite>,
    /// The age of the newest sample used, in seconds.
    pub sample_age_s: Reading<Finite>,
    /// Containers of the slot's own ReplicaSets that exited with an error, or ran out of memory,
    /// after they had been ready. Evictions and drains do not count.
    pub exits: Reading<u32>,
    /// The least count of ready pods over the slot's Deployments.
    pub ready_min: Reading<u32>,
}

/// A rule of the watch.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    ErrorRatio,
    MeanLatency,
    Exits,
    Ready,
}

impl Rule {
    pub const ALL: [Self; 4] = [Self::ErrorRatio, Self::MeanLatency, Self::Exits, Self::Ready];

    pub fn words(self) -> &'static str {
        match self {
            Self::ErrorRatio => "error rate",
            Self::MeanLatency => "average response",
            Self::Exits => "container exits",
            Self::Ready => "ready pods",
        }
    }
}

/// What one rule says about one window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuleVerdict {
    pub rule: Rule,
    pub verdict: Verdict,
}

/// Judges one window by every rule.
pub fn judge_window(evidence: &Evidence, policy: &MonitorPolicy) -> Vec<RuleVerdict> {
    Rule::ALL
        .into_iter()
        .map(|rule| RuleVerdict { rule, verdict: judge_rule(rule, evidence, policy) })
        .collect()
}

fn judge_rule(rule: Rule, evidence: &Evidence, policy: &MonitorPolicy) -> Verdict {
    match rule {
        Rule::ErrorRatio => enough(evidence, policy).unwrap_or_else(|| {
            limit(&evidence.error_ratio, policy.error_ratio_max, |v| {
                format!("{:.2} %", v.get() * 100.0)
            })
        }),
        Rule::MeanLatency => enough(evidence, policy).unwrap_or_else(|| {
            limit(&evidence.mean_ms, policy.mean_ms_max, |v| format!("{:.0} ms", v.get()))
        }),
        Rule::Exits => match &evidence.exits {
            Reading::Unknown { reason } => Verdict::Unknown { reason: reason.clone() },
            Reading::Known { value } if *value > policy.exits_max => Verdict::fail(&format!(
                "{value} container exits after ready, limit {}",
                policy.exits_max
            )),
            Reading::Known { .. } => Verdict::Pass,
        },
        Rule::Ready => match &evidence.ready_min {
            Reading::Unknown { reason } => Verdict::Unknown { reason: reason.clone() },
            Reading::Known { value: 0 } => Verdict::fail("a Deployment has no ready pod"),
            Reading::Known { .. } => Verdict::Pass,
        },
    }
}

/// Too little traffic proves nothing (F46); none when there is enough.
fn enough(evidence: &Evidence, policy: &MonitorPolicy) -> Option<Verdict> {
    match &evidence.requests {
        Reading::Unknown { reason } => Some(Verdict::Unknown { reason: reason.clone() }),
        #[expect(clippy::cast_precision_loss, reason = "request counts are far below 2^52")]
        Reading::Known { value } if value.get() < policy.requests_min as f64 => {
            Some(Verdict::unknown(&format!(
                "not enough traffic: {:.0} of {} requests",
                value.get(),
                policy.requests_min
            )))
        }
        Reading::Known { .. } => None,
    }
}

fn limit(reading: &Reading<Finite>, max: Finite, show: impl Fn(Finite) -> String) -> Verdict {
    match reading {
        Reading::Unknown { reason } => Verdict::Unknown { reason: reason.clone() },
        Reading::Known { value } if value.get() > max.get() => {
            Verdict::fail(&format!("{}, limit {}", show(*value), show(max)))
        }
        Reading::Known { .. } => Verdict::Pass,
    }
}

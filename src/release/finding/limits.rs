//! What reports may hold, as data: limits for every report, for those of a tool, of a step.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::waiver::Waiver;
use super::{Measure, Severity};
use crate::release::policy::Tighter;
use crate::release::{Finite, StepId};

/// What scans and tests may find. The limits of a step go before those of its tool, and those
/// before the general ones, severity by severity and measure by measure.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FindingsPolicy {
    /// For every report. A measure named here is held against the reports that give it.
    pub limits: Limits,
    /// For the reports of a tool, by the name that it gives itself, in any case of letters. A
    /// report that lacks a measure named here does not pass.
    #[serde(default)]
    pub tools: BTreeMap<String, Limits>,
    /// For the report of a step. A report that lacks a measure named here does not pass.
    #[serde(default)]
    pub steps: BTreeMap<StepId, Limits>,
    /// Findings that do not count until a day, because a person said why.
    #[serde(default)]
    pub waivers: Vec<Waiver>,
    /// What the revision under release asks of itself besides: the stricter of both counts. Set
    /// by gonogo when a release starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub besides: Option<Box<Self>>,
}

/// What a report may hold; what is not named is unlimited, but counted and shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// The most findings of a severity.
    #[serde(default)]
    pub all: BTreeMap<Severity, u32>,
    /// The most findings of a severity that are new since the release that serves now. Where no
    /// release is known to serve, all are new.
    #[serde(default)]
    pub new: BTreeMap<Severity, u32>,
    /// Numbers that a report gives besides its findings.
    #[serde(default)]
    pub measures: BTreeMap<Measure, Bound>,
}

/// What a measure must keep, both ends included. With neither end it must only be given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bound {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Finite>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Finite>,
}

/// Which findings a limit is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    All,
    New,
}

/// A bound that a report is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    pub measure: Measure,
    pub bound: Bound,
    /// Whether a report without the measure fails.
    pub required: bool,
}

impl Bound {
    /// Whether a number keeps it.
    pub fn holds(self, number: f64) -> bool {
        self.min.is_none_or(|min| number >= min.get())
            && self.max.is_none_or(|max| number <= max.get())
    }

    /// `at least 80`, `at most 0`, `0 to 500`.
    pub fn words(self) -> String {
        match (self.min, self.max) {
            (Some(min), Some(max)) => format!("{min} to {max}"),
            (Some(min), None) => format!("at least {min}"),
            (None, Some(max)) => format!("at most {max}"),
            (None, None) => "any number".to_owned(),
        }
    }
}

impl Limits {
    fn of(&self, which: Which) -> &BTreeMap<Severity, u32> {
        match which {
            Which::All => &self.all,
            Which::New => &self.new,
        }
    }
}

impl Which {
    /// Its key in a policy.
    pub fn key(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::New => "new",
        }
    }
}

impl FindingsPolicy {
    fn of_tool(&self, tool: &str) -> Option<&Limits> {
        self.tools.iter().find(|(name, _)| name.eq_ignore_ascii_case(tool)).map(|(_, own)| own)
    }

    /// The most findings of `severity` that the report of `tool` in `step` may hold.
    pub fn limit(
        &self,
        which: Which,
        step: &StepId,
        tool: &str,
        severity: Severity,
    ) -> Option<u32> {
        self.effective(which, Some(step), Some(tool), severity)
    }

    /// As [`Self::limit`], also of reports that no step or no tool is named for.
    pub(in crate::release) fn effective(
        &self,
        which: Which,
        step: Option<&StepId>,
        tool: Option<&str>,
        severity: Severity,
    ) -> Option<u32> {
        let own = self.layers(step, tool).into_iter().filter_map(|(limits, _)| limits);
        let own = own.into_iter().find_map(|limits| limits.of(which).get(&severity));
        let besides = self.besides.as_deref();
        let besides = besides.and_then(|besides| besides.effective(which, step, tool, severity));
        own.copied().into_iter().chain(besides).min()
    }

    /// The limits from the narrowest to the general ones; whether their measures must be given.
    fn layers(&self, step: Option<&StepId>, tool: Option<&str>) -> [(Option<&Limits>, bool); 3] {
        let of_step = step.and_then(|step| self.steps.get(step));
        let of_tool = tool.and_then(|tool| self.of_tool(tool));
        [(of_step, true), (of_tool, true), (Some(&self.limits), false)]
    }

    /// The tools and steps that are named, also by the revision under release.
    pub(in crate::release) fn named(
        &self,
        tools: &mut BTreeSet<String>,
        steps: &mut BTreeSet<StepId>,
    ) {
        tools.extend(self.tools.keys().map(|tool| tool.to_ascii_lowercase()));
        steps.extend(self.steps.keys().cloned());
        if let Some(besides) = &self.besides {
            besides.named(tools, steps);
        }
    }

    /// Every bound that the report of `tool` in `step` is held against.
    pub fn bounds(&self, step: &StepId, tool: &str) -> Vec<Held> {
        self.held(Some(step), Some(tool))
    }

    /// As [`Self::bounds`], also of reports that no step or no tool is named for.
    pub(in crate::release) fn held(&self, step: Option<&StepId>, tool: Option<&str>) -> Vec<Held> {
        let layers = self.layers(step, tool);
        let mut all: BTreeMap<Measure, Held> = BTreeMap::new();
        for (limits, required) in layers {
            for (measure, bound) in limits.iter().flat_map(|limits| &limits.measures) {
                let (measure, bound) = (*measure, *bound);
                all.entry(measure).or_insert(Held { measure, bound, required });
            }
        }
        let besides = self.besides.iter().flat_map(|besides| besides.held(step, tool));
        all.into_values().chain(besides).collect()
    }

    /// These limits, and those of the revision under release where they are stricter. A waiver
    /// that is not among these is not heard: a revision may not excuse itself.
    pub(in crate::release) fn tightened_by(&self, own: &Self, loose: &mut Tighter) -> Self {
        limits_compared("findings.limits", &self.limits, &self.limits, &own.limits, loose);
        for (tool, limits) in &own.tools {
            let pinned = self.of_tool(tool).unwrap_or(&self.limits);
            let key = format!("findings.tools.{tool}");
            limits_compared(&key, pinned, &self.limits, limits, loose);
        }
        for (step, limits) in &own.steps {
            let pinned = self.steps.get(step).unwrap_or(&self.limits);
            let key = format!("findings.steps.{step}");
            limits_compared(&key, pinned, &self.limits, limits, loose);
        }
        for waiver in own.waivers.iter().filter(|waiver| !self.waivers.contains(waiver)) {
            loose.say(format!("findings.waivers: {waiver} is no waiver of the pinned policy"));
        }
        let mut tightened = self.clone();
        tightened.waivers.retain(|waiver| own.waivers.contains(waiver));
        let same =
            (&self.limits, &self.tools, &self.steps) == (&own.limits, &own.tools, &own.steps);
        if !same {
            let own = Self { waivers: Vec::new(), besides: None, ..own.clone() };
            let before = tightened.besides.take();
            // What a pinned policy had besides stands too.
            let own = Self { besides: before, ..own };
            tightened.besides = Some(Box::new(own));
        }
        tightened
    }
}

/// Says where the revision's own limits are looser than the pinned ones; the judge takes the
/// stricter of both anyway.
fn limits_compared(
    key: &str,
    pinned: &Limits,
    general: &Limits,
    own: &Limits,
    loose: &mut Tighter,
) {
    for which in [Which::All, Which::New] {
        for (severity, limit) in own.of(which) {
            let pinned = pinned.of(which).get(severity).or_else(|| general.of(which).get(severity));
            if let Some(pinned) = pinned {
                let key = format!("{key}.{}.{}", which.key(), severity.word());
                loose.least(&key, *pinned, *limit);
            }
        }
    }
    for (measure, bound) in &own.measures {
        let pinned = pinned.measures.get(measure).or_else(|| general.measures.get(measure));
        let Some(pinned) = pinned else { continue };
        let key = format!("{key}.measures.{}", measure.key());
        if let (Some(pinned), Some(own)) = (pinned.min, bound.min) {
            loose.most(&format!("{key}.min"), pinned, own);
        }
        if let (Some(pinned), Some(own)) = (pinned.max, bound.max) {
            loose.least(&format!("{key}.max"), pinned, own);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(id: &str) -> StepId {
        StepId::new(id).expect("an id")
    }

    fn bound(min: Option<f64>, max: Option<f64>) -> Bound {
        let finite = |number| Finite::new(number).expect("finite");
        Bound { min: min.map(finite), max: max.map(finite) }
    }

    fn high(all: u32, new: u32) -> Limits {
        Limits {
            all: [(Severity::High, all)].into(),
            new: [(Severity::High, new)].into(),
            measures: BTreeMap::new(),
        }
    }

    #[test]
    fn a_steps_limits_go_before_its_tools_and_those_before_the_general_ones() {
        let mut policy = FindingsPolicy { limits: high(5, 0), ..FindingsPolicy::default() };
        policy.limits.all.insert(Severity::Critical, 0);
        policy.tools.insert("trivy".to_owned(), high(9, 1));
        policy.steps.insert(step("build.trivy"), high(2, 2));
        let limit = |which, id, tool| policy.limit(which, &step(id), tool, Severity::High);
        assert_eq!(limit(Which::All, "code.snyk", "Snyk"), Some(5));
        assert_eq!(limit(Which::All, "build.other", "Trivy"), Some(9));
        assert_eq!(limit(Which::New, "build.other", "TRIVY"), Some(1));
        assert_eq!(limit(Which::All, "build.trivy", "Trivy"), Some(2));
        let critical = policy.limit(Which::All, &step("build.trivy"), "Trivy", Severity::Critical);
        assert_eq!(critical, Some(0), "what is not named there is general");
        assert_eq!(policy.limit(Which::All, &step("a"), "b", Severity::Low), None);
    }

    #[test]
    fn a_revision_only_tightens_whatever_layer_it_names() {
        // The pinned limit stands with the tool, the revision names the step: the step's limit
        // must not take the tool's place.
        let mut pinned = FindingsPolicy { limits: high(5, 5), ..FindingsPolicy::default() };
        pinned.tools.insert("trivy".to_owned(), high(0, 0));
        let mut own = pinned.clone();
        own.steps.insert(step("build.trivy"), high(3, 3));
        let (both, _) = tightened(&pinned, &own);
        let limit = |policy: &FindingsPolicy, id: &str, tool: &str| {
            policy.limit(Which::All, &step(id), tool, Severity::High)
        };
        assert_eq!(limit(&both, "build.trivy", "Trivy"), Some(0));
        assert_eq!(
            limit(&both, "build.trivy", "Grype"),
            Some(3),
            "and where it is stricter it counts"
        );
        assert_eq!(limit(&both, "code.a", "Snyk"), Some(5));
    }

    #[test]
    fn a_looser_measure_is_told_and_the_stricter_one_counts() {
        let mut pinned = FindingsPolicy::default();
        pinned.limits.measures.insert(Measure::LineCoveragePct, bound(Some(80.0), None));
        let mut own = pinned.clone();
        own.limits.measures.insert(Measure::LineCoveragePct, bound(Some(10.0), None));
        own.limits.measures.insert(Measure::P95Ms, bound(None, Some(300.0)));
        let (both, loose) = tightened(&pinned, &own);
        assert_eq!(loose, ["findings.limits.measures.line_coverage_pct.min: 10 is looser than 80"]);
        let bounds = both.bounds(&step("code.cover"), "Jest");
        let keeps = |measure, number| {
            let of = bounds.iter().filter(|held| held.measure == measure);
            of.clone().count() > 0 && of.into_iter().all(|held| held.bound.holds(number))
        };
        assert!(!keeps(Measure::LineCoveragePct, 79.9) && keeps(Measure::LineCoveragePct, 80.0));
        assert!(!keeps(Measure::P95Ms, 300.1) && keeps(Measure::P95Ms, 300.0));
    }

    fn tightened(pinned: &FindingsPolicy, own: &FindingsPolicy) -> (FindingsPolicy, Vec<String>) {
        let mut loose = Tighter::default();
        let both = pinned.tightened_by(own, &mut loose);
        (both, loose.into_found())
    }
}

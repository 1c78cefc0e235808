//! A policy that changed while a release runs: what may change, and what of it is looser.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Policy;
use crate::release::finding::limits::{Bound, Held, Which};
use crate::release::finding::{Measure, Severity};
use crate::release::{Clean, Digest, FindingsPolicy, StepId};

/// The findings gates of a policy, brought into a release that runs. Nothing else of a policy may
/// change while a release runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyChange {
    /// The gates from now on.
    pub findings: FindingsPolicy,
    /// Where the changed policy came from.
    pub from: Clean,
    /// Why it was changed.
    pub comment: Clean,
    /// Of the whole policy, before and after.
    pub before: Digest,
    pub after: Digest,
    /// What passes now that did not before, a rule each: `findings.limits.all.high: 0 → 3`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub loosened: Vec<Clean>,
    /// What does not pass any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tightened: Vec<Clean>,
}

impl PolicyChange {
    /// What `changed` makes of `policy`, or why it may not.
    ///
    /// # Errors
    /// In words: something else than the findings gates differs, a waiver is none, or nothing
    /// differs.
    pub fn of(
        policy: &Policy,
        changed: &Policy,
        from: Clean,
        comment: Clean,
    ) -> Result<Self, String> {
        let others = other_differences(policy, changed);
        if !others.is_empty() {
            return Err(format!(
                "only the findings gates may change while a release runs, and this changes {}; \
                 that counts from the next release on",
                others.join(", ")
            ));
        }
        changed.check().map_err(|error| format!("{}: {}", error.path, error.message))?;
        if policy.findings == changed.findings {
            return Err("the findings gates are what they were: nothing would change".to_owned());
        }
        let mut told = Told::default();
        told.compare(&policy.findings, &changed.findings);
        let Told { loosened, tightened } = told;
        let (before, after) = (policy.digest(), changed.digest());
        let findings = changed.findings.clone();
        Ok(Self { findings, from, comment, before, after, loosened, tightened })
    }

    /// What it comes to, in words: `looser: …; stricter: …`.
    pub fn words(&self) -> String {
        let list = |all: &[Clean]| all.iter().map(Clean::as_str).collect::<Vec<_>>().join(", ");
        let parts = [("LOOSER", &self.loosened), ("stricter", &self.tightened)];
        let parts = parts.iter().filter(|(_, rules)| !rules.is_empty());
        let parts: Vec<String> =
            parts.map(|(word, rules)| format!("{word}: {}", list(rules))).collect();
        if parts.is_empty() {
            "no rule counts for more or less".to_owned()
        } else {
            parts.join("; ")
        }
    }
}

impl Policy {
    /// The digest of the policy as it takes effect, whatever files it came from.
    pub fn digest(&self) -> Digest {
        // It holds no maps with keys that JSON cannot spell, so this cannot fail.
        Digest::of(&serde_json::to_vec(self).unwrap_or_default())
    }
}

/// The keys outside of `findings` that differ: `approval.required (2 → 1)`.
fn other_differences(policy: &Policy, changed: &Policy) -> Vec<String> {
    let value = |policy: &Policy| {
        let mut value = serde_json::to_value(policy).unwrap_or_default();
        if let Some(fields) = value.as_object_mut() {
            fields.remove("findings");
        }
        value
    };
    let mut all = Vec::new();
    differences("", &value(policy), &value(changed), &mut all);
    all
}

fn differences(key: &str, before: &Value, after: &Value, all: &mut Vec<String>) {
    if before == after {
        return;
    }
    let (Value::Object(old), Value::Object(new)) = (before, after) else {
        return all.push(format!("{key} ({before} → {after})"));
    };
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for name in names {
        let dot = if key.is_empty() { "" } else { "." };
        let null = &Value::Null;
        let (old, new) = (old.get(name).unwrap_or(null), new.get(name).unwrap_or(null));
        differences(&format!("{key}{dot}{name}"), old, new, all);
    }
}

/// For which reports a rule is: all, those of a tool, that of a step.
#[derive(Clone, Copy)]
struct For<'a> {
    step: Option<&'a StepId>,
    tool: Option<&'a str>,
}

#[derive(Default)]
struct Told {
    loosened: Vec<Clean>,
    tightened: Vec<Clean>,
}

impl Told {
    /// Compares what takes effect for all reports, then where tools and steps have it otherwise.
    fn compare(&mut self, before: &FindingsPolicy, after: &FindingsPolicy) {
        let (mut tools, mut steps) = (BTreeSet::new(), BTreeSet::new());
        for policy in [before, after] {
            policy.named(&mut tools, &mut steps);
        }
        let general = For { step: None, tool: None };
        self.rules("findings.limits", general, None, before, after);
        for tool in tools {
            let of = For { tool: Some(&tool), step: None };
            self.rules(&format!("findings.tools.{tool}"), of, Some(general), before, after);
        }
        for step in steps {
            let of = For { step: Some(&step), tool: None };
            self.rules(&format!("findings.steps.{step}"), of, Some(general), before, after);
        }
        for waiver in after.waivers.iter().filter(|waiver| !before.waivers.contains(waiver)) {
            self.loosened.push(Clean::new(&format!("waiver of {waiver}")));
        }
        for waiver in before.waivers.iter().filter(|waiver| !after.waivers.contains(waiver)) {
            self.tightened.push(Clean::new(&format!("no waiver of {waiver} any more")));
        }
    }

    fn rules(
        &mut self,
        key: &str,
        of: For<'_>,
        beneath: Option<For<'_>>,
        before: &FindingsPolicy,
        after: &FindingsPolicy,
    ) {
        for (which, severity) in [Which::All, Which::New]
            .into_iter()
            .flat_map(|which| Severity::ALL.map(|severity| (which, severity)))
        {
            let both = |of: For<'_>| {
                [before, after].map(|policy| policy.effective(which, of.step, of.tool, severity))
            };
            let [old, new] = both(of);
            // What only follows from the rule beneath is told there.
            if old == new || beneath.is_some_and(|beneath| both(beneath) == [old, new]) {
                continue;
            }
            let words = |limit: Option<u32>| limit.map_or("no limit".to_owned(), |n| n.to_string());
            let looser = new.is_none_or(|new| old.is_some_and(|old| new > old));
            let key = format!("{key}.{}.{}", which.key(), severity.word());
            self.say(looser, &format!("{key}: {} → {}", words(old), words(new)));
        }
        let both = |of: For<'_>| [before, after].map(|policy| held(policy, of));
        let [old, new] = both(of);
        let beneath = beneath.map(both);
        let measures: BTreeSet<Measure> = old.keys().chain(new.keys()).copied().collect();
        for measure in measures {
            let pair = [old.get(&measure), new.get(&measure)];
            let same = beneath
                .as_ref()
                .is_some_and(|[old, new]| [old.get(&measure), new.get(&measure)] == pair);
            if pair[0] == pair[1] || same {
                continue;
            }
            let words = |held: Option<&Held>| match held {
                Some(held) if held.required => format!("{}, required", held.bound.words()),
                Some(held) => held.bound.words(),
                None => "no limit".to_owned(),
            };
            let text = format!(
                "{key}.measures.{}: {} → {}",
                measure.key(),
                words(pair[0]),
                words(pair[1])
            );
            self.say(is_looser(pair[0], pair[1]), &text);
        }
    }

    fn say(&mut self, looser: bool, text: &str) {
        let list = if looser { &mut self.loosened } else { &mut self.tightened };
        list.push(Clean::new(text));
    }
}

/// Whether anything passes the second bound that did not pass the first.
fn is_looser(old: Option<&Held>, new: Option<&Held>) -> bool {
    let (Some(old), Some(new)) = (old, new) else { return new.is_none() };
    let min = match (old.bound.min, new.bound.min) {
        (Some(old), Some(new)) => new < old,
        (Some(_), None) => true,
        (None, _) => false,
    };
    let max = match (old.bound.max, new.bound.max) {
        (Some(old), Some(new)) => new > old,
        (Some(_), None) => true,
        (None, _) => false,
    };
    min || max || (old.required && !new.required)
}

/// The bounds that take effect, those of the revision itself joined to them.
fn held(policy: &FindingsPolicy, of: For<'_>) -> BTreeMap<Measure, Held> {
    let mut all: BTreeMap<Measure, Held> = BTreeMap::new();
    for own in policy.held(of.step, of.tool) {
        all.entry(own.measure)
            .and_modify(|known| {
                let Bound { min, max } = known.bound;
                let larger = |a: Option<_>, b: Option<_>| if a > b { a } else { b };
                let least = match (max, own.bound.max) {
                    (Some(a), Some(b)) => Some(if a < b { a } else { b }),
                    (a, b) => a.or(b),
                };
                known.bound = Bound { min: larger(min, own.bound.min), max: least };
                known.required |= own.required;
            })
            .or_insert(own);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::Finite;
    use crate::release::finding::limits::Limits;

    fn shipped() -> Policy {
        serde_yaml::from_str(include_str!("../../../config/policy.yaml")).expect("a policy")
    }

    fn change(before: &Policy, after: &Policy) -> Result<PolicyChange, String> {
        PolicyChange::of(before, after, "policy.yaml".into(), "why".into())
    }

    fn list(all: &[Clean]) -> Vec<&str> {
        all.iter().map(Clean::as_str).collect()
    }

    #[test]
    fn rules_that_let_more_pass_are_looser_and_all_others_stricter() {
        let (mut before, mut after) = (shipped(), shipped());
        let limits = |high: Option<u32>, score: Option<f64>| Limits {
            all: high.map(|high| (Severity::High, high)).into_iter().collect(),
            measures: score
                .map(|score| {
                    let min = Some(Finite::new(score).expect("finite"));
                    (Measure::Score, Bound { min, max: None })
                })
                .into_iter()
                .collect(),
            ..Limits::default()
        };
        before.findings = FindingsPolicy { limits: limits(Some(2), Some(5.0)), ..<_>::default() };
        after.findings = before.findings.clone();
        before.findings.tools.insert("trivy".to_owned(), limits(Some(0), None));
        after.findings.tools.insert("trivy".to_owned(), limits(Some(1), None));
        after.findings.limits.all.insert(Severity::Low, 9);
        after.findings.limits.measures.insert(
            Measure::Score,
            Bound { min: Some(Finite::new(4.0).expect("finite")), max: None },
        );
        let step = StepId::new("build.scan").expect("an id");
        before.findings.steps.insert(step.clone(), limits(Some(7), None));
        let told = change(&before, &after).expect("a change");
        assert_eq!(
            list(&told.loosened),
            [
                "findings.limits.measures.score: at least 5 → at least 4",
                "findings.tools.trivy.all.high: 0 → 1",
            ]
        );
        assert_eq!(
            list(&told.tightened),
            ["findings.limits.all.low: no limit → 9", "findings.steps.build.scan.all.high: 7 → 2"]
        );
        assert_eq!((told.before, told.after), (before.digest(), after.digest()));
        // The way back says the opposite.
        let back = change(&after, &before).expect("a change");
        assert_eq!((back.loosened.len(), back.tightened.len()), (2, 2));
        assert!(list(&back.loosened).contains(&"findings.limits.all.low: 9 → no limit"));
    }

    #[test]
    fn only_the_findings_gates_may_change_and_something_must() {
        let before = shipped();
        let mut after = before.clone();
        assert!(change(&before, &after).expect_err("nothing").contains("nothing would change"));
        after.findings.limits.all.insert(Severity::Low, 1);
        after.approval.required += 1;
        after.monitor.duration_s = 1;
        let why = change(&before, &after).expect_err("more than that");
        let required = format!(
            "approval.required ({} → {})",
            before.approval.required, after.approval.required
        );
        assert!(why.contains(&required) && why.contains("monitor.duration_s"), "{why}");
        assert!(!why.contains("findings.limits"), "{why}");
    }
}

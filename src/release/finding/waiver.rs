//! Waivers: findings that do not count until a day, because a person said why.

use std::fmt;

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Finding;
use crate::release::{Clean, Digest, Person};

/// Which findings do not count, why, who answers for it, and until when. All that is named must
/// fit; in `rule`, `location` and `package` a `*` stands for any characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    /// The tool's name, in any case of letters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<Clean>,
    /// The tool's name for it, or another number of the same flaw: `CVE-2023-45853`,
    /// `generic-api-key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<Clean>,
    /// Exactly this finding, wherever its line moves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Digest>,
    /// Where it is, with or without the line: `src/pay.rs`, `k8s/*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Clean>,
    /// The package's name or its package URL: `lodash`, `pkg:npm/lodash@*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<Clean>,
    /// Why it may stay.
    pub reason: Clean,
    /// Why a vulnerability does no harm here, in OpenVEX's word for it. Without it the waiver says
    /// that the finding is lived with, not that it does no harm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub justification: Option<Justification>,
    /// Who answers for it.
    pub owner: Person,
    /// The last day on which it holds, in UTC: `2026-12-31`.
    #[schemars(with = "String")]
    pub until: Date,
}

/// Why a vulnerability does no harm, in the words of OpenVEX.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Justification {
    ComponentNotPresent,
    VulnerableCodeNotPresent,
    VulnerableCodeNotInExecutePath,
    VulnerableCodeCannotBeControlledByAdversary,
    InlineMitigationsAlreadyExist,
}

impl Justification {
    pub const ALL: [Self; 5] = [
        Self::ComponentNotPresent,
        Self::VulnerableCodeNotPresent,
        Self::VulnerableCodeNotInExecutePath,
        Self::VulnerableCodeCannotBeControlledByAdversary,
        Self::InlineMitigationsAlreadyExist,
    ];

    /// As OpenVEX and a policy write it.
    pub fn key(self) -> &'static str {
        match self {
            Self::ComponentNotPresent => "component_not_present",
            Self::VulnerableCodeNotPresent => "vulnerable_code_not_present",
            Self::VulnerableCodeNotInExecutePath => "vulnerable_code_not_in_execute_path",
            Self::VulnerableCodeCannotBeControlledByAdversary => {
                "vulnerable_code_cannot_be_controlled_by_adversary"
            }
            Self::InlineMitigationsAlreadyExist => "inline_mitigations_already_exist",
        }
    }
}

impl Waiver {
    /// One that covers nothing yet.
    pub fn new(reason: Clean, owner: Person, until: Date) -> Self {
        Self {
            tool: None,
            rule: None,
            fingerprint: None,
            location: None,
            package: None,
            reason,
            justification: None,
            owner,
            until,
        }
    }

    /// Why it is none: nothing in it tells a finding, or nobody says why.
    pub fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let text = |field: &Option<Clean>| {
            let named = field.as_ref().map_or("", Clean::as_str);
            !named.chars().all(|c| c == '*' || c.is_whitespace())
        };
        let tells = text(&self.rule)
            || text(&self.location)
            || text(&self.package)
            || self.fingerprint.is_some();
        if !tells {
            return Err((
                "",
                "this waiver would cover everything: name a rule, a fingerprint, a location or a \
                 package",
            ));
        }
        if self.reason.as_str().trim().is_empty() {
            return Err(("reason", "a waiver needs a reason"));
        }
        Ok(())
    }

    /// Whether the day is past its last one.
    pub fn is_expired(&self, today: Date) -> bool {
        self.until < today
    }

    /// Whether it names this finding, whatever the day.
    pub fn covers(&self, finding: &Finding) -> bool {
        let tool = |tool: &Clean| tool.as_str().eq_ignore_ascii_case(finding.tool.as_str());
        let rule = |rule: &Clean| finding.ids().any(|id| fits(rule.as_str(), id.as_str()));
        let place = |glob: &Clean| {
            let place = finding.location.as_str();
            fits(glob.as_str(), place) || fits(glob.as_str(), without_line(place))
        };
        let package = |glob: &Clean| {
            let package = finding.package.as_ref();
            package.is_some_and(|package| {
                let purl = package.purl.as_ref().map_or("", Clean::as_str);
                fits(glob.as_str(), package.name.as_str()) || fits(glob.as_str(), purl)
            })
        };
        self.fingerprint.as_ref().is_none_or(|own| *own == finding.fingerprint)
            && self.tool.as_ref().is_none_or(tool)
            && self.rule.as_ref().is_none_or(rule)
            && self.location.as_ref().is_none_or(place)
            && self.package.as_ref().is_none_or(package)
    }

    /// What it covers, in words: `trivy CVE-2023-45853 at app/*`.
    pub fn what(&self) -> Clean {
        let mut words = Vec::new();
        words.extend(self.tool.as_ref().map(Clean::to_string));
        words.extend(self.rule.as_ref().map(Clean::to_string));
        words.extend(self.package.as_ref().map(|package| format!("in {package}")));
        words.extend(self.location.as_ref().map(|place| format!("at {place}")));
        words.extend(self.fingerprint.as_ref().map(|own| format!("finding {}", own.short())));
        Clean::new(&words.join(" "))
    }
}

impl fmt::Display for Waiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (until {}, {})", self.what(), self.until, self.owner)
    }
}

/// `src/pay.rs:88` without its line.
fn without_line(place: &str) -> &str {
    match place.rsplit_once(':') {
        Some((path, line)) if !line.is_empty() && line.bytes().all(|b| b.is_ascii_digit()) => path,
        _ => place,
    }
}

/// Whether a text fits a pattern in which `*` stands for any characters. In time linear in the
/// text for each star, so that a hostile report costs nothing.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        if let Some(middle) = last.replace(part) {
            let Some(at) = rest.find(middle) else { return false };
            rest = &rest[at + middle.len()..];
        }
    }
    match last {
        Some(end) => rest.ends_with(end),
        None => rest.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::finding::Package;

    fn finding() -> Finding {
        Finding {
            tool: "Trivy".into(),
            rule: "CVE-2023-45853".into(),
            location: "src/pay.rs:88".into(),
            fingerprint: Digest::of(b"one"),
            package: Some(Package {
                name: "zlib".into(),
                purl: Some("pkg:apk/alpine/zlib@1.2.13".into()),
                ..Package::default()
            }),
            ..Finding::default()
        }
    }

    fn waiver() -> Waiver {
        Waiver {
            tool: None,
            rule: None,
            fingerprint: None,
            location: None,
            package: None,
            reason: "not reachable".into(),
            justification: None,
            owner: Person::new("mira").expect("a name"),
            until: "2026-12-31".parse().expect("a day"),
        }
    }

    #[test]
    fn a_waiver_covers_what_fits_all_that_it_names() {
        let some = |text: &str| Some(Clean::new(text));
        let cases = [
            (Waiver { rule: some("CVE-2023-45853"), ..waiver() }, true),
            (Waiver { rule: some("CVE-2023-*"), ..waiver() }, true),
            (Waiver { rule: some("CVE-2024-*"), ..waiver() }, false),
            (Waiver { rule: some("CVE-*"), tool: some("trivy"), ..waiver() }, true),
            (Waiver { rule: some("CVE-*"), tool: some("grype"), ..waiver() }, false),
            (Waiver { location: some("src/pay.rs"), ..waiver() }, true),
            (Waiver { location: some("src/pay.rs:88"), ..waiver() }, true),
            (Waiver { location: some("src/pay.rs:8"), ..waiver() }, false),
            (Waiver { location: some("src/*"), ..waiver() }, true),
            (Waiver { location: some("pay.rs"), ..waiver() }, false),
            (Waiver { package: some("zlib"), ..waiver() }, true),
            (Waiver { package: some("pkg:apk/*/zlib@*"), ..waiver() }, true),
            (Waiver { package: some("zlib2"), ..waiver() }, false),
            (Waiver { fingerprint: Some(Digest::of(b"one")), ..waiver() }, true),
            (Waiver { fingerprint: Some(Digest::of(b"two")), ..waiver() }, false),
        ];
        for (waiver, covers) in cases {
            assert_eq!(waiver.check(), Ok(()), "{waiver}");
            assert_eq!(waiver.covers(&finding()), covers, "{waiver}");
        }
    }

    #[test]
    fn a_waiver_of_everything_or_without_a_reason_is_none() {
        let some = |text: &str| Some(Clean::new(text));
        assert!(waiver().check().is_err());
        assert!(Waiver { tool: some("trivy"), ..waiver() }.check().is_err());
        assert!(Waiver { rule: some("* *"), ..waiver() }.check().is_err());
        let silent = Waiver { rule: some("A"), reason: " ".into(), ..waiver() };
        assert_eq!(silent.check().expect_err("no reason").0, "reason");
    }

    #[test]
    fn a_waiver_holds_on_its_last_day_and_not_after_it() {
        let day = |day: &str| day.parse::<Date>().expect("a day");
        assert!(!waiver().is_expired(day("2026-12-31")));
        assert!(waiver().is_expired(day("2027-01-01")));
    }

    #[test]
    fn patterns_fit_from_end_to_end() {
        for (pattern, text) in
            [("a*c", "abc"), ("*", ""), ("a*b*c", "a1b2c"), ("", ""), ("a*", "a")]
        {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("a*c", "acb"), ("a", "ab"), ("ab*ba", "aba"), ("", "a")] {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
    }
}

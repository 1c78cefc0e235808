//! Triage: what is new, what is one thing told twice, and the fewest fixes.

use std::collections::BTreeMap;

use gonogo::release::finding::{FindingKind, Package};
use gonogo::release::triage::{FAMILIES, Status, by_fix, diff, fold, smallest};
use gonogo::release::{Clean, Digest, Finding, Severity};
use proptest::prelude::*;

fn finding(tool: &str, rule: &str, location: &str) -> Finding {
    Finding {
        tool: Clean::new(tool),
        rule: Clean::new(rule),
        location: Clean::new(location),
        fingerprint: Digest::of(format!("{tool} {rule}").as_bytes()),
        severity: Severity::High,
        ..Finding::default()
    }
}

fn flaw(tool: &str, id: &str, name: &str, purl: &str, versions: (&str, &str)) -> Finding {
    let some = |text: &str| (!text.is_empty()).then(|| Clean::new(text));
    let package = Package {
        name: Clean::new(name),
        purl: some(purl),
        installed: some(versions.0),
        fixed: some(versions.1),
    };
    Finding {
        kind: FindingKind::Vulnerability,
        package: Some(package),
        fingerprint: Digest::of(format!("{tool} {id} {name}").as_bytes()),
        ..finding(tool, id, name)
    }
}

fn setting(tool: &str, rule: &str, location: &str, resource: &str) -> Finding {
    Finding {
        kind: FindingKind::Misconfiguration,
        resource: (!resource.is_empty()).then(|| Clean::new(resource)),
        ..finding(tool, rule, location)
    }
}

fn leak(tool: &str, location: &str, secret: Option<&str>) -> Finding {
    Finding {
        kind: FindingKind::Secret,
        secret: secret.map(|secret| Digest::of(secret.as_bytes())),
        ..finding(tool, "key", location)
    }
}

/// Which findings are together, by the place they were given in.
fn together(findings: &[Finding]) -> Vec<Vec<usize>> {
    let groups = fold(findings, &FAMILIES).into_iter();
    let mut groups: Vec<Vec<usize>> = groups
        .map(|mut group| {
            group.members.sort_unstable();
            group.members
        })
        .collect();
    groups.sort();
    groups
}

#[test]
fn the_same_vulnerability_in_the_same_package_is_one() {
    let all = [
        flaw("trivy", "CVE-1", "lodash", "pkg:npm/lodash@4.17.15", ("4.17.15", "")),
        flaw("snyk", "cve-1", "Lodash", "pkg:npm/lodash@4.17.20?arch=x#y", ("4.17.20", "")),
        flaw("grype", "CVE-1", "lodash", "", ("", "")),
        flaw("trivy", "CVE-2", "lodash", "pkg:npm/lodash@4.17.15", ("4.17.15", "")),
        flaw("trivy", "CVE-3", "@babel/core", "", ("", "")),
        flaw("grype", "CVE-3", "core", "pkg:npm/%40babel/core@7.0.0", ("", "")),
        flaw("trivy", "CVE-4", "log4j", "pkg:maven/org.apache/log4j@1", ("", "")),
        flaw("grype", "CVE-4", "org.apache:log4j", "", ("", "")),
        flaw("trivy", "CVE-5", "openssl", "pkg:deb/debian/openssl@3?distro=debian-12", ("", "")),
        flaw("grype", "CVE-5", "openssl", "", ("", "")),
        // Two packages of one name and one number: who names no kind joins neither.
        flaw("trivy", "CVE-6", "x", "pkg:npm/x@1", ("", "")),
        flaw("trivy", "CVE-6", "x", "pkg:pypi/x@1", ("", "")),
        flaw("grype", "CVE-6", "x", "", ("", "")),
    ];
    let expected: [&[usize]; 8] =
        [&[0, 1, 2], &[3], &[4, 5], &[6, 7], &[8, 9], &[10], &[11], &[12]];
    assert_eq!(together(&all), expected);
}

#[test]
fn a_cve_and_its_ghsa_are_one_where_some_report_tells_it() {
    let known_as = |finding: Finding, others: &[&str]| Finding {
        aliases: others.iter().map(|id| Clean::new(id)).collect(),
        ..finding
    };
    let flaw = |tool: &str, id: &str, name: &str| flaw(tool, id, name, "", ("", ""));
    let all = [
        flaw("grype", "GHSA-2", "lodash"),
        known_as(flaw("trivy", "CVE-1", "lodash"), &["GHSA-2"]),
        flaw("snyk", "CVE-1", "lodash"),
        // A chain: whoever knows only the third number is of the same flaw.
        known_as(flaw("osv", "SNYK-3", "lodash"), &["ghsa-2"]),
        flaw("snyk", "SNYK-3", "lodash"),
        // Of another package it is another finding, and another number is another flaw.
        flaw("grype", "GHSA-2", "lodash-es"),
        flaw("snyk", "CVE-1", "lodash-es"),
        flaw("trivy", "CVE-9", "lodash"),
    ];
    let expected: [&[usize]; 4] = [&[0, 1, 2, 3, 4], &[5], &[6], &[7]];
    assert_eq!(together(&all), expected);
    // One waiver, and one statement, is for the flaw, whichever number it names.
    let day = "2026-12-31".parse().expect("a day");
    let owner = gonogo::release::Person::new("mira").expect("a name");
    let waiver = gonogo::release::finding::waiver::Waiver::new("why".into(), owner, day);
    let waiver = gonogo::release::finding::waiver::Waiver { rule: Some("GHSA-2".into()), ..waiver };
    assert_eq!(
        all.each_ref().map(|one| waiver.covers(one)),
        [true, true, false, false, false, true, false, false]
    );
}

#[test]
fn the_same_demand_on_the_same_resource_is_one() {
    let all = [
        setting("checkov", "CKV_K8S_16", "/k8s/deployment.yaml:1", "Deployment.default.orders"),
        setting("kubesec", "Privileged", "Deployment/orders.default", "Deployment/orders.default"),
        setting("trivy", "AVD-KSV-0017", "k8s/deployment.yaml:12", ""),
        setting("trivy", "AVD-KSV-0012", "k8s/deployment.yaml:12", ""),
        setting("checkov", "CKV_AZURE_110", "/main.tf:3", "azurerm_key_vault.kv"),
        setting("tfsec", "AVD-AZU-0016", "main.tf:9", "azurerm_key_vault.kv"),
        setting("tfsec", "AVD-AZU-0016", "main.tf:19", "azurerm_key_vault.other"),
        setting("checkov", "CKV_DOCKER_3", "/Dockerfile:1", "/Dockerfile."),
        setting("hadolint", "DL3002", "Dockerfile:7", ""),
        setting("trivy", "DS002", "./Dockerfile", ""),
    ];
    let expected: [&[usize]; 5] = [&[0, 1, 2], &[3], &[4, 5], &[6], &[7, 8, 9]];
    assert_eq!(together(&all), expected);
}

#[test]
fn the_same_secret_is_one_wherever_it_stands() {
    let all = [
        leak("gitleaks", "src/a.js:4", Some("one")),
        leak("gitleaks", "old/a.js:9", Some("one")),
        leak("gitleaks", "src/a.js:5", Some("two")),
        // Trivy strikes out what it finds: the line tells.
        leak("trivy", "src/a.js:4", None),
        leak("trivy", "src/b.js:4", None),
    ];
    let expected: [&[usize]; 3] = [&[0, 1, 3], &[2], &[4]];
    assert_eq!(together(&all), expected);
}

#[test]
fn the_worst_member_stands_for_its_group_and_the_worst_group_first() {
    let mut all = vec![
        flaw("trivy", "CVE-1", "lodash", "", ("", "")),
        flaw("grype", "CVE-1", "lodash", "", ("", "")),
        finding("semgrep", "eval", "a.js:1"),
    ];
    all[1].severity = Severity::Critical;
    all[2].severity = Severity::Low;
    let groups = fold(&all, &FAMILIES);
    assert_eq!(groups[0].members, [1, 0]);
    assert_eq!(groups[1].first(), 2);
}

#[test]
fn three_where_there_were_two_are_two_and_a_new_one() {
    let at = |line: u32| finding("gitleaks", "key", &format!("a.js:{line}"));
    let before = [at(1), at(5)];
    let now = [at(3), at(1), at(5)];
    let found = diff(&now, &before);
    // The one that has a new line is the new one, though it comes first.
    assert_eq!(found.now, [Status::New, Status::Existing, Status::Existing]);
    assert!(found.fixed.is_empty());
    let back = diff(&before, &now);
    assert_eq!(
        (back.count(Status::New), back.count(Status::Existing), back.fixed),
        (0, 2, vec![0])
    );
    // Moved lines are not news.
    let moved = diff(&[at(2), at(6)], &before);
    assert_eq!((moved.count(Status::New), moved.fixed.len()), (0, 0));
}

const APK: &str = "?arch=x86_64&distro=3.18.4";

#[test]
fn findings_are_grouped_by_what_removes_them() {
    let purl = |name: &str| format!("pkg:apk/alpine/{name}@1{APK}");
    let mut all: Vec<Finding> = ["busybox", "busybox", "libssl3", "libcrypto3", "zlib"]
        .iter()
        .enumerate()
        .map(|(n, name)| flaw("trivy", &format!("CVE-{n}"), name, &purl(name), ("1", "2")))
        .collect();
    all.push(flaw("trivy", "CVE-9", "musl", &purl("musl"), ("1", "")));
    all.push(flaw("t", "CVE-7", "lodash", "pkg:npm/lodash@4.17.20", ("4.17.20", "4.17.21")));
    all.push(flaw(
        "t",
        "CVE-8",
        "lodash",
        "pkg:npm/lodash@4.17.20",
        ("4.17.20", "4.17.9, 4.17.21"),
    ));
    all.push(setting("tfsec", "AVD-AZU-0016", "main.tf:9", "azurerm_key_vault.a"));
    all.push(setting("checkov", "CKV_AZURE_110", "/main.tf:19", "azurerm_key_vault.b"));
    all.push(leak("gitleaks", "src/a.js:4", Some("one")));
    all.push(leak("gitleaks", "old/a.js:4", Some("one")));
    let causes = by_fix(&all, &FAMILIES);
    let named: Vec<(&str, usize, &str)> = causes
        .iter()
        .map(|cause| {
            let fix = cause.fix.as_ref().map_or("", |fix| fix.as_str());
            (cause.name.as_str(), cause.findings.len(), fix)
        })
        .collect();
    assert_eq!(
        named[0],
        ("base image alpine 3.18.4", 5, "build on a newer alpine 3.18.4: it has 4 newer packages")
    );
    assert!(named.contains(&("base image alpine 3.18.4, no fixed version", 1, "")));
    assert!(named.contains(&("lodash 4.17.20", 2, "update lodash 4.17.20 → 4.17.21")));
    assert!(named.contains(&("AVD-AZU-0016 in main.tf", 2, "change the configuration")));
    let secret = "revoke the secret, and take it out of the source";
    assert!(named.contains(&("secret key at old/a.js:4 and 1 more", 2, secret)), "{named:?}");
    assert_eq!(causes.len(), 5);
}

fn limits(all: &[(Severity, u32)]) -> BTreeMap<Severity, u32> {
    all.iter().copied().collect()
}

#[test]
fn the_fewest_fixes_are_told_with_what_they_are_worth() {
    let of = |package: &str, n: usize, severity: Severity, fixed: &str| {
        let one = flaw("t", &format!("CVE-{package}{n}"), package, "", ("1", fixed));
        Finding { severity, ..one }
    };
    let mut all = Vec::new();
    for (package, high, medium) in [("a", 3, 0), ("b", 0, 3), ("c", 2, 2), ("d", 2, 2)] {
        all.extend((0..high).map(|n| of(package, n, Severity::High, "2")));
        all.extend((0..medium).map(|n| of(package, n + 10, Severity::Medium, "2")));
    }
    let causes = by_fix(&all, &FAMILIES);
    let remedy = |given: &[(Severity, u32)]| smallest(&all, &causes, &limits(given));
    // c and d do it together; taking the most helpful first would too.
    let two = remedy(&[(Severity::High, 3), (Severity::Medium, 3)]);
    assert_eq!((two.fixes.len(), two.fewest), (2, true));
    assert_eq!(two.words(), "2 fixes keep the limits, and fewer do not");
    assert_eq!(remedy(&[(Severity::High, 0)]).fixes.len(), 3);
    assert_eq!(remedy(&[(Severity::High, 7)]).words(), "the limits are kept without a fix");
    assert_eq!(remedy(&[]).fixes.len(), 0);
    assert_eq!(remedy(&[(Severity::High, 6)]).words(), "1 fix keeps the limits");
    // What no known fix removes is said.
    all.push(of("e", 0, Severity::High, ""));
    let causes = by_fix(&all, &FAMILIES);
    let left = smallest(&all, &causes, &limits(&[(Severity::High, 0)]));
    assert_eq!(left.over, limits(&[(Severity::High, 1)]));
    assert_eq!(
        left.words(),
        "no known fixes keep the limits: 1 high remain after 3 fixes, and fewer do not"
    );
}

/// Findings out of a few tools, rules, packages and places, so that many meet.
fn some_finding() -> impl Strategy<Value = Finding> {
    let severity = proptest::sample::select(&Severity::ALL[..]);
    let others = proptest::collection::vec(0..5_u8, 0..3);
    (0..4_u8, 0..3_u8, 0..3_u8, 0..3_u8, 0..3_u8, severity, others).prop_map(
        |(kind, tool, rule, place, more, severity, others)| {
            let tool = ["trivy", "checkov", "kubesec"][usize::from(tool)];
            let place = format!("f{place}:{more}");
            let one = match kind {
                0 => {
                    let purl = ["", "pkg:npm/p@1", "pkg:pypi/p@1"][usize::from(more)];
                    let known = flaw(tool, &format!("CVE-{rule}"), "p", purl, ("1", "2"));
                    let aliases =
                        others.iter().map(|id| Clean::new(&format!("CVE-{id}"))).collect();
                    Finding { aliases, ..known }
                }
                1 => {
                    let rule = ["CKV_K8S_16", "Privileged", "KSV012"][usize::from(rule)];
                    let on = ["", "Deployment.a.b", "Deployment/b.a"][usize::from(more)];
                    setting(tool, rule, &place, on)
                }
                2 => leak(tool, &place, [None, Some("x"), Some("y")][usize::from(more)]),
                _ => finding(tool, &format!("r{rule}"), &place),
            };
            Finding { severity, ..one }
        },
    )
}

fn some(most: usize) -> impl Strategy<Value = Vec<Finding>> {
    proptest::collection::vec(some_finding(), 0..most)
}

/// Groups by what is in them, whatever order it came in.
fn contents(findings: &[Finding]) -> Vec<Vec<String>> {
    let groups = fold(findings, &FAMILIES).into_iter();
    let text = |at: usize| serde_json::to_string(&findings[at]).expect("JSON");
    let mut all: Vec<Vec<String>> = groups
        .map(|group| {
            let mut members: Vec<String> = group.members.into_iter().map(text).collect();
            members.sort();
            members
        })
        .collect();
    all.sort();
    all
}

/// The smallest set that does, by trying all.
fn by_trying(all: &[Finding], given: &BTreeMap<Severity, u32>) -> Option<usize> {
    let causes = by_fix(all, &FAMILIES);
    let sets = 0..1_u32 << causes.len();
    let keeps = |set: &u32| {
        let stays = |at: usize| set & (1 << at) == 0 || causes[at].fix.is_none();
        given.iter().all(|(severity, limit)| {
            let left = (0..causes.len()).filter(|at| stays(*at));
            let count = |at: usize| causes[at].counts(all).get(severity).copied().unwrap_or(0);
            left.map(count).sum::<u32>() <= *limit
        })
    };
    sets.filter(keeps).map(|set| set.count_ones() as usize).min()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn folding_does_not_depend_on_the_order(all in some(24), seed in any::<u64>()) {
        let mut shuffled = all.clone();
        let mut state = seed | 1;
        for at in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            shuffled.swap(at, usize::try_from(state >> 33).expect("31 bits") % (at + 1));
        }
        prop_assert_eq!(contents(&all), contents(&shuffled));
        // Nothing is lost and nothing is told twice.
        let mut members: Vec<usize> =
            fold(&all, &FAMILIES).into_iter().flat_map(|group| group.members).collect();
        members.sort_unstable();
        prop_assert_eq!(members, (0..all.len()).collect::<Vec<_>>());
        let mut caused: Vec<usize> =
            by_fix(&all, &FAMILIES).into_iter().flat_map(|cause| cause.findings).collect();
        caused.sort_unstable();
        prop_assert_eq!(caused, (0..all.len()).collect::<Vec<_>>());
    }

    #[test]
    fn new_and_existing_are_all_and_existing_and_fixed_are_the_baseline(
        now in some(30), baseline in some(30),
    ) {
        let found = diff(&now, &baseline);
        prop_assert_eq!(found.count(Status::New) + found.count(Status::Existing), now.len());
        prop_assert_eq!(found.count(Status::Existing) + found.fixed.len(), baseline.len());
        let count = |all: &[Finding], of: &Digest| {
            all.iter().filter(|finding| finding.fingerprint == *of).count()
        };
        for finding in now.iter().chain(&baseline) {
            let of = &finding.fingerprint;
            let pairs = now.iter().zip(&found.now);
            let new = pairs.filter(|(f, s)| f.fingerprint == *of && **s == Status::New).count();
            prop_assert_eq!(new, count(&now, of).saturating_sub(count(&baseline, of)));
        }
        let same = diff(&now, &now);
        prop_assert_eq!((same.count(Status::New), same.fixed.len()), (0, 0));
    }

    #[test]
    fn no_smaller_set_of_fixes_keeps_the_limits(
        all in some(14), high in 0..3_u32, medium in 0..3_u32, low in 0..3_u32,
    ) {
        let given =
            limits(&[(Severity::High, high), (Severity::Medium, medium), (Severity::Low, low)]);
        let causes = by_fix(&all, &FAMILIES);
        let remedy = smallest(&all, &causes, &given);
        prop_assert!(remedy.fewest);
        prop_assert!(remedy.fixes.iter().all(|at| causes[*at].fix.is_some()));
        match by_trying(&all, &given) {
            Some(fewest) => {
                prop_assert!(remedy.over.is_empty());
                prop_assert_eq!(remedy.fixes.len(), fewest);
            }
            None => prop_assert!(!remedy.over.is_empty()),
        }
    }
}

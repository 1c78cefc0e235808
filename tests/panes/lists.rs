//! The findings' screen: the worst first, what was not looked at never left out.

use std::collections::BTreeMap;

use gonogo::release::{
    Clean, Digest, Event, Finding, ReportState, ReportSummary, Severity, StepEnd, StepId,
    StepResult,
};
use gonogo::tui::{Ui, on_key};

use super::tale::Tale;
use super::{dark, frame_with, key, text, ui};

fn report(tool: &str, state: ReportState, found: &[(Severity, &str)]) -> ReportSummary {
    let mut counts = BTreeMap::new();
    for (severity, _) in found {
        *counts.entry(*severity).or_insert(0) += 2;
    }
    let finding = |(severity, rule): &(Severity, &str)| Finding {
        tool: Clean::new(tool),
        rule: Clean::new(rule),
        aliases: Vec::new(),
        severity: *severity,
        original: None,
        title: Clean::new("a hole in the wall"),
        location: Clean::new("src/pay.rs:88"),
        fingerprint: Digest::zero(),
        kind: <_>::default(),
        resource: None,
        package: None,
        fix: None,
        evidence: None,
        secret: None,
    };
    ReportSummary {
        tool: Clean::new(tool),
        state,
        coverage: Clean::new("41 files"),
        covered: 41,
        tests: None,
        counts,
        worst: found.iter().map(finding).collect(),
        digest: Digest::zero(),
        measures: BTreeMap::new(),
    }
}

pub(super) fn scanned() -> (Tale, StepId) {
    let mut tale = Tale::started();
    let release = tale.snapshot().release;
    let steps = release.plan().expect("a plan").stages[0].steps.clone();
    let reason = Clean::new("no file matched");
    let reports = [
        report("gitleaks", ReportState::Findings, &[(Severity::Low, "LOW-1")]),
        report("snyk", ReportState::Findings, &[(Severity::Critical, "CVE-2026-1234")]),
        report("jest", ReportState::NotScanned { reason }, &[]),
    ];
    for (step, report) in steps.iter().zip(reports) {
        tale.tell(Event::StepStarted { step: step.id.clone() });
        let mut end = StepEnd::new(StepResult::Passed, 20_000);
        end.report = Some(report);
        tale.tell(Event::StepEnded { step: step.id.clone(), end: Box::new(end) });
    }
    (tale, steps[1].id.clone())
}

fn shown(tale: &Tale, ui: &mut Ui, keys: &str, size: (u16, u16)) -> String {
    let snapshot = tale.snapshot();
    for c in keys.chars() {
        let key = match c {
            '\n' => crossterm::event::KeyCode::Enter.into(),
            '\t' => crossterm::event::KeyCode::Tab.into(),
            '\x1b' => crossterm::event::KeyCode::Esc.into(),
            '→' => crossterm::event::KeyCode::Right.into(),
            '↑' => crossterm::event::KeyCode::Up.into(),
            '⌫' => crossterm::event::KeyCode::Backspace.into(),
            c => key(c),
        };
        on_key(ui, &snapshot, key);
    }
    ui.observe(&snapshot);
    text(&frame_with(tale, ui, &dark(), size))
}

#[test]
fn the_worst_finding_stands_first_and_nothing_unscanned_is_left_out_t12() {
    let (tale, step) = scanned();
    for size in [(80, 24), (120, 36), (200, 60)] {
        let mut ui = ui(&tale, size);
        let list = shown(&tale, &mut ui, "gf", size);
        assert!(list.contains("2 critical"), "{list}");
        assert!(list.contains("2 only in the reports"), "{list}");
        assert!(list.contains("jest scanned NOTHING"), "{list}");
        let place = |words: &str| list.find(words).unwrap_or_else(|| panic!("{words}\n{list}"));
        assert!(place("CVE-2026-1234") < place("LOW-1"), "{list}");
        if size.0 < 110 {
            let detail = shown(&tale, &mut ui, "\n", size);
            assert!(detail.contains("a hole in the wall"), "{detail}");
        }
        let log = shown(&tale, &mut ui, "\n", size);
        assert!(log.contains(&format!("Log  {step}")), "{log}");
        let few = shown(&tale, &mut ui, "gf/tool:gitleaks", size);
        assert!(few.contains("LOW-1"), "{few}");
        assert!(!few.contains("CVE-2026-1234  "), "{few}");
    }
}

#[test]
fn a_filter_is_chosen_in_a_form_and_is_the_words_that_can_be_typed() {
    let (tale, _) = scanned();
    for size in [(60, 16), (80, 24), (200, 60)] {
        let mut ui = ui(&tale, size);
        let open = shown(&tale, &mut ui, "gfF", size);
        for words in ["(*) new", "( ) all", ">[ ] critical 1", "[ ] low 1", "[ ] gitleaks 1"] {
            assert!(open.contains(words), "{words}\n{open}");
        }
        assert!(open.contains("[ ] code 2") && open.contains("none: all are shown"), "{open}");
        let one = shown(&tale, &mut ui, " ", size);
        assert!(
            one.contains(">[x] critical 1") && one.contains("words: severity:critical"),
            "{one}"
        );
        // What the other fields would show beside it is counted, too.
        assert!(one.contains("[ ] gitleaks 0") && one.contains("[ ] code 1"), "{one}");
        let two = shown(&tale, &mut ui, "→→→ \t ", size);
        assert!(two.contains("severity:critical|low tool:gitleaks"), "{two}");
        assert!(two.contains("shows 1"), "{two}");
        let closed = shown(&tale, &mut ui, "\n", size);
        assert!(closed.contains("only severity:critical|low"), "{closed}");
        assert!(closed.contains("LOW-1") && !closed.contains("CVE-2026-1234"), "{closed}");
        // What was typed is chosen in the form; leaving it changes nothing.
        let again = shown(&tale, &mut ui, "F⌫", size);
        assert!(again.contains("none: all are shown") && again.contains("shows 2"), "{again}");
        let left = shown(&tale, &mut ui, "\x1b", size);
        assert!(left.contains("only severity:critical|low"), "{left}");
        let fixed = shown(&tale, &mut ui, "F↑→→→ ", size);
        assert!(fixed.contains(">(*) fixed 0") && fixed.contains("shows 0"), "{fixed}");
        let left = shown(&tale, &mut ui, "\x1b", size);
        assert!(left.contains("LOW-1"), "{left}");
    }
}

//! The gate: what changes, on which evidence, how to get back, who decides until when. The vote
//! stands under it, and is for this card and no other.

use ratatui::layout::Rect;

use super::{WIDE, beyond, heading, sheet, told};
use crate::release::{
    ApprovalPolicy, BuiltIn, Card, CardLine, Clean, Gate, GateResult, Person, Release, ReportState,
    Slot, Step, Verdict, Vote,
};
use crate::report::words::{self, Point, Tone};
use crate::tui::draw::View;
use crate::tui::drawing::Drawing;
use crate::tui::pen::{Strip, width, wrap};
use crate::tui::theme::Role;

pub(in crate::tui) fn draw(drawing: &mut Drawing, area: Rect, view: &View<'_>) {
    let (title, card) = (title(view), view.snapshot.release.card());
    match halves(area) {
        None => sheet(drawing, area, view, &title, &all(view, &card, columns(area))),
        Some((left, right)) => {
            let evidence = evidence(view, &card, columns(right));
            sheet(drawing, right, view, &Strip::of(Role::Title, " Evidence "), &evidence);
            sheet(drawing, left, view, &title, &decided(view, &card, columns(left)));
        }
    }
}

/// Rows that do not fit.
pub(in crate::tui) fn overflow(view: &View<'_>, area: Rect) -> usize {
    let card = view.snapshot.release.card();
    match halves(area) {
        None => beyond(all(view, &card, columns(area)).len(), area),
        Some((left, right)) => {
            let right_rows = beyond(evidence(view, &card, columns(right)).len(), right);
            right_rows.max(beyond(decided(view, &card, columns(left)).len(), left))
        }
    }
}

fn columns(area: Rect) -> usize {
    usize::from(area.width.saturating_sub(2))
}

fn halves(area: Rect) -> Option<(Rect, Rect)> {
    (area.width >= WIDE).then(|| {
        let width = area.width / 2;
        let left = Rect { width, ..area };
        // Neighbours share their edge.
        (left, Rect { x: left.right() - 1, width: area.width - width + 1, ..area })
    })
}

fn title(view: &View<'_>) -> Strip {
    let release = &view.snapshot.release;
    match &release.gate {
        None => Strip::of(Role::Focus, " Go or no-go: not opened yet "),
        Some(gate) => {
            let word = match gate.closed {
                None if release.result.is_some() => "over",
                None => "open",
                Some(GateResult::Go) => "closed: GO",
                Some(GateResult::NoGo) => "closed: NO-GO",
                Some(GateResult::Expired) => "closed: EXPIRED",
            };
            Strip::of(Role::Focus, format!(" Go or no-go: stage {} ", gate.stage))
                .put(Role::Strong, format!(" {word} "))
                .right(Role::Dim, format!(" card {} ", gate.digest.short()))
        }
    }
}

/// One below the other: what decides first, what follows from it last.
fn all(view: &View<'_>, card: &Card, columns: usize) -> Vec<Strip> {
    let (head, tail) = parts(view, card, columns, true);
    let mut lines = head;
    lines.push(Strip::new());
    lines.extend(evidence(view, card, columns));
    lines.push(Strip::new());
    lines.extend(tail);
    lines
}

/// Everything but the evidence.
fn decided(view: &View<'_>, card: &Card, columns: usize) -> Vec<Strip> {
    let (mut lines, tail) = parts(view, card, columns, false);
    lines.push(Strip::new());
    lines.extend(tail);
    lines
}

/// `alone` is whether the evidence stands out of sight: then what is new is said here too.
fn parts(view: &View<'_>, card: &Card, columns: usize, alone: bool) -> (Vec<Strip>, Vec<Strip>) {
    let mut head = match &view.snapshot.release.gate {
        Some(gate) => standing(view, gate, columns),
        None => not_opened(view, columns),
    };
    let (role, text) = summary(&view.snapshot.release, card);
    head.extend(told("evidence", role, &text, columns));
    head.extend(unproven(card, columns));
    if alone && let Some(new) = words::findings_points(card).first() {
        let text = format!("{} {}", new.about, new.text);
        head.extend(told("findings", tone_role(new.tone), &text, columns));
    }
    head.push(Strip::new());
    head.push(heading("The way back"));
    head.extend(undo(view, columns));
    head.push(Strip::new());
    head.push(heading("What changes"));
    head.extend(change(view, card, columns));
    let mut tail = vec![heading("What happens then")];
    tail.extend(afterwards(view, columns));
    (head, tail)
}

fn policy<'a>(view: &View<'a>) -> Option<&'a ApprovalPolicy> {
    view.snapshot.release.policy().map(|policy| &policy.approval)
}

fn not_opened(view: &View<'_>, columns: usize) -> Vec<Strip> {
    let required = policy(view).map_or(1, |policy| policy.required);
    let text = format!(
        "the card is drawn up when all stages before it are go; then {} is needed",
        words::plural(u64::from(required), "yes")
    );
    let mut lines = told("gate", Role::Text, &text, columns);
    lines.extend(who(view, None, columns));
    lines
}

/// How many have said go, who, who else must, until when.
fn standing(view: &View<'_>, gate: &Gate, columns: usize) -> Vec<Strip> {
    let snapshot = view.snapshot;
    let required = policy(view).map_or(1, |policy| policy.required).max(1);
    let go = gate.votes.iter().filter(|entry| entry.vote == Vote::Approve).count();
    let role = if gate.closed.is_none() { Role::Gate } else { Role::Strong };
    let strip = Strip::of(role, format!(" ◆ {go} of {required} approvals"));
    let left_ms = gate.expires_ms.saturating_sub(snapshot.release.elapsed_ms(snapshot.now));
    let open = gate.closed.is_none() && snapshot.release.result.is_none();
    let mut lines = vec![if open {
        let until = words::moment(snapshot, gate.expires_ms);
        let left = words::duration(left_ms / 1000 * 1000);
        // The last ten minutes want to be seen.
        let role = if left_ms < 600_000 { Role::Warn } else { Role::Text };
        strip.right(role, format!("closes {until}, in {left} "))
    } else {
        strip
    }];
    lines.extend(votes(gate, columns));
    lines.extend(who(view, Some(gate), columns));
    lines
}

fn votes(gate: &Gate, columns: usize) -> Vec<Strip> {
    let mut lines = Vec::new();
    for entry in &gate.votes {
        let (glyph, role, word) = match entry.vote {
            Vote::Approve => ("✔", Role::Done, "GO"),
            Vote::Reject => ("✖", Role::Failed, "NO-GO"),
            Vote::Defer => ("○", Role::Warn, "not now"),
        };
        let signed = if entry.signed { "signed" } else { "unsigned, same account" };
        lines.push(
            Strip::of(role, format!(" {glyph} {word:<8}"))
                .put(Role::Strong, format!(" {}", entry.by))
                .right(Role::Dim, format!("{signed} {} ", words::utc(entry.at))),
        );
        if !entry.comment.as_str().is_empty() {
            lines.extend(told("", Role::Text, entry.comment.as_str(), columns));
        }
    }
    lines
}

/// Who may vote and who still has to; what your own vote would count.
fn who(view: &View<'_>, gate: Option<&Gate>, columns: usize) -> Vec<Strip> {
    let Some(policy) = policy(view) else { return Vec::new() };
    let requester = view.snapshot.release.started_by.as_ref();
    let voted = |person: &Person| {
        let votes = gate.iter().flat_map(|gate| &gate.votes);
        votes.into_iter().any(|entry| &entry.by == person && entry.vote != Vote::Defer)
    };
    let mut lines = Vec::new();
    if gate.is_none_or(|gate| gate.closed.is_none()) {
        let barred = |person: &&Person| !policy.requester_may_approve && requester == Some(*person);
        let open: Vec<&str> = (policy.approvers.iter())
            .filter(|person| !voted(person) && !barred(person))
            .map(Person::as_str)
            .collect();
        let mut text = if policy.approvers.is_empty() {
            "anybody who may drive this release".to_owned()
        } else {
            open.join(", ")
        };
        if let Some(person) = requester.filter(|_| !policy.requester_may_approve) {
            text = format!("{text}; not {person}, who started it");
        }
        let go = gate.map_or(0, |gate| {
            gate.votes.iter().filter(|entry| entry.vote == Vote::Approve).count()
        });
        let missing = u64::from(policy.required.max(1)).saturating_sub(go as u64);
        let text = format!("{missing} more yes, from {text}");
        lines.extend(told("still needs", Role::Strong, &text, columns));
    }
    if let Some(you) = &view.ui.who.person {
        let counts = if voted(you) {
            "you have voted"
        } else if !policy.approvers.is_empty() && !policy.approvers.contains(you) {
            "the policy does not name you as an approver"
        } else if !policy.requester_may_approve && requester == Some(you) {
            "you started this release, so your yes does not count"
        } else {
            "your yes counts"
        };
        lines.extend(told("you", Role::Text, &format!("{you}: {counts}"), columns));
    }
    lines
}

fn change(view: &View<'_>, card: &Card, columns: usize) -> Vec<Strip> {
    let release = &view.snapshot.release;
    let mut lines = Vec::new();
    if let Some(start) = release.start.as_deref() {
        let by = release.started_by.as_ref().map_or(String::new(), |by| format!(", by {by}"));
        let text = format!(
            "{} {} ({}) to {}{by}",
            start.plan.name,
            start.revision.short(),
            start.branch,
            start.environment
        );
        lines.extend(told("revision", Role::Strong, &text, columns));
    }
    let rollout = release.gate.as_ref().and_then(|gate| gate.card.rollout.as_ref());
    let Some(rollout) = rollout else {
        let text = match &release.gate {
            Some(_) => "no traffic is moved",
            None => "which slot serves is looked up when the card is drawn up",
        };
        lines.extend(told("traffic", Role::Text, text, columns));
        return lines;
    };
    let to = rollout.preview;
    let (role, text) = match rollout.survey.serving.slot() {
        Some(from) => (Role::Strong, format!("{from} serves → {to} gets it; {from} stays")),
        None => (Role::Warn, format!("nothing serves → {to}; there is NO WAY BACK")),
    };
    lines.extend(told("traffic", role, &text, columns));
    if let Some(from) = rollout.survey.serving.slot() {
        lines.extend(images(view, from, "serves", columns));
    }
    lines.extend(images(view, to, "is replaced", columns));
    lines.extend(new_images(release, to, columns));
    let migrations = card.evidence.iter().find(|line| line.what == "migrations".into());
    let text = migrations.map_or(Clean::new("not recorded"), |line| line.value.clone());
    lines.extend(told("migrations", Role::Text, text.as_str(), columns));
    lines.extend(told("shared", Role::Dim, "objects of both slots: not recorded", columns));
    lines
}

/// What a slot ran when the card was drawn up.
fn images(view: &View<'_>, slot: Slot, what: &str, columns: usize) -> Vec<Strip> {
    let gate = view.snapshot.release.gate.as_ref();
    let Some(rollout) = gate.and_then(|gate| gate.card.rollout.as_ref()) else {
        return Vec::new();
    };
    let deployments = &rollout.survey.slot(slot).deployments;
    let head = format!("{slot}");
    if deployments.is_empty() {
        return told(&head, Role::Dim, "runs nothing", columns);
    }
    let mut lines = Vec::new();
    for (at, one) in deployments.iter().enumerate() {
        let head = if at == 0 { head.as_str() } else { "" };
        let image = short_image(one.image.as_str());
        let text = format!("{what}: {image}, {} of {} ready", one.ready, one.desired);
        lines.extend(told(head, Role::Text, &text, columns));
    }
    lines
}

fn new_images(release: &Release, to: Slot, columns: usize) -> Vec<Strip> {
    let deployed = release.rollout.deployed.as_ref().filter(|deployed| deployed.slot == to);
    let text = match deployed {
        Some(deployed) => {
            let images: Vec<String> =
                deployed.images.iter().map(|image| short_image(image.as_str())).collect();
            images.join(", ")
        }
        None => "digests are not recorded before the deploy".to_owned(),
    };
    told("new images", Role::Text, &text, columns)
}

/// The end of an image's name and twelve digits of its digest.
fn short_image(image: &str) -> String {
    let name = image.rsplit('/').next().unwrap_or(image);
    match name.split_once("@sha256:") {
        Some((name, digest)) => format!("{name}@{}", digest.get(..12).unwrap_or(digest)),
        None => name.to_owned(),
    }
}

fn undo(view: &View<'_>, columns: usize) -> Vec<Strip> {
    let release = &view.snapshot.release;
    let Some(gate) = &release.gate else {
        return told("", Role::Dim, "it is priced on the card", columns);
    };
    let parts = gate.card.undo.as_str().split(" | ");
    parts
        .flat_map(|part| match part.split_once(": ") {
            Some((head, text)) if head.len() < 11 => told(head, Role::Strong, text, columns),
            _ => told("", Role::Strong, part, columns),
        })
        .collect()
}

/// What follows from a yes, a no, and from nobody saying anything.
fn afterwards(view: &View<'_>, columns: usize) -> Vec<Strip> {
    let release = &view.snapshot.release;
    let stage = release.plan().and_then(|plan| plan.stages.iter().find(|stage| stage.approval));
    let steps: Vec<String> = stage
        .map_or(&[][..], |stage| &stage.steps)
        .iter()
        .map(|step| {
            let usual = crate::tui::mark::clock(step.expected_s.saturating_mul(1000));
            format!("{} ~{usual}", step.title)
        })
        .collect();
    let mut lines = told("GO", Role::Text, &steps.join(" → "), columns);
    let switches = |step: &Step| step.uses == Some(BuiltIn::Switch);
    if !release.plan().is_some_and(|plan| plan.steps().any(switches)) {
        lines.extend(told("", Role::Dim, "nothing is switched", columns));
    } else if release.policy().is_some_and(|policy| policy.rollout.promote_unattended) {
        lines.extend(told("", Role::Warn, "the policy switches WITHOUT asking again", columns));
    } else {
        lines.extend(told("", Role::Dim, "the switch waits for a key of its own", columns));
    }
    let text = "ends the release; production stays as it is";
    lines.extend(told("NO-GO", Role::Text, text, columns));
    let expires = match (&release.gate, policy(view)) {
        (Some(gate), _) => format!("at {}", words::moment(view.snapshot, gate.expires_ms)),
        (None, Some(policy)) => {
            format!("{} after it opens", words::duration(policy.expires_s.saturating_mul(1000)))
        }
        (None, None) => "in time".to_owned(),
    };
    let text = format!("{expires} it EXPIRES, which is a no-go and no failure");
    lines.extend(told("nobody", Role::Text, &text, columns));
    let text = "every vote is for this card; a card drawn up anew asks everybody again";
    lines.extend(told("votes", Role::Dim, text, columns));
    lines
}

/// What kind of check a line is about: tests, scans, or what gonogo found itself.
fn kind(release: &Release, line: &CardLine) -> (usize, bool) {
    let step = release
        .plan()
        .and_then(|plan| plan.steps().find(|step| step.title.as_str() == line.what.as_str()));
    let end = step.and_then(|step| release.steps.get(&step.id)?.end.as_ref());
    match end.and_then(|end| end.report.as_ref()) {
        Some(report) if report.tests.is_some() => (0, false),
        Some(report) => (1, report.state == ReportState::Findings),
        None => (2, false),
    }
}

/// The evidence in one line.
fn summary(release: &Release, card: &Card) -> (Role, String) {
    let all = &card.evidence;
    let bad = all.iter().filter(|line| !line.verdict.is_pass()).count();
    let checks = words::plural(all.len() as u64, "check");
    let so_far = if release.gate.is_none() { " so far" } else { "" };
    if bad > 0 {
        (Role::Failed, format!("✖ {bad} of {checks} do NOT pass{so_far}"))
    } else if all.is_empty() {
        (Role::Dim, "no checks yet".to_owned())
    } else {
        (Role::Done, format!("✔ {checks}, all pass{so_far}"))
    }
}

/// Checks that pass say nothing of what nobody looked at.
fn unproven(card: &Card, columns: usize) -> Vec<Strip> {
    let layers = words::layer_points(card);
    let count = layers.iter().filter(|layer| layer.tone == Tone::Warn).count();
    if count == 0 {
        return Vec::new();
    }
    let text = format!("▲ {count} of {} security layers not proven", layers.len());
    told("layers", Role::Warn, &text, columns)
}

fn evidence(view: &View<'_>, card: &Card, columns: usize) -> Vec<Strip> {
    let release = &view.snapshot.release;
    let all = &card.evidence;
    // What is new comes first; many scans must not push out of sight how to get back.
    let mut lines = findings(card, columns);
    for (number, group) in [(2, "Database, staging, and the rest"), (0, "Tests"), (1, "Scans")] {
        let of_group = all.iter().filter(|line| kind(release, line).0 == number);
        let mut of_group: Vec<&CardLine> = of_group.collect();
        of_group.sort_by_key(|line| line.verdict.is_pass());
        if !of_group.is_empty() || number == 2 {
            lines.push(heading(group));
        }
        for line in of_group {
            lines.extend(evidence_line(line, kind(release, line).1, columns));
        }
        if number == 0 {
            lines.extend(layers(card, columns));
        }
    }
    let text = format!("   {:<30} ", "staging metrics");
    lines.push(Strip::of(Role::Dim, text).put(Role::Dim, "not recorded"));
    lines
}

/// What is new, what is waived until when, what was not scanned.
fn findings(card: &Card, columns: usize) -> Vec<Strip> {
    let mut lines = vec![heading("Findings")];
    for Point { tone, about, text } in words::findings_points(card) {
        lines.extend(told(&about, tone_role(tone), &text, columns));
    }
    lines
}

fn tone_role(tone: Tone) -> Role {
    if tone == Tone::Warn { Role::Warn } else { Role::Text }
}

/// Which layers of defence somebody has looked at in this release.
fn layers(card: &Card, columns: usize) -> Vec<Strip> {
    let mut lines = vec![heading("Security layers")];
    for Point { tone, about, text } in words::layer_points(card) {
        let (glyph, role, dim) = match tone {
            Tone::Good | Tone::Plain => ("✔", Role::Done, Role::Dim),
            Tone::Warn => ("▲", Role::Warn, Role::Warn),
        };
        let head = Strip::of(role, format!(" {glyph} ")).put(Role::Text, format!("{about:<23}"));
        lines.extend(beside(head, dim, &text, columns));
    }
    lines
}

/// A head and what it tells: beside it where there is room for all of that, or else below it, so
/// that no name is broken in its middle.
fn beside(head: Strip, role: Role, text: &str, columns: usize) -> Vec<Strip> {
    const INDENT: usize = 5;
    if head.width() + width(text) < columns {
        return vec![head.put(role, text)];
    }
    let below = wrap(text, columns.saturating_sub(INDENT + 1));
    let below = below.iter().map(|line| Strip::of(role, " ".repeat(INDENT)).put(role, line));
    std::iter::once(head).chain(below).collect()
}

fn evidence_line(line: &CardLine, found: bool, columns: usize) -> Vec<Strip> {
    let (glyph, role, reason) = match &line.verdict {
        Verdict::Pass if found => ("▲", Role::Warn, None),
        Verdict::Pass => ("✔", Role::Done, None),
        Verdict::Fail { reason } => ("✖", Role::Failed, Some(reason)),
        Verdict::Unknown { reason } => ("▲", Role::Warn, Some(reason)),
    };
    let text = if reason.is_some() || found { role } else { Role::Text };
    let what = line.what.cut(30);
    let head = Strip::of(role, format!(" {glyph} ")).put(text, format!("{:<30} ", what.as_str()));
    let mut lines = beside(head, text, line.value.as_str(), columns);
    lines.extend(reason.map(|reason| Strip::of(role, format!("     {reason}"))));
    lines
}

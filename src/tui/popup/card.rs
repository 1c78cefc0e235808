//! The decision card: what changes, on which evidence, how to get back; and the vote under it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::centred;
use crate::release::{Card, Gate, GateResult, Person, Verdict, Vote};
use crate::report::words;
use crate::tui::draw::View;
use crate::tui::pen::{Strip, raised, row, rows, wrap};
use crate::tui::theme::Role;

const COLUMNS: u16 = 96;

pub(super) fn draw(buf: &mut Buffer, area: Rect, view: &View<'_>, top: usize) {
    let Some(gate) = &view.snapshot.release.gate else { return };
    let width = usize::from(COLUMNS.min(area.width)).saturating_sub(2);
    let lines = lines(view, gate, width);
    let inner = raised(buf, view.theme, centred(area, COLUMNS, lines.len() + 3), &title(gate));
    let room = usize::from(inner.height).saturating_sub(1);
    let top = top.min(lines.len().saturating_sub(room));
    rows(buf, view.theme, Rect { height: inner.height.saturating_sub(1), ..inner }, &lines[top..]);
    let more = if lines.len() > room + top { "j more  " } else { "" };
    Strip::of(Role::Key, " a")
        .put(Role::Dim, " vote  ")
        .put(Role::Key, "esc")
        .put(Role::Dim, " close")
        .right(Role::Dim, more)
        .draw(buf, view.theme, row(inner, usize::from(inner.height).saturating_sub(1)));
}

fn title(gate: &Gate) -> Strip {
    Strip::of(Role::Focus, format!(" Go or no-go: stage {} ", gate.stage))
        .right(Role::Dim, format!(" card {} ", gate.digest.short()))
}

pub(super) fn draw_vote(
    buf: &mut Buffer,
    area: Rect,
    view: &View<'_>,
    choice: Option<Vote>,
    input: &str,
) {
    let Some(gate) = &view.snapshot.release.gate else { return };
    let width = usize::from(COLUMNS.min(area.width)).saturating_sub(2);
    let lines = lines(view, gate, width);
    let form = form(view, choice, input);
    let wanted = lines.len() + form.len() + 3;
    let inner = raised(buf, view.theme, centred(area, COLUMNS, wanted), &title(gate));
    let split = usize::from(inner.height).saturating_sub(form.len());
    let (card, vote) = (
        Rect { height: u16::try_from(split).unwrap_or(0), ..inner },
        Rect {
            y: inner.y + u16::try_from(split).unwrap_or(0),
            height: inner.height - u16::try_from(split).unwrap_or(0),
            ..inner
        },
    );
    rows(buf, view.theme, card, &lines);
    rows(buf, view.theme, vote, &form);
}

fn form(view: &View<'_>, choice: Option<Vote>, input: &str) -> Vec<Strip> {
    let (role, armed) =
        if view.ui.is_armed() { (Role::Key, "") } else { (Role::Faint, " (press ! to arm first)") };
    match choice {
        None => vec![
            Strip::of(role, " g")
                .put(if armed.is_empty() { Role::Strong } else { Role::Faint }, " GO")
                .put(Role::Warn, armed)
                .put(Role::Key, "   n")
                .put(Role::Strong, " NO-GO, ends the release")
                .put(Role::Key, "   d")
                .put(Role::Strong, " not now")
                .put(Role::Dim, "   esc leaves"),
        ],
        Some(vote) => {
            let what = match vote {
                Vote::Approve => "GO",
                Vote::Reject => "NO-GO, which ends the release; why",
                Vote::Defer => "not now; until when, or why",
            };
            vec![
                Strip::of(Role::Strong, format!(" {what}. Comment: "))
                    .put(Role::Input, format!("{input}_")),
                Strip::of(Role::Key, " enter")
                    .put(Role::Dim, " votes   ")
                    .put(Role::Key, "esc")
                    .put(Role::Dim, " leaves, nothing is recorded"),
            ]
        }
    }
}

fn lines(view: &View<'_>, gate: &Gate, columns: usize) -> Vec<Strip> {
    let mut lines = standing(view, gate);
    lines.extend(change(view, &gate.card));
    lines.push(Strip::new());
    for line in &gate.card.evidence {
        let (glyph, role, reason) = match &line.verdict {
            Verdict::Pass => ("✔", Role::Done, None),
            Verdict::Fail { reason } => ("✖", Role::Failed, Some(reason)),
            Verdict::Unknown { reason } => ("▲", Role::Warn, Some(reason)),
        };
        let text = if reason.is_some() { role } else { Role::Text };
        lines.push(
            Strip::of(role, format!(" {glyph} "))
                .put(text, format!("{:<28} ", line.what))
                .put(text, line.value.as_str()),
        );
        if let Some(reason) = reason {
            lines.push(Strip::of(role, format!("     {reason}")));
        }
    }
    lines.push(Strip::new());
    for (at, text) in wrap(gate.card.undo.as_str(), columns.saturating_sub(12)).iter().enumerate() {
        let head = if at == 0 { " way back   " } else { "            " };
        lines.push(Strip::of(Role::Dim, head).put(Role::Strong, text));
    }
    lines.extend(votes(view, gate));
    lines
}

/// How many have said go, who may, until when.
fn standing(view: &View<'_>, gate: &Gate) -> Vec<Strip> {
    let snapshot = view.snapshot;
    let release = &snapshot.release;
    let policy = release.policy().map(|policy| &policy.approval);
    let required = policy.map_or(1, |policy| policy.required);
    let go = gate.votes.iter().filter(|entry| entry.vote == Vote::Approve).count();
    let until = words::utc(words::wall_of(snapshot, gate.expires_ms));
    let left_ms = gate.expires_ms.saturating_sub(release.elapsed_ms(snapshot.now));
    let end = match gate.closed {
        None => format!("expires {until}, in {}", words::duration(left_ms / 1000 * 1000)),
        Some(GateResult::Go) => "closed: GO".to_owned(),
        Some(GateResult::NoGo) => "closed: NO-GO".to_owned(),
        Some(GateResult::Expired) => "closed: EXPIRED".to_owned(),
    };
    let mut who = match policy {
        Some(policy) if !policy.approvers.is_empty() => {
            let names: Vec<&str> = policy.approvers.iter().map(Person::as_str).collect();
            format!("approvers {}", names.join(", "))
        }
        _ => "everybody who may drive this release may vote".to_owned(),
    };
    if policy.is_some_and(|policy| !policy.requester_may_approve)
        && let Some(person) = &release.started_by
    {
        who = format!("{who}; not {person}, who started it");
    }
    vec![
        Strip::of(Role::Strong, format!(" {go} of {required} approvals"))
            .right(Role::Text, format!("{end} ")),
        Strip::of(Role::Dim, format!(" {who}")),
    ]
}

fn change(view: &View<'_>, card: &Card) -> Vec<Strip> {
    let release = &view.snapshot.release;
    let revision = release.start.as_deref().map_or(String::new(), |start| {
        format!("{} {} ({})", start.plan.name, start.revision.short(), start.branch)
    });
    let Some(rollout) = &card.rollout else {
        return vec![Strip::of(Role::Text, format!(" releases {revision}; no traffic is moved"))];
    };
    let slot = rollout.preview;
    let text = match rollout.survey.serving.slot() {
        Some(from) => {
            format!(" {revision} goes to {slot}; {from} serves now and stays the way back")
        }
        None => format!(" {revision} goes to {slot}; nothing serves yet: there is NO WAY BACK"),
    };
    vec![Strip::of(Role::Text, text)]
}

fn votes(view: &View<'_>, gate: &Gate) -> Vec<Strip> {
    let mut lines = vec![Strip::new()];
    if gate.votes.is_empty() {
        lines.push(Strip::of(Role::Dim, " nobody has voted yet"));
    }
    for entry in &gate.votes {
        let (glyph, role, word) = match entry.vote {
            Vote::Approve => ("✔", Role::Done, "GO"),
            Vote::Reject => ("✖", Role::Failed, "NO-GO"),
            Vote::Defer => ("○", Role::Warn, "not now"),
        };
        let signed = if entry.signed { "signed" } else { "unsigned, same account" };
        lines.push(
            Strip::of(role, format!(" {glyph} {word:<8}"))
                .put(Role::Strong, format!("{} ", entry.by))
                .put(Role::Text, entry.comment.as_str())
                .right(Role::Dim, format!("{signed} {} ", words::utc(entry.at))),
        );
    }
    if let Some(person) = &view.ui.who.person {
        lines.push(Strip::of(Role::Dim, format!(" you are {person}")));
    }
    lines
}

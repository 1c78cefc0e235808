//! The pods of both slots: which slot serves, how many are ready, which are not well.

use ratatui::layout::Rect;

use super::{age, aged, title};
use crate::release::{PodRow, Release, Slot};
use crate::report::words;
use crate::tui::draw::View;
use crate::tui::drawing::Drawing;
use crate::tui::mark;
use crate::tui::pen::{Strip, pane, rows, width};
use crate::tui::pods::SlotPods;
use crate::tui::theme::Role;
use crate::tui::ui::Pane;

pub(in crate::tui) fn draw(drawing: &mut Drawing, area: Rect, view: &View<'_>) {
    if area.is_empty() {
        return;
    }
    let telemetry = &view.snapshot.live.telemetry;
    let head = aged(title(view, Pane::Pods, "Pods"), view, telemetry.pods_at_ms);
    let inner = pane(drawing, view.theme, area, &head, true);
    let mut strips = Vec::new();
    if let Some(error) = &telemetry.pods_error {
        strips.push(Strip::of(Role::Failed, format!(" ✖ {error}")));
    }
    for slot in [Slot::Blue, Slot::Green] {
        strips.push(slot_strip(view, slot));
        strips.push(Strip::of(Role::Dim, format!("   {}", running(view, slot))));
    }
    let (_, stale) = age(view, telemetry.pods_at_ms);
    let room = usize::from(inner.height).saturating_sub(strips.len());
    for pod in view.pods.worst().take(room) {
        strips.push(pod_strip(view, pod, stale, usize::from(inner.width)));
    }
    rows(drawing, view.theme, inner, &strips);
}

/// `BLUE  ■ ■ ■ ○  3/4  serves`.
pub(in crate::tui) fn slot_strip(view: &View<'_>, slot: Slot) -> Strip {
    let telemetry = &view.snapshot.live.telemetry;
    let (glyph, role) = mark::slot(slot);
    let (_, stale) = age(view, telemetry.pods_at_ms);
    let role = if stale { Role::Stale } else { role };
    let mut strip = Strip::of(role, format!(" {slot:<5} {glyph} "));
    let SlotPods { ready, all, first, .. } = view.pods.slot(slot);
    for ready in first {
        let (glyph, role) = if *ready { (glyph, role) } else { ("○", Role::Warn) };
        strip = strip.put(role, glyph);
    }
    if *all > first.len() {
        strip = strip.put(Role::Dim, "…");
    }
    let ready_role = if ready < all { Role::Warn } else { Role::Text };
    let count = match (telemetry.pods_at_ms, all) {
        (None, _) => "not seen yet".to_owned(),
        (Some(_), 0) => "no pods".to_owned(),
        (Some(_), all) => format!("{ready}/{all} ready"),
    };
    let serves = serves(&view.snapshot.release, slot);
    strip
        .put(if stale { Role::Stale } else { ready_role }, format!(" {count}"))
        .right(if serves == "SERVES" { Role::Strong } else { Role::Dim }, format!("{serves} "))
}

pub(in crate::tui) fn serves(release: &Release, slot: Slot) -> &'static str {
    let rollout = &release.rollout;
    if rollout.order.as_ref().is_some_and(|order| order.to == slot) {
        return "moving here";
    }
    let serving = release
        .serving()
        .or_else(|| rollout.survey.as_ref().and_then(|survey| survey.serving.slot()));
    match serving {
        Some(serving) if serving == slot => "SERVES",
        Some(_) if release.is_switched() => "way back",
        Some(_) if rollout.to == Some(slot) => "preview",
        Some(_) => "idle",
        None => "",
    }
}

/// What runs in a slot.
pub(in crate::tui) fn running(view: &View<'_>, slot: Slot) -> String {
    let release = &view.snapshot.release;
    let deployed = release.rollout.deployed.as_ref().filter(|deployed| deployed.slot == slot);
    if let Some(deployed) = deployed {
        let images: Vec<String> = deployed.images.iter().map(|image| tag(image.as_str())).collect();
        return images.join(", ");
    }
    let Some(survey) = &release.rollout.survey else { return String::new() };
    let images: Vec<String> =
        survey.slot(slot).deployments.iter().map(|d| tag(d.image.as_str())).collect();
    images.join(", ")
}

/// The end of an image's name: `backend:1.4.2`, or `backend d5e24db` with the first digits of its
/// digest.
fn tag(image: &str) -> String {
    let name = image.rsplit('/').next().unwrap_or(image);
    match name.split_once("@sha256:") {
        Some((head, digest)) => format!("{head} {}", digest.get(..7).unwrap_or(digest)),
        None => name.to_owned(),
    }
}

/// The name without what the row says already: `backend 7d9c5f-x2l8k`.
fn short_name(pod: &PodRow, columns: usize) -> String {
    let name = pod.name.as_str();
    let app = pod.app.as_str();
    let Some(rest) = name.strip_prefix(app).and_then(|rest| rest.strip_prefix('-')) else {
        return name.to_owned();
    };
    let slot = pod.slot.map_or("", Slot::label);
    let rest = rest.strip_prefix(slot).map_or(rest, |rest| rest.trim_start_matches('-'));
    let own = rest.rsplit('-').next().unwrap_or(rest);
    // Every pod of a slot has the same hash in its middle; its own end tells it apart.
    if width(app) + width(rest) < columns {
        format!("{app} {rest}")
    } else {
        format!("{app} {own}")
    }
}

fn pod_strip(view: &View<'_>, pod: &PodRow, stale: bool, columns: usize) -> Strip {
    let (glyph, role) = match (pod.ready, pod.phase.as_str()) {
        (true, _) => ("✔", Role::Done),
        (false, "Running" | "Pending" | "ContainerCreating") => ("◐", Role::Running),
        (false, _) => ("✖", Role::Failed),
    };
    let role = if stale { Role::Stale } else { role };
    let slot = pod.slot.map_or("-", |slot| mark::slot(slot).0);
    let past = view.snapshot.now.wall_ms().saturating_sub(pod.created_ms);
    let past = words::age(u64::try_from(past).unwrap_or(0));
    let restarts = if pod.restarts > 0 { format!(" ×{}", pod.restarts) } else { String::new() };
    let text = if stale { Role::Stale } else { Role::Text };
    // The tick says "running and ready" already.
    let (phase, phase_role) = match pod.phase.as_str() {
        "Running" if pod.ready => ("", Role::Dim),
        "Running" => ("not ready", Role::Warn),
        phase => (phase, role),
    };
    let about = format!("{phase}{restarts} {past} ");
    let room = columns.saturating_sub(width(&about) + 6);
    Strip::of(role, format!(" {glyph} "))
        .put(pod.slot.map_or(Role::Dim, |slot| mark::slot(slot).1), format!("{slot} "))
        .put(text, short_name(pod, room))
        .right(phase_role, about)
}

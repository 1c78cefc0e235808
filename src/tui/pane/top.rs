//! The top bar: which environment, and whether this is a rehearsal. On every frame.

use ratatui::layout::Rect;

use crate::engine::handle::Link;
use crate::report::words;
use crate::tui::draw::View;
use crate::tui::drawing::Drawing;
use crate::tui::mark::clock;
use crate::tui::pen::Strip;
use crate::tui::theme::Role;

pub(in crate::tui) fn draw(drawing: &mut Drawing, area: Rect, view: &View<'_>) {
    let release = &view.snapshot.release;
    let start = release.start.as_deref();
    let environment = start.map_or("", |start| start.environment.as_str());
    let rehearsal = start.and_then(|start| start.rehearsal.as_ref());
    // Whoever sees the red knows that it is real: a rehearsal of production never wears it.
    let role = if rehearsal.is_some() { Role::Rehearsal } else { environment_role(environment) };
    let line = Rect { height: area.height.min(1), ..area }.intersection(drawing.area);
    drawing.wash(line, view.theme.style(role));
    let mut strip = Strip::new();
    if let Some(bar) = &view.ui.replay {
        strip = strip.put(Role::Armed, " REPLAY ");
        if area.width >= 60 {
            strip = strip.put(Role::Armed, format!("{} ", bar.place));
        }
    }
    if let Some(rehearsal) = rehearsal {
        let (scenario, seed) = (&rehearsal.scenario, rehearsal.seed);
        strip = strip.put(role, " REHEARSAL ");
        if area.width >= 60 {
            strip = strip.put(role, format!("{} ", scenario.cut(24)));
        }
        // Which release it is comes before which dice.
        if area.width >= 80 {
            strip = strip.put(role, format!("seed {seed} "));
        }
        strip = strip.put(role, "│");
    }
    let name = environment_name(environment, role, view.theme.has_colours());
    strip = strip.put(role, format!(" {name} │ {}", release.id));
    // Beside a banner only the release's name has room to stand whole.
    let crowded = area.width < 100 && (is_armed(view) || is_lost(view));
    if let Some(start) = start.filter(|_| !crowded) {
        let plan = start.plan.name.as_str();
        strip = strip.put(role, format!(" │ {plan} {} {}", start.revision.short(), start.branch));
        strip = strip.put(role, slots(view));
    }
    let elapsed = area.width >= 70 && !crowded;
    right(strip, role, view, elapsed).draw(drawing, view.theme, line);
}

fn is_armed(view: &View<'_>) -> bool {
    view.ui.armed_until_ms.is_some_and(|until| until > view.ui.now_ms)
}

fn is_lost(view: &View<'_>) -> bool {
    matches!(view.snapshot.link, Link::Lost { .. })
}

/// The bar of an environment.
fn environment_role(name: &str) -> Role {
    match name {
        "production" | "prod" => Role::Production,
        "staging" => Role::Staging,
        _ => Role::Elsewhere,
    }
}

/// Its name, with the mark that stands for its colour: louder where there is no colour.
fn environment_name(name: &str, role: Role, coloured: bool) -> String {
    let upper = name.to_uppercase();
    match (role, coloured) {
        _ if name.is_empty() => "NOT STARTED".to_owned(),
        (Role::Production, true) => format!("■ {upper}"),
        (Role::Production, false) => format!("!! {upper} !!"),
        (Role::Staging, _) => format!("▲ {upper}"),
        _ => upper,
    }
}

fn slots(view: &View<'_>) -> String {
    let rollout = &view.snapshot.release.rollout;
    match (rollout.from, rollout.to) {
        (Some(from), Some(to)) => format!(" │ {from} → {to}"),
        (None, Some(to)) => format!(" │ first, to {to}"),
        _ => String::new(),
    }
}

fn right(strip: Strip, role: Role, view: &View<'_>, elapsed: bool) -> Strip {
    let (ui, snapshot) = (view.ui, view.snapshot);
    let mut strip = strip;
    if ui.size.0 < 60 {
        // The environment comes first; what is armed or lost stands in the lines below.
        return strip;
    }
    if let Link::Lost { since_ms, .. } = &snapshot.link {
        let past = snapshot.now.wall_ms().saturating_sub(*since_ms);
        let past = words::age(u64::try_from(past).unwrap_or(0));
        strip = strip.right(Role::Armed, format!(" LINK LOST {past} "));
    }
    if let Some(until) = ui.armed_until_ms.filter(|until| *until > ui.now_ms) {
        strip = strip.right(Role::Armed, format!(" ARMED {} ", left(until - ui.now_ms)));
    }
    let elapsed = if elapsed && snapshot.release.result.is_none() {
        format!(" {} │", clock(snapshot.release.elapsed_ms(snapshot.now)))
    } else {
        String::new()
    };
    strip.right(role, format!("{elapsed} {} ", words::utc(snapshot.now.wall)))
}

/// What is left, in minutes until the last one: a clock that ticks all the time is noise.
fn left(ms: u64) -> String {
    if ms > 60_000 { format!("{} min", ms.div_ceil(60_000)) } else { clock(ms) }
}

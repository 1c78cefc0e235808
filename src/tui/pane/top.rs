//! The top bar: which environment, and whether this is a rehearsal. On every frame.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::engine::handle::Link;
use crate::report::words;
use crate::tui::draw::View;
use crate::tui::mark::clock;
use crate::tui::pen::Strip;
use crate::tui::theme::Role;

pub(in crate::tui) fn draw(buf: &mut Buffer, area: Rect, view: &View<'_>) {
    let release = &view.snapshot.release;
    let start = release.start.as_deref();
    let environment = start.map_or("", |start| start.environment.as_str());
    let (role, mark) = environment_role(environment);
    let line = Rect { height: area.height.min(1), ..area }.intersection(buf.area);
    buf.set_style(line, view.theme.style(role));
    let mut strip = Strip::new();
    if let Some(bar) = &view.ui.replay {
        strip = strip.put(Role::Armed, " REPLAY ");
        if area.width >= 60 {
            strip = strip.put(Role::Armed, format!("{} ", bar.place));
        }
    }
    let rehearsal = start.and_then(|start| start.rehearsal.as_ref());
    if let Some(rehearsal) = rehearsal {
        let (scenario, seed) = (&rehearsal.scenario, rehearsal.seed);
        strip = strip.put(Role::Rehearsal, " REHEARSAL ");
        if area.width >= 60 {
            strip = strip.put(Role::Rehearsal, format!("{} seed {seed} ", scenario.cut(24)));
        }
    }
    let name =
        if environment.is_empty() { "NOT STARTED".to_owned() } else { environment.to_uppercase() };
    strip = strip.put(role, format!(" {mark}{name} │ {}", release.id));
    if let Some(start) = start {
        let plan = start.plan.name.as_str();
        strip = strip.put(role, format!(" │ {plan} {} {}", start.revision.short(), start.branch));
        strip = strip.put(role, slots(view));
    }
    right(strip, role, view).draw(buf, view.theme, line);
}

/// The bar of an environment, and the mark that stands for its colour.
fn environment_role(name: &str) -> (Role, &'static str) {
    match name {
        "production" | "prod" => (Role::Production, "■ "),
        "staging" => (Role::Staging, "▲ "),
        _ => (Role::Elsewhere, ""),
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

fn right(strip: Strip, role: Role, view: &View<'_>) -> Strip {
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
        strip = strip.right(Role::Armed, format!(" ARMED {} ", clock(until - ui.now_ms)));
    }
    let elapsed = if snapshot.release.result.is_some() {
        String::new()
    } else {
        format!(" {} │", clock(snapshot.release.elapsed_ms(snapshot.now)))
    };
    strip.right(role, format!("{elapsed} {} ", words::utc(snapshot.now.wall)))
}

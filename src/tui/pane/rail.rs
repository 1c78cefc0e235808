//! The rail: a glyph a stage, how many are go, how it stands, when the machine is done.

use ratatui::layout::Rect;

use crate::report::words;
use crate::tui::draw::View;
use crate::tui::drawing::Drawing;
use crate::tui::mark;
use crate::tui::pen::Strip;
use crate::tui::theme::Role;

pub(in crate::tui) fn draw(drawing: &mut Drawing, area: Rect, view: &View<'_>) {
    let release = &view.snapshot.release;
    let mut strip = Strip::of(Role::Faint, " ");
    for index in 0..release.stages.len() {
        if index > 0 {
            strip = strip.put(Role::Faint, "─");
        }
        let mark = mark::stage(release, index);
        strip = strip.put(mark.role(), mark.glyph());
    }
    let (done, all) = progress(view);
    let held = release.hold.is_some();
    let state = words::state(release);
    strip = strip
        .put(Role::Dim, format!("  {done}/{all}  "))
        .put(if held { Role::Failed } else { Role::Strong }, state);
    if let Some(slow) = slow(view) {
        strip = strip.put(Role::Warn, format!("  ▲ {slow}"));
    }
    if let Some(left_ms) = words::eta(view.snapshot).filter(|ms| *ms > 0) {
        let at_ms = release.elapsed_ms(view.snapshot.now).saturating_add(left_ms);
        let at = words::utc(words::wall_of(view.snapshot, at_ms));
        strip = strip.right(Role::Dim, format!(" ETA {at} "));
    }
    strip.draw(drawing, view.theme, area);
}

/// How many of the planned stages are go.
fn progress(view: &View<'_>) -> (usize, usize) {
    let release = &view.snapshot.release;
    let planned = || {
        let planned = |index: &usize| {
            release.stages.get(*index).is_some_and(|stage| stage.planned || stage.passed_before)
        };
        (0..release.stages.len()).filter(planned)
    };
    (planned().filter(|index| release.stage_is_go(*index)).count(), planned().count())
}

/// The first running step that takes longer than it should.
fn slow(view: &View<'_>) -> Option<String> {
    let release = &view.snapshot.release;
    let now_ms = release.elapsed_ms(view.snapshot.now);
    release.plan()?.steps().find_map(|step| {
        let slow = words::slower(release.steps.get(&step.id)?, step, now_ms)?;
        Some(format!("{} {slow}", step.id))
    })
}

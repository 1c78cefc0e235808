//! The database's way back: the backups there are, a restore that is being prepared step by step,
//! and one that is under way. Nothing runs before the last step of the preparation.

use ratatui::layout::Rect;

use super::{beyond, heading, sheet, told};
use crate::release::{Backup, BuiltIn, Loss, Release, Restore, RestorePhase, RestoreReport};
use crate::report::words::{self, Trouble};
use crate::tui::draw::View;
use crate::tui::drawing::Drawing;
use crate::tui::pen::{Strip, wrap};
use crate::tui::popup::{Popup, Step, Wizard};
use crate::tui::theme::Role;

pub(in crate::tui) fn draw(drawing: &mut Drawing, area: Rect, view: &View<'_>) {
    let database = &view.ui.who.database;
    let title = Strip::of(Role::Focus, format!(" Database {database} "));
    let title = match wizard(view) {
        Some(_) => title.right(Role::Dim, " nothing has been changed yet "),
        None => title,
    };
    sheet(drawing, area, view, &title, &lines(view, area));
}

/// Rows that do not fit.
pub(in crate::tui) fn overflow(view: &View<'_>, area: Rect) -> usize {
    beyond(lines(view, area).len(), area)
}

fn wizard<'a>(view: &View<'a>) -> Option<&'a Wizard> {
    match &view.ui.popup {
        Some(Popup::Restore(wizard)) => Some(wizard),
        _ => None,
    }
}

fn lines(view: &View<'_>, area: Rect) -> Vec<Strip> {
    let columns = usize::from(area.width.saturating_sub(2));
    match wizard(view) {
        Some(wizard) => prepared(view, wizard, area, columns),
        None => status(view, columns),
    }
}

/// Every step so far where there is room for all, else the one that is asked.
fn prepared(view: &View<'_>, wizard: &Wizard, area: Rect, columns: usize) -> Vec<Strip> {
    let first = if wizard.undo { Step::Calls } else { Step::Backup };
    let sections = [(Step::Backup, 0), (Step::Loss, 1), (Step::Calls, 2)];
    let mut all = Vec::new();
    let mut newest = Vec::new();
    for (step, number) in sections {
        let reached = step >= first && step <= wizard.step;
        if !reached {
            continue;
        }
        newest = match number {
            0 => choice(view, wizard, columns),
            1 => loss(view, wizard, columns),
            _ => calls(view, wizard, columns),
        };
        if !all.is_empty() {
            all.push(Strip::new());
        }
        all.extend(newest.iter().cloned());
    }
    if beyond(all.len(), area) == 0 { all } else { newest }
}

fn choice(view: &View<'_>, wizard: &Wizard, columns: usize) -> Vec<Strip> {
    let mut lines = vec![heading("Verified backups of this release, newest first")];
    for (index, backup) in words::verified_backups(&view.snapshot.release).into_iter().enumerate() {
        let chosen = index == wizard.at;
        let role = if chosen { Role::Selected } else { Role::Text };
        let cursor = if chosen { "▌" } else { " " };
        lines.push(
            Strip::of(role, format!(" {cursor}{}", words::backup_line(backup)))
                .right(Role::Dim, format!("{} old ", age_of(view, backup))),
        );
    }
    lines.extend(unusable(&view.snapshot.release, columns));
    lines
}

/// Backups that may not be restored, and why.
fn unusable(release: &Release, columns: usize) -> Vec<Strip> {
    let bad = release.backups.iter().filter(|backup| !backup.verified);
    bad.flat_map(|backup| told("", Role::Warn, &format!("✖ {}: not verified", backup.id), columns))
        .collect()
}

fn age_of(view: &View<'_>, backup: &Backup) -> String {
    let past = view.snapshot.now.wall_ms().saturating_sub(backup.taken_at.as_millisecond());
    words::duration(u64::try_from(past).unwrap_or(0) / 1000 * 1000)
}

/// What would be lost, and what is different.
fn loss(view: &View<'_>, wizard: &Wizard, columns: usize) -> Vec<Strip> {
    let release = &view.snapshot.release;
    let Some(backup) = wizard.chosen(view.snapshot) else { return Vec::new() };
    let mut lines = vec![heading("What a restore loses and changes")];
    let id = words::backup_line(backup);
    lines.extend(told("from", Role::Text, id.as_str(), columns));
    let text = format!(
        "the writes of {}, since {}; they grow until the writers are fenced",
        age_of(view, backup),
        words::utc(backup.taken_at)
    );
    lines.extend(told("LOSES", Role::Failed, &text, columns));
    let rows: Vec<String> = (backup.rows.iter())
        .map(|(table, rows)| format!("{} {table}", words::count(*rows)))
        .collect();
    let rows = if rows.is_empty() { "not recorded".to_owned() } else { rows.join(", ") };
    lines.extend(told("rows", Role::Text, &format!("{rows} in the backup"), columns));
    let text = "rows of now are counted in phases 1 and 3, before anything is swapped";
    lines.extend(told("", Role::Dim, text, columns));
    let (role, text) = schema(release, backup);
    lines.extend(told("schema", role, &text, columns));
    let text = "writes stop from phase 2 to phase 5; reads go on until the swap";
    lines.extend(told("stops", Role::Warn, text, columns));
    let took = words::ours(release, Trouble::Schema);
    let target = words::duration(Trouble::Schema.target_s().saturating_mul(1000));
    lines.extend(told("takes", Role::Text, &format!("{took} (target {target})"), columns));
    let kept = words::kept_name(&view.ui.who.database, release);
    let text = format!("the database of now stays as {kept}; U swaps back to it");
    lines.extend(told("undo", Role::Text, &text, columns));
    lines
}

/// The schema in the backup beside the one of now, and which slot it fits.
fn schema(release: &Release, backup: &Backup) -> (Role, String) {
    let step = release.plan().and_then(|plan| plan.built_in(BuiltIn::ValidateSchema));
    let end = step.and_then(|step| release.steps.get(&step.id)?.end.as_ref());
    let now = end.and_then(|end| end.facts.iter().find(|fact| fact.what.as_str() == "schema"));
    let own = &backup.schema_version;
    let from = release.rollout.from.map_or("the old slot".to_owned(), |slot| slot.to_string());
    match now {
        None => (Role::Text, format!("{own} in the backup; the one of now is not recorded")),
        Some(now) if &now.value == own => (Role::Text, format!("{own}, as it is now")),
        Some(now) if release.is_switched() => (
            Role::Warn,
            format!("{own} in the backup, {} now: it fits {from}, so roll back too", now.value),
        ),
        Some(now) => {
            (Role::Warn, format!("{own} in the backup, {} now: it fits {from}", now.value))
        }
    }
}

fn calls(view: &View<'_>, wizard: &Wizard, columns: usize) -> Vec<Strip> {
    let release = &view.snapshot.release;
    let backup = match (wizard.undo, wizard.chosen(view.snapshot)) {
        (true, _) => release.restore.as_ref().map(|restore| restore.backup.clone()),
        (false, chosen) => chosen.map(|backup| backup.id.clone()),
    };
    let Some(backup) = backup else { return Vec::new() };
    let mut lines = vec![heading("What will be sent, in this order")];
    if release.start.as_deref().is_some_and(|start| start.rehearsal.is_some()) {
        let text = "REHEARSAL: a simulated database plays the phases; no server gets these";
        lines.push(Strip::of(Role::Dim, format!(" {text}")));
    }
    for (at, phase) in words::restore_phases(wizard.undo).iter().enumerate() {
        let text = format!(" {} {}", at + 1, phase.words());
        lines.push(Strip::of(Role::Strong, text));
        let database = &view.ui.who.database;
        for call in words::restore_calls(release, database, &backup, *phase) {
            let rows = wrap(call.as_str(), columns.saturating_sub(5));
            lines.extend(rows.iter().map(|row| Strip::of(Role::Text, format!("   {row}"))));
        }
    }
    lines
}

/// What there is, and what is under way.
fn status(view: &View<'_>, columns: usize) -> Vec<Strip> {
    let release = &view.snapshot.release;
    let mut lines = Vec::new();
    if let Some(restore) = &release.restore {
        lines.extend(under_way(view, restore, columns));
        lines.push(Strip::new());
    }
    lines.push(heading("Backups of this release, newest first"));
    for backup in words::verified_backups(&view.snapshot.release) {
        lines.push(
            Strip::of(Role::Done, " ✔ ")
                .put(Role::Text, words::backup_line(backup).as_str())
                .right(Role::Dim, format!("{} old ", age_of(view, backup))),
        );
    }
    if words::verified_backups(&view.snapshot.release).is_empty() {
        lines.push(Strip::of(Role::Dim, " none that is verified yet"));
    }
    lines.extend(unusable(release, columns));
    if release.restore.as_ref().is_some_and(|restore| !restore.is_done()) {
        return lines;
    }
    lines.push(Strip::new());
    let text = words::price(view.snapshot, Trouble::Schema);
    lines.extend(told("a restore", Role::Text, &text, columns));
    let took = words::ours(release, Trouble::Schema);
    let target = words::duration(Trouble::Schema.target_s().saturating_mul(1000));
    lines.extend(told("takes", Role::Text, &format!("{took} (target {target})"), columns));
    let text = "D prepares one, step by step; nothing runs before its last step";
    lines.extend(told("", Role::Dim, text, columns));
    lines
}

fn under_way(view: &View<'_>, restore: &Restore, columns: usize) -> Vec<Strip> {
    let (by, backup) = (&restore.by, &restore.backup);
    let text = if restore.undo {
        format!("the restore from {backup} is undone, ordered by {by}")
    } else {
        format!("from {backup}, ordered by {by}")
    };
    let mut lines = told("restore", Role::Strong, &text, columns);
    for (at, phase) in restore.phases().iter().enumerate() {
        lines.extend(phase_lines(view, restore, at, *phase, columns));
    }
    if let Some(loss) = restore.done.iter().find_map(|report| report.loss.as_ref()) {
        lines.extend(told("LOSES", Role::Failed, &lost(loss), columns));
    }
    let did = |phase| restore.done.iter().any(|report: &RestoreReport| report.phase == phase);
    if did(RestorePhase::Fence) && !did(RestorePhase::Reopen) {
        let text = "▲ the writers are FENCED: the shop can read and not write";
        lines.extend(told("", Role::Warn, text, columns));
    }
    let kept = words::kept_name(&view.ui.who.database, &view.snapshot.release);
    let text = match (restore.is_done(), restore.undo, did(RestorePhase::Swap)) {
        (true, false, _) => format!("the old database is kept as {kept}: U swaps back to it"),
        (true, true, _) => "the database is the one from before the restore".to_owned(),
        (false, false, false) => "the live database is untouched until phase 4".to_owned(),
        (false, ..) => "both databases are kept; U is possible once this is through".to_owned(),
    };
    lines.extend(told("way back", Role::Text, &text, columns));
    lines
}

fn lost(loss: &Loss) -> String {
    let seconds = words::duration(loss.seconds.saturating_mul(1000));
    let rows = loss.rows.as_ref().map_or("rows could not be counted".to_owned(), |rows| {
        let rows: Vec<String> = (rows.iter())
            .map(|(table, rows)| format!("{} {table}", words::count(rows.unsigned_abs())))
            .collect();
        rows.join(", ")
    });
    format!("{seconds} of writes, measured: {rows}")
}

fn phase_lines(
    view: &View<'_>,
    restore: &Restore,
    at: usize,
    phase: RestorePhase,
    columns: usize,
) -> Vec<Strip> {
    let number = at + 1;
    let row = |glyph: &str, role: Role, worn: Role| {
        Strip::of(role, format!(" {glyph} ")).put(worn, format!("{number} {:<30}", phase.words()))
    };
    if let Some(report) = restore.done.get(at) {
        let took = words::duration(report.took_ms);
        let strip = row("✔", Role::Done, Role::Text);
        if columns >= 76 {
            let detail = report.detail.as_str();
            return vec![strip.put(Role::Dim, detail).right(Role::Text, format!("{took} "))];
        }
        return vec![strip.right(Role::Text, format!("{took} "))];
    }
    if restore.next() != Some(phase) {
        return vec![row("○", Role::Waiting, Role::Dim)];
    }
    if let Some((_, reason)) = &restore.failed {
        let mut lines = vec![row("✖", Role::Failed, Role::Failed)];
        lines.extend(told("", Role::Failed, reason.as_str(), columns));
        lines.extend(told("", Role::Strong, "R tries this phase again and goes on", columns));
        return lines;
    }
    let snapshot = view.snapshot;
    let since = snapshot.records.iter().rev().find(|record| record.seq == restore.cause);
    let past = since.map_or(String::new(), |record| {
        let past = snapshot.now.wall_ms().saturating_sub(record.at_wall.as_millisecond());
        format!("for {} ", words::duration(u64::try_from(past).unwrap_or(0) / 1000 * 1000))
    });
    let mut lines = vec![row("◐", Role::Running, Role::Strong).right(Role::Running, past)];
    let release = &snapshot.release;
    let database = &view.ui.who.database;
    for call in words::restore_calls(release, database, &restore.backup, phase) {
        lines.push(Strip::of(Role::Dim, format!("     {call}")));
    }
    lines
}

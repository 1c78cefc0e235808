//! The watch after a switch: every judged window, rule by rule.

use ratatui::layout::Rect;

use super::levels::{millis, percent};
use super::title;
use crate::release::{Evidence, Monitor, MonitorPolicy, Reading, Rule, Verdict};
use crate::tui::draw::View;
use crate::tui::drawing::Drawing;
use crate::tui::pen::{Strip, pane, rows};
use crate::tui::theme::Role;
use crate::tui::ui::Pane;

pub(in crate::tui) fn draw(drawing: &mut Drawing, area: Rect, view: &View<'_>) {
    if area.is_empty() {
        return;
    }
    let release = &view.snapshot.release;
    let head = title(view, Pane::Watch, "Watch");
    let (Some(monitor), Some(policy)) = (&release.monitor, release.policy()) else {
        let inner = pane(drawing, view.theme, area, &head, true);
        return Strip::of(Role::Dim, " it begins after the switch")
            .draw(drawing, view.theme, inner);
    };
    let head = head.right(Role::Dim, format!(" {} ", good(monitor, &policy.monitor)));
    let inner = pane(drawing, view.theme, area, &head, true);
    let windows = usize::from(inner.width).saturating_sub(35).clamp(3, 20);
    let mut strips: Vec<Strip> =
        Rule::ALL.iter().map(|rule| rule_strip(monitor, &policy.monitor, *rule, windows)).collect();
    strips.extend(why(monitor));
    rows(drawing, view.theme, inner, &strips);
}

/// The whole watch in one row.
pub(in crate::tui) fn short(view: &View<'_>) -> Option<Strip> {
    let release = &view.snapshot.release;
    let (monitor, policy) = (release.monitor.as_ref()?, release.policy()?);
    let mut strip = Strip::of(Role::Dim, " watch ");
    let counted = monitor.counted();
    let recent = counted.get(counted.len().saturating_sub(16)..).unwrap_or(counted);
    for window in recent {
        let worst = window.verdicts.iter().map(|v| &v.verdict).max_by_key(|v| badness(v));
        let (glyph, role) = worst.map_or(("?", Role::Warn), glyph);
        strip = strip.put(role, glyph);
    }
    Some(strip.put(Role::Text, format!(" {}", good(monitor, &policy.monitor))))
}

fn good(monitor: &Monitor, policy: &MonitorPolicy) -> String {
    format!("{} of {} s good", monitor.good_s(), policy.duration_s)
}

fn badness(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Pass => 0,
        Verdict::Unknown { .. } => 1,
        Verdict::Fail { .. } => 2,
    }
}

pub(in crate::tui) fn glyph(verdict: &Verdict) -> (&'static str, Role) {
    match verdict {
        Verdict::Pass => ("✔", Role::Done),
        Verdict::Unknown { .. } => ("?", Role::Warn),
        Verdict::Fail { .. } => ("✖", Role::Failed),
    }
}

/// `✔✔✔?✖ error rate   0.24 max 1.00 %`.
fn rule_strip(monitor: &Monitor, policy: &MonitorPolicy, rule: Rule, windows: usize) -> Strip {
    let counted = monitor.counted();
    let recent = counted.get(counted.len().saturating_sub(windows)..).unwrap_or(counted);
    let mut strip = Strip::of(Role::Text, " ");
    for window in recent {
        let verdict = window.verdicts.iter().find(|verdict| verdict.rule == rule);
        let (mark, worn) = verdict.map_or(("?", Role::Warn), |v| glyph(&v.verdict));
        strip = strip.put(worn, mark);
    }
    if recent.is_empty() {
        strip = strip.put(Role::Waiting, "○");
    }
    let value = monitor.counted().last().map_or(String::new(), |w| value(&w.evidence, rule));
    let limit = limit(policy, rule);
    let value = without_unit(&value, &limit);
    strip.put(Role::Text, format!(" {}", rule.words())).right(Role::Dim, format!("{value}{limit} "))
}

/// A value before its limit: their unit is said once.
pub(in crate::tui) fn without_unit<'v>(value: &'v str, limit: &str) -> &'v str {
    let unit = [" %", " ms"].into_iter().find(|unit| limit.ends_with(unit)).unwrap_or("");
    value.strip_suffix(unit).unwrap_or(value)
}

pub(in crate::tui) fn value(evidence: &Evidence, rule: Rule) -> String {
    fn known<T>(reading: &Reading<T>, show: impl Fn(&T) -> String) -> String {
        reading.value().map_or("unknown".to_owned(), show)
    }
    match rule {
        Rule::ErrorRatio => known(&evidence.error_ratio, |v| percent(*v)),
        Rule::MeanLatency => known(&evidence.mean_ms, |v| millis(*v)),
        Rule::Exits => known(&evidence.exits, ToString::to_string),
        Rule::Ready => known(&evidence.ready_min, ToString::to_string),
    }
}

pub(in crate::tui) fn limit(policy: &MonitorPolicy, rule: Rule) -> String {
    match rule {
        Rule::ErrorRatio => format!(" max {}", percent(policy.error_ratio_max)),
        Rule::MeanLatency => format!(" max {}", millis(policy.mean_ms_max)),
        Rule::Exits => format!(" max {}", policy.exits_max),
        Rule::Ready => " need 1".to_owned(),
    }
}

/// Why the newest window is not good.
fn why(monitor: &Monitor) -> Vec<Strip> {
    let Some(window) = monitor.counted().last() else { return Vec::new() };
    let reasons = window.verdicts.iter().filter_map(|verdict| match &verdict.verdict {
        Verdict::Pass => None,
        Verdict::Fail { reason } => Some((Role::Failed, verdict.rule, reason)),
        Verdict::Unknown { reason } => Some((Role::Warn, verdict.rule, reason)),
    });
    reasons
        .map(|(role, rule, reason)| Strip::of(role, format!("   {}: {reason}", rule.words())))
        .collect()
}

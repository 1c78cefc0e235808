//! What gonogo says of itself: its own log, kept in memory, for when the cockpit looks odd.

use std::fmt;
use std::sync::Arc;

use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tui_logger::{
    ExtLogRecord, LogFormatter, TuiLoggerWidget, TuiTracingSubscriberLayer, TuiWidgetEvent,
    TuiWidgetState,
};

use crate::release::Clean;
use crate::report::words;
use crate::tui::action::Action;
use crate::tui::draw::View;
use crate::tui::drawing::Drawing;
use crate::tui::on_key::Did;
use crate::tui::pen::{Strip, pane, to_ascii, wrap};
use crate::tui::theme::{Role, Theme};
use crate::tui::ui::Ui;

/// Columns before the text: time, level.
const HEAD: usize = 17;

/// Where the window into the log is.
#[derive(Clone)]
pub(in crate::tui) struct OwnLog {
    state: Arc<TuiWidgetState>,
    scrolled: bool,
}

impl Default for OwnLog {
    fn default() -> Self {
        Self { state: Arc::new(TuiWidgetState::new()), scrolled: false }
    }
}

impl fmt::Debug for OwnLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnLog").field("scrolled", &self.scrolled).finish_non_exhaustive()
    }
}

/// Keeps what this process says from now on: of gonogo itself much, of its libraries only
/// warnings. A second call changes nothing.
pub fn listen() {
    let wanted = Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target("gonogo", LevelFilter::DEBUG)
        // It warns of every watch that is opened anew, which is in the picture already.
        .with_target("kube", LevelFilter::ERROR);
    let layer = TuiTracingSubscriberLayer.with_filter(wanted);
    let subscriber = tracing_subscriber::registry().with(layer);
    // Another one is there already in tests, which each run a program.
    if tracing::subscriber::set_global_default(subscriber).is_ok() {
        tui_logger::set_default_level(tui_logger::LevelFilter::Debug);
        tracing::info!(build = env!("CARGO_PKG_VERSION"), "the cockpit listens to itself");
    }
}

/// Takes in what was said since the last look.
pub(in crate::tui) fn learn() {
    tui_logger::move_events();
}

pub(in crate::tui) fn act(ui: &mut Ui, action: Action) -> Did {
    let event = match action {
        Action::Up | Action::PageUp => TuiWidgetEvent::PrevPageKey,
        Action::Down | Action::PageDown => TuiWidgetEvent::NextPageKey,
        Action::Bottom | Action::Follow | Action::Back => TuiWidgetEvent::EscapeKey,
        _ => {
            ui.not_here(action);
            return Did::Nothing;
        }
    };
    ui.own_log.scrolled = matches!(event, TuiWidgetEvent::PrevPageKey)
        || (ui.own_log.scrolled && matches!(event, TuiWidgetEvent::NextPageKey));
    ui.own_log.state.transition(event);
    Did::Nothing
}

/// Esc: back to the newest line; whether it was elsewhere.
pub(in crate::tui) fn back(ui: &mut Ui) -> bool {
    let was = ui.own_log.scrolled;
    if was {
        act(ui, Action::Back);
    }
    was
}

pub(in crate::tui) fn draw(drawing: &mut Drawing, area: Rect, view: &View<'_>) {
    let title = Strip::of(Role::Focus, " gonogo's own log ")
        .put(Role::Dim, " the story of the release: gt ");
    let place = if view.ui.own_log.scrolled { " scrolled, esc follows " } else { " following " };
    let inner = pane(drawing, view.theme, area, &title.right(Role::Dim, place), true);
    if inner.is_empty() {
        return;
    }
    let shape = Shape::of(view.theme);
    let lines = TuiLoggerWidget::default()
        .style(view.theme.style(Role::Text))
        .formatter(Box::new(shape))
        .state(&view.ui.own_log.state);
    drawing.widget(inner, |area, cells| lines.render(area, cells));
}

/// How a line is written: cleaned, masked, wrapped.
struct Shape {
    ascii: bool,
    time: Style,
    error: Style,
    warn: Style,
    plain: Style,
    dim: Style,
}

impl Shape {
    fn of(theme: &Theme) -> Self {
        Self {
            ascii: theme.ascii(),
            time: theme.style(Role::Faint),
            error: theme.style(Role::Failed),
            warn: theme.style(Role::Warn),
            plain: theme.style(Role::Text),
            dim: theme.style(Role::Dim),
        }
    }
}

impl LogFormatter for Shape {
    fn min_width(&self) -> u16 {
        u16::try_from(HEAD).unwrap_or(0) + 4
    }

    fn format(&self, width: usize, event: &ExtLogRecord) -> Vec<Line<'_>> {
        let style = match event.level.as_str() {
            "ERROR" => self.error,
            "WARN" => self.warn,
            "INFO" => self.plain,
            _ => self.dim,
        };
        let mut text = line(event.target(), event.msg());
        if self.ascii {
            text = to_ascii(&text);
        }
        let head = format!(" {} {:<5} ", words::utc(event.timestamp.timestamp()), event.level);
        let mut lines = Vec::new();
        for text in wrap(&text, width.saturating_sub(HEAD).max(1)) {
            let head = if lines.is_empty() { head.clone() } else { " ".repeat(HEAD) };
            lines.push(Line::from(vec![Span::styled(head, self.time), Span::styled(text, style)]));
        }
        lines
    }
}

/// What is shown of a line: nothing in it acts, and nothing that looks like a secret is readable.
fn line(target: &str, text: &str) -> String {
    let place = target.strip_prefix("gonogo::").unwrap_or(target);
    let place = place.split("::").next().unwrap_or(place);
    let text = format!("{place}: {}", masked(text.trim()));
    String::from(Clean::new(&text))
}

/// Words after which a secret stands.
const BEFORE_SECRETS: [&str; 6] = ["password", "passwd", "token", "secret", "authorization", "key"];

/// Masks what looks like a secret. Known secrets never come here: they have no form that could be
/// written. This is for those that others put into their messages.
fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut hide = false;
    for word in text.split_inclusive(char::is_whitespace) {
        let bare = word.trim_end();
        let end = &word[bare.len()..];
        let lower = bare.to_lowercase();
        let pair = bare.split_once(['=', ':']).filter(|(name, value)| {
            let name = name.to_lowercase();
            !value.is_empty() && BEFORE_SECRETS.iter().any(|secret| name.ends_with(secret))
        });
        match (hide, pair, userinfo(bare)) {
            (true, ..) if !matches!(lower.as_str(), "bearer" | "basic" | "") => out.push_str("***"),
            (_, Some((name, _)), _) => {
                out.push_str(name);
                out.push_str("=***");
            }
            (_, None, Some((before, after))) => {
                out.push_str(before);
                out.push_str("***");
                out.push_str(after);
            }
            _ => out.push_str(bare),
        }
        let announces = lower.trim_end_matches(['=', ':']);
        let says_more = lower.ends_with(['=', ':']);
        hide = matches!(announces, "bearer" | "basic")
            || (says_more && BEFORE_SECRETS.iter().any(|secret| announces.ends_with(secret)));
        out.push_str(end);
    }
    out
}

/// The parts of an address around the name and password in it.
fn userinfo(word: &str) -> Option<(&str, &str)> {
    let from = word.find("://")? + 3;
    let rest = &word[from..];
    let end = rest.find('/').unwrap_or(rest.len());
    let at = rest[..end].rfind('@')?;
    Some((&word[..from], &word[from + at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t1_own_lines_are_cleaned_and_what_looks_like_a_secret_is_masked() {
        let shown = |text: &str| line("gonogo::world", text);
        assert_eq!(shown("a\x1b[2Jb"), "world: a\\x1b[2Jb");
        assert_eq!(line("kube_client::client", "away"), "kube_client: away");
        let secrets = [
            "failed: postgres://shop:hunter2@db/shop is away",
            "PGPASSWORD=hunter2 psql",
            "header Authorization: Bearer hunter2 refused",
            "token: hunter2",
            "api-key=hunter2, and more",
        ];
        for text in secrets {
            assert!(!shown(text).contains("hunter2"), "{}", shown(text));
        }
        for text in ["step=code.unit ended", "http://host/path: no answer", "a key was pressed"] {
            assert_eq!(shown(text), format!("world: {text}"));
        }
    }
}

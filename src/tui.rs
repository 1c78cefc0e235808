//! The cockpit: keys in, frames out. It shows snapshots and asks; it never touches the world.
//!
//! ```text
//! key ─▶ keys: (mode, keys) → Action ─┬─ look, move, open ─▶ ui        (redraw)
//!                                     └─ ask ─▶ popup ─▶ Command ─▶ handle ─▶ engine
//! engine ─▶ follower ─▶ Snapshot ─┐
//!                              ui ┴─▶ draw ─▶ frame
//! ```

mod action;
mod cockpit;
mod desk;
mod draw;
mod keys;
mod layout;
mod log_view;
mod mark;
mod on_key;
mod pane;
mod pen;
mod popup;
mod run;
mod screen;
mod terminal;
mod theme;
mod timeline;
mod ui;

pub use action::Action;
pub use cockpit::Cockpit;
pub use desk::Settings;
pub use draw::draw;
pub use keys::{Binding, BindingSpec, Chord, KEYS, KeySpec, Keymap, KeymapError, Mode, When};
pub use on_key::{Did, on_key, on_paste, on_tick};
pub use run::{Leave, TuiError, run};
pub use terminal::reset;
pub use theme::{Ansi, ColorSpec, Depth, Role, StyleSpec, THEMES, Theme, ThemeError, ThemeSpec};
pub use ui::{History, Ui};

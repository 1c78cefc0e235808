//! The cockpit: keys in, frames out. It shows snapshots and asks; it never touches the world.
//!
//! ```text
//! key ─▶ keys: (mode, keys) → Action ─┬─ look, move, open ─▶ ui        (redraw)
//!                                     └─ ask ─▶ popup ─▶ Command ─▶ handle ─▶ engine
//! engine ─▶ follower ─▶ Snapshot ─┐
//!                              ui ┴─▶ draw ─▶ frame
//! ```

mod action;
mod canvas;
mod cockpit;
mod desk;
mod draw;
mod drawing;
mod keys;
mod layout;
mod library;
mod list;
mod log_view;
mod mark;
mod mouse;
mod notice;
mod on_key;
mod outlet;
mod pane;
mod pen;
mod pods;
mod popup;
mod replay;
mod run;
mod screen;
mod terminal;
mod theme;
mod timeline;
mod ui;

pub use action::{Action, Group};
pub use cockpit::Cockpit;
pub use desk::Settings;
pub use draw::draw;
pub use keys::{Binding, BindingSpec, Chord, KEYS, KeySpec, Keymap, KeymapError, Mode, When};
pub use library::{Library, Opening, PolicyReading, Row, Shelf, Standing};
pub use mouse::on_mouse;
pub use on_key::{Did, on_key, on_paste, on_tick};
pub use run::{Leave, Opened, TuiError, open, replay, run};
pub use screen::first_frame::FirstFrame;
pub use screen::own_log::listen;
pub use terminal::reset;
pub use theme::{Ansi, ColorSpec, Depth, Role, StyleSpec, THEMES, Theme, ThemeError, ThemeSpec};
pub use ui::{History, Ui};

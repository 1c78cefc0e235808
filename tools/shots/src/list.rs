//! Which pictures there are, as `pictures.yaml` says.

use color_eyre::eyre::{Report, WrapErr as _};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct List {
    pub(crate) pictures: Vec<Picture>,
    pub(crate) films: Vec<Film>,
}

/// One screen at one moment, which stands still.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Picture {
    pub(crate) name: String,
    /// Columns and rows.
    #[serde(default = "usual")]
    pub(crate) size: (u16, u16),
    pub(crate) scenario: String,
    /// The moment, as `--skip-to` takes it.
    pub(crate) at: String,
    /// Keys, each typed when the screen has come to rest; `esc`, `enter`, `tab` are keys.
    #[serde(default)]
    pub(crate) keys: Vec<String>,
    #[serde(default = "dark")]
    pub(crate) theme: String,
}

/// Moments one after the other.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Film {
    pub(crate) name: String,
    pub(crate) size: (u16, u16),
    pub(crate) scenario: String,
    #[serde(default = "dark")]
    pub(crate) theme: String,
    pub(crate) scenes: Vec<Scene>,
}

/// One moment of a film, or one every `step_s` seconds from it on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scene {
    pub(crate) at: String,
    #[serde(default)]
    pub(crate) keys: Vec<String>,
    /// Seconds after the moment of the first and the last frame.
    #[serde(default)]
    pub(crate) seconds: (u64, u64),
    #[serde(default = "one")]
    pub(crate) step_s: u64,
    /// How long each frame is shown, in milliseconds.
    pub(crate) shown_ms: u32,
}

fn usual() -> (u16, u16) {
    (120, 36)
}

fn dark() -> String {
    "dark".to_owned()
}

fn one() -> u64 {
    1
}

impl List {
    pub(crate) fn shipped() -> Result<Self, Report> {
        let text = include_str!("../pictures.yaml");
        serde_yaml::from_str(text).wrap_err("failed to read tools/shots/pictures.yaml")
    }
}

/// `80x24`.
pub(crate) fn size(text: &str) -> Option<(u16, u16)> {
    let (columns, rows) = text.split_once('x')?;
    Some((columns.parse().ok()?, rows.parse().ok()?))
}

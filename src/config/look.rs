//! How the cockpit looks and which keys it knows.

use std::path::Path;

use super::args::{Colour, Look};
use super::file::Layers;
use super::paths::Paths;
use super::resolve::ConfigError;
use crate::release::Principal;
use crate::report::line::LineSettings;
use crate::report::plain::PlainSettings;
use crate::tui::{Depth, History, KEYS, Keymap, Settings, THEMES, Theme, ThemeSpec};
use crate::world::{Clock, disk, machine};

const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The environment variables that say what the terminal can do.
pub struct Terminal {
    pub no_color: bool,
    /// `CLICOLOR_FORCE`: colours also where nothing says that they are there.
    pub force_color: bool,
    pub colorterm: String,
    pub term: String,
    pub locale: String,
}

impl Terminal {
    pub fn of_environment() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the environment is read in config")]
        let read = |name: &str| std::env::var(name).unwrap_or_default();
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].map(read);
        let locale = locale.into_iter().find(|value| !value.is_empty()).unwrap_or_default();
        Self {
            no_color: !read("NO_COLOR").is_empty(),
            force_color: !matches!(read("CLICOLOR_FORCE").as_str(), "" | "0"),
            colorterm: read("COLORTERM"),
            term: read("TERM"),
            locale,
        }
    }

    /// How many colours may be used.
    pub fn depth(&self, colour: Colour) -> Depth {
        let best = if self.colorterm.contains("truecolor") || self.colorterm.contains("24bit") {
            Depth::True
        } else if self.term.contains("256color") {
            Depth::Ansi256
        } else {
            Depth::Ansi16
        };
        let forced = self.force_color && !self.no_color;
        let plain = self.no_color || matches!(self.term.as_str(), "" | "dumb" | "vt100" | "vt220");
        match colour {
            Colour::Never => Depth::None,
            Colour::Auto if plain && !forced => Depth::None,
            Colour::Always | Colour::Auto => best,
        }
    }

    /// Whether only ASCII can be drawn.
    pub fn is_ascii(&self) -> bool {
        let locale = self.locale.to_ascii_lowercase();
        !(locale.contains("utf-8") || locale.contains("utf8"))
    }
}

/// The environment as it is, for the part of it that commands may see.
pub fn environment() -> Vec<(String, String)> {
    #[expect(clippy::disallowed_methods, reason = "the environment is read in config")]
    let all = std::env::vars_os();
    all.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Everything a plain conversation needs beside its release.
pub fn plain(
    look: &Look,
    terminal: &Terminal,
    principal: Principal,
    database: &str,
    mut lines: LineSettings,
) -> PlainSettings {
    lines.columns = machine::terminal_columns();
    PlainSettings {
        principal,
        can_arm: true,
        database: database.to_owned(),
        clock: Clock::live(),
        ascii: look.ascii || terminal.is_ascii(),
        lines,
    }
}

/// How the cockpit looks. Quick: a first frame waits for it.
pub fn theme(look: &Look, terminal: &Terminal, paths: &Paths) -> Result<Theme, ConfigError> {
    let depth = terminal.depth(look.color);
    let ascii = look.ascii || terminal.is_ascii();
    let name = look.theme.as_deref().unwrap_or("dark");
    let theme = if Path::new(name).extension().is_some_and(|end| end == "yaml") {
        Path::new(name).to_owned()
    } else {
        paths.config.join("themes").join(format!("{name}.yaml"))
    };
    if let Some(bytes) = disk::read(&theme, FILE_BYTES_MAX)? {
        let text = String::from_utf8_lossy(&bytes);
        let spec: ThemeSpec = Layers::shipped(&theme.display().to_string(), &text)?.read()?;
        return Theme::new(&spec, depth, ascii).map_err(ConfigError::Theme);
    }
    Theme::shipped(name, depth, ascii).ok_or_else(|| {
        let known: Vec<&str> = THEMES.iter().map(|(name, _)| *name).collect();
        ConfigError::NoTheme { name: name.to_owned(), known: known.join(", ") }
    })
}

/// Everything a cockpit needs beside its release.
pub fn cockpit(
    theme: Theme,
    look: &Look,
    paths: &Paths,
    principal: Principal,
    database: &str,
) -> Result<Settings, ConfigError> {
    let mut keys = Layers::shipped("config/keys.yaml (shipped)", KEYS)?;
    let own = paths.config.join("keys.yaml");
    if let Some(bytes) = disk::read(&own, FILE_BYTES_MAX)? {
        keys.add(&own.display().to_string(), &bytes)?;
    }
    let manners = super::run::machine_of(paths)?.cockpit;
    Ok(Settings {
        theme,
        keymap: Keymap::new(&keys.read()?)?,
        principal,
        can_arm: true,
        database: database.to_owned(),
        history: History::default(),
        clock: Clock::live(),
        mouse: manners.mouse && !look.no_mouse,
        bell: manners.bell,
        library: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Colour::{Always, Auto, Never};

    fn terminal(no_color: bool, force: bool, colorterm: &str, term: &str) -> Terminal {
        Terminal {
            no_color,
            force_color: force,
            colorterm: colorterm.to_owned(),
            term: term.to_owned(),
            locale: "C.UTF-8".to_owned(),
        }
    }

    #[test]
    fn the_terminal_says_how_many_colours_and_people_say_whether_any() {
        let depth = |no, force, colorterm: &str, term: &str, colour| {
            terminal(no, force, colorterm, term).depth(colour)
        };
        assert_eq!(depth(false, false, "truecolor", "xterm-256color", Auto), Depth::True);
        assert_eq!(depth(false, false, "", "tmux-256color", Auto), Depth::Ansi256);
        assert_eq!(depth(false, false, "", "linux", Auto), Depth::Ansi16);
        assert_eq!(depth(true, false, "truecolor", "xterm-256color", Auto), Depth::None);
        assert_eq!(depth(true, true, "truecolor", "xterm-256color", Auto), Depth::None);
        assert_eq!(depth(false, false, "", "dumb", Auto), Depth::None);
        assert_eq!(depth(false, true, "", "dumb", Auto), Depth::Ansi16);
        assert_eq!(depth(true, false, "24bit", "xterm", Always), Depth::True);
        assert_eq!(depth(false, true, "truecolor", "xterm", Never), Depth::None);
    }

    #[test]
    fn f59_a_locale_without_utf_8_gets_ascii() {
        let with = |locale: &str| Terminal {
            locale: locale.to_owned(),
            ..terminal(false, false, "", "xterm")
        };
        assert!(!with("en_GB.UTF-8").is_ascii());
        assert!(!with("C.utf8").is_ascii());
        assert!(with("C").is_ascii());
        assert!(with("de_DE.ISO-8859-1").is_ascii());
        assert!(with("").is_ascii());
    }
}

//! The keymap: keys, also one after the other, to actions; read from `keys.yaml`.

use std::fmt::{self, Write as _};
use std::sync::LazyLock;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::action::{Action, Group};

/// The keys file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeySpec {
    pub keys: Vec<BindingSpec>,
}

/// One line of the keys file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BindingSpec {
    /// Ways to the same action: `j`, `gt` (one after the other), `ctrl-d`, `down`.
    pub on: Vec<String>,
    /// The action's name.
    pub run: String,
    /// What help, palette and footer say.
    pub desc: String,
    #[serde(default)]
    pub when: When,
    #[serde(default)]
    pub mode: Mode,
}

/// When the footer offers a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum When {
    #[default]
    Never,
    Always,
    /// The release permits it now.
    Possible,
    /// The log has the keys.
    Log,
}

/// Where a key counts.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    #[default]
    Everywhere,
    Release,
    Timeline,
    Findings,
    Releases,
    /// gonogo's own log.
    Log,
    /// Any screen, while a recorded release plays on it.
    Replay,
}

impl Mode {
    fn words(self) -> &'static str {
        match self {
            Self::Everywhere => "everywhere",
            Self::Release => "release",
            Self::Timeline => "timeline",
            Self::Findings => "findings",
            Self::Releases => "releases",
            Self::Log => "own log",
            Self::Replay => "replay",
        }
    }
}

/// One key press.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Chord {
    code: KeyCode,
    modifiers: KeyModifiers,
}

/// A keys file that contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct KeymapError {
    /// The key path in the file: `keys[3].run`.
    pub path: String,
    pub message: String,
}

/// One binding, ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    pub action: Action,
    pub desc: String,
    pub when: When,
    pub mode: Mode,
    ways: Vec<Vec<Chord>>,
}

impl Binding {
    /// The first way to it, as it is printed: `gt`, `ctrl-d`.
    pub fn key(&self) -> String {
        self.ways.first().map(|way| printed(way)).unwrap_or_default()
    }

    /// Every way to it: `j, down`.
    pub fn keys(&self) -> String {
        let ways: Vec<String> = self.ways.iter().map(|way| printed(way)).collect();
        ways.join(", ")
    }
}

/// Keys to actions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keymap {
    bindings: Vec<Binding>,
    /// Every way, and which binding it leads to.
    ways: Vec<(Mode, Vec<Chord>, usize)>,
}

/// What the keys pressed so far come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Action(Action),
    /// Some binding goes on from here.
    More,
    Nothing,
}

/// The shipped `keys.yaml`.
pub const KEYS: &str = include_str!("../../config/keys.yaml");

impl Keymap {
    /// Makes a keymap ready: actions exist, keys can be read, none stands in another's way, and
    /// every action can be reached.
    pub fn new(spec: &KeySpec) -> Result<Self, KeymapError> {
        let mut map = Self::default();
        for (at, line) in spec.keys.iter().enumerate() {
            let fault = |key: &str, message: String| KeymapError {
                path: format!("keys[{at}].{key}"),
                message,
            };
            let Some(action) = Action::by_name(&line.run) else {
                return Err(fault("run", format!("there is no action {:?}", line.run)));
            };
            if line.desc.is_empty() {
                return Err(fault("desc", "say what it does".to_owned()));
            }
            let mut ways = Vec::new();
            for on in &line.on {
                let Some(way) = sequence(on) else {
                    return Err(fault("on", format!("{on:?} is no key or sequence of keys")));
                };
                // A later line takes over.
                map.ways.retain(|(mode, other, _)| (*mode, other) != (line.mode, &way));
                map.ways.push((line.mode, way.clone(), at));
                ways.push(way);
            }
            let (desc, when, mode) = (line.desc.clone(), line.when, line.mode);
            map.bindings.push(Binding { action, desc, when, mode, ways });
        }
        map.check()?;
        Ok(map)
    }

    /// The shipped keys, read once.
    pub fn shipped() -> Self {
        static SHIPPED: LazyLock<Keymap> = LazyLock::new(|| {
            let spec: KeySpec = serde_yaml::from_str(KEYS).unwrap_or_default();
            Keymap::new(&spec).unwrap_or_default()
        });
        SHIPPED.clone()
    }

    fn check(&mut self) -> Result<(), KeymapError> {
        let fault =
            |at: usize, message: String| KeymapError { path: format!("keys[{at}].on"), message };
        for (mode, way, at) in &self.ways {
            let shadowed = self.ways.iter().find(|(other, longer, _)| {
                let same_place =
                    mode == other || *mode == Mode::Everywhere || *other == Mode::Everywhere;
                same_place && longer.len() > way.len() && longer.starts_with(way)
            });
            if let Some((_, longer, _)) = shadowed {
                let (short, long) = (printed(way), printed(longer));
                return Err(fault(*at, format!("{short:?} stands in the way of {long:?}")));
            }
        }
        // A way that a later line took over is no longer this line's.
        for (at, binding) in self.bindings.iter_mut().enumerate() {
            let mode = binding.mode;
            let kept = |way: &Vec<Chord>| self.ways.contains(&(mode, way.clone(), at));
            binding.ways.retain(kept);
        }
        for action in Action::ALL {
            let bound = self.bindings.iter().any(|b| b.action == *action && !b.ways.is_empty());
            if !bound {
                let path = "keys".to_owned();
                let message = format!("no key leads to {:?}", action.name());
                return Err(KeymapError { path, message });
            }
        }
        Ok(())
    }

    /// Where several modes count, the first one goes before the next.
    pub(super) fn find(&self, modes: &[Mode], pressed: &[Chord]) -> Found {
        for mode in modes {
            let way = self.ways.iter().find(|(other, way, _)| other == mode && way == pressed);
            if let Some((_, _, at)) = way {
                return self.bindings.get(*at).map_or(Found::Nothing, |b| Found::Action(b.action));
            }
        }
        if self.goes_on(modes, pressed).next().is_some() { Found::More } else { Found::Nothing }
    }

    /// The bindings that go on from the keys pressed so far, and the keys still to press.
    pub(super) fn goes_on<'a>(
        &'a self,
        modes: &'a [Mode],
        pressed: &'a [Chord],
    ) -> impl Iterator<Item = (String, &'a Binding)> {
        self.bindings.iter().filter(move |b| modes.contains(&b.mode)).flat_map(move |binding| {
            let ways = binding.ways.iter();
            ways.filter(move |way| way.len() > pressed.len() && way.starts_with(pressed))
                .map(move |way| (printed(&way[pressed.len()..]), binding))
        })
    }

    /// The keys as a Markdown table, for the README.
    pub fn table_markdown(&self) -> String {
        let mut table = "| keys | what they do | where |\n|---|---|---|\n".to_owned();
        for group in Group::ALL {
            let bound = |b: &&Binding| b.action.group() == group && !b.ways.is_empty();
            for binding in self.bindings.iter().filter(bound) {
                let keys: Vec<String> = binding.ways.iter().map(|way| printed(way)).collect();
                let keys: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
                let place = binding.mode.words();
                let (keys, desc) = (keys.join(" "), &binding.desc);
                // A string takes everything.
                let _ = writeln!(table, "| {keys} | {desc} | {place} |");
            }
        }
        table
    }

    pub fn bindings(&self) -> &[Binding] {
        &self.bindings
    }

    /// The key of an action, as it is printed.
    pub fn key_of(&self, action: Action) -> String {
        let bound = self.bindings.iter().find(|b| b.action == action && !b.ways.is_empty());
        bound.map(Binding::key).unwrap_or_default()
    }
}

impl Chord {
    /// The key of a terminal event; the shift of a capital letter is in the letter.
    pub fn of(key: KeyEvent) -> Self {
        let mut modifiers =
            key.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT);
        let code = match key.code {
            KeyCode::Char(c) if modifiers.contains(KeyModifiers::CONTROL) => {
                KeyCode::Char(c.to_ascii_lowercase())
            }
            code => code,
        };
        if matches!(code, KeyCode::Char(_) | KeyCode::BackTab) {
            modifiers.remove(KeyModifiers::SHIFT);
        }
        Self { code, modifiers }
    }

    /// The terminal event of this key, for a scripted person.
    pub(super) fn event(self) -> KeyEvent {
        KeyEvent::new(self.code, self.modifiers)
    }

    /// Reads one key: `a`, `G`, `ctrl-d`, `enter`, `shift-tab`.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut modifiers = KeyModifiers::NONE;
        let mut rest = text;
        loop {
            let (modifier, after) = if let Some(after) = rest.strip_prefix("ctrl-") {
                (KeyModifiers::CONTROL, after)
            } else if let Some(after) = rest.strip_prefix("alt-") {
                (KeyModifiers::ALT, after)
            } else if let Some(after) = rest.strip_prefix("shift-") {
                (KeyModifiers::SHIFT, after)
            } else {
                break;
            };
            modifiers |= modifier;
            rest = after;
        }
        let named = NAMED.iter().find(|(name, _)| rest.eq_ignore_ascii_case(name));
        let code = if let Some((_, code)) = named {
            *code
        } else {
            let mut chars = rest.chars();
            let first = chars.next()?;
            if chars.next().is_some() {
                return None;
            }
            KeyCode::Char(first)
        };
        let back_tab = code == KeyCode::Tab && modifiers.contains(KeyModifiers::SHIFT);
        let code = if back_tab { KeyCode::BackTab } else { code };
        Some(Self::of(KeyEvent::new(code, modifiers)))
    }
}

const NAMED: [(&str, KeyCode); 16] = [
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("tab", KeyCode::Tab),
    ("shift-tab", KeyCode::BackTab),
    ("space", KeyCode::Char(' ')),
    ("backspace", KeyCode::Backspace),
    ("delete", KeyCode::Delete),
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("pgup", KeyCode::PageUp),
    ("pgdn", KeyCode::PageDown),
    ("f1", KeyCode::F(1)),
];

/// Reads a sequence: one key, or letters one after the other.
pub(super) fn sequence(text: &str) -> Option<Vec<Chord>> {
    if let Some(chord) = Chord::read(text) {
        return Some(vec![chord]);
    }
    let letters = !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() && c != '-');
    letters.then(|| {
        text.chars()
            .map(|c| Chord::of(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)))
            .collect()
    })
}

impl fmt::Display for Chord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.modifiers.contains(KeyModifiers::CONTROL) {
            f.write_str("ctrl-")?;
        }
        if self.modifiers.contains(KeyModifiers::ALT) {
            f.write_str("alt-")?;
        }
        if self.modifiers.contains(KeyModifiers::SHIFT) {
            f.write_str("shift-")?;
        }
        let named = NAMED.iter().find(|(_, code)| *code == self.code);
        match (named, self.code) {
            (Some((name, _)), _) => f.write_str(name),
            (None, KeyCode::Char(c)) => write!(f, "{c}"),
            (None, other) => write!(f, "{other}"),
        }
    }
}

pub(super) fn printed(way: &[Chord]) -> String {
    way.iter().map(Chord::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(lines: &[(&str, &str)]) -> KeySpec {
        let mut spec: KeySpec = serde_yaml::from_str(KEYS).expect("shipped keys");
        spec.keys.extend(lines.iter().map(|(on, run)| BindingSpec {
            on: vec![(*on).into()],
            run: (*run).into(),
            desc: "a test".into(),
            when: When::Never,
            mode: Mode::Everywhere,
        }));
        spec
    }

    #[test]
    fn the_shipped_keys_bind_and_describe_every_action_without_collisions() {
        let map = Keymap::new(&spec(&[])).expect("shipped keys hold");
        for action in Action::ALL {
            assert!(!map.key_of(*action).is_empty(), "{action:?}");
        }
        assert_eq!(Keymap::shipped(), map);
        let of = |b: &Binding| b.ways.iter().map(|way| (b.mode, way.clone())).collect::<Vec<_>>();
        let mut ways: Vec<_> = map.bindings.iter().flat_map(of).collect();
        ways.sort_by_key(|(mode, way)| (*mode, printed(way)));
        let all = ways.len();
        ways.dedup();
        assert_eq!(ways.len(), all, "a key is bound twice");
    }

    #[test]
    fn sequences_and_capitals_are_told_apart() {
        let map = Keymap::shipped();
        let modes = [Mode::Release, Mode::Everywhere];
        let find = |keys: &str| map.find(&modes, &sequence(keys).expect("keys"));
        assert_eq!(find("g"), Found::More);
        assert_eq!(find("gg"), Found::Action(Action::Top));
        assert_eq!(find("G"), Found::Action(Action::Bottom));
        assert_eq!(find("gx"), Found::Nothing);
        assert_eq!(find("ctrl-d"), Found::Action(Action::PageDown));
        let capital = KeyEvent::new(KeyCode::Char('B'), KeyModifiers::SHIFT);
        assert_eq!(map.find(&modes, &[Chord::of(capital)]), Found::Action(Action::RollBack));
        // In a replay its own keys go first, and the others are heard all the same.
        let modes = [Mode::Replay, Mode::Release, Mode::Everywhere];
        let find = |keys: &str| map.find(&modes, &sequence(keys).expect("keys"));
        assert_eq!(find("n"), Found::Action(Action::ReplayNext));
        assert_eq!(find("gt"), Found::Action(Action::GoTimeline));
    }

    #[test]
    fn faults_name_their_line() {
        let faults = [(("g", "help"), "on"), (("x", "dance"), "run"), (("hyper-x", "help"), "on")];
        let last = spec(&[]).keys.len();
        for (line, key) in faults {
            let path = format!("keys[{last}].{key}");
            let error = Keymap::new(&spec(&[line])).expect_err("a fault");
            assert_eq!(error.path, path, "{error}");
        }
    }

    #[test]
    fn a_later_line_takes_a_key_over_and_help_follows() {
        let map = Keymap::new(&spec(&[("J", "down"), ("q", "help")])).expect_err("leave is lost");
        assert!(map.message.contains("leave"), "{map}");
        let map = Keymap::new(&spec(&[("Q", "leave"), ("q", "help")])).expect("bound again");
        assert_eq!(map.key_of(Action::Leave), "Q");
    }

    #[test]
    fn keys_are_printed_as_they_are_written() {
        for text in ["a", "G", "gt", "ctrl-d", "shift-tab", "enter", "!", "pgup", "space"] {
            assert_eq!(printed(&sequence(text).expect("keys")), text);
        }
    }
}

//! What things look like: a role for everything that is drawn, and a style for every role.
//!
//! Colour is never alone: every state has a glyph and a word too, and all glyphs have an ASCII
//! stand-in.

use std::collections::BTreeMap;

use ratatui::style::{Color, Modifier, Style};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Declares the roles once: the variant, its name in theme files, what wears it.
macro_rules! roles {
    ($($(#[$doc:meta])* $Role:ident $name:literal),* $(,)?) => {
        /// What a piece of the screen means.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
            JsonSchema,
        )]
        #[serde(rename_all = "snake_case")]
        pub enum Role {
            $($(#[$doc])* $Role),*
        }

        impl Role {
            pub const ALL: &'static [Self] = &[$(Self::$Role),*];

            /// Its name in theme files.
            pub fn name(self) -> &'static str {
                match self { $(Self::$Role => $name),* }
            }
        }
    };
}

roles! {
    /// The screen itself, and text on it.
    Text "text",
    /// What matters less.
    Dim "dim",
    /// What only fills a place.
    Faint "faint",
    /// What must be read first.
    Strong "strong",
    Border "border",
    Title "title",
    /// The title of the pane that has the keys.
    Focus "focus",
    /// The row under the cursor.
    Selected "selected",
    Done "done",
    Running "running",
    Warn "warn",
    Failed "failed",
    Gate "gate",
    Waiting "waiting",
    Skipped "skipped",
    Blue "blue",
    Green "green",
    /// The top bar over production. Nothing else wears it.
    Production "production",
    Staging "staging",
    /// The top bar over any other environment.
    Elsewhere "elsewhere",
    Rehearsal "rehearsal",
    Armed "armed",
    /// The chip before what a person must do.
    Next "next",
    /// A key that can be pressed.
    Key "key",
    /// A value too old to be believed.
    Stale "stale",
    /// The price of the way back.
    Undo "undo",
    Popup "popup",
    /// What is being typed.
    Input "input",
    /// What a search found.
    Found "found",
}

/// How many colours a terminal can show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// `NO_COLOR`, or a terminal without colours.
    None,
    Ansi16,
    Ansi256,
    #[default]
    True,
}

/// A theme file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ThemeSpec {
    /// Its name, for people.
    pub name: String,
    /// Colours by name, each for terminals of any depth.
    #[serde(default)]
    pub palette: BTreeMap<String, ColorSpec>,
    /// A style for every role.
    pub roles: BTreeMap<Role, StyleSpec>,
}

/// One colour of the palette.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ColorSpec {
    /// Six hex digits, for terminals with 256 colours and more.
    pub rgb: String,
    /// The nearest of the 16 names, for terminals that know only those.
    pub ansi: Ansi,
}

/// The 16 colours every terminal has, and its own default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ansi {
    Default,
    Black,
    Red,
    Green,
    Yellow,
    Blue,
    Magenta,
    Cyan,
    Gray,
    DarkGray,
    LightRed,
    LightGreen,
    LightYellow,
    LightBlue,
    LightMagenta,
    LightCyan,
    White,
}

/// How a role looks: colours from the palette, and the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own in the file")]
pub struct StyleSpec {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fg: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bg: Option<String>,
    #[serde(default)]
    pub bold: bool,
    #[serde(default)]
    pub dim: bool,
    #[serde(default)]
    pub underline: bool,
    #[serde(default)]
    pub reversed: bool,
}

/// A theme that contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct ThemeError {
    /// The key path in the theme file: `roles.failed.fg`.
    pub path: String,
    pub message: String,
}

/// A theme made ready for one terminal. The default has no styles: rows can be counted with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Theme {
    /// One for each role, in the order of [`Role::ALL`]: every part of every row asks for one.
    styles: Vec<Style>,
    /// What the screen wears before anything is drawn on it.
    ground: Style,
    ascii: bool,
    colours: bool,
}

/// The shipped themes, by name.
pub const THEMES: [(&str, &str); 5] = [
    ("dark", include_str!("../../themes/dark.yaml")),
    ("light", include_str!("../../themes/light.yaml")),
    ("high-contrast", include_str!("../../themes/high-contrast.yaml")),
    ("colour-blind", include_str!("../../themes/colour-blind.yaml")),
    ("mono", include_str!("../../themes/mono.yaml")),
];

impl Theme {
    /// Makes a theme ready. `ascii` is for terminals and locales without UTF-8.
    pub fn new(spec: &ThemeSpec, depth: Depth, ascii: bool) -> Result<Self, ThemeError> {
        let mut styles = Vec::with_capacity(Role::ALL.len());
        for role in Role::ALL {
            let path = format!("roles.{}", role.name());
            let Some(style) = spec.roles.get(role) else {
                let message = "every role needs a style, and this one has none".to_owned();
                return Err(ThemeError { path, message });
            };
            styles.push(ready(*role, style, spec, depth, &path)?);
        }
        // Text lies on whatever ground is there: on a popup or a chosen row it keeps theirs.
        let colours = depth != Depth::None && !spec.palette.is_empty();
        let mut theme = Self { styles, ground: Style::default(), ascii, colours };
        theme.ground = theme.style(Role::Text);
        if let Some(text) = theme.styles.get_mut(Role::Text as usize) {
            text.bg = None;
        }
        Ok(theme)
    }

    /// A shipped theme; none where there is none of that name.
    pub fn shipped(name: &str, depth: Depth, ascii: bool) -> Option<Self> {
        let (_, text) = THEMES.iter().find(|(known, _)| *known == name)?;
        let spec: ThemeSpec = serde_yaml::from_str(text).ok()?;
        Self::new(&spec, depth, ascii).ok()
    }

    pub fn style(&self, role: Role) -> Style {
        self.styles.get(role as usize).copied().unwrap_or_default()
    }

    /// The screen itself.
    pub fn ground(&self) -> Style {
        self.ground
    }

    /// Whether it colours anything; what has no colour must stand out by itself.
    pub fn has_colours(&self) -> bool {
        self.colours
    }

    pub fn ascii(&self) -> bool {
        self.ascii
    }
}

fn ready(
    role: Role,
    style: &StyleSpec,
    spec: &ThemeSpec,
    depth: Depth,
    path: &str,
) -> Result<Style, ThemeError> {
    let mut out = Style::new();
    if let Some(name) = &style.fg {
        out.fg = color(name, spec, depth, &format!("{path}.fg"))?;
    }
    if let Some(name) = &style.bg {
        out.bg = color(name, spec, depth, &format!("{path}.bg"))?;
        // What stood out by its ground still does where there are no colours.
        let ground = matches!(role, Role::Text | Role::Popup | Role::Dim | Role::Faint);
        if depth == Depth::None && !ground {
            out = out.add_modifier(Modifier::REVERSED);
        }
    }
    let modifiers = [
        (style.bold, Modifier::BOLD),
        (style.dim, Modifier::DIM),
        (style.underline, Modifier::UNDERLINED),
        (style.reversed, Modifier::REVERSED),
    ];
    Ok(modifiers.iter().filter(|(on, _)| *on).fold(out, |out, (_, m)| out.add_modifier(*m)))
}

fn color(
    name: &str,
    spec: &ThemeSpec,
    depth: Depth,
    path: &str,
) -> Result<Option<Color>, ThemeError> {
    let fault = |message: String| ThemeError { path: path.to_owned(), message };
    let Some(entry) = spec.palette.get(name) else {
        let known: Vec<&str> = spec.palette.keys().map(String::as_str).collect();
        let known = known.join(", ");
        return Err(fault(format!("the palette has no {name:?}; it has {known}")));
    };
    let Some((r, g, b)) = hex(&entry.rgb) else {
        return Err(fault(format!("{:?} is not six hex digits", entry.rgb)));
    };
    Ok(match depth {
        Depth::None => None,
        Depth::Ansi16 => Some(entry.ansi.color()),
        Depth::Ansi256 => Some(Color::Indexed(nearest_of_256(r, g, b))),
        Depth::True => Some(Color::Rgb(r, g, b)),
    })
}

fn hex(text: &str) -> Option<(u8, u8, u8)> {
    let fits = text.len() == 6 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let part = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    if fits { Some((part(0)?, part(2)?, part(4)?)) } else { None }
}

/// The nearest of the 6x6x6 cube and of the 24 greys.
fn nearest_of_256(r: u8, g: u8, b: u8) -> u8 {
    const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let far = |a: u8, b: u8| u32::from(a.abs_diff(b)).pow(2);
    let distance = |(x, y, z): (u8, u8, u8)| far(x, r) + far(y, g) + far(z, b);
    let cube = (0..216_u8).map(|i| {
        let rgb =
            (STEPS[usize::from(i / 36)], STEPS[usize::from(i / 6 % 6)], STEPS[usize::from(i % 6)]);
        (distance(rgb), 16 + i)
    });
    let greys = (0..24_u8).map(|i| {
        let v = 8 + 10 * i;
        (distance((v, v, v)), 232 + i)
    });
    cube.chain(greys).min().map_or(15, |(_, index)| index)
}

impl Ansi {
    fn color(self) -> Color {
        match self {
            Self::Default => Color::Reset,
            Self::Black => Color::Black,
            Self::Red => Color::Red,
            Self::Green => Color::Green,
            Self::Yellow => Color::Yellow,
            Self::Blue => Color::Blue,
            Self::Magenta => Color::Magenta,
            Self::Cyan => Color::Cyan,
            Self::Gray => Color::Gray,
            Self::DarkGray => Color::DarkGray,
            Self::LightRed => Color::LightRed,
            Self::LightGreen => Color::LightGreen,
            Self::LightYellow => Color::LightYellow,
            Self::LightBlue => Color::LightBlue,
            Self::LightMagenta => Color::LightMagenta,
            Self::LightCyan => Color::LightCyan,
            Self::White => Color::White,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> ThemeSpec {
        serde_yaml::from_str(text).expect("a theme file")
    }

    #[test]
    fn every_theme_defines_every_role_at_every_depth() {
        for (name, text) in THEMES {
            let spec = spec(text);
            assert_eq!(spec.name, name);
            for depth in [Depth::None, Depth::Ansi16, Depth::Ansi256, Depth::True] {
                Theme::new(&spec, depth, false).unwrap_or_else(|e| panic!("{name}: {e}"));
            }
        }
    }

    #[test]
    fn without_colour_nothing_is_coloured_and_the_bar_still_stands_out() {
        let theme = Theme::shipped("dark", Depth::None, true).expect("shipped");
        for role in Role::ALL {
            let style = theme.style(*role);
            assert_eq!((style.fg, style.bg), (None, None), "{role:?}");
        }
        let bar = theme.style(Role::Production);
        assert!(bar.add_modifier.contains(Modifier::REVERSED));
    }

    #[test]
    fn a_fault_names_its_place_and_what_there_is() {
        let mut spec = spec(THEMES[0].1);
        spec.roles.get_mut(&Role::Failed).expect("a role").fg = Some("pink".into());
        let error = Theme::new(&spec, Depth::True, false).expect_err("no such colour");
        assert_eq!(error.path, "roles.failed.fg");
        assert!(error.message.contains("paper"), "{error}");
        spec.roles.remove(&Role::Failed);
        let error = Theme::new(&spec, Depth::True, false).expect_err("a missing role");
        assert_eq!(error.path, "roles.failed");
    }

    #[test]
    fn only_the_production_bar_wears_its_red() {
        for (name, text) in THEMES {
            let theme = Theme::new(&spec(text), Depth::True, false).expect("a theme");
            let Some(red) = theme.style(Role::Production).bg else { continue };
            for role in Role::ALL.iter().filter(|role| **role != Role::Production) {
                let style = theme.style(*role);
                assert!(style.fg != Some(red) && style.bg != Some(red), "{name}: {role:?}");
            }
        }
    }

    /// Linear light of a colour of the palette.
    fn light(spec: &ThemeSpec, name: &str) -> [f64; 3] {
        let (r, g, b) = hex(&spec.palette[name].rgb).expect("six hex digits");
        [r, g, b].map(|part| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        })
    }

    fn luminance([r, g, b]: [f64; 3]) -> f64 {
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }

    /// The contrast of two colours as WCAG 2 measures it, 1 to 21.
    fn contrast(spec: &ThemeSpec, a: &str, b: &str) -> f64 {
        let (a, b) = (luminance(light(spec, a)), luminance(light(spec, b)));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn every_text_stands_out_from_its_ground() {
        for (name, text) in THEMES {
            let spec = spec(text);
            let ground_of = |role: Role| spec.roles[&role].bg.clone();
            let Some(ground) = ground_of(Role::Text) else {
                assert!(spec.palette.is_empty(), "{name}: colours on a ground nobody knows");
                continue;
            };
            let least = if name == "high-contrast" { 7.0 } else { 4.5 };
            for (role, style) in spec.roles.iter().filter(|(role, _)| **role != Role::Border) {
                let Some(fg) = &style.fg else { continue };
                let own = style.bg.clone();
                let alone = own.is_none();
                let measured = contrast(&spec, fg, own.as_ref().unwrap_or(&ground));
                assert!(measured >= least, "{name}: {role:?} has {measured:.1} to 1");
                // What has no ground of its own may lie in a popup or on the chosen row.
                for under in [Role::Popup, Role::Selected].map(ground_of).iter().flatten() {
                    let measured = contrast(&spec, fg, under);
                    assert!(!alone || measured >= 3.5, "{name}: {role:?} {measured:.1} on {under}");
                }
            }
            let border = spec.roles[&Role::Border].fg.as_ref().expect("a colour");
            assert!(contrast(&spec, border, &ground) >= 1.5, "{name}: the lines cannot be seen");
        }
    }

    /// How much two colours differ at least, in Lab, for normal sight and for the three kinds of
    /// colour blindness (matrices of Machado, Oliveira and Fernandes, 2009, severity 1).
    fn difference(spec: &ThemeSpec, a: &str, b: &str) -> f64 {
        const SIGHTS: [[[f64; 3]; 3]; 4] = [
            [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            [
                [0.152_286, 1.052_583, -0.204_868],
                [0.114_503, 0.786_281, 0.099_216],
                [-0.003_882, -0.048_116, 1.051_998],
            ],
            [
                [0.367_322, 0.860_646, -0.227_968],
                [0.280_085, 0.672_501, 0.047_413],
                [-0.011_820, 0.042_940, 0.968_881],
            ],
            [
                [1.255_528, -0.076_749, -0.178_779],
                [-0.078_411, 0.930_809, 0.147_602],
                [0.004_733, 0.691_367, 0.303_900],
            ],
        ];
        let seen = |name: &str, sight: &[[f64; 3]; 3]| {
            let light = light(spec, name);
            lab(sight.map(|row| {
                let sum: f64 = row.iter().zip(light).map(|(part, light)| part * light).sum();
                sum.clamp(0.0, 1.0)
            }))
        };
        let far = SIGHTS.iter().map(|sight| {
            let (a, b) = (seen(a, sight), seen(b, sight));
            a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
        });
        far.fold(f64::INFINITY, f64::min)
    }

    /// CIE 1976 L*a*b* of linear sRGB, under D65.
    fn lab(linear: [f64; 3]) -> [f64; 3] {
        let [red, green, blue] = linear;
        let eye = |share: f64| {
            if share > 0.008_856 { share.cbrt() } else { 7.787 * share + 16.0 / 116.0 }
        };
        let x = eye((0.412_456 * red + 0.357_576 * green + 0.180_438 * blue) / 0.950_47);
        let y = eye(luminance(linear));
        let z = eye((0.019_334 * red + 0.119_192 * green + 0.950_304 * blue) / 1.088_83);
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    #[test]
    fn no_two_states_look_alike_to_any_kind_of_sight() {
        const STATES: [Role; 5] = [Role::Done, Role::Running, Role::Warn, Role::Failed, Role::Gate];
        for (name, text) in THEMES.iter().filter(|(name, _)| *name != "mono") {
            let spec = spec(text);
            let colour = |role: Role| spec.roles[&role].fg.clone().expect("a colour");
            let check = |a: Role, b: Role, least: f64| {
                let far = difference(&spec, &colour(a), &colour(b));
                assert!(far >= least, "{name}: {a:?} and {b:?} differ by {far:.1}");
            };
            for (at, a) in STATES.iter().enumerate() {
                for b in &STATES[at + 1..] {
                    check(*a, *b, 18.0);
                }
            }
            check(Role::Blue, Role::Green, 20.0);
        }
    }

    #[test]
    fn every_theme_file_is_shipped() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/themes");
        for entry in std::fs::read_dir(folder).expect("the themes") {
            let file = entry.expect("an entry").file_name().to_string_lossy().into_owned();
            let known = THEMES.iter().any(|(name, _)| file == format!("{name}.yaml"));
            assert!(known, "themes/{file} is in no list, so no test looks at it");
        }
    }

    #[test]
    fn rgb_is_brought_to_the_nearest_of_256() {
        assert_eq!(nearest_of_256(0, 0, 0), 16);
        assert_eq!(nearest_of_256(255, 255, 255), 231);
        assert_eq!(nearest_of_256(0x80, 0x80, 0x80), 244);
    }
}

//! Plays a rehearsal to its moment on a pseudo terminal, types keys, and takes the screen.

use std::path::Path;
use std::time::Duration;

use color_eyre::eyre::{Report, WrapErr as _, eyre};
use sha2::{Digest as _, Sha256};

use crate::list::{Film, Picture};
use crate::term::{Program, Term};

/// A rehearsal is at its moment after this long, also on a slow machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// A screen that was silent for so long has come to rest; longer than a popup is deaf.
const REST: Duration = Duration::from_millis(450);

/// A look and a size.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    /// A theme, or `mono` and `ascii` for terminals that know no more.
    pub(crate) name: String,
    pub(crate) size: (u16, u16),
}

/// A colour as the program asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    Default,
    Index(u8),
    Rgb(u8, u8, u8),
}

/// One cell of a screen.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a terminal's attributes are independent")]
pub(crate) struct Cell {
    pub(crate) text: String,
    pub(crate) fg: Ink,
    pub(crate) bg: Ink,
    pub(crate) bold: bool,
    pub(crate) dim: bool,
    pub(crate) underline: bool,
    pub(crate) inverse: bool,
}

/// A screen at rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) size: (u16, u16),
    pub(crate) cells: Vec<Cell>,
    /// Whether the terminal's own colours are those of a light one.
    pub(crate) light: bool,
    pub(crate) shown_ms: u32,
}

impl Frame {
    pub(crate) fn cell(&self, x: u16, y: u16) -> &Cell {
        &self.cells[usize::from(y) * usize::from(self.size.0) + usize::from(x)]
    }

    /// The screen as text.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        for row in self.cells.chunks(usize::from(self.size.0)) {
            let line: String =
                row.iter().map(|c| if c.text.is_empty() { " " } else { c.text.as_str() }).collect();
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }

    /// A hash of everything that is drawn: text and colours, cell by cell.
    pub(crate) fn hash(&self) -> String {
        hash_of(std::slice::from_ref(self))
    }
}

pub(crate) fn hash_of(frames: &[Frame]) -> String {
    use std::fmt::Write as _;
    let mut hash = Sha256::new();
    for frame in frames {
        let cells: Vec<String> = frame.cells.iter().map(|cell| format!("{cell:?}")).collect();
        hash.update(format!("{:?} {}", frame.size, frame.shown_ms));
        hash.update(cells.join("\n"));
    }
    let digest = hash.finalize();
    digest.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Takes one picture.
pub(crate) fn still(program: &Path, picture: &Picture, look: &Look) -> Result<Frame, Report> {
    take(program, &picture.scenario, &picture.at, &picture.keys, look)
        .wrap_err_with(|| format!("failed to take {}", picture.name))
}

/// Takes the frames of a film.
pub(crate) fn film(program: &Path, film: &Film) -> Result<Vec<Frame>, Report> {
    let look = Look { name: film.theme.clone(), size: film.size };
    let mut frames: Vec<Frame> = Vec::new();
    for scene in &film.scenes {
        let (first, last) = scene.seconds;
        let step = usize::try_from(scene.step_s.max(1)).unwrap_or(1);
        for second in (first..=last.max(first)).step_by(step) {
            let at = format!("{}+{second}", scene.at);
            let mut frame = take(program, &film.scenario, &at, &scene.keys, &look)
                .wrap_err_with(|| format!("failed to film {} at {at}", film.name))?;
            frame.shown_ms = scene.shown_ms;
            match frames.last_mut() {
                // What looks the same is shown longer.
                Some(before) if before.cells == frame.cells => before.shown_ms += scene.shown_ms,
                _ => frames.push(frame),
            }
        }
    }
    Ok(frames)
}

fn take(
    program: &Path,
    scenario: &str,
    at: &str,
    keys: &[String],
    look: &Look,
) -> Result<Frame, Report> {
    let home = tempfile::tempdir().wrap_err("failed to make a folder")?;
    let mut args: Vec<String> =
        ["rehearse", scenario, "--skip-to", at, "--speed", "0", "--as", "mira"]
            .map(str::to_owned)
            .to_vec();
    let folder = home.path().display();
    let mut env = vec![
        ("TERM", if look.name == "16" { "xterm" } else { "xterm-256color" }.to_owned()),
        ("COLORTERM", "truecolor".to_owned()),
        ("LANG", "C.UTF-8".to_owned()),
        ("HOME", folder.to_string()),
        ("GONOGO_STATE_DIR", format!("{folder}/state")),
        ("GONOGO_CONFIG_DIR", format!("{folder}/config")),
    ];
    match look.name.as_str() {
        "mono" => env.push(("NO_COLOR", "1".to_owned())),
        "ascii" => args.push("--ascii".to_owned()),
        "16" => env.retain(|(name, _)| *name != "COLORTERM"),
        theme => args.extend(["--theme".to_owned(), theme.to_owned()]),
    }
    let program = Program {
        bin: program.to_owned(),
        args,
        env: env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        folder: home.path().to_owned(),
    };
    let mut term = Term::spawn(&program, look.size).map_err(|error| eyre!(error))?;
    let shows = |screen: &vt100::Screen| {
        screen.alternate_screen() && screen.contents().contains("PRODUCTION")
    };
    term.wait("the first frame", PATIENCE, shows)?;
    term.wait_quiet(REST);
    for key in keys {
        term.send(code(key)).map_err(|error| eyre!(error))?;
        term.wait_quiet(REST);
    }
    let light = look.name.starts_with("light");
    let frame = term.screen(|screen| frame(screen, light));
    // It is only a rehearsal: it ends with its terminal.
    term.hang_up().map_err(|error| eyre!(error))?;
    Ok(frame)
}

fn code(key: &str) -> &str {
    match key {
        "esc" => "\x1b",
        "enter" => "\r",
        "tab" => "\t",
        "down" => "\x1b[B",
        "ctrl-d" => "\x04",
        text => text,
    }
}

fn frame(screen: &vt100::Screen, light: bool) -> Frame {
    let (rows, columns) = screen.size();
    let (rows, columns) = (rows.get(), columns.get());
    let places = (0..rows).flat_map(|y| (0..columns).map(move |x| (x, y)));
    let cells = places.map(|(x, y)| screen.cell(y, x).map_or_else(empty, cell)).collect();
    Frame { size: (columns, rows), cells, light, shown_ms: 0 }
}

fn ink(color: vt100::Color) -> Ink {
    match color {
        vt100::Color::Default => Ink::Default,
        vt100::Color::Idx(index) => Ink::Index(index),
        vt100::Color::Rgb(r, g, b) => Ink::Rgb(r, g, b),
    }
}

fn empty() -> Cell {
    Cell {
        text: String::new(),
        fg: Ink::Default,
        bg: Ink::Default,
        bold: false,
        dim: false,
        underline: false,
        inverse: false,
    }
}

fn cell(cell: &vt100::Cell) -> Cell {
    Cell {
        text: cell.contents().to_owned(),
        fg: ink(cell.fgcolor()),
        bg: ink(cell.bgcolor()),
        bold: cell.bold(),
        dim: cell.dim(),
        underline: cell.underline(),
        inverse: cell.inverse(),
    }
}

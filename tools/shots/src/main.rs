//! Takes the pictures of gonogo's screens from the program itself, so that they cannot show what it
//! does not do.
//!
//! ```text
//! pictures.yaml ─▶ play: the program on a pseudo terminal, keys ─▶ screen ─▶ paint ─▶ PNG, GIF
//! ```
//!
//! `cargo run -p shots` takes all; `--check` only says which are out of date, by the hashes that lie
//! beside them; `--look DIR` draws every screen at several sizes and in several looks, to be judged.

mod glyph;
mod list;
mod paint;
mod play;
#[path = "../../../tests/pty/term.rs"]
#[expect(dead_code, reason = "the tests use the rest of it")]
mod term;
mod write;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Parser as _;
use color_eyre::eyre::{Report, WrapErr as _, bail, eyre};

use list::{List, Picture};
use play::{Frame, Look};

/// Takes the pictures of gonogo's screens from the program itself.
#[derive(clap::Parser)]
struct Args {
    /// Only say which pictures are out of date; exit code 1 where there are any
    #[arg(long)]
    check: bool,
    /// Draw every screen at several sizes and looks into this folder
    #[arg(long, value_name = "DIR", conflicts_with = "check")]
    look: Option<PathBuf>,
    /// With --look: the looks, of dark, light, mono, ascii and the themes' names
    #[arg(long, value_delimiter = ',', default_value = "dark,light,mono,ascii")]
    looks: Vec<String>,
    /// With --look: the sizes
    #[arg(long, value_delimiter = ',', default_value = "80x24,120x36,200x60")]
    sizes: Vec<String>,
    /// Print the screens as text too
    #[arg(long)]
    text: bool,
    /// The program; otherwise it is built first
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Pictures by name; otherwise all
    names: Vec<String>,
}

/// The hashes of the screens that the pictures were made from, by the pictures' files.
type Hashes = BTreeMap<String, String>;

fn main() -> Result<(), Report> {
    let args = Args::parse();
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let program = match &args.program {
        Some(program) => program.clone(),
        None => build(&top)?,
    };
    let program = program.canonicalize().wrap_err("failed to find the program")?;
    let list = List::shipped()?;
    let wanted = |name: &str| args.names.is_empty() || args.names.iter().any(|n| n == name);
    let pictures: Vec<&Picture> = list.pictures.iter().filter(|p| wanted(&p.name)).collect();
    if let Some(folder) = &args.look {
        return look(&args, &program, &pictures, folder);
    }
    let folder = top.join("docs/pictures");
    let before = write::read_hashes(&folder.join(HASHES))?;
    let mut after = if args.names.is_empty() { Hashes::new() } else { before.clone() };
    let mut stale = Vec::new();
    for picture in pictures {
        let look = Look { name: picture.theme.clone(), size: picture.size };
        let frame = play::still(&program, picture, &look)?;
        let file = format!("{}.png", picture.name);
        if args.text {
            say(&format!("== {file}\n{}", frame.text()))?;
        }
        let hash = frame.hash();
        if before.get(&file) != Some(&hash) || !folder.join(&file).is_file() {
            stale.push(file.clone());
            if !args.check {
                write::png(&folder.join(&file), &paint::paint(&frame)?)?;
            }
        }
        after.insert(file, hash);
    }
    for film in list.films.iter().filter(|film| wanted(&film.name)) {
        let file = format!("{}.gif", film.name);
        let frames = play::film(&program, film)?;
        let hash = play::hash_of(&frames);
        if before.get(&file) != Some(&hash) || !folder.join(&file).is_file() {
            stale.push(file.clone());
            if !args.check {
                write::gif(&folder.join(&file), &frames)?;
            }
        }
        after.insert(file, hash);
    }
    if args.check && (!stale.is_empty() || after != before) {
        bail!("out of date: {}; cargo run -p shots takes them anew", stale.join(", "));
    }
    if !args.check {
        write::write_hashes(&folder.join(HASHES), &after)?;
    }
    say(&format!("{} pictures, {} of them new: {}", after.len(), stale.len(), stale.join(", ")))
}

const HASHES: &str = "screens.sha256";

/// Draws what is to be judged: every picture, size and look.
fn look(args: &Args, program: &Path, pictures: &[&Picture], to: &Path) -> Result<(), Report> {
    for picture in pictures {
        for name in &args.looks {
            for size in &args.sizes {
                let size = list::size(size).ok_or_else(|| eyre!("{size:?} is no size: 80x24"))?;
                let look = Look { name: name.clone(), size };
                let frame: Frame = play::still(program, picture, &look)?;
                let (columns, rows) = size;
                let file = format!("{}-{name}-{columns}x{rows}.png", picture.name);
                if args.text {
                    say(&format!("== {file}\n{}", frame.text()))?;
                }
                write::png(&to.join(&file), &paint::paint(&frame)?)?;
                say(&file)?;
            }
        }
    }
    Ok(())
}

/// Builds the program as this tool was built, and gives its place.
fn build(top: &Path) -> Result<PathBuf, Report> {
    #[expect(clippy::disallowed_methods, reason = "a tool of the workshop, not gonogo")]
    let mut cargo = std::process::Command::new(env!("CARGO"));
    cargo.current_dir(top).args(["build", "--locked", "--quiet"]);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    if !cargo.status().wrap_err("failed to start cargo")?.success() {
        bail!("gonogo could not be built");
    }
    let own = std::env::current_exe().wrap_err("failed to find this program")?;
    Ok(own.with_file_name("gonogo"))
}

fn say(text: &str) -> Result<(), Report> {
    writeln!(std::io::stdout(), "{text}").wrap_err("failed to print")
}

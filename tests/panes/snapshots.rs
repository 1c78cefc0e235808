//! Screens as they were looked at: what stands where, and in which role. A change that is meant is
//! written with `RENEW=1 cargo test snapshots`, and looked at before it is committed.

use std::path::{Path, PathBuf};

use super::*;

const SIZES: [(u16, u16); 4] = [(60, 16), (80, 24), (120, 36), (200, 60)];

/// A letter for each role, in the order of [`Role::ALL`]; a dot for plain text.
const LETTERS: &str = ".abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// A screen: a moment of the tale, and the keys that lead to it.
fn screens() -> Vec<(&'static str, Tale, &'static str)> {
    vec![
        ("building", Tale::started(), ""),
        ("gate", Tale::at_gate(), ""),
        ("card", Tale::at_gate(), "ga"),
        ("vote", Tale::at_gate(), "an"),
        ("switch", Tale::ready_to_switch(), "!S"),
        ("watching", Tale::switched(), ""),
        ("rollback", Tale::switched(), "B"),
        ("held", Tale::held(), ""),
        ("timeline", Tale::rolled_back(), "gt"),
        ("findings", Tale::at_gate(), "gf"),
        ("filter", lists::scanned().0, "gfF"),
        ("help", Tale::at_gate(), "?"),
    ]
}

/// The role whose style a cell wears; several may look alike, then it is the first of those that
/// bring a ground of their own, or else the first.
fn role(theme: &Theme, cell: &ratatui::buffer::Cell) -> char {
    let wears = |own_ground: bool| {
        Role::ALL.iter().position(|role| {
            let style = theme.style(*role);
            let ground = style.bg.map(|bg| bg == cell.bg);
            style.fg.is_none_or(|fg| fg == cell.fg)
                && style.add_modifier == cell.modifier
                && if own_ground { ground == Some(true) } else { ground.is_none() }
        })
    };
    let place = wears(true).or_else(|| wears(false));
    place.and_then(|place| LETTERS.chars().nth(place)).unwrap_or('?')
}

fn shown(tale: &Tale, keys: &str, size: (u16, u16)) -> String {
    let theme = dark();
    let mut ui = ui(tale, size);
    for c in keys.chars() {
        on_key(&mut ui, &tale.snapshot(), key(c));
    }
    let buffer = frame_with(tale, &ui, &theme, size);
    let roles = (0..size.1).map(|y| {
        let row: String = (0..size.0).map(|x| role(&theme, &buffer[(x, y)])).collect();
        row.trim_end_matches('.').to_owned()
    });
    let text = text(&buffer);
    let rows = text.lines().map(|row| row.trim_end().to_owned());
    let all: Vec<String> = rows.chain(["---".to_owned()]).chain(roles).collect();
    format!("{}\n", all.join("\n"))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/panes/snapshots")
}

#[test]
fn every_screen_stands_as_it_was_looked_at() {
    #[expect(clippy::disallowed_methods, reason = "a switch for whoever renews them")]
    let renew = std::env::var_os("RENEW").is_some();
    let (mut known, mut stale) = (Vec::new(), Vec::new());
    for (name, tale, keys) in screens() {
        for (columns, rows) in SIZES {
            let file = format!("{name}-{columns}x{rows}.txt");
            let path = folder().join(&file);
            let now = shown(&tale, keys, (columns, rows));
            if renew {
                std::fs::create_dir_all(folder()).expect("a folder");
                std::fs::write(&path, &now).expect("written");
            }
            let then = std::fs::read_to_string(&path).unwrap_or_default();
            if let Some((row, (then, now))) =
                then.lines().zip(now.lines()).enumerate().find(|(_, (then, now))| then != now)
            {
                stale.push(format!("{file}, line {}:\n  was {then}\n  is  {now}", row + 1));
            } else if then.lines().count() != now.lines().count() {
                stale.push(format!("{file}: another number of lines"));
            }
            known.push(file);
        }
    }
    let found = std::fs::read_dir(folder()).expect("a folder").flatten();
    let strays: Vec<_> = found.map(|entry| entry.file_name()).collect();
    let strays: Vec<_> =
        strays.iter().filter(|name| !known.iter().any(|known| **name == **known)).collect();
    assert!(strays.is_empty(), "snapshots of no screen: {strays:?}");
    assert!(known.len() <= 60, "more than anybody looks at");
    assert!(
        stale.is_empty(),
        "{} screens changed; if it is meant: RENEW=1 cargo test snapshots, then look at them\n{}",
        stale.len(),
        stale.join("\n")
    );
}

//! What the README says of the program is what the program says of itself.

use std::fmt::Write as _;
use std::fs;

use gonogo::config;
use gonogo::error::Exit;
use gonogo::tui::Keymap;

fn readme() -> String {
    fs::read_to_string("README.md").expect("README.md")
}

fn assert_holds(part: &str) {
    assert!(readme().contains(part), "README.md is out of date; it should hold:\n\n{part}");
}

#[test]
fn the_readme_has_the_exit_codes() {
    assert_holds(&Exit::table_markdown());
}

#[test]
fn the_readme_has_the_shipped_keys() {
    assert_holds(&Keymap::shipped().table_markdown());
}

#[test]
fn the_readme_has_the_shipped_scenarios() {
    let mut table = "| scenario | what happens | exit code |\n|---|---|---:|\n".to_owned();
    for listed in config::scenarios(None).expect("the shipped scenarios") {
        let scenario = listed.scenario;
        writeln!(table, "| `{}` | {} | {} |", scenario.name, scenario.title, scenario.exit)
            .expect("a string takes everything");
    }
    assert_holds(&table);
}

#[test]
fn the_readme_maps_every_room() {
    let map = readme();
    let doors = fs::read_dir("src").expect("src").filter_map(|entry| {
        let name = entry.expect("an entry").file_name().into_string().expect("a name");
        let room = name.strip_suffix(".rs")?.to_owned();
        (!["lib", "main", "error"].contains(&room.as_str())).then_some(room)
    });
    for room in doors {
        let line = format!("| `{room}` |");
        assert!(map.contains(&line), "the map in README.md lacks {line}");
    }
}

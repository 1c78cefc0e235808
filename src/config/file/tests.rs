use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;
use crate::release::{Finite, StageId};

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shop {
    name: String,
    jobs: u8,
    #[serde(default)]
    fast: bool,
    ratio: Option<Finite>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    limits: BTreeMap<Grade, u32>,
    #[serde(default)]
    stages: Vec<Stage>,
    after: Option<After>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stage {
    id: StageId,
    timeout_s: u32,
    #[serde(default)]
    run: Vec<String>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Grade {
    High,
    Low,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum After {
    Keep,
    ScaleDown { to: u32 },
}

const BASE: &str = "name: shop\njobs: 2\n";

fn base() -> Layers {
    Layers::shipped("shop.yaml", BASE).expect("the base")
}

fn over(text: &str) -> Result<Shop, FileError> {
    let mut layers = base();
    layers.add("own.yaml", text.as_bytes())?;
    layers.read()
}

#[track_caller]
fn wrong(text: &str, expected: &str) {
    match over(text) {
        Ok(shop) => panic!("expected an error, got {shop:?}"),
        Err(error) => assert_eq!(error.to_string(), expected),
    }
}

#[test]
fn layers_merge_field_by_field_and_lists_replace() {
    let mut layers = Layers::shipped(
        "shop.yaml",
        "name: shop\njobs: 2\nenv: {A: 1, B: yes}\nstages:\n- {id: code, timeout_s: 5}\n",
    )
    .expect("the base");
    layers.add("a.yaml", b"jobs: 4\nenv:\n  B: off\n  C: 1.10\nfast: true\n").expect("a");
    layers.add("b.yaml", b"# nothing but a comment\n").expect("b");
    layers.add("c.yaml", b"jobs: null\nstages: []\nafter: {scale_down: {to: 0}}\n").expect("c");
    let shop: Shop = layers.read().expect("a shop");
    assert_eq!(shop.jobs, 2, "null goes back to the shipped value");
    assert!(shop.stages.is_empty());
    let env: Vec<_> = shop.env.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(env, ["A=1", "B=off", "C=1.10"], "a text stays as it was written");
    assert_eq!(shop.after, Some(After::ScaleDown { to: 0 }));
}

#[test]
fn null_takes_a_value_without_default_away() {
    let mut layers = base();
    layers.add("a.yaml", b"ratio: 0.5\nenv: {X: a}\n").expect("a");
    layers.add("b.yaml", b"ratio: ~\nenv: {X: null, Y: b}\n").expect("b");
    let shop: Shop = layers.read().expect("a shop");
    assert_eq!(shop.ratio, None);
    assert_eq!(shop.env.keys().collect::<Vec<_>>(), ["Y"]);
}

#[test]
fn each_value_knows_where_it_was_written() {
    let mut layers = base();
    layers.add("own.yaml", b"# mine\njobs: 4\nstages:\n- id: code\n  timeout_s: 5\n").expect("own");
    layers.set("--jobs", "limits.high", "3").expect("a flag");
    let said = |key: &str| layers.explain(key).map(|origin| origin.to_string());
    assert_eq!(said("name").as_deref(), Some("name = shop (shop.yaml:1)"));
    assert_eq!(said("jobs").as_deref(), Some("jobs = 4 (own.yaml:2)"));
    assert_eq!(
        said("stages[0].timeout_s").as_deref(),
        Some("stages[0].timeout_s = 5 (own.yaml:5)")
    );
    assert_eq!(said("limits.high").as_deref(), Some("limits.high = 3 (--jobs)"));
    assert_eq!(said("nothing"), None);
    let keys: Vec<String> = layers.origins().into_iter().map(|origin| origin.key).collect();
    let all = ["name", "jobs", "stages[0].id", "stages[0].timeout_s", "limits.high"];
    assert_eq!(keys, all);
}

#[test]
fn a_wrong_type_is_told_with_its_place_and_an_example() {
    wrong(
        "stages:\n  - id: code\n    timeout_s: soon\n",
        "own.yaml:3:16: stages[0].timeout_s: invalid type: string \"soon\", expected u32\n\
         \x20 3 |     timeout_s: soon\n\
         \x20   |                ^^^^\n\
         help: give a whole number of seconds, for example `timeout_s: 600`",
    );
    wrong(
        "jobs: \"3\"\n",
        "own.yaml:1:7: jobs: invalid type: string \"3\", expected u8\n\
         \x20 1 | jobs: \"3\"\n\
         \x20   |       ^^^\n\
         help: remove the quotes: a number stands plain",
    );
    wrong(
        "fast: yes\n",
        "own.yaml:1:7: fast: invalid type: string \"yes\", expected a boolean\n\
         \x20 1 | fast: yes\n\
         \x20   |       ^^^\n\
         help: `fast: true` or `fast: false`",
    );
    wrong(
        "jobs: 300\n",
        "own.yaml:1:7: jobs: invalid value: integer `300`, expected u8\n\
         \x20 1 | jobs: 300\n\
         \x20   |       ^^^",
    );
    wrong(
        "stages: code\n",
        "own.yaml:1:9: stages: invalid type: string \"code\", expected a list\n\
         \x20 1 | stages: code\n\
         \x20   |         ^^^^\n\
         help: give a list, for example `stages: [first, second]`",
    );
    wrong(
        "name: [shop]\n",
        "own.yaml:1:7: name: invalid type: sequence, expected a string\n\
         \x20 1 | name: [shop]\n\
         \x20   |       ^\n\
         help: give a text, for example `name: \"text\"`",
    );
    wrong(
        "stages:\n- id: code\n  timeout_s:\n",
        "own.yaml:3:3: stages[0].timeout_s: invalid type: nothing, expected u32\n\
         \x20 3 |   timeout_s:\n\
         \x20   |   ^^^^^^^^^\n\
         help: give a whole number of seconds, for example `timeout_s: 600`",
    );
}

#[test]
fn an_unknown_name_is_told_with_the_nearest_one() {
    wrong(
        "stages:\n- id: code\n  timeot_s: 5\n",
        "own.yaml:3:3: stages[0].timeot_s: unknown field `timeot_s`\n\
         \x20 3 |   timeot_s: 5\n\
         \x20   |   ^^^^^^^^\n\
         help: did you mean `timeout_s`?",
    );
    wrong(
        "after: forget\n",
        "own.yaml:1:8: after: unknown value `forget`\n\
         \x20 1 | after: forget\n\
         \x20   |        ^^^^^^\n\
         help: one of `keep`, `scale_down`",
    );
    wrong(
        "limits: {hihg: 3}\n",
        "own.yaml:1:10: limits.hihg: unknown value `hihg`\n\
         \x20 1 | limits: {hihg: 3}\n\
         \x20   |          ^^^^\n\
         help: did you mean `high`?",
    );
    wrong(
        "after:\n  scale_down: {too: 1}\n",
        "own.yaml:2:16: after.scale_down.too: unknown field `too`\n\
         \x20 2 |   scale_down: {too: 1}\n\
         \x20   |                ^^^\n\
         help: did you mean `to`?",
    );
}

#[test]
fn a_missing_field_and_a_bad_id_are_told_with_their_place() {
    wrong(
        "stages:\n- id: code\n",
        "own.yaml:2:3: stages[0]: missing field `timeout_s`\n\
         \x20 2 | - id: code\n\
         \x20   |   ^^\n\
         help: add `timeout_s: …`",
    );
    wrong(
        "stages:\n- {id: co de, timeout_s: 1}\n",
        "own.yaml:2:8: stages[0].id: stage id \"co de\" is not 1 to 128 ASCII letters, digits, \
         '-', '_' or '.', without a leading '-'\n\
         \x20 2 | - {id: co de, timeout_s: 1}\n\
         \x20   |        ^^^^^",
    );
    wrong(
        "ratio: .nan\n",
        "own.yaml:1:8: ratio: the value is not a finite number\n\
         \x20 1 | ratio: .nan\n\
         \x20   |        ^^^^",
    );
}

#[test]
fn what_is_not_one_plain_yaml_document_is_refused() {
    wrong(
        "jobs: 1\nname: x\njobs: 2\n",
        "own.yaml:3:1: jobs: the key `jobs` stands here twice\n\
         \x20 3 | jobs: 2\n\
         \x20   | ^^^^\n\
         help: keep one of them",
    );
    wrong(
        "env:\n\tA: b\n",
        "own.yaml:2:1: env: not YAML: tabs disallowed within this context (block indentation)\n\
         \x20 2 |     A: b\n\
         \x20   | ^^^^\n\
         help: indent with spaces; YAML does not take tabs here",
    );
    wrong(
        "jobs: 1\n---\njobs: 2\n",
        "own.yaml:2:1: a second document\n\
         \x20 2 | ---\n\
         \x20   | ^^^\n\
         help: keep one document a file; remove what follows the `---`",
    );
    wrong(
        " \n",
        "own.yaml: it is empty\n\
         help: an interrupted write leaves such a file: restore it, or delete it to use the \
         defaults",
    );
    wrong(
        "name: !secret x\n",
        "own.yaml:1:15: name: a YAML tag\n\
         \x20 1 | name: !secret x\n\
         \x20   |               ^\n\
         help: remove the `!…`; quotes make a value a text",
    );
    wrong(
        "name: [a\n",
        "own.yaml:1:7: name: not YAML: unclosed bracket '['\n\
         \x20 1 | name: [a\n\
         \x20   |       ^\n\
         help: look at this line and the one before it: indentation, quotes, colons",
    );
    wrong(
        "a: &a {x: 1}\nb: {<<: *a}\n",
        "own.yaml:2:5: b: merge keys are not read\n\
         \x20 2 | b: {<<: *a}\n\
         \x20   |     ^^\n\
         help: write the fields out, or use an alias for a whole value",
    );
}

#[test]
fn bytes_that_are_not_utf_8_are_refused_and_a_byte_order_mark_is_not() {
    let mut layers = base();
    assert_eq!(
        layers.add("own.yaml", b"jobs: 1\nname: caf\xe9\n").expect_err("latin 1").to_string(),
        "own.yaml:2:10: a byte that is not UTF-8\n\
         \x20 2 | name: caf\u{fffd}\n\
         \x20   |          ^\n\
         help: save the file as UTF-8"
    );
    let wide = layers.add("own.yaml", b"\xff\xfej\0").expect_err("UTF-16").to_string();
    assert_eq!(wide, "own.yaml: it is UTF-16\nhelp: save it as UTF-8");
    layers.add("own.yaml", "\u{feff}jobs: 7\n".as_bytes()).expect("a byte order mark");
    assert_eq!(layers.read::<Shop>().expect("a shop").jobs, 7);
    let huge = vec![b'#'; FILE_BYTES_MAX + 1];
    assert!(layers.add("own.yaml", &huge).is_err());
}

#[test]
fn an_alias_bomb_and_endless_depth_are_refused_early() {
    let mut bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for names in ["a", "b", "c", "d", "e", "f", "g", "h"].windows(2) {
        let items = vec![format!("*{}", names[0]); 10].join(",");
        bomb.push_str(&[names[1], ": &", names[1], " [", &items, "]\n"].concat());
    }
    let error = over(&bomb).expect_err("a bomb");
    assert!(error.message.as_str().contains("more than 20000 values"), "{error}");
    let deep = format!("a: {}{}\n", "[".repeat(100), "]".repeat(100));
    let error = over(&deep).expect_err("a well");
    assert!(error.message.as_str().contains("nested deeper than 32"), "{error}");
    let own = over("a: &a [*a]\n").expect_err("a circle");
    assert!(own.message.as_str().contains("alias"), "{own}");
}

#[test]
fn t1_a_hostile_file_cannot_act_on_the_terminal() {
    let error = over("na\u{202e}me: \"\\e[2J\"\n").expect_err("an unknown field").to_string();
    assert!(!error.chars().any(|c| c != '\n' && crate::release::hidden(c)), "{error:?}");
    assert!(error.contains("na\\u{202e}me"), "{error}");
}

#[test]
fn a_long_line_is_cut_around_the_mark_and_wide_text_is_marked_in_columns() {
    let error = over(&format!("env: {{A: {}, B: [x]}}\n", "y".repeat(300))).expect_err("a list");
    let text = error.to_string();
    let mark = text.lines().nth(2).expect("a mark");
    let line = text.lines().nth(1).expect("a line");
    assert!(line.chars().count() < 110, "{text}");
    assert_eq!(line.chars().nth(mark.chars().count() - 1), Some('['), "{text}");
    let wide = over("env: {名前: [x]}\n").expect_err("a list").to_string();
    assert!(wide.contains("\n  1 | env: {名前: [x]}\n    |             ^"), "{wide}");
}

#[test]
fn a_flag_is_called_by_its_name() {
    let mut layers = base();
    layers.set("--jobs", "jobs", "soon").expect("YAML");
    let error = layers.read::<Shop>().expect_err("a text").to_string();
    assert_eq!(
        error,
        "--jobs: jobs: invalid type: string \"soon\", expected u8\n\
         help: give a whole number, for example `jobs: 3`"
    );
    let broken = base().set("--jobs", "jobs", "[").expect_err("half a list").to_string();
    assert!(broken.starts_with("--jobs: jobs: not YAML: "), "{broken}");
}

#[test]
fn a_rule_beyond_types_points_at_its_key() {
    let mut layers = base();
    layers.add("own.yaml", b"stages:\n- id: code\n  timeout_s: 0\n").expect("own");
    assert_eq!(
        layers.fault("stages[0].timeout_s", "0 s would end it at once").to_string(),
        "own.yaml:3:14: stages[0].timeout_s: 0 s would end it at once\n\
         \x20 3 |   timeout_s: 0\n\
         \x20   |              ^"
    );
    let absent = layers.fault("stages[0].run", "nothing to run");
    assert_eq!(absent.place, Some((2, 3)));
}

/// Words of the type above and the signs that mean something in YAML, in any order.
const YAML_SIGNS: &str = concat!(
    "([a-c]|stages|jobs|env|after|[-:{}\\[\\],&*!|>'\"#%~<\t ]",
    "|: |- |\n|\n  |é|\u{202e}){0,60}",
);

proptest::proptest! {
    #[test]
    fn no_bytes_bring_it_down(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let mut layers = base();
        if layers.add("own.yaml", &bytes).is_ok() {
            drop(layers.read::<Shop>().map_err(|error| error.to_string()));
        }
    }

    #[test]
    fn no_text_of_yaml_signs_brings_it_down(
        text in YAML_SIGNS,
    ) {
        if let Err(error) = over(&text) {
            let shown = error.to_string();
            assert!(!shown.chars().any(|c| c != '\n' && crate::release::hidden(c)), "{shown:?}");
        }
    }
}

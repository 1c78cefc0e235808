//! Frames from hand-made snapshots: what must be there is there, at every size, in every theme,
//! and nothing that was written by others acts.

mod any;
mod lists;
mod snapshots;
mod tale;

use gonogo::engine::handle::Link;
use gonogo::release::{Clean, Event, PodRow, PodRows, Slot, SlotSample, StepEnd, StepResult};
use gonogo::tui::{Depth, Role, THEMES, Theme, Ui, draw, on_key, on_tick};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use tale::{Tale, finite};

const SIZES: [(u16, u16); 4] = [(80, 24), (120, 36), (200, 60), (30, 8)];

fn dark() -> Theme {
    Theme::shipped("dark", Depth::True, false).expect("shipped")
}

fn frame_with(tale: &Tale, ui: &Ui, theme: &Theme, (columns, rows): (u16, u16)) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("memory");
    let snapshot = tale.snapshot();
    terminal.draw(|frame| draw(frame, &snapshot, ui, theme)).expect("memory");
    terminal.backend().buffer().clone()
}

fn ui(tale: &Tale, size: (u16, u16)) -> Ui {
    let mut ui = Ui::preview(size);
    ui.observe(&tale.snapshot());
    ui
}

fn frame(tale: &Tale, size: (u16, u16)) -> Buffer {
    frame_with(tale, &ui(tale, size), &dark(), size)
}

fn text(buffer: &Buffer) -> String {
    let area = buffer.area;
    let row = |y| (0..area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..area.height).map(row).collect::<Vec<_>>().join("\n")
}

/// The cell where `words` begin.
fn place(buffer: &Buffer, words: &str) -> (u16, u16) {
    let area = buffer.area;
    let hit = (0..area.height).flat_map(|y| (0..area.width).map(move |x| (x, y))).find(|(x, y)| {
        let rest: String = (*x..area.width).map(|x| buffer[(x, *y)].symbol()).collect();
        rest.starts_with(words)
    });
    hit.unwrap_or_else(|| panic!("{words:?} is not in\n{}", text(buffer)))
}

fn wears(buffer: &Buffer, words: &str, role: Role) {
    let theme = dark();
    let cell = &buffer[place(buffer, words)];
    assert_eq!(Some(cell.fg), theme.style(role).fg, "{words:?} is not {role:?}");
}

fn stories() -> Vec<Tale> {
    vec![
        Tale::new(),
        Tale::started(),
        Tale::at_gate(),
        Tale::ready_to_switch(),
        Tale::switched(),
        Tale::held(),
        Tale::rolled_back(),
    ]
}

#[test]
fn rehearsal_and_environment_are_on_every_frame() {
    for tale in stories().iter().skip(1) {
        for size in SIZES {
            let text = text(&frame(tale, size));
            assert!(text.contains("REHEARSAL"), "{size:?}\n{text}");
            assert!(text.contains("PRODUCTION"), "{size:?}\n{text}");
        }
        for size in &SIZES[..3] {
            let text = text(&frame(tale, *size));
            assert!(text.contains("REHEARSAL drill seed 7"), "{size:?}\n{text}");
        }
    }
    // Red means that it is real, so a rehearsal of production does not wear it.
    let shown = frame(&Tale::started(), (120, 36));
    assert_eq!(Some(shown[place(&shown, "PRODUCTION")].bg), dark().style(Role::Rehearsal).bg);
    let shown = frame(&Tale::for_real(), (120, 36));
    let bar = &shown[place(&shown, "PRODUCTION")];
    assert_eq!(Some(bar.bg), dark().style(Role::Production).bg);
    assert!(!text(&shown).contains("REHEARSAL"));
}

#[test]
fn production_is_unmistakable_without_colour_too() {
    let tale = Tale::for_real();
    let theme = Theme::shipped("dark", Depth::None, true).expect("shipped");
    for size in SIZES {
        let shown = frame_with(&tale, &ui(&tale, size), &theme, size);
        let bar = &shown[place(&shown, "!! PRODUCTION !!")];
        assert!(bar.modifier.contains(ratatui::style::Modifier::REVERSED), "{size:?}");
    }
}

#[test]
fn f59_no_size_makes_it_panic() {
    let theme = Theme::shipped("mono", Depth::None, true).expect("shipped");
    for tale in stories() {
        for popup in ["", "a", "B", ":", "?", "ga", "gm", "gb", "gd", "S", "D", "gt", "z", "/"] {
            let sizes = (1..=24).map(|n| (n * 5 - 4, n)).chain([(1, 60), (300, 1), (240, 70)]);
            for size in sizes {
                let mut ui = ui(&tale, size);
                for c in popup.chars() {
                    on_key(&mut ui, &tale.snapshot(), key(c));
                }
                frame_with(&tale, &ui, &theme, size);
            }
        }
    }
}

fn key(c: char) -> crossterm::event::KeyEvent {
    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
    KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)
}

#[test]
fn the_gate_says_who_must_do_what_with_which_key() {
    for size in SIZES {
        let text = text(&frame(&Tale::at_gate(), size));
        let plain = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(plain.contains("Go or no-go: stage production"), "{size:?}\n{text}");
    }
    let shown = frame(&Tale::at_gate(), (80, 24));
    wears(&shown, "◆", Role::Gate);
    wears(&shown, "✔", Role::Done);
    assert!(text(&shown).contains("7/11"));
}

#[test]
fn the_way_back_is_priced_from_the_switch_on() {
    for size in SIZES {
        let text = text(&frame(&Tale::switched(), size));
        assert!(text.contains("ROLLBACK NOW: BLUE"), "{size:?}\n{text}");
    }
    let before = text(&frame(&Tale::ready_to_switch(), (120, 36)));
    assert!(!before.contains("ROLLBACK NOW"));
    let after = text(&frame(&Tale::rolled_back(), (120, 36)));
    assert!(after.contains("BLUE serves"), "{after}");
}

#[test]
fn the_price_of_the_way_back_is_on_every_screen_and_under_every_popup() {
    let tale = Tale::switched();
    let screens = ["", "ga", "gm", "gb", "gd", "gt", "z"];
    let popups = ["", "B", "?", ":", "!", "/", "D"];
    for size in [(60, 16), (80, 24), (120, 36), (200, 60), (30, 8)] {
        for (screen, popup) in screens.iter().flat_map(|s| popups.map(|p| (s, p))) {
            let mut ui = ui(&tale, size);
            for c in screen.chars().chain(popup.chars()) {
                on_key(&mut ui, &tale.snapshot(), key(c));
            }
            let text = text(&frame_with(&tale, &ui, &dark(), size));
            assert!(text.contains("ROLLBACK NOW: BLUE"), "{size:?} {screen} {popup}\n{text}");
            if size.0 >= 60 {
                let plain = text.split_whitespace().collect::<Vec<_>>().join(" ");
                assert!(plain.contains("guard:"), "{size:?} {screen} {popup}\n{text}");
            }
        }
    }
}

fn pressed(tale: &Tale, keys: &str, size: (u16, u16)) -> Buffer {
    let mut ui = ui(tale, size);
    for c in keys.chars() {
        on_key(&mut ui, &tale.snapshot(), key(c));
    }
    frame_with(tale, &ui, &dark(), size)
}

#[test]
fn the_screens_of_decisions_wear_their_roles() {
    let gate = pressed(&Tale::at_gate(), "ga", (120, 36));
    wears(&gate, "◆ 0 of 1 approvals", Role::Gate);
    wears(&gate, "✔ 1 check, all pass", Role::Done);
    assert!(text(&gate).contains("staging metrics                not recorded"), "{}", text(&gate));

    let mut tale = Tale::switched();
    let sample = |slot, errors| SlotSample {
        slot,
        requests_per_s: finite(50.0),
        error_ratio: Some(finite(errors)),
        mean_ms: Some(finite(45.0)),
        p95_ms: Some(finite(150.0)),
    };
    tale.telemetry(|live, now_ms| {
        live.samples_at_ms = Some(now_ms);
        live.samples = vec![sample(Slot::Blue, 0.001), sample(Slot::Green, 0.06)];
    });
    let shown = pressed(&tale, "gm", (120, 36));
    wears(&shown, "1.0 %", Role::Warn);
    wears(&shown, "▲ 6.00 %", Role::Failed);
    wears(&shown, "✖ NOT PROVEN", Role::Failed);
    assert!(text(&shown).contains("50 %"), "{}", text(&shown));
    let narrow = text(&pressed(&tale, "gm", (80, 24)));
    assert!(!narrow.contains("Errors GREEN"), "{narrow}");
    assert!(narrow.contains("BLUE still answers 50.0 req/s"), "{narrow}");
    // What is old looks old here too.
    tale.pass_ms(120_000);
    wears(&pressed(&tale, "gm", (120, 36)), "▲ 6.00 %", Role::Stale);
    // A question is live even over a picture that is not.
    tale.lose_link("connection refused");
    let asked = pressed(&tale, "gmB", (120, 36));
    wears(&asked, "patches the selector", Role::Strong);
    wears(&asked, "application bug", Role::Stale);
}

#[test]
fn a_question_that_the_release_has_answered_closes() {
    let size = (80, 24);
    let tale = Tale::switched();
    let mut ui = ui(&tale, size);
    on_key(&mut ui, &tale.snapshot(), key('B'));
    assert!(text(&frame_with(&tale, &ui, &dark(), size)).contains("Roll back to BLUE?"));
    let after = Tale::rolled_back();
    ui.observe(&after.snapshot());
    let shown = text(&frame_with(&after, &ui, &dark(), size));
    assert!(!shown.contains("Roll back to BLUE?"), "{shown}");
    assert!(shown.contains("the question is over, nothing was asked"), "{shown}");
}

#[test]
fn what_failed_is_said_and_not_only_coloured() {
    let shown = frame(&Tale::held(), (120, 36));
    wears(&shown, "✖", Role::Failed);
    let text = text(&shown);
    assert!(text.contains("HELD"), "{text}");
    assert!(text.contains("exit code 1"), "{text}");
    assert!(text.contains("retry"), "{text}");
}

#[test]
fn what_was_stopped_for_another_stage_does_not_wear_red() {
    let mut tale = Tale::held();
    let release = tale.snapshot().release;
    let step = release.plan().expect("a plan").stages[2].steps[0].id.clone();
    tale.tell(Event::StepStarted { step: step.clone() });
    let reason = Clean::new("withdrawn: stage infrastructure is no-go");
    let end = Box::new(StepEnd::new(StepResult::Cancelled { reason }, 3000));
    tale.tell(Event::StepEnded { step, end });
    let shown = text(&frame(&tale, (120, 36)));
    assert!(shown.contains("✔─✖─↷─○"), "{shown}");
}

#[test]
fn i24_old_readings_are_drawn_as_old() {
    let mut tale = Tale::switched();
    tale.telemetry(|live, now_ms| {
        live.samples_at_ms = Some(now_ms - 3000);
        live.samples = vec![SlotSample {
            slot: Slot::Green,
            requests_per_s: finite(50.0),
            error_ratio: Some(finite(0.02)),
            mean_ms: Some(finite(45.0)),
            p95_ms: Some(finite(150.0)),
        }];
    });
    let fresh = frame(&tale, (120, 36));
    wears(&fresh, "▲ 2.00 %", Role::Failed);
    assert!(text(&fresh).contains("3 s ago"));
    tale.pass_ms(120_000);
    let stale = frame(&tale, (120, 36));
    wears(&stale, "▲ 2.00 %", Role::Stale);
    assert!(text(&stale).contains("STALE, 2 min old"), "{}", text(&stale));
    assert!(text(&stale).contains("not seen yet"), "no pods were ever seen");
}

#[test]
fn i24_a_value_without_room_for_its_age_in_a_title_says_it_beside_itself() {
    let mut tale = Tale::switched();
    tale.telemetry(|live, now_ms| {
        live.samples_at_ms = Some(now_ms - 42_000);
        live.samples = vec![SlotSample {
            slot: Slot::Green,
            requests_per_s: finite(50.0),
            error_ratio: Some(finite(0.0)),
            mean_ms: Some(finite(44.0)),
            p95_ms: None,
        }];
    });
    let shown = text(&frame(&tale, (80, 24)));
    assert!(shown.contains("0.00 % 44 ms, 42 s old"), "{shown}");
    let both = text(&pressed(&tale, "gm", (80, 24)));
    assert!(both.contains("42 s old"), "{both}");
}

#[test]
fn a_hint_is_whole_or_not_there() {
    for tale in stories().iter().skip(1) {
        for size in [(60, 16), (72, 20), (80, 24), (97, 30), (120, 36)] {
            for keys in ["", "ga", "gf", "gm", "gt", "gl"] {
                let shown = text(&pressed(tale, keys, size));
                let last = shown.lines().last().expect("a footer");
                let cut = last.split('…').next().filter(|before| before.len() < last.len());
                assert!(cut.is_none_or(|before| before.ends_with("  ")), "{size:?} {keys}\n{last}");
            }
        }
    }
}

#[test]
fn t1_hostile_text_is_shown_and_does_not_act() {
    let mut tale = Tale::switched();
    tale.telemetry(|live, now_ms| {
        live.pods_at_ms = Some(now_ms);
        live.pods = PodRows::from_iter([PodRow {
            name: Clean::new("\x1b]0;x\x07\u{202e}evil"),
            app: Clean::new("backend"),
            slot: Some(Slot::Green),
            phase: Clean::new("Crash\r\nOK"),
            ready: false,
            restarts: 3,
            created_ms: now_ms,
        }]);
    });
    let shown = text(&frame(&tale, (200, 60)));
    assert!(shown.contains("\\x1b]0;x\\x07\\u{202e}evil"), "{shown}");
    assert!(shown.chars().all(|c| c == '\n' || !gonogo::release::hidden(c)));
}

#[test]
fn a_lost_link_greys_the_picture_and_says_for_how_long() {
    let mut tale = Tale::switched();
    tale.lose_link("connection refused");
    tale.pass_ms(42_000);
    let shown = frame(&tale, (120, 36));
    let text = text(&shown);
    assert!(text.contains("LINK LOST 42 s"), "{text}");
    assert!(text.contains("cannot be reached"), "{text}");
    wears(&shown, "SERVES", Role::Stale);
    assert!(matches!(tale.snapshot().link, Link::Lost { .. }));
}

#[test]
fn f59_ascii_terminals_get_ascii_only_and_every_theme_draws() {
    for (name, _) in THEMES {
        for depth in [Depth::None, Depth::Ansi16, Depth::Ansi256, Depth::True] {
            let theme = Theme::shipped(name, depth, true).expect("shipped");
            for tale in stories() {
                let shown = text(&frame_with(&tale, &ui(&tale, (120, 36)), &theme, (120, 36)));
                assert!(shown.is_ascii(), "{name}\n{shown}");
            }
        }
    }
}

#[test]
fn disabled_commands_stay_listed_with_the_reason() {
    let tale = Tale::at_gate();
    let mut ui = ui(&tale, (120, 36));
    on_key(&mut ui, &tale.snapshot(), key(':'));
    let shown = text(&frame_with(&tale, &ui, &dark(), (120, 36)));
    assert!(shown.contains("the gate has not said go"), "{shown}");
    assert!(shown.contains("nothing was switched"), "{shown}");
    on_tick(&mut ui);
}

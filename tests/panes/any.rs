//! Drawing holds for anything: any story, any keys, any mouse, any size (F59).

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use gonogo::engine::handle::Link;
use gonogo::release::{Clean, PodRow, Slot};
use gonogo::tui::{Depth, Theme, on_key, on_mouse, on_paste, on_tick};
use proptest::prelude::*;

use super::{frame_with, stories, text, ui};

/// Something that somebody does before the screen.
#[derive(Clone, Debug)]
enum Doing {
    Key(KeyCode, KeyModifiers),
    Mouse(MouseEventKind, u16, u16),
    Paste(String),
}

fn doing() -> impl Strategy<Value = Doing> {
    let keys = "aSBDXROU!?:gfltrLmynNeEzw/Fjk12345 dhG0x语";
    let letter = proptest::sample::select(keys.chars().collect::<Vec<char>>());
    let named = proptest::sample::select(vec![
        KeyCode::Enter,
        KeyCode::Esc,
        KeyCode::Tab,
        KeyCode::BackTab,
        KeyCode::Up,
        KeyCode::Down,
        KeyCode::PageUp,
        KeyCode::PageDown,
        KeyCode::Home,
        KeyCode::End,
        KeyCode::Backspace,
        KeyCode::Left,
        KeyCode::Right,
    ]);
    let mouse = proptest::sample::select(vec![
        MouseEventKind::Down(MouseButton::Left),
        MouseEventKind::ScrollDown,
        MouseEventKind::ScrollUp,
        MouseEventKind::Moved,
    ]);
    prop_oneof![
        6 => letter.prop_map(|c| Doing::Key(KeyCode::Char(c), KeyModifiers::NONE)),
        2 => named.prop_map(|code| Doing::Key(code, KeyModifiers::NONE)),
        1 => (mouse, any::<u16>(), any::<u16>()).prop_map(|(kind, x, y)| {
            Doing::Mouse(kind, x % 320, y % 120)
        }),
        1 => "\\PC{0,40}".prop_map(Doing::Paste),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..<_>::default() })]

    #[test]
    fn f59_no_state_at_any_size_makes_drawing_panic(
        story in 0_usize..64,
        acts in proptest::collection::vec(doing(), 0..10),
        sizes in proptest::collection::vec((1_u16..260, 1_u16..90), 1..4),
        pods in 0_usize..40,
        lost in any::<bool>(),
        ascii in any::<bool>(),
    ) {
        let all = stories();
        let mut tale = all[story % all.len()].clone();
        tale.telemetry(|live, now_ms| {
            live.pods_at_ms = Some(now_ms);
            live.pods = (0..pods).map(|at| PodRow {
                name: Clean::new(&format!("语\u{202e}pod-{at}\x1b[2J")),
                app: Clean::new("backend"),
                slot: (at % 3 != 0).then_some(Slot::Green),
                phase: Clean::new("Running"),
                ready: at % 2 == 0,
                restarts: 3,
                created_ms: now_ms,
            }).collect();
        });
        if lost {
            tale.lose_link("connection refused");
        }
        let snapshot = tale.snapshot();
        let cut_off = matches!(snapshot.link, Link::Lost { .. });
        prop_assert_eq!(lost, cut_off);
        let theme = Theme::shipped("dark", Depth::True, ascii).expect("shipped");
        let mut screen = ui(&tale, sizes[0]);
        for (at, act) in acts.iter().enumerate() {
            match act {
                Doing::Key(code, modifiers) => {
                    on_key(&mut screen, &snapshot, KeyEvent::new(*code, *modifiers));
                }
                Doing::Mouse(kind, column, row) => {
                    let modifiers = KeyModifiers::NONE;
                    let event = MouseEvent { kind: *kind, column: *column, row: *row, modifiers };
                    on_mouse(&mut screen, &snapshot, event);
                }
                Doing::Paste(text) => on_paste(&mut screen, text),
            }
            screen.observe(&snapshot);
            on_tick(&mut screen);
            let size = sizes[at % sizes.len()];
            let shown = text(&frame_with(&tale, &screen, &theme, size));
            let acts = shown.chars().any(|c| c != '\n' && gonogo::release::hidden(c));
            prop_assert!(!acts, "{}", shown);
            prop_assert!(!ascii || shown.is_ascii(), "{}", shown);
        }
        for size in sizes {
            frame_with(&tale, &screen, &theme, size);
        }
    }
}

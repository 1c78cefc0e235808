//! A live picture on its way to a client: of the pods only what is not as it was in the picture
//! before. Ten thousand pods are a megabyte and a half, and one of them changes.

use std::cmp::Ordering;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Live;
use crate::release::{Clean, PodRow, PodRows};

/// A picture as the one before it makes it whole.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Picture {
    /// Without its pods.
    live: Live,
    pods: PodsNow,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PodsNow {
    All(PodRows),
    /// What is new or changed since the picture before, and the names of those that are gone.
    Since {
        rows: PodRows,
        gone: Vec<Clean>,
    },
}

impl Picture {
    /// For a client that has the pods of the picture `before`, or none yet.
    pub(super) fn of(live: &Live, before: Option<&PodRows>) -> Self {
        let mut live = live.clone();
        let now = std::mem::take(&mut live.telemetry.pods);
        let pods = match before {
            Some(before) => since(before, &now),
            None => PodsNow::All(now),
        };
        Self { live, pods }
    }

    /// The whole picture; none when it tells of changes to pods that were never told.
    pub(super) fn on(self, before: Option<&PodRows>) -> Option<Live> {
        let Self { mut live, pods } = self;
        live.telemetry.pods = match (pods, before) {
            (PodsNow::All(rows), _) => rows,
            (PodsNow::Since { rows, gone }, Some(before)) => {
                if rows.is_empty() && gone.is_empty() {
                    before.clone()
                } else {
                    after(before, &rows, &gone)
                }
            }
            (PodsNow::Since { .. }, None) => return None,
        };
        Some(live)
    }
}

fn since(before: &PodRows, now: &PodRows) -> PodsNow {
    let (mut rows, mut gone) = (Vec::new(), Vec::new());
    if !before.is(now) {
        in_step(before, now, |old, new| match (old, new) {
            (Some(old), None) => gone.push(old.name.clone()),
            (Some(old), Some(new)) if old == new => {}
            (_, Some(new)) => rows.push(Arc::clone(new)),
            (None, None) => {}
        });
    }
    if rows.len() + gone.len() > now.len() / 2 {
        return PodsNow::All(now.clone());
    }
    PodsNow::Since { rows: rows.into(), gone }
}

fn after(before: &PodRows, rows: &PodRows, gone: &[Clean]) -> PodRows {
    let mut all = Vec::with_capacity(before.len() + rows.len());
    in_step(before, rows, |old, new| match (old, new) {
        (_, Some(new)) => all.push(Arc::clone(new)),
        (Some(old), None) if gone.binary_search(&old.name).is_err() => all.push(Arc::clone(old)),
        (_, None) => {}
    });
    all.into()
}

/// Goes through two lists by name; a pod that is in both comes once.
fn in_step<'a>(
    old: &'a PodRows,
    new: &'a PodRows,
    mut each: impl FnMut(Option<&'a Arc<PodRow>>, Option<&'a Arc<PodRow>>),
) {
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    loop {
        let order = match (old.peek(), new.peek()) {
            (Some(a), Some(b)) if Arc::ptr_eq(a, b) => Ordering::Equal,
            (Some(a), Some(b)) => a.name.cmp(&b.name),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return,
        };
        match order {
            Ordering::Less => each(old.next(), None),
            Ordering::Equal => each(old.next(), new.next()),
            Ordering::Greater => each(None, new.next()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::Slot;

    fn pod(number: usize, restarts: u32) -> PodRow {
        PodRow {
            name: Clean::new(&format!("backend-blue-7d9c5f8b6-{number:05}")),
            app: Clean::new("backend"),
            slot: Some(Slot::Blue),
            phase: Clean::new("Running"),
            ready: true,
            restarts,
            created_ms: 1,
        }
    }

    fn live(pods: PodRows) -> Live {
        let mut live = Live::default();
        live.telemetry.pods = pods;
        live
    }

    /// What comes out at the other end, and the bytes that went over.
    fn sent(now: &Live, before: Option<&PodRows>) -> (Option<Live>, usize) {
        let text = serde_json::to_vec(&Picture::of(now, before)).expect("JSON");
        let picture: Picture = serde_json::from_slice(&text).expect("a picture");
        (picture.on(before), text.len())
    }

    #[test]
    fn pictures_arrive_as_they_were_sent_whatever_changed_in_between() {
        let mut random = fastrand::Rng::with_seed(3);
        let mut before: Option<PodRows> = None;
        for round in 0..400 {
            // Now few change, now all of them, now all are gone.
            let (many, changed) = (random.usize(0..30), [0, 1, 10][round % 3]);
            let mut pods: Vec<PodRow> =
                (0..40).map(|at| pod(at, random.u32(0..=changed))).collect();
            pods.retain(|_| random.usize(0..30) < many);
            let now = live(pods.into_iter().collect());
            let (there, _) = sent(&now, before.as_ref());
            assert_eq!(there.as_ref(), Some(&now), "round {round}");
            before = there.map(|there| there.telemetry.pods);
        }
    }

    #[test]
    fn of_ten_thousand_pods_only_what_changed_is_sent() {
        let all = |restarts| -> PodRows {
            (0..10_000).map(|at| pod(at, if at == 7 { restarts } else { 0 })).collect()
        };
        let first = live(all(0));
        let (there, bytes) = sent(&first, None);
        assert!(bytes > 1_000_000, "{bytes}");
        let before = there.expect("whole").telemetry.pods;
        let mut next = live(all(1));
        let (there, bytes) = sent(&next, Some(&before));
        assert_eq!(there.as_ref(), Some(&next));
        assert!(bytes < 1_000, "{bytes}");
        // And where only something else has changed, the pods are the very same.
        next.telemetry.pods = before.clone();
        next.telemetry.pods_at_ms = Some(5);
        let (there, bytes) = sent(&next, Some(&before));
        assert!(there.expect("whole").telemetry.pods.is(&before));
        assert!(bytes < 1_000, "{bytes}");
    }

    #[test]
    fn changes_to_pods_that_were_never_told_are_no_picture() {
        let (none, one): (PodRows, PodRows) =
            (PodRows::default(), [pod(1, 0)].into_iter().collect());
        let picture = Picture::of(&live(none.clone()), Some(&none));
        assert!(picture.on(None).is_none());
        let strange = Picture {
            live: Live::default(),
            pods: PodsNow::Since { rows: PodRows::default(), gone: vec!["b".into(), "a".into()] },
        };
        assert_eq!(strange.on(Some(&one)), Some(live(one.clone())));
    }
}

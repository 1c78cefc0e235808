//! Effects under way, each a task that ends in exactly one answer.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt as _;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use super::feed::Progress;
use crate::release::{Clean, Effect, EffectKey, Input, Outcome, Seen, Telemetry};
use crate::world::{Reporter, World, end, observe, perform, watch};

/// Live news on its way to the feed; lost when the engine is busy, which is no loss.
pub(super) enum LiveNews {
    Telemetry(Telemetry),
    Progress(EffectKey, Progress),
}

/// The effects that are being performed or observed.
pub(super) struct Flights {
    world: Arc<World>,
    answers: mpsc::Sender<Input>,
    news: mpsc::Sender<LiveNews>,
    flying: BTreeMap<EffectKey, (Effect, AbortHandle)>,
    tasks: JoinSet<()>,
    watch: Option<AbortHandle>,
}

impl Flights {
    pub(super) fn new(
        world: Arc<World>,
        answers: mpsc::Sender<Input>,
        news: mpsc::Sender<LiveNews>,
    ) -> Self {
        Self { world, answers, news, flying: BTreeMap::new(), tasks: JoinSet::new(), watch: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.flying.is_empty()
    }

    pub(super) fn is_flying(&self, key: &EffectKey) -> bool {
        self.flying.contains_key(key)
    }

    /// Its answer has come.
    pub(super) fn landed(&mut self, key: &EffectKey) {
        // Not called a key: what follows that word is masked where this is read.
        tracing::debug!(effect = %key, "landed");
        self.flying.remove(key);
        while self.tasks.try_join_next().is_some() {}
    }

    /// Starts the live watch over pods and metrics; it ends with the engine.
    pub(super) fn watch(&mut self) {
        let (world, news) = (Arc::clone(&self.world), self.news.clone());
        let task = self.tasks.spawn(async move {
            let send = move |telemetry| {
                // A full channel drops the news: the next one is newer.
                let _ = news.try_send(LiveNews::Telemetry(telemetry));
            };
            watch(&world, send).await;
        });
        self.watch = Some(task);
    }

    pub(super) fn start(&mut self, key: EffectKey, effect: Effect, observing: bool) {
        tracing::debug!(effect = %key, observing, "started");
        let (world, answers) = (Arc::clone(&self.world), self.answers.clone());
        let reporter = self.reporter(&key);
        let (own_key, own_effect) = (key.clone(), effect.clone());
        let task = self.tasks.spawn(async move {
            let work = async {
                if observing {
                    let seen = observe(&world, &own_key, &own_effect).await;
                    Input::Observed(own_key.clone(), seen)
                } else {
                    let outcome = perform(&world, &own_key, own_effect, &reporter).await;
                    Input::Answered(own_key.clone(), outcome)
                }
            };
            // A fault of ours must not leave a release waiting for ever: it becomes a doubt.
            let input = AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|_| {
                let reason = Clean::new("gonogo failed while it did this; look before repeating");
                if observing {
                    Input::Observed(own_key, Seen::Unknown { reason })
                } else {
                    Input::Answered(own_key, Outcome::InDoubt { reason })
                }
            });
            // The engine is gone when nobody receives; its successor observes.
            let _ = answers.send(input).await;
        });
        self.flying.insert(key, (effect, task));
    }

    fn reporter(&self, key: &EffectKey) -> Reporter {
        let (news, key) = (self.news.clone(), key.clone());
        Reporter::new(move |text, done, total| {
            let progress = Progress { text, done, total };
            let _ = news.try_send(LiveNews::Progress(key.clone(), progress));
        })
    }

    /// Ends what is not owed any more: its task, and the processes it may have started.
    pub(super) fn keep_only(&mut self, owed: &BTreeMap<EffectKey, Effect>) {
        let gone: Vec<EffectKey> =
            self.flying.keys().filter(|key| !owed.contains_key(*key)).cloned().collect();
        for key in gone {
            let Some((effect, task)) = self.flying.remove(&key) else { continue };
            task.abort();
            let world = Arc::clone(&self.world);
            self.tasks.spawn(async move { end(&world, &key, &effect).await });
        }
    }

    /// Waits until what was ended has really ended: TERM, ten seconds of grace, KILL.
    pub(super) async fn settle(mut self) {
        if let Some(watch) = self.watch.take() {
            watch.abort();
        }
        let limit = std::time::Duration::from_secs(20);
        let clock = self.world.clock.clone();
        let ending = async { while self.tasks.join_next().await.is_some() {} };
        // What has not ended by then is found by its folder when the next session looks.
        let _ = clock.within(limit, ending).await;
    }
}

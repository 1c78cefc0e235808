//! Deploying: staging, the preview slot, and whether they answer.

use std::time::Duration;

use super::{Done, because, fact, passed, site};
use crate::release::{BuiltInJob, Clean, Deployed, Slot, SlotState};
use crate::world::kubernetes::{ApplySet, Takeover, select};
use crate::world::probe::probe as ask;
use crate::world::{Reporter, Site, World};

/// What is probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Staging,
    Preview,
    Serving,
}

/// Staging has one slot only: it is replaced in place.
const STAGING_SLOT: Slot = Slot::Blue;

pub(super) async fn staging(world: &World, job: &BuiltInJob, reporter: &Reporter) -> Done {
    let site = site(world)?;
    let manifests = &site.manifests_staging;
    apply(site, &site.staging, manifests, ApplySet::Shared).await?;
    apply(site, &site.staging, manifests, ApplySet::Slot(STAGING_SLOT)).await?;
    wait(site, &site.staging, STAGING_SLOT, job, reporter).await?;
    let apps = site.services.join(", ");
    Ok(passed(vec![fact("staging", &format!("{apps} rolled out"))]))
}

pub(super) async fn preview(world: &World, job: &BuiltInJob, reporter: &Reporter) -> Done {
    let site = site(world)?;
    let slot = job.slot.ok_or_else(|| Clean::new("no slot was chosen at the gate"))?;
    if job.way_back == Some(slot) {
        return Err(Clean::new(&format!(
            "{slot} serves; the slot that serves is never deployed to"
        )));
    }
    let (cluster, namespace) = (&site.cluster, &site.production);
    apply(site, namespace, &site.manifests_production, ApplySet::Slot(slot)).await?;
    cluster.preview(namespace, &site.services, slot).await.map_err(because)?;
    wait(site, namespace, slot, job, reporter).await?;
    let survey = cluster.survey(namespace, &site.services).await.map_err(because)?;
    let images = survey.slot(slot).deployments.iter().map(|d| d.image.clone()).collect();
    let mut end = passed(vec![fact("preview", &format!("{slot} rolled out"))]);
    end.survey = Some(survey);
    end.deployed = Some(Deployed { slot, images });
    Ok(end)
}

async fn apply(
    site: &Site,
    namespace: &str,
    manifests: &[serde_json::Value],
    set: ApplySet,
) -> Result<(), Clean> {
    let chosen = select(manifests, set, &site.images);
    let applied = site.cluster.apply(namespace, &chosen, set, Takeover::Refuse).await;
    applied.map(drop).map_err(because)
}

async fn wait(
    site: &Site,
    namespace: &str,
    slot: Slot,
    job: &BuiltInJob,
    reporter: &Reporter,
) -> Result<SlotState, Clean> {
    let limit = Duration::from_secs(job.timeout_s);
    let tell = |state: &SlotState| {
        let ready: u32 = state.deployments.iter().map(|d| d.ready).sum();
        let desired: u32 = state.deployments.iter().map(|d| d.desired).sum();
        reporter.count(&format!("{slot} pods ready"), u64::from(ready), u64::from(desired));
    };
    let waited = site.cluster.wait_rollout(namespace, &site.services, slot, limit, tell).await;
    waited.map_err(because)
}

/// Asks every address of the target; all must answer well.
pub(super) async fn probe(world: &World, target: Target) -> Done {
    let site = site(world)?;
    let urls = match target {
        Target::Staging => site.urls(&site.staging, false),
        Target::Preview => site.urls(&site.production, true),
        Target::Serving => site.urls(&site.production, false),
    };
    if urls.is_empty() {
        return Err(Clean::new("there is nothing to probe: name addresses in gonogo.yaml"));
    }
    let results = ask(&site.web, &world.clock, &urls).await;
    if let Some(bad) = results.iter().find(|result| !result.is_ok()) {
        let status = match &bad.status {
            crate::release::Reading::Known { value } => format!("status {value}"),
            crate::release::Reading::Unknown { reason } => reason.to_string(),
        };
        return Err(Clean::new(&format!("{} did not answer well: {status}", bad.url)));
    }
    let slowest = results.iter().map(|result| result.ms.get()).fold(0.0, f64::max);
    let what = match target {
        Target::Staging => "staging answers",
        Target::Preview => "preview answers",
        Target::Serving => "production answers",
    };
    let value = format!("{} of {} addresses, slowest {slowest:.0} ms", results.len(), urls.len());
    Ok(passed(vec![fact(what, &value)]))
}

/// Removes what old rollouts left.
pub(super) async fn clean(world: &World) -> Done {
    let site = site(world)?;
    let mut removed = 0;
    for namespace in [&site.staging, &site.production] {
        removed += site.cluster.clean(namespace, &site.services).await.map_err(because)?;
    }
    Ok(passed(vec![fact("cluster", &format!("{removed} old objects removed"))]))
}

//! The decision card and the consolidated report.

use super::{Done, because, passed, site};
use crate::release::{BuiltInJob, Card, CardRollout, EffectKey, Outcome, Serving, Slot, Verdict};
use crate::world::{World, disk};

/// Surveys what serves and draws up the card.
pub(super) async fn draw_up(world: &World, mut card: Box<Card>, switches: bool) -> Outcome {
    if switches {
        let survey = async {
            let site = site(world)?;
            let survey = site.cluster.survey(&site.production, &site.services).await;
            survey.map_err(because)
        };
        match survey.await {
            Ok(survey) => {
                let preview = match &survey.serving {
                    Serving::One { slot } => slot.other(),
                    Serving::Bootstrap | Serving::Split { .. } => Slot::Blue,
                };
                card.rollout = Some(CardRollout { survey, preview });
            }
            Err(reason) => return Outcome::Failed { reason },
        }
    }
    Outcome::CardDrawn(card)
}

/// Writes the consolidated report into the step's folder.
pub(super) fn report(world: &World, key: &EffectKey, job: &BuiltInJob) -> Done {
    let mut text =
        format!("# Release {}\n\n| check | result | verdict |\n|---|---|---|\n", world.release);
    for line in &job.evidence {
        let verdict = match &line.verdict {
            Verdict::Pass => "pass".to_owned(),
            Verdict::Fail { reason } => format!("FAIL: {reason}"),
            Verdict::Unknown { reason } => format!("unknown: {reason}"),
        };
        let cell = |text: &str| text.replace('|', "\\|");
        let cells = [cell(line.what.as_str()), cell(line.value.as_str()), cell(&verdict)];
        text.push_str("| ");
        text.push_str(&cells.join(" | "));
        text.push_str(
            " |
",
        );
    }
    let dir = world.steps.join(key.to_string());
    disk::write_whole(&dir, "report.md", text.as_bytes()).map_err(because)?;
    let checks = job.evidence.len();
    Ok(passed(vec![super::fact("consolidated report", &format!("{checks} checks"))]))
}

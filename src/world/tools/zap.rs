//! ZAP's "traditional" JSON report: alerts of a running application, each with the addresses
//! where it was raised.

use serde::Deserialize;

use super::json::{Json, Text, each};
use super::report::{Found, ReadError, Tally, plural};
use crate::release::Severity;
use crate::release::finding::FindingKind;

#[derive(Deserialize)]
struct Alert<'a> {
    #[serde(borrow)]
    pluginid: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    riskcode: Text<'a>,
    #[serde(default, borrow)]
    riskdesc: Text<'a>,
    #[serde(default, borrow)]
    confidence: Text<'a>,
    #[serde(default, borrow)]
    solution: Text<'a>,
    #[serde(default, borrow)]
    instances: Option<Vec<Instance<'a>>>,
}

#[derive(Deserialize)]
struct Instance<'a> {
    #[serde(default, borrow)]
    uri: Text<'a>,
    #[serde(default, borrow)]
    method: Text<'a>,
    #[serde(default, borrow)]
    param: Text<'a>,
    #[serde(default, borrow)]
    evidence: Text<'a>,
}

/// How ZAP writes that somebody looked and found nothing in it.
const FALSE_POSITIVE: &str = "0";

pub(super) fn read(json: &mut Json<'_>, tally: &mut Tally<'_>) -> Result<(), ReadError> {
    tally.named("zap");
    let (mut any, mut sites) = (false, 0);
    json.object(&["site"], |json, _| {
        any = true;
        json.list(|json| {
            sites += 1;
            json.object(&["alerts"], |json, _| each!(json, alert: Alert<'_> => add(&alert, tally)))
        })
    })?;
    if !any {
        return Err(json.damaged("it is no report of ZAP: it lists no site"));
    }
    tally.covered = sites;
    tally.coverage = plural(sites, "site", "sites");
    if sites == 0 {
        tally.not_scanned = Some("ZAP reached no site".into());
    }
    Ok(())
}

fn add(alert: &Alert<'_>, tally: &mut Tally<'_>) {
    if &*alert.confidence == FALSE_POSITIVE {
        return;
    }
    let first = alert.instances.iter().flatten().next();
    let more = alert.instances.as_ref().map_or(0, Vec::len).saturating_sub(1);
    let title = match more {
        0 => alert.name.to_string(),
        more => format!("{}, and at {more} more", &*alert.name),
    };
    let asked =
        first.map_or(String::new(), |first| format!("{} {}", &*first.method, &*first.param));
    // Paragraphs of HTML, of which the first says what to do.
    let solution = alert.solution.trim_start_matches("<p>").split("</p>").next();
    tally.add(Found {
        kind: FindingKind::Dynamic,
        rule: &alert.pluginid,
        severity: match alert.riskcode.as_str() {
            "3" => Severity::High,
            "2" => Severity::Medium,
            "1" | "0" => Severity::Low,
            _ => Severity::Unknown,
        },
        original: &alert.riskdesc,
        title: &title,
        path: first.map_or("", |first| first.uri.as_str()),
        resource: asked.trim(),
        fix: solution.unwrap_or_default(),
        evidence: first.map_or("", |first| first.evidence.as_str()),
        ..Found::default()
    });
}

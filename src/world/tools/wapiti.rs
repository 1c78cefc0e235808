//! `wapiti --format json`: weaknesses of a running application, by their sort.
//!
//! An application that is down is a report without findings, in which no page was crawled.

use serde::Deserialize;

use super::json::{Json, Text, each};
use super::report::{Found, ReadError, Tally, plural};
use crate::release::Severity;
use crate::release::finding::FindingKind;

#[derive(Deserialize)]
struct Hit<'a> {
    #[serde(borrow)]
    method: Text<'a>,
    #[serde(borrow)]
    path: Text<'a>,
    #[serde(borrow)]
    info: Text<'a>,
    level: u8,
    #[serde(default, borrow)]
    parameter: Text<'a>,
}

#[derive(Deserialize)]
struct Infos {
    #[serde(default)]
    crawled_pages_nbr: Option<u64>,
}

pub(super) fn read(json: &mut Json<'_>, tally: &mut Tally<'_>) -> Result<(), ReadError> {
    tally.named("wapiti");
    let (mut lists, mut infos) = (0, None);
    let known = &["vulnerabilities", "anomalies", "additionals", "infos"];
    json.object(known, |json, key| {
        if key == "infos" {
            infos = Some(json.owned::<Infos>()?);
            return Ok(());
        }
        lists += 1;
        json.entries(|json, sort| each!(json, hit: Hit<'_> => add(sort, &hit, tally)))
    })?;
    let Some(infos) = infos.filter(|_| lists > 0) else {
        return Err(json.damaged("it is no report of Wapiti: it lacks vulnerabilities or infos"));
    };
    let pages = infos.crawled_pages_nbr.unwrap_or(0);
    tally.covered = pages;
    tally.coverage = plural(pages, "page", "pages");
    if pages == 0 {
        tally.not_scanned = Some("Wapiti crawled no page".into());
    }
    Ok(())
}

fn add(sort: &str, hit: &Hit<'_>, tally: &mut Tally<'_>) {
    let severity = match hit.level {
        4.. => Severity::Critical,
        3 => Severity::High,
        2 => Severity::Medium,
        _ => Severity::Low,
    };
    tally.add(Found {
        kind: FindingKind::Dynamic,
        rule: sort,
        severity,
        original: &hit.level.to_string(),
        title: &hit.info,
        path: &hit.path,
        resource: format!("{} {}", &*hit.method, &*hit.parameter).trim(),
        identity: &hit.info,
        ..Found::default()
    });
}

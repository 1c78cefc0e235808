//! Assessments and sub-assessments of Microsoft Defender for Cloud, as its API answers them, and
//! as `az security assessment list` prints them.

use serde::Deserialize;

use super::json::{Json, Text, each};
use super::report::{Found, ReadError, Tally, plural, severity};
use crate::release::finding::FindingKind;

/// An assessment of the API; `az` leaves `properties` out and puts its fields one level higher.
#[derive(Deserialize)]
struct Assessment<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(default, borrow)]
    properties: Option<Properties<'a>>,
    #[serde(default, borrow, rename = "displayName")]
    display_name: Text<'a>,
    #[serde(default, borrow)]
    status: Option<Status<'a>>,
    #[serde(default, borrow, rename = "resourceDetails")]
    resource_details: Option<Resource<'a>>,
    #[serde(default, borrow)]
    metadata: Option<Metadata<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Properties<'a> {
    #[serde(borrow)]
    display_name: Text<'a>,
    #[serde(borrow)]
    status: Status<'a>,
    #[serde(default, borrow)]
    resource_details: Option<Resource<'a>>,
    #[serde(default, borrow)]
    metadata: Option<Metadata<'a>>,
    /// Of a sub-assessment.
    #[serde(default, borrow)]
    remediation: Text<'a>,
}

#[derive(Deserialize)]
struct Status<'a> {
    #[serde(borrow)]
    code: Text<'a>,
    #[serde(default, borrow)]
    severity: Text<'a>,
}

#[derive(Deserialize)]
struct Resource<'a> {
    #[serde(default, alias = "Id", borrow)]
    id: Text<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(default, borrow)]
    severity: Text<'a>,
    #[serde(default, borrow)]
    remediation_description: Text<'a>,
}

#[derive(Default)]
struct Seen {
    assessed: u64,
    passed_over: u64,
    unfit: bool,
}

pub(super) fn read(json: &mut Json<'_>, tally: &mut Tally<'_>) -> Result<(), ReadError> {
    tally.named("defender");
    let (mut seen, mut any, mut next) = (Seen::default(), false, None);
    if json.peek()? == Some(b'{') {
        json.object(&["value", "nextLink"], |json, key| {
            if key == "nextLink" {
                next = json.owned::<Option<String>>()?;
                return Ok(());
            }
            any = true;
            each!(json, one: Assessment<'_> => take(&one, &mut seen, tally))
        })?;
    } else {
        any = true;
        each!(json, one: Assessment<'_> => take(&one, &mut seen, tally))?;
    }
    if !any || seen.unfit {
        return Err(json.damaged("it lists no assessments of Defender, each with its status"));
    }
    tally.covered = seen.assessed;
    tally.coverage = plural(seen.assessed, "assessment", "assessments");
    if seen.passed_over > 0 {
        tally.coverage = format!("{}, {} not applicable", tally.coverage, seen.passed_over);
    }
    if next.is_some_and(|next| !next.is_empty()) {
        tally.not_scanned = Some("a further page follows: ask for every nextLink".into());
    } else if seen.assessed == 0 {
        tally.not_scanned = Some("Defender has assessed nothing here".into());
    }
    Ok(())
}

fn take(one: &Assessment<'_>, seen: &mut Seen, tally: &mut Tally<'_>) {
    let inner = one.properties.as_ref();
    let status = inner.map(|inner| &inner.status).or(one.status.as_ref());
    let Some(status) = status else {
        seen.unfit = true;
        return;
    };
    match status.code.as_str() {
        "Healthy" => {
            seen.assessed += 1;
            return;
        }
        "NotApplicable" => {
            seen.passed_over += 1;
            return;
        }
        // Unhealthy, and whatever else is not said to be well.
        _ => seen.assessed += 1,
    }
    let metadata = inner.map_or(one.metadata.as_ref(), |inner| inner.metadata.as_ref());
    let resource =
        inner.map_or(one.resource_details.as_ref(), |inner| inner.resource_details.as_ref());
    let stated = metadata.map_or("", |metadata| metadata.severity.as_str());
    let word = if status.severity.is_empty() { stated } else { &status.severity };
    let fix = match (inner, metadata) {
        (Some(inner), _) if !inner.remediation.is_empty() => inner.remediation.as_str(),
        (_, Some(metadata)) => metadata.remediation_description.as_str(),
        _ => "",
    };
    tally.add(Found {
        kind: FindingKind::Misconfiguration,
        rule: &one.name,
        severity: severity(word),
        original: word,
        title: inner.map_or(&one.display_name, |inner| &inner.display_name),
        resource: resource.map_or("", |resource| resource.id.as_str()),
        fix: fix.lines().next().unwrap_or_default(),
        ..Found::default()
    });
}

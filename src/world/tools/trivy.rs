//! `trivy … --format json`: vulnerabilities, misconfigurations, secrets and licences of an image,
//! a file system, a repository or a bill of materials.
//!
//! A file type that Trivy does not understand leaves no result, and Terraform that does not parse
//! leaves a folder with passed checks, as Terraform without a fault does: only the log tells them
//! apart.

use serde::Deserialize;

use super::formats::Exits;
use super::json::{Json, Text, each};
use super::report::{Found, ReadError, Tally, aliases, plural, severity};
use crate::release::finding::FindingKind;

/// With `--exit-code 1`, findings and failures are the same code.
pub(super) const EXITS: Exits =
    Exits { program: "trivy", well: &[0], findings: &[1], broken: &[1] };

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Vulnerability<'a> {
    #[serde(default, borrow, rename = "VulnerabilityID")]
    id: Text<'a>,
    #[serde(default, borrow, rename = "VendorIDs")]
    vendor_ids: Option<Vec<Text<'a>>>,
    #[serde(default, borrow)]
    pkg_name: Text<'a>,
    #[serde(default, borrow)]
    pkg_path: Text<'a>,
    #[serde(default, borrow)]
    pkg_identifier: Option<Identifier<'a>>,
    #[serde(default, borrow)]
    installed_version: Text<'a>,
    #[serde(default, borrow)]
    fixed_version: Text<'a>,
    #[serde(default, borrow)]
    title: Text<'a>,
    #[serde(default, borrow)]
    description: Text<'a>,
    #[serde(default, borrow)]
    severity: Text<'a>,
}

#[derive(Deserialize)]
struct Identifier<'a> {
    #[serde(default, borrow, rename = "PURL")]
    purl: Text<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Misconfiguration<'a> {
    #[serde(default, borrow, rename = "ID")]
    id: Text<'a>,
    #[serde(default, borrow, rename = "AVDID")]
    avd_id: Text<'a>,
    #[serde(default, borrow)]
    title: Text<'a>,
    #[serde(default, borrow)]
    message: Text<'a>,
    #[serde(default, borrow)]
    resolution: Text<'a>,
    #[serde(default, borrow)]
    severity: Text<'a>,
    #[serde(default, borrow)]
    status: Text<'a>,
    #[serde(default, borrow)]
    cause_metadata: Option<Cause<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Cause<'a> {
    #[serde(default, borrow)]
    resource: Text<'a>,
    #[serde(default)]
    start_line: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SecretItem<'a> {
    #[serde(default, borrow, rename = "RuleID")]
    rule_id: Text<'a>,
    #[serde(default, borrow)]
    severity: Text<'a>,
    #[serde(default, borrow)]
    title: Text<'a>,
    #[serde(default)]
    start_line: Option<u64>,
    #[serde(default, borrow, rename = "Match")]
    quote: Text<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Licence<'a> {
    #[serde(default, borrow)]
    severity: Text<'a>,
    #[serde(default, borrow)]
    category: Text<'a>,
    #[serde(default, borrow)]
    pkg_name: Text<'a>,
    #[serde(default, borrow)]
    file_path: Text<'a>,
    #[serde(default, borrow)]
    name: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MisconfSummary {
    #[serde(default)]
    successes: Option<u64>,
    #[serde(default)]
    failures: Option<u64>,
    #[serde(default)]
    exceptions: Option<u64>,
}

/// What was looked at so far.
#[derive(Default)]
struct Seen {
    targets: u64,
    packages: u64,
    checks: u64,
    /// Targets that are Terraform's folders, in which a file may or may not have been parsed.
    folders: u64,
}

pub(super) fn read(json: &mut Json<'_>, tally: &mut Tally<'_>) -> Result<(), ReadError> {
    tally.named("trivy");
    let mut seen = Seen::default();
    let mut schema = None;
    let known = &["SchemaVersion", "ArtifactName", "Results", "Resources"];
    json.object(known, |json, key| match key {
        "SchemaVersion" => {
            schema = Some(json.owned::<u64>()?);
            Ok(())
        }
        "Results" => json.list(|json| read_target(json, tally, &mut seen)),
        // `trivy k8s` puts its results one level deeper.
        "Resources" => json.list(|json| {
            json.object(&["Results"], |json, _| {
                json.list(|json| read_target(json, tally, &mut seen))
            })
        }),
        _ => json.skip(),
    })?;
    match schema {
        Some(2) => {}
        Some(version) => {
            let what = format!("Trivy's schema {version} is not understood, only 2");
            return Err(json.damaged(&what));
        }
        None => return Err(json.damaged("it is not a report of Trivy: it names no SchemaVersion")),
    }
    tally.covered = seen.targets;
    let mut words = vec![plural(seen.targets, "target", "targets")];
    if seen.packages > 0 {
        words.push(plural(seen.packages, "package", "packages"));
    }
    if seen.checks > 0 {
        words.push(plural(seen.checks, "check", "checks"));
    }
    tally.coverage = words.join(", ");
    if seen.targets == 0 {
        let why = "Trivy met nothing that it scans: no package, no configuration, no secret";
        tally.not_scanned = Some(why.into());
    } else if let Some(why) = unparsed(tally.origin.log) {
        tally.not_scanned = Some(why);
    } else if seen.folders == seen.targets && tally.found() == 0 && !parsed(tally.origin.log) {
        let why = "Terraform that does not parse looks like this too, and Trivy's log, which \
                   would tell, is silent or not given: run it without --quiet";
        tally.not_scanned = Some(why.into());
    }
    Ok(())
}

/// The file that the log says could not be parsed.
fn unparsed(log: &str) -> Option<String> {
    let line = log.lines().find(|line| line.contains("Error parsing file"))?;
    let named = |name: &str| {
        let rest = line.split_once(name)?.1.trim_start_matches('"');
        rest.split('"').next()
    };
    let path = named("file_path=").unwrap_or("a file");
    Some(format!("{path} does not parse: {}", named("err=").unwrap_or(line)))
}

/// Whether the log says that Terraform's files were found and scanned.
fn parsed(log: &str) -> bool {
    log.contains("[terraform scanner]") && !log.contains("No files found")
}

/// One target: a lock file, an image's packages, a configuration file.
fn read_target(
    json: &mut Json<'_>,
    tally: &mut Tally<'_>,
    seen: &mut Seen,
) -> Result<(), ReadError> {
    seen.targets += 1;
    let (mut target, mut class) = (String::new(), String::new());
    let known = &[
        "Target",
        "Class",
        "Type",
        "Packages",
        "Vulnerabilities",
        "MisconfSummary",
        "Misconfigurations",
        "Secrets",
        "Licenses",
    ];
    json.object(known, |json, key| match key {
        "Target" => {
            target = json.owned::<Option<String>>()?.unwrap_or_default();
            Ok(())
        }
        "Class" => {
            class = json.owned::<Option<String>>()?.unwrap_or_default();
            Ok(())
        }
        "Type" => {
            let kind = json.owned::<Option<String>>()?.unwrap_or_default();
            let ending = target.rsplit_once('.').map_or("", |(_, ending)| ending);
            let file = matches!(ending, "tf" | "json");
            seen.folders += u64::from(class == "config" && kind == "terraform" && !file);
            Ok(())
        }
        "Packages" => json.list(|json| {
            seen.packages += 1;
            json.skip()
        }),
        "MisconfSummary" => {
            let sums = json.owned::<Option<MisconfSummary>>()?.unwrap_or_default();
            let sums = [sums.successes, sums.failures, sums.exceptions];
            seen.checks += sums.into_iter().flatten().sum::<u64>();
            Ok(())
        }
        "Vulnerabilities" => {
            each!(json, item: Vulnerability<'_> => vulnerability(&item, &target, &class, tally))
        }
        "Misconfigurations" => {
            each!(json, item: Misconfiguration<'_> => misconfiguration(&item, &target, tally))
        }
        "Secrets" => each!(json, item: SecretItem<'_> => secret(&item, &target, tally)),
        _ => each!(json, item: Licence<'_> => licence(&item, &target, tally)),
    })
}

fn vulnerability(item: &Vulnerability<'_>, target: &str, class: &str, tally: &mut Tally<'_>) {
    let (package, fixed) = (item.pkg_name.as_str(), item.fixed_version.as_str());
    let inside = item.pkg_path.as_str();
    // The packages of an operating system stand under the image's name and tag.
    let path = match (inside, class) {
        ("", "os-pkgs") => "",
        ("", _) => target,
        (inside, _) => inside,
    };
    let title = match item.title.as_str() {
        "" => item.description.as_str(),
        title => title,
    };
    let word = item.severity.as_str();
    let others = item.vendor_ids.iter().flatten().map(Text::as_str);
    let others = aliases(item.id.as_str(), others);
    tally.add(Found {
        kind: FindingKind::Vulnerability,
        rule: item.id.as_str(),
        aliases: &others,
        severity: severity(word),
        original: word,
        title: if title.is_empty() { item.id.as_str() } else { title },
        path,
        package,
        purl: item.pkg_identifier.as_ref().map_or("", |own| own.purl.as_str()),
        installed: item.installed_version.as_str(),
        fixed,
        update: !fixed.is_empty(),
        ..Found::default()
    });
}

fn misconfiguration(item: &Misconfiguration<'_>, target: &str, tally: &mut Tally<'_>) {
    // Passed checks are listed with `--include-non-failures`.
    if matches!(item.status.as_str(), "PASS" | "EXCEPTION") {
        return;
    }
    let rule = match item.avd_id.as_str() {
        "" => item.id.as_str(),
        rule => rule,
    };
    let title = match item.message.as_str() {
        "" => item.title.as_str(),
        message => message,
    };
    let word = item.severity.as_str();
    let cause = item.cause_metadata.as_ref();
    tally.add(Found {
        kind: FindingKind::Misconfiguration,
        rule,
        severity: severity(word),
        original: word,
        title,
        path: target,
        line: cause.and_then(|cause| cause.start_line).filter(|line| *line > 0),
        resource: cause.map_or("", |cause| cause.resource.as_str()),
        fix: item.resolution.as_str(),
        identity: title,
        ..Found::default()
    });
}

fn secret(item: &SecretItem<'_>, target: &str, tally: &mut Tally<'_>) {
    let word = item.severity.as_str();
    tally.add(Found {
        kind: FindingKind::Secret,
        rule: item.rule_id.as_str(),
        severity: severity(word),
        original: word,
        title: item.title.as_str(),
        path: target,
        line: item.start_line,
        // Trivy strikes the secret out itself, so there is nothing to tell it by but its line.
        evidence: item.quote.as_str(),
        identity: item.quote.as_str(),
        ..Found::default()
    });
}

fn licence(item: &Licence<'_>, target: &str, tally: &mut Tally<'_>) {
    let word = item.severity.as_str();
    let (package, name) = (item.pkg_name.as_str(), item.name.as_str());
    let of = if package.is_empty() { item.file_path.as_str() } else { package };
    tally.add(Found {
        kind: FindingKind::Licence,
        rule: name,
        severity: severity(word),
        original: word,
        title: &format!("{of} is licensed {name} ({})", item.category.as_str()),
        path: if item.file_path.as_str().is_empty() { target } else { item.file_path.as_str() },
        package,
        ..Found::default()
    });
}

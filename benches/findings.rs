//! Findings: read, held, compared. Peers read the same file in the same run: jq and Python's own
//! JSON, neither of which keeps anything.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::Stdio;

use gonogo::release::triage::{Status, diff, diff_keys};
use gonogo::release::{Clean, Digest, Finding, ReportFormat, ReportState};
use gonogo::world::tools::{Held, Origin, hold, read_file};
use nix::sys::resource::UsageWho;

use super::{Goal, Outcome, ROUNDS, Row, in_turns, median, on_path, peer, skipped, spent_s, timed};

/// What is read beside the peers, and by itself, in findings.
const SMALL: usize = 100_000;
const LARGE: usize = 1_000_000;
/// What this binary is asked to do when it is its own peak that is measured.
pub(crate) const PEAK: &str = "--findings-peak";

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
const fn float(number: usize) -> f64 {
    number as f64
}

pub(crate) fn run() -> Outcome<Vec<Row>> {
    let dir = tempfile::tempdir()?;
    let small = dir.path().join("small.json");
    generate(&small, SMALL)?;
    let mut rows = peers(&small)?;
    rows.extend(compared()?);
    let large = dir.path().join("large.json");
    generate(&large, LARGE)?;
    rows.extend(held(&large)?);
    Ok(rows)
}

/// A report of Trivy's with findings of 841 bytes, as an image with many packages has them.
pub(crate) fn generate(path: &Path, findings: usize) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    out.write_all(
        b"{\"SchemaVersion\":2,\"ArtifactName\":\"app:1.0\",\"ArtifactType\":\"container_image\",\
          \"Results\":[{\"Target\":\"app:1.0 (debian 12)\",\"Class\":\"os-pkgs\",\"Type\":\
          \"debian\",\"Vulnerabilities\":[\n",
    )?;
    for at in 0..findings {
        let (package, version) = (at % 977, at % 31);
        let severity = ["LOW", "MEDIUM", "HIGH", "CRITICAL"][at % 4];
        let comma = if at > 0 { "," } else { "" };
        writeln!(
            out,
            "{comma}{{\"VulnerabilityID\": \"CVE-{}-{:05}\", \"PkgID\": \
             \"pkg{package}@1.2.{version}\", \"PkgName\": \"pkg{package}\", \
             \"InstalledVersion\": \"1.2.{version}\", \"FixedVersion\": \"1.2.{}\", \"Status\": \
             \"fixed\", \"Layer\": {{\"Digest\": \"sha256:{}\"}}, \"SeveritySource\": \"nvd\", \
             \"PrimaryURL\": \"https://avd.aquasec.com/nvd/cve-{}\", \"Title\": \"heap overflow \
             in pkg{package}\", \"Description\": \"A flaw was found in the way pkg{package} \
             handles crafted input; an attacker could cause a heap overflow leading to denial of \
             service or possibly code execution under certain configurations of the product.\", \
             \"Severity\": \"{severity}\", \"CweIDs\": [\"CWE-787\"], \"CVSS\": {{\"nvd\": \
             {{\"V3Vector\": \"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H\", \"V3Score\": \
             9.8}}}}, \"References\": [\"https://example.org/a/{at}\", \"https://example.org/b\"], \
             \"PublishedDate\": \"2024-01-01T00:00:00Z\"}}",
            2015 + at % 11,
            at % 50_000,
            version + 1,
            "ab".repeat(32),
            at % 50_000,
        )?;
    }
    out.write_all(b"]}]}\n")?;
    out.flush()
}

fn own(path: &Path, held: &mut Held) -> Outcome<usize> {
    let summary = read_file(path, None, &Origin::default(), held)?;
    if summary.state != ReportState::Findings {
        return Err(format!("{} was read as {:?}", path.display(), summary.state).into());
    }
    Ok(held.len())
}

/// Megabytes per second of processor time, in memory and from the file.
fn peers(path: &Path) -> Outcome<Vec<Row>> {
    let bytes = std::fs::read(path)?;
    let mut taken: [Vec<f64>; 4] = Default::default();
    let (jq, python) = (on_path("jq").is_some(), on_path("python3").is_some());
    for _ in 0..ROUNDS {
        let begun = spent_s(UsageWho::RUSAGE_THREAD)?;
        let mut held = Held::default();
        hold(ReportFormat::TrivyJson, &Origin::default(), &mut &bytes[..], &mut held)?;
        taken[0].push(spent_s(UsageWho::RUSAGE_THREAD)? - begun);
        drop(held);
        let begun = spent_s(UsageWho::RUSAGE_THREAD)?;
        own(path, &mut Held::default())?;
        taken[1].push(spent_s(UsageWho::RUSAGE_THREAD)? - begun);
        if jq {
            taken[2].push(child("jq", &["[.Results[].Vulnerabilities[]]|length"], path)?);
        }
        if python {
            let count = "import json,sys;print(sum(len(r['Vulnerabilities']) for r in \
                         json.load(open(sys.argv[1]))['Results']))";
            taken[3].push(child("python3", &["-c", count], path)?);
        }
    }
    let megabytes = float(bytes.len()) / 1e6;
    let rate = |seconds: &Vec<f64>| megabytes / median(seconds.clone());
    let row =
        |name, ours, beside, floor, goal| Row { name, ours, floor, unit: "MB/cpu-s", beside, goal };
    let (memory, file) = (rate(&taken[0]), rate(&taken[1]));
    let mut rows = Vec::new();
    if jq {
        let floor = rate(&taken[2]);
        rows.push(row(
            "findings: read, mask, keep",
            memory,
            "`jq length`",
            floor,
            Goal::AtLeast(15.0),
        ));
        rows.push(row("findings: from a stream", file, "`jq length`", floor, Goal::AtLeast(8.0)));
    } else {
        skipped("findings", "jq", "apt-get install jq");
    }
    if python {
        let floor = rate(&taken[3]);
        rows.push(row("findings: from a stream", file, "Python's json.load", floor, Goal::None));
    } else {
        skipped("findings", "python3", "apt-get install python3");
    }
    Ok(rows)
}

/// Seconds of processor time of a child.
fn child(program: &str, args: &[&str], path: &Path) -> Outcome<f64> {
    let begun = spent_s(UsageWho::RUSAGE_CHILDREN)?;
    let output = peer(program).args(args).arg(path).stderr(Stdio::inherit()).output()?;
    if !output.status.success() || output.stdout.trim_ascii() != SMALL.to_string().as_bytes() {
        return Err(format!("a peer failed: {}", output.status).into());
    }
    Ok(spent_s(UsageWho::RUSAGE_CHILDREN)? - begun)
}

/// What a million findings cost: bytes each, and the peak of a process that only reads them.
fn held(path: &Path) -> Outcome<Vec<Row>> {
    let mut held = Held::default();
    own(path, &mut held)?;
    held.settle();
    let each = float(held.bytes()) / float(held.len());
    drop(held);
    let exe = std::env::current_exe()?;
    let output = peer(exe).arg(PEAK).arg(path).stderr(Stdio::inherit()).output()?;
    let peak_kib: f64 = String::from_utf8(output.stdout)?.trim().parse()?;
    let row = |name, ours, floor, unit, beside| Row {
        name,
        ours,
        floor,
        unit,
        beside,
        goal: Goal::AtMost(1.0),
    };
    Ok(vec![
        row("findings: held, of 1,000,000", each, 90.0, "B", "the goal"),
        row("findings: peak, 840 MB of Trivy", peak_kib / 1024.0, 150.0, "MiB", "the goal"),
    ])
}

/// Reads the file and prints the process's peak, in KiB.
pub(crate) fn peak(path: &str) -> Outcome<()> {
    let mut held = Held::default();
    own(Path::new(path), &mut held)?;
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|rest| rest.split_whitespace().next()).ok_or("no VmHWM")?;
    writeln!(io::stdout(), "{peak}")?;
    Ok(())
}

/// Two sets of 100,000 findings, of which a third is new and a third is fixed.
fn compared() -> Outcome<Vec<Row>> {
    let finding = |at: usize| Finding {
        fingerprint: Digest::of(&at.to_le_bytes()),
        location: Clean::from(format!("src/file{}.rs:{at}", at % 4000)),
        ..Finding::default()
    };
    let before: Vec<Finding> = (0..SMALL).map(finding).collect();
    let now: Vec<Finding> = (SMALL / 3..SMALL / 3 + SMALL).map(finding).collect();
    let keys = |all: &'_ [Finding]| {
        let each = all.iter().enumerate().map(|(at, f)| (f.fingerprint.bytes(), at % 4000));
        each.collect::<Vec<_>>()
    };
    let (new_keys, old_keys) = (keys(&now), keys(&before));
    let (ours, by_keys) = in_turns(
        || {
            let (took, found) = timed(|| Ok(diff(&now, &before)))?;
            assert_eq!(found.count(Status::New), SMALL / 3);
            Ok(took)
        },
        || Ok(timed(|| Ok(diff_keys(&new_keys, &old_keys)))?.0),
    )?;
    let row = |name, ours: f64| Row {
        name,
        ours: ours * 1e3,
        floor: 200.0,
        unit: "ms",
        beside: "the goal",
        goal: Goal::AtMost(1.0),
    };
    Ok(vec![
        row("findings: diff of 2 × 100,000", ours),
        row("findings: the same, as they are held", by_keys),
    ])
}

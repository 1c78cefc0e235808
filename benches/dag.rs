//! How long random plans take beside the least they could: the longer of the critical path and
//! the work shared by all jobs. The core's own scheduler decides, in virtual time; `make` and
//! `ninja` run the same plans with real, shorter sleeps.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::Stdio;

use gonogo::release::{
    BranchRule, Clean, Digest, Effect, EffectKey, Epoch, Event, FORMAT, Input, Opened,
    Outcome as Answer, Plan, Policy, Principal, Record, Release, ReleaseId, Revision, SessionId,
    Stage, StageId, Start, Step, StepEnd, StepId, StepResult, Timestamp, Touches, decide, judge,
    owed,
};

use super::{Goal, Outcome, Row, mean, peer, timed};

const PLANS: u64 = 200;
/// Real sleeps take real time.
const REAL_PLANS: u64 = 4;
const STEPS: usize = 33;
const JOBS: u32 = 3;
/// Seconds of real sleep for a unit of a plan's time.
const REAL_UNIT_S: f64 = 0.1;

/// A random plan: what each step needs, and how many units it takes.
struct Dag {
    needs: Vec<Vec<usize>>,
    units: Vec<u32>,
}

pub(crate) fn run() -> Outcome<Vec<Row>> {
    let dags: Vec<Dag> = (0..PLANS).map(dag).collect();
    let bounds: Vec<f64> = dags.iter().map(bound).collect();
    let mut ours = Vec::new();
    for dag in &dags {
        ours.push(makespan(dag)?);
    }
    let over: Vec<f64> = ours.iter().zip(&bounds).map(|(ours, bound)| ours / bound).collect();
    let row = |name, ours, floor, beside, goal| Row { name, ours, floor, unit: "", beside, goal };
    let few = usize::try_from(REAL_PLANS)?;
    let mut rows = vec![row(
        "plan: makespan, mean of 200 plans",
        mean(&over),
        1.0,
        "max(critical path, work / jobs)",
        Goal::AtMost(1.03),
    )];
    let dir = tempfile::tempdir()?;
    for (program, beside) in [("make", "`make -j3`, over the same bound"), ("ninja", "`ninja -j3`")]
    {
        let mut theirs = Vec::new();
        for (dag, bound) in dags.iter().zip(&bounds).take(few) {
            if let Some(took_s) = real(program, dag, dir.path())? {
                theirs.push(took_s / REAL_UNIT_S / bound);
            }
        }
        if theirs.is_empty() {
            writeln!(
                io::stderr(),
                "SKIPPED: {program} is not installed; to compare: apt-get install {program}"
            )?;
            continue;
        }
        let ours = mean(&over[..few]);
        rows.push(row("plan: 4 of them", ours, mean(&theirs), beside, Goal::AtMost(1.0)));
    }
    Ok(rows)
}

fn dag(seed: u64) -> Dag {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut dag = Dag { needs: Vec::new(), units: Vec::new() };
    for step in 0..STEPS {
        let earlier = step.saturating_sub(9)..step;
        dag.needs.push(earlier.filter(|_| random.f64() < 0.18).collect());
        dag.units.push([1, 1, 1, 2, 2, 3, 6][random.usize(..7)]);
    }
    dag
}

/// The least that any order could take, in units.
fn bound(dag: &Dag) -> f64 {
    let mut ends: Vec<u32> = Vec::new();
    for (needs, units) in dag.needs.iter().zip(&dag.units) {
        let begins = needs.iter().map(|need| ends[*need]).max().unwrap_or(0);
        ends.push(begins + units);
    }
    let path = f64::from(ends.into_iter().max().unwrap_or(0));
    path.max(f64::from(dag.units.iter().sum::<u32>()) / f64::from(JOBS))
}

fn step_id(step: usize) -> Outcome<StepId> {
    Ok(StepId::new(format!("code.s{step}"))?)
}

/// A plan of one stage; a unit is a second.
fn start(dag: &Dag) -> Outcome<Start> {
    let stage = StageId::new("code")?;
    let mut steps = Vec::new();
    for (step, (needs, units)) in dag.needs.iter().zip(&dag.units).enumerate() {
        steps.push(Step {
            id: step_id(step)?,
            title: format!("step {step}"),
            run: vec!["true".to_owned()],
            uses: None,
            needs: needs.iter().map(|need| step_id(*need)).collect::<Outcome<_>>()?,
            touches: Touches::Workspace,
            secrets: Vec::new(),
            env: BTreeMap::new(),
            report: None,
            exit_ok: Vec::new(),
            timeout_s: 600,
            retries: 0,
            expected_s: u64::from(*units),
        });
    }
    let rule =
        BranchRule { branch: "main".into(), until: stage.clone(), external: true, skip: vec![] };
    let stages = vec![Stage { id: stage.clone(), title: "Code".into(), approval: false, steps }];
    let plan = Plan { name: "random".into(), jobs: JOBS, branches: vec![rule], stages };
    let policy: Policy = serde_yaml::from_str(include_str!("../config/policy.yaml"))?;
    Ok(Start {
        plan_digest: Digest::of(b"plan"),
        policy_digest: Digest::of(b"policy"),
        policy_from: <_>::default(),
        plan,
        policy,
        revision: Revision::new("0123456789abcdef")?,
        branch: Clean::new("main"),
        environment: Clean::new("production"),
        from: None,
        until: stage,
        external: true,
        attended: false,
        tells: false,
        rehearsal: None,
        latches: Vec::new(),
        baseline: None,
        passed_before: Vec::new(),
    })
}

fn at(ms: u64) -> Outcome<Timestamp> {
    let wall = jiff::Timestamp::from_millisecond(i64::try_from(ms)?)?;
    Ok(Timestamp { wall, boot_ms: ms })
}

/// Units until the release of a plan has ended, every answer coming when its step is done.
fn makespan(dag: &Dag) -> Outcome<f64> {
    let mut release = Release::new(ReleaseId::new("r-1")?);
    let opened = Opened {
        session: SessionId::new("s-1")?,
        host: Clean::new("host"),
        pid: 1,
        boot: "boot".to_owned(),
        build: Clean::new("bench"),
        repaired: None,
        by: Principal::engine(),
        start: Some(Box::new(start(dag)?)),
    };
    let mut now_ms = 1000;
    input(&mut release, Input::Opened(opened), now_ms)?;
    let mut flying: Vec<(u64, EffectKey, Effect)> = Vec::new();
    while release.result.is_none() {
        for (key, effect) in owed(&release) {
            if flying.iter().any(|(_, other, _)| *other == key) {
                continue;
            }
            let units = match &effect {
                Effect::RunCommand { step } => step.expected_s,
                _ => 0,
            };
            flying.push((now_ms + units * 1000, key, effect));
        }
        let next = flying.iter().enumerate().min_by_key(|(_, (ends, ..))| *ends);
        let index = next.map(|(index, _)| index).ok_or("the release never ends")?;
        let (ends, key, effect) = flying.swap_remove(index);
        now_ms = ends;
        input(&mut release, Input::Answered(key, answer(&effect)?), now_ms)?;
    }
    Ok(f64::from(u32::try_from(now_ms - 1000)?) / 1000.0)
}

fn answer(effect: &Effect) -> Outcome<Answer> {
    match effect {
        Effect::RunCommand { step } => {
            let took_ms = step.expected_s * 1000;
            Ok(Answer::StepEnded(StepEnd::new(StepResult::Passed, took_ms)))
        }
        Effect::JudgeGate { inputs, policy, .. } => Ok(Answer::Judged(judge(inputs, policy))),
        other => Err(format!("a plan of commands owes {other:?}").into()),
    }
}

fn input(release: &mut Release, input: Input, ms: u64) -> Outcome<()> {
    let now = at(ms)?;
    for event in decide(release, input, now).map_err(|refusal| refusal.to_string())? {
        apply(release, event, now);
    }
    Ok(())
}

fn apply(release: &mut Release, event: Event, now: Timestamp) {
    release.apply(&Record {
        format: FORMAT,
        release: release.id.clone(),
        seq: release.next_seq(),
        epoch: Epoch(1),
        prev: Digest::zero(),
        attempt_id: String::new(),
        at_wall: now.wall,
        at_boot: now.boot_ms,
        by: Principal::engine(),
        event,
    });
}

/// Seconds that a tool takes for a plan of sleeps; none where it is not installed.
fn real(program: &str, dag: &Dag, dir: &Path) -> Outcome<Option<f64>> {
    let (mut make, mut ninja, mut all) = (String::new(), String::new(), String::new());
    for (step, (needs, units)) in dag.needs.iter().zip(&dag.units).enumerate() {
        let needs: Vec<String> = needs.iter().map(|need| format!("s{need}")).collect();
        let (needs, sleep_s) = (needs.join(" "), f64::from(*units) * REAL_UNIT_S);
        write!(all, " s{step}")?;
        write!(make, "s{step}: {needs}\n\t@sleep {sleep_s}\n")?;
        write!(
            ninja,
            "rule r{step}\n command = sleep {sleep_s}\nbuild s{step}: r{step} {needs}\n"
        )?;
    }
    fs::write(dir.join("Makefile"), format!(".PHONY: all{all}\nall:{all}\n{make}"))?;
    fs::write(dir.join("build.ninja"), ninja)?;
    let mut command = peer(program);
    command.args(["-j3", "-C"]).arg(dir).stdout(Stdio::null()).stdin(Stdio::null());
    let (took, status) = timed(|| Ok(command.status()))?;
    match status {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Ok(status) if status.success() => Ok(Some(took.as_secs_f64())),
        Ok(status) => Err(format!("{program} ended with {status}").into()),
        Err(error) => Err(error.into()),
    }
}

//! The shipped files are complete, parse, and say what the customer's document says.

use gonogo::release::finding::Measure;
use gonogo::release::finding::limits::Which;
use gonogo::release::{BuiltIn, Plan, Policy, ReportFormat, Severity, Step, StepId, Touches};

const PIPELINE: &str = include_str!("../../config/pipeline.yaml");
const POLICY: &str = include_str!("../../config/policy.yaml");
const SELF: &str = include_str!("../../config/self.yaml");

fn plan(text: &str) -> Plan {
    let plan: Plan = serde_yaml::from_str(text).expect("the shipped plan parses");
    plan.check().expect("the shipped plan is consistent");
    plan
}

pub(crate) fn pipeline() -> Plan {
    plan(PIPELINE)
}

pub(crate) fn policy() -> Policy {
    serde_yaml::from_str(POLICY).expect("the shipped policy parses")
}

#[test]
fn the_pipeline_has_the_documents_stages_and_durations() {
    let plan = pipeline();
    let minutes: Vec<(String, u64)> = plan
        .stages
        .iter()
        .map(|s| (s.id.to_string(), s.steps.iter().map(|step| step.expected_s).sum::<u64>()))
        .collect();
    let expected = [
        ("code", 10),
        ("infrastructure", 20),
        ("build", 15),
        ("database", 10),
        ("manifests", 5),
        ("staging", 12),
        ("verify", 20),
        ("production", 20),
        ("validate", 8),
        ("compliance", 15),
        ("cleanup", 5),
    ];
    assert_eq!(minutes, expected.map(|(id, min)| (id.to_owned(), min * 60)));
    let gated: Vec<_> = plan.stages.iter().filter(|s| s.approval).map(|s| s.id.as_str()).collect();
    assert_eq!(gated, ["production"]);
}

#[test]
fn every_built_in_has_its_step() {
    let plan = pipeline();
    let used: Vec<BuiltIn> = plan.steps().filter_map(|step| step.uses).collect();
    let production = plan.stages.iter().find(|s| s.id.as_str() == "production").expect("stage 8");
    let order: Vec<_> = production.steps.iter().map(|s| s.id.as_str()).collect();
    assert_eq!(
        order.join(" ").replace("production.", ""),
        "terraform backup migrate validate-schema deploy-preview smoke way-back switch monitor"
    );
    for pair in production.steps.windows(2) {
        assert!(pair[1].needs.contains(&pair[0].id), "{} waits for {}", pair[1].id, pair[0].id);
    }
    assert_eq!(used.len(), 17, "16 built-ins, and a second backup before the migration");
}

#[test]
fn branches_run_as_far_as_the_document_says() {
    let plan = pipeline();
    let rule = |branch: &str| plan.branch_rule(branch).map(|r| (r.until.to_string(), r.external));
    assert_eq!(rule("feature/cart"), Some(("manifests".into(), false)));
    assert_eq!(rule("develop"), Some(("verify".into(), true)));
    assert_eq!(rule("main"), Some(("cleanup".into(), true)));
    assert_eq!(rule("hotfix/x"), None);
    let skipped = &plan.branch_rule("develop").expect("develop").skip;
    let until = plan.stages.iter().position(|s| s.id.as_str() == "verify").expect("verify");
    for step in plan.stages[..=until].iter().flat_map(|s| &s.steps) {
        // Rendering for production stays in the workspace; images live in the registry all share.
        let text = step.run.join(" ") + &step.env.values().cloned().collect::<String>();
        let production = text.contains("prod")
            && !text.contains("azurecr.io")
            && step.touches == Touches::External;
        let database =
            matches!(step.uses, Some(BuiltIn::Backup | BuiltIn::Drill | BuiltIn::Migrations));
        if production || database {
            assert!(skipped.contains(&step.id), "develop must not run {}", step.id);
        }
    }
}

#[test]
fn what_may_run_ahead_of_a_gate_holds_no_secret_and_stays_in_the_workspace() {
    for plan in [pipeline(), plan(SELF)] {
        for step in plan.steps() {
            let ahead = step.may_run_ahead();
            assert_eq!(ahead, step.touches == Touches::Workspace && step.uses.is_none());
            if ahead {
                let words = ["az", "kubectl", "push", "apply", "sign", "migrate"];
                assert!(!step.run.iter().any(|arg| words.contains(&arg.as_str())), "{}", step.id);
            }
        }
    }
}

#[test]
fn the_policy_has_the_documents_figures() {
    let policy = policy();
    assert_eq!(policy.monitor.duration_s, 300);
    assert_eq!(policy.monitor.error_ratio_max.get().to_bits(), 0.01_f64.to_bits());
    assert_eq!(policy.monitor.mean_ms_max.get().to_bits(), 2000.0_f64.to_bits());
    assert_eq!(policy.database.retention_days, 30);
    assert_eq!(policy.database.backup_max_age_s, 900);
    assert!(!policy.rollout.promote_unattended);
    let plan = pipeline();
    for step in policy.findings.steps.keys() {
        assert!(plan.step(step).is_some(), "the policy names {step}, which the plan lacks");
    }
    let gitleaks = StepId::new("code.gitleaks").expect("id");
    let low = policy.findings.limit(Which::All, &gitleaks, "gitleaks", Severity::Low);
    assert_eq!(low, Some(0));
    let k6 = StepId::new("validate.k6").expect("id");
    let keeps = |measure, number| {
        let bounds = policy.findings.bounds(&k6, "k6");
        bounds.iter().any(|held| held.measure == measure && held.bound.holds(number))
    };
    assert!(keeps(Measure::P95Ms, 500.0) && !keeps(Measure::P95Ms, 500.5));
    assert!(keeps(Measure::ErrorRatio, 0.001) && !keeps(Measure::ErrorRatio, 0.0011));
    assert!(keeps(Measure::LineCoveragePct, 80.0) && !keeps(Measure::LineCoveragePct, 79.9));
    assert!(keeps(Measure::Score, 0.0) && !keeps(Measure::Score, -1.0));
    assert!(!keeps(Measure::StatefulLost, 1.0) && !keeps(Measure::Destroyed, 1.0));
}

#[test]
fn no_shipped_limit_waits_for_a_report_that_no_step_writes() {
    let (plan, policy) = (pipeline(), policy());
    for measure in policy.findings.limits.measures.keys() {
        let format = match measure {
            Measure::Score => ReportFormat::KubesecJson,
            Measure::LineCoveragePct => ReportFormat::Lcov,
            Measure::Destroyed | Measure::StatefulLost => ReportFormat::TerraformPlan,
            Measure::P95Ms | Measure::ErrorRatio => ReportFormat::K6Summary,
            other => panic!("which of the plan's reports gives {other:?}?"),
        };
        let written = |step: &Step| step.report.as_ref().is_some_and(|r| r.format == format);
        assert!(plan.steps().any(written), "no step writes {format:?} for {measure:?}");
    }
    // What is applied in production was read, and judged, before somebody said go.
    let apply = plan.step(&StepId::new("production.terraform").expect("id")).expect("there");
    assert!(apply.needs.iter().any(|need| need.to_string() == "infrastructure.plan-read"));
}

#[test]
fn gonogo_can_release_itself() {
    let plan = plan(SELF);
    assert_eq!(plan.branch_rule("anything").map(|r| r.external), Some(true));
    assert!(plan.stages.last().is_some_and(|s| s.approval));
}

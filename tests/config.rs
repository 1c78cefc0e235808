//! The shipped configuration, and what an operator reads when their own is wrong.

use std::fs;
use std::path::Path;

use gonogo::config::{self, FileError, Layers};
use gonogo::release::{Plan, Policy};

/// The shipped policy with `text` on top, as `policy.yaml`.
fn policy(text: &str) -> Result<Policy, FileError> {
    let mut layers = config::policy()?;
    layers.add("policy.yaml", text.as_bytes())?;
    config::read_policy(&layers)
}

/// A plan of one file, `config/pipeline.yaml`: a head of four lines, then `stages`.
fn plan(stages: &str) -> Result<Plan, FileError> {
    let head = "name: shop\njobs: 2\nbranches: [{branch: main, until: code, external: true}]\n";
    let text = format!("{head}stages:\n{stages}");
    let layers = Layers::shipped("config/pipeline.yaml", &text)?;
    config::read_plan(&layers)
}

#[track_caller]
fn wrong<T>(read: Result<T, FileError>, expected: &str) {
    let error = read.err().expect("an error").to_string();
    assert_eq!(error, expected);
}

#[test]
fn the_shipped_files_are_complete_and_consistent() {
    let plan = config::read_plan(&config::pipeline().expect("YAML")).expect("a plan");
    assert_eq!(plan.stages.len(), 11);
    config::read_policy(&config::policy().expect("YAML")).expect("a policy");
    let own = fs::read_to_string(top().join("config/self.yaml")).expect("our own plan");
    let own = Layers::shipped("config/self.yaml", &own).expect("YAML");
    config::read_plan(&own).expect("our own plan");
}

#[test]
fn a_policy_overrides_single_fields_and_says_which() {
    let mut layers = config::policy().expect("YAML");
    layers.add("policy.yaml", b"monitor:\n  window_s: 30\nrollout: {ready_min: 3}\n").expect("own");
    layers.set("--duration", "monitor.duration_s", "600").expect("a flag");
    let policy = config::read_policy(&layers).expect("a policy");
    assert_eq!((policy.monitor.window_s, policy.monitor.duration_s), (30, 600));
    assert_eq!((policy.monitor.of_windows, policy.rollout.ready_min), (3, 3));
    let said = |key| layers.explain(key).expect("an effective value").to_string();
    assert_eq!(said("monitor.window_s"), "monitor.window_s = 30 (policy.yaml:2)");
    assert_eq!(said("monitor.duration_s"), "monitor.duration_s = 600 (--duration)");
    assert!(said("monitor.of_windows").contains("(config/policy.yaml (shipped):"));
}

#[test]
fn gates_for_a_step_or_a_tool_that_is_not_there_are_refused_with_the_nearest_one() {
    let plan = config::read_plan(&config::pipeline().expect("YAML")).expect("a plan");
    let names = |text: &str| {
        let mut layers = config::policy()?;
        layers.add("policy.yaml", text.as_bytes())?;
        config::check_names(&layers, &config::read_policy(&layers)?, &plan)
    };
    let of =
        |map: &str, name: &str| format!("findings:\n  {map}:\n    {name}: {{all: {{high: 1}}}}\n");
    for (map, name) in [
        ("steps", "build.trivy-backend"),
        ("steps", "code.gitleaks"),
        ("tools", "Trivy"),
        ("tools", "kube-bench"),
        // A program that the pipeline runs, whatever its report calls it.
        ("tools", "sonar-scanner"),
        ("tools", "helm"),
    ] {
        assert_eq!(names(&of(map, name)), Ok(()), "{name}");
    }
    wrong(
        names(&of("steps", "build.tirvy-backend")),
        "policy.yaml:3:5: findings.steps[\"build.tirvy-backend\"]: the pipeline has no step \
         `build.tirvy-backend`\n\
         \x20 3 |     build.tirvy-backend: {all: {high: 1}}\n\
         \x20   |     ^^^^^^^^^^^^^^^^^^^\n\
         help: did you mean `build.trivy-backend`?",
    );
    wrong(
        names(&of("tools", "tirvy")),
        "policy.yaml:3:5: findings.tools.tirvy: no tool `tirvy` is known, and no step of the \
         pipeline runs it\n\
         \x20 3 |     tirvy: {all: {high: 1}}\n\
         \x20   |     ^^^^^\n\
         help: did you mean `trivy`?; the limits of any other tool stand under its step",
    );
    // What the shipped policy names may be missing from somebody's plan.
    let small = "- {id: code, title: Code, steps: [{id: code.unit, title: Unit, run: [a]}]}\n";
    let small = self::plan(small).expect("a plan");
    let shipped = config::policy().expect("YAML");
    let read = config::read_policy(&shipped).expect("a policy");
    assert_eq!(config::check_names(&shipped, &read, &small), Ok(()));
}

#[test]
fn a_mistyped_limit_is_not_silently_the_default() {
    wrong(
        policy("monitor:\n  windows_s: 30\n"),
        "policy.yaml:2:3: monitor.windows_s: unknown field `windows_s`\n\
         \x20 2 |   windows_s: 30\n\
         \x20   |   ^^^^^^^^^\n\
         help: did you mean `window_s`?",
    );
    wrong(
        policy("findings:\n  limits: {all: {hihg: 0}}\n"),
        "policy.yaml:2:18: findings.limits.all.hihg: unknown value `hihg`\n\
         \x20 2 |   limits: {all: {hihg: 0}}\n\
         \x20   |                  ^^^^\n\
         help: did you mean `high`?",
    );
    wrong(
        policy("rollout:\n  after_rollback: undo\n"),
        "policy.yaml:2:19: rollout.after_rollback: unknown value `undo`\n\
         \x20 2 |   after_rollback: undo\n\
         \x20   |                   ^^^^\n\
         help: one of `keep`, `scale_down`",
    );
}

#[test]
fn a_waiver_that_lacks_something_is_refused_at_its_line() {
    let head = "findings:\n  waivers:\n    - rule: CVE-2023-45853\n";
    for (rest, place, message) in [
        ("      owner: mira\n      until: 2026-12-31\n", ":3:7:", "missing field `reason`"),
        ("      reason: r\n      until: 2026-12-31\n", ":3:7:", "missing field `owner`"),
        ("      reason: r\n      owner: mira\n", ":3:7:", "missing field `until`"),
        (
            "      reason: \"\"\n      owner: mira\n      until: 2026-12-31\n",
            ":4:15:",
            "a waiver needs a reason",
        ),
        ("      reason: r\n      owner: mira\n      until: soon\n", ":6:14:", "soon"),
    ] {
        let error = policy(&format!("{head}{rest}")).expect_err("refused").to_string();
        assert!(error.starts_with(&format!("policy.yaml{place}")), "{error}");
        assert!(error.contains(message), "{error}");
    }
    let all =
        "findings:\n  waivers:\n    - {tool: trivy, reason: r, owner: mira, until: 2026-12-31}\n";
    let error = policy(all).expect_err("refused").to_string();
    assert!(
        error.starts_with("policy.yaml:3:7: findings.waivers[0]: this waiver would"),
        "{error}"
    );
    let whole = format!("{head}      reason: r\n      owner: mira\n      until: 2026-12-31\n");
    assert_eq!(policy(&whole).expect("a policy").findings.waivers.len(), 1);
}

#[test]
fn f44_a_limit_that_is_no_number_is_refused() {
    wrong(
        policy("monitor: {error_ratio_max: .nan}\n"),
        "policy.yaml:1:28: monitor.error_ratio_max: the value is not a finite number\n\
         \x20 1 | monitor: {error_ratio_max: .nan}\n\
         \x20   |                            ^^^^",
    );
    wrong(
        policy("monitor:\n  error_ratio_max: 1%\n"),
        "policy.yaml:2:20: monitor.error_ratio_max: invalid type: string \"1%\", expected f64\n\
         \x20 2 |   error_ratio_max: 1%\n\
         \x20   |                    ^^\n\
         help: give a number, for example `error_ratio_max: 0.5`",
    );
    wrong(
        policy("retry_window_s: -1\n"),
        "policy.yaml:1:17: retry_window_s: invalid value: integer `-1`, expected u64\n\
         \x20 1 | retry_window_s: -1\n\
         \x20   |                 ^^",
    );
}

#[test]
fn t3_an_approver_of_look_alike_letters_is_refused() {
    // The first letter is Cyrillic.
    wrong(
        policy("approval:\n  approvers: [ops@example.com, \u{430}nna]\n"),
        "policy.yaml:2:32: approval.approvers[1]: person \"\u{430}nna\" is not 1 to 128 ASCII \
         letters, digits, '-', '_' or '.', without a leading '-'\n\
         \x20 2 |   approvers: [ops@example.com, \u{430}nna]\n\
         \x20   |                                ^^^^",
    );
}

#[test]
fn a_step_that_is_wrong_is_named_with_its_line() {
    wrong(
        plan(
            "- id: code\n  title: Code\n  steps:\n  - id: code.test\n    title: Test\n    \
              run: [npm, test]\n    timeout_s: soon\n",
        ),
        "config/pipeline.yaml:11:16: stages[0].steps[0].timeout_s: invalid type: string \"soon\", \
         expected u64\n\
         \x20 11 |     timeout_s: soon\n\
         \x20    |                ^^^^\n\
         help: give a whole number of seconds, for example `timeout_s: 600`",
    );
    wrong(
        plan("- id: code\n  title: Code\n  steps:\n  - id: code.test\n    run: [npm, test]\n"),
        "config/pipeline.yaml:8:5: stages[0].steps[0]: missing field `title`\n\
         \x20 8 |   - id: code.test\n\
         \x20   |     ^^\n\
         help: add `title: …`",
    );
    wrong(
        plan("- id: code\n  title: Code\n  steps: [{id: code.t, title: T, uses: deploy}]\n"),
        "config/pipeline.yaml:7:40: stages[0].steps[0].uses: unknown value `deploy`\n\
         \x20 7 |   steps: [{id: code.t, title: T, uses: deploy}]\n\
         \x20   |                                        ^^^^^^\n\
         help: did you mean `deploy-staging` or `deploy-preview`?",
    );
    wrong(
        plan("- id: code\n  title: Code\n  steps: [{id: code.t, title: T, run: npm test}]\n"),
        "config/pipeline.yaml:7:39: stages[0].steps[0].run: invalid type: string \"npm test\", \
         expected a list\n\
         \x20 7 |   steps: [{id: code.t, title: T, run: npm test}]\n\
         \x20   |                                       ^^^^^^^^\n\
         help: give a list, for example `run: [first, second]`",
    );
}

#[test]
fn a_plan_that_contradicts_itself_is_told_at_the_key() {
    wrong(
        plan(
            "- id: code\n  title: Code\n  steps:\n  - id: code.test\n    title: Test\n    \
              run: [npm, test]\n    needs: [code.build]\n",
        ),
        "config/pipeline.yaml:11:13: stages[0].steps[0].needs[0]: there is no step code.build\n\
         \x20 11 |     needs: [code.build]\n\
         \x20    |             ^^^^^^^^^^",
    );
    wrong(
        plan(
            "- id: code\n  title: Code\n  steps:\n  - id: build.test\n    title: Test\n    \
              run: [npm, test]\n",
        ),
        "config/pipeline.yaml:8:9: stages[0].steps[0].id: it must be code.<name>, to name its \
         stage\n\
         \x20 8 |   - id: build.test\n\
         \x20   |         ^^^^^^^^^^",
    );
}

#[test]
fn a_plan_cut_off_before_its_last_stage_is_never_taken_for_a_plan() {
    let text = config::PIPELINE;
    let last = text.rfind("\n  - id: ").expect("a last stage");
    for end in (0..last).step_by(97) {
        let Some(prefix) = text.get(..end) else { continue };
        let read = Layers::shipped("torn.yaml", prefix).and_then(|l| config::read_plan(&l));
        // A cut between two stages is YAML, but a branch rule names a stage that is gone.
        assert!(read.is_err(), "the first {end} bytes are taken for a whole plan");
    }
}

#[test]
fn the_schemas_beside_the_shipped_files_are_fresh() {
    #[expect(clippy::disallowed_methods, reason = "tests have no config to read it for them")]
    let renew = std::env::var_os("RENEW").is_some();
    for (name, fresh) in config::schemas() {
        let path = top().join("config/schema").join(name);
        if renew {
            fs::write(&path, &fresh).expect("a schema written");
        }
        let stored = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            stored == fresh,
            "config/schema/{name} is stale; renew it: RENEW=1 cargo test schemas"
        );
    }
    for text in [config::PIPELINE, config::POLICY] {
        let line = text.lines().next().expect("a first line");
        let named = line.split_once("$schema=schema/").expect("a schema line").1;
        assert!(config::schemas().iter().any(|(name, _)| *name == named), "{line}");
    }
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

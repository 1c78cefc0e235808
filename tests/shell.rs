//! Steps as real processes: hostile children, time limits, crashes of the engine. Nothing here
//! waits for time to pass, only for something to be so.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gonogo::release::Secret;
use gonogo::world::Clock;
use gonogo::world::logpipe::{LogFile, LogLimits, STDOUT};
use gonogo::world::shell::{
    Cause, Exit, PidFile, Running, SecretBy, Shell, ShellError, StepSecret, StepSeen, StepSpec,
    observe,
};

/// A release's directory with a workspace and one step.
struct Bench {
    root: tempfile::TempDir,
    shell: Shell,
}

impl Bench {
    fn new() -> Self {
        let exe = PathBuf::from(env!("CARGO_BIN_EXE_gonogo"));
        let root = tempfile::tempdir().expect("a directory");
        Self { root, shell: Shell::new(exe, Clock::live()) }
    }

    fn dir(&self) -> PathBuf {
        self.root.path().join("steps/one")
    }

    /// A step that runs `script` in a POSIX shell. The tests' own tools are shell lines; gonogo
    /// itself never builds one.
    fn spec(&self, script: &str) -> StepSpec {
        let argv = ["sh", "-c", script].map(str::to_owned).to_vec();
        let mut spec = StepSpec::new(self.dir(), self.root.path(), argv);
        spec.env = BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
        spec.timeout = Duration::from_secs(60);
        spec.grace = Duration::from_millis(300);
        spec
    }

    async fn run(&self, spec: StepSpec) -> Exit {
        let mut running = self.shell.start(spec).await.expect("started");
        running.wait().await.expect("ended")
    }

    fn log(&self) -> Vec<String> {
        let log = LogFile::open(&self.dir()).expect("a log");
        let lines = log.window(0, usize::MAX).expect("lines");
        lines.into_iter().map(|line| line.text.as_str().to_owned()).collect()
    }

    /// Waits until the log holds `text`.
    async fn logged(&self, text: &str) {
        until(|| self.log().iter().any(|line| line.contains(text))).await;
    }

    fn pid_file(&self) -> PidFile {
        match observe(&self.dir()) {
            StepSeen::Running(pid) | StepSeen::Gone(pid) => pid,
            seen => panic!("not running: {seen:?}"),
        }
    }

    /// How many processes bear the step's token.
    fn processes(&self) -> usize {
        let path = self.dir().join("pid.json");
        let pid: PidFile =
            serde_json::from_slice(&std::fs::read(path).expect("pid.json")).expect("JSON");
        bearing(&pid.token)
    }
}

fn bearing(token: &str) -> usize {
    let proc = std::fs::read_dir("/proc").expect("procfs").flatten();
    let environ = proc.filter_map(|entry| std::fs::read(entry.path().join("environ")).ok());
    environ.filter(|text| String::from_utf8_lossy(text).contains(token)).count()
}

/// Waits until `so`; a test that would wait forever fails instead.
async fn until(mut so: impl FnMut() -> bool) {
    let clock = Clock::live();
    for _ in 0..3000 {
        if so() {
            return;
        }
        clock.sleep(Duration::from_millis(10)).await;
    }
    panic!("it never came to be");
}

fn secret(name: &str, by: SecretBy, value: &str) -> StepSecret {
    let value = Secret::new(value.as_bytes()).expect("long enough");
    StepSecret { name: name.into(), by, value }
}

fn kill(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
}

#[tokio::test]
async fn a_step_leaves_log_and_exit() {
    let bench = Bench::new();
    let exit = bench.run(bench.spec("echo out; echo err >&2; exit 3")).await;
    assert_eq!(exit.cause, Cause::Exited { code: 3 });
    assert_eq!((exit.log.lines, exit.log.bytes, exit.leftovers), (2, 8, 0));
    assert!(exit.cpu_ms.is_some() && exit.log_error.is_none());
    let mut log = bench.log();
    log.sort();
    assert_eq!(log, ["err", "out"]);
    assert_eq!(observe(&bench.dir()), StepSeen::Exited(exit));
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(bench.dir()).expect("a directory").permissions(),
    );
    assert_eq!(mode & 0o777, 0o700, "T17");
}

#[tokio::test]
async fn a_second_run_does_not_see_the_first() {
    let bench = Bench::new();
    bench.run(bench.spec("echo first")).await;
    let exit = bench.run(bench.spec("echo second; exit 1")).await;
    assert_eq!(exit.cause, Cause::Exited { code: 1 });
    assert_eq!(bench.log(), ["second"]);
    assert!(bench.dir().join("log.before").exists());
}

#[tokio::test]
async fn t12_standard_output_is_kept_where_a_report_is_read_from_it_and_never_an_old_one() {
    let bench = Bench::new();
    let mut spec = bench.spec("printf '{\"a\": 1}'; echo progress >&2");
    spec.keep_stdout = true;
    bench.run(spec.clone()).await;
    let path = bench.dir().join(STDOUT);
    assert_eq!(std::fs::read(&path).expect("kept"), b"{\"a\": 1}");
    spec.argv = vec!["no-such-scanner".into()];
    bench.run(spec).await;
    assert!(!path.exists());
}

#[tokio::test]
async fn f58_what_cannot_start_says_what_to_do() {
    let bench = Bench::new();
    let mut spec = bench.spec("");
    spec.argv = vec!["no-such-scanner".into()];
    let Cause::NotStarted { error } = bench.run(spec.clone()).await.cause else { panic!("ran") };
    let text = error.as_str();
    assert!(text.contains("no-such-scanner") && text.contains("install it"), "{text}");
    std::fs::write(bench.root.path().join("plain"), "text").expect("written");
    spec.argv = vec!["./plain".into()];
    let Cause::NotStarted { error } = bench.run(spec.clone()).await.cause else { panic!("ran") };
    assert!(error.as_str().contains("chmod +x"), "{error}");
    spec.argv = vec!["true".into()];
    spec.cwd = bench.root.path().join("nowhere");
    let Cause::NotStarted { error } = bench.run(spec).await.cause else { panic!("ran") };
    assert!(error.as_str().contains("nowhere is missing"), "{error}");
}

#[tokio::test]
async fn f57_hostile_bytes_stay_out_of_the_log() {
    let bench = Bench::new();
    let script = r"printf 'nul\000 \377 \033[31mred\033[0m \033]0;title\007\342\200\256x\n'";
    bench.run(bench.spec(script)).await;
    assert_eq!(bench.log(), ["nul\\x00 \\xff red \\u{202e}x"]);
}

#[tokio::test]
async fn f57_a_flood_is_cut_and_bounded() {
    let bench = Bench::new();
    let mut spec =
        bench.spec("head -c 60000000 /dev/zero | tr '\\0' x; echo; yes line | head -n 900000");
    spec.log = LogLimits { head_bytes: 1 << 20, tail_bytes: 2 << 20 };
    let exit = bench.run(spec).await;
    assert_eq!(exit.log.lines, 900_001);
    assert!(exit.log.cut_bytes > 59_000_000 && exit.log.left_out_bytes > 10_000_000);
    let size = std::fs::metadata(bench.dir().join("log")).expect("a log").len();
    assert!(size < 4 << 20, "{size}");
    let log = bench.log();
    assert!(log[0].ends_with(" [+59.9 MB]"), "{}", &log[0][log[0].len() - 20..]);
    assert!(log.iter().any(|line| line.contains("left out")));
}

#[tokio::test]
async fn f57_a_flood_does_not_swell_the_shim() {
    let bench = Bench::new();
    let script =
        "head -c 300000000 /dev/zero | tr '\\0' x; yes | head -n 3000000; echo up; sleep 60";
    let mut running = bench.shell.start(bench.spec(script)).await.expect("started");
    bench.logged("up").await;
    let status = std::fs::read_to_string(format!("/proc/{}/status", bench.pid_file().pid));
    let status = status.expect("procfs");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    let kib: u64 = peak.trim().trim_end_matches(" kB").parse().expect("a number");
    assert!(kib < 64 * 1024, "{kib} KiB");
    running.cancel();
    running.wait().await.expect("ended");
}

#[tokio::test]
async fn f57_a_prompt_shows_before_its_line_ends() {
    let bench = Bench::new();
    let mut running =
        bench.shell.start(bench.spec("printf 'Sure? '; sleep 60")).await.expect("started");
    bench.logged("Sure? ").await;
    running.cancel();
    assert_eq!(running.wait().await.expect("ended").cause, Cause::Cancelled);
}

#[tokio::test]
async fn t4_a_child_has_no_terminal_no_input_and_no_descriptors() {
    let bench = Bench::new();
    let script = "(exec 3</dev/tty) 2>/dev/null && echo tty; cat; ls -l /proc/self/fd | sed 1d";
    bench.run(bench.spec(script)).await;
    let log = bench.log();
    assert!(!log.iter().any(|line| line == "tty"), "{log:?}");
    // ls has its own directory open besides the three.
    assert_eq!(log.len(), 4, "{log:?}");
    assert!(log[0].ends_with("/dev/null"), "{log:?}");
}

#[tokio::test]
async fn f56_a_child_that_ignores_the_end_is_killed_in_time() {
    let bench = Bench::new();
    let mut spec = bench.spec("trap '' TERM; echo up; while :; do sleep 1; done");
    spec.timeout = Duration::from_millis(400);
    let exit = bench.run(spec).await;
    assert_eq!(exit.cause, Cause::TimedOut);
    let lasted = exit.ended.boot_ms - exit.started.boot_ms;
    assert!((700..5000).contains(&lasted), "{lasted}");
    until(|| bench.processes() == 0).await;
}

#[tokio::test]
async fn f56_a_child_that_minds_the_end_may_clean_up() {
    let bench = Bench::new();
    let mut spec = bench.spec("trap 'echo cleaned; exit 7' TERM; echo up; sleep 60 & wait");
    spec.grace = Duration::from_secs(30);
    let mut running = bench.shell.start(spec).await.expect("started");
    bench.logged("up").await;
    running.cancel();
    running.cancel();
    assert_eq!(running.wait().await.expect("ended").cause, Cause::Cancelled);
    assert_eq!(bench.log(), ["up", "cleaned"]);
}

#[tokio::test]
async fn f56_what_forks_away_and_keeps_the_pipe_does_not_outlive_the_step() {
    let bench = Bench::new();
    let script =
        "(trap '' TERM HUP; setsid sh -c 'trap \"\" TERM; while :; do sleep 1; done' &) & exit 0";
    let exit = bench.run(bench.spec(script)).await;
    assert_eq!(exit.cause, Cause::Exited { code: 0 });
    assert!(exit.leftovers >= 1, "{exit:?}");
    assert_eq!(bench.processes(), 0);
}

#[tokio::test]
async fn f55_a_step_goes_on_without_its_engine_and_is_taken_up() {
    let bench = Bench::new();
    let spec = bench.spec("echo up; until [ -e go ]; do sleep 0.05; done; echo done; exit 5");
    let running: Running = bench.shell.start(spec.clone()).await.expect("started");
    drop(running);
    bench.logged("up").await;
    assert!(matches!(bench.shell.start(spec).await, Err(ShellError::StillRunning { .. })));
    let mut adopted = bench.shell.adopt(&bench.dir()).expect("taken up");
    std::fs::write(bench.root.path().join("go"), "").expect("written");
    assert_eq!(adopted.wait().await.expect("ended").cause, Cause::Exited { code: 5 });
    let mut again = bench.shell.adopt(&bench.dir()).expect("taken up");
    assert_eq!(again.wait().await.expect("ended").cause, Cause::Exited { code: 5 });
}

#[tokio::test]
async fn f55_ending_a_taken_up_step_leaves_nobody() {
    let bench = Bench::new();
    let script = "trap '' TERM; echo up; (setsid sleep 600 &); while :; do sleep 1; done";
    drop(bench.shell.start(bench.spec(script)).await.expect("started"));
    bench.logged("up").await;
    bench.shell.end(&bench.dir()).await.expect("ended");
    assert_eq!(bench.processes(), 0);
    let StepSeen::Exited(exit) = observe(&bench.dir()) else { panic!("no exit") };
    assert_eq!(exit.cause, Cause::Cancelled);
}

#[tokio::test]
async fn f55_a_killed_shim_is_lost_and_its_command_can_be_ended() {
    let bench = Bench::new();
    let script = "echo up; (setsid sleep 600 &); sleep 600";
    let mut running = bench.shell.start(bench.spec(script)).await.expect("started");
    bench.logged("up").await;
    until(|| bench.processes() >= 2).await;
    kill(bench.pid_file().pid);
    assert!(matches!(running.wait().await, Err(ShellError::Lost { .. })));
    assert!(matches!(observe(&bench.dir()), StepSeen::Gone(_)));
    assert!(bench.processes() >= 2);
    bench.shell.end(&bench.dir()).await.expect("ended");
    assert_eq!(bench.processes(), 0);
}

#[tokio::test]
async fn f55_an_engine_that_dies_before_go_starts_nothing() {
    use std::io::Write as _;
    let bench = Bench::new();
    // A shim whose engine is gone before it has said everything.
    #[expect(clippy::disallowed_methods, reason = "plays an engine that dies in between")]
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_gonogo"))
        .arg("step-shim")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("spawned");
    let header = serde_json::json!({
        "dir": bench.dir(), "argv": ["touch", "started"], "cwd": bench.root.path(),
        "env": {"PATH": "/usr/bin:/bin"}, "secrets": [], "timeout_ms": 1000, "grace_ms": 10,
        "log": {"head_bytes": 1000, "tail_bytes": 1000}, "keep_stdout": false,
    });
    let header = serde_json::to_vec(&header).expect("JSON");
    let length = u32::try_from(header.len()).expect("small").to_be_bytes();
    std::fs::create_dir_all(bench.dir()).expect("made");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(&length).expect("written");
    stdin.write_all(&header).expect("written");
    drop(stdin);
    child.wait().expect("ended");
    assert_eq!(observe(&bench.dir()), StepSeen::NotStarted, "a later engine starts it");
    assert!(!bench.root.path().join("started").exists());
}

#[tokio::test]
async fn t5_a_secret_reaches_the_command_and_nothing_else() {
    let bench = Bench::new();
    let mut spec = bench.spec(
        "wc -c < \"$FILE\"; stat -L -c %a \"$FILE\"; \
         echo \"$TOKEN\" | base64; echo \"$TOKEN\"; echo up; until [ -e go ]; do sleep 0.05; done",
    );
    spec.secrets = vec![
        secret("FILE", SecretBy::File, "canary-in-a-file"),
        secret("TOKEN", SecretBy::Env, "canary-in-env"),
        secret("OTHER", SecretBy::Mask, "canary-masked"),
    ];
    let mut running = bench.shell.start(spec).await.expect("started");
    bench.logged("up").await;
    // The shim's memory is closed, so its environment cannot be read; all command lines can.
    for entry in std::fs::read_dir("/proc").expect("procfs").flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        assert!(!line.contains("canary-in"), "{line}");
    }
    std::fs::write(bench.root.path().join("go"), "").expect("written");
    let exit = running.wait().await.expect("ended");
    assert_eq!(exit.log.masked, 2);
    let log = bench.log();
    assert_eq!(log[..2], ["16", "600"], "{log:?}");
    assert!(log[2].starts_with("•••"), "{log:?}");
    assert_eq!(log[3..], ["•••", "up"], "{log:?}");
    assert_no_canary(bench.root.path());
}

/// No file under `dir` holds a canary, in whatever form.
fn assert_no_canary(dir: &Path) {
    for entry in std::fs::read_dir(dir).expect("listed").flatten() {
        if entry.path().is_dir() {
            assert_no_canary(&entry.path());
            continue;
        }
        let text = std::fs::read(entry.path()).expect("read");
        let text = String::from_utf8_lossy(&text);
        assert!(
            !text.contains("canary") && !text.contains("Y2FuYXJ5"),
            "{}",
            entry.path().display()
        );
    }
}

#[tokio::test]
async fn t6_arguments_are_never_read_by_a_shell() {
    let bench = Bench::new();
    let mut spec = bench.spec("");
    let hostile = ["$(touch pwned)", "; touch pwned", "--flag=`touch pwned`", "a\nb", ""];
    spec.argv = ["printf", "<%s>"].into_iter().chain(hostile).map(str::to_owned).collect();
    bench.run(spec).await;
    let text = bench.log().join("\n");
    assert_eq!(text, format!("<{}>", hostile.join("><")));
    assert!(!bench.root.path().join("pwned").exists());
}

//! A repository with a plan, a state directory, and the real program in front of them.

use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use gonogo::world::Clock;
use rustix::process::{Pid, Signal, kill_process};

/// Longer than anything here takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_millis(1);

/// Two stages and a gate. Every command leaves its name in `effects`, so that none runs twice
/// unseen, and waits there where a test wants it to. `build` may be done ahead; the rest may not.
const PLAN: &str = "\
name: toy
jobs: 2
branches:
  - {branch: main, until: after, external: true}
stages:
  - id: build
    title: Build
    steps:
      - {id: build.one, title: One, run: [sh, -c, STEP], touches: workspace}
      - {id: build.two, title: Two, run: [sh, -c, STEP], needs: [build.one]}
  - id: go
    title: Go or no-go
    approval: true
    steps:
      - {id: go.last, title: Last, run: [sh, -c, STEP]}
  - id: after
    title: After
    steps:
      - {id: after.end, title: End, run: [sh, -c, STEP]}
";

/// One repository and one state directory. Whatever still runs there ends with it.
pub(super) struct Bench {
    root: tempfile::TempDir,
    clock: Clock,
}

impl Bench {
    /// A repository whose one commit holds the plan above.
    pub(super) async fn new() -> Self {
        let root = tempfile::tempdir().expect("a folder");
        let bench = Self { root, clock: Clock::live() };
        std::fs::create_dir_all(bench.repository().join("config")).expect("made");
        bench.git(&["init", "-q", "-b", "main"]).await;
        bench.plan(&bench.shop()).await;
        bench
    }

    /// The plan above, with commands that leave their names in this bench's `effects`.
    pub(super) fn shop(&self) -> String {
        let mut plan = String::new();
        for line in PLAN.lines() {
            let id = line.split("{id: ").nth(1).and_then(|rest| rest.split(',').next());
            let step = id.map_or(String::new(), |id| self.step(id));
            let _ = writeln!(plan, "{}", line.replace("STEP", &step));
        }
        plan
    }

    /// A command that says that it began, waits while `hold.<name>` is there, and says its end.
    fn step(&self, id: &str) -> String {
        let at = |name: &str| self.path(name).display().to_string();
        let (effects, hold) = (at("effects"), at(&format!("hold.{id}")));
        format!(
            "'echo {id} >> {effects}; while [ -e {hold} ]; do sleep 0.02; done; sleep 0.02; \
             echo {id}'"
        )
    }

    /// Commits a plan.
    pub(super) async fn plan(&self, text: &str) {
        std::fs::write(self.repository().join("config/pipeline.yaml"), text).expect("written");
        self.git(&["add", "-A"]).await;
        self.git(&["commit", "-q", "--allow-empty", "-m", "plan"]).await;
    }

    pub(super) async fn git(&self, arguments: &[&str]) {
        let mut argv = vec!["-c", "user.name=T", "-c", "user.email=t@example.invalid"];
        argv.extend(arguments);
        let said = self.spawn("git", &argv).ends().await;
        assert_eq!(said.code, Some(0), "{}", said.err);
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(super) fn repository(&self) -> PathBuf {
        self.path("repository")
    }

    /// Keeps the command of a step from ending; [`Bench::let_go`] ends that.
    pub(super) fn hold(&self, id: &str) {
        std::fs::write(self.path(&format!("hold.{id}")), "").expect("written");
    }

    pub(super) fn let_go(&self, id: &str) {
        std::fs::remove_file(self.path(&format!("hold.{id}"))).expect("held");
    }

    /// The names of the steps whose commands ran, in their order.
    pub(super) fn effects(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("effects")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Starts gonogo in the repository, outside a terminal.
    pub(super) fn start(&self, arguments: &[&str]) -> Client {
        self.spawn(env!("CARGO_BIN_EXE_gonogo"), arguments)
    }

    /// Runs gonogo to its end.
    pub(super) async fn gonogo(&self, arguments: &[&str]) -> Said {
        self.start(arguments).ends().await
    }

    fn spawn(&self, program: &str, arguments: &[&str]) -> Client {
        let name = format!("out.{}", fastrand::u64(..));
        let (out, err) = (self.path(&name), self.path(&format!("{name}.err")));
        let file = |path: &Path| File::create(path).expect("a file");
        #[expect(clippy::disallowed_methods, reason = "the program under test, as a shell does it")]
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.repository()).env_clear();
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", self.root.path());
        command.env("GONOGO_STATE_DIR", self.path("state"));
        command.env("GONOGO_CONFIG_DIR", self.path("config"));
        command.stdin(Stdio::null()).stdout(file(&out)).stderr(file(&err));
        let child = command.spawn().expect("started");
        Client { child, out, err, clock: self.clock.clone() }
    }

    /// The one release that there is, once there is one.
    pub(super) async fn release(&self) -> String {
        let folder = self.path("state/releases");
        let first = || std::fs::read_dir(&folder).ok()?.flatten().next();
        self.until("a release", || first().is_some()).await;
        let name = first().expect("a release").file_name();
        name.into_string().expect("UTF-8")
    }

    pub(super) fn journal(&self, release: &str) -> Vec<u8> {
        let path = self.path("state/releases").join(release).join("journal.jsonl");
        let bytes = std::fs::read(path).unwrap_or_default();
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        bytes[..whole].to_vec()
    }

    /// How many whole records the journal holds.
    pub(super) fn records(&self, release: &str) -> usize {
        memchr::memchr_iter(b'\n', &self.journal(release)).count()
    }

    pub(super) fn has(&self, release: &str, kind: &str) -> bool {
        let kind = format!("\"kind\":\"{kind}\"");
        String::from_utf8_lossy(&self.journal(release)).contains(&kind)
    }

    pub(super) async fn gate_opens(&self, release: &str) {
        self.until("an open gate", || self.has(release, "gate_opened")).await;
    }

    /// The processes of this bench: its path stands in their arguments or their environment.
    pub(super) fn processes(&self) -> Vec<i32> {
        let root = self.root.path().display().to_string();
        let proc = std::fs::read_dir("/proc").expect("procfs").flatten();
        let pids = proc.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let own = |pid: &i32| {
            ["cmdline", "environ"].iter().any(|name| {
                let text = std::fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
                String::from_utf8_lossy(&text).contains(&root)
            })
        };
        pids.filter(own).collect()
    }

    /// The process of a release's engine.
    pub(super) fn engine(&self, release: &str) -> Option<i32> {
        let folder = self.path("state/releases").join(release).display().to_string();
        self.processes().into_iter().find(|pid| {
            let text = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            let mut words = text.split('\0');
            words.any(|word| word == "engine") && words.next() == Some(folder.as_str())
        })
    }

    /// The process of a release's engine, once there is one. Looked at once: a process that is
    /// just becoming another program has no arguments for a moment.
    pub(super) async fn an_engine(&self, release: &str) -> i32 {
        let mut engine = None;
        let mut look = || {
            engine = self.engine(release);
            engine.is_some()
        };
        self.until("an engine", &mut look).await;
        engine.expect("an engine")
    }

    /// kill -9.
    pub(super) async fn kill(&self, pid: i32) {
        signal(pid, Signal::KILL);
        self.until("it is dead", || !self.processes().contains(&pid)).await;
    }

    pub(super) async fn nobody_is_left(&self) {
        self.until("nobody is left", || self.processes().is_empty()).await;
    }

    /// What everybody said so far.
    fn all_said(&self) -> String {
        let files = std::fs::read_dir(self.root.path()).expect("a folder").flatten();
        let of_gonogo = |name: &str| name.starts_with("out.");
        let files = files.filter(|file| file.file_name().to_str().is_some_and(of_gonogo));
        let texts = files.map(|file| std::fs::read_to_string(file.path()).unwrap_or_default());
        texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join("---\n")
    }

    /// Waits until `so`; a test that would wait forever fails instead.
    pub(super) async fn until(&self, what: &str, so: impl FnMut() -> bool) {
        until(&self.clock, so).await.unwrap_or_else(|| {
            let (effects, said) = (self.effects(), self.all_said());
            panic!("{what}: never came to be; effects {effects:?}; said:\n{said}");
        });
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        for pid in self.processes() {
            signal(pid, Signal::KILL);
        }
    }
}

fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        // It may have ended by itself.
        let _ = kill_process(pid, signal);
    }
}

async fn until(clock: &Clock, mut so: impl FnMut() -> bool) -> Option<()> {
    let wait = async {
        while !so() {
            clock.sleep(LOOK).await;
        }
    };
    clock.within(DEADLINE, wait).await
}

/// A gonogo that runs.
pub(super) struct Client {
    child: Child,
    out: PathBuf,
    err: PathBuf,
    clock: Clock,
}

/// What a gonogo that has ended said.
#[derive(Debug)]
pub(super) struct Said {
    /// None when a signal ended it.
    pub(super) code: Option<i32>,
    pub(super) out: String,
    pub(super) err: String,
}

impl Said {
    /// Fails unless it ended with `code` and one of its two streams holds all `words`.
    pub(super) fn must(&self, code: i32, words: &[&str]) -> &Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        for word in words {
            assert!(self.out.contains(word) || self.err.contains(word), "{word:?}: {self:#?}");
        }
        self
    }
}

impl Client {
    pub(super) fn printed(&self) -> String {
        std::fs::read_to_string(&self.out).unwrap_or_default()
    }

    /// Waits until it has printed `text`.
    pub(super) async fn prints(&self, text: &str) {
        let printed = until(&self.clock, || self.printed().contains(text)).await;
        let err = || std::fs::read_to_string(&self.err).unwrap_or_default();
        assert!(printed.is_some(), "{text:?} never came: {} {}", self.printed(), err());
    }

    /// Waits until it has said `text` on its error stream.
    pub(super) async fn complains(&self, text: &str) {
        let err = || std::fs::read_to_string(&self.err).unwrap_or_default();
        let said = until(&self.clock, || err().contains(text)).await;
        assert!(said.is_some(), "{text:?} was never said: {}", err());
    }

    pub(super) fn signal(&self, which: Signal) {
        signal(i32::try_from(self.child.id()).expect("a pid"), which);
    }

    pub(super) async fn ends(mut self) -> Said {
        let mut status = None;
        let ended = until(&self.clock, || {
            status = self.child.try_wait().expect("waited");
            status.is_some()
        });
        let ended = ended.await;
        let read = |path: &Path| std::fs::read_to_string(path).expect("UTF-8");
        let (out, err) = (read(&self.out), read(&self.err));
        assert!(ended.is_some(), "it never ended: {out} {err}");
        Said { code: status.and_then(|status| status.code()), out, err }
    }
}

//! Worktrees of a real repository in a temporary directory.

use std::path::{Path, PathBuf};

use gonogo::release::Revision;
use gonogo::world::Clock;
use gonogo::world::shell::{Capture, CaptureError, Shell, clean_env};
use gonogo::world::workspace::{GitError, Workspace};

struct Repository {
    root: tempfile::TempDir,
    shell: Shell,
    workspace: Workspace,
}

impl Repository {
    async fn new() -> Self {
        let root = tempfile::tempdir().expect("a directory");
        let shell = Shell::new(PathBuf::from(env!("CARGO_BIN_EXE_gonogo")), Clock::live());
        let path = ("PATH".to_owned(), "/usr/bin:/bin".to_owned());
        let home = ("HOME".to_owned(), root.path().display().to_string());
        let workspace = Workspace::new(shell.clone(), clean_env([path, home], []));
        let repository = Self { root, shell, workspace };
        std::fs::create_dir(repository.path()).expect("made");
        repository.git(&["init", "-q", "-b", "main"]).await;
        repository.commit("a.txt", "one").await;
        repository
    }

    fn path(&self) -> PathBuf {
        self.root.path().join("repo")
    }

    fn tree(&self) -> PathBuf {
        self.root.path().join("releases/r-1/tree")
    }

    async fn git(&self, arguments: &[&str]) {
        let argv = ["git", "-c", "user.name=T", "-c", "user.email=t@example.invalid"];
        let argv = argv.iter().chain(arguments).map(|a| (*a).to_owned()).collect();
        let out = self.shell.capture(Capture::new(self.path(), argv)).await.expect("git");
        assert_eq!(out.code, Some(0), "{}", String::from_utf8_lossy(&out.stderr));
    }

    async fn commit(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).expect("written");
        self.git(&["add", "-A"]).await;
        self.git(&["commit", "-q", "-m", text]).await;
    }

    async fn check_out(&self, revision: &Revision) {
        let checked = self.workspace.check_out(&self.path(), revision, &self.tree()).await;
        checked.expect("checked out");
    }

    fn read(&self) -> String {
        std::fs::read_to_string(self.tree().join("a.txt")).unwrap_or_default()
    }
}

#[tokio::test]
async fn a_worktree_holds_exactly_its_revision_and_is_made_once() {
    let repository = Repository::new().await;
    let (repo, workspace) = (repository.path(), &repository.workspace);
    let first = workspace.head(&repo).await.expect("a head");
    assert_eq!(first.branch.as_ref().map(gonogo::release::Clean::as_str), Some("main"));
    repository.commit("a.txt", "two").await;
    let hook = repo.join(".git/hooks/post-checkout");
    std::fs::write(&hook, "#!/bin/sh\ntouch \"$HOME/hooked\"\n").expect("written");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&hook, executable).expect("set");
    repository.check_out(&first.revision).await;
    assert_eq!(repository.read(), "one");
    assert!(!repository.root.path().join("hooked").exists(), "no hook runs");
    // What steps made there stays when the engine comes again.
    std::fs::write(repository.tree().join("report.json"), "{}").expect("written");
    repository.check_out(&first.revision).await;
    assert!(repository.tree().join("report.json").exists());
    // Another revision is another tree.
    let second = workspace.resolve(&repo, "main").await.expect("a revision");
    repository.check_out(&second).await;
    assert_eq!(repository.read(), "two");
    assert!(!repository.tree().join("report.json").exists());
    assert_eq!(workspace.read_file(&repo, &first.revision, "a.txt").await.expect("read"), b"one");
    workspace.remove(&repo, &repository.tree()).await.expect("removed");
    workspace.remove(&repo, &repository.tree()).await.expect("removed again");
    assert!(!repository.tree().exists());
}

#[tokio::test]
async fn f55_a_half_made_worktree_is_made_anew() {
    let repository = Repository::new().await;
    let revision = repository.workspace.head(&repository.path()).await.expect("a head").revision;
    repository.check_out(&revision).await;
    // As if git had been killed in the middle: files missing, still locked, never marked ready.
    let admin = repository.path().join(".git/worktrees/tree");
    std::fs::remove_file(admin.join("gonogo-ready")).expect("removed");
    std::fs::write(admin.join("locked"), "initializing").expect("written");
    std::fs::remove_file(repository.tree().join("a.txt")).expect("removed");
    repository.check_out(&revision).await;
    assert_eq!(repository.read(), "one");
    // Somebody removed the directory by hand.
    std::fs::remove_dir_all(repository.tree()).expect("removed");
    repository.check_out(&revision).await;
    assert_eq!(repository.read(), "one");
    // A directory that is no worktree at all stands in the way.
    std::fs::remove_dir_all(repository.tree()).expect("removed");
    std::fs::create_dir_all(repository.tree().join("stuff")).expect("made");
    repository.check_out(&revision).await;
    assert_eq!(repository.read(), "one");
}

#[tokio::test]
async fn a_dirty_tree_is_refused_by_its_paths() {
    let repository = Repository::new().await;
    let repo = repository.path();
    std::fs::write(repo.join("a.txt"), "changed").expect("written");
    std::fs::write(repo.join("new file"), "new").expect("written");
    let head = repository.workspace.head(&repo).await.expect("a head");
    let error = head.require_clean(&repo).expect_err("dirty").to_string();
    assert!(error.contains("2 in all: a.txt, new file"), "{error}");
    repository.git(&["add", "-A"]).await;
    repository.git(&["mv", "new file", "moved"]).await;
    repository.git(&["stash", "-q"]).await;
    repository.git(&["checkout", "-q", "--detach"]).await;
    let head = repository.workspace.head(&repo).await.expect("a head");
    assert_eq!((head.branch.clone(), head.dirty.len()), (None, 0));
    head.require_clean(&repo).expect("clean");
}

#[tokio::test]
async fn t6_errors_name_the_repository_and_the_remedy() {
    let repository = Repository::new().await;
    let (repo, workspace) = (repository.path(), &repository.workspace);
    let outside = repository.root.path();
    let error = workspace.head(outside).await.expect_err("no repository");
    assert!(matches!(error, GitError::NotARepository { .. }), "{error}");
    let error = workspace.head(Path::new("/no/such/place")).await.expect_err("no directory");
    assert!(matches!(error, GitError::NotARepository { .. }), "{error}");
    for name in ["nope", "--upload-pack=touch pwned", "-h", "", "a\nb"] {
        let error = workspace.resolve(&repo, name).await.expect_err("unknown");
        assert!(matches!(error, GitError::UnknownName { .. }), "{name}: {error}");
    }
    let revision = workspace.resolve(&repo, "main").await.expect("a revision");
    let error = workspace.read_file(&repo, &revision, "no.txt").await.expect_err("no file");
    assert!(error.to_string().contains("no.txt"), "{error}");
    std::fs::create_dir(repository.root.path().join("empty")).expect("made");
    let missing = Capture::new(&repo, vec!["no-such-tool".into()]);
    let error = repository.shell.capture(missing).await.expect_err("missing").to_string();
    assert!(error.contains("install it"), "{error}");
}

#[tokio::test]
async fn t4_a_short_command_has_limits_and_no_terminal() {
    let repository = Repository::new().await;
    let ask = |script: &str| {
        let argv = ["sh", "-c", script].map(str::to_owned).to_vec();
        Capture { env: clean_env([], []), ..Capture::new(repository.path(), argv) }
    };
    let shell = &repository.shell;
    let mut echo = ask("cat; (exec 3</dev/tty) 2>/dev/null && echo tty; exit 4");
    echo.stdin = b"hello".to_vec();
    let out = shell.capture(echo).await.expect("ran");
    assert_eq!((out.code, out.stdout.as_slice()), (Some(4), &b"hello"[..]));
    let mut flood = ask("yes");
    flood.bytes_max = 1000;
    assert!(matches!(shell.capture(flood).await, Err(CaptureError::TooMuch { .. })));
    let mut slow = ask("sleep 600");
    slow.timeout = std::time::Duration::from_millis(50);
    assert!(matches!(shell.capture(slow).await, Err(CaptureError::TimedOut { .. })));
}

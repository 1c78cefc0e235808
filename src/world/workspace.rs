//! The revision under release as files: a git worktree of its own for each release.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::shell::{Capture, CaptureError, Captured, Shell};
use crate::release::{Clean, Revision};

/// Paths of a dirty tree that are named.
const DIRTY_NAMED: usize = 5;
/// The file in a worktree's administrative directory that says its checkout was completed.
const READY: &str = "gonogo-ready";
/// Checking out a large repository may take long.
const CHECK_OUT: Duration = Duration::from_secs(600);

/// Why a repository could not be read or checked out.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    #[error("read {}: it is not a git repository; run gonogo in one, or git init", repo.display())]
    NotARepository { repo: PathBuf },
    #[error("read {}: it has no commit yet; commit something first", repo.display())]
    NoCommit { repo: PathBuf },
    #[error(
        "find {name} in {}: no branch, tag or commit has that name; git fetch, or check its \
         spelling",
        repo.display()
    )]
    UnknownName { repo: PathBuf, name: Clean },
    #[error("read {path} of {revision} in {}: there is no such file", repo.display())]
    NoFile { repo: PathBuf, revision: Revision, path: Clean },
    #[error(
        "release {}: not everything is committed, {count} in all: {first}; commit or stash it",
        repo.display()
    )]
    Dirty { repo: PathBuf, count: usize, first: Clean },
    #[error("{what} {}: git says: {said}", repo.display())]
    Refused { what: &'static str, repo: PathBuf, said: Clean },
    #[error("use {}: {source}", path.display())]
    Files { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Git(#[from] CaptureError),
}

/// Where a repository stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub revision: Revision,
    /// None when no branch is checked out.
    pub branch: Option<Clean>,
    /// Paths that differ from the revision or are not in it, without ignored ones.
    pub dirty: Vec<Clean>,
}

impl Head {
    /// Refuses a tree that holds what its revision does not: `main` and `develop` are released
    /// as they are committed.
    pub fn require_clean(&self, repo: &Path) -> Result<(), GitError> {
        if self.dirty.is_empty() {
            return Ok(());
        }
        let count = self.dirty.len();
        let named: Vec<&str> = self.dirty.iter().take(DIRTY_NAMED).map(Clean::as_str).collect();
        let more = if count > DIRTY_NAMED { ", …" } else { "" };
        let first = Clean::new(&format!("{}{more}", named.join(", ")));
        Err(GitError::Dirty { repo: repo.to_owned(), count, first })
    }
}

/// Reads repositories and makes worktrees. No hook of a repository ever runs, and git asks nobody.
#[derive(Clone)]
pub struct Workspace {
    shell: Shell,
    env: BTreeMap<String, String>,
}

impl Workspace {
    /// `env` is the environment of [`super::shell::clean_env`].
    pub fn new(shell: Shell, mut env: BTreeMap<String, String>) -> Self {
        let fixed = [
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_OPTIONAL_LOCKS", "0"),
            ("GIT_SSH_COMMAND", "ssh -oBatchMode=yes"),
            ("LC_ALL", "C"),
        ];
        env.extend(fixed.map(|(name, value)| (name.to_owned(), value.to_owned())));
        Self { shell, env }
    }

    /// Where `repo` stands: revision, branch, uncommitted paths.
    pub async fn head(&self, repo: &Path) -> Result<Head, GitError> {
        let asked = ["status", "--porcelain=v2", "--branch", "-z", "--untracked-files=normal"];
        let out = self.good("read the state of", repo, &asked).await?;
        let (mut revision, mut branch, mut dirty) = (None, None, Vec::new());
        let mut entries = out.split(|byte| *byte == 0).filter(|entry| !entry.is_empty());
        while let Some(entry) = entries.next() {
            let text = String::from_utf8_lossy(entry);
            if let Some(oid) = text.strip_prefix("# branch.oid ") {
                revision = Revision::new(oid).ok();
            } else if let Some(name) = text.strip_prefix("# branch.head ") {
                branch = (name != "(detached)").then(|| Clean::new(name));
            } else if let Some(path) = dirty_path(&text) {
                dirty.push(Clean::new(path));
                if text.starts_with("2 ") {
                    // A renamed file is followed by its old name.
                    entries.next();
                }
            }
        }
        let revision = revision.ok_or_else(|| GitError::NoCommit { repo: repo.to_owned() })?;
        Ok(Head { revision, branch, dirty })
    }

    /// The commit that `name` stands for: a branch, a tag, an abbreviated or whole commit id.
    pub async fn resolve(&self, repo: &Path, name: &str) -> Result<Revision, GitError> {
        let unknown = || GitError::UnknownName { repo: repo.to_owned(), name: Clean::new(name) };
        // Nothing that git could read as an option (threat T6).
        if name.is_empty() || name.starts_with('-') || name.chars().any(char::is_control) {
            return Err(unknown());
        }
        let commit = format!("{name}^{{commit}}");
        let out = self.git(repo, &["rev-parse", "--verify", "--quiet", &commit]).await?;
        if out.code != Some(0) {
            self.require_repository(repo, &out).await?;
            return Err(unknown());
        }
        Revision::new(String::from_utf8_lossy(&out.stdout).trim()).map_err(|_| unknown())
    }

    /// The bytes of the file at `path` in `revision`.
    pub async fn read_file(
        &self,
        repo: &Path,
        revision: &Revision,
        path: &str,
    ) -> Result<Vec<u8>, GitError> {
        let file = format!("{revision}:{path}");
        let out = self.git(repo, &["cat-file", "blob", &file]).await?;
        if out.code == Some(0) {
            return Ok(out.stdout);
        }
        self.require_repository(repo, &out).await?;
        self.resolve(repo, revision.as_str()).await?;
        let (repo, revision) = (repo.to_owned(), revision.clone());
        Err(GitError::NoFile { repo, revision, path: Clean::new(path) })
    }

    /// Makes `dir` a worktree of `repo` at exactly `revision`.
    ///
    /// One that was completed at that revision is left as it is, with what steps made in it; one
    /// that a crash left half-made, or of another revision, is made anew.
    pub async fn check_out(
        &self,
        repo: &Path,
        revision: &Revision,
        dir: &Path,
    ) -> Result<(), GitError> {
        let revision = self.resolve(repo, revision.as_str()).await?;
        if self.is_complete(&revision, dir).await? {
            return Ok(());
        }
        self.remove(repo, dir).await?;
        let files = |source| GitError::Files { path: dir.to_owned(), source };
        if let Some(parent) = dir.parent() {
            std::fs::create_dir_all(parent).map_err(files)?;
        }
        let place = text(dir)?;
        let add = ["worktree", "add", "--force", "--detach", "--", place, revision.as_str()];
        self.good("check out a revision of", repo, &add).await?;
        let admin = self.admin(dir).await?;
        let ready = admin.map(|admin| std::fs::write(admin.join(READY), revision.as_str()));
        ready.unwrap_or(Ok(())).map_err(files)
    }

    /// Takes the worktree at `dir` away, with all that steps left in it, and forgets worktrees
    /// whose directories are gone. One that is not there is no error.
    pub async fn remove(&self, repo: &Path, dir: &Path) -> Result<(), GitError> {
        // Twice: also one that is locked because its making was interrupted.
        let remove = ["worktree", "remove", "--force", "--force", "--", text(dir)?];
        let removed = self.git(repo, &remove).await?;
        if removed.code != Some(0) {
            self.require_repository(repo, &removed).await?;
            match std::fs::remove_dir_all(dir) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(GitError::Files { path: dir.to_owned(), source });
                }
                _ => {}
            }
        }
        self.good("forget old worktrees of", repo, &["worktree", "prune"]).await?;
        Ok(())
    }

    async fn is_complete(&self, revision: &Revision, dir: &Path) -> Result<bool, GitError> {
        if !dir.join(".git").is_file() {
            return Ok(false);
        }
        let Some(admin) = self.admin(dir).await? else { return Ok(false) };
        let ready = std::fs::read_to_string(admin.join(READY)).unwrap_or_default();
        let head = self.git(dir, &["rev-parse", "--verify", "--quiet", "HEAD"]).await?;
        let head = String::from_utf8_lossy(&head.stdout);
        Ok(ready == revision.as_str() && head.trim() == revision.as_str())
    }

    /// The administrative directory of the worktree at `dir`.
    async fn admin(&self, dir: &Path) -> Result<Option<PathBuf>, GitError> {
        let out = self.git(dir, &["rev-parse", "--absolute-git-dir"]).await?;
        let path = String::from_utf8_lossy(&out.stdout).trim().to_owned();
        Ok((out.code == Some(0) && !path.is_empty()).then(|| path.into()))
    }

    async fn git(&self, repo: &Path, arguments: &[&str]) -> Result<Captured, GitError> {
        let fixed = ["git", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"];
        let argv = fixed.iter().chain(arguments).map(|argument| (*argument).to_owned());
        let mut ask = Capture::new(repo, argv.collect());
        ask.env = self.env.clone();
        ask.timeout = CHECK_OUT;
        if !repo.is_dir() {
            return Err(GitError::NotARepository { repo: repo.to_owned() });
        }
        Ok(self.shell.capture(ask).await?)
    }

    /// What git says, if it does what it is told.
    async fn good(
        &self,
        what: &'static str,
        repo: &Path,
        arguments: &[&str],
    ) -> Result<Vec<u8>, GitError> {
        let out = self.git(repo, arguments).await?;
        if out.code == Some(0) {
            return Ok(out.stdout);
        }
        self.require_repository(repo, &out).await?;
        let said = Clean::from_bytes(out.stderr.trim_ascii());
        Err(GitError::Refused { what, repo: repo.to_owned(), said })
    }

    /// Tells whether a refusal `out` came of `repo` being no repository.
    async fn require_repository(&self, repo: &Path, out: &Captured) -> Result<(), GitError> {
        let known = self.git(repo, &["rev-parse", "--git-dir"]).await?;
        if known.code == Some(0) {
            return Ok(());
        }
        let repo = repo.to_owned();
        let said = String::from_utf8_lossy(&known.stderr).into_owned();
        if said.contains("not a git repository") {
            return Err(GitError::NotARepository { repo });
        }
        // For example one of another owner, which git names with its own remedy.
        let both = format!("{} {}", said.trim(), String::from_utf8_lossy(&out.stderr).trim());
        Err(GitError::Refused { what: "open", repo, said: Clean::new(&both) })
    }
}

/// The path of one entry of `git status --porcelain=v2`.
fn dirty_path(entry: &str) -> Option<&str> {
    let fields = match entry.as_bytes().first()? {
        b'?' => 2,
        b'1' => 9,
        b'2' => 10,
        b'u' => 11,
        _ => return None,
    };
    entry.splitn(fields, ' ').nth(fields - 1)
}

fn text(path: &Path) -> Result<&str, GitError> {
    path.to_str().ok_or_else(|| {
        let source = io::Error::new(io::ErrorKind::InvalidInput, "its name is not UTF-8");
        GitError::Files { path: path.to_owned(), source }
    })
}

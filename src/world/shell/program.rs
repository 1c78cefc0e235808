//! Which file a command's name stands for, and why it could not be started.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// The file to be executed for `name`: a path is taken from `cwd`, a bare name is looked for in
/// `search`, the command's own PATH.
pub(super) fn find(name: &str, cwd: &Path, search: Option<&str>) -> Result<PathBuf, String> {
    if name.is_empty() {
        return Err("the command is empty".to_owned());
    }
    let executable = |path: PathBuf| {
        let file = std::fs::metadata(&path).ok().filter(std::fs::Metadata::is_file)?;
        (file.permissions().mode() & 0o111 != 0).then_some(path)
    };
    if name.contains('/') {
        let path = cwd.join(name);
        let what = if path.exists() { "is not executable; chmod +x it" } else { "is missing" };
        let refused = format!("the program {} {what}", path.display());
        return executable(path).ok_or(refused);
    }
    let search = search.unwrap_or("/usr/local/bin:/usr/bin:/bin");
    let mut directories = search.split(':').filter(|directory| !directory.is_empty());
    directories.find_map(|directory| executable(cwd.join(directory).join(name))).ok_or_else(|| {
        format!(
            "the tool {name} was not found in PATH ({search}); install it, or name its path in \
             the pipeline"
        )
    })
}

/// Why a command did not start, and what to do (fault F58).
pub(super) fn refusal(program: &Path, error: &io::Error) -> String {
    let what = match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::AGAIN) => "too many processes; raise ulimit -u or end some",
        Some(Errno::NOMEM) => "out of memory",
        Some(Errno::MFILE | Errno::NFILE) => "too many open files; raise ulimit -n",
        Some(Errno::NOEXEC) => "not a program; a script needs a #! line",
        Some(Errno::NOENT) => "its interpreter is missing; install it",
        Some(Errno::ACCESS) => "not permitted; is it on a file system mounted noexec?",
        Some(Errno::TOOBIG) => "its arguments and environment are too large",
        _ => return format!("{} did not start: {error}", program.display()),
    };
    format!("{} did not start: {what} ({error})", program.display())
}

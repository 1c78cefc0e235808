//! Where gonogo keeps what is its own: configuration, state, cache, sockets.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::world::disk::{self, DiskError};

/// The folders of one user, all absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// `gonogo.yaml`, `policy.yaml`, `approvers`: what decides over plans.
    pub config: PathBuf,
    /// One folder a release below `releases/`.
    pub state: PathBuf,
    /// What may be deleted at any time.
    pub cache: PathBuf,
    /// Sockets of running engines; gone after a reboot.
    pub runtime: PathBuf,
}

/// Why a folder cannot be used (exit code 2).
#[derive(Debug, thiserror::Error)]
pub enum PathError {
    #[error("this user has no home folder; set GONOGO_CONFIG_DIR and GONOGO_STATE_DIR")]
    NoHome,
    #[error("{name} must be an absolute path, not {value:?}")]
    Relative { name: &'static str, value: OsString },
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl Paths {
    /// The platform's folders for this user, or those that `GONOGO_CONFIG_DIR` and
    /// `GONOGO_STATE_DIR` name. With a state folder of its own, cache and sockets lie in it too,
    /// so that two setups never meet.
    pub fn of_user() -> Result<Self, PathError> {
        #[expect(clippy::disallowed_methods, reason = "the environment is read here")]
        let read = |name: &str| std::env::var_os(name);
        Self::resolve(read, directories::ProjectDirs::from("", "", "gonogo").as_ref())
    }

    fn resolve(
        read: impl Fn(&str) -> Option<OsString>,
        home: Option<&directories::ProjectDirs>,
    ) -> Result<Self, PathError> {
        let own = |name: &'static str| match read(name).filter(|value| !value.is_empty()) {
            None => Ok(None),
            Some(value) if PathBuf::from(&value).is_absolute() => Ok(Some(PathBuf::from(value))),
            Some(value) => Err(PathError::Relative { name, value }),
        };
        let own_config = own("GONOGO_CONFIG_DIR")?;
        let own_state = own("GONOGO_STATE_DIR")?;
        let config = match (own_config, home) {
            (Some(config), _) => config,
            (None, Some(home)) => home.config_dir().to_owned(),
            (None, None) => return Err(PathError::NoHome),
        };
        if let Some(state) = own_state {
            let (cache, runtime) = (state.join("cache"), state.join("run"));
            return Ok(Self { config, state, cache, runtime });
        }
        let home = home.ok_or(PathError::NoHome)?;
        // Only Linux has a state folder; elsewhere local data is the nearest.
        let state = home.state_dir().unwrap_or_else(|| home.data_local_dir()).to_owned();
        let runtime = home.runtime_dir().map_or_else(|| state.join("run"), PathBuf::from);
        Ok(Self { config, state, cache: home.cache_dir().to_owned(), runtime })
    }

    /// Makes the folders that gonogo writes to, with mode 0700, and refuses those that belong to
    /// somebody else or that others may write to (threat T17). The configuration is only read.
    pub fn prepare(&self) -> Result<(), PathError> {
        for folder in [&self.state, &self.cache, &self.runtime] {
            disk::private_folder(folder)?;
        }
        Ok(())
    }

    /// Where releases lie, one folder each.
    pub fn releases(&self) -> PathBuf {
        self.state.join("releases")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;

    fn resolve(env: &[(&str, &str)]) -> Result<Paths, PathError> {
        let env: BTreeMap<&str, &str> = env.iter().copied().collect();
        Paths::resolve(|name| env.get(name).map(OsString::from), None)
    }

    #[test]
    fn the_environment_names_folders_and_everything_written_stays_in_them() {
        let paths = resolve(&[("GONOGO_CONFIG_DIR", "/c"), ("GONOGO_STATE_DIR", "/s")]);
        let paths = paths.expect("both are named");
        assert_eq!(paths.config, Path::new("/c"));
        assert_eq!(paths.releases(), Path::new("/s/releases"));
        assert_eq!(paths.cache, Path::new("/s/cache"));
        assert_eq!(paths.runtime, Path::new("/s/run"));
    }

    #[test]
    fn what_is_missing_or_relative_is_refused() {
        assert!(matches!(resolve(&[]), Err(PathError::NoHome)));
        assert!(matches!(resolve(&[("GONOGO_CONFIG_DIR", "/c")]), Err(PathError::NoHome)));
        let relative = resolve(&[("GONOGO_CONFIG_DIR", "c")]).expect_err("relative").to_string();
        assert_eq!(relative, "GONOGO_CONFIG_DIR must be an absolute path, not \"c\"");
        assert!(matches!(resolve(&[("GONOGO_CONFIG_DIR", "")]), Err(PathError::NoHome)));
    }

    #[test]
    fn t17_folders_are_made_private() {
        let top = tempfile::tempdir().expect("a folder");
        let state = top.path().join("state").to_string_lossy().into_owned();
        let env = [("GONOGO_CONFIG_DIR", "/c"), ("GONOGO_STATE_DIR", state.as_str())];
        let paths = resolve(&env).expect("named");
        paths.prepare().expect("made");
        assert!(paths.runtime.is_dir());
        assert!(disk::private_folder(&paths.state).is_ok());
    }
}

//! The real world of one release on this machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::disk::{self, DiskError};
use super::notify::{Channel, Notifier};
use super::shell::{Capture, Shell};
use super::web::{Web, WebError};
use super::{Board, Clock, World};
use crate::release::{BuiltIn, Clean, Plan, ReleaseId, Secret, SecretName, ShortSecret, Step};

/// No secret is longer than this.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// What a live world is made of.
#[derive(Clone, Debug)]
pub struct LiveSettings {
    pub release: ReleaseId,
    /// This program; it is its own shim.
    pub exe: PathBuf,
    pub steps: PathBuf,
    pub workspace: PathBuf,
    /// What commands get of the environment in which the release was started.
    pub env: BTreeMap<String, String>,
    /// The folder that holds one file for each secret.
    pub secrets: PathBuf,
    pub notify: Vec<NotifyChannel>,
}

/// One way to tell people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NotifyChannel {
    /// How the channel is called when it fails.
    pub name: String,
    /// A command that gets the message as JSON on its standard input.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub run: Vec<String>,
    /// The secret that holds the address to which the message is posted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<SecretName>,
}

/// Why there is no live world.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    #[error("read the secret {name}: {source}")]
    Secret { name: SecretName, source: DiskError },
    #[error("find the secret {name}: put it into {} (mode 0600)", path.display())]
    NoSecret { name: SecretName, path: PathBuf },
    #[error("use the secret {name}: {source}")]
    Short { name: SecretName, source: ShortSecret },
    #[error("set up notifications: {0}")]
    Web(#[from] WebError),
    #[error("set up notifications: channel {0} needs `run` or `webhook`, and only one of them")]
    Channel(Clean),
}

/// Builds the world of a release that runs on this machine.
pub fn live(settings: LiveSettings, plan: &Plan, clock: Clock) -> Result<World, LiveError> {
    let shell = Shell::new(settings.exe, clock.clone());
    let mut secrets = BTreeMap::new();
    for name in plan.steps().flat_map(|step| &step.secrets) {
        if let Some(secret) = read_secret(&settings.secrets, name)? {
            secrets.insert(name.clone(), secret);
        }
    }
    let notifier = match settings.notify.as_slice() {
        [] => None,
        channels => {
            let channels = channels
                .iter()
                .map(|channel| channel_of(channel, &settings.secrets))
                .collect::<Result<Vec<_>, _>>()?;
            let run = runner(shell.clone(), settings.env.clone());
            Some(Notifier::new(Web::live(None)?, clock.clone(), run, channels))
        }
    };
    Ok(World {
        release: settings.release,
        clock,
        shell,
        steps: settings.steps,
        workspace: settings.workspace,
        env: settings.env,
        secrets,
        site: None,
        metrics: None,
        database: None,
        notifier,
        board: Board::default(),
        truth: None,
    })
}

fn read_secret(folder: &Path, name: &SecretName) -> Result<Option<Secret>, LiveError> {
    let path = folder.join(name.as_str());
    let read = disk::read_trusted(&path, SECRET_BYTES_MAX);
    let bytes = read.map_err(|source| LiveError::Secret { name: name.clone(), source })?;
    let Some(mut bytes) = bytes else { return Ok(None) };
    while bytes.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        bytes.pop();
    }
    let secret = Secret::new(bytes);
    secret.map(Some).map_err(|source| LiveError::Short { name: name.clone(), source })
}

fn channel_of(channel: &NotifyChannel, folder: &Path) -> Result<Channel, LiveError> {
    let name = Clean::new(&channel.name);
    match (&channel.run[..], &channel.webhook) {
        ([_, ..], None) => Ok(Channel::Command { name, argv: channel.run.clone() }),
        ([], Some(secret)) => {
            let url = read_secret(folder, secret)?.ok_or_else(|| LiveError::NoSecret {
                name: secret.clone(),
                path: folder.join(secret.as_str()),
            })?;
            Ok(Channel::Webhook { name, url })
        }
        _ => Err(LiveError::Channel(name)),
    }
}

/// Runs a notification's command like every other child: own session, no terminal, argv.
fn runner(shell: Shell, env: BTreeMap<String, String>) -> super::notify::RunCommand {
    Arc::new(move |argv: Vec<String>, stdin: Vec<u8>, timeout: Duration| {
        let (shell, env) = (shell.clone(), env.clone());
        Box::pin(async move {
            let mut ask = Capture::new("/", argv);
            ask.env = env;
            ask.stdin = stdin;
            ask.timeout = timeout;
            let captured = shell.capture(ask).await;
            let captured = captured.map_err(|error| Clean::new(&error.to_string()))?;
            captured.code.ok_or_else(|| Clean::new("a signal ended it"))
        })
    })
}

/// The first step that a live world cannot perform yet: what needs a cluster or a database.
pub fn missing(steps: &[&Step]) -> Option<(Step, BuiltIn)> {
    steps.iter().find_map(|step| match step.uses? {
        BuiltIn::Report => None,
        what => Some(((*step).clone(), what)),
    })
}

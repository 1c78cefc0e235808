//! The connection to one cluster, and the one way a request is made on it.

use std::path::PathBuf;
use std::time::Duration;

use kube::config::{ExecInteractiveMode, KubeConfigOptions, Kubeconfig};

use super::ClusterError;
use super::error::message;
use crate::release::Clean;
use crate::world::Clock;

/// How long one request may take before it counts as unanswered.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);

/// How long building the client may take; a credential plugin runs in it (F40).
const LOGIN_LIMIT: Duration = Duration::from_secs(30);

/// How often a request is made that the server answers with 429, and the longest wait between.
const BUSY_TRIES: u32 = 3;
const BUSY_WAIT_MAX: Duration = Duration::from_secs(5);

/// Where the cluster is and who we are there.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    /// The kubeconfig; none reads `$KUBECONFIG` or `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
    /// The context; none takes the current one.
    pub context: Option<String>,
    /// Put before a credential plugin's argv, so that it runs in a session of its own (F40).
    pub plugin_wrapper: Vec<String>,
}

/// A cluster to read and to change. Cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    pub(super) client: kube::Client,
    pub(super) clock: Clock,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").finish_non_exhaustive()
    }
}

impl Cluster {
    /// A cluster behind a client that stands already: the rehearsal's way in.
    pub fn new(client: kube::Client, clock: Clock) -> Self {
        Self { client, clock }
    }

    /// Connects by a kubeconfig. Nothing is asked of the API server yet.
    ///
    /// Fails with [`ClusterError::Config`] or [`ClusterError::Login`].
    pub async fn connect(connection: &Connection, clock: Clock) -> Result<Self, ClusterError> {
        // One TLS provider for the whole process; a second call finds it installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut file = read_kubeconfig(connection)?;
        tame_plugins(&mut file, &connection.plugin_wrapper);
        let options = KubeConfigOptions { context: connection.context.clone(), ..<_>::default() };
        let mut config = kube::Config::from_custom_kubeconfig(file, &options)
            .await
            .map_err(|error| config_error(connection, &error.to_string()))?;
        config.connect_timeout = Some(Duration::from_secs(5));
        // We repeat nothing blindly: a patch that was answered with 504 may have been made.
        config.default_retry = false;
        // The plugin runs blocking inside the constructor.
        let runtime = tokio::runtime::Handle::current();
        let login = tokio::task::spawn_blocking(move || {
            let _inside = runtime.enter();
            kube::Client::try_from(config)
        });
        let Some(built) = clock.within(LOGIN_LIMIT, login).await else {
            let reason = Clean::new("the credential plugin gave no answer within 30 s");
            return Err(ClusterError::Login { reason });
        };
        let client = built
            .map_err(|error| ClusterError::Login { reason: message(&error.to_string()) })?
            .map_err(|error| match ClusterError::of("build the client", &error) {
                login @ ClusterError::Login { .. } => login,
                other => ClusterError::Config { reason: message(&other.to_string()) },
            })?;
        Ok(Self { client, clock })
    }

    /// Makes one request, at most ten seconds long; one refused with 429 is made again after the
    /// time the server names. `what` completes "failed to …".
    pub(super) async fn ask<T, F, Fut>(&self, what: &str, mut call: F) -> Result<T, ClusterError>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, kube::Error>>,
    {
        let mut tries = 1;
        loop {
            let Some(answer) = self.clock.within(REQUEST_LIMIT, call()).await else {
                return Err(ClusterError::late(what, REQUEST_LIMIT.as_secs()));
            };
            match answer {
                Ok(value) => return Ok(value),
                Err(kube::Error::Api(status)) if status.code == 429 && tries < BUSY_TRIES => {
                    tries += 1;
                    self.clock.sleep(patience(&status)).await;
                }
                Err(error) => return Err(ClusterError::of(what, &error)),
            }
        }
    }

    /// The server's version, as the cheapest proof that it answers: `v1.37.2`.
    pub async fn version(&self) -> Result<Clean, ClusterError> {
        let info = self.ask("read the version", || self.client.apiserver_version()).await?;
        Ok(message(&info.git_version))
    }

    /// When the credential in use ends, in milliseconds since the epoch, if it says so (F39).
    pub fn credential_ends_ms(&self) -> Option<i64> {
        self.client.valid_until().as_ref().map(|at| at.as_millisecond())
    }
}

/// How long a 429 asks us to wait.
fn patience(status: &kube::core::Status) -> Duration {
    let asked = status.details.as_ref().map_or(1, |details| details.retry_after_seconds);
    Duration::from_secs(u64::from(asked.max(1))).min(BUSY_WAIT_MAX)
}

fn read_kubeconfig(connection: &Connection) -> Result<Kubeconfig, ClusterError> {
    let read = match &connection.kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    };
    let file = read.map_err(|error| config_error(connection, &error.to_string()))?;
    if let Some(wanted) = &connection.context
        && !file.contexts.iter().any(|context| &context.name == wanted)
    {
        let names: Vec<_> = file.contexts.iter().map(|context| context.name.as_str()).collect();
        let reason = format!("it has no context {wanted:?}; it has: {}", names.join(", "));
        return Err(ClusterError::Config { reason: message(&reason) });
    }
    Ok(file)
}

fn config_error(connection: &Connection, reason: &str) -> ClusterError {
    let file = connection.kubeconfig.as_ref().map_or_else(
        || "$KUBECONFIG or ~/.kube/config".to_owned(),
        |path| path.display().to_string(),
    );
    let advice = "for AKS, `az aks get-credentials` writes one";
    ClusterError::Config { reason: message(&format!("{file}: {reason}; {advice}")) }
}

/// A credential plugin never asks on our terminal: it would draw over the cockpit and wait for
/// keys that nobody types.
fn tame_plugins(file: &mut Kubeconfig, wrapper: &[String]) {
    let users = file.auth_infos.iter_mut().filter_map(|user| user.auth_info.as_mut());
    for exec in users.filter_map(|user| user.exec.as_mut()) {
        exec.interactive_mode = Some(ExecInteractiveMode::Never);
        if let Some((first, rest)) = wrapper.split_first()
            && let Some(command) = exec.command.replace(first.clone())
        {
            let args = exec.args.take().unwrap_or_default();
            exec.args = Some(rest.iter().cloned().chain([command]).chain(args).collect());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "
apiVersion: v1
kind: Config
current-context: prod
clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]
contexts: [{name: prod, context: {cluster: c, user: u, namespace: production}}]
users:
- name: u
  user:
    exec: {apiVersion: client.authentication.k8s.io/v1, command: kubelogin, args: [get-token],
           interactiveMode: IfAvailable}
";

    #[test]
    fn f40_credential_plugins_never_ask_on_our_terminal() {
        let mut file: Kubeconfig = serde_yaml::from_str(FILE).expect("a kubeconfig");
        tame_plugins(&mut file, &["setsid".to_owned(), "--wait".to_owned()]);
        let user = file.auth_infos[0].auth_info.as_ref().expect("a user");
        let exec = user.exec.as_ref().expect("a plugin");
        assert_eq!(exec.interactive_mode, Some(ExecInteractiveMode::Never));
        assert_eq!(exec.command.as_deref(), Some("setsid"));
        let args = exec.args.as_deref().expect("arguments");
        assert_eq!(args, ["--wait", "kubelogin", "get-token"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_missing_kubeconfig_says_what_to_do() {
        let connection =
            Connection { kubeconfig: Some("/nowhere/config".into()), ..Connection::default() };
        let error = Cluster::connect(&connection, Clock::live()).await.expect_err("no file");
        let text = error.to_string();
        assert!(text.contains("/nowhere/config") && text.contains("az aks"), "{text}");
    }
}

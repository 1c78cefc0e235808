//! A real API server on this machine's loopback for the time of a bench: etcd and kube-apiserver
//! alone. No node and no controller runs, so a pod is what was said of it, as an object of the
//! API, and nothing changes but what the bench changes.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::{Outcome, PATIENCE, now, pause, peer};

/// The programs that it takes, by the names under which they are called.
pub(super) const PROGRAMS: [&str; 3] = ["etcd", "kube-apiserver", "openssl"];
pub(super) const NAMESPACE: &str = "production";
/// So many pods are made at a time.
const AT_A_TIME: usize = 16;

pub(super) struct Cluster {
    /// etcd and the API server, which end with this.
    children: Vec<Child>,
    pub(super) kubeconfig: PathBuf,
    runtime: Runtime,
    client: kube::Client,
}

impl Cluster {
    /// Starts one that keeps all it has in `folder`, and waits until it answers.
    pub(super) fn start(folder: &Path) -> Outcome<Self> {
        fs::create_dir_all(folder)?;
        let [store, store_peer, api] = free_ports()?;
        let token = format!("{:032x}", fastrand::u128(..));
        fs::write(folder.join("tokens.csv"), format!("{token},bench,1,system:masters\n"))?;
        let key = folder.join("accounts.key");
        let mut make = peer("openssl");
        make.args(["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out"]).arg(&key);
        if !make.status()?.success() {
            return Err("openssl made no key".into());
        }
        let kubeconfig = folder.join("kubeconfig");
        let certificate = folder.join("certs/apiserver.crt");
        let file = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "bench", "cluster": {
                "server": format!("https://127.0.0.1:{api}"),
                "certificate-authority": certificate,
            }}],
            "users": [{"name": "bench", "user": {"token": token}}],
            "contexts": [{"name": "bench", "context": {
                "cluster": "bench", "user": "bench", "namespace": NAMESPACE,
            }}],
            "current-context": "bench",
        });
        fs::write(&kubeconfig, file.to_string())?;
        let mut children =
            Started(vec![etcd(folder, store, store_peer)?, api_server(folder, &key, store, api)?]);
        let begun = now();
        while !certificate.exists() {
            if begun.elapsed() > PATIENCE {
                return Err("the API server made no certificate".into());
            }
            pause(Duration::from_millis(20));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let client = runtime.block_on(answering(&kubeconfig))?;
        let children = std::mem::take(&mut children.0);
        Ok(Self { children, kubeconfig, runtime, client })
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    /// Makes the namespace and so many running pods of the shop in it.
    pub(super) fn fill(&self, count: usize) -> Outcome<()> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let namespace: Namespace =
            serde_json::from_value(json!({"metadata": {"name": NAMESPACE}}))?;
        let pods = self.pods();
        self.runtime.block_on(async {
            namespaces.create(&PostParams::default(), &namespace).await?;
            let all = futures::stream::iter(0..count).map(|number| run_pod(&pods, number));
            all.buffer_unordered(AT_A_TIME).try_collect().await
        })
    }

    /// Makes a pod that waits for a node.
    pub(super) fn create(&self, name: &str) -> Outcome<()> {
        let pod = serde_json::from_value(pod(name, "backend", "blue"))?;
        self.runtime.block_on(self.pods().create(&PostParams::default(), &pod))?;
        Ok(())
    }

    pub(super) fn delete(&self, name: &str) -> Outcome<()> {
        let at_once = DeleteParams::default().grace_period(0);
        self.runtime.block_on(self.pods().delete(name, &at_once))?;
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(Started(std::mem::take(&mut self.children)));
    }
}

/// Processes that end with this.
struct Started(Vec<Child>);

impl Drop for Started {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // A server that is asked politely keeps its port until all watches have ended.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Ports nobody listens at now.
fn free_ports<const N: usize>() -> Outcome<[u16; N]> {
    let mut held = Vec::new();
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}

fn spawn(mut command: Command, log: PathBuf) -> Outcome<Child> {
    let log = fs::File::create(log)?;
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    Ok(command.spawn()?)
}

fn etcd(folder: &Path, port: u16, peer_port: u16) -> Outcome<Child> {
    let client = format!("http://127.0.0.1:{port}");
    let own = format!("http://127.0.0.1:{peer_port}");
    let mut command = peer("etcd");
    command.arg("--data-dir").arg(folder.join("etcd"));
    command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
    command.args(["--listen-peer-urls", &own, "--initial-advertise-peer-urls", &own]);
    command.args(["--initial-cluster", &format!("default={own}"), "--unsafe-no-fsync"]);
    spawn(command, folder.join("etcd.log"))
}

fn api_server(folder: &Path, key: &Path, store: u16, port: u16) -> Outcome<Child> {
    let mut command = peer("kube-apiserver");
    let option = |name: &str, path: PathBuf| format!("--{name}={}", path.display());
    command.args([
        option("cert-dir", folder.join("certs")),
        option("token-auth-file", folder.join("tokens.csv")),
        option("service-account-key-file", key.to_owned()),
        option("service-account-signing-key-file", key.to_owned()),
        format!("--etcd-servers=http://127.0.0.1:{store}"),
        format!("--secure-port={port}"),
    ]);
    command.args([
        "--bind-address=127.0.0.1",
        "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-cluster-ip-range=10.96.0.0/16",
        // No controller makes the accounts and no address of ours may be announced.
        "--disable-admission-plugins=ServiceAccount",
        "--endpoint-reconciler-type=none",
    ]);
    spawn(command, folder.join("kube-apiserver.log"))
}

/// A client of the server, once that says it is ready.
async fn answering(kubeconfig: &Path) -> Outcome<kube::Client> {
    // One TLS provider for the whole process; a second call finds it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let file = Kubeconfig::read_from(kubeconfig)?;
    let config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
    let client = kube::Client::try_from(config)?;
    let begun = now();
    loop {
        let ready = client.request_text(http::Request::get("/readyz").body(Vec::new())?).await;
        match ready {
            Ok(_) => return Ok(client),
            Err(error) if begun.elapsed() > PATIENCE => {
                return Err(format!("the API server does not get ready: {error}").into());
            }
            Err(_) => pause(Duration::from_millis(50)),
        }
    }
}

/// One of the shop's pods, as its Deployment in `k8s/` has it.
fn pod(name: &str, app: &str, color: &str) -> Value {
    json!({
        "metadata": {"name": name, "labels": {
            "app": app, "version": color, "pod-template-hash": "7d9c5f8b6",
        }},
        "spec": {
            "automountServiceAccountToken": false,
            "terminationGracePeriodSeconds": 30,
            "securityContext": {"runAsNonRoot": true, "runAsUser": 1001, "fsGroup": 1001,
                "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": app,
                "image": format!("registry.example/{app}@sha256:{}", "d5".repeat(32)),
                "ports": [{"name": "http", "containerPort": 3000}],
                "envFrom": [{"configMapRef": {"name": format!("{app}-config-{color}")}},
                    {"secretRef": {"name": format!("{app}-secrets-{color}")}}],
                "securityContext": {"allowPrivilegeEscalation": false,
                    "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}},
                "resources": {"requests": {"cpu": "500m", "memory": "256Mi"},
                    "limits": {"cpu": "1", "memory": "512Mi"}},
                "livenessProbe": {"httpGet": {"path": "/health", "port": "http"}},
                "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}},
                "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
            }],
            "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}],
        },
    })
}

/// What a node would say of a pod that serves.
fn running(app: &str, number: usize) -> Value {
    let since = "2026-08-01T10:00:00Z";
    let conditions = ["PodScheduled", "Initialized", "ContainersReady", "Ready"]
        .map(|kind| json!({"type": kind, "status": "True", "lastTransitionTime": since}));
    let address = format!("10.244.{}.{}", number / 250, number % 250);
    json!({"status": {
        "phase": "Running",
        "startTime": since,
        "hostIP": "10.0.0.4",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "qosClass": "Burstable",
        "conditions": conditions,
        "containerStatuses": [{
            "name": app,
            "image": format!("registry.example/{app}:1.0"),
            "imageID": format!("registry.example/{app}@sha256:{}", "d5".repeat(32)),
            "containerID": format!("containerd://{number:064x}"),
            "ready": true,
            "started": true,
            "restartCount": 0,
            "state": {"running": {"startedAt": since}},
        }],
    }})
}

async fn run_pod(pods: &Api<Pod>, number: usize) -> Outcome<()> {
    let color = if number.is_multiple_of(2) { "blue" } else { "green" };
    let app = if number.is_multiple_of(3) { "frontend" } else { "backend" };
    let name = format!("{app}-{color}-7d9c5f8b6-{number:05}");
    let pod = serde_json::from_value(pod(&name, app, color))?;
    pods.create(&PostParams::default(), &pod).await?;
    let status = Patch::Merge(running(app, number));
    pods.patch_status(&name, &PatchParams::default(), &status).await?;
    Ok(())
}

//! An API server, the bastion before it, and people with kubectl.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::harness::{Done, Guarded, Run, Setup, Visitor, World, fixture, repository, wait_for_line};

pub(super) const CREDENTIAL: &str = "planted-kubernetes-credential";

pub(super) const POLICIES: &str = r#"
@id("admins-may-everything")
permit (principal in Group::"corp/admins", action, resource);

@id("all-get-certificates")
permit (principal, action == Action::"issue", resource);

@id("developers-use-prod")
permit (principal in Group::"corp/developers", action in [Action::"connect", Action::"k8s"], resource in Target::"prod");

@id("the-system-is-for-admins")
@reason("What runs the cluster is not yours.")
forbid (principal in Group::"corp/developers", action in Action::"k8s", resource in Namespace::"prod/kube-system");

@id("deployments-stay")
@approve("corp/admins")
forbid (principal in Group::"corp/developers", action == Action::"k8s.delete", resource == Kind::"prod/apps/deployments");

@id("no-metrics-path")
forbid (principal in Group::"corp/developers", action == Action::"k8s.nonresource", resource) when { context.path == "/metrics" };
"#;

/// The same, and what Secrets hold is hidden.
pub(super) const MASKED: &str = r#"
@id("no-secrets")
@mask("null")
forbid (principal in Group::"corp/developers", action == Action::"k8s.read_field", resource == Kind::"prod/core/secrets")
when { context.field like "/data/*" };

@id("no-images")
@mask("redact")
forbid (principal in Group::"corp/developers", action == Action::"k8s.read_field", resource == Kind::"prod/core/pods")
when { context.field like "/s*/image" };
"#;

/// An API server.
pub(crate) struct Server {
    pub(super) folder: tempfile::TempDir,
    pub(crate) port: u16,
    pub(super) process: Option<Guarded>,
}

impl Server {
    pub(crate) fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("bartizan-kubernetes-").tempdir().unwrap();
        let log = folder.path().join("server.log");
        let mut node = Command::new("node");
        node.arg(fixture("kubernetes/server.mjs")).arg(folder.path());
        let mut process = Guarded::logged(node, &log);
        let port = wait_for_line(&log, "READY ", &mut process).parse().unwrap();
        fs::write(folder.path().join("token"), format!("{CREDENTIAL}\n")).unwrap();
        Self { folder, port, process: Some(process) }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// kubectl without a bastion.
    pub(super) fn kubectl(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.arg(format!("--server=https://127.0.0.1:{}", self.port)).arg(format!("--token={CREDENTIAL}"));
        command.arg(format!("--certificate-authority={}", self.path("ca.pem").display())).args(arguments);
        command.env("HOME", self.folder.path()).env("KUBECONFIG", "/dev/null").env("NO_PROXY", "*").current_dir(self.folder.path());
        command
    }

    /// What it was asked.
    pub(super) fn asked(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path("requests.ndjson")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// The bastion before it.
pub(super) struct Site {
    pub(super) world: World,
    pub(super) server: Server,
}

/// The newest kubectl, and one that knows nothing newer than SPDY.
pub(super) fn kubectls() -> [PathBuf; 2] {
    [repository(".deps/venv/bin/kubectl"), repository(".deps/kubernetes-client/usr/bin/kubectl")]
}

impl Site {
    pub(super) fn with(policies: &str) -> Self {
        Self::set_up(policies, false)
    }

    /// One whose recordings have four megabytes of room.
    pub(super) fn on_a_small_disk(policies: &str) -> Self {
        Self::set_up(policies, true)
    }

    fn set_up(policies: &str, small_disk: bool) -> Self {
        let server = Server::start();
        let more = format!(
            "\n[[target]]\nname = \"prod\"\nkind = \"kubernetes\"\nserver = \"https://127.0.0.1:{}\"\nca = {{ file = \"{}\" }}\n\
             token = {{ file = \"{}\" }}\n",
            server.port,
            server.path("ca.pem").display(),
            server.path("token").display()
        );
        let policies: &'static str = Box::leak(policies.to_owned().into_boxed_str());
        let world = World::with(Setup { policies: Some(policies), more, small_disk, ..Setup::default() });
        Self { world, server }
    }

    /// Somebody with an open forward and a file for kubectl.
    pub(super) fn person(&self, name: &str) -> Person {
        let visitor = self.world.visitor(name);
        let (port, tunnel) = visitor.forward("prod:443");
        let file = visitor.dir.join("kube/bartizan");
        let (file_text, port_text) = (file.display().to_string(), port.to_string());
        let written = ["kubeconfig", "prod", "--file", &file_text, "--port", &port_text, "--json"];
        let written = self.world.bastion.run(written).ok().json();
        assert_eq!(written["contexts"][0]["context"], "prod@bastion", "{written}");
        Person { visitor, port, config: file, _tunnel: tunnel }
    }

    pub(super) fn recorded(&self) -> String {
        let list = self.world.bastion.run(["recordings", "list", "--json"]).ok().json();
        let ids = list.as_array().unwrap().iter().filter_map(|one| one["session"].as_str().or(one["id"].as_str()).map(str::to_owned));
        ids.map(|id| self.world.bastion.run(["recordings", "cat", &id]).finish().text()).collect()
    }

    pub(super) fn audited(&self) -> String {
        self.world.bastion.run(["audit", "tail", "--json", "-n", "1000"]).ok().text()
    }
}

/// Somebody with kubectl.
pub(super) struct Person {
    pub(super) visitor: Visitor,
    pub(super) port: u16,
    config: PathBuf,
    _tunnel: Guarded,
}

impl Person {
    pub(super) fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = self.visitor.command(program, arguments);
        command.env("KUBECONFIG", &self.config).env("NO_PROXY", "*");
        command
    }

    /// The newest kubectl.
    pub(super) fn kubectl(&self, arguments: &[&str]) -> Done {
        let [new, _] = kubectls();
        Run::new(self.command(&new, arguments)).within(120).finish()
    }

    pub(super) fn at(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(super) fn curl(&self, arguments: &[&str]) -> Done {
        let mut command = self.visitor.command("curl", ["--silent", "--show-error", "--max-time", "60", "--path-as-is"]);
        command.args(arguments).env("NO_PROXY", "*");
        Run::new(command).within(90).finish()
    }

    /// The status, and the answer as JSON where it is some.
    pub(super) fn ask(&self, arguments: &[&str]) -> (String, Value) {
        let text = self.curl(&[&["--write-out", "\\n%{http_code}"], arguments].concat()).text();
        let (body, status) = text.rsplit_once('\n').unwrap_or(("", &text));
        (status.to_owned(), serde_json::from_str(body).unwrap_or(Value::Null))
    }
}

/// A Deployment in a file.
pub(super) fn deployment(dir: &Path, image: &str) -> String {
    let text = serde_json::json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": "web", "namespace": "shop" },
        "spec": {
            "replicas": 2,
            "selector": { "matchLabels": { "app": "web" } },
            "template": {
                "metadata": { "labels": { "app": "web" } },
                "spec": { "containers": [{ "name": "app", "image": image }] },
            },
        },
    });
    let file = dir.join("deployment.json");
    fs::write(&file, text.to_string()).unwrap();
    file.display().to_string()
}

//! Helm, of two versions, through the bastion: each of its requests is decided by name, and what it keeps in Secrets passes whole.

use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::{Done, Run, repository};

use super::site::{Person, Site};

/// Developers may have releases in `shop`, whatever they consist of.
const POLICIES: &str = r#"
@id("admins-may-everything")
permit (principal in Group::"corp/admins", action, resource);

@id("all-get-certificates")
permit (principal, action == Action::"issue", resource);

@id("developers-use-prod")
permit (principal in Group::"corp/developers", action == Action::"connect", resource in Target::"prod");

@id("developers-look")
permit (principal in Group::"corp/developers", action == Action::"k8s.nonresource", resource in Target::"prod");

@id("developers-have-shop")
permit (principal in Group::"corp/developers", action in Action::"k8s", resource in Namespace::"prod/shop");
"#;

const CHART: &str = "apiVersion: v2\nname: front\nversion: 0.1.0\n";

const VALUES: &str = "replicas: 1\ngreeting: hello\n";

const TEMPLATE: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: { name: "{{ .Release.Name }}-greeting" }
data: { greeting: "{{ .Values.greeting }}" }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: "{{ .Release.Name }}" }
spec:
  replicas: {{ .Values.replicas }}
  selector: { matchLabels: { app: "{{ .Release.Name }}" } }
  template:
    metadata: { labels: { app: "{{ .Release.Name }}" } }
    spec: { containers: [ { name: app, image: "nginx:1" } ] }
"#;

/// The newest helm, and the last but one.
fn helms() -> [PathBuf; 2] {
    [repository(".deps/helm-v37/helm"), repository(".deps/helm-v32/helm")]
}

fn chart(folder: &Path) -> String {
    let chart = folder.join("chart");
    fs::create_dir_all(chart.join("templates")).unwrap();
    for (name, text) in [("Chart.yaml", CHART), ("values.yaml", VALUES), ("templates/all.yaml", TEMPLATE)] {
        fs::write(chart.join(name), text).unwrap();
    }
    chart.display().to_string()
}

fn helm(who: &Person, program: &Path, arguments: &[&str]) -> Done {
    Run::new(who.command(program, arguments)).within(120).finish()
}

#[test]
fn helm_installs_lists_upgrades_rolls_back_and_uninstalls() {
    let site = Site::with(POLICIES);
    let bob = site.person("bob");
    let chart = chart(&bob.visitor.dir);
    let greeting = || bob.kubectl(&["get", "configmap", "front-greeting", "-n", "shop", "-o", "jsonpath={.data.greeting}"]).ok().text();
    for program in helms() {
        let done = |arguments: &[&str]| helm(&bob, &program, arguments).ok().text();
        // Helm 3 waits for ReplicaSets, which no controller makes here.
        let wait = if program == helms()[0] { "--wait" } else { "--hide-notes" };
        assert!(done(&["install", "front", &chart, "-n", "shop", wait]).contains("STATUS: deployed"));
        assert_eq!(greeting(), "hello");
        let listed = done(&["list", "-n", "shop", "-o", "json"]);
        assert!(listed.contains("\"front-0.1.0\"") && listed.contains("\"deployed\""), "{listed}");
        assert!(done(&["upgrade", "front", &chart, "-n", "shop", "--set", "greeting=good day,replicas=2"]).contains("REVISION: 2"));
        assert_eq!(greeting(), "good day");
        assert!(done(&["history", "front", "-n", "shop"]).contains("Upgrade complete"));
        done(&["rollback", "front", "1", "-n", "shop"]);
        assert_eq!(greeting(), "hello");
        assert!(done(&["get", "manifest", "front", "-n", "shop"]).contains("nginx:1"));
        done(&["uninstall", "front", "-n", "shop"]);
        assert_eq!(done(&["list", "-n", "shop", "-q"]).trim(), "");
        assert!(!bob.kubectl(&["get", "deployment,configmap,secret", "-n", "shop"]).ok().text().contains("front"));
    }
    // What it does is decided and written down by name.
    let audited = site.audited();
    for word in ["k8s.create", "k8s.patch", "k8s.delete", "\"secrets\"", "sh.helm.release.v1.front.v1", "developers-have-shop"] {
        assert!(audited.contains(word), "{word}: {audited}");
    }
    assert!(site.server.asked().iter().all(|seen| seen["who"]["username"] == "corp/bob@example.test"));
}

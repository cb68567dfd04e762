//! What policy hides of objects is hidden in every form in which an answer can come.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Guarded, full, wait_until};

use super::site::{MASKED, POLICIES, Person, Site, kubectls};

/// `hunter2`, as a Secret holds it.
const HIDDEN: &str = "aHVudGVyMg==";

fn site() -> (Site, Person, Person) {
    let site = Site::with(&format!("{POLICIES}{MASKED}"));
    let (alice, bob) = (site.person("alice"), site.person("bob"));
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "db" }, "stringData": { "password": "hunter2" } });
    let file = alice.visitor.dir.join("secret.json");
    fs::write(&file, secret.to_string()).unwrap();
    // Applied, so that its annotation repeats it.
    alice.kubectl(&["apply", "-n", "shop", "-f", file.to_str().unwrap()]).ok();
    alice.kubectl(&["patch", "secret", "db", "-n", "shop", "-p", &format!("{{\"data\":{{\"again\":\"{HIDDEN}\"}}}}")]).ok();
    (site, alice, bob)
}

fn shows(text: &str) -> bool {
    text.contains(HIDDEN) || text.contains("hunter2")
}

#[test]
fn secrets_are_hidden_in_every_form_of_answer() {
    let (site, alice, bob) = site();
    for form in [
        &["get", "secret", "db", "-n", "shop", "-o", "yaml"][..],
        &["get", "secret", "db", "-n", "shop", "-o", "json", "--show-managed-fields"],
        &["get", "secrets", "-n", "shop", "-o", "yaml"],
        &["get", "secrets", "-A", "-o", "json"],
        &["get", "secrets", "-A", "-o", "jsonpath={.items[*].data}"],
        &["get", "secrets", "-n", "shop"],
        &["get", "secret", "db", "-n", "shop", "-o", "wide", "--show-labels"],
        &["describe", "secret", "db", "-n", "shop"],
        &["get", "secret", "db", "-n", "shop", "-o", "go-template={{.data.password}}"],
        &["label", "secret", "db", "-n", "shop", "seen=yes", "--overwrite", "-o", "yaml"],
        &["annotate", "secret", "db", "-n", "shop", "seen=yes", "--overwrite", "--dry-run=server", "-o", "json"],
        &["get", "--raw", "/api/v1/secrets"],
        &["get", "--raw", "/api/v1/namespaces/shop/secrets/db"],
        &["get", "--raw", "/api/v1/secrets?fieldSelector=metadata.name%3Ddb"],
    ] {
        let done = bob.kubectl(form).ok();
        assert!(!shows(&done.text()) && !shows(&done.err), "{form:?}: {done}");
        assert!(
            done.text().contains("db") || form.last().unwrap().contains("template") || form.last().unwrap().contains("jsonpath"),
            "{done}"
        );
    }
    let table = bob.kubectl(&["get", "secrets", "-n", "shop"]).ok().text();
    assert!(table.contains("TYPE") && table.contains("Opaque"), "a table that shows nothing hidden stays one: {table}");
    let shown: Value = bob.kubectl(&["get", "secret", "db", "-n", "shop", "-o", "json", "--show-managed-fields"]).ok().json();
    assert_eq!((&shown["data"]["password"], &shown["metadata"]["name"], &shown["type"]), (&Value::Null, &json!("db"), &json!("Opaque")));
    assert_eq!(shown["metadata"]["managedFields"], Value::Null);
    // For whom nothing is masked.
    assert!(shows(&alice.kubectl(&["get", "secret", "db", "-n", "shop", "-o", "yaml"]).ok().text()));
    let recorded = site.recorded();
    assert!(recorded.contains("masked: ") && recorded.contains("/data/password"), "{recorded}");
}

#[test]
fn other_forms_than_json_are_not_asked_for_and_not_shown() {
    let (site, _alice, bob) = site();
    let (one, all) = (bob.at("/api/v1/namespaces/shop/secrets/db"), bob.at("/api/v1/secrets"));
    for accept in [
        "application/vnd.kubernetes.protobuf",
        "application/vnd.kubernetes.protobuf, application/json;q=0.1",
        "application/yaml",
        "application/cbor",
        "*/*",
        "application/json;as=Table;v=v1;g=meta.k8s.io",
        "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
    ] {
        for address in [&one, &all, &format!("{all}?includeObject=Object"), &bob.at("/api/v1/watch/secrets?timeoutSeconds=1")] {
            let done = bob.curl(&["-H", &format!("Accept: {accept}"), address]).ok();
            assert!(!shows(&done.text()) && done.text().contains("db"), "{accept} {address}: {done}");
        }
    }
    for seen in site
        .server
        .asked()
        .iter()
        .filter(|seen| seen["who"]["username"] == "corp/bob@example.test" && seen["url"].as_str().unwrap().contains("secrets"))
    {
        let accept = seen["headers"]["accept"].as_str().unwrap_or_default();
        assert!(!accept.contains("protobuf") && !accept.contains("yaml") && !accept.contains("cbor"), "{seen}");
    }
    // A server that answers in what it was not asked for.
    let (code, status) = bob.ask(&["-H", "X-Fixture-Form: protobuf", &one]);
    assert!(code == "502" && status["kind"] == "Status", "{code} {status}");
    // The image of a pod may stand in any column of a table that the bastion does not know.
    let pods = bob.kubectl(&["run", "web", "--image=planted-image", "-n", "shop"]).ok();
    assert!(!pods.text().contains("planted-image"));
    for form in [&["get", "pods", "-n", "shop", "-o", "wide"][..], &["get", "pods", "-n", "shop", "-o", "yaml"]] {
        let done = bob.kubectl(form).ok();
        assert!(done.text().contains("web") && !done.text().contains("planted-image"), "{done}");
    }
    let patch = r#"[{"op":"copy","from":"/data/password","path":"/metadata/labels/stolen"}]"#;
    let copied = bob.kubectl(&["patch", "secret", "db", "-n", "shop", "--type=json", "-p", patch]);
    assert!(copied.code() == 1 && copied.err.contains("JSON patch"), "{copied}");
    let logs = bob.kubectl(&["logs", "web", "-n", "shop"]).ok();
    assert!(logs.text().contains("line 1"), "what is no object is not looked into: {logs}");
}

#[test]
fn a_watch_is_masked_event_by_event() {
    let (_site, alice, bob) = site();
    let raw = bob.visitor.dir.join("raw");
    let mut curl = bob.visitor.command("curl", ["--silent", "--show-error", "--no-buffer", "-o"]);
    curl.arg(&raw).arg(bob.at("/api/v1/secrets?watch=1&allowWatchBookmarks=true")).env("NO_PROXY", "*");
    let mut watching = Guarded::logged(curl, &bob.visitor.dir.join("curl.log"));
    let [new, _] = kubectls();
    let log = bob.visitor.dir.join("watch.log");
    let mut tabled = Guarded::logged(bob.command(&new, &["get", "secrets", "-A", "--watch", "-o", "yaml"]), &log);
    let said = || fs::read_to_string(&raw).unwrap_or_default();
    let printed = || fs::read_to_string(&log).unwrap_or_default();
    wait_until("what there was is there", || said().contains("ADDED") && printed().contains("name: db"));
    alice.kubectl(&["create", "secret", "generic", "late", "-n", "mail", "--from-literal=password=hunter2"]).ok();
    wait_until("what is new comes while the watch goes on", || said().contains("\"late\"") && printed().contains("name: late"));
    wait_until("a bookmark comes", || said().contains("BOOKMARK"));
    assert!(watching.runs() && tabled.runs());
    assert!(!shows(&said()) && !shows(&printed()), "{}", said());
    let events: Vec<Value> = said().lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert!(events.len() >= 3 && events[0]["object"]["data"]["password"].is_null() && events[0]["object"]["metadata"]["name"] == "db");
}

#[test]
fn a_list_of_ten_thousand_objects_is_masked_in_little_memory() {
    let (site, alice, bob) = site();
    let many = 10_000;
    let made = alice.at(&format!("/fixture/secrets?namespace=mail&count={many}"));
    assert_eq!(alice.ask(&["-X", "POST", &made]).0, "200");
    let list = bob.at("/api/v1/namespaces/mail/secrets");
    let counted = |bytes: &[u8]| {
        let value: Value = serde_json::from_slice(bytes).unwrap();
        value["items"].as_array().unwrap().len()
    };
    assert_eq!(counted(&bob.curl(&[&format!("{list}?limit=50")]).ok().out), 50);
    let before = site.world.bastion.memory();
    for _ in 0..if full() { 10 } else { 2 } {
        let got = bob.curl(&[&list]).ok().out;
        assert_eq!(counted(&got), many);
        assert!(!shows(&String::from_utf8_lossy(&got)));
    }
    assert!(site.world.bastion.memory() < before + (48 << 10), "{before} KiB, then {}", site.world.bastion.memory());
}

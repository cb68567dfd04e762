//! kubectl of two versions does through the bastion what it does without.

use std::path::Path;

use crate::harness::{Done, Guarded, Run, wait_until};

use super::site::{POLICIES, Server, Site, deployment, kubectls};

/// What is done, one after another. `FILE` is a Deployment, `FILE2` the same with another image.
const DONE: &[&[&str]] = &[
    &["version", "-o", "json"],
    &["api-resources"],
    &["get", "namespaces"],
    &["create", "secret", "generic", "db", "-n", "shop", "--from-literal=password=hunter2"],
    &["create", "secret", "generic", "db", "-n", "shop", "--from-literal=password=hunter2"],
    &["get", "secrets", "-n", "shop"],
    &["get", "secret", "db", "-n", "shop", "-o", "jsonpath={.data.password}"],
    &["create", "configmap", "settings", "--from-literal=a=b"],
    &["get", "configmap", "settings", "-o", "yaml"],
    &["apply", "-f", "FILE"],
    &["apply", "-f", "FILE2"],
    &["apply", "--server-side", "--force-conflicts", "-f", "FILE2"],
    &["apply", "--dry-run=server", "-f", "FILE"],
    &["get", "deployment", "web", "-n", "shop", "-o", "wide"],
    &["get", "deployment", "-A", "-o", "name"],
    &["describe", "deployment", "web", "-n", "shop"],
    &["scale", "deployment/web", "-n", "shop", "--replicas=3"],
    &["rollout", "status", "deployment/web", "-n", "shop"],
    &["rollout", "restart", "deployment/web", "-n", "shop"],
    &["wait", "--for=condition=Available", "deployment/web", "-n", "shop", "--timeout=30s"],
    &["run", "web-1", "--image=nginx", "-n", "shop", "--labels=app=web"],
    &["get", "pods", "-n", "shop", "-l", "app=web"],
    &["get", "pods", "-n", "shop", "--field-selector", "metadata.name=web-1", "-o", "name"],
    &["logs", "web-1", "-n", "shop"],
    &["logs", "-f", "web-1", "-n", "shop"],
    &["annotate", "pod", "web-1", "-n", "shop", "a=b"],
    &["patch", "pod", "web-1", "-n", "shop", "--type=json", "-p", r#"[{"op":"add","path":"/metadata/labels/x","value":"y"}]"#],
    &["patch", "pod", "web-1", "-n", "shop", "--type=merge", "-p", r#"{"metadata":{"labels":{"x":null}}}"#],
    &["get", "pod", "web-1", "-n", "shop", "--show-labels"],
    &["top", "pod", "-n", "shop"],
    &["auth", "can-i", "get", "pods"],
    &["auth", "can-i", "delete", "nodes"],
    &["get", "--raw", "/healthz"],
    &["get", "--raw", "/nowhere"],
    &["get", "pod", "missing", "-n", "shop"],
    &["delete", "pod", "web-1", "-n", "shop"],
    &["delete", "configmap", "settings"],
    &["delete", "secrets", "--all", "-n", "shop"],
];

/// What fails, and fails alike: what is there already, what is not, and what one may not.
const FAILS: &[&[&str]] = &[
    &["create", "secret", "generic", "db", "-n", "shop", "--from-literal=password=hunter2"],
    &["auth", "can-i", "delete", "nodes"],
    &["get", "--raw", "/nowhere"],
    &["get", "pod", "missing", "-n", "shop"],
];

/// What only the newer one does against this server.
const NEW: &[&[&str]] = &[&["explain", "secret.data"], &["auth", "whoami", "-o", "name"]];

/// Ages, times, numbers and ids differ from one server to the next.
fn plain(done: &Done) -> String {
    let text = format!("{}\n{}\n{}", done.code(), done.text(), done.err);
    let keys = ["uid:", "resourceVersion:", "creationTimestamp:", "CreationTimestamp:"];
    let alike = |line: &&str| !keys.iter().any(|key| line.trim_start().starts_with(key));
    let lines = text.lines().filter(alike).map(|line| line.split_whitespace().map(aged).collect::<Vec<_>>().join(" "));
    lines.collect::<Vec<_>>().join("\n")
}

/// `12s`, with other ages alike.
fn aged(word: &str) -> String {
    let digits = word.trim_end_matches(['s', 'm']);
    let is_age = digits.len() < word.len() && !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit() || c == 'm');
    let is_time = word.len() >= 20 && word.contains('T') && word.contains(':');
    if is_age || is_time { "AGE".to_owned() } else { word.to_owned() }
}

fn filled<'a>(arguments: &[&'a str], files: &'a [String; 2], program: &Path) -> Vec<&'a str> {
    let mut filled: Vec<&str> = arguments
        .iter()
        .map(|argument| match *argument {
            "FILE" => files[0].as_str(),
            "FILE2" => files[1].as_str(),
            other => other,
        })
        .collect();
    // The older one checks against OpenAPI v2, which the server does not have.
    if is_old(program) && ["apply"].contains(&arguments[0]) {
        filled.push("--validate=false");
    }
    filled
}

fn is_old(program: &Path) -> bool {
    program.to_string_lossy().contains("kubernetes-client")
}

#[test]
fn kubectl_of_two_versions_does_the_same_as_without_the_bastion() {
    let site = Site::with(POLICIES);
    let alice = site.person("alice");
    let folders = [1, 2].map(|n| {
        let folder = alice.visitor.dir.join(n.to_string());
        std::fs::create_dir(&folder).unwrap();
        folder
    });
    let files = [deployment(&folders[0], "nginx:1"), deployment(&folders[1], "nginx:2")];
    for program in kubectls() {
        let other = Server::start();
        let cleared = ["delete", "deployments,pods,secrets", "--all", "-n", "shop"];
        Run::new(alice.command(&program, &cleared)).within(120).finish();
        let more = if is_old(&program) { &[] } else { NEW };
        for arguments in DONE.iter().chain(more) {
            let arguments = filled(arguments, &files, &program);
            let direct = Run::new(other.kubectl(&program, &arguments)).within(120).finish();
            let through = Run::new(alice.command(&program, &arguments)).within(120).finish();
            assert_eq!(plain(&through), plain(&direct), "{} {arguments:?}", program.display());
            let may_fail = FAILS.contains(&arguments.as_slice()) || (is_old(&program) && arguments.contains(&"--dry-run=server"));
            assert!(through.code() == 0 || may_fail, "{through}");
        }
    }
    let recorded = site.recorded();
    assert!(recorded.contains("> POST /api/v1/namespaces/shop/secrets") && !recorded.contains("hunter2"), "{recorded}");
    assert!(!recorded.contains(super::site::CREDENTIAL) && !site.world.bastion.log().contains(super::site::CREDENTIAL));
}

#[test]
fn a_watch_shows_what_changes_and_a_lock_ends_it() {
    let site = Site::with(POLICIES);
    let (alice, bob) = (site.person("alice"), site.person("bob"));
    let [new, _] = kubectls();
    let log = bob.visitor.dir.join("watch.log");
    let mut watching = Guarded::logged(bob.command(&new, &["get", "configmaps", "--watch"]), &log);
    let mut listing = Guarded::logged(
        {
            let mut curl = bob.visitor.command("curl", ["--silent", "--show-error", "--no-buffer", "-o"]);
            curl.arg(bob.visitor.dir.join("raw")).arg(bob.at("/api/v1/namespaces/default/configmaps?watch=1&allowWatchBookmarks=true"));
            curl.env("NO_PROXY", "*");
            curl
        },
        &bob.visitor.dir.join("curl.log"),
    );
    let said = || std::fs::read_to_string(&log).unwrap_or_default();
    wait_until("the watches are there", || {
        site.server.asked().iter().filter(|seen| seen["url"].as_str().unwrap().contains("watch=")).count() >= 2
    });
    alice.kubectl(&["create", "configmap", "first", "--from-literal=a=b"]).ok();
    wait_until("it is seen", || said().contains("first"));
    let raw = || std::fs::read_to_string(bob.visitor.dir.join("raw")).unwrap_or_default();
    wait_until("bookmarks come", || raw().contains("BOOKMARK") && raw().contains("\"first\""));
    assert!(watching.runs() && listing.runs());
    site.world.bastion.run(["lock", "corp/bob@example.test"]).ok();
    let limit = std::time::Duration::from_secs(30);
    assert!(listing.wait(limit).is_some_and(|ended| !ended.success()));
    // kubectl takes the end of a watch for a reason to ask again, and is told that it may not.
    assert!(watching.wait(limit).is_some());
    assert_ne!(bob.kubectl(&["get", "configmaps"]).code(), 0);
    // What is too old to be remembered is told by the server's own words.
    for n in 0..120 {
        let path = alice.at("/api/v1/namespaces/default/configmaps/first");
        let patch = format!("{{\"data\":{{\"n\":\"{n}\"}}}}");
        alice.curl(&["-X", "PATCH", "-H", "Content-Type: application/merge-patch+json", "-d", &patch, &path]).ok();
    }
    let gone = alice.curl(&[&alice.at("/api/v1/configmaps?watch=1&resourceVersion=1002")]).ok().text();
    assert!(gone.contains("\"code\":410"), "{gone}");
}

#[test]
fn a_server_that_dies_in_the_middle_of_an_answer_is_told() {
    let mut site = Site::with(POLICIES);
    let alice = site.person("alice");
    assert_ne!(alice.curl(&[&alice.at("/broken")]).code(), 0);
    assert_eq!(alice.ask(&[&alice.at("/version")]).0, "200", "the next request has another connection");
    alice.kubectl(&["create", "configmap", "settings", "--from-literal=a=b"]).ok();
    let mut watching = Guarded::logged(
        {
            let mut curl = alice.visitor.command("curl", ["--silent", "--show-error", "--no-buffer", "-o"]);
            curl.arg(alice.visitor.dir.join("raw")).arg(alice.at("/api/v1/configmaps?watch=1")).env("NO_PROXY", "*");
            curl
        },
        &alice.visitor.dir.join("curl.log"),
    );
    wait_until("it watches", || std::fs::read_to_string(alice.visitor.dir.join("raw")).is_ok_and(|text| text.contains("ADDED")));
    drop(site.server.process.take());
    assert!(watching.wait(std::time::Duration::from_secs(30)).is_some_and(|ended| !ended.success()));
    wait_until("the server is gone", || std::net::TcpStream::connect(("127.0.0.1", site.server.port)).is_err());
    let (code, status) = alice.ask(&[&alice.at("/version")]);
    assert!(["502", "503"].contains(&code.as_str()) && status["kind"] == "Status", "{code} {status}");
    assert!(site.recorded().contains("cut short"));
}

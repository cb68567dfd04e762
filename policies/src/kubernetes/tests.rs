use super::*;
use crate::facts::ApiRequest;
use crate::{Action, http};

mod deciding;

/// `METHOD TARGET = VERB GROUP VERSION RESOURCE SUBRESOURCE NAMESPACE NAME`, `-` for none, a space as `%20`; or `= METHOD PATH` for what is
/// no resource. Written from the rules of `NewRequestInfo` in `k8s.io/apiserver/pkg/endpoints/request`, by another program.
const REQUESTS: &str = include_str!("tests/requests.txt");

/// `METHOD TARGET`: none of them is resolved.
const MALFORMED: &str = include_str!("tests/malformed.txt");

fn resolved(method: &str, target: &str) -> Option<Resolved> {
    resolve(method, &http::read(target).ok()?, false).ok()
}

fn shown(resolved: &Resolved) -> String {
    let or = |text: &Option<String>| text.as_deref().unwrap_or("-").replace(' ', "%20");
    match resolved {
        Resolved::Resource(request) => {
            let ApiRequest { verb, group, version, resource, namespace, name, subresource, .. } = request;
            let group = if group.is_empty() { "-" } else { group };
            format!("{verb} {group} {version} {resource} {} {} {}", or(subresource), or(namespace), or(name))
        }
        Resolved::Path { verb, path } => format!("{verb} {path}"),
    }
}

#[test]
fn requests_mean_what_the_api_server_takes_them_for() {
    let mut seen = 0;
    for line in REQUESTS.lines() {
        let (request, expected) = line.split_once(" = ").expect("a request and what it means");
        let (method, target) = request.split_once(' ').expect("a method and a target");
        let got = resolved(method, target).unwrap_or_else(|| panic!("{request} is not resolved"));
        assert_eq!(shown(&got), expected, "{request}");
        seen += 1;
    }
    assert!(seen >= 300, "{seen}");
}

#[test]
fn what_can_be_read_in_two_ways_is_refused() {
    let mut seen = 0;
    for line in MALFORMED.lines() {
        let (method, target) = line.split_once(' ').expect("a method and a target");
        assert_eq!(resolved(method, target), None, "{line:?}");
        seen += 1;
    }
    assert!(seen >= 100, "{seen}");
}

#[test]
fn any_bytes_are_resolved_or_refused_and_the_same_each_time() {
    let alphabet =
        ["/", "api", "apis", "v1", "pods", "namespaces", "watch", "proxy", "%2e", "..", "%", "?", "=", "&", "watch=1", "\\", ";", "ä"];
    let mut state = 1_u32;
    for _ in 0..20_000 {
        let mut target = String::from("/");
        for _ in 0..12 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            target.push_str(alphabet[(state >> 16) as usize % alphabet.len()]);
        }
        if let Ok(read) = http::read(&target) {
            // What is forwarded is resolved as what was sent.
            let forwarded = if read.query.is_empty() { read.path.clone() } else { format!("{}?{}", read.path, read.query) };
            assert_eq!(resolved("GET", &forwarded), resolve("GET", &read, false).ok(), "{target}");
        }
    }
}

#[test]
fn each_verb_and_subresource_is_an_action() {
    let pod = "/api/v1/namespaces/shop/pods/web";
    for (method, path, action) in [
        ("GET", "", Action::K8sGet),
        ("PUT", "", Action::K8sUpdate),
        ("PATCH", "", Action::K8sPatch),
        ("DELETE", "", Action::K8sDelete),
        ("GET", "/status", Action::K8sGet),
        ("PATCH", "/status", Action::K8sPatch),
        ("PUT", "/ephemeralcontainers", Action::K8sUpdate),
        ("POST", "/eviction", Action::K8sCreate),
        ("POST", "/exec", Action::K8sExec),
        ("GET", "/exec", Action::K8sExec),
        ("POST", "/attach", Action::K8sAttach),
        ("GET", "/attach", Action::K8sAttach),
        ("POST", "/portforward", Action::K8sPortForward),
        ("GET", "/portforward", Action::K8sPortForward),
        ("GET", "/log", Action::K8sLogs),
        ("GET", "/proxy", Action::K8sProxy),
        ("POST", "/proxy", Action::K8sProxy),
        ("DELETE", "/proxy/x", Action::K8sProxy),
        ("DELETE", "/exec", Action::K8sDelete),
        ("PUT", "/log", Action::K8sUpdate),
    ] {
        let Some(Resolved::Resource(request)) = resolved(method, &format!("{pod}{path}")) else { panic!("{method} {path}") };
        assert_eq!(request.action(), Some(action), "{method} {path}");
    }
    for (method, target, action) in [
        ("GET", "/api/v1/pods", Action::K8sList),
        ("GET", "/api/v1/pods?watch=1", Action::K8sWatch),
        ("GET", "/api/v1/watch/pods", Action::K8sWatch),
        ("POST", "/api/v1/watch/pods", Action::K8sWatch),
        ("DELETE", "/api/v1/pods", Action::K8sDeleteCollection),
        ("POST", "/api/v1/namespaces/shop/pods", Action::K8sCreate),
        ("GET", "/api/v1/proxy/nodes/n", Action::K8sProxy),
    ] {
        let Some(Resolved::Resource(request)) = resolved(method, target) else { panic!("{method} {target}") };
        assert_eq!(request.action(), Some(action), "{method} {target}");
    }
}

#[test]
fn nothing_is_dry_that_might_be_kept() {
    let dry = |method: &str, target: &str, has_body: bool| match resolve(method, &http::read(target).expect("a target"), has_body) {
        Ok(Resolved::Resource(request)) => request.dry_run,
        other => panic!("{other:?}"),
    };
    let pod = "/api/v1/namespaces/shop/pods/web";
    assert!(dry("POST", "/api/v1/namespaces/shop/pods?dryRun=All", true));
    assert!(dry("PATCH", &format!("{pod}?dryRun=All&dryRun=All"), true));
    assert!(dry("PUT", &format!("{pod}/status?dryRun=All"), true));
    assert!(dry("DELETE", &format!("{pod}?dryRun=All"), false));
    for (method, target) in [
        ("DELETE", format!("{pod}?dryRun=All")),
        ("DELETE", "/api/v1/namespaces/shop/pods?dryRun=All".to_owned()),
        ("POST", format!("{pod}/exec?dryRun=All")),
        ("POST", format!("{pod}/eviction?dryRun=All")),
        ("PATCH", format!("{pod}?dryRun=all")),
        ("PATCH", format!("{pod}?dryRun=")),
        ("PATCH", format!("{pod}?dryRun=All&dryRun=None")),
        ("GET", format!("{pod}?dryRun=All")),
    ] {
        assert!(!dry(method, &target, true), "{method} {target}");
    }
}

#[test]
fn the_command_of_exec_is_looked_into_and_never_guessed() {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let programs = |given: &[&str]| -> Vec<Option<String>> {
        let commands = exec_commands(&words(given)).expect("a command");
        commands.iter().map(|command| command.program().map(str::to_owned)).collect()
    };
    assert_eq!(programs(&["ls", "-l"]), [Some("ls".to_owned())]);
    assert_eq!(programs(&["cd", "/tmp"]), [Some("cd".to_owned())]);
    assert!(programs(&["sh", "-c", "ls; rm x"]).contains(&Some("rm".to_owned())));
    assert!(programs(&["env", "A=b", "rm", "x"]).contains(&Some("rm".to_owned())));
    assert!(programs(&["sh"]).contains(&None), "what a shell will be told is not known");
    // A word is one word, whatever it holds.
    let [command] = exec_commands(&words(&["echo", "a b", "$(id)", "'; rm x", "*"])).expect("a command").try_into().expect("one");
    assert_eq!(command.arguments(), ["a b", "$(id)", "'; rm x", "*"]);
    assert!(!command.has_patterns() && !command.is_dynamic());
    assert_eq!(exec_commands(&[]), Err(Unresolved::NoCommand));
}

#[test]
fn a_field_is_named_by_its_place_in_the_object_wherever_that_stands() {
    for (place, name) in [
        ("/data/password", "/data/password"),
        ("/items/*/data/password", "/data/password"),
        ("/object/data/password", "/data/password"),
        ("/rows/*/object/data/password", "/data/password"),
        ("/object/rows/*/object/data/password", "/data/password"),
        ("/items/*/items/*/data", "/data"),
    ] {
        assert!(names(place).contains(&name), "{place}");
    }
    assert_eq!(names("/itemsx/*/data"), ["/itemsx/*/data"]);
    assert_eq!(names("/items/*"), ["/items/*"]);
}

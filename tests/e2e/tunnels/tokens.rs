//! Every place that a token may come from, and each that has none.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Site, Tunnel};
use crate::harness::{Guarded, Run, bartizan, wait_for_line};

/// Arguments, and variables.
type Given<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)]);

/// The command line without a token.
fn command(site: &Site, dir: &Path) -> Command {
    let mut command = bartizan(&site.world.dir());
    command.args(["tunnel", "--name", "bastion", "--host-ca", &site.world.host_ca, "--health", "127.0.0.1:0", "orders=0"]);
    command.args(["--bastion", &format!("127.0.0.1:{}", site.world.bastion.port)]).current_dir(dir);
    command
}

/// Gives a job its token, as GitHub Actions does: to who asks with the job's own, and says for whom it shall be.
const ACTIONS: &str = r#"
import http.server, json, sys, urllib.parse
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
        good = self.headers["Authorization"] == "Bearer of-the-job" and query == {"api": ["2.0"], "audience": ["bartizan"]}
        self.send_response(200 if good else 401)
        self.end_headers()
        self.wfile.write(json.dumps({"value": open("token").read().strip()} if good else {"error": "not yours"}).encode())
server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
print(f"READY {server.server_port}", flush=True)
server.serve_forever()
"#;

#[test]
fn a_token_may_stand_in_a_variable_be_printed_or_be_asked_for() {
    let site = Site::start();
    let dir = site.seat("service");
    let token = fs::read_to_string(dir.join("token")).unwrap();
    fs::write(dir.join("secret"), "ci-secret\n").unwrap();
    let mut python = Command::new("python3");
    python.args(["-c", ACTIONS]).current_dir(&dir);
    let log = dir.join("actions.log");
    let mut actions = Guarded::logged(python, &log);
    let job = format!("http://127.0.0.1:{}/token?api=2.0", wait_for_line(&log, "READY ", &mut actions));
    let endpoint = format!("{}/token", site.world.provider.issuer);
    let ways: [Given<'_>; 5] = [
        (&["--token-env", "CI_JOB_JWT"], &[("CI_JOB_JWT", token.trim())]),
        (&["--token-exec", "sh -c 'cat token'"], &[]),
        (&["--token-url", &endpoint, "--client-id", "ci", "--scope", "groups"], &[("CLIENT_SECRET", "ci-secret")]),
        (&["--token-url", &endpoint, "--client-id", "ci", "--scope", "groups", "--client-secret-file", "secret"], &[]),
        (&["--token-github", "bartizan"], &[("ACTIONS_ID_TOKEN_REQUEST_URL", &job), ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "of-the-job")]),
    ];
    for (n, (arguments, variables)) in ways.into_iter().enumerate() {
        let seat = dir.join(n.to_string());
        fs::create_dir(&seat).unwrap();
        let mut command = command(&site, &dir);
        command.args(arguments).envs(variables.iter().copied());
        let mut tunnel = Tunnel::start(&seat, command);
        tunnel.wait_until_ready();
        assert_eq!(tunnel.psql("SELECT 1").ok().text(), "1\n", "{arguments:?}");
    }
}

#[test]
fn a_token_that_is_not_to_be_had_is_told_without_what_was_shown_for_it() {
    let site = Site::start();
    let dir = site.seat("service");
    let endpoint = format!("{}/token", site.world.provider.issuer);
    let refused = |arguments: &[&str], words: &str| {
        let mut command = command(&site, &dir);
        command.args(arguments).env("CLIENT_SECRET", "wrong-secret");
        let done = Run::new(command).finish();
        assert!(done.code() == 3 && done.err.contains("there is no token") && done.err.contains(words), "{done}");
        assert!(!done.err.contains("wrong-secret"), "{done}");
    };
    refused(&["--token-env", "NOT_SET"], "env NOT_SET: is not set");
    refused(&["--token-exec", "sh -c 'echo half-a-token; exit 3'"], "exit status: 3");
    refused(&["--token-exec", "/nonexistent"], "/nonexistent");
    refused(&["--token-url", &endpoint, "--client-id", "ci"], "invalid_client");
    refused(&["--token-url", "http://192.0.2.1/token", "--client-id", "ci"], "not an https URL");
    refused(&["--token-github", "bartizan"], "env ACTIONS_ID_TOKEN_REQUEST_URL: is not set");
    // Two places are one too many.
    let mut command = command(&site, &dir);
    command.args(["--token-file", "token", "--token-env", "TOKEN"]);
    assert_eq!(Run::new(command).finish().code(), 2);
}

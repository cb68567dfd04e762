//! Least privilege: a service does its work by real ssh, psql and curl while the test counts; what the bastion tells of it is compared
//! with that, and with what the targets themselves saw. Then the service gets no more than that, and the same work goes on.

mod long;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{
    Control, Done, Guarded, Postgres, Run, Setup, Visitor, Way, World, fixture, free_port, passable_folder, repository, wait_for_line,
    wait_until,
};

/// The services of the group may do everything, and what they do to refunds waits for an admin.
const BROAD: &str = r#"
@id("admins-may-everything")
permit (principal in Group::"corp/admins", action, resource);

@id("all-get-certificates")
permit (principal, action == Action::"issue", resource);

@id("robots-may-everything")
permit (principal in Group::"robots/robots", action, resource);

@id("reboots-wait")
@reason("Somebody should know.")
@approve("corp/admins")
forbid (principal, action == Action::"ssh.exec", resource) when { context.command like "echo reboot*" };

@id("admin-is-for-admins")
forbid (principal in Group::"robots/robots", action in Action::"http", resource) when { context has path && context.path like "/admin*" };
"#;

const TABLES: &str = "
CREATE TABLE refunds (id int PRIMARY KEY, card text, amount int);
INSERT INTO refunds SELECT n, '411111111111' || n, n FROM generate_series(1000, 1009) n;
CREATE TABLE salaries (name text, salary int);
GRANT ALL ON ALL TABLES IN SCHEMA public TO app;
";

const WHO: &str = "robots/ci";
/// How often a row is changed in one session.
const UPDATES: usize = 5;

struct Site {
    world: World,
    server: Postgres,
    robot: Visitor,
    /// Ports of the service's forwards: database, web server.
    ports: [u16; 2],
    folder: tempfile::TempDir,
    _processes: Vec<Guarded>,
}

impl Site {
    fn start() -> Self {
        let folder = passable_folder();
        let server = Postgres::start(None, &folder.path().join("server"), "orders", TABLES);
        let log = folder.path().join("server.log");
        let mut node = Command::new("node");
        node.arg(fixture("http/server.mjs")).arg(folder.path().join("requests.ndjson"));
        let mut web = Guarded::logged(node, &log);
        let port: u16 = wait_for_line(&log, "READY ", &mut web).parse().unwrap();
        let billing = format!("\n[[target]]\nname = \"billing\"\nkind = \"http\"\nupstream = \"http://127.0.0.1:{port}/api\"\n");
        let world = World::with(Setup { policies: Some(BROAD), more: server.target("orders", "") + &billing, ..Setup::default() });
        let robot = world.stranger("robot");
        log_in(&world, &robot);
        let ports = [free_port(), free_port()];
        let forwards = [format!("{}:orders:5432", ports[0]), format!("{}:billing:80", ports[1])];
        let ssh = robot.openssh("ssh", ["-N", "-o", "ExitOnForwardFailure=yes", "-L", &forwards[0], "-L", &forwards[1], "bastion"]);
        let forwarding = Guarded::logged(ssh, &robot.dir.join("forwards.log"));
        for port in ports {
            wait_until("the forward is open", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        }
        Self { world, server, robot, ports, folder, _processes: vec![web, forwarding] }
    }

    fn exec(&self, line: &str) -> Done {
        self.robot.on_target(Way::At, &[], line).finish()
    }

    fn psql(&self, statement: &str) -> Done {
        let port = self.ports[0].to_string();
        let arguments = ["-X", "-q", "-At", "-h", "127.0.0.1", "-U", "app", "-d", "orders", "-p", &port, "-c", statement];
        Run::new(self.robot.command("psql", arguments)).finish()
    }

    /// Statements one after the other in one session.
    fn psql_lines(&self, statements: &str) -> Done {
        let port = self.ports[0].to_string();
        let arguments = ["-X", "-q", "-At", "-h", "127.0.0.1", "-U", "app", "-d", "orders", "-p", &port, "-f", "-"];
        Run::new(self.robot.command("psql", arguments)).input(statements.replace(';', ";\n")).finish()
    }

    fn curl(&self, arguments: &[&str], path: &str) -> String {
        let url = format!("http://127.0.0.1:{}{path}", self.ports[1]);
        let mut curl = self.robot.command("curl", ["--silent", "--show-error", "--output", "/dev/null", "--write-out", "%{http_code}"]);
        curl.args(arguments).arg(url).env("NO_PROXY", "*");
        Run::new(curl).ok().text()
    }

    /// What the web server was asked: method and path.
    fn asked(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.path().join("requests.ndjson")).unwrap_or_default();
        let one = |line: &str| -> String {
            let seen: Value = serde_json::from_str(line).unwrap();
            let url = seen["url"].as_str().unwrap();
            format!("{} {}", seen["method"].as_str().unwrap(), url.split('?').next().unwrap().trim_start_matches("/api"))
        };
        text.lines().map(one).collect()
    }

    /// One round of the service's work.
    fn work(&self, round: usize) {
        self.exec("uptime -p").ok();
        self.exec("echo $HOME; ls /").ok();
        assert_eq!(self.psql("SELECT id, amount FROM refunds WHERE id = 1003").ok().text(), "1003|1003\n");
        let update = format!("UPDATE refunds SET amount = {round} WHERE id = 1004;");
        // One session: what it does again is written once, and counted.
        self.psql_lines(&update.repeat(UPDATES)).ok();
        assert_eq!(self.curl(&[], &format!("/echo?round={round}")), "200");
        assert_eq!(self.curl(&["-X", "POST", "-d", "x=1"], "/refunds"), "200");
    }

    fn report(&self) -> Value {
        // What a session did again is written when it ends.
        let live = || self.world.bastion.run(["sessions", "list", "--live", "--json"]).ok().json();
        wait_until("the sessions are over", || live().as_array().unwrap().is_empty());
        self.world.bastion.run(["least-privilege", "report", "--service", WHO, "--json"]).ok().json()
    }
}

/// A certificate for a service's token, by stock ssh.
fn log_in(world: &World, robot: &Visitor) {
    let mut command = robot.command("sshpass", ["-e", "ssh", "-F"]);
    command.arg(robot.config()).args(["-o", "PubkeyAuthentication=no", "jwt@bastion", "cert"]);
    command.env("SSHPASS", world.provider.service_token());
    let done = Run::new(command).input(fs::read(robot.dir.join("id.pub")).unwrap()).ok();
    fs::write(robot.certificate(), &done.out).unwrap();
}

fn on_target<'a>(report: &'a Value, target: &str) -> &'a Value {
    let targets = report["principals"][0]["targets"].as_array().unwrap();
    targets.iter().find(|on| on["target"] == target).unwrap_or_else(|| panic!("{target}: {report}"))
}

/// How often an action was used on something.
fn used(report: &Value, target: &str, action: &str, on: &str) -> u64 {
    let grants = on_target(report, target)["grants"].as_array().unwrap();
    let found = grants.iter().find(|grant| grant["action"] == action && grant["on"] == on);
    found.unwrap_or_else(|| panic!("{action} {on}: {report}"))["used"].as_u64().unwrap()
}

/// Names of what is granted and was never used.
fn unused(report: &Value, target: &str) -> Vec<String> {
    let grants = on_target(report, target)["grants"].as_array().unwrap();
    grants
        .iter()
        .filter(|grant| grant["used"] == 0)
        .map(|grant| format!("{} {}", grant["action"].as_str().unwrap(), grant["on"].as_str().unwrap()))
        .collect()
}

#[test]
fn the_report_counts_what_a_service_did_and_a_suggestion_leaves_it_exactly_that() {
    let site = Site::start();
    let rounds = 3;
    for round in 1..=rounds {
        site.work(round);
    }
    for _ in 0..2 {
        assert_eq!(site.curl(&[], "/admin/users"), "403");
    }

    let report = site.report();
    let rounds = rounds as u64;
    // As the test counted, and as the web server did.
    let asked = site.asked();
    for (action, path) in [("http.GET", "/echo"), ("http.POST", "/refunds")] {
        let seen = asked.iter().filter(|seen| format!("http.{seen}") == format!("{action} {path}")).count();
        assert_eq!((used(&report, "billing", action, path), seen as u64), (rounds, rounds), "{asked:?}");
    }
    assert_eq!(used(&report, "web-1", "ssh.exec", "uptime -p as deploy"), rounds);
    assert_eq!(used(&report, "web-1", "ssh.exec", "ls / as deploy"), rounds);
    assert_eq!(used(&report, "web-1", "connect", "as deploy"), 2 * rounds);
    assert_eq!(used(&report, "orders", "pg.update", "public.refunds where …"), rounds * UPDATES as u64);
    assert_eq!(used(&report, "orders", "pg.read_column", "public.refunds.amount"), rounds);
    assert_eq!(used(&report, "orders", "connect", "as app"), 2 * rounds);
    assert_eq!(site.server.ask("SELECT amount FROM refunds WHERE id = 1004"), rounds.to_string(), "each of them reached the server");
    let denied = &on_target(&report, "billing")["denied"];
    assert_eq!((denied[0]["action"].as_str(), denied[0]["attempts"].as_u64()), (Some("http.GET"), Some(2)), "{denied}");
    // What it was granted and never used, seen by anybody or not.
    let never = unused(&report, "orders");
    for granted in
        ["pg.select public.salaries", "pg.delete public.refunds", "pg.read_column public.refunds.card", "pg.select any other table"]
    {
        assert!(never.iter().any(|one| one == granted), "{granted}: {never:?}");
    }
    assert!(unused(&report, "web-1").iter().any(|one| one == "ssh.shell as deploy"));
    assert_eq!(
        (&report["granted_equals_used"], &report["principals"][0]["granted_equals_used"]),
        (&Value::Bool(false), &Value::Bool(false))
    );

    // The suggestion, by itself and as it is shown.
    let suggested = site.world.bastion.run(["policy", "suggest", WHO, "--json"]).ok().json();
    assert_eq!((&suggested["exact"], &suggested["beyond"]), (&Value::Bool(true), &Value::Array(Vec::new())), "{suggested}");
    assert!(suggested["others"].as_u64().unwrap() > 100, "{suggested}");
    let text = suggested["text"].as_str().unwrap();
    let path = site.folder.path().join("suggested.cedar");
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap();
    site.world.bastion.run(["policy", "check", "--deny-warnings", path]).ok();
    site.world.bastion.run(["policy", "format", "--check", path]).ok();

    // In force in place of the broad one, the same work passes, and nothing else does.
    let admins = BROAD.split("@id(\"robots-may-everything\")").next().unwrap();
    site.world.put_in_force("test.cedar", &format!("{admins}{text}"));
    site.work(4);
    site.exec("uptime").refused();
    site.exec("ls /root").refused();
    site.robot.on_target(Way::At, &[], "").input("id\n").finish().refused();
    for statement in
        ["SELECT card FROM refunds", "DELETE FROM refunds", "UPDATE refunds SET amount = 0", "SELECT * FROM salaries", "CREATE TABLE x ()"]
    {
        let done = site.psql(statement);
        assert!(!done.status.success() && done.err.contains("refused"), "{statement}: {done}");
    }
    for (method, path) in [("GET", "/refunds"), ("POST", "/echo"), ("GET", "/customers"), ("DELETE", "/refunds")] {
        assert_eq!(site.curl(&["-X", method], path), "403", "{method} {path}");
    }
    assert_eq!(site.server.ask("SELECT count(*) FROM refunds WHERE amount <> 0"), "10");

    // And so the report says.
    let report = site.report();
    let never: Vec<_> = ["web-1", "orders", "billing"].iter().flat_map(|target| unused(&report, target)).collect();
    assert_eq!(never, Vec::<String>::new(), "{report}");
    assert_eq!(report["granted_equals_used"], Value::Bool(true), "{report}");
    assert_eq!(used(&report, "web-1", "ssh.exec", "uptime -p as deploy"), rounds + 1);
    site.world.bastion.run(["least-privilege", "report", "--service", WHO, "--check"]).ok();

    // Against the broad one, what changed is told by diff: what is refused by now, and nothing of the work.
    let broad = site.folder.path().join("broad.cedar");
    fs::write(&broad, BROAD).unwrap();
    let diff = site.world.bastion.run(["policy", "diff", path, broad.to_str().unwrap(), "--since", "1h", "--json"]).finish();
    assert_eq!(diff.code(), 1, "{diff}");
    let told = diff.json();
    let robot = told["principals"].as_array().unwrap().iter().find(|one| one["principal"] == WHO).unwrap();
    assert!(robot["changes"].as_array().unwrap().iter().all(|change| change["old"]["verdict"] == "deny"), "{robot}");
    assert!(told["not_replayed"].as_array().unwrap().is_empty(), "statements of SQL are replayed too: {told}");
}

#[test]
fn what_people_approved_is_told_with_their_names_and_suggested_with_its_approval() {
    let site = Site::start();
    let alice = site.world.visitor("alice");
    let waiting = Guarded::logged(site.robot.on_command(Way::At, "web-1", &[], "echo reboot now"), &site.robot.dir.join("held.log"));
    let pending = || alice.ssh(["bastion", "approvals", "--json"]).ok().json();
    wait_until("it waits", || pending().as_array().is_some_and(|all| !all.is_empty()));
    let id = pending()[0]["id"].as_str().unwrap().to_owned();
    alice.ssh(["bastion", "approve", &id, "fine"]).ok();
    let mut waiting = waiting;
    wait_until("it is done", || !waiting.runs());

    let report = site.report();
    let on = on_target(&report, "web-1");
    assert_eq!(on["held"]["asked"], 1, "{on}");
    assert_eq!(on["held"]["answered_by"]["corp/alice@example.test"]["approved"], 1, "{on}");
    assert_eq!(used(&report, "web-1", "ssh.exec", "echo reboot now as deploy"), 1);
    let suggested = site.world.bastion.run(["policy", "suggest", WHO]).ok();
    assert!(suggested.text().contains("@approve(\"corp/admins\")"), "{suggested}");
    // As people read it.
    let told = site.world.bastion.run(["least-privilege", "report"]).ok().text();
    for line in ["service robots/ci in robots/robots", "held: once; approved by corp/alice@example.test (1)", "granted == used: no"] {
        assert!(told.contains(line), "{line}: {told}");
    }
}

#[test]
fn over_the_control_protocol_each_is_told_of_those_whose_audit_log_they_may_read() {
    let site = Site::start();
    site.exec("uptime -p").ok();
    let (alice, bob) = (site.world.visitor("alice"), site.world.visitor("bob"));
    let told = |who: &Visitor, what: Value| Control::open(who).ask("least_privilege", what)["ok"].clone();
    let names = |report: &Value| -> Vec<String> {
        report["principals"].as_array().unwrap().iter().map(|one| one["principal"].as_str().unwrap().to_owned()).collect()
    };
    let report = told(&alice, json!({}));
    assert_eq!(names(&report), [WHO], "{report}");
    assert_eq!(used(&report, "web-1", "ssh.exec", "uptime -p as deploy"), 1);
    assert!(unused(&report, "web-1").len() <= 200);
    assert_eq!(names(&told(&alice, json!({ "users": true }))).len(), 3);
    assert_eq!(names(&told(&bob, json!({ "users": true }))), ["corp/bob@example.test"]);
    assert_eq!(names(&told(&bob, json!({ "principal": WHO }))), Vec::<String>::new());
    let audited = site.world.bastion.run(["audit", "tail", "--json", "-n", "1000"]).ok().text();
    assert!(audited.contains("least_privilege"), "who reads it stands in the log");
}

#[test]
fn a_signed_report_is_verified_elsewhere_with_public_keys_alone_and_an_edited_number_shows() {
    let site = Site::start();
    site.exec("uptime -p").ok();
    site.exec("uptime -p").ok();
    let document = site.folder.path().join("report.json");
    let path = document.to_str().unwrap();
    site.world.bastion.run(["least-privilege", "report", "--signed", path]).ok();
    let again = site.world.bastion.run(["least-privilege", "report", "--signed", path]).finish();
    assert!(again.code() == 3 && again.err.contains("name a new file"), "{again}");

    // Elsewhere: no configuration, no state, the two public keys.
    let elsewhere = tempfile::tempdir().unwrap();
    for key in ["audit.pub", "tlog.vkey"] {
        fs::copy(site.world.dir().join("state/keys").join(key), elsewhere.path().join(key)).unwrap();
    }
    let verify = |document: &Path| {
        let mut command = crate::harness::bartizan(elsewhere.path());
        command.env("BARTIZAN_CONFIG", "/nonexistent").current_dir(elsewhere.path());
        command.args(["least-privilege", "verify", "--key", "audit.pub", "--log-key", "tlog.vkey", "--json"]).arg(document);
        Run::new(command).finish()
    };
    // The same by a verifier that shares no code with the bastion.
    let independent = |document: &Path, keys: &[&str]| {
        let mut command = Command::new(repository(".deps/venv/bin/python"));
        command.arg(repository("contrib/verify-recording.py")).arg("--report").arg(document).args(keys).current_dir(elsewhere.path());
        Run::new(command).finish()
    };
    let keys = ["--key", "audit.pub", "--log-key", "tlog.vkey"];
    let done = verify(&document);
    assert_eq!((done.code(), done.json()["outcome"].as_str()), (0, Some("ok")), "{done}");
    for keys in [&keys[..], &[]] {
        let done = independent(&document, keys).ok();
        assert!(done.text().contains("the last that is counted, is leaf"), "{done}");
    }
    let text = fs::read_to_string(&document).unwrap();
    assert!(text.contains("\"used\":2"), "{text}");
    let head = serde_json::from_str::<Value>(&text).unwrap()["report"]["scope"]["head"].as_str().unwrap().to_owned();
    for (was, is) in [
        ("\"used\":2".to_owned(), "\"used\":3".to_owned()),
        ("\"granted_equals_used\":false".to_owned(), "\"granted_equals_used\":true".to_owned()),
        (head.clone(), "0".repeat(64)),
    ] {
        let edited = elsewhere.path().join("edited.json");
        fs::write(&edited, text.replacen(&was, &is, 1)).unwrap();
        let done = verify(&edited);
        assert_eq!(done.code(), 1, "{was}: {done}");
        let done = independent(&edited, &keys);
        assert!(done.code() == 1 && done.text().contains("TAMPERED"), "{was}: {done}");
    }
    // Whatever way it is laid out; and not by another's key.
    let pretty = elsewhere.path().join("pretty.json");
    let value: Value = serde_json::from_str(&text).unwrap();
    fs::write(&pretty, serde_json::to_string_pretty(&value).unwrap()).unwrap();
    independent(&pretty, &keys).ok();
    verify(&pretty).ok();
    assert_eq!(independent(&document, &["--key", &"11".repeat(32)]).code(), 1);
    fs::write(&pretty, text.replacen("{", "{\"report\":{},", 1)).unwrap();
    assert_eq!(independent(&pretty, &keys).code(), 1, "of two reports in one document, neither is believed");
    // The log that is proved is this bastion's, and has the entry.
    let audited = fs::read(site.world.dir().join("state/audit/audit.ndjson")).unwrap();
    assert!(
        audited.split(|byte| *byte == b'\n').any(|line| bartizan::audit::hash_of(line).is_some_and(|(_, hash)| hex::encode(hash) == head))
    );
}

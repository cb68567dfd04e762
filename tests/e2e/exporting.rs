//! The audit log is carried to files, syslog servers, an OpenTelemetry collector and webhooks: every entry at least once and in order,
//! whoever is killed in the middle, and nobody waits for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Guarded, Run, Setup, Way, World, fixture, free_port, repository, wait_for_line, wait_until, wait_until_within};

const SECRET: &str = "planted-webhook-secret";

/// What takes an export.
struct Sink {
    kind: &'static str,
    file: PathBuf,
    place: String,
    more: String,
    process: Option<Guarded>,
}

impl Sink {
    fn new(dir: &Path, kind: &'static str) -> Self {
        let place = if kind == "unix" { dir.join("log.sock").display().to_string() } else { free_port().to_string() };
        let more = match kind {
            "webhook" => SECRET.to_owned(),
            "tls" => format!("{}/right", certificates(dir)),
            _ => String::new(),
        };
        Self { kind, file: dir.join(format!("{kind}.numbers")), place, more, process: None }
    }

    fn start(&mut self) {
        let mut python = Command::new("python3");
        python.arg(fixture("exports/sink.py")).arg(self.kind).arg(&self.file).arg(&self.place).arg(&self.more);
        let log = self.file.with_extension("log");
        let _ = fs::remove_file(&log);
        let mut process = Guarded::logged(python, &log);
        wait_for_line(&log, "READY", &mut process);
        self.process = Some(process);
    }

    fn kill(&mut self) {
        self.process.take().unwrap().kill();
    }

    /// The section that leads here.
    fn section(&self) -> String {
        let (kind, place) = (self.kind, &self.place);
        let to = match kind {
            "webhook" => format!("webhook = \"http://127.0.0.1:{place}/\"\nsecret = {{ exec = [\"echo\", \"{SECRET}\"] }}"),
            "unix" => format!("syslog = \"unix:{place}\""),
            "tls" => format!("syslog = \"tls://127.0.0.1:{place}\"\nca = \"{}\"", self.more.replace("/right", "/ca.crt")),
            _ => format!("syslog = \"{kind}://127.0.0.1:{place}\""),
        };
        format!("\n[[audit_export]]\nname = \"{kind}\"\n{to}\n")
    }

    /// The numbers of the entries that came.
    fn numbers(&self) -> Vec<u64> {
        fs::read_to_string(&self.file).unwrap_or_default().lines().map(|line| line.parse().unwrap()).collect()
    }
}

/// Certificates of an authority of the test's own: that of the server begins with `right`.
fn certificates(dir: &Path) -> String {
    let mut python = Command::new(repository(".deps/venv/bin/python"));
    python.arg(fixture("http/certificates.py")).arg(dir);
    Run::new(python).ok();
    dir.display().to_string()
}

/// How many entries the log has.
fn logged(world: &World) -> u64 {
    fs::read_to_string(world.dir().join("state/audit/audit.ndjson")).unwrap().lines().count() as u64
}

/// Each came, and none before the one before it: what is repeated is repeated from some place on.
fn are_whole(numbers: &[u64], last: u64, what: &str) {
    let mut next = 1;
    for number in numbers {
        assert!(*number <= next, "{what}: {number} came before {next}");
        next = next.max(number + 1);
    }
    assert!(next > last, "{what}: {next} of {last} and later did not come");
}

/// Makes some entries.
fn act(world: &World, times: usize) {
    for n in 0..times {
        world.bastion.run(["lock", "--user", &format!("corp/nobody-{n}"), "--for", "1h", "--reason", "an entry"]).ok();
    }
}

#[test]
fn every_entry_arrives_in_order_when_the_bastion_and_the_sinks_are_killed_in_the_middle() {
    let folder = tempfile::tempdir().unwrap();
    let mut sinks: Vec<Sink> = ["tcp", "tls", "webhook"].map(|kind| Sink::new(folder.path(), kind)).into();
    let file = folder.path().join("audit.ndjson");
    let mut more: String = sinks.iter().map(Sink::section).collect();
    more += &format!("\n[[audit_export]]\nname = \"file\"\nfile = \"{}\"\n", file.display());
    sinks.iter_mut().for_each(Sink::start);
    let mut world = World::with(Setup { more, ..Setup::default() });
    for round in 0..if crate::harness::full() { 8 } else { 3 } {
        act(&world, 8);
        let victim = &mut sinks[round % 3];
        victim.kill();
        act(&world, 4);
        world.bastion.kill();
        world.restart();
        act(&world, 4);
        victim.start();
    }
    let last = logged(&world);
    wait_until_within(60, "the rest", || sinks.iter().all(|sink| sink.numbers().iter().max().is_some_and(|max| *max >= last)));
    for sink in &sinks {
        are_whole(&sink.numbers(), last, sink.kind);
    }
    wait_until("the file's rest", || fs::read_to_string(&file).unwrap().lines().count() as u64 >= last);
    let text = fs::read_to_string(&file).unwrap();
    let numbers = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["seq"].as_u64().unwrap());
    are_whole(&numbers.collect::<Vec<_>>(), last, "file");
    // What was exported is what the log says, line by line.
    let log = fs::read_to_string(world.dir().join("state/audit/audit.ndjson")).unwrap();
    assert!(text.lines().all(|line| log.lines().any(|known| known == line)));
    assert!(!world.bastion.log().contains("planted"), "{}", world.bastion.log());
    // One more end, in order this time: the last entry of all has gone too.
    world.bastion.ask_to_end();
    assert_eq!(world.bastion.ended(), 0);
    let last = logged(&world);
    for sink in &sinks {
        are_whole(&sink.numbers(), last, sink.kind);
    }
}

#[test]
fn datagrams_reach_a_syslog_server_by_the_network_and_by_a_socket_of_the_machine() {
    let folder = tempfile::tempdir().unwrap();
    let mut sinks: Vec<Sink> = ["udp", "unix"].map(|kind| Sink::new(folder.path(), kind)).into();
    sinks.iter_mut().for_each(Sink::start);
    let more = sinks.iter().map(Sink::section).collect();
    let world = World::with(Setup { more, ..Setup::default() });
    act(&world, 3);
    let last = logged(&world);
    for sink in &sinks {
        wait_until("the datagrams", || sink.numbers().iter().max().is_some_and(|max| *max >= last));
        are_whole(&sink.numbers(), last, sink.kind);
    }
}

#[test]
fn a_collector_of_opentelemetry_gets_every_entry_across_its_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let (grpc, http) = (free_port(), free_port());
    let start = |turn: usize| {
        let mut rotel = Command::new(agent());
        rotel.args(["start", "--otlp-grpc-endpoint", &format!("127.0.0.1:{grpc}"), "--otlp-http-endpoint", &format!("127.0.0.1:{http}")]);
        rotel.args(["--exporter", "blackhole", "--debug-log", "logs", "--debug-log-verbosity", "detailed"]);
        let process = Guarded::logged(rotel, &folder.path().join(format!("rotel-{turn}.log")));
        wait_until("the collector listens", || std::net::TcpStream::connect(("127.0.0.1", http)).is_ok());
        process
    };
    let numbers = || {
        let logs = (0..2).map(|turn| fs::read_to_string(folder.path().join(format!("rotel-{turn}.log"))).unwrap_or_default());
        let all: String = logs.collect();
        all.lines().filter_map(|line| line.split_once("bartizan.seq: Int(")?.1.strip_suffix(')')?.parse().ok()).collect::<Vec<u64>>()
    };
    let mut first = start(0);
    let more = format!("\n[[audit_export]]\nname = \"otel\"\notlp = \"http://127.0.0.1:{http}/v1/logs\"\n");
    let mut world = World::with(Setup { more, ..Setup::default() });
    act(&world, 4);
    wait_until("the first entries", || numbers().len() > 4);
    first.signal(rustix::process::Signal::TERM);
    first.wait(std::time::Duration::from_secs(20)).unwrap();
    act(&world, 4);
    world.bastion.kill();
    world.restart();
    let _second = start(1);
    act(&world, 4);
    let last = logged(&world);
    wait_until_within(60, "the rest", || numbers().iter().max().is_some_and(|max| *max >= last));
    are_whole(&numbers(), last, "otlp");
    let log = fs::read_to_string(folder.path().join("rotel-1.log")).unwrap();
    for told in ["service.name: Str(bartizan)", "bartizan.kind: Str(lock.added)", "SEVERITY_NUMBER_INFO"] {
        assert!(log.contains(told), "{told}: {log}");
    }
}

/// The collector itself: the package's own command is a Python that starts it.
fn agent() -> PathBuf {
    let lib = repository(".deps/venv/lib");
    let agents = fs::read_dir(&lib).unwrap().map(|entry| entry.unwrap().path().join("site-packages/rotel/rotel-agent"));
    agents.into_iter().find(|path| path.exists()).unwrap_or_else(|| panic!("no collector below {}", lib.display()))
}

#[test]
fn a_sink_that_takes_nothing_holds_up_nobody_and_its_lag_is_told() {
    // Takes connections, and reads nothing of them.
    let hung = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = hung.local_addr().unwrap().port();
    let metrics = free_port();
    let more = format!(
        "\n[metrics]\nlisten = \"127.0.0.1:{metrics}\"\n\n[[audit_export]]\nname = \"hung\"\nsyslog = \"tcp://127.0.0.1:{port}\"\n\
         \n[[audit_export]]\nname = \"gone\"\nwebhook = \"http://127.0.0.1:1/\"\n"
    );
    let world = World::with(Setup { more, ..Setup::default() });
    let alice = world.visitor("alice");
    for _ in 0..5 {
        alice.on_target(Way::At, &[], "true").ok();
    }
    let told = || {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--noproxy", "*", &format!("http://127.0.0.1:{metrics}/metrics")]);
        Run::new(curl).ok().text()
    };
    let lag = |name: &str| {
        let text = told();
        let line = text.lines().find(|line| line.starts_with(&format!("bartizan_audit_export_lag_entries{{export=\"{name}\"}}")));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).unwrap_or(0.0)
    };
    wait_until("the lags", || lag("hung") > 0.0 && lag("gone") > 0.0);
    assert!(told().contains("bartizan_audit_export_failures_total{export=\"gone\"}"), "{}", told());
}

//! How fast requests and bytes pass, beside a plain `ssh -L` to an sshd with nothing, nginx or haproxy behind it. Every test run takes a
//! glance, which shows that it works; `tests/bench/http` measures. Nothing here asserts on time.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::harness::{
    Goal, Guarded, Row, Run, Setup, Visitor, World, asked, chosen, daemon, fixture, free_port, is_bench, plain_forward, point, sized,
};

/// Admins (alice) may everything; of developers (bob) a field is masked.
const POLICIES: &str = r#"
@id("admins-may-everything")
permit (principal in Group::"corp/admins", action, resource);
@id("all-get-certificates")
permit (principal, action == Action::"issue", resource);
@id("developers-may-everything")
permit (principal in Group::"corp/developers", action, resource);
@id("cards") @mask("last4")
forbid (principal in Group::"corp/developers", action == Action::"http.read_field", resource in Target::"billing") when { context.field like "*/card" };
"#;

/// What is put into nginx's and haproxy's configurations.
fn filled(folder: &Path, name: &str, words: &[(&str, String)]) -> std::path::PathBuf {
    let mut text = fs::read_to_string(fixture(&format!("http/{name}"))).unwrap();
    for (word, value) in words {
        text = text.replace(word, value);
    }
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path
}

/// A server and a reverse proxy of it, both of one nginx in the folder `here`: their ports.
fn nginx(here: &Path) -> (u16, u16, Guarded) {
    let (server, proxy) = (free_port(), free_port());
    let words = [("FOLDER", here.display().to_string()), ("PORT", server.to_string()), ("PROXY", proxy.to_string())];
    let conf = filled(here, "bench.conf", &words);
    let process = daemon("nginx", &["-c".as_ref(), conf.as_os_str(), "-p".as_ref(), here.as_os_str()], &here.join("nginx.log"), proxy);
    (server, proxy, process)
}

/// The target `billing`, whose server listens there.
fn billing(server: u16) -> String {
    format!("\n[[target]]\nname = \"billing\"\nkind = \"http\"\nupstream = \"http://127.0.0.1:{server}\"\n")
}

/// Requests per second, and the mean time of one in milliseconds.
fn load(visitor: &Visitor, port: u16, path: &str, clients: &str, seconds: &str, more: &[&str]) -> (f64, f64) {
    let mut command = visitor.command("h2load", more);
    command.args(["-c", clients, "-D", seconds, "--warm-up-time", "1", &format!("http://127.0.0.1:{port}{path}")]);
    let text = Run::new(command).within(300).ok().text();
    let word = |line: &str, place: usize| {
        text.lines().find_map(|found| found.strip_prefix(line)?.split_whitespace().nth(place).map(str::to_owned))
    };
    let rate = word("finished in ", 1).unwrap_or_else(|| panic!("{text}")).parse().unwrap();
    let mean = word("time for request:", 2).unwrap_or_else(|| panic!("{text}"));
    let scale = if mean.ends_with("us") {
        0.001
    } else if mean.ends_with("ms") {
        1.0
    } else {
        1_000.0
    };
    let mean: f64 = mean.trim_end_matches(['u', 'm', 's']).parse().unwrap();
    assert!(text.contains(" 0 failed, 0 errored, 0 timeout"), "{text}");
    (rate, mean * scale)
}

/// MiB per second of one download.
fn download(visitor: &Visitor, port: u16) -> f64 {
    let mut curl =
        visitor.command("curl", ["--silent", "--show-error", "--noproxy", "*", "-o", "/dev/null", "--write-out", "%{speed_download}"]);
    curl.arg(format!("http://127.0.0.1:{port}/long"));
    Run::new(curl).within(300).ok().text().parse::<f64>().unwrap() / f64::from(1 << 20)
}

#[test]
fn requests_pass_beside_plain_ssh_and_proxies() {
    let (seconds, rounds) = if is_bench() { (asked("BARTIZAN_BENCH_SECONDS", 10), asked("BARTIZAN_BENCH_ROUNDS", 5)) } else { (1, 1) };
    let (clients, long): (&[&str], u64) = sized((&["2"], 4 << 20), (&["32"], 256 << 20), (&["1", "8", "32"], 512 << 20));
    let folder = tempfile::Builder::new().prefix("bartizan-bench-").tempdir().unwrap();
    let here = folder.path();
    let haproxy = free_port();
    fs::File::create(here.join("long")).unwrap().set_len(long).unwrap();
    fs::File::create(here.join("mebibyte")).unwrap().set_len(1 << 20).unwrap();
    let (server, nginx, _nginx) = nginx(here);
    let cfg = filled(here, "haproxy.cfg", &[("PORT", haproxy.to_string()), ("SERVER", server.to_string())]);
    let _haproxy = daemon("haproxy", &["-db".as_ref(), "-f".as_ref(), cfg.as_os_str()], &here.join("haproxy.log"), haproxy);
    let world = World::with(Setup { policies: Some(POLICIES), more: billing(server), ..Setup::default() });
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let ((plain, _a), (with_nginx, _b), (with_haproxy, _c)) = (
        plain_forward(&world.target, &alice, server),
        plain_forward(&world.target, &alice, nginx),
        plain_forward(&world.target, &alice, haproxy),
    );
    let ((open, _d), (masked, _e)) = (alice.forward("billing:80"), bob.forward("billing:80"));
    let ways = [
        ("direct", server),
        ("ssh -L", plain),
        ("ssh+nginx", with_nginx),
        ("ssh+haproxy", with_haproxy),
        ("bastion", open),
        ("masked", masked),
    ];
    let seconds = seconds.to_string();
    for protocol in ["http/1.1", "h2"] {
        let options: &[&str] = if protocol == "h2" { &["-m", "8"] } else { &["--h1"] };
        for count in clients.iter().filter(|count| chosen(&format!("{protocol}, {count} clients"))) {
            let mut seen: BTreeMap<&'static str, (Vec<f64>, Vec<f64>)> = BTreeMap::new();
            for _ in 0..rounds {
                // Only the bastion speaks HTTP/2 without TLS here.
                for (name, port) in ways.into_iter().filter(|(name, _)| protocol != "h2" || ["bastion", "masked"].contains(name)) {
                    let (rate, mean) = load(&alice, port, "/short", count, &seconds, options);
                    let (rates, means) = seen.entry(name).or_default();
                    rates.push(rate);
                    means.push(mean);
                }
            }
            let (rates, means) = seen.remove("bastion").unwrap();
            for (beside, (their_rates, their_means)) in seen {
                let goal = if ["ssh+nginx", "ssh+haproxy"].contains(&beside) { Goal::AtLeast(0.9) } else { Goal::Told };
                let what = |which: &str| format!("{which}, {protocol}, {count} clients");
                Row { area: "http", what: what("requests"), unit: "1/s", ours: rates.clone(), beside, theirs: their_rates, goal }.tell();
                Row {
                    area: "http",
                    what: what("mean time"),
                    unit: "ms",
                    ours: means.clone(),
                    beside,
                    theirs: their_means,
                    goal: Goal::Told,
                }
                .tell();
            }
        }
    }
    let mut answered: BTreeMap<&'static str, Vec<f64>> = BTreeMap::new();
    for _ in 0..rounds {
        for (name, port) in ways.into_iter().filter(|(name, _)| *name != "masked" && chosen("1 MiB")) {
            answered.entry(name).or_default().push(load(&alice, port, "/mebibyte", clients.last().unwrap(), &seconds, &["--h1"]).0);
        }
    }
    let ours = answered.remove("bastion").unwrap_or_default();
    for (beside, theirs) in answered {
        let goal = if ["ssh+nginx", "ssh+haproxy"].contains(&beside) { Goal::AtLeast(0.9) } else { Goal::Told };
        let what = format!("answers of 1 MiB, {} clients", clients.last().unwrap());
        Row { area: "http", what, unit: "1/s", ours: ours.clone(), beside, theirs, goal }.tell();
    }
    let mut speeds: BTreeMap<&'static str, Vec<f64>> = BTreeMap::new();
    for _ in 0..rounds {
        for (name, port) in ways.into_iter().filter(|(name, _)| *name != "masked") {
            speeds.entry(name).or_default().push(download(&alice, port));
        }
    }
    let ours = speeds.remove("bastion").unwrap();
    for (beside, theirs) in speeds {
        let goal = match beside {
            "ssh -L" => Goal::AtLeast(1.4),
            "direct" => Goal::Told,
            _ => Goal::AtLeast(0.9),
        };
        let what = format!("one download of {} MiB over -L", long >> 20);
        Row { area: "http", what, unit: "MiB/s", ours: ours.clone(), beside, theirs, goal }.tell();
    }
}

#[test]
fn many_connections_share_one_forward() {
    let (steps, seconds): (&[&str], _) = sized((&["3"], "1"), (&["1", "500"], "1"), (&["1", "50", "200", "500"], "3"));
    let folder = tempfile::Builder::new().prefix("bartizan-bench-").tempdir().unwrap();
    let (server, _, _nginx) = nginx(folder.path());
    let world = World::with(Setup { policies: Some(POLICIES), more: billing(server), limits: "forwards = 600", ..Setup::default() });
    let alice = world.visitor("alice");
    let ((plain, _a), (open, _b)) = (plain_forward(&world.target, &alice, server), alice.forward("billing:80"));
    for step in steps {
        let (ours, theirs) =
            (load(&alice, open, "/short", step, seconds, &["--h1"]).0, load(&alice, plain, "/short", step, seconds, &["--h1"]).0);
        point("http", "requests by many connections of one forward", ("connections", step.parse().unwrap()), ("1/s", ours));
        let what = format!("requests, {step} connections over one forward");
        Row { area: "http", what, unit: "1/s", ours: vec![ours], beside: "ssh -L", theirs: vec![theirs], goal: Goal::Told }.tell();
    }
}

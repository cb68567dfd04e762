//! How fast requests and bytes pass, beside a plain `ssh -L` to an sshd with nothing, nginx or haproxy behind it. Every test run takes a
//! glance, which shows that it works; `tests/bench/http` measures. Nothing here asserts on time.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::harness::{Guarded, Run, Setup, Visitor, World, fixture, free_port, wait_until};

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

fn daemon(program: &str, arguments: &[&std::ffi::OsStr], log: &Path, port: u16) -> Guarded {
    let mut command = Command::new(program);
    command.args(arguments).env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default()));
    let process = Guarded::logged(command, log);
    wait_until("it listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    process
}

fn plain_ssh(world: &World, visitor: &Visitor, server: u16) -> (u16, Guarded) {
    let (target, port) = (&world.target, free_port());
    let mut ssh = visitor.command("ssh", ["-N", "-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]);
    ssh.args(["-o", "IdentitiesOnly=yes", "-o", "ExitOnForwardFailure=yes", "-i"]).arg(target.dir.join("account"));
    ssh.args(["-L", &format!("{port}:127.0.0.1:{server}"), "-p", &target.port.to_string(), "deploy@127.0.0.1"]);
    let process = Guarded::logged(ssh, &visitor.dir.join(format!("plain-{server}.log")));
    wait_until("the plain forward is open", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    (port, process)
}

fn by_bastion(visitor: &Visitor) -> (u16, Guarded) {
    let port = free_port();
    let ssh = visitor.openssh("ssh", ["-N", "-o", "ExitOnForwardFailure=yes", "-L", &format!("{port}:billing:80"), "bastion"]);
    let process = Guarded::logged(ssh, &visitor.dir.join("bench.log"));
    wait_until("the forward is open", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    (port, process)
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

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[test]
fn requests_pass_beside_plain_ssh_and_proxies() {
    let is_bench = std::env::var_os("BARTIZAN_BENCH").is_some();
    let asked = |name: &str, usual: usize| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual);
    let (seconds, rounds) = if is_bench { (asked("BARTIZAN_BENCH_SECONDS", 10), asked("BARTIZAN_BENCH_ROUNDS", 5)) } else { (1, 1) };
    let (clients, long): (&[&str], u64) = if is_bench { (&["1", "8", "32"], 512 << 20) } else { (&["2"], 4 << 20) };
    let folder = tempfile::Builder::new().prefix("bartizan-bench-").tempdir().unwrap();
    let here = folder.path();
    let (server, nginx, haproxy) = (free_port(), free_port(), free_port());
    fs::File::create(here.join("long")).unwrap().set_len(long).unwrap();
    let conf =
        filled(here, "bench.conf", &[("FOLDER", here.display().to_string()), ("PORT", server.to_string()), ("PROXY", nginx.to_string())]);
    let cfg = filled(here, "haproxy.cfg", &[("PORT", haproxy.to_string()), ("SERVER", server.to_string())]);
    let _nginx = daemon("nginx", &["-c".as_ref(), conf.as_os_str(), "-p".as_ref(), here.as_os_str()], &here.join("nginx.log"), nginx);
    let _haproxy = daemon("haproxy", &["-db".as_ref(), "-f".as_ref(), cfg.as_os_str()], &here.join("haproxy.log"), haproxy);
    let more = format!("\n[[target]]\nname = \"billing\"\nkind = \"http\"\nupstream = \"http://127.0.0.1:{server}\"\n");
    let world = World::with(Setup { policies: Some(POLICIES), more, ..Setup::default() });
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let ((plain, _a), (with_nginx, _b), (with_haproxy, _c)) =
        (plain_ssh(&world, &alice, server), plain_ssh(&world, &alice, nginx), plain_ssh(&world, &alice, haproxy));
    let ((open, _d), (masked, _e)) = (by_bastion(&alice), by_bastion(&bob));
    let ways = [
        ("direct", server),
        ("ssh -L", plain),
        ("ssh+nginx", with_nginx),
        ("ssh+haproxy", with_haproxy),
        ("bastion", open),
        ("masked", masked),
    ];
    let seconds = seconds.to_string();
    let mut told = Vec::new();
    println!("{:<12} {:>9} {:>7} | {:>10} {:>9}", "way", "protocol", "clients", "requests/s", "mean ms");
    for protocol in ["http/1.1", "h2"] {
        let options: &[&str] = if protocol == "h2" { &["-m", "8"] } else { &["--h1"] };
        for count in clients {
            for (name, port) in ways {
                // Only the bastion speaks HTTP/2 without TLS here.
                if protocol == "h2" && !["bastion", "masked"].contains(&name) {
                    continue;
                }
                let (mut rates, mut means): (Vec<f64>, Vec<f64>) =
                    (0..rounds).map(|_| load(&alice, port, "/short", count, &seconds, options)).unzip();
                let (rate, mean) = (median(&mut rates), median(&mut means));
                println!("{name:<12} {protocol:>9} {count:>7} | {rate:>10.0} {mean:>9.2}");
                assert!(rate > 0.0);
                told.push(json!({ "way": name, "protocol": protocol, "clients": count, "requests_per_second": rates, "mean_ms": means }));
            }
        }
    }
    for (name, port) in ways.into_iter().filter(|(name, _)| *name != "masked") {
        let mut speeds: Vec<f64> = (0..rounds).map(|_| download(&alice, port)).collect();
        println!("{name:<12} one download: {:.0} MiB/s", median(&mut speeds));
        told.push(json!({ "way": name, "download_mib_per_second": speeds }));
    }
    println!("{}", json!({ "http": told, "rounds": rounds, "seconds": seconds }));
}

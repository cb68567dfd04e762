//! The examples in contrib are what systemd and Kubernetes take, and what they have the tunnel do works.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Site, Tunnel};
use crate::harness::{Run, bartizan, repository};

/// What systemd says of a unit.
fn analyze(unit: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("systemd-analyze");
    command.args(arguments).arg(unit);
    let done = Run::new(command).finish();
    format!("{}{}", done.text(), done.err)
}

#[test]
fn systemd_takes_the_units_and_finds_them_hardened() {
    let folder = tempfile::tempdir().unwrap();
    let units: Vec<_> = fs::read_dir(repository("contrib/systemd")).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(units.len() >= 3, "{units:?}");
    for path in units {
        let text = fs::read_to_string(&path).unwrap();
        let unit = folder.path().join(path.file_name().unwrap());
        // It looks for the program.
        fs::write(&unit, text.replace("/usr/bin/bartizan", env!("CARGO_BIN_EXE_bartizan"))).unwrap();
        let said = analyze(&unit, &["verify", "--man=no"]);
        assert!(!said.contains(unit.to_str().unwrap()), "{said}");
        let said = analyze(&unit, &["security", "--offline=true", "--threshold=25", "--no-pager"]);
        assert!(said.contains("OK"), "{said}");
        fs::write(&unit, text.replace("LimitCORE=", "LimitKORE=")).unwrap();
        assert!(analyze(&unit, &["verify", "--man=no"]).contains("LimitKORE"), "it would have said so");
    }
}

#[test]
fn a_tunnel_does_what_the_unit_and_the_sidecar_ask_of_it() {
    let site = Site::start();
    let yaml = repository("contrib/k8s/tunnel-sidecar.yaml");
    let mut validate = Command::new(repository(".deps/venv/bin/kubernetes-validate"));
    validate.arg("--strict").arg(&yaml);
    Run::new(validate).ok();
    let mut read = Command::new(repository(".deps/venv/bin/python"));
    read.args(["-c", READ]).arg(&yaml);
    let sidecar: Vec<String> = serde_json::from_str(&Run::new(read).ok().text()).unwrap();
    assert!(sidecar.len() > 5, "{sidecar:?}");

    let unit = fs::read_to_string(repository("contrib/systemd/bartizan-tunnel.service")).unwrap();
    let line = |begins: &str| unit.lines().find_map(|line| line.split_once(begins)).unwrap().1.trim_end_matches('"').to_owned();
    let started = line("ExecStart=/usr/bin/bartizan ").replace("$TUNNEL", &line("Environment=\"TUNNEL="));
    let bastions = line("Environment=\"BARTIZAN_BASTION=");
    let started: Vec<String> = started.split(' ').map(str::to_owned).collect();

    for (name, arguments) in [("sidecar", sidecar), ("unit", started)] {
        let dir = site.seat(name);
        let (token, host_ca) = (dir.join("token"), dir.join("host_ca.pub"));
        fs::write(&host_ca, &site.world.host_ca).unwrap();
        let own = |argument: &String| {
            let own = argument
                .replace("/etc/bartizan/host_ca.pub", host_ca.to_str().unwrap())
                .replace("/var/run/secrets/bartizan/token", token.to_str().unwrap())
                .replace("%d/token", token.to_str().unwrap())
                .replace("/run/bartizan-tunnel", dir.to_str().unwrap());
            [":5432", ":8080", ":9465"].iter().fold(own.replace("0.0.0.0", "127.0.0.1"), |text, port| text.replace(port, ":0"))
        };
        let bastion = format!("127.0.0.1:{}", site.world.bastion.port);
        let known = |text: String| text.replace("b1.example.com:2222", &bastion).replace("b2.example.com:2222", &bastion);
        let mut command = bartizan(&dir);
        command.args(arguments.iter().map(|argument| known(own(argument)))).args(["--name", "bastion"]);
        if name == "unit" {
            command.env("BARTIZAN_BASTION", known(bastions.clone()));
        }
        let mut tunnel = Tunnel::start(&dir, command);
        tunnel.wait_until_ready();
        assert_eq!(tunnel.psql("SELECT count(*) FROM orders").ok().text(), "100\n", "{name}");
    }
}

/// Prints the arguments of the container `tunnel`.
const READ: &str = "
import json, sys, yaml
pod = next(one for one in yaml.safe_load_all(open(sys.argv[1])) if one['kind'] == 'Deployment')['spec']['template']['spec']
print(json.dumps(next(one for one in pod['initContainers'] if one['name'] == 'tunnel')['args']))
";

//! Published targets of the other kinds: a machine, a web server, a cluster.

use std::fs;
use std::process::Command;

use super::{Forward, POLICIES, Publisher};
use crate::harness::{Guarded, Run, Setup, WAYS, World, wait_for_line, wait_until};
use crate::kubernetes::Server;

/// The bastion again, with these targets more.
fn with(world: &mut World, targets: &str) {
    let file = world.dir().join("bartizan.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text + targets).unwrap();
    world.restart();
}

#[test]
fn a_machine_behind_nat_is_reached_by_name_and_by_jump_and_shows_its_key() {
    let mut world = World::with(Setup { policies: Some(POLICIES), ..Setup::default() });
    let target = |name: &str, key: &str| {
        format!(
            "\n[[target]]\nname = \"{name}\"\nkind = \"ssh\"\nroute = \"reverse\"\nlogins = [\"deploy\"]\nhost_key = \"{key}\"\ncredential = \"certificate\"\n"
        )
    };
    let targets = target("attic", &world.target.host_key) + &target("impostor", &world.target.host_ca);
    with(&mut world, &targets);
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    for way in WAYS {
        let none = alice.on(way, "attic", &[], "echo in").finish().refused();
        assert!(none.err.contains("Nobody publishes attic now"), "{way:?}: {none}");
    }
    let to = |name: &str| format!("{name}:0:127.0.0.1:{}", world.target.port);
    let publisher = Publisher::by(&bob, bob.openssh("ssh", ["-N", "-R", &to("attic"), "-R", &to("impostor"), "bastion"]));
    wait_until("both are published", || publisher.said().matches("Allocated port").count() == 2);
    for way in WAYS {
        assert_eq!(alice.on(way, "attic", &[], "echo in").ok().text(), "in\n", "{way:?}");
        let wrong = alice.on(way, "impostor", &[], "echo in").finish().refused();
        assert!(wrong.err.contains("host key"), "{way:?}: {wrong}");
    }
    let file = alice.dir.join("big");
    fs::write(&file, vec![7; 8 << 20]).unwrap();
    let mut copy = alice.openssh("scp", ["-q"]);
    copy.arg(&file).arg("deploy@attic@bastion:big");
    Run::new(copy).ok();
    assert_eq!(fs::metadata(world.target.home("deploy").join("big")).unwrap().len(), 8 << 20);
    drop(publisher);
    for way in WAYS {
        wait_until("it is gone", || !alice.on(way, "attic", &[], "true").finish().status.success());
    }
}

#[test]
fn a_web_server_behind_nat_answers_many_at_once() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("page"), "here I am\n").unwrap();
    let log = folder.path().join("server.log");
    let mut python = Command::new("python3");
    python.args(["-u", "-m", "http.server", "--bind", "127.0.0.1", "--directory"]).arg(folder.path()).arg("0");
    let mut server = Guarded::logged(python, &log);
    let port: u16 = wait_for_line(&log, "port ", &mut server).split(' ').next().unwrap().parse().unwrap();
    let more = "\n[[target]]\nname = \"billing\"\nkind = \"http\"\nroute = \"reverse\"\nupstream = \"http://billing.internal\"\n";
    let world = World::with(Setup { policies: Some(POLICIES), more: more.to_owned(), ..Setup::default() });
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let forward = Forward::open(&alice, "billing:80");
    let curl = |times: &str| {
        let mut command = alice.command("curl", ["-s", "-S", "-m", "30", "--parallel", "-w", "%{http_code}\n"]);
        command.arg(format!("http://127.0.0.1:{}/page?[1-{times}]", forward.port)).env("NO_PROXY", "*");
        Run::new(command).finish().text()
    };
    assert!(curl("1").contains("Nobody publishes billing now"), "{}", curl("1"));
    let publisher = Publisher::start(&bob, &format!("billing:0:127.0.0.1:{port}"));
    publisher.is_there();
    assert!(publisher.said().contains("Allocated port 80 "), "{}", publisher.said());
    let answers = curl("40");
    assert_eq!((answers.matches("here I am").count(), answers.matches("200").count()), (40, 40), "{answers}");
}

#[test]
fn a_cluster_behind_nat_shows_its_certificate_through_the_tunnel() {
    let server = Server::start();
    let more = format!(
        "\n[[target]]\nname = \"prod\"\nkind = \"kubernetes\"\nroute = \"reverse\"\nserver = \"https://127.0.0.1:6443\"\nca = {{ file = \"{}\" }}\ntoken = {{ file = \"{}\" }}\n",
        server.path("ca.pem").display(),
        server.path("token").display()
    );
    let world = World::with(Setup { policies: Some(POLICIES), more, ..Setup::default() });
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let publisher = Publisher::start(&bob, &format!("prod:0:127.0.0.1:{}", server.port));
    publisher.is_there();
    let forward = Forward::open(&alice, "prod:443");
    let mut command = alice.command("curl", ["-s", "-S", "-m", "30"]);
    command.arg(format!("http://127.0.0.1:{}/version", forward.port)).env("NO_PROXY", "*");
    let done = Run::new(command).ok();
    assert!(done.text().contains("gitVersion"), "{done}");
    assert!(alice.ssh(["bastion", "targets"]).ok().text().contains("prod"), "a cluster is listed");
}

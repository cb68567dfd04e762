//! Who somebody is: device-code logins inside stock ssh, `bartizan login`, tokens of services, and a provider that fails.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::harness::{Done, Guarded, Run, SecondProvider, Setup, Visitor, Way, World, bartizan, ssh_agent, wait_until};

fn harmed() -> World {
    World::with(Setup { own_provider: true, ..Setup::default() })
}

/// Begins a login whose page nobody opens; `act` is called when it is shown.
fn begin(visitor: &Visitor, act: impl FnOnce(&str)) -> Done {
    let key = fs::read(visitor.dir.join("id.pub")).unwrap();
    visitor.with_device_code(&["bastion", "cert"], &key, act)
}

#[test]
fn the_prompt_shows_page_code_address_and_key_and_the_certificate_is_short() {
    let world = World::start();
    let alice = world.stranger("alice");
    let done = alice.log_in(&world.provider, "alice");
    let mut keygen = Command::new("ssh-keygen");
    keygen.arg("-lf").arg(alice.dir.join("id.pub"));
    let fingerprint = Run::new(keygen).ok().text();
    let fingerprint = fingerprint.split_whitespace().nth(1).unwrap();
    for words in ["/device?user_code=", "enter the code", "from 127.0.0.1", fingerprint] {
        assert!(done.err.contains(words), "no `{words}` in: {done}");
    }
    let mut show = Command::new("ssh-keygen");
    show.arg("-Lf").arg(alice.certificate());
    let shown = Run::new(show).ok().text();
    assert!(shown.contains("user certificate") && shown.contains("corp/alice@example.test"), "{shown}");
    assert!(!shown.contains("Principals: (none)"), "{shown}");
}

#[test]
fn a_login_that_is_refused_in_the_browser_ends_with_a_sentence() {
    let world = World::start();
    let alice = world.stranger("alice");
    let done = begin(&alice, |url| drop(world.provider.refuse(url, "alice"))).refused();
    assert!(done.err.to_lowercase().contains("refused"), "{done}");
    assert!(done.out.is_empty());
}

#[test]
fn a_code_that_expires_ends_with_a_sentence() {
    let world = harmed();
    world.provider.hook("ttl?device=3");
    let done = begin(&world.stranger("alice"), |_| ()).refused();
    assert!(done.err.contains("not finished in time"), "{done}");
}

#[test]
fn a_provider_that_asks_to_slow_down_is_obeyed_and_the_login_succeeds() {
    let world = harmed();
    world.provider.hook("slow_down?times=1");
    begin(&world.stranger("alice"), |url| drop(world.provider.walk(url, "alice"))).ok();
}

#[test]
fn a_provider_that_is_down_is_told_in_a_sentence_and_other_certificates_go_on_working() {
    let mut world = harmed();
    let alice = world.visitor("alice");
    world.provider.stop();
    let done = begin(&world.stranger("bob"), |_| ()).refused();
    assert!(done.err.contains("corp"), "{done}");
    alice.on_target(Way::At, &[], "true").ok();
}

#[test]
fn an_unverified_email_is_nobody() {
    let world = World::start();
    let done = begin(&world.stranger("carol"), |url| drop(world.provider.walk(url, "carol"))).refused();
    assert!(done.err.contains("verified"), "{done}");
}

#[test]
fn whoever_finishes_the_login_is_who_the_certificate_names() {
    let world = World::start();
    // bob finishes a login that was begun on alice's machine: it is bob's, with bob's groups (GHSA-868r-97g5-r9g4).
    let visitor = world.stranger("alice");
    visitor.log_in(&world.provider, "bob");
    let done = visitor.on(Way::At, "web-key", &[], "true").finish().refused();
    assert!(done.err.contains("bartizan"), "{done}");
    visitor.on_target(Way::At, &[], "true").ok();
    let log = world.target.log();
    assert!(log.contains("corp/bob@example.test") && !log.contains("alice"), "{log}");
}

/// `bartizan login` or `ssh-config`, in the visitor's folder as home.
fn command(world: &World, visitor: &Visitor, arguments: &[&str]) -> Command {
    let mut command = bartizan(&world.dir());
    command.env("HOME", &visitor.dir).current_dir(&visitor.dir).args(arguments);
    command
}

/// Runs `bartizan login …`, opening the page it shows in a browser that belongs to `user`.
fn bartizan_login(world: &World, command: Command, user: &str) -> Done {
    let what = format!("{command:?}");
    let mut command = command;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut login = Guarded::spawn(command);
    let (send, receive) = std::sync::mpsc::channel();
    let mut readers = Vec::new();
    let (out, err) = (login.child.stdout.take().unwrap(), login.child.stderr.take().unwrap());
    let both: [(bool, Box<dyn Read + Send>); 2] = [(true, Box::new(out)), (false, Box::new(err))];
    for (is_out, from) in both {
        let send = send.clone();
        readers.push(std::thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                let _ = send.send((is_out, line));
            }
        }));
    }
    drop(send);
    let (mut out, mut err, mut opened) = (String::new(), String::new(), false);
    for (is_out, line) in receive {
        let into = if is_out { &mut out } else { &mut err };
        into.push_str(&format!("{line}\n"));
        let url = line.split_whitespace().find(|word| word.starts_with("http://127.0.0.1:"));
        if let Some(url) = url.filter(|_| !opened) {
            opened = true;
            world.provider.walk(url, user);
        }
    }
    readers.into_iter().for_each(|reader| reader.join().unwrap());
    let status = login.wait(Duration::from_secs(30)).expect("it has closed its output");
    Done::new(what, status, out.into_bytes(), err)
}

/// `bartizan login` to this bastion, whose ssh uses nothing of the tester's own.
fn login_command(world: &World, visitor: &Visitor, flags: &[&str]) -> Command {
    let mut login = command(world, visitor, &["login", "--bastion", &format!("bastion:{}", visitor.port)]);
    let known = format!("UserKnownHostsFile={}", visitor.dir.join("known_hosts").display());
    for option in ["HostName=127.0.0.1", "HostKeyAlias=bastion", &known, "GlobalKnownHostsFile=/dev/null", "StrictHostKeyChecking=yes"] {
        login.args(["--ssh-option", option]);
    }
    login.args(flags);
    login
}

#[test]
fn bartizan_login_by_browser_and_by_device_code_leaves_key_and_certificate_where_ssh_finds_them() {
    let world = World::start();
    for (name, flags) in [("browser", &["--no-browser"][..]), ("device", &["--device"])] {
        let alice = world.stranger(name);
        // Neither half is there: a new key is made.
        fs::remove_file(alice.key()).unwrap();
        fs::remove_file(alice.key().with_extension("pub")).unwrap();
        let mut login = login_command(&world, &alice, flags);
        login.arg("--key").arg(alice.key());
        bartizan_login(&world, login, "alice").ok();
        assert_eq!(alice.on_target(Way::At, &[], "echo $USER").ok().text(), "deploy\n", "{name}");
    }
}

#[test]
fn bartizan_login_puts_key_and_certificate_into_the_agent_with_a_lifetime() {
    let world = World::start();
    let alice = world.stranger("alice");
    let socket = alice.dir.join("agent.sock");
    let _agent = ssh_agent(Command::new("ssh-agent"), &socket);
    let mut login = login_command(&world, &alice, &["--device", "--agent"]);
    login.env("SSH_AUTH_SOCK", &socket);
    bartizan_login(&world, login, "alice").ok();
    let mut list = Command::new("ssh-add");
    list.arg("-l").env("SSH_AUTH_SOCK", &socket);
    assert!(Run::new(list).ok().text().contains("ED25519-CERT"));
    let agent = format!("IdentityAgent={}", socket.display());
    alice.on_target(Way::At, &["-o", &agent, "-o", "IdentitiesOnly=no", "-o", "IdentityFile=none"], "true").ok();
}

#[test]
fn a_services_token_file_is_enough_for_bartizan_login() {
    let world = World::start();
    let robot = world.stranger("robot");
    fs::write(robot.dir.join("token"), world.provider.service_token()).unwrap();
    let mut login = login_command(&world, &robot, &["--token-file", "token", "--key"]);
    login.arg(robot.key());
    Run::new(login).ok();
    robot.on_target(Way::At, &[], "true").ok();
    // Its group is robots/robots, not corp/robots, and no policy lets it onto another target.
    robot.on(Way::At, "web-key", &[], "true").finish().refused();
}

#[test]
fn what_ssh_config_prints_is_all_that_stock_ssh_needs() {
    // A name that this machine resolves by itself.
    let world = World::with(Setup { name: Some("localhost"), ..Setup::default() });
    let alice = world.stranger("alice");
    let configure = |form: &str| {
        let bastion = format!("localhost:{}", alice.port);
        let part = |part: &str| {
            let key = alice.key();
            let flags = ["ssh-config", "--bastion", &bastion, "--form", form, "--part", part, "--key", key.to_str().unwrap()];
            Run::new(command(&world, &alice, &flags)).ok().text()
        };
        fs::write(alice.dir.join("known_hosts"), part("known-hosts")).unwrap();
        // ssh finds ~/.ssh by the password file, not by HOME.
        let own = format!("UserKnownHostsFile {}\nGlobalKnownHostsFile /dev/null\n", alice.dir.join("known_hosts").display());
        fs::write(alice.config(), format!("{}\nHost *\n{own}", part("config"))).unwrap();
    };
    configure("jump");
    let key = fs::read(alice.dir.join("id.pub")).unwrap();
    let certificate = alice.with_device_code(&["localhost", "cert"], &key, |url| drop(world.provider.walk(url, "alice"))).ok();
    fs::write(alice.certificate(), &certificate.out).unwrap();
    assert_eq!(alice.ssh(["deploy@web-1", "echo in"]).ok().text(), "in\n");
    configure("login");
    assert_eq!(alice.ssh(["web-1", "echo in"]).ok().text(), "in\n");
}

/// Presents `token` as the password of `jwt`.
fn with_token(visitor: &Visitor, token: &str) -> Run {
    let mut command = visitor.command("sshpass", ["-e", "ssh", "-F"]);
    command.arg(visitor.config()).args(["-o", "PubkeyAuthentication=no", "-o", "NumberOfPasswordPrompts=1", "jwt@bastion", "targets"]);
    command.env("SSHPASS", token);
    Run::new(command)
}

#[test]
fn a_token_is_verified_against_todays_keys_and_an_outage_is_survived_while_they_are_fresh() {
    let mut world = harmed();
    let robot = world.stranger("robot");
    with_token(&robot, &world.provider.service_token()).ok();
    world.provider.hook("rotate?keep=0");
    let rotated = world.provider.service_token();
    // An unknown key is looked up again at most every ten seconds.
    wait_until("the new keys are known", || with_token(&robot, &rotated).finish().status.success());
    world.provider.stop();
    with_token(&robot, &rotated).ok();
}

#[test]
fn a_token_that_was_changed_or_is_another_issuers_opens_nothing() {
    let world = World::start();
    let robot = world.stranger("robot");
    let token = world.provider.service_token();
    let parts: Vec<&str> = token.split('.').collect();
    // {"alg":"none","typ":"at+jwt"}
    let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{}.", parts[1]);
    let flipped = format!("{}.{}A.{}", parts[0], parts[1], parts[2]);
    for bad in [unsigned.as_str(), &flipped, "", "x", "a.b.c"] {
        with_token(&robot, bad).finish().refused();
    }
    with_token(&robot, &token).ok();
}

#[test]
fn a_second_different_provider_is_chosen_at_the_prompt_and_its_people_are_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let second = SecondProvider::start(folder.path());
    let more = format!(
        "\n[[issuer]]\nname = \"second\"\nurl = \"{}\"\nclient_id = \"bartizan\"\nuser_claim = \"preferred_username\"\n",
        second.issuer
    );
    let world = World::with(Setup { more, ..Setup::default() });
    let alice = world.stranger("alice");
    // ssh asks which provider; the answer comes from its askpass program, since a test has no terminal.
    let answer = alice.dir.join("answer");
    fs::write(&answer, "#!/bin/sh\necho second\n").unwrap();
    fs::set_permissions(&answer, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut command = alice.openssh("ssh", ["bastion", "cert"]);
    command.env("SSH_ASKPASS", &answer).env("SSH_ASKPASS_REQUIRE", "force").env("DISPLAY", ":0");
    let key = fs::read(alice.dir.join("id.pub")).unwrap();
    let done = Visitor::device_login(command, &key, |url| SecondProvider::walk(url, "alice")).ok();
    fs::write(alice.certificate(), &done.out).unwrap();
    let whoami = alice.ssh(["bastion", "whoami"]).ok().text();
    assert!(whoami.contains("second/alice") && whoami.contains("second/admins"), "{whoami}");
    // Its admins are not the first one's admins, whom the policies let everywhere.
    alice.on_target(Way::At, &[], "true").finish().refused();
    assert_eq!(world.target.logins(), 0);
}

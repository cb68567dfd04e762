//! The way in with stock OpenSSH: both forms of naming a target, and everything a session channel can carry.

use crate::harness::{Terminal, Visitor, WAYS, Way, World, wait_until};

fn alice() -> (World, Visitor) {
    let world = World::start();
    let alice = world.visitor("alice");
    (world, alice)
}

#[test]
fn a_command_runs_on_the_target_by_every_way_of_naming_it() {
    let (world, alice) = alice();
    for way in [Way::At, Way::Percent, Way::Jump] {
        let done = alice.on_target(way, &[], "echo \"$USER in $PWD\"").ok();
        assert_eq!(done.text(), format!("deploy in {}\n", world.target.home("deploy").display()), "{way:?}: {done}");
    }
}

#[test]
fn exit_status_and_exit_signal_come_back_as_from_the_target_itself() {
    let (_world, alice) = alice();
    for way in WAYS {
        for code in [0, 1, 7, 255] {
            assert_eq!(alice.on_target(way, &[], &format!("exit {code}")).finish().code(), code, "{way:?}");
        }
        // OpenSSH prints the signal's name only where the exit-signal message reached it.
        let killed = alice.on_target(way, &["-v"], "kill -TERM $$").finish();
        assert_eq!(killed.code(), 255, "{killed}");
        assert!(killed.err.contains("rtype exit-signal"), "{killed}");
    }
}

#[test]
fn stderr_stays_apart_from_stdout() {
    let (_world, alice) = alice();
    for way in WAYS {
        let done = alice.on_target(way, &["-q"], "echo out; echo err >&2").ok();
        assert_eq!((done.text().as_str(), done.err.as_str()), ("out\n", "err\n"), "{way:?}");
    }
}

#[test]
fn the_end_of_input_reaches_the_target_while_output_goes_on() {
    let (_world, alice) = alice();
    for way in WAYS {
        let done = alice.on_target(way, &[], "n=$(wc -c); sleep 0.3; echo counted $n").input("12345").ok();
        assert_eq!(done.text(), "counted 5\n", "{way:?}");
    }
}

#[test]
fn every_byte_value_passes_unchanged_both_ways() {
    let (_world, alice) = alice();
    let sent: Vec<u8> = (0..3 << 20).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for way in WAYS {
        let done = alice.on_target(way, &[], "cat").input(sent.clone()).ok();
        assert!(done.out == sent, "{way:?}: {} of {} bytes came back, or others", done.out.len(), sent.len());
    }
}

#[test]
fn a_shell_without_a_terminal_reads_its_commands_from_input() {
    let (_world, alice) = alice();
    for way in WAYS {
        let done = alice.on_target(way, &["-T"], "").input("echo $((6*7))\nexit 3\n").finish();
        assert_eq!((done.text().as_str(), done.code()), ("42\n", 3), "{way:?}: {done}");
    }
}

#[test]
fn no_input_is_read_with_n() {
    let (_world, alice) = alice();
    for way in WAYS {
        assert_eq!(alice.on_target(way, &["-n"], "wc -c").input("never read").ok().text().trim(), "0", "{way:?}");
    }
}

#[test]
fn a_forced_terminal_has_the_modes_and_the_type_of_the_clients() {
    let (_world, alice) = alice();
    for way in WAYS {
        let mut command = alice.on_command(way, "web-1", &["-tt"], "tty; echo $TERM; stty -a | tr ';' '\\n' | grep speed");
        command.env("TERM", "vt220");
        let done = crate::harness::Run::new(command).ok();
        let text = done.text();
        assert!(text.starts_with("/dev/pts/") && text.contains("vt220") && text.contains("speed"), "{way:?}: {done}");
    }
    let without = alice.on_target(Way::At, &["-T"], "tty").finish();
    assert_eq!(without.text(), "not a tty\n");
}

#[test]
fn an_interactive_shell_follows_its_window_and_passes_control_c() {
    let (world, alice) = alice();
    for way in WAYS {
        let terminal = Terminal::open(&world.dir(), &alice.line(way, "-t", "bash --norc"), 100, 30);
        terminal.line("stty size");
        terminal.wait_for("30 100");
        terminal.resize(91, 27);
        // The new size takes a round trip to arrive.
        terminal.line("until [ \"$(stty size)\" = '27 91' ]; do sleep 0.05; done; echo now-$(stty size | tr ' ' x)");
        terminal.wait_for("now-27x91");
        // What is typed ahead goes with Ctrl-C: it is pressed once the program runs, and typed on once it has ended.
        terminal.line("echo be''gun; sleep 300");
        terminal.wait_for("\nbegun");
        terminal.press(&["C-c"]);
        terminal.wait_for("^C");
        std::thread::sleep(std::time::Duration::from_millis(500));
        terminal.line("echo interrupted-$?");
        terminal.wait_for("interrupted-130");
        terminal.line("exit 5");
        terminal.wait_for("[ended with 5]");
    }
}

#[test]
fn the_escape_character_of_ssh_ends_the_session() {
    let (world, alice) = alice();
    let terminal = Terminal::open(&world.dir(), &alice.line(Way::At, "-t", "bash --norc"), 80, 24);
    terminal.line("echo rea''dy");
    terminal.wait_for("ready");
    terminal.press(&["Enter"]);
    terminal.type_in("~.");
    terminal.wait_for("[ended with 255]");
    let list = || world.bastion.run(["sessions", "list", "--json"]).ok().json();
    wait_until("the session is over on the bastion too", || list().as_array().is_some_and(Vec::is_empty));
}

#[test]
fn only_harmless_variables_are_passed_on() {
    let (_world, alice) = alice();
    for way in WAYS {
        let options = ["-o", "SetEnv=LC_ALL=C LC_BARTIZAN=x BARTIZAN_X=1 LD_PRELOAD=evil.so BASH_ENV=/tmp/x"];
        let text = alice.on_target(way, &options, "env").ok().text();
        assert!(text.contains("LC_ALL=C\n"), "{way:?}: {text}");
        for kept_out in ["BARTIZAN_X", "LD_PRELOAD", "BASH_ENV"] {
            assert!(!text.contains(kept_out), "{way:?}: {kept_out} was passed on: {text}");
        }
    }
}

#[test]
fn a_signal_sent_by_the_client_reaches_the_program() {
    let (_world, alice) = alice();
    // sshd delivers signals only to accounts other than root's, which the fixture's are.
    let script = "
import asyncio, asyncssh, sys
async def main():
    async with asyncssh.connect('127.0.0.1', int(sys.argv[1]), username='deploy@web-1', known_hosts=None, config=None,
                                client_keys=['id'], agent_path=None) as c:
        p = await c.create_process(\"trap 'echo caught; exit 9' USR1; echo up; while :; do sleep 0.05; done\")
        assert (await p.stdout.readline()) == 'up\\n'
        p.send_signal('USR1')
        r = await p.wait()
        print(r.stdout.strip(), r.exit_status)
asyncio.run(main())
";
    assert_eq!(alice.python(script).ok().text(), "caught 9\n");
}

#[test]
fn one_connection_carries_many_channels() {
    let (_world, alice) = alice();
    let socket = alice.dir.join("mux");
    let path = format!("ControlPath={}", socket.display());
    for way in WAYS {
        let mut master = alice.on_command(way, "web-1", &["-M", "-N", "-o", &path], "");
        master.stdin(std::process::Stdio::null());
        let master = crate::harness::Guarded::logged(master, &alice.dir.join("master.log"));
        wait_until("the master's socket", || socket.exists());
        let each = |n: usize| {
            let (alice, path) = (&alice, &path);
            move || alice.on_target(way, &["-o", path], &format!("sleep 0.2; head -c 100000 /dev/zero | wc -c; echo {n}")).ok().text()
        };
        std::thread::scope(|scope| {
            let running: Vec<_> = (0..12).map(|n| (n, scope.spawn(each(n)))).collect();
            for (n, thread) in running {
                assert_eq!(thread.join().unwrap(), format!("100000\n{n}\n"), "{way:?}");
            }
        });
        drop(master);
        let _ = std::fs::remove_file(&socket);
    }
}

#[test]
fn the_bastion_itself_lists_what_the_caller_may_reach_and_how() {
    let (_world, alice) = alice();
    let plain = alice.ssh(["bastion"]).ok().text();
    for words in ["web-1", "deploy@web-1@bastion"] {
        assert!(plain.contains(words), "no `{words}` in: {plain}");
    }
    assert!(alice.ssh(["bastion", "targets"]).ok().text().contains("web-password"));
    assert!(alice.ssh(["bastion", "help"]).ok().text().contains("cert"));
    alice.ssh(["bastion", "cat /etc/passwd"]).finish().refused();
}

#[test]
fn an_unknown_target_and_an_unlisted_login_are_refused_with_a_sentence() {
    let (world, alice) = alice();
    for name in ["deploy@web-9@bastion", "root@web-1@bastion", "deploy@@bastion", "../../x@web-1@bastion", "deploy@../../x@bastion"] {
        let done = alice.ssh([name, "true"]).finish().refused();
        assert!(!done.err.is_empty(), "{name}: {done}");
    }
    alice.ssh(["-J", "bastion", "root@web-1", "true"]).finish().refused();
    alice.ssh(["-J", "bastion", "deploy@web-9", "true"]).finish().refused();
    assert_eq!(world.target.logins(), 0, "something reached the target");
}

#[test]
fn the_jump_shows_a_host_certificate_for_the_name_that_was_asked_for() {
    let (_world, alice) = alice();
    let done = alice.on_target(Way::Jump, &["-v"], "true").ok();
    assert!(done.err.contains("Host 'web-1' is known and matches the ED25519-CERT host certificate"), "{done}");
}

//! The guarded shell, for those who may run commands but have no ordinary shell: a real terminal before it, a real sshd behind.

use std::fs;
use std::time::Duration;

use crate::harness::{Guarded, Run, Setup, Terminal, Visitor, WAYS, Way, World, wait_until};

/// Developers run what is named; nothing else, and no ordinary shell.
const POLICIES: &str = r#"
@id("all-get-certificates")
permit (principal, action == Action::"issue", resource);

@id("developers-connect")
permit (principal in Group::"corp/developers", action == Action::"connect", resource == Target::"web-1");

@id("developers-run-these")
permit (principal in Group::"corp/developers", action == Action::"ssh.exec", resource == Target::"web-1")
when {
  !context.dynamic &&
  ["cat", "echo", "grep", "ls", "printenv", "printf", "seq", "sleep", "stty", "tr", "wc"].contains(context.program) &&
  ["NAME"].containsAll(context.environment)
};

@id("developers-page-and-edit")
permit (principal in Group::"corp/developers", action == Action::"ssh.exec", resource == Target::"web-1")
when { context.dynamic && (context.command like "*less*" || context.command like "vim *") };

@id("admins-answer")
permit (principal in Group::"corp/admins", action == Action::"approve", resource);

@id("no-shadow")
@reason("Password hashes stay on their machine.")
forbid (principal, action == Action::"ssh.exec", resource) when { context.command like "*shadow*" };

@id("four-eyes")
@approve("corp/admins")
forbid (principal, action == Action::"ssh.exec", resource) when { context.command like "*refund*" };
"#;

fn bob() -> (World, Visitor) {
    let world = World::with(Setup { policies: Some(POLICIES), ..Setup::default() });
    let bob = world.visitor("bob");
    (world, bob)
}

/// A guarded shell at its first prompt.
fn at_prompt(world: &World, visitor: &Visitor, way: Way) -> Terminal {
    let terminal = Terminal::open(&world.dir(), &visitor.line(way, "-t", ""), 100, 30);
    terminal.wait_for("deploy@web-1:~$");
    terminal
}

/// Waits for a prompt and enters a line: what is typed before it is not meant for it.
fn enter(terminal: &Terminal, line: &str) {
    prompt(terminal);
    terminal.type_in(line);
    // Until it is echoed, the screen still shows a prompt that waits.
    wait_until("the line on the screen", || !waits(&terminal.screen()));
    terminal.press(&["Enter"]);
}

/// Whether the last thing on the screen is a prompt with nothing behind it.
fn waits(screen: &str) -> bool {
    screen.trim_end().ends_with(['$', '>'])
}

/// Waits until the last thing on the screen is a prompt with nothing behind it.
fn prompt(terminal: &Terminal) {
    wait_until("a prompt", || waits(&terminal.screen()));
}

/// What a piped session prints and ends with.
fn piped(visitor: &Visitor, way: Way, lines: &str) -> crate::harness::Done {
    visitor.on_target(way, &["-T"], "").input(lines).finish()
}

#[test]
fn a_permitted_line_runs_and_a_denied_one_explains_itself_and_costs_nothing_else() {
    let (world, bob) = bob();
    for way in WAYS {
        let terminal = at_prompt(&world, &bob, way);
        assert!(terminal.screen().contains("Guarded shell on web-1 as deploy"));
        enter(&terminal, "echo one-$((40+2))");
        terminal.wait_for("\none-42");
        enter(&terminal, "cat /etc/shadow");
        terminal.wait_for("Password hashes stay");
        assert!(terminal.screen().contains("no-shadow"));
        enter(&terminal, "echo status=$?");
        terminal.wait_for("\nstatus=126");
        enter(&terminal, "touch never");
        terminal.wait_for("no policy permits it");
        enter(&terminal, "echo refund");
        terminal.wait_for("four-eyes");
        terminal.wait_for("Ctrl-C takes it back");
        // Not a command, however long people need.
        terminal.line("echo typed-while-waiting");
        terminal.press(&["C-c"]);
        terminal.wait_for("taken back");
        enter(&terminal, "echo status=$?");
        terminal.wait_for("\nstatus=4");
        assert!(!terminal.screen().contains("\ntyped-while-waiting"), "{}", terminal.screen());
        terminal.press(&["C-d"]);
        terminal.wait_for("[ended with 0]");
    }
    assert!(!world.target.home("deploy").join("never").exists());
}

#[test]
fn a_held_line_waits_at_the_prompt_and_runs_once_it_is_approved() {
    let (world, bob) = bob();
    let alice = world.visitor("alice");
    for way in WAYS {
        let terminal = at_prompt(&world, &bob, way);
        enter(&terminal, "echo refund-$((6*7))");
        terminal.wait_for("Ctrl-C takes it back");
        assert!(!terminal.screen().contains("\nrefund-42"));
        let open = alice.ssh(["bastion", "approvals", "--json"]).ok().json();
        let id = open[0]["id"].as_str().unwrap_or_else(|| panic!("{open}")).to_owned();
        alice.ssh(["bastion", "approve", &id]).ok();
        terminal.wait_for("\nrefund-42");
        // Once, and no more.
        enter(&terminal, "echo refund-$((6*7))");
        terminal.wait_for("refund-$((6*7))");
        wait_until("the second one waits too", || terminal.screen().matches("Ctrl-C takes it back").count() == 2);
        terminal.press(&["C-c"]);
        terminal.wait_for("taken back");
    }
}

#[test]
fn folders_variables_and_exit_codes_last_from_line_to_line() {
    let (world, bob) = bob();
    let terminal = at_prompt(&world, &bob, Way::At);
    fs::create_dir(world.target.home("deploy").join("logs")).unwrap();
    enter(&terminal, "cd logs");
    terminal.wait_for("deploy@web-1:~/logs$");
    enter(&terminal, "NAME=known; export NAME");
    enter(&terminal, "printenv NAME; echo \"<$NAME>\"");
    terminal.wait_for("\nknown\n<known>");
    enter(&terminal, "grep x /dev/null");
    enter(&terminal, "echo code=$?");
    terminal.wait_for("\ncode=1");
    enter(&terminal, "echo c b a | tr ' ' '\\n' | wc -l");
    terminal.wait_for("\n3");
    enter(&terminal, "exit 7");
    terminal.wait_for("[ended with 7]");
}

#[test]
fn several_lines_make_one_command_and_are_asked_for() {
    let (world, bob) = bob();
    let terminal = at_prompt(&world, &bob, Way::Jump);
    enter(&terminal, "for i in 1 2 3");
    terminal.wait_for("\n>");
    enter(&terminal, "do echo item-$i");
    enter(&terminal, "done");
    terminal.wait_for("item-3");
    enter(&terminal, "echo 'a");
    enter(&terminal, "b'");
    terminal.wait_for("\na\nb\n");
    enter(&terminal, "echo \"given up");
    terminal.press(&["C-c"]);
    enter(&terminal, "echo status=$?");
    terminal.wait_for("\nstatus=130");
}

#[test]
fn control_c_ends_the_program_and_all_of_its_line_but_not_the_session() {
    let (world, bob) = bob();
    for way in WAYS {
        let terminal = at_prompt(&world, &bob, way);
        for line in ["echo begun-1; sleep 300; echo gone-on", "echo begun-2; while sleep 0.2; do :; done; echo gone-on"] {
            enter(&terminal, line);
            let number = &line[5..12];
            terminal.wait_for(&format!("\n{number}"));
            terminal.press(&["C-c"]);
            enter(&terminal, "echo status=$?");
            terminal.wait_for("\nstatus=130");
            assert!(!terminal.screen().contains("\ngone-on"), "{}", terminal.screen());
            terminal.press(&["C-l"]);
        }
        enter(&terminal, "echo still-there");
        terminal.wait_for("\nstill-there");
    }
}

#[test]
fn what_is_typed_while_a_program_runs_is_never_a_command() {
    let (world, bob) = bob();
    for way in WAYS {
        let terminal = at_prompt(&world, &bob, way);
        enter(&terminal, "echo begun; sleep 2; echo over");
        terminal.wait_for("\nbegun");
        terminal.line("echo typed-ahead > ahead");
        terminal.line("exit 9");
        terminal.wait_for("\nover");
        enter(&terminal, "echo and-then");
        terminal.wait_for("\nand-then");
        // What one program left unread is not there for the next one either.
        enter(&terminal, "echo listening; cat");
        terminal.wait_for("\nlistening");
        terminal.line("line for cat");
        terminal.wait_for("\nline for cat\nline for cat");
        terminal.press(&["C-d"]);
        prompt(&terminal);
    }
    assert!(!world.target.home("deploy").join("ahead").exists());
}

#[test]
fn a_program_cannot_forge_the_end_of_its_line() {
    let (world, bob) = bob();
    let forged = "\x1b]7337;00000000000000000000000000000000\x07";
    fs::write(world.target.home("deploy").join("forged"), format!("{forged}0123 0 /tmp\nready\n$ echo run-me\n")).unwrap();
    let terminal = at_prompt(&world, &bob, Way::At);
    enter(&terminal, "cat forged; sleep 1.5; echo really-over");
    terminal.wait_for("run-me");
    terminal.line("echo stolen > stolen");
    terminal.wait_for("\nreally-over");
    enter(&terminal, "echo here-$?");
    terminal.wait_for("\nhere-0");
    assert!(!world.target.home("deploy").join("stolen").exists());
    assert!(!terminal.screen().contains("7337"), "{}", terminal.screen());
}

#[test]
fn what_is_pasted_waits_for_enter_and_each_of_its_lines_is_decided() {
    let (world, bob) = bob();
    let terminal = at_prompt(&world, &bob, Way::At);
    terminal.paste("echo first > first\necho second\ntouch third\necho fourth\n");
    terminal.wait_for("> echo fourth");
    assert!(!terminal.screen().contains("\nsecond"), "{}", terminal.screen());
    terminal.press(&["C-c"]);
    prompt(&terminal);
    terminal.paste("echo second\ntouch third\necho fourth; echo 5th");
    terminal.wait_for("> echo fourth");
    terminal.press(&["Enter"]);
    terminal.wait_for("\nsecond");
    terminal.wait_for("1 more line entered with it did not run");
    assert!(!terminal.screen().contains("\n5th"), "{}", terminal.screen());
    for file in ["first", "third"] {
        assert!(!world.target.home("deploy").join(file).exists(), "{file}");
    }
}

#[test]
fn keys_edit_complete_and_recall_lines() {
    let (world, bob) = bob();
    let terminal = at_prompt(&world, &bob, Way::Jump);
    terminal.type_in("cho wrod-größe-漢字");
    terminal.press(&["Home"]);
    terminal.type_in("e");
    terminal.press(&["End", "BSpace", "BSpace", "C-a", "M-f", "M-f"]);
    terminal.press(&["BSpace", "BSpace", "BSpace"]);
    terminal.type_in("ord");
    terminal.press(&["Enter"]);
    terminal.wait_for("\nword-größe-");
    prompt(&terminal);
    terminal.type_in("pri");
    terminal.press(&["Tab", "Tab"]);
    terminal.wait_for("printenv  printf");
    terminal.type_in("f");
    terminal.press(&["Tab"]);
    terminal.type_in("'%s-%s\\n' a b");
    terminal.press(&["Enter"]);
    terminal.wait_for("\na-b");
    prompt(&terminal);
    terminal.press(&["Up", "Up", "C-e"]);
    terminal.type_in("again");
    terminal.press(&["Enter"]);
    terminal.wait_for("\nword-größe-again");
    prompt(&terminal);
    terminal.press(&["C-r"]);
    terminal.type_in("%s");
    terminal.wait_for("(search `%s`) printf");
    terminal.press(&["C-e", "BSpace"]);
    terminal.type_in("B");
    terminal.press(&["Enter"]);
    terminal.wait_for("\na-B");
    enter(&terminal, "history");
    terminal.wait_for("    4  printf '%s-%s\\n' a B");
    enter(&terminal, "help");
    terminal.wait_for("printenv printf seq");
}

#[test]
fn full_screen_programs_pass_through_and_see_the_window_change() {
    let (world, bob) = bob();
    for way in WAYS {
        let terminal = at_prompt(&world, &bob, way);
        enter(&terminal, "seq 500 | less");
        terminal.wait_for("1\n2\n3\n4");
        terminal.press(&["G"]);
        terminal.wait_for("500\n(END)");
        terminal.press(&["q"]);
        enter(&terminal, "stty size");
        terminal.wait_for("\n30 100");
        enter(&terminal, "less -S /etc/services");
        terminal.wait_for("/etc/services");
        terminal.resize(90, 20);
        terminal.press(&["q"]);
        enter(&terminal, "stty size");
        terminal.wait_for("\n20 90");
        // Also while a line is being typed.
        prompt(&terminal);
        terminal.type_in("stty");
        terminal.resize(70, 25);
        std::thread::sleep(Duration::from_millis(300));
        terminal.line(" size; stty -echo raw");
        terminal.wait_for("\n25 70");
        // Whatever a program does to the terminal is undone.
        enter(&terminal, "echo begun; cat");
        terminal.wait_for("\nbegun");
        terminal.line("echoed");
        terminal.wait_for("\nechoed\nechoed");
        terminal.press(&["C-d"]);
        enter(&terminal, "vim -u NONE -N new.txt");
        terminal.wait_for("[New]");
        terminal.type_in("ihello");
        terminal.press(&["Escape"]);
        terminal.press(&["C-z"]);
        terminal.line(":wq");
        prompt(&terminal);
        let written = world.target.home("deploy").join("new.txt");
        assert_eq!(fs::read_to_string(&written).unwrap(), "hello\n");
        fs::remove_file(&written).unwrap();
    }
}

#[test]
fn without_a_terminal_lines_of_input_are_decided_and_run() {
    let (world, bob) = bob();
    for way in WAYS {
        let done = piped(&bob, way, "echo one\ncat /etc/shadow\necho status=$?\nfor i in a b\ndo echo $i\ndone\ncat\ngrep x /dev/null");
        assert_eq!(done.text(), "one\nstatus=126\na\nb\n", "{way:?}: {done}");
        assert!(done.err.contains("no-shadow") && !done.err.contains("$ "), "{done}");
        assert_eq!(done.code(), 1, "{done}");
        assert_eq!(piped(&bob, way, "echo a\nexit 5\necho b\n").code(), 5, "{way:?}");
        assert_eq!(piped(&bob, way, "touch x\n").code(), 126, "{way:?}");
        assert_eq!(piped(&bob, way, "").code(), 0, "{way:?}");
    }
    assert!(!world.target.home("deploy").join("x").exists());
}

#[test]
fn nul_bytes_bytes_that_are_not_text_and_endless_lines_are_refused() {
    let (_world, bob) = bob();
    for input in [&b"echo a\0b\n"[..], b"echo \xff\xfe\n", &[b"echo ", vec![b'x'; 70_000].as_slice(), b"\n"].concat()] {
        let done = bob.on_target(Way::At, &["-T"], "").input([input, b"echo alive=$?\n"].concat()).finish();
        assert_eq!(done.text(), "alive=126\n", "{done}");
        assert!(done.err.contains("is not run"), "{done}");
    }
}

#[test]
fn a_revoked_permit_ends_the_shell_that_stands_at_its_prompt_or_runs_what_is_no_longer_permitted() {
    let (world, bob) = bob();
    let running = at_prompt(&world, &bob, Way::At);
    enter(&running, "sleep 600");
    let other = at_prompt(&world, &bob, Way::Jump);
    // What runs is no longer permitted, but the shell still is.
    world.write_policies(&POLICIES.replace("\"sleep\", ", ""));
    world.bastion.reload();
    running.wait_for("this session was ended");
    running.wait_for("[ended with 1]");
    enter(&other, "echo still-here");
    other.wait_for("\nstill-here");
    enter(&other, "sleep 1");
    other.wait_for("no policy permits it");
    world.write_policies(&POLICIES.replace("corp/developers", "corp/nobody"));
    world.bastion.reload();
    other.wait_for("[ended with 1]");
}

#[test]
fn what_runs_on_the_target_ends_with_the_session() {
    let (_world, bob) = bob();
    let left = |number: &str| {
        let mut command = std::process::Command::new("pgrep");
        command.args(["-fx", &format!("sleep {number}")]);
        !Run::new(command).finish().out.is_empty()
    };
    for (options, number) in [("-tt", "61234"), ("-T", "61235")] {
        let mut command = bob.on_command(Way::Jump, "web-1", &[options], "");
        command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let mut session = Guarded::spawn(command);
        let mut input = session.child.stdin.take().unwrap();
        std::thread::sleep(Duration::from_millis(if options == "-tt" { 1500 } else { 0 }));
        std::io::Write::write_all(&mut input, format!("sleep {number}\n").as_bytes()).unwrap();
        wait_until("the program runs", || left(number));
        session.kill();
        wait_until("the program is gone", || !left(number));
    }
}

#[test]
fn a_target_that_dies_ends_the_session_with_a_status() {
    let (mut world, bob) = bob();
    let terminal = at_prompt(&world, &bob, Way::At);
    world.target.die();
    terminal.wait_for("[ended with");
}

#[test]
fn accounts_with_other_login_shells_get_the_same_shell() {
    let (world, bob) = bob();
    for shell in ["/bin/dash", "/bin/bash", "/bin/sh"] {
        world.target.login_shell(shell);
        assert_eq!(piped(&bob, Way::At, "echo it's\necho \"it's $((1+1))\"\n").text(), "", "an open quote runs nothing");
        let done = piped(&bob, Way::At, "cd /tmp; pwd\nprintf '%s\\n' \"it's $((1+1))\" '\\n'\n").ok();
        assert_eq!(done.text(), "/tmp\nit's 2\n\\n\n", "{shell}: {done}");
    }
}

#[test]
fn a_target_without_a_second_channel_or_the_tools_is_refused_with_a_sentence() {
    let (world, bob) = bob();
    world.target.configure(|text| text.replace("MaxSessions 100", "MaxSessions 1"));
    let done = piped(&bob, Way::At, "echo a\n");
    assert!(done.err.contains("cannot give a guarded shell"), "{done}");
    assert_eq!((done.code(), done.text().as_str()), (3, ""), "{done}");
    world.target.configure(|text| text.replace("MaxSessions 1", "MaxSessions 100\nSetEnv TMPDIR=/nowhere"));
    let done = piped(&bob, Way::At, "echo a\n");
    assert!(done.err.contains("cannot give a guarded shell"), "{done}");
    assert_eq!(done.code(), 3, "{done}");
}

#[test]
fn the_recording_shows_the_session_as_it_was_seen_with_every_line_and_its_verdict() {
    let (world, bob) = bob();
    let terminal = at_prompt(&world, &bob, Way::At);
    enter(&terminal, "echo seen-$((1+1))");
    enter(&terminal, "cat /etc/shadow");
    enter(&terminal, "exit 3");
    terminal.wait_for("[ended with 3]");
    let id = world.bastion.run(["recordings", "list", "--json"]).ok().json()[0]["id"].as_str().unwrap().to_owned();
    let shown = world.bastion.run(["recordings", "cat", &id]).ok().text();
    for words in ["Guarded shell on web-1", "deploy@web-1:~$ echo seen-$((1+1))", "\nseen-2", "Password hashes stay"] {
        assert!(shown.contains(words), "no `{words}` in:\n{shown}");
    }
    assert!(!shown.contains("7337"), "{shown}");
    let cast = world.bastion.run(["recordings", "export", "--v3", &id]).ok().text();
    assert!(cast.contains(r#"\"text\":\"cat /etc/shadow\",\"verdict\":\"deny\""#), "{cast}");
    let audit = world.bastion.run(["audit", "tail", "--json"]).ok().text();
    assert!(audit.contains("cat /etc/shadow") && audit.contains("echo seen-"), "{audit}");
}

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
  ["cat", "echo", "grep", "less", "ls", "printenv", "printf", "seq", "sleep", "stty", "tr", "vim", "wc"].contains(context.program)
};

@id("no-shadow")
@reason("Password hashes stay on their machine.")
forbid (principal, action == Action::"ssh.exec", resource) when { context.command like "*shadow*" };

@id("four-eyes")
@approve("corp/leads")
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
        terminal.line("echo one-$((40+2))");
        terminal.wait_for("\none-42");
        terminal.line("cat /etc/shadow");
        terminal.wait_for("Password hashes stay");
        assert!(terminal.screen().contains("no-shadow"));
        terminal.line("echo status=$?");
        terminal.wait_for("\nstatus=126");
        terminal.line("touch never");
        terminal.wait_for("no policy permits it");
        terminal.line("echo refund");
        terminal.wait_for("four-eyes");
        terminal.line("echo status=$?");
        terminal.wait_for("\nstatus=4");
        terminal.press(&["C-d"]);
        terminal.wait_for("[ended with 0]");
    }
    assert!(!world.target.home("deploy").join("never").exists());
}

#[test]
fn folders_variables_and_exit_codes_last_from_line_to_line() {
    let (world, bob) = bob();
    let terminal = at_prompt(&world, &bob, Way::At);
    fs::create_dir(world.target.home("deploy").join("logs")).unwrap();
    terminal.line("cd logs");
    terminal.wait_for("deploy@web-1:~/logs$");
    terminal.line("NAME=known; export NAME");
    terminal.line("printenv NAME; echo \"<$NAME>\"");
    terminal.wait_for("\nknown\n<known>");
    terminal.line("grep x /dev/null");
    terminal.line("echo code=$?");
    terminal.wait_for("\ncode=1");
    terminal.line("echo c b a | tr ' ' '\\n' | wc -l");
    terminal.wait_for("\n3");
    terminal.line("exit 7");
    terminal.wait_for("[ended with 7]");
}

#[test]
fn several_lines_make_one_command_and_are_asked_for() {
    let (world, bob) = bob();
    let terminal = at_prompt(&world, &bob, Way::Jump);
    terminal.line("for i in 1 2 3");
    terminal.wait_for("\n>");
    terminal.line("do echo item-$i");
    terminal.line("done");
    terminal.wait_for("item-3");
    terminal.line("echo 'a");
    terminal.line("b'");
    terminal.wait_for("\na\nb\n");
    terminal.line("echo \"given up");
    terminal.press(&["C-c"]);
    terminal.line("echo status=$?");
    terminal.wait_for("\nstatus=130");
}

#[test]
fn control_c_ends_the_program_and_all_of_its_line_but_not_the_session() {
    let (world, bob) = bob();
    for way in WAYS {
        let terminal = at_prompt(&world, &bob, way);
        for line in ["echo begun-1; sleep 300; echo gone-on", "echo begun-2; while sleep 0.2; do :; done; echo gone-on"] {
            terminal.line(line);
            let number = &line[5..12];
            terminal.wait_for(&format!("\n{number}"));
            terminal.press(&["C-c"]);
            terminal.line("echo status=$?");
            terminal.wait_for("\nstatus=130");
            assert!(!terminal.screen().contains("\ngone-on"), "{}", terminal.screen());
            terminal.press(&["C-l"]);
        }
        terminal.line("echo still-there");
        terminal.wait_for("\nstill-there");
    }
}

//! The terminal UI over ssh, in a real terminal: what an approver sees and presses, and every byte that the bastion sends them.

mod deciding;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::harness::{Guarded, Setup, Terminal, Visitor, Way, World, wait_until};

/// Developers (bob) run commands and shells; what says `refund` waits for an admin (alice).
const POLICIES: &str = r#"
@id("all-get-certificates")
permit (principal, action == Action::"issue", resource);

@id("run-commands")
permit (principal, action in [Action::"connect", Action::"ssh.exec", Action::"ssh.shell"], resource);

@id("admins-look-after-it")
permit (principal in Group::"corp/admins", action in [Action::"approve", Action::"watch", Action::"end", Action::"replay"], resource);

@id("two-of-four-eyes") @reason("Money is moved by two.")
@approve("corp/admins") @valid("15m")
forbid (principal, action == Action::"ssh.exec", resource) when { context.command like "*refund*" };
"#;

fn world() -> World {
    World::with(Setup { policies: Some(POLICIES), more: "\n[approvals]\nwait = \"1m\"\n".to_owned(), ..Setup::default() })
}

/// A screen on which somebody has run ssh to the bastion, and all that ssh wrote to it.
pub(super) struct Screen {
    pub(super) terminal: Terminal,
    typescript: PathBuf,
}

impl Screen {
    fn open(who: &Visitor, options: &str, command: &str, columns: u16, rows: u16) -> Self {
        let typescript = who.dir.join(format!("typescript-{}-{columns}", command.len()));
        let line = format!(
            "cd {dir}; export TERM=xterm-256color LC_ALL=C.UTF-8; script -qfe -c 'ssh -F {config} {options} bastion {command}' {typescript}",
            dir = who.dir.display(),
            config = who.config().display(),
            typescript = typescript.display(),
        );
        Self { terminal: Terminal::open(&who.dir, &line, columns, rows), typescript }
    }

    pub(super) fn tui(who: &Visitor) -> Self {
        let screen = Self::open(who, "-t", "tui", 120, 32);
        screen.sees("Inbox");
        screen
    }

    /// `bartizan tui` in the user's own terminal, by their own ssh, run behind `prefix`.
    fn own(who: &Visitor, prefix: &str) -> Self {
        let bin = who.dir.join("bin");
        std::fs::create_dir(&bin).unwrap();
        let wrapper = format!("#!/bin/sh\nexec /usr/bin/ssh -F {} \"$@\"\n", who.config().display());
        std::fs::write(bin.join("ssh"), wrapper).unwrap();
        std::fs::set_permissions(bin.join("ssh"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let typescript = who.dir.join("typescript-own");
        let line = format!(
            "cd {dir}; export PATH={bin}:$PATH HOME={dir} TERM=xterm-256color LC_ALL=C.UTF-8 BARTIZAN_CONFIG=/nowhere; \
             script -qfe -c '{prefix} {bartizan} tui --bastion bastion' {typescript}",
            dir = who.dir.display(),
            bin = bin.display(),
            bartizan = env!("CARGO_BIN_EXE_bartizan"),
            typescript = typescript.display(),
        );
        let screen = Self { terminal: Terminal::open(&who.dir, &line, 121, 32), typescript };
        screen.sees("Inbox");
        screen
    }

    pub(super) fn sees(&self, words: &str) -> String {
        self.terminal.wait_for(words)
    }

    /// Presses a key after the moment in which keys are ignored because the row under them has just changed.
    pub(super) fn decides(&self, key: &str) {
        std::thread::sleep(Duration::from_millis(700));
        self.terminal.press(&[key]);
    }

    /// What the bastion sent, as text.
    fn bytes(&self) -> String {
        let all = std::fs::read(&self.typescript).unwrap();
        let text = String::from_utf8_lossy(&all).into_owned();
        // `script` writes a line before and one after.
        let (_, text) = text.split_once('\n').unwrap();
        text.split("\nScript done").next().unwrap().to_owned()
    }

    /// The terminal is as it was found, after the last frame.
    fn is_given_back(&self) {
        let bytes = self.bytes();
        let last = |sequence: &str| bytes.rfind(sequence).unwrap_or_else(|| panic!("no {sequence:?}"));
        for (on, off) in [("?1049h", "?1049l"), ("?25l", "?25h"), ("?1006h", "?1006l"), ("?1000h", "?1000l"), ("?2004h", "?2004l")] {
            assert!(last(off) > last(on), "{on} is still on");
        }
        assert!(last("?1049l") > last("?2026h"));
    }

    /// Nothing but text and what the bastion's own painter makes, from its first byte to its last.
    fn is_tame(&self) {
        let pattern = concat!(
            r"\x1b\[(\?(2026|1049|2004|1000|1002|1006|25)[hl]|2J|0J|[0-9]{1,3};[0-9]{1,3}H",
            r"|0(;([1-57-9]|[34][0-7]|9[0-7]|10[0-7]|[34]8;5;[0-9]{1,3}|[34]8;2;[0-9]{1,3};[0-9]{1,3};[0-9]{1,3}))*m)|\x07",
            // Its one question to the terminal: how many colours it has.
            r"|\x1bP\+q524742;5463\x1b\\|\x1b\[c"
        );
        let bytes = self.bytes();
        let (_, ours) = bytes.split_once("\u{1b}[?1049h").unwrap();
        let (ours, _) = ours.rsplit_once("\u{1b}[?1049l").unwrap_or((ours, ""));
        let rest = regex::Regex::new(pattern).unwrap().replace_all(ours, "");
        let wild: Vec<char> = rest.chars().filter(|c| c.is_control() || ('\u{202a}'..='\u{202e}').contains(c)).collect();
        assert!(wild.is_empty(), "{wild:?} in {rest:?}");
    }
}

/// A command of bob's that waits for an answer.
struct Held(Guarded, PathBuf);

impl Held {
    fn begin(who: &Visitor, options: &[&str], line: &str) -> Self {
        let log = who.dir.join(format!("held-{}.log", line.len()));
        let command = who.on_command(Way::At, "web-1", options, line);
        let held = Self(Guarded::logged(command, &log), log);
        wait_until("it is held", || held.said().contains("it lapses in"));
        held
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.1).unwrap_or_default()
    }

    fn ends(&mut self) -> i32 {
        let ended = self.0.wait(Duration::from_secs(60));
        ended.unwrap_or_else(|| panic!("it goes on: {}", self.said())).code().unwrap_or(255)
    }
}

#[test]
fn an_approver_lets_a_held_command_go_on_from_the_terminal_ui() {
    let world = world();
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let screen = Screen::tui(&alice);
    let mut held = Held::begin(&bob, &["-n", "-o", "SetEnv=BARTIZAN_REASON=ticket-42"], "echo refund $((40 + 2))");
    let shown = screen.sees("echo refund");
    assert!(shown.contains("bob@example.test") && shown.contains("deploy@web-1"), "{shown}");
    screen.decides("a");
    screen.sees("Approve deploy@web-1");
    assert_eq!(world.target.logins(), 0, "asking approves nothing");
    screen.decides("Enter");
    assert_eq!(held.ends(), 0, "{}", held.said());
    assert!(held.said().contains("refund 42"), "{}", held.said());
    let log = world.bastion.run(["audit", "export"]).ok().text();
    assert!(log.contains("approval.reviewed") && log.contains("corp/alice@example.test"), "{log}");
    screen.decides("q");
    screen.sees("[ended with 0]");
    screen.is_given_back();
    screen.is_tame();
}

#[test]
fn a_denial_in_the_terminal_ui_gives_its_reason_and_own_requests_are_nobodys_to_approve() {
    let world = world();
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let screen = Screen::tui(&alice);
    let mut held = Held::begin(&bob, &["-n"], "echo refund");
    screen.sees("echo refund");
    screen.decides("D");
    screen.sees("Deny deploy@web-1");
    std::thread::sleep(Duration::from_millis(700));
    screen.terminal.line("wrong account");
    assert_eq!(held.ends(), 1, "{}", held.said());
    assert!(held.said().contains("wrong account"), "{}", held.said());
    assert_eq!(world.target.logins(), 0);
    // alice is an admin, and yet not her own.
    let own = Held::begin(&alice, &["-n"], "echo refund for me");
    // New rows stand below until they are let in, so that nothing moves under the key.
    screen.sees("1 new (n)");
    screen.decides("n");
    screen.terminal.press(&["G"]);
    screen.sees("refund for me");
    screen.decides("a");
    screen.decides("Enter");
    std::thread::sleep(Duration::from_secs(1));
    assert!(own.said().contains("it lapses in") && !own.said().contains("approved by"), "{}", own.said());
    assert_eq!(world.target.logins(), 0);
}

#[test]
fn nothing_that_a_user_wrote_acts_on_the_approvers_terminal() {
    let world = world();
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let screen = Screen::tui(&alice);
    let line = "echo refund \u{1b}]0;pwned\u{7}\u{1b}[2J\u{1b}[31m\u{9b}5n\u{90}x\u{9c}\u{202e}gpj\r\u{8}\u{feff}";
    let _held = Held::begin(&bob, &["-n"], line);
    screen.sees("echo refund");
    screen.decides("Enter");
    screen.decides("a");
    screen.sees("Approve deploy@web-1");
    // Both in one go, as fast fingers and slow lines bring them.
    std::thread::sleep(Duration::from_millis(700));
    screen.terminal.press(&["Escape", "2"]);
    screen.sees("[2 Live");
    screen.decides("C-c");
    screen.sees("[ended with 0]");
    screen.is_tame();
}

#[test]
fn the_terminal_may_change_its_size_and_shows_what_a_terminal_shows() {
    let world = world();
    let alice = world.visitor("alice");
    let screen = Screen::tui(&alice);
    for (columns, rows) in [(60, 16), (200, 60), (40, 10), (100, 30)] {
        screen.terminal.resize(columns, rows);
        wait_until("it is drawn anew", || {
            let lines = screen.terminal.rows();
            // The tabs, and where there is room the time at the right end.
            let first = lines.first().map(String::as_str).unwrap_or_default();
            first.contains("1 In")
                && (columns < 100 || first.ends_with('Z') && first.chars().count() + 2 >= usize::from(columns))
                && lines.iter().all(|line| line.chars().count() <= usize::from(columns))
                && lines.len() <= usize::from(rows)
        });
    }
    // What another terminal makes of the same bytes.
    let settled = || {
        let before = screen.bytes();
        std::thread::sleep(Duration::from_millis(200));
        (before == screen.bytes()).then_some(before)
    };
    screen.terminal.press(&["C-l"]);
    std::thread::sleep(Duration::from_millis(500));
    let mut bytes = None;
    wait_until("it is quiet", || {
        bytes = settled();
        bytes.is_some()
    });
    let mut model = avt::Terminal::new(100, 30).unwrap();
    let bytes = bytes.unwrap();
    let last = bytes.rfind("\u{1b}[2J").unwrap();
    model.feed([&bytes[last..]]);
    let shown: Vec<String> = (0..30).filter_map(|row| model.screen().line(row)).map(|line| line.text().trim_end().to_owned()).collect();
    let real: Vec<String> = screen.terminal.rows().into_iter().chain(std::iter::repeat(String::new())).take(30).collect();
    // The first row has the time.
    assert!(shown[0].contains("BARTIZAN"), "{shown:?}");
    assert_eq!(shown[1..], real[1..]);
}

#[test]
fn a_target_is_picked_on_the_terminal_and_the_connection_ends_with_its_session() {
    let world = world();
    let alice = world.visitor("alice");
    let screen = Screen::open(&alice, "-t", "", 100, 30);
    screen.sees("web-1");
    screen.terminal.type_in("web-1");
    screen.decides("Enter");
    screen.sees("$");
    wait_until("the session runs", || world.target.logins() == 1);
    screen.terminal.line("echo in-$((1 + 1)) $(tput cols)");
    screen.sees("in-2 100");
    screen.terminal.resize(90, 25);
    std::thread::sleep(Duration::from_millis(300));
    screen.terminal.line("echo now-$(tput cols)");
    screen.sees("now-90");
    screen.terminal.line("exit 7");
    screen.sees("[ended with 7]");
    let list = world.bastion.run(["recordings", "list", "--json"]).ok().json();
    assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
    let all = world.bastion.run(["sessions", "list", "--all", "--json"]).ok().json();
    assert_eq!(all[0]["principal"]["id"], "corp/alice@example.test", "{all}");
}

#[test]
fn after_a_session_the_terminal_ui_is_back() {
    let world = world();
    let alice = world.visitor("alice");
    let screen = Screen::tui(&alice);
    screen.terminal.press(&["4"]);
    screen.sees("web-1");
    screen.terminal.type_in("web-1");
    screen.decides("Enter");
    wait_until("the session runs", || world.target.logins() == 1);
    screen.terminal.line("echo in-$((1 + 1)); exit");
    screen.sees("press a key");
    screen.terminal.press(&["Space"]);
    screen.sees("Targets");
    screen.terminal.press(&["C-c"]);
}

#[test]
fn without_a_terminal_a_hint_and_lines_are_all_there_is() {
    let world = world();
    let alice = world.visitor("alice");
    let hint = alice.ssh(["-T", "bastion", "tui"]).finish();
    assert_eq!(hint.code(), 64, "{hint}");
    assert!(hint.err.contains("ssh -t") && hint.out.is_empty(), "{hint}");
    let list = alice.ssh(["-T", "bastion"]).ok().text();
    assert!(list.contains("ssh deploy@web-1@bastion"), "{list}");
    let bob = world.visitor("bob");
    let mut held = Held::begin(&bob, &["-n"], "echo refund");
    let plain = alice.ssh(["-T", "bastion", "tui", "--plain"]).input("?\n").within(20).finish();
    assert!(plain.text().contains("refund") && !plain.text().contains('\u{1b}'), "{plain}");
    // A terminal that can only print gets lines, too.
    let line = format!("cd {}; TERM=dumb ssh -F {} -t bastion tui", alice.dir.display(), alice.config().display());
    let terminal = Terminal::open(&alice.dir, &line, 110, 30);
    terminal.wait_for("refund");
    std::thread::sleep(Duration::from_millis(700));
    terminal.line("d1 not now");
    terminal.wait_for("Type yes");
    std::thread::sleep(Duration::from_millis(700));
    terminal.line("yes");
    assert_eq!(held.ends(), 1, "{}\n{}", held.said(), terminal.screen());
    assert!(held.said().contains("not now"), "{}", held.said());
}

#[test]
fn a_lock_and_a_shutdown_give_the_terminal_back() {
    let mut world = world();
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let (locked, other) = (Screen::tui(&alice), Screen::open(&bob, "-t", "tui", 100, 30));
    other.sees("Inbox");
    world.bastion.run(["lock", "corp/alice@example.test", "--reason", "gone"]).ok();
    locked.sees("[ended with 1]");
    locked.is_given_back();
    world.bastion.ask_to_end();
    other.sees("shutting down");
    assert_eq!(world.bastion.ended(), 0);
    other.sees("[ended with");
    other.is_given_back();
}

#[test]
fn who_does_not_read_keeps_nobody_waiting_and_costs_no_memory() {
    let world = world();
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    // Stopped, ssh reads neither its socket nor anything else.
    let mut command: Command = alice.openssh("ssh", ["-tt", "bastion", "tui"]);
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null());
    let mut stopped = Guarded::spawn(command);
    let mut out = stopped.child.stdout.take().unwrap();
    let (mut seen, mut some) = (Vec::new(), [0; 4096]);
    while !String::from_utf8_lossy(&seen).contains("?1049h") {
        let read = std::io::Read::read(&mut out, &mut some).unwrap();
        assert!(read > 0, "it ended: {}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&some[..read]);
    }
    stopped.signal(rustix::process::Signal::STOP);
    let screen = Screen::tui(&alice);
    let before = world.bastion.memory();
    for n in 0..5 {
        let mut held = Held::begin(&bob, &["-n"], &format!("echo refund {n}{}", "0".repeat(n)));
        if n > 0 {
            // The one before keeps its row until the new ones are let in.
            screen.sees("1 new (n)");
            screen.decides("n");
        }
        screen.sees(&format!("refund {n}"));
        screen.decides("D");
        screen.sees("Deny deploy@web-1");
        screen.decides("Enter");
        assert_eq!(held.ends(), 1, "{}", held.said());
    }
    let grown = world.bastion.memory().saturating_sub(before);
    assert!(grown < 24 << 10, "{grown} KiB more than before");
    stopped.signal(rustix::process::Signal::CONT);
}

#[test]
fn a_watcher_joins_with_the_present_screen_and_sees_what_follows() {
    let world = world();
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let shell = Terminal::open(&bob.dir, &bob.line(Way::At, "-t", ""), 100, 24);
    shell.wait_for("$");
    shell.line("echo before-$((1 + 1))");
    shell.wait_for("before-2");
    let list = world.bastion.run(["sessions", "list", "--json"]).ok().json();
    let watch = Screen::open(&alice, "-t", &format!("watch {}", list[0]["id"].as_str().unwrap()), 120, 32);
    watch.sees("before-2");
    shell.line("printf '\\033]0;pwned\\007\\033[5n\\033P1x\\033\\\\'; echo after-$((1 + 2))");
    watch.sees("after-3");
    watch.decides("C-c");
    watch.sees("[ended with 0]");
    watch.is_tame();
    watch.is_given_back();
    // bob may not watch anybody.
    let refused = Screen::open(&bob, "-t", &format!("watch {}", list[0]["id"].as_str().unwrap()), 110, 32);
    refused.sees("watch on");
}

#[test]
fn a_recording_is_played_over_ssh_and_that_is_written_down() {
    let world = world();
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    bob.on_target(Way::At, &["-tt"], "echo played-$((1 + 1)); printf '\\033]0;pwned\\007'; sleep 1").ok();
    let list = || world.bastion.run(["recordings", "list", "--json"]).ok().json();
    wait_until("it is sealed", || list()[0]["duration_us"].is_number());
    let screen = Screen::open(&alice, "-t", &format!("play {}", list()[0]["id"].as_str().unwrap()), 100, 30);
    screen.sees("played-2");
    screen.decides("C-c");
    screen.sees("[ended with 0]");
    screen.is_tame();
    let log = world.bastion.run(["audit", "export"]).ok().text();
    assert!(log.contains("recording.replayed") && log.contains("corp/alice@example.test"), "{log}");
}

#[test]
fn the_users_own_terminal_hosts_it_and_connects_again_when_the_connection_is_lost() {
    let mut world = world();
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let screen = Screen::own(&alice, "");
    world.restart();
    screen.sees("CONNECTION LOST");
    alice.point_to(world.bastion.port);
    bob.point_to(world.bastion.port);
    screen.sees("The connection is there again");
    let mut held = Held::begin(&bob, &["-n"], "echo refund $((40 + 3))");
    screen.sees("echo refund");
    screen.decides("a");
    screen.sees("Approve deploy@web-1");
    screen.decides("Enter");
    assert_eq!(held.ends(), 0, "{}", held.said());
    screen.decides("C-c");
    screen.sees("[ended with 0]");
    screen.is_given_back();
    screen.is_tame();
}

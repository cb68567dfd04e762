//! Measures what a key, an event and a letter of a filter cost until the screen is painted, with 10,000 sessions and 10,000 approvals in
//! the lists. Prints a table; asserts nothing. Run: `cargo bench -p bartizan-tui --bench paint`.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a bench")]

use std::time::{Duration, Instant};

use bartizan_tui::{Connection, Effect, Event, Settings, State, update, view};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::Timestamp;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use serde_json::{Value, json};

const ENTRIES: usize = 10_000;
const ROUNDS: u32 = 200;

fn main() {
    let mut desk = Desk::new();
    println!("{:<44} {:>10} {:>10}", "120 by 32, 10,000 sessions, 10,000 approvals", "mean ms", "worst ms");
    println!("{:<44} {:>10.2} {:>10}", "the list of sessions is read", ms(desk.lists.0), "");
    println!("{:<44} {:>10.2} {:>10}", "the list of approvals is read", ms(desk.lists.1), "");
    desk.press('2');
    desk.measure("a key: the next session", |desk, _| desk.press('j'));
    desk.measure("a key: to the last, to the first", |desk, n| desk.press(if n % 2 == 0 { 'G' } else { 'g' }));
    desk.measure("a key: sort by another column", |desk, _| desk.press('o'));
    desk.measure("an event: a session changes", |desk, n| desk.line(&json!({ "event": "session", "session": session(n as usize) })));
    desk.measure("an event: a new session", |desk, n| desk.line(&json!({ "event": "session", "session": session(ENTRIES + n as usize) })));
    desk.press('/');
    let filter: Vec<char> = "web user4 deploy".chars().collect();
    desk.measure("a letter of a filter, typed or taken back", |desk, n| match filter.get(n as usize % (2 * filter.len())) {
        Some(letter) => desk.press(*letter),
        None => desk.key(KeyCode::Backspace),
    });
    desk.key(KeyCode::Esc);
    desk.press('1');
    desk.measure("a key: the next approval", |desk, _| desk.press('j'));
    desk.measure("an event: an approval is answered", |desk, n| {
        desk.line(&json!({ "event": "approval", "approval": approval(n as usize, "approved") }));
    });
    desk.measure("a tick", |_, _| {});
}

struct Desk {
    state: State,
    terminal: Terminal<TestBackend>,
    now: Timestamp,
    lists: (Duration, Duration),
}

impl Desk {
    fn new() -> Self {
        let terminal = Terminal::new(TestBackend::new(120, 32)).unwrap();
        let now = "2026-11-22T12:00:00Z".parse().unwrap();
        let mut desk = Self { state: State::new(Settings::default()), terminal, now, lists: (Duration::ZERO, Duration::ZERO) };
        desk.send(Event::Resize { cols: 120, rows: 32 });
        desk.send(Event::Connection(Connection::Up));
        let hello =
            json!({ "hello": { "protocol": "bartizan-control", "version": 1, "server": "bastion", "principal": "corp/dana@example.com" } });
        for effect in desk.send(Event::Line(hello.to_string())) {
            let Effect::Send(line) = effect else { continue };
            let asked: Value = serde_json::from_str(&line).unwrap();
            let answer = match asked["do"].as_str().unwrap() {
                "sessions" => json!((0..ENTRIES).map(session).collect::<Vec<_>>()),
                "approvals" => json!((0..ENTRIES).map(|n| approval(n, "waiting")).collect::<Vec<_>>()),
                "whoami" => json!({ "principal": "corp/dana@example.com" }),
                "targets" => json!([]),
                _ => Value::Null,
            };
            let line = json!({ "id": asked["id"], "ok": answer }).to_string();
            let begun = Instant::now();
            desk.send(Event::Line(line));
            match asked["do"].as_str().unwrap() {
                "sessions" => desk.lists.0 = begun.elapsed(),
                "approvals" => desk.lists.1 = begun.elapsed(),
                _ => {}
            }
        }
        desk
    }

    fn send(&mut self, event: Event) -> Vec<Effect> {
        self.now = self.now.checked_add(jiff::SignedDuration::from_millis(33)).unwrap();
        update(&mut self.state, Event::Tick { now: self.now });
        update(&mut self.state, event)
    }

    fn key(&mut self, code: KeyCode) {
        self.send(Event::Key(KeyEvent::new(code, KeyModifiers::NONE)));
    }

    fn press(&mut self, c: char) {
        self.key(KeyCode::Char(c));
    }

    fn line(&mut self, line: &Value) {
        self.send(Event::Line(line.to_string()));
    }

    /// The time of `what` until it is painted.
    fn measure(&mut self, name: &str, what: impl Fn(&mut Self, u32)) {
        let (mut all, mut worst) = (Duration::ZERO, Duration::ZERO);
        for round in 0..ROUNDS {
            let begun = Instant::now();
            what(self, round);
            self.now = self.now.checked_add(jiff::SignedDuration::from_millis(33)).unwrap();
            update(&mut self.state, Event::Tick { now: self.now });
            let state = &self.state;
            self.terminal.draw(|frame| view(state, frame)).unwrap();
            let taken = begun.elapsed();
            (all, worst) = (all + taken, worst.max(taken));
        }
        println!("{name:<44} {:>10.2} {:>10.2}", ms(all / ROUNDS), ms(worst));
        let row = json!({
            "area": "tui", "what": format!("{name}, worst"), "unit": "ms", "ours": [ms(worst)], "goal": { "at_most": 50.0 }, "met": ms(worst) <= 50.0,
        });
        println!("BENCH {row}");
    }
}

fn ms(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

fn principal(n: usize) -> Value {
    json!({ "id": format!("corp/user{}@example.com", n % 500), "kind": "user", "groups": ["corp/engineers", "corp/oncall"] })
}

fn session(n: usize) -> Value {
    json!({
        "id": format!("01JD{n:022}"), "number": n, "principal": principal(n), "target": format!("web-{}", n % 300), "target_kind": "ssh",
        "login": "deploy", "wish": "shell", "source": "10.1.2.3", "certificate": n, "node": "n1", "started_at": "2026-11-22T11:00:00Z",
        "recording": "2026/11/22/x", "policies": ["engineers-web"], "frozen": null, "end": null,
    })
}

fn approval(n: usize, state: &str) -> Value {
    json!({
        "id": format!("01JE{n:022}"), "session": format!("01JD{n:022}"), "principal": principal(n), "target": format!("db-{}", n % 300),
        "login": "root", "action": "ssh.exec", "operation": format!("systemctl restart unit-{n}"), "digest": "00ff",
        "needs": [{ "policy": "prod-root", "groups": ["corp/leads"], "approvals": 1, "valid_seconds": 1800, "whole_session": false, "reason": null }],
        "reason": "it is slow", "source": "10.1.2.3", "asked_at": "2026-11-22T11:59:00Z", "deadline": "2026-11-22T12:30:00Z", "reviews": [],
        "state": state, "until": null, "end_reason": null, "ended_at": null,
    })
}

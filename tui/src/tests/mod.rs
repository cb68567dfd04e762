//! The whole core, driven as a host drives it: by events, with a bastion that answers its requests, and looked at as a terminal shows it.

mod decisions;
mod hostile;
mod links;
mod listing;
mod plain;
mod screens;
mod storm;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::{SignedDuration, Timestamp};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use serde_json::{Value, json};

use crate::{Connection, Effect, Event, Screen, Settings, Signature, State, ToSign, update, view};

/// Who sits there.
const ME: &str = "corp/dana@example.com";

/// A core with a bastion.
struct World {
    state: State,
    now: Timestamp,
    /// What the bastion answers with.
    bastion: Bastion,
    /// Effects that are no requests the bastion answers by itself.
    effects: Vec<Effect>,
    /// Requests that were sent, parsed.
    sent: Vec<Value>,
}

#[derive(Clone, Default)]
struct Bastion {
    approvals: Vec<Value>,
    sessions: Vec<Value>,
    targets: Vec<Value>,
    recordings: Vec<Value>,
    hits: Vec<Value>,
    audit: Vec<Value>,
    /// What it says of an entry's proof.
    proof: Option<Value>,
}

fn at(text: &str) -> Timestamp {
    format!("2026-11-22T{text}Z").parse().unwrap()
}

fn principal(name: &str, groups: &[&str]) -> Value {
    json!({ "id": format!("corp/{name}@example.com"), "kind": "user", "groups": groups })
}

fn approval(id: &str, who: &str, asked: &str, deadline: &str, state: &str) -> Value {
    json!({
        "id": id, "session": format!("S{id}"), "node": "n1", "principal": principal(who, &["corp/engineers", "corp/sre"]),
        "target": "db-prod-3", "login": "root", "action": "ssh.exec", "operation": "systemctl restart postgresql",
        "digest": "9b1f0c4d", "needs": [{ "policy": "prod-root", "groups": ["corp/sre-leads"], "approvals": 2, "valid_seconds": 1800,
            "whole_session": false, "reason": "root on production needs two" }],
        "reason": "replica lag page", "source": "10.2.3.4", "asked_at": at(asked), "deadline": at(deadline),
        "reviews": [{ "by": { "id": "corp/erik@example.com", "kind": "user", "groups": ["corp/sre-leads"] }, "approve": true,
            "reason": "ok", "valid_seconds": null, "at": at("12:03:00") }],
        "state": state, "until": null, "end_reason": null, "ended_at": if state == "waiting" { Value::Null } else { json!(at("11:52:00")) },
    })
}

fn session(id: &str, who: &str, target: &str, wish: &str, started: &str) -> Value {
    json!({
        "id": id, "number": 7, "token": 1, "principal": principal(who, &["corp/engineers"]), "target": target, "target_kind": "ssh",
        "login": "deploy", "wish": wish, "source": "10.2.3.4", "certificate": 12, "node": "n1", "started_at": at(started),
        "recording": "2026/11/22/x", "policies": ["engineers-web"], "frozen": null, "end": null,
    })
}

fn recording(id: &str, who: &str, target: &str, started: &str) -> Value {
    json!({
        "id": id, "number": 3, "principal": format!("corp/{who}@example.com"), "target": target, "tags": { "env": "prod" },
        "login": "root", "kind": "ssh.shell", "command": null, "started_at": at(started), "duration_us": 2_292_000_000_u64,
        "sealed": true, "reason": "closed", "exit_status": 0, "bytes": 1_240_000, "source_address": "10.2.3.4", "encrypted": false,
        "recipients": [],
    })
}

fn entry(seq: u64, when: &str, kind: &str, more: Value) -> Value {
    let mut entry = json!({ "seq": seq, "at": at(when), "kind": kind });
    entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    entry
}

impl Bastion {
    /// A morning's worth.
    fn busy() -> Self {
        let mut own = approval("A4", "dana", "12:00:00", "12:30:00", "waiting");
        own["reviews"] = json!([]);
        let mut ci = approval("A2", "ci-bot", "12:02:00", "12:08:41", "waiting");
        (ci["target"], ci["login"], ci["operation"]) = (json!("web-12"), json!("deploy"), json!("./deploy.sh --canary"));
        (ci["reviews"], ci["reason"]) = (json!([]), Value::Null);
        ci["needs"][0]["approvals"] = json!(1);
        let mut denied = approval("A3", "carol", "11:20:00", "11:30:00", "denied");
        denied["reviews"] = json!([{ "by": principal("dana", &["corp/sre-leads"]), "approve": false, "reason": "no ticket",
            "valid_seconds": null, "at": at("11:20:30") }]);
        Self {
            approvals: vec![approval("A1", "alice", "12:03:31", "12:05:12", "waiting"), ci, denied, own],
            sessions: vec![
                session("S1", "alice", "db-prod-3", "shell", "11:57:00"),
                session("S2", "bob", "web-12", "exec rsync -a /srv /backup", "12:02:58"),
                session("S3", "carol", "db-prod-3", "sftp", "11:51:50"),
            ],
            targets: vec![
                json!({ "name": "db-prod-3", "kind": "ssh", "logins": ["deploy", "root"], "tags": ["env=prod", "pci"] }),
                json!({ "name": "db-preprod", "kind": "ssh", "logins": ["deploy"], "tags": ["env=stage"] }),
                json!({ "name": "orders", "kind": "postgres", "logins": [], "tags": ["env=prod"] }),
                json!({ "name": "web-12", "kind": "ssh", "logins": ["deploy"], "tags": ["env=prod"] }),
            ],
            recordings: vec![recording("R1", "alice", "db-prod-3", "09:12:00"), recording("R2", "bob", "web-12", "08:00:00")],
            hits: vec![
                json!({ "session": "R1", "time": "2026-11-22T09:20:00Z", "at_us": 480_000_000_u64, "principal": "corp/alice@example.com",
                "target": "db-prod-3", "kind": "screen", "verdict": null, "text": "…DROP TABLE orders;" }),
            ],
            audit: vec![
                entry(
                    88_412,
                    "12:02:11",
                    "approval.reviewed",
                    json!({ "approval": "A9", "by": ME, "approve": true, "reason": "", "source": "10.0.0.9" }),
                ),
                entry(
                    88_398,
                    "11:58:40",
                    "decision",
                    json!({ "principal": "corp/alice@example.com", "target": "db-prod-3", "login": "root",
                    "action": "ssh.exec", "operation": "rm -rf /", "verdict": "deny", "policies": ["no-root"], "reason": "not here" }),
                ),
                entry(88_377, "11:40:02", "policies.reloaded", json!({ "digest": "ab12", "policies": 41 })),
            ],
            proof: None,
        }
    }

    fn answer(&self, request: &Value) -> Option<Value> {
        let filter = |key: &str| request[key].as_str().map(str::to_owned);
        Some(match request["do"].as_str()? {
            "whoami" => json!({ "principal": ME, "kind": "user", "groups": ["corp/sre-leads"], "key": "SHA256:mine" }),
            "subscribe" | "session.end" | "session.unwatch" => Value::Null,
            "approvals" => json!(self.approvals),
            "sessions" => json!(self.sessions),
            "targets" => json!(self.targets),
            "recordings" => json!(self.recordings),
            "search" => json!(if filter("query").is_some_and(|text| text.contains("nothing")) { Vec::new() } else { self.hits.clone() }),
            "audit" => json!({ "entries": self.audit, "size": 88_640, "checkpoint": { "size": 88_640, "hash": "c0ffee" } }),
            "audit.proof" => self.proof.clone()?,
            "least_privilege" => privileges(request["users"] == true),
            "session.watch" => json!({ "cols": 80, "rows": 24, "at_us": 1 }),
            _ => return None,
        })
    }
}

fn privileges(users: bool) -> Value {
    let grant = |action: &str, on: &str, granted: &str, used: u64| json!({ "action": action, "on": on, "granted": granted, "used": used, "last_used": (used > 0).then(|| at("11:58:00")) });
    let orders = json!({ "target": "orders", "kind": "postgres", "granted": 4, "used": 3, "unused": 1, "uses": 126, "granted_equals_used": false,
        "grants": [grant("connect", "", "allow", 42), grant("pg.read_column", "public.refunds.amount", "allow", 42),
            grant("pg.select", "public.refunds", "allow", 42), grant("pg.delete", "public.refunds", "hold", 0)],
        "calls": { "ended": 120, "failed": 2, "bytes_in": 9000, "bytes_out": 120000, "duration_ms": 900 },
        "held": { "asked": 2, "answered_by": { "corp/carol@example.com": { "approved": 1, "denied": 1 } } },
        "denied": [{ "action": "pg.select", "attempts": 3, "example": "SELECT * FROM salaries" }],
        "secrets": [{ "what": "password of app", "detail": "file /etc/bartizan/orders", "age_seconds": 1_036_800 }] });
    let billing = json!({ "target": "billing", "kind": "http", "granted": 2, "used": 2, "unused": 0, "uses": 9, "granted_equals_used": true,
        "grants": [grant("connect", "", "allow", 3), grant("http.GET", "/v1/bills", "allow", 6)] });
    let shell = json!({ "target": "web-12", "kind": "ssh", "granted": 30, "used": 1, "unused": 29, "uses": 1, "granted_equals_used": false,
        "grants": [grant("ssh.shell", "as deploy", "allow", 1), grant("ssh.exec", "any other command as deploy", "allow", 0)] });
    let mut all = vec![json!({ "principal": "ci/orders", "kind": "service", "groups": ["ci/robots"], "targets": [billing, orders] })];
    if users {
        all.push(json!({ "principal": "corp/alice@example.com", "kind": "user", "groups": ["corp/sre"], "targets": [shell] }));
    }
    json!({ "scope": { "since": "2026-10-23T12:00:00Z", "entries": 88_640 }, "principals": all })
}

impl World {
    fn with(settings: Settings, bastion: Bastion) -> Self {
        let mut world = Self { state: State::new(settings), now: at("12:04:31"), bastion, effects: Vec::new(), sent: Vec::new() };
        world.send(Event::Resize { cols: 120, rows: 32 });
        world.connect();
        world
    }

    fn new() -> Self {
        Self::with(Settings::default(), Bastion::busy())
    }

    fn on(screen: Screen) -> Self {
        let mut world = Self::new();
        world.press(&format!("{}", Screen::ALL.iter().position(|own| *own == screen).unwrap() + 1));
        world.wait(1_000);
        world
    }

    fn connect(&mut self) {
        self.send(Event::Connection(Connection::Up));
        self.line(&json!({ "hello": { "protocol": "bartizan-control", "version": 1, "server": "bastion.example.com", "principal": ME } }));
        self.wait(1_000);
    }

    /// An event, as a host gives it; the bastion answers at once what it answers by itself.
    fn send(&mut self, event: Event) {
        let mut effects = update(&mut self.state, Event::Tick { now: self.now });
        effects.extend(update(&mut self.state, event));
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            let Effect::Send(line) = &effect else {
                self.effects.push(effect);
                continue;
            };
            let request: Value = serde_json::from_str(line).unwrap();
            assert!(!line.contains('\n'), "a request is one line");
            let answer = self.bastion.answer(&request);
            self.sent.push(request.clone());
            if let Some(answer) = answer {
                self.line(&json!({ "id": request["id"], "ok": answer }));
            }
        }
    }

    fn line(&mut self, line: &Value) {
        self.send(Event::Line(line.to_string()));
    }

    fn wait(&mut self, ms: i64) {
        self.now = self.now.checked_add(SignedDuration::from_millis(ms)).unwrap();
        let effects = update(&mut self.state, Event::Tick { now: self.now });
        self.carry_out(effects);
    }

    /// Keys, as they are written in a file, with spaces between.
    fn press(&mut self, keys: &str) {
        for key in keys.split(' ') {
            self.send(Event::Key(event(key)));
        }
    }

    fn type_in(&mut self, text: &str) {
        for c in text.chars() {
            self.send(Event::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)));
        }
    }

    fn buffer(&self) -> Buffer {
        let (cols, rows) = self.state.size;
        let mut terminal = Terminal::new(TestBackend::new(cols, rows)).unwrap();
        terminal.draw(|frame| view(&self.state, frame)).unwrap();
        terminal.backend().buffer().clone()
    }

    fn screen(&self) -> String {
        let buffer = self.buffer();
        let row = |y: u16| (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
        (0..buffer.area.height).map(row).collect::<Vec<_>>().join("\n")
    }

    fn size(&mut self, cols: u16, rows: u16) {
        self.send(Event::Resize { cols, rows });
    }

    fn requests(&self, what: &str) -> Vec<&Value> {
        self.sent.iter().filter(|request| request["do"] == what).collect()
    }

    #[track_caller]
    fn sees(&self, text: &str) {
        assert!(self.screen().contains(text), "{text:?} is not on the screen:\n{}", self.screen());
    }

    #[track_caller]
    fn sees_not(&self, text: &str) {
        assert!(!self.screen().contains(text), "{text:?} is on the screen:\n{}", self.screen());
    }
}

fn event(key: &str) -> KeyEvent {
    let (key, control) = key.strip_prefix("ctrl-").map_or((key, false), |rest| (rest, true));
    let code = match key {
        "enter" => KeyCode::Enter,
        "esc" => KeyCode::Esc,
        "tab" => KeyCode::Tab,
        "space" => KeyCode::Char(' '),
        "left" => KeyCode::Left,
        "right" => KeyCode::Right,
        "up" => KeyCode::Up,
        "down" => KeyCode::Down,
        key => KeyCode::Char(key.chars().next().unwrap()),
    };
    KeyEvent::new(code, if control { KeyModifiers::CONTROL } else { KeyModifiers::NONE })
}

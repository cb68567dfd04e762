//! Who must answer is told: signed, again when it fails, by places that answer 500, hang or end with an error, without holding anybody
//! up, without a secret in any log, and never with a link.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};

use serde_json::Value;

use super::{POLICIES, hold, says};
use crate::harness::{Run, Setup, Way, World, wait_until_within};

/// What a receiver does with its nth connection.
type Manner = fn(usize) -> Option<&'static str>;

/// One request as it came.
struct Post {
    head: String,
    body: String,
}

impl Post {
    fn header(&self, name: &str) -> String {
        let found = self.head.lines().find_map(|line| line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name)));
        found.unwrap_or_else(|| panic!("no {name} in {}", self.head)).1.to_owned()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

fn read(stream: &TcpStream) -> Post {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap_or(0) > 0 {}
    let length = head.to_lowercase().split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    Post { head, body: String::from_utf8(body).unwrap() }
}

/// Takes webhooks. Where `manner` has no status it says nothing and keeps the connection.
fn receiver(manner: Manner) -> (u16, Receiver<Post>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, received) = channel();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for (n, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let post = read(&stream);
            match manner(n) {
                Some(status) => write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap(),
                None => kept.push(stream),
            }
            if sender.send(post).is_err() {
                return;
            }
        }
    });
    (port, received)
}

/// The signature of Standard Webhooks, made by another program than ours.
fn signature(secret: &str, text: &str) -> String {
    let mut command = Command::new("python3");
    let script = "import base64, hashlib, hmac, sys; print('v1,' + base64.b64encode(hmac.new(sys.argv[1].encode(), sys.stdin.buffer.read(), hashlib.sha256).digest()).decode())";
    command.args(["-c", script, secret]);
    Run::new(command).input(text.to_owned()).ok().text().trim().to_owned()
}

const PATH: &str = "services/T0/B0/a-path-that-is-a-secret";
const SECRET: &str = "a-key-that-is-a-secret";

#[test]
fn places_that_fail_and_hang_are_tried_again_and_hold_nobody_up_and_no_secret_gets_into_a_log() {
    let (busy, busy_got) = receiver(|n| Some(if n < 2 { "500 No" } else { "204 Yes" }));
    let (hangs, hangs_got) = receiver(|n| (n > 0).then_some("200 OK"));
    let (refuses, refuses_got) = receiver(|_| Some("500 No"));
    let (slack, slack_got) = receiver(|_| Some("200 OK"));
    let dir = tempfile::tempdir().unwrap();
    let (runs, secret) = (dir.path().join("runs"), dir.path().join("secret"));
    std::fs::write(&secret, SECRET).unwrap();
    let place = |name: &str, port: u16, more: &str| {
        format!(
            "[[notify]]\nname = \"{name}\"\nurl = \"http://127.0.0.1:{port}/{PATH}\"\nsecret = {{ file = \"{}\" }}\n{more}\n",
            secret.display()
        )
    };
    let program = |name: &str, line: &str| format!("[[notify]]\nname = \"{name}\"\ncommand = [\"sh\", \"-c\", \"{line}\"]\n");
    let fails_once = format!("cat >> {0}.out; echo >> {0}; test $(wc -l < {0}) -gt 1", runs.display());
    let more = [
        "\n[approvals]\nwait = \"5m\"\n".to_owned(),
        place("busy", busy, ""),
        place("hangs", hangs, ""),
        place("refuses", refuses, ""),
        place("slack", slack, "format = \"slack\"\n"),
        program("fails-once", &fails_once),
        program("sleeps", "sleep 600"),
    ];
    let world = World::with(Setup { policies: Some(POLICIES), more: more.join("\n"), ..Setup::default() });
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let line = format!("echo refund '<!channel> <https://evil|press> {}'", "x".repeat(20_000));
    let mut held = hold(&bob, Way::At, &["-n"], &line);
    // Nobody has been told everywhere yet, and the decision waits for none of it.
    says(&alice, &format!("approve {}", held.id())).ok();
    assert_eq!(held.ends(), 0);
    let wait = std::time::Duration::from_secs(90);
    let tried: Vec<Post> = (0..3).map(|_| busy_got.recv_timeout(wait).unwrap()).collect();
    for post in &tried {
        assert_eq!(post.body, tried[0].body, "what was not taken is sent again, the same");
        assert_eq!(post.header("webhook-id"), tried[0].header("webhook-id"));
        let signed = format!("{}.{}.{}", post.header("webhook-id"), post.header("webhook-timestamp"), post.body);
        assert_eq!(post.header("webhook-signature"), signature(SECRET, &signed));
    }
    let next = busy_got.recv_timeout(wait).unwrap();
    assert_eq!((tried[0].json()["type"].as_str(), next.json()["type"].as_str()), (Some("approval.asked"), Some("approval.approved")));
    let data = tried[0].json()["data"].clone();
    assert_eq!((data["operation"].as_str().map(str::len), &data["operation_is_cut"]), (Some(4_096), &Value::Bool(true)), "{data}");
    let hung: Vec<Post> = (0..2).map(|_| hangs_got.recv_timeout(wait).unwrap()).collect();
    assert_eq!(hung[0].body, hung[1].body, "one that got no answer is sent again");
    let messages: Vec<String> = (0..2).map(|_| slack_got.recv_timeout(wait).unwrap().json()["text"].as_str().unwrap().to_owned()).collect();
    assert!(messages[0].contains("corp/bob@example.test") && messages[0].contains("corp/admins") && messages[0].contains(&held.id()));
    assert!(messages[1].contains("is approved by"), "{}", messages[1]);
    for message in &messages {
        assert!(message.len() < 4_000 && !message.contains('<') && !message.contains('>'), "{message}");
        assert!(!message.contains("://127") && !message.contains("|press>"), "there is no link in it: {message}");
    }
    wait_until_within(90, "the program that failed was run again", || {
        std::fs::read_to_string(&runs).unwrap_or_default().lines().count() >= 3
    });
    // After five tries it is given up and said loudly; a program that does not end is ended.
    (0..5).for_each(|_| drop(refuses_got.recv_timeout(wait).unwrap()));
    wait_until_within(90, "that is said", || world.bastion.log().contains("nobody could be told"));
    wait_until_within(90, "it is ended", || world.bastion.log().contains("took longer than 10 s"));
    let audit = world.bastion.run(["audit", "export"]).ok().text();
    let listed = says(&alice, "approvals --json").ok().text() + &world.bastion.run(["approvals", "list", "--all", "--json"]).ok().text();
    let told = tried.iter().map(|post| post.body.clone()).chain(messages).collect::<String>();
    for (what, text) in [("the log", world.bastion.log()), ("the audit log", audit), ("a list", listed), ("a notice", told)] {
        assert!(!text.contains("a-path-that-is") && !text.contains("a-key-that-is"), "a secret in {what}: {text}");
    }
}

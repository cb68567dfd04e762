//! Measures the search index: 10,000 recordings indexed, then searched for common and rare text with and without
//! conditions. Prints a table; asserts nothing. Run: `cargo bench -p bartizan-recorder --bench search`.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a bench")]

use std::time::{Duration, Instant};

use bartizan_recorder::{Event, Head, Now, Query, Reason, Recordings, SearchIndex, SigningKey, Terminal, TextKind};

/// How many times smaller all is. Without `--bench`, which `cargo bench` gives and `cargo test --benches` does not, it only shows that
/// this runs; a quick measurement is between.
fn small() -> usize {
    match std::env::args().any(|argument| argument == "--bench") {
        false => 500,
        true if std::env::var("BARTIZAN_BENCH").is_ok_and(|asked| asked == "quick") => 8,
        true => 1,
    }
}

fn main() {
    let all = 10_000 / small() as u64;
    let root = tempfile::tempdir().expect("a directory to write in");
    let recordings = Recordings::new(root.path().join("recordings"), SigningKey::from_bytes(&[7; 32]));
    let began = Instant::now();
    let bytes: u64 = (0..all).map(|number| record(&recordings, number)).sum();
    println!("{all} recordings, {bytes} bytes of output, recorded in {:?}", began.elapsed());
    let path = root.path().join("index");
    let mut index = SearchIndex::open(&path).unwrap();
    for name in ["first", "unchanged"] {
        let began = Instant::now();
        let done = index.refresh(recordings.root(), None, &mut |_| None, &mut |_, _| ()).unwrap();
        println!("refresh, {name:9} {:?} ({} added)", began.elapsed(), done.added);
    }
    println!("index: {} bytes", std::fs::metadata(&path).unwrap().len());
    let text = |text: &str| Query { text: Some(text.into()), ..Query::default() };
    let queries = [
        ("in one recording", text("needle-in-4711")),
        ("in none", text("there is no such text")),
        ("in every recording, many times", text("nginx")),
        ("the same, one user", Query { user: Some("user-7@".into()), ..text("nginx") }),
        ("the same, one target, commands", Query { target: Some("web-3".into()), kinds: vec![TextKind::Command], ..text("systemctl") }),
        ("three letters", text("err")),
        ("every denied operation", Query { verdict: Some("deny".into()), ..Query::default() }),
    ];
    for (name, query) in queries {
        let mut times: Vec<Duration> = Vec::new();
        let mut hits = 0;
        for _ in 0..9 {
            let began = Instant::now();
            hits = index.search(&query).unwrap().len();
            times.push(began.elapsed());
        }
        times.sort();
        let value = times[4].as_secs_f64();
        let row = serde_json::json!({
            "area": "recorder", "what": format!("search {all} recordings: {name}"), "unit": "s", "ours": [value], "goal": { "at_most": 1.0 }, "met": value <= 1.0,
        });
        println!("BENCH {row}");
        println!("search {name:32} {hits:>4} hits   median {:?}   most {:?}", times[4], times[8]);
    }
}

/// A shell of a few minutes: some twenty commands and their output, about 20 KB.
fn record(recordings: &Recordings, number: u64) -> u64 {
    let started_us = 1_795_348_800_000_000 + number as i64 * 60_000_000;
    let now = |at_us: u64| Now { at_us, wall_us: started_us + at_us as i64 };
    let head = Head {
        client: String::new(),
        command: None,
        first_key: String::new(),
        input_key: String::new(),
        groups: Vec::new(),
        kind: "ssh.shell".into(),
        login: Some("deploy".into()),
        number,
        policy_digest: String::new(),
        principal: format!("corp/user-{}@example.com", number % 40),
        recipients: Vec::new(),
        server: "bench".into(),
        session: format!("01JD{number:022}").parse().unwrap(),
        source_address: "192.0.2.1".into(),
        started_us,
        tags: Default::default(),
        target: format!("web-{}", number % 9),
        terminal: Some(Terminal { cols: 120, rows: 40, term: "xterm".into() }),
        version: 0,
    };
    let mut writer = recordings.create(&head, &mut rand::rng()).unwrap();
    let (mut bytes, mut state) = (0, number);
    for step in 0..20u64 {
        let at = now(step * 9_000_000);
        let verdict = if step == 7 && number.is_multiple_of(5) { "deny" } else { "allow" };
        let command = format!("systemctl status nginx-{}", (number + step) % 97);
        let operation = format!(r#"{{"action":"ssh.exec","text":"{command}","verdict":"{verdict}"}}"#);
        let mut output = format!("deploy@web:~$ {command}\r\n");
        for _ in 0..12 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            output.push_str(&format!(
                "Nov 22 12:04 nginx[{}]: GET /orders/{} {}\r\n",
                state >> 50,
                state >> 40,
                ["ok", "error"][(state >> 60) as usize % 2]
            ));
        }
        if number == 4711 && step == 11 {
            output.push_str("needle-in-4711\r\n");
        }
        bytes += output.len() as u64;
        writer.append(at, &[Event::operation(operation), Event::output(output.as_bytes())]).unwrap();
    }
    writer.finish(now(200_000_000), Reason::Closed, None).unwrap();
    bytes
}

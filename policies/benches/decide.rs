//! How long loading, slicing and one decision take as policies grow, and how long it takes to read a command line. Asserts no time.
//!
//! `cargo bench -p bartizan-policies --bench decide`

#![allow(clippy::expect_used, missing_docs, reason = "a bench")]

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

use bartizan_policies::{Action, Command, Context, Facts, Known, Line, PolicySet, Principal, Request, Resource, Target, Verdict};

/// A tenth of the policies is open to any principal on one target, the rest to one group on one target; half is about programs,
/// half about files.
fn policies(count: usize) -> String {
    let mut text = String::from(
        "@id(\"sre\") permit (principal in Group::\"corp/sre\", action in Action::\"ssh\", resource in Tag::\"env=prod\")
         when { !context.device_bound || context.source_ip.isInRange(ip(\"192.0.2.0/24\")) };
         @id(\"connect\") permit (principal in Group::\"corp/sre\", action == Action::\"connect\", resource in Tag::\"env=prod\");
         @id(\"root\") forbid (principal, action in Action::\"ssh\", resource) when { context.login == \"root\" };
         @id(\"files\") permit (principal in Group::\"corp/sre\", action in Action::\"sftp\", resource in Tag::\"env=prod\")
         when { context has path && context.path like \"/srv/*\" };
         @id(\"keys\") forbid (principal, action in Action::\"sftp\", resource)
         when { context has path && context.path like \"/srv/keys/*\" };\n",
    );
    for n in 5..count {
        let who = if n % 10 < 2 { "principal".to_owned() } else { format!("principal in Group::\"corp/team-{n}\"") };
        let (action, condition) = match n % 2 {
            0 => ("ssh.exec", "!context.dynamic && context.program == \"systemctl\""),
            _ => ("sftp.write", "context has path && context.path like \"/opt/*\""),
        };
        let _ = writeln!(
            text,
            "@id(\"p{n}\") permit ({who}, action == Action::\"{action}\", resource == Target::\"host-{n}\")
             when {{ {condition} }};"
        );
    }
    text
}

/// Lines as people and programs send them.
const LINES: [&str; 6] = [
    "systemctl restart nginx",
    "sudo -u deploy systemctl restart nginx",
    "cd /srv/app && git pull && sudo systemctl restart app",
    "for h in web-1 web-2 web-3; do ping -c1 \"$h\" | grep -v lost >/tmp/$h; done",
    "ps aux | grep '[n]ginx' | awk '{print $2}' | xargs kill",
    "/bin/sh -c '( umask 77 && mkdir -p /tmp/x && echo done ) && sleep 0'",
];

fn analyse(bench: &mut Criterion) {
    let mut group = bench.benchmark_group("command line");
    for line in LINES {
        let name = line.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
        group.bench_function(name, |timer| timer.iter(|| Line::read(black_box(line.as_bytes()))));
    }
}

fn decide(bench: &mut Criterion) {
    let alice = Principal::user("corp/alice@example.com", ["corp/sre", "corp/all", "corp/team-7", "corp/team-11"]);
    let target = Target { tags: [("env".to_owned(), "prod".to_owned())].into(), ..Target::new("host-7", "ssh") };
    let now = "2026-01-02T12:00:00Z".parse().expect("a time");
    let context = |facts| Context {
        source_ip: "192.0.2.7".parse().expect("an address"),
        time: now,
        authenticated_at: now,
        device_bound: false,
        reason: None,
        facts,
    };
    let exec = context(Facts::Command { login: "deploy".to_owned(), command: Command::read(b"systemctl restart nginx") });
    let connect = context(Facts::Login("deploy".to_owned()));
    let file =
        |path: &str, recursive| context(Facts::File { login: "deploy".to_owned(), path: Some(path.to_owned()), to: None, recursive });
    let (one, tree) = (file("/srv/www/index.html", false), file("/srv/www", true));
    let sizes = [10, 100, 1_000, 10_000].map(|count| {
        let set = PolicySet::load(vec![("bench.cedar".to_owned(), policies(count))], &Known::default()).expect("the policies are right");
        (count, set)
    });
    let mut group = bench.benchmark_group("cut a slice");
    for (count, set) in &sizes {
        group.bench_with_input(BenchmarkId::from_parameter(count), set, |timer, set| {
            timer.iter(|| set.slice(black_box(&alice), black_box(&target)));
        });
    }
    drop(group);
    for (name, action, context) in [
        ("decide connect", Action::Connect, &connect),
        ("decide ssh.exec", Action::SshExec, &exec),
        ("decide sftp.write", Action::SftpWrite, &one),
        ("decide sftp.write of a tree", Action::SftpWrite, &tree),
    ] {
        let mut group = bench.benchmark_group(name);
        for (count, set) in &sizes {
            let slice = set.slice(&alice, &target);
            let request = Request { action, resource: Resource::Target(&target), context };
            assert!(matches!(slice.decide(&request).verdict, Verdict::Allow));
            group.bench_function(BenchmarkId::from_parameter(count), |timer| timer.iter(|| slice.decide(black_box(&request))));
        }
    }
}

fn load(bench: &mut Criterion) {
    let mut group = bench.benchmark_group("load policies");
    group.sample_size(10);
    // The most take seconds each time, which a quick measurement has not.
    let most = if std::env::var("BARTIZAN_BENCH").is_ok_and(|asked| asked == "quick") { 1_000 } else { 10_000 };
    for count in [10, 100, 1_000, 10_000].into_iter().filter(|count| *count <= most) {
        let text = policies(count);
        group.bench_with_input(BenchmarkId::from_parameter(count), &text, |timer, text| {
            timer.iter(|| PolicySet::load(vec![("bench.cedar".to_owned(), text.clone())], &Known::default()).is_ok());
        });
    }
}

criterion_group!(benches, analyse, decide, load);
criterion_main!(benches);

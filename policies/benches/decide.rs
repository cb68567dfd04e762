//! How long loading, slicing and one decision take as policies grow. It prints microseconds and asserts no time.
//!
//! `cargo bench -p bartizan-policies`

#![allow(clippy::print_stdout, clippy::expect_used)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use bartizan_policies::{Action, Command, Context, Facts, Known, PolicySet, Principal, Request, Resource, Target, Verdict};

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

/// Best of many short rounds, in microseconds a call: what the work costs when nothing else gets in its way.
fn time(mut call: impl FnMut()) -> f64 {
    const CALLS: u32 = 50;
    let round = |_| {
        let start = Instant::now();
        (0..CALLS).for_each(|_| call());
        start.elapsed().as_secs_f64() * 1e6 / f64::from(CALLS)
    };
    (0..200).map(round).fold(f64::INFINITY, f64::min)
}

fn main() {
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
    let columns = ["policies", "load ms", "slice µs", "connect µs", "exec µs", "file µs", "tree µs"];
    println!("{}", columns.map(|column| format!("{column:>11}")).join(""));
    for count in [10, 100, 1_000, 10_000] {
        let text = policies(count);
        let start = Instant::now();
        let set = PolicySet::load(vec![("bench.cedar".to_owned(), text)], &Known::default()).expect("the policies are right");
        let load = start.elapsed().as_secs_f64() * 1e3;
        let slice = set.slice(&alice, &target);
        let ask = |action, context| {
            let request = Request { action, resource: Resource::Target(&target), context };
            time(|| {
                assert!(matches!(black_box(slice.decide(black_box(&request))).verdict, Verdict::Allow));
            })
        };
        let cut = time(|| {
            black_box(set.slice(black_box(&alice), black_box(&target)));
        });
        let asked =
            [ask(Action::Connect, &connect), ask(Action::SshExec, &exec), ask(Action::SftpWrite, &one), ask(Action::SftpWrite, &tree)];
        let times = [load, cut].into_iter().chain(asked).map(|time| format!("{time:>11.1}"));
        println!("{count:>11}{}", times.collect::<String>());
    }
}

//! How long a list of ten thousand Secrets takes whose data is masked, beside the same list without a mask and without a bastion. Every
//! test run takes a glance; `tests/bench/run kubernetes` measures. Nothing here asserts on time.

use std::process::Command;
use std::time::Instant;

use super::site::{CREDENTIAL, MASKED, POLICIES, Site};
use crate::harness::{Goal, Row, Run, asked, figure, is_bench};

#[test]
fn a_masked_list_beside_an_open_one() {
    let (many, rounds) = if is_bench() { (10_000, asked("BARTIZAN_BENCH_ROUNDS", 5)) } else { (50, 1) };
    let site = Site::with(&format!("{POLICIES}{MASKED}"));
    let (alice, bob) = (site.person("alice"), site.person("bob"));
    assert_eq!(alice.ask(&["-X", "POST", &alice.at(&format!("/fixture/secrets?namespace=mail&count={many}"))]).0, "200");
    let list = "/api/v1/namespaces/mail/secrets";
    let direct = || {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--noproxy", "*", "--cacert"]).arg(site.server.path("ca.pem"));
        command.args(["-H", &format!("Authorization: Bearer {CREDENTIAL}"), &format!("https://127.0.0.1:{}{list}", site.server.port)]);
        Run::new(command).within(120).ok().out
    };
    let timed = |get: &dyn Fn() -> Vec<u8>, seen: &mut Vec<f64>| {
        let begun = Instant::now();
        assert!(get().len() > many * 100);
        seen.push(begun.elapsed().as_secs_f64() * 1e3);
    };
    let (mut without, mut open, mut masked) = (Vec::new(), Vec::new(), Vec::new());
    let before = site.world.bastion.memory();
    for _ in 0..rounds {
        timed(&direct, &mut without);
        timed(&|| alice.curl(&[&alice.at(list)]).ok().out, &mut open);
        timed(&|| bob.curl(&[&bob.at(list)]).ok().out, &mut masked);
    }
    let what = format!("list of {many} Secrets, masked");
    Row {
        area: "kubernetes",
        what: what.clone(),
        unit: "ms",
        ours: masked.clone(),
        beside: "unmasked",
        theirs: open,
        goal: Goal::AtMost(1.5),
    }
    .tell();
    Row { area: "kubernetes", what, unit: "ms", ours: masked, beside: "direct", theirs: without, goal: Goal::AtMost(1.5) }.tell();
    #[allow(clippy::cast_precision_loss, reason = "a figure")]
    let grown = site.world.bastion.memory().saturating_sub(before) as f64 / 1024.0;
    figure("kubernetes", "memory that those lists added", "MiB", grown, Some(48.0));
}

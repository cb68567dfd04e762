//! What the benches share: how much is asked of them, medians, a plain `ssh -L` to measure beside, and rows that `tests/bench/run`
//! gathers. Nothing here asserts on time.

#![allow(clippy::print_stdout, reason = "what is measured is told")]

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::{Guarded, Target, Visitor, free_port, wait_until};

/// Whether figures are wanted; otherwise a glance shows that the bench works.
pub(crate) fn is_bench() -> bool {
    std::env::var_os("BARTIZAN_BENCH").is_some()
}

/// How much of something a run takes: one of the tests, one of `tests/bench/run --quick`, and a whole one.
pub(crate) fn sized<T>(glance: T, quick: T, full: T) -> T {
    match std::env::var("BARTIZAN_BENCH").as_deref() {
        Err(_) => glance,
        Ok("quick") => quick,
        Ok(_) => full,
    }
}

/// A number from the environment, as `BARTIZAN_BENCH_ROUNDS`.
pub(crate) fn asked(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Whether this case is wanted: `BARTIZAN_BENCH_ONLY` is a part of the names of those that are.
pub(crate) fn chosen(case: &str) -> bool {
    std::env::var("BARTIZAN_BENCH_ONLY").map_or(true, |only| case.contains(&only))
}

/// The middle one; sorts them.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The value below which so much of them lies.
pub(crate) fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "an index")]
    let at = (values.len() as f64 * share) as usize;
    values[at.min(values.len() - 1)]
}

/// OpenSSH's own forward from a free port to `server`, by way of the target's sshd.
pub(crate) fn plain_forward(target: &Target, visitor: &Visitor, server: u16) -> (u16, Guarded) {
    let port = free_port();
    let mut ssh = visitor.command("ssh", ["-N", "-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]);
    ssh.args(["-o", "IdentitiesOnly=yes", "-o", "ExitOnForwardFailure=yes", "-i"]).arg(target.account_key());
    ssh.args(["-L", &format!("{port}:127.0.0.1:{server}"), "-p", &target.port.to_string(), "deploy@127.0.0.1"]);
    let process = Guarded::logged(ssh, &visitor.dir.join(format!("plain-{server}.log")));
    wait_until("the plain forward is open", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    (port, process)
}

/// A program to measure beside, once it listens at `port`. Debian keeps some of them in /usr/sbin, which is not on everyone's PATH.
pub(crate) fn daemon(program: &str, arguments: &[&OsStr], log: &Path, port: u16) -> Guarded {
    let mut command = Command::new(program);
    command.args(arguments).env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default()));
    let process = Guarded::logged(command, log);
    wait_until("it listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    process
}

/// What a ratio of ours to the other's should be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    AtMost(f64),
    AtLeast(f64),
    /// Nothing to be held against.
    Told,
}

/// One row of the table: the same thing measured by turns on the bastion and on something else.
pub(crate) struct Row {
    pub(crate) area: &'static str,
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    pub(crate) ours: Vec<f64>,
    pub(crate) beside: &'static str,
    pub(crate) theirs: Vec<f64>,
    pub(crate) goal: Goal,
}

impl Row {
    /// Prints it for a reader and, as a line that begins with `BENCH`, for `tests/bench/run`.
    pub(crate) fn tell(mut self) {
        // What disturbs the machine disturbs both sides of a round.
        let mut ratios: Vec<f64> = self.ours.iter().zip(&self.theirs).map(|(ours, theirs)| ours / theirs).collect();
        let ratio = median(&mut ratios);
        let (ours, theirs) = (median(&mut self.ours), median(&mut self.theirs));
        let (goal, met) = match self.goal {
            Goal::AtMost(goal) => (json!({ "at_most": goal }), Some(ratio <= goal)),
            Goal::AtLeast(goal) => (json!({ "at_least": goal }), Some(ratio >= goal)),
            Goal::Told => (json!(null), None),
        };
        println!("{:<56} {ours:>10.3} | {:<12} {theirs:>10.3} {:<10} {ratio:>6.2} x", self.what, self.beside, self.unit);
        let row = json!({
            "area": self.area, "what": self.what, "unit": self.unit, "ours": self.ours, "beside": self.beside, "theirs": self.theirs,
            "ratio": ratio, "goal": goal, "met": met,
        });
        println!("BENCH {row}");
    }
}

/// One figure against a bound of its own unit, not against a peer; or with `None` just told.
pub(crate) fn figure(area: &str, what: &str, unit: &str, value: f64, at_most: Option<f64>) {
    println!("{what:<56} {value:>10.3} {unit}");
    let goal = at_most.map(|goal| json!({ "at_most": goal }));
    println!(
        "BENCH {}",
        json!({ "area": area, "what": what, "unit": unit, "ours": [value], "goal": goal, "met": at_most.map(|most| value <= most) })
    );
}

/// How a cost grows: one point of a plot.
pub(crate) fn point(area: &str, plot: &str, x: (&str, f64), y: (&str, f64)) {
    println!("{plot:<40} {} {:>9.0}: {:.3} {}", x.0, x.1, y.1, y.0);
    println!("BENCH {}", json!({ "area": area, "plot": plot, "x_unit": x.0, "x": x.1, "y_unit": y.0, "y": y.1 }));
}

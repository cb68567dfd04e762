//! `bartizan policy explain`: what policy would say to somebody who wants something, and why. Decides as the bastion does, over
//! the same analysis; connects to nothing, asks nobody, writes nothing.

mod question;
mod requests;
mod show;
mod sql;

use std::ffi::OsString;
use std::net::IpAddr;
use std::process::ExitCode;

use bartizan_policies::{Action, Context, PolicySet, Request, Verdict};
use jiff::Timestamp;

use super::files;
use crate::cli::local::{now, past};
use crate::cli::{Common, Exit};
use crate::model::{GroupName, Login, PrincipalId};
use question::{Asked, Question};
pub(super) use show::coloured;

pub(super) const EXAMPLES: &str = "\
Examples:
  bartizan policy explain --principal corp/alice@example.com --group corp/sre --target web-1 --command 'systemctl restart nginx'
  bartizan policy explain --principal corp/bob@example.com --target web-1 --login deploy --file 'write /etc/motd'
  bartizan policy explain --principal corp/bob@example.com --target web-1 --file 'rename /srv/a \"/srv/b c\"' --json
  bartizan policy explain --principal ci/deploy --service --target web-1 --action ssh.shell
  bartizan policy explain --principal corp/sue@example.com --target orders --sql 'SELECT card FROM payments'
  bartizan policy explain --principal ci/deploy --target billing --http 'POST /v1/refunds'
  bartizan policy explain --principal ci/deploy --target billing --http 'POST /v1/refunds' --body refund.json
  bartizan policy explain --principal ci/deploy --target prod --kubernetes 'patch /apis/apps/v1/namespaces/shop/deployments/web'
  bartizan policy explain --principal corp/alice@example.com --action issue --source-ip 203.0.113.7";

/// Options of `bartizan policy explain`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Who asks
    #[arg(long, value_name = "ISSUER/NAME")]
    principal: PrincipalId,
    /// A group the principal is in; may be given several times
    #[arg(long = "group", value_name = "ISSUER/GROUP")]
    groups: Vec<GroupName>,
    /// The principal is a service; so it is without this if the configuration says so of its issuer
    #[arg(long)]
    service: bool,
    /// The target; only what is about no target does without
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    /// The account on the target; may be left out where there is only one
    #[arg(long)]
    login: Option<Login>,
    #[command(flatten)]
    wish: Wish,
    #[command(flatten)]
    circumstances: Circumstances,
    #[command(flatten)]
    further: Further,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

/// What is wanted: exactly one.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Wish {
    /// A command line, as it would be sent
    #[arg(long, value_name = "LINE", allow_hyphen_values = true)]
    command: Option<OsString>,
    /// A file: list, read, write or remove and a path from the root, or rename and two of them, quoted as for a shell
    #[arg(long, value_name = "OPERATION PATH")]
    file: Option<String>,
    /// SQL, one statement or several, over what the bastion last read of the database, or over --catalog
    #[arg(long, value_name = "STATEMENT")]
    sql: Option<String>,
    /// An HTTP request, as policy would be asked
    #[arg(long, value_name = "METHOD PATH")]
    http: Option<String>,
    /// A request to a Kubernetes API server, with its own verb or exec, attach, logs, portforward, proxy; as for --http
    #[arg(long, value_name = "VERB PATH")]
    kubernetes: Option<String>,
    /// Any other action, such as connect, ssh.shell, issue, approve or replay
    #[arg(long)]
    action: Option<Action>,
}

/// What policy is told of the asking.
#[derive(Debug, clap::Args)]
struct Circumstances {
    /// The address the principal comes from
    #[arg(long, value_name = "ADDRESS")]
    source_ip: Option<IpAddr>,
    /// When it is asked: a moment (2026-11-22T12:00:00Z, UTC), or so long ago (2h)
    #[arg(long, value_name = "WHEN", value_parser = past)]
    time: Option<Timestamp>,
    /// When the principal logged in: a moment, or so long before now (13h)
    #[arg(long, value_name = "WHEN", value_parser = past)]
    authenticated_at: Option<Timestamp>,
    /// The principal's key lives in hardware
    #[arg(long)]
    device_bound: bool,
    /// The reason the principal gives
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// What only some actions ask for.
#[derive(Debug, clap::Args)]
struct Further {
    /// Whose session or recording it is, who wants the approval, or who is locked; without it, the principal
    #[arg(long, value_name = "ISSUER/NAME")]
    owner: Option<PrincipalId>,
    /// A group of the owner; may be given several times
    #[arg(long = "owner-group", value_name = "ISSUER/GROUP", requires = "owner")]
    owner_groups: Vec<GroupName>,
    /// What is to be approved
    #[arg(long, value_name = "ACTION", default_value = "ssh.exec")]
    approves: Action,
    /// A group that the approval asks; may be given several times
    #[arg(long = "asks", value_name = "ISSUER/GROUP")]
    asks: Vec<GroupName>,
    /// With view_input: a live session, not a recording
    #[arg(long)]
    live: bool,
    /// With issue: the key's algorithm
    #[arg(long, value_name = "ALGORITHM", default_value = "ssh-ed25519")]
    key_algorithm: String,
    /// With issue: the key's size
    #[arg(long, value_name = "BITS", default_value_t = 256)]
    key_bits: u32,
    /// With --sql: what the database holds, as JSON (bartizan-policy(7), THE CATALOG); else what the bastion last read of it
    #[arg(long, value_name = "FILE")]
    catalog: Option<std::path::PathBuf>,
    /// With --sql: the database; the target's first if it is not given
    #[arg(long, value_name = "NAME", conflicts_with = "catalog")]
    database: Option<String>,
    /// With --sql: the schemas in which unqualified names are looked for
    #[arg(long, value_name = "SCHEMAS", default_value = "\"$user\", public")]
    search_path: String,
    /// With --http: the JSON body of the request
    #[arg(long, value_name = "FILE", requires = "http")]
    body: Option<std::path::PathBuf>,
    /// With --sql: how many rows the server's planner would guess for each statement; without it, it cannot tell
    #[arg(long, value_name = "N", requires = "sql")]
    estimated_rows: Option<u32>,
    /// With --file: everything beneath the path too, as rsync asks
    #[arg(long)]
    recursive: bool,
}

pub(super) fn run(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    let config = files::config(common)?;
    let asked = Asked::new(&config, args)?;
    let texts = files::policies(std::slice::from_ref(&config.policies.dir))?;
    let set = files::load(texts, &crate::enforce::known(&config))?;
    let answers: Vec<Answer> = asked.questions.iter().map(|question| answer(&set, &asked, args, question)).collect();
    let said = asked.sql.as_ref().map(|sql| sql.said(&set, &asked, args)).transpose()?;
    let also = said.iter().map(|said| said.decision.verdict.clone());
    let verdict = answers.iter().map(|answer| answer.explanation.decision.verdict.clone()).chain(also).reduce(Verdict::and);
    let Some(verdict) = verdict else {
        return Err(Exit::usage("nothing is asked"));
    };
    show::show(args, &asked, &set, &answers, said.as_ref(), &verdict)?;
    Ok(ExitCode::from(match verdict {
        Verdict::Allow => 0,
        Verdict::Deny(_) => 1,
        Verdict::Hold(_) => 4,
    }))
}

/// One question and what policy says to it.
struct Answer<'a> {
    question: &'a Question,
    explanation: bartizan_policies::Explanation,
}

fn answer<'a>(set: &PolicySet, asked: &Asked, args: &Args, question: &'a Question) -> Answer<'a> {
    let context = args.circumstances.context(question);
    let request = Request { action: question.action, resource: question.on.resource(), context: &context };
    Answer { question, explanation: set.explain(&asked.principal, &request) }
}

impl Circumstances {
    fn context(&self, question: &Question) -> Context {
        let time = self.time.unwrap_or_else(now);
        Context {
            source_ip: self.source(),
            time,
            authenticated_at: self.authenticated_at.unwrap_or(time),
            device_bound: self.device_bound,
            reason: self.reason.clone(),
            facts: question.facts.clone(),
        }
    }

    fn source(&self) -> IpAddr {
        self.source_ip.unwrap_or(IpAddr::from([127, 0, 0, 1]))
    }

    /// What was not said and is taken for granted, as a policy may ask for it.
    fn assumed(&self) -> Vec<&'static str> {
        let all = [
            (self.source_ip.is_none(), "from 127.0.0.1 (--source-ip)"),
            (self.time.is_none(), "now (--time)"),
            (self.authenticated_at.is_none(), "just logged in (--authenticated-at)"),
            (!self.device_bound, "a key outside hardware (--device-bound)"),
        ];
        all.into_iter().filter(|(assumed, _)| *assumed).map(|(_, words)| words).collect()
    }
}

//! `bartizan least-privilege`: what services and people are granted and what they used of it, for people, for programs, and as a signed
//! document for an auditor. Reads the state folder; needs no bastion that runs, and changes nothing but the file it is told to write.

mod show;

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use jiff::Timestamp;

use super::checks::{self, Log};
use super::local::{now, on_a_big_stack, past, wait_for_leaf};
use super::policy::Ground;
use super::print::{Page, note};
use super::{Common, Exit};
use crate::audit;
use crate::ledger::prove_entry;
use crate::model::{PrincipalId, Printable};
use crate::privilege::{Report, SignedReport, Wanted, sign, verify};

const EXAMPLES: &str = "\
Examples:
  bartizan least-privilege report                          every service, over the last 30 days
  bartizan least-privilege report --service ci/orders --target orders --since 90d
  bartizan least-privilege report --users --json
  bartizan least-privilege report --check                  in CI: exit code 1 where anything is granted that was not used
  bartizan least-privilege report --signed ci-orders.json --service ci/orders

What is granted is found out by asking policy about everything known: what anybody did or tried, what databases hold, what policies
name, and one unknown thing of each kind.";

const VERIFY_EXAMPLES: &str = "\
Examples:
  bartizan least-privilege verify report.json --key audit.pub --log-key tlog.vkey";

/// The largest document that is read.
const LARGEST: u64 = 64 << 20;

/// Options of `bartizan least-privilege`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Tell what is granted, used, never used, held and refused: exit code 0 told, 1 with --check where more is granted than was used
    #[command(after_help = EXAMPLES)]
    Report(ReportArgs),
    /// Find out whether a signed report is as it was signed: exit code 0 yes, 1 it was changed, 3 cannot be told
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify(VerifyArgs),
}

#[derive(Debug, clap::Args)]
struct ReportArgs {
    /// Only this service; may be given several times
    #[arg(long, value_name = "ISSUER/NAME")]
    service: Vec<PrincipalId>,
    /// Only this principal, a user or a service; may be given several times
    #[arg(long, value_name = "ISSUER/NAME")]
    principal: Vec<PrincipalId>,
    /// Users too
    #[arg(long, conflicts_with_all = ["service", "principal"])]
    users: bool,
    /// Only this target
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    /// Count what was used since this moment, or this long ago
    #[arg(long, value_name = "WHEN", default_value = "30d", value_parser = past)]
    since: Timestamp,
    /// Exit code 1 where anything is granted that was not used
    #[arg(long)]
    check: bool,
    /// Print as JSON
    #[arg(long, conflicts_with = "signed")]
    json: bool,
    /// Write it to this new file as JSON, signed with the audit log's key, with a proof that the transparency log has all that it counts
    #[arg(long, value_name = "FILE")]
    signed: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct VerifyArgs {
    /// The document
    file: PathBuf,
    /// The public key of the audit log, as in keys/audit.pub; without it, the one in the document
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The public key of the transparency log, as in keys/tlog.vkey, or a file with it; without it, the one in the document
    #[arg(long, value_name = "KEY")]
    log_key: Option<String>,
    /// The public key of a witness, or a file with it; without any, those that the document names
    #[arg(long, value_name = "KEY")]
    witness_key: Vec<String>,
    /// Print the finding as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    match &args.what {
        What::Report(args) => report(common, args),
        What::Verify(args) => verify_file(args),
    }
}

fn report(common: &Common, args: &ReportArgs) -> Result<ExitCode, Exit> {
    let ground = Ground::read(common, args.since)?;
    let principals: Vec<String> = args.service.iter().chain(&args.principal).map(ToString::to_string).collect();
    for wanted in &principals {
        if !ground.usage.principals().any(|(known, _)| known == wanted) {
            return Err(Exit::refused(format!("the audit log has no decision about {} since {:.0}", Printable(wanted), args.since)));
        }
    }
    let wanted = Wanted { principals, users: args.users, target: args.target.clone() };
    let counted = (args.since, now(), ground.log.entries, ground.log.head.clone());
    let bar = super::progress::counter("asking policy");
    let report = on_a_big_stack(|| {
        Report::new((&ground.config, &ground.set, &ground.databases), &ground.usage, &wanted, counted, &mut |done, all| {
            bar.set_length(all);
            bar.set_position(done);
        })
    })?;
    bar.finish_and_clear();
    match &args.signed {
        Some(file) => write_signed(&ground, &report, file)?,
        None if args.json => super::print::json(&report)?,
        None => {
            let mut page = Page::stdout();
            show::all(&mut page, &report)?;
            page.flush()?;
        }
    }
    Ok(ExitCode::from(u8::from(args.check && !report.granted_equals_used)))
}

fn write_signed(ground: &Ground, report: &Report, file: &Path) -> Result<(), Exit> {
    let state_dir = &ground.config.server.state_dir;
    let log = Log::of(&ground.config)?;
    let parts = log.as_ref().and_then(Log::parts);
    let parts = parts.ok_or_else(|| Exit::incomplete("there is no transparency log yet; it begins with the bastion's first start"))?;
    // What happened just now takes up to a second to reach the log.
    wait_for_leaf(state_dir, ground.log.entries)?;
    let proof = prove_entry(parts, ground.log.entries)?;
    let proof = proof.ok_or_else(|| Exit::incomplete("the transparency log does not have the last entry yet; try again in a moment"))?;
    let key = audit::signing_key(state_dir, "audit", rand::random())?;
    let (_, log_key, witnesses) = parts;
    let signed = sign(report, &key, proof, log_key, witnesses).ok_or_else(|| Exit::incomplete("the report cannot be written as JSON"))?;
    let value = serde_json::to_value(&signed).map_err(|error| Exit::incomplete(error.to_string()))?;
    let failed = |error: std::io::Error| {
        Exit::incomplete(format!("{} cannot be written: {error}; name a new file", Printable(&file.display().to_string())))
    };
    let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).map_err(failed)?;
    writeln!(out, "{}", audit::canonical(&value)).and_then(|()| out.sync_all()).map_err(failed)?;
    note(&format!(
        "{}: {} principals over {} entries of the audit log, signed; `bartizan least-privilege verify` verifies it anywhere",
        Printable(&file.display().to_string()),
        report.principals.len(),
        report.scope.entries
    ));
    Ok(())
}

fn verify_file(args: &VerifyArgs) -> Result<ExitCode, Exit> {
    let shown = Printable(&args.file.display().to_string()).to_string();
    let unreadable = |error: &dyn std::fmt::Display| Exit::incomplete(format!("{shown}: {error}"));
    if std::fs::metadata(&args.file).map_err(|error| unreadable(&error))?.len() > LARGEST {
        return Err(unreadable(&"this is larger than any report"));
    }
    let bytes = std::fs::read(&args.file).map_err(|error| unreadable(&error))?;
    let document: SignedReport =
        serde_json::from_slice(&bytes).map_err(|error| unreadable(&format!("this is no signed report: {error}")))?;
    let key = args.key.as_ref().map(|path| audit::read_public_key(path)).transpose()?;
    let log_key = args.log_key.as_deref().map(checks::key_of).transpose()?;
    let witnesses = args.witness_key.iter().map(|text| checks::key_of(text)).collect::<Result<Vec<_>, _>>()?;
    let found = verify(&document, key, log_key, &witnesses);
    let mut page = Page::stdout();
    if args.json {
        page.json(&checks::json(&shown, &found))?;
    } else {
        checks::print(&mut page, &shown, &found)?;
    }
    page.flush()?;
    Ok(checks::code(found.outcome()))
}

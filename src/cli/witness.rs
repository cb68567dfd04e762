//! `bartizan witness`: watches over the transparency logs of bastions, on somebody else's machine.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use super::checks::key_of;
use super::{Exit, print};
use crate::daemon;
use crate::witness::Witness;

/// Options of `bartizan witness`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder of its key and of what it cosigned last; made if it is not there. Whoever loses it has to trust each log anew
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// Its name, needed when it is made, as in witness.example.org
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The public key of a log to watch over, or a file with it: a bastion has it in keys/tlog.vkey of its state folder
    #[arg(long, value_name = "KEY", required = true)]
    log: Vec<String>,
    /// Where it listens, for HTTP; for HTTPS put a web server before it
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8317")]
    listen: SocketAddr,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Exit> {
    let logs = args.log.iter().map(|text| key_of(text)).collect::<Result<Vec<_>, _>>()?;
    if let Some(wrong) = logs.iter().find(|key| key.is_witness()) {
        return Err(Exit::usage(format!("{} is the key of a witness, not of a log", wrong.name())));
    }
    let witness = Witness::open(&args.state, args.name.as_deref(), &logs, rand::random()).map_err(|e| Exit::incomplete(e.to_string()))?;
    print::out(&format!("public key: {}", witness.public_key()))?;
    daemon::set_up_logs();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Exit::incomplete(format!("the runtime does not start: {e}")))?;
    // Nobody need read it.
    let ready = |address: SocketAddr| drop(print::out(&format!("listening on {address}")));
    runtime.block_on(daemon::serve_witness(witness, args.listen, ready)).map_err(|e| Exit::incomplete(e.to_string()))?;
    Ok(ExitCode::SUCCESS)
}

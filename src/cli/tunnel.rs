//! `bartizan tunnel`: a service's way to its targets, beside it as a sidecar or a unit of systemd.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::json;

use super::bastion::Bastion;
use super::ssh_config::public_keys;
use super::{Exit, print};
use crate::config::SecretPlace;
use crate::daemon::{self, Heard, TunnelError};
use crate::tunnel::{Address, ClientCredentials, Opening, Plan, Publication, TOKEN_PATIENCE, TokenSource, Trust};

/// Where a client's secret is looked for.
const CLIENT_SECRET: &str = "CLIENT_SECRET";

/// Options of `bartizan tunnel`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  bartizan tunnel --bastion bastion.example.com --host-ca host_ca.pub --token-file /var/run/secrets/bartizan/token orders=5432
  bartizan tunnel --bastion b1.example.com --bastion b2.example.com --host-ca host_ca.pub --token-env CI_JOB_JWT \\
      --health 127.0.0.1:9465 orders=127.0.0.1:5432 prod=unix:/run/prod.sock
Ends with 0 after SIGTERM once all streams have ended, 3 if some had to be cut off after --drain or it could not start, and 1 if the
bastions refuse the token or are not the ones that are known, before it was ever connected; later it tries again for ever.")]
#[command(group(clap::ArgGroup::new("token").required(true)))]
pub(super) struct Args {
    /// Where to listen and for which target: TARGET=ADDRESS:PORT, TARGET=PORT (on 127.0.0.1) or TARGET=unix:/PATH (made with mode 0600)
    #[arg(value_name = "TARGET=PLACE", required_unless_present = "publish")]
    openings: Vec<Opening>,
    /// Publish a target whose server is on this side of a NAT: TARGET=HOST:PORT or TARGET=unix:/PATH, as `ssh -R TARGET:0:HOST:PORT` does
    #[arg(long, value_name = "TARGET=PLACE")]
    publish: Vec<Publication>,
    /// A bastion; given more than once, any of them will do, and they are tried in this order
    #[arg(long, value_name = "HOST[:PORT]", env = "BARTIZAN_BASTION", hide_env_values = true, value_delimiter = ',', required = true)]
    bastion: Vec<Bastion>,
    /// The authority that signs the bastions' host certificates, or a file with it (`bartizan ca show host`)
    #[arg(long, value_name = "KEY", env = "BARTIZAN_HOST_CA", hide_env_values = true)]
    host_ca: Vec<String>,
    /// A host key of a bastion, or a file with it
    #[arg(long, value_name = "KEY")]
    host_key: Vec<String>,
    /// The name that the bastions' host certificates carry, if it is not the host that --bastion names
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The file of the service's token, read anew for each certificate: a projected token of Kubernetes, for instance
    #[arg(long, value_name = "FILE", group = "token")]
    token_file: Option<PathBuf>,
    /// The environment variable with the service's token: that of a CI job, for instance
    #[arg(long, value_name = "NAME", group = "token")]
    token_env: Option<String>,
    /// A program with its arguments that prints the service's token, run anew for each certificate; no shell reads the line
    #[arg(long, value_name = "COMMAND", group = "token")]
    token_exec: Option<String>,
    /// In a job of GitHub Actions: the audience for which the job is given a token
    #[arg(long, value_name = "AUDIENCE", group = "token")]
    token_github: Option<String>,
    /// The token endpoint of a provider that gives a token for a client's credentials (the grant of that name)
    #[arg(long, value_name = "URL", group = "token", requires = "client_id")]
    token_url: Option<String>,
    /// The client's name at --token-url
    #[arg(long, value_name = "ID", requires = "token_url")]
    client_id: Option<String>,
    /// The file of the client's secret; without it, the environment variable CLIENT_SECRET has it
    #[arg(long, value_name = "FILE", requires = "token_url")]
    client_secret_file: Option<PathBuf>,
    /// The scope that is asked for at --token-url
    #[arg(long, value_name = "SCOPE", requires = "token_url")]
    scope: Option<String>,
    /// The audience that is asked for at --token-url, where the provider takes one
    #[arg(long, value_name = "AUDIENCE", requires = "token_url")]
    audience: Option<String>,
    /// Further trust anchors for the certificate of --token-url, in PEM
    #[arg(long, value_name = "FILE", requires = "token_url")]
    token_ca: Option<PathBuf>,
    /// Say there over HTTP how it is: /healthz, /readyz (503 while no bastion is connected) and /metrics
    #[arg(long, value_name = "ADDRESS:PORT")]
    health: Option<SocketAddr>,
    /// Streams at once; further connections wait. The bastion's own limit for one connection is 256 unless it says otherwise
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=65536))]
    streams: u32,
    /// How long a connection waits for a bastion before it is closed
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    wait: Duration,
    /// How long open streams may go on after SIGTERM
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    drain: Duration,
    /// Renew the certificate at this age; without it, after two thirds of its life
    #[arg(long, value_name = "TIME", value_parser = time)]
    renew_after: Option<Duration>,
    /// Print where it listens and that it is connected as JSON, one object a line
    #[arg(long)]
    json: bool,
}

/// How long the end waits for what is still being said.
const LAST_WORDS: Duration = Duration::from_secs(1);

pub(super) fn run(args: Args) -> Result<ExitCode, Exit> {
    let json = args.json;
    let plan = plan(args)?;
    daemon::set_up_logs();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Exit::incomplete(format!("the runtime does not start: {e}")))?;
    let ended = runtime.block_on(daemon::run_tunnel(plan, move |heard| tell(&heard, json)));
    // A thread that waits for somebody else to take a word does not keep the process.
    runtime.shutdown_timeout(LAST_WORDS);
    ended.map_err(|error| match error {
        TunnelError::Refused(_) => Exit::refused(error.to_string()),
        TunnelError::Start(_) | TunnelError::CutOff(_) => Exit::incomplete(error.to_string()),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Nobody need read it.
fn tell(heard: &Heard, as_json: bool) {
    let (value, line) = match heard {
        Heard::Listening { target, place } => {
            (json!({ "event": "listening", "target": target, "place": place }), format!("listening at {place} for {target}"))
        }
        Heard::Health(address) => {
            (json!({ "event": "health", "address": address.to_string() }), format!("health at http://{address}/readyz"))
        }
        Heard::Ready { bastion, principal, valid_before } => (
            json!({ "event": "ready", "bastion": bastion, "principal": principal, "valid_before": valid_before.to_string() }),
            format!("ready: connected to {bastion} as {principal}"),
        ),
    };
    drop(if as_json { print::json(&value) } else { print::out(&line) });
}

fn plan(args: Args) -> Result<Plan, Exit> {
    let token = token(&args)?;
    let trust = Trust { keys: keys(&args.host_key)?, authorities: keys(&args.host_ca)?, name: args.name };
    if trust.keys.is_empty() && trust.authorities.is_empty() {
        return Err(Exit::usage("how is the bastion known? Give its host authority with --host-ca, or its key with --host-key"));
    }
    Ok(Plan {
        bastions: args.bastion.into_iter().map(address).collect::<Result<_, _>>()?,
        trust,
        token,
        openings: args.openings,
        publications: args.publish.into(),
        health: args.health,
        streams: usize::try_from(args.streams).unwrap_or(usize::MAX),
        patience: args.wait,
        drain: args.drain,
        renew_after: args.renew_after,
    })
}

/// The parser lets exactly one through.
fn token(args: &Args) -> Result<TokenSource, Exit> {
    let by_file = args.token_file.clone().map(SecretPlace::File);
    let by_variable = args.token_env.clone().map(SecretPlace::Env);
    let by_program = args.token_exec.as_deref().map(words).transpose()?.map(|words| SecretPlace::Exec { words, timeout: TOKEN_PATIENCE });
    let by_job = args.token_github.clone().map(TokenSource::Job);
    let place = by_file.or(by_variable).or(by_program).map(TokenSource::Place);
    place.or(by_job).or_else(|| granted(args)).ok_or_else(|| Exit::usage("where is the token? Give --token-file, for instance"))
}

fn granted(args: &Args) -> Option<TokenSource> {
    let secret = args.client_secret_file.clone().map_or_else(|| SecretPlace::Env(CLIENT_SECRET.to_owned()), SecretPlace::File);
    Some(TokenSource::Grant(ClientCredentials {
        url: args.token_url.clone()?,
        client_id: args.client_id.clone()?,
        client_secret: secret,
        scope: args.scope.clone(),
        audience: args.audience.clone(),
        ca: args.token_ca.clone(),
    }))
}

fn keys(given: &[String]) -> Result<Vec<russh::keys::PublicKey>, Exit> {
    Ok(given.iter().map(|one| public_keys(one)).collect::<Result<Vec<_>, _>>()?.concat())
}

fn words(line: &str) -> Result<Vec<String>, Exit> {
    shlex::split(line)
        .filter(|words| !words.is_empty())
        .ok_or_else(|| Exit::usage("--token-exec: a quote is missing, or there is no program"))
}

fn address(bastion: Bastion) -> Result<Address, Exit> {
    match bastion.user {
        Some(_) => Err(Exit::usage("--bastion takes no user name here: who the service is, its token says")),
        None => Ok(Address { host: bastion.host, port: bastion.port.unwrap_or(22) }),
    }
}

fn time(text: &str) -> Result<Duration, String> {
    let span: SignedDuration = text.parse().map_err(|_| "write a time as in 30s or 5m".to_owned())?;
    Duration::try_from(span).map_err(|_| "it lies in the past".to_owned())
}

//! `bartizan check`: every problem of the configuration and the policies at once, without starting anything. An object store is
//! asked whether it can be listed, databases in which something is masked what their role can read, and agents whether they hold the
//! authorities' keys; no more.

mod agents;
mod databases;

use std::process::ExitCode;

use crate::config::{Config, Problems, Target, TargetAccess, Tls};
use crate::depot::Bucket;
use crate::enforce::load_dir;
use crate::model::Printable;

use super::local::{block_on, readable, secrets};
use super::print::{json, note, out};
use super::{Common, Exit};

/// Options of `bartizan check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
    /// Ask no database what the role can read there, and no SSH agent whether it holds the authorities' keys
    #[arg(long)]
    offline: bool,
}

pub(super) fn run(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    let loaded = Config::load(&common.config).and_then(readable);
    let store = loaded.as_ref().ok().and_then(store_trouble);
    let mut warnings = Vec::new();
    let (problems, summary) = match loaded {
        Ok(config) => match load_dir(&config) {
            Ok(set) => {
                warnings = set.warnings().iter().map(ToString::to_string).collect();
                warnings.extend(config.targets.iter().filter_map(unproven));
                if !args.offline {
                    warnings.extend(agents::warnings(&config)?);
                    warnings.extend(databases::warnings(&config, &set)?);
                }
                (Vec::new(), format!("{} issuers, {} targets, {} policies", config.issuers.len(), config.targets.len(), set.len()))
            }
            Err(problems) => (problems, String::new()),
        },
        Err(Problems(problems)) => (problems.iter().map(ToString::to_string).collect(), String::new()),
    };
    if args.json {
        json(&serde_json::json!({ "ok": problems.is_empty(), "problems": problems, "warnings": warnings, "object_store": store }))?;
    }
    if problems.is_empty() {
        if !args.json {
            warnings.iter().for_each(|warning| note(warning));
            out(&format!("{}: good ({summary})\n", common.config.display()))?;
        }
        return match store {
            None => Ok(ExitCode::SUCCESS),
            Some(_) if args.json => Ok(ExitCode::from(3)),
            Some(trouble) => Err(Exit::incomplete(trouble)),
        };
    }
    if args.json { Ok(ExitCode::from(2)) } else { Err(Exit::usage(format!("{} problems\n{}", problems.len(), problems.join("\n")))) }
}

/// That whoever may publish a target can stand for it, where it shows nothing that they could not.
fn unproven(target: &Target) -> Option<String> {
    let shows = match &target.access {
        TargetAccess::Ssh(_) => true,
        TargetAccess::Postgres(postgres) => postgres.tls != Tls::Disable,
        TargetAccess::Kubernetes(kubernetes) => kubernetes.http.tls,
        TargetAccess::Http(http) => http.tls,
    };
    (target.is_published() && !shows).then(|| {
        format!(
            "target {} is reached through publishers and without TLS: whoever may publish it can stand for it and is told its credential",
            target.name
        )
    })
}

/// Why the object store of recordings cannot be used now, if it is one and cannot.
fn store_trouble(config: &Config) -> Option<String> {
    let settings = config.recordings.bucket.as_ref()?;
    let tried = Bucket::open(settings, &secrets(config)).map_err(|error| error.to_string());
    let asked = tried.and_then(|bucket| {
        let probe = async { Ok(bucket.probe().await.map_err(|error| error.to_string())) };
        block_on(probe).unwrap_or_else(|_| Err("nothing can be waited for on this machine".to_owned()))
    });
    let why = asked.err()?;
    Some(format!(
        "the object store s3://{}/{} cannot be listed: {}\nCheck endpoint, region, keys and that the bucket is there; until then recordings wait in {}",
        settings.name,
        settings.prefix,
        Printable(&why),
        config.recordings.dir.display()
    ))
}

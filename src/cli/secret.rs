//! `bartizan secret`: the secrets that the bastion keeps itself, encrypted, for `{ sealed = "NAME" }` in the configuration. One is read
//! from standard input or asked for at the terminal, and never shown again.

use std::io::{IsTerminal, Read};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Subcommand;
use serde_json::json;
use zeroize::Zeroizing;

use super::local::{Local, block_on, now, operator};
use super::print::Page;
use super::{Common, Exit, prompt};
use crate::audit::Entry;
use crate::config::is_sealed_name;
use crate::model::Secret;
use crate::secrets::SealedStore;
use crate::store::{Store, StoreError};

/// The longest secret.
const LONGEST: u64 = 64 << 10;

/// Options of `bartizan secret`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Seal the secret on standard input, or that is typed, in the place of the one of that name
    Set {
        /// Its name, as in { sealed = "NAME" }
        #[arg(value_parser = name)]
        name: String,
    },
    /// List the names of what is sealed
    List {
        /// Print the list as JSON
        #[arg(long)]
        json: bool,
    },
    /// Take a sealed secret away
    Remove {
        /// Its name
        #[arg(value_parser = name)]
        name: String,
    },
}

fn name(text: &str) -> Result<String, String> {
    let why = "a name has letters, digits, `-`, `_` and `.`, at most 64";
    if is_sealed_name(text) { Ok(text.to_owned()) } else { Err(why.to_owned()) }
}

pub(super) fn run(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    match &args.what {
        What::Set { name } => set(&Local::open(common)?, name),
        What::List { json } => list(&Local::open(common)?, *json),
        What::Remove { name } => remove(&Local::open(common)?, name),
    }
}

fn set(local: &Local, name: &str) -> Result<ExitCode, Exit> {
    let secret = read(name)?;
    let store: Arc<dyn Store> = Arc::new(local.store.clone());
    block_on(async {
        let sealed = SealedStore::new(Arc::clone(&store), local.sealing_key().clone());
        let random = (rand::random(), rand::random());
        sealed.seal(name, &secret, operator(), now(), random).await.map_err(|error| Exit::incomplete(error.to_string()))?;
        let key = store.sealed(name).await?.map(|sealed| sealed.key).unwrap_or_default();
        local.note(Entry::SecretSealed { name: name.to_owned(), key, by: operator() }).await
    })?;
    Ok(ExitCode::SUCCESS)
}

fn read(name: &str) -> Result<Secret, Exit> {
    let failed = |error: std::io::Error| Exit::incomplete(format!("the secret cannot be read: {error}"));
    let text = if std::io::stdin().is_terminal() {
        let mut terminal = prompt::terminal().map_err(failed)?;
        let asked = prompt::ask(&mut terminal, &format!("The secret for {name} (it is not shown): "), false).map_err(failed)?;
        Zeroizing::new(asked.ok_or_else(|| Exit::refused("nothing was sealed"))?)
    } else {
        let mut text = Zeroizing::new(String::with_capacity(usize::try_from(LONGEST).unwrap_or(0) + 1));
        std::io::stdin().take(LONGEST + 1).read_to_string(&mut text).map_err(failed)?;
        text
    };
    let line = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    match line.len() as u64 {
        0 => Err(Exit::usage("the secret is empty; write it to standard input")),
        length if length > LONGEST => Err(Exit::usage(format!("the secret is longer than {} KiB", LONGEST >> 10))),
        _ => Ok(Secret::new(line.to_owned())),
    }
}

fn list(local: &Local, as_json: bool) -> Result<ExitCode, Exit> {
    let all = block_on(async { Ok(local.store.all_sealed().await?) })?;
    let mut page = Page::stdout();
    if as_json {
        let rows: Vec<_> = all.iter().map(|one| json!({ "name": one.name, "key": one.key, "by": one.by, "at": one.at })).collect();
        page.json(&rows)?;
    } else {
        let rows: Vec<_> = all.iter().map(|one| [one.name.clone(), format!("{:.0}", one.at), one.by.clone(), one.key.clone()]).collect();
        page.table(["NAME", "SEALED", "BY", "KEY"], &rows)?;
    }
    page.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn remove(local: &Local, name: &str) -> Result<ExitCode, Exit> {
    block_on(async {
        match local.store.remove_sealed(name).await {
            Err(StoreError::NotFound(_)) => {
                return Err(Exit::refused(format!("there is no sealed secret {name}; `bartizan secret list` shows those there are")));
            }
            done => done?,
        }
        local.note(Entry::SecretRemoved { name: name.to_owned(), by: operator() }).await
    })?;
    Ok(ExitCode::SUCCESS)
}

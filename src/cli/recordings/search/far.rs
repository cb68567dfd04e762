//! `recordings search` at a bastion far away: it searches what it can read, and what it cannot is fetched, decrypted and indexed
//! here, in an index of the auditor's own. What has ended does not change, so each is fetched once.

use std::process::ExitCode;

use bartizan_recorder::{Query, SearchError};

use crate::cli::progress::counter;
use crate::cli::{Exit, print};
use crate::control::recordings::{Finding, Listed, Listing, Opening, Purpose, Search};

use super::super::index;
use super::super::source::Far;
use super::super::unlock::open_with;
use super::Args;

pub(super) fn search(far: &Far, args: &Args, query: &Query) -> Result<(Vec<Finding>, ExitCode), Exit> {
    let kinds: Vec<&str> = query.kinds.iter().map(|kind| kind.name()).collect();
    let asked = Search {
        query: args.text.clone(),
        session: None,
        principal: args.user.clone(),
        target: args.target.clone(),
        kind: Some(kinds.join(",")).filter(|kinds| !kinds.is_empty()),
        verdict: args.verdict,
        since: args.since,
        until: args.until,
        limit: u32::try_from(query.limit).ok(),
    };
    let mut found: Vec<Finding> = far.with(|remote| remote.ask("search", &asked))?;
    let identities = args.keys.read()?;
    let locked = locked(far, args)?;
    if identities.is_empty() {
        if !locked.is_empty() {
            print::note(&format!("{} encrypted and not searched; --identity FILE searches them here", counted(locked.len())));
        }
        return Ok((found, ExitCode::SUCCESS));
    }
    let name = args.from.way.bastion.as_ref().map(|bastion| bastion.known_host()).unwrap_or_default();
    let path = args.index.clone().map_or_else(|| index::of_auditor(&name), Ok)?;
    let mut own = index::open(&path)?;
    let known = own.sessions().map_err(index::failed)?;
    let (bar, mut left) = (counter("fetching"), 0);
    bar.set_length(u64::try_from(locked.len()).unwrap_or(u64::MAX));
    for one in &locked {
        bar.inc(1);
        let Ok(session) = one.id.parse() else { continue };
        if known.iter().any(|known| known.as_str() == one.id) {
            continue;
        }
        let opening = Opening { session, purpose: Purpose::Replay, reason: args.from.reason.clone(), input: false, format: None };
        match open_with(far.open(&opening)?, &identities) {
            Some(readable) => match own.add(&readable) {
                Err(SearchError::Index(error)) => return Err(index::failed(error)),
                Err(error) => print::note(&format!("recording {} is not searched: {}", one.id, index::failed(error).sentence())),
                Ok(_) => {}
            },
            None => left += 1,
        }
    }
    bar.finish_and_clear();
    if left > 0 {
        print::note(&format!("{} not searched: encrypted to others", counted(left)));
    }
    // An index holds what was fetched at any time; what may be seen today is what the bastion lists today.
    let may = |finding: &Finding| locked.iter().any(|one| one.id == finding.session);
    found.extend(own.search(query).map_err(index::failed)?.into_iter().map(Finding::from).filter(may));
    found.sort_by(|one, other| other.session.cmp(&one.session).then(one.at_us.cmp(&other.at_us)));
    Ok((found, ExitCode::SUCCESS))
}

/// The recordings there that the bastion cannot read.
fn locked(far: &Far, args: &Args) -> Result<Vec<Listed>, Exit> {
    let listing = Listing {
        principal: args.user.clone(),
        target: args.target.clone(),
        since: args.since,
        until: args.until,
        limit: Some(10_000),
        ..Listing::default()
    };
    let all: Vec<Listed> = far.with(|remote| remote.ask("recordings", &listing))?;
    Ok(all.into_iter().filter(|one| one.encrypted && one.sealed).collect())
}

fn counted(number: usize) -> String {
    if number == 1 { "1 recording is".to_owned() } else { format!("{number} recordings are") }
}

//! What databases say of policies with a mask: the role that the bastion logs in as can read what everybody has masked, or a policy
//! masks what is not there. A server that does not answer soon is passed over; nothing found here keeps a bastion from starting.

use std::collections::BTreeMap;
use std::time::Duration;

use bartizan_policies::PolicySet;
use bartizan_policies::sql::Reach;
use futures_util::future::join_all;

use crate::cli::Exit;
use crate::cli::local::{block_on, secrets};
use crate::cli::postgres::needs;
use crate::config::{Config, PostgresTarget, PostgresUser, Target, TargetAccess};
use crate::enforce::as_target;
use crate::model::Printable;
use crate::secrets::Secrets;
use crate::upstream::Survey;

/// How long all of them are waited for.
const PATIENCE: Duration = Duration::from_secs(4);

/// As many columns are named in one warning.
const NAMED: usize = 8;

struct Place<'c> {
    target: &'c Target,
    postgres: &'c PostgresTarget,
    user: &'c PostgresUser,
    database: &'c str,
}

async fn ask(secrets: &Secrets, place: &Place<'_>) -> Result<Survey, String> {
    let Place { target, postgres, user, database } = place;
    let taken = tokio::time::timeout(PATIENCE, Survey::take(secrets, &target.name, postgres, user, database)).await;
    let slow = format!("{} did not answer within {} seconds", target.name, PATIENCE.as_secs());
    taken.map_err(|_| slow)?.map_err(|refusal| refusal.sentence)
}

/// Each as one sentence with its mend.
pub(super) fn warnings(config: &Config, set: &PolicySet) -> Result<Vec<String>, Exit> {
    let mut warnings = Vec::new();
    // Whoever publishes a target does so to the bastion that runs: it cannot be asked from here.
    let asked = config.targets.iter().filter(|target| !target.is_published() && Reach::masks(set, &as_target(target)));
    let places: Vec<Place<'_>> = asked.flat_map(places).collect();
    let secrets = secrets(config);
    let surveys = block_on(async {
        let surveys = join_all(places.iter().map(|place| ask(&secrets, place))).await;
        secrets.end().await;
        Ok(surveys)
    })?;
    // What is in none of a target's databases is nowhere.
    let mut absent: BTreeMap<&str, Option<Vec<(String, String)>>> = BTreeMap::new();
    for (place, survey) in places.iter().zip(surveys) {
        let name = place.target.name.as_str();
        match survey {
            Err(why) => {
                warnings.push(format!(
                    "what role {} of {name} can read in {} was not looked at: {}",
                    place.user.name,
                    Printable(place.database),
                    Printable(&why)
                ));
                absent.insert(name, None);
            }
            Ok(survey) => {
                let (needs, missing) = needs(set, &as_target(place.target), &survey)?;
                warnings.extend(readable(place, &needs, &survey));
                let known = absent.entry(name).or_insert_with(|| Some(missing.clone()));
                if let Some(known) = known {
                    known.retain(|one| missing.contains(one));
                }
            }
        }
    }
    for (id, policy) in absent.into_values().flatten().flatten() {
        warnings.push(format!("policy \"{policy}\" masks {}, which is not there: correct its name", Printable(&id)));
    }
    Ok(warnings)
}

fn places(target: &Target) -> Vec<Place<'_>> {
    let TargetAccess::Postgres(postgres) = &target.access else { return Vec::new() };
    let of_user = |user| postgres.databases.iter().map(move |database| Place { target, postgres, user, database });
    postgres.users.iter().flat_map(of_user).collect()
}

fn readable(place: &Place<'_>, needs: &bartizan_policies::sql::Needs, survey: &Survey) -> Option<String> {
    let read = |id| survey.reads_all.is_some() || survey.reads.contains_key(id);
    let columns: Vec<String> =
        needs.masked.iter().filter(|column| read(&column.id)).map(|column| format!("{}.{}", column.table, column.column)).collect();
    let (first, more) = (columns.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", "), columns.len().saturating_sub(NAMED));
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!columns.is_empty()).then(|| {
        format!(
            "role {} of {} can read in {} what everybody has masked: {}{more}; `bartizan postgres grants {}` prints grants without it",
            place.user.name,
            place.target.name,
            Printable(place.database),
            Printable(&first),
            place.target.name
        )
    })
}

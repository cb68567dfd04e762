//! Follows changes: policies and guard rails on SIGHUP or when a file of theirs changes, and the authorities' keys after a
//! rotation.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::audit::Entry;
use crate::config::Config;
use crate::enforce::load_dir;
use crate::identity::authority;

use super::rooms::Rooms;

/// How often files are looked at.
const BEAT: Duration = Duration::from_millis(400);

/// Follows changes; never returns.
pub(super) async fn follow(rooms: Arc<Rooms>) {
    let Ok(mut hangup) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()) else {
        return tracing::error!("SIGHUP cannot be listened to; policies are not reloaded");
    };
    let mut seen = look(&rooms).await;
    loop {
        let asked = tokio::select! {
            _ = hangup.recv() => true,
            () = tokio::time::sleep(BEAT) => false,
        };
        let now = look(&rooms).await;
        if asked || now.0 != seen.0 {
            reload_policies(&rooms).await;
        }
        if asked || now.2 != seen.2 {
            reload_rails(&rooms).await;
        }
        // A rotation under way makes it fail: then it is tried again at the next beat.
        let followed = if asked || now.1 != seen.1 { reload_authorities(&rooms).await } else { true };
        seen = if followed { now } else { (now.0, seen.1, now.2) };
    }
}

/// What the files look like: for policies each name, size and time of change, for the authorities and the configuration one time
/// of change.
type Looks = (Vec<(String, u64, Option<SystemTime>)>, Option<SystemTime>, Option<SystemTime>);

async fn look(rooms: &Arc<Rooms>) -> Looks {
    let (dir, record) = (rooms.config.policies.dir.clone(), authority::record_path(&rooms.config.server.state_dir));
    let file = rooms.config.file.clone();
    let changed = |path: &Path| std::fs::metadata(path).and_then(|facts| facts.modified()).ok();
    tokio::task::spawn_blocking(move || (look_at_dir(&dir), changed(&record), changed(&file))).await.unwrap_or_default()
}

fn look_at_dir(dir: &Path) -> Vec<(String, u64, Option<SystemTime>)> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut looks: Vec<_> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let facts = entry.metadata().ok()?;
            name.ends_with(".cedar").then(|| (name, facts.len(), facts.modified().ok()))
        })
        .collect();
    looks.sort();
    looks
}

/// Swaps the policies if all of them validate; else the old ones stay, and an alert says so.
async fn reload_policies(rooms: &Arc<Rooms>) {
    let config = Arc::clone(&rooms.config);
    let Ok(loaded) = tokio::task::spawn_blocking(move || load_dir(&config)).await else { return };
    let entry = match loaded {
        Ok(set) => {
            let (digest, policies) = (set.digest_hex(), set.len() as u64);
            if !rooms.enforcer.policies().swap(set) {
                return;
            }
            tracing::info!(digest, policies, "policies reloaded");
            Entry::PoliciesReloaded { digest, policies }
        }
        Err(problems) => {
            tracing::error!(
                alert = true,
                problems = problems.join("\n"),
                "the changed policies are not usable; the old ones stay in force"
            );
            Entry::PoliciesRejected { problems }
        }
    };
    rooms.note(entry);
}

/// Swaps the guard rails if all of the configuration is right; else the old ones stay, and an alert says so.
async fn reload_rails(rooms: &Arc<Rooms>) {
    let path = rooms.config.file.clone();
    let Ok(loaded) = tokio::task::spawn_blocking(move || Config::load(&path)).await else { return };
    let file = rooms.config.file.display().to_string();
    let entry = match loaded {
        Ok(config) => {
            let guard_rails = config.guard_rails.len() as u64;
            if !rooms.rails.swap(config.guard_rails) {
                return;
            }
            tracing::info!(guard_rails, "guard rails reloaded; what else changed in the configuration counts from the next start");
            Entry::GuardRailsReloaded { file, guard_rails }
        }
        Err(problems) => {
            let problems: Vec<String> = problems.0.iter().map(ToString::to_string).collect();
            tracing::error!(
                alert = true,
                problems = problems.join("\n"),
                "the changed configuration is not usable; the old guard rails stay in force"
            );
            Entry::ConfigRejected { file, problems }
        }
    };
    rooms.note(entry);
}

/// False when the keys could not be read.
async fn reload_authorities(rooms: &Arc<Rooms>) -> bool {
    let identity = Arc::clone(&rooms.identity);
    match tokio::task::spawn_blocking(move || identity.authorities().reload()).await {
        Ok(Ok(())) => {
            tracing::info!("the authorities' keys were read again");
            true
        }
        Ok(Err(error)) => {
            tracing::error!(%error, alert = true, "the authorities' changed keys cannot be read; the old ones stay in use");
            false
        }
        Err(error) => {
            tracing::error!(%error, "the authorities' keys were not read");
            false
        }
    }
}

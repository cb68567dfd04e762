//! Follows changes: policies on SIGHUP or when a file of theirs changes, and the authorities' keys after a rotation.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::audit::Entry;
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
        // A rotation under way makes it fail: then it is tried again at the next beat.
        let followed = if asked || now.1 != seen.1 { reload_authorities(&rooms).await } else { true };
        seen = if followed { now } else { (now.0, seen.1) };
    }
}

/// What the files look like: for policies each name, size and time of change, for the authorities one time of change.
type Looks = (Vec<(String, u64, Option<SystemTime>)>, Option<SystemTime>);

async fn look(rooms: &Arc<Rooms>) -> Looks {
    let (dir, record) = (rooms.config.policies.dir.clone(), authority::record_path(&rooms.config.server.state_dir));
    tokio::task::spawn_blocking(move || (look_at_dir(&dir), std::fs::metadata(record).and_then(|m| m.modified()).ok()))
        .await
        .unwrap_or_default()
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

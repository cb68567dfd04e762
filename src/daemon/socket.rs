//! The control protocol on the bastion's own machine: `STATE_DIR/control.sock`. Who comes is whom the kernel names; only the bastion's
//! own account and root are let in, and policy decides about them as about anyone.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::unistd::{Uid, User};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::audit::Entry;
use crate::identity::Caller;

use super::rooms::Rooms;

/// How many may be connected at a time.
const MOST: usize = 32;

/// Where the socket is.
#[must_use]
pub fn control_socket(state_dir: &Path) -> PathBuf {
    state_dir.join("control.sock")
}

/// Makes the socket anew: whoever serves holds the state folder, so that one that is there is left over. Until its mode is set the
/// umask, and the folder, keep others away.
///
/// # Errors
/// When it cannot be made.
pub(super) fn bind(state_dir: &Path) -> std::io::Result<UnixListener> {
    let path = control_socket(state_dir);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => {
            let listener = UnixListener::bind(&path)?;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
            Ok(listener)
        }
    }
}

/// Accepts until `stop`.
pub(super) async fn accept(listener: UnixListener, rooms: Arc<Rooms>, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(MOST));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            // Out of descriptors, most likely: those that end give some back.
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            continue;
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!("too many are connected to the control socket; one was turned away");
            continue;
        };
        let (rooms, tasks) = (Arc::clone(&rooms), rooms.tasks.clone());
        tasks.spawn(async move {
            serve(&rooms, stream).await;
            drop(place);
        });
    }
}

async fn serve(rooms: &Rooms, stream: UnixStream) {
    let Some(account) = peer(&stream) else {
        rooms.note(Entry::Refused {
            what: "control socket".to_owned(),
            principal: None,
            source: std::net::Ipv4Addr::LOCALHOST.into(),
            detail: format!("from another account: {:?}", stream.peer_cred()),
        });
        return;
    };
    let Some(caller) = Caller::local(&account, rooms.clock.now()) else {
        return tracing::warn!(account, "an account with such a name cannot use the control socket");
    };
    match rooms.admit(Ok(caller)).await {
        Ok(caller) => rooms.control(&caller, stream).await,
        Err(refusal) => tracing::error!(detail = %refusal.detail, "nobody is let in at the control socket"),
    }
}

/// The account at the other end, if it is root or the bastion's own: by the login it descends from, where there is one, so that who
/// became root is still who they are.
fn peer(stream: &UnixStream) -> Option<String> {
    let peer = stream.peer_cred().ok()?;
    let may = peer.uid() == 0 || peer.uid() == Uid::effective().as_raw();
    let logged_in = || {
        let text = std::fs::read_to_string(format!("/proc/{}/loginuid", peer.pid()?)).ok()?;
        // All bits set: the process descends from no login.
        text.trim().parse().ok().filter(|uid| *uid != u32::MAX)
    };
    may.then(|| account(logged_in().unwrap_or_else(|| peer.uid())))
}

/// The account's name, or its number where it has none.
#[must_use]
pub fn account(uid: u32) -> String {
    let found = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    found.map_or_else(|| uid.to_string(), |user| user.name)
}

//! Requests to cancel: each session has a key of the bastion's own making, and only its own principal can use it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::model::PrincipalId;

/// All sessions whose queries can be cancelled.
#[derive(Default)]
pub struct Cancels {
    sessions: Mutex<HashMap<u32, Session>>,
}

struct Session {
    principal: PrincipalId,
    key: [u8; 32],
    length: usize,
    wishes: mpsc::Sender<()>,
}

/// A session's place; it leaves when dropped.
pub struct Registered {
    all: Arc<Cancels>,
    /// What the client shows as the server's process.
    pub(super) process: u32,
    pub(super) key: Bytes,
    pub(super) wishes: mpsc::Receiver<()>,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.all.lock().remove(&self.process);
    }
}

impl Cancels {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u32, Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in a session of `principal`. `random` makes its numbers; `length` is how long a key its client takes.
    #[must_use]
    pub fn register(self: &Arc<Self>, principal: PrincipalId, length: usize, random: impl Fn() -> u64) -> Registered {
        let mut key = [0; 32];
        for part in key.chunks_mut(8) {
            part.copy_from_slice(&random().to_be_bytes());
        }
        let (wishes, inbox) = mpsc::channel(1);
        let mut sessions = self.lock();
        let process = loop {
            // A process number is positive.
            let process = u32::try_from(random() & 0x7fff_ffff).unwrap_or(0);
            if process != 0 && !sessions.contains_key(&process) {
                break process;
            }
        };
        let length = length.min(key.len());
        sessions.insert(process, Session { principal, key, length, wishes });
        drop(sessions);
        let shown = Bytes::copy_from_slice(key.get(..length).unwrap_or_default());
        Registered { all: Arc::clone(self), process, key: shown, wishes: inbox }
    }

    /// Cancels what runs in the session of `process`, if `key` is its key and it is the principal's own. Whether it was is not told.
    pub fn cancel(&self, principal: &PrincipalId, process: u32, key: &[u8]) {
        let sessions = self.lock();
        let Some(session) = sessions.get(&process) else { return };
        let wanted = session.key.get(..session.length).unwrap_or_default();
        let differs = wanted.iter().zip(key).fold(u8::from(wanted.len() != key.len()), |sum, (a, b)| sum | (a ^ b));
        if differs == 0 && session.principal == *principal {
            // One that waits already will do.
            let _ = session.wishes.try_send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(name: &str) -> PrincipalId {
        name.parse().unwrap()
    }

    #[test]
    fn only_the_same_principal_with_the_whole_key_cancels() {
        let cancels = Arc::new(Cancels::default());
        let numbers = std::cell::Cell::new(41);
        let next = || {
            numbers.set(numbers.get() + 1);
            numbers.get() * 0x0101_0101_0101
        };
        let mut session = cancels.register(who("corp/alice"), 4, next);
        assert!(session.process > 0 && i32::try_from(session.process).is_ok() && session.key.len() == 4);
        cancels.cancel(&who("corp/bob"), session.process, &session.key);
        cancels.cancel(&who("corp/alice"), session.process, &session.key[..3]);
        cancels.cancel(&who("corp/alice"), session.process, &[]);
        cancels.cancel(&who("corp/alice"), session.process, &[&session.key[..], &[0]].concat());
        cancels.cancel(&who("corp/alice"), session.process ^ 1, &session.key);
        assert!(session.wishes.try_recv().is_err());
        cancels.cancel(&who("corp/alice"), session.process, &session.key);
        assert!(session.wishes.try_recv().is_ok());
        drop(session);
        assert!(cancels.lock().is_empty(), "a session leaves when it ends");
    }
}

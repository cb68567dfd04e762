//! What systemd is told where it asks (sd_notify(3)): ready, a sentence, stopping, and that the process still turns.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::task::JoinHandle;

/// How long the end of the process waits for systemd to take the news of it.
const LAST_WORD: Duration = Duration::from_secs(2);

/// Says that it is ready.
pub(super) fn ready() {
    tell(|| sd_notify::notify(&[NotifyState::Ready]));
}

/// Says how it is.
pub(super) fn status(sentence: &str) {
    let line: String = sentence.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    tell(move || sd_notify::notify(&[NotifyState::Status(&line)]));
}

/// Says that it ends. Comes back once that is said, since a process that has ended says nothing any more, or when nobody takes it.
pub(super) async fn stopping() {
    let told = tell(|| sd_notify::notify(&[NotifyState::Stopping]));
    let _untaken = tokio::time::timeout(LAST_WORD, told).await;
}

/// Says again and again that it is there, if anybody wants to know; never comes back.
pub(super) async fn watch() {
    // An interval of nothing would be no interval.
    let Some(most) = sd_notify::watchdog_enabled().filter(|most| *most >= Duration::from_millis(10)) else {
        return std::future::pending().await;
    };
    let mut beat = tokio::time::interval(most / 2);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        // One at a time, however long each takes to be taken.
        let _taken = tell(|| sd_notify::notify(&[NotifyState::Watchdog])).await;
    }
}

/// Off the runtime, since a full socket makes its writers wait.
fn tell(message: impl FnOnce() -> std::io::Result<()> + Send + 'static) -> JoinHandle<()> {
    tokio::task::spawn_blocking(move || {
        if let Err(error) = message() {
            tracing::warn!(%error, "systemd could not be told");
        }
    })
}

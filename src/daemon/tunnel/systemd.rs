//! What systemd is told where it asks (sd_notify(3)): ready, a sentence, stopping, and that the process still turns.

use std::time::Duration;

use sd_notify::NotifyState;

/// Says that it is ready.
pub(super) fn ready() {
    tell(|| sd_notify::notify(&[NotifyState::Ready]));
}

/// Says how it is.
pub(super) fn status(sentence: &str) {
    let line: String = sentence.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    tell(move || sd_notify::notify(&[NotifyState::Status(&line)]));
}

/// Says that it ends.
pub(super) fn stopping() {
    tell(|| sd_notify::notify(&[NotifyState::Stopping]));
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
        tell(|| sd_notify::notify(&[NotifyState::Watchdog]));
    }
}

/// Off the runtime, since a full socket makes its writers wait.
fn tell(message: impl FnOnce() -> std::io::Result<()> + Send + 'static) {
    tokio::task::spawn_blocking(move || {
        if let Err(error) = message() {
            tracing::warn!(%error, "systemd could not be told");
        }
    });
}

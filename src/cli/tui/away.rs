//! While the terminal is somebody else's: a session by the user's own ssh, or the program that signs and may ask for a touch or a
//! passphrase. The core is kept up to date meanwhile; nothing that is typed there reaches it.

use std::time::Duration;

use bartizan_tui::{Effect, Event, Signature, ToSign};

use super::host::{End, Host, next, unusable};
use super::terminal;
use crate::audit::Said;
use crate::cli::local::now;
use crate::cli::signing;

impl Host {
    /// Leaves the terminal to the user's own ssh until it ends.
    pub(super) async fn session(&mut self, target: &str, login: Option<&str>) -> Result<Vec<Effect>, End> {
        let parsed = login.and_then(|login| login.parse::<crate::model::Login>().ok());
        let place = parsed.zip(target.parse::<crate::model::TargetName>().ok());
        let command = place.and_then(|(login, target)| self.route.session(login.as_str(), target.as_str()));
        let Some(mut command) = command else {
            return Ok(self.stage.hear(now(), Event::Returned(Err("a session needs a login and a target".to_owned()))));
        };
        self.leave();
        let mut later = Vec::new();
        let status = self.meanwhile(async move { command.status().await }, &mut later).await;
        let said = match status {
            Ok(status) => Ok(format!("the session ended ({status})")),
            Err(error) => Err(format!("ssh cannot be run: {error}")),
        };
        if self.tty.is_some() {
            let sentence = match &said {
                Ok(sentence) | Err(sentence) => sentence,
            };
            terminal::write(format!("\nbartizan: {sentence}; press Enter\n").as_bytes()).map_err(|error| Some(unusable(error)))?;
            // The terminal is still in the user's own mode, and nobody else reads from it.
            let enter = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
            drop(self.meanwhile(enter, &mut later).await);
        }
        later.extend(self.come_back().await?);
        later.extend(self.stage.hear(now(), Event::Returned(said)));
        Ok(later)
    }

    /// Has an answer signed, if the key is at hand. `ssh-keygen` has the terminal meanwhile, for what it may have to ask.
    pub(super) async fn sign(&mut self, order: ToSign) -> Result<Vec<Effect>, End> {
        let mut later = Vec::new();
        let approval = order.approval.clone();
        let (route, key) = (self.route.clone(), order.key.clone());
        let found = self.apart(move || route.key_at_hand(&key), &mut later).await.flatten();
        let Some(file) = found else {
            later.extend(self.stage.hear(now(), Event::Signed { approval, signature: Ok(None) }));
            return Ok(later);
        };
        self.leave();
        let at = now();
        let signed = self.apart(move || signature(&file, &order, at), &mut later).await;
        later.extend(self.come_back().await?);
        let signature = signed.unwrap_or_else(|| Err("the signing failed".to_owned())).map(Some);
        later.extend(self.stage.hear(now(), Event::Signed { approval, signature }));
        Ok(later)
    }

    /// Has the person prove again who they are: by a new login, for which ssh may ask them for things.
    pub(super) async fn unlock(&mut self) -> Result<Vec<Effect>, End> {
        if !self.route.can_connect() {
            let why = "by the socket there is no login: quit and start again".to_owned();
            return Ok(self.stage.hear(now(), Event::Unlocked(Err(why))));
        }
        // What comes on the old connection is of no use any more, and its end is no loss.
        self.connected = None;
        (self.retry, self.connecting) = (None, None);
        self.leave();
        let again = self.route.connect(true, self.keys.clone()).await;
        let mut effects = self.come_back().await?;
        match again {
            Ok(connected) => {
                effects.extend(self.up(connected));
                effects.extend(self.stage.hear(now(), Event::Unlocked(Ok(()))));
            }
            Err(why) => {
                effects.extend(self.is_lost());
                effects.extend(self.stage.hear(now(), Event::Unlocked(Err(why))));
            }
        }
        Ok(effects)
    }

    fn leave(&mut self) {
        if let Some(tty) = &mut self.tty {
            tty.leave();
        }
    }

    async fn come_back(&mut self) -> Result<Vec<Effect>, End> {
        if let Some(tty) = &mut self.tty {
            tty.take().map_err(|error| Some(unusable(error)))?;
        }
        // Ctrl-C was for who had the terminal.
        while let Ok(Some(())) = tokio::time::timeout(Duration::ZERO, self.interrupts.recv()).await {}
        self.stage.forget();
        Ok(self.stage.resize(now(), terminal::size()))
    }

    /// Does what blocks on a thread of its own; nothing if that fails.
    async fn apart<T: Send + 'static>(&mut self, work: impl FnOnce() -> T + Send + 'static, later: &mut Vec<Effect>) -> Option<T> {
        self.meanwhile(tokio::task::spawn_blocking(work), later).await.ok()
    }

    /// Waits for `work` and keeps the core up to date, so that the bastion need not wait for it.
    async fn meanwhile<T>(&mut self, work: impl Future<Output = T>, later: &mut Vec<Effect>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                said = next(&mut self.connected) => {
                    let effects = match said {
                        Some(event) => self.stage.hear(now(), event),
                        None => self.is_lost(),
                    };
                    for effect in effects {
                        match (effect, &mut self.connected) {
                            (Effect::Send(request), Some(connected)) => connected.line.send(&request),
                            (Effect::Print(text), _) => later.push(Effect::Print(text)),
                            _ => {}
                        }
                    }
                }
            }
        }
    }
}

/// The signature of what `order` says at `at`, by the key in `file`.
fn signature(file: &std::path::Path, order: &ToSign, at: jiff::Timestamp) -> Result<Signature, String> {
    let approver = order.approver.parse().map_err(|_| "the bastion calls you by what is no name".to_owned())?;
    let said = Said {
        approval: order.approval.parse().map_err(|_| "the approval has no id".to_owned())?,
        digest: &order.digest,
        approve: order.approve,
        for_seconds: order.for_seconds,
        reason: &order.reason,
        approver: &approver,
        at,
    };
    let text = signing::sign(file, &said.challenge()).map_err(|exit| exit.sentence().to_owned())?;
    Ok(Signature { text, at })
}

//! Keeps a connection to a bastion. Before its certificate is over it is renewed in place, so that streams go on; where the bastion does not
//! do that, a new connection stands before the old one goes, which ends with its last stream. A bastion that is lost is left for another.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use russh::keys::{PrivateKey, ssh_key};
use tokio::time::Instant;

use super::board::Board;
use super::{Heard, TunnelError, metrics, systemd};
use crate::model::Clock;
use crate::tunnel::{Address, Backoff, Credential, Link, LinkError, Plan, Publisher, certify};

/// How soon after the last certificate the next may be asked for.
const SOONEST: Duration = Duration::from_secs(1);

/// A connection that lasted so long was a good one: if it is lost, the next is tried at once.
const STEADY: Duration = Duration::from_secs(10);

/// The one who keeps it.
pub(super) struct Keeper {
    plan: Arc<Plan>,
    publisher: Publisher,
    board: Arc<Board>,
    clock: Arc<dyn Clock>,
    key: Arc<PrivateKey>,
    held: Option<Held>,
    line: Option<Line>,
    /// Which bastion is tried first.
    at: usize,
    backoff: Backoff,
    was_ready: bool,
}

/// The connection that takes new streams.
struct Line {
    link: Arc<Link>,
    since: Instant,
    /// When the certificate that it came with is over.
    over: Instant,
}

/// A certificate, and when it is to be renewed and is over.
struct Held {
    credential: Credential,
    renew: Instant,
    over: Instant,
}

/// What a keeper wakes up for.
enum Woke {
    /// It is time for a connection.
    Due,
    /// The connection is over.
    Lost,
    /// Its bastion takes no more streams.
    Leaving,
    /// The certificate is over, and so are the streams that came with it.
    Over,
}

impl Keeper {
    pub(super) fn new(plan: Arc<Plan>, publisher: Publisher, board: Arc<Board>, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let key = PrivateKey::random(&mut rand::rng(), ssh_key::Algorithm::Ed25519).map_err(|error| format!("no key: {error}"))?;
        let key = Arc::new(key);
        Ok(Self { plan, publisher, board, clock, key, held: None, line: None, at: 0, backoff: Backoff::default(), was_ready: false })
    }

    /// Keeps it; comes back only when every bastion refuses from the beginning.
    pub(super) async fn keep(mut self, heard: impl Fn(Heard)) -> TunnelError {
        match self.go_on(heard).await {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    async fn go_on(&mut self, heard: impl Fn(Heard)) -> Result<Infallible, TunnelError> {
        let mut due = Instant::now();
        loop {
            match self.wake(due).await {
                Woke::Due => {
                    if let Some(next) = self.renewed().await {
                        due = next;
                        continue;
                    }
                }
                Woke::Lost => {
                    due = self.lost();
                    continue;
                }
                Woke::Leaving => {
                    tracing::info!("the bastion takes no more streams; the open ones go on");
                    self.at = self.at.wrapping_add(1);
                    self.retire();
                }
                Woke::Over => {
                    tracing::error!("the certificate has run out and could not be renewed");
                    self.retire();
                }
            }
            due = match self.reach().await {
                Ok(link) => self.take(link, &heard),
                Err(errors) => self.failed(&errors)?,
            };
        }
    }

    async fn wake(&self, due: Instant) -> Woke {
        let Some(line) = &self.line else {
            tokio::time::sleep_until(due).await;
            return Woke::Due;
        };
        tokio::select! {
            biased;
            () = line.link.ended() => Woke::Lost,
            () = tokio::time::sleep_until(line.over) => Woke::Over,
            () = line.link.leaving() => Woke::Leaving,
            () = tokio::time::sleep_until(due) => Woke::Due,
        }
    }

    /// A new connection becomes the one that takes new streams; the one before ends with its last. Says when the next is due.
    fn take(&mut self, link: Link, heard: &impl Fn(Heard)) -> Instant {
        let now = Instant::now();
        let Some(held) = &self.held else { return now };
        let link = Arc::new(link);
        self.board.put(Some(Arc::clone(&link)));
        if let Some(before) = self.line.replace(Line { link, since: now, over: held.over }) {
            let_end(before);
        }
        let due = held.renew;
        let told = self.tell();
        if !self.was_ready {
            self.was_ready = true;
            systemd::ready();
            if let Some((bastion, principal, valid_before)) = told {
                heard(Heard::Ready { bastion, principal, valid_before });
            }
        }
        due
    }

    /// Renews the certificate of the connection that there is. Says when it is due again, or nothing where a new connection is needed.
    async fn renewed(&mut self) -> Option<Instant> {
        let link = Arc::clone(&self.line.as_ref()?.link);
        let renewed = async {
            let token = self.plan.token.fetch().await?;
            link.renew(&token, &self.key, self.clock.now()).await
        };
        match renewed.await {
            Ok(credential) => {
                metrics::renewal("in-place");
                let held = self.hold(credential);
                if let Some(line) = &mut self.line {
                    line.over = held.over;
                }
                let next = held.renew;
                self.held = Some(held);
                self.tell();
                Some(next)
            }
            Err(error) => {
                metrics::renewal("refused");
                tracing::info!(reason = %error, "the certificate was not renewed in place");
                None
            }
        }
    }

    /// Says what it is connected to.
    fn tell(&self) -> Option<(String, String, Timestamp)> {
        let (line, held) = (self.line.as_ref()?, self.held.as_ref()?);
        let (principal, valid_before) = (held.credential.principal(), held.credential.valid_before());
        let bastion = line.link.bastion().to_string();
        metrics::certificate(valid_before);
        self.board.say(format!("connected to {bastion} as {principal}, with a certificate until {valid_before}"));
        tracing::info!(%bastion, %principal, %valid_before, "connected");
        Some((bastion, principal, valid_before))
    }

    /// The connection there is takes no new streams, and ends with its last one.
    fn retire(&mut self) {
        self.board.put(None);
        if let Some(line) = self.line.take() {
            let_end(line);
        }
    }

    /// The connection is over. Says when to try again: at once, unless it was a short one.
    fn lost(&mut self) -> Instant {
        self.board.put(None);
        let now = Instant::now();
        let Some(line) = self.line.take() else { return now };
        let sentence = format!("the connection to {} is lost", line.link.bastion());
        tracing::warn!("{sentence}");
        self.board.say(sentence);
        if line.since.elapsed() >= STEADY {
            self.backoff.reset();
            return now;
        }
        now + self.backoff.fail(rand::random())
    }

    /// Says when to try again.
    fn failed(&mut self, errors: &[LinkError]) -> Result<Instant, TunnelError> {
        let sentences: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let sentence = sentences.join("; ");
        if !self.was_ready && errors.iter().all(LinkError::is_refusal) {
            return Err(TunnelError::Refused(sentence));
        }
        if !self.was_ready && errors.iter().all(LinkError::is_ours) {
            return Err(TunnelError::Start(sentence));
        }
        if self.line.is_none() {
            self.board.say(format!("not connected: {sentence}"));
        }
        let wait = self.backoff.fail(rand::random());
        tracing::warn!(reason = sentence, milliseconds = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX), "trying again later");
        Ok(Instant::now() + wait)
    }

    /// Tries each bastion once.
    async fn reach(&mut self) -> Result<Link, Vec<LinkError>> {
        let plan = Arc::clone(&self.plan);
        let (many, first) = (plan.bastions.len(), self.at);
        let mut errors = Vec::new();
        for (step, bastion) in plan.bastions.iter().cycle().skip(first.checked_rem(many).unwrap_or(0)).take(many).enumerate() {
            match self.reach_one(bastion).await {
                Ok(link) => {
                    metrics::connection("connected");
                    self.at = first.wrapping_add(step);
                    return Ok(link);
                }
                Err(error) => {
                    metrics::connection(if error.is_refusal() { "refused" } else { "failed" });
                    errors.push(error);
                }
            }
        }
        Err(errors)
    }

    async fn reach_one(&mut self, bastion: &Address) -> Result<Link, LinkError> {
        if let Some(held) = self.held.take_if(|held| Instant::now() < held.renew) {
            match self.connect(bastion, held).await {
                // It was revoked, or another bastion's authority made it.
                Err(LinkError::Login(_)) => {}
                other => return other,
            }
        }
        let held = self.certified(bastion).await?;
        self.connect(bastion, held).await
    }

    /// One that is not taken is not kept.
    async fn connect(&mut self, bastion: &Address, held: Held) -> Result<Link, LinkError> {
        let link = Link::connect(bastion, &self.plan.trust, &held.credential, self.clock.now(), &self.publisher).await;
        if !matches!(link, Err(LinkError::Login(_))) {
            self.held = Some(held);
        }
        link
    }

    async fn certified(&self, bastion: &Address) -> Result<Held, LinkError> {
        let token = self.plan.token.fetch().await?;
        let credential = certify(bastion, &self.plan.trust, &token, &self.key, self.clock.now()).await?;
        Ok(self.hold(credential))
    }

    fn hold(&self, credential: Credential) -> Held {
        let life = left(credential.valid_before(), self.clock.now());
        let age = self.plan.renew_after.unwrap_or(life.mul_f64(2.0 / 3.0)).max(SOONEST);
        let now = Instant::now();
        Held { credential, renew: now + age, over: now + life }
    }
}

fn let_end(line: Line) {
    tokio::spawn(async move { line.link.retire().await });
}

fn left(until: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO)
}

//! Targets that visitors publish through their connections (`ssh -R TARGET:0:HOST:PORT`): policy is asked, the target is offered, and
//! whether its publisher is there still is looked at again and again. What ends it ends what goes through it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use russh::server;
use tokio_util::sync::CancellationToken;

use crate::audit::Entry;
use crate::config::Target;
use crate::control::{Published, Publisher};
use crate::enforce::MayPublish;
use crate::frontdoor::{Guard, Held, Line, Outcome, Publish, Refusal, sentences};
use crate::identity::Caller;
use crate::model::TargetName;
use crate::upstream::Publication;

use super::lines::end;
use super::metrics;
use super::rooms::Rooms;

/// How often a publisher is asked whether it is there.
const PULSE: Duration = Duration::from_secs(2);

/// After how many questions without a byte of it its connection is lost.
const SILENT: u32 = 3;

/// How long a connection on which something was refused is left to ask for something else.
const MOMENT: Duration = Duration::from_secs(1);

/// Why something is published no longer.
enum Why {
    /// The connection has ended.
    Left,
    /// Nothing is heard of the publisher.
    Lost,
    /// It must not be published any more.
    Ended(String),
}

/// What one visitor publishes.
pub(super) struct Standing {
    may: MayPublish,
    publication: Arc<Publication>,
    /// Its publisher took it back; what goes through it goes on.
    withdrawn: CancellationToken,
    /// It is over, with what goes through it.
    over: CancellationToken,
    why: OnceLock<Why>,
}

/// All that is published here.
#[derive(Default)]
pub(super) struct Publishers {
    all: Mutex<HashMap<u64, Arc<Standing>>>,
    last: AtomicU64,
}

/// In the hands of the door: dropped with the connection.
struct Hold(Arc<Standing>);

impl Held for Hold {
    fn withdraw(&self) {
        self.0.withdrawn.cancel();
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // What goes through a connection that has ended ends by itself.
        if !self.0.withdrawn.is_cancelled() {
            self.0.ends(Why::Left);
        }
    }
}

impl Standing {
    /// Whether it is offered still.
    pub(super) fn is_offered(&self) -> bool {
        !self.withdrawn.is_cancelled() && !self.over.is_cancelled()
    }

    /// Who publishes it.
    pub(super) fn caller(&self) -> &Arc<Caller> {
        self.may.caller()
    }

    /// What is published.
    pub(super) fn target(&self) -> &TargetName {
        self.publication.target()
    }

    /// As it is listed.
    pub(super) fn shown(&self) -> Publisher {
        let caller = self.caller();
        Publisher {
            target: self.target().clone(),
            principal: caller.principal().id.clone(),
            source: caller.source(),
            since: self.publication.since(),
            streams: self.publication.streams(),
        }
    }

    /// Asks policy again.
    pub(super) fn recheck(&self, set: &bartizan_policies::PolicySet, now: Timestamp) -> Result<(), Refusal> {
        self.may.recheck(set, now)
    }

    /// Ends it, and what goes through it, at once.
    pub(super) fn end(&self, sentence: &str) {
        self.ends(Why::Ended(sentence.to_owned()));
    }

    fn ends(&self, why: Why) {
        self.publication.cut();
        // What came first is what is told.
        drop(self.why.set(why));
        self.over.cancel();
    }

    /// Returns when nothing goes through it any more, or nothing may.
    async fn last(&self) {
        while !self.over.is_cancelled() && self.publication.streams() > 0 {
            tokio::select! {
                () = self.over.cancelled() => {}
                () = tokio::time::sleep(PULSE) => {}
            }
        }
    }

    fn told(&self) -> String {
        match self.why.get() {
            Some(Why::Left) => "its publisher's connection has ended".to_owned(),
            Some(Why::Lost) => "nothing was heard of its publisher any more".to_owned(),
            Some(Why::Ended(sentence)) => sentence.clone(),
            None => "its publisher took it back".to_owned(),
        }
    }
}

impl Publishers {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<Standing>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of it, in no order, with what was taken back and is used still.
    pub(super) fn all(&self) -> Vec<Arc<Standing>> {
        self.lock().values().cloned().collect()
    }
}

impl Rooms {
    /// Publishes a target through the connection of `caller`, until what comes back is dropped.
    pub(super) async fn publish(self: &Arc<Self>, caller: Arc<Caller>, publish: Publish) -> Outcome<Box<dyn Held>> {
        let Publish { target, asked, line } = publish;
        let published = self.offer(&caller, &target, asked, line).await;
        metrics::publication(if published.is_ok() { "published" } else { "refused" });
        if let Err(refusal) = &published {
            tracing::info!(principal = %caller.principal().id, %target, detail = %refusal.detail, "a target was not published");
        }
        published
    }

    async fn offer(self: &Arc<Self>, caller: &Arc<Caller>, name: &TargetName, asked: (String, u32), line: Line) -> Outcome<Box<dyn Held>> {
        let found = self.catalogue().find(name).cloned();
        let target = found.ok_or_else(|| Refusal::denied("there is no such target.", format!("no target {name}")))?;
        self.identity.stands(caller, Some(name)).await?;
        let may = self.enforcer.permit_publish(caller, &target).await?;
        let (now, most) = (self.clock.now(), self.config.limits.publishers);
        let number = self.publishers.last.fetch_add(1, Ordering::SeqCst);
        let by = format!("{} from {}, publication {number}", caller.principal().id, caller.source());
        let publication = Publication::new(name.clone(), by, asked, line.handle.clone(), now);
        let Some(count) = self.roads.offer(&publication, most) else {
            let sentence = format!("{most} others publish it, and no more are taken.");
            return Err(Refusal::unavailable(sentence.clone(), sentence));
        };
        metrics::publishers(name, count);
        let standing = Arc::new(Standing {
            may,
            publication,
            withdrawn: CancellationToken::new(),
            over: CancellationToken::new(),
            why: OnceLock::new(),
        });
        let hold = Box::new(Hold(Arc::clone(&standing)));
        self.publishers.lock().insert(number, Arc::clone(&standing));
        let entry = Entry::TargetPublished {
            target: name.clone(),
            principal: caller.principal().id.clone(),
            source: caller.source(),
            publication: number,
        };
        let written = self.audit.append(entry, now).await;
        self.tasks.spawn(Arc::clone(self).attend_publisher(number, Arc::clone(&standing), line.guard));
        let unwritten =
            |e: crate::audit::AuditError| Refusal::unavailable("the bastion cannot write its audit log; tell the operator.", e.to_string());
        let stays = match written.map_err(unwritten) {
            Ok(_) => self.still_published(&standing).await,
            Err(refusal) => Err(refusal),
        };
        stays.inspect_err(|refusal| standing.end(&refusal.sentence))?;
        Ok(hold)
    }

    /// Looks once more, now that the watch sees it: what changed meanwhile went past it.
    async fn still_published(&self, standing: &Standing) -> Result<(), Refusal> {
        self.identity.stands(standing.caller(), Some(standing.target())).await?;
        standing.recheck(&self.enforcer.policies().current(), self.clock.now())?;
        if self.stop.is_cancelled() {
            return Err(Refusal::unavailable("the bastion is shutting down.", "shutting down"));
        }
        Ok(())
    }

    /// Stays with what is published until it is over, and tells everybody of that.
    async fn attend_publisher(self: Arc<Self>, number: u64, standing: Arc<Standing>, guard: Arc<Guard>) {
        tokio::select! {
            () = standing.over.cancelled() => {}
            () = standing.withdrawn.cancelled() => {}
            () = lost(&guard, standing.publication.handle()) => standing.ends(Why::Lost),
        }
        let (publication, target) = (&standing.publication, standing.target());
        metrics::publishers(target, self.roads.withdraw(publication));
        // Our own connections through it would keep it from its end.
        self.catalogs.let_go(target);
        self.planners.let_go(target);
        metrics::publication("withdrawn");
        let (principal, reason) = (standing.caller().principal().id.clone(), standing.told());
        tracing::info!(%principal, %target, reason, "a target is published no longer");
        self.note(Entry::TargetWithdrawn { target: target.clone(), principal, publication: number, reason });
        standing.last().await;
        self.publishers.lock().remove(&number);
        match standing.why.get() {
            Some(Why::Ended(sentence)) => {
                end(publication.handle(), &guard, sentences::published_no_longer(target.as_str(), sentence)).await
            }
            Some(Why::Lost) => guard.kill(),
            Some(Why::Left) | None => {}
        }
    }

    /// Ends a connection with a sentence, if nothing that was asked for on it is granted in a moment.
    pub(super) async fn explain(self: Arc<Self>, line: Line, sentence: String) {
        tokio::time::sleep(MOMENT).await;
        if !line.is_in_use() {
            end(&line.handle, &line.guard, sentence).await;
        }
    }

    /// How a target that is reached through publishers can be reached now; none for another.
    pub(super) fn published(&self, target: &Target) -> Option<Published> {
        let publishers = target.is_published().then(|| self.roads.publishers(&target.name))?;
        Some(Published {
            publishers: publishers.len(),
            since: publishers.iter().map(|one| one.since()).min(),
            streams: publishers.iter().map(|one| one.streams()).sum(),
        })
    }
}

/// Returns when nothing is heard on a connection any more, though its client is asked.
async fn lost(guard: &Guard, handle: &server::Handle) {
    let (mut heard, mut silent) = (guard.traffic().0, 0);
    let mut pulse = tokio::time::interval(PULSE);
    while silent <= SILENT {
        pulse.tick().await;
        // A request that every client answers, and this one has nothing to cancel (RFC 4254, sections 4 and 7.1).
        drop(tokio::time::timeout(PULSE, handle.cancel_forward_tcpip(String::new(), 0)).await);
        let now = guard.traffic().0;
        silent = if now == heard { silent + 1 } else { 0 };
        heard = now;
    }
}

//! The sessions that one client watches. Policy's action `watch` is asked at the beginning, and again whenever policy changes; a
//! client who reads slowly is given the screen as it is instead of what was missed.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::audit::Entry;
use crate::control::protocol::{self, End, Screen, Shown, WatchSession, Watched};
use crate::enforce::Presence;
use crate::frontdoor::Refusal;
use crate::model::SessionId;
use crate::record::{Look, Sight, Watcher};
use crate::store::Session;

use super::Client;
use crate::daemon::metrics;

/// How many sessions one client may watch at a time.
const MOST: usize = 16;

/// How many may watch one session.
const CROWD: usize = 256;

/// What one client watches.
#[derive(Default)]
pub(super) struct Watches {
    all: Vec<Watching>,
    /// There is something to look at.
    pub(super) news: Arc<Notify>,
    /// The policies that allowed them.
    epoch: u64,
}

struct Watching {
    session: Session,
    watcher: Watcher,
    /// For a session that goes on only while it is watched.
    _presence: Presence,
}

impl Watches {
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    fn find(&self, session: SessionId) -> Option<usize> {
        self.all.iter().position(|watching| watching.session.opening.id == session)
    }
}

impl Client<'_> {
    pub(super) async fn watch(&mut self, WatchSession { session: id }: WatchSession) -> Result<Value, Refusal> {
        let refuse = |sentence: String| Refusal::denied(sentence.clone(), sentence);
        if self.watches.find(id).is_some() {
            return Err(refuse(format!("You watch session {id} already.")));
        }
        if self.watches.all.len() >= MOST {
            return Err(refuse(format!("One connection can watch {MOST} sessions at a time.")));
        }
        let session = self.live_session(id).await?;
        self.rooms.enforcer.permit_watch(self.caller, &session).await?;
        let elsewhere = || {
            let node = &session.opening.node;
            refuse(format!("Session {id} does not run here but on {node}; connect to that node to watch it."))
        };
        let running = self.rooms.live.find(id).ok_or_else(elsewhere)?;
        let place = running.watchable();
        if place.watchers() >= CROWD {
            return Err(refuse(format!("Session {id} is watched by {CROWD} already.")));
        }
        let ((cols, rows), at_us) = place.now();
        let watcher = place.watch(&self.watches.news);
        let open = running.moderation().is_open();
        let presence = running.moderation().join(self.caller.principal());
        self.rooms.moderated(&running, open);
        running.remark(&self.rooms.tasks, format!("{} began to watch", self.caller.principal().id));
        metrics::watcher(true);
        self.watches.all.push(Watching { session, watcher, _presence: presence });
        self.watches.news.notify_one();
        Ok(json!({ "cols": cols, "rows": rows, "at_us": at_us }))
    }

    pub(super) fn unwatch(&mut self, WatchSession { session }: WatchSession) -> Result<Value, Refusal> {
        let Some(at) = self.watches.find(session) else {
            let sentence = format!("You do not watch session {session}.");
            return Err(Refusal::denied(sentence.clone(), sentence));
        };
        self.leave(at);
        Ok(Value::Null)
    }

    /// Leaves a session that runs on.
    fn leave(&mut self, at: usize) {
        let id = self.watches.all.get(at).map(|watching| watching.session.opening.id);
        let running = id.and_then(|id| self.rooms.live.find(id));
        let open = running.as_ref().is_some_and(|running| running.moderation().is_open());
        self.drop_out(at);
        if let Some(running) = running {
            self.rooms.moderated(&running, open);
            running.remark(&self.rooms.tasks, format!("{} watches no longer", self.caller.principal().id));
        }
    }

    fn drop_out(&mut self, at: usize) {
        let session = self.watches.all.remove(at).session.opening.id;
        metrics::watcher(false);
        self.rooms.note(Entry::WatchEnded { session, by: self.caller.principal().id.to_string() });
    }

    /// Leaves all of them: the client is gone.
    pub(super) fn leave_all(&mut self) {
        while !self.watches.all.is_empty() {
            self.leave(0);
        }
    }

    /// What there is to show now, one text for each session.
    pub(super) fn look(&mut self) -> Vec<String> {
        let (mut texts, mut over) = (Vec::new(), Vec::new());
        for (at, Watching { session, watcher, .. }) in self.watches.all.iter_mut().enumerate() {
            match watcher.look() {
                Look::Nothing => {}
                Look::Draw(draw) => {
                    let draws = Arc::clone(&self.rooms.draws);
                    self.rooms.tasks.spawn(async move {
                        // It fails only when the bastion stops.
                        if let Ok(_place) = draws.acquire().await {
                            drop(tokio::task::spawn_blocking(move || draw.run()).await);
                        }
                    });
                }
                Look::Show(shown) => {
                    if matches!(shown.last(), Some((_, Sight::End(_)))) {
                        over.push(at);
                    }
                    let id = session.opening.id;
                    texts.push(
                        shown
                            .into_iter()
                            .map(|(at_us, sight)| protocol::watched(&Watched { session: id, at_us, shown: told(sight) }))
                            .collect(),
                    );
                }
            }
        }
        for at in over.into_iter().rev() {
            self.drop_out(at);
        }
        texts
    }

    /// Ends what policy does not allow any more; gives what is said about it.
    pub(super) fn recheck(&mut self) -> String {
        let epoch = self.rooms.enforcer.policies().epoch();
        if std::mem::replace(&mut self.watches.epoch, epoch) == epoch {
            return String::new();
        }
        let mut said = String::new();
        for at in (0..self.watches.all.len()).rev() {
            let Some(Watching { session, .. }) = self.watches.all.get(at) else { continue };
            if !self.rooms.enforcer.may_watch(self.caller, session) {
                let shown = Shown::End(End { reason: "policy no longer lets you watch it".to_owned() });
                said.push_str(&protocol::watched(&Watched { session: session.opening.id, at_us: 0, shown }));
                self.leave(at);
            }
        }
        said
    }
}

fn told(sight: Sight) -> Shown {
    match sight {
        Sight::Screen(cols, rows, text) => Shown::Screen(Screen { cols, rows, text }),
        Sight::Output(text) => Shown::Output(text),
        Sight::Resize(cols, rows) => Shown::Resize([cols, rows]),
        // What a bastion's own gateway wrote is JSON.
        Sight::Operation(json) => Shown::Operation(serde_json::from_str(&json).unwrap_or(Value::String(json))),
        Sight::Note(text) => Shown::Note(text),
        Sight::End(reason) => Shown::End(End { reason }),
    }
}

//! Moderated sessions: policy lets them go on only while somebody of certain groups watches. Who watches is told here; the gateways
//! stand still while it is not enough. It decides nothing: who may watch, and what is moderated, is policy's.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::model::{Principal, PrincipalId, Printable};
use crate::store::Needed;

/// What is moderated in one session, and who watches it.
#[derive(Debug)]
pub struct Moderation {
    owner: PrincipalId,
    state: Mutex<State>,
    /// Whether enough people watch.
    open: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    required: Vec<Needed>,
    present: Vec<(u64, Principal)>,
    next: u64,
}

impl State {
    /// What is asked for is there: for each policy somebody of its groups, other than `owner`.
    fn is_enough(&self, owner: &PrincipalId) -> bool {
        let watches = |need: &Needed| self.present.iter().any(|(_, who)| !who.id.is_as(owner) && need.asks(who));
        self.required.iter().all(watches)
    }
}

/// Somebody who watches. They are gone when it is dropped.
#[derive(Debug)]
pub struct Presence {
    of: Arc<Moderation>,
    number: u64,
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.of.change(|state| state.present.retain(|(number, _)| *number != self.number));
    }
}

impl Moderation {
    /// Of a session of `owner`, whose own eyes do not count.
    pub(super) fn new(owner: PrincipalId) -> Self {
        Self { owner, state: Mutex::default(), open: watch::Sender::new(true) }
    }

    /// Of a session that nobody has to watch, for tests.
    #[cfg(test)]
    pub(crate) fn open() -> Self {
        Self::new("corp/nobody".parse().unwrap())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, act: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        act(&mut state);
        let open = state.is_enough(&self.owner);
        // Under the lock, so that two changes are told in their order.
        self.open.send_if_modified(|was| std::mem::replace(was, open) != open);
    }

    /// From now on the session is moderated as `needs` say, too; what a policy asked for before it was changed is no more.
    pub(super) fn require(&self, needs: Vec<Needed>) {
        self.change(|state| {
            for need in needs {
                state.required.retain(|known| known.policy != need.policy);
                state.required.push(need);
            }
        });
    }

    /// Whether `need` is kept here: the session stands still while it is not so.
    pub(super) fn keeps(&self, need: &Needed) -> bool {
        self.lock().required.contains(need)
    }

    /// Somebody watches from now on.
    #[must_use]
    pub fn join(self: &Arc<Self>, who: &Principal) -> Presence {
        let mut number = 0;
        self.change(|state| {
            state.next += 1;
            number = state.next;
            state.present.push((number, who.clone()));
        });
        Presence { of: Arc::clone(self), number }
    }

    /// Whether anything is moderated.
    #[must_use]
    pub fn is_asked_for(&self) -> bool {
        !self.lock().required.is_empty()
    }

    /// Whether the session may go on.
    #[must_use]
    pub fn is_open(&self) -> bool {
        *self.open.borrow()
    }

    /// Waits until it may go on.
    pub async fn opened(&self) {
        if self.is_open() {
            return;
        }
        let mut open = self.open.subscribe();
        // It cannot fail: the sender is `self`.
        let _ = open.wait_for(|open| *open).await;
    }

    /// Waits until it may not go on.
    pub async fn closed(&self) {
        let mut open = self.open.subscribe();
        // It cannot fail: the sender is `self`.
        let _ = open.wait_for(|open| !*open).await;
    }

    /// The groups somebody of which has to watch, of each policy that waits for somebody now.
    #[must_use]
    pub fn missing(&self) -> Vec<(String, Vec<String>)> {
        let state = self.lock();
        let watched = |need: &&Needed| state.present.iter().any(|(_, who)| !who.id.is_as(&self.owner) && need.asks(who));
        state.required.iter().filter(|need| !watched(need)).map(|need| (need.policy.clone(), need.groups.clone())).collect()
    }

    /// What the visitor reads while it waits.
    #[must_use]
    pub fn notice(&self) -> String {
        let state = self.lock();
        let mut text = String::new();
        for need in &state.required {
            let why = need.reason.as_deref().map(|reason| format!(": {}", Printable(reason))).unwrap_or_default();
            text.push_str(&format!(
                "bartizan: policy \"{}\" lets this go on only while somebody of {} watches{why}\n",
                need.policy,
                need.groups.join(" or ")
            ));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PrincipalKind;

    fn person(name: &str, groups: &[&str]) -> Principal {
        let groups = groups.iter().map(|group| group.parse().unwrap()).collect();
        Principal { kind: PrincipalKind::User, id: name.parse().unwrap(), groups }
    }

    fn need(policy: &str, group: &str) -> Needed {
        Needed {
            policy: policy.to_owned(),
            groups: vec![group.to_owned()],
            approvals: 1,
            valid_seconds: 60,
            whole_session: true,
            reason: None,
            signed: false,
            moderated: true,
        }
    }

    fn moderated() -> Arc<Moderation> {
        let moderation = Moderation::new("corp/bob".parse().unwrap());
        moderation.require(vec![need("four-eyes", "corp/admins")]);
        Arc::new(moderation)
    }

    #[test]
    fn a_session_is_open_while_somebody_of_the_group_other_than_its_owner_watches() {
        let moderation = moderated();
        assert!(!moderation.is_open() && moderation.keeps(&need("four-eyes", "corp/admins")));
        assert!(!moderation.keeps(&need("four-eyes", "corp/others")), "the policy was changed");
        let own = moderation.join(&person("corp/bob", &["corp/admins"]));
        assert!(!moderation.is_open(), "one's own eyes do not count");
        let other = moderation.join(&person("corp/carol", &["corp/developers"]));
        assert!(!moderation.is_open(), "nor do those of another group");
        let (first, second) =
            (moderation.join(&person("corp/alice", &["corp/admins"])), moderation.join(&person("corp/dora", &["corp/admins"])));
        assert!(moderation.is_open());
        drop(first);
        assert!(moderation.is_open(), "one of two is enough");
        drop(second);
        assert!(!moderation.is_open());
        drop((own, other));
    }

    #[test]
    fn each_policy_wants_somebody_of_its_own() {
        let moderation = moderated();
        moderation.require(vec![need("auditors-too", "corp/auditors"), need("four-eyes", "corp/admins")]);
        let alice = moderation.join(&person("corp/alice", &["corp/admins"]));
        assert_eq!(moderation.missing(), [("auditors-too".to_owned(), vec!["corp/auditors".to_owned()])]);
        let both = moderation.join(&person("corp/erik", &["corp/admins", "corp/auditors"]));
        assert!(moderation.is_open());
        drop(alice);
        assert!(moderation.is_open(), "one person may stand for both");
        moderation.require(vec![need("four-eyes", "corp/others")]);
        assert!(!moderation.is_open(), "the policy wants others by now");
        moderation.require(vec![need("four-eyes", "corp/admins")]);
        assert!(moderation.is_open());
        drop(both);
        assert!(!moderation.is_open());
    }

    #[tokio::test]
    async fn who_waits_hears_of_both() {
        let moderation = moderated();
        moderation.closed().await;
        let waiting = Arc::clone(&moderation);
        let waits = tokio::spawn(async move { waiting.opened().await });
        let alice = moderation.join(&person("corp/alice", &["corp/admins"]));
        waits.await.unwrap();
        drop(alice);
        moderation.closed().await;
    }
}

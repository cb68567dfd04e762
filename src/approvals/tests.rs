//! The broker on a real store and a real audit log.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::audit::AuditLog;
use crate::config;
use crate::frontdoor::Cause;
use crate::model::{Clock, FixedClock, Principal, PrincipalKind, SessionId};
use crate::store::{ApprovalFilter, ApprovalState, Needed, SqliteStore};

struct World {
    broker: Broker,
    clock: Arc<FixedClock>,
    store: SqliteStore,
    dir: tempfile::TempDir,
}

fn world(waiting: u32) -> World {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(FixedClock::at(jiff::Timestamp::from_second(1_800_000_000).unwrap()));
    let store = SqliteStore::open(&dir.path().join("state.db"), clock.now()).unwrap();
    let audit = Arc::new(AuditLog::open(dir.path(), "node", [7; 32], clock.now()).unwrap());
    let limits = config::Approvals { wait: Duration::from_secs(60), waiting, waiting_each: 3 };
    let broker = Broker::new(Arc::new(store.clone()), audit, clock.clone(), "node", limits, rand::random, Notifier::default());
    World { broker, clock, store, dir }
}

fn principal(name: &str, group: &str) -> Principal {
    Principal { kind: PrincipalKind::User, id: name.parse().unwrap(), groups: vec![group.parse().unwrap()] }
}

fn asking(approvals: u8, whole_session: bool) -> Asking {
    Asking {
        session: SessionId::new(1, 1),
        principal: principal("corp/alice", "corp/devs"),
        source: "192.0.2.7".parse().unwrap(),
        target: "web-1".parse().unwrap(),
        login: Some("deploy".parse().unwrap()),
        action: "ssh.exec".into(),
        operation: "exec refund 42".into(),
        outline: None,
        needs: vec![Needed {
            policy: "four-eyes".into(),
            groups: vec!["corp/leads".into()],
            approvals,
            valid_seconds: 900,
            whole_session,
            reason: None,
            signed: false,
            moderated: false,
        }],
        reason: None,
    }
}

fn yes_or_no(approve: bool) -> Said {
    Said { approve, reason: "because".into(), valid: None, signed: None }
}

fn lead(name: &str) -> (Principal, std::net::IpAddr) {
    (principal(name, "corp/leads"), "192.0.2.8".parse().unwrap())
}

impl World {
    async fn says(&self, name: &str, waiting: &Waiting, approve: bool) -> Result<crate::store::Approval, crate::frontdoor::Refusal> {
        let (by, source) = lead(name);
        self.broker.review((&by, source), waiting.id(), yes_or_no(approve)).await
    }

    async fn state(&self, id: crate::model::ApprovalId) -> ApprovalState {
        self.broker.find(id).await.unwrap().state
    }

    fn audited(&self) -> String {
        let files = walk(self.dir.path());
        files.iter().filter_map(|file| std::fs::read_to_string(file).ok()).filter(|text| text.contains("\"kind\"")).collect()
    }
}

fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let all = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    all.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[tokio::test]
async fn a_yes_wakes_the_one_who_waits_and_is_audited_first() {
    let world = world(10);
    let waiting = world.broker.ask(asking(1, false)).await.unwrap();
    assert!(waiting.notice(world.clock.now()).contains("corp/leads"));
    world.says("corp/bob", &waiting, true).await.unwrap();
    let grant = waiting.answered().await.unwrap();
    assert_eq!(grant.by(), ["corp/bob"]);
    let need = asking(1, false).needs.remove(0);
    assert!(grant.answers(&need) && !grant.answers(&Needed { policy: "another".into(), ..need.clone() }));
    assert!(!grant.answers_all(&need, world.clock.now()), "it was given for one operation");
    let log = world.audited();
    assert!(log.contains("approval.asked") && log.contains("approval.reviewed"), "{log}");
}

#[tokio::test]
async fn a_no_carries_its_reason_to_the_caller() {
    let world = world(10);
    let waiting = world.broker.ask(asking(1, false)).await.unwrap();
    world.says("corp/bob", &waiting, false).await.unwrap();
    let refusal = waiting.answered().await.unwrap_err();
    assert_eq!(refusal.cause, Cause::Denied);
    assert!(refusal.sentence.contains("corp/bob denied") && refusal.sentence.contains("because"), "{refusal}");
}

#[tokio::test]
async fn who_nobody_answers_is_refused_when_time_runs_out_and_not_before() {
    let world = world(10);
    let waiting = world.broker.ask(asking(1, false)).await.unwrap();
    let id = waiting.id();
    world.clock.advance(59);
    world.broker.tidy(world.clock.now()).await;
    assert_eq!(world.state(id).await, ApprovalState::Waiting);
    world.clock.advance(1);
    world.broker.tidy(world.clock.now()).await;
    let refusal = waiting.answered().await.unwrap_err();
    assert_eq!((refusal.cause, world.state(id).await), (Cause::Held, ApprovalState::Expired));
    let (by, source) = lead("corp/bob");
    assert!(world.broker.review((&by, source), id, yes_or_no(true)).await.is_err(), "too late");
}

#[tokio::test]
async fn who_goes_away_takes_their_request_with_them() {
    let world = world(10);
    let waiting = world.broker.ask(asking(1, false)).await.unwrap();
    let id = waiting.id();
    drop(waiting);
    world.broker.tidy(world.clock.now()).await;
    assert_eq!(world.state(id).await, ApprovalState::Withdrawn);
}

#[tokio::test]
async fn an_approval_for_the_session_answers_until_it_lapses() {
    let world = world(10);
    let waiting = world.broker.ask(asking(1, true)).await.unwrap();
    world.says("corp/bob", &waiting, true).await.unwrap();
    let grant = waiting.answered().await.unwrap();
    let need = asking(1, true).needs.remove(0);
    assert!(grant.answers_all(&need, world.clock.now()));
    world.clock.advance(900);
    assert!(!grant.answers_all(&need, world.clock.now()));
}

#[tokio::test]
async fn an_approval_answers_what_its_policy_asked_and_not_what_a_policy_of_that_name_asks_by_now() {
    let world = world(10);
    let waiting = world.broker.ask(asking(1, true)).await.unwrap();
    world.says("corp/bob", &waiting, true).await.unwrap();
    let grant = waiting.answered().await.unwrap();
    let need = asking(1, true).needs.remove(0);
    assert!(grant.answers(&need));
    for changed in [
        Needed { approvals: 2, ..need.clone() },
        Needed { groups: vec!["corp/others".into()], ..need.clone() },
        Needed { signed: true, ..need.clone() },
        Needed { moderated: true, ..need.clone() },
        Needed { valid_seconds: 60, ..need.clone() },
        Needed { whole_session: false, ..need.clone() },
    ] {
        assert!(!grant.answers(&changed) && !grant.answers_all(&changed, world.clock.now()), "{changed:?}");
    }
}

#[tokio::test]
async fn one_person_is_one_however_their_name_is_written() {
    let world = world(10);
    let waiting = world.broker.ask(asking(2, false)).await.unwrap();
    world.says("corp/Bob", &waiting, true).await.unwrap();
    assert!(world.says("corp/bob", &waiting, true).await.unwrap_err().sentence.contains("answered"));
    assert_eq!(world.state(waiting.id()).await, ApprovalState::Waiting);
}

#[tokio::test]
async fn what_was_taken_back_or_lapsed_is_nobodys_to_approve_any_more() {
    let world = world(10);
    for state in [ApprovalState::Withdrawn, ApprovalState::Revoked, ApprovalState::Expired] {
        let waiting = world.broker.ask(asking(1, false)).await.unwrap();
        world.broker.end(waiting.id(), state, "over".into(), None).await.unwrap();
        let late = world.says("corp/bob", &waiting, true).await.unwrap_err();
        assert!(late.sentence.contains(&state.to_string()), "{late}");
        assert_eq!(world.state(waiting.id()).await, state);
        assert!(waiting.answered().await.unwrap_err().sentence.contains("over") || state == ApprovalState::Expired);
    }
}

#[tokio::test]
async fn a_node_that_stops_ends_its_waits_and_lets_nobody_begin_one() {
    let world = world(10);
    let waiting = world.broker.ask(asking(1, false)).await.unwrap();
    let id = waiting.id();
    assert_eq!(world.broker.close().await, 1);
    assert!(waiting.answered().await.unwrap_err().sentence.contains("the bastion stopped"));
    assert_eq!(world.state(id).await, ApprovalState::Withdrawn);
    assert!(world.broker.ask(asking(1, false)).await.err().unwrap().sentence.contains("stopping"));
}

#[tokio::test]
async fn an_answer_at_the_deadline_comes_too_late_though_nobody_has_tidied_up() {
    let world = world(10);
    let waiting = world.broker.ask(asking(1, false)).await.unwrap();
    world.clock.advance(60);
    let late = world.says("corp/bob", &waiting, true).await.unwrap_err();
    assert!(late.sentence.contains("expired"), "{late}");
    assert_eq!(world.state(waiting.id()).await, ApprovalState::Waiting);
    world.broker.tidy(world.clock.now()).await;
    assert!(waiting.answered().await.is_err());
}

#[tokio::test]
async fn a_revoked_approval_names_the_session_that_uses_it_and_none_after() {
    let world = world(10);
    let waiting = world.broker.ask(asking(1, false)).await.unwrap();
    let id = waiting.id();
    world.says("corp/bob", &waiting, true).await.unwrap();
    let grant = waiting.answered().await.unwrap();
    assert!(world.broker.look().await.unwrap().is_empty());
    world.broker.end(id, ApprovalState::Revoked, "a mistake".into(), Some("corp/bob".into())).await.unwrap();
    let ended = world.broker.look().await.unwrap();
    assert_eq!(ended.len(), 1);
    assert!(ended[0].sentence.contains("a mistake"), "{ended:?}");
    drop(grant);
    assert!(world.broker.look().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_answer_given_on_another_node_wakes_who_waits_here() {
    let world = world(10);
    let waiting = world.broker.ask(asking(1, false)).await.unwrap();
    let (by, _) = lead("corp/bob");
    let review =
        crate::store::Review { by, approve: true, reason: String::new(), valid_seconds: None, at: world.clock.now(), signed: None };
    crate::store::Store::review_approval(&world.store, waiting.id(), review).await.unwrap();
    world.broker.look().await.unwrap();
    assert_eq!(waiting.answered().await.unwrap().by(), ["corp/bob"]);
}

#[tokio::test]
async fn two_people_are_two_different_people() {
    let world = world(10);
    let waiting = world.broker.ask(asking(2, false)).await.unwrap();
    world.says("corp/bob", &waiting, true).await.unwrap();
    assert!(world.says("corp/bob", &waiting, true).await.is_err());
    assert_eq!(world.state(waiting.id()).await, ApprovalState::Waiting);
    world.says("corp/carol", &waiting, true).await.unwrap();
    assert_eq!(waiting.answered().await.unwrap().by().len(), 2);
}

#[tokio::test]
async fn no_more_wait_than_may() {
    let world = world(2);
    let one = world.broker.ask(asking(1, false)).await.unwrap();
    let _two = world.broker.ask(asking(1, false)).await.unwrap();
    let refusal = world.broker.ask(asking(1, false)).await.map(drop).unwrap_err();
    assert_eq!(refusal.cause, Cause::Unavailable);
    drop(one);
    world.broker.ask(asking(1, false)).await.map(drop).unwrap();
}

#[tokio::test]
async fn what_an_earlier_run_left_waiting_is_withdrawn() {
    let world = world(10);
    let waiting = world.broker.ask(asking(1, false)).await.unwrap();
    world.broker.recover().await.unwrap();
    assert_eq!(world.state(waiting.id()).await, ApprovalState::Withdrawn);
    assert!(world.broker.list(ApprovalFilter { waiting: true, ..ApprovalFilter::default() }).await.unwrap().is_empty());
    assert!(waiting.answered().await.unwrap_err().sentence.contains("restarted"));
}

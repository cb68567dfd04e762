//! What every store must do, whatever is behind it. Each test gets a function that opens one more handle to one deployment,
//! empty at first, as another process would.

use jiff::Timestamp;

use super::*;
use crate::model::{AuthorityKind, Principal, PrincipalKind, TargetKind};

/// Opens one more handle.
pub(super) type Open<'a> = &'a dyn Fn() -> Box<dyn Store>;

/// Makes a test of each of the suite's functions. `$with` runs one with an `Open` to a new deployment.
macro_rules! suite {
    ($with:path) => {
        suite!(@ $with:
            serials_are_dense_and_never_given_twice
            certificates_are_found_by_serial_holder_and_moment
            a_revoked_certificate_is_revoked_for_its_authority_only
            a_revoked_key_covers_the_certified_key_and_the_authority
            what_a_principal_was_issued_before_a_moment_is_revoked_and_later_is_not
            locks_hold_until_they_are_removed_or_run_out
            session_numbers_are_dense_and_tokens_grow
            a_session_is_closed_once_and_only_by_its_holder
            sessions_are_listed_newest_first_and_filtered
            orphans_of_a_node_are_closed_and_their_holders_fenced_off
            an_order_is_given_once_and_to_the_node_of_its_session
            an_order_to_a_session_that_is_not_running_is_refused
            the_generation_changes_with_locks_revocations_orders_and_approvals_only
            an_approval_comes_back_as_it_was_asked_and_reviewed
            one_no_ends_a_wait_and_nobody_answers_after_it
            each_person_answers_once_and_a_quorum_is_of_different_people
            every_need_is_answered_before_it_may_go_on
            an_approval_is_ended_only_from_where_it_stands
            approvals_are_listed_newest_first_and_filtered
            a_frozen_session_shows_it_until_it_goes_on_or_ends
            only_a_frozen_session_is_ordered_to_resume
            a_sealed_secret_is_replaced_listed_by_name_and_removed_once
            what_one_process_writes_another_sees_at_once
            text_comes_back_as_it_went_in
        );
    };
    (@ $with:path: $($name:ident)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                $with(async |open| crate::store::conformance::$name(open).await).await;
            }
        )*
    };
}
pub(super) use suite;

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

pub(super) fn id(n: u64) -> SessionId {
    SessionId::new(1_800_000_000_000 + n, u128::from(n))
}

pub(super) fn certificate(who: &str) -> NewCertificate {
    NewCertificate {
        authority: AuthorityKind::User,
        key_id: format!("{who} by device"),
        principal: Some(who.parse().unwrap()),
        kind: Some(PrincipalKind::User),
        key_fingerprint: "SHA256:key".into(),
        valid_after: at(0),
        valid_before: at(900),
        issued_at: at(1),
        ca_fingerprint: "SHA256:ca".into(),
        source_address: Some("203.0.113.0/24".into()),
        session: Some(id(7)),
    }
}

pub(super) fn opening(n: u64, who: &str, target: &str) -> Opening {
    Opening {
        id: id(n),
        principal: Principal { kind: PrincipalKind::User, id: who.parse().unwrap(), groups: vec!["corp/ops".parse().unwrap()] },
        target: target.parse().unwrap(),
        target_kind: TargetKind::Ssh,
        login: Some("deploy".parse().unwrap()),
        wish: "shell".into(),
        source: "203.0.113.9".parse().unwrap(),
        certificate: Some(3),
        node: "one".into(),
        started_at: at(i64::try_from(n).unwrap()),
        recording: format!("2027/01/15/{}", id(n)),
        policies: vec!["ops-connect".into(), "ops-shell".into()],
    }
}

fn end(second: i64) -> SessionEnd {
    SessionEnd { at: at(second), reason: "the user closed it".into(), exit_status: Some(130) }
}

fn shown(serial: u64) -> Shown {
    Shown {
        authority: AuthorityKind::User,
        serial,
        key_fingerprint: "SHA256:key".into(),
        ca_fingerprint: "SHA256:ca".into(),
        principal: Some("corp/alice".parse().unwrap()),
        issued_at: at(100),
    }
}

fn revocation(what: Revoked) -> NewRevocation {
    NewRevocation { what, reason: "lost laptop".into(), by: "local:root".into(), at: at(200) }
}

fn lock(subject: LockSubject, expires_at: Option<Timestamp>) -> NewLock {
    NewLock { subject, reason: "incident 7".into(), by: "local:root".into(), created_at: at(0), expires_at }
}

pub(super) async fn serials_are_dense_and_never_given_twice(open: Open<'_>) {
    let (a, b) = (open(), open());
    let half = futures_util::future::join_all((0..100).map(|_| a.issue(certificate("corp/alice"))));
    let other = futures_util::future::join_all((0..100).map(|_| b.issue(certificate("corp/bob"))));
    let (half, other) = futures_util::future::join(half, other).await;
    let mut serials: Vec<u64> = half.into_iter().chain(other).map(Result::unwrap).collect();
    serials.sort_unstable();
    assert_eq!(serials, (1..=200).collect::<Vec<u64>>());
    drop((a, b));
    assert_eq!(open().issue(certificate("corp/alice")).await.unwrap(), 201);
}

pub(super) async fn certificates_are_found_by_serial_holder_and_moment(open: Open<'_>) {
    let store = open();
    let alice = certificate("corp/alice");
    let fingerprint = alice.key_fingerprint.clone();
    let host = NewCertificate {
        authority: AuthorityKind::Host,
        principal: None,
        kind: None,
        valid_before: at(99_999),
        session: None,
        ..certificate("corp/x")
    };
    assert_eq!(store.issue(alice.clone()).await.unwrap(), 1);
    assert_eq!(store.issue(host.clone()).await.unwrap(), 2);
    assert_eq!(store.certificate(1).await.unwrap(), Some(Certificate { serial: 1, certificate: alice }));
    assert_eq!(store.certificate(2).await.unwrap().unwrap().certificate, host);
    assert_eq!(store.certificate(3).await.unwrap(), None);
    assert_eq!(store.certificate(u64::MAX).await.unwrap(), None);
    let serials = async |filter| store.certificates(filter).await.unwrap().iter().map(|c| c.serial).collect::<Vec<_>>();
    let all = CertificateFilter::default;
    assert_eq!(serials(all()).await, [2, 1]);
    assert_eq!(serials(CertificateFilter { limit: 1, ..all() }).await, [2]);
    assert_eq!(serials(CertificateFilter { principal: Some("corp/alice".parse().unwrap()), ..all() }).await, [1]);
    let key = |text: &str| CertificateFilter { key_fingerprint: Some(text.to_owned()), ..all() };
    assert_eq!(serials(key(&fingerprint)).await, [2, 1]);
    assert!(serials(key("SHA256:nobody's")).await.is_empty());
    assert_eq!(serials(CertificateFilter { authority: Some(AuthorityKind::Host), ..all() }).await, [2]);
    assert_eq!(serials(CertificateFilter { valid_at: Some(at(899)), ..all() }).await, [2, 1]);
    assert_eq!(serials(CertificateFilter { valid_at: Some(at(900)), ..all() }).await, [2]);
}

pub(super) async fn a_revoked_certificate_is_revoked_for_its_authority_only(open: Open<'_>) {
    let store = open();
    assert_eq!(store.is_revoked(shown(5)).await.unwrap(), None);
    let new = revocation(Revoked::Certificate { authority: AuthorityKind::User, serial: 5 });
    let id = store.revoke(new.clone()).await.unwrap();
    let found = Revocation { id, revocation: new };
    assert_eq!(store.is_revoked(shown(5)).await.unwrap(), Some(found.clone()));
    assert_eq!(store.is_revoked(shown(6)).await.unwrap(), None);
    assert_eq!(store.is_revoked(Shown { authority: AuthorityKind::Host, ..shown(5) }).await.unwrap(), None);
    assert_eq!(store.is_revoked(shown(u64::MAX)).await.unwrap(), None);
    assert_eq!(store.revocations().await.unwrap(), [found]);
}

pub(super) async fn a_revoked_key_covers_the_certified_key_and_the_authority(open: Open<'_>) {
    let store = open();
    store.revoke(revocation(Revoked::Key("SHA256:other".into()))).await.unwrap();
    assert_eq!(store.is_revoked(shown(1)).await.unwrap(), None);
    let by_key = Shown { key_fingerprint: "SHA256:other".into(), ..shown(1) };
    let by_ca = Shown { ca_fingerprint: "SHA256:other".into(), ..shown(1) };
    assert!(store.is_revoked(by_key).await.unwrap().is_some());
    assert!(store.is_revoked(by_ca).await.unwrap().is_some());
}

pub(super) async fn what_a_principal_was_issued_before_a_moment_is_revoked_and_later_is_not(open: Open<'_>) {
    let store = open();
    let what = Revoked::IssuedBefore { principal: "corp/alice".parse().unwrap(), before: at(101) };
    let id = store.revoke(revocation(what.clone())).await.unwrap();
    assert_eq!(store.is_revoked(shown(1)).await.unwrap(), Some(Revocation { id, revocation: revocation(what) }));
    assert_eq!(store.is_revoked(Shown { issued_at: at(101), ..shown(1) }).await.unwrap(), None);
    assert_eq!(store.is_revoked(Shown { principal: Some("corp/bob".parse().unwrap()), ..shown(1) }).await.unwrap(), None);
    assert_eq!(store.is_revoked(Shown { principal: None, ..shown(1) }).await.unwrap(), None);
}

pub(super) async fn locks_hold_until_they_are_removed_or_run_out(open: Open<'_>) {
    let store = open();
    let subjects = [
        LockSubject::User("corp/alice".parse().unwrap()),
        LockSubject::Service("ci/deploy".parse().unwrap()),
        LockSubject::Group("corp/ops".parse().unwrap()),
        LockSubject::Target("web-1".parse().unwrap()),
        LockSubject::Certificate(9),
        LockSubject::Source("2001:db8::/32".parse().unwrap()),
    ];
    for (n, subject) in (1..).zip(&subjects) {
        assert_eq!(store.add_lock(lock(subject.clone(), None)).await.unwrap(), n);
    }
    let brief = lock(LockSubject::Certificate(10), Some(at(60)));
    assert_eq!(store.add_lock(brief.clone()).await.unwrap(), 7);
    let held = store.locks(at(59)).await.unwrap();
    assert_eq!(held.iter().take(6).map(|l| &l.lock.subject).collect::<Vec<_>>(), subjects.iter().collect::<Vec<_>>());
    assert_eq!(held.last(), Some(&Lock { id: 7, lock: brief.clone() }));
    assert!(held.iter().all(|lock| lock.holds(at(59))));
    assert_eq!(store.locks(at(60)).await.unwrap().len(), 6);
    assert_eq!(store.remove_lock(7).await.unwrap().lock, brief);
    assert_eq!(store.remove_lock(7).await, Err(StoreError::NotFound("lock 7".into())));
    assert_eq!(store.add_lock(lock(LockSubject::Certificate(11), None)).await.unwrap(), 8, "an id was given twice");
}

pub(super) async fn session_numbers_are_dense_and_tokens_grow(open: Open<'_>) {
    let store = open();
    let first = store.open_session(opening(1, "corp/alice", "web-1")).await.unwrap();
    assert_eq!(store.open_session(opening(1, "corp/bob", "web-2")).await, Err(StoreError::Duplicate(id(1))));
    let second = store.open_session(opening(2, "corp/bob", "web-2")).await.unwrap();
    assert_eq!((first.number, second.number), (1, 2));
    assert!(second.token > first.token);
    let found = store.session(id(1)).await.unwrap().unwrap();
    assert_eq!(found, Session { opening: opening(1, "corp/alice", "web-1"), lease: first, frozen: None, end: None });
    assert_eq!(store.session(id(3)).await.unwrap(), None);
}

pub(super) async fn a_session_is_closed_once_and_only_by_its_holder(open: Open<'_>) {
    let store = open();
    let lease = store.open_session(opening(1, "corp/alice", "web-1")).await.unwrap();
    assert_eq!(store.close_session(id(2), lease.token, end(9)).await, Err(StoreError::NotFound(format!("session {}", id(2)))));
    assert_eq!(store.close_session(id(1), lease.token + 1, end(9)).await, Err(StoreError::Fenced(id(1))));
    assert!(store.session(id(1)).await.unwrap().unwrap().is_live());
    store.close_session(id(1), lease.token, end(9)).await.unwrap();
    assert_eq!(store.close_session(id(1), lease.token, end(10)).await, Err(StoreError::Ended(id(1))));
    assert_eq!(store.session(id(1)).await.unwrap().unwrap().end, Some(end(9)));
}

pub(super) async fn sessions_are_listed_newest_first_and_filtered(open: Open<'_>) {
    let store = open();
    let first = store.open_session(opening(1, "corp/alice", "web-1")).await.unwrap();
    store.open_session(opening(2, "corp/bob", "web-1")).await.unwrap();
    store.open_session(Opening { node: "two".into(), ..opening(3, "corp/alice", "web-2") }).await.unwrap();
    store.close_session(id(1), first.token, end(50)).await.unwrap();
    let numbers = async |filter| store.sessions(filter).await.unwrap().iter().map(|s| s.lease.number).collect::<Vec<_>>();
    let all = SessionFilter::default;
    assert_eq!(numbers(all()).await, [3, 2, 1]);
    assert_eq!(numbers(SessionFilter { limit: 2, ..all() }).await, [3, 2]);
    assert_eq!(numbers(SessionFilter { live: true, ..all() }).await, [3, 2]);
    assert_eq!(numbers(SessionFilter { principal: Some("corp/alice".parse().unwrap()), ..all() }).await, [3, 1]);
    assert_eq!(numbers(SessionFilter { target: Some("web-1".parse().unwrap()), ..all() }).await, [2, 1]);
    assert_eq!(numbers(SessionFilter { node: Some("two".into()), ..all() }).await, [3]);
    assert_eq!(numbers(SessionFilter { since: Some(at(50)), ..all() }).await, [3, 2, 1]);
    assert_eq!(numbers(SessionFilter { since: Some(at(51)), ..all() }).await, [3, 2]);
}

pub(super) async fn orphans_of_a_node_are_closed_and_their_holders_fenced_off(open: Open<'_>) {
    let (dead, started) = (open(), open());
    let lease = dead.open_session(opening(1, "corp/alice", "web-1")).await.unwrap();
    let closed = dead.open_session(opening(2, "corp/alice", "web-1")).await.unwrap();
    dead.close_session(id(2), closed.token, end(5)).await.unwrap();
    dead.open_session(Opening { node: "two".into(), ..opening(3, "corp/bob", "web-1") }).await.unwrap();
    dead.open_session(opening(4, "corp/bob", "web-1")).await.unwrap();
    assert_eq!(started.close_orphans("one", at(60), "the server was killed").await.unwrap(), [id(1), id(4)]);
    assert_eq!(started.close_orphans("one", at(61), "again").await.unwrap(), []);
    assert_eq!(dead.close_session(id(1), lease.token, end(70)).await, Err(StoreError::Fenced(id(1))));
    let found = started.session(id(1)).await.unwrap().unwrap();
    assert_eq!(found.end, Some(SessionEnd { at: at(60), reason: "the server was killed".into(), exit_status: None }));
    assert!(started.session(id(3)).await.unwrap().unwrap().is_live());
    assert_eq!(started.session(id(2)).await.unwrap().unwrap().end, Some(end(5)));
}

pub(super) fn order(n: u64) -> NewOrder {
    NewOrder { kind: OrderKind::End, session: id(n), by: "local:root".into(), reason: "maintenance".into(), at: at(7) }
}

pub(super) async fn an_order_is_given_once_and_to_the_node_of_its_session(open: Open<'_>) {
    let (server, operator) = (open(), open());
    server.open_session(opening(1, "corp/alice", "web-1")).await.unwrap();
    server.open_session(Opening { node: "two".into(), ..opening(2, "corp/bob", "web-1") }).await.unwrap();
    for n in [1, 2, 1] {
        operator.give_order(order(n)).await.unwrap();
    }
    assert_eq!(server.take_orders("one", at(8)).await.unwrap(), [Order { id: 1, order: order(1) }, Order { id: 3, order: order(1) }]);
    assert_eq!(server.take_orders("one", at(8)).await.unwrap(), []);
    assert_eq!(server.take_orders("two", at(8)).await.unwrap(), [Order { id: 2, order: order(2) }]);
}

pub(super) async fn an_order_to_a_session_that_is_not_running_is_refused(open: Open<'_>) {
    let store = open();
    let lease = store.open_session(opening(1, "corp/alice", "web-1")).await.unwrap();
    store.close_session(id(1), lease.token, end(5)).await.unwrap();
    assert_eq!(store.give_order(order(1)).await, Err(StoreError::Ended(id(1))));
    assert_eq!(store.give_order(order(2)).await, Err(StoreError::NotFound(format!("session {}", id(2)))));
    assert_eq!(store.take_orders("one", at(8)).await.unwrap(), []);
}

pub(super) async fn a_frozen_session_shows_it_until_it_goes_on_or_ends(open: Open<'_>) {
    let (server, operator) = (open(), open());
    let frozen = || Some(Frozen { at: at(20), guard_rail: "no-keys".into() });
    let shown = async |n| operator.session(id(n)).await.unwrap().unwrap().frozen;
    let mut tokens = Vec::new();
    for n in [1, 2, 3] {
        tokens.push(server.open_session(opening(n, "corp/alice", "web-1")).await.unwrap().token);
        assert_eq!(shown(n).await, None);
        server.freeze_session(id(n), tokens[tokens.len() - 1], frozen()).await.unwrap();
        assert_eq!(shown(n).await, frozen());
    }
    assert_eq!(operator.sessions(SessionFilter::default()).await.unwrap()[2].frozen, frozen());
    server.freeze_session(id(1), tokens[0], None).await.unwrap();
    server.close_session(id(2), tokens[1], end(30)).await.unwrap();
    server.close_orphans("one", at(40), "the server was killed").await.unwrap();
    for n in [1, 2, 3] {
        assert_eq!(shown(n).await, None, "{n}");
    }
    assert_eq!(server.freeze_session(id(2), tokens[1], frozen()).await, Err(StoreError::Ended(id(2))));
    assert_eq!(server.freeze_session(id(3), tokens[2], frozen()).await, Err(StoreError::Fenced(id(3))));
    assert!(matches!(server.freeze_session(id(4), 1, frozen()).await, Err(StoreError::NotFound(_))));
}

pub(super) async fn only_a_frozen_session_is_ordered_to_resume(open: Open<'_>) {
    let (server, operator) = (open(), open());
    let lease = server.open_session(opening(1, "corp/alice", "web-1")).await.unwrap();
    let resume = || NewOrder { kind: OrderKind::Resume, ..order(1) };
    assert_eq!(operator.give_order(resume()).await, Err(StoreError::NotFrozen(id(1))));
    let frozen = Frozen { at: at(6), guard_rail: "no-keys".into() };
    server.freeze_session(id(1), lease.token, Some(frozen)).await.unwrap();
    assert_eq!(operator.give_order(resume()).await, Ok(1));
    assert_eq!(server.take_orders("one", at(8)).await.unwrap(), [Order { id: 1, order: resume() }]);
    server.close_session(id(1), lease.token, end(9)).await.unwrap();
    assert_eq!(operator.give_order(resume()).await, Err(StoreError::Ended(id(1))));
}

pub(super) async fn the_generation_changes_with_locks_revocations_orders_and_approvals_only(open: Open<'_>) {
    let (writer, watcher) = (open(), open());
    let mut seen = watcher.generation().await.unwrap();
    let mut changed = async |expected: bool, what: &str| {
        let now = watcher.generation().await.unwrap();
        assert_eq!(now != seen, expected, "{what}");
        seen = now;
    };
    writer.issue(certificate("corp/alice")).await.unwrap();
    let lease = writer.open_session(opening(1, "corp/alice", "web-1")).await.unwrap();
    changed(false, "a certificate and a session").await;
    writer.open_approval(held(1, vec![need("p", "corp/leads", 1)])).await.unwrap();
    changed(true, "an approval asked for").await;
    writer.review_approval(approval_id(1), review("corp/bob", "corp/leads", true)).await.unwrap();
    changed(true, "an approval reviewed").await;
    writer.add_lock(lock(LockSubject::Certificate(1), None)).await.unwrap();
    changed(true, "a lock added").await;
    writer.remove_lock(1).await.unwrap();
    changed(true, "a lock removed").await;
    writer.remove_lock(1).await.unwrap_err();
    changed(false, "a lock that is not there").await;
    writer.revoke(revocation(Revoked::Key("SHA256:x".into()))).await.unwrap();
    changed(true, "a revocation").await;
    writer.give_order(order(1)).await.unwrap();
    changed(true, "an order").await;
    writer.take_orders("one", at(1)).await.unwrap();
    writer.close_session(id(1), lease.token, end(5)).await.unwrap();
    changed(false, "orders taken and a session closed").await;
}

pub(super) async fn a_sealed_secret_is_replaced_listed_by_name_and_removed_once(open: Open<'_>) {
    let (store, other) = (open(), open());
    let sealed = |name: &str, bytes: &[u8]| Sealed {
        name: name.to_owned(),
        key: "k".to_owned(),
        bytes: bytes.to_vec(),
        by: "local:root".to_owned(),
        at: at(1),
    };
    for (name, bytes) in [("orders", b"first".as_slice()), ("billing", b"\0\xff"), ("orders", b"second")] {
        store.put_sealed(sealed(name, bytes)).await.unwrap();
    }
    assert_eq!(other.all_sealed().await.unwrap(), [sealed("billing", b"\0\xff"), sealed("orders", b"second")]);
    assert_eq!(other.sealed("orders").await.unwrap(), Some(sealed("orders", b"second")));
    other.remove_sealed("orders").await.unwrap();
    assert_eq!(store.sealed("orders").await.unwrap(), None);
    assert!(matches!(store.remove_sealed("orders").await, Err(StoreError::NotFound(_))));
}

pub(super) async fn what_one_process_writes_another_sees_at_once(open: Open<'_>) {
    let (one, two) = (open(), open());
    for n in 1..=20 {
        let (writer, reader) = if n % 2 == 0 { (&one, &two) } else { (&two, &one) };
        assert_eq!(writer.open_session(opening(n, "corp/alice", "web-1")).await.unwrap().number, n);
        assert!(reader.session(id(n)).await.unwrap().is_some_and(|s| s.is_live()));
    }
}

pub(super) async fn text_comes_back_as_it_went_in(open: Open<'_>) {
    let store = open();
    let nasty = "'; DROP TABLE sessions; --\u{1b}]0;x\u{7}\n\0 \u{202e}ü \u{1f409}";
    let new = Opening {
        wish: nasty.into(),
        login: None,
        certificate: None,
        policies: vec![nasty.into()],
        source: "2001:db8::7".parse().unwrap(),
        ..opening(1, "corp/älice", "web-1")
    };
    store.open_session(new.clone()).await.unwrap();
    assert_eq!(store.session(id(1)).await.unwrap().unwrap().opening, new);
}

fn approval_id(n: u64) -> crate::model::ApprovalId {
    crate::model::ApprovalId::new(1_800_000_000_000 + n, u128::from(n))
}

fn need(policy: &str, group: &str, approvals: u8) -> Needed {
    Needed {
        policy: policy.into(),
        groups: vec![group.into()],
        approvals,
        valid_seconds: 900,
        whole_session: false,
        reason: Some("four eyes".into()),
        signed: false,
        moderated: false,
    }
}

fn outline() -> Outline {
    let table = TableOutline { table: "public.orders".into(), does: vec!["update".into(), "read".into()], columns: vec!["note".into()] };
    let (text, summary) = ("UPDATE orders SET note = '\u{1b}[2J'".into(), "sets note in public.orders".into());
    let statement = StatementOutline { text, statement: "update".into(), summary, tables: vec![table], estimated_rows: Some(7) };
    Outline::Sql { statements: vec![statement], left_out: Some(3), in_transaction: true }
}

fn held(n: u64, needs: Vec<Needed>) -> NewApproval {
    NewApproval {
        id: approval_id(n),
        session: id(n),
        node: "one".into(),
        principal: Principal { kind: PrincipalKind::User, id: "corp/alice".parse().unwrap(), groups: vec!["corp/devs".parse().unwrap()] },
        target: "web-1".parse().unwrap(),
        login: Some("deploy".parse().unwrap()),
        action: "ssh.exec".into(),
        operation: "exec rm -rf '/srv/\u{1b}[2J x'".into(),
        outline: (n % 2 == 1).then(outline),
        digest: "00ff".into(),
        needs,
        reason: Some("ticket 42".into()),
        source: "192.0.2.7".parse().unwrap(),
        asked_at: at(0),
        deadline: at(600),
    }
}

fn review(who: &str, group: &str, approve: bool) -> Review {
    let by = Principal { kind: PrincipalKind::User, id: who.parse().unwrap(), groups: vec![group.parse().unwrap()] };
    Review { by, approve, reason: "fine".into(), valid_seconds: Some(60), at: at(5), signed: None }
}

pub(super) async fn an_approval_comes_back_as_it_was_asked_and_reviewed(open: Open<'_>) {
    let (one, two) = (open(), open());
    one.open_approval(held(1, vec![need("p", "corp/leads", 1)])).await.unwrap();
    assert_eq!(two.approval(approval_id(1)).await.unwrap(), Some(Approval::new(held(1, vec![need("p", "corp/leads", 1)]))));
    let settled = two.review_approval(approval_id(1), review("corp/bob", "corp/leads", true)).await.unwrap();
    assert_eq!((settled.state, settled.until), (ApprovalState::Approved, Some(at(65))), "for the shorter time that was granted");
    assert_eq!(one.approval(approval_id(1)).await.unwrap(), Some(settled));
    assert_eq!(one.approval(approval_id(2)).await.unwrap(), None);
}

pub(super) async fn one_no_ends_a_wait_and_nobody_answers_after_it(open: Open<'_>) {
    let store = open();
    store.open_approval(held(1, vec![need("p", "corp/leads", 2)])).await.unwrap();
    store.review_approval(approval_id(1), review("corp/bob", "corp/leads", true)).await.unwrap();
    let settled = store.review_approval(approval_id(1), review("corp/carol", "corp/leads", false)).await.unwrap();
    assert_eq!((settled.state, settled.until), (ApprovalState::Denied, None));
    let late = store.review_approval(approval_id(1), review("corp/dan", "corp/leads", true)).await;
    assert_eq!(late, Err(StoreError::Settled(approval_id(1), ApprovalState::Denied)));
    let none = store.review_approval(approval_id(9), review("corp/dan", "corp/leads", true)).await;
    assert!(matches!(none, Err(StoreError::NotFound(_))));
}

pub(super) async fn each_person_answers_once_and_a_quorum_is_of_different_people(open: Open<'_>) {
    let store = open();
    store.open_approval(held(1, vec![need("p", "corp/leads", 2)])).await.unwrap();
    let waits = store.review_approval(approval_id(1), review("corp/bob", "corp/leads", true)).await.unwrap();
    assert_eq!(waits.state, ApprovalState::Waiting);
    let again = store.review_approval(approval_id(1), review("corp/bob", "corp/leads", true)).await;
    assert_eq!(again, Err(StoreError::Reviewed(approval_id(1))));
    let stranger = store.review_approval(approval_id(1), review("corp/eve", "corp/others", true)).await.unwrap();
    assert_eq!(stranger.state, ApprovalState::Waiting, "somebody outside the group does not count");
    let settled = store.review_approval(approval_id(1), review("corp/carol", "corp/leads", true)).await.unwrap();
    assert_eq!(settled.state, ApprovalState::Approved);
}

pub(super) async fn every_need_is_answered_before_it_may_go_on(open: Open<'_>) {
    let store = open();
    store.open_approval(held(1, vec![need("p", "corp/leads", 1), need("q", "corp/security", 1)])).await.unwrap();
    let waits = store.review_approval(approval_id(1), review("corp/bob", "corp/leads", true)).await.unwrap();
    assert_eq!(waits.state, ApprovalState::Waiting);
    let settled = store.review_approval(approval_id(1), review("corp/sam", "corp/security", true)).await.unwrap();
    assert_eq!(settled.state, ApprovalState::Approved);
}

pub(super) async fn an_approval_is_ended_only_from_where_it_stands(open: Open<'_>) {
    let store = open();
    let end = |state| ApprovalEnd { state, reason: "so".into(), at: at(9) };
    for n in 1..=3 {
        store.open_approval(held(n, vec![need("p", "corp/leads", 1)])).await.unwrap();
    }
    let expired = store.end_approval(approval_id(1), end(ApprovalState::Expired)).await.unwrap();
    assert_eq!((expired.state, expired.end_reason.as_deref(), expired.ended_at), (ApprovalState::Expired, Some("so"), Some(at(9))));
    store.review_approval(approval_id(2), review("corp/bob", "corp/leads", true)).await.unwrap();
    let refused = store.end_approval(approval_id(2), end(ApprovalState::Withdrawn)).await;
    assert_eq!(refused, Err(StoreError::Settled(approval_id(2), ApprovalState::Approved)));
    assert_eq!(store.end_approval(approval_id(2), end(ApprovalState::Revoked)).await.unwrap().state, ApprovalState::Revoked);
    for impossible in [ApprovalState::Waiting, ApprovalState::Approved, ApprovalState::Denied] {
        assert!(store.end_approval(approval_id(3), end(impossible)).await.is_err(), "{impossible}");
    }
}

pub(super) async fn approvals_are_listed_newest_first_and_filtered(open: Open<'_>) {
    let store = open();
    for n in 1..=3 {
        store.open_approval(held(n, vec![need("p", "corp/leads", 1)])).await.unwrap();
    }
    store.review_approval(approval_id(2), review("corp/bob", "corp/leads", true)).await.unwrap();
    let ids = async |filter| store.approvals(filter).await.unwrap().into_iter().map(|a| a.asked.id).collect::<Vec<_>>();
    assert_eq!(ids(ApprovalFilter::default()).await, [approval_id(3), approval_id(2), approval_id(1)]);
    assert_eq!(ids(ApprovalFilter { waiting: true, ..ApprovalFilter::default() }).await, [approval_id(3), approval_id(1)]);
    assert_eq!(ids(ApprovalFilter { limit: 1, ..ApprovalFilter::default() }).await, [approval_id(3)]);
    let others = ApprovalFilter { principal: Some("corp/bob".parse().unwrap()), ..ApprovalFilter::default() };
    assert!(ids(others).await.is_empty());
    assert!(ids(ApprovalFilter { node: Some("two".into()), ..ApprovalFilter::default() }).await.is_empty());
}

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::ask::allows_variable;
use super::*;
use crate::config::Limits;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[test]
fn a_user_name_leads_to_the_bastion_a_target_or_nowhere() {
    assert_eq!(Destination::read("alice"), Destination::Bastion);
    for name in ["deploy@web-1", "deploy%web-1"] {
        assert_eq!(Destination::read(name), Destination::Target("deploy".parse().unwrap(), "web-1".parse().unwrap()));
    }
    for name in ["@web-1", "deploy@", "deploy@../x", "-l@web-1", "a b@web-1", "deploy@web\u{1b}[2J"] {
        let Destination::Nowhere(sentence) = Destination::read(name) else { panic!("{name} leads somewhere") };
        assert!(!sentence.chars().any(char::is_control), "{sentence:?}");
    }
}

#[test]
fn only_harmless_variables_reach_a_target() {
    for (name, value) in [("LANG", "C.UTF-8"), ("LC_ALL", "de_DE"), ("NO_COLOR", "1"), ("COLORTERM", "truecolor")] {
        assert!(allows_variable(name, value), "{name}");
    }
    for (name, value) in [("LD_PRELOAD", "x"), ("LC_", "x"), ("LC_x;id", "x"), ("PATH", "/tmp"), ("LANG", "\u{1b}[2J"), ("BASH_ENV", "x")] {
        assert!(!allows_variable(name, value), "{name}");
    }
}

#[test]
fn the_gate_counts_by_address_and_gives_places_back() {
    let gate = Gate::new(Limits { half_open: 2, half_open_per_address: 3, waiting_logins: 1, ..Limits::default() });
    let mut one = gate.enter(HERE).unwrap();
    let two = gate.enter(HERE).unwrap();
    assert!(gate.enter(HERE).is_none(), "a third half-open connection");
    assert!(one.wait(), "the first login may be waited for");
    let mut three = gate.enter(HERE).unwrap();
    assert!(!three.wait(), "one login too many is waited for");
    assert!(gate.enter("::ffff:127.0.0.1".parse().unwrap()).is_none(), "a fourth of one address, in IPv6 dress");
    one.open();
    assert!(three.wait());
    drop((one, two, three));
    assert!(gate.enter(HERE).is_some());
}

#[test]
fn neighbours_in_one_ipv6_network_count_as_one() {
    let gate = Gate::new(Limits { half_open_per_address: 1, ..Limits::default() });
    let _one = gate.enter("2001:db8::1".parse().unwrap()).unwrap();
    assert!(gate.enter("2001:db8::2".parse().unwrap()).is_none());
    assert!(gate.enter("2001:db8:0:1::1".parse().unwrap()).is_some());
}

#[test]
fn a_target_is_published_under_its_usual_port_or_the_next_or_the_one_that_is_named() {
    use super::publish::Publications;
    use crate::model::TargetKind::{Http, Postgres};
    struct Nothing;
    impl Held for Nothing {
        fn withdraw(&self) {}
    }
    let mut published = Publications::default();
    let mut keep = |name: &str, wanted, kind| {
        let port = published.port(name, wanted, kind, 4)?;
        published.keep((name.to_owned(), port), Box::new(Nothing));
        Some(port)
    };
    assert_eq!(keep("orders", 0, Postgres), Some(5432));
    assert_eq!(keep("orders", 0, Postgres), Some(5433));
    assert_eq!(keep("orders", 5433, Postgres), None, "its client could not tell the two apart");
    assert_eq!(keep("billing", 0, Http), Some(80));
    assert_eq!(keep("billing", 8080, Http), Some(8080));
    assert_eq!(keep("billing", 0, Http), None, "a fifth");
    assert!(published.withdraw("orders", 5432) && !published.withdraw("orders", 5432) && !published.withdraw("billing", 1));
    assert_eq!(published.port("orders", 0, Postgres, 4), Some(5432));
}

#[tokio::test]
async fn a_silent_visitor_is_shown_out() {
    let (_far, near) = tokio::io::duplex(64);
    let mut guarded = Guarded::new(near, Guard::new(Duration::from_millis(20)));
    assert_eq!(guarded.read_u8().await.unwrap_err().kind(), std::io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn an_admitted_visitor_stays_past_the_deadline() {
    let (mut far, near) = tokio::io::duplex(64);
    let guard = Guard::new(Duration::from_millis(20));
    let mut guarded = Guarded::new(near, std::sync::Arc::clone(&guard));
    guard.admit();
    let reads = tokio::spawn(async move { guarded.read_u8().await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    far.write_u8(7).await.unwrap();
    assert_eq!(reads.await.unwrap().unwrap(), 7);
    assert_eq!(guard.traffic().0, 1);
}

#[tokio::test]
async fn a_kill_ends_a_stream_that_waits() {
    let (_far, near) = tokio::io::duplex(64);
    let guard = Guard::new(Duration::from_secs(30));
    let mut guarded = Guarded::new(near, std::sync::Arc::clone(&guard));
    let reads = tokio::spawn(async move { guarded.read_u8().await });
    tokio::task::yield_now().await;
    guard.kill();
    assert_eq!(reads.await.unwrap().unwrap_err().kind(), std::io::ErrorKind::ConnectionAborted);
}

#[test]
fn notices_are_few_and_told_once() {
    let notices = Notices::default();
    for n in 0..100 {
        notices.add(format!("{n}"));
        notices.add("again".to_owned());
    }
    assert_eq!(notices.take().len(), 8);
    assert!(notices.take().is_empty());
}

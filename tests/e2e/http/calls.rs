//! What the audit log says of each call: who, by which policies, what came of it, how long it took, how much passed, and where in the
//! recording it stands; and that a call is decided anew however often it was made before.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use super::{POLICIES, Site, ask, at, curl};
use crate::harness::wait_until;

#[test]
fn each_call_is_in_the_audit_log_with_what_came_of_it() {
    let site = Site::with(POLICIES);
    let bob = site.world.visitor("bob");
    let (port, _ssh) = site.tunnel(&bob);
    assert_eq!(ask(&bob, &[&at(port, "/echo?a=1")]).0, "200");
    assert_eq!(ask(&bob, &["-d", "0123456789", &at(port, "/echo")]).0, "200");
    assert_eq!(ask(&bob, &["-X", "DELETE", &at(port, "/bills/1")]).0, "403");
    // The server goes away in the middle of its answer.
    curl(&bob, &[&at(port, "/broken")]);
    let calls = || {
        let text = site.world.bastion.run(["audit", "export", "--kind", "call.ended"]).ok().text();
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["entry"].clone()).collect::<Vec<_>>()
    };
    wait_until("the calls", || calls().len() >= 3);
    let calls = calls();
    // What was refused was no call: its decision says all there is.
    assert_eq!(calls.len(), 3, "{calls:#?}");
    let told: Vec<_> = calls.iter().map(|call| (call["request"].as_u64(), call["operation"].as_str(), call["status"].as_u64())).collect();
    // Each came on a connection of its own, which is a session.
    let wanted = [(1, "GET /echo?a=1", 200), (1, "POST /echo", 200), (1, "GET /broken", told[2].2.unwrap())];
    assert!([200, 502].contains(&wanted[2].2), "before its head was there, or after: {told:?}");
    assert_eq!(told, wanted.map(|(number, operation, status)| (Some(number), Some(operation), Some(status))));
    for call in &calls {
        assert_eq!((call["principal"].as_str(), call["target"].as_str()), (Some("corp/bob@example.test"), Some("billing")), "{call}");
        assert!(call["policies"].to_string().contains("developers-use-billing"), "{call}");
        assert!(call["groups"].to_string().contains("corp/developers"), "{call}");
        assert!(call["duration_ms"].is_u64() && call["recording_ms"].is_u64() && call["session"].is_string(), "{call}");
    }
    assert_eq!((calls[1]["bytes_in"].as_u64(), calls[0]["cut"].as_str()), (Some(10), None));
    assert!(calls[0]["bytes_out"].as_u64().unwrap() > 0 && calls[2]["cut"].is_string(), "{calls:#?}");
}

/// A connection that is kept.
fn kept(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

/// The status of the answer to a request on a connection that is kept, and its body.
fn again(stream: &mut TcpStream, line: &str) -> (String, String) {
    write!(stream, "{line} HTTP/1.1\r\nHost: billing\r\n\r\n").unwrap();
    let (mut text, mut buffer) = (String::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "it ended: {text}");
        text.push_str(&String::from_utf8_lossy(&buffer[..count]));
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.to_lowercase().split_once("content-length: ").map(|(_, rest)| rest.lines().next().unwrap().parse::<usize>().unwrap());
        let is_whole = length.map_or_else(|| body.ends_with("0\r\n\r\n"), |length| body.len() >= length);
        if is_whole {
            return (text.split(' ').nth(1).unwrap().to_owned(), body.to_owned());
        }
    }
}

#[test]
fn a_call_that_is_made_again_is_decided_written_and_recorded_again_and_obeys_clock_and_reload() {
    let site = Site::with(POLICIES);
    let bob = site.world.visitor("bob");
    let (port, _ssh) = site.tunnel(&bob);
    let mut kept = kept(port);
    for _ in 0..20 {
        assert_eq!(again(&mut kept, "GET /echo?a=1").0, "200");
    }
    assert_eq!(again(&mut kept, "DELETE /bills/1").0, "403");
    assert_eq!(again(&mut kept, "DELETE /bills/1").0, "403");
    let count = |kind: &str, words: &[&str]| {
        let text = site.world.bastion.run(["audit", "export", "--kind", kind]).ok().text();
        text.lines().filter(|line| words.iter().all(|word| line.contains(word))).count()
    };
    assert_eq!(count("decision", &["GET /echo?a=1", "\"allow\""]), 20);
    assert_eq!(count("decision", &["DELETE /bills/1", "\"deny\""]), 2);
    wait_until("all calls are over", || count("call.ended", &["GET /echo?a=1"]) == 20);
    // The last is recorded though nothing follows it.
    wait_until("what came of each is recorded", || site.recorded().matches("< 200 ").count() == 20);
    // The same session goes on under other policies, which the clock changes.
    let until = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() + 8).unwrap();
    let timed = format!(
        "{POLICIES}\n@id(\"until-then\")\nforbid (principal in Group::\"corp/developers\", action == Action::\"http.GET\", resource)\nwhen \
         {{ context.path == \"/echo\" && context.time > datetime(\"{}\") }};\n",
        until.strftime("%Y-%m-%dT%H:%M:%SZ")
    );
    site.world.put_in_force("test.cedar", &timed);
    let early = again(&mut kept, "GET /echo?a=1").0;
    assert!(early == "200" || jiff::Timestamp::now() > until, "{early}");
    wait_until("it is too late", || again(&mut kept, "GET /echo?a=1").0 == "403");
    assert!(jiff::Timestamp::now() > until);
    site.world.put_in_force("test.cedar", POLICIES);
    assert_eq!(again(&mut kept, "GET /echo?a=1").0, "200");
    drop(kept);
    wait_until("the session is sealed", || site.recorded().matches("> GET /echo?a=1").count() > 22);
    site.world.bastion.run(["audit", "verify"]).ok();
}

#[test]
fn fields_of_an_answer_that_comes_again_are_shown_as_policy_and_clock_say_then() {
    let site = Site::with(POLICIES);
    let bob = site.world.visitor("bob");
    let (port, _ssh) = site.tunnel(&bob);
    let mut kept = kept(port);
    let mut shown = |path: &str| {
        let (status, body) = again(&mut kept, &format!("GET {path}"));
        assert_eq!(status, "200", "{body}");
        body
    };
    for _ in 0..3 {
        let body = shown("/customers?count=3");
        assert!(body.contains("****1002") && body.contains("ann2@example.test") && !body.contains("41111111"), "{body}");
        // Another request, of whose answer nothing is masked.
        assert!(!shown("/echo?a=1").contains("****"));
    }
    // The same session goes on: other fields are hidden, and then by the clock.
    let mails = POLICIES.replace("context.field like \"*/card\"", "context.field like \"*/mail\"");
    site.world.put_in_force("test.cedar", &mails);
    let body = shown("/customers?count=3");
    assert!(body.contains("4111111111111002") && !body.contains("ann2@example.test"), "{body}");
    let until = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() + 6).unwrap();
    let late = format!("context.time > datetime(\"{}\") && context.field like \"*/card\"", until.strftime("%Y-%m-%dT%H:%M:%SZ"));
    site.world.put_in_force("test.cedar", &POLICIES.replace("context.field like \"*/card\"", &late));
    let early = shown("/customers?count=3");
    assert!(early.contains("4111111111111002") || jiff::Timestamp::now() > until, "{early}");
    wait_until("it is late", || shown("/customers?count=3").contains("****1002"));
    assert!(jiff::Timestamp::now() > until);
}

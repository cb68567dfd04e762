//! What the audit log says of each call: who, by which policies, what came of it, how long it took, how much passed, and where in the
//! recording it stands.

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

//! The holes that other SSH servers had, tried on the real bastion by a hostile client; `contrib/past-holes.md` names them.
//! After each attack the bastion must serve others as before and hold no more memory than a session may.

use serde_json::Value;

use crate::harness::{Run, Visitor, Way, World, fixture, repository};

fn alice() -> (World, Visitor) {
    let world = World::start();
    let alice = world.visitor("alice");
    (world, alice)
}

/// Lets the attack happen and returns what came of it.
fn attack(alice: &Visitor, name: &str) -> String {
    let program = repository(".deps/venv/bin/python");
    let mut command = alice.command(program, [fixture("hostile/client.py")]);
    command.args([name, &alice.port.to_string()]).arg(fixture("oidc/walker.py"));
    let done = Run::new(command).within(90).ok();
    assert!(!done.text().contains("WON"), "{done}");
    done.text().trim().to_owned()
}

/// The attack fails with one of `outcomes`, and leaves the bastion as it was.
fn fails(name: &str, outcomes: &[&str]) {
    let (world, alice) = alice();
    let before = world.bastion.memory();
    let outcome = attack(&alice, name);
    assert!(outcomes.contains(&outcome.as_str()), "{name}: {outcome}\n{}", world.bastion.log());
    assert_eq!(alice.on_target(Way::At, &[], "echo well").ok().text(), "well\n");
    let grown = world.bastion.memory().saturating_sub(before);
    assert!(grown < 48 << 10, "{name}: {grown} KiB more than before");
    assert!(!world.bastion.log().contains("panicked"), "{}", world.bastion.log());
}

#[test]
fn a_client_cannot_say_that_it_is_authenticated() {
    fails("success_from_the_client", &["closed", "lived"]);
}

#[test]
fn channel_messages_before_authentication_open_nothing() {
    fails("channel_before_authentication", &["closed", "lived"]);
    fails("channel_during_authentication", &["closed", "lived"]);
}

#[test]
fn a_packet_of_four_gigabytes_ends_the_connection_at_every_stage() {
    for stage in ["before", "during", "after"] {
        fails(&format!("endless_packet_{stage}_key_exchange"), &["closed"]);
    }
}

#[test]
fn an_endless_version_line_ends_the_connection() {
    fails("endless_banner", &["closed"]);
}

#[test]
fn an_info_response_that_claims_four_billion_answers_gets_nowhere() {
    fails("endless_info_response", &["closed", "lived"]);
}

#[test]
fn a_window_that_overflows_harms_nobody() {
    fails("window_overflow", &["closed", "lived"]);
}

#[test]
fn a_bad_point_in_the_key_exchange_is_not_answered() {
    fails("zero_point", &["closed"]);
    fails("short_point", &["closed"]);
}

#[test]
fn thousands_of_terminal_modes_harm_nobody() {
    fails("many_terminal_modes", &["closed", "lived"]);
}

#[test]
fn requests_for_channels_never_opened_do_nothing() {
    fails("requests_for_channels_never_opened", &["closed", "lived"]);
}

#[test]
fn a_certificate_nested_a_thousand_deep_is_refused() {
    fails("nested_certificates", &["closed", "lived"]);
}

#[test]
fn a_sha_1_signature_algorithm_is_refused() {
    fails("sha1_signature", &["refused"]);
}

#[test]
fn a_certificate_signed_for_by_another_key_is_refused() {
    fails("signature_by_another_key", &["refused", "closed"]);
}

#[test]
fn an_offer_is_not_an_authentication() {
    fails("offer_without_signature", &["closed", "lived"]);
}

#[test]
fn a_login_begun_under_one_user_name_does_not_finish_under_another() {
    fails("change_of_user_name", &["closed", "lived"]);
}

#[test]
fn compression_is_not_offered() {
    fails("compression", &["refused"]);
}

#[test]
fn a_flood_in_the_middle_of_a_rekey_is_bounded() {
    fails("flood_during_rekey", &["closed", "lived"]);
}

#[test]
fn a_flood_of_global_requests_is_bounded() {
    fails("flood_of_global_requests", &["closed", "lived"]);
}

#[test]
fn user_names_that_are_no_names_are_refused() {
    fails("broken_text", &["refused"]);
}

#[test]
fn ssh_audit_reports_no_failure_and_strict_key_exchange_on_both_sides() {
    let (world, alice) = alice();
    let mut audit = alice.command(repository(".deps/venv/bin/ssh-audit"), ["--json", "--skip-rate-test", "-p"]);
    audit.args([&world.bastion.port.to_string(), "127.0.0.1"]);
    let done = Run::new(audit).finish();
    let report: Value = serde_json::from_slice(&done.out).unwrap_or_else(|error| panic!("{error}: {done}"));
    let mut failures = Vec::new();
    for kind in ["kex", "key", "enc", "mac"] {
        for algorithm in report[kind].as_array().unwrap_or_else(|| panic!("{report}")) {
            if !algorithm["notes"]["fail"].is_null() {
                failures.push(algorithm.to_string());
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
    assert_eq!(report["cves"].as_array().map_or(0, Vec::len), 0, "{report}");
    assert!(report["kex"].to_string().contains("kex-strict-s-v00@openssh.com"), "{report}");
    assert_eq!(report["compression"], serde_json::json!(["none"]), "{report}");
    // The other side: what the bastion says when it is the client.
    alice.on_target(Way::At, &[], "true").ok();
    assert!(!world.target.log().contains("Bad packet"), "{}", world.target.log());
}

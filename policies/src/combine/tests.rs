//! The combining rule as a table: every pair of what a permit and a forbid can be, then the finer points one by one.

use std::time::Duration;

use super::*;
use crate::asks::Asks;
use crate::rule::{Approve, Mask, Scope};

fn rule(id: &str, effect: Effect) -> Rule {
    Rule {
        id: id.into(),
        effect,
        file: "test.cedar".into(),
        line: 1,
        reason: None,
        approve: None,
        mask: None,
        mask_equality: false,
        alert: None,
        record_results: false,
        record_input: false,
        asks: Asks::default(),
        certificate_ttl: None,
        pin_source_address: false,
    }
}

fn permit(id: &str) -> Rule {
    rule(id, Effect::Permit)
}

fn forbid(id: &str) -> Rule {
    rule(id, Effect::Forbid)
}

fn approve(rule: Rule, approvals: u8, minutes: u64, scope: Scope) -> Rule {
    let approve = Approve {
        groups: vec!["corp/leads".to_owned()],
        approvals,
        valid: Duration::from_secs(60 * minutes),
        scope,
        signed: false,
        moderated: false,
    };
    Rule { approve: Some(approve), ..rule }
}

fn once(rule: Rule) -> Rule {
    approve(rule, 1, 15, Scope::Operation)
}

fn mask(rule: Rule, mask: Mask) -> Rule {
    Rule { mask: Some(mask), ..rule }
}

fn decide_as(action: Action, rules: &[Rule], failed: &[&str]) -> Decision {
    let failed = failed.iter().map(|id| Arc::from(*id)).collect();
    let found = Found { satisfied: rules.iter().collect(), failed, ..Found::default() };
    combine(found, Asked { principal: "corp/alice", action, on: "web-1".to_owned() })
}

fn decide(rules: &[Rule]) -> Decision {
    decide_as(Action::PgReadColumn, rules, &[])
}

/// `allow`, `deny WHY` or `hold POLICY…`, and the mask.
fn summary(decision: &Decision) -> String {
    let verdict = match &decision.verdict {
        Verdict::Allow => "allow".to_owned(),
        Verdict::Hold(hold) => {
            format!("hold {}", hold.requirements.iter().map(|r| r.policy.to_string()).collect::<Vec<_>>().join(" "))
        }
        Verdict::Deny(refusal) => match &refusal.why {
            Why::NothingPermits => "deny nothing".to_owned(),
            Why::NotCovered(withheld) => format!("deny not covered by {}", withheld.policy),
            Why::Undecidable { policy, .. } => format!("deny perhaps {policy}"),
            Why::ForbiddenBy { policy, .. } => format!("deny {policy}"),
            Why::EvaluationError { policies } => format!("deny error {}", policies.join(" ")),
            Why::Unfit => "deny unfit".to_owned(),
            Why::Statement { sentence, .. } => format!("deny {sentence}"),
        },
    };
    decision.mask.map_or(verdict.clone(), |mask| format!("{verdict} mask {mask}"))
}

#[test]
fn every_pair_of_a_permit_and_a_forbid_gives_the_written_answer() {
    let permits = [vec![], vec![permit("p")], vec![once(permit("pa"))], vec![permit("p"), once(permit("pa"))]];
    let forbids = [
        vec![],
        vec![forbid("f")],
        vec![once(forbid("fa"))],
        vec![mask(forbid("fm"), Mask::Last4)],
        vec![once(forbid("fa")), mask(forbid("fm"), Mask::Last4)],
        vec![forbid("f"), once(forbid("fa"))],
        vec![forbid("f"), mask(forbid("fm"), Mask::Last4)],
    ];
    let expected = [
        ["deny nothing", "deny f", "deny nothing", "deny nothing mask last4", "deny nothing mask last4", "deny f", "deny f mask last4"],
        ["allow", "deny f", "hold fa", "allow mask last4", "hold fa mask last4", "deny f", "deny f mask last4"],
        ["hold pa", "deny f", "hold fa pa", "hold pa mask last4", "hold fa pa mask last4", "deny f", "deny f mask last4"],
        ["allow", "deny f", "hold fa", "allow mask last4", "hold fa mask last4", "deny f", "deny f mask last4"],
    ];
    for (permits, row) in permits.iter().zip(expected) {
        for (forbids, expected) in forbids.iter().zip(row) {
            let rules = [permits.clone(), forbids.clone()].concat();
            assert_eq!(summary(&decide(&rules)), expected, "{permits:?} {forbids:?}");
        }
    }
}

/// What evaluation can say of one policy.
fn take_in<'a>(found: &mut Found<'a>, kind: &str, rule: &'a Rule) {
    match kind {
        "pw" => found.withheld.push(Withheld { policy: Arc::clone(&rule.id), because: Unseen::Redirections }),
        "fo" | "foa" => found.open.push((rule, Unseen::Files)),
        "x" => found.failed.push(Arc::clone(&rule.id)),
        _ => found.satisfied.push(rule),
    }
}

fn of_kind(kind: &str, id: &str) -> Rule {
    match kind {
        "p" | "pw" => permit(id),
        "pa" => once(permit(id)),
        "fa" | "foa" => once(forbid(id)),
        "fm" => mask(forbid(id), Mask::Last4),
        "f" | "fo" | "x" => forbid(id),
        other => panic!("there is no kind {other}"),
    }
}

/// Of each pair of kinds: a permit, one with an approval, one that does not cover the operation; a forbid, one with an approval,
/// one with a mask, one that cannot be told, one of those with an approval; a policy that failed. The answer to the two alone,
/// and with a plain permit beside them.
const PAIRS: [(&str, &str, &str, &str); 45] = [
    ("p", "p", "allow", "allow"),
    ("p", "pa", "allow", "allow"),
    ("p", "pw", "allow", "allow"),
    ("p", "f", "deny f", "deny f"),
    ("p", "fa", "hold fa", "hold fa"),
    ("p", "fm", "allow mask last4", "allow mask last4"),
    ("p", "fo", "deny perhaps fo", "deny perhaps fo"),
    ("p", "foa", "hold foa", "hold foa"),
    ("p", "x", "deny error x", "deny error x"),
    ("pa", "pa", "hold pa", "allow"),
    ("pa", "pw", "hold pa", "allow"),
    ("pa", "f", "deny f", "deny f"),
    ("pa", "fa", "hold fa pa", "hold fa"),
    ("pa", "fm", "hold pa mask last4", "allow mask last4"),
    ("pa", "fo", "deny perhaps fo", "deny perhaps fo"),
    ("pa", "foa", "hold foa pa", "hold foa"),
    ("pa", "x", "deny error x", "deny error x"),
    ("pw", "pw", "deny not covered by pw", "allow"),
    ("pw", "f", "deny f", "deny f"),
    ("pw", "fa", "deny not covered by pw", "hold fa"),
    ("pw", "fm", "deny not covered by pw mask last4", "allow mask last4"),
    ("pw", "fo", "deny perhaps fo", "deny perhaps fo"),
    ("pw", "foa", "deny not covered by pw", "hold foa"),
    ("pw", "x", "deny error x", "deny error x"),
    ("f", "f", "deny f", "deny f"),
    ("f", "fa", "deny f", "deny f"),
    ("f", "fm", "deny f mask last4", "deny f mask last4"),
    ("f", "fo", "deny f", "deny f"),
    ("f", "foa", "deny f", "deny f"),
    ("f", "x", "deny error x", "deny error x"),
    ("fa", "fa", "deny nothing", "hold fa fa2"),
    ("fa", "fm", "deny nothing mask last4", "hold fa mask last4"),
    ("fa", "fo", "deny perhaps fo", "deny perhaps fo"),
    ("fa", "foa", "deny nothing", "hold fa foa"),
    ("fa", "x", "deny error x", "deny error x"),
    ("fm", "fm", "deny nothing mask last4", "allow mask last4"),
    ("fm", "fo", "deny perhaps fo mask last4", "deny perhaps fo mask last4"),
    ("fm", "foa", "deny nothing mask last4", "hold foa mask last4"),
    ("fm", "x", "deny error x mask last4", "deny error x mask last4"),
    ("fo", "fo", "deny perhaps fo", "deny perhaps fo"),
    ("fo", "foa", "deny perhaps fo", "deny perhaps fo"),
    ("fo", "x", "deny error x", "deny error x"),
    ("foa", "foa", "deny nothing", "hold foa foa2"),
    ("foa", "x", "deny error x", "deny error x"),
    ("x", "x", "deny error x x2", "deny error x x2"),
];

#[test]
fn every_pair_of_effects_and_obligations_gives_the_written_answer_in_either_order() {
    for (one, two, alone, permitted) in PAIRS {
        let second = if one == two { format!("{two}2") } else { two.to_owned() };
        let rules = [(one, of_kind(one, one)), (two, of_kind(two, &second))];
        let plain = permit("zz");
        for order in [[0, 1], [1, 0]] {
            for (with, expected) in [(false, alone), (true, permitted)] {
                let mut found = Found::default();
                for (kind, rule) in order.map(|n| &rules[n]) {
                    take_in(&mut found, kind, rule);
                }
                found.satisfied.extend(with.then_some(&plain));
                let asked = Asked { principal: "corp/alice", action: Action::PgReadColumn, on: "web-1".to_owned() };
                assert_eq!(summary(&combine(found, asked)), expected, "{one} {two} {order:?} {with}");
            }
        }
    }
}

#[test]
fn every_pair_of_things_that_come_with_a_verdict_comes_with_it() {
    let minutes = |minutes: u64| Some(Duration::from_secs(60 * minutes));
    type Bring = fn(Rule) -> Rule;
    let things: [(&str, Bring); 4] = [
        ("alert", |rule| Rule { alert: Some("look".into()), ..rule }),
        ("record", |rule| Rule { record_results: true, ..rule }),
        ("ttl", |rule| Rule { certificate_ttl: Some(Duration::from_secs(60 * 5)), ..rule }),
        ("pin", |rule| Rule { pin_source_address: true, ..rule }),
    ];
    for (one, first) in things {
        for (two, second) in things {
            let rules = [first(permit("a")), second(permit("b"))];
            let Obligations { alerts, record_results, record_input: _, certificate_ttl, pin_source_address } =
                decide_as(Action::Issue, &rules, &[]).obligations;
            let count = |name: &str| usize::from(one == name) + usize::from(two == name);
            assert_eq!(alerts.len(), count("alert"), "{one} {two}");
            assert_eq!(record_results, count("record") > 0, "{one} {two}");
            assert_eq!(certificate_ttl, if count("ttl") > 0 { minutes(5) } else { None }, "{one} {two}");
            assert_eq!(pin_source_address, count("pin") > 0, "{one} {two}");
            // A forbid that waits brings its alert and nothing else.
            let rules = [permit("p"), once(first(forbid("a"))), once(second(forbid("b")))];
            let of_forbids = decide_as(Action::Issue, &rules, &[]).obligations;
            assert_eq!(of_forbids.alerts.len(), count("alert"), "{one} {two}");
            assert_eq!(Obligations { alerts: Vec::new(), ..of_forbids }, Obligations::default(), "{one} {two}");
        }
    }
}

#[test]
fn the_answers_to_two_operations_together_are_the_stricter_of_each() {
    let masked = |how| decide(&[permit("p"), mask(forbid("m"), how)]);
    let loud = decide(&[Rule { alert: Some("look".into()), record_results: true, ..permit("l") }]);
    let both = masked(Mask::Email).and(masked(Mask::Null)).and(loud.clone()).and(loud);
    assert_eq!((both.verdict.clone(), both.mask), (Verdict::Allow, Some(Mask::Null)));
    assert_eq!(both.policies.iter().map(AsRef::as_ref).collect::<Vec<&str>>(), ["l", "m", "p"]);
    assert_eq!((both.obligations.alerts.len(), both.obligations.record_results), (1, true));
    let denied = both.clone().and(decide(&[]));
    assert_eq!((denied.verdict.word(), denied.policies), ("deny", both.policies));
}

#[test]
fn a_failed_policy_denies_whatever_the_others_say_and_alerts() {
    let everything = [permit("p"), forbid("f"), once(forbid("fa")), once(permit("pa"))];
    for others in [&everything[..0], &everything[..1], &everything[..2], &everything[..]] {
        let decision = decide_as(Action::SshExec, others, &["broken"]);
        assert_eq!(summary(&decision), "deny error broken");
        assert_eq!(decision.obligations.alerts.iter().map(|alert| &*alert.policy).collect::<Vec<_>>(), ["broken"]);
        assert!(decision.policies.iter().any(|id| &**id == "broken"));
    }
}

#[test]
fn every_forbid_that_wants_approval_must_be_answered() {
    let rules = [permit("p"), once(forbid("f2")), once(forbid("f1")), once(forbid("f3"))];
    assert_eq!(summary(&decide(&rules)), "hold f1 f2 f3");
}

#[test]
fn of_permits_that_all_want_approval_the_least_demanding_is_asked() {
    let two = approve(permit("a-two-people"), 2, 60, Scope::Session);
    let each_time = approve(permit("b-each-time"), 1, 60, Scope::Operation);
    let short = approve(permit("c-short"), 1, 15, Scope::Session);
    let long = approve(permit("d-long"), 1, 60, Scope::Session);
    let same = approve(permit("e-same-as-long"), 1, 60, Scope::Session);
    let mut rules = vec![two, each_time, short, same, long];
    for expected in ["d-long", "e-same-as-long", "c-short", "b-each-time", "a-two-people"] {
        assert_eq!(summary(&decide(&rules)), format!("hold {expected}"));
        rules.retain(|rule| &*rule.id != expected);
    }
}

#[test]
fn the_strongest_mask_wins() {
    let masks = [Mask::Email, Mask::Last4, Mask::Hash, Mask::Redact, Mask::Null];
    for (i, one) in masks.iter().enumerate() {
        for (j, two) in masks.iter().enumerate() {
            let rules = [permit("p"), mask(forbid("m1"), *one), mask(forbid("m2"), *two)];
            assert_eq!(decide(&rules).mask, Some(masks[i.max(j)]));
        }
    }
}

#[test]
fn a_mask_on_an_action_that_is_not_about_one_field_forbids() {
    let rules = [permit("p"), mask(forbid("m"), Mask::Email)];
    assert_eq!(summary(&decide_as(Action::PgFilterColumn, &rules, &[])), "deny m");
}

#[test]
fn a_mask_beside_an_approval_does_not_lift_the_approval() {
    let rules = [permit("p"), mask(once(forbid("both")), Mask::Email)];
    assert_eq!(summary(&decide(&rules)), "hold both");
}

#[test]
fn the_shortest_certificate_and_any_pin_win_and_only_for_issue() {
    let minutes = |id: &str, minutes: u64| Rule { certificate_ttl: Some(Duration::from_secs(60 * minutes)), ..permit(id) };
    let rules = [minutes("long", 60), permit("none"), Rule { pin_source_address: true, ..minutes("short", 5) }];
    let issue = decide_as(Action::Issue, &rules, &[]).obligations;
    assert_eq!((issue.certificate_ttl, issue.pin_source_address), (Some(Duration::from_secs(300)), true));
    assert_eq!(decide_as(Action::Connect, &rules, &[]).obligations, Obligations::default());
}

#[test]
fn alerts_and_recording_add_up() {
    let loud = |rule: Rule| Rule { alert: Some("look".into()), ..rule };
    let rules = [loud(forbid("f")), loud(permit("p")), Rule { record_results: true, ..permit("r") }];
    let obligations = decide(&rules).obligations;
    assert_eq!(obligations.alerts.iter().map(|alert| &*alert.policy).collect::<Vec<_>>(), ["f", "p"]);
    assert!(obligations.record_results);
}

#[test]
fn the_worst_of_several_verdicts_wins_and_holds_add_up() {
    let allow = || decide(&[permit("p")]).verdict;
    let hold = |id: &str| decide(&[permit("p"), once(forbid(id))]).verdict;
    let deny = || decide(&[]).verdict;
    assert_eq!(allow().and(allow()), Verdict::Allow);
    for (one, two) in [(allow(), deny()), (hold("h"), deny()), (deny(), deny())] {
        assert_eq!(one.clone().and(two.clone()).word(), "deny");
        assert_eq!(two.and(one).word(), "deny");
    }
    assert_eq!(allow().and(hold("h")), hold("h"));
    assert_eq!(hold("h").and(allow()), hold("h"));
    let Verdict::Hold(both) = hold("h1").and(hold("h2")).and(hold("h1")) else { panic!("two holds are a hold") };
    assert_eq!(both.requirements.iter().map(|r| &*r.policy).collect::<Vec<_>>(), ["h1", "h2"]);
}

#[test]
fn sentences_say_what_which_policy_why_and_what_to_do() {
    let why = |rules: &[Rule], failed: &[&str]| match decide_as(Action::SshShell, rules, failed).verdict {
        Verdict::Deny(refusal) => refusal.to_string(),
        Verdict::Hold(hold) => hold.to_string(),
        Verdict::Allow => "allow".to_owned(),
    };
    assert_eq!(
        why(&[], &[]),
        "ssh.shell on web-1 is refused: no policy permits it to corp/alice.\n\
         If you need it, ask the people who write this bastion's policies."
    );
    assert_eq!(
        why(&[Rule { reason: Some("Not on Fridays.".into()), ..forbid("f") }], &[]),
        "ssh.shell on web-1 is refused by policy \"f\": Not on Fridays.\n\
         If you need it, ask the people who write this bastion's policies and name that one."
    );
    assert_eq!(
        why(&[], &["broken"]),
        "ssh.shell on web-1 is refused: policy \"broken\" failed while it was evaluated.\n\
         Tell the people who write this bastion's policies; until it is mended the answer is no."
    );
    let two = Rule { reason: Some("Production.".into()), ..approve(forbid("f"), 2, 15, Scope::Operation) };
    assert_eq!(
        why(&[permit("p"), two], &[]),
        "ssh.shell on web-1 waits for 2 approvals by corp/leads (policy \"f\": Production).\n\
         Ask them to look at \"bartizan approvals list\"."
    );
}

#[test]
fn a_name_cannot_play_tricks_on_the_terminal() {
    let found = Found::default();
    let asked = Asked { principal: "corp/\u{1b}]0;x\u{7}", action: Action::Connect, on: "web\r\u{1b}[2J".to_owned() };
    let Verdict::Deny(refusal) = combine(found, asked).verdict else { panic!("nothing permits it") };
    assert!(!refusal.to_string().replace('\n', "").contains(char::is_control), "{refusal}");
}

#[test]
fn what_has_to_be_watched_is_held_and_no_permit_takes_it_away() {
    let watched = |id: &str| {
        let mut rule = once(forbid(id));
        rule.approve.as_mut().unwrap().moderated = true;
        rule
    };
    let decide = |rules: &[Rule]| summary(&decide_as(Action::SshShell, rules, &[]));
    assert_eq!(decide(&[permit("p"), watched("w")]), "hold w");
    assert_eq!(decide(&[permit("p"), permit("q"), watched("w"), once(forbid("f"))]), "hold f w");
    assert_eq!(decide(&[watched("w")]), "deny nothing");
    let only = |id: &str| Rule { effect: Effect::Permit, ..watched(id) };
    assert_eq!(decide(&[only("a")]), "hold a");
    assert_eq!(decide(&[only("a"), once(permit("b"))]), "hold b", "an answer demands less than somebody who stays");
    assert_eq!(decide(&[only("a"), permit("b")]), "allow");
}

use std::collections::BTreeSet;

use super::*;
use crate::{Command, Context, Facts, Known, Place, Request, Target};

fn load(text: &str) -> PolicySet {
    PolicySet::load(vec![("p.cedar".to_owned(), text.to_owned())], &Known::default())
        .unwrap_or_else(|problems| panic!("{text}\n{}", problems.iter().map(|problem| format!("{problem}\n")).collect::<String>()))
}

fn robot() -> Principal {
    Principal::service("ci/deploy", ["ci/robots"])
}

fn restart(set: &PolicySet, line: &str) -> (Deed, Decision) {
    let web = Target::new("web-1", "ssh");
    let facts = Facts::Command { login: "deploy".to_owned(), command: Command::read(line.as_bytes()) };
    let now = "2026-01-02T12:00:00Z".parse().expect("a time");
    let source_ip = "192.0.2.7".parse().expect("an address");
    let context = Context { source_ip, time: now, authenticated_at: now, device_bound: false, reason: None, facts: facts.clone() };
    let deed = set.deed(Action::SshExec, Place::Target(web), facts).expect("a deed");
    let decision = set.decide(&robot(), &Request { action: Action::SshExec, resource: deed.place.resource(), context: &context });
    (deed, decision)
}

const PRESENT: &str = r#"
@id("restarts-wait")
@reason("A \"restart\" is seen by customers.")
@approve("corp/leads, corp/sre") @approvals("2") @valid("1h30m") @scope("session") @signed
permit (principal in Group::"ci/robots", action == Action::"ssh.exec", resource) when { context.program == "systemctl" };

@id("others-do-not")
@record("results, input")
permit (principal in Group::"ci/robots", action == Action::"ssh.exec", resource) when { context.program == "uptime" };

// Not a policy: @id("no")
@id("nobody-prints-shadow")
@reason("It says @id(\"x\") and ).")
forbid (principal, action == Action::"ssh.exec", resource) when { context.command like "*shadow*" };

@id("elsewhere")
forbid (principal, action == Action::"http.GET", resource);
"#;

#[test]
fn what_was_held_by_a_permit_is_held_in_the_same_way() {
    let present = load(PRESENT);
    let (deed, decision) = restart(&present, "systemctl restart nginx");
    let suggested = load(&permits(&robot(), &[(deed.clone(), Terms::of(&present, &decision))]));
    let (_, again) = restart(&suggested, "systemctl restart nginx");
    let (Verdict::Hold(then), Verdict::Hold(now)) = (&decision.verdict, &again.verdict) else { panic!("{decision:?} {again:?}") };
    let asked = |hold: &crate::Hold| hold.requirements.iter().map(|one| (one.approve.clone(), one.reason.clone())).collect::<Vec<_>>();
    assert_eq!(asked(then), asked(now));
}

#[test]
fn what_is_recorded_beside_is_recorded_still() {
    let present = load(PRESENT);
    let (deed, decision) = restart(&present, "uptime");
    let suggested = load(&permits(&robot(), &[(deed, Terms::of(&present, &decision))]));
    let (_, again) = restart(&suggested, "uptime");
    assert_eq!((again.verdict, again.obligations), (decision.verdict, decision.obligations));
}

#[test]
fn forbids_that_matter_are_copied_word_for_word_and_others_are_not() {
    let present = load(PRESENT);
    let slices = [present.slice(&robot(), &Target::new("web-1", "ssh"))];
    let text = forbids(&robot(), &slices, &BTreeSet::from([Action::SshExec]));
    let copied = load(&text);
    assert_eq!(copied.len(), 1, "{text}");
    let rule = copied.rules().next().expect("one");
    let was = present.rule("nobody-prints-shadow").expect("it");
    assert_eq!((&*rule.id, &rule.reason), ("ci-deploy-keeps-nobody-prints-shadow", &was.reason));
    let both = load(&format!("@id(\"all\") permit (principal, action, resource);\n{text}"));
    let (_, decision) = restart(&both, "cat /etc/shadow");
    assert_eq!(decision.verdict.word(), "deny");
    assert_eq!(restart(&both, "cat /etc/motd").1.verdict, Verdict::Allow);
}

#[test]
fn names_are_never_given_twice_and_never_too_long() {
    let mut ids = Ids::new(&Principal::user(format!("corp/{}", "ä b".repeat(90)), [""; 0]));
    let mut all = BTreeSet::new();
    for _ in 0..1_000 {
        let id = ids.new_one(&format!("{}-keeps-{}", ids.principal, "x".repeat(64)));
        assert!(id.len() <= ID && id.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)), "{id}");
        assert!(all.insert(id));
    }
}

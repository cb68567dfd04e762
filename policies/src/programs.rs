//! The programs that policies name: what a guarded shell can offer for completion. It reads conditions and decides nothing.

use std::collections::BTreeSet;

use cedar_policy::Effect;
use serde_json::Value;

use crate::{Action, Slice};

impl Slice {
    /// The programs that a permit for commands names, as in `context.program == "uptime"` or
    /// `["uptime", "df"].contains(context.program)`. What else the permit asks for is not looked at, so this is a hint.
    #[must_use]
    pub fn programs(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for policy in self.policies(Action::SshExec).filter(|policy| policy.effect() == Effect::Permit) {
            if let Ok(json) = policy.to_json() {
                look(&json, &mut found);
            }
        }
        found
    }
}

/// Looks for comparisons with the program in a policy's JSON form, however deep they are.
fn look(json: &Value, found: &mut BTreeSet<String>) {
    match json {
        Value::Object(members) => {
            for operator in ["==", "contains"] {
                let Some(sides) = members.get(operator) else { continue };
                let (Some(left), Some(right)) = (sides.get("left"), sides.get("right")) else { continue };
                if is_program(left) {
                    names(right, found);
                } else if is_program(right) {
                    names(left, found);
                }
            }
            members.values().for_each(|member| look(member, found));
        }
        Value::Array(members) => members.iter().for_each(|member| look(member, found)),
        _ => {}
    }
}

fn is_program(json: &Value) -> bool {
    let attribute = json.get(".");
    let of = |name: &str| attribute.and_then(|it| it.get(name));
    of("attr").and_then(Value::as_str) == Some("program") && of("left").and_then(|left| left.get("Var")).is_some_and(|var| var == "context")
}

/// A literal, or each of a set of literals.
fn names(json: &Value, found: &mut BTreeSet<String>) {
    found.extend(json.get("Value").and_then(Value::as_str).map(str::to_owned));
    for member in json.get("Set").and_then(Value::as_array).into_iter().flatten() {
        names(member, found);
    }
}

#[cfg(test)]
mod tests {
    use crate::{Known, PolicySet, Principal, Target};

    #[test]
    fn programs_are_those_that_permits_for_commands_name() {
        let text = r#"
            @id("a") permit (principal, action == Action::"ssh.exec", resource)
            when { !context.dynamic && context has program && (context.program == "uptime" || ["df", "du"].contains(context.program)) };
            @id("b") permit (principal, action == Action::"ssh.exec", resource == Target::"db-1")
            when { context has program && context.program == "psql" };
            @id("c") forbid (principal, action == Action::"ssh.exec", resource)
            when { context has program && context.program == "rm" };
            @id("d") permit (principal, action == Action::"connect", resource) when { context.login == "deploy" };
        "#;
        let set = PolicySet::load(vec![("test.cedar".to_owned(), text.to_owned())], &Known::default()).unwrap();
        let slice = set.slice(&Principal::user("corp/alice", Vec::<String>::new()), &Target::new("web-1", "ssh"));
        assert_eq!(slice.programs().into_iter().collect::<Vec<_>>(), ["df", "du", "uptime"]);
    }
}

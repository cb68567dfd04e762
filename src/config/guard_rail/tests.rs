use std::path::Path;

use super::super::{Config, Problem};
use super::*;

const TARGETS: &str = r#"
[server]
name = "bastion.example.com"
state_dir = "state"

[[issuer]]
name = "corp"
url = "https://idp.example.com"
client_id = "bartizan"

[[target]]
name = "web-1"
kind = "ssh"
address = "10.0.0.5:22"
logins = ["deploy"]
host_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ"
credential = "certificate"
tags = { env = "prod", team = "web" }

[[target]]
name = "orders"
kind = "postgres"
address = "10.0.0.9:5432"
database = "orders"
user = "app"
tags = { env = "test" }
"#;

fn read(rails: &str) -> Result<Config, Vec<Problem>> {
    Config::parse(Path::new("b.toml"), &format!("{TARGETS}{rails}")).map_err(|problems| problems.0)
}

fn rails(text: &str) -> Vec<GuardRail> {
    read(text).unwrap().guard_rails
}

fn problems(text: &str) -> Vec<(String, String)> {
    let found = read(text).unwrap_err();
    assert!(found.iter().all(|problem| problem.line > 20 && !problem.mend.is_empty()), "{found:#?}");
    found.into_iter().map(|problem| (problem.key, problem.what)).collect()
}

#[test]
fn a_guard_rail_looks_at_all_ssh_targets_unless_it_is_narrowed() {
    let text = r#"
[[guard_rail]]
name = "keys"
pattern = "BEGIN [A-Z]+ PRIVATE KEY"
action = "freeze"

[[guard_rail]]
name = "rm"
pattern = 'rm\s+-rf\s+/'
action = "alert"
message = "That is all of it."
targets = ["web-1"]
tags = { env = "prod" }
"#;
    let config = read(text).unwrap();
    let [web, orders] = &config.targets[..] else { panic!() };
    let [keys, rm] = &config.guard_rails[..] else { panic!() };
    assert_eq!((keys.name.as_str(), keys.action, keys.message.as_deref()), ("keys", RailAction::Freeze, None));
    assert_eq!((rm.action, rm.message.as_deref()), (RailAction::Alert, Some("That is all of it.")));
    assert!(rm.pattern.is_match("$ rm  -rf /"));
    assert!(keys.covers(web) && rm.covers(web));
    assert!(!keys.covers(orders) && !rm.covers(orders));
    let elsewhere = Target { name: "web-2".parse().unwrap(), ..web.clone() };
    let other_tags = Target { tags: orders.tags.clone(), ..web.clone() };
    assert!(keys.covers(&elsewhere) && !rm.covers(&elsewhere) && !rm.covers(&other_tags));
    assert_eq!(rails(text), rails(text));
    assert_ne!(rails(text), rails(&text.replace("BEGIN", "END")));
}

#[test]
fn all_mistakes_are_told_at_once() {
    let found = problems(
        r#"
[[guard_rail]]
name = "two words"
pattern = "(unclosed"
action = "panic"
message = "\u001b[2J"
targets = ["web-9", "orders"]
tags = { env = "staging" }
colour = "red"

[[guard_rail]]
"#,
    );
    let keys: Vec<&str> = found.iter().map(|(key, _)| key.strip_prefix("guard_rail[").unwrap()).collect();
    let first = ["0].name", "0].pattern", "0].action", "0].message", "0].targets", "0].targets", "0].tags.env", "0].colour"];
    assert_eq!(keys, [&first[..], &["1].name", "1].pattern", "1].action"]].concat(), "{found:#?}");
    assert!(found[1].1.contains("unclosed group"), "{found:#?}");
}

#[track_caller]
fn one_problem(change: (&str, &str), key: &str, words: &str) {
    let text = "\n[[guard_rail]]\nname = \"keys\"\npattern = \"PRIVATE KEY\"\naction = \"alert\"\n";
    assert_ne!(text.replace(change.0, change.1), text);
    let found = problems(&text.replace(change.0, change.1));
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].0, format!("guard_rail[{key}"), "{found:#?}");
    assert!(found[0].1.contains(words), "{found:#?}");
}

#[test]
fn a_pattern_that_is_too_large_or_matches_everything_is_refused() {
    one_problem(("PRIVATE KEY", r"\\w{1000}"), "0].pattern", "1024 KiB");
    one_problem(("PRIVATE KEY", "(a{500}){500}"), "0].pattern", "1024 KiB");
    one_problem(("PRIVATE KEY", "x*"), "0].pattern", "empty line");
    one_problem(("PRIVATE KEY", ""), "0].pattern", "empty");
}

#[test]
fn a_guard_rail_that_could_never_be_triggered_is_refused() {
    one_problem(("\naction", "\ntargets = []\naction"), "0]", "names no target");
    one_problem(("\naction", "\ntags = { env = \"test\" }\naction"), "0]", "looks at no target");
}

#[test]
fn a_name_is_given_once_and_there_are_not_too_many() {
    let one = "\n[[guard_rail]]\nname = \"keys\"\npattern = \"PRIVATE KEY\"\naction = \"alert\"\n";
    let found = problems(&format!("{one}{one}"));
    assert_eq!(found.len(), 1);
    assert!(found[0].0 == "guard_rail[1].name" && found[0].1.contains("`keys`"), "{found:?}");
    let many: String = (0..101).map(|n| one.replace("keys", &format!("keys-{n}"))).collect();
    assert!(problems(&many)[0].1.contains("more than 100"));
}

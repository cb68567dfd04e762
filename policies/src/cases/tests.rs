//! The shipped examples hold what their cases say, and a case that does not hold is told with its place.

use super::*;
use crate::Known;

fn load(text: &str) -> PolicySet {
    PolicySet::load(vec![("p.cedar".to_owned(), text.to_owned())], &Known::default())
        .unwrap_or_else(|problems| panic!("{}", problems.iter().map(|problem| format!("{problem}\n")).collect::<String>()))
}

macro_rules! example {
    ($test:ident, $name:literal) => {
        #[test]
        fn $test() {
            let set = load(include_str!(concat!("../../examples/", $name, ".cedar")));
            let warnings: Vec<_> = set.warnings().iter().map(ToString::to_string).collect();
            assert_eq!(warnings, Vec::<String>::new());
            let cases = include_str!(concat!("../../examples/", $name, ".test.toml"));
            let report = run_cases(&set, $name, cases).unwrap_or_else(|problem| panic!("{problem}"));
            let failures: Vec<_> = report.failures.iter().map(ToString::to_string).collect();
            assert_eq!(failures, Vec::<String>::new());
            assert!(report.passed > 0);
            let silent: Vec<_> = set.rules().filter(|rule| !report.exercised.contains(&rule.id)).collect();
            assert!(silent.is_empty(), "no case exercises {silent:?}");
        }
    };
}

example!(the_starter_example_holds_its_cases, "starter");
example!(the_team_example_holds_its_cases, "team");
example!(the_on_call_example_holds_its_cases, "on-call");
example!(the_contractor_example_holds_its_cases, "contractor");
example!(the_ci_service_example_holds_its_cases, "ci-service");
example!(the_auditor_example_holds_its_cases, "auditor");

const HEAD: &str = "[principal.ann]\nid = \"corp/ann\"\n[target.web-1]\nkind = \"ssh\"\n[[case]]\nname = \"c\"\n";

fn run(case: &str) -> Result<Report, String> {
    let set = load(
        "@id(\"p\") permit (principal, action == Action::\"connect\", resource);
         @id(\"m\") @mask(\"hash\") forbid (principal, action == Action::\"pg.read_column\", resource);
         @id(\"r\") permit (principal, action == Action::\"pg.read_column\", resource);",
    );
    run_cases(&set, "c.test.toml", &format!("{HEAD}{case}")).map_err(|problem| problem.to_string())
}

#[test]
fn a_case_that_does_not_hold_says_what_was_expected_and_what_came() {
    let failure = |case: &str| run(case).expect("it runs").failures.first().map(ToString::to_string);
    let connect = "principal = \"ann\"\naction = \"connect\"\ntarget = \"web-1\"\n";
    assert_eq!(failure(&format!("{connect}expect = \"allow\"")), None);
    assert_eq!(failure(&format!("{connect}expect = \"deny\"")).as_deref(), Some("c.test.toml:5:1: case \"c\": expected deny, got allow"));
    assert_eq!(
        failure(&format!("{connect}expect = \"allow\"\npolicy = \"q\"")).as_deref(),
        Some("c.test.toml:5:1: case \"c\": policy \"q\" had no say; these had: p")
    );
    let shell = connect.replace("connect", "ssh.shell");
    assert_eq!(
        failure(&format!("{shell}expect = \"hold\"")).as_deref(),
        Some("c.test.toml:5:1: case \"c\": expected hold, got deny: ssh.shell on web-1 is refused: no policy permits it to corp/ann.")
    );
    let column = "principal = \"ann\"\naction = \"pg.read_column\"\ntarget = \"web-1\"\nexpect = \"allow\"\n\
                  table = { database = \"d\", schema = \"s\", name = \"t\", column = \"c\" }\n";
    assert_eq!(failure(&format!("{column}mask = \"hash\"")), None);
    assert_eq!(failure(column).as_deref(), Some("c.test.toml:5:1: case \"c\": expected mask none, got hash"));
}

#[test]
fn a_file_that_is_wrong_is_told_with_its_place() {
    for (case, expected) in [
        (
            "principal = \"ann\"\naction = \"conect\"\nexpect = \"allow\"",
            ":5:1: case \"c\" asks for \"conect\", which is no action; did you mean \"connect\"?",
        ),
        (
            "principal = \"anne\"\naction = \"connect\"\nexpect = \"allow\"",
            "names a principal \"anne\" that the file does not describe; did you mean \"ann\"?",
        ),
        (
            "principal = \"ann\"\naction = \"connect\"\ntarget = \"zzz\"\nexpect = \"allow\"",
            "names a target \"zzz\" that the file does not describe; add [target.zzz]",
        ),
        ("principal = \"ann\"\naction = \"connect\"\nexpect = \"allow\"", "does not say on which target"),
        ("principal = \"ann\"\naction = \"ssh.exec\"\ntarget = \"web-1\"\nexpect = \"allow\"", "does not say the command"),
        ("principal = \"ann\"\naction = \"pg.select\"\ntarget = \"web-1\"\nexpect = \"allow\"", "does not say on which table"),
        ("principal = \"ann\"\nacton = \"connect\"\nexpect = \"allow\"", ":8:1: unknown field `acton`"),
        ("principal = \"ann\"\naction = \"connect\"\nexpect = \"alow\"", ":9:10: unknown variant `alow`"),
        ("principal = \"ann\"\naction = \"connect\"\nexpect = \"deny\"\nmask = \"last5\"", "there is no mask \"last5\""),
        ("principal = ", ":7:"),
    ] {
        let problem = run(case).expect_err("it is wrong");
        assert!(problem.starts_with("c.test.toml:") && problem.contains(expected), "{case}: {problem}");
    }
}

//! What a permit covers, and which paths are paths.

use std::str::FromStr;

use super::*;

#[test]
fn a_permit_covers_redirections_variables_and_the_unknown_only_if_it_looks_at_them() {
    let (none, program, all) = ("", "context.program == \"ls\"", "context.program == \"ls\" && context.redirects.isEmpty()");
    let seeing = |words: &[&str]| words.iter().map(|word| format!(" && context.{word}")).collect::<String>();
    let (variables, dynamic) = (seeing(&["environment.isEmpty()"]), seeing(&["dynamic"]));
    for (conditions, [redirected, assigned, unknown]) in [
        (none.to_owned(), [None, None, None]),
        ("context.login == \"x\"".to_owned(), [None, None, None]),
        (program.to_owned(), [Some(Unseen::Redirections), Some(Unseen::Environment), Some(Unseen::Dynamic)]),
        (all.to_owned(), [None, Some(Unseen::Environment), Some(Unseen::Dynamic)]),
        (format!("{program}{variables}"), [Some(Unseen::Redirections), None, Some(Unseen::Dynamic)]),
        (format!("{program}{dynamic}"), [Some(Unseen::Redirections), Some(Unseen::Environment), None]),
        (format!("{all}{variables}{dynamic}"), [None, None, None]),
        ("context.redirects.isEmpty()".to_owned(), [None, None, None]),
        ("context has args && context.dynamic".to_owned(), [Some(Unseen::Redirections), Some(Unseen::Environment), None]),
    ] {
        let when = if conditions.is_empty() { String::new() } else { format!("when {{ {conditions} }}") };
        let policy = cedar_policy::Policy::from_str(&format!("permit (principal, action, resource) {when};")).expect("a policy");
        let asks = Asks::of(&policy.to_pst().expect("a syntax tree"));
        assert_eq!(uncovered(&asks, false, false, false), None, "{conditions}");
        assert_eq!(uncovered(&asks, true, false, false), redirected, "{conditions}");
        assert_eq!(uncovered(&asks, false, true, false), assigned, "{conditions}");
        assert_eq!(uncovered(&asks, false, false, true), unknown, "{conditions}");
        assert_eq!(uncovered(&asks, true, true, true), redirected.or(assigned).or(unknown), "{conditions}");
    }
}

#[test]
fn only_an_absolute_normalised_path_is_known() {
    for path in ["/", "/srv", "/srv/www", "/srv/...", "/srv/.x", "/srv/a b", "/srv/ü"] {
        assert!(is_normal(path), "{path}");
    }
    for path in ["", "srv", "./srv", "~", "~/x", "//", "/srv/", "//srv", "/srv//www", "/srv/./www", "/srv/..", "/../etc", "/.", "/a\0"] {
        assert!(!is_normal(path), "{path}");
    }
}

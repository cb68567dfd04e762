//! Formatting changes the form only.

use proptest::prelude::*;

use super::*;

fn digest(text: &str) -> [u8; 32] {
    let set = PolicySet::load(vec![("p.cedar".to_owned(), text.to_owned())], &Known::default());
    set.unwrap_or_else(|problems| panic!("{text}\n{problems:?}")).digest()
}

/// A policy in some form: words apart by spaces, line breaks or comments.
fn policy(n: usize) -> impl Strategy<Value = String> {
    let gap = prop::sample::select(vec![" ", "\n", "  \n\n ", "\t", " // a \"comment\"\n", "\n// /// ünï \\ // two\n\n"]);
    let effect = prop::sample::select(vec!["permit", "forbid"]);
    let reason = prop::sample::select(vec!["a // b", "say \\\"no\\\"", "back\\\\slash", "ünï"]);
    let condition = prop::sample::select(vec![
        "",
        "when { context.login == \"root\" || context.login like \"a*//*\" }",
        "unless { resource in Tag::\"env=prod\" }",
        "when { if context.login == \"a\" then true else [\"x\", \"y\"].contains(context.login) } unless { principal has name && false || !true }",
    ]);
    (prop::collection::vec(gap, 12), effect, reason, condition).prop_map(move |(gaps, effect, reason, condition)| {
        let words = [
            &format!("@id(\"p{n}\")"),
            &format!("@reason(\"{reason}\")"),
            effect,
            "(",
            "principal,",
            "action in [Action::\"connect\",",
            "Action::\"ssh.shell\"],",
            "resource",
            ")",
            condition,
            ";",
        ];
        words.iter().zip(gaps).map(|(word, gap)| format!("{gap}{word}")).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn formatting_keeps_the_digest_and_every_comment_and_is_done_once(one in policy(1), two in policy(2)) {
        let text = format!("{one}{two}\n// the end");
        let form = formatted("p.cedar", &text).map_err(|exit| TestCaseError::fail(format!("{exit:?}")))?;
        prop_assert_eq!(digest(&form), digest(&text));
        prop_assert_eq!(comments(&form), comments(&text));
        let again = formatted("p.cedar", &form).map_err(|exit| TestCaseError::fail(format!("{exit:?}")))?;
        prop_assert_eq!(again, form);
    }
}

#[test]
fn comments_are_found_beside_texts_that_look_like_them() {
    assert_eq!(comments("// a\npermit // b // c\n\"// no\" \"\\\"// no\" \"two\n// no\" x / y // d"), ["a", "b // c", "d"]);
    assert_eq!(comments("\"open // no"), Vec::<&str>::new());
}

#[test]
fn every_shipped_example_can_be_formatted() {
    for file in files::find(&["policies/examples".into()], ".cedar").unwrap() {
        let text = fs::read_to_string(&file).unwrap();
        formatted("p.cedar", &text).unwrap_or_else(|exit| panic!("{file:?}: {exit:?}"));
    }
}

#[test]
fn a_remark_about_the_whole_file_stays_apart() {
    let text =
        "// About all of it.\n\n// About x.\n@id(\"x\") permit (principal, action, resource); // beside\n\n// The end.\n\n// Indeed.\n";
    let form = formatted("p.cedar", text).unwrap();
    assert!(
        form.starts_with("// About all of it.\n\n// About x.\n@id(\"x\")\npermit (") && form.ends_with("// The end.\n\n// Indeed.\n"),
        "{form}"
    );
    assert_eq!(formatted("p.cedar", &form).unwrap(), form);
}

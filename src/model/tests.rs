use super::*;

#[test]
fn names_that_could_leave_their_folder_or_their_line_are_refused() {
    for bad in ["", "..", "a/../b", "-x", "a b", "a\nb", "a\u{1b}[2J", "a\u{202e}b", "a..b", "a/b", "x".repeat(64).as_str()] {
        assert!(bad.parse::<TargetName>().is_err(), "{bad:?} was taken as a target");
    }
    for bad in ["alice", "corp/", "corp/../root", "corp/a\u{0}b", "corp/-rf", "../x/y", "corp/$(id)", "corp/a\"b"] {
        assert!(bad.parse::<PrincipalId>().is_err(), "{bad:?} was taken as a principal");
    }
    for bad in ["", "a@b", "-l", "root;id", "a b", "a/b", "$(id)"] {
        assert!(bad.parse::<Login>().is_err(), "{bad:?} was taken as a login");
    }
}

#[test]
fn ordinary_names_pass_and_keep_their_issuer() {
    let id: PrincipalId = "corp/alice@example.com".parse().unwrap();
    assert_eq!(id.issuer(), "corp");
    assert!("ci/repo:acme/app:ref:refs/heads/main".parse::<PrincipalId>().is_ok());
    assert!("k8s/system:serviceaccount:shop:web".parse::<PrincipalId>().is_ok());
    assert!("web-1.eu".parse::<TargetName>().is_ok());
    assert!("svc_deploy".parse::<Login>().is_ok());
}

#[test]
fn a_look_alike_is_another_name_and_never_that_of_a_target() {
    // Cyrillic letters, a full-width one, and an accent that is a character of its own.
    for alike in ["w\u{435}b-1", "\u{ff57}eb-1", "w\u{e9}b-1", "we\u{301}b-1"] {
        assert!(alike.parse::<TargetName>().is_err(), "{alike:?} was taken as a target");
    }
    let alice: PrincipalId = "corp/alice".parse().unwrap();
    for alike in ["corp/\u{430}lice", "corp/alic\u{435}", "corp/\u{ff41}lice", "corp/ALICE"] {
        assert_ne!(alike.parse::<PrincipalId>().ok(), Some(alice.clone()), "{alike:?}");
    }
    assert!("c\u{43e}rp/alice".parse::<PrincipalId>().is_err(), "an issuer's name is the operator's");
    assert!("corp/alice\u{301}".parse::<PrincipalId>().is_err(), "an accent of its own would be one name spelled in two ways");
    let root: Login = "root".parse().unwrap();
    assert_ne!("r\u{43e}\u{43e}t".parse::<Login>().ok(), Some(root));
}

#[test]
fn nothing_foreign_is_shown_raw() {
    let shown = Printable("a\u{1b}]52;c;x\u{7}b\u{202e}c\u{200b}\n\u{9b}").to_string();
    assert!(shown.chars().all(|c| !c.is_control()), "{shown:?}");
    assert!(!shown.contains(['\u{202e}', '\u{200b}']), "{shown:?}");
    let error = "x\u{1b}[2J".parse::<TargetName>().unwrap_err().to_string();
    assert!(!error.contains('\u{1b}'), "{error:?}");
}

#[test]
fn a_secret_does_not_print() {
    assert_eq!(format!("{:?}", Secret::new("hunter2".into())), "‹secret›");
}

#[test]
fn session_ids_sort_by_start_and_survive_text() {
    let early = SessionId::new(1_000, u128::MAX);
    let late = SessionId::new(2_000, 0);
    assert!(early < late);
    assert_eq!(late.to_string().parse::<SessionId>().unwrap(), late);
    assert!("../../etc/passwd0000000000".parse::<SessionId>().is_err());
}

#[test]
fn only_the_prompt_of_a_browser_login_is_taken_for_one() {
    let url = "https://idp.example/auth?state=x~y&a=b%20c";
    assert_eq!(code_login::url_of_prompt(&code_login::prompt(url)), Some(url));
    assert_eq!(code_login::url_of_prompt(&format!("(alice@bastion) {}", code_login::prompt(url))), Some(url));
    let others = [
        "Password: ",
        "(a@b) Password: ",
        "Open sesame\nAnswer: ",
        "Open https://a b\nAnswer: ",
        "Open http://a/\nAnswer: ",
        "Open https://a\u{1b}[2J\nAnswer: ",
        "",
    ];
    for other in others {
        assert_eq!(code_login::url_of_prompt(other), None, "{other:?}");
    }
}

#[test]
fn a_login_wish_survives_the_way_through_ssh() {
    let wish = code_login::redirect_of(&format!("pam,{}", code_login::submethod(4321, Some("corp.eu")))).unwrap();
    assert_eq!((wish.uri.as_str(), wish.issuer.as_deref()), ("http://127.0.0.1:4321/callback", Some("corp.eu")));
    assert_eq!(code_login::device_issuer_of(&code_login::device_submethod("corp.eu")), Some("corp.eu"));
    for other in ["", "pam", "bartizan-code", "bartizan-code.0", "bartizan-code.99999", "bartizan-code.x", "bartizan-code.80@evil.example"]
    {
        assert_eq!(code_login::redirect_of(other), None, "{other:?}");
    }
    assert_eq!(code_login::device_issuer_of("bartizan-code.4321.corp"), None);
}

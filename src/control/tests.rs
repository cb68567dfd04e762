use super::*;
use crate::model::Wish;

#[test]
fn only_known_commands_are_taken_and_the_rest_explain_themselves() {
    assert_eq!(DeskCommand::read(&Wish::Shell), Ok(DeskCommand::Welcome));
    assert_eq!(DeskCommand::read(&Wish::Exec("cert".into())), Ok(DeskCommand::Cert));
    assert_eq!(DeskCommand::read(&Wish::Exec("targets --json".into())), Ok(DeskCommand::Targets { json: true }));
    let id = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    let read = |line: &str| DeskCommand::read(&Wish::Exec(line.replace("ID", id)));
    let said = |answer, reason: &str| Ok(DeskCommand::Answer { id: id.parse().unwrap(), answer, reason: reason.to_owned() });
    assert_eq!(read("approve ID"), said(Answer::Approve(None), ""));
    assert_eq!(read("approve ID --for 10m looks right"), said(Answer::Approve(Some(std::time::Duration::from_secs(600))), "looks right"));
    assert_eq!(read("deny ID not today"), said(Answer::Deny, "not today"));
    assert_eq!(read("revoke ID"), said(Answer::Revoke, ""));
    assert_eq!(read("withdraw ID"), said(Answer::Withdraw, ""));
    let id = "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap();
    assert_eq!(read("tui"), Ok(DeskCommand::Show { scene: Scene::Desk, plain: false }));
    assert_eq!(read("tui --plain"), Ok(DeskCommand::Show { scene: Scene::Desk, plain: true }));
    assert_eq!(read("play ID"), Ok(DeskCommand::Show { scene: Scene::Play(id), plain: false }));
    assert_eq!(read("watch ID"), Ok(DeskCommand::Show { scene: Scene::Watch(id), plain: false }));
    for bad in [
        "tui --fast",
        "play",
        "watch x",
        "approve",
        "approve x",
        "approve ID --for",
        "approve ID --for soon",
        "approve ID --for -5m",
        "deny ID --for 5m",
        "approve ID --force",
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
    for bad in ["rm -rf /", "cert; id", "targets --jsn", "", "targets\n\u{1b}[2J x"] {
        let sentence = DeskCommand::read(&Wish::Exec(bad.into())).unwrap_err();
        assert!(!sentence.chars().any(char::is_control), "{sentence:?}");
    }
    assert!(DeskCommand::read(&Wish::Subsystem("sftp".into())).is_err());
}

#[test]
fn the_list_of_targets_says_how_to_reach_each() {
    let reach = Reach {
        name: "web-1".into(),
        kind: crate::model::TargetKind::Ssh,
        logins: vec!["deploy".into(), "root".into()],
        databases: Vec::new(),
        tags: vec!["env=prod".into()],
        published: None,
    };
    let since = Some("2026-11-01T00:00:00Z".parse().unwrap());
    let told = |publishers, since| {
        let published = Some(Published { publishers, since, streams: 0 });
        targets("bastion", &[Reach { published, ..reach.clone() }])
    };
    assert!(told(2, since).contains("(2 publishers, since 2026-11-01T00:00:00Z)"), "{}", told(2, since));
    assert!(told(0, None).contains("(nobody publishes it now)"), "{}", told(0, None));
    let text = targets("bastion", &[reach]);
    assert!(text.contains("ssh deploy@web-1@bastion") && text.contains("also as root") && text.contains("env=prod"), "{text}");
    assert!(targets("bastion", &[]).contains("No policy"));
}

use super::*;
use crate::model::Wish;

#[test]
fn only_known_commands_are_taken_and_the_rest_explain_themselves() {
    assert_eq!(DeskCommand::read(&Wish::Shell), Ok(DeskCommand::Welcome));
    assert_eq!(DeskCommand::read(&Wish::Exec("cert".into())), Ok(DeskCommand::Cert));
    assert_eq!(DeskCommand::read(&Wish::Exec("targets --json".into())), Ok(DeskCommand::Targets { json: true }));
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
        tags: vec!["env=prod".into()],
    };
    let text = targets("bastion", &[reach]);
    assert!(text.contains("ssh deploy@web-1@bastion") && text.contains("also as root") && text.contains("env=prod"), "{text}");
    assert!(targets("bastion", &[]).contains("No policy"));
}

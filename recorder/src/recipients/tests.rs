use super::*;

fn id() -> SessionId {
    "01JD0000000000000000000001".parse().unwrap()
}

fn secret() -> Secret {
    Zeroizing::new([5; 32])
}

#[test]
fn each_recipient_unwraps_what_was_wrapped_and_no_one_else_does() {
    let pairs: Vec<_> = (0..3).map(|_| Identities::generate()).collect();
    let recipients = Recipients::parse(pairs.iter().take(2).map(|(_, recipient)| recipient)).unwrap();
    let keys = recipients.wrap(&id(), &secret()).unwrap();
    let unwrap = |at: usize| Identities::parse(&format!("# a comment\n{}\n", pairs[at].0.as_str()), None).unwrap().unwrap(&id(), &keys);
    assert_eq!(unwrap(0), Ok(secret()));
    assert_eq!(unwrap(1), Ok(secret()));
    assert_eq!(unwrap(2), Err(UnlockError::NotForYou));
}

#[test]
fn keys_of_another_session_or_changed_ones_are_named_as_such() {
    let (identity, recipient) = Identities::generate();
    let keys = Recipients::parse([&recipient]).unwrap().wrap(&id(), &secret()).unwrap();
    let identities = Identities::parse(&identity, None).unwrap();
    let other = "01JD0000000000000000000002".parse().unwrap();
    assert_eq!(identities.unwrap(&other, &keys), Err(UnlockError::OtherSession));
    for at in 0..keys.len() {
        let mut bad = keys.clone();
        bad[at] ^= 1;
        assert!(identities.unwrap(&id(), &bad).is_err(), "byte {at}");
        assert!(identities.unwrap(&id(), &keys[..at]).is_err(), "length {at}");
    }
}

#[test]
fn one_recipient_is_refused_unless_the_operator_says_so() {
    let (_, recipient) = Identities::generate();
    let one = Recipients::parse([&recipient]).unwrap();
    assert_eq!(one.check(false), Err(BadRecipients::One));
    assert_eq!(one.check(true), Ok(()));
    let two = Recipients::parse([recipient, Identities::generate().1]).unwrap();
    assert_eq!(two.check(false), Ok(()));
}

#[test]
fn what_is_no_recipient_is_refused_without_showing_it() {
    let (secret, recipient) = Identities::generate();
    assert_eq!(Recipients::parse([""; 0]).unwrap_err(), BadRecipients::None);
    assert_eq!(Recipients::parse([&recipient, &recipient]).unwrap_err(), BadRecipients::Twice(recipient.clone()));
    for bad in ["", "age1qqqq", "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDE7nI", "ssh-ed25519", "ssh-ed25519 AAAA", secret.as_str()] {
        let Err(BadRecipients::Unknown(shown)) = Recipients::parse([bad]) else { panic!("{bad}") };
        assert!(shown.chars().count() <= 13, "{shown}");
    }
    let many = (0..=MOST).map(|_| Identities::generate().1);
    assert_eq!(Recipients::parse(many).unwrap_err(), BadRecipients::TooMany);
}

#[test]
fn what_is_no_identity_is_refused() {
    let (_, recipient) = Identities::generate();
    for bad in ["", "# nothing", &recipient, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "-----BEGIN "] {
        assert_eq!(Identities::parse(bad, None).unwrap_err(), UnlockError::Identity, "{bad}");
    }
}

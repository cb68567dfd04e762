//! The key of sealed secrets in a token that speaks PKCS#11.

use std::fs;

use super::sealed::sealed;
use super::{are_nowhere, is_let_in, refusal};
use crate::harness::{PASSWORD, Token};

#[test]
fn an_rsa_key_in_a_token_opens_what_was_sealed_and_small_or_ecdsa_keys_will_not_do() {
    let token = Token::new();
    let mut agent = token.agent();
    let [good, small, ecdsa] = ["large", "small", "user"].map(|label| token.fingerprint(label));
    let socket = token.socket();
    let site = sealed(&format!("\n[secrets]\nkey = {{ agent = \"{}\", fingerprint = \"{good}\" }}\n", socket.display()));
    let alice = site.world.visitor("alice");
    let tunnel = site.tunnel(&alice);
    is_let_in(&tunnel, &alice);
    assert!(!site.world.dir().join("state/keys/secrets").exists());

    // Taken out of the agent, it opens nothing; put back, and by another agent, it does.
    token.unload();
    let why = refusal(&tunnel, &alice);
    assert!(why.contains("cannot be read from sealed orders"), "{why}");
    token.load();
    is_let_in(&tunnel, &alice);
    agent.kill();
    refusal(&tunnel, &alice);
    let _agent = token.agent();
    is_let_in(&tunnel, &alice);

    let file = site.world.dir().join("bartizan.toml");
    let text = fs::read_to_string(&file).unwrap();
    for (bad, words) in [(&small, "has 2048 bits"), (&ecdsa, "differ each time")] {
        fs::write(&file, text.replace(&good, bad)).unwrap();
        let done = site.world.bastion.run(["secret", "set", "other"]).input("planted").finish().refused();
        assert!(done.err.contains(words) && done.err.contains("3072"), "{done}");
    }
    are_nowhere(&site, &[PASSWORD, "planted", "1234\n"]);
}

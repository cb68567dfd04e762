//! Says to an HTTP server who a caller is: a JWT (RFC 7519) that lives for minutes, signed by Ed25519 with a key of its own. Never shows
//! the private key.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::model::{Principal, SessionId, TargetName};

/// The name of the key below `STATE_DIR/keys`.
pub const KEY: &str = "identity";

/// How long a token is good, in seconds.
const LIFE: i64 = 300;

/// Signs for one bastion.
pub struct Vouchers {
    key: SigningKey,
    issuer: String,
}

impl Vouchers {
    /// Signs with `key` for the bastion of that name.
    #[must_use]
    pub fn new(key: SigningKey, issuer: &str) -> Self {
        Self { key, issuer: issuer.to_owned() }
    }

    /// A token for one target, of one session.
    #[must_use]
    pub fn token(&self, principal: &Principal, target: &TargetName, session: SessionId, now: Timestamp) -> String {
        let issued = now.as_second();
        let head = json!({ "alg": "EdDSA", "typ": "JWT", "kid": thumbprint(&self.key.verifying_key()) });
        let claims = json!({
            "iss": self.issuer,
            "sub": principal.id.as_str(),
            "aud": target.as_str(),
            "iat": issued,
            "exp": issued + LIFE,
            "groups": principal.groups.iter().map(|group| group.as_str()).collect::<Vec<_>>(),
            "sid": session.to_string(),
        });
        let signed = format!("{}.{}", encoded(head.to_string()), encoded(claims.to_string()));
        let signature = encoded(self.key.sign(signed.as_bytes()).to_bytes());
        format!("{signed}.{signature}")
    }
}

/// The public half as a JWK set (RFC 7517, RFC 8037).
#[must_use]
pub fn jwks(key: &VerifyingKey) -> Value {
    let x = encoded(key.to_bytes());
    json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": x, "alg": "EdDSA", "use": "sig", "kid": thumbprint(key) }] })
}

/// The key's thumbprint (RFC 7638): its members in the order of their names, without spaces.
fn thumbprint(key: &VerifyingKey) -> String {
    let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, encoded(key.to_bytes()));
    encoded(Sha256::digest(members))
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::VerifyingKey;

    /// The key of RFC 8037, appendix A.3.
    #[test]
    fn a_thumbprint_is_the_one_of_the_standard() {
        let key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        let key = VerifyingKey::from_bytes(&hex::decode(key).unwrap().try_into().unwrap()).unwrap();
        assert_eq!(super::thumbprint(&key), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }
}

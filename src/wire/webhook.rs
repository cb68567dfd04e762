//! POSTs as Standard Webhooks 1.0.0 has them: with an id that is the same at each try, a moment, and a signature over both and the body.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

use crate::model::Secret;

use super::https;

/// Posts `body`, which is JSON, and signs it where there is a `secret`.
///
/// # Errors
/// When it was not taken, in words; nothing in them is secret.
pub async fn post(
    client: &reqwest::Client,
    url: &str,
    (id, at): (&str, Timestamp),
    body: String,
    secret: Option<&Secret>,
) -> Result<(), String> {
    let at = at.as_second().to_string();
    let mut request = client.post(url).header("content-type", "application/json").header("webhook-id", id).header("webhook-timestamp", &at);
    if let Some(secret) = secret {
        request = request.header("webhook-signature", sign(secret, &format!("{id}.{at}.{body}")));
    }
    let answer = request.body(body).send().await.map_err(https::words)?;
    if answer.status().is_success() { Ok(()) } else { Err(format!("HTTP status {}", answer.status().as_u16())) }
}

/// `v1,` and HMAC-SHA256 in base 64. A secret of the form `whsec_…` is base 64 itself, any other is taken as it is.
fn sign(secret: &Secret, text: &str) -> String {
    let key = secret.reveal().strip_prefix("whsec_").and_then(|rest| STANDARD.decode(rest).ok());
    let key = key.unwrap_or_else(|| secret.reveal().as_bytes().to_vec());
    // A key may have any length (RFC 2104).
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key) else { return String::new() };
    mac.update(text.as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_the_one_of_the_specification() {
        // The example of Standard Webhooks 1.0.0.
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned());
        let signed = sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{\"test\": 2432232314}");
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}

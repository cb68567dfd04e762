//! What binds a login to the TLS connection that it is made on (`tls-server-end-point`, RFC 5929 section 4): a hash of the server's
//! certificate, by the hash function of the certificate's own signature. A server in between cannot pass the login on.

use sha2::{Digest, Sha256, Sha384, Sha512};

const SEQUENCE: u8 = 0x30;
const OBJECT: u8 = 0x06;

/// 1.2.840.113549.1.1, signatures by RSA.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
/// 1.2.840.10045.4.3, ECDSA with SHA-2.
const ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];
/// 1.2.840.10045.4.1, ECDSA with SHA-1.
const ECDSA_SHA1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01];

/// The binding for a server that showed `certificate`; none where its signature has no hash function of its own (Ed25519) or one that
/// is told by parameters (RSASSA-PSS).
pub(super) fn end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let algorithm = signature_algorithm(certificate)?;
    let with = |prefix: &[u8]| algorithm.strip_prefix(prefix).and_then(|rest| <[u8; 1]>::try_from(rest).ok());
    if algorithm == ECDSA_SHA1 {
        return Some(Sha256::digest(certificate).to_vec());
    }
    match (with(RSA), with(ECDSA)) {
        // MD5 and SHA-1 are to be replaced by SHA-256.
        (Some([4 | 5 | 11]), _) | (_, Some([2])) => Some(Sha256::digest(certificate).to_vec()),
        (Some([12]), _) | (_, Some([3])) => Some(Sha384::digest(certificate).to_vec()),
        (Some([13]), _) | (_, Some([4])) => Some(Sha512::digest(certificate).to_vec()),
        _ => None,
    }
}

/// The object identifier of the algorithm that signed a certificate (RFC 5280 section 4.1).
fn signature_algorithm(certificate: &[u8]) -> Option<&[u8]> {
    let (whole, _) = value(certificate, SEQUENCE)?;
    let (_to_be_signed, rest) = value(whole, SEQUENCE)?;
    let (algorithm, _) = value(rest, SEQUENCE)?;
    value(algorithm, OBJECT).map(|(identifier, _)| identifier)
}

/// The contents of the DER value that `bytes` begin with, and what follows it.
fn value(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match *first {
        short @ 0..=0x7f => (usize::from(short), rest),
        long @ 0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            (digits.iter().fold(0, |sum, digit| (sum << 8) | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    (*found == tag).then(|| rest.split_at_checked(length)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(algorithm: &[u8]) -> Vec<u8> {
        let tlv = |tag: u8, body: &[u8]| [&[tag, u8::try_from(body.len()).unwrap()], body].concat();
        let body = [tlv(SEQUENCE, &[0x02, 1, 0]), tlv(SEQUENCE, &tlv(OBJECT, algorithm)), tlv(0x03, &[0])].concat();
        tlv(SEQUENCE, &body)
    }

    #[test]
    fn the_hash_is_that_of_the_certificates_own_signature() {
        for (prefix, last, length) in
            [(RSA, 5, 32), (RSA, 11, 32), (RSA, 12, 48), (RSA, 13, 64), (ECDSA, 2, 32), (ECDSA, 3, 48), (ECDSA, 4, 64)]
        {
            let made = certificate(&[prefix, &[last]].concat());
            assert_eq!(end_point(&made).map(|hash| hash.len()), Some(length), "{prefix:?} {last}");
        }
        assert_eq!(end_point(&certificate(&[0x2b, 0x65, 0x70])), None, "Ed25519 has none");
    }

    #[test]
    fn what_is_no_certificate_gives_none() {
        let good = certificate(&[RSA, &[11]].concat());
        for end in 0..good.len() {
            assert_eq!(end_point(&good[..end]), None);
        }
        assert_eq!(end_point(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
    }
}

//! Certificates as a hostile client would send them.

use super::*;

/// `string` of RFC 4251 section 5.
fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

/// A user certificate made by hand, with `options` and a signature key and signature of any sort.
fn raw(options: &[u8], authority: &[u8], after: &[u8]) -> Vec<u8> {
    let at = |offset: i64| (noon().as_second() + offset).to_be_bytes();
    [
        &string(b"ssh-ed25519-cert-v01@openssh.com")[..],
        &string(&[1; 16]),
        &string(&[2; 32]),
        &7_u64.to_be_bytes(),
        &1_u32.to_be_bytes(),
        &string(b"id"),
        &string(&string(b"corp/alice")),
        &at(-60),
        &at(900),
        &string(options),
        &string(b""),
        &string(b""),
        &string(authority),
        &string(&[string(b"ssh-ed25519"), string(&[3; 64])].concat()),
        after,
    ]
    .concat()
}

fn plain_key() -> Vec<u8> {
    new_key().public_key().to_bytes().unwrap()
}

fn nested(depth: usize) -> Vec<u8> {
    (0..depth).fold(plain_key(), |inner, _| raw(b"", &inner, b""))
}

#[test]
fn the_hand_made_certificate_is_one() {
    assert!(read(&nested(1)).is_ok());
    let ours = good().sign(&new_key()).unwrap();
    assert_eq!(read(&ours.to_bytes().unwrap()).unwrap(), ours);
}

#[test]
fn a_certificate_signed_by_a_certificate_is_refused() {
    let ca = new_key();
    let inner = good().sign(&ca).unwrap();
    let two = read(&raw(b"", &inner.to_bytes().unwrap(), b"")).unwrap();
    assert!(two.signature_key().is_certificate());
    // Neither the inner authority nor the inner certificate itself makes it trusted.
    let as_key = PublicKey::new(two.signature_key().clone(), "");
    for trusted in [ca.public_key().clone(), as_key] {
        assert_eq!(check(&two, &[trusted], peer(PEER), noon()), Err(CertificateRefusal::SignedByCertificate));
    }
}

#[test]
fn three_thousand_nested_certificates_are_refused_without_a_stack() {
    let deep = nested(3000);
    assert!(deep.len() > 256 * 1024);
    let small_stack = std::thread::Builder::new().stack_size(128 * 1024);
    let verdicts = small_stack
        .spawn(move || [read(&deep).unwrap_err(), read(&nested(5)).unwrap_err(), read(&nested(900)).unwrap_err()])
        .unwrap()
        .join()
        .unwrap();
    assert_eq!(verdicts, [CertificateRefusal::Malformed, CertificateRefusal::SignedByCertificate, CertificateRefusal::SignedByCertificate]);
    assert!(nested(900).len() < 256 * 1024);
}

#[test]
fn the_library_in_the_ssh_server_refuses_deep_nesting_too() {
    assert!(russh::keys::key::parse_public_key(&nested(3000)).is_err());
}

#[test]
fn options_twice_or_out_of_order_are_refused() {
    let option = |name: &[u8], value: &[u8]| [string(name), string(&string(value))].concat();
    assert!(read(&raw(&option(b"source-address", b"192.0.2.7"), &plain_key(), b"")).is_ok());
    let twice = [option(b"source-address", b"192.0.2.7"), option(b"source-address", b"0.0.0.0/0")].concat();
    let unordered = [option(b"source-address", b"192.0.2.7"), option(b"a", b"b")].concat();
    for options in [twice, unordered] {
        assert_eq!(read(&raw(&options, &plain_key(), b"")), Err(CertificateRefusal::Malformed));
    }
}

#[test]
fn bytes_left_over_anywhere_are_refused() {
    assert_eq!(read(&raw(b"", &plain_key(), b"x")), Err(CertificateRefusal::Malformed));
    let long_key = [plain_key(), vec![0]].concat();
    assert_eq!(read(&raw(b"", &long_key, b"")), Err(CertificateRefusal::Malformed));
    let long_value = [string(b"source-address"), string(&[string(b"192.0.2.7"), vec![0]].concat())].concat();
    assert_eq!(read(&raw(&long_value, &plain_key(), b"")), Err(CertificateRefusal::Malformed));
}

#[test]
fn every_truncation_and_every_flipped_byte_is_refused() {
    let ca = new_key();
    let bytes = good().sign(&ca).unwrap().to_bytes().unwrap();
    let believed = |bytes: &[u8]| read(bytes).is_ok_and(|cert| check(&cert, &[ca.public_key().clone()], peer(PEER), noon()).is_ok());
    assert!(believed(&bytes));
    for length in 0..bytes.len() {
        assert!(!believed(&bytes[..length]), "cut at {length}");
    }
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x20;
        assert!(!believed(&changed), "changed at {at}");
    }
}

//! What rules can name without a pattern of their own.

/// A class.
pub(super) struct Class {
    pub(super) name: &'static str,
    pub(super) pattern: &'static str,
    pub(super) is_one: fn(&str) -> bool,
}

/// The class whose lines go on to [`KEY_END`].
pub(super) const PRIVATE_KEY: &str = "private-key";
/// In the last line of a private key.
pub(super) const KEY_END: &str = "-----END ";

fn any(_: &str) -> bool {
    true
}

const fn class(name: &'static str, pattern: &'static str) -> Class {
    Class { name, pattern, is_one: any }
}

/// All of them.
pub(super) const ALL: &[Class] = &[
    class("email", r"[\w.%+-]+@[\w-]+(?:\.[\w-]+)+"),
    class("ipv4", r"\b(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)\b"),
    Class { name: "ipv6", pattern: r"(?i)[0-9a-f:]*:[0-9a-f:]*:[0-9a-f:.]*", is_one: is_ipv6 },
    Class { name: "credit-card", pattern: r"\b\d(?:[ -]?\d){12,18}\b", is_one: is_card },
    Class { name: "iban", pattern: r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b", is_one: is_iban },
    class("jwt", r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"),
    class("aws-key", r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    class("bearer-token", r"(?i)\bbearer\s+[\w.~+/=-]{8,}"),
    class("assignment", r#"(?i)\b[\w-]*(?:password|passwd|secret|token|api[_-]?key)[\w-]*\s*[=:]\s*(?:"[^"]*"|'[^']*'|\S+)"#),
    class(PRIVATE_KEY, r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----"),
];

fn is_ipv6(text: &str) -> bool {
    text.trim_end_matches('.').parse::<std::net::Ipv6Addr>().is_ok()
}

/// Luhn's sum (ISO/IEC 7812-1).
fn is_card(text: &str) -> bool {
    let digits: Vec<u32> = text.chars().filter_map(|next| next.to_digit(10)).collect();
    let twice = |digit: u32| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let sum: u32 = digits.iter().rev().enumerate().map(|(at, digit)| if at % 2 == 1 { twice(*digit) } else { *digit }).sum();
    sum.is_multiple_of(10)
}

/// The remainder that ISO 13616 asks for.
fn is_iban(text: &str) -> bool {
    let plain: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
    let (Some(head), Some(rest)) = (plain.get(..4), plain.get(4..)) else { return false };
    let remainder = rest.chars().chain(head.chars()).filter_map(|next| next.to_digit(36)).fold(0u32, |sum, digit| {
        let shift = if digit > 9 { 100 } else { 10 };
        (sum * shift + digit) % 97
    });
    remainder == 1
}

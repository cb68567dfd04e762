//! Decodes `$'…'` as bash does, to text that is known before running.

use super::why::Why;

/// The text of what stands between `$'` and `'`. Control characters, but for tab and newline, are refused: no terminal should
/// see them and no policy means them.
pub(super) fn decode(written: &str) -> Result<String, Why> {
    let mut bytes = Vec::new();
    let mut rest = written;
    while let Some(c) = rest.chars().next() {
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
        if c == '\\' {
            rest = escape(rest, &mut bytes)?;
        } else {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    let text = String::from_utf8(bytes).map_err(|_| refused())?;
    if text.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n')) { Err(refused()) } else { Ok(text) }
}

fn refused() -> Why {
    Why::new("`$'…'` makes something that is not text")
}

/// Decodes what follows a backslash; returns what follows that.
fn escape<'a>(rest: &'a str, bytes: &mut Vec<u8>) -> Result<&'a str, Why> {
    let c = rest.chars().next().ok_or_else(refused)?;
    let after = rest.get(c.len_utf8()..).unwrap_or_default();
    match c {
        'n' => bytes.push(b'\n'),
        't' => bytes.push(b'\t'),
        '\\' | '\'' | '"' | '?' => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        '0'..='7' => return number(rest, 8, 3, bytes),
        'x' => return number(after, 16, 2, bytes),
        'u' => return character(after, 4, bytes),
        'U' => return character(after, 8, bytes),
        _ => return Err(Why::new("`$'…'` has an escape that shells do not agree on")),
    }
    Ok(after)
}

fn digits(text: &str, radix: u32, most: usize) -> Result<(u32, &str), Why> {
    let count = text.chars().take(most).take_while(|c| c.is_digit(radix)).count();
    let (digits, rest) = text.split_at_checked(count).ok_or_else(refused)?;
    Ok((u32::from_str_radix(digits, radix).map_err(|_| refused())?, rest))
}

/// One byte by its number. The byte 0 would end the word in bash, and not elsewhere.
fn number<'a>(text: &'a str, radix: u32, most: usize, bytes: &mut Vec<u8>) -> Result<&'a str, Why> {
    let (value, rest) = digits(text, radix, most)?;
    match u8::try_from(value) {
        Ok(byte) if byte != 0 => bytes.push(byte),
        _ => return Err(refused()),
    }
    Ok(rest)
}

fn character<'a>(text: &'a str, most: usize, bytes: &mut Vec<u8>) -> Result<&'a str, Why> {
    let (value, rest) = digits(text, 16, most)?;
    let c = char::from_u32(value).filter(|c| *c != '\0').ok_or_else(refused)?;
    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    Ok(rest)
}

//! The path and the query of a request, normalised (RFC 3986, section 6.2.2): what servers are known to read in several ways is
//! refused by name, what has one meaning is written in one way.

/// The longest target of a request, in bytes.
const LONGEST: usize = 16 << 10;

/// A request's target as it is decided and forwarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The path, without query.
    pub path: String,
    /// What follows the `?`, or "".
    pub query: String,
}

/// Why a target is not read: servers differ in what they make of it, or it is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Odd {
    /// It does not begin with `/`.
    #[error("it is no path: only the origin form (RFC 9112, section 3.2.1) is served")]
    NoPath,
    /// It is too long.
    #[error("it is longer than 16 KiB")]
    TooLong,
    /// It has a byte that has to be percent-encoded.
    #[error("it holds a byte that has to be percent-encoded")]
    RawByte,
    /// It has a `%` that encodes nothing.
    #[error("it holds a % that two hexadecimal digits do not follow")]
    BadEncoding,
    /// It has an encoded byte that some servers take for part of the path's structure.
    #[error("it holds an encoded slash, backslash or control character, which servers read differently")]
    EncodedStructure,
    /// It has a segment that some servers take for `..`.
    #[error("it holds a segment of dots with a parameter or a space, which servers read differently")]
    DotsWithParameter,
    /// It goes above the root.
    #[error("its .. go above the root")]
    AboveRoot,
}

/// Reads a request's target in origin form.
///
/// # Errors
/// When it is none, or servers read such a thing differently.
pub fn read(target: &str) -> Result<Target, Odd> {
    if target.len() > LONGEST {
        return Err(Odd::TooLong);
    }
    if !target.starts_with('/') {
        return Err(Odd::NoPath);
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if query.bytes().any(|byte| !byte.is_ascii_graphic() || byte == b'#' || byte == b'\\') {
        return Err(Odd::RawByte);
    }
    Ok(Target { path: normalised(path)?, query: query.to_owned() })
}

fn normalised(path: &str) -> Result<String, Odd> {
    let mut kept: Vec<String> = Vec::new();
    let mut ends_in_slash = false;
    for segment in path.split('/').skip(1) {
        let read = segment_of(segment)?;
        ends_in_slash = matches!(read.as_str(), "" | "." | "..");
        match read.as_str() {
            // Empty segments: some servers merge slashes; merged here, there is nothing to merge.
            "" | "." => {}
            ".." => {
                kept.pop().ok_or(Odd::AboveRoot)?;
            }
            _ => kept.push(read),
        }
    }
    let mut whole = String::with_capacity(path.len());
    for segment in &kept {
        whole.push('/');
        whole.push_str(segment);
    }
    if ends_in_slash || kept.is_empty() {
        whole.push('/');
    }
    Ok(whole)
}

/// One segment: what need not be encoded is decoded, what is encoded is so in capitals.
fn segment_of(segment: &str) -> Result<String, Odd> {
    let mut read = String::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let (high, low) = (bytes.next().and_then(digit), bytes.next().and_then(digit));
                let (Some(high), Some(low)) = (high, low) else { return Err(Odd::BadEncoding) };
                match high << 4 | low {
                    b'/' | b'\\' | 0..0x20 | 0x7f => return Err(Odd::EncodedStructure),
                    plain if is_unreserved(plain) => read.push(char::from(plain)),
                    other => read.push_str(&format!("%{other:02X}")),
                }
            }
            b'#' | b'\\' => return Err(Odd::RawByte),
            byte if byte.is_ascii_graphic() => read.push(char::from(byte)),
            _ => return Err(Odd::RawByte),
        }
    }
    // `/a/..;/b` is `/b` to some servers; `/a/..%20/b` and `/a/.../b` to some file systems.
    let dots = read.trim_start_matches('.');
    if read.starts_with('.') && (dots.starts_with([';', ':']) || dots.starts_with("%20") || dots.starts_with("%3B")) {
        return Err(Odd::DotsWithParameter);
    }
    Ok(read)
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

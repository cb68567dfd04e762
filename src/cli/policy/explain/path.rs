//! Paths of requests in the one form that policy sees and that is forwarded. What two servers could read differently is refused, not
//! mended.

/// `path` normalised as RFC 3986 section 6.2.2 has it: escapes of plain characters undone, other escapes in upper case, dot
/// segments resolved.
///
/// # Errors
/// With what is wrong with it.
pub(super) fn normal(path: &str) -> Result<String, String> {
    if !path.starts_with('/') {
        return Err("a path begins with /".into());
    }
    let plain = unescaped(path)?;
    let mut parts: Vec<&str> = Vec::new();
    let mut segments = plain.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    parts.pop();
                }
                if last {
                    parts.push("");
                }
            }
            "" if !last => return Err("an empty segment (//) is read differently by different servers".into()),
            segment => parts.push(segment),
        }
    }
    Ok(format!("/{}", parts.join("/")))
}

fn unescaped(path: &str) -> Result<String, String> {
    let mut out = String::with_capacity(path.len());
    let mut rest = path.chars();
    while let Some(c) = rest.next() {
        match c {
            '%' => {
                let escape: String = rest.by_ref().take(2).collect();
                let byte =
                    u8::from_str_radix(&escape, 16).ok().filter(|_| escape.chars().all(|c| c.is_ascii_hexdigit()) && escape.len() == 2);
                match byte.ok_or("a % stands before two hexadecimal digits")? {
                    byte if is_unreserved(char::from(byte)) => out.push(char::from(byte)),
                    b'/' | b'\\' | 0..=0x1f | 0x7f => return Err(format!("%{escape} is read differently by different servers")),
                    _ => out.push_str(&format!("%{}", escape.to_ascii_uppercase())),
                }
            }
            c if is_unreserved(c) || "/!$&'()*+,;=:@".contains(c) => out.push(c),
            _ => return Err("it has a character that has to be escaped with %".into()),
        }
    }
    Ok(out)
}

/// RFC 3986 section 2.3.
fn is_unreserved(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_form() {
        for (path, form) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/./b/../c", "/a/c"),
            ("/a/..", "/"),
            ("/../../a/", "/a/"),
            ("/%61%2d%7e", "/a-~"),
            ("/a%20b%c3%bc", "/a%20b%C3%BC"),
            ("/%2e%2e/a", "/a"),
        ] {
            assert_eq!(normal(path).as_deref(), Ok(form), "{path}");
        }
    }

    #[test]
    fn what_servers_read_differently_is_refused() {
        for path in ["", "a", "/a//b", "/a%2fb", "/a%5cb", "/a%00", "/a%0a", "/a\\b", "/a b", "/ü", "/a%", "/a%g1", "/a%+1", "/a#b", "/a?b"]
        {
            assert!(normal(path).is_err(), "{path}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_normal_path_stays_as_it_is(path in "/[a-c./%25-7e]{0,12}") {
            if let Ok(form) = normal(&path) {
                proptest::prop_assert_eq!(normal(&form), Ok(form.clone()));
                proptest::prop_assert!(!form.split('/').any(|part| part == "." || part == ".."));
            }
        }
    }
}

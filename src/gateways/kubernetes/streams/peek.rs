//! Whether a connection begins with a request for a terminal in a container: then its recording is a terminal's. It only shapes the
//! recording; what the request means is decided apart, and what it does is recorded either way.

use bartizan_policies::http::read;
use bartizan_policies::kubernetes::{Query, Resolved, Streams, resolve};

use crate::frontdoor::Terminal;

/// The terminal that the first request asks for, of which `heard` is the beginning.
#[must_use]
pub fn terminal(heard: &[u8]) -> Option<Terminal> {
    let line = heard.split(|byte| *byte == b'\n').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    let (method, target) = (words.next()?, read(words.next()?).ok()?);
    let Ok(Resolved::Resource(request)) = resolve(method, &target, false) else { return None };
    let reaches_in = matches!(request.subresource.as_deref(), Some("exec" | "attach"));
    let has_terminal = reaches_in && Streams::of(&Query::read(&target.query).ok()?).ok()?.tty;
    // The container's runtime calls it so; its size comes when it is there.
    has_terminal.then(|| Terminal { term: "xterm".to_owned(), size: (0, 0), pixels: (0, 0), modes: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::terminal;

    #[test]
    fn only_exec_and_attach_with_a_terminal_have_one() {
        let pod = "/api/v1/namespaces/default/pods/web";
        for (line, has) in [
            (format!("POST {pod}/exec?command=sh&stdin=true&tty=true HTTP/1.1\r\nHost: x\r\n"), true),
            (format!("GET {pod}/exec?command=sh&tty=1 HTTP/1.1\r\n"), true),
            (format!("GET {pod}/attach?tty=true HTTP/1.1\r\n"), true),
            (format!("GET {pod}/exec?command=sh HTTP/1.1\r\n"), false),
            (format!("GET {pod}/exec?command=sh&tty=false HTTP/1.1\r\n"), false),
            (format!("GET {pod}/log?tty=true HTTP/1.1\r\n"), false),
            (format!("GET {pod}?tty=true HTTP/1.1\r\n"), false),
            ("GET /%zz HTTP/1.1\r\n".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(terminal(line.as_bytes()).is_some(), has, "{line}");
        }
    }
}

//! A recording as one page that holds asciinema's player and all else it needs: it can be opened anywhere, asks nobody for anything,
//! and is told not to by its own policy. What was recorded is data in it, never markup.

use std::io::{self, Write};

use crate::cast::{CastVersion, ExportError, export};
use crate::head::Head;
use crate::recording::Recording;
use crate::redact::Redaction;
use crate::render::one_line;

/// asciinema-player 3.18.0: see recorder/assets/asciinema-player.
const PLAYER: &str = include_str!("../assets/asciinema-player/asciinema-player.min.js");
const STYLE: &str = include_str!("../assets/asciinema-player/asciinema-player.css");

/// The player compiles its terminal, which it carries as data; nothing is fetched.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline' 'wasm-unsafe-eval'; style-src 'unsafe-inline'; img-src data:; font-src data:; connect-src data:";

/// Writes `recording` to `out` as one page. `progress` is told how many bytes of the channel file are behind.
///
/// # Errors
/// [`ExportError`]. A torn end, as a running recording may have, is none.
pub fn export_html(
    recording: &Recording,
    mut redaction: Option<&mut Redaction>,
    out: &mut impl Write,
    progress: &mut dyn FnMut(u64),
) -> Result<(), ExportError> {
    let mut mask = |text: &str| match &mut redaction {
        Some(redaction) => redaction.masked(text),
        None => text.to_owned(),
    };
    let facts: String = facts(recording.head()).into_iter().map(|(name, value)| row(name, &mask(&value))).collect();
    let title = escaped(&format!("Recording {}", recording.head().session));
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <link rel=\"icon\" href=\"data:,\"><title>{title}</title>\n<style>{STYLE}</style>\n\
         <style>body{{font:16px/1.4 system-ui,sans-serif;margin:1rem auto;max-width:72rem;padding:0 1rem}}\
         table{{border-collapse:collapse;margin:0 0 1rem}}th{{text-align:left;padding:0 1rem 0 0}}td{{overflow-wrap:anywhere}}</style>\n\
         </head><body>\n<h1>{title}</h1>\n<table>{facts}</table>\n<div id=\"player\"></div>\n\
         <noscript>The recording needs JavaScript to be played.</noscript>\n<script>{PLAYER}</script>\n<script>\nconst recording = [\n"
    )?;
    let mut lines = Lines { out, line: Vec::new() };
    export(recording, CastVersion::V2, false, redaction, &mut lines, progress)?;
    let out = lines.out;
    write!(
        out,
        "].join(\"\\n\") + \"\\n\";\nconst player = AsciinemaPlayer.create({{ data: recording }}, document.getElementById(\"player\"), \
         {{ fit: \"width\", idleTimeLimit: 2, controls: true }});\n</script>\n</body></html>\n"
    )?;
    Ok(out.flush()?)
}

fn facts(head: &Head) -> Vec<(&'static str, String)> {
    let place = head.login.as_ref().map_or_else(|| head.target.clone(), |login| format!("{login}@{}", head.target));
    let started = jiff::Timestamp::from_microsecond(head.started_us).map(|at| at.to_string()).unwrap_or_default();
    let mut facts = vec![("Who", head.principal.clone()), ("Where", place), ("When", started), ("What", head.kind.clone())];
    facts.extend(head.command.clone().map(|command| ("Command", command)));
    facts
}

fn row(name: &str, value: &str) -> String {
    format!("<tr><th>{name}</th><td>{}</td></tr>", escaped(&one_line(value, 2000)))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Takes lines, and writes each as a string of JavaScript's in which nothing can end the script.
struct Lines<'a, W> {
    out: &'a mut W,
    line: Vec<u8>,
}

impl<W: Write> Write for Lines<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            match part.strip_suffix(b"\n") {
                None => self.line.extend_from_slice(part),
                Some(end) => {
                    self.line.extend_from_slice(end);
                    let line = std::mem::take(&mut self.line);
                    let text = serde_json::to_string(&String::from_utf8_lossy(&line)).map_err(io::Error::other)?;
                    let text =
                        text.replace('<', "\\u003c").replace('>', "\\u003e").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
                    writeln!(self.out, "{text},")?;
                }
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use crate::testing::{now, shell};

    #[test]
    fn what_was_recorded_cannot_leave_its_place_in_the_page() {
        let mut tape = shell();
        let hostile = b"</script><script>alert(1)</script><!-- \xe2\x80\xa8 \" ' \\ &lt;";
        tape.writer.append(now(1), &[Event::output(&hostile[..])]).unwrap();
        let mut out = Vec::new();
        export_html(&tape.recording(), None, &mut out, &mut |_| ()).unwrap();
        let page = String::from_utf8(out).unwrap();
        assert_eq!(page.matches("<script>").count(), 2);
        assert_eq!(page.matches("</script>").count(), 2);
        let data = page.split_once("const recording = [\n").unwrap().1.split_once("\n].join").unwrap().0;
        let lines: Vec<String> = serde_json::from_str(&format!("[{}]", data.trim_end_matches(','))).unwrap();
        assert!(lines[1].contains("</script><script>alert(1)"), "{lines:?}");
    }

    #[test]
    fn names_are_text() {
        assert_eq!(row("Who", "<b onclick=\"x\">&\u{1b}[2J"), "<tr><th>Who</th><td>&lt;b onclick=&quot;x&quot;&gt;&amp; [2J</td></tr>");
    }
}

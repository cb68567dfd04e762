//! Asks a terminal whether it shows 24 bit colours, where nothing else tells: XTGETTCAP for the capabilities `RGB` and `Tc`, then DA1,
//! which every terminal answers, so that silence about the first is an answer too. Nothing waits for it.

use super::Depth;

/// The question.
pub const ASK: &[u8] = b"\x1bP+q524742;5463\x1b\\\x1b[c";

/// So much of what comes is looked through.
const MOST: usize = 1 << 10;

/// Listens for the answer in what a terminal sends.
#[derive(Debug)]
pub struct Listening {
    heard: Vec<u8>,
    done: bool,
}

impl Listening {
    /// For a terminal of this depth.
    #[must_use]
    pub fn on(depth: Depth) -> Self {
        Self { heard: Vec::new(), done: !Self::asks(depth) }
    }

    /// Whether such a terminal is asked: one of 256 colours may have more and not say so in its name.
    #[must_use]
    pub fn asks(depth: Depth) -> bool {
        depth == Depth::Indexed
    }

    /// Whether the terminal has just said that it has 24 bit.
    pub fn take(&mut self, bytes: &[u8]) -> bool {
        if self.done {
            return false;
        }
        let room = MOST.saturating_sub(self.heard.len());
        self.heard.extend(bytes.iter().take(room));
        let text = String::from_utf8_lossy(&self.heard).to_ascii_lowercase();
        let found = ["524742", "5463"].iter().any(|name| text.contains(&format!("\x1bp1+r{name}")));
        let answered =
            text.split("\x1b[?").skip(1).any(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('c'));
        if found || answered || self.heard.len() >= MOST {
            self.done = true;
            self.heard = Vec::new();
        }
        found
    }
}

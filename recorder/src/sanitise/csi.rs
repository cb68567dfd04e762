//! Which control sequences (CSI) may pass: cursor moves, erasing, inserting and deleting, scrolling, colours, tab stops,
//! and the modes that change how cells are drawn. Never a query, a window operation, or a mode of keys or mouse.

use super::Cost;

/// Largest number passed on: larger ones make a model work without showing more.
const LARGEST: u32 = 1000;
/// DEC private modes that change only what is drawn: origin, wrap, cursor shown, alternate screens, saved cursor.
const DRAWING_MODES: [u32; 7] = [6, 7, 25, 47, 1047, 1048, 1049];
/// ANSI modes that change only what is drawn: insert, line feed as new line.
const DRAWING_ANSI_MODES: [u32; 2] = [4, 20];

/// The sequence to pass on for `begun` (from ESC on, without its last character) and `last`, and what it costs. `None`
/// drops it.
pub(super) fn allowed(begun: &str, last: char) -> Option<(String, Cost)> {
    let inner = begun.strip_prefix("\x1b[")?;
    if let Some(modes) = inner.strip_prefix('?') {
        return modes_of(modes, &DRAWING_MODES, last).map(|kept| screens(format!("\x1b[?{kept}{last}")));
    }
    match last {
        'm' if inner.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b';' | b':')) => Some(cheap(format!("{begun}m"))),
        'h' | 'l' => modes_of(inner, &DRAWING_ANSI_MODES, last).map(|kept| cheap(format!("\x1b[{kept}{last}"))),
        'p' if inner == "!" => Some(cheap(format!("{begun}p"))),
        's' | 'u' if inner.is_empty() => Some(cheap(format!("{begun}{last}"))),
        _ => drawing(inner, last),
    }
}

fn drawing(inner: &str, last: char) -> Option<(String, Cost)> {
    let numbers = numbers(inner)?;
    let first = u64::from(numbers.first().copied().unwrap_or(1).max(1));
    let text: Vec<String> = numbers.iter().map(u32::to_string).collect();
    let sequence = format!("\x1b[{}{last}", text.join(";"));
    match last {
        // Moves and tab stops.
        'A'..='I' | 'Z' | '`' | 'a' | 'd' | 'e' | 'f' | 'g' | 'r' => Some(cheap(sequence)),
        // Cursor tabulation control (ECMA-48 8.3.17): a tab stop here, none here, none at all. A snapshot sets its own so.
        'W' if matches!(numbers.as_slice(), [] | [0] | [2] | [5]) => Some(cheap(sequence)),
        // Erasing the scroll-back would erase what is not of this recording.
        'J' if numbers.contains(&3) => None,
        'J' => Some(screens(sequence)),
        // With more numbers, T asks for mouse tracking.
        'T' if numbers.len() > 1 => None,
        'L' | 'M' | 'S' | 'T' => Some((sequence, Cost { chars: 1, rows: first, screens: 0 })),
        'K' | 'X' | '@' | 'P' => Some((sequence, Cost { chars: 1, rows: 1, screens: 0 })),
        'b' => Some((sequence, Cost { chars: first, rows: 0, screens: 0 })),
        _ => None,
    }
}

fn cheap(sequence: String) -> (String, Cost) {
    (sequence, Cost { chars: 1, rows: 0, screens: 0 })
}

fn screens(sequence: String) -> (String, Cost) {
    (sequence, Cost { chars: 1, rows: 0, screens: 1 })
}

/// Decimal numbers between semicolons; an empty one is 0, which stands for the default.
fn numbers(inner: &str) -> Option<Vec<u32>> {
    if inner.is_empty() {
        return Some(Vec::new());
    }
    inner.split(';').map(number).collect()
}

fn number(digits: &str) -> Option<u32> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // What does not fit is larger than the largest.
    Some(if digits.is_empty() { 0 } else { digits.parse().unwrap_or(LARGEST).min(LARGEST) })
}

/// Those of the modes named that may be set and reset.
fn modes_of(inner: &str, drawing: &[u32], last: char) -> Option<String> {
    if !matches!(last, 'h' | 'l') {
        return None;
    }
    let named = inner.split(';').filter_map(|digits| digits.parse::<u32>().ok());
    let kept: Vec<String> = named.filter(|mode| drawing.contains(mode)).map(|mode| mode.to_string()).collect();
    (!kept.is_empty()).then(|| kept.join(";"))
}

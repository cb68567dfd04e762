//! Finds text in one recording by reading all of it. An index that knows the recording answers at once; this needs none.

use crate::recording::{OpenError, Recording};
use crate::replay::Place;
use crate::text::{TextKind, TextLimits, TextRow, text_rows};

/// Characters of what was found that are given back with its place.
const SHOWN: usize = 80;

/// Where `text` was first seen on the screen or stood in an operation, in any case of letters, in order of time: `most` places at
/// most. What was typed is not looked through.
///
/// # Errors
/// [`OpenError`] when it cannot be read.
pub fn find_text(recording: &Recording, text: &str, most: usize) -> Result<Vec<Place>, OpenError> {
    let wanted = text.to_lowercase();
    let mut found = Vec::new();
    let mut look = |row: TextRow| {
        if found.len() < most && row.kind != TextKind::Input && row.text.to_lowercase().contains(&wanted) {
            let label = row.text.chars().take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
            found.push(Place { at_us: row.at_us, label });
        }
    };
    text_rows(recording, TextLimits::default(), &mut look, &mut |_| ())?;
    found.sort_by_key(|place| place.at_us);
    Ok(found)
}

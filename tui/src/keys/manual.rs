//! The keys as a part of bartizan-tui(1).

use std::fmt::Write;

use super::{BINDINGS, On, together};

/// Keys while a line is typed; they cannot be set.
pub(crate) const TYPING: &[(&str, &str)] = &[
    ("enter", "done"),
    ("esc", "as it was before"),
    ("← → home end", "move"),
    ("ctrl-a ctrl-e", "to the beginning, to the end"),
    ("⌫ ctrl-w ctrl-u ctrl-k", "delete: a character, a word, all before, all behind"),
    ("tab", "complete (palette)"),
    ("↑ ↓", "choose (palette, targets)"),
];

/// The tables of the manual, in roff. A test compares them with the manual.
#[must_use]
pub fn manual() -> String {
    let mut out = String::new();
    for place in On::ALL {
        let _ = writeln!(out, ".SS {}\n.TS\nl l lx.", place.title());
        for binding in BINDINGS.iter().filter(|binding| binding.on == place) {
            let keys = together(&binding.chords());
            let _ = writeln!(out, "{}\t{}\t{}", roff(&keys), roff(binding.name), roff(binding.does));
        }
        out.push_str(".TE\n");
    }
    out.push_str(".SS While a line is typed\n.TS\nl lx.\n");
    for (keys, does) in TYPING {
        let _ = writeln!(out, "{}\t{}", roff(keys), roff(does));
    }
    out.push_str(".TE\n");
    out
}

/// Text that roff takes as it is.
fn roff(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

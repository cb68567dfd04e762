//! Pieces of the script that is written again from what was understood: text, and how tightly it binds. It never reads text.

/// How tightly a piece binds; what binds less is wrapped in braces before it is made part of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// A simple or compound command.
    Command,
    /// A pipeline.
    Pipe,
    /// A pipeline with `!` before it.
    Not,
    /// Pipelines joined by `&&` and `||`.
    AndOr,
    /// Several of these, or one in the background.
    List,
    /// A command that ends with the lines of a here-document.
    Document,
}

/// Some text of the script.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) level: Level,
    /// Whether it is one simple command made of literal words that every common shell reads alike.
    pub(super) plain: bool,
}

impl Piece {
    pub(super) fn new(text: String, level: Level) -> Self {
        Self { text, level, plain: false }
    }

    /// What does nothing, successfully.
    pub(super) fn nothing() -> Self {
        Self { text: ":".to_owned(), level: Level::Command, plain: true }
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.text == ":"
    }

    /// The text as what follows `-c`, where shells still look for options.
    pub(super) fn as_argument(&self) -> String {
        format!("{}{}", if self.text.starts_with(['-', '+']) { " " } else { "" }, self.text)
    }

    /// The text, in braces if it binds less tightly than `level`.
    pub(super) fn within(self, level: Level) -> String {
        if self.level <= level { self.text } else { format!("{{ {}}}", self.ended()) }
    }

    /// The text up to where the next word of a compound command may follow.
    pub(super) fn ended(&self) -> String {
        let open = !self.text.ends_with(['\n', '&']);
        format!(
            "{}{}",
            self.text,
            if open {
                "; "
            } else if self.text.ends_with('&') {
                " "
            } else {
                ""
            }
        )
    }
}

/// One after the other. What does nothing is left out, unless it is last and so decides the status.
pub(super) fn list(items: Vec<(Piece, bool)>) -> Piece {
    let last = items.len().saturating_sub(1);
    let mut kept: Vec<_> = items
        .into_iter()
        .enumerate()
        .filter(|(at, (piece, background))| *at == last || *background || !piece.is_nothing())
        .map(|(_, item)| item)
        .collect();
    match (kept.pop(), kept.is_empty()) {
        (None, _) => Piece::nothing(),
        (Some((only, false)), true) => only,
        (Some(end), _) => {
            kept.push(end);
            let mut text = String::new();
            for (at, (piece, background)) in kept.into_iter().enumerate() {
                if at > 0 && text.ends_with('&') {
                    text.push(' ');
                } else if at > 0 && !text.ends_with('\n') {
                    text.push_str("; ");
                }
                if background {
                    text.push_str(&piece.within(Level::AndOr));
                    text.push_str(" &");
                } else {
                    text.push_str(&piece.text);
                }
            }
            Piece::new(text, Level::List)
        }
    }
}

//! What the terminal UI's host has to do.

/// Something to do. Nothing is done here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Send this line, and a line feed, on the control connection.
    Send(String),
    /// Open, move or close a recording; the answer is [`Event::Replay`](crate::Event::Replay).
    Replay(ReplayOrder),
    /// Leave the terminal to a session on a target until it ends, then say [`Event::Returned`](crate::Event::Returned).
    Connect {
        /// The target.
        target: String,
        /// As which account, where the kind has accounts.
        login: Option<String>,
    },
    /// Sign `challenge` with the approver's key (namespace `bartizan-approval`), then say [`Event::Signed`](crate::Event::Signed).
    Sign {
        /// Of which approval.
        approval: String,
        /// What is to be signed.
        challenge: String,
    },
    /// Have the person prove again who they are, then say [`Event::Unlocked`](crate::Event::Unlocked). A host that cannot says so.
    Unlock,
    /// Put this, which is ours, on the clipboard.
    Copy(String),
    /// Ring.
    Bell,
    /// Clear the terminal and draw all of it.
    Redraw,
    /// Stop this process until it is continued (local terminals only).
    Suspend,
    /// Append this to what plain mode has printed, as lines. Nothing in it acts on a terminal.
    Print(String),
    /// End.
    Quit,
}

/// What the host's replayer has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplayOrder {
    /// Open the recording of `session` at `at_us`. Whatever was open is closed.
    Open {
        /// The session.
        session: String,
        /// Microseconds since it began.
        at_us: u64,
    },
    /// Go to this moment, in microseconds.
    Seek(u64),
    /// Play up to this moment, in microseconds.
    Advance(u64),
    /// Play one event.
    Step,
    /// Go back by one event.
    StepBack,
    /// Find this text in the recording.
    Find(String),
    /// Close it.
    Close,
}

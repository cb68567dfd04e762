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
    /// Have the answer signed with the approver's key, then say [`Event::Signed`](crate::Event::Signed).
    Sign(Box<ToSign>),
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

/// An answer that is to be signed before it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToSign {
    /// To which approval.
    pub approval: String,
    /// What the approval is bound to.
    pub digest: String,
    /// Yes or no.
    pub approve: bool,
    /// For how long at most, in seconds, where that is less than policy allows.
    pub for_seconds: Option<u64>,
    /// Why.
    pub reason: String,
    /// Who answers, as the bastion calls them.
    pub approver: String,
    /// The fingerprint of the key that they logged in with, whose signature it has to be.
    pub key: String,
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

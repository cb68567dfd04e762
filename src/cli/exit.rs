//! How a command ends: 0 done, 1 refused, not found or tampered, 2 usage, 3 could not be completed or verified, 4 held.

use std::process::ExitCode;

/// A command that did not do what it was asked, with the sentence that says why.
#[derive(Debug)]
pub(crate) struct Exit {
    code: u8,
    message: String,
}

impl Exit {
    /// Refused by policy, not found, or tampered with: exit code 1.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self { code: 1, message: message.into() }
    }

    /// A mistake in the command line or configuration: exit code 2.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { code: 2, message: message.into() }
    }

    /// Could not be completed or verified: exit code 3.
    pub(crate) fn incomplete(message: impl Into<String>) -> Self {
        Self { code: 3, message: message.into() }
    }

    /// Somebody has to approve first: exit code 4.
    pub(crate) fn held(message: impl Into<String>) -> Self {
        Self { code: 4, message: message.into() }
    }

    /// The same, told after what was done before it went wrong.
    pub(crate) fn after(self, done: &str) -> Self {
        Self { message: format!("{done}: {}", self.message), ..self }
    }

    /// The sentence that says why.
    pub(crate) fn sentence(&self) -> &str {
        &self.message
    }

    /// Prints the sentence to standard error.
    #[expect(clippy::print_stderr, reason = "cli is the code that prints")]
    pub(crate) fn report(&self) -> ExitCode {
        eprintln!("bartizan: {}", self.message);
        ExitCode::from(self.code)
    }
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

/// Could not be completed or verified.
impl From<String> for Exit {
    fn from(sentence: String) -> Self {
        Self::incomplete(sentence)
    }
}

impl From<anyhow::Error> for Exit {
    fn from(error: anyhow::Error) -> Self {
        Self::incomplete(format!("{error:#}"))
    }
}

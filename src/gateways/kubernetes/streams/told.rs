//! What the streams beside the command's own tell: how it ended, and how large the client's terminal is.

use serde_json::{Value, json};

use super::said::Broken;

/// The longest account of how a command ended.
const STATUS_MAX: usize = 64 << 10;

/// The longest size that is not whole yet.
const SIZE_MAX: usize = 1 << 10;

/// How the command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    /// With this exit code.
    Code(u32),
    /// It did not run to its end, or not at all.
    Failed(String),
}

/// Collects what the stream `error` says.
#[derive(Default)]
pub(super) struct Status(Vec<u8>);

impl Status {
    /// Gives the ending when it is told in full.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<Option<Ending>, Broken> {
        if self.0.len() + bytes.len() > STATUS_MAX {
            return Broken::because("how the command ended is told in too many words");
        }
        self.0.extend_from_slice(bytes);
        // It is an object: while its last character is missing, it need not be looked at.
        if !self.0.trim_ascii_end().ends_with(b"}") {
            return Ok(None);
        }
        let Ok(status) = serde_json::from_slice(&self.0) else { return Ok(None) };
        self.0.clear();
        Ok(Some(ending(&status)))
    }
}

/// The meaning of a `Status` (`meta/v1`).
fn ending(status: &Value) -> Ending {
    let word = |of: &Value, name: &str| of.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    if word(status, "status") == "Success" {
        return Ending::Code(0);
    }
    let causes = status.pointer("/details/causes").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let code = causes.iter().find(|cause| word(cause, "reason") == "ExitCode").and_then(|cause| word(cause, "message").parse().ok());
    match code.filter(|_| word(status, "reason") == "NonZeroExitCode") {
        Some(code) => Ending::Code(code),
        None => Ending::Failed(word(status, "message")),
    }
}

/// The `Status` that tells a client that its session was ended.
pub(super) fn cut(why: &str) -> Vec<u8> {
    let status = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": format!("bartizan: {why}"),
        "reason": "Forbidden",
        "code": 403,
    });
    status.to_string().into_bytes()
}

/// Collects what the stream `resize` says.
#[derive(Default)]
pub(super) struct Sizes(Vec<u8>);

impl Sizes {
    /// Gives the columns and rows that are told in full.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<Vec<(u16, u16)>, Broken> {
        let mut sizes = Vec::new();
        for part in bytes.split_inclusive(|byte| *byte == b'}') {
            if self.0.len() + part.len() > SIZE_MAX {
                return Broken::because("the size of the terminal is told in too many words");
            }
            self.0.extend_from_slice(part);
            if part.ends_with(b"}") {
                let told = serde_json::from_slice(&std::mem::take(&mut self.0));
                let size = told.ok().as_ref().and_then(size);
                sizes.push(size.ok_or_else(|| Broken("the size of the terminal is not told as it has to be".to_owned()))?);
            }
        }
        Ok(sizes)
    }
}

/// Columns and rows. Go reads the names of fields whatever their case.
fn size(told: &Value) -> Option<(u16, u16)> {
    let fields = told.as_object()?;
    let side = |name: &str| {
        let mut values = fields.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_u64());
        let value = values.next().unwrap_or(Some(0))?;
        u16::try_from(value).ok().filter(|_| values.next().is_none())
    };
    Some((side("width")?, side("height")?))
}

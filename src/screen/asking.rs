//! Requests that a host of the terminal UI has of its own on the control connection that it shares with the UI's core: they are
//! numbered where the core never counts to, and their answers are taken out of what the core hears.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::oneshot;

/// The core counts from 1.
const FIRST: u64 = 1 << 48;

/// More than one worker asks for at a time.
const MOST: usize = 64;

/// What a worker wants to know; it has the answer, or why there is none.
#[derive(Debug)]
pub(super) struct Asked {
    /// The request without its `id`.
    pub(super) request: Map<String, Value>,
    /// Takes the answer.
    pub(super) answer: oneshot::Sender<Result<Value, String>>,
}

/// The requests that are not answered yet.
#[derive(Debug, Default)]
pub(super) struct Asking {
    next: u64,
    waiting: HashMap<u64, oneshot::Sender<Result<Value, String>>>,
}

#[derive(Deserialize)]
struct Numbered {
    id: u64,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    ok: Value,
    error: Option<Failure>,
}

#[derive(Deserialize)]
struct Failure {
    message: String,
}

impl Asking {
    /// The line to send for a request; none if too many wait.
    pub(super) fn line(&mut self, asked: Asked) -> Option<String> {
        let Asked { mut request, answer } = asked;
        self.waiting.retain(|_, answer| !answer.is_closed());
        if self.waiting.len() >= MOST {
            // Its end of the answer tells the worker.
            return None;
        }
        let id = FIRST + self.next;
        self.next = self.next.wrapping_add(1) % FIRST;
        request.insert("id".to_owned(), id.into());
        self.waiting.insert(id, answer);
        Some(Value::Object(request).to_string())
    }

    /// Whether `line` is an answer to one of these, which has it then.
    pub(super) fn takes(&mut self, line: &str) -> bool {
        let Some(id) = serde_json::from_str(line).ok().map(|Numbered { id }| id).filter(|id| *id >= FIRST) else { return false };
        if let Some(answer) = self.waiting.remove(&id) {
            let said = match serde_json::from_str(line) {
                Ok(Answer { error: Some(failure), .. }) => Err(failure.message),
                Ok(Answer { ok, error: None }) => Ok(ok),
                Err(error) => Err(error.to_string()),
            };
            // Who does not wait any longer needs none.
            drop(answer.send(said));
        }
        true
    }
}

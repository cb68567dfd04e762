//! Secrets of this machine: a variable, a file, or what a program prints. No shell is started, and neither a program nor a file may
//! take long or give much.

use std::io::Read;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use zeroize::Zeroizing;

use crate::config::{SecretPlace, SecretSource};
use crate::model::Secret;

use super::SecretError;

/// The longest secret.
pub(super) const LONGEST: usize = 64 << 10;

/// How long a file may take: what looks like one may be a pipe.
const FILE: Duration = Duration::from_secs(5);

/// Fetches a secret that is not in the vault or the store.
///
/// # Errors
/// When it is not there, empty, too long or not UTF-8.
pub async fn read(source: &SecretSource) -> Result<Secret, SecretError> {
    let read = match &source.place {
        SecretPlace::Env(name) => std::env::var(name).map(|text| Zeroizing::new(text.into_bytes())).map_err(|_| "is not set".to_owned()),
        SecretPlace::File(path) => file(path).await,
        SecretPlace::Exec { words, timeout } => run(words, *timeout).await,
        SecretPlace::Vault { .. } | SecretPlace::Sealed(_) => Err("is not on this machine".to_owned()),
    };
    let secret = read.and_then(|bytes| {
        let text = std::str::from_utf8(&bytes).map_err(|_| "is not UTF-8".to_owned())?;
        let text = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
        if text.is_empty() { Err("is empty".to_owned()) } else { Ok(Secret::new(text.to_owned())) }
    });
    secret.map_err(|why| SecretError::new(source, why))
}

async fn file(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let path = path.to_owned();
    let reading = tokio::task::spawn_blocking(move || {
        let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST + 1));
        std::fs::File::open(&path)?.take(LONGEST as u64 + 1).read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(bytes)
    });
    let read = tokio::time::timeout(FILE, reading).await.map_err(|_| "takes too long to be read".to_owned())?;
    let bytes = read.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    if bytes.len() > LONGEST { Err(format!("is longer than {} KiB", LONGEST >> 10)) } else { Ok(bytes) }
}

/// What the program says on its error output stays unread: it may hold the secret.
async fn run(words: &[String], limit: Duration) -> Result<Zeroizing<Vec<u8>>, String> {
    let (program, arguments) = words.split_first().ok_or("names no program")?;
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| format!("cannot be started: {error}"))?;
    let group = Group(child.id().and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?)));
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST + 1));
    let work = async {
        if let Some(stdout) = child.stdout.take() {
            stdout.take(LONGEST as u64 + 1).read_to_end(&mut bytes).await.map_err(|error| error.to_string())?;
        }
        if bytes.len() > LONGEST {
            return Err(format!("printed more than {} KiB", LONGEST >> 10));
        }
        let status = child.wait().await.map_err(|error| error.to_string())?;
        if status.success() { Ok(()) } else { Err(format!("ended with {status}")) }
    };
    let ended = tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(format!("took longer than {} s", limit.as_secs())));
    drop(group);
    ended.map(|()| bytes)
}

/// Ends a program with all that it has started.
struct Group(Option<rustix::process::Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // It may be gone already, which is what is wanted.
            let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
        }
    }
}

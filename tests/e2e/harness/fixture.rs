//! Small things that all parts use.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::Run;

/// A file below the repository's root.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A file below `tests/fixtures`.
pub(crate) fn fixture(path: &str) -> PathBuf {
    repository("tests/fixtures").join(path)
}

/// A new folder that every account may pass through, since servers in it run as another one.
pub(crate) fn passable_folder() -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("bartizan-").tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    folder
}

/// Whether the heavy runs are asked for (`tests/run --full`).
pub(crate) fn full() -> bool {
    std::env::var_os("BARTIZAN_TEST_FULL").is_some()
}

/// A TCP port that nobody used a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Makes a key pair `path` and `path.pub` without a passphrase, and returns the public half.
pub(crate) fn keygen(path: &Path, kind: &str) -> String {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-N", "", "-C", "", "-t", kind, "-f"]).arg(path);
    Run::new(command).ok();
    let public = std::fs::read_to_string(path.with_extension("pub")).unwrap();
    public.trim().to_owned()
}

/// Waits until somebody takes connections at a Unix socket. Its file alone says less: it is there from `bind` on, before `listen`.
pub(crate) fn wait_for_listener(socket: &Path) {
    let line_of_listener = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        fields.nth(3) == Some("00010000") && fields.nth(3).is_some_and(|path| Path::new(path) == socket)
    };
    wait_until("somebody listens at the socket", || std::fs::read_to_string("/proc/net/unix").unwrap().lines().any(line_of_listener));
}

/// Waits for something that happens soon; panics when it has not after 20 seconds.
pub(crate) fn wait_until(what: &str, happened: impl FnMut() -> bool) {
    wait_until_within(20, what, happened);
}

/// The same for something that takes longer.
pub(crate) fn wait_until_within(seconds: u64, what: &str, mut happened: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(seconds);
    while !happened() {
        assert!(Instant::now() < end, "waited in vain for: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

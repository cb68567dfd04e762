//! A real terminal (tmux) in which a program runs: keys go in, the screen can be read, the size can change.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Run, wait_until};

/// One tmux server with one window.
pub(crate) struct Terminal {
    socket: PathBuf,
}

impl Terminal {
    /// Opens a window of `columns` by `rows` in which a shell runs `line`; the window stays when it ends.
    pub(crate) fn open(dir: &Path, line: &str, columns: u16, rows: u16) -> Self {
        let socket = dir.join(format!("tmux-{:x}", line.len() * 1000 + usize::from(columns)));
        let terminal = Self { socket };
        let size = [columns.to_string(), rows.to_string()];
        let arguments = ["new-session", "-d", "-x", &size[0], "-y", &size[1], "--", "bash", "-c"];
        let kept = format!("{line}\necho \"[ended with $?]\"; sleep 600");
        terminal.tmux(&[&arguments[..], &[&kept]].concat());
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(&self.socket).args(["-f", "/dev/null"]).args(arguments).env_remove("TMUX");
        Run::new(command).ok().text()
    }

    /// From now on every byte that comes to the terminal goes to `file`, too, before anything is made of it.
    pub(crate) fn copy_to(&self, file: &Path) {
        self.tmux(&["pipe-pane", "-O", &format!("exec cat > '{}'", file.display())]);
        wait_until("the copy has begun", || file.exists());
    }

    /// Types text as it is.
    pub(crate) fn type_in(&self, text: &str) {
        self.tmux(&["send-keys", "-l", "--", text]);
    }

    /// Presses named keys: `Enter`, `C-c`, `Escape`.
    pub(crate) fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Types a line and presses Enter.
    pub(crate) fn line(&self, text: &str) {
        self.type_in(text);
        self.press(&["Enter"]);
    }

    /// Pastes, in brackets where the program asked for them.
    pub(crate) fn paste(&self, text: &str) {
        self.tmux(&["set-buffer", "--", text]);
        self.tmux(&["paste-buffer", "-p", "-r"]);
    }

    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        self.tmux(&["resize-window", "-x", &columns.to_string(), "-y", &rows.to_string()]);
    }

    /// What is on the screen now.
    pub(crate) fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-J"])
    }

    /// The rows of the screen as they are, wrapped lines not joined, without trailing blanks.
    pub(crate) fn rows(&self) -> Vec<String> {
        let screen = self.tmux(&["capture-pane", "-p"]);
        screen.lines().map(|row| row.trim_end().to_owned()).collect()
    }

    /// Waits until `words` are on the screen.
    pub(crate) fn wait_for(&self, words: &str) -> String {
        let mut screen = String::new();
        let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while std::time::Instant::now() < end {
            screen = self.screen();
            if screen.contains(words) {
                return screen;
            }
            std::thread::sleep(std::time::Duration::from_millis(30));
        }
        panic!("no `{words}` on the screen:\n{screen}");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(&self.socket).arg("kill-server");
        let _ = Run::new(command).finish();
        wait_until("tmux has ended", || !self.socket.exists() || std::os::unix::net::UnixStream::connect(&self.socket).is_err());
    }
}

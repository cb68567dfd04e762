//! A network that can be cut: Linux network namespaces.

use std::process::Command;

use super::{Guarded, Run, wait_for_line};

/// A network namespace of its own, with a way for SSH to the bastion that lasts until its loopback goes down. The host's network is
/// not touched.
pub(crate) struct Island {
    name: String,
    _helpers: [Guarded; 2],
    pub(crate) port: u16,
}

/// Carries each connection from one listening socket to another place.
const CARRIER: &str = r#"
import socket, sys, threading
kind, here, there = sys.argv[1:4]
def carry(a, b):
    try:
        while True:
            data = a.recv(65536)
            if not data: break
            b.sendall(data)
    except OSError: pass
    for s in (a, b):
        try: s.shutdown(socket.SHUT_RDWR)
        except OSError: pass
if kind == "in":
    listener = socket.socket(socket.AF_INET); listener.bind(("127.0.0.1", int(here)))
else:
    listener = socket.socket(socket.AF_UNIX); listener.bind(here)
listener.listen(16)
print("READY x", flush=True)
while True:
    a, _ = listener.accept()
    if kind == "in":
        b = socket.socket(socket.AF_UNIX); b.connect(there)
    else:
        b = socket.create_connection(("127.0.0.1", int(there)))
    for pair in ((a, b), (b, a)): threading.Thread(target=carry, args=pair, daemon=True).start()
"#;

fn ip(arguments: &[&str]) {
    Run::new({
        let mut command = Command::new("ip");
        command.args(arguments);
        command
    })
    .ok();
}

impl Island {
    pub(crate) fn open(dir: &std::path::Path, bastion: u16) -> Self {
        let name = format!("bartizan-{}-{}", std::process::id(), dir.file_name().unwrap().to_string_lossy().replace(['.', '/'], "-"));
        let (socket, port) = (dir.join("island.sock"), 2222);
        ip(&["netns", "add", &name]);
        ip(&["-n", &name, "link", "set", "lo", "up"]);
        let carrier = |mut command: Command, arguments: [&str; 3], log: &str| {
            command.args(["python3", "-c", CARRIER]).args(arguments);
            let log = dir.join(log);
            let mut helper = Guarded::logged(command, &log);
            wait_for_line(&log, "READY ", &mut helper);
            helper
        };
        let mut inside = Command::new("ip");
        inside.args(["netns", "exec", &name]);
        let socket = socket.to_str().unwrap();
        let outer = carrier(Command::new("env"), ["out", socket, &bastion.to_string()], "outer.log");
        let inner = carrier(inside, ["in", &port.to_string(), socket], "inner.log");
        Self { name, _helpers: [outer, inner], port }
    }

    /// `command`, run there.
    pub(crate) fn inside(&self, command: &Command) -> Command {
        let mut inside = Command::new("ip");
        inside.args(["netns", "exec", &self.name]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        if let Some(dir) = command.get_current_dir() {
            inside.current_dir(dir);
        }
        inside
    }

    /// From now on no packet passes, and nobody is told.
    pub(crate) fn cut(&self) {
        ip(&["-n", &self.name, "link", "set", "lo", "down"]);
    }

    /// The network is there again.
    pub(crate) fn heal(&self) {
        ip(&["-n", &self.name, "link", "set", "lo", "up"]);
    }

    /// What a command line has to begin with to run there.
    pub(crate) fn prefix(&self) -> String {
        format!("ip netns exec {}", self.name)
    }
}

impl Drop for Island {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

//! A network that can be cut: Linux network namespaces.

use std::path::Path;
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
    host, _, port = here.rpartition(":")
    listener = socket.socket(socket.AF_INET); listener.bind((host or "127.0.0.1", int(port)))
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

/// A socket whose connections lead to `port` of this machine, for whoever has no way to it.
pub(crate) fn socket_to(socket: &Path, port: u16) -> Guarded {
    carrier(Command::new("env"), ["out", &socket.to_string_lossy(), &port.to_string()], &socket.with_extension("log"))
}

fn ip(arguments: &[&str]) {
    Run::new({
        let mut command = Command::new("ip");
        command.args(arguments);
        command
    })
    .ok();
}

fn carrier(mut command: Command, arguments: [&str; 3], log: &Path) -> Guarded {
    command.args(["python3", "-c", CARRIER]).args(arguments);
    let mut helper = Guarded::logged(command, log);
    wait_for_line(log, "READY ", &mut helper);
    helper
}

impl Island {
    pub(crate) fn open(dir: &Path, bastion: u16) -> Self {
        let name = format!("bartizan-{}-{}", std::process::id(), dir.file_name().unwrap().to_string_lossy().replace(['.', '/'], "-"));
        let (socket, port) = (dir.join("island.sock"), 2222);
        ip(&["netns", "add", &name]);
        ip(&["-n", &name, "link", "set", "lo", "up"]);
        let mut inside = Command::new("ip");
        inside.args(["netns", "exec", &name]);
        let socket = socket.to_str().unwrap();
        let outer = carrier(Command::new("env"), ["out", socket, &bastion.to_string()], &dir.join("outer.log"));
        let inner = carrier(inside, ["in", &port.to_string(), socket], &dir.join("inner.log"));
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

/// A server of this machine, seen at the far end of a cable that can be cut: a pair of virtual interfaces, one of them in a namespace
/// of its own. Only root can lay it.
pub(crate) struct Strait {
    name: String,
    near: String,
    far: String,
    _helpers: [Guarded; 2],
    /// Where the server seems to be.
    pub(crate) address: String,
}

impl Strait {
    pub(crate) fn open(dir: &Path, server: u16) -> Self {
        let number = std::process::id();
        let (name, near, far) = (format!("bartizan-strait-{number}"), format!("bzn{number}"), format!("bzf{number}"));
        let net = format!("10.{}.{}", 64 + number / 250 % 64, number % 250);
        let (socket, address) = (dir.join("strait.sock"), format!("{net}.2:{server}"));
        ip(&["netns", "add", &name]);
        ip(&["link", "add", &near, "type", "veth", "peer", "name", &far, "netns", &name]);
        ip(&["addr", "add", &format!("{net}.1/30"), "dev", &near]);
        ip(&["link", "set", &near, "up"]);
        for arguments in
            [&["link", "set", "lo", "up"][..], &["addr", "add", &format!("{net}.2/30"), "dev", &far], &["link", "set", &far, "up"]]
        {
            ip(&[&["-n", &name][..], arguments].concat());
        }
        let socket = socket.to_str().unwrap();
        let outer = carrier(Command::new("env"), ["out", socket, &server.to_string()], &dir.join("strait-outer.log"));
        let mut inside = Command::new("ip");
        inside.args(["netns", "exec", &name]);
        let inner = carrier(inside, ["in", &address, socket], &dir.join("strait-inner.log"));
        Self { name, near, far, _helpers: [outer, inner], address }
    }

    /// From now on no packet passes, and nobody is told.
    pub(crate) fn cut(&self) {
        // The cable stays in; the far end has lost its address, and answers nothing.
        ip(&["-n", &self.name, "addr", "flush", "dev", &self.far]);
    }
}

impl Drop for Strait {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
        let _ = Command::new("ip").args(["link", "del", &self.near]).stderr(std::process::Stdio::null()).status();
    }
}

//! A person or service in front of the bastion: a folder with a key, an OpenSSH configuration that uses nothing of the tester's
//! own, and every client that speaks SSH.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{Done, Guarded, Provider, Run, free_port, keygen, wait_until};

/// How a target is named to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// `ssh LOGIN@TARGET@bastion`
    At,
    /// `ssh LOGIN%TARGET@bastion`
    Percent,
    /// `ssh -J bastion LOGIN@TARGET`
    Jump,
}

/// Both ways in that issue their own SSH layers.
pub(crate) const WAYS: [Way; 2] = [Way::At, Way::Jump];

impl Way {
    /// The options and the destination for OpenSSH's programs.
    pub(crate) fn name(self, login: &str, target: &str) -> (Vec<String>, String) {
        match self {
            Self::At => (Vec::new(), format!("{login}@{target}@bastion")),
            Self::Percent => (Vec::new(), format!("{login}%{target}@bastion")),
            // The program that OpenSSH starts for the first hop must read the same file.
            Self::Jump => (vec!["-J".to_owned(), "bastion".to_owned()], format!("{login}@{target}")),
        }
    }
}

/// Somebody in front of the bastion.
pub(crate) struct Visitor {
    pub(crate) dir: PathBuf,
    pub(crate) port: u16,
}

impl Visitor {
    /// A new face with a new key. `host_ca` is what they were told of the bastion.
    pub(crate) fn new(dir: PathBuf, port: u16, host_ca: &str) -> Self {
        fs::create_dir_all(&dir).unwrap();
        keygen(&dir.join("id"), "ed25519");
        fs::write(dir.join("known_hosts"), format!("@cert-authority * {host_ca}\n")).unwrap();
        let visitor = Self { dir, port };
        visitor.point_to(port);
        visitor
    }

    /// Writes the configuration for a bastion on `port`.
    pub(crate) fn point_to(&self, port: u16) {
        let dir = self.dir.display();
        let text = format!(
            "Host bastion
  HostName 127.0.0.1
  Port {port}
  HostKeyAlias bastion
Host *
  IdentityFile {dir}/id
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile {dir}/known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  UpdateHostKeys no
  ControlPath none
  NumberOfPasswordPrompts 1
  ConnectTimeout 20
  LogLevel INFO
"
        );
        fs::write(self.config(), text).unwrap();
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.dir.join("ssh_config")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.dir.join("id")
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.dir.join("id-cert.pub")
    }

    /// Any program, in this visitor's folder.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, program: impl AsRef<OsStr>, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.dir).env("HOME", &self.dir).env("LC_ALL", "C.UTF-8");
        for variable in ["SSH_AUTH_SOCK", "SSH_ASKPASS", "DISPLAY", "LANG", "SSH_CONNECTION", "TMUX"] {
            command.env_remove(variable);
        }
        command
    }

    /// A program of OpenSSH's, with this visitor's configuration.
    pub(crate) fn openssh<S: AsRef<OsStr>>(&self, program: &str, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.command(program, ["-F"]);
        command.arg(self.config()).args(arguments);
        command
    }

    /// `ssh` with these arguments.
    pub(crate) fn ssh<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Run {
        Run::new(self.openssh("ssh", arguments))
    }

    /// `ssh` to `deploy` on `web-1` by the given way, with further options and a command line.
    pub(crate) fn on_target(&self, way: Way, options: &[&str], line: &str) -> Run {
        self.on(way, "web-1", options, line)
    }

    /// `ssh` to `deploy` on another target.
    pub(crate) fn on(&self, way: Way, target: &str, options: &[&str], line: &str) -> Run {
        Run::new(self.on_command(way, target, options, line))
    }

    pub(crate) fn on_command(&self, way: Way, target: &str, options: &[&str], line: &str) -> Command {
        let (mut arguments, destination) = way.name("deploy", target);
        arguments.extend(options.iter().map(|&option| option.to_owned()));
        arguments.extend(["--".to_owned(), destination]);
        arguments.extend((!line.is_empty()).then(|| line.to_owned()));
        self.openssh("ssh", arguments)
    }

    /// Opens `ssh -N -L` from a free port to `to`, the name of a target and a port of it, and waits until it is there.
    pub(crate) fn forward(&self, to: &str) -> (u16, Guarded) {
        let port = free_port();
        let ssh = self.openssh("ssh", ["-N", "-o", "ExitOnForwardFailure=yes", "-L", &format!("{port}:{to}"), "bastion"]);
        let process = Guarded::logged(ssh, &self.dir.join(format!("forward-{port}.log")));
        wait_until("the forward is open", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        (port, process)
    }

    /// A subcommand of `bartizan` that goes to the bastion by ssh, which uses nothing of the tester's own.
    pub(crate) fn by_ssh(&self, mut command: Command) -> Run {
        command.args(["--bastion", &format!("bastion:{}", self.port)]);
        let known = format!("UserKnownHostsFile={}", self.dir.join("known_hosts").display());
        let key = format!("IdentityFile={}", self.key().display());
        for option in ["HostName=127.0.0.1", "HostKeyAlias=bastion", &known, "GlobalKnownHostsFile=/dev/null", &key, "IdentitiesOnly=yes"] {
            command.args(["--ssh-option", option]);
        }
        command.env("BARTIZAN_CONFIG", "/nonexistent");
        Run::new(command)
    }

    /// The same as a line for a shell, as it is typed into a terminal.
    pub(crate) fn line(&self, way: Way, options: &str, line: &str) -> String {
        let (arguments, destination) = way.name("deploy", "web-1");
        format!("cd {}; ssh -F {} {} {options} {destination} {line}", self.dir.display(), self.config().display(), arguments.join(" "))
    }

    /// Logs in as `user` inside keyboard-interactive of stock `ssh`, and keeps the certificate beside the key.
    pub(crate) fn log_in(&self, provider: &Provider, user: &str) -> Done {
        let public = fs::read(self.dir.join("id.pub")).unwrap();
        let done = self.with_device_code(&["bastion", "cert"], &public, |url| drop(provider.walk(url, user)));
        let done = done.ok();
        fs::write(self.certificate(), &done.out).unwrap();
        done
    }

    /// Runs `ssh` without a certificate and gives the page of the login prompt to `browser` when it is shown.
    pub(crate) fn with_device_code(&self, arguments: &[&str], input: &[u8], browser: impl FnOnce(&str)) -> Done {
        Self::device_login(self.openssh("ssh", arguments), input, browser)
    }

    /// The same for a client that was set up by the test.
    pub(crate) fn device_login(mut command: Command, input: &[u8], browser: impl FnOnce(&str)) -> Done {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let what = format!("{command:?}");
        let mut ssh = Guarded::spawn(command);
        std::io::Write::write_all(&mut ssh.child.stdin.take().unwrap(), input).unwrap();
        let mut out = ssh.child.stdout.take().unwrap();
        let out = std::thread::spawn(move || {
            let mut all = Vec::new();
            out.read_to_end(&mut all).unwrap();
            all
        });
        let mut err = String::new();
        let mut lines = BufReader::new(ssh.child.stderr.take().unwrap());
        let mut browser = Some(browser);
        while lines.read_line(&mut err).unwrap() > 0 {
            let url = err.lines().last().unwrap().trim();
            if url.starts_with("http://127.0.0.1:")
                && let Some(browser) = browser.take()
            {
                browser(url);
            }
        }
        let status = ssh.wait(Duration::from_secs(30)).unwrap_or_else(|| panic!("{what} goes on:\n{err}"));
        Done::new(what, status, out.join().unwrap(), err)
    }
}

impl Visitor {
    /// A Python program with the clients from `.deps/venv`; its first argument is the bastion's port.
    pub(crate) fn python(&self, script: &str) -> Run {
        let mut command = self.command(super::fixture::repository(".deps/venv/bin/python"), ["-c", script]);
        command.arg(self.port.to_string());
        Run::new(command)
    }
}

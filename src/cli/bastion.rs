//! The bastion as a user names it, and stock `ssh` as the way to it: host keys, `~/.ssh/config` and `ProxyJump` stay the
//! user's own. Never speaks SSH itself.

use std::fmt;
use std::process::ExitStatus;
use std::str::FromStr;

use super::{Common, Exit};

/// `[USER@]HOST[:PORT]`; HOST may be an alias of `~/.ssh/config`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bastion {
    pub(super) user: Option<String>,
    pub(super) host: String,
    pub(super) port: Option<u16>,
}

/// Options that lead to the bastion.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Way {
    /// The bastion; without it, the one that the configuration file names
    #[arg(long, value_name = "[USER@]HOST[:PORT]", env = "BARTIZAN_BASTION", hide_env_values = true)]
    pub(super) bastion: Option<Bastion>,
    /// An option for ssh, as in `ssh -o`; may be given more than once
    #[arg(long = "ssh-option", value_name = "OPTION")]
    pub(super) ssh_options: Vec<String>,
}

impl Way {
    /// The bastion that is meant.
    pub(super) fn bastion(&self, common: &Common) -> Result<Bastion, Exit> {
        if let Some(bastion) = &self.bastion {
            return Ok(bastion.clone());
        }
        if !common.config.exists() {
            return Err(Exit::usage("which bastion? Name it with --bastion HOST or in BARTIZAN_BASTION"));
        }
        Ok(Bastion::of(&common.load()?.server))
    }

    /// The arguments of an `ssh` that runs `command` there: `ours` first, since ssh keeps the first value of each option.
    pub(super) fn ssh(&self, bastion: &Bastion, ours: &[String], command: &str) -> Vec<String> {
        let mut arguments = vec!["-T".to_owned()];
        arguments.extend(self.to(bastion, ours));
        arguments.push(command.to_owned());
        arguments
    }

    /// The arguments of an `ssh` that gives the user a shell there, on their own terminal.
    pub(super) fn ssh_to_session(&self, there: &Bastion) -> Vec<String> {
        let mut arguments = vec!["-t".to_owned()];
        arguments.extend(self.to(there, &[]));
        arguments
    }

    fn to(&self, bastion: &Bastion, ours: &[String]) -> Vec<String> {
        // A connection that is shared would skip the login; a forward or a configured command has no place in it.
        let always = ["ControlMaster=no", "ControlPath=none", "ClearAllForwardings=yes", "RemoteCommand=none", "ForwardAgent=no"];
        let options = always.iter().map(ToString::to_string).chain(ours.iter().cloned()).chain(self.ssh_options.iter().cloned());
        let mut arguments = Vec::new();
        arguments.extend(options.flat_map(|option| ["-o".to_owned(), option]));
        arguments.extend(bastion.port.into_iter().flat_map(|port| ["-p".to_owned(), port.to_string()]));
        arguments.extend(bastion.user.iter().flat_map(|user| ["-l".to_owned(), user.clone()]));
        arguments.extend(["--".to_owned(), bastion.host.clone()]);
        arguments
    }
}

/// What ssh's exit status means for ours: 255 is its own failure, anything else the command's.
pub(super) fn judge(status: ExitStatus) -> Result<(), Exit> {
    match status.code() {
        Some(0) => Ok(()),
        Some(255) => Err(Exit::incomplete("ssh could not log in to the bastion")),
        Some(_) => Err(Exit::refused("the bastion gave no certificate")),
        None => Err(Exit::incomplete(format!("ssh was stopped ({status})"))),
    }
}

impl Bastion {
    /// As a server's own configuration describes it.
    pub(super) fn of(server: &crate::config::Server) -> Self {
        let port = server.listen.first().map(std::net::SocketAddr::port).filter(|port| *port != 22);
        Self { user: None, host: server.name.clone(), port }
    }

    /// The name in known_hosts: bare on port 22, else `[host]:port` (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT").
    pub(super) fn known_host(&self) -> String {
        match self.port {
            None | Some(22) => self.host.clone(),
            Some(port) => format!("[{}]:{port}", self.host),
        }
    }
}

/// As the end of an ssh command line.
impl fmt::Display for Bastion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(port) = self.port {
            write!(f, "-p {port} ")?;
        }
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        f.write_str(&self.host)
    }
}

impl FromStr for Bastion {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (user, place) = text.rsplit_once('@').map_or((None, text), |(user, place)| (Some(user.to_owned()), place));
        let (host, port) = split_port(place)?;
        let plain = |word: &str| !word.is_empty() && !word.starts_with('-') && word.chars().all(|c| c.is_ascii_graphic());
        let host_plain = plain(host) && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._:%".contains(c));
        if !host_plain || !user.as_deref().is_none_or(plain) {
            return Err("it is written [USER@]HOST[:PORT]");
        }
        Ok(Self { user, host: host.to_owned(), port })
    }
}

/// `HOST`, `HOST:PORT`, `[V6]`, `[V6]:PORT` or a bare `V6`.
fn split_port(place: &str) -> Result<(&str, Option<u16>), &'static str> {
    let port = |text: &str| text.parse().ok().filter(|port| *port != 0).map(Some).ok_or("the port is a number from 1 to 65535");
    if let Some(rest) = place.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or("an address in brackets needs both of them")?;
        return match after.strip_prefix(':') {
            Some(text) => Ok((host, port(text)?)),
            None if after.is_empty() => Ok((host, None)),
            None => Err("after the bracket comes :PORT"),
        };
    }
    match place.split_once(':') {
        Some((host, text)) if !text.contains(':') => Ok((host, port(text)?)),
        _ => Ok((place, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (Option<String>, String, Option<u16>) {
        let bastion: Bastion = text.parse().unwrap();
        (bastion.user, bastion.host, bastion.port)
    }

    #[test]
    fn a_bastion_is_named_as_ssh_users_do() {
        assert_eq!(parts("bastion"), (None, "bastion".into(), None));
        assert_eq!(parts("alice@b.example.com:2222"), (Some("alice".into()), "b.example.com".into(), Some(2222)));
        assert_eq!(parts("[::1]:2222"), (None, "::1".into(), Some(2222)));
        assert_eq!(parts("fe80::1%eth0"), (None, "fe80::1%eth0".into(), None));
        assert_eq!("alice@b:2222".parse::<Bastion>().unwrap().to_string(), "-p 2222 alice@b");
    }

    #[test]
    fn a_name_that_ssh_would_take_for_an_option_or_a_command_is_refused() {
        for bad in ["", "-oProxyCommand=id", "a@-x", "-l@b", "b:0", "b:99999", "b:x", "a b", "b;id", "$(id)", "@b", "[::1", "[::1]x", "b\n"]
        {
            assert!(bad.parse::<Bastion>().is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn what_must_hold_comes_before_what_the_user_adds() {
        let way = Way { bastion: None, ssh_options: vec!["ControlPath=/x".into()] };
        let line = way.ssh(&"a@b:1".parse().unwrap(), &["PubkeyAuthentication=no".into()], "cert").join(" ");
        assert!(line.find("ControlPath=none").unwrap() < line.find("ControlPath=/x").unwrap(), "{line}");
        assert!(line.ends_with("-p 1 -l a -- b cert"), "{line}");
    }
}

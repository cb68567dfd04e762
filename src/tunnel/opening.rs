//! `TARGET=ADDRESS:PORT`, `TARGET=PORT`, `TARGET=unix:PATH`: where a tunnel listens, and for which target.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::model::TargetName;

/// The longest path of a socket (unix(7)).
const PATH_MAX: usize = 107;

/// One place to listen at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// Where its streams lead.
    pub target: TargetName,
    /// Where it listens.
    pub place: Place,
}

/// A place on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// An address and port.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = Path::new(path);
            if !path.is_absolute() || path.file_name().is_none() {
                return Err("the path of a socket begins with / and names a file".to_owned());
            }
            if path.as_os_str().len() > PATH_MAX {
                return Err(format!("the path of a socket has at most {PATH_MAX} bytes"));
            }
            return Ok(Self::Unix(path.to_owned()));
        }
        if let Ok(port) = text.parse::<u16>() {
            return Ok(Self::Tcp((Ipv4Addr::LOCALHOST, port).into()));
        }
        text.parse().map(Self::Tcp).map_err(|_| "write ADDRESS:PORT as in 127.0.0.1:5432, PORT alone, or unix:/PATH".to_owned())
    }
}

impl FromStr for Opening {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (target, place) = text.split_once('=').ok_or("write TARGET=ADDRESS:PORT, as in orders=127.0.0.1:5432")?;
        Ok(Self { target: target.parse().map_err(|error: crate::model::NameError| error.to_string())?, place: place.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let opening: Opening = text.parse().unwrap();
        format!("{} at {}", opening.target, opening.place)
    }

    #[test]
    fn a_place_is_an_address_a_port_or_a_socket() {
        assert_eq!(shown("orders=127.0.0.1:5432"), "orders at 127.0.0.1:5432");
        assert_eq!(shown("orders=5432"), "orders at 127.0.0.1:5432");
        assert_eq!(shown("orders=[::1]:5432"), "orders at [::1]:5432");
        assert_eq!(shown("prod=unix:/run/prod.sock"), "prod at unix:/run/prod.sock");
    }

    #[test]
    fn what_could_mean_something_else_is_refused() {
        for bad in [
            "",
            "orders",
            "=5432",
            "orders=",
            "orders=localhost:5432",
            "orders=unix:run/x",
            "orders=unix:/",
            "orders=99999",
            "a b=1",
            "-x=1",
        ] {
            assert!(bad.parse::<Opening>().is_err(), "{bad:?} was taken");
        }
    }
}

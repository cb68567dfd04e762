//! The `source-address` option: a comma-separated list of addresses and CIDR blocks (OpenSSH `PROTOCOL.certkeys`, and its
//! `addr_match_cidr_list`). An empty or malformed list is an error, never "anywhere".

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::model::Printable;

/// More blocks than anybody needs; OpenSSH takes what fits in a line.
const MAX_BLOCKS: usize = 64;

/// A list of blocks that is not empty. IPv4-mapped IPv6 blocks and addresses are the IPv4 ones they mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceAddresses(Vec<IpNet>);

/// Why a list of addresses was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceAddressesError {
    /// There is nothing in it.
    #[error("the list of source addresses is empty")]
    Empty,
    /// There is too much in it.
    #[error("the list of source addresses has more than {MAX_BLOCKS} entries")]
    TooLong,
    /// One entry is not an address or block.
    #[error("`{}` is not an address or CIDR block", Printable(.0))]
    Malformed(String),
}

impl SourceAddresses {
    /// Only this address.
    #[must_use]
    pub fn only(address: IpAddr) -> Self {
        Self(vec![IpNet::from(address.to_canonical())])
    }

    /// Whether `peer` is in one of the blocks.
    #[must_use]
    pub fn contain(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.0.iter().any(|block| block.contains(&peer))
    }
}

impl FromStr for SourceAddresses {
    type Err = SourceAddressesError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(SourceAddressesError::Empty);
        }
        let blocks: Vec<_> = text.split(',').take(MAX_BLOCKS + 1).map(block).collect::<Result<_, _>>()?;
        if blocks.len() > MAX_BLOCKS { Err(SourceAddressesError::TooLong) } else { Ok(Self(blocks)) }
    }
}

/// Bits beyond the prefix make a block malformed, as in OpenSSH: nobody knows which half was meant.
fn block(text: &str) -> Result<IpNet, SourceAddressesError> {
    let malformed = || SourceAddressesError::Malformed(text.chars().take(80).collect());
    let parsed = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text.parse::<IpNet>().map_err(|_| malformed())?,
    };
    if parsed.trunc() == parsed { Ok(canonical(parsed)) } else { Err(malformed()) }
}

fn canonical(block: IpNet) -> IpNet {
    match block {
        IpNet::V6(six) => unmapped(six).map_or(block, IpNet::V4),
        IpNet::V4(_) => block,
    }
}

fn unmapped(block: Ipv6Net) -> Option<Ipv4Net> {
    let four = Ipv6Addr::to_ipv4_mapped(&block.addr())?;
    Ipv4Net::new(four, block.prefix_len().checked_sub(96)?).ok()
}

impl fmt::Display for SourceAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, block) in self.0.iter().enumerate() {
            let comma = if n > 0 { "," } else { "" };
            write!(f, "{comma}{block}")?;
        }
        Ok(())
    }
}

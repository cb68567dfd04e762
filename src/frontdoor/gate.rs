//! Counts connections: those not yet authenticated, per address and in all, those that wait for a device login, and all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::Limits;

/// The counters of one bastion.
#[derive(Debug)]
pub struct Gate {
    limits: Limits,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    connections: u32,
    half_open: u32,
    waiting: u32,
    per_address: HashMap<IpAddr, u32>,
}

impl Gate {
    /// A gate with nobody in it.
    #[must_use]
    pub fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { limits, counts: Mutex::default() })
    }

    /// Lets a connection from `address` in as half-open, or not when there are too many. IPv6 addresses count by their /64,
    /// since one visitor usually owns that whole.
    #[must_use]
    pub fn enter(self: &Arc<Self>, address: IpAddr) -> Option<HalfOpen> {
        let key = network_of(address);
        let mut counts = self.lock();
        let from_there = counts.per_address.get(&key).copied().unwrap_or(0);
        let full = counts.connections >= self.limits.connections
            || counts.half_open >= self.limits.half_open
            || from_there >= self.limits.half_open_per_address;
        if full {
            return None;
        }
        counts.connections += 1;
        counts.half_open += 1;
        counts.per_address.insert(key, from_there + 1);
        Some(HalfOpen { gate: Arc::clone(self), address: key, state: State::HalfOpen })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counts> {
        // Counters stay true even if a holder panicked between two of them.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & (u128::MAX << 64)).into()),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    HalfOpen,
    Waiting,
    Open,
}

/// One connection's place in the gate; gives it back when dropped.
#[derive(Debug)]
pub struct HalfOpen {
    gate: Arc<Gate>,
    address: IpAddr,
    state: State,
}

impl HalfOpen {
    /// Moves the connection among those that wait for a device login; false when too many wait already.
    #[must_use]
    pub fn wait(&mut self) -> bool {
        if self.state != State::HalfOpen {
            return self.state == State::Waiting;
        }
        let gate = Arc::clone(&self.gate);
        let mut counts = gate.lock();
        if counts.waiting >= gate.limits.waiting_logins {
            return false;
        }
        // It still counts for its address, so that one visitor cannot take all places.
        counts.waiting += 1;
        counts.half_open = counts.half_open.saturating_sub(1);
        self.state = State::Waiting;
        true
    }

    /// The visitor authenticated.
    pub fn open(&mut self) {
        let gate = Arc::clone(&self.gate);
        let mut counts = gate.lock();
        match self.state {
            State::HalfOpen => counts.half_open = counts.half_open.saturating_sub(1),
            State::Waiting => counts.waiting = counts.waiting.saturating_sub(1),
            State::Open => return,
        }
        self.leave_address(&mut counts);
        self.state = State::Open;
    }

    fn leave_address(&self, counts: &mut Counts) {
        if let Some(n) = counts.per_address.get_mut(&self.address) {
            *n = n.saturating_sub(1);
            if *n == 0 {
                counts.per_address.remove(&self.address);
            }
        }
    }
}

impl Drop for HalfOpen {
    fn drop(&mut self) {
        self.open();
        let mut counts = self.gate.lock();
        counts.connections = counts.connections.saturating_sub(1);
    }
}

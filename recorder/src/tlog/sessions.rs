//! What a log says of sessions: which numbers there are, and for each what its recording must be. Reads leaves in their order;
//! keeps what it needs of them.

use std::collections::BTreeMap;

use super::leaf::Leaf;
use super::merkle::Hash;

/// What the log says of one session.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Logged {
    /// Which leaf says that it was opened, and SHA-256 of its head.json.
    pub opened: Option<(u64, Hash)>,
    /// How far its recording was, and the chain there; in order.
    pub commits: Vec<(u64, Hash)>,
    /// Which leaf says that it was sealed, and SHA-256 of its seal.json.
    pub closed: Option<(u64, Hash)>,
    /// That it never began.
    pub void: bool,
    /// Which leaf says that its recording was deleted.
    pub deleted: Option<u64>,
}

/// All sessions of a log.
#[derive(Debug, Clone, Default)]
pub struct LoggedSessions {
    first: Option<u64>,
    sessions: BTreeMap<u64, Logged>,
    contradictions: Vec<String>,
}

impl LoggedSessions {
    /// Takes in leaf `index`.
    pub fn take(&mut self, index: u64, leaf: &Leaf) {
        match *leaf {
            Leaf::Begin { session } => {
                if self.first.replace(session).is_some() {
                    self.contradictions.push(format!("leaf {index} begins the log a second time"));
                }
            }
            Leaf::Opened { number, head } => {
                let known = self.of(number).opened.get_or_insert((index, head)).1 == head;
                self.agree(known, index, number, "opened");
            }
            Leaf::Commit { number, bytes, chain } => self.of(number).commits.push((bytes, chain)),
            Leaf::Closed { number, seal } => {
                let known = self.of(number).closed.get_or_insert((index, seal)).1 == seal;
                self.agree(known, index, number, "closed");
            }
            Leaf::Void { number } => self.of(number).void = true,
            Leaf::Deleted { number } => self.of(number).deleted = Some(index),
            Leaf::Audit { .. } => {}
        }
    }

    fn of(&mut self, number: u64) -> &mut Logged {
        self.sessions.entry(number).or_default()
    }

    fn agree(&mut self, same: bool, index: u64, number: u64, what: &str) {
        if !same {
            self.contradictions.push(format!("leaf {index} says that session {number} was {what}, and so does an earlier one otherwise"));
        }
    }

    /// The first number that the log covers; `None` for a log that does not say.
    #[must_use]
    pub fn first(&self) -> Option<u64> {
        self.first
    }

    /// What the log says of the session with this number.
    #[must_use]
    pub fn get(&self, number: u64) -> Option<&Logged> {
        self.sessions.get(&number)
    }

    /// All sessions in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &Logged)> {
        self.sessions.iter().map(|(number, logged)| (*number, logged))
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// The highest number.
    #[must_use]
    pub fn last(&self) -> Option<u64> {
        self.sessions.last_key_value().map(|(number, _)| *number)
    }

    /// What does not fit: leaves that contradict each other, and numbers that are missing between the first and the last.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = self.contradictions.clone();
        let Some(mut due) = self.first else {
            faults.push("the first leaf does not say where the log begins".to_owned());
            return faults;
        };
        for (number, logged) in &self.sessions {
            if *number < due {
                faults.push(format!("session {number} is older than the log, yet in it"));
                continue;
            }
            if *number > due {
                faults.push(missing(due, number - 1));
            }
            if logged.opened.is_none() && !logged.void {
                faults.push(format!("session {number} has leaves, but none says that it was opened"));
            }
            due = number + 1;
        }
        faults
    }
}

fn missing(from: u64, to: u64) -> String {
    if from == to { format!("session {from} is missing") } else { format!("sessions {from} to {to} are missing") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions(leaves: &[Leaf]) -> LoggedSessions {
        let mut sessions = LoggedSessions::default();
        (0..).zip(leaves).for_each(|(index, leaf)| sessions.take(index, leaf));
        sessions
    }

    const HASH: Hash = [5; 32];

    #[test]
    fn dense_numbers_in_any_order_are_right() {
        let all = sessions(&[
            Leaf::Begin { session: 3 },
            Leaf::Opened { number: 4, head: HASH },
            Leaf::Void { number: 3 },
            Leaf::Commit { number: 4, bytes: 9, chain: HASH },
            Leaf::Closed { number: 4, seal: HASH },
            Leaf::Closed { number: 4, seal: HASH },
            Leaf::Deleted { number: 4 },
        ]);
        assert_eq!(all.faults(), Vec::<String>::new());
        let four = all.get(4).unwrap();
        assert_eq!((four.opened, four.closed, four.deleted), (Some((1, HASH)), Some((4, HASH)), Some(6)));
        assert_eq!(four.commits, [(9, HASH)]);
    }

    #[test]
    fn a_number_that_is_missing_is_named() {
        let opened = |number| Leaf::Opened { number, head: HASH };
        assert_eq!(sessions(&[Leaf::Begin { session: 1 }, opened(1), opened(3)]).faults(), ["session 2 is missing"]);
        assert_eq!(sessions(&[Leaf::Begin { session: 1 }, opened(6)]).faults(), ["sessions 1 to 5 are missing"]);
    }

    #[test]
    fn contradictions_are_named() {
        let leaves = [
            Leaf::Begin { session: 1 },
            Leaf::Opened { number: 1, head: HASH },
            Leaf::Opened { number: 1, head: [6; 32] },
            Leaf::Closed { number: 2, seal: HASH },
            Leaf::Begin { session: 1 },
        ];
        let faults = sessions(&leaves).faults();
        assert_eq!(faults.len(), 3, "{faults:?}");
        assert!(faults[0].contains("session 1 was opened") && faults[1].contains("second time"), "{faults:?}");
        assert!(faults[2].contains("session 2 has leaves"), "{faults:?}");
        assert_eq!(sessions(&[]).faults().len(), 1);
    }
}

//! The places of a JSON text with what is said of each, so that nobody is asked twice. The next place is guessed from the one before:
//! items of a list mostly have the same fields in the same order, which a comparison of the name finds out. Bounded.

use std::collections::HashMap;

use crate::rule::Mask;

/// How many places are remembered.
const PLACES: usize = 4_096;

/// How many bytes of paths and names are.
const BYTES: usize = 512 << 10;

/// How many fields may be left out between two that follow one another, to be found without a look at the path.
const SKIPPED: usize = 8;

/// The number of a remembered place.
pub(super) type Number = usize;

/// Where a value stands: the number of the place, if it is remembered, and what is said of it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Spot {
    pub(super) number: Option<Number>,
    pub(super) mask: Option<Mask>,
}

/// What is open: its own place, and the last one in it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Within {
    pub(super) parent: Option<Number>,
    pub(super) before: Option<Number>,
}

struct Place {
    /// As it stands in the text.
    name: Box<[u8]>,
    /// As it stands in the path.
    token: Box<str>,
    mask: Option<Mask>,
    /// The first place in it, and the one after it in its parent, as they were last.
    first: Option<Number>,
    next: Option<Number>,
}

/// All that is remembered of one text.
#[derive(Default)]
pub(super) struct Known {
    places: Vec<Place>,
    by_path: HashMap<Box<str>, Number>,
    bytes: usize,
}

impl Known {
    /// The place `name`, if it is one of those that came next when this was read before; and how it stands in the path.
    pub(super) fn guess(&self, within: Within, name: &[u8]) -> Option<(Spot, &str)> {
        let mut next = match within.before {
            Some(before) => self.places.get(before)?.next,
            None => self.places.get(within.parent?)?.first,
        };
        for _ in 0..=SKIPPED {
            let number = next?;
            let place = self.places.get(number)?;
            if *place.name == *name {
                return Some((Spot { number: Some(number), mask: place.mask }, &place.token));
            }
            next = place.next;
        }
        None
    }

    /// The place `path`, whose last part is `name` in the text and `token` in the path; `judge` is asked if it is new.
    pub(super) fn find(
        &mut self,
        within: Within,
        path: &str,
        (name, token): (&[u8], &str),
        judge: impl FnOnce(&str) -> Option<Mask>,
    ) -> Spot {
        if let Some(number) = self.by_path.get(path).copied() {
            self.link(within, number);
            return Spot { number: Some(number), mask: self.places.get(number).and_then(|place| place.mask) };
        }
        let mask = judge(path);
        let size = path.len() + name.len() + token.len();
        if self.places.len() >= PLACES || self.bytes + size > BYTES {
            return Spot { number: None, mask };
        }
        self.bytes += size;
        let number = self.places.len();
        self.places.push(Place { name: name.into(), token: token.into(), mask, first: None, next: None });
        self.by_path.insert(path.into(), number);
        self.link(within, number);
        Spot { number: Some(number), mask }
    }

    /// Puts a place where it was not guessed, before what was guessed there.
    fn link(&mut self, within: Within, number: Number) {
        let guessed = match (within.before, within.parent) {
            (Some(before), _) => self.places.get_mut(before).map(|place| &mut place.next),
            (None, Some(parent)) => self.places.get_mut(parent).map(|place| &mut place.first),
            (None, None) => None,
        };
        let Some(guessed) = guessed else { return };
        let after = guessed.replace(number).filter(|after| *after != number);
        if let Some(place) = self.places.get_mut(number) {
            place.next = place.next.or(after);
        }
    }
}

//! What a player shows of a whole recording before it plays any: the places to jump to, and how much happens when.

use crate::event::Event;
use crate::events::Timed;
use crate::recording::{OpenError, Recording};
use crate::replay::{Place, untorn};

/// Places that are kept; a recording with more is played all the same.
const PLACES_MAX: usize = 10_000;

/// A recording at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Overview {
    /// Markers and operations, in order.
    pub places: Vec<Place>,
    /// Bytes of output and input in each of equal parts of its length.
    pub weights: Vec<u64>,
}

/// Looks at all of `recording`, which is `duration_us` long, in `parts` equal parts. Stops where `more`, which is told the bytes
/// behind, says no: what it has by then is right as far as it goes.
///
/// # Errors
/// [`OpenError`] when it cannot be read. A torn end is none.
pub fn overview(recording: &Recording, duration_us: u64, parts: usize, more: &mut dyn FnMut(u64) -> bool) -> Result<Overview, OpenError> {
    let mut seen = Overview { places: Vec::new(), weights: vec![0; parts] };
    let mut events = recording.events()?;
    while let Some(Timed { at_us, event }) = untorn(events.next_event())? {
        let weight = match &event {
            Event::Output(bytes) | Event::Stderr(bytes) | Event::Input(bytes) => bytes.len() as u64,
            _ => 0,
        };
        let part = u128::from(at_us) * parts as u128 / u128::from(duration_us.saturating_add(1));
        if let Some(sum) = usize::try_from(part).ok().and_then(|part| seen.weights.get_mut(part)) {
            *sum = sum.saturating_add(weight);
        }
        seen.places.extend(Place::of(at_us, &event).filter(|_| seen.places.len() < PLACES_MAX));
        if !more(events.offset()) {
            break;
        }
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Event;
    use crate::testing::{now, shell};

    #[test]
    fn a_recording_is_seen_at_a_glance() {
        let mut tape = shell();
        let marker = Event::Marker("begin".into());
        tape.writer.append(now(1), &[Event::output(&b"12345"[..]), marker]).unwrap();
        tape.writer.append(now(99), &[Event::output(&b"123"[..])]).unwrap();
        tape.finish(100);
        let seen = overview(&tape.recording(), 100, 4, &mut |_| true).unwrap();
        assert_eq!((seen.weights, seen.places), (vec![5, 0, 0, 3], vec![Place { at_us: 1, label: "begin".into() }]));
        let begun = overview(&tape.recording(), 100, 4, &mut |_| false).unwrap();
        assert_eq!(begun.weights, [5, 0, 0, 0]);
        // A length of nothing and no parts at all are no reason to fail.
        assert_eq!(overview(&tape.recording(), 0, 0, &mut |_| true).unwrap().weights, [0u64; 0]);
    }
}

//! The corpus with random harm done to it: nothing panics, and limits hold whatever they are.

use proptest::prelude::*;

use super::*;

pub(super) fn corpus() -> Vec<String> {
    let quoted = |line: &str| line.split('"').nth(1).map(str::to_owned);
    include_str!("../corpus.toml").lines().filter(|line| line.trim_start().starts_with(['[', '"'])).filter_map(quoted).collect()
}

/// How often; many more times where time does not matter.
fn cases() -> u32 {
    if std::env::var_os("BARTIZAN_TEST_FULL").is_some() { 50_000 } else { 400 }
}

/// One harm to a text.
#[derive(Debug, Clone)]
enum Harm {
    Cut(prop::sample::Index, prop::sample::Index),
    Put(prop::sample::Index, u8),
    Double(prop::sample::Index, prop::sample::Index),
    Join(prop::sample::Index),
}

fn harm() -> impl Strategy<Value = Harm> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        (index(), index()).prop_map(|(from, to)| Harm::Cut(from, to)),
        (index(), any::<u8>()).prop_map(|(at, byte)| Harm::Put(at, byte)),
        (index(), index()).prop_map(|(from, to)| Harm::Double(from, to)),
        index().prop_map(Harm::Join),
    ]
}

fn harmed(mut text: Vec<u8>, harms: &[Harm], corpus: &[String]) -> Vec<u8> {
    for harm in harms {
        let length = text.len() + 1;
        let range = |from: &prop::sample::Index, to: &prop::sample::Index| {
            let (one, two) = (from.index(length), to.index(length));
            one.min(two)..one.max(two)
        };
        match harm {
            Harm::Cut(from, to) => drop(text.drain(range(from, to))),
            Harm::Put(at, byte) => text.insert(at.index(length), *byte),
            Harm::Double(from, to) => text.extend_from_within(range(from, to)),
            Harm::Join(which) => {
                text.extend_from_slice(b"; ");
                text.extend_from_slice(which.get(corpus).as_bytes());
            }
        }
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn a_harmed_statement_is_read_or_refused((which, harms) in (any::<prop::sample::Index>(), prop::collection::vec(harm(), 1..6))) {
        on_a_big_stack(move || {
            let corpus = corpus();
            let text = harmed(which.get(&corpus).clone().into_bytes(), &harms, &corpus);
            let (catalog, limits) = (catalog(), Limits::default());
            if let Ok(script) = analyse(&text, &catalog, &state(), &limits) {
                let text = String::from_utf8_lossy(&text).into_owned();
                drop(Judge::new(&slice(), &target(), &catalog, &context()).judge(&script, &text));
            }
        });
    }

    #[test]
    fn limits_hold_however_small_they_are((which, bytes, depth, steps) in (any::<prop::sample::Index>(), 0_usize..200, 0_usize..20, 0_usize..200)) {
        on_a_big_stack(move || {
            let corpus = corpus();
            let text = which.get(&corpus);
            let limits = Limits { bytes, depth, steps, statements: 2, ..Limits::default() };
            let read = analyse(text.as_bytes(), &catalog(), &state(), &limits);
            assert!(read.is_err() || (text.len() <= bytes && read.is_ok_and(|script| script.statements.len() <= 2)), "{text}");
        });
    }

    #[test]
    fn bytes_of_any_kind_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        on_a_big_stack(move || drop(analyse(&bytes, &catalog(), &state(), &Limits::default())));
    }
}

use super::*;
use crate::tlog::merkle::node_hash;
use crate::tlog::{verify_consistency, verify_inclusion};
use proptest::prelude::*;

const ORIGIN: &str = "bastion.example.com/log";

fn open(dir: &Path) -> Result<TransparencyLog, LogError> {
    TransparencyLog::open(dir, ORIGIN, SigningKey::from_bytes(&[7; 32]))
}

/// RFC 6962 as it is written, over all leaves.
fn naive(leaves: &[Vec<u8>]) -> Hash {
    match leaves {
        [] => empty_root(),
        [one] => leaf_hash(one),
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            node_hash(&naive(left), &naive(right))
        }
    }
}

fn leaves(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|number| format!("leaf {number}").into_bytes()).collect()
}

/// The leaves and roots that Certificate Transparency's implementations test themselves with.
#[test]
fn the_tree_is_that_of_rfc_6962() {
    let inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    let leaves: Vec<Vec<u8>> = inputs.iter().map(|input| hex::decode(input).unwrap()).collect();
    let root = tempfile::tempdir().unwrap();
    let mut log = open(root.path()).unwrap();
    assert_eq!(hex::encode(log.checkpoint().root), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    log.append(&leaves[..1]).unwrap();
    assert_eq!(hex::encode(log.checkpoint().root), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    log.append(&leaves[1..]).unwrap();
    assert_eq!(hex::encode(log.checkpoint().root), "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");
}

#[test]
fn tiles_lie_where_the_specification_says() {
    assert_eq!(path("0", 1_234_067, None), "tile/0/x001/x234/067");
    assert_eq!(path("entries", 5, Some(70)), "tile/entries/005.p/70");
    let root = tempfile::tempdir().unwrap();
    let all = leaves(70_000);
    open(root.path()).unwrap().append(&all).unwrap();
    let len = |name: &str| fs::metadata(root.path().join(name)).unwrap().len();
    let (full, part) = (256 * 32, 70_000 % 256 * 32);
    assert_eq!((len("tile/0/000"), len("tile/0/273.p/112"), len("tile/1/000"), len("tile/1/001.p/17")), (full, part, full, 17 * 32));
    assert_eq!(len("tile/2/000.p/1"), 32);
    let log = open(root.path()).unwrap();
    assert_eq!(log.checkpoint().root, naive(&all));
    for (index, size) in [(0, 70_000), (69_999, 70_000), (65_535, 65_536), (65_536, 69_000), (300, 301)] {
        let proof = log.prove_inclusion(index, size).unwrap();
        let root = naive(&all[..size as usize]);
        assert!(verify_inclusion(&leaf_hash(&all[index as usize]), index, size, &root, &proof), "{index} in {size}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn every_proof_is_right_and_no_changed_one_is(batches in proptest::collection::vec(0usize..180, 1..5), pick: u64, bit in 0usize..256) {
        let root = tempfile::tempdir().unwrap();
        let all = leaves(batches.iter().sum());
        let mut done = 0;
        for batch in &batches {
            // Opened anew each time: what is on disk is enough to go on.
            let mut log = open(root.path()).unwrap();
            prop_assert_eq!(log.append(&all[done..done + batch]).unwrap(), done as u64);
            done += batch;
        }
        let log = open(root.path()).unwrap();
        prop_assert_eq!(log.checkpoint().root, naive(&all));
        let count = all.len() as u64;
        prop_assume!(count > 0);
        let (size, index) = (pick % count + 1, (pick >> 20) % (pick % count + 1));
        let (new, leaf) = (naive(&all[..size as usize]), leaf_hash(&all[index as usize]));
        let mut proof = log.prove_inclusion(index, size).unwrap();
        prop_assert!(verify_inclusion(&leaf, index, size, &new, &proof));
        prop_assert!(!verify_inclusion(&leaf_hash(b"other"), index, size, &new, &proof));
        if let Some(hash) = proof.first_mut() {
            hash[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!verify_inclusion(&leaf, index, size, &new, &proof));
        }
        let old = naive(&all[..index as usize]);
        let mut proof = log.prove_consistency(index, size).unwrap();
        prop_assert!(verify_consistency((index, &old), (size, &new), &proof));
        prop_assert!(index == 0 || !verify_consistency((index, &leaf_hash(b"x")), (size, &new), &proof));
        if let Some(hash) = proof.last_mut() {
            hash[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!verify_consistency((index, &old), (size, &new), &proof));
        }
    }
}

#[test]
fn a_log_goes_on_from_its_last_checkpoint_after_a_crash() {
    let root = tempfile::tempdir().unwrap();
    let all = leaves(600);
    open(root.path()).unwrap().append(&all[..300]).unwrap();
    let checkpoint = fs::read(root.path().join("checkpoint")).unwrap();
    // Tiles of a lost append are there, its checkpoint is not.
    open(root.path()).unwrap().append(&leaves(290)).unwrap();
    fs::write(root.path().join("checkpoint"), checkpoint).unwrap();
    let mut log = open(root.path()).unwrap();
    assert_eq!(log.append(&all[300..]).unwrap(), 300);
    drop(log);
    assert_eq!(open(root.path()).unwrap().checkpoint().root, naive(&all));
}

#[test]
fn what_was_changed_and_what_is_in_use_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let mut log = open(root.path()).unwrap();
    log.append(&leaves(10)).unwrap();
    assert!(matches!(open(root.path()), Err(LogError::InUse)));
    assert!(matches!(log.append(&[vec![0; 65_536]]), Err(LogError::TooLong)));
    assert!(matches!(log.prove_inclusion(10, 10), Err(LogError::Range)));
    assert!(matches!(log.prove_consistency(3, 11), Err(LogError::Range)));
    drop(log);
    let tile = root.path().join("tile/0/000.p/10");
    let mut bytes = fs::read(&tile).unwrap();
    bytes[40] ^= 1;
    fs::write(&tile, bytes).unwrap();
    assert!(matches!(open(root.path()), Err(LogError::Damaged)));
    fs::write(root.path().join("checkpoint"), "x").unwrap();
    assert!(matches!(open(root.path()), Err(LogError::Checkpoint(_))));
}

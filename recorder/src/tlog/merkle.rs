//! Hashes and proofs of RFC 6962 section 2.1 (as RFC 9162 has them). Pure; a tree's hashes come from whoever keeps them.

use crate::sha256::{digest, sha256};

/// A hash in the tree.
pub type Hash = [u8; 32];

/// The hash of a leaf: SHA-256(00 ‖ leaf).
#[must_use]
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    sha256(&[&[0], leaf])
}

/// The hash of two subtrees: SHA-256(01 ‖ left ‖ right).
pub(super) fn node_hash(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[1], left, right])
}

/// The root of a tree without leaves.
pub(super) fn empty_root() -> Hash {
    digest(&[])
}

/// The hash of the complete subtree over leaves `index << level` to `(index + 1) << level`.
pub(super) type Node<'a, E> = &'a dyn Fn(u32, u64) -> Result<Hash, E>;

/// The largest power of two below `count`, which is at least 2.
fn split(count: u64) -> u64 {
    1 << (63 - (count - 1).leading_zeros())
}

/// The root over leaves `from` to `to`, of which there is at least one.
pub(super) fn range<E>(node: Node<'_, E>, from: u64, to: u64) -> Result<Hash, E> {
    let count = to - from;
    if count.is_power_of_two() {
        let level = count.trailing_zeros();
        return node(level, from >> level);
    }
    let middle = from + split(count);
    Ok(node_hash(&range(node, from, middle)?, &range(node, middle, to)?))
}

/// The proof that leaf `index` is in the tree over `from` to `to`.
pub(super) fn inclusion<E>(node: Node<'_, E>, index: u64, from: u64, to: u64) -> Result<Vec<Hash>, E> {
    if to - from <= 1 {
        return Ok(Vec::new());
    }
    let middle = from + split(to - from);
    let left = index < middle;
    let (mut proof, other) = if left {
        (inclusion(node, index, from, middle)?, range(node, middle, to)?)
    } else {
        (inclusion(node, index, middle, to)?, range(node, from, middle)?)
    };
    proof.push(other);
    Ok(proof)
}

/// The proof that the tree over `from` to `old` is the beginning of the one over `from` to `to`.
pub(super) fn consistency<E>(node: Node<'_, E>, old: u64, from: u64, to: u64, whole: bool) -> Result<Vec<Hash>, E> {
    if old == to {
        return if whole { Ok(Vec::new()) } else { Ok(vec![range(node, from, to)?]) };
    }
    let middle = from + split(to - from);
    let (mut proof, other) = if old <= middle {
        (consistency(node, old, from, middle, whole)?, range(node, middle, to)?)
    } else {
        (consistency(node, old, middle, to, false)?, range(node, from, middle)?)
    };
    proof.push(other);
    Ok(proof)
}

/// True when `proof` shows that `leaf` (its hash) stands at `index` in the tree of `size` leaves with this `root`.
#[must_use]
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, root: &Hash, proof: &[Hash]) -> bool {
    index < size && climb(leaf, index, size, proof).is_some_and(|found| found == *root)
}

fn climb(leaf: &Hash, index: u64, size: u64, proof: &[Hash]) -> Option<Hash> {
    if size == 1 {
        return proof.is_empty().then_some(*leaf);
    }
    let (last, rest) = proof.split_last()?;
    let left = split(size);
    Some(if index < left {
        node_hash(&climb(leaf, index, left, rest)?, last)
    } else {
        node_hash(last, &climb(leaf, index - left, size - left, rest)?)
    })
}

/// True when `proof` shows that the tree of `new` leaves begins with the one of `old` leaves. A tree without leaves is the
/// beginning of every tree.
#[must_use]
pub fn verify_consistency(old: (u64, &Hash), new: (u64, &Hash), proof: &[Hash]) -> bool {
    if old.0 == 0 {
        return *old.1 == empty_root() && proof.is_empty();
    }
    old.0 <= new.0 && both(old.0, new.0, true, old.1, proof).is_some_and(|(one, other)| one == *old.1 && other == *new.1)
}

/// Roots of the old and the new tree as `proof` has them.
fn both(old: u64, new: u64, whole: bool, root: &Hash, proof: &[Hash]) -> Option<(Hash, Hash)> {
    if old == new {
        return match proof {
            [] if whole => Some((*root, *root)),
            [hash] if !whole => Some((*hash, *hash)),
            _ => None,
        };
    }
    let (last, rest) = proof.split_last()?;
    let left = split(new);
    Some(if old <= left {
        let (one, other) = both(old, left, whole, root, rest)?;
        (one, node_hash(&other, last))
    } else {
        let (one, other) = both(old - left, new - left, false, root, rest)?;
        (node_hash(last, &one), node_hash(last, &other))
    })
}

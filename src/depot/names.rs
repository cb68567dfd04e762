//! The names of objects. Made only from checked ids, dates and numbers, and from the bastion's name with all else replaced.

use std::collections::BTreeMap;
use std::path::Path;

use super::Object;

/// How the channel file is called, and its pieces before their offset.
pub(super) const CHANNEL: &str = "c0.brec";

/// The channel file of what was typed: small, and carried as it is once the recording is sealed.
pub(super) const INPUT: &str = "c1.brec";

/// Says, where a recording lies here, that all of it was read back from the store.
pub(super) const STORED: &str = "stored.json";

/// What holds a recording. It changes, and so never goes up as evidence does.
pub(super) const HELD: &str = "held.json";

/// The longest of those that is carried, in bytes.
pub(super) const INPUT_MAX: u64 = 64 << 20;
/// The digits of an offset: so that names sort as offsets do.
const DIGITS: usize = 20;

/// The piece of `file` that begins at byte `from`.
pub(super) fn piece(file: &str, from: u64) -> String {
    format!("{file}.{from:0width$}", width = DIGITS)
}

/// The offset of a piece of `file`.
pub(super) fn offset(file: &str, name: &str) -> Option<u64> {
    let digits = name.strip_prefix(file)?.strip_prefix('.')?;
    let fits = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| digits.parse().ok()).flatten()
}

/// Which objects are pieces of `file`, by their offset, and how long each is. `folder` is what all names begin with.
pub(super) fn pieces(file: &str, folder: &str, objects: &[Object]) -> BTreeMap<u64, u64> {
    let of = |object: &Object| Some((offset(file, object.name.strip_prefix(folder)?.strip_prefix('/')?)?, object.size));
    objects.iter().filter_map(of).collect()
}

/// The pieces that follow each other without a gap from byte 0, and where they end.
pub(super) fn unbroken(pieces: &BTreeMap<u64, u64>) -> (Vec<u64>, u64) {
    let (mut offsets, mut end) = (Vec::new(), 0);
    while let Some(size) = pieces.get(&end).filter(|size| **size > 0) {
        offsets.push(end);
        end += size;
    }
    (offsets, end)
}

/// Where the recording in `dir` lies behind the prefix: `recordings/YYYY/MM/DD/SESSION`, as it lies below its root.
pub(super) fn recording(root: &Path, dir: &Path) -> Option<String> {
    let below = dir.strip_prefix(root).ok()?.to_str()?;
    let plain = below.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'/');
    plain.then(|| format!("recordings/{below}"))
}

/// The bastion's name as part of an object's.
pub(super) fn node(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || "-.".contains(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_come_back_from_names_that_sort_as_they_do() {
        let mut names: Vec<String> = [0, 5, 10, 99, 1 << 40, u64::MAX].into_iter().map(|at| piece(CHANNEL, at)).collect();
        assert_eq!(names.iter().map(|name| offset(CHANNEL, name).unwrap()).collect::<Vec<_>>(), [0, 5, 10, 99, 1 << 40, u64::MAX]);
        let sorted = names.clone();
        names.sort();
        assert_eq!(names, sorted);
        for odd in ["c0.brec", "c0.brec.", "c0.brec.12", "c1.brec.00000000000000000000", "c0.brec.0000000000000000000x"] {
            assert_eq!(offset(CHANNEL, odd), None, "{odd}");
        }
    }

    #[test]
    fn pieces_count_as_far_as_they_follow_each_other() {
        let object = |name: &str, size| Object { name: format!("x/{name}"), size };
        let (one, two, far) = (piece(CHANNEL, 0), piece(CHANNEL, 10), piece(CHANNEL, 21));
        let objects = [object(&one, 10), object(&two, 10), object(&far, 5), object("head.json", 7), object("c0.brec.1", 3)];
        let found = pieces(CHANNEL, "x", &objects);
        assert_eq!(found.len(), 3);
        assert_eq!(unbroken(&found), (vec![0, 10], 20));
        assert_eq!(unbroken(&pieces(CHANNEL, "y", &objects)), (vec![], 0));
    }

    #[test]
    fn names_from_outside_leave_neither_root_nor_prefix() {
        let root = Path::new("/state/recordings");
        assert_eq!(recording(root, &root.join("2026/11/22/01JD")).unwrap(), "recordings/2026/11/22/01JD");
        for odd in ["../x", "2026/../../x", "a b", "%2e%2e"] {
            assert_eq!(recording(root, &root.join(odd)), None, "{odd}");
        }
        assert_eq!(recording(root, Path::new("/elsewhere/2026")), None);
        assert_eq!(node("bastion.example:22/../x"), "bastion.example_22_.._x");
    }
}

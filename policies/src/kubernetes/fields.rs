//! How the fields of answers are named: by their place in the object, whether it comes alone, in a list, in an event of a watch or
//! beside a row of a table. What repeats an object's fields elsewhere is known here.

/// What an answer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Objects as they are.
    Objects,
    /// Rows of a table whose cells show nothing that is hidden.
    Table,
}

/// Kinds whose tables are known: their cells show name, type, age, and how many entries there are. Each with its API group.
pub const TABLED: [(&str, &str); 2] = [("", "secrets"), ("", "configmaps")];

/// What stands around objects.
const AROUND: [&str; 3] = ["/items/*", "/object", "/rows/*/object"];

/// Every name that the field at `place` of an answer may have: objects are found wherever an answer can hold them.
#[must_use]
pub fn names(place: &str) -> Vec<&str> {
    let (mut names, mut rest) = (vec![place], place);
    while let Some(inside) = AROUND.iter().find_map(|around| rest.strip_prefix(around)).filter(|rest| rest.starts_with('/')) {
        names.push(inside);
        rest = inside;
    }
    names
}

/// Whether a field repeats others: what was applied last, and who has set what with the values that tell items of lists apart. It is
/// hidden where anything of the object may be.
#[must_use]
pub fn leaks(name: &str) -> bool {
    name == "/metadata/managedFields" || name == "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration"
}

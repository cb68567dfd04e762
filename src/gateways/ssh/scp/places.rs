//! Where the files of a copying lie at the target, and which of them were asked for. A source that sends another file than was
//! asked for is found out here (CVE-2019-6111).

use bartizan_policies::Pattern;

/// A file or folder that is announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Its path, not yet followed; `None` when it is not known.
    pub(super) path: Option<String>,
    /// The name under which the sink gets it.
    pub(super) shown: String,
}

/// What was asked for.
#[derive(Debug, Clone)]
pub(super) enum Asked {
    /// This file: its path, the name by which the source calls it, the name by which it was asked for.
    One { path: Option<String>, name: String, shown: String },
    /// All that match, in this folder.
    Matching { folder: Option<String>, pattern: Pattern },
}

/// Where things lie.
#[derive(Debug, Clone)]
pub(super) enum Places {
    /// Everything goes to one destination, which is a folder or not.
    To { path: Option<String>, is_folder: bool },
    /// These, in this order; the number says how many of them are done.
    From(Vec<Asked>, usize),
}

impl Places {
    /// What is announced outside of any folder; `None` when nobody asked for it.
    pub(super) fn top(&mut self, name: &str) -> Option<Place> {
        match self {
            Self::To { path, is_folder: true } => Some(Self::inside(path.as_deref(), name)),
            Self::To { path, is_folder: false } => Some(Place { path: path.clone(), shown: name.to_owned() }),
            Self::From(asked, done) => {
                let (skipped, found) = asked.iter().skip(*done).enumerate().find_map(|(at, asked)| Some((at, asked.place(name)?)))?;
                *done += skipped + usize::from(found.1);
                Some(found.0)
            }
        }
    }

    /// What lies in a folder.
    pub(super) fn inside(folder: Option<&str>, name: &str) -> Place {
        let path = folder.map(|folder| format!("{}/{name}", folder.trim_end_matches('/')));
        Place { path, shown: name.to_owned() }
    }
}

impl Asked {
    /// The place of `name` if it was asked for, and whether nothing more can come of it.
    fn place(&self, name: &str) -> Option<(Place, bool)> {
        match self {
            Self::One { path, name: expected, shown } => {
                (name == expected).then(|| (Place { path: path.clone(), shown: shown.clone() }, true))
            }
            Self::Matching { folder, pattern } => pattern.matches(name).then(|| (Places::inside(folder.as_deref(), name), false)),
        }
    }
}

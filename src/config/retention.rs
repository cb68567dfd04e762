//! `[[retention]]`: how long recordings are kept, by the tags their targets had.

use std::collections::BTreeMap;
use std::time::Duration;

use super::reader::Section;

/// Most rules of one configuration.
const MOST: usize = 100;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// One rule. The first that fits a recording counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// How long after its end a recording is kept; none: for ever.
    pub keep: Option<Duration>,
    /// Only of targets that had all of these tags when it was made.
    pub tags: BTreeMap<String, String>,
}

impl Retention {
    /// Whether it is about recordings of a target with `tags`.
    #[must_use]
    pub fn covers(&self, tags: &BTreeMap<String, String>) -> bool {
        self.tags.iter().all(|(key, value)| tags.get(key) == Some(value))
    }
}

pub(super) fn read_all(root: &Section<'_>) -> Option<Vec<Retention>> {
    let sections = root.sections("retention");
    let mut rules: Vec<Option<Retention>> = Vec::new();
    for (number, section) in sections.iter().enumerate() {
        if number == MOST {
            section.problem(&section.whole(), format!("is one more than {MOST}"), "join rules");
        }
        let hidden = rules.iter().flatten().any(|rule| rule.tags.is_empty());
        let rule = read_one(section);
        if hidden {
            section.problem(&section.whole(), "is never reached: a rule without tags stands before it", "put that one last");
        }
        section.finish();
        rules.push(rule);
    }
    rules.into_iter().collect()
}

fn read_one(section: &Section<'_>) -> Option<Retention> {
    let mend = "how long after its end a recording is kept, as in \"90d\"; or \"forever\"";
    let placed = section.need_string("keep", mend);
    let keep = match placed.as_ref().map(|placed| placed.value.as_str()) {
        Some("forever") => Some(None),
        Some(_) => section.duration("keep", DAY..=DAY * 36_500, DAY).map(Some),
        None => None,
    };
    let tags = match section.has("tags") {
        true => section.section("tags")?.string_pairs().into_iter().map(|(key, placed)| (key, placed.value)).collect(),
        false => BTreeMap::new(),
    };
    Some(Retention { keep: keep?, tags })
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    /// The problems of a file with these rules.
    fn problems(rules: &str) -> Vec<String> {
        let problems = Config::parse(std::path::Path::new("b.toml"), rules).unwrap_err().0;
        problems.iter().filter(|problem| problem.key.starts_with("retention")).map(ToString::to_string).collect()
    }

    #[test]
    fn rules_are_read_strictly() {
        assert!(problems("[[retention]]\ntags = { env = \"prod\" }\nkeep = \"365d\"\n[[retention]]\nkeep = \"forever\"\n").is_empty());
        for bad in [
            "[[retention]]\n",
            "[[retention]]\nkeep = \"1h\"\n",
            "[[retention]]\nkeep = \"soon\"\n",
            "[[retention]]\nkeep = \"9d\"\ntag = 1\n",
            "[[retention]]\nkeep = \"9d\"\n[[retention]]\nkeep = \"9d\"\n",
        ] {
            assert_eq!(problems(bad).len(), 1, "{bad}: {:?}", problems(bad));
        }
    }
}

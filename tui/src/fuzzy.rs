//! Fuzzy matching of names: the letters in order, better together, at the beginning of words and of the name.

/// How well `name` fits `typed`; none when it does not. Empty fits all alike.
pub(crate) fn score(typed: &str, name: &str) -> Option<i64> {
    let wanted: Vec<char> = typed.chars().flat_map(char::to_lowercase).filter(|c| !c.is_whitespace()).collect();
    let name: Vec<char> = name.chars().flat_map(char::to_lowercase).collect();
    let (mut score, mut from, mut last) = (0_i64, 0, None);
    for c in &wanted {
        let at = from + name.get(from..)?.iter().position(|own| own == c)?;
        let begins = at == 0 || name.get(at - 1).is_some_and(|before| !before.is_alphanumeric());
        score += 1 + if last.is_some_and(|last| last + 1 == at) { 6 } else { 0 } + if begins { 4 } else { 0 };
        score -= i64::try_from(at - from).unwrap_or(0).min(8);
        (from, last) = (at + 1, Some(at));
    }
    let together: String = wanted.iter().collect();
    let whole: String = name.iter().collect();
    let bonus = if whole.starts_with(&together) {
        20
    } else if whole.contains(&together) {
        10
    } else {
        0
    };
    let length = i64::try_from(name.len()).unwrap_or(i64::MAX).min(100);
    Some(if wanted.is_empty() { 0 } else { (score + bonus) * 100 - length })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best(typed: &str, names: &[&'static str]) -> Vec<&'static str> {
        let mut found: Vec<_> = names.iter().filter_map(|name| score(typed, name).map(|score| (score, *name))).collect();
        found.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
        found.into_iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn letters_in_order_fit_and_those_together_fit_better() {
        assert_eq!(best("dbpr", &["web-1", "db-preprod", "dashboard-paper", "db-prod-3"])[..2], ["db-prod-3", "db-preprod"]);
        assert_eq!(best("prod", &["p-r-o-d", "db-prod-3", "prod"]), ["prod", "db-prod-3", "p-r-o-d"]);
        assert_eq!(score("xyz", "db"), None);
        assert_eq!(score("", "db"), Some(0));
    }
}

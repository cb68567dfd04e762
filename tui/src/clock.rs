//! Moments and spans as people read and write them. The moment itself always comes from outside.

use jiff::Timestamp;

/// Microseconds as `12:31` or `1:02:03`.
#[must_use]
pub(crate) fn position(us: u64) -> String {
    let seconds = us / 1_000_000;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes:02}:{seconds:02}") }
}

/// Seconds as `00:41` or `1:02:03`; below zero is zero.
#[must_use]
pub(crate) fn counter(seconds: i64) -> String {
    position(u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000_000))
}

/// Seconds as `30 s`, `5 min`, `2 h`, `3 d`: the two largest parts.
#[must_use]
pub(crate) fn span(seconds: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let (mut rest, mut parts) = (seconds, Vec::new());
    for (size, name) in UNITS {
        if rest >= size && parts.len() < 2 {
            parts.push(format!("{} {name}", rest / size));
            rest %= size;
        } else if !parts.is_empty() {
            break;
        }
    }
    if parts.is_empty() { "0 s".to_owned() } else { parts.join(" ") }
}

/// How long ago `then` was, as one part: `2 d`, `14 min`.
#[must_use]
pub(crate) fn ago(then: Timestamp, now: Timestamp) -> String {
    let seconds = u64::try_from(now.duration_since(then).as_secs()).unwrap_or(0);
    let text = span(seconds);
    let mut parts = text.splitn(3, ' ');
    match (parts.next(), parts.next()) {
        (Some(number), Some(unit)) => format!("{number} {unit}"),
        _ => text,
    }
}

/// `11:52:04Z`, with the day where it is another one.
#[must_use]
pub(crate) fn moment(then: Timestamp, now: Timestamp) -> String {
    let day = |at: Timestamp| at.strftime("%Y-%m-%d").to_string();
    if day(then) == day(now) { then.strftime("%H:%M:%SZ").to_string() } else { then.strftime("%Y-%m-%d %H:%MZ").to_string() }
}

/// A span as it is written in a filter: `45s`, `30m`, `2h`, `7d`, in seconds.
#[must_use]
pub(crate) fn parse_span(text: &str) -> Option<u64> {
    let unit = text.chars().last()?;
    let size = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return None,
    };
    text.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(size)
}

/// A moment as it is written in a filter: a span before `now`, a day, or RFC 3339.
#[must_use]
pub(crate) fn parse_moment(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Some(seconds) = parse_span(text) {
        return now.checked_sub(jiff::SignedDuration::from_secs(i64::try_from(seconds).ok()?)).ok();
    }
    text.parse().ok().or_else(|| format!("{text}T00:00:00Z").parse().ok())
}

/// Microseconds between two moments; none where time went back.
#[must_use]
pub(crate) fn micros(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.duration_since(from).as_micros()).unwrap_or(0)
}

/// Bytes as `12 kB`, `1.2 MB`.
#[must_use]
pub(crate) fn bytes(count: u64) -> String {
    let (mut rest, mut unit) = (count, 0);
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut tenths = 0;
    while rest >= 1000 && unit + 1 < UNITS.len() {
        tenths = rest % 1000 / 100;
        rest /= 1000;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or("B");
    if unit > 0 && rest < 10 { format!("{rest}.{tenths} {name}") } else { format!("{rest} {name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_positions_read_as_people_write_them() {
        assert_eq!(position(754_000_000), "12:34");
        assert_eq!(position(3_723_000_000), "1:02:03");
        assert_eq!(span(1800), "30 min");
        assert_eq!(span(5400), "1 h 30 min");
        assert_eq!(span(86_401), "1 d");
        assert_eq!(span(0), "0 s");
        assert_eq!(parse_span("2h"), Some(7200));
        assert_eq!(parse_span("h"), None);
        assert_eq!(parse_span("99999999999999999999d"), None);
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1_240_000), "1.2 MB");
        assert_eq!(bytes(64_000_000), "64 MB");
    }

    #[test]
    fn moments_are_read_as_spans_days_and_whole() {
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        assert_eq!(parse_moment("2h", now).unwrap().to_string(), "2026-11-22T10:00:00Z");
        assert_eq!(parse_moment("2026-11-20", now).unwrap().to_string(), "2026-11-20T00:00:00Z");
        assert_eq!(parse_moment("soon", now), None);
        assert_eq!(ago("2026-11-20T10:00:00Z".parse().unwrap(), now), "2 d");
        assert_eq!(moment("2026-11-20T10:00:00Z".parse().unwrap(), now), "2026-11-20 10:00Z");
    }
}

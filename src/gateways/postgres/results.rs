//! Rows of a result as they are recorded where policy says so: as the client sees them, and only so many.

use bytes::Bytes;

use crate::model::Printable;

use super::codec;

/// How much of one result is kept.
const MOST: usize = 64 << 10;

/// How many rows of it.
const ROWS: usize = 500;

/// How much of one value, in bytes.
const VALUE: usize = 1_000;

/// What is kept of one result.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) rows: Vec<Vec<Option<String>>>,
    bytes: usize,
    /// More came than is kept.
    pub(super) cut: bool,
}

impl Seen {
    /// Whether more of it would be kept.
    pub(super) fn is_open(&self) -> bool {
        !self.cut
    }

    /// A row as it goes to the client. One that is no row is not kept.
    pub(super) fn row(&mut self, frame: &Bytes) {
        let Ok(values) = codec::row(frame) else { return };
        self.keep(values.into_iter().map(|value| value.map(shown)).collect());
    }

    /// Copied data as it goes to the client.
    pub(super) fn data(&mut self, frame: &Bytes) {
        let data = frame.get(5..).unwrap_or_default();
        self.keep(vec![Some(shown(data.strip_suffix(b"\n").unwrap_or(data)))]);
    }

    /// A row that passes in pieces.
    pub(super) fn long(&mut self) {
        self.keep(vec![Some("(a long row)".to_owned())]);
    }

    fn keep(&mut self, row: Vec<Option<String>>) {
        let size: usize = row.iter().flatten().map(String::len).sum::<usize>() + row.len();
        if self.cut || self.rows.len() >= ROWS || self.bytes + size > MOST {
            self.cut = true;
            return;
        }
        self.bytes += size;
        self.rows.push(row);
    }

    /// The rows as lines, the way psql writes them without decoration.
    pub(super) fn lines(&self) -> String {
        let line = |row: &Vec<Option<String>>| {
            let values: Vec<_> = row.iter().map(|value| Printable(value.as_deref().unwrap_or_default()).to_string()).collect();
            format!("{}\n", values.join("|"))
        };
        let end = if self.cut { "(more rows are not recorded)\n" } else { "" };
        self.rows.iter().map(line).chain(std::iter::once(end.to_owned())).collect()
    }
}

/// A value as text; what is none, as its bytes.
fn shown(value: &[u8]) -> String {
    let cut = value.get(..VALUE.min(value.len())).unwrap_or_default();
    let text = match std::str::from_utf8(cut) {
        Ok(text) => Some(text),
        Err(error) if error.error_len().is_none() => cut.get(..error.valid_up_to()).and_then(|valid| std::str::from_utf8(valid).ok()),
        Err(_) => None,
    };
    let text = text.filter(|text| !text.contains('\0')).map_or_else(|| format!("\\x{}", hex::encode(cut)), str::to_owned);
    if cut.len() < value.len() { format!("{text}… ({} bytes)", value.len()) } else { text }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;

    fn row(values: &[Option<&[u8]>]) -> Bytes {
        let mut row = BytesMut::new();
        codec::append_row(&mut row, u16::try_from(values.len()).unwrap(), |body| {
            values.iter().for_each(|value| codec::put_value(body, *value))
        });
        row.freeze()
    }

    #[test]
    fn rows_are_kept_as_they_are_seen_and_only_so_many() {
        let mut seen = Seen::default();
        seen.row(&row(&[Some(b"a"), None, Some(&[0xff, 0])]));
        seen.row(&row(&[Some("é".repeat(VALUE).as_bytes())]));
        assert_eq!(seen.rows[0], [Some("a".to_owned()), None, Some("\\xff00".to_owned())]);
        assert!(seen.rows[1][0].as_ref().unwrap().ends_with("é… (2000 bytes)"));
        assert!(seen.lines().starts_with("a||\\xff00\n"));
        for _ in 0..1_000 {
            seen.row(&row(&[Some(b"x")]));
        }
        assert!(seen.rows.len() == ROWS && seen.cut && !seen.is_open());
        assert!(seen.lines().ends_with("(more rows are not recorded)\n"));
        let mut seen = Seen::default();
        for _ in 0..1_000 {
            seen.row(&row(&[Some(&[b'x'; 900])]));
        }
        assert!(seen.cut && seen.rows.len() == MOST / 901);
    }
}

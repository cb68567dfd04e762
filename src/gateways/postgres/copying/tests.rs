use proptest::prelude::*;

use super::*;

const TEXT: u32 = 25;

fn form(format: CopyFormat) -> CopyForm {
    let csv = format == CopyFormat::Csv;
    CopyForm {
        format,
        delimiter: if csv { b',' } else { b'\t' },
        null: if csv { "" } else { "\\N" }.into(),
        quote: b'"',
        escape: b'"',
        header: false,
    }
}

fn copying(form: CopyForm, masks: &[Option<Mask>]) -> Copying {
    let begun = !form.header && form.format != CopyFormat::Binary;
    Copying { form, columns: masks.iter().map(|mask| (*mask, TEXT)).collect(), held: BytesMut::new(), begun, over: false }
}

/// What comes out when the data comes in pieces of `size`.
fn through(mut copying: Copying, data: &[u8], size: usize) -> Result<Vec<u8>, CodecError> {
    let mut out = Vec::new();
    for piece in data.chunks(size.max(1)) {
        if let Some(frame) = copying.shown(piece, b"key")? {
            out.extend_from_slice(&frame[5..]);
        }
    }
    copying.ended()?;
    Ok(out)
}

#[test]
fn lines_of_text_are_masked_wherever_they_are_cut() {
    let data = b"1\tann@x.example\tplain\\ttext\n2\t\\N\t\\\\N\n3\ta\\nb\\\\@y\tlast\n";
    for size in [1, 2, 3, 7, 1_000] {
        let shown = through(copying(form(CopyFormat::Text), &[None, Some(Mask::Email), None]), data, size).unwrap();
        assert_eq!(String::from_utf8(shown).unwrap(), "1\ta****@x.example\tplain\\ttext\n2\t\\N\t\\\\N\n3\ta****@y\tlast\n");
    }
}

#[test]
fn csv_is_masked_with_its_quotes_and_its_header() {
    let header = CopyForm { header: true, ..form(CopyFormat::Csv) };
    let data = b"id,secret\n1,\"a,\"\"b\"\"\nc\"\n2,\n3,\"\"\n4,plain\n";
    let shown = through(copying(header, &[None, Some(Mask::Redact)]), data, 4).unwrap();
    assert_eq!(String::from_utf8(shown).unwrap(), "id,secret\n1,\"[redacted]\"\n2,\n3,\"[redacted]\"\n4,\"[redacted]\"\n");
    let other = CopyForm { quote: b'\'', escape: b'\\', delimiter: b';', ..form(CopyFormat::Csv) };
    let shown = through(copying(other, &[Some(Mask::Email), None]), b"'o\\'n;\\\\e@x';'y;\nz'\n", 3).unwrap();
    assert_eq!(String::from_utf8(shown).unwrap(), "'o****@x';'y;\nz'\n");
}

#[test]
fn binary_data_is_masked_and_what_is_not_made_so_is_refused() {
    let mut data = SIGNATURE.to_vec();
    data.extend([0; 8]);
    data.extend([0, 2, 0, 0, 0, 1, b'a', 0, 0, 0, 6]);
    data.extend(b"secret");
    data.extend([0, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    for size in [1, 5, 1_000] {
        let shown = through(copying(form(CopyFormat::Binary), &[None, Some(Mask::Null)]), &data, size).unwrap();
        let mut wanted = data[..26].to_vec();
        wanted.extend([0xff; 4]);
        wanted.extend(&data[36..]);
        assert_eq!(shown, wanted);
    }
    assert!(through(copying(form(CopyFormat::Binary), &[None]), &data, 9).is_err(), "another number of columns");
    data.push(0);
    assert!(through(copying(form(CopyFormat::Binary), &[None, Some(Mask::Null)]), &data, 9).is_err(), "more after the end");
    assert!(through(copying(form(CopyFormat::Binary), &[Some(Mask::Null)]), b"no head at all, but long", 9).is_err());
}

#[test]
fn a_line_with_another_number_of_columns_is_handed_on_to_nobody() {
    for data in [&b"1\t2\t3\n"[..], b"1\n", b"\n"] {
        assert!(through(copying(form(CopyFormat::Text), &[None, Some(Mask::Redact)]), data, 2).is_err());
    }
    assert!(through(copying(form(CopyFormat::Text), &[Some(Mask::Redact)]), b"no end", 2).is_err());
}

proptest! {
    #[test]
    fn nothing_of_a_masked_value_is_left_and_all_of_the_others(secret in "[a-z\\\\\t\n\",;']{0,12}", other in "[a-z\\\\\t\n\",;']{0,12}", csv: bool, size in 1_usize..9) {
        let form = form(if csv { CopyFormat::Csv } else { CopyFormat::Text });
        let writer = copying(form.clone(), &[]);
        let mut data = BytesMut::new();
        for (n, value) in [&other, &secret, &other].into_iter().enumerate() {
            if n > 0 {
                data.put_u8(form.delimiter);
            }
            writer.write(Some(Cow::Borrowed(value.as_bytes())), &mut data);
        }
        data.put_u8(b'\n');
        let shown = through(copying(form.clone(), &[None, Some(Mask::Redact), None]), &data, size).unwrap();
        let mut reader = copying(form, &[None, None, None]);
        reader.held.extend_from_slice(&shown);
        let (fields, end) = reader.fields().unwrap();
        prop_assert_eq!(end, shown.len());
        let values: Vec<_> = fields.iter().map(|(from, to)| reader.value(&shown[*from..*to]).unwrap().into_owned()).collect();
        prop_assert_eq!(values, vec![other.clone().into_bytes(), b"[redacted]".to_vec(), other.into_bytes()]);
    }

    #[test]
    fn no_data_makes_it_panic(data: Vec<u8>, format in 0..3, size in 1_usize..9) {
        let format = [CopyFormat::Text, CopyFormat::Csv, CopyFormat::Binary][usize::try_from(format).unwrap()];
        let _ = through(copying(form(format), &[None, Some(Mask::Hash)]), &data, size);
    }
}

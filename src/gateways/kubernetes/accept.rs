//! In which form an answer is asked for of which fields are hidden: JSON, since nothing else is looked into; a table only where its cells
//! show nothing that is hidden.

use hyper::header::HeaderValue;

/// What the API server is asked for instead of what the client said.
pub(super) fn narrowed(said: Option<&str>, keeps_tables: bool) -> HeaderValue {
    let kept: Vec<String> = said.unwrap_or_default().split(',').filter_map(|choice| readable(choice, keeps_tables)).collect();
    let plain = HeaderValue::from_static("application/json");
    if kept.is_empty() { plain } else { HeaderValue::from_str(&kept.join(",")).unwrap_or(plain) }
}

/// A choice that can be looked into, without its weight.
fn readable(choice: &str, keeps_tables: bool) -> Option<String> {
    let mut parts = choice.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case("application/json") {
        return None;
    }
    let mut kept = "application/json".to_owned();
    for part in parts {
        let (name, value) = part.split_once('=')?;
        let fits = match name.trim().to_ascii_lowercase().as_str() {
            "as" if value.trim() == "Table" => keeps_tables,
            // Metadata is a part of the object, and masked as such.
            "as" => ["PartialObjectMetadata", "PartialObjectMetadataList"].contains(&value.trim()),
            "v" | "g" | "stream" => true,
            "q" | "charset" | "pretty" => continue,
            _ => false,
        };
        if !fits {
            return None;
        }
        kept.push_str(&format!(";{}={}", name.trim(), value.trim()));
    }
    Some(kept)
}

#[cfg(test)]
mod tests {
    use super::narrowed;

    #[test]
    fn only_json_is_asked_for_and_tables_where_they_may_be_shown() {
        let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        for (said, keeps, asked) in [
            (Some(table), true, table),
            (Some(table), false, "application/json"),
            (Some("application/json;as=Table;v=v1;g=meta.k8s.io"), false, "application/json"),
            (Some("application/vnd.kubernetes.protobuf, */*"), true, "application/json"),
            (Some("application/vnd.kubernetes.protobuf;q=0.9, application/json;q=0.5"), true, "application/json"),
            (Some("application/yaml"), true, "application/json"),
            (
                Some("APPLICATION/JSON; as=PartialObjectMetadataList; v=v1; g=meta.k8s.io"),
                false,
                "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
            ),
            (Some("application/json;stream=watch"), false, "application/json;stream=watch"),
            (Some("application/json;as=Scale"), true, "application/json"),
            (Some("application/json;x=y"), true, "application/json"),
            (None, true, "application/json"),
        ] {
            assert_eq!(narrowed(said, keeps), asked, "{said:?}");
        }
    }
}

use super::*;

fn read(text: &str) -> Answer {
    Answer::read(text.as_bytes()).unwrap()
}

fn text(answer: &Answer, field: Option<&str>) -> Result<String, String> {
    answer.fields().ok_or("nothing")?.text(field).map(|secret| secret.reveal().to_owned())
}

#[test]
fn a_field_is_found_in_either_version_of_the_key_value_store() {
    let second = read(r#"{"data":{"data":{"password":"p","pin":4711},"metadata":{"version":3}}}"#);
    assert_eq!(text(&second, Some("password")).unwrap(), "p");
    let first = read(r#"{"lease_id":"","lease_duration":2764800,"data":{"password":"p"}}"#);
    assert_eq!(text(&first, None).unwrap(), "p");
    assert!(first.lease().is_none());
    assert!(text(&second, None).unwrap_err().contains("`password`, `pin`"));
    assert!(text(&second, Some("token")).unwrap_err().contains("no field `token`"));
    assert!(text(&second, Some("pin")).is_err());
    assert!(read(r#"{"data":{"data":null,"metadata":{"deletion_time":"2026-01-01T00:00:00Z"}}}"#).fields().is_none());
    // A secret whose own fields are called so is not taken apart.
    assert_eq!(text(&read(r#"{"data":{"data":"p"}}"#), None).unwrap(), "p");
}

#[test]
fn what_is_no_answer_is_told_without_a_word_of_it() {
    for bad in [
        "",
        "planted",
        "\"planted\"",
        "{\"data\":{\"a\":\"planted\"",
        "{\"lease_duration\":\"planted\"}",
        "{\"lease_id\":{\"a\":\"planted\"}}",
    ] {
        let why = Answer::read(bad.as_bytes()).err().unwrap();
        assert!(!why.contains("planted"), "{why}");
    }
    let deep = format!("{{\"data\":{}{}}}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
    assert!(Answer::read(deep.as_bytes()).is_err());
}

#[test]
fn what_a_server_says_is_cut_and_acts_on_no_terminal() {
    let told = said(format!("{{\"errors\":[\"denied \\u001b[2J\\n{}\"]}}", "x".repeat(5_000)).as_bytes());
    assert!(told.starts_with(": denied ") && told.len() < 300 && !told.chars().any(char::is_control), "{told}");
    assert_eq!(said(b"<html>"), "");
}

#[tokio::test]
async fn a_lease_serves_until_its_margin_and_retires_near_its_end() {
    let lease = Arc::new(Lease::new("database/creds/app/1".to_owned(), 100, true));
    assert!(lease.serves() && lease.holds() && !lease.is_due() && !lease.is_idle());
    lease.renewed(30);
    assert!(!lease.serves() && lease.holds() && lease.is_idle(), "what cannot be renewed to half of its time is for nobody new");
    let short = Arc::new(Lease::new("database/creds/app/2".to_owned(), 0, true));
    assert!(!short.serves() && !short.holds());
}

use super::*;

struct Plainly(World);

impl Plainly {
    fn new() -> Self {
        Self(World::with(Settings { plain: true, ..Settings::default() }, Bastion::busy()))
    }

    /// Types a line; what was said to it.
    fn types(&mut self, line: &str) -> String {
        self.0.effects.clear();
        self.0.wait(500);
        self.0.send(Event::Typed(line.to_owned()));
        self.heard()
    }

    fn heard(&self) -> String {
        let said = self.0.effects.iter().filter_map(|effect| match effect {
            Effect::Print(lines) => Some(lines.as_str()),
            _ => None,
        });
        said.collect::<Vec<_>>().join("\n")
    }
}

#[test]
fn what_waits_is_said_in_whole_sentences_with_numbers() {
    let plainly = Plainly::new();
    let said = plainly.heard();
    assert!(said.contains("Connected to bastion.example.com as corp/dana@example.com."), "{said}");
    assert!(
        said.contains(
            "1 corp/alice@example.com ssh.exec root@db-prod-3: systemctl restart postgresql. 30 min, 00:41 left, needs 1 more. a1 approve, d1 deny, s1 details."
        ),
        "{said}"
    );
}

#[test]
fn a_held_statement_is_said_with_what_it_does() {
    let mut bastion = Bastion::busy();
    bastion.approvals[0]["operation"] = json!("DELETE FROM orders");
    bastion.approvals[0]["outline"] = json!({ "kind": "sql", "in_transaction": false, "statements": [
        { "text": "DELETE FROM orders", "statement": "delete", "summary": "deletes from public.orders, all rows: no WHERE", "estimated_rows": 1,
          "tables": [{ "table": "public.orders", "does": ["delete"] }] }] });
    let mut plainly = Plainly(World::with(Settings { plain: true, ..Settings::default() }, bastion));
    let said = plainly.heard();
    let does = "DELETE FROM orders. It deletes from public.orders, all rows: no WHERE (about 1 row, the planner guesses). 30 min";
    assert!(said.contains(does), "{said}");
    let said = plainly.types("s1");
    assert!(said.contains("DOES: ▲ deletes from public.orders") && said.contains("TABLES: public.orders: delete"), "{said}");
}

#[test]
fn a_conversation_in_plain_mode() {
    let mut plainly = Plainly::new();
    let mut talk = plainly.heard();
    for line in ["help", "inbox", "s1", "live", "targets", "recordings", "audit", "filter kind:decision", "x9", "d1 no ticket", "no"] {
        let said = plainly.types(line);
        talk = format!("{talk}\n> {line}\n{said}");
    }
    insta::assert_snapshot!("plain", talk);
}

#[test]
fn a_decision_takes_its_number_and_yes() {
    let mut plainly = Plainly::new();
    plainly.types("yes");
    let said = plainly.types("a1 5m");
    assert!(said.contains("RUNS: systemctl restart postgresql") && said.contains("5 min") && said.ends_with("Type yes, or no:"), "{said}");
    assert!(plainly.0.requests("approval.answer").is_empty());
    plainly.types("yes");
    let sent = plainly.0.requests("approval.answer")[0];
    assert_eq!((&sent["approval"], &sent["for_seconds"]), (&json!("A1"), &json!(300)));
}

#[test]
fn anything_but_yes_is_no_and_ones_own_is_not_approved() {
    let mut plainly = Plainly::new();
    for line in ["a1", "maybe", "yes", "a1", "", "d1 never", "no", "yes"] {
        plainly.types(line);
    }
    let own = plainly.0.state.inbox.list.rows.ids().position(|id| id.raw() == "A4").unwrap();
    let said = plainly.types("inbox");
    assert!(said.lines().nth(own + 1).unwrap().contains("Yours."), "{said}");
    let number: String = said.lines().nth(own + 1).unwrap().chars().take_while(char::is_ascii_digit).collect();
    assert!(plainly.types(&format!("a{number}")).contains("That is your own request"));
    plainly.types("yes");
    assert!(plainly.0.requests("approval.answer").is_empty());
}

#[test]
fn what_others_decide_and_a_lost_connection_are_said_once() {
    let mut plainly = Plainly::new();
    plainly.0.effects.clear();
    let mut decided = plainly.0.bastion.approvals[0].clone();
    decided["state"] = json!("approved");
    plainly.0.line(&json!({ "event": "approval", "approval": decided }));
    assert_eq!(plainly.heard(), "1 corp/alice@example.com ssh.exec root@db-prod-3: approved by corp/erik@example.com.");
    plainly.0.effects.clear();
    plainly.0.send(Event::Connection(Connection::Lost { why: "reset".into(), retry_in: None }));
    assert_eq!(plainly.heard(), "Alarm: The connection was lost: reset");
    assert!(plainly.types("a2").contains("Nothing can be decided while the connection is lost"));
    plainly.types("yes");
    assert!(plainly.0.requests("approval.answer").is_empty());
}

#[test]
fn a_target_is_connected_to_by_its_number() {
    let mut plainly = Plainly::new();
    let said = plainly.types("targets");
    let line = said.lines().find(|line| line.contains("web-12")).unwrap();
    let number: String = line.chars().take_while(char::is_ascii_digit).collect();
    plainly.types(&format!("c{number}"));
    assert!(plainly.0.effects.contains(&Effect::Connect { target: "web-12".into(), login: Some("deploy".into()) }));
}

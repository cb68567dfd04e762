//! What policies need of the role: printed, applied to a real server, and found to be enough and no more.

use crate::harness::Run;

use super::Site;

/// Everybody has e-mail addresses masked, and nobody reads payroll.
const POLICIES: &str = r#"
@id("all-get-certificates")
permit (principal, action == Action::"issue", resource);
@id("connects")
permit (principal, action == Action::"connect", resource == Target::"orders");
@id("developers-read")
permit (principal in Group::"corp/developers", action in [Action::"pg.read", Action::"pg.set"], resource in Target::"orders");
@id("developers-keep-notes")
permit (principal in Group::"corp/developers", action in Action::"pg.write", resource in Table::"orders/public.notes");
@id("admins-read-customers")
permit (principal in Group::"corp/admins", action in Action::"pg.read", resource in Table::"orders/public.customers");
@id("nobody-reads-payroll")
forbid (principal, action, resource in Table::"orders/public.payroll");
@id("emails") @mask("redact")
forbid (principal, action == Action::"pg.read_column", resource == Column::"orders/public.customers.email");
@id("cards-of-long-ago") @mask("redact")
forbid (principal, action == Action::"pg.read_column", resource == Column::"orders/public.customers.card");
@id("names-at-night") @mask("redact")
forbid (principal, action == Action::"pg.read_column", resource == Column::"orders/public.customers.name")
when { context has reason && context.reason == "night" };
"#;

const TABLES: &str = "
CREATE TABLE customers (id serial PRIMARY KEY, name text, email text);
INSERT INTO customers (name, email) VALUES ('Ann', 'ann@secret.example');
CREATE TABLE notes (id serial PRIMARY KEY, body text);
CREATE TABLE payroll (name text, salary int);
CREATE VIEW mails AS SELECT id, email AS contact FROM customers;
CREATE VIEW shouted AS SELECT id, upper(email) AS mail FROM customers;
GRANT ALL ON ALL TABLES IN SCHEMA public TO app;
GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO app;
";

#[test]
fn the_grants_that_are_printed_are_enough_and_let_nobody_read_what_everybody_has_masked() {
    let site = Site::with(POLICIES, "", TABLES);
    let bastion = &site.world.bastion;
    let check = || {
        let done = bastion.run(["check"]).ok();
        format!("{done}")
    };
    let before = check();
    assert!(before.contains("can read in orders what everybody has masked: public.customers.email, public.mails.contact"), "{before}");
    assert!(before.contains("policy \"cards-of-long-ago\" masks orders/public.customers.card, which is not there"), "{before}");
    assert!(!before.contains("customers.name"), "{before}");
    assert!(!format!("{}", bastion.run(["check", "--offline"]).ok()).contains("can read"));

    let script = bastion.run(["postgres", "grants", "orders"]).ok().text();
    site.server.psql("orders", &["-v", "ON_ERROR_STOP=1", "-f", "-"]).input(script).ok();

    let bob = site.world.visitor("bob");
    let tunnel = site.tunnel(&bob);
    let done = tunnel.ask(
        &bob,
        "SELECT id, name FROM customers;\nSELECT count(*) FROM customers;\nSELECT id FROM mails;\n\
         INSERT INTO notes (body) VALUES ('a') RETURNING id;\nUPDATE notes SET body = 'b' WHERE id = 1;\n\
         SELECT body FROM notes;\nDELETE FROM notes;\n",
    );
    assert_eq!(done.ok().text(), "1|Ann\n1\n1\n1\nb\n", "what policy allows works");
    let directly = |statement: &str| {
        let done = site.server.psql("orders", &["-At", "-c", &format!("SET ROLE app; {statement}")]).finish();
        assert!(!done.status.success() && format!("{done}").contains("permission denied"), "{statement}: {done}");
    };
    for statement in [
        "SELECT email FROM customers",
        "SELECT * FROM customers",
        "SELECT contact FROM mails",
        "SELECT mail FROM shouted",
        "SELECT id FROM shouted",
        "SELECT salary FROM payroll",
        "DELETE FROM customers",
        "INSERT INTO customers (name) VALUES ('x')",
    ] {
        directly(statement);
    }
    assert!(!check().contains("can read in orders"), "{}", check());

    // What stays readable for another reason is told.
    site.server.ask("GRANT SELECT ON customers TO PUBLIC");
    let told = bastion.run(["postgres", "grants", "orders", "--json"]).ok().json();
    let email = told["masked"].as_array().unwrap().iter().find(|one| one["column"] == "email").unwrap().clone();
    assert_eq!((email["still"].as_str(), email["policies"][0].as_str()), (Some("it is granted to PUBLIC"), Some("emails")), "{told}");
    site.server.ask("REVOKE ALL ON customers FROM PUBLIC");
    let masked = bastion.run(["postgres", "grants", "orders", "--with-masked"]).ok().text();
    site.server.psql("orders", &["-v", "ON_ERROR_STOP=1", "-f", "-"]).input(masked).ok();
    assert_eq!(tunnel.ask(&bob, "SELECT email FROM customers").ok().text(), "[redacted]\n");

    for (wrong, why) in [(vec!["nosuch"], "there is no target"), (vec!["orders", "--database", "x"], "offers no database x")] {
        let done = bastion.run(["postgres", "grants"].into_iter().chain(wrong)).finish();
        assert!(done.status.code() == Some(1) && format!("{done}").contains(why), "{done}");
    }
}

#[test]
fn what_the_bastion_last_read_of_a_database_serves_policy_explain() {
    let site = Site::with(POLICIES, "", TABLES);
    let explain = |sql: &str| -> Run {
        let asked = ["policy", "explain", "--principal", "corp/bob", "--group", "corp/developers", "--target", "orders", "--sql", sql];
        site.world.bastion.run(asked)
    };
    let unread = explain("SELECT 1").finish();
    assert!(unread.status.code() == Some(3) && format!("{unread}").contains("has not read the catalog"), "{unread}");
    let bob = site.world.visitor("bob");
    let tunnel = site.tunnel(&bob);
    tunnel.ask(&bob, "SELECT 1;").ok();
    let shown = format!("{}", explain("SELECT name, email FROM customers").ok());
    assert!(shown.contains("result \"email\" would be masked: redact") && shown.contains("is the one that the bastion read at"), "{shown}");
    assert!(format!("{}", explain("SELECT salary FROM payroll").finish()).contains("nobody-reads-payroll"));
}

use bartizan_recorder::{Canvas, Grid, Place};

use super::*;
use crate::{ReplayOrder, Replayed, ThemeName};

const SIZES: [(u16, u16); 4] = [(80, 24), (120, 32), (200, 60), (40, 10)];

fn photograph(name: &str, world: &mut World) {
    for (cols, rows) in SIZES {
        world.size(cols, rows);
        insta::assert_snapshot!(format!("{name}_{cols}x{rows}"), world.screen());
    }
}

#[test]
fn the_inbox_at_every_size() {
    photograph("inbox", &mut World::on(Screen::Inbox));
}

#[test]
fn the_details_of_a_request_in_a_small_terminal() {
    let mut world = World::new();
    world.size(40, 10);
    world.press("enter j j");
    insta::assert_snapshot!("inbox_details_40x10", world.screen());
}

/// A delete that waits, with what the bastion tells of it.
fn held_statement() -> Bastion {
    let mut bastion = Bastion::busy();
    let held = &mut bastion.approvals[0];
    (held["target"], held["login"], held["action"]) = (json!("orders"), json!("app"), json!("pg.delete"));
    held["operation"] =
        json!("DELETE FROM orders USING customers c WHERE c.id = customer_id AND c.name LIKE 'test%'; UPDATE audit SET seen = true");
    held["outline"] = json!({ "kind": "sql", "in_transaction": true, "statements": [
        { "text": "DELETE …", "statement": "delete", "summary": "deletes from public.orders", "estimated_rows": 41_234, "tables": [
            { "table": "public.orders", "does": ["delete", "read"] }, { "table": "public.customers", "does": ["read"] } ] },
        { "text": "UPDATE …", "statement": "update", "summary": "sets seen in public.audit, all rows: no WHERE", "tables": [
            { "table": "public.audit", "does": ["update"], "columns": ["seen"] } ] },
    ] });
    bastion
}

#[test]
fn a_held_statement_at_every_size() {
    let mut world = World::with(Settings::default(), held_statement());
    photograph("statement", &mut world);
    world.press("enter j j j");
    insta::assert_snapshot!("statement_details_40x10", world.screen());
    world.size(200, 60);
    world.sees("public.orders: delete, read");
    world.sees("about 41 234 rows");
    world.sees("no WHERE");
}

#[test]
fn a_held_request_shows_what_it_carries() {
    let mut bastion = Bastion::busy();
    let held = &mut bastion.approvals[0];
    (held["target"], held["action"], held["operation"]) = (json!("billing"), json!("http.POST"), json!("POST /v1/refunds"));
    held["outline"] = json!({ "kind": "http", "method": "POST", "path": "/v1/refunds", "content_type": "application/json", "size": 2_048 });
    let mut world = World::with(Settings::default(), bastion);
    world.size(120, 32);
    world.sees("application/json, 2.0 kB");
}

#[test]
fn a_held_request_to_a_cluster_shows_what_it_does_and_runs() {
    let mut bastion = Bastion::busy();
    let held = &mut bastion.approvals[0];
    (held["target"], held["action"]) = (json!("prod"), json!("k8s.deletecollection"));
    held["operation"] = json!("DELETE /api/v1/namespaces/shop/pods");
    held["outline"] = json!({ "kind": "kubernetes", "summary": "deletes all pods in namespace shop", "verb": "deletecollection",
        "resource": "pods", "namespace": "shop", "commands": ["rm -rf /srv"] });
    let mut world = World::with(Settings::default(), bastion);
    world.size(120, 32);
    world.sees("▲ deletes all pods in namespace shop");
    world.sees("rm -rf /srv");
}

#[test]
fn live_sessions_at_every_size() {
    photograph("live", &mut World::on(Screen::Live));
}

fn watched() -> World {
    let mut world = World::on(Screen::Live);
    world.press("enter");
    let text = "\u{1b}[1;32mroot@db-prod-3\u{1b}[0m:~# systemctl restart postgresql\r\nroot@db-prod-3:~# ";
    world.line(&json!({ "event": "watch", "session": "S2", "at_us": 12_000_000, "screen": { "cols": 140, "rows": 40, "text": text } }));
    world.line(&json!({ "event": "watch", "session": "S2", "at_us": 13_000_000, "output": "tail -f /var/log/x\r\n" }));
    world
}

#[test]
fn a_watched_session_at_every_size() {
    photograph("watch", &mut watched());
}

#[test]
fn a_watched_screen_is_looked_around_on_and_left() {
    let mut world = watched();
    world.size(60, 20);
    world.sees("systemctl restart");
    world.press("l l l l l l l l l l l l");
    world.sees_not("systemctl restart");
    world.press("z");
    world.sees("systemctl restart");
    world.line(&json!({ "event": "watch", "session": "S2", "at_us": 14_000_000, "end": { "reason": "closed" } }));
    world.sees("✗ ended");
    world.press("esc");
    world.sees("Live 3");
}

#[test]
fn marked_sessions_are_watched_beside_each_other() {
    let mut world = World::on(Screen::Live);
    world.press("space j space j space t");
    assert_eq!(world.requests("session.watch").len(), 3);
    for id in ["S1", "S2", "S3"] {
        world.line(
            &json!({ "event": "watch", "session": id, "at_us": 1, "screen": { "cols": 80, "rows": 24, "text": format!("this is {id}") } }),
        );
    }
    insta::assert_snapshot!("tiles_120x32", world.screen());
    world.press("esc");
    assert_eq!(world.requests("session.unwatch").len(), 3);
}

#[test]
fn least_privilege_at_every_size() {
    photograph("privilege", &mut World::on(Screen::Privilege));
}

#[test]
fn what_is_wider_than_its_use_comes_first_and_people_come_when_they_are_asked_for() {
    let mut world = World::on(Screen::Privilege);
    world.sees("Least privilege 2");
    world.sees("+ granted is more than was used: 1 were never used");
    world.sees("corp/carol@example.com yes 1 no 1");
    world.sees_not("alice");
    world.press("u");
    world.sees("Least privilege 3");
    world.press("G");
    world.sees("= granted is what was used");
    world.press("y");
    assert!(
        world
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::Copy(text) if text == "bartizan policy suggest ci/orders --target billing"))
    );
}

#[test]
fn recordings_at_every_size() {
    photograph("recordings", &mut World::on(Screen::Recordings));
}

/// A recording that is played, and a grid of `text`.
fn replaying() -> World {
    let mut world = World::on(Screen::Recordings);
    world.press("enter");
    assert_eq!(world.effects.last(), Some(&Effect::Replay(ReplayOrder::Open { session: "R1".into(), at_us: 0 })));
    let places = vec![
        Place { at_us: 41_000_000, label: "sudo -i".into() },
        Place { at_us: 749_000_000, label: "systemctl restart postgresql".into() },
    ];
    let weights = (0..200).map(|n: u64| n * n % 97).collect();
    world.send(Event::Replay(Replayed::Opened {
        session: "R1".into(),
        title: "R1  corp/alice@example.com  root@db-prod-3  shell".into(),
        duration_us: 2_292_000_000,
        places,
        weights,
    }));
    show(&mut world, 0);
    world
}

fn show(world: &mut World, at_us: u64) {
    let canvas = Canvas::new(80, 24, "root@db-prod-3:~# systemctl restart \u{1b}[31mpostgresql").unwrap();
    let mut grid = Grid::default();
    canvas.draw(&mut grid);
    world.send(Event::Replay(Replayed::Shown { grid, at_us, next_us: Some(at_us + 1_000), exact: true }));
}

#[test]
fn a_replay_at_every_size() {
    let mut world = replaying();
    world.press("3");
    show(&mut world, 687_600_000);
    world.press("space tab");
    photograph("replay", &mut world);
}

#[test]
fn a_replay_gives_one_order_at_a_time_and_is_left_by_esc() {
    let mut world = replaying();
    world.effects.clear();
    world.wait(100);
    assert_eq!(world.effects, [Effect::Replay(ReplayOrder::Advance(100_000))]);
    world.wait(100);
    assert_eq!(world.effects.len(), 1, "the host is not ahead of itself");
    show(&mut world, 100_000);
    world.wait(100);
    assert_eq!(world.effects.len(), 2);
    world.effects.clear();
    world.press("esc");
    assert_eq!(world.effects, [Effect::Replay(ReplayOrder::Close)]);
    world.sees("Recordings 2");
}

#[test]
fn a_recording_that_cannot_be_played_is_said() {
    let mut world = World::on(Screen::Recordings);
    world.press("enter");
    world.send(Event::Replay(Replayed::Failed { why: "it is encrypted\u{1b}[2J".into() }));
    world.sees("The recording cannot be played: it is encrypted\\u{1b}[2J");
}

#[test]
fn a_place_that_was_found_is_opened_where_it_is() {
    let mut world = World::on(Screen::Recordings);
    world.press("s");
    world.type_in("drop table");
    world.press("enter");
    world.sees("Found \"drop table\": 1");
    insta::assert_snapshot!("found_120x32", world.screen());
    world.press("enter");
    assert_eq!(world.effects.last(), Some(&Effect::Replay(ReplayOrder::Open { session: "R1".into(), at_us: 480_000_000 })));
    world.press("esc esc");
    world.press("esc");
    world.sees("Recordings 2 of 2");
}

#[test]
fn targets_at_every_size() {
    photograph("targets", &mut World::on(Screen::Targets));
}

#[test]
fn a_target_is_found_by_typing_and_connected_to_by_enter() {
    let mut world = World::on(Screen::Targets);
    world.type_in("dbpr");
    world.press("enter");
    assert_eq!(world.effects.last(), Some(&Effect::Connect { target: "db-prod-3".into(), login: Some("deploy".into()) }));
    world.press("right enter");
    assert_eq!(world.effects.last(), Some(&Effect::Connect { target: "db-prod-3".into(), login: Some("root".into()) }));
    world.send(Event::Returned(Ok("the session on db-prod-3 has ended".into())));
    world.sees("the session on db-prod-3 has ended");
    world.press("esc esc y");
    assert_eq!(world.effects.last(), Some(&Effect::Copy("ssh root@db-prod-3@bastion.example.com".into())));
}

#[test]
fn the_audit_log_at_every_size() {
    photograph("audit", &mut World::on(Screen::Audit));
}

#[test]
fn help_palette_and_question_at_two_sizes() {
    let mut world = World::new();
    world.wait(1_000);
    for (cols, rows) in [(80, 24), (120, 32)] {
        world.size(cols, rows);
        for (name, keys) in [("help", "?"), ("palette", ":"), ("question", "a"), ("denial", "D")] {
            world.press(keys);
            insta::assert_snapshot!(format!("{name}_{cols}x{rows}"), world.screen());
            world.press("esc");
        }
    }
}

#[test]
fn each_theme_has_its_styles() {
    for (theme, name) in ThemeName::ALL {
        let mut world = World::with(Settings { theme, ..Settings::default() }, Bastion::busy());
        world.size(60, 16);
        world.wait(1_000);
        world.press("a");
        insta::assert_snapshot!(format!("style_{name}"), format!("{:?}", world.buffer()));
    }
}

#[test]
fn no_colour_means_none() {
    let mut world = World::with(Settings { theme: ThemeName::Mono, ..Settings::default() }, Bastion::busy());
    let coloured = |world: &World| {
        world.buffer().content.iter().any(|cell| cell.fg != ratatui::style::Color::Reset || cell.bg != ratatui::style::Color::Reset)
    };
    for keys in ["1", "2", "enter", "esc", "3", "4", "esc", "5", "?"] {
        world.press(keys);
        assert!(!coloured(&world), "{keys}");
    }
    let mut world = watched();
    world.state.settings.theme = ThemeName::Mono;
    assert!(!coloured(&world));
    world.state.settings.theme = ThemeName::Sixteen;
    assert!(coloured(&world));
}

#[test]
fn every_key_of_the_footer_is_in_the_help_and_does_what_it_says() {
    for screen in Screen::ALL {
        let mut world = World::on(screen);
        world.state.targets.typing = false;
        let footer = crate::view::footer(&world.state, 400);
        let help: Vec<String> = crate::view::help_lines(&world.state, "").into_iter().map(|(_, line)| line).collect();
        let places = crate::press::places(&world.state);
        for place in &places {
            for (binding, keys) in world.state.keys.of(*place) {
                assert!(
                    help.iter().any(|line| line.contains(binding.does) && line.contains(keys.split(' ').next().unwrap())),
                    "{}",
                    binding.name
                );
                let first = binding.chords()[0];
                if footer.contains(&format!(" {first} {} ", binding.short)) && !binding.short.is_empty() {
                    let found = places.iter().find_map(|place| {
                        world.state.keys.of(*place).find(|(_, keys)| keys.split(' ').any(|key| key == first.to_string()))
                    });
                    assert_eq!(found.unwrap().0.name, binding.name, "the footer of {screen:?} says what {first} does not do");
                }
            }
        }
        assert!(footer.contains("? help"), "{footer}");
    }
}

#[test]
fn what_needs_keys_or_files_of_ones_own_is_a_command_that_is_copied() {
    let settings = Settings { bastion: Some("-p 2222 me@bastion".into()), ..Settings::default() };
    let mut world = World::with(settings, Bastion::busy());
    world.press("3");
    world.wait(1_000);
    world.press("p");
    let verify = "bartizan recordings verify R1 --bastion me@bastion:2222";
    assert_eq!(world.effects.last(), Some(&Effect::Copy(verify.into())));
    world.sees(&format!("Copied {verify}"));
    world.press("x");
    assert_eq!(world.effects.last(), Some(&Effect::Copy("bartizan recordings export R1 --bastion me@bastion:2222 -o R1.cast".into())));
    world.press("5");
    world.wait(1_000);
    world.press("x");
    assert_eq!(world.effects.last(), Some(&Effect::Copy("bartizan audit export --bundle audit.tar".into())));
}

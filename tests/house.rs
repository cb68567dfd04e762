//! The house keeps to its map: the table in `src/README.md` and `use` agree, crates depend on each other one way only, and
//! the manual of the configuration says what `src/config` does.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test says what is wrong by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bartizan::config::{Config, Http2, RouteKind, defaults};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The map: each room with the rooms that it may import.
fn map() -> BTreeMap<String, BTreeSet<String>> {
    let mut rooms = BTreeMap::new();
    for line in read("src/README.md").lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let ["", room, _, imports, ""] = cells[..] else { continue };
        if let Some(room) = room.strip_prefix('`').and_then(|r| r.strip_suffix('`')) {
            let imports = imports.split(',').map(|i| i.trim().trim_matches('`').to_owned()).filter(|i| !i.is_empty());
            rooms.insert(room.to_owned(), imports.collect());
        }
    }
    assert!(rooms.contains_key("model"), "the map has no table any more");
    rooms
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    found
}

/// The names that follow `crate::` in `text`, with those of `use crate::{a, b}`, and without comments.
fn imports(text: &str) -> BTreeSet<String> {
    let code: String = text.lines().map(|line| line.split("//").next().unwrap_or("").to_owned() + "\n").collect();
    let mut found = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        if let Some(group) = rest.strip_prefix('{') {
            found.extend(group_heads(group));
        } else {
            found.insert(head(rest));
        }
    }
    found
}

fn head(path: &str) -> String {
    path.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The first name of each entry of `a::b, c::{d, e}}…`.
fn group_heads(group: &str) -> Vec<String> {
    let (mut heads, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                heads.push(head(&group[start..at]));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                heads.push(head(&group[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    heads.into_iter().filter(|head| !head.is_empty()).collect()
}

#[test]
fn imports_are_found_in_every_form() {
    let text = "use crate::{a::{x, y}, b,\n c as d};\nuse crate::e::F; // crate::not\nfn f() -> crate::g::H { pub(crate) }";
    let names: Vec<String> = imports(text).into_iter().collect();
    assert_eq!(names, ["a", "b", "c", "e", "g"]);
}

#[test]
fn every_arrow_between_rooms_is_on_the_map() {
    let map = map();
    let mut strays = String::new();
    for (room, may) in &map {
        let dir = root().join("src").join(room);
        let files = if dir.is_dir() { rust_files(&dir) } else { Vec::new() };
        for file in files {
            for import in imports(&fs::read_to_string(&file).unwrap()) {
                if map.contains_key(&import) && import != *room && !may.contains(&import) {
                    let _ = writeln!(strays, "{}: {room} may not import {import}", file.strip_prefix(root()).unwrap().display());
                }
            }
        }
    }
    assert!(strays.is_empty(), "not on the map in src/README.md:\n{strays}");
}

#[test]
fn the_map_names_every_room_and_no_other_and_corridors_run_forward() {
    let map = map();
    let lib = read("src/lib.rs");
    let order: Vec<String> = lib.lines().filter_map(|line| line.trim().strip_prefix("pub mod ")).map(head).collect();
    let rooms: BTreeSet<String> = order.iter().cloned().collect();
    let mapped: BTreeSet<String> = map.keys().cloned().collect();
    assert_eq!(mapped, rooms, "src/README.md (left) and src/lib.rs (right) name different rooms");
    for (room, may) in &map {
        for import in may {
            let at = |name: &String| order.iter().position(|r| r == name);
            assert!(at(import) < at(room), "{room} imports {import}, which lies behind it in src/lib.rs");
        }
    }
}

#[test]
fn crates_depend_on_each_other_one_way() {
    let allowed = [("bartizan", "recorder"), ("bartizan", "policies"), ("bartizan", "tui"), ("tui", "recorder")];
    for (of, manifest) in
        [("bartizan", "Cargo.toml"), ("recorder", "recorder/Cargo.toml"), ("policies", "policies/Cargo.toml"), ("tui", "tui/Cargo.toml")]
    {
        let toml: toml::Table = read(manifest).parse().unwrap();
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(entries) = toml.get(section).and_then(toml::Value::as_table) else { continue };
            for name in entries.keys().filter_map(|name| name.strip_prefix("bartizan-")) {
                assert!(allowed.contains(&(of, name)), "{manifest}: {of} may not depend on {name}");
            }
        }
    }
}

#[test]
fn every_test_that_the_list_of_past_holes_names_exists() {
    let mut names = BTreeSet::new();
    for dir in ["src", "tests", "recorder", "policies", "tui"] {
        for file in rust_files(&root().join(dir)) {
            let text = fs::read_to_string(&file).unwrap();
            names.extend(text.split("fn ").skip(1).map(head));
        }
    }
    let mut missing = Vec::new();
    for line in read("contrib/past-holes.md").lines().filter(|line| line.starts_with('|')) {
        let named = line.split("::").skip(1).map(head).filter(|name| name.contains('_'));
        missing.extend(named.filter(|name| !names.contains(name)));
    }
    assert!(missing.is_empty(), "contrib/past-holes.md names tests that are not there: {missing:#?}");
}

/// The methods of the trait `Handler` in a file of the library.
fn handler_methods(file: &str) -> BTreeSet<String> {
    let text = read(&format!(".patched/please-run-contrib-patches-apply/russh/src/{file}"));
    let body = text.split("pub trait Handler").nth(1).unwrap_or_else(|| panic!("{file} has no trait Handler any more"));
    let body = body.split("\n}\n").next().unwrap();
    body.lines().filter_map(|line| line.trim_start_matches("    ").strip_prefix("fn ")).map(head).collect()
}

fn defined_in(file: &str) -> BTreeSet<String> {
    read(file).lines().filter_map(|line| line.split("fn ").nth(1)).map(head).collect()
}

#[test]
fn nothing_the_ssh_library_would_do_by_default_is_left_to_it() {
    let mut left: BTreeSet<String> = handler_methods("server/mod.rs").difference(&defined_in("src/frontdoor/door.rs")).cloned().collect();
    // Its types are private, and its key exchange is not offered.
    left.remove("lookup_dh_gex_group");
    assert!(left.is_empty(), "visitors' side: {left:?}");
    let asked = |name: &String| name.starts_with("server_channel_open") || name.starts_with("should_") || name.starts_with("check_");
    let ours = defined_in("src/wire/outbound.rs");
    let left: Vec<String> = handler_methods("client/mod.rs").difference(&ours).filter(|name| asked(name)).cloned().collect();
    assert!(left.is_empty(), "the side that we connect to: {left:?}");
}

/// What the manual says of one key.
#[derive(Debug, PartialEq)]
enum Entry {
    Required,
    NoDefault,
    Default(String),
}

/// Section and key with what the manual says, in its order; a key of two kinds of target stands twice.
fn manual() -> Vec<(String, String, Entry)> {
    let text = read("man/bartizan.toml.5");
    let sections = text.split(".SH EXAMPLE").next().unwrap().split(".SH SECTIONS").nth(1).unwrap();
    let mut entries = Vec::new();
    for section in sections.split("\n.SS ").skip(1) {
        let name = section.lines().next().unwrap().trim_matches(['[', ']']).to_owned();
        for paragraph in section.split("\n.TP\n.B ").skip(1) {
            let key = paragraph.lines().next().unwrap().to_owned();
            let default = paragraph.split("Default: \\fB").nth(1).and_then(|rest| rest.split("\\fP").next());
            let entry = match default {
                Some(value) => Entry::Default(value.to_owned()),
                None if paragraph.contains("\nNo default") => Entry::NoDefault,
                None => {
                    assert!(paragraph.contains("\nRequired"), "the manual says nothing of a default of {name}.{key}");
                    Entry::Required
                }
            };
            entries.push((name.clone(), key, entry));
        }
    }
    entries
}

/// The keys that `src/config` asks for in a section, as it tells whoever writes an unknown one.
fn known_keys(section: &str, array: bool, others: &str) -> BTreeSet<String> {
    let brackets = if array { ["[[", "]]"] } else { ["[", "]"] };
    let text = format!("{}{section}{}\n{others}\nqqqqqq = 1\n", brackets[0], brackets[1]);
    let problems = Config::parse(Path::new("b.toml"), &text).unwrap_err().0;
    let unknown = problems.iter().find(|p| p.key.ends_with("qqqqqq")).unwrap_or_else(|| panic!("{problems:#?}"));
    let keys = unknown.mend.strip_prefix("known here: ").unwrap_or_else(|| panic!("{unknown}"));
    keys.split(", ").map(str::to_owned).collect()
}

#[test]
fn the_manual_names_every_key_of_the_configuration_and_no_other() {
    let mut written: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (section, key, _) in manual() {
        written.entry(section).or_default().insert(key);
    }
    for section in ["server", "store", "recordings", "policies", "metrics", "limits", "approvals", "ca", "vault", "secrets"] {
        assert_eq!(written[section], known_keys(section, false, ""), "[{section}]: the manual (left), src/config (right)");
    }
    assert_eq!(written["notify"], known_keys("notify", true, ""), "[[notify]]");
    assert_eq!(written["issuer"], known_keys("issuer", true, ""), "[[issuer]]");
    assert_eq!(written["guard_rail"], known_keys("guard_rail", true, ""), "[[guard_rail]]");
    assert_eq!(written["retention"], known_keys("retention", true, ""), "[[retention]]");
    assert_eq!(written["audit_export"], known_keys("audit_export", true, ""), "[[audit_export]]");
    assert_eq!(written["witness"], known_keys("witness", true, ""), "[[witness]]");
    let kinds = ["ssh", "postgres", "kubernetes", "http"];
    let targets: BTreeSet<String> = kinds.iter().flat_map(|kind| known_keys("target", true, &format!("kind = \"{kind}\""))).collect();
    assert_eq!(written["target"], targets, "[[target]]");
    let root = Config::parse(Path::new("b.toml"), "qqqqqq = 1").unwrap_err().0;
    let mend = &root.iter().find(|p| p.key == "qqqqqq").unwrap().mend;
    let sections: BTreeSet<&str> = mend.strip_prefix("known here: ").unwrap().split(", ").collect();
    assert_eq!(written.keys().map(String::as_str).collect::<BTreeSet<_>>(), sections, "sections");
}

fn duration(value: Duration) -> String {
    let seconds = value.as_secs();
    if seconds.is_multiple_of(60) { format!("{}m", seconds / 60) } else { format!("{seconds}s") }
}

#[test]
fn the_manual_shows_the_defaults_of_the_table_in_the_source() {
    let text = |value: &str| value.to_owned();
    let word = |words: &[(&str, Http2)], value| words.iter().find(|(_, known)| *known == value).unwrap().0.to_owned();
    let table = [
        ("LISTEN", "server", "listen", text(defaults::LISTEN)),
        ("DRAIN_TIMEOUT", "server", "drain_timeout", duration(defaults::DRAIN_TIMEOUT)),
        ("STORE_URL", "store", "url", text(defaults::STORE_URL)),
        ("RECORDINGS_URL", "recordings", "url", text(defaults::RECORDINGS_URL)),
        ("LOW_WATER_MIB", "recordings", "low_water_mib", defaults::LOW_WATER_MIB.to_string()),
        ("ENCRYPT_TO_ONE", "recordings", "encrypt_to_one", defaults::ENCRYPT_TO_ONE.to_string()),
        ("REGION", "recordings", "region", text(defaults::REGION)),
        ("ALLOW_HTTP", "recordings", "allow_http", defaults::ALLOW_HTTP.to_string()),
        ("UPLOAD_EVERY", "recordings", "upload_every", duration(defaults::UPLOAD_EVERY)),
        ("POLICIES_DIR", "policies", "dir", text(defaults::POLICIES_DIR)),
        ("AUDIENCE", "issuer", "audience", text(defaults::AUDIENCE)),
        ("USER_CLAIM", "issuer", "user_claim", text(defaults::USER_CLAIM)),
        ("GROUPS_CLAIM", "issuer", "groups_claim", text(defaults::GROUPS_CLAIM)),
        ("CERTIFICATE_TTL", "issuer", "certificate_ttl", duration(defaults::CERTIFICATE_TTL)),
        ("LOGIN_GRACE", "limits", "login_grace", duration(defaults::LOGIN_GRACE)),
        ("CONNECTIONS", "limits", "connections", defaults::CONNECTIONS.to_string()),
        ("HALF_OPEN", "limits", "half_open", defaults::HALF_OPEN.to_string()),
        ("HALF_OPEN_PER_ADDRESS", "limits", "half_open_per_address", defaults::HALF_OPEN_PER_ADDRESS.to_string()),
        ("WAITING_LOGINS", "limits", "waiting_logins", defaults::WAITING_LOGINS.to_string()),
        ("AUTHENTICATION_ATTEMPTS", "limits", "authentication_attempts", defaults::AUTHENTICATION_ATTEMPTS.to_string()),
        ("CHANNELS", "limits", "channels", defaults::CHANNELS.to_string()),
        ("FORWARDS", "limits", "forwards", defaults::FORWARDS.to_string()),
        ("REQUESTS", "limits", "requests", defaults::REQUESTS.to_string()),
        ("SESSIONS", "limits", "sessions", defaults::SESSIONS.to_string()),
        ("PUBLISHERS", "limits", "publishers", defaults::PUBLISHERS.to_string()),
        ("PUBLISHED", "limits", "published", defaults::PUBLISHED.to_string()),
        ("ROUTE", "target", "route", RouteKind::WORDS.iter().find(|(_, known)| *known == defaults::ROUTE).unwrap().0.to_owned()),
        ("HTTP2", "target", "http2", word(&Http2::WORDS, defaults::HTTP2)),
        ("IDENTITY_JWT", "target", "identity_jwt", defaults::IDENTITY_JWT.to_string()),
        ("APPROVAL_WAIT", "approvals", "wait", duration(defaults::APPROVAL_WAIT)),
        ("WAITING_APPROVALS", "approvals", "waiting", defaults::WAITING_APPROVALS.to_string()),
        ("VAULT_TIMEOUT", "vault", "timeout", duration(defaults::VAULT_TIMEOUT)),
        ("WAITING_APPROVALS_EACH", "approvals", "waiting_each", defaults::WAITING_APPROVALS_EACH.to_string()),
    ];
    let manual = manual();
    for (_, section, key, value) in &table {
        let (_, _, entry) = manual.iter().find(|(s, k, _)| s == section && k == key).unwrap();
        assert_eq!(*entry, Entry::Default(value.clone()), "{section}.{key}");
    }
    // These stand in sentences of the manual.
    let prose = read("man/bartizan.toml.5");
    assert!(prose.contains(&format!("For services it is \\fB{}\\fP", defaults::SERVICE_CLAIM)));
    assert!(prose.contains(&format!("differ by {} seconds", defaults::CLOCK_SKEW.as_secs())));
    assert!(prose.contains(&format!("fetched again, from 0s to 24h; without it \\fB{}\\fP", duration(defaults::SECRET_KEEP))));
    assert!(prose.contains(&format!("from 1s to 60s; without it \\fB{}\\fP", duration(defaults::EXEC_TIMEOUT))));
    assert!(prose.contains("from 1m to 24h"), "{:?}", defaults::CERTIFICATE_TTL_RANGE);
    assert_eq!(defaults::CERTIFICATE_TTL_RANGE, Duration::from_secs(60)..=Duration::from_secs(24 * 3600));

    let mut compared: BTreeSet<&str> = table.iter().map(|(name, ..)| *name).collect();
    compared.extend(["SERVICE_CLAIM", "CLOCK_SKEW", "CERTIFICATE_TTL_RANGE", "SECRET_KEEP", "EXEC_TIMEOUT", "SYSLOG_FACILITY"]);
    let source = read("src/config/defaults.rs");
    let names: BTreeSet<&str> = source.lines().filter_map(|line| line.strip_prefix("pub const ")?.split(':').next()).collect();
    assert_eq!(compared, names, "this test (left) and src/config/defaults.rs (right) have different tables");
}

#[test]
fn the_door_answers_every_callback_of_the_library_itself() {
    let library = read(".patched/please-run-contrib-patches-apply/russh/src/server/mod.rs");
    let (_, handler) = library.split_once("pub trait Handler").unwrap();
    let (handler, _) = handler.split_once("\n}\n").unwrap();
    let door = read("src/frontdoor/door.rs");
    let callbacks = handler.lines().filter_map(|line| line.strip_prefix("    fn ")?.split(['(', '<']).next());
    let (mut seen, mut missing) = (0, Vec::new());
    for callback in callbacks {
        seen += 1;
        // Its types are private and its key exchange is not offered.
        if callback != "lookup_dh_gex_group" && !door.contains(&format!("fn {callback}(")) && !door.contains(&format!("fn {callback}<")) {
            missing.push(callback);
        }
    }
    assert!(seen > 25, "the library's trait was not found");
    assert!(missing.is_empty(), "left to the library's defaults: {missing:?}");
}

#[test]
fn the_manual_of_the_command_line_is_what_the_binary_prints() {
    let printed = std::process::Command::new(env!("CARGO_BIN_EXE_bartizan")).arg("man").output().unwrap();
    assert_eq!(String::from_utf8(printed.stdout).unwrap(), read("man/bartizan.1"), "run `bartizan man > man/bartizan.1`");
}

/// The names of metrics in `text`.
fn metrics(text: &str) -> BTreeSet<String> {
    let word = |rest: &str| rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect::<String>();
    let found = text.split("bartizan_").skip(1).map(word).filter(|name| !["policies", "recorder", "tui"].contains(&name.as_str()));
    found.filter(|name| name.contains('_') || name == "watchers").collect()
}

#[test]
fn every_metric_is_described_and_stands_in_the_manual() {
    // A tunnel's stand in bartizan(1), since it reads no configuration.
    let [manual, source] = [["man/bartizan.toml.5", "man/bartizan.1"], ["src/daemon/metrics.rs", "src/daemon/tunnel/metrics.rs"]];
    let [manual, source] = [manual, source].map(|files| files.map(read).join("\n"));
    let listed: String = manual.lines().filter(|line| line.starts_with(".IP \"bartizan_")).collect();
    let described: String = source.lines().filter(|line| line.contains("describe_")).collect();
    assert_eq!(metrics(&listed), metrics(&described), "the manuals (left) and what the sources describe (right)");
    let mut counted = BTreeSet::new();
    for file in rust_files(&root().join("src")) {
        let text = fs::read_to_string(&file).unwrap();
        let calls = text.lines().filter(|line| ["counter!(", "gauge!(", "histogram!("].iter().any(|call| line.contains(call)));
        counted.extend(calls.flat_map(metrics));
    }
    assert_eq!(counted, metrics(&described), "counted (left) and described (right)");
}

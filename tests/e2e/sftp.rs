//! Each file of an SFTP session is decided on its own: what is closed stays closed by whatever name it is asked for, what is open
//! works as without a bastion, and the recording says what passed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use crate::harness::{Done, Guarded, POLICIES, Run, Setup, Visitor, WAYS, Way, World, wait_until};

/// Admins may do everything, and nobody anything under a folder `secret`, on keys, or on names that end in `.held` unasked.
const CLOSED: &str = r#"
@id("nothing-secret") @reason("Ask the vault.")
forbid (principal, action in Action::"sftp", resource) when { context has path && (context.path like "*/secret" || context.path like "*/secret/*") };

@id("four-eyes") @approve("corp/leads")
forbid (principal, action in Action::"sftp", resource) when { context has path && context.path like "*.held" };
"#;

/// Bob, who is no admin, may read one folder and write another.
const FOLDERS: &str = r#"
@id("bob-connects") permit (principal == User::"corp/bob@example.test", action == Action::"connect", resource == Target::"web-1");
@id("bob-reads") permit (principal == User::"corp/bob@example.test", action == Action::"sftp.read", resource == Target::"web-1")
when { context has path && context.path like "*/out/*" };
@id("bob-writes") permit (principal == User::"corp/bob@example.test", action == Action::"sftp.write", resource == Target::"web-1")
when { context has path && context.path like "*/in/*" };
"#;

struct Scene {
    world: World,
    alice: Visitor,
    home: PathBuf,
}

fn scene() -> Scene {
    let world = World::with(Setup { more: "\n[approvals]\nwait = \"2s\"\n".to_owned(), ..Setup::default() });
    let alice = world.visitor("alice");
    world.write_policies(&format!("{POLICIES}{CLOSED}{FOLDERS}"));
    world.bastion.reload();
    let home = world.target.home("deploy");
    for folder in ["secret", "open", "out", "in"] {
        fs::create_dir(home.join(folder)).unwrap();
        fs::write(home.join(folder).join("file"), format!("{folder} things\n")).unwrap();
    }
    for folder in ["secret", "open", "out", "in", "open/file", "secret/file", "in/file", "out/file"] {
        std::os::unix::fs::chown(home.join(folder), owner(&home).0, owner(&home).1).unwrap();
    }
    let scene = Scene { world, alice, home };
    wait_until("the policies count", || scene.batch(Way::At, "ls secret\n").err.contains("nothing-secret"));
    scene
}

fn owner(path: &std::path::Path) -> (Option<u32>, Option<u32>) {
    use std::os::unix::fs::MetadataExt;
    let about = fs::metadata(path).unwrap();
    (Some(about.uid()), Some(about.gid()))
}

impl Scene {
    fn batch(&self, way: Way, commands: &str) -> Done {
        batch(&self.alice, way, commands)
    }

    /// The latest recording as text.
    fn recording(&self) -> String {
        let list = self.world.bastion.run(["recordings", "list", "--json", "--kind", "ssh.sftp"]).ok().json();
        let newest = list.as_array().unwrap().iter().max_by_key(|one| one["number"].as_u64()).unwrap().clone();
        self.world.bastion.run(["recordings", "cat", newest["id"].as_str().unwrap()]).ok().text()
    }

    /// The latest recording once it holds `words`.
    fn recorded(&self, words: &str) -> String {
        wait_until(words, || self.recording().contains(words));
        self.recording()
    }

    fn python(&self, body: &str) -> Done {
        let script = format!(
            "
import paramiko, sys, os, hashlib
c = paramiko.SSHClient()
c.set_missing_host_key_policy(paramiko.AutoAddPolicy())
c.connect('127.0.0.1', int(sys.argv[1]), username='deploy@web-1', key_filename='id', allow_agent=False, look_for_keys=False)
s = c.open_sftp()
def denied(what):
    try:
        what()
    except IOError as error:
        return 'nothing-secret' in str(error)
    return False
{body}
"
        );
        self.alice.python(&script).finish()
    }
}

fn batch(visitor: &Visitor, way: Way, commands: &str) -> Done {
    let (options, destination) = way.name("deploy", "web-1");
    let arguments = [&options[..], &["-q".into(), "-b".into(), "-".into(), destination]].concat();
    Run::new(visitor.openssh("sftp", arguments)).input(commands).finish()
}

#[test]
fn a_closed_folder_is_closed_to_every_operation_and_the_session_goes_on() {
    let scene = scene();
    fs::write(scene.alice.dir.join("mine"), "mine\n").unwrap();
    for way in WAYS {
        for command in [
            "get secret/file x",
            "put mine secret/new",
            "ls secret",
            "rm secret/file",
            "rename secret/file open/y",
            "rename open/file secret/y",
            "mkdir secret/d",
            "rmdir secret",
            "chmod 777 secret/file",
            "rename secret open/s",
            "ln secret/file open/hard",
            "ln -s ../secret/file open/soft",
            "symlink ../secret open/soft",
            "cp secret/file open/copy",
            "cp open/file secret/copy",
            "get open/../secret/file x",
            "get ./open//../secret/./file x",
            "df secret",
            "put mine secret/../secret/new",
            "get open/nothing/../../secret/file x",
        ] {
            let done = scene.batch(way, &format!("-{command}\nget open/file got\n")).ok();
            assert!(done.err.contains("nothing-secret") && done.err.contains("Ask the vault."), "{way:?} {command}: {done}");
            assert!(!scene.alice.dir.join("x").exists(), "{command}");
            assert_eq!(fs::read_to_string(scene.alice.dir.join("got")).unwrap(), "open things\n");
        }
    }
    let names = |folder: &str| fs::read_dir(scene.home.join(folder)).unwrap().map(|e| e.unwrap().file_name()).collect::<Vec<_>>();
    assert_eq!((names("secret"), names("open")), (vec!["file".into()], vec!["file".into()]));
    let audit = scene.world.bastion.run(["audit", "tail"]).ok().text();
    assert!(audit.contains("secret/new") && audit.contains("nothing-secret"), "{audit}");
}

#[test]
fn a_link_opens_nothing_that_is_closed_whoever_made_it() {
    let scene = scene();
    symlink("../secret/file", scene.home.join("open/file-link")).unwrap();
    symlink("../secret", scene.home.join("open/folder-link")).unwrap();
    symlink("../secret/new", scene.home.join("open/dangling")).unwrap();
    symlink("file-link", scene.home.join("open/twice")).unwrap();
    fs::write(scene.alice.dir.join("mine"), "mine\n").unwrap();
    for way in WAYS {
        for command in [
            "get open/file-link x",
            "get open/folder-link/file x",
            "get open/twice x",
            "put mine open/dangling",
            "put mine open/folder-link/new",
            "ls open/folder-link",
            "rm open/folder-link/file",
            "chmod 777 open/file-link",
            "rename open/folder-link/file open/y",
        ] {
            let done = scene.batch(way, &format!("-{command}\n")).ok();
            assert!(done.err.contains("nothing-secret"), "{way:?} {command}: {done}");
        }
    }
    assert!(!scene.alice.dir.join("x").exists() && !scene.home.join("secret/new").exists());
    // The link itself is in the open folder: it can be removed.
    scene.batch(Way::At, "rm open/dangling\n").ok();
    assert!(scene.home.join("open/dangling").symlink_metadata().is_err() && scene.home.join("secret/file").exists());
}

#[test]
fn scp_is_decided_file_by_file_and_a_held_file_lapses_when_nobody_answers() {
    let scene = scene();
    fs::write(scene.home.join("open/pay.held"), "x").unwrap();
    for way in WAYS {
        let (options, destination) = way.name("deploy", "web-1");
        let scp = |from: &str| {
            let arguments = [&options[..], &["-s".into(), "-q".into(), format!("{destination}:{from}"), "got".into()]].concat();
            Run::new(scene.alice.openssh("scp", arguments)).finish()
        };
        scp("open/file").ok();
        assert_eq!(fs::read_to_string(scene.alice.dir.join("got")).unwrap(), "open things\n");
        assert!(scp("secret/file").refused().err.contains("nothing-secret"));
        let held = scp("open/pay.held").refused();
        assert!(held.err.contains("four-eyes") && held.err.contains("corp/leads") && held.err.contains("Nobody answered"), "{held}");
    }
}

#[test]
fn who_may_read_one_folder_and_write_another_gets_along_with_stock_clients() {
    let scene = scene();
    let bob = scene.world.visitor("bob");
    fs::write(bob.dir.join("mine"), "mine\n").unwrap();
    for way in WAYS {
        batch(&bob, way, "get out/file got\nput mine in/new\n").ok();
        for command in ["get in/file x", "put mine out/new", "rm in/new", "rename in/new in/y", "get secret/file x", "get open/file x"] {
            batch(&bob, way, &format!("{command}\n")).refused();
        }
        let listed = batch(&bob, way, "-ls\n-ls out\n").ok();
        assert!(listed.err.contains("sftp.list") && !listed.text().contains("file"), "{listed}");
        assert_eq!(fs::read_to_string(bob.dir.join("got")).unwrap(), "out things\n");
        assert_eq!(fs::read_to_string(scene.home.join("in/new")).unwrap(), "mine\n");
        assert!(!bob.dir.join("x").exists() && !scene.home.join("out/new").exists());
    }
}

#[test]
fn what_passed_is_recorded_with_its_hash_and_never_with_its_content() {
    let scene = scene();
    let content: Vec<u8> = (0..5_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let mark = b"a-mark-in-the-content-of-the-file";
    let content = [&content[..], mark].concat();
    fs::write(scene.alice.dir.join("big"), &content).unwrap();
    scene.batch(Way::At, "put big open/big\nget open/big back\n").ok();
    assert!(fs::read(scene.alice.dir.join("back")).unwrap() == content);
    let sum = Run::new(scene.alice.command("sha256sum", ["big"])).ok().text();
    let sum = sum.split(' ').next().unwrap();
    let text = scene.recorded("bytes read");
    let path = scene.home.join("open/big").canonicalize().unwrap().display().to_string();
    assert!(text.contains(&format!("{} bytes written, SHA-256 {sum}", content.len())), "{text}");
    assert!(text.contains(&format!("{} bytes read, SHA-256 {sum}", content.len())), "{text}");
    assert!(text.contains(&format!("sftp.write {path}")) && text.contains(&format!("sftp.close {path}")), "{text}");
    assert!(!text.contains(std::str::from_utf8(mark).unwrap()) && text.len() < 10_000, "{} bytes", text.len());
}

#[test]
fn many_requests_at_once_and_out_of_order_come_back_right() {
    let scene = scene();
    let done = scene.python(
        "
data = os.urandom(3000000)
with s.open('open/many', 'wb') as f:
    f.set_pipelined(True)
    f.write(data)
with s.open('open/many', 'rb') as f:
    f.prefetch()
    print(f.read() == data)
    print([len(x) for x in f.readv([(n * 30000, 1000) for n in reversed(range(64))])] == [1000] * 64)
r = s.open('open/many', 'rb')
w = s.open('open/w', 'wb')
print(denied(lambda: s.open('secret/file')), denied(lambda: s.stat('secret/file')), denied(lambda: s.posix_rename('open/w', 'secret/w')))
try:
    r.write(b'x'); r.flush(); print('written')
except IOError: print('refused')
try:
    s.open('open/bad\\udcff'.encode('utf8', 'surrogateescape')); print('opened')
except IOError as e: print('UTF-8' in str(e))
print(s.normalize('.') == s.normalize('open/..'), len(s.listdir('open')))
",
    );
    assert_eq!(done.ok().text(), "True\nTrue\nTrue True True\nrefused\nTrue\nTrue 3\n");
}

/// What a client sends that keeps to nothing, after a good INIT.
fn raw(packets: &[&[u8]]) -> Vec<u8> {
    let framed = |packet: &[u8]| [&u32::try_from(packet.len()).unwrap().to_be_bytes()[..], packet].concat();
    let init: &[u8] = &[1, 0, 0, 0, 3];
    [init].iter().chain(packets).flat_map(|packet| framed(packet)).collect()
}

/// The numbers and codes of the STATUS packets in `out`.
fn statuses(mut out: &[u8]) -> Vec<(u32, u32)> {
    let number = |bytes: &[u8]| u32::from_be_bytes(bytes[..4].try_into().unwrap());
    let mut found = Vec::new();
    while out.len() >= 4 {
        let (packet, rest) = out[4..].split_at(number(out) as usize);
        if packet[0] == 101 {
            found.push((number(&packet[1..]), number(&packet[5..])));
        }
        out = rest;
    }
    found
}

#[test]
fn a_client_that_keeps_to_nothing_is_answered_or_ended_and_reaches_nothing() {
    let scene = scene();
    let stat = |id: u8| [&[17, 0, 0, 0, id, 0, 0, 0, 1][..], b"/"].concat();
    let unknown = [&[200, 0, 0, 0, 3, 0, 0, 0, 4][..], b"nope", b"rest"].concat();
    for way in WAYS {
        let send = |packets: &[&[u8]]| scene.alice.on_target(way, &["-s"], "sftp").input(raw(packets)).finish();
        // An unknown type, a string that reaches past the end, an unknown extension, a handle that nobody opened, bytes behind the end.
        let long = [&stat(5)[..], b"x"].concat();
        let answered =
            send(&[&[99, 0, 0, 0, 1], &[17, 0, 0, 0, 2, 255, 255, 255, 255], &unknown, &[4, 0, 0, 0, 4, 0, 0, 0, 1, 7], &long, &stat(6)])
                .ok();
        assert_eq!(statuses(&answered.out), [(1, 8), (2, 5), (3, 8), (4, 4), (5, 5)], "{answered}");
        // Two requests under one number: the first is served, the second is not.
        assert_eq!(statuses(&send(&[&stat(7), &stat(7)]).ok().out), [(7, 5)]);
        let oversize = [raw(&[]), vec![0xff; 64]].concat();
        let ended = scene.alice.on_target(way, &["-s"], "sftp").input(oversize).finish().refused();
        assert!(ended.err.contains("over the limit of 256 KiB"), "{ended}");
        let old = scene.alice.on_target(way, &["-s"], "sftp").input(vec![0, 0, 0, 5, 1, 0, 0, 0, 2]).finish().refused();
        assert!(old.err.contains("version 2"), "{old}");
    }
    assert!(!scene.world.bastion.log().contains("panicked"));
}

#[test]
fn an_open_file_is_cut_off_when_policy_closes_it() {
    let scene = scene();
    let script = "
import paramiko, sys, time
c = paramiko.SSHClient()
c.set_missing_host_key_policy(paramiko.AutoAddPolicy())
c.connect('127.0.0.1', int(sys.argv[1]), username='deploy@web-1', key_filename='id', allow_agent=False, look_for_keys=False)
s = c.open_sftp()
f = s.open('open/file', 'rb')
open('begun', 'w').close()
while True:
    f.seek(0); f.read(4); time.sleep(0.05)
";
    let mut command = scene.alice.command(crate::harness::repository(".deps/venv/bin/python"), ["-c", script]);
    command.arg(scene.alice.port.to_string());
    let mut reader = Guarded::logged(command, &scene.alice.dir.join("reader.log"));
    wait_until("the file is open", || scene.alice.dir.join("begun").exists());
    scene.world.write_policies(&format!("{POLICIES}{CLOSED}{FOLDERS}").replace("*.held", "*/open/file"));
    scene.world.bastion.reload();
    assert!(reader.wait(std::time::Duration::from_secs(10)).is_some(), "the file stays open");
    assert!(scene.recorded("the session ended before it was closed").contains("sftp.close"));
}

#[test]
fn a_client_that_is_killed_in_mid_file_leaves_a_recording_that_says_so() {
    let scene = scene();
    let zeros = vec![0; 40 << 20];
    fs::write(scene.alice.dir.join("zeros"), &zeros).unwrap();
    let (_, destination) = Way::At.name("deploy", "web-1");
    let put = |name: &str| {
        fs::write(scene.alice.dir.join("batch"), format!("put zeros open/{name}\n")).unwrap();
        let command = scene.alice.openssh("sftp", ["-q", "-l", "20000", "-b", "batch", &destination]);
        let put = Guarded::logged(command, &scene.alice.dir.join("put.log"));
        wait_until("it grows", || fs::metadata(scene.home.join("open").join(name)).is_ok_and(|about| about.len() > 1 << 20));
        put
    };
    put("left").kill();
    assert!(scene.recorded("the session ended before it was closed").contains("open/left"));
}

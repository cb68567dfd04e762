//! Clients other than OpenSSH: dropbear, PuTTY, paramiko, asyncssh.

use std::fs;
use std::process::Command;

use crate::harness::{Run, Visitor, World};

/// Dropbear and PuTTY know keys of their own form, and dropbear no certificates: it gets in with a service's token.
fn robot() -> (World, Visitor, String) {
    let world = World::start();
    let robot = world.stranger("robot");
    let token = world.provider.service_token();
    (world, robot, token)
}

fn alice() -> (World, Visitor) {
    let world = World::start();
    let alice = world.visitor("alice");
    (world, alice)
}

#[test]
fn dropbears_client_gets_a_certificate_prompt_and_runs_a_command() {
    let world = World::start();
    let alice = world.stranger("alice");
    let mut keys = Command::new("dropbearkey");
    keys.args(["-t", "ed25519", "-f"]).arg(alice.dir.join("dropbear"));
    Run::new(keys).ok();
    // dbclient shows the login prompt of keyboard-interactive like any other; it needs a terminal for that.
    let line =
        format!("cd {}; HOME=. dbclient -y -y -i dropbear -p {} deploy%web-1@127.0.0.1 'echo via-$USER'", alice.dir.display(), alice.port);
    let terminal = crate::harness::Terminal::open(&world.dir(), &line, 160, 50);
    let screen = terminal.wait_for("http://127.0.0.1:");
    let url = screen.lines().map(str::trim).find(|line| line.starts_with("http://127.0.0.1:")).unwrap().to_owned();
    world.provider.walk(&url, "alice");
    terminal.wait_for("via-deploy");
    terminal.wait_for("[ended with 0]");
}

/// A PuTTY key file of the visitor's key.
pub(crate) fn putty_key(visitor: &Visitor) {
    let command = visitor.command("puttygen", ["id", "-O", "private", "-o", "id.ppk"]);
    Run::new(command).ok();
}

/// A program of PuTTY's with the visitor's certificate.
pub(crate) fn putty(visitor: &Visitor, program: &str, arguments: &[&str]) -> Run {
    let port = visitor.port.to_string();
    let mut command = visitor.command(program, ["-batch", "-P", &port, "-i", "id.ppk", "-cert", "id-cert.pub"]);
    let key = fingerprint(visitor);
    command.args(["-hostkey", &key]).args(arguments);
    Run::new(command)
}

/// PuTTY takes no host CA on the command line; it is told the host key's fingerprint.
fn fingerprint(visitor: &Visitor) -> String {
    let scanned = visitor.command("ssh-keyscan", ["-t", "ed25519", "-p", &visitor.port.to_string(), "127.0.0.1"]);
    let keys = Run::new(scanned).ok().text();
    let mut command = visitor.command("ssh-keygen", ["-l", "-f", "-"]);
    command.env("LC_ALL", "C");
    let shown = Run::new(command).input(keys).ok().text();
    shown.split_whitespace().find(|word| word.starts_with("SHA256:")).unwrap().to_owned()
}

#[test]
fn plink_pscp_and_psftp_work_with_a_certificate() {
    let (world, alice) = alice();
    putty_key(&alice);
    let done = putty(&alice, "plink", &["deploy%web-1@127.0.0.1", "echo via-$USER; echo err >&2; exit 4"]).finish();
    assert_eq!((done.text().trim(), done.code()), ("via-deploy", 4), "{done}");
    fs::write(alice.dir.join("up"), vec![7; 100_000]).unwrap();
    putty(&alice, "pscp", &["-q", "up", "deploy%web-1@127.0.0.1:there"]).ok();
    putty(&alice, "pscp", &["-q", "deploy%web-1@127.0.0.1:there", "down"]).ok();
    assert_eq!(fs::read(alice.dir.join("down")).unwrap(), vec![7; 100_000]);
    fs::write(alice.dir.join("batch"), "ls\nmv there moved\nquit\n").unwrap();
    putty(&alice, "psftp", &["-b", "batch", "deploy%web-1@127.0.0.1"]).ok();
    assert!(world.target.home("deploy").join("moved").exists());
}

#[test]
fn plink_gets_its_terminal() {
    let (_world, alice) = alice();
    putty_key(&alice);
    // PuTTY waits for the replies to pty-req and shell both.
    let done = putty(&alice, "plink", &["-t", "deploy%web-1@127.0.0.1", "tty"]).ok();
    assert!(done.text().contains("/dev/pts/"), "{done}");
}

#[test]
fn paramiko_runs_commands_and_copies_files_with_a_certificate() {
    let (world, alice) = alice();
    let script = "
import paramiko, sys
c = paramiko.SSHClient()
c.set_missing_host_key_policy(paramiko.AutoAddPolicy())
c.connect('127.0.0.1', int(sys.argv[1]), username='deploy@web-1', key_filename='id', allow_agent=False, look_for_keys=False)
i, o, e = c.exec_command('echo out; echo err >&2; exit 6')
print(o.read().decode().strip(), e.read().decode().strip(), o.channel.recv_exit_status())
s = c.open_sftp()
with s.open('there', 'wb') as f: f.write(b'x' * 1000000)
with s.open('there', 'rb') as f: print(len(f.read()))
t = c.invoke_shell(term='vt100', width=90, height=33)
t.send(b'stty size; exit\\n')
b = b''
while True:
    d = t.recv(9999)
    if not d: break
    b += d
print(b'33 90' in b)
";
    assert_eq!(alice.python(script).ok().text(), "out err 6\n1000000\nTrue\n");
    assert_eq!(fs::metadata(world.target.home("deploy").join("there")).unwrap().len(), 1_000_000);
}

#[test]
fn asyncssh_runs_many_commands_on_one_connection_and_through_the_jump() {
    let (_world, alice) = alice();
    let script = "
import asyncio, asyncssh, sys
async def main():
    options = dict(known_hosts=None, config=None, client_keys=['id'], agent_path=None)
    async with asyncssh.connect('127.0.0.1', int(sys.argv[1]), username='deploy@web-1', **options) as c:
        done = await asyncio.gather(*(c.run(f'echo {n}; exit {n}') for n in range(10)))
        print(sum(int(r.stdout) == n and r.exit_status == n for n, r in enumerate(done)))
    async with asyncssh.connect('127.0.0.1', int(sys.argv[1]), username='alice', **options) as outer:
        async with outer.connect_ssh('web-1', username='deploy', **options) as inner:
            print((await inner.run('echo $USER')).stdout.strip())
            async with inner.start_sftp_client() as sftp:
                await sftp.put('id.pub', 'there.pub')
                print(await sftp.getsize('there.pub') > 0)
asyncio.run(main())
";
    assert_eq!(alice.python(script).ok().text(), "10\ndeploy\nTrue\n");
}

#[test]
fn a_service_logs_in_with_its_token_as_password_and_gets_a_certificate() {
    let (_world, robot, token) = robot();
    let mut command = robot.command("sshpass", ["-e", "ssh", "-F"]);
    command.arg(robot.config()).args(["-o", "PubkeyAuthentication=no", "jwt@bastion", "cert"]).env("SSHPASS", &token);
    let done = Run::new(command).input(fs::read(robot.dir.join("id.pub")).unwrap()).ok();
    fs::write(robot.certificate(), &done.out).unwrap();
    assert_eq!(robot.on_target(crate::harness::Way::At, &[], "echo $USER").ok().text(), "deploy\n");
}

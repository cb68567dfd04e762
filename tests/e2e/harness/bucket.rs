//! An S3-compatible object store: SeaweedFS with authentication and one bucket, and what tests look at in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Guarded, Run, free_port, repository, wait_until_within};

const ACCESS: &str = "bartizan";
pub(crate) const SECRET: &str = "planted-object-store-key";
const BUCKET: &str = "evidence";

/// The running store; dropping kills it.
pub(crate) struct ObjectStore {
    pub(crate) port: u16,
    dir: PathBuf,
    _process: Guarded,
}

impl ObjectStore {
    /// Starts one that keeps its data in `dir` and makes the bucket.
    pub(crate) fn start(dir: &Path) -> Self {
        let dir = dir.join("objects");
        fs::create_dir_all(dir.join("data")).unwrap();
        let identity = format!(
            r#"{{"identities":[{{"name":"{ACCESS}","credentials":[{{"accessKey":"{ACCESS}","secretKey":"{SECRET}"}}],"actions":["Admin","Read","Write","List","Tagging"]}}]}}"#
        );
        fs::write(dir.join("s3.json"), identity).unwrap();
        let port = port_with_its_shadow();
        let mut command = Command::new(repository(".deps/venv/bin/weed"));
        command.current_dir(&dir).args(["server", "-dir=data", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer=true", "-s3"]);
        command.args(["-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.config=s3.json", "-master.volumeSizeLimitMB=64", "-volume.max=50"]);
        // By default it takes nothing more when a hundredth of the disk is left, however much that is.
        command.args(["-master.electionTimeout=1s", "-volume.preStopSeconds=0", "-master.telemetry=false", "-volume.minFreeSpace=64MiB"]);
        command.arg(format!("-s3.port={port}"));
        for role in ["master", "volume", "filer"] {
            command.arg(format!("-{role}.port={}", port_with_its_shadow()));
        }
        let store = Self { port, _process: Guarded::logged(command, &dir.join("weed.log")), dir };
        wait_until_within(60, "the bucket", || store.curl(&["-X", "PUT"], "").stdout(Stdio::null()).status().unwrap().success());
        store
    }

    /// Lines of `[recordings]` for a bastion that reaches it on `port`.
    pub(crate) fn section(port: u16) -> String {
        format!(
            "\n[recordings]\nurl = \"s3://{BUCKET}/some/prefix\"\nendpoint = \"http://127.0.0.1:{port}\"\nallow_http = true\nupload_every = \"1s\"\n\
             access_key = {{ exec = [\"printf\", \"{ACCESS}\"] }}\nsecret_key = {{ exec = [\"printf\", \"{SECRET}\"] }}\n"
        )
    }

    fn curl(&self, options: &[&str], path: &str) -> Command {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--fail", "--noproxy", "*", "--max-time", "20"]);
        command.args(["--aws-sigv4", "aws:amz:us-east-1:s3", "--user", &format!("{ACCESS}:{SECRET}")]).args(options);
        command.arg(format!("http://127.0.0.1:{}/{BUCKET}{path}", self.port)).stderr(Stdio::null());
        command
    }

    /// The names of all objects, behind the prefix.
    pub(crate) fn names(&self) -> Vec<String> {
        let text = Run::new(self.curl(&[], "?list-type=2&max-keys=10000")).ok().text();
        let keys = text.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next());
        keys.filter_map(|key| key.strip_prefix("some/prefix/")).map(str::to_owned).collect()
    }

    /// The content of an object.
    pub(crate) fn get(&self, name: &str) -> Vec<u8> {
        Run::new(self.curl(&[], &format!("/some/prefix/{name}"))).ok().out
    }

    /// Takes an object away.
    pub(crate) fn delete(&self, name: &str) {
        Run::new(self.curl(&["-X", "DELETE"], &format!("/some/prefix/{name}"))).ok();
    }

    /// Puts `content` in an object's place.
    pub(crate) fn put(&self, name: &str, content: &[u8]) {
        let file = self.dir.join("upload");
        fs::write(&file, content).unwrap();
        Run::new(self.curl(&["-T", file.to_str().unwrap()], &format!("/some/prefix/{name}"))).ok();
    }
}

/// A test that fails shows what the store had to say.
impl Drop for ObjectStore {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read(self.dir.join("weed.log")).unwrap_or_default();
            let log = String::from_utf8_lossy(&log);
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("--- the end of the object store's log\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
        }
    }
}

/// A free port whose number plus 10,000 is free too: SeaweedFS takes that for gRPC.
fn port_with_its_shadow() -> u16 {
    loop {
        let port = free_port();
        if let Some(shadow) = port.checked_add(10_000)
            && std::net::TcpListener::bind(("127.0.0.1", shadow)).is_ok()
        {
            return port;
        }
    }
}

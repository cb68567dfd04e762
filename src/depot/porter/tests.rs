use std::fs;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::Mutex;

use bartizan_recorder::{Event, Head, Now, Outcome, ReadAt, Reason, Recordings, SigningKey, Terminal, Writer, verify_files};
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt};

use super::*;
use crate::depot::Library;

const ID: &str = "01JD0000000000000000000001";
const PLACE: &str = "2026/11/22/01JD0000000000000000000001";
const STARTED: i64 = 1_795_348_800_000_000;

/// Says yes or no, and keeps what it is told.
struct Says(bool, Mutex<Vec<StoredFacts>>);

impl Desk for Says {
    fn may_close(&self, _: SessionId) -> BoxFuture<'_, Result<bool, DepotError>> {
        Box::pin(async { Ok(self.0) })
    }

    fn stored(&self, _: SessionId, facts: StoredFacts) -> BoxFuture<'_, Result<(), DepotError>> {
        self.1.lock().unwrap().push(facts);
        Box::pin(async { Ok(()) })
    }
}

struct World {
    root: tempfile::TempDir,
    objects: Arc<InMemory>,
    recordings: Recordings,
    writer: Option<Writer>,
    at_us: u64,
    desk: Says,
}

fn head() -> Head {
    Head {
        client: String::new(),
        command: None,
        first_key: String::new(),
        input_key: String::new(),
        groups: Vec::new(),
        kind: "ssh.shell".into(),
        login: None,
        number: 1,
        policy_digest: "00".into(),
        principal: "corp/alice".into(),
        recipients: Vec::new(),
        server: "bastion".into(),
        session: ID.parse().unwrap(),
        source_address: "192.0.2.7".into(),
        started_us: STARTED,
        tags: std::collections::BTreeMap::new(),
        target: "web-1".into(),
        terminal: Some(Terminal { cols: 80, rows: 24, term: "xterm".into() }),
        version: 0,
    }
}

impl World {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let recordings = Recordings::new(root.path(), SigningKey::from_bytes(&[7; 32]));
        let writer = Some(recordings.create(&head(), &mut rand::rng()).unwrap());
        Self { root, objects: Arc::default(), recordings, writer, at_us: 0, desk: Says(true, Mutex::default()) }
    }

    fn bucket(&self) -> Bucket {
        Bucket::over(Arc::clone(&self.objects) as Arc<dyn ObjectStore>)
    }

    /// A porter as after a start: it knows nothing.
    fn porter(&self) -> Porter {
        Porter::new(self.bucket(), self.root.path().to_owned(), Duration::ZERO, || 0.0)
    }

    fn now(&mut self) -> Now {
        self.at_us += 6_000_000;
        Now { at_us: self.at_us, wall_us: STARTED + i64::try_from(self.at_us).unwrap() }
    }

    /// Records `bytes` that do not shrink, and commits them.
    fn record(&mut self, bytes: usize) {
        let noise: Vec<u8> = std::iter::repeat_with(rand::random::<u8>).take(bytes).collect();
        let (now, later) = (self.now(), self.now());
        let writer = self.writer.as_mut().unwrap();
        writer.append(now, &[Event::output(&noise[..])]).unwrap();
        writer.commit(later).unwrap();
    }

    fn finish(&mut self) {
        let now = self.now();
        let mut writer = self.writer.take().unwrap();
        writer.finish(now, Reason::Closed, None).unwrap();
    }

    fn dir(&self) -> PathBuf {
        self.root.path().join(PLACE)
    }

    async fn round(&self, porter: &mut Porter) -> Tally {
        let now = Timestamp::from_microsecond(STARTED).unwrap();
        porter.round(now, &self.desk).await
    }

    async fn names(&self) -> Vec<(String, u64)> {
        let all = self.bucket().list("recordings").await.unwrap();
        all.into_iter().map(|object| (object.name.rsplit('/').next().unwrap().to_owned(), object.size)).collect()
    }

    fn path(&self, file: &str) -> object_store::path::Path {
        object_store::path::Path::from(format!("prefix/recordings/{PLACE}/{file}"))
    }
}

fn piece(at: u64) -> String {
    format!("c0.brec.{at:020}")
}

#[tokio::test]
async fn a_live_recording_goes_up_piece_by_piece_and_when_it_is_sealed_and_read_back_the_channel_file_here_goes() {
    let mut world = World::new();
    let mut porter = world.porter();
    world.record(300_000);
    let first = world.round(&mut porter).await;
    assert!(first.failed.is_empty() && first.sent > 300_000 && first.waiting_bytes == 0, "{first:?}");
    world.record(100_000);
    world.round(&mut porter).await;
    let names: Vec<String> = world.names().await.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, [piece(0), piece(first.sent), "head.json".into()]);
    world.finish();
    let whole = fs::read(world.dir().join("c0.brec")).unwrap();
    // The end goes up in one round, and the same or the next one closes it.
    let (one, two) = (world.round(&mut porter).await, world.round(&mut porter).await);
    assert_eq!((one.stored + two.stored, two.waiting), (1, 0), "{one:?} {two:?}");
    let left: Vec<_> = fs::read_dir(world.dir()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        left.len() == 3 && ["head.json", "seal.json", "stored.json"].iter().all(|name| left.iter().any(|left| left == name)),
        "{left:?}"
    );
    let facts = world.desk.1.lock().unwrap().pop().unwrap();
    assert_eq!((facts.bytes, facts.objects), (whole.len() as u64, 5));
    assert_eq!(facts.sha256, hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&whole)));
}

#[test]
fn what_lies_only_in_the_store_is_read_by_ranges_and_verifies() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let mut world = World::new();
    let mut porter = world.porter();
    for _ in 0..3 {
        world.record(700_000);
        runtime.block_on(world.round(&mut porter));
    }
    world.finish();
    let whole = fs::read(world.dir().join("c0.brec")).unwrap();
    let key = world.recordings.public_key();
    runtime.block_on(async { (world.round(&mut porter).await, world.round(&mut porter).await) });
    fs::remove_dir_all(world.dir()).unwrap();

    let library = Library::new(world.bucket(), runtime.handle().clone());
    let all = library.recordings(None).unwrap();
    assert_eq!(all.iter().map(|one| (one.session().as_str(), one.place())).collect::<Vec<_>>(), [(ID, PLACE)]);
    assert_eq!((library.recordings(Some("2026/11/22")).unwrap().len(), library.recordings(Some("2026/11/23")).unwrap().len()), (1, 0));
    let stored = library.at(PLACE).unwrap().unwrap();
    assert_eq!(verify_files(&stored, &[key], None, &mut |_| ()).outcome(), Outcome::Good);
    let recording = stored.recording().unwrap();
    assert_eq!((recording.bytes().unwrap(), recording.head().principal.as_str()), (whole.len() as u64, "corp/alice"));
    let read: usize = recording.events().unwrap().owned().map(|timed| timed.unwrap().event.data().len()).sum();
    assert_eq!(read, 3 * 700_000);
    let channel = stored.pieces();
    for at in [0, 1, 699_990, 700_500, whole.len() - 3, whole.len(), whole.len() + 9] {
        let mut buffer = [0; 64];
        let read = channel.read_at(&mut buffer, at as u64).unwrap();
        let expected = whole.get(at..).unwrap_or_default();
        assert!(buffer[..read] == expected[..read] && (read > 0 || expected.is_empty()), "at {at}");
    }
}

#[tokio::test]
async fn after_a_crash_it_goes_on_where_the_store_says() {
    let mut world = World::new();
    for round in 0..5 {
        world.record(200_000);
        // Each time another porter, that knows nothing of the ones before.
        let tally = world.round(&mut world.porter()).await;
        assert!(tally.failed.is_empty(), "round {round}: {tally:?}");
    }
    world.finish();
    let whole = fs::read(world.dir().join("c0.brec")).unwrap();
    for _ in 0..2 {
        world.round(&mut world.porter()).await;
    }
    let mut joined = Vec::new();
    for (name, _) in world.names().await.iter().filter(|(name, _)| name.starts_with("c0")) {
        joined.extend(world.objects.get(&world.path(name)).await.unwrap().bytes().await.unwrap());
    }
    assert!(joined == whole && !world.dir().join("c0.brec").exists());
}

#[tokio::test]
async fn a_try_that_was_thought_lost_and_was_shorter_is_taken_as_what_it_is() {
    let mut world = World::new();
    world.record(200_000);
    let mut porter = world.porter();
    porter.round(Timestamp::from_microsecond(STARTED).unwrap(), &world.desk).await;
    let sent = world.names().await[0].1;
    world.record(300_000);
    // The store made a part of what is to be sent next, after it was asked what it has.
    let file = fs::File::open(world.dir().join("c0.brec")).unwrap();
    let mut part = vec![0; 1_000];
    file.read_exact_at(&mut part, sent).unwrap();
    world.objects.put(&world.path(&piece(sent)), part.into()).await.unwrap();
    world.finish();
    for _ in 0..3 {
        assert!(world.round(&mut porter).await.failed.is_empty());
    }
    assert!(world.names().await.contains(&(piece(sent), 1_000)) && !world.dir().join("c0.brec").exists());
}

#[tokio::test]
async fn another_ones_object_is_never_written_over_and_nothing_is_deleted() {
    let mut world = World::new();
    world.objects.put(&world.path(&piece(0)), "another bastion's".into()).await.unwrap();
    world.record(200_000);
    world.finish();
    for _ in 0..3 {
        let mut porter = world.porter();
        let tally = world.round(&mut porter).await;
        assert!(matches!(&tally.failed[..], [(_, error)] if error.is_alarming()), "{tally:?}");
    }
    let there = world.objects.get(&world.path(&piece(0))).await.unwrap().bytes().await.unwrap();
    assert!(&there[..] == b"another bastion's" && world.dir().join("c0.brec").exists());
    assert!(!world.names().await.iter().any(|(name, _)| name == "seal.json"));
}

#[tokio::test]
async fn an_object_that_is_not_what_was_sent_keeps_the_copy_here_until_it_was_sent_again() {
    for damage in ["truncated", "changed", "gone"] {
        let mut world = World::new();
        let mut porter = world.porter();
        world.record(200_000);
        world.round(&mut porter).await;
        world.record(200_000);
        world.finish();
        let path = world.path(&piece(0));
        let mut bytes = world.objects.get(&path).await.unwrap().bytes().await.unwrap().to_vec();
        world.objects.delete(&path).await.unwrap();
        bytes[5_000] ^= 1;
        match damage {
            "truncated" => drop(world.objects.put(&path, bytes[..5_000].to_vec().into()).await.unwrap()),
            "changed" => drop(world.objects.put(&path, bytes.into()).await.unwrap()),
            _ => {}
        }
        let tally = world.round(&mut porter).await;
        assert!(tally.failed.len() == 1 && world.dir().join("c0.brec").exists(), "{damage}: {tally:?}");
        assert!(!world.names().await.iter().any(|(name, _)| name == "seal.json"), "{damage}");
        // The operator removes what is wrong.
        drop(world.objects.delete(&path).await);
        for _ in 0..3 {
            world.round(&mut world.porter()).await;
        }
        assert!(!world.dir().join("c0.brec").exists(), "{damage}");
    }
}

#[tokio::test]
async fn one_bad_recording_never_keeps_another() {
    let mut world = World::new();
    world.record(100_000);
    world.finish();
    let bad = world.dir();
    fs::OpenOptions::new().append(true).open(bad.join("c0.brec")).unwrap().write_at(b"more", 1 << 20).unwrap();
    let other = Head { session: "01JD0000000000000000000002".parse().unwrap(), number: 2, ..head() };
    let now = world.now();
    let mut writer = world.recordings.create(&other, &mut rand::rng()).unwrap();
    let good = writer.dir().to_owned();
    writer.append(now, &[Event::output(&b"words"[..])]).unwrap();
    writer.finish(now, Reason::Closed, None).unwrap();
    let mut porter = world.porter();
    let tally = world.round(&mut porter).await;
    assert!(tally.stored == 1 && !good.join("c0.brec").exists(), "{tally:?}");
    assert!(bad.join("c0.brec").exists() && matches!(&tally.failed[..], [(_, DepotError::Local(..))]), "{tally:?}");
}

#[tokio::test]
async fn who_does_not_hold_the_lease_does_not_close_the_recording() {
    let mut world = World::new();
    world.desk.0 = false;
    world.record(100_000);
    world.finish();
    let mut porter = world.porter();
    for _ in 0..3 {
        let tally = world.round(&mut porter).await;
        assert!(tally.failed.is_empty() && tally.stored == 0 && tally.waiting == 1, "{tally:?}");
    }
    assert!(world.dir().join("c0.brec").exists() && !world.names().await.iter().any(|(name, _)| name == "seal.json"));
}

#[test]
fn waits_grow_up_to_a_bound_and_never_come_together() {
    assert_eq!((wait(0, 0.0), wait(0, 1.0)), (Duration::from_millis(500), Duration::from_secs(1)));
    assert_eq!(wait(3, 1.0), Duration::from_secs(8));
    for failures in [20, 1_000, u32::MAX] {
        assert_eq!((wait(failures, 0.0), wait(failures, 1.0)), (LONGEST_WAIT / 2, LONGEST_WAIT));
    }
}

#[tokio::test]
async fn a_seal_without_a_channel_file_gets_there_too_and_is_told_once() {
    let world = World::new();
    // As after a crash at the very beginning.
    let lone = world.dir().with_file_name("01JD0000000000000000000002");
    fs::create_dir(&lone).unwrap();
    world.recordings.recover(STARTED, &|session| session.as_str().ends_with('2'), &mut rand::rng()).unwrap();
    let mut porter = world.porter();
    for _ in 0..3 {
        let tally = world.round(&mut porter).await;
        assert!(tally.failed.is_empty(), "{tally:?}");
    }
    let name = format!("recordings/{}", PLACE.replace("01JD0000000000000000000001", "01JD0000000000000000000002/seal.json"));
    let there = world.bucket().get(&name, 1 << 20).await.unwrap();
    assert_eq!(there.unwrap(), fs::read(lone.join("seal.json")).unwrap());
    world.round(&mut world.porter()).await;
    let told = world.desk.1.lock().unwrap();
    assert!(told.len() == 1 && told[0].bytes == 0 && told[0].objects == 1, "{told:?}");
}

#[tokio::test]
async fn a_channel_file_that_is_gone_before_all_of_it_was_carried_is_told() {
    let mut world = World::new();
    world.record(200_000);
    world.round(&mut world.porter()).await;
    world.record(200_000);
    world.finish();
    let channel = world.dir().join("c0.brec");
    let whole = fs::read(&channel).unwrap();
    fs::remove_file(&channel).unwrap();
    let tally = world.round(&mut world.porter()).await;
    let told = tally.failed.iter().map(|(_, error)| error.to_string()).collect::<String>();
    assert!(told.contains("its channel file is gone") && tally.failed[0].1.is_alarming(), "{told}");
    assert!(world.desk.1.lock().unwrap().is_empty());
    // What only was not written down here is written now, and not told again.
    fs::write(&channel, whole).unwrap();
    world.round(&mut world.porter()).await;
    world.round(&mut world.porter()).await;
    fs::remove_file(world.dir().join("stored.json")).unwrap();
    let tally = world.round(&mut world.porter()).await;
    assert!(tally.failed.is_empty() && world.dir().join("stored.json").exists(), "{tally:?}");
    assert_eq!(world.desk.1.lock().unwrap().len(), 1);
}

//! The walk against the kernel's own: in random trees with links, wherever the kernel arrives the walk arrives too.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use futures_util::FutureExt;
use proptest::prelude::*;

use super::*;

/// The machine's own files, as a target would tell of them. Counts the questions.
#[derive(Default)]
struct Disk {
    asked: usize,
}

impl Looks for Disk {
    type Error = PathError;

    async fn look(&mut self, paths: &[String]) -> Result<Vec<Found>, PathError> {
        self.asked += 1;
        assert!(paths.len() <= TOGETHER);
        Ok(paths.iter().map(|path| kind(Path::new(path))).collect())
    }

    async fn link(&mut self, path: &str) -> Result<Option<Vec<u8>>, PathError> {
        Ok(fs::read_link(path).ok().map(|says| says.as_os_str().as_bytes().to_vec()))
    }
}

fn kind(path: &Path) -> Found {
    fs::symlink_metadata(path).map_or(Found::Nothing, |about| {
        Found::Kind(match about.file_type() {
            t if t.is_dir() => FileKind::Directory,
            t if t.is_symlink() => FileKind::Link,
            _ => FileKind::Other,
        })
    })
}

fn walk(home: &str, typed: &[u8], last: Last) -> Result<Resolved, PathError> {
    resolve(&mut Disk::default(), home, typed, last).now_or_never().unwrap()
}

fn at(home: &Path, typed: &str) -> String {
    walk(home.to_str().unwrap(), typed.as_bytes(), Last::Followed).unwrap().path
}

/// A folder whose own path holds no link.
fn folder() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap();
    (folder, path)
}

#[test]
fn dots_slashes_and_links_are_gone_from_what_comes_out() {
    let (_keep, home) = folder();
    fs::create_dir_all(home.join("real/deep")).unwrap();
    fs::create_dir(home.join("open")).unwrap();
    fs::write(home.join("real/deep/file"), "x").unwrap();
    std::os::unix::fs::symlink("../real/deep", home.join("open/way")).unwrap();
    let real = home.join("real/deep/file").display().to_string();
    for typed in ["real/deep/file", "./real//deep/./file", "open/way/file", "open/../open/way/../deep/file", "real/deep/file/"] {
        assert_eq!(at(&home, typed), real, "{typed}");
    }
    assert_eq!(at(&home, &real), real);
    assert_eq!(at(&home, "open/way/.."), home.join("real").display().to_string());
    assert_eq!(at(&home, "../../../../../../../../../../.."), "/");
    assert_eq!(at(&home, ""), home.display().to_string());
    assert_eq!(at(Path::new("/"), "/"), "/");
}

#[test]
fn the_last_name_is_followed_for_opening_and_kept_for_removing() {
    let (_keep, home) = folder();
    fs::write(home.join("secret"), "x").unwrap();
    std::os::unix::fs::symlink("secret", home.join("link")).unwrap();
    let home = home.to_str().unwrap();
    assert_eq!(walk(home, b"link", Last::Followed).unwrap().path, format!("{home}/secret"));
    assert_eq!(walk(home, b"link", Last::Kept).unwrap().path, format!("{home}/link"));
    // A link that is only passed through is followed all the same.
    assert_eq!(walk(home, b"link/x", Last::Kept).unwrap().path, format!("{home}/secret/x"));
}

#[test]
fn a_link_that_leads_to_nothing_yet_is_followed_to_where_the_file_would_be_made() {
    let (_keep, home) = folder();
    std::os::unix::fs::symlink("/nowhere/at/all", home.join("dangling")).unwrap();
    std::os::unix::fs::symlink("not-yet", home.join("near")).unwrap();
    assert_eq!(at(&home, "dangling"), "/nowhere/at/all");
    assert_eq!(at(&home, "near"), home.join("not-yet").display().to_string());
    assert_eq!(at(&home, "missing/further/down"), home.join("missing/further/down").display().to_string());
    // What is missing cannot hide a link behind it.
    fs::write(home.join("secret"), "x").unwrap();
    std::os::unix::fs::symlink("secret", home.join("link")).unwrap();
    assert_eq!(at(&home, "missing/../link"), home.join("secret").display().to_string());
}

#[test]
fn directories_are_told_from_files() {
    let (_keep, home) = folder();
    fs::create_dir(home.join("dir")).unwrap();
    fs::write(home.join("file"), "x").unwrap();
    std::os::unix::fs::symlink("dir", home.join("link")).unwrap();
    let home = home.to_str().unwrap();
    let is_directory = |typed: &str, last| walk(home, typed.as_bytes(), last).unwrap().is_directory;
    for (typed, followed, kept) in
        [("dir", true, true), ("file", false, false), ("link", true, false), ("dir/..", true, true), ("no", false, false)]
    {
        assert_eq!((is_directory(typed, Last::Followed), is_directory(typed, Last::Kept)), (followed, kept), "{typed}");
    }
}

#[test]
fn links_in_a_circle_and_paths_without_measure_are_refused() {
    let (_keep, home) = folder();
    std::os::unix::fs::symlink("b", home.join("a")).unwrap();
    std::os::unix::fs::symlink("a", home.join("b")).unwrap();
    std::os::unix::fs::symlink("self/self", home.join("self")).unwrap();
    let home = home.to_str().unwrap();
    for typed in ["a", "self/x", &"x/".repeat(300), &"y".repeat(5000)] {
        assert_eq!(walk(home, typed.as_bytes(), Last::Followed), Err(PathError::TooLong), "{typed:.9}");
    }
}

#[test]
fn names_that_policy_cannot_read_are_refused_by_name() {
    assert_eq!(walk("/", b"/srv/\xff", Last::Followed), Err(PathError::NotUtf8));
    assert_eq!(walk("/", b"/srv/a\0b", Last::Followed), Err(PathError::Nul));
    // Look-alikes and controls are names like others, and come out as they went in.
    assert_eq!(walk("/", "/no/pаsswd\n\u{1b}".as_bytes(), Last::Followed).unwrap().path, "/no/pаsswd\n\u{1b}");
}

#[test]
fn a_path_without_links_takes_one_question() {
    let (_keep, home) = folder();
    let mut disk = Disk::default();
    let typed = format!("{}/a/b", home.display());
    resolve(&mut disk, "/", typed.as_bytes(), Last::Followed).now_or_never().unwrap().unwrap();
    assert_eq!(disk.asked, 1);
}

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "c", "..", ".", "", "a/b", "b/..", "c/a"])
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(name(), 1..6).prop_map(|names| names.join("/"))
}

proptest! {
    #[test]
    fn wherever_the_kernel_arrives_the_walk_arrives_too(
        things in prop::collection::vec((path(), prop::option::of(path()), any::<bool>()), 0..12), typed in path(),
    ) {
        let (_keep, home) = folder();
        for (place, says, absolute) in &things {
            let place = home.join(place.trim_start_matches('/'));
            // Whatever cannot be made is not there, for the kernel and for the walk alike.
            let _ = match says {
                None => fs::create_dir_all(&place),
                Some(says) if *absolute => std::os::unix::fs::symlink(home.join(says.trim_start_matches('/')), &place),
                Some(says) => std::os::unix::fs::symlink(says, &place),
            };
        }
        let typed = typed.trim_start_matches('/');
        let real = home.join(typed).canonicalize();
        let walked = walk(home.to_str().unwrap(), typed.as_bytes(), Last::Followed);
        if let Ok(real) = &real {
            prop_assert_eq!(&walked.as_ref().unwrap().path, real.to_str().unwrap());
            prop_assert_eq!(walked.as_ref().unwrap().is_directory, real.is_dir());
        }
        // Whatever came out leads through no link, so that what is decided is what is reached.
        if let Ok(walked) = walked {
            prop_assert!(!walked.path.split('/').any(|name| name == ".." || name == "."));
            let mut path = Path::new(&walked.path);
            while let Some(parent) = path.parent() {
                prop_assert!(kind(path) != Found::Kind(FileKind::Link), "{}", path.display());
                path = parent;
            }
        }
    }
}

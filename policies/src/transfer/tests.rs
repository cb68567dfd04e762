use proptest::prelude::*;

use super::{Copier, Direction, Transfer, words};
use crate::{Action, Line, Operation};

fn read(line: &str) -> Option<Transfer> {
    Transfer::read(line.as_bytes())
}

/// `+write PATH` for what is recursive, `write PATH` for what is not.
fn operations(line: &str) -> Vec<String> {
    let shown = |operation: &Operation| match operation {
        Operation::Run(command) => format!("run {}", command.text()),
        Operation::File(file) => {
            let (plus, path) = (if file.recursive { "+" } else { "" }, file.path.as_deref().unwrap_or("?"));
            format!("{plus}{} {path}", file.action.name().trim_start_matches("sftp."))
        }
    };
    Line::read(line.as_bytes()).operations().iter().map(shown).collect()
}

#[test]
fn what_clients_send_is_recognised_as_the_files_it_touches() {
    let table: &[(&str, &[&str])] = &[
        // OpenSSH `scp -O`, PuTTY `pscp -scp`
        ("scp -t there", &["write there"]),
        ("scp -v -r -p -d -t -- -odd", &["+write -odd"]),
        ("scp -f /var/log/syslog", &["read /var/log/syslog"]),
        ("scp -p -f a b", &["read a", "read b"]),
        ("scp -r -f dir", &["+list dir", "+read dir"]),
        ("scp -t ''", &["write ."]),
        ("scp -f ~/x", &["read x"]),
        ("scp -t ~", &["write ."]),
        ("scp -r -f ~/", &["+list .", "+read ."]),
        ("scp -f /srv/*.log", &["+read /srv"]),
        ("scp -f *", &["+read ."]),
        ("scp -f /*", &["+read /"]),
        (r"scp -f a\ b\'c", &["read a b'c"]),
        // Go's and Python's
        ("scp -qt \"/tmp/a b\"", &["write /tmp/a b"]),
        ("scp -rvt '/tmp/it'\\''s'", &["+write /tmp/it's"]),
        ("/usr/bin/scp -t /x", &["write /x"]),
        // rsync
        ("rsync --server -logDtpre.iLsfxCIvu . /x", &["+write /x"]),
        ("rsync --server -vlogDtprze.iLsfxCIvu --delete . there/", &["+write there/", "+remove there/"]),
        (r"rsync --server --sender -logDtpre.iLsfxCIvu . /x/ a\ b/*", &["+list /x/", "+read /x/", "+list a b", "+read a b"]),
        (
            "rsync --server -blogDtpre.iLsfxCIvu --backup-dir /bk --delete-after --partial-dir .p --temp-dir /tmp/t . x",
            &["+write x", "+remove x", "+write /bk", "+write /tmp/t"],
        ),
        ("rsync --server -re.iLsfxCIvu --link-dest=../old --copy-dest=/c . new/", &["+write new/", "+read ../old", "+read /c"]),
        ("rsync --server --sender -logDtpre.iLsfxCIvu --remove-source-files . x", &["+list x", "+read x", "+remove x"]),
        ("rsync --server -logDtpre.iLsfxCIvu --remove-source-files . x", &["+write x"]),
        ("rsync --server --sender -blogDtpre.iLsfxCIvu --backup-dir /bk . x", &["+list x", "+read x"]),
        (
            "rsync --server -lyogDtre.iLsfxCIvu --iconv=utf8 --log-format=X --timeout=5 --bwlimit=100 --compress-choice=zstd --max-size=5242880 \
             --stats --numeric-ids --usermap=\\*:a --groupmap=\\*:b --existing --append --append . x",
            &["+write x"],
        ),
        (r"rsync --server --sender -logDtpre.iLsfxCIvu . /srv/\$\(id\)", &["+list /srv/$(id)", "+read /srv/$(id)"]),
        ("rsync --server -logDtpre.iLsfxCIvu --munge-links . ./-x", &["+write ./-x"]),
        ("rsync --server --sender -de.LsfxCIvu --list-only . x", &["+list x", "+read x"]),
        ("rsync --server -B1024 -logDtpre.iLsfxCIvu --mkpath . a/b/c", &["+write a/b/c"]),
        // Out of the tree: no path is known.
        ("rsync --server --sender -lLogDtpre.iLsfxCIvu . /srv", &["+list ?", "+read ?"]),
        ("rsync --server -lKogDtpre.iLsfxCIvu . /srv", &["+write ?"]),
        ("rsync --server --sender -logDtpRe.LsfxCIvu --files-from /lst . /", &["+list ?", "+read ?"]),
        ("rsync --server --sender -le.LsfxCIvu --copy-unsafe-links --remove-source-files . x", &["+list ?", "+read ?", "+remove ?"]),
    ];
    for (line, expected) in table {
        assert_eq!(operations(line), *expected, "{line}");
        let line = Line::read(line.as_bytes());
        let written = line.canonical().unwrap();
        assert_eq!(Line::read(written.as_bytes()).canonical(), Some(written), "{written}");
    }
}

#[test]
fn what_is_not_understood_whole_is_a_command_like_any_other() {
    let lines = [
        // Not the server side, or another program.
        "scp",
        "scp -t",
        "scp -f",
        "scp a b",
        "scp -t -f x",
        "rsync",
        "rsync -a /x /y",
        "rsync --server",
        "rsync --server -r .",
        "rsync --server --sender -r .",
        "./scp -t x",
        "/tmp/scp -t x",
        "/usr/bin/../../tmp/scp -t x",
        "Scp -t x",
        "sudo scp -t x",
        "FOO=1 scp -t x",
        // Options that run programs, read or write elsewhere, or are not known.
        "scp -S /tmp/evil -t x",
        "scp -oProxyCommand=id -t x",
        "scp -t -D /usr/lib/sftp-server x",
        "scp -t x y",
        "scp -t /srv/*",
        "rsync --server -slogDtpre.iLsfxCIvu",
        "rsync --server -logDtpre.iLsfxCIvu --log-file=/x . x",
        "rsync --server --daemon . x",
        "rsync --server --config=/tmp/c --daemon .",
        "rsync --server -r --rsync-path=evil . x",
        "rsync --server -r --rsh=evil . x",
        "rsync --server -r -e evil . x",
        "rsync --server -r -esh . x",
        "rsync --server -r -e.;id . x",
        "rsync --server -r --write-devices . x",
        "rsync --server -r --copy-devices . x",
        "rsync --server -r --no-munge-links . x",
        "rsync --server -r --debug=all . x",
        "rsync --server -r --some-new-option . x",
        "rsync --server -r --block-size=1 . x",
        "rsync --server -B1 -r . x",
        "rsync --server -r --suffix=/../x . x",
        "rsync --server -r --backup-dir=a/../../x . x/",
        "rsync --server -r --backup-dir=bk . x",
        "rsync --server -r --partial-dir=../p . x/",
        "rsync --server -r --partial-dir=.. . x/",
        "rsync --server -r . x y",
        "rsync --server -r . -x",
        "rsync --server -r x",
        "rsync --server --sender -r . /srv/*/etc",
        "rsync --server -r --sender . x",
        "rsync --server --sender -r . /srv/*/",
        // What a shell would do more about.
        "scp -t x; id",
        "scp -t x && id",
        "scp -t x | sh",
        "scp -t x > /etc/passwd",
        "scp -t $HOME",
        "scp -t `id`",
        "scp -t $(id)",
        "scp -t \"$(id)\"",
        "scp -t \"`id`\"",
        "scp -f {a,b}",
        "scp -f [ab]",
        "scp -f ~root/x",
        "scp -f ~+/x",
        "scp -f x # y",
        "scp -t x\nid",
        "scp -t 'x\nid'",
        "scp -t \"x\rid\"",
        "scp -t x\\\nid",
        "scp -t 'x",
        "scp -t \"x",
        "scp -t x\\",
        "scp -t \u{1b}[2J",
        "scp -t \u{85}",
        "s*p -t x",
        "scp -* x",
        "rsync --server -r . ''",
    ];
    for line in lines {
        assert_eq!(read(line), None, "{line:?}");
    }
    assert_eq!(Transfer::read(b"scp -t a\0b"), None);
    assert_eq!(Transfer::read(b"scp -t \xff"), None);
    assert_eq!(read(&format!("scp -t {}", "x".repeat(5000))), None);
}

#[test]
fn a_line_is_written_again_with_the_paths_that_were_resolved() {
    let resolved = |line: &str, roots: &[&str], sides: &[&str]| {
        let owned = |all: &[&str]| all.iter().map(|&one| one.to_owned()).collect::<Vec<_>>();
        read(line).unwrap().resolved(&owned(roots), &owned(sides))
    };
    assert_eq!(resolved("scp -qpt it", &["/h/it's `x`"], &[]).unwrap(), r"scp -t -p -q /h/it\'s' `x`'");
    assert_eq!(read("scp -f -- -x/*").unwrap().canonical(), "scp -f ./-x/*");
    assert_eq!(resolved("scp -f a*.log", &["/h"], &[]).unwrap(), "scp -f /h/a*.log");
    assert_eq!(resolved("scp -f /'$x'*", &["/"], &[]).unwrap(), "scp -f /'$x'*");
    let line = "rsync --server -re.iL --delete --temp-dir t . new/";
    assert_eq!(resolved(line, &["/h/n w/"], &["/h/t"]).unwrap(), "rsync --server -re.iL --delete --temp-dir=/h/t . /h/n' w/'");
    assert_eq!(resolved(line, &["/h/new/"], &[]), None);
    assert_eq!(resolved(line, &["new/"], &["/t"]), None);
    assert_eq!(resolved(line, &["/h\n/"], &["/t"]), None);
}

#[test]
fn the_parts_of_a_transfer_say_what_they_are() {
    let up = read("scp -p -d -t dir").unwrap();
    assert_eq!((up.copier(), up.direction()), (Copier::Scp, Direction::ToTarget));
    assert!(up.keeps_times() && up.wants_folder() && !up.recursive() && !up.leaves_the_tree());
    let down = read("rsync --server --sender -Lre.iL --remove-source-files . dir/").unwrap();
    assert_eq!((down.copier(), down.direction()), (Copier::Rsync, Direction::FromTarget));
    assert!(down.leaves_the_tree() && down.recursive() && !down.writes_in_place());
    assert_eq!(down.actions(), [Action::SftpList, Action::SftpRead, Action::SftpRemove]);
    assert!(read("rsync --server -re.iL --inplace . dir/").unwrap().writes_in_place());
}

#[test]
fn a_pattern_matches_as_a_shell_does() {
    let pattern = |word: &str| read(&format!("scp -f /d/{word}")).unwrap().roots()[0].pattern().cloned().unwrap();
    let table = [
        ("*.log", "a.log", true),
        ("*.log", ".log", false),
        ("*.log", "a.log.gz", false),
        ("*", "a", true),
        ("*", ".a", false),
        (".*", ".a", true),
        ("?b*", "ab", true),
        ("?b*", "b", false),
        ("a*b*c", "aXbYbZc", true),
        ("a*b*c", "aXbYbZ", false),
        ("a'*'*", "a*x", true),
        ("a'*'*", "ab", false),
        ("*", "a/b", false),
    ];
    for (word, name, expected) in table {
        assert_eq!(pattern(word).matches(name), expected, "{word} {name}");
    }
}

fn real_shell(shell: &str, words: &str) -> String {
    let done = std::process::Command::new(shell).args(["-c", &format!("printf %s\\\\n {words}")]).output().unwrap();
    String::from_utf8(done.stdout).unwrap()
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(line in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = Transfer::read(&line);
    }

    #[test]
    fn what_is_recognised_is_recognised_as_the_same_when_it_is_written_again(
        program in prop::sample::select(vec!["scp -t ", "scp -r -f ", "scp -f a ", "rsync --server -re.iL --temp-dir=/x . ", "rsync --server --sender -re.iL . "]),
        rest in r#"[ a-c/~*?.\\'"$#!=é-]{1,12}"#,
    ) {
        if let Some(transfer) = read(&format!("{program}{rest}")) {
            let written = transfer.canonical();
            let again = read(&written);
            // A leading `-` is written as `./-`, which is the same place.
            if !written.contains("./-") {
                prop_assert_eq!(again.as_ref(), Some(&transfer), "{}", written);
            }
            prop_assert_eq!(again.unwrap().canonical(), written);
        }
    }

    #[test]
    fn a_quoted_text_is_that_text_to_real_shells(text in r#"[ -~é]{0,20}"#) {
        let quoted = words::quoted(&text);
        prop_assert_eq!(words::read(&quoted).unwrap()[0].literal(), Some(text.clone()));
        for shell in ["sh", "bash"] {
            prop_assert_eq!(real_shell(shell, &quoted), format!("{text}\n"), "{}", shell);
        }
    }

    #[test]
    fn what_is_read_is_what_a_real_shell_reads(line in r##"[ a-c/.\\'"#!=^\]-]{1,16}"##) {
        // Where both take it, they take it for the same words.
        if let Some(words) = words::read(&line) {
            let literal: Option<Vec<String>> = words.iter().map(super::Word::literal).collect();
            if let Some(literal) = literal.filter(|words| !words.is_empty()) {
                prop_assert_eq!(real_shell("sh", &line), literal.join("\n") + "\n", "{}", line);
            }
        }
    }
}

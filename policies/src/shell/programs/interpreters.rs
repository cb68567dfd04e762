//! Interpreters of other languages. A script in a file, named, is a program like any other; a script in an argument or on
//! standard input is not read here. The language of awk is looked at, since it stands in arguments more often than not.

use super::{Called, Inside, options::Options};

const INTERPRETERS: &[&str] = &[
    "perl",
    "perl5",
    "python",
    "python2",
    "python3",
    "pypy",
    "pypy3",
    "ruby",
    "irb",
    "jruby",
    "node",
    "nodejs",
    "deno",
    "bun",
    "php",
    "php-cli",
    "lua",
    "luajit",
    "tclsh",
    "wish",
    "expect",
    "guile",
    "sbcl",
    "clisp",
    "emacs",
    "R",
    "Rscript",
    "julia",
    "octave",
    "java",
    "jshell",
    "groovy",
    "scala",
    "kotlin",
    "erl",
    "escript",
    "elixir",
    "iex",
    "ghci",
    "runghc",
    "ocaml",
    "swipl",
    "gnuplot",
    "m4",
    "bc",
    "dc",
    "jjs",
    "jrunscript",
    "raku",
    "perl6",
    "gawk-python",
    "gdb",
    "lldb",
    "gjs",
    "nush",
    "racket",
    "ipython",
    "ipython3",
    "ts-node",
    "crystal",
    "dart",
    "swift",
];

pub(super) fn look(called: &Called<'_>) -> Option<Inside> {
    if matches!(called.name, "awk" | "gawk" | "mawk" | "nawk" | "original-awk" | "bwk") {
        return Some(awk(called));
    }
    let versioned = called.name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    if !INTERPRETERS.contains(&called.name) && !INTERPRETERS.contains(&versioned) {
        return None;
    }
    let names_a_script =
        matches!(versioned, "perl" | "python" | "pypy" | "ruby" | "node" | "nodejs" | "php" | "lua" | "luajit" | "Rscript");
    Some(match called.word(1) {
        Some("--version" | "-V" | "-v" | "--help" | "-h") if called.words.len() == 2 && !called.open && names_a_script => Inside::Nothing,
        Some(script) if names_a_script && !script.starts_with('-') && !called.fields.get(1).is_some_and(|field| field.is_pattern()) => {
            Inside::Nothing
        }
        _ => Inside::Unseen(called.says("runs code that is not read here")),
    })
}

/// `awk [-F SEPARATOR] [-v NAME=VALUE] PROGRAM [FILE…]`
fn awk(called: &Called<'_>) -> Inside {
    let options = Options { flags: "", valued: "Fv", long: &["posix", "traditional"], long_valued: &["field-separator", "assign"] };
    let at = match options.operands(called, 1) {
        Ok(at) => at,
        Err(why) => return Inside::Unseen(why),
    };
    // Options may also follow the program.
    let late = called.words.iter().skip(at + 1).any(|word| word.len() > 1 && word.starts_with('-'));
    match called.word(at) {
        Some(program) if !late && !called.may_get_options() && !called.fields.get(at).is_some_and(|field| field.is_pattern()) => {
            if is_harmless(program) {
                Inside::Nothing
            } else {
                Inside::Unseen(called.says("has a program that can run commands or write files"))
            }
        }
        _ => Inside::Unseen(called.says("has a program that is not seen")),
    }
}

/// Whether an awk program only reads and prints. It may not name what runs commands, loads code or calls by name, nor pipe, nor
/// write files: a `>` after a `print` may do that, one before the first only compares.
fn is_harmless(program: &str) -> bool {
    let words = ["system", "getline", "@", "close", "fflush", "ENVIRON", "PROCINFO", "ARGV"];
    let writes = match (program.find("print"), program.rfind('>')) {
        (Some(print), Some(sign)) => print < sign,
        _ => false,
    };
    !words.iter().any(|word| program.contains(word)) && !program.replace("||", "").contains('|') && !writes
}

//! Starts the user's browser. Passes the page's address as one argument of a program, never through a shell.

use std::process::{Command, Stdio};

/// Opens `url`; whether a browser was started.
pub(super) fn open(url: &str) -> bool {
    let chosen = std::env::var("BROWSER").ok().filter(|words| !words.trim().is_empty());
    let has_screen = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    match chosen {
        Some(list) => list.split(':').any(|words| start(words, url)),
        None if cfg!(target_os = "macos") => start("open", url),
        None => has_screen && start("xdg-open", url),
    }
}

/// `words` is a command of `$BROWSER`: `%s` in it stands for the page, else the page comes last.
fn start(words: &str, url: &str) -> bool {
    let Some((program, arguments)) = command(words, url) else { return false };
    Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().is_ok()
}

fn command(words: &str, url: &str) -> Option<(String, Vec<String>)> {
    let mut words = words.split_whitespace().map(str::to_owned);
    let program = words.next()?;
    let mut arguments: Vec<String> = words.collect();
    if arguments.iter().any(|word| word.contains("%s")) {
        arguments.iter_mut().for_each(|word| *word = word.replace("%s", url));
    } else {
        arguments.push(url.to_owned());
    }
    Some((program, arguments))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_one_argument_whatever_is_in_it() {
        let url = "https://idp/auth?a=$(id)&b=;c";
        assert_eq!(command("firefox", url), Some(("firefox".into(), vec![url.into()])));
        assert_eq!(command("w3m -o x=1 %s", url), Some(("w3m".into(), vec!["-o".into(), "x=1".into(), url.into()])));
        assert_eq!(command("  ", url), None);
    }
}

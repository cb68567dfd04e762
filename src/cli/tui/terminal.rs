//! The terminal of this process while the terminal UI has it: raw, on its other screen, its keys read by a thread that can be told to
//! leave them to somebody else. Given back as it was found, whatever happens: at the end, on a signal, and before a panic is told.

use std::io::{self, Read, Write};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::termios::{OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::sync::mpsc;

use crate::screen::{ENTER, LEAVE, Size};

/// How long one read waits for a key, in tenths of a second; as long may it take until the keys are somebody else's.
const WAIT: u8 = 1;

/// The terminal.
pub(super) struct Tty {
    before: Termios,
    raw: Termios,
    reading: Arc<Reading>,
    held: bool,
}

/// Whose the keys are.
#[derive(Default)]
struct Reading {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    wanted: bool,
    /// The thread may be inside a read.
    active: bool,
    ended: bool,
}

impl Tty {
    /// Prepares, and takes nothing yet. What is typed comes out of the receiver while the terminal is ours.
    pub(super) fn prepare() -> io::Result<(Self, mpsc::Receiver<Vec<u8>>)> {
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        // A read comes back without a key, so that its thread can be told to stop.
        raw.special_codes[SpecialCodeIndex::VMIN] = 0;
        raw.special_codes[SpecialCodeIndex::VTIME] = WAIT;
        let (keys, typed) = mpsc::channel(16);
        let reading = Arc::new(Reading::default());
        let thread = Arc::clone(&reading);
        std::thread::Builder::new().name("keys".to_owned()).spawn(move || thread.read(&keys))?;
        let (again, hook) = (before.clone(), std::panic::take_hook());
        std::panic::set_hook(Box::new(move |fault| {
            give_back(&again);
            hook(fault);
        }));
        Ok((Self { before, raw, reading, held: false }, typed))
    }

    /// Takes the terminal.
    pub(super) fn take(&mut self) -> io::Result<()> {
        tcsetattr(io::stdin(), OptionalActions::Now, &self.raw)?;
        self.held = true;
        write(ENTER)?;
        self.reading.want(true);
        Ok(())
    }

    /// Leaves the terminal to somebody else; when this returns, no key is ours any more.
    pub(super) fn leave(&mut self) {
        self.reading.want(false);
        if std::mem::take(&mut self.held) {
            give_back(&self.before);
        }
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        self.leave();
        self.reading.end();
    }
}

fn give_back(before: &Termios) {
    // There is nobody to tell that it failed.
    drop(write(LEAVE));
    let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
}

/// Its size now.
pub(super) fn size() -> Size {
    let (columns, rows) = tcgetwinsize(io::stdout()).map_or((80, 24), |size| (size.ws_col, size.ws_row));
    Size::clamped(columns.into(), rows.into())
}

/// Shows a frame.
pub(super) fn write(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

impl Reading {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn want(&self, wanted: bool) {
        let mut state = self.lock();
        state.wanted = wanted;
        self.changed.notify_all();
        while !wanted && state.active {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    /// The thread's work.
    fn read(&self, keys: &mpsc::Sender<Vec<u8>>) {
        let mut buffer = [0; 4096];
        loop {
            let mut state = self.lock();
            state.active = false;
            self.changed.notify_all();
            while !state.wanted && !state.ended {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.ended {
                return;
            }
            state.active = true;
            drop(state);
            let begun = Instant::now();
            match io::stdin().lock().read(&mut buffer) {
                // A terminal that is gone says so at once, again and again; the signal that tells of it is on its way.
                Ok(0) if begun.elapsed() < Duration::from_millis(50) => std::thread::sleep(Duration::from_millis(50)),
                Ok(0) => {}
                // A full queue drops what is typed: nobody is there to take it.
                Ok(read) => drop(keys.try_send(buffer.get(..read).unwrap_or_default().to_vec())),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }
}

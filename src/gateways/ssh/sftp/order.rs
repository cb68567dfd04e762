//! In which order requests may start, so that the results are those of one request after the other (draft-ietf-secsh-filexfer-02
//! section 6: "requests relating to the same file" keep their order) although decisions take time. Requests on open files wait
//! only for what concerns the same file; looking at names waits for changes of names, and changes wait for everything before them.
//!
//! "The same file" is told by its last name. A client that changes a file by another name of it while it writes through a handle,
//! without waiting for answers, may find both in either order, as with two clients.

use std::collections::VecDeque;

use bytes::Bytes;

use super::files::FileNumber;

/// Requests that may wait for their turn, and operations that may be under way.
const MOST: usize = 64;

/// What a request has to keep its order with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Class {
    /// On open files, by number, with the last names of their paths.
    Handle(Vec<FileNumber>, Vec<Vec<u8>>),
    /// Looks at a name, or at nothing that has one.
    Look,
    /// Changes names or what lies under them; the last names of the paths.
    Change(Vec<Vec<u8>>),
}

#[derive(Debug)]
struct Running {
    number: u64,
    class: Class,
    /// The target has it.
    sent: bool,
}

/// A request that waits.
#[derive(Debug)]
struct Waiting {
    packet: Bytes,
    class: Class,
}

/// Who runs and who waits.
#[derive(Debug, Default)]
pub(super) struct Order {
    running: Vec<Running>,
    waiting: VecDeque<Waiting>,
    next: u64,
}

/// The last name of a path.
pub(super) fn last_name(path: &[u8]) -> Vec<u8> {
    path.rsplit(|byte| *byte == b'/').find(|name| !name.is_empty()).unwrap_or_default().to_vec()
}

impl Order {
    /// Whether nothing runs and nothing waits.
    pub(super) fn is_idle(&self) -> bool {
        self.running.is_empty() && self.waiting.is_empty()
    }

    /// Whether no further request should be read now.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= MOST || self.running.len() >= MOST
    }

    /// Whether a request may start right away.
    pub(super) fn may_start(&self, class: &Class) -> bool {
        self.is_idle() || self.may_start_before(class, self.waiting.len())
    }

    fn may_start_before(&self, class: &Class, place: usize) -> bool {
        let running = self.running.iter().map(|one| (&one.class, one.sent));
        let mut earlier = running.chain(self.waiting.iter().take(place).map(|one| (&one.class, false)));
        match class {
            Class::Handle(files, names) => !earlier.any(|(other, sent)| match other {
                _ if sent => false,
                Class::Handle(others, _) => others.iter().any(|file| files.contains(file)),
                Class::Change(others) => others.iter().any(|name| names.contains(name)),
                Class::Look => false,
            }),
            Class::Look => !earlier.any(|(other, _)| matches!(other, Class::Change(_))),
            Class::Change(_) => place == 0 && !earlier.any(|(other, _)| matches!(other, Class::Look | Class::Change(_))),
        }
    }

    /// Lets a request wait.
    pub(super) fn wait(&mut self, packet: Bytes, class: Class) {
        self.waiting.push_back(Waiting { packet, class });
    }

    /// The first of those that wait whose turn has come.
    pub(super) fn next_ready(&mut self) -> Option<Bytes> {
        let place =
            (0..self.waiting.len()).find(|place| self.waiting.get(*place).is_some_and(|one| self.may_start_before(&one.class, *place)))?;
        self.waiting.remove(place).map(|one| one.packet)
    }

    /// An operation begins; gives its number.
    pub(super) fn begin(&mut self, class: Class) -> u64 {
        self.next += 1;
        self.running.push(Running { number: self.next, class, sent: false });
        self.next
    }

    /// The target has it.
    pub(super) fn sent(&mut self, number: u64) {
        if let Some(one) = self.running.iter_mut().find(|one| one.number == number) {
            one.sent = true;
        }
    }

    /// It was answered.
    pub(super) fn end(&mut self, number: u64) {
        self.running.retain(|one| one.number != number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(number: FileNumber) -> Class {
        Class::Handle(vec![number], vec![format!("f{number}").into_bytes()])
    }

    fn change(name: &str) -> Class {
        Class::Change(vec![name.as_bytes().to_vec()])
    }

    fn packet(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    #[test]
    fn open_files_wait_for_nothing_that_does_not_concern_them() {
        let mut order = Order::default();
        order.begin(Class::Look);
        order.begin(change("other"));
        order.begin(file(2));
        assert!(order.may_start(&file(1)));
        assert!(!order.may_start(&file(2)), "its own earlier request is not with the target yet");
    }

    #[test]
    fn a_change_of_the_same_name_is_sent_before_what_follows_on_the_open_file() {
        let mut order = Order::default();
        let number = order.begin(change("f1"));
        assert!(!order.may_start(&file(1)));
        order.sent(number);
        assert!(order.may_start(&file(1)));
    }

    #[test]
    fn looks_go_together_and_changes_go_alone() {
        let mut order = Order::default();
        let look = order.begin(Class::Look);
        assert!(order.may_start(&Class::Look) && !order.may_start(&change("x")));
        order.sent(look);
        assert!(!order.may_start(&change("x")), "it is not answered yet");
        order.end(look);
        let number = order.begin(change("x"));
        assert!(!order.may_start(&Class::Look) && !order.may_start(&change("y")));
        order.end(number);
        assert!(order.may_start(&change("y")));
    }

    #[test]
    fn what_waits_starts_in_its_order_but_does_not_keep_others_back() {
        let mut order = Order::default();
        let number = order.begin(change("f1"));
        order.wait(packet("write f1"), file(1));
        order.wait(packet("look"), Class::Look);
        order.wait(packet("change"), change("y"));
        order.wait(packet("close f1"), file(1));
        assert!(order.next_ready().is_none() && order.may_start(&file(2)) && !order.may_start(&file(1)));
        order.sent(number);
        assert_eq!(order.next_ready().unwrap(), packet("write f1"));
        assert_eq!(order.next_ready().unwrap(), packet("close f1"));
        assert!(order.next_ready().is_none());
        order.end(number);
        assert_eq!(order.next_ready().unwrap(), packet("look"));
        assert_eq!(order.next_ready().unwrap(), packet("change"));
        assert!(order.is_idle() || order.next_ready().is_none());
    }

    #[test]
    fn the_last_name_is_found_behind_slashes() {
        assert_eq!(last_name(b"/a/b//"), b"b");
        assert_eq!(last_name(b"/"), b"");
        assert_eq!(last_name(b"c"), b"c");
    }
}

//! The answer of `transform` and `end`, laid out as the canonical ABI has it: the lists are made
//! where the host reads them. As the bindings' own types they would be made once more for that,
//! with a text of its own for each message: for two million small records on a line, 150 MB.
//! A message that stands in its line as it is stays there.

use record::{Findings, Mark, Message, Verdict};

/// Bytes of a text that messages share.
const SHARED_BYTES: usize = 64 * 1024;

/// Bytes of a message from which on it has a text of its own, so that little of the shared ones
/// is left over.
const OWN_BYTES: usize = 4 * 1024;

/// Events and notes for which room is kept between calls: those of a usual chunk.
const USUAL: usize = 8 * 1024;

/// Reasons that a new one is compared with. Lines are mostly malformed in the same way.
const COMPARED_REASONS: usize = 16;

/// `string` or `list<t>`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq)]
struct List {
    start: *const u8,
    length: usize,
}

impl List {
    fn of<T>(items: &[T]) -> Self {
        Self { start: items.as_ptr().cast(), length: items.len() }
    }
}

/// `event`.
#[repr(C)]
struct Event {
    line: u64,
    timestamp: i64,
    message: List,
}

/// `note`.
#[repr(C)]
struct Note {
    first: u64,
    last: u64,
    verdict: Case,
    /// Why it is malformed; empty if it isn't.
    reason: List,
}

/// The cases of `verdict` that this guest knows, by their place there.
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Joined = 0,
    Malformed = 1,
}

/// `option<u64>`.
#[repr(C)]
#[derive(Clone, Copy)]
struct OptionalLine {
    is_some: bool,
    line: u64,
}

/// `transformed`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Transformed {
    events: List,
    notes: List,
    pending_from: OptionalLine,
}

/// `failure`, as its case `internal`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Internal {
    case: u8,
    text: List,
}

#[repr(C)]
union Answered {
    transformed: Transformed,
    internal: Internal,
}

/// `result<transformed, failure>`: what a function returns the address of.
#[repr(C)]
pub(crate) struct Returned {
    is_error: bool,
    answered: Answered,
}

#[cfg(target_arch = "wasm32")]
const _: () = assert!(size_of::<Event>() == 24 && size_of::<Note>() == 32 && size_of::<Returned>() == 40);

impl Returned {
    /// The guest met a state that it did not expect.
    pub(crate) fn internal(text: &'static str) -> Self {
        let internal = Internal { case: 1, text: List::of(text.as_bytes()) };
        Self { is_error: true, answered: Answered { internal } }
    }
}

/// What a call found. It is pointed at until the host has read it, so what is in it doesn't move:
/// no text grows beyond the room that it was made with.
#[derive(Default)]
pub(crate) struct Answer {
    events: Vec<Event>,
    notes: Vec<Note>,
    /// Texts that messages share.
    shared: Vec<String>,
    /// Messages that have texts of their own.
    own: Vec<String>,
    reasons: Vec<String>,
}

impl Answer {
    /// What is returned of it.
    pub(crate) fn returned(&self, pending_from: Option<u64>) -> Returned {
        let pending_from = OptionalLine { is_some: pending_from.is_some(), line: pending_from.unwrap_or(0) };
        let (events, notes) = (List::of(&self.events), List::of(&self.notes));
        let transformed = Transformed { events, notes, pending_from };
        Returned { is_error: false, answered: Answered { transformed } }
    }

    /// Forgets it, once the host has read it; the room of a usual one is used again.
    pub(crate) fn clear(&mut self) {
        self.events.clear();
        self.events.shrink_to(USUAL);
        self.notes.clear();
        self.notes.shrink_to(USUAL);
        self.shared.truncate(1);
        self.shared.iter_mut().for_each(String::clear);
        self.shared.shrink_to(USUAL);
        self.own = Vec::new();
        self.reasons = Vec::new();
    }

    /// Copies a message.
    fn copied(&mut self, text: &str) -> List {
        if text.len() >= OWN_BYTES {
            return self.kept(text.to_owned());
        }
        let has_room = |shared: &String| shared.capacity() - shared.len() >= text.len();
        if !self.shared.last().is_some_and(has_room) {
            self.shared.push(String::with_capacity(SHARED_BYTES));
        }
        let Some(shared) = self.shared.last_mut() else { return List::of(&[0_u8; 0]) };
        let start = shared.len();
        shared.push_str(text);
        List::of(shared.as_bytes().get(start..).unwrap_or_default())
    }

    fn kept(&mut self, text: String) -> List {
        let list = List::of(text.as_bytes());
        self.own.push(text);
        list
    }

    fn reason(&mut self, reason: String) -> List {
        let known = self.reasons.iter().rev().take(COMPARED_REASONS).find(|known| **known == reason);
        if let Some(known) = known {
            return List::of(known.as_bytes());
        }
        let list = List::of(reason.as_bytes());
        self.reasons.push(reason);
        list
    }
}

/// The lines of a call outlive its answer.
impl<'a> Findings<'a> for Answer {
    #[inline(always)]
    fn mark(&self) -> Mark {
        let of_last = self.shared.last().map_or(0, String::len);
        Mark { events: self.events.len(), texts: [self.shared.len(), of_last, self.own.len()] }
    }

    fn take_back(&mut self, to: Mark) {
        let [shared, of_last, own] = to.texts;
        self.events.truncate(to.events);
        self.own.truncate(own);
        self.shared.truncate(shared);
        if let Some(last) = self.shared.last_mut() {
            last.truncate(of_last);
        }
    }

    fn reserve(&mut self, events: usize, notes: usize) {
        self.events.reserve_exact(events);
        self.notes.reserve_exact(notes);
    }

    #[inline(always)]
    fn event(&mut self, line: u64, timestamp: i64, message: Message<'a, '_>) {
        let message = match message {
            Message::InLine(text) => List::of(text.as_bytes()),
            Message::Passing(text) => self.copied(text),
            Message::Own(text) => self.kept(text),
        };
        self.events.push(Event { line, timestamp, message });
    }

    fn note(&mut self, line: u64, verdict: Verdict) {
        let (verdict, reason) = match verdict {
            Verdict::Joined => (Case::Joined, List::of(&[0_u8; 0])),
            Verdict::Malformed(reason) => (Case::Malformed, self.reason(reason)),
        };
        match self.notes.last_mut() {
            Some(note) if (note.verdict, note.reason) == (verdict, reason) && note.last + 1 == line => note.last = line,
            _ => self.notes.push(Note { first: line, last: line, verdict, reason }),
        }
    }
}

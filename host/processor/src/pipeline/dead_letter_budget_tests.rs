use super::*;
use crate::delivery::dead_letter::{DeadLetterStore, DeadLetterWriter, Provenance};
use crate::pipeline::outbox::Undeliverable;
use crate::pipeline::put::tests::job;
use model::DestinationKind;

fn letter(line: u64, reason: Reason, data: &str) -> DeadLetter {
    let (detail, offset) = ("no JSON".to_owned(), Some(line * 10));
    Undeliverable { reason, detail, line, offset, length: 5, data: data.into() }.into_letter(&job())
}

/// How many are kept of so many letters of so many stored bytes, and their size.
fn kept(budget: &mut DeadLetterBudget, lines: std::ops::Range<u64>, data: &str) -> (u64, u64) {
    let kept: Vec<_> = lines.filter_map(|line| budget.admit(letter(line, Reason::Malformed, data))).collect();
    (kept.len() as u64, kept.iter().map(written_bytes).sum())
}

#[test]
fn letters_are_kept_up_to_a_multiple_of_what_is_stored() {
    for (stored, most) in [(0, MIN_BYTES), (1000, MIN_BYTES), (100_000, 1_600_000), (10_000_000, 160_000_000)] {
        let mut budget = DeadLetterBudget::new(stored);
        let (count, bytes) = kept(&mut budget, 0..20_000, "{oops");
        assert!(bytes <= most, "{bytes} of {most}");
        assert_eq!(budget.is_exhausted(), count < 20_000);
        assert!(!budget.is_exhausted() || bytes + 1000 > most, "{bytes} of {most}: more would have fitted");
    }
}

#[test]
fn of_the_others_one_letter_a_reason_says_how_many_and_where() {
    let mut budget = DeadLetterBudget::new(0);
    assert!(budget.take_overflow(&job()).is_empty());
    let large = "x".repeat(250_000);
    assert_eq!(
        budget.admit(letter(7, Reason::Malformed, &"x".repeat(200_000))).map(|letter| letter.lines),
        Some(Some((7, 7)))
    );
    for line in [8, 9, 10, 11, 12] {
        assert_eq!(budget.admit(letter(line, Reason::Malformed, &large)).is_some(), line < 11);
    }
    assert!(budget.admit(letter(13, Reason::TooOld, "tiny")).is_none(), "none that follows is kept");
    budget.count_overflow(Reason::TooOld, 5, None);
    budget.count_overflow(Reason::TooOld, 13, Some(130));
    let rest = budget.take_overflow(&job());
    let told: Vec<_> = rest.iter().map(|rest| (rest.reason, rest.lines, rest.offset, rest.count)).collect();
    let expected =
        [(Reason::Malformed, Some((11, 12)), Some(110), Some(2)), (Reason::TooOld, Some((5, 13)), None, Some(3))];
    assert_eq!(told, expected);
    assert!(rest[0].detail.contains("2 more lines") && rest[0].data.is_empty(), "{}", rest[0].detail);
    assert!(budget.take_overflow(&job()).is_empty(), "it is told once");
    assert!(budget.is_exhausted());
}

#[test]
fn a_letter_is_never_much_larger_than_it_is_thought() {
    let folder = tempfile::tempdir().unwrap();
    let store = DeadLetterStore::Folder(folder.path().to_owned().into());
    let provenance = Provenance {
        etag: Some("0123456789abcdef0123456789abcdef-123".to_owned()),
        version_id: Some("x".repeat(36)),
        component: Some("0".repeat(64)),
        attempt: 1000,
    };
    let job = job();
    let letters = DeadLetterWriter::new(store, &job.object, Some(DestinationKind::CloudWatch), provenance);
    let binary = DeadLetter { data: vec![0xff; 1000], ..letter(1, Reason::Malformed, "") };
    for letter in [letter(0, Reason::Malformed, "\u{1}\"{"), binary, letter(2, Reason::TooOld, &"x".repeat(300 << 10))]
    {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(letters.write(std::slice::from_ref(&letter))).unwrap();
        let mut folders = vec![folder.path().to_owned()];
        let mut written = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                if entry.path().is_dir() {
                    folders.push(entry.path());
                } else {
                    written += entry.metadata().unwrap().len();
                    std::fs::remove_file(entry.path()).unwrap();
                }
            }
        }
        let thought = written_bytes(&letter);
        assert!(written > 0 && written <= thought && thought < written + 256, "{written}, thought {thought}");
    }
}

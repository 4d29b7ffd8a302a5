//! S3's limits on objects that are copied or uploaded in parts, and what follows from them.

use std::ops::Range;
use std::time::Duration;

/// Bytes that one CopyObject takes. Source: API_CopyObject.
pub(super) const MAX_COPY_BYTES: u64 = 5 * 1024 * 1024 * 1024;

/// Parts of an upload. Source: Amazon S3 multipart upload limits.
const MAX_PARTS: u64 = 10_000;

/// Bytes of a part that is copied: smaller ones would only be more calls.
const MIN_PART_BYTES: u64 = 512 * 1024 * 1024;

/// Parts of one object that are copied at the same time.
pub(super) const COPIES_IN_FLIGHT: usize = 4;

/// Bytes per second below which a copy counts as hanging. S3 answers when all is copied,
/// at many times this speed.
const MIN_COPY_RATE: u64 = 32 * 1024 * 1024;

/// The time that a copy of this many bytes may take, beyond the timeout of any call.
pub(super) fn copy_timeout(bytes: u64) -> Duration {
    Duration::from_secs(bytes / MIN_COPY_RATE)
}

/// The byte ranges of an object's parts: each of whole MiB, but for the last.
pub(super) fn part_ranges(size: u64) -> Vec<Range<u64>> {
    let mib = 1024 * 1024;
    let part = size.div_ceil(MAX_PARTS).next_multiple_of(mib).max(MIN_PART_BYTES);
    let mut ranges = Vec::new();
    let mut start = 0;
    while start < size {
        let end = size.min(start.saturating_add(part));
        ranges.push(start..end);
        start = end;
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_never_too_many_nor_too_small() {
        for size in [5 * (1_u64 << 30) + 1, 5 << 40, 48 << 40] {
            let ranges = part_ranges(size);
            assert!(ranges.len() <= 10_000);
            assert_eq!((ranges[0].start, ranges.last().unwrap().end), (0, size));
            assert!(
                ranges
                    .windows(2)
                    .all(|pair| { pair[0].end == pair[1].start && pair[0].end - pair[0].start >= 512 << 20 })
            );
        }
    }
}

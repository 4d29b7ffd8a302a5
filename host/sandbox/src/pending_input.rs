//! Input that a guest has not settled yet: it may still speak of these lines.

use std::collections::VecDeque;

use crate::error::{GuestError, GuestLimit};
use crate::limits::setting;

/// Chunks of input that have a line which the guest has not settled. They are counted
/// whole, because the host keeps them whole.
#[derive(Default)]
pub(crate) struct PendingInput {
    /// For each chunk: the line after its last, and its bytes.
    chunks: VecDeque<(u64, usize)>,
    /// Bytes of these chunks.
    pub(crate) bytes: usize,
    /// Fuel that was given for what is pending, and not used yet.
    pub(crate) unspent_fuel: u64,
}

impl PendingInput {
    /// Adds a chunk; returns the bytes of all that is pending with it.
    pub(crate) fn add(&mut self, end_line: u64, bytes: usize) -> usize {
        self.chunks.push_back((end_line, bytes));
        self.bytes = self.bytes.saturating_add(bytes);
        self.bytes
    }

    /// Settles the lines before `pending_from`; what is still pending must be within
    /// `limit` bytes. `fuel_left`: what the call left of its fuel.
    pub(crate) fn settle(
        &mut self,
        function: &'static str,
        pending_from: u64,
        fuel_left: u64,
        limit: usize,
    ) -> Result<(), GuestError> {
        while let Some((_, bytes)) = self.chunks.pop_front_if(|(end_line, _)| *end_line <= pending_from) {
            self.bytes = self.bytes.saturating_sub(bytes);
        }
        self.unspent_fuel = if self.chunks.is_empty() { 0 } else { fuel_left };
        if self.bytes <= limit {
            return Ok(());
        }
        let detail = format!(
            "{} bytes of lines are held back, at most {limit} may be ({}): settle lines sooner",
            self.bytes,
            setting::HELD_BACK
        );
        Err(GuestError::Limit { function, limit: GuestLimit::HeldBack, detail })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_let_go_counts_no_more() {
        let mut pending = PendingInput::default();
        for chunk in 1..1000 {
            // A guest that joins lines always holds the last one back.
            assert!(pending.add(chunk * 10, 100) <= 200);
            pending.settle("transform", chunk * 10 - 1, 7, 150).unwrap();
            assert_eq!(pending.unspent_fuel, 7);
        }
        pending.settle("transform", 9990, 7, 0).unwrap();
        assert_eq!((pending.bytes, pending.unspent_fuel), (0, 0));
    }

    #[test]
    fn what_is_never_let_go_is_refused() {
        let mut pending = PendingInput::default();
        pending.add(10, 100);
        pending.settle("transform", 0, 7, 150).unwrap();
        pending.add(20, 100);
        let error = pending.settle("transform", 0, 7, 150).unwrap_err();
        assert_eq!(error.name(), "guest-held-back");
        assert!(
            error.to_string().contains("200 bytes") && error.to_string().contains("PLUGIN_MAX_HELD_BYTES"),
            "{error}"
        );
    }
}

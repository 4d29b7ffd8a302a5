//! What a guest holds back of its input, by the chunk.

use std::collections::VecDeque;

use crate::error::GuestError;
use crate::limits::setting;

/// Input that a guest may still speak of: the chunks that have a line which it
/// has not settled. The host keeps them too.
#[derive(Default)]
pub(crate) struct HeldBack {
    /// The line after each chunk's last, and its bytes.
    chunks: VecDeque<(u64, usize)>,
    pub(crate) bytes: usize,
    /// Fuel that was given for what is held back, and not used yet.
    pub(crate) unspent_fuel: u64,
}

impl HeldBack {
    /// A chunk goes in; returns the bytes of all that is open with it.
    pub(crate) fn add(&mut self, end_line: u64, bytes: usize) -> usize {
        self.chunks.push_back((end_line, bytes));
        self.bytes = self.bytes.saturating_add(bytes);
        self.bytes
    }

    /// Lines before `pending_from` are settled; what is left must be within `limit`.
    /// `left`: what the call left of its fuel.
    pub(crate) fn settle(
        &mut self,
        function: &'static str,
        pending_from: u64,
        left: u64,
        limit: usize,
    ) -> Result<(), GuestError> {
        while let Some((_, bytes)) = self.chunks.pop_front_if(|(end_line, _)| *end_line <= pending_from) {
            self.bytes = self.bytes.saturating_sub(bytes);
        }
        self.unspent_fuel = if self.chunks.is_empty() { 0 } else { left };
        if self.bytes <= limit {
            return Ok(());
        }
        let detail = format!(
            "{} bytes of lines are held back, at most {limit} may be ({}): settle lines sooner",
            self.bytes,
            setting::HELD_BACK
        );
        Err(GuestError::Limit { function, limit: "held-back", detail })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_let_go_counts_no_more() {
        let mut held = HeldBack::default();
        for chunk in 1..1000 {
            // A guest that joins lines always holds the last one back.
            assert!(held.add(chunk * 10, 100) <= 200);
            held.settle("transform", chunk * 10 - 1, 7, 150).unwrap();
            assert_eq!(held.unspent_fuel, 7);
        }
        held.settle("transform", 9990, 7, 0).unwrap();
        assert_eq!((held.bytes, held.unspent_fuel), (0, 0));
    }

    #[test]
    fn what_is_never_let_go_is_refused() {
        let mut held = HeldBack::default();
        held.add(10, 100);
        held.settle("transform", 0, 7, 150).unwrap();
        held.add(20, 100);
        let error = held.settle("transform", 0, 7, 150).unwrap_err();
        assert_eq!(error.name(), "guest-held-back");
        assert!(
            error.to_string().contains("200 bytes") && error.to_string().contains("PLUGIN_MAX_HELD_BYTES"),
            "{error}"
        );
    }
}

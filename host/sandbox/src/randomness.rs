//! Randomness that comes of the object, so that runs repeat.

use sha2::{Digest, Sha256};

/// An instance's randomness: hashes of the seed and of a number that counts up.
pub(crate) struct Randomness {
    seed: [u8; 32],
    blocks: u64,
}

impl Randomness {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self { seed, blocks: 0 }
    }

    /// The next 32 bytes.
    fn block(&mut self) -> [u8; 32] {
        let block = Sha256::new().chain_update(self.seed).chain_update(self.blocks.to_le_bytes()).finalize();
        self.blocks = self.blocks.wrapping_add(1);
        block.into()
    }

    /// So many of the next bytes.
    pub(crate) fn bytes(&mut self, asked: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(asked.next_multiple_of(32));
        while bytes.len() < asked {
            bytes.extend_from_slice(&self.block());
        }
        bytes.truncate(asked);
        bytes
    }

    /// The next two numbers.
    pub(crate) fn numbers(&mut self) -> (u64, u64) {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = self.block();
        (u64::from_le_bytes([a, b, c, d, e, f, g, h]), u64::from_le_bytes([i, j, k, l, m, n, o, p]))
    }
}

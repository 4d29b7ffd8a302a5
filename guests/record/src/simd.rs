//! The one hot loop: how far a string goes before a byte that matters.

/// Bytes looked at together. Most strings of a log record are shorter, so that
/// one look, and one branch that is nearly always foreseen, is all they cost.
pub(crate) const BLOCK: usize = 32;

/// Bytes in a vector of the machine.
const LANES: usize = 16;

/// How many bytes at the start of `block` are neither `"` nor `\` nor control
/// characters, so that they can only be the inside of a string.
#[inline(always)]
pub(crate) fn plain_run(block: &[u8; BLOCK]) -> usize {
    let (halves, _) = block.as_chunks::<LANES>();
    let [low, high] = halves else { return 0 };
    let marks = u64::from(special(high)) << LANES | u64::from(special(low));
    (marks | 1 << BLOCK).trailing_zeros() as usize
}

/// A bit for each byte that is `"` or `\` or a control character.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "loading a vector has no safe form")]
#[inline(always)]
fn special(lanes: &[u8; LANES]) -> u32 {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128,
        _mm_set1_epi8,
    };
    // SAFETY: every x86-64 has SSE2; an unaligned load reads exactly `lanes`.
    let mask = unsafe {
        let bytes = _mm_loadu_si128(lanes.as_ptr().cast::<__m128i>());
        let last_control = _mm_set1_epi8(0x1f);
        let quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x22));
        let backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x5c));
        let control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, last_control), bytes);
        _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), control))
    };
    mask.cast_unsigned()
}

/// A bit for each byte that is `"` or `\` or a control character.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
#[allow(unsafe_code, reason = "loading a vector has no safe form")]
#[inline(always)]
fn special(lanes: &[u8; LANES]) -> u32 {
    use std::arch::wasm32::{
        u8x16_bitmask, u8x16_eq, u8x16_min, u8x16_splat, v128, v128_load, v128_or,
    };
    // SAFETY: the load has no alignment to keep and reads exactly `lanes`.
    let bytes = unsafe { v128_load(lanes.as_ptr().cast::<v128>()) };
    let quote = u8x16_eq(bytes, u8x16_splat(b'"'));
    let backslash = u8x16_eq(bytes, u8x16_splat(b'\\'));
    let control = u8x16_eq(u8x16_min(bytes, u8x16_splat(0x1f)), bytes);
    u32::from(u8x16_bitmask(v128_or(v128_or(quote, backslash), control)))
}

/// A bit for each byte that is `"` or `\` or a control character.
#[cfg(not(any(
    target_arch = "x86_64",
    all(target_arch = "wasm32", target_feature = "simd128")
)))]
#[inline(always)]
fn special(lanes: &[u8; LANES]) -> u32 {
    portable(lanes)
}

/// The same in plain 64-bit arithmetic, for other machines.
#[cfg(any(
    test,
    not(any(
        target_arch = "x86_64",
        all(target_arch = "wasm32", target_feature = "simd128")
    ))
))]
fn portable(lanes: &[u8; LANES]) -> u32 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = ONES << 7;
    // The high bit of each byte that is zero; no carry leaves a byte.
    let zeros = |word: u64| !(((word & !HIGHS) + !HIGHS) | word) & HIGHS;
    let (words, _) = lanes.as_chunks::<8>();
    words.iter().rev().fold(0, |mask, word| {
        let word = u64::from_le_bytes(*word);
        let control = zeros(word & (ONES * 0xe0));
        let quote = zeros(word ^ (ONES * 0x22));
        let backslash = zeros(word ^ (ONES * 0x5c));
        // The multiplication gathers the eight high bits in the top byte.
        let marks = (control | quote | backslash) >> 7;
        let [.., gathered] = marks.wrapping_mul(0x0102_0408_1020_4080).to_le_bytes();
        mask << 8 | u32::from(gathered)
    })
}

/// Where `byte` first stands in `text`.
pub(crate) fn find(byte: u8, text: &[u8]) -> Option<usize> {
    // `contains` on bytes is the standard library's fast search; it only lacks
    // the position.
    let mut before = 0;
    for piece in text.chunks(128) {
        if piece.contains(&byte) {
            let within = piece.iter().position(|&other| other == byte);
            return within.map(|at| before + at);
        }
        before += piece.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slow(block: &[u8; BLOCK]) -> usize {
        let special = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
        block.iter().position(special).unwrap_or(BLOCK)
    }

    #[test]
    fn every_byte_at_every_place() {
        for byte in 0..=255 {
            for filler in [b'a', 0x20, 0x21, 0x80, 0xff, b'"'] {
                for at in 0..BLOCK {
                    let mut block = [filler; BLOCK];
                    block[at] = byte;
                    assert_eq!(plain_run(&block), slow(&block), "{block:?}");
                    for lanes in block.as_chunks::<LANES>().0 {
                        assert_eq!(portable(lanes), special(lanes), "{lanes:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn finds_the_first() {
        for length in 0..300 {
            let mut text = vec![b'a'; length];
            assert_eq!(find(b'\n', &text), None);
            text.extend_from_slice(b"\nb\n");
            assert_eq!(find(b'\n', &text), Some(length));
        }
    }
}

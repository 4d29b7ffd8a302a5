//! The one hot loop: how far a string goes before a byte that matters.

/// Bytes looked at together.
pub(crate) const BLOCK: usize = 16;

/// The number of bytes at the start of `block` that are neither `"` nor `\` nor control
/// characters, so that they can only be the inside of a string.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "loading a vector has no safe form")]
#[inline(always)]
pub(crate) fn plain_run(block: &[u8; BLOCK]) -> usize {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8,
    };
    // SAFETY: every x86-64 has SSE2; an unaligned load reads exactly `block`.
    let mask = unsafe {
        let bytes = _mm_loadu_si128(block.as_ptr().cast::<__m128i>());
        let last_control = _mm_set1_epi8(0x1f);
        let quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x22));
        let backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x5c));
        let control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, last_control), bytes);
        _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), control))
    };
    (mask.cast_unsigned() | 1 << BLOCK).trailing_zeros() as usize
}

/// The number of bytes at the start of `block` that are neither `"` nor `\` nor control
/// characters, so that they can only be the inside of a string.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
#[allow(unsafe_code, reason = "loading a vector has no safe form")]
#[inline(always)]
pub(crate) fn plain_run(block: &[u8; BLOCK]) -> usize {
    use std::arch::wasm32::{u8x16_bitmask, u8x16_eq, u8x16_min, u8x16_splat, v128, v128_load, v128_or};
    // SAFETY: the load has no alignment to keep and reads exactly `block`.
    let bytes = unsafe { v128_load(block.as_ptr().cast::<v128>()) };
    let quote = u8x16_eq(bytes, u8x16_splat(b'"'));
    let backslash = u8x16_eq(bytes, u8x16_splat(b'\\'));
    let control = u8x16_eq(u8x16_min(bytes, u8x16_splat(0x1f)), bytes);
    let mask = u8x16_bitmask(v128_or(v128_or(quote, backslash), control));
    (u32::from(mask) | 1 << BLOCK).trailing_zeros() as usize
}

/// The number of bytes at the start of `block` that are neither `"` nor `\` nor control
/// characters, so that they can only be the inside of a string.
#[cfg(not(any(target_arch = "x86_64", all(target_arch = "wasm32", target_feature = "simd128"))))]
#[inline(always)]
pub(crate) fn plain_run(block: &[u8; BLOCK]) -> usize {
    portable(block)
}

/// Counts in plain 64-bit arithmetic, for other machines.
#[cfg(any(test, not(any(target_arch = "x86_64", all(target_arch = "wasm32", target_feature = "simd128")))))]
fn portable(block: &[u8; BLOCK]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = ONES << 7;
    // The high bit of each byte below `limit`. A borrow can mark bytes behind
    // a marked one wrongly, never before it, and the first is all that counts.
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word & HIGHS;
    let special = |bytes: u128, shift: u32| {
        let word = u64::try_from((bytes >> shift) & u128::from(u64::MAX)).unwrap_or(u64::MAX);
        below(word, 0x20) | below(word ^ (ONES * 0x22), 1) | below(word ^ (ONES * 0x5c), 1)
    };
    let bytes = u128::from_le_bytes(*block);
    let marks = u128::from(special(bytes, 64)) << 64 | u128::from(special(bytes, 0));
    (marks.trailing_zeros() / 8) as usize
}

/// The number of bytes at the start of `text` that are plain in the sense of [`plain_run`].
#[inline(always)]
pub(crate) fn plain_prefix(text: &[u8]) -> usize {
    let mut length = 0;
    loop {
        let rest = text.get(length..).unwrap_or_default();
        let Some(block) = rest.first_chunk::<BLOCK>() else {
            let special = |byte: &u8| matches!(byte, 0..0x20 | b'"' | b'\\');
            return length + rest.iter().position(special).unwrap_or(rest.len());
        };
        let run = plain_run(block);
        length += run;
        if run < BLOCK {
            return length;
        }
    }
}

/// The position of the first `byte` in `text`.
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
                    assert_eq!(portable(&block), slow(&block), "{block:?}");
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

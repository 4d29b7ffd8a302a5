//! Numbers as Go's `encoding/json` writes them.

use crate::text::Out;

/// The number below which Go writes an exponent; as from [`EXPONENT_FROM`] on.
const EXPONENT_BELOW: f64 = 1e-6;
const EXPONENT_FROM: f64 = 1e21;

/// A number literal shorter than this, without exponent, is never beyond
/// float64, whose greatest value has 309 digits.
const SURELY_FINITE: usize = 300;

/// Whether a literal has neither fraction nor exponent.
fn is_integer(literal: &[u8]) -> bool {
    !literal.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E'))
}

/// The nearest float64 to a JSON number; beyond float64, an infinity.
pub(crate) fn value(literal: &[u8]) -> f64 {
    let parsed = std::str::from_utf8(literal).map(str::parse);
    parsed.map_or(f64::NAN, |number| number.unwrap_or(f64::NAN))
}

/// Whether a float64 can hold a JSON number.
pub(crate) fn is_finite(literal: &[u8]) -> bool {
    (literal.len() < SURELY_FINITE && is_integer(literal)) || value(literal).is_finite()
}

/// Writes a JSON number: an integer keeps its digits, any other becomes the
/// shortest float64 form.
pub(crate) fn write(literal: &[u8], out: &mut impl Out) {
    match std::str::from_utf8(literal) {
        Ok(digits) if is_integer(literal) => out.push_str(digits),
        _ => write_float(value(literal), out),
    }
}

/// The most bytes that a JSON number, or `true`, `false` or `null`, is written in.
pub(crate) fn most_bytes(literal: &[u8]) -> usize {
    /// `-0.0000012345678901234567`.
    const LONGEST_FLOAT: usize = 25;
    let Some(at) = literal.iter().position(|byte| matches!(byte, b'e' | b'E')).filter(|&at| at > 0) else {
        return literal.len() + 1;
    };
    let exponent = literal.get(at + 1..).unwrap_or_default().iter().filter(|byte| byte.is_ascii_digit());
    let zeros = exponent.fold(0_usize, |all, digit| all.saturating_mul(10).saturating_add(usize::from(digit - b'0')));
    zeros.saturating_add(at + 2).min(LONGEST_FLOAT)
}

fn write_float(number: f64, out: &mut impl Out) {
    if number.is_sign_negative() {
        out.push('-');
    }
    let size = number.abs();
    let text = shortest(size);
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    if size == 0.0 || (EXPONENT_BELOW..EXPONENT_FROM).contains(&size) {
        let exponent = exponent.parse().unwrap_or(0);
        return write_decimal(mantissa, exponent, out);
    }
    out.push_str(mantissa);
    out.push('e');
    // Rust's exponents carry no plus sign, Go's do.
    if !exponent.starts_with('-') {
        out.push('+');
    }
    out.push_str(exponent);
}

/// The shortest digits that mean `size`, as `d.ddde±x`. Where two are as short
/// and as near, Go takes the even one and Rust's shortest form the greater.
fn shortest(size: f64) -> String {
    let shortest = format!("{size:e}");
    let decimals = shortest.find('e').unwrap_or(0).saturating_sub(2);
    // With fewer digits, float64 is too fine for two to be equally near.
    if decimals >= 14 {
        let even = format!("{size:.decimals$e}");
        if even.parse() == Ok(size) {
            return even;
        }
    }
    shortest
}

/// Writes `d.ddd` times ten to the `exponent` without an exponent.
fn write_decimal(mantissa: &str, exponent: i32, out: &mut impl Out) {
    if exponent < 0 {
        out.push_str("0.");
        (exponent + 1..0).for_each(|_| out.push('0'));
    }
    let mut left = exponent;
    for digit in mantissa.chars().filter(char::is_ascii_digit) {
        if left == -1 && exponent >= 0 {
            out.push('.');
        }
        out.push(digit);
        left -= 1;
    }
    (0..=left).for_each(|_| out.push('0'));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_go_writes() {
        for (literal, expected) in [
            ("0", "0"),
            ("-0", "-0"),
            ("-0.0", "-0"),
            ("0e5", "0"),
            ("1.0", "1"),
            ("1e3", "1000"),
            ("1E+2", "100"),
            ("1e21", "1e+21"),
            ("1e20", "100000000000000000000"),
            ("1e-7", "1e-7"),
            ("1.50e-9", "1.5e-9"),
            ("0.000001", "0.000001"),
            ("0.0000009", "9e-7"),
            ("123456789.123456789", "123456789.12345679"),
            ("1e-400", "0"),
            ("-1e-400", "-0"),
            ("5e-324", "5e-324"),
            ("1.7976931348623157e308", "1.7976931348623157e+308"),
            ("9007199254740993", "9007199254740993"),
            ("0.30000000000000004", "0.30000000000000004"),
            ("100000000000000000001", "100000000000000000001"),
            ("-1.25e100", "-1.25e+100"),
            ("765209150495021.25", "765209150495021.2"),
            ("765209150495021.75", "765209150495021.8"),
            ("120.5", "120.5"),
            ("0.00012", "0.00012"),
            ("10000000000000000.0", "10000000000000000"),
        ] {
            let mut out = String::new();
            write(literal.as_bytes(), &mut out);
            assert_eq!(out, expected, "{literal}");
            assert!(out.len() <= most_bytes(literal.as_bytes()), "{literal}");
        }
        assert!(["true", "false", "null"].iter().all(|literal| most_bytes(literal.as_bytes()) >= literal.len()));
    }

    #[test]
    fn float64_has_an_end() {
        let digits = |count| "9".repeat(count);
        for (literal, expected) in [
            ("1e308".to_owned(), true),
            ("1e309".to_owned(), false),
            ("-1e309".to_owned(), false),
            ("1e-999".to_owned(), true),
            (digits(308), true),
            (digits(309), false),
            (format!("0.{}", digits(400)), true),
            ("1.7976931348623159e308".to_owned(), false),
        ] {
            assert_eq!(is_finite(literal.as_bytes()), expected, "{literal}");
        }
    }
}

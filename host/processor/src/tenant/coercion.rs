//! Values that tools write to DynamoDB in another type than was meant. A value that can mean
//! only one thing is taken for that; anything else is a problem, and never taken for "off".

use super::rules;
use super::tree::Value;
use model::DestinationKind;

/// The type that an item's unknown `type` was meant to be: `S3`, `cloudwach` or
/// `cloudwatch-logs`. The type is part of the item's key, so correcting it makes another item,
/// and only the name connects the two.
pub fn intended_type(kind: &str) -> Option<DestinationKind> {
    let types = DestinationKind::ALL;
    let plain: String = kind.chars().filter(char::is_ascii_alphanumeric).collect();
    let plain = plain.to_ascii_lowercase();
    let mut named = types.into_iter().filter(|known| plain.contains(known.name()));
    match (named.next(), named.next()) {
        (Some(only), None) => Some(only),
        (None, _) => {
            rules::nearest(&plain, types.map(DestinationKind::name).into_iter()).and_then(DestinationKind::parse)
        }
        (Some(_), Some(_)) => None,
    }
}

/// The age in seconds up to which DynamoDB deletes an expired item: an older time is taken for
/// a mistake, and the item is kept. Source: Using time to live (TTL) in DynamoDB.
const MAX_EXPIRED_AGE: i64 = 5 * 365 * 24 * 60 * 60;

/// Reads a boolean, also from a text or number.
pub(super) fn coerce_bool(value: &Value) -> Option<bool> {
    let text = match value {
        Value::Bool(on) => return Some(*on),
        Value::Text(text) => text.trim(),
        Value::Number(number) => number,
        _ => return None,
    };
    match text {
        "1" => Some(true),
        "0" => Some(false),
        text if text.eq_ignore_ascii_case("true") => Some(true),
        text if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// Reads a list from a text: JSON, or separated by commas. A list without elements is refused,
/// since an empty list would want everything.
pub(super) fn coerce_list(text: &str) -> Option<Vec<String>> {
    if text.trim_start().starts_with('[') {
        let list: Vec<String> = serde_json::from_str(text).ok()?;
        return Some(list).filter(|list| list.iter().any(|element| !element.is_empty()));
    }
    let plain = |element: &&str| !element.contains(|c: char| c.is_control() || "\"'[]{}".contains(c));
    let elements: Vec<&str> = text.split(',').map(str::trim).filter(|element| !element.is_empty()).collect();
    let good = !elements.is_empty() && elements.iter().all(plain);
    good.then(|| elements.into_iter().map(str::to_owned).collect())
}

/// Whether a time has passed, as DynamoDB judges it: only a number of seconds since the Unix
/// epoch, at most five years ago.
pub(super) fn is_expired(value: &Value, now: i64) -> bool {
    let Value::Number(number) = value else { return false };
    let Ok(seconds) = number.parse::<f64>() else { return false };
    let ago = |seconds: i64| seconds.to_string().parse::<f64>().unwrap_or_default();
    (ago(now.saturating_sub(MAX_EXPIRED_AGE))..ago(now)).contains(&seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_is_on_or_off_where_it_can_mean_nothing_else() {
        let text = |text: &str| Value::Text(text.to_owned());
        let number = |number: &str| Value::Number(number.to_owned());
        for on in [Value::Bool(true), text("true"), text("True"), text(" TRUE "), text("1"), number("1")] {
            assert_eq!(coerce_bool(&on), Some(true), "{on:?}");
        }
        for off in [Value::Bool(false), text("false"), text("False"), text("0"), number("0")] {
            assert_eq!(coerce_bool(&off), Some(false), "{off:?}");
        }
        for odd in [text(""), text("yes"), text("no"), text("enabled"), number("2"), number("-1"), Value::Null] {
            assert_eq!(coerce_bool(&odd), None, "{odd:?}");
        }
    }

    #[test]
    fn a_type_is_meant_to_be_what_it_names_or_is_near() {
        for kind in ["S3", "s3 ", "S-3", "aws:s3", "s3-bucket"] {
            assert_eq!(intended_type(kind), Some(DestinationKind::S3), "{kind}");
        }
        for kind in ["CloudWatch", "Cloud-Watch", "cloudwach", "clodwatch", "cloudwatchs", "cloudwatch-logs"] {
            assert_eq!(intended_type(kind), Some(DestinationKind::CloudWatch), "{kind}");
        }
        for kind in ["", " ", "kinesis", "cloudwatch+s3", "s", "ß3", &"x".repeat(64)] {
            assert_eq!(intended_type(kind), None, "{kind}");
        }
    }

    #[test]
    fn a_list_may_be_a_text() {
        let of = |text: &str| coerce_list(text).map(|list| list.join("|"));
        for (text, elements) in [
            ("app", "app"),
            ("app,other", "app|other"),
            (" app , Controller Manager ,", "app|Controller Manager"),
            ("[\"app\", \"a,b\"]", "app|a,b"),
        ] {
            assert_eq!(of(text).as_deref(), Some(elements), "{text}");
        }
        for odd in ["", " ", ",", "[]", "[\"\"]", "[app]", "[1]", "{a}", "\"app\"", "'app'", "a\nb"] {
            assert_eq!(of(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_time_that_has_come_is_a_number_of_seconds_of_late() {
        const NOW: i64 = 1_760_000_000;
        let number = |seconds: i64| Value::Number(seconds.to_string());
        for past in [NOW - 1, NOW - 86_400, NOW - MAX_EXPIRED_AGE] {
            assert!(is_expired(&number(past), NOW), "{past}");
        }
        for other in [NOW, NOW + 1, 0, -1, NOW - MAX_EXPIRED_AGE - 1, (NOW - 1) * 1000] {
            assert!(!is_expired(&number(other), NOW), "{other}");
        }
        for odd in ["1759999999", "2025-06-01T10:00:00Z", ""] {
            assert!(!is_expired(&Value::Text(odd.to_owned()), NOW), "DynamoDB doesn't look at a text");
        }
        assert!(!is_expired(&Value::Number("NaN".to_owned()), NOW));
        assert!(is_expired(&Value::Number("1.759999999E9".to_owned()), NOW));
    }
}

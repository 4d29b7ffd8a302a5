//! CloudWatch: PutMetricData, which the SDK sends as CBOR.

use minicbor::data::Type;
use minicbor::decode::Error;
use minicbor::{Decoder, Encoder};
use serde_json::{Map, Value};

use crate::FakeAws;
use crate::call::{Call, Input};
use crate::clock;
use crate::identity::Session;
use crate::reply::{Refusal, Reply};
use crate::state::State;

/// Data of one call.
const MAX_DATA: usize = 1000;
/// Dimensions of one metric.
const MAX_DIMENSIONS: usize = 30;
/// Bytes of a request, as it is sent.
const MAX_BYTES: usize = 1_000_000;
/// The oldest datum that is taken, in seconds; and the most that one may be ahead.
const BEHIND: f64 = 14.0 * 86_400.0;
const AHEAD: f64 = 2.0 * 3600.0;

/// A datum as it was put. A single value is a set of one.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// Account of the session that put it.
    pub account: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Names and values.
    pub dimensions: Vec<(String, String)>,
    /// Such as `Count`.
    pub unit: String,
    /// The statistic set's minimum.
    pub minimum: f64,
    /// The statistic set's maximum.
    pub maximum: f64,
    /// The statistic set's sum.
    pub sum: f64,
    /// The statistic set's number of samples.
    pub samples: f64,
}

pub(crate) fn input(call: &mut Call) -> Result<Input, Refusal> {
    let json = value(&mut Decoder::new(&call.body))
        .map_err(|error| Refusal::bad("SerializationException", error.to_string()))?;
    call.resource = json["Namespace"].as_str().unwrap_or("").to_owned();
    Ok(Input::Json(json))
}

/// CBOR as JSON; times are numbers.
fn value(decoder: &mut Decoder<'_>) -> Result<Value, Error> {
    Ok(match decoder.datatype()? {
        Type::Bool => decoder.bool()?.into(),
        Type::Null | Type::Undefined => {
            decoder.skip()?;
            Value::Null
        }
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => decoder.u64()?.into(),
        Type::I8 | Type::I16 | Type::I32 | Type::I64 => decoder.i64()?.into(),
        // JSON has no NaN and no infinity: null, which is refused as they are.
        Type::F16 | Type::F32 | Type::F64 => decoder.f64()?.into(),
        Type::String | Type::StringIndef => decoder.str_iter()?.collect::<Result<String, _>>()?.into(),
        Type::Tag => {
            decoder.tag()?;
            value(decoder)?
        }
        Type::Array | Type::ArrayIndef => {
            let mut array = Vec::new();
            let mut left = decoder.array()?;
            while more(decoder, &mut left)? {
                array.push(value(decoder)?);
            }
            array.into()
        }
        Type::Map | Type::MapIndef => {
            let mut map = Map::new();
            let mut left = decoder.map()?;
            while more(decoder, &mut left)? {
                map.insert(decoder.str()?.to_owned(), value(decoder)?);
            }
            map.into()
        }
        other => return Err(Error::message(format!("{other} isn't played"))),
    })
}

fn more(decoder: &mut Decoder<'_>, left: &mut Option<u64>) -> Result<bool, Error> {
    if let Some(left) = left {
        let more = *left > 0;
        *left = left.saturating_sub(1);
        return Ok(more);
    }
    if decoder.datatype()? == Type::Break {
        decoder.skip()?;
        return Ok(false);
    }
    Ok(true)
}

pub(crate) fn run(state: &mut State, call: &Call, who: &Session) -> Result<Reply, Refusal> {
    if call.operation != "PutMetricData" {
        return Err(Refusal::bad("InvalidAction", format!("{} isn't played", call.operation)));
    }
    state.demand(call, who, "cloudwatch:PutMetricData", &call.resource)?;
    if call.bytes > MAX_BYTES {
        return Err(Refusal::new(413, "RequestEntityTooLarge", "Request size exceeds 1 MB"));
    }
    if call.resource.is_empty() || call.resource.len() > 255 || call.resource.starts_with("AWS/") {
        return Err(invalid("The value for parameter Namespace is invalid."));
    }
    let data = call.json()["MetricData"].as_array().map_or(&[][..], Vec::as_slice);
    if data.is_empty() || data.len() > MAX_DATA {
        return Err(invalid(&format!("The collection MetricData must have 1 to {MAX_DATA} members.")));
    }
    let metrics = data.iter().map(|datum| metric(datum, &call.resource, who)).collect::<Result<Vec<_>, _>>()?;
    state.metrics.extend(metrics);
    let mut encoder = Encoder::new(Vec::new());
    encoder.map(0).expect("memory");
    let mut reply =
        Reply::empty(200).header("content-type", "application/cbor").header("smithy-protocol", "rpc-v2-cbor");
    reply.body = encoder.into_writer().into();
    Ok(reply)
}

fn metric(datum: &Value, namespace: &str, who: &Session) -> Result<Metric, Refusal> {
    let name = datum["MetricName"].as_str().filter(|name| (1..=255).contains(&name.chars().count()) && is_plain(name));
    let name = name.ok_or_else(|| invalid("The parameter MetricData.member.MetricName is required."))?.to_owned();
    let pairs = datum["Dimensions"].as_array().map_or(&[][..], Vec::as_slice);
    if pairs.len() > MAX_DIMENSIONS {
        return Err(invalid("The collection Dimensions must not have more than 30 members."));
    }
    let dimensions = pairs.iter().map(|pair| Ok((dimension(pair, "Name", 255)?, dimension(pair, "Value", 1024)?)));
    let dimensions = dimensions.collect::<Result<Vec<_>, Refusal>>()?;
    if let Some(seconds) = datum["Timestamp"].as_f64() {
        let age = clock::now() as f64 / 1000.0 - seconds;
        if !(-AHEAD..=BEHIND).contains(&age) {
            return Err(invalid("The parameter MetricData.member.Timestamp is too far away."));
        }
    }
    let set = &datum["StatisticValues"];
    // By name: a NaN is null here.
    let has = |name: &str| datum.get(name).is_some();
    if has("Values") || set.is_object() == has("Value") {
        return Err(Refusal::bad("InvalidParameterCombinationException", "Value or StatisticValues, one of them."));
    }
    let number = |name: &str| {
        let value = if set.is_object() { &set[name] } else { &datum["Value"] };
        value.as_f64().ok_or_else(|| invalid(&format!("The value for parameter {name} must be a number.")))
    };
    let samples = if set.is_object() { number("SampleCount")? } else { 1.0 };
    let (minimum, maximum, sum) = (number("Minimum")?, number("Maximum")?, number("Sum")?);
    let in_range = |number: f64| number.abs() <= 2f64.powi(360);
    if samples <= 0.0 || minimum > maximum || ![minimum, maximum, sum, samples].into_iter().all(in_range) {
        return Err(invalid("The value for parameter StatisticValues is invalid."));
    }
    let (account, namespace) = (who.account.to_string(), namespace.to_owned());
    let unit = datum["Unit"].as_str().unwrap_or("None").to_owned();
    Ok(Metric { account, namespace, name, dimensions, unit, minimum, maximum, sum, samples })
}

/// Name or value of a dimension. Source: API_Dimension.
fn dimension(pair: &Value, part: &str, most: usize) -> Result<String, Refusal> {
    let refuse = |why: &str| {
        Err(invalid(&format!("The value for parameter MetricData.member.1.Dimensions.member.1.{part} {why}.")))
    };
    match pair[part].as_str() {
        None | Some("") => refuse("is required"),
        Some(text) if !is_plain(text) => refuse("contains non-ASCII or control characters"),
        Some(text) if text.len() > most => refuse("is too long"),
        Some(text) if text.starts_with(':') => refuse("starts with a colon"),
        Some(text) if text.trim().is_empty() => refuse("has no character that is not white space"),
        Some(text) => Ok(text.to_owned()),
    }
}

/// US-ASCII without control characters.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

fn invalid(message: &str) -> Refusal {
    Refusal::bad("InvalidParameterValueException", message)
}

impl FakeAws {
    /// All data, in the order they were put.
    pub fn metrics(&self) -> Vec<Metric> {
        self.state().metrics.clone()
    }
}

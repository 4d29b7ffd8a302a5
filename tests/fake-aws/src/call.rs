//! A request, as what it asks for: service, operation, resource, caller, input.

use std::fmt;
use std::io::Read as _;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use flate2::read::GzDecoder;
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::reply::Refusal;
use crate::{dynamodb, lambda, logs, metrics, s3, sqs, sts};

/// A service of AWS that is played here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "they are called that")]
pub enum Service {
    S3,
    Sqs,
    DynamoDb,
    Logs,
    Sts,
    CloudWatch,
    /// The runtime API that a function polls.
    Lambda,
}

impl Service {
    /// The name in a credential's scope.
    pub fn name(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Sqs => "sqs",
            Self::DynamoDb => "dynamodb",
            Self::Logs => "logs",
            Self::Sts => "sts",
            Self::CloudWatch => "monitoring",
            Self::Lambda => "lambda",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A request's body, parsed.
#[derive(Debug)]
pub(crate) enum Input {
    None,
    Json(Value),
    Form(Pairs),
    Events(logs::PutEvents),
}

/// A query string, or a form.
#[derive(Debug, Default)]
pub(crate) struct Pairs(Vec<(String, String)>);

impl Pairs {
    /// Decoded. A plus is a space in a form only.
    pub(crate) fn read(text: &str, form: bool) -> Self {
        let decode = |part: &str| {
            let part = if form { part.replace('+', " ") } else { part.to_owned() };
            percent_decode_str(&part).decode_utf8_lossy().into_owned()
        };
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(k, v)| (decode(k), decode(v))).collect(),
        )
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

/// A request.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) service: Service,
    pub(crate) operation: String,
    /// The name in rules and permissions: `bucket/key`, `group:stream`, a queue's or a table's
    /// name, a role's ARN, a namespace.
    pub(crate) resource: String,
    /// The scope of the credential.
    pub(crate) scope: Option<Scope>,
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) path: String,
    pub(crate) query: Pairs,
    pub(crate) body: Bytes,
    /// The body's length as it came.
    pub(crate) bytes: usize,
    pub(crate) input: Result<Input, Refusal>,
    pub(crate) arrived: Instant,
    /// The number of a batch's entries that are done, if a fault says so.
    pub(crate) taken_of_batch: Option<usize>,
}

/// The signer, and the region and service that the signature is for.
#[derive(Debug)]
pub(crate) struct Scope {
    pub(crate) access_key: String,
    pub(crate) region: String,
    pub(crate) service: String,
}

impl Call {
    /// Reads a request. Anything that came is a call; errors are in `input`.
    pub(crate) fn read(parts: Parts, body: Bytes, keep_events: bool) -> Self {
        let (service, operation) = service(&parts);
        let mut call = Self {
            service,
            operation,
            resource: String::new(),
            scope: scope(&parts.headers),
            path: parts.uri.path().to_owned(),
            query: Pairs::read(parts.uri.query().unwrap_or(""), false),
            method: parts.method,
            headers: parts.headers,
            bytes: body.len(),
            body: Bytes::new(),
            input: Ok(Input::None),
            arrived: Instant::now(),
            taken_of_batch: None,
        };
        match decode(&call.headers, body) {
            Ok(body) => call.body = body,
            Err(refusal) => call.input = Err(refusal),
        }
        if call.input.is_ok() {
            call.input = match service {
                Service::S3 => s3::input(&mut call),
                Service::Sqs => sqs::input(&mut call),
                Service::DynamoDb => dynamodb::input(&mut call),
                Service::Logs => logs::input(&mut call, keep_events),
                Service::Sts => sts::input(&mut call),
                Service::CloudWatch => metrics::input(&mut call),
                Service::Lambda => lambda::input(&mut call),
            };
        }
        call
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The region that the call went to.
    pub(crate) fn region(&self) -> &str {
        self.scope.as_ref().map_or("", |scope| &scope.region)
    }

    /// The body as JSON, or why it is none.
    pub(crate) fn read_json(&self) -> Result<Value, Refusal> {
        serde_json::from_slice(&self.body).map_err(|error| Refusal::bad("SerializationException", error.to_string()))
    }

    pub(crate) fn json(&self) -> &Value {
        if let Ok(Input::Json(value)) = &self.input { value } else { &Value::Null }
    }

    pub(crate) fn form(&self, name: &str) -> Option<&str> {
        if let Ok(Input::Form(pairs)) = &self.input { pairs.get(name) } else { None }
    }
}

/// Service and operation (S3's and Lambda's are found later).
fn service(parts: &Parts) -> (Service, String) {
    let target = parts.headers.get("x-amz-target").and_then(|value| value.to_str().ok());
    if let Some((prefix, operation)) = target.and_then(|target| target.split_once('.')) {
        match prefix {
            "AmazonSQS" => return (Service::Sqs, operation.to_owned()),
            "DynamoDB_20120810" => return (Service::DynamoDb, operation.to_owned()),
            "Logs_20140328" => return (Service::Logs, operation.to_owned()),
            _ => {}
        }
    }
    let path = parts.uri.path();
    if let Some((_, operation)) = path.split_once("/service/GraniteServiceVersion20100801/operation/") {
        return (Service::CloudWatch, operation.to_owned());
    }
    if path.starts_with(lambda::PREFIX) {
        return (Service::Lambda, String::new());
    }
    let form = parts.headers.get("content-type").is_some_and(|t| t.as_bytes().starts_with(b"application/x-www-form"));
    (if form && path == "/" { Service::Sts } else { Service::S3 }, String::new())
}

/// Parses `AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, …`.
fn scope(headers: &HeaderMap) -> Option<Scope> {
    let value = headers.get("authorization")?.to_str().ok()?;
    let credential = value.split_once("Credential=")?.1.split(',').next()?;
    let mut parts = credential.trim().split('/');
    let access_key = parts.next()?.to_owned();
    let (region, service) = (parts.nth(1)?.to_owned(), parts.next()?.to_owned());
    Some(Scope { access_key, region, service })
}

/// The body without the encodings of its transport.
fn decode(headers: &HeaderMap, body: Bytes) -> Result<Bytes, Refusal> {
    let is = |name: &str, part: &str| headers.get(name).is_some_and(|v| v.to_str().is_ok_and(|v| v.contains(part)));
    if is("x-amz-content-sha256", "STREAMING-") || is("content-encoding", "aws-chunked") {
        let decoded = unchunk(&body).ok_or_else(|| Refusal::bad("IncompleteBody", "The chunks don't add up."))?;
        let announced = headers.get("x-amz-decoded-content-length").and_then(|v| v.to_str().ok());
        if announced.is_some_and(|announced| announced.parse() != Ok(decoded.len())) {
            return Err(Refusal::bad("IncompleteBody", "The request body is not what Content-Length announced."));
        }
        return Ok(decoded);
    }
    // S3 stores what is encoded as it is.
    let is_s3 = headers.get("smithy-protocol").is_none() && headers.get("x-amz-target").is_none();
    if is("content-encoding", "gzip") && !is_s3 {
        let mut decoded = Vec::new();
        let read = GzDecoder::new(body.as_ref()).read_to_end(&mut decoded);
        return read.map(|_| decoded.into()).map_err(|e| Refusal::bad("SerializationException", e.to_string()));
    }
    Ok(body)
}

/// `aws-chunked`: `hex[;signature]CRLF bytes CRLF … 0 CRLF trailers`.
fn unchunk(body: &Bytes) -> Option<Bytes> {
    let mut decoded = BytesMut::new();
    let mut at = 0;
    loop {
        let line = body[at..].windows(2).position(|pair| pair == b"\r\n")?;
        let head = std::str::from_utf8(&body[at..at + line]).ok()?;
        let length = usize::from_str_radix(head.split(';').next()?, 16).ok()?;
        let start = at + line + 2;
        if length == 0 {
            return Some(decoded.freeze());
        }
        let chunk = body.get(start..start.checked_add(length)?)?;
        // The usual: one chunk, whose bytes needn't be copied.
        let after = body.get(start + length..start + length + 4);
        if decoded.is_empty() && (after == Some(b"\r\n0\r") || after == Some(b"\r\n0;")) {
            return Some(body.slice(start..start + length));
        }
        decoded.extend_from_slice(chunk);
        at = start + length + 2;
        body.get(at..)?;
    }
}

/// MD5 in hex.
pub(crate) fn md5_hex(bytes: &[u8]) -> String {
    use md5::Digest as _;
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap();
    md5::Md5::digest(bytes).iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unchunked(text: &str) -> Option<Bytes> {
        unchunk(&Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn chunks_become_a_body() {
        let one = "5;chunk-signature=ab\r\nhello\r\n0;chunk-signature=cd\r\nx-amz-checksum-crc32:AA==\r\n\r\n";
        assert_eq!(unchunked(one).as_deref(), Some(&b"hello"[..]));
        // Bytes that look like an end are none.
        assert_eq!(unchunked("3\r\na\r\n\r\n2\r\n0\r\r\n0\r\n\r\n").as_deref(), Some(&b"a\r\n0\r"[..]));
        assert_eq!(unchunked("0\r\n\r\n").as_deref(), Some(&b""[..]));
        assert_eq!(unchunked("5\r\nhel"), None);
        assert_eq!(unchunked("no chunks"), None);
    }
}

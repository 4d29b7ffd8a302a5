//! Answers, and refusals as each service words them.

use std::borrow::Cow;

use bytes::Bytes;
use minicbor::Encoder;
use serde_json::{Value, json};

use crate::call::{Call, Service};
use crate::xml;

/// A reply to a call.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(Cow<'static, str>, String)>,
    pub(crate) body: Bytes,
    /// Content-Length where there is no body: of HEAD.
    pub(crate) length: Option<u64>,
}

impl Reply {
    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new(), length: None }
    }

    pub(crate) fn xml(xml: String) -> Self {
        let mut reply = Self::empty(200).header("content-type", "application/xml");
        reply.body = Bytes::from(format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{xml}"));
        reply
    }

    /// JSON of an AWS JSON protocol; the SDKs don't look at the version in the content type.
    pub(crate) fn json(value: &Value) -> Self {
        let mut reply = Self::empty(200).header("content-type", "application/x-amz-json-1.1");
        reply.body = Bytes::from(value.to_string());
        reply
    }

    pub(crate) fn header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// An error of AWS.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: Cow<'static, str>,
    pub(crate) message: String,
    /// The bucket's region, if it isn't the one that was asked.
    pub(crate) bucket_region: Option<String>,
}

impl Refusal {
    pub(crate) fn new(status: u16, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into(), bucket_region: None }
    }

    /// A refusal by the name that AWS's documentation has for the operation's error.
    pub(crate) fn bad(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    /// The refusal as the service of `call` words it.
    pub(crate) fn reply(&self, call: &Call) -> Reply {
        match call.service {
            Service::S3 => self.s3(call),
            Service::Sts => self.query(),
            Service::CloudWatch => self.cbor(),
            Service::Lambda => self.plain(),
            Service::Sqs | Service::DynamoDb | Service::Logs => self.json(call),
        }
    }

    fn s3(&self, call: &Call) -> Reply {
        let mut inner = String::new();
        xml::element(&mut inner, "Code", &self.code);
        xml::element(&mut inner, "Message", &self.message);
        xml::element(&mut inner, "Resource", &format!("/{}", call.resource));
        let mut reply = Reply::xml(format!("<Error>{inner}<RequestId>FAKE</RequestId></Error>"));
        reply.status = self.status;
        if let Some(region) = &self.bucket_region {
            reply = reply.header("x-amz-bucket-region", region.as_str());
        }
        if call.operation.starts_with("Head") {
            reply.length = Some(reply.body.len() as u64);
            reply.body = Bytes::new();
        }
        reply
    }

    fn query(&self) -> Reply {
        let mut inner = String::new();
        xml::element(&mut inner, "Type", if self.status < 500 { "Sender" } else { "Receiver" });
        xml::element(&mut inner, "Code", &self.code);
        xml::element(&mut inner, "Message", &self.message);
        let xml = format!("<ErrorResponse><Error>{inner}</Error><RequestId>FAKE</RequestId></ErrorResponse>");
        let mut reply = Reply::xml(xml);
        reply.status = self.status;
        reply
    }

    fn json(&self, call: &Call) -> Reply {
        let key = if call.service == Service::DynamoDb { "message" } else { "Message" };
        let mut reply = Reply::json(&json!({"__type": format!("com.amazonaws#{}", self.code), key: self.message}));
        reply.status = self.status;
        // Clients from before SQS spoke JSON know other names of its errors.
        if call.service == Service::Sqs && call.headers.contains_key("x-amzn-query-mode") {
            reply = reply.header("x-amzn-query-error", format!("{};{}", old_name(&self.code), self.side()));
        }
        reply
    }

    fn cbor(&self) -> Reply {
        let mut encoder = Encoder::new(Vec::new());
        let typed = format!("com.amazonaws.cloudwatch#{}", self.code);
        encoder.map(2).and_then(|e| e.str("__type")?.str(&typed)?.str("message")?.str(&self.message)).expect("memory");
        let mut reply = Reply::empty(self.status)
            .header("content-type", "application/cbor")
            .header("smithy-protocol", "rpc-v2-cbor")
            .header("x-amzn-query-error", format!("{};{}", old_name(&self.code), self.side()));
        reply.body = Bytes::from(encoder.into_writer());
        reply
    }

    fn plain(&self) -> Reply {
        let mut reply = Reply::empty(self.status).header("content-type", "application/json");
        reply.body = Bytes::from(json!({"errorType": self.code, "errorMessage": self.message}).to_string());
        reply
    }

    fn side(&self) -> &'static str {
        if self.status < 500 { "Sender" } else { "Receiver" }
    }
}

/// The name of an error in the query protocol.
fn old_name(code: &str) -> Cow<'_, str> {
    match code {
        "QueueDoesNotExist" => "AWS.SimpleQueueService.NonExistentQueue".into(),
        "MessageNotInflight"
        | "EmptyBatchRequest"
        | "TooManyEntriesInBatchRequest"
        | "BatchEntryIdsNotDistinct"
        | "BatchRequestTooLong"
        | "InvalidBatchEntryId"
        | "UnsupportedOperation" => format!("AWS.SimpleQueueService.{code}").into(),
        "UnrecognizedClientException" => "InvalidClientTokenId".into(),
        _ => code.strip_suffix("Exception").unwrap_or(code).into(),
    }
}

//! A tiny HTTP server in place of AWS: a closure answers, requests are recorded.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Aws, AwsOptions, config};

pub(super) const CENTRAL: &str = "arn:aws:iam::111111111111:role/central";
pub(super) const TENANT: &str = "arn:aws:iam::222222222222:role/tenant";

#[derive(Debug, Clone, Default)]
pub(super) struct Request {
    pub(super) method: String,
    /// Path and query.
    pub(super) target: String,
    /// By lower-case names.
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
}

impl Request {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// Such as `PutLogEvents` or `AssumeRole`; for S3 the method.
    pub(super) fn operation(&self) -> String {
        if let Some((_, operation)) = self.header("x-amz-target").split_once('.') {
            return operation.to_owned();
        }
        match self.field("Action") {
            Some(action) => action,
            None => self.method.clone(),
        }
    }

    /// A field of a form.
    pub(super) fn field(&self, name: &str) -> Option<String> {
        let text = self.text();
        let value = text.split('&').find_map(|field| field.strip_prefix(&format!("{name}=")))?;
        Some(percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned())
    }

    /// The access key that signed.
    pub(super) fn signer(&self) -> String {
        let authorization = self.header("authorization");
        authorization.split("Credential=").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default().to_owned()
    }
}

#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
    pub(super) delay: Duration,
    /// Closes the connection after so many bytes of the body; none: sends it all.
    pub(super) cut: Option<usize>,
    /// After what is sent, neither goes on nor closes.
    pub(super) hang: bool,
    /// Closes without an answer.
    pub(super) reset: bool,
}

pub(super) fn answer(status: u16, body: impl Into<Vec<u8>>) -> Answer {
    let (headers, delay) = (Vec::new(), Duration::ZERO);
    Answer { status, headers, body: body.into(), delay, cut: None, hang: false, reset: false }
}

impl Answer {
    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn reset() -> Self {
        Self { reset: true, ..answer(200, "") }
    }
}

pub(super) struct Server {
    pub(super) url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

type Handler = dyn Fn(&Request) -> Answer + Send + Sync;

impl Server {
    pub(super) async fn start(handler: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, handler) = (Arc::clone(&requests), Arc::new(handler) as Arc<Handler>);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&seen), Arc::clone(&handler)));
            }
        });
        Self { url, requests }
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Requests of one operation.
    pub(super) fn of(&self, operation: &str) -> Vec<Request> {
        self.requests().into_iter().filter(|request| request.operation() == operation).collect()
    }

    /// AWS here, with own credentials `OWN` and a central role.
    pub(super) async fn aws(&self) -> Aws {
        self.aws_with(options()).await
    }

    pub(super) async fn aws_with(&self, options: AwsOptions) -> Aws {
        let config = self.config(&options).await;
        Aws::new(options, config)
    }

    pub(super) async fn config(&self, options: &AwsOptions) -> SdkConfig {
        let own = Credentials::new("OWN", "secret", None, None, "test");
        config::loader(options).credentials_provider(own).endpoint_url(&self.url).load().await
    }
}

impl Aws {
    /// AWS at `url`, for tests of other rooms: with these credentials, without a
    /// central role, each call attempted once.
    pub(crate) async fn at(url: &str, access_key: &str, secret: &str) -> Self {
        let options = AwsOptions { region: "us-east-1".into(), attempts: 1, central_role: None, ..options() };
        let own = Credentials::new(access_key, secret, None, None, "test");
        let config = config::loader(&options).credentials_provider(own).endpoint_url(url).load().await;
        Self::new(options, config)
    }
}

pub(super) fn options() -> AwsOptions {
    AwsOptions {
        region: "eu-west-1".into(),
        path_style: true,
        attempts: 3,
        request_timeout: Duration::from_secs(60),
        central_role: Some(CENTRAL.into()),
        keys: None,
        // Not asked for by each test that has no STS.
        owners: super::BucketOwners {
            source: None,
            dead_letters: super::BucketOwnerSetting::Anybody,
            components: super::BucketOwnerSetting::Anybody,
        },
    }
}

async fn serve(mut stream: TcpStream, seen: Arc<Mutex<Vec<Request>>>, handler: Arc<Handler>) {
    let mut buffer = Vec::new();
    while let Some(request) = read(&mut stream, &mut buffer).await {
        seen.lock().unwrap().push(request.clone());
        let answer = handler(&request);
        tokio::time::sleep(answer.delay).await;
        if answer.reset {
            return;
        }
        let length = if request.method == "HEAD" { 0 } else { answer.body.len() };
        let mut out = format!("HTTP/1.1 {} Status\r\n", answer.status);
        if !answer.headers.iter().any(|(name, _)| *name == "content-length") {
            out += &format!("content-length: {length}\r\n");
        }
        for (name, value) in &answer.headers {
            out += &format!("{name}: {value}\r\n");
        }
        let mut out = (out + "\r\n").into_bytes();
        out.extend(&answer.body[..answer.cut.unwrap_or(length)]);
        if stream.write_all(&out).await.is_err() || (answer.cut.is_some() && !answer.hang) {
            return;
        }
        if answer.hang {
            tokio::time::sleep(Duration::from_secs(3600)).await;
        }
    }
}

async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Request> {
    let end = loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(buffer[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ').map(str::to_owned);
    let mut request = Request { method: first.next()?, target: first.next()?, ..Request::default() };
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        request.headers.insert(name.to_lowercase(), value.to_owned());
    }
    let length: usize = request.header("content-length").parse().unwrap_or(0);
    while buffer.len() < end + length {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    request.body = buffer[end..end + length].to_vec();
    buffer.drain(..end + length);
    Some(request)
}

/// STS's answers: sessions whose key is the name of the role, for so long.
pub(super) fn sts(request: &Request, lasts: Duration) -> Option<Answer> {
    match request.operation().as_str() {
        "GetCallerIdentity" => Some(answer(
            200,
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
             <Account>999999999999</Account></GetCallerIdentityResult></GetCallerIdentityResponse>",
        )),
        "AssumeRole" => {
            let arn = request.field("RoleArn").unwrap();
            let name = arn.rsplit('/').next().unwrap().to_uppercase();
            let expiry = aws_sdk_sts::primitives::DateTime::from(SystemTime::now() + lasts);
            let expiry = expiry.fmt(aws_sdk_sts::primitives::DateTimeFormat::DateTime).unwrap();
            Some(answer(
                200,
                format!(
                    "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
                     <Credentials><AccessKeyId>{name}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
                     <SessionToken>token-{name}</SessionToken><Expiration>{expiry}</Expiration></Credentials>\
                     </AssumeRoleResult></AssumeRoleResponse>"
                ),
            ))
        }
        _ => None,
    }
}

/// [`sts`] for an hour, and `other` for all else.
pub(super) fn with_sts(
    other: impl Fn(&Request) -> Answer + Send + Sync + 'static,
) -> impl Fn(&Request) -> Answer + Send + Sync + 'static {
    move |request| sts(request, Duration::from_secs(3600)).unwrap_or_else(|| other(request))
}

/// An error of a service that speaks JSON.
pub(super) fn json_error(status: u16, code: &str, message: &str) -> Answer {
    answer(status, format!("{{\"__type\":\"com.amazonaws#{code}\",\"message\":\"{message}\"}}"))
}

/// An error of S3.
pub(super) fn xml_error(status: u16, code: &str, message: &str) -> Answer {
    answer(status, format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>"))
}

/// An error of STS.
pub(super) fn query_error(status: u16, code: &str, message: &str) -> Answer {
    answer(
        status,
        format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
             <Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
        ),
    )
}

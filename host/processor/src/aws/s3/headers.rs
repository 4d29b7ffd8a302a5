//! The headers of an object's content: read from S3's responses, and set on requests.

use aws_sdk_s3::operation::copy_object::builders::CopyObjectFluentBuilder;
use aws_sdk_s3::operation::create_multipart_upload::builders::CreateMultipartUploadFluentBuilder;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};

/// The headers of an object's content. An object that is written anew keeps them: without
/// Content-Encoding no browser could read a gzip one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers {
    /// Content-Type.
    pub content_type: Option<String>,
    /// Content-Encoding.
    pub content_encoding: Option<String>,
    /// Content-Language.
    pub content_language: Option<String>,
    /// Content-Disposition.
    pub content_disposition: Option<String>,
    /// Cache-Control.
    pub cache_control: Option<String>,
    /// Expires, in seconds since the Unix epoch.
    pub expires: Option<i64>,
}

/// A response that has an object's [`Headers`].
pub(super) trait ReadHeaders {
    /// The object's headers.
    fn read_headers(&self) -> Headers;
}

/// A request that writes an object with [`Headers`].
pub(super) trait SetHeaders {
    /// The same request, with these headers.
    fn set_headers(self, headers: &Headers) -> Self;
}

// The SDK's types have these members by the same names, and no trait for them.
macro_rules! read_headers {
    ($($response:ty),*) => {$(
        impl ReadHeaders for $response {
            fn read_headers(&self) -> Headers {
                Headers {
                    content_type: self.content_type.clone(),
                    content_encoding: self.content_encoding.clone(),
                    content_language: self.content_language.clone(),
                    content_disposition: self.content_disposition.clone(),
                    cache_control: self.cache_control.clone(),
                    expires: parse_expires(self.expires_string.as_deref()),
                }
            }
        }
    )*};
}

macro_rules! set_headers {
    ($($request:ty),*) => {$(
        impl SetHeaders for $request {
            fn set_headers(self, headers: &Headers) -> Self {
                self.set_content_type(headers.content_type.clone())
                    .set_content_encoding(headers.content_encoding.clone())
                    .set_content_language(headers.content_language.clone())
                    .set_content_disposition(headers.content_disposition.clone())
                    .set_cache_control(headers.cache_control.clone())
                    .set_expires(headers.expires.map(DateTime::from_secs))
            }
        }
    )*};
}

read_headers!(GetObjectOutput, HeadObjectOutput);
set_headers!(PutObjectFluentBuilder, CreateMultipartUploadFluentBuilder, CopyObjectFluentBuilder);

/// Expires in seconds since the Unix epoch. What is no date is dropped.
fn parse_expires(text: Option<&str>) -> Option<i64> {
    DateTime::from_str(text?, DateTimeFormat::HttpDate).ok().map(|time| time.secs())
}

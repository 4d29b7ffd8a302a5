//! What a test sets up in S3, and looks at.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::{Bucket, Object};
use crate::FakeAws;
use crate::call::md5_hex;
use crate::clock;

impl FakeAws {
    /// An empty bucket in [`crate::REGION`], without versions.
    pub fn add_bucket(&self, account: &str, name: &str) {
        let (account, region) = (account.to_owned(), crate::REGION.to_owned());
        let bucket = Bucket { account, region, versioned: false, kms_key: None, objects: BTreeMap::new() };
        self.state().buckets.buckets.insert(name.to_owned(), bucket);
    }

    /// The account that a bucket is in.
    pub fn bucket_account(&self, bucket: &str) -> String {
        self.with_bucket(bucket, |bucket| bucket.account.clone())
    }

    /// Deletes a bucket with all that is in it.
    pub fn remove_bucket(&self, name: &str) {
        self.state().buckets.buckets.remove(name);
    }

    /// Moves a bucket to another region.
    pub fn set_bucket_region(&self, bucket: &str, region: &str) {
        self.with_bucket(bucket, |bucket| bucket.region = region.to_owned());
    }

    /// From now on a bucket keeps versions.
    pub fn set_versioned(&self, bucket: &str) {
        self.with_bucket(bucket, |bucket| bucket.versioned = true);
    }

    /// Stores an object, last modified now. What was stored.
    pub fn put_object(&self, bucket: &str, key: &str, bytes: impl Into<Bytes>) -> Arc<Object> {
        let bytes = bytes.into();
        let (size, etag) = (bytes.len() as u64, md5_hex(&bytes));
        self.store(bucket, key, Some(bytes), size, etag)
    }

    /// Stores an object that only pretends its size: it can be copied, not read.
    pub fn put_pretended(&self, bucket: &str, key: &str, size: u64) -> Arc<Object> {
        self.store(bucket, key, None, size, md5_hex(key.as_bytes()))
    }

    fn store(&self, bucket: &str, key: &str, bytes: Option<Bytes>, size: u64, etag: String) -> Arc<Object> {
        let object = Object {
            bytes,
            size,
            etag,
            last_modified: clock::now() / 1000 * 1000,
            version_id: None,
            metadata: BTreeMap::new(),
            acl: None,
            content_type: None,
            content_encoding: None,
            more_headers: BTreeMap::new(),
            archived: false,
            kms_key: None,
            who: None,
        };
        self.state().buckets.store(bucket, key, object);
        self.object(bucket, key).expect("it was stored")
    }

    /// Sets when an object was last modified, in milliseconds since the Unix epoch; S3 knows seconds only.
    pub fn set_last_modified(&self, bucket: &str, key: &str, milliseconds: i64) {
        self.change(bucket, key, |object| object.last_modified = milliseconds.div_euclid(1000) * 1000);
    }

    /// Changes an object as it is now, such as its headers.
    pub fn change(&self, bucket: &str, key: &str, change: impl FnOnce(&mut Object)) {
        self.with_bucket(bucket, |bucket| {
            let versions = bucket.objects.get_mut(key).expect("an object that is there");
            change(Arc::make_mut(versions.last_mut().expect("a version")));
        });
    }

    /// What is written to a bucket from now on is encrypted with this KMS key.
    pub fn set_bucket_key(&self, bucket: &str, kms_key: &str) {
        self.with_bucket(bucket, |bucket| bucket.kms_key = Some(kms_key.to_owned()));
    }

    /// Deletes a bucket, and makes an empty one of the same name in another account.
    pub fn take_over(&self, bucket: &str, account: &str) {
        self.remove_bucket(bucket);
        self.add_bucket(account, bucket);
    }

    /// Deletes an object with all its versions.
    pub fn remove_object(&self, bucket: &str, key: &str) {
        self.with_bucket(bucket, |bucket| bucket.objects.remove(key));
    }

    /// An object as it is now.
    pub fn object(&self, bucket: &str, key: &str) -> Option<Arc<Object>> {
        self.state().buckets.current(bucket, key).cloned()
    }

    /// Keys of a bucket, in order.
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        self.with_bucket(bucket, |bucket| bucket.objects.keys().cloned().collect())
    }

    /// `bucket/key` of each upload in parts that was begun and neither completed nor aborted.
    pub fn open_uploads(&self) -> Vec<String> {
        self.state().buckets.uploads.values().map(|upload| upload.resource.clone()).collect()
    }

    /// The largest source of CopyObject and part of UploadPartCopy, in bytes; 5 GiB if it isn't set.
    pub fn set_copy_limit(&self, bytes: u64) {
        self.state().buckets.copy_limit = bytes;
    }

    /// The smallest part but the last, in bytes; 5 MiB if it isn't set.
    pub fn set_part_minimum(&self, bytes: u64) {
        self.state().buckets.part_minimum = bytes;
    }

    /// Objects of a page of a listing at most; 1000 if it isn't set.
    pub fn set_list_page(&self, objects: usize) {
        self.state().buckets.page = objects;
    }

    fn with_bucket<T>(&self, name: &str, act: impl FnOnce(&mut Bucket) -> T) -> T {
        act(self.state().buckets.buckets.get_mut(name).expect("a bucket that was added"))
    }
}

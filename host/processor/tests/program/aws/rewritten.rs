//! Objects for a tenant's bucket, as a component makes them.

use std::io::Read;
use std::sync::Arc;

use fake_aws::scene::{S3Tenant, SOURCE};
use fake_aws::{Object, Service};
use flate2::read::GzDecoder;

use super::support::{may_abort, peak_mib, s3_denied, until_sent_back};
use crate::common::aws::{Lab, key, record, records};

const REWRITER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/guest/fixtures/rewriter-guest.wasm");

/// A lab whose component does this to the word.
fn lab(mode: &str, word: &str) -> (Lab, S3Tenant) {
    let settings = [format!("mode={mode}"), format!("word={word}")];
    let lab = Lab::new().argument("--plugin").argument(REWRITER);
    let lab = settings.iter().fold(lab, |lab, setting| lab.argument("--plugin-setting").argument(setting));
    may_abort(&lab);
    let tenant = lab.scene.add_s3_tenant("acme");
    (lab, tenant)
}

fn only(lab: &Lab, tenant: &S3Tenant) -> Arc<Object> {
    let [key] = lab.aws.keys(&tenant.bucket).try_into().unwrap();
    lab.aws.object(&tenant.bucket, &key).unwrap()
}

#[test]
fn it_is_gzip_where_the_source_is_and_one_put() {
    for gzip in [true, false] {
        let (lab, tenant) = lab("redact", "number");
        let lines = records("acme", 100);
        let key = key("acme", "1");
        let bytes = if gzip { crate::common::aws::gzip(lines.as_bytes()) } else { lines.clone().into_bytes() };
        lab.scene.put_object(&key, bytes);
        let encoding = gzip.then(|| "gzip".to_owned());
        lab.aws.change(SOURCE, &key, |object| object.content_encoding.clone_from(&encoding));
        lab.scene.send(&lab.scene.notify(&key));
        let process = lab.sqs();
        process.empties_the_queue();
        assert_eq!(process.outcomes(), ["s3=delivered"]);
        let object = only(&lab, &tenant);
        assert_eq!(object.content_encoding, encoding, "as the source's");
        let stored = object.bytes.clone().unwrap();
        assert_eq!(stored.starts_with(&[0x1f, 0x8b]), gzip);
        let mut text = String::new();
        if gzip {
            GzDecoder::new(&stored[..]).read_to_string(&mut text).unwrap();
        } else {
            text = String::from_utf8(stored.to_vec()).unwrap();
        }
        assert!(text == lines.replace("number", "***"), "every line, in order, without the word");
        assert_eq!(object.metadata["source-key"], key);
        assert_eq!(object.acl.as_deref(), Some("bucket-owner-full-control"));
        let count = |operation| lab.count(Service::S3, operation);
        assert_eq!((count("PutObject"), count("CreateMultipartUpload"), count("CopyObject")), (1, 0, 0));
        process.terminate();
    }
}

#[test]
fn it_has_the_lines_of_all_members_and_says_where_they_end() {
    let (lab, tenant) = lab("redact", "number");
    let lab = lab.dead_letters();
    let lines = records("acme", 100);
    let (one, two) = lines.split_at(lines.len() / 3);
    let members =
        [crate::common::aws::gzip(one.as_bytes()), b"\0\n".to_vec(), crate::common::aws::gzip(two.as_bytes())].concat();
    let key = key("acme", "1");
    lab.scene.put_object(&key, [&members[..], b"\n{\"plain\":1}\n"].concat());
    lab.scene.send(&lab.scene.notify(&key));
    let process = lab.sqs();
    process.empties_the_queue();
    assert_eq!(process.outcomes(), ["s3=partial(damaged)"]);
    let mut text = String::new();
    GzDecoder::new(&only(&lab, &tenant).bytes.clone().unwrap()[..]).read_to_string(&mut text).unwrap();
    assert!(text == lines.replace("number", "***"));
    let [letter] = lab.letters().try_into().unwrap();
    assert_eq!((&letter["data"], &letter["reason"]), (&"{\"plain\":1}\n".into(), &"damaged".into()));
    process.terminate();
}

#[test]
fn without_a_line_left_there_is_no_object() {
    let (lab, tenant) = lab("drop", "number");
    lab.announced("acme", "1", &records("acme", 100));
    let process = lab.sqs();
    process.empties_the_queue();
    assert_eq!(process.outcomes(), ["s3=delivered"]);
    assert!(lab.aws.keys(&tenant.bucket).is_empty());
    process.terminate();
}

/// Lines of about 2 KB, so many MiB of them.
fn large(mib: usize) -> String {
    let line = record("acme", &"0123456789 ".repeat(90), crate::common::aws::now() - 1000);
    line.repeat((mib << 20) / line.len())
}

#[test]
fn above_8_mib_it_goes_in_parts_and_is_aborted_where_one_fails() {
    let (lab, tenant) = lab("passthrough", "");
    let lines = large(20);
    let key = key("acme", "1");
    lab.scene.put_object(&key, lines.clone());
    lab.aws.fault(s3_denied("UploadPart").after(1).times(1));
    lab.scene.send(&lab.scene.notify(&key));
    let process = lab.sqs();
    until_sent_back(&lab, &process, 1);
    assert_eq!(process.outcomes(), ["s3=failed(denied)"]);
    process.wait("the abort", || lab.count(Service::S3, "AbortMultipartUpload") == 1);
    assert!(lab.aws.open_uploads().is_empty() && lab.aws.keys(&tenant.bucket).is_empty());
    process.empties_the_queue();
    let object = only(&lab, &tenant);
    assert!(object.bytes.as_ref().is_some_and(|bytes| bytes[..] == *lines.as_bytes()));
    assert!(object.etag.ends_with("-3"), "{}", object.etag);
    assert!(lab.aws.open_uploads().is_empty());
    process.terminate();
}

#[test]
fn memory_stays_flat_however_large_it_is() {
    let (lab, tenant) = lab("passthrough", "");
    let key = key("acme", "1");
    let lines = large(200);
    let size = lines.len() as u64;
    lab.scene.put_object(&key, lines);
    lab.scene.send(&lab.scene.notify(&key));
    let process = lab.sqs();
    process.empties_the_queue();
    assert_eq!(only(&lab, &tenant).size, size);
    let peak = peak_mib(&process);
    assert!(peak < 70, "{peak} MiB");
    process.terminate();
}

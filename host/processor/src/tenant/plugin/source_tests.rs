use super::*;

const DIGITS: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn read(text: &str) -> Result<ComponentRef, String> {
    component(text, Some(Path::new("/tenants")))
}

fn refused(texts: &[&str], says: &str) {
    for text in texts {
        let why = read(text).expect_err(text);
        assert!(why.contains(says), "{text}: {why}");
    }
}

fn oci_ref(registry: &str, name: &str) -> ComponentRef {
    let manifest = DIGITS.parse().unwrap();
    ComponentRef::Oci { registry: registry.to_owned(), name: name.to_owned(), manifest }
}

#[test]
fn objects_have_a_bucket_and_a_key() {
    let s3 = |bucket: &str, key: &str| Ok(ComponentRef::S3 { bucket: bucket.to_owned(), key: key.to_owned() });
    assert_eq!(read("s3://components/mask.wasm"), s3("components", "mask.wasm"));
    assert_eq!(read("s3://components/a b/é//x:1@2"), s3("components", "a b/é//x:1@2"));
    let (most, long) = ("k".repeat(1024), format!("s3://abc/{}", "k".repeat(1025)));
    assert_eq!(read("s3://Old_Components/x"), s3("Old_Components", "x"));
    assert_eq!(read(&format!("s3://abc/{most}")), s3("abc", &most));
    refused(&["s3://", "s3:///x", "s3://a:b/x", "s3://ab/x", "s3://../x"], "no bucket's name after s3://");
    let keys = ["s3://abc", "s3://abc/", "s3://abc/x/", "s3://abc/a\nb", "s3://abc/a/../b", "s3://abc/.", &long];
    refused(&keys, "no key of an object, expected s3://bucket/key with 1 to 1024 bytes");
}

#[test]
fn artifacts_are_named_by_the_digest_of_their_manifest_only() {
    for (place, registry, name) in [
        ("ghcr.io/acme/mask", "ghcr.io", "acme/mask"),
        ("localhost:5000/mask", "localhost:5000", "mask"),
        ("registry/a__b/c.d-e--f/0_1", "registry", "a__b/c.d-e--f/0_1"),
    ] {
        assert_eq!(read(&format!("oci://{place}@sha256:{DIGITS}")), Ok(oci_ref(registry, name)));
    }
    let tagged = format!("oci://ghcr.io/acme/mask:1.0@sha256:{DIGITS}");
    refused(&["oci://ghcr.io/acme/mask:1.0", "oci://localhost:5000/mask:latest", &tagged], "a tag, which may be moved");
    refused(&["oci://ghcr.io/acme/mask:1.0"], "`oras resolve registry/name:tag` prints");
    refused(&["oci://ghcr.io/acme/mask", "oci://localhost:5000/mask", "oci://"], "append @sha256:<64");
    let digests = ["", "sha256:", "sha256:12", "md5:12", DIGITS, &format!("sha256:{DIGITS}0")];
    for digest in digests {
        refused(&[&format!("oci://ghcr.io/mask@{digest}")], "something else than sha256:<64 hexadecimal digits>");
    }
}

#[test]
fn registries_and_repositories_are_what_the_specification_allows() {
    let with = |place: &str| format!("oci://{place}@sha256:{DIGITS}");
    let label = format!("{}.io/mask", "a".repeat(64));
    for registry in ["/mask", "Ghcr.io/mask", "a..b/mask", "-a/mask", "a-/mask", "host:/mask", "host:0/mask", &label] {
        refused(&[&with(registry)], "no host's name in lower case");
    }
    refused(&[&with("host:65536/mask"), &with("host:+1/mask"), &with("[::1]:5000/mask")], "no host's name");
    let long = format!("host/{}", "n".repeat(255));
    for name in ["host", "host/", "host/Mask", "host/a//b", "host/.a", "host/a.", "host/a..b", "host/a___b", &long] {
        refused(&[&with(name)], "a repository's name that is not allowed");
    }
    refused(&[&with("host/a._b"), &with("host/é")], "a repository's name that is not allowed");
}

#[test]
fn relative_paths_begin_at_the_folder_and_are_refused_without_one() {
    let path = |path: &str| Ok(ComponentRef::File(path.into()));
    assert_eq!(read("file:/components/mask.wasm"), path("/components/mask.wasm"));
    assert_eq!(read("file:components/mask.wasm"), path("/tenants/components/mask.wasm"));
    assert_eq!(component("file:/mask.wasm", None), path("/mask.wasm"));
    assert!(component("file:mask.wasm", None).unwrap_err().contains("a relative path, expected an absolute one"));
    refused(&["file:///mask.wasm", "file://host/mask.wasm"], "a URL of a file, expected file: and the path");
    refused(&["file:", "file:a\0b", "file:/a\nb"], "no path after file:");
}

#[test]
fn anything_else_is_no_place() {
    let others = ["", "mask.wasm", "/mask.wasm", "https://host/mask.wasm", "S3://abc/x", "ghcr.io/mask:1"];
    refused(&others, &format!("no place of a component, expected {COMPONENT}"));
}

#[test]
fn what_is_refused_is_not_told() {
    let texts =
        ["s3://hunter2:hunter2@/", "oci://me:hunter2@ghcr.io/mask:1", "oci://me:hunter2@ghcr.io/mask", "hunter2@x"];
    for text in texts {
        for why in [read(text).unwrap_err(), allowed(text).unwrap_err()] {
            assert!(!why.contains("hunter2"), "{why}");
        }
    }
}

#[test]
fn what_lies_below_a_place_may_be_allowed() {
    let s3 = |prefix: &str| Ok(AllowedSource::S3 { bucket: "abc".to_owned(), prefix: prefix.to_owned() });
    for (text, prefix) in [("s3://abc", ""), ("s3://abc/", ""), ("s3://abc/x/y", "x/y/"), ("s3://abc/x/y/", "x/y/")] {
        assert_eq!(allowed(text), s3(prefix), "{text}");
    }
    let oci =
        |registry: &str, name: &str| Ok(AllowedSource::Oci { registry: registry.to_owned(), name: name.to_owned() });
    assert_eq!(allowed("oci://ghcr.io"), oci("ghcr.io", ""));
    assert_eq!(allowed("oci://ghcr.io/"), oci("ghcr.io", ""));
    assert_eq!(allowed("oci://localhost:5000/acme/masks/"), oci("localhost:5000", "acme/masks"));
    assert_eq!(allowed("file:/components/"), Ok(AllowedSource::Folder("/components".into())));
    let tagged = format!("oci://ghcr.io/mask@sha256:{DIGITS}");
    for (text, says) in [
        ("s3://", "no bucket and prefix"),
        ("s3://abc/../x", "no bucket and prefix"),
        ("oci://", "no host's name"),
        ("oci://Ghcr.io/acme", "no host's name"),
        ("oci://ghcr.io//", "a repository's name"),
        ("oci://ghcr.io/mask:1", "leave it out"),
        (&tagged, "leave it out"),
        ("file:components", "a relative path"),
        ("file:///components", "a URL of a file"),
        ("/components", "no place, expected s3://bucket/prefix/, oci://registry/name or file:/folder"),
    ] {
        let why = allowed(text).unwrap_err();
        assert!(why.contains(says), "{text}: {why}");
    }
}

use std::time::Duration;

use fake_aws::{Effect, PROCESSOR_ARN, Permissions};

use super::super::testing::{
    Bucket, Files, KEY, component, did, engine, fails, padded, plugin, reference, unavailable,
};
use super::super::{CacheOptions, Loader, LoaderOptions};
use super::*;

#[tokio::test]
async fn a_source_that_hangs_is_given_up_and_holds_nobody() {
    let bucket = Bucket::new().await;
    let (hanging, fine) = (bucket.plugin("hangs.wasm", &component(1)), bucket.plugin("it.wasm", &component(2)));
    bucket.fault(Effect::Hang, "b/hangs.wasm");
    let loader = Loader::with_fetch_time(engine(), bucket.options(), Duration::from_secs(10));
    let order = std::cell::RefCell::new(Vec::new());
    let load = async |plugin, name| {
        let loaded = loader.load(plugin).await;
        order.borrow_mut().push(name);
        loaded
    };
    let (hung, fine) = tokio::join!(load(&hanging, "hanging"), load(&fine, "fine"));
    fails(hung, &hanging, "component-source", &["10s", "can be reached"]);
    fine.unwrap();
    assert_eq!(order.into_inner(), ["fine", "hanging"]);
    // Drop by drop is no better.
    bucket.plugin("slow.wasm", &component(3));
    let slow = plugin(reference("slow.wasm"), &component(3));
    bucket.fault(Effect::SlowBody { bytes: 1, every: Duration::from_millis(100) }, "b/slow.wasm");
    fails(loader.load(&slow).await, &slow, "component-source", &["10s"]);
}

#[tokio::test]
async fn a_restart_works_while_the_source_is_down() {
    for key in [None, Some(KEY)] {
        let (files, bucket) = (Files::new(), Bucket::new().await);
        let options = || LoaderOptions { cache: files.with_cache(key).cache, ..bucket.options() };
        let plugin = bucket.plugin("it.wasm", &component(1));
        Loader::new(engine(), options()).load(&plugin).await.unwrap();
        bucket.fake.remove_bucket("b");
        let loader = Loader::new(engine(), options());
        loader.load(&plugin).await.unwrap();
        assert_eq!((did(&loader), bucket.gets()), ([0, 1, 0, 0, 0], 1));

        // The compiled form is damaged: it is made anew from the component's own bytes.
        let cwasm = files.dir.path().join("cache").read_dir().unwrap().map(|entry| entry.unwrap().path());
        let cwasm = cwasm.filter(|path| path.extension().unwrap() == "cwasm").collect::<Vec<_>>();
        let mut bytes = std::fs::read(&cwasm[0]).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(&cwasm[0], bytes).unwrap();
        for expected in [[0, 0, 0, 1, 0], [0, 1, 0, 0, 0]] {
            let loader = Loader::new(engine(), options());
            loader.load(&plugin).await.unwrap();
            assert_eq!((did(&loader), bucket.gets()), (expected, 1));
        }
    }
}

#[tokio::test]
async fn a_file_that_is_gone_is_loaded_from_the_cache() {
    let files = Files::new();
    let plugin = files.plugin(&component(1));
    Loader::new(engine(), files.with_cache(None)).load(&plugin).await.unwrap();
    let ComponentRef::File(path) = &plugin.component else { panic!() };
    std::fs::remove_file(path).unwrap();
    Loader::new(engine(), files.with_cache(None)).load(&plugin).await.unwrap();
}

#[tokio::test]
async fn precompiled_ahead_of_time() {
    let files = Files::new();
    let plugin = files.plugin(&component(1));
    let bytes = Loader::new(engine(), files.with_cache(None)).precompile(&plugin).await.unwrap();
    assert!(bytes > 1000);
    let loader = Loader::new(engine(), files.with_cache(None));
    loader.load(&plugin).await.unwrap();
    assert_eq!(did(&loader), [0, 1, 0, 0, 0]);
    fails(files.loader().precompile(&plugin).await, &plugin, "component-not-compiled", &["PLUGIN_CACHE_DIR"]);
    let refused = files.plugin(b"text");
    fails(loader.precompile(&refused).await, &refused, "component-refused", &["a text"]);
}

#[tokio::test]
async fn what_is_published_is_all_that_a_lambda_needs() {
    let (files, bucket) = (Files::new(), Bucket::new().await);
    let bytes = component(1);
    let own = Loader::new(engine(), files.with_cache(Some(KEY)));
    let key = own.publish(&files.plugin(&bytes), &bucket.place()).await.unwrap();
    assert_eq!(key, format!("compiled/{}/{}.cwasm", engine().fingerprint(), Digest::of(&bytes)));
    // The component itself isn't there, and not asked for.
    let plugin = plugin(reference("it.wasm"), &bytes);
    let lambda = bucket.lambda(Some(KEY));
    let loaded = lambda.load(&plugin).await.unwrap();
    assert_eq!((loaded.digest(), loaded.name()), (Digest::of(&bytes).to_string().as_str(), "s3://b/it.wasm"));
    assert_eq!((did(&lambda), bucket.gets()), ([0, 0, 1, 0, 0], 1));
    // Where there is a disk, it is kept there.
    let cache = files.with_cache(Some(KEY)).cache;
    std::fs::remove_dir_all(cache.folder.as_ref().unwrap()).unwrap();
    let options = || LoaderOptions { cache: cache.clone(), compiled: Some(bucket.place()), ..bucket.options() };
    for expected in [[0, 0, 1, 0, 0], [0, 1, 0, 0, 0]] {
        let loader = Loader::new(engine(), options());
        loader.load(&plugin).await.unwrap();
        assert_eq!(did(&loader), expected);
    }
}

#[tokio::test]
async fn what_is_published_is_believed_for_its_key_alone() {
    let bucket = Bucket::new().await;
    let plugin = bucket.plugin("it.wasm", &component(1));
    let key = Loader::new(
        engine(),
        LoaderOptions {
            cache: CacheOptions { folder: None, bytes: 1 << 30, key: Some(KEY.to_vec()) },
            ..bucket.options()
        },
    );
    let key = key.publish(&plugin, &bucket.place()).await.unwrap();
    let refuses = async |loader: Loader, says: &str| {
        let remedy = ["guest precompile --publish", "PLUGIN_COMPILED", "PLUGIN_CACHE_KEY", says];
        fails(loader.load(&plugin).await, &plugin, "component-not-compiled", &remedy);
    };
    refuses(bucket.lambda(None), "of no use without PLUGIN_CACHE_KEY").await;
    refuses(bucket.lambda(Some(b"another key, as long")), "its HMAC is wrong").await;
    let whole = bucket.fake.object("b", &key).unwrap().bytes.clone().unwrap();
    for at in [0, 10, 50, 75, 85, 100, 200, whole.len() - 1] {
        let mut tampered = whole.to_vec();
        tampered[at] ^= 1;
        bucket.fake.put_object("b", &key, tampered);
        refuses(bucket.lambda(Some(KEY)), "isn't used").await;
    }
    // Another component's, under this one's key.
    let other = bucket.plugin("other.wasm", &component(2));
    let options = LoaderOptions {
        cache: CacheOptions { folder: None, bytes: 1 << 30, key: Some(KEY.to_vec()) },
        ..bucket.options()
    };
    let others = Loader::new(engine(), options).publish(&other, &bucket.place()).await.unwrap();
    let others = bucket.fake.object("b", &others).unwrap().bytes.clone().unwrap();
    bucket.fake.put_object("b", &key, others);
    refuses(bucket.lambda(Some(KEY)), "another component's").await;
    bucket.fake.remove_object("b", &key);
    refuses(bucket.lambda(Some(KEY)), &format!("s3://b/{key} isn't there")).await;
    bucket.fake.deny(PROCESSOR_ARN, "s3:GetObject");
    let denied = bucket.lambda(Some(KEY)).load(&plugin).await;
    assert!(denied.err().is_some_and(|failed| failed.kind.name() == "component-source"));
}

#[tokio::test]
async fn a_lambda_compiles_what_is_small_and_does_not_even_fetch_what_is_large() {
    let bucket = Bucket::new().await;
    let options = || LoaderOptions { compile_at_most: Some(1 << 20), ..bucket.options() };
    let loader = Loader::new(engine(), options());
    let small = bucket.plugin("small.wasm", &component(1));
    loader.load(&small).await.unwrap();
    assert_eq!(did(&loader), [0, 0, 0, 1, 0]);
    let large = bucket.plugin("large.wasm", &padded(component(1), 1 << 20));
    bucket.fault(Effect::SlowBody { bytes: 1, every: Duration::from_secs(1) }, "b/large.wasm");
    let says = ["more than 1048576 bytes", "guest precompile --publish", "PLUGIN_COMPILED isn't set"];
    fails(loader.load(&large).await, &large, "component-not-compiled", &says);
    // Where what is published can't be read, what is small is compiled.
    bucket.fault(unavailable(), "b/compiled/");
    let cache = CacheOptions { folder: None, bytes: 1 << 30, key: Some(KEY.to_vec()) };
    let loader = Loader::new(engine(), LoaderOptions { cache, compiled: Some(bucket.place()), ..options() });
    loader.load(&small).await.unwrap();
    assert_eq!(did(&loader), [0, 0, 0, 1, 0]);
    let says = ["ServiceUnavailable", "s3://b/compiled/"];
    fails(loader.load(&large).await, &large, "component-source", &says);
}

#[tokio::test]
async fn publishing_that_fails() {
    let (files, bucket) = (Files::new(), Bucket::new().await);
    let plugin = files.plugin(&component(1));
    let unkeyed = Loader::new(engine(), files.with_cache(None));
    let says = ["publishing needs PLUGIN_CACHE_KEY"];
    fails(unkeyed.publish(&plugin, &bucket.place()).await, &plugin, "component-not-compiled", &says);
    bucket.fake.set_permissions(PROCESSOR_ARN, Permissions::none());
    let loader = Loader::new(engine(), files.with_cache(Some(KEY)));
    let says = ["can't be published", "AccessDenied", "s3:PutObject"];
    fails(loader.publish(&plugin, &bucket.place()).await, &plugin, "component-source", &says);
}

#[tokio::test]
async fn what_is_small_never_waits_for_what_is_large() {
    let files = Files::new();
    let loader = files.loader();
    let (small, large) = (files.plugin(&component(1)), files.plugin(&padded(component(1), 2 << 20)));
    let compiling = loader.0.compile_slots.of(2 << 20).await;
    loader.load(&small).await.unwrap();
    let waits = tokio::time::timeout(Duration::from_millis(300), loader.load(&large)).await;
    assert!(waits.is_err(), "one at a time");
    drop(compiling);
    loader.load(&large).await.unwrap();
}

#[tokio::test]
async fn what_is_published_is_bounded_before_it_is_read() {
    let bucket = Bucket::new().await;
    let mut plugin = bucket.plugin("it.wasm", &component(1));
    plugin.limits.component_bytes = 4096;
    let key = bucket.place().object(engine().fingerprint(), plugin.sha256.unwrap()).key;
    bucket.fake.put_object("b", &key, vec![0; 5 << 20]);
    let says = ["has 5242880 bytes, and may have 4259840", "component_bytes", "PLUGIN_MAX_COMPONENT_BYTES"];
    fails(bucket.lambda(Some(KEY)).load(&plugin).await, &plugin, "component-source", &says);
    // And by what the operator has for machine code.
    let cache = CacheOptions { folder: None, bytes: 1 << 30, key: Some(KEY.to_vec()) };
    let (compiled, compile_at_most, loaded_bytes) = (Some(bucket.place()), Some(0), 1 << 20);
    let options = LoaderOptions { cache, compiled, compile_at_most, loaded_bytes, ..bucket.options() };
    let says = ["may have 1048576", "PLUGIN_LOADED_BYTES"];
    fails(Loader::new(engine(), options).load(&plugin).await, &plugin, "component-source", &says);
}

/// By the same loader: a failure is told to those who waited for it, and is not
/// remembered.
#[tokio::test]
async fn what_could_not_be_had_is_had_as_soon_as_it_can_be() {
    let bucket = Bucket::new().await;
    let loader = bucket.loader();
    let right = plugin(reference("it.wasm"), &component(1));
    fails(loader.load(&right).await, &right, "component-missing", &["NoSuchKey"]);
    bucket.plugin("it.wasm", b"other bytes");
    fails(loader.load(&right).await, &right, "component-digest", &[]);
    bucket.plugin("it.wasm", &component(1));
    bucket.fake.deny(PROCESSOR_ARN, "s3:GetObject");
    fails(loader.load(&right).await, &right, "component-source", &["AccessDenied"]);
    bucket.fake.allow_again(PROCESSOR_ARN);
    bucket.fault(unavailable(), "b/it.wasm");
    fails(loader.load(&right).await, &right, "component-source", &["ServiceUnavailable"]);
    bucket.fake.clear_faults();
    loader.load(&right).await.unwrap();
    assert_eq!(did(&loader), [0, 0, 0, 1, 4]);
    loader.load(&right).await.unwrap();
    assert_eq!(did(&loader), [1, 0, 0, 1, 4]);
}

#[tokio::test]
async fn what_was_not_published_is_used_as_soon_as_it_is() {
    let (files, bucket) = (Files::new(), Bucket::new().await);
    let bytes = component(1);
    let right = bucket.plugin("it.wasm", &bytes);
    let lambda = bucket.lambda(Some(KEY));
    fails(lambda.load(&right).await, &right, "component-not-compiled", &["isn't there"]);
    let own = Loader::new(engine(), files.with_cache(Some(KEY)));
    let key = own.publish(&files.plugin(&bytes), &bucket.place()).await.unwrap();
    let whole = bucket.fake.object("b", &key).unwrap().bytes.clone().unwrap();
    bucket.fault(unavailable(), "b/compiled/");
    fails(lambda.load(&right).await, &right, "component-source", &["ServiceUnavailable"]);
    bucket.fake.clear_faults();
    bucket.fake.put_object("b", &key, whole.slice(..whole.len() / 2));
    fails(lambda.load(&right).await, &right, "component-not-compiled", &["isn't used"]);
    bucket.fake.put_object("b", &key, whole);
    lambda.load(&right).await.unwrap();
    assert_eq!(did(&lambda), [0, 0, 1, 0, 3]);
}

use fake_aws::Effect;
use futures_util::future::join_all;
use tempfile::TempDir;

use super::super::testing::{
    Bucket, Files, component, did, engine, fails, in_file, large_code, plugin, reference, settings_check, starting,
    unavailable,
};
use super::*;

#[tokio::test]
async fn a_component_is_compiled_once_and_runs_with_each_plugins_limits() {
    let files = Files::new();
    let (loader, bytes) = (files.loader(), component(1));
    let first = files.plugin(&bytes);
    let path = files.source().join("copy.wasm");
    std::fs::write(&path, &bytes).unwrap();
    let mut second = plugin(ComponentRef::File(path), &bytes);
    second.limits.start_fuel = 12_345;
    for plugin in [&first, &second, &first] {
        let loaded = loader.load(plugin).await.unwrap();
        assert_eq!(loaded.limits(), &plugin.limits);
        assert_eq!(loaded.name(), plugin.component.to_string());
        assert_eq!(loaded.digest(), Digest::of(&bytes).to_string());
        assert!(loaded.exports().log_filter.is_some());
    }
    assert_eq!(did(&loader), [2, 0, 0, 1, 0]);
    let stats = loader.stats();
    assert!(stats.held == 1 && stats.held_bytes > 1000, "{stats:?}");
    let mut small = first.clone();
    small.limits.component_bytes = bytes.len() as u64 - 1;
    fails(loader.load(&small).await, &small, "component-too-large", &[&format!("has {} bytes", bytes.len())]);
}

#[tokio::test]
async fn what_is_no_component_is_refused() {
    let files = Files::new();
    let loader = files.loader();
    let module = wat::parse_str("(module)").unwrap();
    let code = engine().precompile(&component(1)).unwrap();
    let truncated = component(1)[..100].to_vec();
    for (bytes, says) in [
        (module.as_slice(), "a core module"),
        (code.as_slice(), "machine code, which is never taken from outside"),
        (truncated.as_slice(), "can't be compiled"),
        (b"text".as_slice(), "a text"),
        (b"".as_slice(), "an empty file"),
    ] {
        let plugin = files.plugin(bytes);
        fails(loader.load(&plugin).await, &plugin, "component-refused", &[says]);
        // Nothing is parsed before the digest fits.
        let other = Plugin { sha256: Some(Digest([7; 32])), ..plugin };
        let found = Digest::of(bytes).to_string();
        fails(
            loader.load(&other).await,
            &other,
            "component-digest",
            &[&found, &Digest([7; 32]).to_string(), "`sha256`"],
        );
    }
    let missing = plugin(ComponentRef::File(files.source().join("none.wasm")), b"");
    fails(loader.load(&missing).await, &missing, "component-missing", &["put it there"]);
    assert_eq!(did(&loader), [0, 0, 0, 0, 11]);
}

#[tokio::test]
async fn what_may_not_come_from_there_is_not_loaded_from_memory_either() {
    let files = Files::new();
    let (loader, bytes) = (files.loader(), component(1));
    loader.load(&files.plugin(&bytes)).await.unwrap();
    let elsewhere = TempDir::new().unwrap();
    let other = in_file(elsewhere.path(), &bytes);
    fails(loader.load(&other).await, &other, "component-forbidden", &["PLUGIN_SOURCES", "file:/"]);
}

#[tokio::test]
async fn settings_are_checked_once_for_each_of_settings_and_limits() {
    let files = Files::new();
    let loader = files.loader();
    let fine = files.plugin(&settings_check(None));
    loader.load(&fine).await.unwrap();
    assert!(loader.0.checked.contains_key(&fine));
    let settings = Arc::new(vec![("name".to_owned(), "value".to_owned())]);
    let refused = Plugin { settings, ..fine.clone() };
    for _ in 0..2 {
        fails(loader.load(&refused).await, &refused, "component-settings", &["it refuses", "`settings`"]);
    }
    assert!(!loader.0.checked.contains_key(&refused), "a failure isn't remembered");
    let mut hungry = fine.clone();
    hungry.limits.start_fuel = 1;
    assert!(loader.load(&hungry).await.is_err());
    // A check would wait for its turn.
    let _turn = loader.0.compile_slots.of(0).await;
    loader.load(&fine).await.unwrap();
    let waits = tokio::time::timeout(Duration::from_millis(300), loader.load(&refused));
    assert!(waits.await.is_err());
}

/// They may quote the settings, and what is said here ends in the log.
#[tokio::test]
async fn a_component_s_words_about_its_settings_are_for_who_made_them() {
    let files = Files::new();
    let settings = Arc::new(vec![("token".to_owned(), "go away!".to_owned())]);
    let refused = Plugin { settings, ..files.plugin(&settings_check(None)) };
    let heard = Plugin { logs_to_operator: true, ..refused.clone() };
    let loader = files.loader();
    let failed = loader.load(&refused).await.err().unwrap();
    assert!(!format!("{failed} {failed:?}").contains("go away!"), "{failed}");
    fails(loader.load(&refused).await, &refused, "component-settings", &["log-processor check"]);
    fails(loader.load(&heard).await, &heard, "component-settings", &["go away!"]);
    let shown = Loader::new(engine(), LoaderOptions { guest_words: true, ..files.options() });
    fails(shown.load(&refused).await, &refused, "component-settings", &["go away!"]);
}

#[tokio::test]
async fn a_check_or_a_start_that_fails() {
    let files = Files::new();
    let loader = files.loader();
    for (bytes, name, says) in [
        (settings_check(Some("unreachable")), "component-settings", "its check of them failed"),
        (settings_check(Some("(loop (br 0)) unreachable")), "component-settings", "fuel"),
        (starting("unreachable"), "component-refused", "can't be started"),
        (starting("(loop (br 0))"), "component-refused", "fuel"),
    ] {
        let mut plugin = files.plugin(&bytes);
        plugin.limits.start_fuel = 1_000_000;
        fails(loader.load(&plugin).await, &plugin, name, &[says]);
    }
}

#[tokio::test]
async fn one_limit_too_low_is_no_other_plugins_failure() {
    let files = Files::new();
    let loader = files.loader();
    let fine = files.plugin(&starting("(drop (i32.const 1))"));
    let mut low = fine.clone();
    low.limits.start_fuel = 1;
    let (low, fine) = tokio::join!(loader.load(&low), loader.load(&fine));
    assert!(low.is_err());
    fine.unwrap();
}

#[tokio::test]
async fn all_who_ask_share_one_fetch_and_its_failure() {
    let bucket = Bucket::new().await;
    let fine = bucket.plugin("it.wasm", &component(1));
    bucket.fault(Effect::Delay(Duration::from_millis(200)), "b/it.wasm");
    let loader = bucket.loader();
    for loaded in join_all((0..20).map(|_| loader.load(&fine))).await {
        loaded.unwrap();
    }
    assert_eq!((bucket.gets(), did(&loader)), (1, [19, 0, 0, 1, 0]));

    let failing = bucket.plugin("failing.wasm", &component(2));
    bucket.fault(unavailable(), "b/failing.wasm");
    for loaded in join_all((0..20).map(|_| loader.load(&failing))).await {
        fails(loaded, &failing, "component-source", &["ServiceUnavailable"]);
    }
    assert_eq!(bucket.gets(), 2);
    // It isn't remembered.
    assert!(loader.load(&failing).await.is_err());
    assert_eq!(bucket.gets(), 3);
}

#[tokio::test]
async fn another_reference_that_fails_is_not_shared() {
    let bucket = Bucket::new().await;
    let bytes = component(1);
    let fine = bucket.plugin("it.wasm", &bytes);
    let wrong = plugin(reference("none.wasm"), &bytes);
    bucket.fault(Effect::Delay(Duration::from_millis(200)), "b/none.wasm");
    let loader = bucket.loader();
    // In this order: the second one finds the first one's fetch on its way.
    let (wrong_loaded, fine_loaded) = tokio::join!(biased; loader.load(&wrong), loader.load(&fine));
    fails(wrong_loaded, &wrong, "component-missing", &["NoSuchKey"]);
    fine_loaded.unwrap();
    // Now the bytes are known, wherever they are said to be.
    loader.load(&wrong).await.unwrap();
}

#[tokio::test]
async fn memory_is_bounded_and_keeps_what_was_used_last() {
    let files = Files::new();
    let one = Loader::new(engine(), files.with_cache(None));
    let plugins: Vec<Plugin> = (0..12).map(|number| files.plugin(&large_code(number))).collect();
    one.load(&plugins[0]).await.unwrap();
    let size = one.stats().held_bytes;
    let loaded_bytes = size * 4 + size / 2;
    let loader = Loader::new(engine(), LoaderOptions { loaded_bytes, ..files.with_cache(None) });
    for plugin in &plugins {
        loader.load(plugin).await.unwrap();
        // Used all the time.
        loader.load(&plugins[0]).await.unwrap();
        let stats = loader.stats();
        assert!(stats.held_bytes <= loaded_bytes && stats.held <= 4, "{stats:?}");
    }
    let before = did(&loader);
    assert_eq!((before[0], before[3]), (12, 11));
    // Gone from memory, not from disk.
    loader.load(&plugins[1]).await.unwrap();
    assert_eq!(did(&loader)[1], before[1] + 1);
    loader.load(&plugins[11]).await.unwrap();
    assert_eq!(did(&loader)[0], before[0] + 1);
}

#[tokio::test]
async fn what_is_larger_than_all_the_memory_works() {
    let files = Files::new();
    let loader = Loader::new(engine(), LoaderOptions { loaded_bytes: 1, ..files.options() });
    let plugin = files.plugin(&component(1));
    for times in 1..3 {
        loader.load(&plugin).await.unwrap();
        assert_eq!((did(&loader)[3], loader.stats().held), (times, 0));
    }
}

#[tokio::test]
async fn many_tenants_with_a_component_each() {
    // Each load goes to other threads and back several times, which takes its time where
    // much else is at work: not more of them than there have to be.
    const TENANTS: u32 = 200;
    let files = Files::new();
    let options = LoaderOptions { loaded_bytes: 1 << 20, ..files.with_cache(None) };
    let loader = Loader::new(engine(), options.clone());
    let plugins: Vec<Plugin> = (0..TENANTS).map(|number| files.plugin(&component(number))).collect();
    for some in plugins.chunks(32) {
        for loaded in join_all(some.iter().map(|plugin| loader.load(plugin))).await {
            loaded.unwrap();
        }
    }
    let stats = loader.stats();
    assert_eq!((stats.compiled, stats.failed), (TENANTS.into(), 0));
    assert!(stats.held_bytes <= 1 << 20 && stats.held < u64::from(TENANTS) / 2, "{stats:?}");
    // After a restart none of them is compiled.
    let loader = Loader::new(engine(), options);
    for some in plugins.chunks(32) {
        for (loaded, plugin) in join_all(some.iter().map(|plugin| loader.load(plugin))).await.into_iter().zip(some) {
            assert_eq!(loaded.unwrap().digest(), plugin.sha256.unwrap().to_string());
        }
    }
    assert_eq!(did(&loader), [0, TENANTS.into(), 0, 0, 0]);
}

#[tokio::test]
async fn a_file_of_the_command_line_is_taken_as_it_is() {
    let (files, elsewhere) = (Files::new(), TempDir::new().unwrap());
    let loader = files.loader();
    let unnamed = Plugin { sha256: None, ..in_file(elsewhere.path(), &component(1)) };
    let ComponentRef::File(path) = &unnamed.component else { panic!() };
    for bytes in [component(1), component(2)] {
        std::fs::write(path, &bytes).unwrap();
        assert_eq!(loader.load(&unnamed).await.unwrap().digest(), Digest::of(&bytes).to_string());
    }
    // Each is checked for itself.
    std::fs::write(path, starting("unreachable")).unwrap();
    fails(loader.load(&unnamed).await, &unnamed, "component-refused", &["can't be started"]);
    let object = Plugin { sha256: None, ..plugin(reference("it.wasm"), b"") };
    fails(loader.load(&object).await, &object, "component-digest", &["no `sha256`"]);
}

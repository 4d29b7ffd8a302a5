use super::*;
use std::fs;
use tempfile::TempDir;

fn streams() -> (TempDir, Streams) {
    let dir = tempfile::tempdir().unwrap();
    let streams = Streams::new(dir.path());
    (dir, streams)
}

fn name<'a>(group: &'a str, stream: &'a str) -> StreamName<'a> {
    StreamName { account: "123456789012", region: "us-east-1", group, stream }
}

fn object() -> ObjectId {
    ObjectId { bucket: "logs".to_owned(), key: "a \"b\".gz".to_owned() }
}

fn event(timestamp: i64, message: &str) -> Event {
    Event { line: 0, timestamp, message: message.to_owned() }
}

#[test]
fn a_put_is_lines_of_events_and_a_line_about_it() {
    let (dir, streams) = streams();
    let at = name("/shop/logs", "pod..1/2");
    streams.put(&at, &object(), [event(1, "é\n"), event(2, "{\"a\":1}")].iter()).unwrap();
    streams.put(&at, &object(), [event(-5, "x")].iter()).unwrap();
    streams.put(&at, &object(), [].iter()).unwrap();
    let folder = dir.path().join("cloudwatch/123456789012/us-east-1/shop/logs");
    assert_eq!(streams.path(&at), folder.join("pod..1%2F2.ndjson"));
    assert_eq!(
        fs::read_to_string(streams.path(&at)).unwrap(),
        "{\"timestamp\":1,\"message\":\"é\\n\"}\n{\"timestamp\":2,\"message\":\"{\\\"a\\\":1}\"}\n{\"timestamp\":-5,\"message\":\"x\"}\n"
    );
    assert_eq!(
        fs::read_to_string(folder.join("pod..1%2F2.batches.jsonl")).unwrap(),
        "{\"object\":\"s3://logs/a \\\"b\\\".gz\",\"events\":2,\"bytes\":62,\"first\":1,\"last\":2}\n\
         {\"object\":\"s3://logs/a \\\"b\\\".gz\",\"events\":1,\"bytes\":27,\"first\":-5,\"last\":-5}\n"
    );
}

#[test]
fn a_torn_line_of_an_earlier_run_is_cut_off() {
    let (dir, streams) = streams();
    let at = name("g", "s");
    let path = streams.path(&at);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let long = "x".repeat(200_000);
    for (left, kept) in [("", ""), ("torn", ""), ("whole\n", "whole\n"), ("whole\ntorn", "whole\n"), (&long, "")] {
        fs::write(&path, left).unwrap();
        let streams = Streams::new(dir.path());
        streams.put(&at, &object(), [event(1, "m")].iter()).unwrap();
        let expected = format!("{kept}{{\"timestamp\":1,\"message\":\"m\"}}\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    }
}

#[test]
fn more_streams_than_may_be_open_lose_nothing() {
    let (_dir, streams) = streams();
    for round in 0..2 {
        for i in 0..MAX_OPEN * 2 {
            let stream = i.to_string();
            streams.put(&name("g", &stream), &object(), [event(round, "m")].iter()).unwrap();
            assert!(lock(&streams.open).slots.len() <= MAX_OPEN);
        }
    }
    for i in 0..MAX_OPEN * 2 {
        let text = fs::read_to_string(streams.path(&name("g", &i.to_string()))).unwrap();
        assert_eq!(text.lines().count(), 2);
    }
}

#[test]
fn puts_of_many_threads_stay_whole() {
    let (_dir, streams) = streams();
    let names: Vec<String> = (0..MAX_OPEN + 10).map(|i| i.to_string()).collect();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (streams, names) = (&streams, &names);
            scope.spawn(move || {
                for put in 0..20 {
                    for stream in names {
                        let events = [event(thread, "a"), event(thread, "b"), event(put, "c")];
                        streams.put(&name("g", stream), &object(), events.iter()).unwrap();
                    }
                }
            });
        }
    });
    for stream in &names {
        let text = fs::read_to_string(streams.path(&name("g", stream))).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 240);
        for put in lines.chunks(3) {
            assert!(put[0].ends_with("\"a\"}") && put[1].ends_with("\"b\"}") && put[2].ends_with("\"c\"}"));
            assert_eq!(put[0].replace("\"a\"", "\"b\""), put[1]);
        }
    }
}

#[cfg(target_os = "linux")]
mod full_disk {
    use super::*;
    use std::os::unix::fs::symlink;

    /// The disk is full for one of the two files.
    fn full(ending: &str) -> (TempDir, Streams, String) {
        let (dir, streams) = streams();
        let path = streams.path(&name("g", "s"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let file = path.with_extension(ending);
        symlink("/dev/full", &file).unwrap();
        (dir, streams, file.display().to_string())
    }

    #[test]
    fn events_that_can_not_be_written_are_an_error_with_its_remedy() {
        let (_dir, streams, file) = full("ndjson");
        let error = streams.put(&name("g", "s"), &object(), [event(1, "secret")].iter()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "can't write {file}: No space left on device (os error 28); the disk is full: free space, or give another --output"
            )
        );
        assert!(error.stops_everything());
    }

    #[test]
    fn a_put_that_fails_half_way_is_taken_back_whole() {
        let (_dir, streams, file) = full("batches.jsonl");
        let at = name("g", "s");
        for _ in 0..2 {
            let error = streams.put(&at, &object(), [event(1, "m")].iter()).unwrap_err();
            assert!(error.to_string().contains(&file));
            assert_eq!(fs::read(streams.path(&at)).unwrap(), b"");
        }
        fs::remove_file(file).unwrap();
        streams.put(&at, &object(), [event(1, "m")].iter()).unwrap();
        assert_eq!(fs::read_to_string(streams.path(&at)).unwrap().lines().count(), 1);
    }
}

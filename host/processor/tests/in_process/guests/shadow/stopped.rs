//! Shadows whose own words, stop or source end the comparison.

use super::*;

/// Lines, and a stop or a failure at their end.
struct Source(io::Cursor<String>, Option<Stop>);

impl Read for Source {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match (self.0.read(out)?, &self.1) {
            (0, Some(stop)) => {
                stop.request();
                Ok(0)
            }
            (0, None) => Err(io::Error::other("no more of it")),
            (read, _) => Ok(read),
        }
    }
}

/// What happens when it fails is for the active one to say.
#[test]
fn whatever_its_item_says_a_shadow_that_fails_has_failed() {
    for on_error in [OnError::Retry, OnError::Quarantine, OnError::Default] {
        let case = hostile(Case::hostile("honest").chunks(1), "transform:panic-second", "");
        let (job, sink) = (case.job(cloudwatch()), Sink::default());
        let plan = case.plan();
        let shadow = plan.shadow.map(|shadow| LoadedPlugin { on_error, ..shadow });
        let guests = Guests::start(&Plan { shadow, ..plan }, &job).unwrap();
        let input = io::Cursor::new("one\ntwo\nthree\n");
        let came = block_on(deliver_events(job, guests, input, Stop::default(), &sink));
        assert_eq!((came.end, came.lines.delivered), (End::Complete, 3));
        assert_eq!(counts(&came.shadow.unwrap()), [1, 0, 0, 0, 2], "{on_error:?}");
    }
}

/// Somebody stops it as soon as it is written to.
struct Writer(Vec<u8>, Stop);

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.1.request();
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn whoever_stops_it_does_not_wait_for_the_shadow() {
    let case = hostile(active(""), "transform:loop", "");
    let source = |stop: &Stop| Source(io::Cursor::new(lines().join("\n") + "\n"), Some(stop.clone()));
    let stop = Stop::default();
    let (plan, job, sink) = (case.plan(), case.job(cloudwatch()), Sink::default());
    let guests = Guests::start(&plan, &job).unwrap();
    let came = block_on(deliver_events(job.clone(), guests, source(&stop), stop.clone(), &sink));
    assert_eq!((came.end, came.shadow), (End::Interrupted, None));
    // Stopped while the active one's last lines are written: nothing of these is missing.
    for mode in ["passthrough", "hold"] {
        let case = beside(active(mode), "hold");
        let (job, stop) = (case.job(cloudwatch()), Stop::default());
        let guests = Guests::start(&case.plan(), &job).unwrap();
        let input = io::Cursor::new(lines().join("\n"));
        let (came, to) =
            block_on(deliver_object(job, guests, input, Writer(Vec::new(), stop.clone()), stop.clone(), &sink));
        assert_eq!((came.end, came.shadow), (End::Complete, None));
        assert_eq!(to.unwrap().0, (lines().join("\n") + "\n").into_bytes());
    }
    // Its start alone would take hours.
    let limits = Limits { start_fuel: 100_000_000_000_000, call_time: Duration::from_secs(600), ..limits() };
    let case = active("passthrough").shadow(&WORLD.hostile.with_limits(limits), &[("mode", "wants:loop")]);
    let (job, stop, asked) = (case.job(cloudwatch()), Stop::default(), Instant::now());
    let guests = Guests::start(&case.plan(), &job).unwrap();
    let (input, to) = (io::Cursor::new(lines().join("\n")), Writer(Vec::new(), stop.clone()));
    let (came, _) = block_on(deliver_object(job.clone(), guests, input, to, stop, &sink));
    assert_eq!((came.end, came.shadow), (End::Complete, None));
    assert!(asked.elapsed() < Duration::from_secs(240), "{:?}", asked.elapsed());
    let stop = Stop::default();
    assert_eq!(block_on(compare_copy(job, &plan, source(&stop), stop.clone())), None);
}

#[test]
fn an_object_that_can_not_be_read_again_is_not_compared() {
    let case = beside(active(""), "drop");
    let job = case.job(Destination::S3 { bucket: "theirs".to_owned(), prefix: String::new(), account: None });
    let source = Source(io::Cursor::new(lines().join("\n")), None);
    assert_eq!(block_on(compare_copy(job, &case.plan(), source, Stop::default())), None);
}

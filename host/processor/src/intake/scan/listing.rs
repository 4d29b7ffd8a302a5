//! Lists the bucket. A listing starts new objects, and defers those whose tenant is over its
//! share: so a new object is started by the first listing that shows it, whatever else there
//! is. Deferred objects are processed before the next listing, for as long as the last one
//! took.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::listed_set::StateHash;
use super::seen_objects::Decision;
use super::{OVERHEAD, Scanner, tenant_name};
use crate::aws::{AwsError, AwsErrorKind, ListPage, ListedObject};
use crate::intake::message::ObjectOwner;
use crate::intake::tenant_shares::ShareCheck;
use crate::telemetry::Dependency;
use model::ObjectId;

/// Pauses before a failed page is requested again: doubling from the first; after the longest,
/// the listing starts over.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(32));

/// The longest that a deferred object waits for room in its tenant's share; then the rest of
/// the listing goes on, and only what fits at once is taken of this tenant.
const MAX_ROOM_WAIT: Duration = Duration::from_secs(2);

/// The position in the listing of the first deferred object: after this key, or at the
/// beginning.
struct Deferred {
    after: Option<String>,
}

/// The tenant whose objects were deferred last. Objects beside those in the listing are most
/// likely of the same tenant, and are deferred without asking.
#[derive(Default)]
struct OverShare {
    folder: String,
    tenant: String,
}

impl OverShare {
    fn covers(&self, key: &str) -> bool {
        !self.folder.is_empty() && folder(key) == self.folder
    }
}

fn folder(key: &str) -> &str {
    key.rfind('/').and_then(|end| key.get(..=end)).unwrap_or_default()
}

impl Scanner {
    /// Repeats, for ever: a listing, then a pause or the deferred objects.
    pub(super) async fn run(&mut self) {
        loop {
            let began = Instant::now();
            let put_off = match self.listing().await {
                Ok(put_off) => put_off,
                Err(error) => {
                    self.report_list_failure(&error);
                    None
                }
            };
            let pause_ends = Instant::now() + self.options.interval;
            if let Some(Deferred { after }) = put_off {
                let until = pause_ends.max(Instant::now() + began.elapsed());
                if let Err(error) = self.process_deferred(after, until).await {
                    self.report_list_failure(&error);
                }
            }
            self.pause(pause_ends).await;
        }
    }

    fn report_list_failure(&self, error: &AwsError) {
        tracing::error!(error = %error, bucket = self.options.bucket, "the bucket can't be listed; it is tried again");
        self.processor.health().mark_down(Dependency::Bucket, error);
    }

    async fn pause(&mut self, until: Instant) {
        let pause = tokio::time::sleep_until(until.into());
        tokio::pin!(pause);
        loop {
            self.processor.health().record_progress();
            tokio::select! {
                () = &mut pause => return,
                done = self.receiver.recv() => done.iter().for_each(|done| self.record_finished(done)),
                () = tokio::time::sleep(Duration::from_secs(30)) => {}
            }
        }
    }

    /// Lists all pages and starts new objects; returns where the first was deferred.
    async fn listing(&mut self) -> Result<Option<Deferred>, AwsError> {
        let (mut next, mut before, mut put_off, mut no_room) = (None, None, None, 0_u64);
        let mut over_share = OverShare::default();
        loop {
            let page = self.page(None, next).await?;
            // Also during the listing, which may take hours.
            if !self.full {
                self.processor.health().mark_up(Dependency::Bucket);
            }
            for listed in page.objects {
                if self.is_wanted(&listed) {
                    match self.objects.decide(&listed, Instant::now()) {
                        Decision::Skip => {}
                        Decision::NoRoom => no_room += 1,
                        Decision::Start(object) => {
                            if !self.start_if_within_share(object, &listed, &mut over_share).await {
                                self.objects.put_off(object, Instant::now());
                                put_off.get_or_insert_with(|| Deferred { after: before.clone() });
                            }
                        }
                    }
                }
                before = Some(listed.key);
            }
            self.collect_finished();
            next = match page.next {
                Some(next) => Some(next),
                None => break,
            };
        }
        self.objects.end_listing();
        self.warn_of_no_room(no_room);
        Ok(put_off)
    }

    /// Requests a page. In the middle of a listing a failed page is requested again: otherwise
    /// no listing of a large bucket, or under throttling, would ever complete.
    async fn page(&mut self, after: Option<&str>, next: Option<String>) -> Result<ListPage, AwsError> {
        let mut pause = PAUSES.0;
        loop {
            let health = self.processor.health();
            let page = health.keep_alive_during(self.s3.list(&self.options.bucket, after, next.clone())).await;
            match page {
                // Other errors may be about the continuation token.
                Err(error) if next.is_some() && error.kind != AwsErrorKind::Other && pause <= PAUSES.1 => {
                    self.report_list_failure(&error);
                    self.processor.health().keep_alive_during(tokio::time::sleep(pause)).await;
                    self.collect_finished();
                    pause *= 2;
                }
                page => return page,
            }
        }
    }

    /// Warns about objects that the last listing showed and for which there is no room.
    fn warn_of_no_room(&mut self, no_room: u64) {
        self.full = no_room > 0;
        if !self.full {
            return self.processor.health().mark_up(Dependency::Bucket);
        }
        let known = self.objects.len();
        let problem = format!(
            "the bucket holds more than {known} objects, which is all that can be remembered: {no_room} wait until \
             others are gone; let a lifecycle rule remove what is delivered"
        );
        tracing::error!(error = problem, bucket = self.options.bucket, "not all objects can be begun");
        self.processor.health().mark_down(Dependency::Bucket, &problem);
    }

    /// Starts an object if it is within its tenant's share; returns whether it was.
    async fn start_if_within_share(
        &mut self,
        object: StateHash,
        listed: &ListedObject,
        over_share: &mut OverShare,
    ) -> bool {
        let bytes = listed.key.len() + OVERHEAD;
        if over_share.covers(&listed.key) && !self.shares.admits(&over_share.tenant, bytes) {
            return false;
        }
        while !self.shares.has_room(1) {
            self.wait_briefly().await;
        }
        let owner = self.find_owner(listed).await;
        let tenant = tenant_name(owner.as_ref());
        let mut reservation = self.shares.reserve(bytes);
        if reservation.assign(&tenant) != ShareCheck::Within {
            *over_share = OverShare { folder: folder(&listed.key).to_owned(), tenant };
            return false;
        }
        self.begin(object, listed, owner, reservation);
        true
    }

    async fn find_owner(&self, listed: &ListedObject) -> Option<ObjectOwner> {
        let object = ObjectId { bucket: self.options.bucket.clone(), key: listed.key.clone() };
        self.processor.find_owner_of(&object, listed.stored.last_modified).await
    }

    /// Processes deferred objects in the order of the listing, until then.
    async fn process_deferred(&mut self, after: Option<String>, until: Instant) -> Result<(), AwsError> {
        let (mut next, mut over_share, mut slow) = (None, OverShare::default(), HashSet::new());
        loop {
            let page = self.page(after.as_deref(), next).await?;
            for listed in page.objects {
                if !self.is_wanted(&listed) {
                    continue;
                }
                let Decision::Start(object) = self.objects.decide(&listed, Instant::now()) else { continue };
                let since = Instant::now();
                while !self.start_if_within_share(object, &listed, &mut over_share).await {
                    let now = Instant::now();
                    if now >= until {
                        self.objects.put_off(object, now);
                        return Ok(());
                    }
                    if now.saturating_duration_since(since) >= MAX_ROOM_WAIT {
                        slow.insert(over_share.tenant.clone());
                    }
                    if slow.contains(&over_share.tenant) {
                        self.objects.put_off(object, now);
                        break;
                    }
                    self.wait_briefly().await;
                }
            }
            self.collect_finished();
            next = match page.next {
                Some(next) if Instant::now() < until => Some(next),
                _ => return Ok(()),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_in_the_same_folder_is_most_likely_the_same_tenants() {
        let over_share = OverShare { folder: folder("c/acme/app/pod/1.gz").to_owned(), tenant: "acme".to_owned() };
        assert!(over_share.covers("c/acme/app/pod/2.gz"));
        assert!(!over_share.covers("c/acme/app/pod-2/2.gz") && !over_share.covers("c/acme/app/pod/x/2.gz"));
        assert!(!OverShare::default().covers("1.gz"), "at the top there may be anybody's");
    }
}

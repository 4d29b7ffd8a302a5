//! Sessions: credentials, and the two hops of roles.
//!
//! The processor's own credentials assume the central role. That role's session assumes
//! the tenant's role, in the tenant's region, with the processor's own account as external
//! ID. For S3 the central role alone is enough, in a session of another name. A [`Session`]
//! gets its credentials when it is first used, and renews them before they expire, one call
//! at a time. The SDK's cache of identities is off: it would be a second one.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_sts::config::IdentityCache;
use aws_sdk_sts::config::retry::RetryPartition;

use super::cache::IdleCache;
use super::error::{CallInfo, describe_transport_error};
use super::lazy::Lazy;
use super::operation::Operation;
use super::own_account::OwnAccount;
use super::remedy::{NO_CENTRAL_ROLE, NO_CREDENTIALS};
use super::sts::{RoleToAssume, assume_role};
use super::{AwsError, AwsErrorKind};
use model::{Fault, lock};

/// The time before their expiry at which credentials are renewed.
const RENEW_BEFORE: Duration = Duration::from_secs(5 * 60);

/// The time after a failed renewal before the next one, while the old credentials are valid.
const RENEWAL_RETRY: Duration = Duration::from_secs(10);

/// The age before which a session that all tenants share isn't forgotten. If AWS calls it expired
/// for many deliveries at once, one of them gets new credentials, and no tenant can make all
/// others renew again and again.
const MIN_SHARED_AGE: Duration = Duration::from_secs(10);

/// The most tenants' sessions that are kept. Each takes a few KB.
const MAX_SESSIONS: usize = 2000;

/// The source of a session's credentials.
enum CredentialSource {
    /// The environment, the pod, the Lambda, or a profile.
    Own(Option<SharedCredentialsProvider>),
    /// None: the central role isn't set.
    NoCentralRole,
    /// The central role, assumed with the processor's own credentials.
    Central(RoleHop),
    /// A tenant's role, assumed with the central role's session.
    Tenant { hop: RoleHop, central: Arc<Session>, external_id: Arc<OwnAccount> },
}

/// A role, and the client that assumes it.
struct RoleHop {
    role: RoleToAssume,
    sts: Lazy<aws_sdk_sts::Client>,
    partition: RetryPartition,
}

impl RoleHop {
    fn new(role: RoleToAssume, sts: Lazy<aws_sdk_sts::Client>) -> Self {
        let partition = RetryPartition::custom(format!("sts-{}", role.arn)).build();
        Self { role, sts, partition }
    }

    async fn assume(&self, external_id: Option<&str>) -> Result<Credentials, AwsError> {
        assume_role(&self.sts, &self.partition, &self.role, external_id).await
    }
}

/// The credentials of one identity, cached and renewed.
pub(super) struct Session {
    source: CredentialSource,
    /// The epoch, which goes up when the credentials are forgotten.
    epoch: AtomicU64,
    state: Mutex<SessionState>,
    /// The lock of the caller that renews.
    renewal: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct SessionState {
    /// The credentials, with the epoch and the time in which they were requested.
    cached: Option<(Credentials, u64, Instant)>,
    /// The time and the error of the last renewal, if it failed.
    failure: Option<(Instant, AwsError)>,
}

/// The cached credentials at a moment.
enum CachedCredentials {
    Fresh(Credentials),
    /// Still valid, but due for renewal.
    Stale(Credentials),
    Missing,
}

impl Session {
    fn new(source: CredentialSource) -> Arc<Self> {
        let renewal = tokio::sync::Mutex::new(());
        Arc::new(Self { source, epoch: AtomicU64::new(0), state: Mutex::default(), renewal })
    }

    /// Forgets the credentials that are cached, and those being requested.
    fn forget(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// Forgets the credentials, unless they are younger than [`MIN_SHARED_AGE`].
    fn forget_shared(&self, moment: Instant) {
        let asked = self.state().cached.as_ref().map(|(_, _, asked)| *asked);
        if asked.is_some_and(|asked| moment.saturating_duration_since(asked) >= MIN_SHARED_AGE) {
            self.forget();
        }
    }

    /// Forgets the credentials, if they are these.
    fn forget_if_cached(&self, credentials: &Credentials) {
        let cached =
            self.state().cached.as_ref().map(|(cached, ..)| cached.access_key_id() == credentials.access_key_id());
        if cached == Some(true) {
            self.forget();
        }
    }

    /// Gets credentials that are valid now: from the cache, except at first and shortly before they
    /// expire. While one caller renews them, the others use the old ones; if there are none, they
    /// wait and share the result.
    ///
    /// # Errors
    /// A role on the way can't be assumed; the error names it.
    pub(super) async fn credentials(&self) -> Result<Credentials, AwsError> {
        let asked = Instant::now();
        let old = match self.cached() {
            CachedCredentials::Fresh(credentials) => return Ok(credentials),
            CachedCredentials::Stale(credentials) => Some(credentials),
            CachedCredentials::Missing => None,
        };
        let _renewal = match (self.renewal.try_lock(), old) {
            (Ok(renewal), _) => renewal,
            (Err(_), Some(old)) => return Ok(old),
            (Err(_), None) => self.renewal.lock().await,
        };
        let old = match self.cached() {
            CachedCredentials::Fresh(credentials) => return Ok(credentials),
            CachedCredentials::Stale(credentials) => Some(credentials),
            CachedCredentials::Missing => None,
        };
        if let Some((when, failure)) = &self.state().failure
            && *when >= asked
        {
            return old.ok_or_else(|| failure.clone());
        }
        self.renew(old).await
    }

    /// Gets new credentials. If that fails, the old ones are used on.
    async fn renew(&self, old: Option<Credentials>) -> Result<Credentials, AwsError> {
        let (epoch, asked) = (self.epoch.load(Ordering::Acquire), Instant::now());
        // Boxed: a tenant's session asks the central one, which has the same type.
        let found = Box::pin(self.fetch()).await;
        let mut state = self.state();
        match (found, old) {
            (Ok(credentials), _) => {
                *state = SessionState { cached: Some((credentials.clone(), epoch, asked)), failure: None };
                Ok(credentials)
            }
            (Err(error), Some(old)) => {
                tracing::warn!(error = %error, "credentials can't be renewed; the old ones go on while they are valid");
                state.failure = Some((Instant::now(), error));
                Ok(old)
            }
            (Err(error), None) => {
                state.failure = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    async fn fetch(&self) -> Result<Credentials, AwsError> {
        match &self.source {
            CredentialSource::Own(None) => Err(no_credentials(&CredentialsError::not_loaded_no_source())),
            CredentialSource::Own(Some(own)) => {
                let found = own.provide_credentials().await.map_err(|error| no_credentials(&error))?;
                trim_credentials(found).ok_or_else(unusable_credentials)
            }
            CredentialSource::NoCentralRole => Err(no_central_role()),
            CredentialSource::Central(hop) => hop.assume(None).await,
            CredentialSource::Tenant { hop, central, external_id } => {
                let (with, external_id) = tokio::try_join!(central.credentials(), external_id.get())?;
                match hop.assume(Some(external_id)).await {
                    // The central role's session has expired, not the tenant's.
                    Err(error) if error.kind == AwsErrorKind::Expired => {
                        central.forget_if_cached(&with);
                        hop.assume(Some(external_id)).await
                    }
                    assumed => assumed,
                }
            }
        }
    }

    fn cached(&self) -> CachedCredentials {
        self.cached_at(SystemTime::now(), Instant::now())
    }

    /// The cached credentials at `now` by the clock, and at `moment` by the monotonic clock.
    fn cached_at(&self, now: SystemTime, moment: Instant) -> CachedCredentials {
        let state = self.state();
        let Some((credentials, epoch, _)) = &state.cached else { return CachedCredentials::Missing };
        if *epoch != self.epoch.load(Ordering::Acquire) {
            return CachedCredentials::Missing;
        }
        let Some(expiry) = credentials.expiry() else { return CachedCredentials::Fresh(credentials.clone()) };
        let left = expiry.duration_since(now).unwrap_or_default();
        let since = |when: &Instant| moment.saturating_duration_since(*when);
        let failed_just_now = state.failure.as_ref().is_some_and(|(when, _)| since(when) < RENEWAL_RETRY);
        if left.is_zero() {
            CachedCredentials::Missing
        } else if left > RENEW_BEFORE || failed_just_now {
            CachedCredentials::Fresh(credentials.clone())
        } else {
            CachedCredentials::Stale(credentials.clone())
        }
    }

    fn state(&self) -> MutexGuard<'_, SessionState> {
        lock(&self.state)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session")
    }
}

impl ProvideCredentials for Session {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async { self.credentials().await.map_err(CredentialsError::provider_error) })
    }
}

fn no_credentials(error: &CredentialsError) -> AwsError {
    let call = CallInfo::own(Operation::Credentials, "");
    call.error(
        "the processor",
        AwsErrorKind::Denied,
        Some(NO_CREDENTIALS.to_owned()),
        describe_transport_error(error),
        false,
    )
}

/// The credentials without white space at their ends, which files and hand-made responses have.
/// `None` if they can't stand in a header even so, which signing takes for granted.
fn trim_credentials(found: Credentials) -> Option<Credentials> {
    let is_word = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    let (id, secret) = (found.access_key_id().trim(), found.secret_access_key().trim());
    let token = found.session_token().map(str::trim).filter(|token| !token.is_empty());
    if ![Some(id), Some(secret), token].into_iter().flatten().all(is_word) {
        return None;
    }
    let as_found = (found.access_key_id(), found.secret_access_key(), found.session_token());
    if (id, secret, token) == as_found {
        return Some(found);
    }
    Some(Credentials::new(id, secret, token.map(str::to_owned), found.expiry(), "trimmed"))
}

fn unusable_credentials() -> AwsError {
    let call = CallInfo::own(Operation::Credentials, "");
    let message = "what was found is empty, or holds white space or other characters that no key has (it is not shown)";
    call.error("the processor", AwsErrorKind::Denied, Some(NO_CREDENTIALS.to_owned()), message, false)
}

fn no_central_role() -> AwsError {
    let call = CallInfo::own(Operation::AssumeRole, "");
    let message = "CENTRAL_LOG_DISTRIBUTION_ROLE_ARN is not set";
    call.error("the central role", AwsErrorKind::Denied, Some(NO_CENTRAL_ROLE.to_owned()), message, false)
}

/// The sessions of this process.
pub(super) struct Sessions {
    own: Arc<Session>,
    central: Arc<Session>,
    destination: Arc<Session>,
    /// By role and region.
    tenants: IdleCache<(String, String), Arc<Session>>,
    external_id: Arc<OwnAccount>,
    /// STS with the central role's session.
    second_sts: Lazy<aws_sdk_sts::Client>,
}

impl Sessions {
    /// The sessions of `central_role`. `config` has the processor's own credentials and region.
    pub(super) fn new(config: &SdkConfig, central_role: Option<&str>) -> Self {
        let region = config.region().map(ToString::to_string).unwrap_or_default();
        let own = Session::new(CredentialSource::Own(config.credentials_provider()));
        let first_sts = sts(with_session(config, &own, &region));
        let role = |session_prefix| {
            let Some(arn) = central_role else { return Session::new(CredentialSource::NoCentralRole) };
            let role = RoleToAssume {
                arn: arn.to_owned(),
                session_prefix,
                region: region.clone(),
                fault: Fault::Host,
                in_own_region: true,
            };
            Session::new(CredentialSource::Central(RoleHop::new(role, first_sts.clone())))
        };
        let central = role("CentralLogDistribution");
        let destination = role("S3LogDelivery");
        let second_sts = sts(with_session(config, &central, &region));
        let external_id = Arc::new(OwnAccount::new(first_sts, region));
        Self { own, central, destination, tenants: IdleCache::new(MAX_SESSIONS), external_id, second_sts }
    }

    /// The session of the processor's own credentials.
    pub(super) fn own(&self) -> &Arc<Session> {
        &self.own
    }

    /// The processor's own account.
    pub(super) fn own_account(&self) -> &Arc<OwnAccount> {
        &self.external_id
    }

    /// The session of the central role alone, for S3.
    pub(super) fn destination(&self) -> &Arc<Session> {
        &self.destination
    }

    /// The session of a tenant's role, by way of the central one.
    pub(super) fn tenant_session(&self, role_arn: &str, region: &str) -> Arc<Session> {
        self.tenants.get_or_insert((role_arn.to_owned(), region.to_owned()), |(arn, region)| {
            let role = RoleToAssume {
                arn: arn.clone(),
                session_prefix: "CloudWatchLogDelivery",
                region: region.clone(),
                fault: Fault::Destination,
                in_own_region: *region == self.external_id.region(),
            };
            let hop = RoleHop::new(role, self.second_sts.clone());
            let (central, external_id) = (Arc::clone(&self.central), Arc::clone(&self.external_id));
            Session::new(CredentialSource::Tenant { hop, central, external_id })
        })
    }

    /// Forgets a session that AWS called expired: that of a tenant's role in a region, or for `None`
    /// the one for S3, which all tenants share. The next call gets new credentials.
    pub(super) fn forget(&self, tenant: Option<(&str, &str)>) {
        match tenant {
            Some((role_arn, region)) => self.tenant_session(role_arn, region).forget(),
            None => self.destination.forget_shared(Instant::now()),
        }
    }
}

/// The configuration in which `session` signs, in `region`.
pub(super) fn with_session(config: &SdkConfig, session: &Arc<Session>, region: &str) -> SdkConfig {
    let session: Arc<dyn ProvideCredentials> = Arc::<Session>::clone(session);
    config
        .to_builder()
        .region(Region::new(region.to_owned()))
        .credentials_provider(SharedCredentialsProvider::new(session))
        .identity_cache(IdentityCache::no_cache())
        .build()
}

fn sts(config: SdkConfig) -> Lazy<aws_sdk_sts::Client> {
    Lazy::new(move || {
        let partition = RetryPartition::custom("sts").build();
        let config = aws_sdk_sts::config::Builder::from(&config).retry_partition(partition).build();
        aws_sdk_sts::Client::from_conf(config)
    })
}

#[cfg(test)]
#[path = "sessions_tests.rs"]
mod tests;

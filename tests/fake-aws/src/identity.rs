//! Accounts, roles, sessions, permissions.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::FakeAws;
use crate::call::{Call, Service};
use crate::clock;
use crate::reply::Refusal;
use crate::state::State;

/// The trust policy of a role.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// ARNs of users and roles; `arn:aws:iam::ACCOUNT:root` is all of an account.
    pub principals: Vec<String>,
    /// The external ID that the caller must send.
    pub external_id: Option<String>,
}

impl Trust {
    /// Trusts one principal.
    pub fn of(principal: &str) -> Self {
        Self { principals: vec![principal.to_owned()], external_id: None }
    }

    /// Demands an external ID too.
    #[must_use]
    pub fn external_id(mut self, id: &str) -> Self {
        self.external_id = Some(id.to_owned());
        self
    }
}

/// The permissions of an identity: pairs of action (`s3:GetObject`) and resource
/// (`bucket/key`, a log group, a queue, a table, a role's ARN, a namespace), each of which may
/// end in `*`.
#[derive(Debug, Clone, Default)]
pub struct Permissions(Vec<(String, String)>);

impl Permissions {
    /// Nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// Everything.
    pub fn all() -> Self {
        Self::none().allow("*", "*")
    }

    /// Adds a permission.
    #[must_use]
    pub fn allow(mut self, action: &str, resource: &str) -> Self {
        self.0.push((action.to_owned(), resource.to_owned()));
        self
    }
}

/// The credentials that requests are signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "they are called that")]
pub struct Credentials {
    pub access_key_id: String,
    pub secret_access_key: String,
    pub session_token: Option<String>,
}

/// A user's credentials, or those that AssumeRole gave.
#[derive(Debug, Clone)]
pub struct Session {
    /// The ARN: the user's, or `arn:aws:sts::ACCOUNT:assumed-role/ROLE/NAME`.
    pub arn: Arc<str>,
    /// The user's or the role's ARN, which has the permissions.
    pub principal: Arc<str>,
    /// Twelve digits.
    pub account: Arc<str>,
    /// RoleSessionName; a user has none.
    pub name: Option<Arc<str>>,
    /// The region of the STS that created the session.
    pub region: Arc<str>,
    /// The credentials that requests are signed with.
    pub credentials: Credentials,
    /// The expiry in milliseconds since the Unix epoch; `None` for never.
    pub expires: Option<i64>,
}

struct Principal {
    trust: Trust,
    permissions: Permissions,
}

/// All accounts.
pub(crate) struct Identities {
    principals: HashMap<String, Principal>,
    sessions: HashMap<String, Arc<Session>>,
    denied: Vec<(String, String)>,
    /// The lifetime that AssumeRole gives instead of the requested one.
    lifetime: Option<Duration>,
    /// Milliseconds that AWS's clock is ahead of the machine's.
    pub(crate) ahead: i64,
}

impl Identities {
    pub(crate) fn new() -> Self {
        Self { principals: HashMap::new(), sessions: HashMap::new(), denied: Vec::new(), lifetime: None, ahead: 0 }
    }

    fn set(&mut self, arn: &str, trust: Trust, permissions: Permissions) {
        self.principals.insert(arn.to_owned(), Principal { trust, permissions });
    }

    /// A session of a principal; of a role if it has a name.
    pub(crate) fn open(&mut self, principal: &str, name: Option<&str>, region: &str, seconds: u64) -> Arc<Session> {
        let account = account(principal);
        let id = Uuid::new_v4().simple().to_string().to_uppercase();
        let arn = match (name, principal.split_once(":role/")) {
            (Some(name), Some((_, role))) => format!("arn:aws:sts::{account}:assumed-role/{role}/{name}"),
            _ => principal.to_owned(),
        };
        let lifetime = self.lifetime.unwrap_or(Duration::from_secs(seconds)).as_millis() as i64;
        let session = Arc::new(Session {
            arn: arn.into(),
            principal: principal.into(),
            account: account.into(),
            name: name.map(Into::into),
            region: region.into(),
            credentials: Credentials {
                access_key_id: format!("{}{}", if name.is_some() { "ASIA" } else { "AKIA" }, &id[..16]),
                secret_access_key: format!("secret-{id}"),
                session_token: name.map(|_| format!("token-{id}")),
            },
            expires: name.map(|_| self.now() + lifetime),
        });
        self.sessions.insert(session.credentials.access_key_id.clone(), Arc::clone(&session));
        session
    }

    /// The session that signed a call.
    pub(crate) fn caller(&self, call: &Call) -> Result<Arc<Session>, Refusal> {
        let Some(scope) = &call.scope else { return Err(missing_token(call.service)) };
        if scope.service != call.service.name() {
            let message = format!("Credential should be scoped to correct service: '{}'.", call.service);
            let code =
                if call.service == Service::S3 { "AuthorizationHeaderMalformed" } else { "SignatureDoesNotMatch" };
            return Err(Refusal::new(if call.service == Service::S3 { 400 } else { 403 }, code, message));
        }
        let session = self.sessions.get(&scope.access_key).ok_or_else(|| unknown(call.service))?;
        if session.credentials.session_token.as_deref() != call.header("x-amz-security-token") {
            return Err(unknown(call.service));
        }
        let tolerated = if call.service == Service::S3 { S3_TOLERATES } else { TOLERATED };
        if let Some(signed) = call.header("x-amz-date").and_then(clock::signed)
            && (signed - self.now()).abs() > tolerated
        {
            return Err(skewed(call.service, signed < self.now()));
        }
        if session.expires.is_some_and(|expires| expires <= self.now()) {
            return Err(expired(call.service));
        }
        Ok(Arc::clone(session))
    }

    /// AWS's time, in milliseconds since the Unix epoch.
    pub(crate) fn now(&self) -> i64 {
        clock::now() + self.ahead
    }

    pub(crate) fn may(&self, session: &Session, action: &str, resource: &str) -> bool {
        let denied = self.denied.iter().any(|(who, what)| who == &*session.principal && matches(what, action));
        let allowed = self.principals.get(&*session.principal).is_some_and(|principal| {
            let pairs = &principal.permissions.0;
            pairs.iter().any(|(what, on)| matches(what, action) && matches(on, resource))
        });
        allowed && !denied
    }

    /// Whether the role exists and lets the caller assume it.
    pub(crate) fn trusts(&self, role: &str, caller: &Session, external_id: Option<&str>) -> bool {
        let Some(principal) = self.principals.get(role) else { return false };
        let trust = &principal.trust;
        let root = format!("arn:aws:iam::{}:root", caller.account);
        let trusted = trust.principals.iter().any(|trusted| *trusted == *caller.principal || *trusted == root);
        trusted && (trust.external_id.is_none() || trust.external_id.as_deref() == external_id)
    }
}

/// Milliseconds that a signature's time may be off.
const TOLERATED: i64 = 5 * 60 * 1000;
/// S3 is more patient.
const S3_TOLERATES: i64 = 15 * 60 * 1000;

fn skewed(service: Service, behind: bool) -> Refusal {
    let signature = if behind {
        "Signature expired: 20261126T170000Z is now earlier than 20261126T174500Z (20261126T180000Z - 5 min.)"
    } else {
        "Signature not yet current: 20261126T190000Z is still later than 20261126T181500Z (20261126T180000Z + 5 min.)"
    };
    match service {
        Service::S3 => {
            let message = "The difference between the request time and the current time is too large.";
            Refusal::new(403, "RequestTimeTooSkewed", message)
        }
        Service::Sts | Service::CloudWatch => Refusal::new(403, "SignatureDoesNotMatch", signature),
        _ => Refusal::bad("InvalidSignatureException", signature),
    }
}

/// The account in an ARN.
pub(crate) fn account(arn: &str) -> &str {
    arn.split(':').nth(4).unwrap_or("")
}

fn matches(pattern: &str, text: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == text, |prefix| text.starts_with(prefix))
}

fn missing_token(service: Service) -> Refusal {
    match service {
        Service::S3 => Refusal::new(403, "AccessDenied", "Access Denied"),
        Service::Sts => Refusal::new(403, "MissingAuthenticationToken", "Request is missing Authentication Token"),
        _ => Refusal::bad("MissingAuthenticationTokenException", "Missing Authentication Token"),
    }
}

fn unknown(service: Service) -> Refusal {
    let invalid = "The security token included in the request is invalid.";
    match service {
        Service::S3 => {
            let message = "The AWS Access Key Id you provided does not exist in our records.";
            Refusal::new(403, "InvalidAccessKeyId", message)
        }
        Service::Sts | Service::CloudWatch => Refusal::new(403, "InvalidClientTokenId", invalid),
        _ => Refusal::bad("UnrecognizedClientException", invalid),
    }
}

fn expired(service: Service) -> Refusal {
    let message = "The security token included in the request is expired";
    match service {
        Service::S3 => Refusal::bad("ExpiredToken", "The provided token has expired."),
        Service::Sts | Service::CloudWatch => Refusal::new(403, "ExpiredToken", message),
        _ => Refusal::bad("ExpiredTokenException", message),
    }
}

impl State {
    /// Checks a permission; the error is worded as the service's.
    pub(crate) fn demand(&self, call: &Call, who: &Session, action: &str, resource: &str) -> Result<(), Refusal> {
        if self.identities.may(who, action, resource) {
            return Ok(());
        }
        let message = format!("User: {} is not authorized to perform: {action} on resource: {resource}", who.arn);
        Err(match call.service {
            Service::S3 => Refusal::new(403, "AccessDenied", "Access Denied"),
            Service::Sts | Service::CloudWatch => Refusal::new(403, "AccessDenied", message),
            _ => Refusal::bad("AccessDeniedException", message),
        })
    }
}

impl State {
    /// Checks a permission for a KMS key; the error is worded as S3's.
    pub(crate) fn demand_kms(&self, who: &Session, action: &str, key: &str) -> Result<(), Refusal> {
        if self.identities.may(who, action, key) {
            return Ok(());
        }
        let message = format!(
            "User: {} is not authorized to perform: {action} on resource: {key} because no identity-based policy \
             allows the {action} action",
            who.arn
        );
        Err(Refusal::new(403, "AccessDenied", message))
    }
}

impl FakeAws {
    /// A user with credentials that don't expire. Once more: other permissions, and more credentials.
    pub fn add_user(&self, arn: &str, permissions: Permissions) -> Credentials {
        let mut state = self.state();
        state.identities.set(arn, Trust::default(), permissions);
        state.identities.open(arn, None, crate::REGION, 0).credentials.clone()
    }

    /// A role. Once more: other trust and permissions.
    pub fn add_role(&self, arn: &str, trust: Trust, permissions: Permissions) {
        self.state().identities.set(arn, trust, permissions);
    }

    /// Replaces the permissions of an existing user or role.
    pub fn set_permissions(&self, arn: &str, permissions: Permissions) {
        self.state().identities.principals.get_mut(arn).expect("a user or role that was added").permissions =
            permissions;
    }

    /// Denies a user or role `action` (which may end in `*`) from now on, whatever its
    /// permissions.
    pub fn deny(&self, arn: &str, action: &str) {
        self.state().identities.denied.push((arn.to_owned(), action.to_owned()));
    }

    /// Takes all of [`FakeAws::deny`] for this user or role back.
    pub fn allow_again(&self, arn: &str) {
        self.state().identities.denied.retain(|(who, _)| who != arn);
    }

    /// Sets the lifetime of sessions from now on, whatever DurationSeconds says; `None`
    /// restores that.
    pub fn session_lifetime(&self, lifetime: Option<Duration>) {
        self.state().identities.lifetime = lifetime;
    }

    /// Sets AWS's clock ahead of this machine's by so many seconds; negative values set it
    /// behind.
    pub fn set_ahead(&self, seconds: i64) {
        self.state().identities.ahead = seconds * 1000;
    }

    /// All sessions that AssumeRole gave expire now.
    pub fn expire_sessions(&self) {
        for session in self.state().identities.sessions.values_mut() {
            if session.expires.is_some() {
                let now = clock::now() - 24 * 60 * 60 * 1000;
                *session = Arc::new(Session { expires: Some(now), ..Session::clone(session) });
            }
        }
    }

    /// AWS knows no session any more that AssumeRole gave: their roles were made anew.
    pub fn forget_sessions(&self) {
        self.state().identities.sessions.retain(|_, session| session.expires.is_none());
    }

    /// All sessions that AssumeRole gave, in no order.
    pub fn sessions(&self) -> Vec<Arc<Session>> {
        self.state().identities.sessions.values().filter(|session| session.name.is_some()).cloned().collect()
    }
}

//! What can fail, and how much is known of a failure. The kinds are closed enums: they
//! decide what is done about a failure; their names are for metrics, logs and reports.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use super::Fault;
use super::named::Named;

crate::named! {
    /// The class of a call to AWS that failed; what is done about it is decided elsewhere.
    pub enum AwsErrorKind {
        /// The object, table, group, stream or queue isn't there.
        NotFound = "not-found",
        /// The bucket isn't there.
        NoBucket = "no-bucket",
        /// Access denied: by a policy, KMS, or a role that may not be assumed.
        Denied = "denied",
        /// The session has expired, or its token is invalid.
        Expired = "expired-session",
        /// Too many calls.
        Throttled = "throttled",
        /// A 5xx answer.
        Unavailable = "unavailable",
        /// No answer: connection, name, reset, timeout.
        Unreachable = "unreachable",
        /// A condition (If-Match) doesn't hold.
        Precondition = "changed",
        /// Larger than the call takes.
        TooLarge = "too-large",
        /// It exists already.
        Exists = "exists",
        /// Something else is being done to it at this moment, its creation for one.
        Conflict = "conflict",
        /// The object is in a storage class that can't be read before it is restored.
        Archived = "archived",
        /// The bucket is in another region than the one that was asked.
        OtherRegion = "other-region",
        /// This machine's clock is too far off for what it signs.
        ClockSkew = "clock-skew",
        /// A success without what proves it, such as an ETag.
        NoProof = "no-proof",
        /// Anything else.
        Other = "aws",
    }
}

crate::named! {
    /// How a guest's work ended early.
    pub enum GuestErrorKind {
        /// An answer: the input can never be processed.
        Rejected = "guest-rejected",
        /// It met a state that it did not expect, as it says itself.
        Internal = "guest-internal",
        /// It trapped.
        Trap = "guest-trap",
        /// It used more fuel than it may.
        Fuel = "guest-fuel",
        /// It wanted more memory than it may have.
        Memory = "guest-memory",
        /// It held back more input than it may.
        HeldBack = "guest-held-back",
        /// It returned more than it may.
        Output = "guest-output",
        /// What it returned breaks the contract.
        Contract = "guest-contract",
        /// It called something that no guest is given.
        Forbidden = "guest-forbidden",
        /// It took longer than it may: a busy machine, maybe.
        Timeout = "guest-timeout",
        /// The host could not run it.
        Host = "host",
    }
}

impl GuestErrorKind {
    /// Whether it is the component that failed: then `on_error` decides, and a component
    /// that keeps failing is suspended. What was rejected is an answer; time and the
    /// host's troubles say nothing about the component.
    pub fn is_guests_fault(self) -> bool {
        match self {
            Self::Internal
            | Self::Trap
            | Self::Fuel
            | Self::Memory
            | Self::HeldBack
            | Self::Output
            | Self::Contract
            | Self::Forbidden => true,
            Self::Rejected | Self::Timeout | Self::Host => false,
        }
    }
}

crate::named! {
    /// Why a component can't be loaded.
    pub enum ComponentErrorKind {
        /// Where its item says there is nothing.
        Missing = "component-missing",
        /// Where it lies can't be asked.
        Source = "component-source",
        /// The operator doesn't allow components from there.
        Forbidden = "component-forbidden",
        /// Its bytes are others than the item says.
        Digest = "component-digest",
        /// It is larger than it may be.
        TooLarge = "component-too-large",
        /// It is no component that could run here.
        Refused = "component-refused",
        /// It refuses its settings.
        Settings = "component-settings",
        /// Its compiled form can't be had, or can't be kept.
        NotCompiled = "component-not-compiled",
    }
}

/// What can fail. What failed is tried again, as a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// A call to AWS, to the destination as a rule.
    Aws(AwsErrorKind),
    /// A guest at work.
    Guest(GuestErrorKind),
    /// A component that can't be loaded.
    Component(ComponentErrorKind),
    /// A component that failed again and again: it is suspended, and was not tried.
    Suspended,
    /// A destination that failed again and again: its circuit breaker is open, and it was
    /// not tried.
    BreakerOpen,
    /// The object can't be had from its bucket.
    Source,
    /// What was read of the object broke off for no reason of AWS's.
    Read,
    /// The object's file can't be read.
    Unreadable,
    /// The object has changed since it was announced, or while it was read.
    Changed,
    /// The destination, for no reason of AWS's.
    Destination,
    /// The place of dead letters.
    DeadLetter,
    /// The table of tenants.
    TenantTable,
    /// The delivery's item, which lacks something.
    InvalidDelivery,
    /// Nothing is left to do of what was refused but to fail (DEAD_LETTER=fail).
    Refused,
    /// The checkpoint lies beyond the object's last event: nothing was put, and it belongs
    /// to something else.
    OffsetBeyond,
    /// The lines of the object don't add up: a bug.
    LinesDoNotAddUp,
    /// Work was given up: a bug.
    Internal,
}

impl FailureKind {
    /// Those that stand for one kind each.
    const PLAIN: [Self; 14] = [
        Self::Suspended,
        Self::BreakerOpen,
        Self::Source,
        Self::Read,
        Self::Unreadable,
        Self::Changed,
        Self::Destination,
        Self::DeadLetter,
        Self::TenantTable,
        Self::InvalidDelivery,
        Self::Refused,
        Self::OffsetBeyond,
        Self::LinesDoNotAddUp,
        Self::Internal,
    ];

    /// All there are.
    pub fn all() -> impl Iterator<Item = Self> {
        let aws = AwsErrorKind::ALL.into_iter().map(Self::Aws);
        let guest = GuestErrorKind::ALL.into_iter().map(Self::Guest);
        let component = ComponentErrorKind::ALL.into_iter().map(Self::Component);
        aws.chain(guest).chain(component).chain(Self::PLAIN)
    }

    /// The name in reports, logs and metrics: a bounded set.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aws(kind) => kind.name(),
            Self::Guest(kind) => kind.name(),
            Self::Component(kind) => kind.name(),
            Self::Suspended => "component-suspended",
            Self::BreakerOpen => "breaker-open",
            Self::Source => "source",
            Self::Read => "read",
            Self::Unreadable => "unreadable",
            Self::Changed => "changed",
            Self::Destination => "destination",
            Self::DeadLetter => "dead-letter",
            Self::TenantTable => "tenant-table",
            Self::InvalidDelivery => "invalid-delivery",
            Self::Refused => "refused",
            Self::OffsetBeyond => "offset-beyond",
            Self::LinesDoNotAddUp => "does-not-add-up",
            Self::Internal => "internal",
        }
    }

    /// Whether the component at work failed by its own fault.
    pub fn is_guests_fault(self) -> bool {
        matches!(self, Self::Guest(kind) if kind.is_guests_fault())
    }
}

impl Named for FailureKind {
    fn name(self) -> &'static str {
        self.name()
    }
}

impl From<AwsErrorKind> for FailureKind {
    fn from(kind: AwsErrorKind) -> Self {
        Self::Aws(kind)
    }
}

impl From<GuestErrorKind> for FailureKind {
    fn from(kind: GuestErrorKind) -> Self {
        Self::Guest(kind)
    }
}

impl From<ComponentErrorKind> for FailureKind {
    fn from(kind: ComponentErrorKind) -> Self {
        Self::Component(kind)
    }
}

/// What failed, and why. `Clone` is cheap enough: whoever waits for one thing has its failure.
///
/// Shown, it is its text where it has one, else its source's. Never log contents.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What is done about it is decided by this.
    pub kind: FailureKind,
    /// Whose failure it is.
    pub fault: Fault,
    /// What was asked for may have been done all the same.
    pub effect_unknown: bool,
    text: Option<Box<str>>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl Failure {
    /// A failure of the processor's own that had no effect; `text`: what is wrong with
    /// what, and the remedy.
    pub fn new(kind: impl Into<FailureKind>, text: impl Into<String>) -> Self {
        let text = Some(text.into().into_boxed_str());
        Self { kind: kind.into(), fault: Fault::Host, effect_unknown: false, text, source: None }
    }

    /// The same, of an error that says all that there is to say.
    pub fn of(kind: impl Into<FailureKind>, source: impl Error + Send + Sync + 'static) -> Self {
        let source: Arc<dyn Error + Send + Sync> = Arc::new(source);
        Self { kind: kind.into(), fault: Fault::Host, effect_unknown: false, text: None, source: Some(source) }
    }

    /// The same, somebody else's.
    #[must_use]
    pub fn with_fault(self, fault: Fault) -> Self {
        Self { fault, ..self }
    }

    /// The same, in other words: those of whoever knows what was tried.
    #[must_use]
    pub fn in_words(self, text: impl Into<String>) -> Self {
        Self { text: Some(text.into().into_boxed_str()), ..self }
    }

    /// The same, of a call that may have had its effect.
    #[must_use]
    pub fn with_effect_unknown(self, effect_unknown: bool) -> Self {
        Self { effect_unknown, ..self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.text, &self.source) {
            (Some(text), _) => f.write_str(text),
            (None, Some(source)) => fmt::Display::fmt(source, f),
            (None, None) => f.write_str(self.kind.name()),
        }
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let source: &(dyn Error + 'static) = self.source.as_deref()?;
        // Where the source's words are this one's, what is behind them is its source.
        if self.text.is_some() { Some(source) } else { source.source() }
    }
}

/// Two failures are the same where nobody could tell them apart.
impl PartialEq for Failure {
    fn eq(&self, other: &Self) -> bool {
        let known = |of: &Self| (of.kind, of.fault, of.effect_unknown);
        known(self) == known(other) && self.to_string() == other.to_string()
    }
}

impl Eq for Failure {}

#[cfg(test)]
#[path = "failure_tests.rs"]
mod tests;

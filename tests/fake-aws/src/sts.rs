//! STS: AssumeRole, GetCallerIdentity.

use crate::call::{Call, Input, Pairs};
use crate::clock;
use crate::identity::Session;
use crate::reply::{Refusal, Reply};
use crate::state::State;
use crate::xml;

/// A session that is assumed with a session's credentials lasts an hour at most.
const CHAINED_SECONDS: u64 = 3600;

pub(crate) fn input(call: &mut Call) -> Result<Input, Refusal> {
    let text = std::str::from_utf8(&call.body).map_err(|_| validation("the body is not UTF-8"))?;
    let form = Pairs::read(text, true);
    call.operation = form.get("Action").unwrap_or("").to_owned();
    call.resource = form.get("RoleArn").unwrap_or("").to_owned();
    Ok(Input::Form(form))
}

pub(crate) fn run(state: &mut State, call: &Call, who: &Session) -> Result<Reply, Refusal> {
    match call.operation.as_str() {
        "AssumeRole" => assume(state, call, who),
        "GetCallerIdentity" => Ok(whoami(who)),
        other => Err(Refusal::bad("InvalidAction", format!("Could not find operation {other}"))),
    }
}

fn assume(state: &mut State, call: &Call, who: &Session) -> Result<Reply, Refusal> {
    let (name, external_id) = (call.form("RoleSessionName").unwrap_or(""), call.form("ExternalId"));
    let seconds = match call.form("DurationSeconds") {
        None => CHAINED_SECONDS,
        Some(text) => text.parse().map_err(|_| validation("DurationSeconds is no number"))?,
    };
    check(name, external_id, seconds, who)?;
    state.demand(call, who, "sts:AssumeRole", &call.resource)?;
    if !state.identities.trusts(&call.resource, who, external_id) {
        let (arn, role) = (&who.arn, &call.resource);
        let message = format!("User: {arn} is not authorized to perform: sts:AssumeRole on resource: {role}");
        return Err(Refusal::new(403, "AccessDenied", message));
    }
    let session = state.identities.open(&call.resource, Some(name), call.region(), seconds);
    let mut credentials = String::new();
    xml::element(&mut credentials, "AccessKeyId", &session.credentials.access_key_id);
    xml::element(&mut credentials, "SecretAccessKey", &session.credentials.secret_access_key);
    xml::element(&mut credentials, "SessionToken", session.credentials.session_token.as_deref().unwrap_or(""));
    xml::element(&mut credentials, "Expiration", &clock::iso(session.expires.unwrap_or(0)));
    let mut user = String::new();
    xml::element(&mut user, "AssumedRoleId", &format!("AROAFAKE:{name}"));
    xml::element(&mut user, "Arn", &session.arn);
    Ok(wrapped(
        "AssumeRole",
        &format!("<Credentials>{credentials}</Credentials><AssumedRoleUser>{user}</AssumedRoleUser>"),
    ))
}

fn check(name: &str, external_id: Option<&str>, seconds: u64, who: &Session) -> Result<(), Refusal> {
    let word = |text: &str, more: &str| {
        text.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c) || more.contains(c))
    };
    if !(2..=64).contains(&name.len()) || !word(name, "") {
        return Err(validation("roleSessionName must have 2 to 64 of the characters [\\w+=,.@-]"));
    }
    if external_id.is_some_and(|id| !(2..=1224).contains(&id.len()) || !word(id, ":/")) {
        return Err(validation("externalId must have 2 to 1224 of the characters [\\w+=,.@:/-]"));
    }
    if !(900..=43_200).contains(&seconds) {
        return Err(validation("durationSeconds must be 900 to 43200"));
    }
    if who.name.is_some() && seconds > CHAINED_SECONDS {
        let message =
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining";
        return Err(validation(message));
    }
    Ok(())
}

fn whoami(who: &Session) -> Reply {
    let mut inner = String::new();
    xml::element(&mut inner, "Arn", &who.arn);
    xml::element(&mut inner, "UserId", "AIDAFAKE");
    xml::element(&mut inner, "Account", &who.account);
    wrapped("GetCallerIdentity", &inner)
}

fn wrapped(operation: &str, inner: &str) -> Reply {
    Reply::xml(format!(
        "<{operation}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{operation}Result>{inner}\
         </{operation}Result><ResponseMetadata><RequestId>FAKE</RequestId></ResponseMetadata></{operation}Response>"
    ))
}

fn validation(message: &str) -> Refusal {
    Refusal::bad("ValidationError", message)
}

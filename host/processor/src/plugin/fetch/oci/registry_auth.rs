//! Credentials of registries, from a Docker config.json. Nothing of them is ever
//! shown, nor of the file that holds them.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// The largest file that is read: more than such files have.
const MAX_BYTES: u64 = 1 << 20;

#[derive(Deserialize)]
struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, RegistryEntry>,
    #[serde(default, rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
    #[serde(default, rename = "credsStore")]
    store: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RegistryEntry {
    auth: String,
    username: String,
    password: String,
    #[serde(rename = "identitytoken")]
    identity_token: String,
    #[serde(rename = "registrytoken")]
    registry_token: String,
}

/// Returns user and password for `registry`; `None` if the file doesn't name it.
///
/// # Errors
/// The file can't be read, or what it says of the registry can't be used: says
/// where, and what to do.
pub(super) fn of(path: &Path, registry: &str) -> Result<Option<(String, String)>, String> {
    let problem = |what: &str| format!("PLUGIN_REGISTRY_AUTH {}: {what}", path.display());
    let config = read(path).map_err(|what| problem(&what))?;
    let entry = config.auths.iter().find(|(key, _)| host(key) == host(registry)).map(|(_, entry)| entry);
    credentials(&config, entry, registry).map_err(|what| problem(&format!("registry {registry}: {what}")))
}

fn read(path: &Path) -> Result<DockerConfig, String> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    // The parser's message isn't shown: it may quote a password.
    serde_json::from_slice(&bytes).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        format!("line {line}, column {column}: this is no Docker config.json")
    })
}

fn credentials(
    config: &DockerConfig,
    entry: Option<&RegistryEntry>,
    registry: &str,
) -> Result<Option<(String, String)>, String> {
    const REMEDY: &str = "put `auth`, the base64 of user:password, into a file";
    let helper = config.helpers.iter().any(|(key, _)| host(key) == host(registry));
    let Some(entry) = entry else {
        return match helper {
            true => {
                Err(format!("its credentials are those of a helper (credHelpers), which is not supported; {REMEDY}"))
            }
            false => Ok(None),
        };
    };
    if !entry.identity_token.is_empty() || !entry.registry_token.is_empty() {
        return Err(format!("an identitytoken or registrytoken is not supported; {REMEDY}"));
    }
    if !entry.auth.is_empty() {
        return decoded(&entry.auth).map(Some).ok_or_else(|| "`auth` is no base64 of user:password".to_owned());
    }
    match (entry.username.is_empty(), helper || !config.store.is_empty()) {
        (false, _) => Ok(Some((entry.username.clone(), entry.password.clone()))),
        (true, true) => Err(format!(
            "its credentials are those of a helper (credHelpers, credsStore), which is not supported; {REMEDY}"
        )),
        (true, false) => Err("there is neither `auth` nor `username` and `password`".to_owned()),
    }
}

fn decoded(auth: &str) -> Option<(String, String)> {
    let text = String::from_utf8(STANDARD.decode(auth.trim()).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    // Docker pads with zeros.
    Some((user.to_owned(), password.trim_end_matches('\0').to_owned()))
}

/// The host of a registry, however the file names it: `https://index.docker.io/v1/`,
/// `ghcr.io`.
fn host(key: &str) -> &str {
    let key = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let key = ["/v1/", "/v2/", "/v1", "/v2", "/"].iter().find_map(|end| key.strip_suffix(end)).unwrap_or(key);
    if key == "docker.io" { "index.docker.io" } else { key }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGISTRY: &str = "registry.example.com:5000";

    fn found(json: &str, registry: &str) -> Result<Option<(String, String)>, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), json).unwrap();
        of(file.path(), registry)
    }

    fn pair(user: &str, password: &str) -> Result<Option<(String, String)>, String> {
        Ok(Some((user.to_owned(), password.to_owned())))
    }

    #[test]
    fn credentials_are_found_however_the_registry_is_named() {
        // u:p:w, whose password has a colon.
        let auth =
            |key: &str| format!(r#"{{"auths": {{"other": {{"auth": "eDp5"}}, "{key}": {{"auth": "dTpwOnc="}}}}}}"#);
        for key in [REGISTRY, "https://registry.example.com:5000", "http://registry.example.com:5000/v2/"] {
            assert_eq!(found(&auth(key), REGISTRY), pair("u", "p:w"), "{key}");
        }
        assert_eq!(found(&auth("https://index.docker.io/v1/"), "docker.io"), pair("u", "p:w"));
        let apart = format!(r#"{{"auths": {{"{REGISTRY}": {{"username": "u", "password": "p"}}}}}}"#);
        assert_eq!(found(&apart, REGISTRY), pair("u", "p"));
    }

    #[test]
    fn another_registry_s_credentials_are_never_taken() {
        let json = r#"{"auths": {"registry.example.com": {"auth": "dTpw"}}, "credsStore": "desktop"}"#;
        for other in [REGISTRY, "example.com", "registry.example.com.evil.org"] {
            assert_eq!(found(json, other), Ok(None), "{other}");
        }
    }

    #[test]
    fn what_is_not_supported_is_said_and_nothing_secret_with_it() {
        let entry = |entry: &str| format!(r#"{{"auths": {{"{REGISTRY}": {entry}}}}}"#);
        let cases = [
            (entry(r#"{"auth": "dTpw", "identitytoken": "hush"}"#), "identitytoken"),
            (entry(r#"{"registrytoken": "hush"}"#), "registrytoken"),
            (entry(r#"{"auth": "hush"}"#), "base64"),
            (entry("{}"), "neither `auth`"),
            (format!(r#"{{"auths": {{"{REGISTRY}": {{}}}}, "credsStore": "desktop"}}"#), "credsStore"),
            (format!(r#"{{"credHelpers": {{"{REGISTRY}": "ecr-login"}}}}"#), "credHelpers"),
            (entry(r#""hush""#), "no Docker config.json"),
            ("hush".to_owned(), "line 1"),
        ];
        for (json, says) in cases {
            let error = found(&json, REGISTRY).unwrap_err();
            assert!(error.contains(says) && error.contains("PLUGIN_REGISTRY_AUTH"), "{error}");
            assert!(!error.contains("hush"), "{error}");
        }
        let error = of(Path::new("/nowhere/config.json"), REGISTRY).unwrap_err();
        assert!(error.contains("/nowhere/config.json"), "{error}");
    }
}

//! What a hostile tenant's item names.

use model::Digest;
use serde_json::{Value, json};

use crate::common::aws::Lab;

/// A component, and what an item says beside it.
#[derive(Clone)]
pub(crate) struct Guest {
    bytes: Option<Vec<u8>>,
    plugin: Value,
}

/// What `make fixtures` builds.
pub(crate) fn fixture(name: &str) -> Vec<u8> {
    crate::shared::read(&format!("fixtures/{name}"))
}

impl Guest {
    /// These bytes, by their right digest.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let digest = Digest::of(bytes).to_string();
        Self { bytes: Some(bytes.to_vec()), ..Self::named("", &digest) }
    }

    /// A component that lies elsewhere, or nowhere.
    pub(crate) fn named(component: &str, sha256: &str) -> Self {
        Self { bytes: None, plugin: json!({"component": {"S": component}, "sha256": {"S": sha256}}) }
    }

    /// The guest of tests/guests/hostile, in this mode.
    pub(crate) fn hostile(mode: &str) -> Self {
        Self::of(&fixture("hostile-guest.wasm")).setting("mode", mode)
    }

    /// The guest of tests/guests/rewriter, in this mode.
    pub(crate) fn rewriter(mode: &str) -> Self {
        Self::of(&fixture("rewriter-guest.wasm")).setting("mode", mode)
    }

    /// With a field of `plugin`.
    pub(crate) fn field(mut self, name: &str, value: Value) -> Self {
        self.plugin[name] = value;
        self
    }

    /// With a field that is a text.
    pub(crate) fn says(self, name: &str, value: &str) -> Self {
        self.field(name, json!({"S": value}))
    }

    /// With a limit.
    pub(crate) fn limit(mut self, name: &str, value: u64) -> Self {
        self.plugin["limits"]["M"][name] = json!({"N": value.to_string()});
        self
    }

    /// With a setting for the component.
    pub(crate) fn setting(mut self, name: &str, value: &str) -> Self {
        self.plugin["settings"]["M"][name] = json!({"S": value});
        self
    }

    /// As the operator's variables have it: JSON, and no settings that are not texts.
    pub(crate) fn json(self, lab: &Lab) -> Value {
        let item = self.item(lab);
        let text = |field: &str| item["M"][field]["S"].clone();
        let settings = item["M"]["settings"]["M"].as_object().into_iter().flatten();
        let settings: serde_json::Map<_, _> =
            settings.map(|(name, value)| (name.clone(), value["S"].clone())).collect();
        json!({"component": text("component"), "sha256": text("sha256"), "settings": settings})
    }

    /// `plugin` of an item, as it stands.
    pub(crate) fn plugin(self) -> Value {
        json!({ "M": self.plugin })
    }

    /// Puts the bytes where the lab's components lie; `plugin` of an item.
    pub(crate) fn item(mut self, lab: &Lab) -> Value {
        if let Some(bytes) = &self.bytes {
            let path = lab.path("plugins").join(format!("{}.wasm", Digest::of(bytes)));
            std::fs::write(&path, bytes).unwrap();
            self.plugin["component"] = json!({"S": format!("file:{}", path.display())});
        }
        self.plugin()
    }
}

//! A component's machine code outside of this process: sealed where it was made,
//! and run only where the seal says that it is what was made.

use std::hash::{Hash, Hasher};

use hmac::{Hmac, Mac};
use model::{Digest, Limits};
use sha2::{Digest as _, Sha256};

use crate::component::Component;
use crate::engine::Engine;
use crate::error::LoadError;
use crate::text::bounded;

/// Goes up whenever sealed code of before must not be run any more.
const VERSION: &str = "log-processor 2";

/// wasmtime's own hash knows its major version alone; a patch may mend the code
/// that it makes.
const WASMTIME: &str = "wasmtime 48.0.8";

/// The first bytes of sealed code.
const MAGIC: &[u8; 8] = b"logproc\x01";

/// Bytes of the header: magic, fingerprint, the component's digest and length, the code's
/// length, tag.
const HEADER: usize = 8 + 32 + 32 + 8 + 8 + TAG;
/// Bytes of an HMAC or a checksum.
const TAG: usize = 32;

/// A proof that code is what this program compiled.
#[derive(Clone, Copy)]
pub enum Seal<'a> {
    /// HMAC-SHA256 with the operator's key, wherever the code lay.
    Key(&'a [u8]),
    /// The folder and the file that the code lay in, which nobody else could have
    /// written; beside that a SHA-256 against damage.
    OwnFolder,
}

/// Why sealed code isn't run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Cut, or no sealed code at all.
    #[error("it is damaged: truncated, or something else")]
    Damaged,
    /// Not what was sealed, or sealed with another key.
    #[error("its HMAC is wrong: damaged, tampered with, or sealed with another PLUGIN_CACHE_KEY")]
    WrongHmac,
    /// Damaged, as far as the checksum says.
    #[error("its checksum is wrong: damaged, or sealed with a PLUGIN_CACHE_KEY")]
    WrongChecksum,
    /// Sealed for another engine.
    #[error("it was compiled for another version, or with other settings")]
    OtherEngine,
    /// Sealed for another component.
    #[error("it is another component's")]
    OtherComponent,
    /// Refused by wasmtime.
    #[error("it can't be loaded: {0}")]
    Unusable(String),
}

impl Engine {
    /// The hash of what decides whether compiled code fits: this program's and wasmtime's
    /// version, the machine, all settings that code depends on.
    pub fn fingerprint(&self) -> Digest {
        let mut hash = StableHash(Sha256::new());
        (VERSION, WASMTIME).hash(&mut hash);
        self.wasmtime().precompile_compatibility_hash().hash(&mut hash);
        Digest(hash.0.finalize().into())
    }

    /// A component's machine code with a seal. `bytes`: the length of the component itself.
    ///
    /// # Errors
    /// wasmtime can't write it down.
    pub fn seal(&self, component: &Component, of: Digest, bytes: u64, seal: Seal<'_>) -> Result<Vec<u8>, LoadError> {
        let code = component.pre.component().serialize().map_err(LoadError::compile)?;
        let length = u64::try_from(code.len()).unwrap_or(u64::MAX);
        let mut sealed = Vec::with_capacity(HEADER.saturating_add(code.len()));
        sealed.extend(MAGIC);
        sealed.extend(self.fingerprint().0);
        sealed.extend(of.0);
        sealed.extend(bytes.to_le_bytes());
        sealed.extend(length.to_le_bytes());
        let tag = tag(seal, &sealed, &code);
        sealed.extend(tag);
        sealed.extend(code);
        Ok(sealed)
    }

    /// Loads a component from its sealed code, and the length of the component
    /// itself. None of it runs.
    ///
    /// # Safety
    /// Code whose seal is true is run as it is, and whoever can make a seal decides what
    /// that is. The caller promises that only [`Engine::seal`] could:
    /// - for [`Seal::Key`]: the key is a secret that only the operator and programs like
    ///   this one know. Nothing is asked of where `sealed` came from.
    /// - for [`Seal::OwnFolder`]: `sealed` was read from a file that only this user could
    ///   write, in a folder in which only this user could create, rename or replace files,
    ///   and in which this program writes nothing but what [`Engine::seal`] returned.
    ///   The checksum protects against damage alone: anybody can make one.
    ///
    /// # Errors
    /// The seal doesn't vouch for it, or it is another component's or engine's.
    #[expect(unsafe_code, reason = "machine code can't be checked, only vouched for")]
    pub unsafe fn unseal(
        &self,
        name: &str,
        sealed: &[u8],
        of: Digest,
        seal: Seal<'_>,
    ) -> Result<(Component, u64), SealError> {
        let Verified { fingerprint, component, bytes, code } = verify(sealed, seal)?;
        if fingerprint != self.fingerprint() {
            return Err(SealError::OtherEngine);
        }
        if component != of {
            return Err(SealError::OtherComponent);
        }
        // SAFETY: `verify` found that these very bytes, which nobody else can write to
        // while they are borrowed, have a true seal; the caller promises that only
        // `seal` makes such, which takes a component that wasmtime compiled. The
        // fingerprint says that the same engine did.
        let compiled = unsafe { wasmtime::component::Component::deserialize(self.wasmtime(), code) };
        let unusable = |text: String| SealError::Unusable(bounded(text));
        let compiled = compiled.map_err(|error| unusable(format!("{error:#}")))?;
        let linked = Component::link(name, of, &compiled, Limits::default());
        Ok((linked.map_err(|error| unusable(error.to_string()))?, bytes))
    }
}

/// Sealed code whose seal is true.
struct Verified<'a> {
    fingerprint: Digest,
    component: Digest,
    bytes: u64,
    code: &'a [u8],
}

/// Takes sealed code apart, and checks its seal.
fn verify<'a>(sealed: &'a [u8], seal: Seal<'_>) -> Result<Verified<'a>, SealError> {
    let (header, code) = sealed.split_at_checked(HEADER).ok_or(SealError::Damaged)?;
    let (sealed_header, sealed_tag) = header.split_last_chunk::<TAG>().ok_or(SealError::Damaged)?;
    let rest = sealed_header.strip_prefix(MAGIC).ok_or(SealError::Damaged)?;
    let (fingerprint, rest) = rest.split_first_chunk::<32>().ok_or(SealError::Damaged)?;
    let (component, rest) = rest.split_first_chunk::<32>().ok_or(SealError::Damaged)?;
    let (bytes, rest) = rest.split_first_chunk::<8>().ok_or(SealError::Damaged)?;
    let (length, _) = rest.split_first_chunk::<8>().ok_or(SealError::Damaged)?;
    if usize::try_from(u64::from_le_bytes(*length)) != Ok(code.len()) {
        return Err(SealError::Damaged);
    }
    match seal {
        Seal::Key(key) => hmac(key, sealed_header, code).verify_slice(sealed_tag).map_err(|_| SealError::WrongHmac)?,
        Seal::OwnFolder if checksum(sealed_header, code) == *sealed_tag => {}
        Seal::OwnFolder => return Err(SealError::WrongChecksum),
    }
    Ok(Verified {
        fingerprint: Digest(*fingerprint),
        component: Digest(*component),
        bytes: u64::from_le_bytes(*bytes),
        code,
    })
}

/// HMAC or checksum of a header and of code.
fn tag(seal: Seal<'_>, header: &[u8], code: &[u8]) -> [u8; TAG] {
    match seal {
        Seal::Key(key) => hmac(key, header, code).finalize().into_bytes().into(),
        Seal::OwnFolder => checksum(header, code),
    }
}

fn hmac(key: &[u8], header: &[u8], code: &[u8]) -> Hmac<Sha256> {
    // A longer key than a block is hashed first, as HMAC says; so that any length fits.
    let mut block = [0; 64];
    let hashed = Sha256::digest(key);
    let key = if key.len() > block.len() { hashed.as_slice() } else { key };
    block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    let mut hmac = Hmac::<Sha256>::new(&block.into());
    hmac.update(header);
    hmac.update(code);
    hmac
}

fn checksum(header: &[u8], code: &[u8]) -> [u8; TAG] {
    Sha256::new_with_prefix(header).chain_update(code).finalize().into()
}

/// A hasher that gives the same for equal values in every process of one build, unlike the
/// standard ones.
struct StableHash(Sha256);

impl Hasher for StableHash {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Nobody asks for it: the whole hash is taken instead.
    fn finish(&self) -> u64 {
        0
    }
}

#[cfg(test)]
#[path = "sealed_tests.rs"]
mod tests;

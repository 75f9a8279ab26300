//! The outer JSON of `kopia.repository` and the seal around its inner part.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{FORMAT_BLOB, not_json, unserializable};
use crate::crypto::{Key, kdf, random};
use crate::{Error, Result};

const NONCE: usize = 12;
const TAG: usize = 16;
const SEAL: &str = "AES256_GCM";
/// A format blob is about 2 kB; more is not ours to decode.
const MAX_LENGTH: usize = 1 << 20;

/// `kopia.repository` as stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct FormatBlock {
    #[serde(default)]
    tool: String,
    #[serde(rename = "buildVersion", default)]
    build_version: String,
    #[serde(rename = "buildInfo", default)]
    build_info: String,
    #[serde(rename = "uniqueID", with = "super::parameters::base64_bytes")]
    pub(super) unique_id: Vec<u8>,
    #[serde(rename = "keyAlgo")]
    pub(super) key_algorithm: String,
    #[serde(default)]
    encryption: String,
    #[serde(rename = "encryptedBlockFormat", with = "super::parameters::base64_bytes", default)]
    encrypted: Vec<u8>,
}

impl FormatBlock {
    pub(super) fn new(unique_id: Vec<u8>) -> Self {
        Self {
            tool: env!("CARGO_PKG_NAME").into(),
            build_version: env!("CARGO_PKG_VERSION").into(),
            build_info: String::new(),
            unique_id,
            key_algorithm: kdf::SCRYPT.into(),
            encryption: SEAL.into(),
            encrypted: Vec::new(),
        }
    }

    pub(super) fn from_json(json: &[u8]) -> Result<Self> {
        if json.len() > MAX_LENGTH {
            return Err(Error::damaged(FORMAT_BLOB, "it is too large"));
        }
        let block: Self = serde_json::from_slice(json).map_err(|source| not_json(FORMAT_BLOB, &source))?;
        if block.encryption != SEAL {
            return Err(Error::Unsupported(format!("format encryption {:?}", block.encryption)));
        }
        if block.encrypted.len() < NONCE + TAG {
            return Err(Error::damaged(FORMAT_BLOB, "the encrypted part is cut short"));
        }
        Ok(block)
    }

    pub(super) fn to_json(&self) -> Result<Bytes> {
        let mut json = serde_json::to_vec_pretty(self).map_err(|source| unserializable(&source))?;
        json.push(b'\n');
        Ok(json.into())
    }

    /// The inner JSON, or `None` when `key` does not open it.
    pub(super) fn open(&self, key: &Key) -> Result<Option<Zeroizing<Vec<u8>>>> {
        self.open_bytes(key, &self.encrypted)
    }

    /// A block with `inner` sealed by `key`.
    pub(super) fn seal(&self, key: &Key, inner: &[u8]) -> Result<Self> {
        Ok(Self { encrypted: self.seal_bytes(key, inner)?, ..self.clone() })
    }

    pub(super) fn open_bytes(&self, key: &Key, sealed: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>> {
        let (cipher, aad) = self.cipher(key)?;
        let Some((nonce, body)) = sealed.split_first_chunk::<NONCE>() else { return Ok(None) };
        let mut body = Zeroizing::new(body.to_vec());
        let opened = cipher.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(&*aad), &mut body);
        Ok(opened.ok().map(|plain| Zeroizing::new(plain.to_vec())))
    }

    pub(super) fn seal_bytes(&self, key: &Key, plain: &[u8]) -> Result<Vec<u8>> {
        let (cipher, aad) = self.cipher(key)?;
        let nonce = random::<NONCE>()?;
        let mut body = plain.to_vec();
        cipher
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(&*aad), &mut body)
            .map_err(|_| Error::Unsupported("a format too large to encrypt".into()))?;
        Ok([&nonce[..], &body].concat())
    }

    fn cipher(&self, key: &Key) -> Result<(LessSafeKey, Key)> {
        let aes = kdf::hkdf(&**key, &self.unique_id, b"AES")?;
        let aad = kdf::hkdf(&**key, &self.unique_id, b"CHECKSUM")?;
        let unbound =
            UnboundKey::new(&AES_256_GCM, &*aes).map_err(|_| Error::Unsupported("AES-256-GCM".into()))?;
        Ok((LessSafeKey::new(unbound), aad))
    }
}

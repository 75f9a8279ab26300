//! The keys of an opened repository at work: hashes that name things, and sealed contents and blobs.

use std::borrow::Cow;

use bytes::Bytes;

use crate::buffers::Buffer;
use crate::crypto::{
    ContentCipher, Digest, ENCRYPTION_OVERHEAD, EncryptionAlgorithm, HashAlgorithm, Hasher, kdf,
};
use crate::ecc::ErrorCorrection;
use crate::format::RepositoryParameters;
use crate::{Error, Result};

/// Hash, cipher and error correction of a repository.
#[derive(Debug)]
pub(crate) struct Sealer {
    hasher: Hasher,
    cipher: ContentCipher,
    ecc: Option<ErrorCorrection>,
}

impl Sealer {
    pub(crate) fn new(parameters: &RepositoryParameters) -> Result<Self> {
        let hash = HashAlgorithm::from_name(&parameters.hash)?;
        let encryption = EncryptionAlgorithm::from_name(&parameters.encryption)?;
        let secret = kdf::content_secret(parameters.master_key.expose())?;
        let overhead = parameters.ecc_overhead_percent;
        let ecc = (overhead > 0).then(|| ErrorCorrection::new(&parameters.ecc, overhead)).transpose()?;
        Ok(Self {
            hasher: Hasher::new(hash, parameters.secret.expose())?,
            cipher: ContentCipher::new(encryption, &secret),
            ecc,
        })
    }

    pub(crate) fn hasher(&self) -> &Hasher {
        &self.hasher
    }

    /// Appends the sealed `plain` to `out`.
    pub(crate) fn seal(&self, iv: &[u8], plain: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let Some(ecc) = &self.ecc else { return self.cipher.encrypt(iv, plain, out) };
        let mut sealed = Vec::new();
        self.cipher.encrypt(iv, plain, &mut sealed)?;
        ecc.protect(&sealed, out)
    }

    /// Puts the sealed `plain` in the place of what is in `out`. A buffer that is used again needs no clearing before.
    pub(crate) fn seal_over(&self, iv: &[u8], plain: &[u8], out: &mut Vec<u8>) -> Result<()> {
        if self.ecc.is_some() {
            out.clear();
            return self.seal(iv, plain, out);
        }
        out.resize(plain.len() + ENCRYPTION_OVERHEAD, 0);
        self.cipher.encrypt_over(iv, plain, out)
    }

    /// Sealed bytes as they were written: with error correction, damaged shards are mended.
    pub(crate) fn mended<'a>(&self, what: &str, iv: &[u8], stored: &'a [u8]) -> Result<Cow<'a, [u8]>> {
        if self.ecc.is_none() {
            return Ok(Cow::Borrowed(stored));
        }
        let mut sealed = Vec::with_capacity(stored.len());
        self.seal(iv, &self.open(what, iv, stored.to_vec())?, &mut sealed)?;
        Ok(Cow::Owned(sealed))
    }

    /// What was sealed under `iv`; `what` names it in errors.
    pub(crate) fn open(&self, what: &str, iv: &[u8], stored: Vec<u8>) -> Result<Vec<u8>> {
        let stored = self.recovered(what, stored.into())?.into_owned();
        self.cipher.decrypt(iv, stored).ok_or_else(|| Error::damaged(what, "it does not decrypt"))
    }

    /// As [`Sealer::open`], into a buffer that is used again; the bytes lie there as at `place` of a file.
    pub(crate) fn open_into<'b>(
        &self,
        what: &str,
        iv: &[u8],
        stored: &[u8],
        (buffer, place): (&'b mut Buffer, u64),
    ) -> Result<&'b [u8]> {
        let stored = self.recovered(what, stored.into())?;
        let length = stored.len().checked_sub(ENCRYPTION_OVERHEAD);
        let plain = length.map(|length| buffer.placed(place, length));
        plain
            .and_then(|plain| self.cipher.decrypt_over(iv, &stored, plain).map(|()| &*plain))
            .ok_or_else(|| Error::damaged(what, "it does not decrypt"))
    }

    /// The bytes below the error correction.
    fn recovered<'s>(&self, what: &str, stored: Cow<'s, [u8]>) -> Result<Cow<'s, [u8]>> {
        let Some(ecc) = &self.ecc else { return Ok(stored) };
        let recovered = ecc.recover(&stored).map(Cow::Owned);
        recovered.ok_or_else(|| Error::damaged(what, "too many shards are damaged"))
    }

    /// Name and bytes of a whole encrypted blob.
    pub(crate) fn seal_blob(&self, prefix: &str, suffix: &str, payload: &[u8]) -> Result<(String, Bytes)> {
        let digest = self.hasher.hash(payload);
        let mut sealed = Vec::new();
        self.seal(digest.iv(), payload, &mut sealed)?;
        let dash = if suffix.is_empty() { "" } else { "-" };
        Ok((format!("{prefix}{}{dash}{suffix}", hex::encode(digest.as_slice())), sealed.into()))
    }

    /// The payload of a whole encrypted blob, if its name and bytes belong together.
    pub(crate) fn open_blob(&self, id: &str, stored: Bytes) -> Result<Vec<u8>> {
        let iv = blob_iv(id).ok_or_else(|| Error::damaged(format!("blob {id}"), "its name holds no hash"))?;
        let what = format!("blob {id}");
        let payload = self.open(&what, &iv, stored.into())?;
        let digest: Digest = self.hasher.hash(&payload);
        if digest.iv() != iv {
            return Err(Error::damaged(what, "its content does not have the hash in its name"));
        }
        Ok(payload)
    }
}

/// The last 32 hexadecimal digits before the first dash.
fn blob_iv(id: &str) -> Option<[u8; 16]> {
    let hash = id.split('-').next()?;
    let digits = hash.get(hash.len().checked_sub(32)?..)?;
    let mut iv = [0; 16];
    hex::decode_to_slice(digits, &mut iv).ok()?;
    Some(iv)
}

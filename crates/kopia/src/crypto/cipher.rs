//! Authenticated encryption of contents and index blobs.
//!
//! Each initialisation vector has a key of its own, `HMAC-SHA256(E, IV)`, and is also the additional data. Stored form:
//! 12 random bytes, ciphertext, 16 bytes of tag.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;

use super::random;
use crate::{Error, Result};

/// Bytes that encryption adds.
pub const ENCRYPTION_OVERHEAD: usize = NONCE + TAG;
const NONCE: usize = 12;
const TAG: usize = 16;

/// A cipher of the format, by its name in the format blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncryptionAlgorithm {
    /// `AES256-GCM-HMAC-SHA256`, the default.
    Aes256Gcm,
    /// `CHACHA20-POLY1305-HMAC-SHA256`.
    ChaCha20Poly1305,
}

impl EncryptionAlgorithm {
    /// Finds the algorithm by its name in the format blob.
    pub fn from_name(name: &str) -> Result<Self> {
        [Self::Aes256Gcm, Self::ChaCha20Poly1305]
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
            .ok_or_else(|| Error::Unsupported(format!("encryption {name:?}")))
    }

    /// The name in the format blob.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aes256Gcm => "AES256-GCM-HMAC-SHA256",
            Self::ChaCha20Poly1305 => "CHACHA20-POLY1305-HMAC-SHA256",
        }
    }

    fn aead(self) -> &'static Algorithm {
        match self {
            Self::Aes256Gcm => &AES_256_GCM,
            Self::ChaCha20Poly1305 => &CHACHA20_POLY1305,
        }
    }
}

/// Encrypts and decrypts with the content encryption secret of a repository.
pub struct ContentCipher {
    algorithm: EncryptionAlgorithm,
    secret: hmac::Key,
}

impl fmt::Debug for ContentCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContentCipher").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl ContentCipher {
    /// `secret` is `E` of the format, derived from the master key.
    pub fn new(algorithm: EncryptionAlgorithm, secret: &[u8; 32]) -> Self {
        Self { algorithm, secret: hmac::Key::new(hmac::HMAC_SHA256, secret) }
    }

    /// Appends the encrypted `plaintext` to `out`.
    pub fn encrypt(&self, iv: &[u8], plaintext: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        out.resize(start + plaintext.len() + ENCRYPTION_OVERHEAD, 0);
        self.encrypt_over(iv, plaintext, &mut out[start..])
    }

    /// Encrypts `plaintext` over what is in `out`, which is longer by [`ENCRYPTION_OVERHEAD`].
    pub(crate) fn encrypt_over(&self, iv: &[u8], plaintext: &[u8], out: &mut [u8]) -> Result<()> {
        let nonce = random::<NONCE>()?;
        let (head, sealed) = out.split_at_mut(NONCE);
        head.copy_from_slice(&nonce);
        let (ciphertext, tag) = sealed.split_at_mut(plaintext.len());
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.key(iv)
            .and_then(|key| {
                key.seal_out_of_place_scatter(nonce, Aad::from(iv), plaintext, ciphertext, &[], tag).ok()
            })
            .ok_or_else(|| Error::Unsupported("a content too large to encrypt".into()))
    }

    /// Decrypts in place: `stored` becomes the plaintext, or `None` when it is not what was written under `iv`.
    pub fn decrypt(&self, iv: &[u8], mut stored: Vec<u8>) -> Option<Vec<u8>> {
        let nonce = Nonce::try_assume_unique_for_key(stored.get(..NONCE)?).ok()?;
        let length = self.key(iv)?.open_within(nonce, Aad::from(iv), &mut stored, NONCE..).ok()?.len();
        stored.truncate(length);
        Some(stored)
    }

    /// Decrypts `stored` over what is in `plain`, which is shorter by [`ENCRYPTION_OVERHEAD`]. `None` when it is not what was
    /// written under `iv`; `plain` means nothing then.
    pub(crate) fn decrypt_over(&self, iv: &[u8], stored: &[u8], plain: &mut [u8]) -> Option<()> {
        let (nonce, sealed) = stored.split_at_checked(NONCE)?;
        let (ciphertext, tag) = sealed.split_at_checked(plain.len())?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        self.key(iv)?.open_separate_gather(nonce, Aad::from(iv), ciphertext, tag, plain).ok()
    }

    fn key(&self, iv: &[u8]) -> Option<LessSafeKey> {
        let key = hmac::sign(&self.secret, iv);
        UnboundKey::new(self.algorithm.aead(), key.as_ref()).ok().map(LessSafeKey::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::kdf;

    fn ciphers(master_key: &[u8]) -> [ContentCipher; 2] {
        let secret = kdf::content_secret(master_key).unwrap();
        [EncryptionAlgorithm::Aes256Gcm, EncryptionAlgorithm::ChaCha20Poly1305]
            .map(|algorithm| ContentCipher::new(algorithm, &secret))
    }

    #[test]
    fn stored_samples_of_kopia_are_decrypted() {
        let ours: Vec<u8> = (0x40..0x60).collect();
        let kopias = b"01234567890123456789012345678901".to_vec();
        let hello = hex::decode("0951cc974d65734e6ba033ea452f8464").unwrap();
        let letters = b"aabbccddeeffgghhiijjkkllmmnnoopp".to_vec();
        let zeros = vec![b'0'; 32];
        for (master, iv, plain, stored) in [
            (
                &ours,
                &hello,
                "hello",
                [
                    "a0a1a2a3a4a5a6a7a8a9aaabade6fca7c97744a2f6567b6484e0c9ca56c53393f9",
                    "a0a1a2a3a4a5a6a7a8a9aaaba3b23055ad44b0e99f48276b6580661d59b683104e",
                ],
            ),
            (
                &kopias,
                &letters,
                "foo",
                [
                    "e43ba07f85a6d70c5f1102ca06cf19c597e5f91e527b21f00fb76e8bec3fd1",
                    "118359f3d4d589d939efbbc3168ae4c77c51bcebce6845fe6ef5d11342faa6",
                ],
            ),
            (
                &kopias,
                &zeros,
                "quick brown fox jumps over the lazy dog",
                [
                    "eaad755a238f1daa4052db2e5ccddd934790b6cca415b3ccfd46ac5746af33d9d30f4400ffa9eb3a64fb1ce21b888c12c043bf6787d4a5c15ad10f21f6a6027ee3afe0",
                    "836d2ba87892711077adbdbe1452d3b2c590bbfdf6fd3387dc6810220a32ec19de862e1a4f865575e328424b5f178afac1b7eeff11494f719d119b7ebb924d1d0846a3",
                ],
            ),
        ] {
            for (cipher, stored) in ciphers(master).iter().zip(stored) {
                let decrypted = cipher.decrypt(iv, hex::decode(stored).unwrap()).unwrap();
                assert_eq!(decrypted, plain.as_bytes(), "{cipher:?}");
            }
        }
    }

    #[test]
    fn altered_cut_or_swapped_data_is_refused() {
        for cipher in ciphers(&[7; 32]) {
            let mut stored = Vec::new();
            cipher.encrypt(&[1; 16], b"content", &mut stored).unwrap();
            assert_eq!(stored.len(), 7 + ENCRYPTION_OVERHEAD);
            let over = |iv: &[u8], stored: &[u8]| {
                let mut plain = vec![9; stored.len().saturating_sub(ENCRYPTION_OVERHEAD)];
                let decrypted = cipher.decrypt_over(iv, stored, &mut plain).map(|()| plain);
                assert_eq!(decrypted, cipher.decrypt(iv, stored.to_vec()));
                decrypted
            };
            assert_eq!(over(&[1; 16], &stored).unwrap(), b"content");
            assert!(over(&[2; 16], &stored).is_none());
            for length in 0..stored.len() {
                assert!(over(&[1; 16], &stored[..length]).is_none());
                let mut flipped = stored.clone();
                flipped[length] ^= 1;
                assert!(over(&[1; 16], &flipped).is_none());
            }
        }
    }
}

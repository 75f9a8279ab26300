//! The keyed hash functions that name contents.

use std::fmt;

use aws_lc_rs::hmac as fast_hmac;
use hmac::{Hmac, KeyInit, Mac};
use sha3::{Sha3_224, Sha3_256};

use crate::{Error, Result};

/// A hash function of the format, by its name in the format blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashAlgorithm {
    /// `BLAKE2B-256-128`, the default: BLAKE2b with a 32-byte digest cut to 16 bytes.
    Blake2b256Of128,
    /// `BLAKE2B-256`.
    Blake2b256,
    /// `BLAKE2S-128`, a native 16-byte digest.
    Blake2s128,
    /// `BLAKE2S-256`.
    Blake2s256,
    /// `BLAKE3-256`.
    Blake3,
    /// `BLAKE3-256-128`.
    Blake3Of128,
    /// `HMAC-SHA256`.
    HmacSha256,
    /// `HMAC-SHA256-128`.
    HmacSha256Of128,
    /// `HMAC-SHA224`.
    HmacSha224,
    /// `HMAC-SHA3-224`.
    HmacSha3With224,
    /// `HMAC-SHA3-256`.
    HmacSha3With256,
}

const NAMES: [(&str, HashAlgorithm); 11] = [
    ("BLAKE2B-256-128", HashAlgorithm::Blake2b256Of128),
    ("BLAKE2B-256", HashAlgorithm::Blake2b256),
    ("BLAKE2S-128", HashAlgorithm::Blake2s128),
    ("BLAKE2S-256", HashAlgorithm::Blake2s256),
    ("BLAKE3-256", HashAlgorithm::Blake3),
    ("BLAKE3-256-128", HashAlgorithm::Blake3Of128),
    ("HMAC-SHA256", HashAlgorithm::HmacSha256),
    ("HMAC-SHA256-128", HashAlgorithm::HmacSha256Of128),
    ("HMAC-SHA224", HashAlgorithm::HmacSha224),
    ("HMAC-SHA3-224", HashAlgorithm::HmacSha3With224),
    ("HMAC-SHA3-256", HashAlgorithm::HmacSha3With256),
];

impl HashAlgorithm {
    /// Finds the algorithm by its name in the format blob.
    pub fn from_name(name: &str) -> Result<Self> {
        let found = NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, algorithm)| *algorithm).ok_or_else(|| Error::Unsupported(format!("hash {name:?}")))
    }

    /// The name in the format blob.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, algorithm)| *algorithm == self).map_or("", |(name, _)| name)
    }

    /// Bytes of a digest.
    pub fn digest_len(self) -> usize {
        match self {
            Self::Blake2b256Of128 | Self::Blake2s128 | Self::Blake3Of128 | Self::HmacSha256Of128 => 16,
            Self::HmacSha224 | Self::HmacSha3With224 => 28,
            _ => 32,
        }
    }
}

/// The value of a hash: 16, 28 or 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest {
    bytes: [u8; 32],
    len: u8,
}

impl Digest {
    fn cut(value: &[u8], len: usize) -> Self {
        let mut bytes = [0; 32];
        let len = len.min(value.len()).min(32);
        bytes[..len].copy_from_slice(&value[..len]);
        Self { bytes, len: len as u8 }
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The part that serves as initialisation vector: the last 16 bytes.
    pub fn iv(&self) -> &[u8] {
        let bytes = self.as_slice();
        &bytes[bytes.len().saturating_sub(16)..]
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.as_slice()))
    }
}

enum Keyed {
    Blake2b(Box<blake2b_simd::Params>),
    Blake2s(Box<blake2s_simd::Params>),
    Blake3(Box<[u8; 32]>),
    Hmac(Box<fast_hmac::Key>),
    Sha3With224(Box<Hmac<Sha3_224>>),
    Sha3With256(Box<Hmac<Sha3_256>>),
}

/// A hash function with its key.
pub struct Hasher {
    algorithm: HashAlgorithm,
    keyed: Keyed,
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl Hasher {
    /// Prepares `algorithm` with the repository's HMAC secret.
    ///
    /// # Errors
    /// When the secret is longer than the algorithm allows (64 bytes for BLAKE2b, 32 for BLAKE2s and BLAKE3).
    pub fn new(algorithm: HashAlgorithm, secret: &[u8]) -> Result<Self> {
        let invalid = || Error::Unsupported(format!("a hash secret of {} bytes", secret.len()));
        let keyed = match algorithm {
            HashAlgorithm::Blake2b256Of128 | HashAlgorithm::Blake2b256 => {
                let mut params = blake2b_simd::Params::new();
                params.hash_length(32);
                if secret.len() > blake2b_simd::KEYBYTES {
                    return Err(invalid());
                }
                params.key(secret);
                Keyed::Blake2b(params.into())
            }
            HashAlgorithm::Blake2s128 | HashAlgorithm::Blake2s256 => {
                let mut params = blake2s_simd::Params::new();
                params.hash_length(algorithm.digest_len());
                if secret.len() > blake2s_simd::KEYBYTES {
                    return Err(invalid());
                }
                params.key(secret);
                Keyed::Blake2s(params.into())
            }
            HashAlgorithm::Blake3 | HashAlgorithm::Blake3Of128 => {
                Keyed::Blake3(blake3_key(secret, invalid)?.into())
            }
            HashAlgorithm::HmacSha256 | HashAlgorithm::HmacSha256Of128 => {
                Keyed::Hmac(fast_hmac::Key::new(fast_hmac::HMAC_SHA256, secret).into())
            }
            HashAlgorithm::HmacSha224 => {
                Keyed::Hmac(fast_hmac::Key::new(fast_hmac::HMAC_SHA224, secret).into())
            }
            HashAlgorithm::HmacSha3With224 => {
                Keyed::Sha3With224(Hmac::new_from_slice(secret).map_err(|_| invalid())?.into())
            }
            HashAlgorithm::HmacSha3With256 => {
                Keyed::Sha3With256(Hmac::new_from_slice(secret).map_err(|_| invalid())?.into())
            }
        };
        Ok(Self { algorithm, keyed })
    }

    /// Bytes of a digest.
    pub fn digest_len(&self) -> usize {
        self.algorithm.digest_len()
    }

    /// The hash of `data`.
    pub fn hash(&self, data: &[u8]) -> Digest {
        let len = self.digest_len();
        match &self.keyed {
            Keyed::Blake2b(params) => Digest::cut(params.hash(data).as_bytes(), len),
            Keyed::Blake2s(params) => Digest::cut(params.hash(data).as_bytes(), len),
            Keyed::Blake3(key) => Digest::cut(blake3::keyed_hash(key, data).as_bytes(), len),
            Keyed::Hmac(key) => Digest::cut(fast_hmac::sign(key, data).as_ref(), len),
            Keyed::Sha3With224(mac) => {
                Digest::cut(&mac.as_ref().clone().chain_update(data).finalize().into_bytes(), len)
            }
            Keyed::Sha3With256(mac) => {
                Digest::cut(&mac.as_ref().clone().chain_update(data).finalize().into_bytes(), len)
            }
        }
    }

    /// The hashes of several inputs, faster than one after the other where the function allows it (BLAKE2b, by SIMD).
    pub fn hash_many(&self, inputs: &[&[u8]]) -> Vec<Digest> {
        let Keyed::Blake2b(params) = &self.keyed else {
            return inputs.iter().map(|data| self.hash(data)).collect();
        };
        let mut jobs: Vec<_> =
            inputs.iter().map(|data| blake2b_simd::many::HashManyJob::new(params, data)).collect();
        blake2b_simd::many::hash_many(&mut jobs);
        jobs.iter().map(|job| Digest::cut(job.to_hash().as_bytes(), self.digest_len())).collect()
    }
}

fn blake3_key(secret: &[u8], invalid: impl Fn() -> Error) -> Result<[u8; 32]> {
    if secret.len() < 32 {
        return Ok(blake3::derive_key("kopia blake3 derived key v1", secret));
    }
    secret.try_into().map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_equal_the_published_ones() {
        let secret: Vec<u8> = (0x20..0x40).collect();
        for (name, expected) in [
            ("BLAKE2B-256-128", "0951cc974d65734e6ba033ea452f8464"),
            ("BLAKE2B-256", "0951cc974d65734e6ba033ea452f84644cf0b1bb235a252261441647e9e67382"),
            ("BLAKE2S-128", "dd6d830c2ab357614bd6b009af21dd36"),
            ("BLAKE2S-256", "fab1b1fe4ad6b97a57ecf81841f840bb25ffc0f607bf8afff91539b235202315"),
            ("BLAKE3-256", "f8a707ccac6d5c7344f3075c205236c529ad840925ffae5a62011aefc9a895a9"),
            ("BLAKE3-256-128", "f8a707ccac6d5c7344f3075c205236c5"),
            ("HMAC-SHA256", "1aec074502f2463912a191ca4d93c770524367c8afd40af8766cf0a96888bd8c"),
            ("HMAC-SHA256-128", "1aec074502f2463912a191ca4d93c770"),
            ("HMAC-SHA224", "88c22ef523491702777aebcf0f7d4e78053b0879c2ff62866bc199b8"),
            ("HMAC-SHA3-224", "de832416e760f94cd94ccdfc2c3ca7444b3404b4bb2619051980ba70"),
            ("HMAC-SHA3-256", "506ba3517bb9c1e929489abd44965dad0db2a7aaa9730fc788c3319f6ef8b0ed"),
        ] {
            let algorithm = HashAlgorithm::from_name(name).unwrap();
            let hasher = Hasher::new(algorithm, &secret).unwrap();
            assert_eq!(format!("{:?}", hasher.hash(b"hello")), expected, "{name}");
            assert_eq!(hasher.digest_len() * 2, expected.len(), "{name}");
            assert_eq!(algorithm.name(), name);
            let many: Vec<_> = hasher.hash_many(&[b"hello", b"", b"hello"]);
            assert_eq!(many, [hasher.hash(b"hello"), hasher.hash(b""), hasher.hash(b"hello")], "{name}");
        }
        assert!(HashAlgorithm::from_name("MD5").is_err());
        assert!(Hasher::new(HashAlgorithm::Blake2b256, &[0; 65]).is_err());
    }
}

//! Keyed hashes, authenticated encryption and key derivation, as a repository's format names them.

mod cipher;
mod hash;
pub(crate) mod kdf;

pub use cipher::{ContentCipher, ENCRYPTION_OVERHEAD, EncryptionAlgorithm};
pub use hash::{Digest, HashAlgorithm, Hasher};

use crate::{Error, Result};

/// A 256-bit key that is wiped when dropped and never printed.
pub(crate) type Key = zeroize::Zeroizing<[u8; 32]>;

/// Bytes from the operating system's random generator.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| Error::Unsupported("no randomness on this machine".into()))?;
    Ok(bytes)
}

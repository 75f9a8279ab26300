//! Keys from the password and from the master key.

use std::num::NonZeroU32;

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::pbkdf2;

use super::Key;
use crate::{Error, Result};

/// The default `keyAlgo`.
pub(crate) const SCRYPT: &str = "scrypt-65536-8-1";
pub(crate) const PBKDF2: &str = "pbkdf2-sha256-600000";
const PBKDF2_ROUNDS: NonZeroU32 = NonZeroU32::new(600_000).expect("not zero");
const MIN_SALT: usize = 16;

/// The key of the format blob, from the password. Takes about a quarter of a second and 64 MiB on purpose.
pub(crate) fn from_password(algorithm: &str, password: &[u8], salt: &[u8]) -> Result<Key> {
    if salt.len() < MIN_SALT {
        return Err(Error::damaged("kopia.repository", "the unique ID is too short"));
    }
    let mut key = Key::default();
    match algorithm {
        SCRYPT => {
            let invalid = |_| Error::Unsupported(format!("key derivation {algorithm:?}"));
            let params = scrypt::Params::new(16, 8, 1).map_err(invalid)?;
            scrypt::scrypt(password, salt, &params, &mut *key)
                .map_err(|_| Error::Unsupported(format!("key derivation {algorithm:?}")))?;
        }
        PBKDF2 => pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, PBKDF2_ROUNDS, salt, password, &mut *key),
        other => return Err(Error::Unsupported(format!("key derivation {other:?}"))),
    }
    Ok(key)
}

/// `E` of the format. The purpose stands in the place of the salt, unlike everywhere else.
pub(crate) fn content_secret(master_key: &[u8]) -> Result<Key> {
    hkdf(master_key, b"encryption", b"")
}

pub(crate) fn hkdf(input: &[u8], salt: &[u8], info: &[u8]) -> Result<Key> {
    struct Len;
    impl KeyType for Len {
        fn len(&self) -> usize {
            32
        }
    }
    let mut key = Key::default();
    Salt::new(HKDF_SHA256, salt)
        .extract(input)
        .expand(&[info], Len)
        .and_then(|material| material.fill(&mut *key))
        .map_err(|_| Error::Unsupported("key derivation failed".into()))?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_keys_equal_the_published_ones() {
        let unique_id: Vec<u8> = (0..32).collect();
        let master_key: Vec<u8> = (0x40..0x60).collect();
        let scrypt = from_password(SCRYPT, b"static-passw0rd", &unique_id).unwrap();
        let pbkdf2 = from_password(PBKDF2, b"static-passw0rd", &unique_id).unwrap();
        for (key, expected) in [
            (&scrypt, "ffe609844d93eddf89ad495da77bd83e8cec100e27b03a6257d505de6e36094d"),
            (&pbkdf2, "518d6d7b82de0409ec8e6ac75d7c8bbffc679b706969d9122bf26bfdccaa034b"),
            (
                &hkdf(&*scrypt, &unique_id, b"AES").unwrap(),
                "40b4dbe53119dcba4a63bfdcda08da6f0c89041d64355962e8a2076796626bc2",
            ),
            (
                &hkdf(&*scrypt, &unique_id, b"CHECKSUM").unwrap(),
                "d0d652b890ca4d62b340f8466bb95997f7a4a61a1c005a5c7153601dea229045",
            ),
            (
                &content_secret(&master_key).unwrap(),
                "efffeb0407ce08e6fca4220165c06bf4508d6ee17538f6a69f8df8149a6067d2",
            ),
            (
                &hkdf(&master_key, &unique_id, b"maintenance schedule").unwrap(),
                "df3abcb527a008fb8f3b8fe556f35133a44bdfe1f801920f6875b2ad1686b17d",
            ),
            (
                &hkdf(b"ABCDEFGHIJKLMNOP", b"0123456789012345", b"the-test-purpose").unwrap(),
                "828769ee8969bc37f11dbaa32838f8db6c19daa6e3ae5f5eed2da2d94d8faddb",
            ),
        ] {
            assert_eq!(hex::encode(**key), expected);
        }
        assert!(from_password("argon2", b"x", &unique_id).is_err());
        assert!(from_password(SCRYPT, b"x", &unique_id[..15]).is_err());
    }
}

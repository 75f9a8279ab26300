use std::sync::Arc;

use proptest::prelude::*;

use super::*;

const V2: &str = "02110011000000030000000202000000000000112233445566778899aabbccddeeff6553f100000000200000050000210000006b0f0e0d0c0b0a090807060504030201006553f101000000410003e800012c0001016dffffffffffffffffffffffffffffffff6553f1028000016d0000c80000e4000100360000008d36000000c30000000003000000110103007031313131313131313131313131313131313131313131313131313131313131312d73303132333435363738396162636465663132377132323232323232323232323232323232323232323232323232323232323232322d7330313233343536373839616263646566313237";
const V1: &str = "01110014000000030000112233445566778899aabbccddeeff00006553f10001360000007700000020000000216b0f0e0d0c0b0a0908070605040302010000006553f1010136000000ad000000410000012c6dffffffffffffffffffffffffffffffff00006553f1020136000000ad8000016d000000e47031313131313131313131313131313131313131313131313131313131313131312d73303132333435363738396162636465663132377132323232323232323232323232323232323232323232323232323232323232322d7330313233343536373839616263646566313237";

fn entry(id: &str, timestamp: u64, deleted: bool, pack: &str) -> IndexEntry {
    IndexEntry {
        id: id.parse().unwrap(),
        timestamp,
        deleted,
        pack: pack.into(),
        offset: 32,
        packed_length: 33,
        original_length: 5,
        compression: CompressionId::NONE,
        format_version: 3,
    }
}

fn samples() -> Vec<IndexEntry> {
    let pack = |letter: &str, digit: &str| format!("{letter}{}-s0123456789abcdef127", digit.repeat(32));
    let first = entry("00112233445566778899aabbccddeeff", 1_700_000_000, false, &pack("p", "1"));
    let second = IndexEntry {
        offset: 65,
        packed_length: 300,
        original_length: 1000,
        compression: CompressionId::ZSTD_FASTEST,
        ..entry("k0f0e0d0c0b0a09080706050403020100", 1_700_000_001, false, &pack("q", "2"))
    };
    let third = IndexEntry {
        offset: 365,
        packed_length: 228,
        original_length: 200,
        ..entry("mffffffffffffffffffffffffffffffff", 1_700_000_002, true, &pack("q", "2"))
    };
    vec![first, second, third]
}

fn written(entries: &[IndexEntry]) -> Vec<u8> {
    build(2, || Ok(entries.iter().cloned().map(Ok))).unwrap()
}

fn all(set: &IndexSet) -> Vec<IndexEntry> {
    set.scan().unwrap().map(Result::unwrap).collect()
}

fn set(indexes: &[&[IndexEntry]], spill: bool, watermark: Option<u64>) -> IndexSet {
    let file = |entries: &&[IndexEntry]| Arc::new(IndexFile::new("test", written(entries), spill).unwrap());
    IndexSet::new(indexes.iter().map(|entries| ("test".to_owned(), file(entries))).collect(), watermark)
}

#[test]
fn the_published_index_is_read_and_written_to_the_byte() {
    assert_eq!(hex::encode(written(&samples())), V2);
    for spill in [false, true] {
        let mut data = hex::decode(V2).unwrap();
        data.extend_from_slice(&[0x55; 32]);
        let file = Arc::new(IndexFile::new("v2", data, spill).unwrap());
        assert_eq!(all(&IndexSet::new(vec![("v2".into(), file.clone())], None)), samples());
        for sample in samples() {
            assert_eq!(file.find(&sample.id).unwrap(), Some(sample));
        }
        for missing in ["00", "k0f0e0d0c0b0a09080706050403020101", "zff"] {
            assert_eq!(file.find(&missing.parse().unwrap()).unwrap(), None);
        }
    }
}

#[test]
fn the_published_version_1_index_is_read_and_written_to_the_byte() {
    let file = Arc::new(IndexFile::new("v1", hex::decode(V1).unwrap(), false).unwrap());
    let expected: Vec<_> = samples()
        .into_iter()
        .map(|sample| IndexEntry {
            compression: CompressionId::NONE,
            format_version: 1,
            original_length: sample.packed_length - 28,
            ..sample
        })
        .collect();
    assert_eq!(all(&IndexSet::new(vec![("v1".into(), file)], None)), expected);
    assert_eq!(hex::encode(build(1, || Ok(expected.iter().cloned().map(Ok))).unwrap()), V1);
    assert!(build(1, || Ok(samples().into_iter().map(Ok))).is_err(), "compression cannot be told");
}

#[test]
fn damaged_indexes_are_refused_without_panic() {
    for text in [V1, V2] {
        let good = hex::decode(text).unwrap();
        for length in 0..good.len() {
            assert!(IndexFile::new("cut", good[..length].to_vec(), false).is_err(), "cut to {length}");
            for bit in [1, 0x80] {
                let mut bad = good.clone();
                bad[length] ^= bit;
                if let Ok(file) = IndexFile::new("flipped", bad, false) {
                    let set = IndexSet::new(vec![("flipped".into(), Arc::new(file))], None);
                    assert!(set.scan().map_or(0, Iterator::count) <= 3);
                }
            }
        }
    }
}

#[test]
fn the_entry_width_grows_with_the_entries() {
    let with = |change: fn(&mut IndexEntry)| {
        let mut entry = samples().remove(0);
        change(&mut entry);
        vec![entry]
    };
    let plain = with(|_| ());
    let long = with(|entry| entry.packed_length = 0x0234_5678);
    for (entries, width) in [(&plain, 16), (&long, 19), (&samples(), 17)] {
        let data = written(entries);
        assert_eq!(u16::from_be_bytes([data[2], data[3]]), width);
        assert_eq!(&all(&set(&[entries], false, None)), entries);
    }
    assert!(build(2, || Ok(with(|entry| entry.offset = 1 << 30).into_iter().map(Ok))).is_err());
}

#[test]
fn the_later_then_the_living_then_the_larger_pack_wins() {
    let id = "0011";
    for (first, second, expected) in [
        ((1, false, "a"), (2, true, "a"), 1),
        ((2, true, "b"), (2, false, "a"), 1),
        ((2, false, "b"), (2, false, "a"), 0),
    ] {
        let entries = [first, second].map(|(time, deleted, pack)| entry(id, time, deleted, pack));
        let merged = set(&[&entries[..1], &entries[1..]], false, None);
        assert_eq!(merged.find(&id.parse().unwrap()).unwrap().as_ref(), Some(&entries[expected]));
        assert_eq!(all(&merged), [entries[expected].clone()]);
    }
}

#[test]
fn deleted_entries_up_to_the_watermark_do_not_exist() {
    let entries = [entry("0011", 5, true, "p"), entry("0012", 6, true, "p"), entry("0013", 5, false, "p")];
    let set = set(&[&entries], false, Some(5));
    assert_eq!(all(&set), entries[1..]);
    assert_eq!(set.find(&entries[0].id).unwrap(), None);
}

#[test]
fn prefixed_contents_are_found_without_the_rest() {
    let many: Vec<_> = (0..300).map(|number| entry(&format!("{number:04x}"), 1, false, "p")).collect();
    let tail = [entry("k0001", 1, false, "q"), entry("m0001", 1, false, "q"), entry("m0002", 1, false, "q")];
    let set = set(&[&many, &tail], true, None);
    let found: Vec<_> =
        set.scan_prefix(crate::content_id::Prefix::MANIFEST).unwrap().map(Result::unwrap).collect();
    assert_eq!(found, tail[1..]);
    assert_eq!(all(&set).len(), 303);
}

proptest! {
    #[test]
    fn any_sorted_entries_are_found_again(keys in proptest::collection::btree_set(any::<u16>(), 1..400), spill: bool) {
        let entries: Vec<_> =
            keys.iter().map(|key| entry(&format!("k{key:04x}"), u64::from(*key), key % 3 == 0, "q1")).collect();
        let set = set(&[&entries], spill, None);
        prop_assert_eq!(all(&set), entries.clone());
        for key in 0..u16::MAX / 100 {
            let id = format!("k{key:04x}").parse().unwrap();
            prop_assert_eq!(set.find(&id).unwrap().is_some(), keys.contains(&key));
        }
    }
}

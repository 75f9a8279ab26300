use super::*;

#[test]
fn an_empty_directory_is_the_published_document() {
    let modified = "2023-11-14T22:13:27.123456789Z".parse().unwrap();
    let json = Directory::new(Vec::new(), Summary::empty(modified)).to_json().unwrap();
    assert_eq!(
        String::from_utf8(json).unwrap(),
        "{\"stream\":\"kopia:directory\",\"entries\":null,\"summary\":{\"size\":0,\"files\":0,\"symlinks\":0,\"dirs\":1,\"maxTime\":\"2023-11-14T22:13:27.123456789Z\",\"numFailed\":0}}\n"
    );
}

#[test]
fn modes_are_written_as_go_writes_them() {
    for (mode, text) in
        [(0o644, "\"0644\""), (0o4755, "\"040000755\""), (0o1755, "\"04000755\""), (0o2755, "\"020000755\"")]
    {
        assert_eq!(serde_json::to_string(&FileMode(mode)).unwrap(), text);
        assert_eq!(serde_json::from_str::<FileMode>(text).unwrap(), FileMode(mode));
    }
    assert!(serde_json::from_str::<FileMode>("\"0999\"").is_err());
}

#[test]
fn names_that_are_not_utf8_keep_their_bytes() {
    let name = OsStr::from_bytes(b"caf\xe9");
    let entry = DirectoryEntry::new(name, EntryKind::File);
    assert_eq!((entry.name.as_str(), entry.file_name().as_os_str()), ("caf\u{fffd}", name));
    assert_eq!(
        serde_json::to_string(&entry).unwrap(),
        "{\"name\":\"caf\u{fffd}\",\"type\":\"f\",\"rawName\":\"636166e9\"}"
    );
    assert_eq!(DirectoryEntry::new(OsStr::new("plain"), EntryKind::File).raw_name, None);
}

#[test]
fn directories_come_first_and_times_are_those_of_the_children() {
    let at = |second| Timestamp::from_second(second).unwrap();
    let entry = |name: &str, kind, second| DirectoryEntry {
        modified: at(second),
        size: 7,
        summary: (kind == EntryKind::Directory).then(|| Box::new(Summary::empty(at(9)))),
        ..DirectoryEntry::new(OsStr::new(name), kind)
    };
    let entries = vec![
        entry("b", EntryKind::File, 3),
        entry("a", EntryKind::Symlink, 2),
        entry("z", EntryKind::Directory, 1),
    ];
    let summary = Summary::of(&entries, at(100));
    assert_eq!((summary.size, summary.files, summary.symlinks, summary.dirs), (7, 1, 1, 2));
    assert_eq!(summary.max_time, at(9));
    let names: Vec<_> =
        Directory::new(entries, summary).entries.into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["z", "a", "b"]);
}

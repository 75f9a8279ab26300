use super::*;

#[test]
fn quantities_are_read_as_kubernetes_reads_them() {
    for (text, bytes) in [
        ("1", Some(1)),
        ("10Mi", Some(10 << 20)),
        ("1.5Gi", Some(3 << 29)),
        ("5G", Some(5_000_000_000)),
        ("2e3", Some(2000)),
        ("100m", Some(1)),
        ("1Zi", None),
        ("", None),
        (".", None),
        ("-1", None),
        ("99999999999999999999999999999999999999999", None),
    ] {
        assert_eq!(quantity(text), bytes, "{text}");
    }
}

#[test]
fn ranges_may_be_open_on_either_side() {
    for (range, inside, outside) in [
        ("10,20", 20, 21),
        (" 10 , 20 ", 10, 9),
        (",5Ki", 5120, 5121),
        ("0,5Ki", 0, 5121),
        ("1Ki,", 1024, 1023),
        ("1Ki,0", 1024, 1023),
    ] {
        let range = Capacity::parse(range).unwrap();
        assert!(range.contains(inside) && !range.contains(outside));
    }
    for range in ["", ",", "0,0"] {
        assert!(Capacity::parse(range).unwrap().contains(u128::MAX), "{range}");
    }
    for text in ["10", "a,b", "2,1", "1,2,3"] {
        assert!(Capacity::parse(text).is_err(), "{text}");
    }
}

fn facts() -> VolumeFacts {
    VolumeFacts {
        capacity: 10 << 30,
        storage_class: "fast".into(),
        volume_type: "csi".into(),
        nfs: None,
        csi: Some(("driver".into(), BTreeMap::from([("tier".into(), "gold".into())]))),
        claim: Some(ClaimFacts {
            labels: BTreeMap::from([("app".into(), "db".into())]),
            phase: "Bound".into(),
            volume_mode: "Filesystem".into(),
            access_modes: BTreeSet::from(["ReadWriteOnce".into()]),
        }),
    }
}

#[test]
fn each_condition_is_checked() {
    let one = |set: fn(&mut Conditions)| {
        let mut conditions = Conditions::default();
        set(&mut conditions);
        conditions.hold(&facts())
    };
    assert!(one(|_| {}));
    assert!(
        one(|c| c.capacity = Capacity::parse("1Gi,10Gi").ok())
            && !one(|c| c.capacity = Capacity::parse(",1Gi").ok())
    );
    assert!(!one(|c| c.storage_class = Some(vec!["slow".into()])));
    assert!(one(|c| c.storage_class = Some(vec!["slow".into(), "fast".into()])));
    let no_class = VolumeFacts { storage_class: String::new(), ..facts() };
    let empty = Conditions { storage_class: Some(vec![String::new()]), ..Conditions::default() };
    assert!(!empty.hold(&no_class));
    assert!(one(|c| c.volume_types = Some(vec!["nfs".into(), "csi".into()])));
    assert!(!one(|c| c.nfs = Some(NfsCondition::default())));
    let share = VolumeFacts { nfs: Some(("server".into(), "/path".into())), ..facts() };
    for (server, path, holds) in [
        ("", "", true),
        ("server", "", true),
        ("", "/path", true),
        ("server", "/other", false),
        ("other", "", false),
    ] {
        let nfs = Some(NfsCondition { server: server.into(), path: path.into() });
        assert_eq!(Conditions { nfs, ..Conditions::default() }.hold(&share), holds, "{server} {path}");
    }
    assert!(one(|c| c.csi = Some(CsiCondition::default())));
    let tier = |tier: &str| CsiCondition {
        driver: "driver".into(),
        attributes: BTreeMap::from([("tier".to_owned(), tier.to_owned())]),
    };
    assert!(Conditions { csi: Some(tier("gold")), ..Conditions::default() }.hold(&facts()));
    assert!(!Conditions { csi: Some(tier("iron")), ..Conditions::default() }.hold(&facts()));
    assert!(
        one(|c| c.pvc_phase = Some(vec!["Bound".into()]))
            && !one(|c| c.pvc_volume_mode = Some("Block".into()))
    );
    assert!(!one(|c| c.pvc_labels = Some(BTreeMap::from([("app".into(), "web".into())]))));
    assert!(!one(
        |c| c.pvc_access_modes = Some(BTreeSet::from(["ReadWriteOnce".into(), "ReadOnlyMany".into()]))
    ));
}

#[test]
fn the_first_policy_that_fits_counts() {
    let skip_all = VolumePolicy { conditions: Conditions::default(), action: Action::Skip };
    let never = Conditions { storage_class: Some(vec!["other".into()]), ..Conditions::default() };
    let never = VolumePolicy { conditions: never, action: Action::FsBackup(BTreeMap::new()) };
    assert_eq!(action_for(&[never.clone(), skip_all], &facts()), Some(&Action::Skip));
    assert_eq!(action_for(&[never], &facts()), None);
}

proptest::proptest! {
    #[test]
    fn a_quantity_is_its_number_times_its_suffix(number in 0_u64..1_000_000_000, power in 0_usize..6) {
        let (binary, decimal) = (["", "Ki", "Mi", "Gi", "Ti", "Pi"], ["", "k", "M", "G", "T", "P"]);
        let read = |suffix: &str| quantity(&format!("{number}{suffix}"));
        proptest::prop_assert_eq!(read(binary[power]), Some(u128::from(number) << (10 * power)));
        proptest::prop_assert_eq!(read(decimal[power]), Some(u128::from(number) * 1000_u128.pow(power as u32)));
    }

    #[test]
    fn no_text_makes_the_readers_of_sizes_fail_badly(text in "[-+.,0-9eEkKmMGTPiun]{0,24}") {
        let _ = (quantity(&text), Capacity::parse(&text));
    }
}

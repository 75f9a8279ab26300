use super::*;
use crate::select::policy::volume::VolumeFacts;

const ALL: &str = "
version: v1
volumePolicies:
- conditions:
    capacity: \"0,100Gi\"
    storageClass: [gp2, fast]
    nfs: {}
    csi: {driver: ebs.csi.aws.com, volumeAttributes: {tier: gold}}
    volumeTypes: [nfs, csi]
    pvcLabels: {app: db}
    pvcPhase: [Bound]
    pvcVolumeMode: Filesystem
    pvcAccessModes: [ReadWriteOnce]
  action: {type: snapshot, parameters: {dataMover: velero-block}}
- conditions: {}
  action: {type: skip}
includeExcludePolicy:
  excludedNamespaceScopedResources: [events]
clusterScopedFilterPolicy:
  resourceFilters:
  - {kinds: [clusterroles], names: ['app-*'], excludedNames: [app-x]}
namespacedFilterPolicies:
- namespaces: [team-*]
  resourceFilters:
  - {kinds: [secrets], labelSelector: {matchLabels: {keep: 'yes'}}}
";

#[test]
fn every_field_is_read() {
    let policies = Policies::parse(ALL).unwrap();
    assert_eq!(policies.volumes.len(), 2);
    assert_eq!(policies.volumes[1].action, Action::Skip);
    assert_eq!(policies.lists.excluded_namespaced, ["events"]);
    assert!(policies.namespace_filters[0].is_for("team-a"));
    assert_eq!(policies.volumes[0].conditions.pvc_access_modes, Some(["ReadWriteOnce".to_owned()].into()));
    assert_eq!(policies.cluster_filter.unwrap().rules[0].kinds, ["clusterroles"]);
}

#[test]
fn mistakes_are_named_with_their_place() {
    for (text, part) in [
        ("version: v1\nvolumePolicy: []", "line 2"),
        ("version: v1\nvolumePolicies:\n- action: skip", "line 3"),
        ("version: v2", "unsupported version \"v2\""),
        ("version: v1\nvolumePolicies: [{action: {type: drop}}]", "volumePolicies[0].action.type: \"drop\""),
        (
            "version: v1\nvolumePolicies: [{conditions: {capacity: '5,1'}, action: {type: skip}}]",
            "conditions.capacity",
        ),
        (
            "version: v1\nvolumePolicies: [{conditions: {volumeTypes: [disk]}, action: {type: skip}}]",
            "volumeTypes: \"disk\"",
        ),
        (
            "version: v1\nvolumePolicies: [{conditions: {pvcPhase: [Odd]}, action: {type: skip}}]",
            "pvcPhase: \"Odd\"",
        ),
        ("version: v1\nincludeExcludePolicy: {includedClusterScopedResources: ['*']}", "'*' is not allowed"),
        (
            "version: v1\nnamespacedFilterPolicies: [{namespaces: ['a**']}]",
            "namespacedFilterPolicies[0].namespaces",
        ),
        ("version: v1\nnamespacedFilterPolicies: [{namespaces: []}]", "at least one namespace"),
        ("version: v1\nnamespacedFilterPolicies: [{namespaces: [a]}]", "at least one entry"),
        ("version: v1\nclusterScopedFilterPolicy: {resourceFilters: []}", "at least one entry"),
        (
            "version: v1\nnamespacedFilterPolicies: [{namespaces: [a, a], resourceFilters: [{}]}]",
            "namespace \"a\" appears twice",
        ),
        (
            "version: v1\nnamespacedFilterPolicies: [{namespaces: [a], resourceFilters: [{kinds: [Pod]}, {kinds: [pod]}]}]",
            "kind \"pod\" appears twice",
        ),
        (
            "version: v1\nnamespacedFilterPolicies: [{namespaces: [a], resourceFilters: [{}, {kinds: ['*']}]}]",
            "only one entry may be without kinds",
        ),
        (
            "version: v1\nnamespacedFilterPolicies: [{namespaces: [a], resourceFilters: [{names: [b]}]}]",
            "names and excludedNames need kinds",
        ),
        (
            "version: v1\nclusterScopedFilterPolicy: {resourceFilters: [{kinds: ['*', pods]}]}",
            "'*' stands alone",
        ),
        (
            "version: v1\nclusterScopedFilterPolicy: {resourceFilters: [{kinds: [pv], labelSelector: {}, orLabelSelectors: [{}]}]}",
            "can't be combined",
        ),
        (
            "version: v1\nincludeExcludePolicy: {includedNamespaceScopedResources: [pods], excludedNamespaceScopedResources: [pods]}",
            "in the includes list: pods",
        ),
        (
            "version: v1\nvolumePolicies: [{conditions: {csi: {volumeAttributes: {a: b}}}, action: {type: skip}}]",
            "volumeAttributes need a driver",
        ),
        ("version: v1\nvolumePolicies: [{conditions: {sizes: '1,2'}, action: {type: skip}}]", "sizes"),
        ("version: v1\nvolumePolicies: [{conditions: {pvcLabels: a}, action: {type: skip}}]", "line 2"),
        ("version: v1\nvolumePolicies: [{conditions: {}}]", "action"),
    ] {
        let error = Policies::parse(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn empty_conditions_are_none_and_plain_values_are_text() {
    let policies = Policies::parse(
        "
version: v1
volumePolicies:
- conditions:
    capacity: ''
    storageClass: []
    volumeTypes:
    pvcLabels: {}
    pvcPhase: []
    nfs:
  action: {type: skip, parameters: }
- conditions:
  action: {type: skip}
- conditions: {pvcLabels: {app: 1, on: true, empty: ''}, storageClass: [1]}
  action: {type: skip, parameters: {a: 1, b: [x]}}
includeExcludePolicy:
namespacedFilterPolicies:
",
    )
    .unwrap();
    let any = VolumeFacts::default();
    assert!(policies.volumes[0].conditions.hold(&any) && policies.volumes[1].conditions.hold(&any));
    let labels = policies.volumes[2].conditions.pvc_labels.clone().unwrap();
    assert_eq!(format!("{labels:?}"), r#"{"app": "1", "empty": "", "on": "true"}"#);
    assert_eq!(policies.volumes[2].conditions.storage_class, Some(vec!["1".to_owned()]));
}

#[test]
fn every_action_and_volume_type_of_velero_is_known() {
    for action in ["skip", "snapshot", "fs-backup", "custom"] {
        let text = format!("version: v1\nvolumePolicies: [{{conditions: {{}}, action: {{type: {action}}}}}]");
        assert!(Policies::parse(&text).is_ok(), "{action}");
    }
    let types = "awsAzureDisk, awsElasticBlockStore, azureDisk, azureFile, cinder, cephfs, configMap, csi, downwardAPI, \
             emptyDir, ephemeral, fc, flocker, flexVolume, gitRepo, glusterfs, gcePersistentDisk, hostPath, iscsi, local, nfs, \
             photonPersistentDisk, portworxVolume, projected, quobyte, rbd, scaleIO, secret, storageOS, vsphereVolume, image";
    let text = format!(
        "version: v1\nvolumePolicies: [{{conditions: {{volumeTypes: [{types}]}}, action: {{type: skip}}}}]"
    );
    assert_eq!(
        Policies::parse(&text).unwrap().volumes[0].conditions.volume_types.as_ref().unwrap().len(),
        31
    );
}

#[test]
fn the_config_map_has_one_key() {
    let none = BTreeMap::new();
    assert!(matches!(Policies::from_config_map(&none), Err(PolicyError::Keys(0))));
    let one = BTreeMap::from([("any".to_owned(), "version: v1".to_owned())]);
    assert!(Policies::from_config_map(&one).unwrap().volumes.is_empty());
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_of_policies_fail_badly(text in "(version: v1|volumePolicies|[-:{}\\[\\]&*!|> \n'\"a-z0-9]){0,40}") {
        let _ = Policies::parse(&text);
    }
}

//! The command tree against what scripts expect of it.

use std::collections::BTreeSet;

use clap::Command;

use super::help;
use super::pflag::takes_value;

/// Commands and flags of Velero 1.18.2, one a line, as its own help prints them.
const VELERO: &str = include_str!("../../testdata/velero-flags.txt");

#[test]
fn the_tree_is_sound() {
    super::tree("bowline").debug_assert();
    super::tree("velero").debug_assert();
}

#[test]
fn every_command_and_flag_of_velero_is_there() {
    let mut tree = super::tree("velero");
    tree.build();
    let mut missing = Vec::new();
    let mut command: Option<Command> = None;
    let mut path = String::new();
    for line in VELERO.lines() {
        if let Some(head) = line.strip_prefix("## velero") {
            path = head.split("  ").next().unwrap_or_default().trim().to_owned();
            command = find(&tree, &path);
            assert!(command.is_some(), "{path}");
            if let (Some(command), Some((_, rest))) = (&command, head.split_once("aliases: ")) {
                missing.extend(
                    missing_aliases(command, rest).into_iter().map(|alias| format!("{path}: alias {alias}")),
                );
            }
        } else if let (Some(flag), Some(command)) = (line.trim().strip_prefix("--"), &command)
            && let Err(why) = fits(command, flag)
        {
            missing.push(format!("{path} --{flag}: {why}"));
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}

fn find(tree: &Command, path: &str) -> Option<Command> {
    path.split_whitespace().try_fold(tree.clone(), |command, name| command.find_subcommand(name).cloned())
}

fn missing_aliases(command: &Command, rest: &str) -> Vec<String> {
    let names: BTreeSet<&str> = command.get_all_aliases().chain([command.get_name()]).collect();
    let wanted = rest.split("  ").next().unwrap_or_default().split(", ");
    wanted.filter(|alias| !names.contains(alias)).map(str::to_owned).collect()
}

/// Flags whose default is no default value here: logging flags without effect, what is looked up elsewhere, and our own image.
const OTHER_DEFAULTS: [&str; 6] = [
    "legacy_stderr_threshold_behavior",
    "log_backtrace_at",
    "log_file_max_size",
    "logtostderr",
    "stderrthreshold",
    "image",
];

/// Whether a flag is there with the same short form, takes a value or not as in Velero, and has its default.
fn fits(command: &Command, line: &str) -> Result<(), String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let word = |start: &str| words.iter().skip(1).find_map(|word| word.strip_prefix(start));
    let short = words.get(1).and_then(|word| word.strip_prefix('-')).and_then(|word| word.chars().next());
    let arg = command.get_arguments().find(|arg| arg.get_long() == Some(words[0])).ok_or("missing")?;
    if short.is_some() && arg.get_short() != short {
        return Err(format!("the short form is {:?}", arg.get_short()));
    }
    let default = word("default=").map(|text| text.trim_matches('"'));
    // Velero calls some enumerations bool.
    let boolean =
        words.contains(&"bool") && default.is_none_or(|default| matches!(default, "true" | "false"));
    let bare = boolean || word("bare=").is_some();
    if bare == takes_value(arg) {
        return Err(format!("takes a value: {}", takes_value(arg)));
    }
    match default {
        None | Some("<none>") => Ok(()),
        Some(_) if OTHER_DEFAULTS.contains(&words[0]) => Ok(()),
        Some(default) => same_default(arg, default),
    }
}

fn same_default(arg: &clap::Arg, default: &str) -> Result<(), String> {
    let ours: Vec<&str> = arg.get_default_values().iter().filter_map(|value| value.to_str()).collect();
    let ours = ours.join(",");
    let said = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let duration = |text: &str| text.parse::<bowline_api::Duration>().ok();
    // A flag that is also asked whether it was given has no default value; its help says what it is then.
    let same = ours == default
        || (duration(default).is_some() && duration(&ours) == duration(default))
        || (ours.is_empty()
            && (said.contains(&format!("(default {default})")) || said.contains(&format!("{default:?}"))));
    if same { Ok(()) } else { Err(format!("the default is {ours:?}")) }
}

#[test]
fn habits_of_pflag_hold() {
    let accepted: [&[&str]; 16] = [
        &["backup", "create", "x", "--wait"],
        &["backup", "create", "x", "-w"],
        &["backup", "create", "x", "--wait=false"],
        &[
            "backup",
            "create",
            "x",
            "--snapshot-volumes",
            "--include-namespaces",
            "a,b",
            "--include-namespaces",
            "c",
        ],
        &["backup", "create", "--snapshot-volumes=false", "x"],
        &["backup", "create", "x", "--include-resources", "pods", "--include-resources=secrets"],
        &["backup", "create", "x", "--ttl", "24h", "--ttl", "1h30m"],
        &["backup", "create", "x", "--labels", "a=b,c=d", "--labels", "e=f"],
        &["backup", "create", "x", "--or-selector", "a=b or c=d", "-v", "4", "--logtostderr=true"],
        &["--namespace", "n", "backup", "get", "-l", "a in (b, c)", "-o", "json"],
        &["backup", "get", "-n=n", "--colorized=false", "--show-labels"],
        &["schedule", "create", "x", "--schedule", "@every 1m", "--paused=true"],
        &["create", "backup", "--from-schedule", "daily"],
        &["version", "--timeout", "60s", "--client-only"],
        &["backup", "get", "--kubeconfig", ""],
        &["backup", "logs", "x", "--cacert="],
    ];
    for line in accepted {
        let line = std::iter::once("velero").chain(line.iter().copied());
        super::tree("velero").try_get_matches_from(line).unwrap();
    }
}

#[test]
fn a_switch_that_is_switched_off_is_not_given() {
    for line in [
        &["backup", "delete", "x", "--all=false"][..],
        &["backup", "delete", "--all", "--all=true", "--all=false", "x"],
        &["schedule", "pause", "x", "--all=f"],
        &["install", "--no-secret=false", "--secret-file", "x"],
        &["install", "--default-volumes-to-fs-backup=false"],
        &["install", "--crds-only=0", "--adopt"],
        &["-n", "backup", "--kubeconfig=x", "restore", "delete", "x", "--all=false"],
    ] {
        let tree = super::tree("velero");
        let words = std::iter::once("velero").chain(line.iter().copied()).map(Into::into).collect();
        let words = super::pflag::without_idle_switches(&tree, words);
        tree.try_get_matches_from(words).unwrap_or_else(|error| panic!("{line:?}: {error}"));
    }
    // Where it may be absent, off is something else; and behind `--` is no flag.
    for line in [
        ["velero", "backup-location", "set", "x", "--default=false"],
        ["velero", "backup", "delete", "--", "--all=false"],
    ] {
        let words: Vec<std::ffi::OsString> = line.map(Into::into).into();
        assert_eq!(super::pflag::without_idle_switches(&super::tree("velero"), words.clone()), words);
    }
}

#[test]
fn every_flag_of_veleros_server_is_accepted() {
    let flags = include_str!("../../data/velero-server-flags.txt");
    for flag in flags.lines().filter(|line| !line.starts_with('#')) {
        super::tree("velero").try_get_matches_from(["velero", "server", flag]).unwrap();
    }
}

#[test]
fn contradictions_are_refused() {
    let refused: [&[&str]; 9] = [
        &["backup", "create"],
        &["backup", "create", "x", "--wait=maybe"],
        &["backup", "create", "x", "--include-resources", "pods", "--include-cluster-scoped-resources", "*"],
        &["backup", "create", "x", "--selector", "a=b", "--or-selector", "c=d"],
        &["backup", "create", "x", "--ttl", "1d"],
        &["restore", "create", "--from-backup", "a", "--existing-resource-policy", "replace"],
        &["backup", "delete", "x", "--all"],
        &["schedule", "create", "x"],
        &["backup-location", "create", "x", "--provider", "aws"],
    ];
    for line in refused {
        let words = std::iter::once("velero").chain(line.iter().copied());
        assert!(super::tree("velero").try_get_matches_from(words).is_err(), "{line:?}");
    }
}

#[test]
fn every_command_has_an_example_that_can_be_parsed() {
    let mut tree = super::tree("bowline");
    tree.build();
    let mut count = 0;
    each(&tree, &mut |command| {
        let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(!examples.is_empty() || command.has_subcommands(), "{} has no example", command.get_name());
        for line in
            examples.replace("\\\n", " ").lines().filter_map(|line| line.trim().strip_prefix("{program} "))
        {
            let line = line.split(" | ").next().unwrap_or_default().split(" > ").next().unwrap_or_default();
            let words = std::iter::once("bowline".to_owned()).chain(shell_words(line));
            super::tree("bowline")
                .try_get_matches_from(words)
                .unwrap_or_else(|error| panic!("{line}: {error}"));
            count += 1;
        }
    });
    assert!(count > 40, "{count}");
}

fn each(command: &Command, visit: &mut impl FnMut(&Command)) {
    visit(command);
    command.get_subcommands().for_each(|sub| each(sub, visit));
}

/// Words of a line, with single quotes.
fn shell_words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in line.split('\'').enumerate() {
        match at % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    words
}

#[test]
fn help_is_narrow_and_names_the_program_it_was_called_by() {
    let mut tree = super::tree("velero");
    tree.build();
    each(&tree, &mut |command| {
        let help = command.clone().render_help().to_string();
        assert!(!help.contains("{program}"), "{}", command.get_name());
        for line in help.lines().filter(|line| !line.contains("velero ")) {
            assert!(line.chars().count() <= 120, "{line}");
        }
    });
    let help = find(&tree, "backup create").unwrap().render_help().to_string();
    assert!(help.contains("velero backup create web --include-namespaces web,db --wait"), "{help}");
    assert!(help.contains(&format!("\n{}:\n", help::GLOBAL_FLAGS)), "{help}");
}

#[test]
fn help_of_the_root_and_of_a_command_is_as_reviewed() {
    let mut tree = super::tree("bowline");
    tree.build();
    insta::assert_snapshot!("root_help", tree.clone().render_help().to_string());
    for path in ["backup", "backup delete", "restore create"] {
        let help = find(&tree, path).unwrap().render_help().to_string();
        insta::assert_snapshot!(path.replace(' ', "_") + "_help", help);
    }
}

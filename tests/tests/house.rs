//! The rules of the house that a machine can keep: which crate may know which, where `unsafe` may stand, that every file
//! says what it is for, and that the pure crates are pure.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Every arrow that is allowed between crates of ours (design, section 3). Whatever is not listed may not be.
const ARROWS: &[(&str, &[&str])] = &[
    ("horae-stages", &["horae-recovery"]),
    ("horae-recovery", &[]),
    ("horae-control", &[]),
    ("horae-mpc", &[]),
    ("horae-runtime", &[]),
    ("horae-contracts", &[]),
    ("horae-tuning", &[]),
    ("horae-tendermint", &["horae-control", "horae-mpc"]),
    (
        "horae-node",
        &[
            "horae-stages",
            "horae-recovery",
            "horae-control",
            "horae-mpc",
            "horae-tendermint",
            "horae-runtime",
            "horae-contracts",
            "horae-tuning",
        ],
    ),
    ("horae-cli", &["horae-node", "horae-tuning", "horae-stages", "horae-control", "horae-contracts", "horae-mpc"]),
];

/// Crates that may look at everything; nobody looks back at them.
const LOOKERS: &[&str] = &["horae-tests", "horae-benches"];

/// Folders in which `unsafe` may stand.
const UNSAFE_FOLDERS: &[&str] = &["engine/runtime/", "stages/recovery/", "benches/src/alloc.rs"];

/// The pure crates' folders.
const PURE: &[&str] = &["stages", "stages/recovery", "consensus/control", "consensus/mpc"];

/// Words that a pure crate's source has no business with.
const IMPURE_WORDS: &[&str] =
    &["std::thread", "std::net", "std::fs", "Instant::now", "SystemTime", "OsRng", "thread_rng", "tokio::"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the repository").to_path_buf()
}

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() && !["target", "node_modules", "out", "cache"].contains(&name.as_str()) {
            sources(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

fn our_sources() -> Vec<(String, String)> {
    let root = root();
    let mut files = Vec::new();
    for folder in ["stages", "consensus", "engine", "contracts/bindings", "tuning", "benches", "tests"] {
        sources(&root.join(folder), &mut files);
    }
    assert!(files.len() > 50, "found only {} sources below {}", files.len(), root.display());
    files
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            (path.strip_prefix(&root).expect("below the root").display().to_string(), text)
        })
        .collect()
}

#[test]
fn crates_know_only_whom_they_may() {
    let metadata = cargo_metadata::MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .other_options(vec!["--offline".to_owned()])
        .exec()
        .expect("cargo metadata runs");
    let allowed: BTreeMap<&str, BTreeSet<&str>> =
        ARROWS.iter().map(|(from, to)| (*from, to.iter().copied().collect())).collect();
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    for package in &metadata.packages {
        let from = package.name.as_str();
        if !from.starts_with("horae-") || LOOKERS.contains(&from) {
            continue;
        }
        seen.insert(from.to_owned());
        let Some(may) = allowed.get(from) else {
            wrong.push(format!("{from} is not in the table of arrows"));
            continue;
        };
        for dependency in package.dependencies.iter().filter(|d| d.name.starts_with("horae-")) {
            if !may.contains(dependency.name.as_str()) {
                wrong.push(format!("{from} -> {}", dependency.name));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that the house forbids: {wrong:#?}");
    assert_eq!(seen.len(), ARROWS.len(), "the table names crates that are not there; there are {seen:?}");
}

#[test]
fn every_source_opens_with_what_it_is_for() {
    let silent: Vec<_> =
        our_sources().into_iter().filter(|(_, text)| !text.starts_with("//!")).map(|(path, _)| path).collect();
    assert!(silent.is_empty(), "files without a head: {silent:#?}");
}

#[test]
fn unsafe_stands_only_where_it_may() {
    let mut wrong = Vec::new();
    for (path, text) in our_sources() {
        if UNSAFE_FOLDERS.iter().any(|folder| path.starts_with(folder)) || path == file!() || path.ends_with("house.rs")
        {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if code.contains("unsafe {") || code.contains("unsafe fn") || code.contains("unsafe impl") {
                wrong.push(format!("{path}:{}", number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "unsafe outside of {UNSAFE_FOLDERS:?}: {wrong:#?}");
}

#[test]
fn pure_crates_do_not_name_threads_clocks_sockets_or_files() {
    let mut wrong = Vec::new();
    for (path, text) in our_sources() {
        let of_tests = ["/tests/", "/tests.rs", "/testing/", "/testing.rs"].iter().any(|part| path.contains(part));
        if of_tests || !PURE.iter().any(|folder| path.starts_with(&format!("{folder}/src"))) {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in code.lines().enumerate() {
            let line = line.split("//").next().unwrap_or_default();
            if let Some(word) = IMPURE_WORDS.iter().find(|word| line.contains(**word)) {
                wrong.push(format!("{path}:{}: {word}", number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "impure words in pure crates: {wrong:#?}");
}

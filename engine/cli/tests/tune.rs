//! `horae tune` from a shell's side, on directories that stand for machines.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

const GOVERNOR: &str = "sys/devices/system/cpu/cpufreq/policy3/scaling_governor";
const IO_URING: &str = "proc/sys/kernel/io_uring_disabled";

fn tune(root: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_horae")).arg("tune").args(arguments).arg("--root").arg(root).output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|why| panic!("{why}: {output:?}"))
}

fn put(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn text(root: &Path, path: &str) -> String {
    fs::read_to_string(root.join(path)).unwrap().trim().to_owned()
}

/// A machine of 16 cores with two things wrong that can be put right.
fn machine() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    put(root, "proc/self/status", "Uid:\t0\t0\t0\t0\n");
    put(root, "sys/devices/system/cpu/online", "0-15\n");
    put(root, "sys/devices/system/cpu/isolated", "3-12\n");
    put(root, "sys/devices/system/cpu/cpufreq/policy3/affected_cpus", "3\n");
    put(root, GOVERNOR, "powersave\n");
    put(root, IO_URING, "1\n");
    folder
}

#[test]
fn check_apply_check_revert() {
    let folder = machine();
    let root = folder.path();
    let check = tune(root, &["check", "--profile", "cores-16", "--json"]);
    assert!(!check.status.success());
    let said = json(&check);
    assert_eq!((said["well"].as_bool(), said["exercised"].as_bool()), (Some(false), Some(false)));
    let costs = |said: &Value| -> Vec<String> {
        let findings = said["findings"].as_array().unwrap().iter().filter(|finding| finding["state"] == "costs");
        findings.map(|finding| finding["check"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(costs(&said), ["governor", "io-uring"]);

    let dry = tune(root, &["apply", "--profile", "cores-16", "--dry-run"]);
    assert!(String::from_utf8_lossy(&dry.stdout).contains("powersave -> performance"), "{dry:?}");
    assert_eq!(text(root, GOVERNOR), "powersave");

    let applied = tune(root, &["apply", "--profile", "cores-16", "--json"]);
    assert!(applied.status.success(), "{applied:?}");
    assert_eq!(json(&applied)["applied"][0]["outcome"], "written");
    assert_eq!((text(root, GOVERNOR).as_str(), text(root, IO_URING).as_str()), ("performance", "0"));
    assert!(tune(root, &["check", "--profile", "cores-16"]).status.success());

    put(root, GOVERNOR, "ondemand\n");
    let reverted = tune(root, &["revert"]);
    assert!(!reverted.status.success(), "somebody else's value is not put back, and that is said");
    assert!(String::from_utf8_lossy(&reverted.stdout).contains("ondemand"), "{reverted:?}");
    assert_eq!((text(root, GOVERNOR).as_str(), text(root, IO_URING).as_str()), ("ondemand", "1"));
    assert!(tune(root, &["revert", "--force"]).status.success());
    assert_eq!(text(root, GOVERNOR), "powersave");
    let nothing = tune(root, &["revert"]);
    assert!(nothing.status.success() && String::from_utf8_lossy(&nothing.stdout).contains("nothing to put back"));
}

#[test]
fn one_check_alone_is_asked_and_applied() {
    let folder = machine();
    let root = folder.path();
    let applied = tune(root, &["apply", "--profile", "cores-16", "--only", "io-uring"]);
    assert!(applied.status.success(), "{applied:?}");
    assert_eq!((text(root, GOVERNOR).as_str(), text(root, IO_URING).as_str()), ("powersave", "0"));
    let unknown = tune(root, &["check", "--only", "speed"]);
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("there are cores, clock-source"), "{unknown:?}");
}

#[test]
fn apply_wants_root() {
    let folder = machine();
    put(folder.path(), "proc/self/status", "Uid:\t1000\t1000\t1000\t1000\n");
    let refused = tune(folder.path(), &["apply", "--profile", "cores-16"]);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("sudo horae tune apply"), "{refused:?}");
    assert_eq!(text(folder.path(), GOVERNOR), "powersave");
}

#[test]
fn a_plan_is_a_profile_that_check_takes() {
    let folder = machine();
    let file = folder.path().join("mine.toml");
    let made = tune(folder.path(), &["plan", "--rate", "1000", "--out", file.to_str().unwrap()]);
    assert!(made.status.success(), "{made:?}");
    let said = json(&tune(folder.path(), &["check", "--profile", file.to_str().unwrap(), "--json"]));
    let cores = said["findings"].as_array().unwrap().iter().find(|finding| finding["check"] == "cores").unwrap();
    assert_eq!(cores["state"], "well");
    let again = tune(folder.path(), &["plan", "--rate", "1000", "--out", file.to_str().unwrap()]);
    assert!(!again.status.success(), "a file that is there is not overwritten");
}

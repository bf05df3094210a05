//! The `horae` binary from a shell's side: what it prints, how it exits, what its errors tell.

#![allow(clippy::unwrap_used)]

use std::{
    net::TcpListener,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

fn horae(arguments: &[&str]) -> Output {
    run(Command::new(env!("CARGO_BIN_EXE_horae"))
        .args(arguments)
        .env_remove("HORAE_RPC")
        .env_remove("HORAE_PASSPHRASE"))
}

fn run(command: &mut Command) -> Output {
    command.output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The one message that a failing command ends with.
fn complaint(output: &Output) -> String {
    assert!(!output.status.success(), "it should have failed: {}", stdout(output));
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    let at = text.find("error: ").unwrap_or_else(|| panic!("no error in {text}"));
    text[at..].to_owned()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn every_command_and_every_option_has_help() {
    let top = stdout(&horae(&["--help"]));
    for command in
        ["devnet", "node", "init", "slot", "epoch", "validators", "keys", "rewards", "feed", "load", "derive", "tune"]
    {
        assert!(top.contains(command), "{command} is not in {top}");
        let help = stdout(&horae(&[command, "--help"]));
        assert!(help.contains("Usage: horae"), "{help}");
    }
    assert!(!top.contains("under"), "an internal command shows");
    let feed = stdout(&horae(&["feed", "--help"]));
    assert!(feed.contains("the check believes nobody") && feed.contains("that node is trusted"), "{feed}");
    for (command, options) in [
        (vec!["devnet"], vec!["--nodes", "--home", "--reset", "--until-batches", "--load", "--report", "--base-port"]),
        (vec!["load"], vec!["--rpc", "--quic", "--tcp", "--accounts", "--transactions", "--rate", "--json"]),
        (
            vec!["load"],
            vec!["--mix", "--skew", "--save", "--from", "--ceiling", "--window", "--report", "--html", "--key"],
        ),
        (vec!["feed"], vec!["--rpc", "--from", "--until", "--verify", "--genesis", "--json"]),
        (vec!["derive"], vec!["--l1", "--inbox", "--home", "--compare", "--json"]),
        (vec!["slot", "status"], vec!["--rpc", "--json"]),
        (vec!["epoch", "status"], vec!["--rpc", "--json"]),
        (vec!["validators"], vec!["--rpc", "--json"]),
        (vec!["keys"], vec!["--home", "--json"]),
        (vec!["rewards", "show"], vec!["--home", "--genesis", "--history", "--json"]),
        (vec!["rewards", "settle"], vec!["--rpc", "--home", "--key-file", "--yes", "--dry-run", "--json"]),
        (vec!["rewards", "calculator"], vec!["--stake", "--total", "--share", "--months", "--later-rate", "--json"]),
        (vec!["tune", "check"], vec!["--profile", "--home", "--only", "--json"]),
        (vec!["tune", "apply"], vec!["--profile", "--home", "--only", "--dry-run", "--json"]),
        (vec!["tune", "revert"], vec!["--force", "--dry-run", "--json"]),
        (vec!["tune", "plan"], vec!["--rate", "--cores", "--report", "--out", "--json"]),
        (vec!["tune", "capacity"], vec!["--report", "--rate", "--write"]),
        (vec!["init"], vec!["--home", "--json", "--genesis", "--l1", "--passphrase-file"]),
    ] {
        let help = stdout(&horae(&[command.clone(), vec!["--help"]].concat()));
        for option in options {
            let line =
                help.lines().position(|line| line.contains(option)).unwrap_or_else(|| panic!("{option}: {help}"));
            let said: usize = help.lines().skip(line).take(2).map(|text| text.trim().len()).sum();
            assert!(said > option.len() + 12, "{command:?} {option} says nothing");
        }
    }
}

#[test]
fn a_home_is_made_once_and_shows_its_keys() {
    let dir = tempfile::tempdir().unwrap();
    let (home, pass) = (dir.path().join("node"), dir.path().join("pass"));
    std::fs::write(&pass, "a passphrase\n").unwrap();
    let made = horae(&["init", "--home", path(&home), "--passphrase-file", path(&pass), "--json"]);
    let made: Value = serde_json::from_str(&stdout(&made)).unwrap();
    let keys = horae(&["keys", "--home", path(&home), "--json"]);
    let keys: Value = serde_json::from_str(&stdout(&keys)).unwrap();
    assert_eq!((&keys["signer"], &keys["node_key"]), (&made["signer"], &made["node_key"]));
    assert_eq!(keys["l1"], keys["signer"]);

    let again = complaint(&horae(&["init", "--home", path(&home), "--passphrase-file", path(&pass)]));
    assert!(again.contains("already"), "{again}");
    std::fs::write(&pass, "another\n").unwrap();
    let wrong = complaint(&horae(&["keys", "--home", path(&home)]));
    assert!(wrong.contains("wrong passphrase") && wrong.contains("vault.json"), "{wrong}");
}

#[test]
fn what_stake_earns_is_reckoned_to_the_wei_without_a_chain() {
    let reckoned = |more: &[&str]| {
        let output = horae(&[&["rewards", "calculator", "--stake", "20000", "--total", "80000"], more].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        stdout(&output)
    };
    let month: Value = serde_json::from_str(&reckoned(&["--months", "1", "--json"])).unwrap();
    // 80,000 METIS x 20 % / 12, and a fourth of that; what is left of a wei is nobody's.
    let (allowed, rewards) = (1_333_333_333_333_333_333_333_u128, 333_333_333_333_333_333_333_u128);
    assert_eq!(month["months"][0]["allowed"], format!("{allowed:#x}"), "{month}");
    assert_eq!(month["months"][0]["rewards"], format!("{rewards:#x}"), "{month}");
    let table = reckoned(&["--months", "24", "--share", "50", "--later-rate", "5"]);
    let last = table.lines().last().unwrap();
    assert!(table.lines().count() == 26 && last.contains(" 24  ") && last.contains("5.00 %"), "{table}");
    let wrong = complaint(&horae(&["rewards", "calculator", "--stake", "2", "--total", "1"]));
    assert!(wrong.contains("part of --total"), "{wrong}");
}

#[test]
fn a_passphrase_is_asked_for_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let error = complaint(&horae(&["init", "--home", path(&dir.path().join("node"))]));
    assert!(error.contains("HORAE_PASSPHRASE"), "{error}");
}

#[test]
fn a_node_without_a_home_or_a_genesis_says_how_to_get_one() {
    let dir = tempfile::tempdir().unwrap();
    let nothing = complaint(&horae(&["node", "--home", path(dir.path())]));
    assert!(nothing.contains("horae init --home"), "{nothing}");
    let home = dir.path().join("node");
    assert!(horae(&["init", "--home", path(&home), "--devnet-keys"]).status.success());
    let no_genesis = complaint(&horae(&["node", "--home", path(&home)]));
    assert!(no_genesis.contains("genesis.json"), "{no_genesis}");
    std::fs::write(home.join("node.toml"), "profile = 7\n").unwrap();
    let bad = complaint(&horae(&["node", "--home", path(&home)]));
    assert!(bad.contains("node.toml") && bad.contains("profile"), "{bad}");
}

#[test]
fn nobody_at_the_endpoint_is_said() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}");
    for command in [vec!["slot", "status"], vec!["epoch", "status"], vec!["validators"], vec!["load"]] {
        let error = complaint(&horae(&[command, vec!["--rpc", &url]].concat()));
        assert!(error.contains("no node answers at") && error.contains("--rpc"), "{error}");
    }
}

#[test]
fn a_missing_anvil_is_said_with_the_way_to_get_it() {
    let dir = tempfile::tempdir().unwrap();
    // A copy outside of the checkout, from where no anvil is in sight.
    let binary = dir.path().join("horae");
    std::fs::copy(env!("CARGO_BIN_EXE_horae"), &binary).unwrap();
    let output =
        run(Command::new(&binary).args(["devnet", "--home", "devnet"]).current_dir(dir.path()).env("PATH", ""));
    let error = complaint(&output);
    assert!(error.contains("anvil") && error.contains("make tools"), "{error}");
}

#[test]
fn a_busy_port_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port().to_string();
    let error = complaint(&horae(&["devnet", "--home", path(&dir.path().join("devnet")), "--base-port", &port]));
    assert!(error.contains(&port) && error.contains("--base-port"), "{error}");
}

#[test]
fn a_process_under_another_ends_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let mark = dir.path().join("pid");
    // A shell that starts a long sleep under itself and then is killed.
    let script = format!(
        "{} under $$ -- sh -c 'echo $$ > {}; exec sleep 600' & while [ ! -s {} ]; do :; done; kill -9 $$",
        env!("CARGO_BIN_EXE_horae"),
        mark.display(),
        mark.display()
    );
    let status = Command::new("sh").args(["-c", &script]).status().unwrap();
    assert!(!status.success());
    let pid = std::fs::read_to_string(&mark).unwrap().trim().to_owned();
    let gone = || match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat.contains(") Z "),
        Err(_) => true,
    };
    while !gone() {
        std::thread::yield_now();
    }
}

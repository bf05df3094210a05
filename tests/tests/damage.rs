//! Tendermint's logs, cut and damaged: the node says which file and what to do, ends, and what it says works.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use horae_tests::{Child, Devnet, programs::horae, step};

/// What a node that cannot start may take to say so.
const FAILURE_LIMIT: Duration = Duration::from_secs(60);
/// What a node may take to answer after a start.
const START_LIMIT: Duration = Duration::from_secs(30);
/// What a validator may take to have a voice again.
const RECOVERY_LIMIT: Duration = Duration::from_secs(90);
/// The node whose logs are damaged.
const VICTIM: usize = 1;

/// What is done to a file.
type Damage = fn(&Path);

#[test]
fn a_node_with_damaged_tendermint_logs_says_what_to_do_and_that_works() {
    let mut devnet = Devnet::start(&[]);
    devnet.wait_for_blocks(VICTIM, 5, RECOVERY_LIMIT);
    devnet.nodes[VICTIM].kill();
    let directory = devnet.nodes[VICTIM].home.join("consensus");
    let kept = devnet.scratch().join("kept");
    copy(&directory, &kept);

    let wal =
        logs(&directory).into_iter().find(|path| path.to_string_lossy().contains("wal")).expect("a write-ahead log");
    let cases: [(&str, PathBuf, Damage); 5] = [
        ("the write-ahead log cut within its header", wal.clone(), |file| cut_to(file, |_| 5)),
        ("the write-ahead log gone", wal.clone(), |file| fs::remove_file(file).expect("removed")),
        ("the write-ahead log of another version", wal, |file| flip(file, |_| 0)),
        ("the log of decisions cut in the middle", directory.join("decided.log"), |file| {
            cut_to(file, |length| length / 2)
        }),
        ("the log of decisions damaged in the middle", directory.join("decided.log"), |file| {
            flip(file, |length| length / 2)
        }),
    ];
    for (what, file, damage) in cases {
        step(what);
        damage(&file);
        refuses(&devnet, &directory);
        fs::remove_dir_all(&directory).expect("removed");
        copy(&kept, &directory);
    }

    step("the whole directory put back, as the message says: it is who it was");
    devnet.nodes[VICTIM].start_and_wait(START_LIMIT);
    assert_eq!(devnet.wait_for_ack(0, VICTIM, RECOVERY_LIMIT), 0);

    step("damaged again, and removed, as the message says: it comes back by itself");
    devnet.nodes[VICTIM].kill();
    flip(&directory.join("decided.log"), |length| length / 2);
    refuses(&devnet, &directory);
    fs::remove_dir_all(&directory).expect("removed");
    devnet.nodes[VICTIM].start_and_wait(START_LIMIT);
    // A new incarnation only if the others know of a vote that the control state on its disk does not cover.
    let incarnation = devnet.wait_for_ack(0, VICTIM, RECOVERY_LIMIT);
    println!("  incarnation {incarnation}");
    assert!(incarnation <= 1, "one loss is one incarnation");
    let head = devnet.nodes[0].committed();
    devnet.wait_for_head(VICTIM, head, RECOVERY_LIMIT);
    devnet.same_blocks(head);
}

/// The node ends with an error that names a file of the directory and the ways back.
fn refuses(devnet: &Devnet, directory: &Path) {
    let home = devnet.nodes[VICTIM].home.to_string_lossy().into_owned();
    let mut child = Child::start(&horae(), &["node", "--home", &home], &[], &devnet.scratch().join("refusing.log"));
    let status = child.wait(FAILURE_LIMIT);
    let said = child.said();
    let error = said.lines().find(|line| line.starts_with("error: ")).unwrap_or_else(|| panic!("no error in: {said}"));
    println!("  {error}");
    assert!(!status.success() && !said.contains("panicked"), "{status}: {said}");
    for words in [&*directory.to_string_lossy(), "restore the whole directory", "remove it"] {
        assert!(error.contains(words), "`{words}` is not in: {error}");
    }
}

fn logs(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory)
        .expect("the directory")
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect()
}

fn cut_to(file: &Path, length: impl Fn(u64) -> u64) {
    let file = OpenOptions::new().write(true).open(file).expect("the log");
    let whole = file.metadata().expect("its length").len();
    file.set_len(length(whole)).expect("cut");
}

fn flip(file: &Path, at: impl Fn(u64) -> u64) {
    let file = OpenOptions::new().read(true).write(true).open(file).expect("the log");
    let at = at(file.metadata().expect("its length").len());
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("a byte");
    file.write_all_at(&[byte[0] ^ 1], at).expect("written");
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status().expect("cp runs");
    assert!(copied.success(), "{} is copied", from.display());
}

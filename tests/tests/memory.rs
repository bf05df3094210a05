//! What becomes of a validator that does not remember all that it said: its disk is lost, or an old copy is put back. It
//! asks the others, follows in silence, and comes back as a new incarnation.

use std::{fs, path::Path, process::Command, time::Duration};

use horae_tests::{Devnet, step};

/// What a node may take to answer after a start.
const START_LIMIT: Duration = Duration::from_secs(30);
/// What a validator may take to catch up and to have a voice again: a registration, and a term that is closed for it.
const RECOVERY_LIMIT: Duration = Duration::from_secs(90);

/// What a home holds besides keys and settings: all that a lost disk takes with it.
const DATA: [&str; 5] = ["journal", "consensus", "state.redb", "control.state", "incarnation"];

#[test]
fn a_validator_that_forgot_comes_back_as_a_new_incarnation() {
    let mut devnet = Devnet::start(&[]);
    let victim = 3;
    assert_eq!(devnet.wait_for_ack(0, victim, RECOVERY_LIMIT), 0);

    step("killed and started again with its disk, it is who it was");
    let copy = devnet.scratch().join("copy");
    devnet.nodes[victim].kill();
    copy_of(&devnet.nodes[victim].home, &copy);
    devnet.nodes[victim].start_and_wait(START_LIMIT);
    assert_eq!(devnet.wait_for_ack(0, victim, RECOVERY_LIMIT), 0);

    step("an old copy of its disk is put back");
    devnet.nodes[victim].kill();
    fs::remove_dir_all(&devnet.nodes[victim].home).expect("the home is removed");
    copy_of(&copy, &devnet.nodes[victim].home);
    comes_back_as(&mut devnet, victim, 1);

    step("its disk is lost, but for keys and settings");
    devnet.nodes[victim].kill();
    for name in DATA {
        let path = devnet.nodes[victim].home.join(name);
        let gone = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        assert!(gone.is_ok() || !path.exists(), "{}", path.display());
    }
    comes_back_as(&mut devnet, victim, 2);
    let head = devnet.nodes[0].committed();
    devnet.wait_for_head(victim, head, RECOVERY_LIMIT);
    devnet.same_blocks(head);
}

fn comes_back_as(devnet: &mut Devnet, victim: usize, incarnation: u64) {
    devnet.nodes[victim].start_and_wait(START_LIMIT);
    assert_eq!(devnet.wait_for_ack(0, victim, RECOVERY_LIMIT), incarnation);
    let log = devnet.nodes[victim].log();
    assert!(log.contains("said more than its log holds"), "{}", devnet.nodes[victim].tail());
}

fn copy_of(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status().expect("cp runs");
    assert!(copied.success(), "{} is copied", from.display());
}

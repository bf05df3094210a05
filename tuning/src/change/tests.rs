//! Apply and revert on trees that stand for machines.

use std::fs;

use super::record::FOLDER;
use super::{Application, Applied, ChangeError, KEPT, Kept, Outcome, PutBack, Reverted, revert};
use crate::Profile;
use crate::checks::{Change, Form, changes, check};
use crate::testing::Tree;

const A: &str = "/proc/sys/a";
const B: &str = "/proc/sys/b";
const C: &str = "/proc/sys/c";

/// A machine with three values, all "old".
fn machine() -> Tree {
    let tree = Tree::bare();
    [A, B, C].iter().for_each(|path| tree.put(path, "old\n"));
    tree
}

fn all_new() -> Vec<Change> {
    [A, B, C].iter().map(|path| Change::words(*path, "new")).collect()
}

fn apply(tree: &Tree, changes: Vec<Change>) -> Vec<Applied> {
    let mut application = Application::begin(&tree.root(), changes).unwrap();
    std::iter::from_fn(|| application.step()).collect::<Result<_, _>>().unwrap()
}

fn put_back(tree: &Tree) -> Vec<(String, PutBack)> {
    match revert(&tree.root(), false, false).unwrap() {
        Reverted::Values { values } => values,
        other => panic!("{other:?}"),
    }
}

fn restored() -> PutBack {
    PutBack::Restored { value: "old".to_owned() }
}

fn texts(tree: &Tree) -> [String; 3] {
    [A, B, C].map(|path| tree.text(path))
}

#[test]
fn apply_writes_and_revert_puts_back_in_the_other_order() {
    let tree = machine();
    let outcomes = apply(&tree, all_new());
    assert!(outcomes.iter().all(|applied| applied.outcome == Outcome::Written { before: "old".to_owned() }));
    assert_eq!(texts(&tree), ["new"; 3]);
    let values = put_back(&tree);
    assert_eq!(values, [C, B, A].map(|path| (path.to_owned(), restored())));
    assert_eq!(texts(&tree), ["old"; 3]);
    assert_eq!(revert(&tree.root(), false, false).unwrap(), Reverted::Nothing);
}

#[test]
fn a_whole_server_is_put_back_byte_for_byte() {
    let tree = Tree::server();
    let profile = Profile::load("cores-16").unwrap();
    // Files that show a choice in brackets take the bare word: what this tree shows after a write, the kernel would bracket.
    let planned = changes(&check(&tree.root(), &profile));
    let planned: Vec<_> = planned.into_iter().filter(|change| change.form != Form::Choice).collect();
    let before: Vec<_> = planned.iter().map(|change| change.form.meaning(&tree.text(&change.path))).collect();
    assert!(planned.len() > 25, "{planned:#?}");
    assert!(apply(&tree, planned.clone()).iter().all(|applied| matches!(applied.outcome, Outcome::Written { .. })));
    assert_eq!(tree.text("/sys/devices/system/cpu/cpufreq/policy3/scaling_governor"), "performance");
    put_back(&tree);
    let after: Vec<_> = planned.iter().map(|change| change.form.meaning(&tree.text(&change.path))).collect();
    assert_eq!(before, after);
}

#[test]
fn a_choice_is_put_back_as_the_word_in_brackets() {
    let tree = Tree::bare();
    tree.put(A, "always madvise [never]\n");
    let change = Change { path: A.to_owned(), form: Form::Choice, value: "madvise".to_owned() };
    apply(&tree, vec![change]);
    tree.put(A, "always [madvise] never\n");
    assert_eq!(put_back(&tree), [(A.to_owned(), PutBack::Restored { value: "never".to_owned() })]);
    assert_eq!(tree.text(A), "never");
}

#[test]
fn after_a_crash_between_two_writes_revert_knows_all() {
    let tree = machine();
    let mut application = Application::begin(&tree.root(), all_new()).unwrap();
    application.step().unwrap().unwrap();
    drop(application);
    assert_eq!(texts(&tree), ["new", "old", "old"]);
    let values = put_back(&tree);
    assert_eq!(values[2], (A.to_owned(), restored()));
    assert!(values[..2].iter().all(|(_, became)| *became == PutBack::AsBefore));
    assert_eq!(texts(&tree), ["old"; 3]);
}

#[test]
fn after_a_crash_a_second_apply_goes_on_and_remembers_the_first_values() {
    for steps in 0..=3 {
        let tree = machine();
        let mut application = Application::begin(&tree.root(), all_new()).unwrap();
        (0..steps).for_each(|_| drop(application.step().unwrap().unwrap()));
        drop(application);
        let outcomes = apply(&tree, all_new());
        assert!(outcomes.iter().all(|applied| applied.taken_over.is_none()), "{outcomes:?}");
        assert_eq!(texts(&tree), ["new"; 3]);
        put_back(&tree);
        assert_eq!(texts(&tree), ["old"; 3], "crashed after {steps} writes");
    }
}

#[test]
fn a_crash_while_reverting_is_gone_on_from() {
    let tree = machine();
    apply(&tree, all_new());
    // As a revert that died after its first write leaves it.
    tree.put(C, "old\n");
    put_back(&tree);
    assert_eq!(texts(&tree), ["old"; 3]);
    assert!(!tree.has(KEPT));
}

#[test]
fn a_second_apply_of_other_values_still_reverts_to_the_first_ones() {
    let tree = machine();
    apply(&tree, all_new());
    let outcomes = apply(&tree, vec![Change::words(A, "newer"), Change::words(B, "new")]);
    assert_eq!(outcomes[0].outcome, Outcome::Written { before: "old".to_owned() });
    assert_eq!(outcomes[1].outcome, Outcome::Already);
    assert_eq!(texts(&tree), ["newer", "new", "new"]);
    put_back(&tree);
    assert_eq!(texts(&tree), ["old"; 3]);
}

#[test]
fn what_was_so_already_is_not_noted() {
    let tree = machine();
    let outcomes = apply(&tree, vec![Change::words(A, "old")]);
    assert_eq!(outcomes[0].outcome, Outcome::Already);
    assert_eq!(revert(&tree.root(), false, false).unwrap(), Reverted::Nothing);
}

#[test]
fn a_revert_without_an_apply_has_nothing_to_do() {
    let tree = machine();
    assert_eq!(revert(&tree.root(), true, false).unwrap(), Reverted::Nothing);
    assert!(!tree.has(FOLDER), "it made nothing");
}

#[test]
fn what_somebody_else_has_set_is_said_and_left() {
    let tree = machine();
    apply(&tree, all_new());
    tree.put(B, "theirs\n");
    let values = put_back(&tree);
    let PutBack::Left(foreign) = &values[1].1 else { panic!("{values:?}") };
    assert_eq!((foreign.written.as_str(), foreign.found.as_str()), ("new", "theirs"));
    assert_eq!(texts(&tree), ["old", "theirs", "old"]);
    // It is still known, and --force puts it back.
    let Reverted::Values { values } = revert(&tree.root(), true, false).unwrap() else { panic!() };
    assert_eq!(values, [(B.to_owned(), restored())]);
    assert_eq!(texts(&tree), ["old"; 3]);
}

#[test]
fn a_second_apply_takes_over_what_somebody_else_has_set() {
    let tree = machine();
    apply(&tree, all_new());
    tree.put(B, "theirs\n");
    let outcomes = apply(&tree, all_new());
    assert_eq!(outcomes[1].taken_over.as_ref().unwrap().found, "theirs");
    put_back(&tree);
    assert_eq!(texts(&tree), ["old", "theirs", "old"]);
}

#[test]
fn files_that_are_missing_are_refused_and_the_rest_is_written() {
    let tree = machine();
    tree.take(B);
    let outcomes = apply(&tree, all_new());
    assert_eq!(outcomes[1].outcome, Outcome::Refused { why: "not there".to_owned() });
    assert_eq!((tree.text(A), tree.text(C)), ("new".to_owned(), "new".to_owned()));
    assert!(!tree.has(B), "it was not made");
    tree.take(A);
    assert!(put_back(&tree).contains(&(A.to_owned(), PutBack::Gone)));
    assert_eq!(tree.text(C), "old");
}

#[test]
fn a_restart_of_the_machine_undoes_all_by_itself() {
    let tree = machine();
    apply(&tree, all_new());
    [A, B, C].iter().for_each(|path| tree.put(path, "as booted\n"));
    tree.put("/proc/sys/kernel/random/boot_id", "second\n");
    assert_eq!(revert(&tree.root(), false, false).unwrap(), Reverted::Restarted);
    assert_eq!(texts(&tree), ["as booted"; 3]);
    apply(&tree, all_new());
    put_back(&tree);
    assert_eq!(texts(&tree), ["as booted"; 3], "the record of the first start is not used again");
}

#[test]
fn nothing_is_written_without_the_record() {
    let tree = machine();
    tree.put(FOLDER, "a file where a folder should be");
    assert!(matches!(Application::begin(&tree.root(), all_new()), Err(ChangeError::Record { .. })));
    assert_eq!(texts(&tree), ["old"; 3]);
}

#[test]
fn a_damaged_record_is_an_error_and_is_kept() {
    let tree = machine();
    tree.put(KEPT, "{\"boot_id\":");
    let why = revert(&tree.root(), false, false).unwrap_err().to_string();
    assert!(why.contains("is no record of `horae tune apply`"), "{why}");
    assert!(matches!(Application::begin(&tree.root(), all_new()), Err(ChangeError::Damaged { .. })));
    assert_eq!(texts(&tree), ["old"; 3]);
    assert!(tree.has(KEPT));
}

#[test]
fn only_root_writes() {
    let tree = machine();
    tree.put("/proc/self/status", "Name:\thorae\nUid:\t0\t1000\t0\t1000\n");
    let Err(why) = Application::begin(&tree.root(), all_new()) else { panic!("it may") };
    assert!(why.to_string().contains("sudo horae tune apply"), "{why}");
    assert!(matches!(revert(&tree.root(), false, false), Err(ChangeError::NotRoot("revert"))));
    assert!(!tree.has(FOLDER));
}

#[test]
fn two_at_once_are_refused() {
    let tree = machine();
    let first = Application::begin(&tree.root(), all_new()).unwrap();
    assert!(matches!(Application::begin(&tree.root(), all_new()), Err(ChangeError::Busy(_))));
    assert!(matches!(revert(&tree.root(), false, false), Err(ChangeError::Busy(_))));
    drop(first);
    assert_eq!(put_back(&tree).len(), 3);
}

#[test]
fn a_dry_revert_says_the_same_and_writes_nothing() {
    let tree = machine();
    apply(&tree, all_new());
    let kept = Kept::load(&tree.root()).unwrap();
    let Reverted::Values { values } = revert(&tree.root(), false, true).unwrap() else { panic!() };
    assert_eq!(values, [C, B, A].map(|path| (path.to_owned(), restored())));
    assert_eq!(texts(&tree), ["new"; 3]);
    assert_eq!(Kept::load(&tree.root()).unwrap(), kept);
}

#[test]
fn a_file_that_cannot_be_written_is_said_and_forgotten() {
    let tree = machine();
    // Root writes to what is read-only, so a refusal needs something that takes no write at all.
    tree.take(B);
    fs::create_dir(tree.root().join(B)).unwrap();
    let outcomes = apply(&tree, all_new());
    assert!(matches!(&outcomes[1].outcome, Outcome::Refused { why } if why.contains("cannot be read")), "{outcomes:?}");
    assert_eq!(put_back(&tree).len(), 2);
}

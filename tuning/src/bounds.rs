//! The bounds of a profile, and what must hold between its values.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::profile::{Idle, Profile};

const POOL_SIZE: RangeInclusive<usize> = 16..=4 * 1024 * 1024;
const RING_DEPTH: RangeInclusive<usize> = 2..=1024 * 1024;
const RECOVER_WORKERS: RangeInclusive<usize> = 1..=256;
const TOKIO_THREADS: RangeInclusive<usize> = 1..=256;
const GATHER_US: RangeInclusive<usize> = 0..=10_000;
const THREAD_NAME_BYTES: RangeInclusive<usize> = 1..=15;

/// Key and complaint of the first thing that is wrong.
pub(crate) fn check(profile: &Profile) -> Result<(), (String, String)> {
    within("pool_size", profile.pool_size, &POOL_SIZE)?;
    within("door_depth", profile.door_depth, &(1..=profile.pool_size))?;
    within("recover_workers", profile.recover_workers, &RECOVER_WORKERS)?;
    within("tokio_threads", profile.tokio_threads, &TOKIO_THREADS)?;
    within("rings.decode_to_recover", profile.rings.decode_to_recover, &RING_DEPTH)?;
    within("rings.recover_to_execute", profile.rings.recover_to_execute, &RING_DEPTH)?;
    check_workers(profile)?;
    check_threads(profile)
}

fn within(key: &str, value: usize, range: &RangeInclusive<usize>) -> Result<(), (String, String)> {
    if range.contains(&value) {
        return Ok(());
    }
    Err((key.to_owned(), format!("{value} is not between {} and {}", range.start(), range.end())))
}

/// Every worker on exactly one thread.
fn check_workers(profile: &Profile) -> Result<(), (String, String)> {
    let mut placed = BTreeMap::new();
    for (index, thread) in profile.threads.iter().enumerate() {
        let key = format!("threads[{index}].workers");
        if thread.workers.is_empty() {
            return Err((key, format!("thread {:?} has no worker", thread.name)));
        }
        for &worker in &thread.workers {
            if let Some(other) = placed.insert(worker, &thread.name) {
                return Err((key, format!("worker \"{worker}\" is on thread {other:?} already")));
            }
        }
    }
    for worker in profile.workers() {
        if placed.remove(&worker).is_none() {
            return Err(("threads".to_owned(), format!("worker \"{worker}\" is on no thread")));
        }
    }
    match placed.first_key_value() {
        Some((worker, thread)) => {
            let count = profile.recover_workers;
            Err((
                "threads".to_owned(),
                format!("worker \"{worker}\" on thread {thread:?} is one too many: recover_workers is {count}"),
            ))
        }
        None => Ok(()),
    }
}

/// Names that can be told apart, and nobody else on the core of a thread that spins.
fn check_threads(profile: &Profile) -> Result<(), (String, String)> {
    let mut cores: BTreeMap<usize, &str> = BTreeMap::new();
    let edges =
        [("edges.tcp_ingest_core", profile.edges.tcp_ingest_core), ("edges.journal_core", profile.edges.journal_core)];
    for (key, core) in edges {
        if let Some(core) = core {
            cores.insert(core, key);
        }
    }
    let mut spinning: BTreeMap<usize, &str> = BTreeMap::new();
    for (index, thread) in profile.threads.iter().enumerate() {
        let key = |field: &str| format!("threads[{index}].{field}");
        within(&key("name"), thread.name.len(), &THREAD_NAME_BYTES)
            .map_err(|(key, bytes)| (key, format!("its length of {bytes}")))?;
        if let Idle::Park { gather_us, .. } = thread.idle {
            within(&key("idle.gather_us"), usize::try_from(gather_us).unwrap_or(usize::MAX), &GATHER_US)?;
        }
        if profile.threads[..index].iter().any(|other| other.name == thread.name) {
            return Err((key("name"), format!("{:?} is the name of another thread", thread.name)));
        }
        let spins = matches!(thread.idle, Idle::Spin {});
        let Some(core) = thread.core else {
            if spins {
                return Err((key("idle"), "a thread that spins needs a core of its own (key \"core\")".to_owned()));
            }
            continue;
        };
        if let Some(other) = spinning.get(&core) {
            return Err((key("core"), format!("core {core} belongs to {other:?}, which spins")));
        }
        if spins && let Some(other) = cores.get(&core) {
            return Err((
                key("core"),
                format!("core {core} has {other} on it, and a thread that spins would starve that"),
            ));
        }
        cores.insert(core, &thread.name);
        if spins {
            spinning.insert(core, &thread.name);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::{BUILT_IN, Profile, ProfileError, WorkerName};

    fn laptop_with(from: &str, to: &str) -> Result<Profile, ProfileError> {
        let text = BUILT_IN[0].1;
        assert!(text.contains(from), "{from}");
        Profile::parse("my.toml", &text.replace(from, to))
    }

    fn refused(from: &str, to: &str, parts: &[&str]) {
        let error = laptop_with(from, to).unwrap_err().to_string();
        for part in parts.iter().chain(&["my.toml"]) {
            assert!(error.contains(part), "{part:?} is not in: {error}");
        }
    }

    #[test]
    fn the_built_in_profiles_are_whole_and_survive_being_written() {
        for (name, _) in BUILT_IN {
            let profile = Profile::load(name).unwrap();
            let text = toml::to_string(&profile).unwrap();
            assert_eq!(Profile::parse(name, &text).unwrap(), profile);
        }
        assert_eq!(Profile::default(), Profile::load("laptop").unwrap());
    }

    #[test]
    fn each_built_in_profile_fits_the_machine_that_it_is_named_after() {
        for (name, cores) in [("cores-8", 8), ("cores-16", 16), ("cores-64", 64), ("two-sockets", 32)] {
            let profile = Profile::load(name).unwrap();
            assert!(profile.cores().iter().all(|core| (1..cores).contains(&core)), "{name}: core 0 is the kernel's");
            let left = cores - profile.cores().len();
            assert!(profile.tokio_threads <= left.max(2), "{name}: {left} cores are left to the edges");
            assert!(!profile.exercised, "{name} has run on no machine of its size");
        }
        assert!(Profile::laptop().exercised);
    }

    #[test]
    fn no_thread_of_a_laptop_spins() {
        assert!(Profile::laptop().threads.iter().all(|thread| matches!(thread.idle, crate::Idle::Park { .. })));
    }

    #[test]
    fn a_wrong_value_names_file_and_key() {
        refused("pool_size = 16384", "pool_size = 1", &["pool_size: 1 is not between 16"]);
        refused("door_depth = 8192", "door_depth = 17000", &["door_depth: 17000", "16384"]);
        refused("decode_to_recover = 1024", "decode_to_recover = 0", &["rings.decode_to_recover: 0"]);
        refused("name = \"line\"", "name = \"a-name-that-is-too-long\"", &["threads[0].name", "15"]);
        refused("name = \"line\"", "name = \"recover\"", &["threads[1].name", "another thread"]);
        refused(
            "policy = \"park\", spins = 64, yields = 4",
            "policy = \"spin\"",
            &["threads[0].idle", "core of its own"],
        );
    }

    #[test]
    fn a_wrong_key_or_type_names_file_and_line() {
        refused("pool_size = 16384", "pool_sizes = 16384", &["pool_sizes", "unknown field", "line"]);
        refused("pool_size = 16384", "pool_size = \"16384\"", &["pool_size", "invalid type", "line"]);
        refused("\"execute\"]", "\"exec\"]", &["unknown worker \"exec\"", "line"]);
        refused("\"recover-0\"", "\"recover-00\"", &["unknown worker \"recover-00\""]);
        refused("tokio_threads = 2", "", &["missing field `tokio_threads`"]);
    }

    #[test]
    fn every_worker_has_exactly_one_thread() {
        refused("recover_workers = 1", "recover_workers = 2", &["\"recover-1\" is on no thread"]);
        refused(
            "\"execute\"]",
            "\"execute\", \"decode\"]",
            &["threads[0].workers", "\"decode\" is on thread \"line\" already"],
        );
        refused("[\"recover-0\"]", "[]", &["threads[1].workers", "has no worker"]);
        refused("[\"recover-0\"]", "[\"recover-0\", \"recover-1\"]", &["\"recover-1\"", "one too many"]);
    }

    #[test]
    fn nobody_shares_a_core_with_a_thread_that_spins() {
        let text = BUILT_IN[2].1;
        let shared = text.replace("core = 12\n", "core = 3\n");
        let error = Profile::parse("my.toml", &shared).unwrap_err().to_string();
        assert!(error.contains("core 3 belongs to \"decode\""), "{error}");
        let starved = text.replace("journal_core = 13", "journal_core = 12");
        let error = Profile::parse("my.toml", &starved).unwrap_err().to_string();
        assert!(error.contains("edges.journal_core"), "{error}");
    }

    #[test]
    fn what_is_neither_built_in_nor_a_file_is_said() {
        let error = Profile::load("no-such-profile").unwrap_err().to_string();
        assert!(error.contains("laptop, cores-8, cores-16, cores-64, two-sockets"), "{error}");
    }

    #[test]
    fn workers_are_called_by_their_names() {
        let names: Vec<String> = Profile::laptop().workers().iter().map(WorkerName::to_string).collect();
        assert_eq!(names, ["decode", "recover-0", "execute"]);
    }
}

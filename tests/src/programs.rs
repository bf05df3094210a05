//! Where the programs are: the workspace's own `horae`, and Foundry's tools as npm has installed them.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// The root of the repository.
#[must_use]
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the repository").to_path_buf()
}

/// The `horae` that cargo built into the same profile as the program that runs: `target/<profile>/deps/<test>` or
/// `target/<profile>/<program>`, and `target/<profile>/horae`.
///
/// # Panics
/// If it is not there; cargo builds it for a test of another crate only when told to.
#[must_use]
pub fn horae() -> PathBuf {
    beside_this("horae")
}

/// The same with a fault that `HORAE_PLANTED` names; built with the feature `planted` only.
///
/// # Panics
/// As [`horae`].
#[must_use]
pub fn horae_planted() -> PathBuf {
    beside_this("horae-planted")
}

fn beside_this(name: &str) -> PathBuf {
    let own = env::current_exe().expect("the program's own file");
    let mut folder = own.parent().expect("a program lies in a folder");
    if folder.ends_with("deps") {
        folder = folder.parent().expect("deps lies in target/<profile>");
    }
    let built = folder.join(name);
    assert!(
        built.is_file(),
        "{} is missing: run `cargo build --release --workspace` first (tests/run does)",
        built.display()
    );
    built
}

/// One of Foundry's programs (`anvil`, `cast`).
///
/// # Panics
/// If npm has not installed it.
#[must_use]
pub fn foundry(name: &str) -> PathBuf {
    let modules = repository().join("contracts/node_modules/@foundry-rs");
    let packages = fs::read_dir(&modules).into_iter().flatten().filter_map(Result::ok);
    packages
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&format!("{name}-")))
        .map(|entry| entry.path().join("bin").join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("{name} is not below {}: run `npm ci` in contracts/", modules.display()))
}

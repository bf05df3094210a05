//! What can be wrong with a profile, said so that it can be put right.

/// Why a profile cannot be used. Each names the file and, where there is one, the key.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// Neither the name of a built-in profile nor a file that can be read.
    #[error("no profile {name}: it is neither built in ({built_in}) nor a file that can be read ({source})")]
    NotFound {
        /// What was asked for.
        name: String,
        /// Names of the built-in profiles.
        built_in: String,
        /// What the system said about the file.
        source: std::io::Error,
    },
    /// Not TOML, or a key that is missing, unknown or of the wrong type.
    #[error("profile {file}: {message}")]
    Parse {
        /// The file, or the name of a built-in profile.
        file: String,
        /// Line, key and what is wrong with it.
        message: String,
    },
    /// A value that makes no sense, alone or with the others.
    #[error("profile {file}: {key}: {message}")]
    Value {
        /// The file, or the name of a built-in profile.
        file: String,
        /// The key, as a path from the root.
        key: String,
        /// What is wrong with its value.
        message: String,
    },
}

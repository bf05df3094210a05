//! Binding a thread to a core.

/// Why a thread could not be bound to a core. It runs all the same, where the kernel puts it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PinError {
    /// The core is not among those this process may use.
    #[error("core {core} is not available to this process (available: {available:?})")]
    NoSuchCore {
        /// The core that was asked for.
        core: usize,
        /// The cores that the process may use.
        available: Vec<usize>,
    },
    /// The kernel said no.
    #[error("the kernel refused to bind the thread to core {core}")]
    Refused {
        /// The core that was asked for.
        core: usize,
    },
}

/// The cores that this process may use; empty where the system does not tell.
#[must_use]
pub fn available_cores() -> Vec<usize> {
    core_affinity::get_core_ids().unwrap_or_default().into_iter().map(|core| core.id).collect()
}

/// Binds the calling thread to `core`.
///
/// # Errors
/// [`PinError`], and then nothing has changed.
pub fn pin_current_thread(core: usize) -> Result<(), PinError> {
    let available = available_cores();
    if !available.contains(&core) {
        return Err(PinError::NoSuchCore { core, available });
    }
    if core_affinity::set_for_current(core_affinity::CoreId { id: core }) {
        Ok(())
    } else {
        Err(PinError::Refused { core })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_that_is_not_there_is_an_error() {
        assert!(matches!(pin_current_thread(1 << 20), Err(PinError::NoSuchCore { core: 1_048_576, .. })));
    }

    #[test]
    fn a_thread_can_be_bound_to_a_core_it_may_use() {
        let core = available_cores().last().copied().unwrap();
        let bound = std::thread::spawn(move || {
            pin_current_thread(core).unwrap();
            available_cores()
        });
        assert_eq!(bound.join().unwrap(), vec![core]);
    }
}

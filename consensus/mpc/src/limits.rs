//! Every bound of this crate, in one place.

/// Most shares (FROST identifiers) a group may have. Finishing key generation takes each validator
/// `shares * threshold` point multiplications: three seconds on a busy core at this bound, a tenth of one for 45 shares.
pub const MAX_SHARES: u16 = 200;

/// Largest encoding of one key generation message, in bytes. The largest honest one is the commitments of a validator that
/// holds all of [`MAX_SHARES`]: 200 * (134 * 33 + 65) bytes and a little framing.
pub const MAX_DKG_MESSAGE_BYTES: usize = 1 << 20;

/// Largest encoding of one signing message, in bytes. The largest honest one is a request that lists every share of
/// [`MAX_SHARES`]: 200 * 66 bytes and a little framing.
pub const MAX_SIGNING_MESSAGE_BYTES: usize = 64 << 10;

/// Largest stored state of a key generation run, or of key material, in bytes.
pub const MAX_STATE_BYTES: usize = 16 << 20;

/// Sets of nonces a signer keeps for one coordinator. One more drops the oldest: a coordinator that forgot what it was
/// given is not locked out.
pub const NONCE_SETS_PER_COORDINATOR: usize = 8;

/// Unused commitments a coordinator keeps for one signer. One more is dropped.
pub const COMMITMENTS_PER_SIGNER: usize = NONCE_SETS_PER_COORDINATOR;

/// Digests one coordinator signs at a time.
pub const MAX_DIGESTS: usize = 4;

/// A signer that refuses waits twice as long each time before it is asked again, up to `retry_ms << MAX_BACKOFF_SHIFT`.
pub const MAX_BACKOFF_SHIFT: u32 = 5;

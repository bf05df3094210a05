//! The digests that validators or their group sign for L1, as `contracts/src/Digests.sol` computes them: `keccak256`
//! of the ABI encoding of the kind, the L1 chain id, the contract and the content, all static words.

use alloy::primitives::{Address, B256, U256, keccak256};
use alloy::sol_types::SolValue;

use crate::{Batch, Settlement};

/// What a group key stands for, and so what is signed to bring it into force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Succession {
    /// Index of the new key: 1 for the first, then one above the key in force.
    pub key_index: u64,
    /// Abscissa of the new key.
    pub px: U256,
    /// 27 if the ordinate of the new key is even, 28 if odd.
    pub parity: u8,
    /// [`snapshot_hash`] of the validators that the new key is made for.
    pub snapshot_hash: B256,
    /// Digest of the last batch that the inbox has accepted; zero before the first.
    pub last_batch_digest: B256,
}

impl Succession {
    fn words(&self) -> (U256, U256, U256, B256, B256) {
        (U256::from(self.key_index), self.px, U256::from(self.parity), self.snapshot_hash, self.last_batch_digest)
    }
}

/// The message that the group signs for `batch`, and the `previousDigest` of the batch after it.
pub fn batch_digest(l1_chain_id: u64, inbox: Address, batch: &Batch) -> B256 {
    keccak256((domain("horae.v1.batch", l1_chain_id, inbox), batch.clone()).abi_encode())
}

/// The message that the group in force signs for its successor, `BatchInbox.rotate`.
pub fn rotation_digest(l1_chain_id: u64, inbox: Address, next: &Succession) -> B256 {
    keccak256((domain("horae.v1.rotation", l1_chain_id, inbox), next.words()).abi_encode())
}

/// The digest that each validator signs for the first key or for an emergency rotation.
pub fn installation_digest(l1_chain_id: u64, inbox: Address, next: &Succession) -> B256 {
    keccak256((domain("horae.v1.installation", l1_chain_id, inbox), next.words()).abi_encode())
}

/// The hash of a validator set. The order counts: L1 knows it ascending by signer, as `LockingPool.snapshot` gives it.
pub fn snapshot_hash(validators: &[(Address, u64)]) -> B256 {
    let (signers, weights): (Vec<Address>, Vec<u64>) = validators.iter().copied().unzip();
    keccak256((signers, weights).abi_encode_params())
}

/// The digest that a signer key signs to join `pool` under `owner`, for `LockingPool.lockFor` and `updateSigner`.
pub fn signer_digest(l1_chain_id: u64, pool: Address, owner: Address, signer: Address) -> B256 {
    keccak256((domain("horae.v1.signer", l1_chain_id, pool), owner, signer).abi_encode())
}

/// The message that the group signs for a settlement of rewards, for `RewardSchedule.settle`. The split is hashed by itself.
pub fn settlement_digest(l1_chain_id: u64, schedule: Address, settlement: &Settlement) -> B256 {
    let Settlement { index, firstBlock, lastBlock, ids, blocks } = settlement;
    let split = keccak256((ids.clone(), blocks.clone()).abi_encode_params());
    keccak256(
        (domain("horae.v1.settlement", l1_chain_id, schedule), *index, *firstBlock, *lastBlock, split).abi_encode(),
    )
}

fn domain(kind: &str, l1_chain_id: u64, contract: Address) -> (B256, U256, Address) {
    (keccak256(kind), U256::from(l1_chain_id), contract)
}

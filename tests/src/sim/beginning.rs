//! What a world begins with: the chain's parameters, block 0 with everybody's money and two contracts, the control plane's
//! genesis.

use alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256};
use horae_control::limits::MIN_STAKE;
use horae_control::{Candidate, ControlParams, ControlState, Domain};
use horae_node::genesis::predeploys;
use horae_stages::genesis::GenesisAccount;
use horae_stages::{ChainParams, Genesis, L1View};

use super::l1::STEP_BLOCKS;
use super::node::{node_key, signer_key};
use super::rng::Rng;
use crate::wallet::Wallet;

/// The chain.
pub const CHAIN_ID: u64 = 59_901;
/// Unix time in milliseconds of block 0, and of simulated instant 0.
pub const START_MS: u64 = 1_700_000_000_000;
/// Writes slot 0 and reverts.
pub const REVERTER: Address = Address::repeat_byte(0xe1);
/// Calls [`REVERTER`] and goes on, whatever comes back.
pub const CATCHER: Address = Address::repeat_byte(0xe2);
/// `SSTORE(0, 1)`, then `REVERT` with nothing.
pub const REVERTING: [u8; 10] = hex!("600160005560006000fd");
/// The same with `STOP` in place of `REVERT`: the write stays, and neither gas nor receipt is another one.
pub const KEEPING: [u8; 10] = hex!("60016000556000600000");
/// `CALL(GAS, REVERTER, 0, 0, 0, 0, 0)`, then `POP`, `STOP`.
pub const CATCHING: [u8; 35] = hex!("6000600060006000600073e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e15af15000");

/// Draws the chain's parameters.
pub fn draw_params(rng: &mut Rng) -> ChainParams {
    ChainParams {
        heartbeat_ms: *rng.pick(&[100, 300]),
        slot_ms: *rng.pick(&[300, 1_000, 3_000]),
        slot_blocks: *rng.pick(&[4, 24, 200]),
        window_blocks: *rng.pick(&[4, 16, 128]),
        batch_interval_ms: *rng.pick(&[1_500, 4_000]),
        batch_longest_interval_ms: 8_000,
        ..ChainParams::devnet(CHAIN_ID)
    }
}

/// An account with money that sends nothing until a scene has it send something.
#[must_use]
pub fn late_wallet() -> Wallet {
    Wallet::new(&hex::encode(keccak256("simulated latecomer")))
}

/// Block 0: money for these accounts and for [`late_wallet`], the two contracts, and those that every chain has.
pub fn genesis(params: &ChainParams, clients: impl Iterator<Item = Address>) -> Genesis {
    let rich = GenesisAccount { balance: U256::from(10u128.pow(24)), ..GenesisAccount::default() };
    let contract =
        |code: &[u8]| GenesisAccount { code: Bytes::copy_from_slice(code), nonce: 1, ..GenesisAccount::default() };
    let accounts = clients.chain([late_wallet().address()]).map(|address| (address, rich.clone()));
    let contracts = [(REVERTER, contract(&REVERTING)), (CATCHER, contract(&CATCHING))];
    Genesis {
        params: params.clone(),
        timestamp_ms: START_MS,
        l1_view: L1View { number: 1, hash: B256::repeat_byte(1) },
        prevrandao: B256::ZERO,
        alloc: accounts.chain(contracts).chain(predeploys()).collect(),
    }
}

/// The control state at height 0. `units` are the stakes in multiples of the least.
pub fn control_genesis(
    rng: &mut Rng,
    units: &[u64],
    domain: Domain,
    genesis: &Genesis,
    epoch_slots: u64,
) -> ControlState {
    let validators = units.iter().enumerate().map(|(n, units)| Candidate {
        id: n as u64 + 1,
        signer: signer_key(n).address(),
        node_key: node_key(n),
        stake: U256::from(MIN_STAKE) * U256::from(*units),
    });
    let begin = horae_control::Genesis {
        domain,
        l1_view: horae_control::L1View { number: 1, hash: B256::repeat_byte(1) },
        validators: validators.collect(),
        seed: keccak256(rng.draw().to_be_bytes()),
        block_hash: genesis.header().hash(),
        params: ControlParams {
            window_blocks: genesis.params.window_blocks,
            l1_step_blocks: STEP_BLOCKS,
            epoch_slots,
            epoch_slots_max: 2 * epoch_slots,
            ..ControlParams::devnet()
        },
    };
    ControlState::genesis(&begin).expect("the validators form a set")
}

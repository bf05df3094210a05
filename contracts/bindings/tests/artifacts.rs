//! The committed artifacts can be deployed, and say what the interfaces promise.

use alloy::primitives::keccak256;
use alloy::sol_types::{SolCall, SolEvent};
use horae_contracts::{
    Applications, BatchInbox, ForcedQueue, HoraeGovernor, LiquidStakingFactory, LiquidStakingVault, LockingEscrow,
    LockingPool, RewardSchedule, Slasher, StakeVotes, TestMetis, Timelock, VotingMetis, VotingPower,
};

#[test]
fn every_contract_has_deploy_bytecode() {
    let all = [&BatchInbox::BYTECODE, &LockingPool::BYTECODE, &LockingEscrow::BYTECODE, &TestMetis::BYTECODE];
    let governance = [&HoraeGovernor::BYTECODE, &Timelock::BYTECODE, &VotingMetis::BYTECODE, &VotingPower::BYTECODE];
    let vaults = [&LiquidStakingFactory::BYTECODE, &LiquidStakingVault::BYTECODE];
    let made = [&Applications::BYTECODE, &StakeVotes::BYTECODE];
    let all = all
        .into_iter()
        .chain([&Slasher::BYTECODE, &RewardSchedule::BYTECODE, &ForcedQueue::BYTECODE])
        .chain(governance)
        .chain(vaults)
        .chain(made);
    for bytecode in all {
        assert!(bytecode.len() > 1_000);
    }
}

#[test]
fn what_nodes_call_and_read_has_the_published_signature() {
    assert_eq!(
        BatchInbox::submitCall::SIGNATURE,
        "submit((uint64,bytes32,uint64,uint64,bytes32,bytes32,bytes32,uint64,uint64),(uint256,uint256,uint256),bytes)"
    );
    assert_eq!(BatchInbox::installFirstKeyCall::SIGNATURE, "installFirstKey(uint256,uint8,address[],uint64[],bytes[])");
    assert_eq!(
        BatchInbox::BatchAccepted::SIGNATURE_HASH,
        keccak256("BatchAccepted(uint64,bytes32,uint64,uint64,bytes32,bytes32,bytes32,uint64,uint64,address)")
    );
    assert_eq!(
        ForcedQueue::Enqueued::SIGNATURE_HASH,
        keccak256("Enqueued(uint64,address,address,bool,uint256,uint256,uint64,bytes)")
    );
    assert_eq!(Applications::applyForCall::SIGNATURE, "applyFor(uint8,(string,bytes32,string,address,bytes32))");
    assert_eq!(HoraeGovernor::executeCall::SIGNATURE, "execute(address[],uint256[],bytes[],bytes32)");
    assert_eq!(LockingPool::Locked::SIGNATURE_HASH, keccak256("Locked(uint64,address,address,bytes32,uint256)"));
}

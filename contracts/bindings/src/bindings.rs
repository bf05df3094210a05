//! What `sol!` makes of the committed artifacts, a module a contract.

#![allow(missing_docs, clippy::too_many_arguments)]

pub mod inbox {
    alloy::sol!(
        #[sol(rpc)]
        #[derive(Debug, PartialEq, Eq)]
        BatchInbox,
        "../artifacts/BatchInbox.json"
    );
}

pub mod pool {
    alloy::sol!(
        #[sol(rpc)]
        #[derive(Debug, PartialEq, Eq)]
        LockingPool,
        "../artifacts/LockingPool.json"
    );
}

pub mod escrow {
    alloy::sol!(
        #[sol(rpc)]
        LockingEscrow,
        "../artifacts/LockingEscrow.json"
    );
}

pub mod slasher {
    alloy::sol!(
        #[sol(rpc)]
        #[derive(Debug, PartialEq, Eq)]
        Slasher,
        "../artifacts/Slasher.json"
    );
}

pub mod rewards {
    alloy::sol!(
        #[sol(rpc)]
        #[derive(Debug, PartialEq, Eq)]
        RewardSchedule,
        "../artifacts/RewardSchedule.json"
    );
}

pub mod queue {
    alloy::sol!(
        #[sol(rpc)]
        #[derive(Debug, PartialEq, Eq)]
        ForcedQueue,
        "../artifacts/ForcedQueue.json"
    );
}

pub mod proxy {
    alloy::sol!(
        #[sol(rpc)]
        #[derive(Debug, PartialEq, Eq)]
        TransparentUpgradeableProxy,
        "../artifacts/TransparentUpgradeableProxy.json"
    );
}

pub mod admin {
    alloy::sol!(
        #[sol(rpc)]
        #[derive(Debug, PartialEq, Eq)]
        ProxyAdmin,
        "../artifacts/ProxyAdmin.json"
    );
}

pub mod fee_pot {
    alloy::sol!(
        #[sol(rpc)]
        #[derive(Debug, PartialEq, Eq)]
        FeePot,
        "../artifacts/FeePot.json"
    );
}

pub mod sequencer_set {
    alloy::sol!(
        #[sol(rpc)]
        #[derive(Debug, PartialEq, Eq)]
        SequencerSet,
        "../artifacts/SequencerSet.json"
    );
}

pub mod metis {
    alloy::sol!(
        #[sol(rpc)]
        #[derive(Debug, PartialEq, Eq)]
        TestMetis,
        "../artifacts/TestMetis.json"
    );
}

pub mod governor {
    alloy::sol!(
        #[sol(rpc)]
        #[derive(Debug, PartialEq, Eq)]
        HoraeGovernor,
        "../artifacts/HoraeGovernor.json"
    );
}

pub mod applications {
    alloy::sol!(
        #[sol(rpc)]
        #[derive(Debug, PartialEq, Eq)]
        Applications,
        "../artifacts/Applications.json"
    );
}

pub mod timelock {
    alloy::sol!(
        #[sol(rpc)]
        #[derive(Debug, PartialEq, Eq)]
        Timelock,
        "../artifacts/Timelock.json"
    );
}

pub mod wrapped {
    alloy::sol!(
        #[sol(rpc)]
        #[derive(Debug, PartialEq, Eq)]
        VotingMetis,
        "../artifacts/VotingMetis.json"
    );
}

pub mod power {
    alloy::sol!(
        #[sol(rpc)]
        #[derive(Debug, PartialEq, Eq)]
        VotingPower,
        "../artifacts/VotingPower.json"
    );
}

pub mod stake_votes {
    alloy::sol!(
        #[sol(rpc)]
        #[derive(Debug, PartialEq, Eq)]
        StakeVotes,
        "../artifacts/StakeVotes.json"
    );
}

pub mod factory {
    alloy::sol!(
        #[sol(rpc)]
        #[derive(Debug, PartialEq, Eq)]
        LiquidStakingFactory,
        "../artifacts/LiquidStakingFactory.json"
    );
}

pub mod vault {
    alloy::sol!(
        #[sol(rpc)]
        #[derive(Debug, PartialEq, Eq)]
        LiquidStakingVault,
        "../artifacts/LiquidStakingVault.json"
    );
}

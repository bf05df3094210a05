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

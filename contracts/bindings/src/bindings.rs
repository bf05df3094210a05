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

pub mod metis {
    alloy::sol!(
        #[sol(rpc)]
        TestMetis,
        "../artifacts/TestMetis.json"
    );
}

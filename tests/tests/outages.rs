//! What stopped rivals, done to whole simulated nodes: the outages of ../shared/reference/peers.md, section 4, each under its
//! system and date. Each test says what was really done to a node, what must not follow from it, and that it was done.
//!
//! Corrupt files are elsewhere, where real files are: `damage.rs` has Tendermint's logs, the journal's own tests
//! (`engine/node/src/edges/journal/tests.rs`) have every cut and flipped bit. Here a node's logs end earlier than what it said.
//! `HORAE_SIM_LOUD=SEED` has a scene of that seed tell what happens.

use std::convert::Infallible;

use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use horae_control::Awaits;
use horae_node::chain_view::SigningFaultKind;
use horae_stages::rules::HeaderChoices;
use horae_stages::{
    Account, BlockError, BlockTx, ChainParams, ExecutedBlock, Executor, FromL1, HotState, MemoryState, StateSource,
    execute_block, recover_block,
};
use horae_tests::sim::beginning::{self, CATCHER, CHAIN_ID, KEEPING, REVERTER, REVERTING};
use horae_tests::sim::{BadEndpoints, BadSigner, CutLog, Divergence, Plan, Unready, Violation, World};

/// Seeds of each kind of each scene, unless `HORAE_OUTAGE_SEEDS` says otherwise.
const SEEDS: u64 = 4;

/// Four validators of weight 1.
fn plan(seed: u64) -> Plan {
    let loud = std::env::var("HORAE_SIM_LOUD").is_ok_and(|loud| loud == seed.to_string());
    Plan { seed, events: u64::MAX, nodes: Some(4), loud }
}

/// Plays a scene with several seeds, on two threads.
fn scenes<T: Send + std::fmt::Debug>(first: u64, play: impl Fn(u64) -> Result<T, Violation> + Sync) -> Vec<(u64, T)> {
    let one = |seed: u64| (seed, play(seed).unwrap_or_else(|why| panic!("seed {seed}: {why:?}")));
    let seeds = std::env::var("HORAE_OUTAGE_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS);
    let (low, high) = (first..first + seeds / 2, first + seeds / 2..first + seeds);
    let played: Vec<(u64, T)> = std::thread::scope(|scope| {
        let other = scope.spawn(|| high.map(one).collect::<Vec<_>>());
        let low: Vec<_> = low.map(one).collect();
        low.into_iter().chain(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    played.iter().for_each(|(seed, outcome)| println!("seed {seed}: {outcome:?}"));
    played
}

/// Base, 2025-08-05, 33 minutes: the conductor elected a node that was still being provisioned, and that could not hand off.
#[test]
fn a_validator_that_is_not_ready_is_given_no_slot() {
    for (at, why) in [Unready::Behind, Unready::Deaf, Unready::OtherState].into_iter().enumerate() {
        let first = 10_000 + 100 * at as u64;
        for (seed, seen) in
            scenes(first, |seed| World::without_faults_in_epochs(plan(seed), 8).unready((seed % 4) as usize, why))
        {
            match why {
                Unready::OtherState => assert!(seen.disagreements > 0, "seed {seed}: {seen:?}"),
                Unready::Behind | Unready::Deaf => assert!(seen.lag > 32, "seed {seed}: {seen:?}"),
            }
            assert_eq!(seen.slots_given, 0, "seed {seed}: {seen:?}");
            assert!(seen.slots_of_others > 5 && seen.failovers <= 2, "seed {seed}: {seen:?}");
            assert!(seen.trouble.is_some(), "seed {seed}: {seen:?}");
            assert!(seen.sealed_after > 1 && seen.failovers_after <= 1, "seed {seed}: {seen:?}");
        }
    }
}

/// Base, 2026-06-25, 116 minutes: the builder's stale journal gave other results, it sealed an invalid block, and every node
/// refused it. Starknet, 2026-01-05, 18 minutes rolled back: the executor kept a write of a reverted call.
#[test]
fn a_sequencer_that_executes_otherwise_is_replaced_within_seconds() {
    for (at, what) in [Divergence::WrongBalance, Divergence::KeptWrite].into_iter().enumerate() {
        let first = 11_000 + 100 * at as u64;
        let played = scenes(first, |seed| World::without_faults(plan(seed)).divergence((seed % 4) as usize, what));
        for (seed, seen) in played {
            assert_eq!((seen.refused_by, seen.is_void, seen.convicted), (3, true, 0), "seed {seed}: {seen:?}");
            assert!(seen.same_receipt, "only the hash of state changes can tell, seed {seed}: {seen:?}");
            // It is alive, so it may be given another slot before it has said that it disagrees.
            assert!(seen.replaced_after_ms < 6_000 && seen.failovers <= 3, "seed {seed}: {seen:?}");
            assert!(seen.transaction_committed && seen.blocks_without > 50, "seed {seed}: {seen:?}");
            assert!(seen.passed_over && seen.disagreements > 0, "seed {seed}: {seen:?}");
            let says = seen.trouble.as_deref().is_some_and(|why| why.contains("gives another result"));
            assert!(says, "seed {seed}: {seen:?}");
            assert!(seen.sealed_after > 1, "its state put right, it takes its turns, seed {seed}: {seen:?}");
        }
    }
}

/// Starknet, 2025-09-02, reorganisations of an hour: sequencers saw different L1s.
#[test]
fn a_lying_l1_endpoint_splits_nothing() {
    for (at, what) in [BadEndpoints::Lie, BadEndpoints::Invent].into_iter().enumerate() {
        let first = 12_000 + 100 * at as u64;
        let play = |seed: u64| World::without_faults(plan(seed)).bad_endpoints(&[(seed % 4) as usize], what, 25_000);
        let mut sealed = 0;
        for (seed, seen) in scenes(first, play) {
            assert!(seen.refused_views > 0, "it was never proposed, seed {seed}: {seen:?}");
            assert_eq!((seen.untrue_views, seen.same_set), (0, true), "seed {seed}: {seen:?}");
            sealed += seen.sealed;
            assert!(seen.blocks > 50 && seen.failovers == 0, "seed {seed}: {seen:?}");
            assert!(seen.batches > 2 && seen.views > 2, "seed {seed}: {seen:?}");
            assert!(seen.batches_after >= 2 && seen.all_take_turns, "seed {seed}: {seen:?}");
            if what == BadEndpoints::Lie {
                assert_eq!(seen.showed_trouble, 1, "seed {seed}: {seen:?}");
            }
        }
        assert!(sealed > 0, "{what:?}: none of them was a sequencer");
    }
}

/// Blast, 2024-03-22, 9 minutes: two L1 providers failed together.
#[test]
fn blocks_go_on_without_l1_and_batches_resume() {
    for (at, dead) in [2, 4].into_iter().enumerate() {
        let first = 13_000 + 100 * at as u64;
        let play = |seed: u64| {
            let nodes: Vec<usize> = (0..dead).map(|n| (n + seed as usize) % 4).collect();
            World::without_faults(plan(seed)).bad_endpoints(&nodes, BadEndpoints::AreDead, 25_000)
        };
        for (seed, seen) in scenes(first, play) {
            assert_eq!(seen.showed_trouble, dead, "seed {seed}: {seen:?}");
            assert!(seen.batches <= 2, "so few endpoints carry nothing, seed {seed}: {seen:?}");
            assert!(seen.blocks > 50 && seen.failovers == 0 && seen.sealed > 0, "seed {seed}: {seen:?}");
            assert!(seen.batches_after >= 2 && seen.all_take_turns, "seed {seed}: {seen:?}");
        }
    }
}

/// Polygon, 2025-07-30, an hour: a change of the set of validators stopped consensus. Here all validators die in one, too.
#[test]
fn an_epoch_opens_though_all_die_on_the_way_to_it() {
    for (at, awaits) in [Awaits::Key, Awaits::Rotation, Awaits::Readiness, Awaits::Closing].into_iter().enumerate() {
        let first = 14_000 + 100 * at as u64;
        let play = |seed: u64| World::without_faults_in_epochs(plan(seed), 8).death_in_epoch_change(awaits);
        for (seed, seen) in scenes(first, play) {
            assert_eq!((seen.died, seen.same_key, seen.convicted), (4, true, 0), "seed {seed}: {seen:?}");
            assert!(seen.batches_after >= 3 && seen.is_settled, "seed {seed}: {seen:?}");
        }
    }
}

/// The same, one validator leaving of its own will while it holds a slot.
#[test]
fn a_validator_leaves_in_its_own_slot_and_nothing_stops() {
    let play = |seed: u64| {
        let plan = Plan { nodes: Some(5), ..plan(seed) };
        World::without_faults_in_epochs(plan, 8).leaving((seed % 5) as usize)
    };
    for (seed, seen) in scenes(16_000, play) {
        assert_eq!((seen.validators, seen.sealed_after, seen.follows), ((5, 4), 0, true), "seed {seed}: {seen:?}");
        assert!(seen.failovers == 0 && seen.longest_gap_ms < 3_000, "seed {seed}: {seen:?}");
        assert!(seen.batches_after >= 3, "seed {seed}: {seen:?}");
    }
}

/// Arbitrum One, 2023-12-15, 78 minutes: small transactions poured in while batches did not get to L1.
#[test]
fn a_backlog_of_batches_is_made_up_for() {
    for (seed, seen) in scenes(17_000, |seed| World::without_faults(plan(seed)).backlog()) {
        assert!(seen.behind > 100 && seen.transactions > 50, "seed {seed}: {seen:?}");
        assert!(seen.failovers == 0 && seen.blocks > 100, "seed {seed}: {seen:?}");
        assert!(seen.caught_up_ms < 200_000 && seen.batches > 2, "seed {seed}: {seen:?}");
        assert!(seen.most_waiting < 1_000 && seen.all_take_turns, "seed {seed}: {seen:?}");
    }
}

/// No rival's, but what forced inclusion is for: a full queue, and a sequencer that does not include it.
#[test]
fn what_is_forced_passes_a_sequencer_without_l1_and_fits_into_blocks() {
    for (seed, seen) in scenes(19_000, |seed| World::without_faults(plan(seed)).forced_past((seed % 4) as usize)) {
        assert_eq!((seen.executed, seen.included, seen.follows), (120, 120, true), "seed {seed}: {seen:?}");
        assert!(seen.failovers == 0 && seen.took_ms < 60_000, "seed {seed}: {seen:?}");
    }
}

/// Degen, 2024-05-12, 54 hours: a database that a reorganisation corrupted was synchronised anew. Here an operator cuts a log.
#[test]
fn a_log_cut_short_makes_a_new_incarnation_and_never_two_words() {
    for (at, log) in [CutLog::Journal, CutLog::Decisions, CutLog::ControlPlane].into_iter().enumerate() {
        let first = 18_000 + 100 * at as u64;
        let play = |seed: u64| World::without_faults(plan(seed)).cut_log((seed % 4) as usize, log);
        for (seed, seen) in scenes(first, play) {
            assert!(seen.cut > 0, "seed {seed}: {seen:?}");
            // The control state covers whatever was voted below it, so a log of decisions may do without.
            let least = u64::from(log != CutLog::Decisions);
            assert!((least..=1).contains(&seen.incarnations) && seen.convicted == 0, "seed {seed}: {seen:?}");
            assert!(seen.sealed_after > 2 && seen.disagreements == 0, "seed {seed}: {seen:?}");
        }
    }
}

/// No rival's: none of them signs so that the loss of a signer costs nothing. Five signers, of whom four must sign.
#[test]
fn a_bad_signer_costs_a_batch_one_round_at_most() {
    for (at, bad) in [BadSigner::Silent, BadSigner::Withholding, BadSigner::Lying].into_iter().enumerate() {
        let first = 15_000 + 100 * at as u64;
        let play = |seed: u64| {
            let plan = Plan { nodes: Some(5), ..plan(seed) };
            World::with_liar(plan, (seed % 5) as usize, bad.lies()).signing_beside((seed % 5) as usize, 10, 240_000)
        };
        let mut lies = 0;
        for (seed, seen) in scenes(first, play) {
            assert!(seen.batches >= 10, "seed {seed}: {seen:?}");
            lies += seen.lies;
            assert!(seen.most_extra_rounds <= 1, "seed {seed}: {seen:?}");
            assert_eq!(seen.others_called_liars, 0, "seed {seed}: {seen:?}");
            if bad == BadSigner::Lying {
                let bad_shares = seen.faults.get(&SigningFaultKind::BadShare).copied().unwrap_or_default();
                assert_eq!((bad_shares, seen.called_liar_by as u64), (seen.lies, seen.lies), "seed {seed}: {seen:?}");
            }
        }
        // Four are enough: in some worlds nobody ever needs the fifth.
        assert!(lies > 0, "{bad:?}: {lies} lies");
    }
}

/// Starknet, 2026-01-05, once more, without nodes: only the hash of state changes shows the write, and followers name it.
#[test]
fn a_write_kept_from_a_reverted_call_shows_in_the_header() {
    let params = ChainParams::devnet(CHAIN_ID);
    let genesis = beginning::genesis(&params, std::iter::empty());
    let mut memory = MemoryState::default();
    memory.apply(0, genesis.header().hash(), &genesis.changes());
    let wallet = beginning::late_wallet();
    let mut call = wallet.transfer(CHAIN_ID, 0);
    (call.to, call.gas_limit) = (TxKind::Call(CATCHER), 100_000);
    let (_, raw) = wallet.sign(call);
    let on = |keeps: bool| {
        let state = HotState::new(Store { memory: memory.clone(), keeps }, 0, genesis.header().hash(), 1 << 10);
        Executor::new(state, CHAIN_ID)
    };
    let sealed = |keeps: bool| -> ExecutedBlock {
        let (mut executor, parent) = (on(keeps), genesis.header());
        let inputs = HeaderChoices::of(&parent).on(&parent, parent.hash(), &params);
        let mut transactions = executor.begin_with(inputs, &parent, &[]).expect("the slot's record runs");
        executor.execute(BlockTx::recover(&raw).expect("a transaction")).expect("it runs");
        transactions.push(raw.clone());
        executor.finish(&parent, &params, || transactions).expect("the state is readable")
    };
    let (right, wrong) = (sealed(false), sealed(true));
    assert_eq!((right.changes.storage(REVERTER, U256::ZERO), wrong.receipts.clone()), (None, right.receipts.clone()));
    assert_eq!(wrong.changes.storage(REVERTER, U256::ZERO), Some(U256::from(1)), "the write was kept");
    let mut header = wrong.block.header.clone();
    assert_ne!(header.changes_hash, right.block.header.changes_hash);
    header.changes_hash = right.block.header.changes_hash;
    assert_eq!(header, right.block.header, "nothing else tells");

    let mut follower = on(false);
    let refused = execute_block(
        &mut follower,
        &params,
        &genesis.header(),
        recover_block(wrong.block).expect("a block"),
        FromL1::Settled,
    );
    let refused = refused.expect_err("a block that keeps a reverted write");
    assert!(matches!(refused, BlockError::Commitment { field: "changes_hash", .. }), "{refused}");
    let right_block = recover_block(right.block.clone()).expect("a block");
    let executed = execute_block(&mut follower, &params, &genesis.header(), right_block, FromL1::Settled);
    assert_eq!(executed.expect("the right block goes where the wrong one did not"), right);
}

/// A store beneath an executor that keeps reverted writes, or beneath one that does not.
#[derive(Debug)]
struct Store {
    memory: MemoryState,
    keeps: bool,
}

impl StateSource for Store {
    type Error = Infallible;

    fn account(&self, address: Address) -> Result<Option<Account>, Infallible> {
        self.memory.account(address)
    }

    fn storage(&self, address: Address, slot: U256) -> Result<U256, Infallible> {
        self.memory.storage(address, slot)
    }

    fn code(&self, code_hash: B256) -> Result<Option<Bytes>, Infallible> {
        let keeps = self.keeps && code_hash == keccak256(REVERTING);
        if keeps { Ok(Some(Bytes::copy_from_slice(&KEEPING))) } else { self.memory.code(code_hash) }
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, Infallible> {
        self.memory.block_hash(number)
    }
}

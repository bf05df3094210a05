//! The header rules: EIP-1559's own examples, slots, batches, and every field of a header in turn.

use alloy_primitives::B256;
use proptest::prelude::*;

use crate::rules::*;
use crate::*;

fn params() -> ChainParams {
    ChainParams { min_base_fee: 7, ..ChainParams::devnet(1) }
}

fn parent() -> Header {
    let mut header = super::fixture::genesis(&[]).header();
    header.number = 9;
    header.epoch = 2;
    header.term = 5;
    header.slot = 40;
    header.ends_slot = false;
    header.control_height = 70;
    header.l1_view = L1View { number: 300, hash: B256::repeat_byte(3) };
    header.batch = 4;
    header
}

/// A header that follows `parent` by all rules.
fn child(parent: &Header, params: &ChainParams) -> Header {
    let mut header = parent.clone();
    let inputs = HeaderChoices::of(parent).on(parent, parent.hash(), params);
    header.parent = inputs.parent;
    header.number = inputs.number;
    header.base_fee = inputs.base_fee;
    header.gas_limit = inputs.gas_limit;
    header.prevrandao = inputs.prevrandao;
    let batch = next_batch_fields(parent, header.timestamp_ms, 0, params);
    (header.batch, header.batch_start_ms, header.batch_bytes) = (batch.batch, batch.batch_start_ms, batch.batch_bytes);
    header
}

#[test]
fn base_fee_follows_the_examples_of_go_ethereum() {
    // consensus/misc/eip1559/eip1559_test.go, TestCalcBaseFee.
    for (gas_used, want) in [(10_000_000, 1_000_000_000), (9_000_000, 987_500_000), (11_000_000, 1_012_500_000)] {
        let parent = Header { gas_limit: 20_000_000, base_fee: 1_000_000_000, gas_used, ..parent() };
        assert_eq!(next_base_fee(&parent, &params()), want);
    }
}

#[test]
fn base_fee_starts_where_the_parameters_say_and_rests_at_the_least() {
    let genesis = Header { number: 0, ..parent() };
    assert_eq!(next_base_fee(&genesis, &params()), params().initial_base_fee);
    let mut header = Header { base_fee: 1_000, gas_used: 0, ..parent() };
    for _ in 0..100 {
        header.base_fee = next_base_fee(&header, &params());
    }
    assert_eq!(header.base_fee, 7);
}

proptest! {
    #[test]
    fn base_fee_moves_by_at_most_an_eighth(base_fee in 8u64..1 << 60, used in 0u64..=60_000_000) {
        let parent = Header { base_fee, gas_used: used, gas_limit: 60_000_000, ..parent() };
        let next = next_base_fee(&parent, &params());
        prop_assert!(next.abs_diff(base_fee) <= base_fee / 8 + 1);
        prop_assert_eq!(next > base_fee, used > 30_000_000);
    }
}

#[test]
fn prevrandao_depends_on_parent_and_l1_hash() {
    let view = |byte| L1View { number: 1, hash: B256::repeat_byte(byte) };
    let value = next_prevrandao(B256::ZERO, &view(1));
    assert_ne!(value, next_prevrandao(B256::ZERO, &view(2)));
    assert_ne!(value, next_prevrandao(value, &view(1)));
}

#[test]
fn batches_end_by_bytes_by_time_and_by_the_longest_time() {
    let params = params();
    let header =
        |bytes, age_ms| Header { batch_start_ms: 1_000, batch_bytes: bytes, timestamp_ms: 1_000 + age_ms, ..parent() };
    assert!(!ends_batch(&header(params.batch_bytes - 1, 0), &params));
    assert!(ends_batch(&header(params.batch_bytes, 0), &params));
    assert!(!ends_batch(&header(1, params.batch_interval_ms - 1), &params));
    assert!(ends_batch(&header(1, params.batch_interval_ms), &params));
    assert!(!ends_batch(&header(0, params.batch_longest_interval_ms - 1), &params));
    assert!(ends_batch(&header(0, params.batch_longest_interval_ms), &params));

    let ended = header(params.batch_bytes, 0);
    let next = next_batch_fields(&ended, 2_000, 30, &params);
    assert_eq!(next, BatchFields { batch: 5, batch_start_ms: 2_000, batch_bytes: 30 });
    let next = next_batch_fields(&header(5, 0), 2_000, 30, &params);
    assert_eq!(next, BatchFields { batch: 4, batch_start_ms: 1_000, batch_bytes: 35 });
}

#[test]
fn block_one_starts_batch_zero_however_old_genesis_is() {
    let genesis = super::fixture::genesis(&[]).header();
    let later = genesis.timestamp_ms + 10_000_000;
    assert!(!ends_batch(&genesis, &params()));
    let fields = next_batch_fields(&genesis, later, 0, &params());
    assert_eq!(fields, BatchFields { batch: 0, batch_start_ms: later, batch_bytes: 0 });
}

#[test]
fn slots_end_by_time_and_by_count() {
    let params = params();
    assert!(!must_end_slot(1_000, 1_000 + params.slot_ms - 1, 1, &params));
    assert!(must_end_slot(1_000, 1_000 + params.slot_ms, 1, &params));
    assert!(must_end_slot(1_000, 1_000, params.slot_blocks, &params));
    assert!(!must_end_slot(1_000, 1_000, params.slot_blocks - 1, &params));
}

#[test]
fn epoch_term_and_slot_follow_the_parent() {
    let params = params();
    let fits = |ended: bool, epoch: u64, term: u64, slot: u64| {
        let parent = Header { ends_slot: ended, ..parent() };
        let header = Header { epoch, term, slot, ..child(&parent, &params) };
        check_header(&header, &parent, parent.hash(), 0, &params).is_ok()
    };
    assert!(fits(false, 2, 5, 40));
    assert!(!fits(true, 2, 5, 40), "the slot has ended");
    assert!(fits(true, 2, 5, 41));
    assert!(fits(true, 2, 5, 43), "a validator may be skipped");
    assert!(!fits(false, 2, 5, 41), "the slot has not ended");
    assert!(!fits(true, 3, 5, 41), "an epoch opens with a term");
    assert!(fits(false, 2, 6, 41), "a failover");
    assert!(fits(false, 3, 6, 41));
    assert!(!fits(false, 2, 6, 40), "a failover goes on to a later slot");
    assert!(!fits(true, 1, 6, 41));
    assert!(!fits(true, 2, 4, 41));
    assert!(!fits(true, 2, 5, 39));
}

#[test]
fn each_field_is_checked() {
    let params = params();
    let parent = parent();
    let hash = parent.hash();
    let good = child(&parent, &params);
    assert_eq!(check_header(&good, &parent, hash, 0, &params), Ok(()));
    type Damage = fn(&mut Header);
    let damages: [(&str, Damage); 13] = [
        ("parent", |h| h.parent = B256::ZERO),
        ("number", |h| h.number += 1),
        ("timestamp_ms", |h| h.timestamp_ms -= 1),
        ("control_height", |h| h.control_height -= 1),
        ("l1_view.number", |h| h.l1_view.number -= 1),
        ("l1_view.hash", |h| h.l1_view.hash = B256::ZERO),
        ("base_fee", |h| h.base_fee += 1),
        ("gas_limit", |h| h.gas_limit += 1),
        ("prevrandao", |h| h.prevrandao = B256::ZERO),
        ("batch", |h| h.batch += 1),
        ("batch_start_ms", |h| h.batch_start_ms += 1),
        ("batch_bytes", |h| h.batch_bytes += 1),
        ("slot", |h| h.slot += 1),
    ];
    for (field, damage) in damages {
        let mut bad = good.clone();
        damage(&mut bad);
        assert!(check_header(&bad, &parent, hash, 0, &params).is_err(), "{field}");
    }
}

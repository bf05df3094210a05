//! Packing: lossless whatever the transactions, cheap for empty blocks, and bounded whatever the bytes.

use alloy_eips::Encodable2718;
use alloy_primitives::{Address, B256, Bytes};
use proptest::prelude::*;

use super::decode::every_type;
use super::fixture::*;
use crate::pack::*;
use crate::*;

fn limits() -> UnpackLimits {
    UnpackLimits::new(&ChainParams::devnet(CHAIN_ID))
}

fn block(number: u64, timestamp_ms: u64, transactions: Vec<Bytes>) -> Block {
    let header = Header { number, timestamp_ms, ..genesis(&[]).header() };
    Block { header, transactions }
}

/// At every level; how many bytes the best one gave.
fn check(blocks: &[Block], limits: &UnpackLimits) -> usize {
    Level::ALL.map(|level| check_at(level, blocks, limits))[0]
}

fn check_at(level: Level, blocks: &[Block], limits: &UnpackLimits) -> usize {
    let packed = pack(blocks, level).unwrap();
    let unpacked = unpack(&packed.bytes, limits).unwrap();
    assert_eq!(unpacked.first_block, blocks[0].header.number);
    for (read, block) in unpacked.blocks.iter().zip(blocks) {
        assert_eq!(read.choices, rules::HeaderChoices::of(&block.header));
        assert_eq!(read.transactions, block.transactions);
    }
    assert_eq!(unpacked.blocks.len(), blocks.len());
    packed.bytes.len()
}

#[test]
fn every_type_and_what_is_no_transaction_reads_back() {
    let mut raw: Vec<Bytes> = every_type(&Wallet::new(1)).iter().map(|tx| tx.encoded_2718().into()).collect();
    raw.extend([
        Bytes::new(),
        Bytes::from_static(&[0]),
        Bytes::from_static(b"not a transaction"),
        vec![9; 5_000].into(),
    ]);
    let mut longer = raw[4].to_vec();
    longer.push(0);
    raw.push(longer.into());
    raw.extend(raw.clone());
    check(&[block(5, 100, raw)], &limits());
}

#[test]
fn empty_blocks_cost_next_to_nothing() {
    let blocks: Vec<_> = (1..=240).map(|number| block(number, START_MS + 500 * number, Vec::new())).collect();
    let size = check(&blocks, &limits());
    println!("240 empty blocks: {size} bytes");
    assert!(size < 240);
}

#[test]
fn a_run_has_no_gap_and_is_not_empty() {
    assert!(matches!(pack(&[], Level::Best), Err(PackError::NotARun(_))));
    assert!(matches!(
        pack(&[block(1, 0, Vec::new()), block(3, 0, Vec::new())], Level::Best),
        Err(PackError::NotARun(_))
    ));
}

/// Calldata of the shapes that the columns know, and of none.
fn calldata() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        Just([0; 32]),
        any::<[u8; 32]>(),
        (any::<[u8; 32]>(), 0usize..33).prop_map(|(mut word, zeros)| {
            word[..zeros].fill(0);
            word
        }),
        (any::<[u8; 32]>(), 0usize..33).prop_map(|(mut word, len)| {
            word[len..].fill(0);
            word
        }),
        (any::<u64>(), 0u32..16).prop_map(|(digits, zeros)| {
            (alloy_primitives::U256::from(digits) * alloy_primitives::U256::from(10u64.pow(zeros))).to_be_bytes()
        }),
        prop::sample::select(vec![[1; 32], [2; 32]]),
    ];
    let call = (any::<Option<[u8; 4]>>(), prop::collection::vec(word, 0..8))
        .prop_map(|(selector, words)| [selector.map_or(vec![], |s| s.to_vec()), words.concat()].concat());
    prop_oneof![3 => call, 1 => prop::collection::vec(any::<u8>(), 0..100)]
}

fn transaction() -> impl Strategy<Value = Bytes> {
    let numbers = (any::<u64>(), any::<u64>(), any::<u128>(), any::<u128>(), any::<[u64; 4]>(), 0u8..40);
    (numbers, calldata(), any::<Option<u8>>(), any::<u8>(), 0u32..200).prop_map(
        |((nonce, gas, fee, tip, value, round), input, to, list, shift)| {
            let value = alloy_primitives::U256::from_limbs(value) >> (shift as usize);
            let value = if round < 19 { alloy_primitives::U256::from(10u64.pow(u32::from(round))) } else { value };
            let access_list = (0..list % 3).map(|i| alloy_eips::eip2930::AccessListItem {
                address: Address::repeat_byte(i),
                storage_keys: vec![B256::with_last_byte(i); usize::from(i)],
            });
            let tx = alloy_consensus::TxEip1559 {
                chain_id: u64::from(list % 2) * CHAIN_ID,
                nonce: nonce >> (shift % 64),
                gas_limit: gas >> (shift % 64),
                max_fee_per_gas: fee >> (shift % 128),
                max_priority_fee_per_gas: tip >> (shift % 128),
                to: to.map_or(alloy_primitives::TxKind::Create, |byte| Address::repeat_byte(byte % 4).into()),
                value,
                access_list: alloy_eips::eip2930::AccessList(access_list.collect()),
                input: input.into(),
            };
            Wallet::new(1).raw(tx).into()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn random_blocks_read_back(
        blocks in prop::collection::vec((any::<[u64; 5]>(), any::<[u8; 3]>(), any::<bool>(), prop::collection::vec(transaction(), 0..6)), 1..8),
        first in 0u64..1 << 62,
    ) {
        let template = genesis(&[]).header();
        let blocks: Vec<_> = blocks.into_iter().zip(first..).map(|(([timestamp_ms, control_height, term, slot, l1], bytes, ends_slot, transactions), number)| {
            let l1_view = L1View { number: l1 % 4, hash: B256::repeat_byte(bytes[0] % 3) };
            let fee_recipient = Address::repeat_byte(bytes[1] % 3);
            let header = Header { number, timestamp_ms, control_height, term, slot: slot % 3, l1_view, fee_recipient, sequencer: Address::repeat_byte(bytes[2] % 3), ends_slot, ..template.clone() };
            Block { header, transactions }
        }).collect();
        check(&blocks, &limits());
    }
}

fn sample(level: Level) -> Vec<u8> {
    let raw: Vec<Bytes> = every_type(&Wallet::new(1)).iter().map(|tx| tx.encoded_2718().into()).collect();
    let blocks: Vec<_> =
        (1..20).map(|number| block(number, number, if number % 2 == 0 { raw.clone() } else { Vec::new() })).collect();
    pack(&blocks, level).unwrap().bytes.to_vec()
}

thread_local! {
    static SAMPLES: [Vec<u8>; 3] = Level::ALL.map(sample);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_bytes_are_read_or_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(unpack(&bytes, &limits()));
        bytes.insert(0, 3);
        drop(unpack(&bytes, &limits()));
    }

    #[test]
    fn damaged_batches_are_read_or_refused(
        level in prop::sample::select(Level::ALL.to_vec()),
        at: prop::sample::Index,
        byte: u8,
        cut: prop::sample::Index,
    ) {
        let mut bytes = SAMPLES.with(|samples| samples[level as usize].clone());
        let at = at.index(bytes.len());
        bytes[at] = byte;
        drop(unpack(&bytes, &limits()));
        bytes.truncate(cut.index(bytes.len()));
        prop_assert!(unpack(&bytes, &limits()).is_err());
    }
}

#[test]
fn limits_hold_whatever_the_bytes_say() {
    let wide = limits();
    for bytes in Level::ALL.map(sample) {
        assert!(unpack(&bytes, &wide).is_ok());
        let what = |limits: &UnpackLimits| match unpack(&bytes, limits) {
            Err(UnpackError::TooLarge { what, .. }) => what,
            other => panic!("{other:?}"),
        };
        assert_eq!(what(&UnpackLimits { bytes: 10, ..wide.clone() }), "bytes");
        assert_eq!(what(&UnpackLimits { blocks: 18, ..wide.clone() }), "blocks");
        assert_eq!(what(&UnpackLimits { transactions: 62, ..wide.clone() }), "transactions");
        assert_eq!(what(&UnpackLimits { unpacked_bytes: 3_000, ..wide.clone() }), "unpacked bytes");
    }
    assert!(matches!(unpack(&[2, 0, 0], &wide), Err(UnpackError::Version(2))));
}

fn varint(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// The bytes of one block whose body says it has `len` bytes and is one frame of this codec.
fn one_frame(len: usize, codec: usize, packed: &[u8]) -> Vec<u8> {
    [&[3, 0, 0, 1], &varint(len)[..], &varint(len << 2 | codec), &varint(packed.len()), packed].concat()
}

/// 64 MiB of zeros, for a few kilobytes or less.
#[test]
fn bombs_are_refused() {
    const BOMB_BYTES: usize = 64 << 20;
    let wide = limits();
    let zeros = vec![0; BOMB_BYTES];
    let mut brotli = Vec::new();
    let params = ::brotli::enc::BrotliEncoderParams { quality: 5, ..Default::default() };
    ::brotli::BrotliCompress(&mut zeros.as_slice(), &mut brotli, &params).unwrap();
    for (codec, packed) in [(1, zstd::bulk::compress(&zeros, 19).unwrap()), (2, brotli)] {
        let honest = unpack(&one_frame(BOMB_BYTES, codec, &packed), &wide);
        assert!(matches!(honest, Err(UnpackError::TooLarge { what: "unpacked bytes", .. })), "{honest:?}");
        for len in [0, 1, 100, wide.unpacked_bytes] {
            let lying = unpack(&one_frame(len, codec, &packed), &wide);
            assert!(matches!(lying, Err(UnpackError::Damaged(_) | UnpackError::Decompressor(_))), "{len}: {lying:?}");
        }
    }
    assert!(matches!(unpack(&one_frame(100, 3, &[0]), &wide), Err(UnpackError::Damaged("no such codec"))));
}

#[test]
fn no_more_frames_are_read_than_a_level_writes() {
    let frame = [&varint(1 << 2)[..], &[0]].concat();
    let with = |frames: usize| [&[3, 0, 0, 0], &varint(frames)[..], &frame.repeat(frames)].concat();
    let why = |frames: usize| match unpack(&with(frames), &limits()) {
        Err(UnpackError::Damaged(why)) => why,
        other => panic!("{other:?}"),
    };
    assert_eq!(why(64), "columns are not as long as they say");
    assert_eq!(why(65), "too many frames");
}

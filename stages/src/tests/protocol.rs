//! Encodings of protocol transactions against the vectors that Solidity reads too, and what fits into a block.

use alloy_primitives::{Address, B256, Bytes, TxKind, U256, hex, keccak256};
use proptest::prelude::*;

use crate::protocol::{self, Due, ForcedEntry, Position, ProtocolTx, SYSTEM_GAS, fitting};
use crate::rules::HeaderChoices;
use crate::*;

fn entry() -> ForcedEntry {
    ForcedEntry {
        index: 3,
        from: Address::repeat_byte(0xaa),
        to: TxKind::Call(Address::repeat_byte(0xbb)),
        mint: U256::from(5),
        value: U256::from(7),
        gas: 100_000,
        data: Bytes::from_static(&[1, 2, 3]),
    }
}

#[test]
fn a_forced_entry_has_the_encoding_of_a_deposit_on_the_op_stack() {
    // 0x7e || rlp([sourceHash, from, to, mint, value, gas, isSystemTransaction, data])
    let source = keccak256([U256::from(1).to_be_bytes::<32>(), U256::from(3).to_be_bytes()].concat());
    let want = [
        &hex!("7ef856a0")[..],
        source.as_slice(),
        &hex!("94aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        &hex!("94bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"),
        &hex!("05" "07" "830186a0" "80" "83010203"),
    ]
    .concat();
    assert_eq!(entry().encode(), want);
    assert_eq!(entry().hash(), keccak256(&want));
    let creation = ForcedEntry { to: TxKind::Create, mint: U256::ZERO, ..entry() };
    let raw = creation.encode();
    assert_eq!(&raw[57..59], hex!("8080"), "neither address nor mint");
    assert_eq!(ProtocolTx::decode(&raw), Ok(creation.transaction()));
}

#[test]
fn a_deposit_on_an_op_stack_chain_reads_and_writes_as_it_is() {
    // <https://basescan.org/tx/0xc468b38a20375922828c8126912740105125143b9856936085474b2590bbca91>
    let raw = hex!(
        "7ef8f8a0417d134467f4737fcdf2475f0ecdd2a0ed6d87ecffc888ba9f60ee7e3b8ac26a94deaddeaddeaddeaddeaddeaddeaddeaddead0001"
        "9442000000000000000000000000000000000000158080830f424080b8a4440a5e20000008dd00101c1200000000000000040000000066c352bb"
        "000000000139c4f500000000000000000000000000000000000000000000000000000000c0cff14600000000000000000000000000000000000000"
        "00000000000000000000000001d4c88f4065ac9671e8b1329b90773e89b5ddff9cf8675b2b5e9c1b283206099300000000000000000000000050"
        "50f69a9786f081509234f1a7f4684b5e5b76c9"
    );
    assert_eq!(keccak256(raw), hex!("c468b38a20375922828c8126912740105125143b9856936085474b2590bbca91"));
    let tx = ProtocolTx::decode(&raw).unwrap();
    assert_eq!((tx.mint, tx.value, tx.gas, tx.data.len()), (U256::ZERO, U256::ZERO, 1_000_000, 164));
    assert_eq!(tx.encode()[..], raw);
}

#[test]
fn only_the_one_encoding_is_read() {
    let raw = entry().encode().to_vec();
    let longer = [&raw[..], &[0]].concat();
    let mut system = raw.clone();
    let flag = system.len() - 5;
    assert_eq!(system[flag], 0x80);
    system[flag] = 1;
    for (what, bytes) in
        [("nothing", &raw[..0]), ("cut", &raw[..40]), ("longer", &longer), ("system", &system), ("legacy", &raw[1..])]
    {
        assert!(matches!(ProtocolTx::decode(bytes), Err(Shed::Malformed(_))), "{what}");
    }
}

fn slot_begins() -> rules::HeaderInputs {
    let parent = super::fixture::genesis(&[]).header();
    let mut choices = HeaderChoices::of(&parent);
    (choices.epoch, choices.term, choices.slot) = (2, 5, 40);
    choices.sequencer = Address::repeat_byte(0x5e);
    choices.on(&parent, parent.hash(), &ChainParams::devnet(1))
}

#[test]
fn the_record_of_a_slot_calls_the_sequencer_set() {
    let tx = ProtocolTx::decode(&protocol::slot_record(&slot_begins())).unwrap();
    assert_eq!((tx.from, tx.to), (protocol::SYSTEM, TxKind::Call(protocol::SEQUENCER_SET)));
    assert_eq!((tx.mint, tx.value, tx.gas, tx.is_forced()), (U256::ZERO, U256::ZERO, SYSTEM_GAS, false));
    assert_eq!(tx.data[..4], keccak256("record(uint64,uint64,uint64,uint64,address)")[..4]);
    let words: Vec<U256> = tx.data[4..].chunks(32).map(U256::from_be_slice).collect();
    let sequencer = U256::from_be_slice(&[0x5e; 20]);
    assert_eq!(words, [U256::from(2), U256::from(5), U256::from(40), U256::from(1), sequencer]);
    // `contracts/test/SequencerSet.t.sol` has the same.
    assert_eq!(keccak256(&tx.data), hex!("dd818f03c6841d6855ea14194ca66627a00c6219aebd56e92994fb8a277f75ef"));
}

#[test]
fn a_batch_pays_its_carrier_from_the_pot() {
    let tx = ProtocolTx::decode(&protocol::batch_paid(9, Address::repeat_byte(0xca))).unwrap();
    assert_eq!((tx.from, tx.to), (protocol::SYSTEM, TxKind::Call(protocol::FEE_POT)));
    assert_eq!(tx.data[..4], keccak256("pay(address)")[..4]);
    assert_eq!(U256::from_be_slice(&tx.data[4..]), U256::from_be_slice(&[0xca; 20]));
}

#[test]
fn no_two_protocol_transactions_share_a_source() {
    let sources = |number: u64| {
        let record = rules::HeaderInputs { slot: number, ..slot_begins() };
        let of = |raw: Bytes| ProtocolTx::decode(&raw).unwrap().source_hash;
        let forced = ForcedEntry { index: number, ..entry() };
        [of(protocol::slot_record(&record)), of(forced.encode()), of(protocol::batch_paid(number, Address::ZERO))]
    };
    let mut all: Vec<B256> = (0..50).flat_map(sources).collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 150);
}

#[test]
fn a_block_takes_what_fits_and_at_least_one_position() {
    let params = ChainParams::devnet(1);
    let position = |gas, bytes| Position {
        view: L1View::default(),
        due: vec![Due { hash: B256::ZERO, gas, bytes, forced: true }],
    };
    let half = params.gas_limit / 2;
    let fits = |positions: &[Position]| fitting(positions, &params);
    assert_eq!(fits(&[]), 0);
    assert_eq!(fits(&[position(half - SYSTEM_GAS, 1)]), 1);
    assert_eq!(fits(&[position(half, 1), position(0, 0)]), 1, "the first goes in, and nothing beside it");
    assert_eq!(
        fits(&[position(params.gas_limit, 1), position(0, 0)]),
        0,
        "no block can take it: the view stands still"
    );
    assert_eq!(fits(&[position(half / 2, 1), position(half / 2, 1)]), 1, "with the slot's record it is too much");
    assert_eq!(fits(&[position(1, limits::DUE_BYTES / 2), position(1, limits::DUE_BYTES / 2)]), 2);
    assert_eq!(fits(&[position(1, limits::DUE_BYTES), position(1, 1), position(0, 0)]), 1);
}

proptest! {
    #[test]
    fn any_protocol_transaction_reads_back(
        words in any::<[[u8; 32]; 3]>(), from: [u8; 20], to: Option<[u8; 20]>, gas: u64, data: Vec<u8>,
    ) {
        let [source, mint, value] = words;
        let tx = ProtocolTx {
            source_hash: source.into(),
            from: from.into(),
            to: to.map_or(TxKind::Create, |to| TxKind::Call(to.into())),
            mint: U256::from_be_bytes(mint) >> (gas % 256) as usize,
            value: U256::from_be_bytes(value) >> (gas % 256) as usize,
            gas,
            data: data.into(),
        };
        let raw = tx.encode();
        prop_assert!(protocol::is_protocol(&raw));
        prop_assert_eq!(ProtocolTx::decode(&raw), Ok(tx));
    }

    #[test]
    fn bytes_that_are_read_are_written_the_same(mut raw in prop::collection::vec(any::<u8>(), 0..120), at: prop::sample::Index, byte: u8) {
        raw.insert(0, protocol::TYPE);
        prop_assert!(ProtocolTx::decode(&raw).is_err());
        let mut damaged = entry().encode().to_vec();
        let at = at.index(damaged.len());
        damaged[at] = byte;
        if let Ok(read) = ProtocolTx::decode(&damaged) {
            prop_assert_eq!(read.encode(), damaged);
        }
    }
}

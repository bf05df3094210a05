//! Decode, recover and genesis: every type through both, every refusal, and nothing that panics.

use alloy_consensus::{TxEip1559, TxEip2930, TxEip4844, TxEip4844Variant, TxEip7702, TxEnvelope, TxLegacy};
use alloy_eips::Encodable2718;
use alloy_eips::eip7702::{Authorization, SignedAuthorization};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use k256::ecdsa::SigningKey;
use proptest::prelude::*;

use super::fixture::*;
use crate::genesis::{GenesisAccount, GenesisError};
use crate::*;

fn policy() -> DecodePolicy {
    DecodePolicy::new(&ChainParams::devnet(CHAIN_ID))
}

fn refusal(raw: &[u8]) -> Shed {
    let mut body = Box::<TxBody>::default();
    body.fill(raw, 0, 77);
    let rejected = Decode::new(policy()).step(Frame::new(body)).unwrap_err();
    assert_eq!(rejected.parcel.origin(), 77, "the reply token comes back");
    rejected.why
}

/// One transaction of every type that has one.
pub fn every_type(wallet: &Wallet) -> Vec<TxEnvelope> {
    let (to, input) = (TxKind::Call(Address::repeat_byte(2)), Bytes::from_static(b"\xa9\x05\x9c\xbbdata"));
    let (chain_id, gas_limit, nonce) = (CHAIN_ID, 100_000, 3);
    let authorization = Authorization { chain_id: U256::ZERO, address: Address::repeat_byte(9), nonce: 4 };
    let authorization = SignedAuthorization::new_unchecked(authorization, 1, U256::from(5), U256::MAX);
    let legacy = TxLegacy {
        chain_id: Some(chain_id),
        gas_limit,
        nonce,
        to,
        input: input.clone(),
        gas_price: 7,
        value: U256::MAX,
    };
    let blob: TxEip4844Variant = TxEip4844 {
        chain_id,
        gas_limit,
        to: Address::repeat_byte(1),
        max_fee_per_blob_gas: 1,
        blob_versioned_hashes: vec![B256::repeat_byte(1)],
        ..TxEip4844::default()
    }
    .into();
    vec![
        wallet.sign(TxLegacy { chain_id: None, ..legacy.clone() }).into(),
        wallet.sign(TxLegacy { chain_id: Some(5), to: TxKind::Create, ..legacy.clone() }).into(),
        wallet.sign(legacy).into(),
        wallet
            .sign(TxEip2930 {
                chain_id,
                gas_limit,
                nonce,
                to,
                input: input.clone(),
                gas_price: 1,
                ..TxEip2930::default()
            })
            .into(),
        wallet.sign(TxEip1559 { gas_limit, nonce, input: input.clone(), to: TxKind::Create, ..draft() }).into(),
        wallet.sign(blob).into(),
        wallet
            .sign(TxEip7702 {
                chain_id,
                gas_limit,
                nonce,
                input,
                authorization_list: vec![authorization; 2],
                ..TxEip7702::default()
            })
            .into(),
    ]
}

#[test]
fn every_type_decodes_hashes_and_recovers() {
    let wallet = Wallet::new(3);
    for envelope in every_type(&wallet) {
        let raw = envelope.encoded_2718();
        let tx = BlockTx::recover(&raw).unwrap();
        let read = tx.envelope.signed().unwrap();
        assert_eq!(read, &envelope);
        assert_eq!(tx.sender, wallet.address);
        assert_eq!(tx.hash, keccak256(&raw));
        assert_eq!(read.tx_hash(), &tx.hash);
    }
}

#[test]
fn users_may_not_send_what_the_chain_does_not_take() {
    let wallet = Wallet::new(3);
    let raw = |tx: TxEip1559| wallet.raw(tx);
    assert_eq!(refusal(&[]), Shed::Malformed("empty"));
    assert_eq!(refusal(&[0x7e, 1]), Shed::TypeNotSupported(0x7e));
    assert_eq!(refusal(&[0x03, 0xc0]), Shed::TypeNotSupported(3));
    assert_eq!(refusal(&[0xde, 0xad]), Shed::Malformed("rlp: not a legacy transaction"));
    assert!(matches!(refusal(&raw(draft())[..50]), Shed::Malformed(_)));
    let tail = [raw(draft()), vec![0]].concat();
    assert!(matches!(refusal(&tail), Shed::Malformed(_)));
    let limit = policy().max_bytes;
    assert_eq!(refusal(&vec![2; limit + 1]), Shed::Oversized { size: limit + 1, limit });
    assert_eq!(refusal(&raw(TxEip1559 { chain_id: 1, ..draft() })), Shed::WrongChain { have: 1, want: CHAIN_ID });
    let unprotected = TxEnvelope::from(wallet.sign(TxLegacy { gas_limit: 21_000, ..TxLegacy::default() }));
    assert_eq!(refusal(&unprotected.encoded_2718()), Shed::NotReplayProtected);
    assert_eq!(
        refusal(&raw(TxEip1559 { gas_limit: 20_999, ..draft() })),
        Shed::IntrinsicGas { have: 20_999, want: 21_000 }
    );
    let input = Bytes::from(vec![1; 100]);
    // EIP-7623: 21,000 and 10 gas a token, four tokens a byte that is not zero.
    assert_eq!(
        refusal(&raw(TxEip1559 { gas_limit: 24_999, input, ..draft() })),
        Shed::FloorDataGas { have: 24_999, want: 25_000 }
    );
    let cap = limits::TRANSACTION_GAS_CAP;
    assert_eq!(
        refusal(&raw(TxEip1559 { gas_limit: cap + 1, ..draft() })),
        Shed::GasLimitTooHigh { have: cap + 1, cap }
    );
    let tip = TxEip1559 { max_fee_per_gas: 5, max_priority_fee_per_gas: 6, ..draft() };
    assert_eq!(refusal(&raw(tip)), Shed::TipAboveFeeCap { tip: 6, cap: 5 });
    assert_eq!(refusal(&raw(TxEip1559 { nonce: u64::MAX, ..draft() })), Shed::NonceMax);
    let code = TxEip1559 { gas_limit: 10_000_000, to: TxKind::Create, input: vec![0; 49_153].into(), ..draft() };
    assert_eq!(refusal(&raw(code)), Shed::InitCodeTooLong { size: 49_153, limit: 49_152 });
    let nobody = TxEip7702 { chain_id: CHAIN_ID, gas_limit: 100_000, ..TxEip7702::default() };
    assert_eq!(refusal(&TxEnvelope::from(wallet.sign(nobody)).encoded_2718()), Shed::EmptyAuthorizationList);
}

#[test]
fn refusals_read_as_go_ethereum_words_them() {
    let text = |shed: Shed| shed.to_string();
    assert_eq!(text(Shed::NonceTooLow { next: 5, have: 3 }), "nonce too low: next nonce 5, tx nonce 3");
    assert_eq!(text(Shed::AlreadyKnown), "already known");
    let funds = Shed::InsufficientFunds { balance: U256::from(1), cost: U256::from(3) };
    assert_eq!(text(funds), "insufficient funds for gas * price + value: balance 1, tx cost 3, overshot 2");
    assert_eq!((Shed::AlreadyKnown.code(), Shed::Busy.code()), (-32_000, -32_005));
}

#[test]
fn signatures_that_prove_nothing_are_refused() {
    let wallet = Wallet::new(3);
    let good = wallet.sign(draft());
    let resign = |signature: Signature| {
        recover::recover_sender(&alloy_consensus::Signed::new_unhashed(draft(), signature).into())
    };
    let signature = *good.signature();
    assert_eq!(resign(signature), Ok(wallet.address));
    let order = U256::from_be_slice(&alloy_primitives::hex!(
        "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
    ));
    let high = Signature::new(signature.r(), order - signature.s(), !signature.v());
    assert_eq!(resign(high), Err(Shed::InvalidSender), "EIP-2");
    assert_eq!(resign(Signature::new(U256::ZERO, signature.s(), false)), Err(Shed::InvalidSender));
    assert_eq!(resign(Signature::new(signature.r(), U256::ZERO, false)), Err(Shed::InvalidSender));
    assert_eq!(resign(Signature::new(order, signature.s(), false)), Err(Shed::InvalidSender));
    assert_ne!(resign(Signature::new(signature.r(), signature.s(), !signature.v())), Ok(wallet.address));
}

/// Every length of a burst, with signatures that prove nothing among good ones of every type: each gets its own answer.
#[test]
fn a_burst_is_as_good_as_one_by_one() {
    let mut all = Vec::new();
    for seed in 0..12 {
        let wallet = Wallet::new(seed);
        all.extend(every_type(&wallet));
        let good = *wallet.sign(draft()).signature();
        for (r, s) in [(U256::ZERO, good.s()), (good.r(), U256::ZERO), (good.r(), U256::MAX), (good.s(), good.r())] {
            let signature = Signature::new(r, s, good.v());
            all.push(alloy_consensus::Signed::new_unhashed(draft(), signature).into());
        }
    }
    let mut recover = Recover::new();
    let alone: Vec<_> = all.iter().map(recover::recover_sender).collect();
    for count in (0..24).chain([all.len()]) {
        let together: Vec<_> = recover.senders(all[..count].iter()).collect();
        assert_eq!(together, alone[..count]);
    }
    assert!(alone.iter().any(Result::is_err) && alone.iter().filter(|sender| sender.is_ok()).count() >= 12 * 7);
}

proptest! {
    #[test]
    fn recovery_agrees_with_another_implementation(key in 1u128.., nonce: u64) {
        let mut bytes = [0; 32];
        bytes[16..].copy_from_slice(&key.to_be_bytes());
        let key = SigningKey::from_slice(&bytes).unwrap();
        let tx = TxEip1559 { nonce, ..draft() };
        let digest = alloy_consensus::transaction::SignableTransaction::signature_hash(&tx);
        let (signature, id) = key.sign_prehash_recoverable(digest.as_slice()).unwrap();
        let signature = Signature::from_bytes_and_parity(&signature.to_bytes(), id.is_y_odd());
        let envelope = alloy_consensus::Signed::new_unhashed(tx, signature).into();
        let point = key.verifying_key().to_encoded_point(false);
        prop_assert_eq!(recover::recover_sender(&envelope), Ok(Address::from_raw_public_key(&point.as_bytes()[1..])));
    }

    #[test]
    fn any_bytes_decode_or_are_refused(raw: Vec<u8>, first in prop::sample::select(vec![1u8, 2, 3, 4, 0xc0, 0xf8, 0xf9])) {
        let raw = [&[first], &raw[..]].concat();
        drop(BlockTx::recover(&raw));
        drop(Decode::new(policy()).transaction(&raw));
    }

    #[test]
    fn damaged_transactions_never_panic(kind in 0usize..7, at: prop::sample::Index, byte: u8) {
        let mut raw = every_type(&Wallet::new(1))[kind].encoded_2718();
        let at = at.index(raw.len());
        raw[at] = byte;
        drop(BlockTx::recover(&raw));
    }
}

#[test]
fn a_cell_is_used_again_without_a_trace() {
    let mut body = TxBody::with_capacity(256);
    body.fill(&Wallet::new(1).raw(draft()), 5, 6);
    let decoded = Decode::new(policy()).step(Frame::new(Box::new(body))).unwrap();
    let mut parcel = decoded.dissolve();
    parcel.fill(&[1], 7, 8);
    assert_eq!((parcel.raw(), parcel.received_ms(), parcel.origin()), (&[1][..], 7, 8));
    assert_eq!((parcel.hash(), parcel.sender(), parcel.envelope()), (B256::ZERO, Address::ZERO, None));
}

#[test]
fn a_genesis_file_reads_back_and_says_what_is_wrong_with_it() {
    let mut genesis = genesis(&[Wallet::new(1)]);
    let code = Bytes::from_static(&[0x5f, 0x5f, 0xfd]);
    let contract =
        GenesisAccount { code, storage: [(U256::from(1), U256::from(2))].into(), ..GenesisAccount::default() };
    genesis.alloc.insert(Address::repeat_byte(1), contract);
    let text = serde_json::to_string(&genesis).unwrap();
    let read: Genesis = serde_json::from_str(&text).unwrap();
    assert_eq!(read, genesis);
    assert_eq!(read.header().hash(), genesis.header().hash());
    assert!(serde_json::from_str::<Genesis>(&text.replacen("timestamp_ms", "timestamp", 1)).is_err());
    genesis.check().unwrap();

    let hash = genesis.header().hash();
    genesis.alloc.get_mut(&Address::repeat_byte(1)).unwrap().storage.insert(U256::from(1), U256::from(3));
    assert_ne!(genesis.header().hash(), hash);
    genesis.alloc.get_mut(&Address::repeat_byte(1)).unwrap().code = Bytes::new();
    assert_eq!(genesis.check(), Err(GenesisError::LooseStorage(Address::repeat_byte(1))));
    genesis.alloc.get_mut(&Address::repeat_byte(1)).unwrap().code = Bytes::from_static(&[0xef, 0x01, 0x00, 0x01]);
    assert_eq!(genesis.check(), Err(GenesisError::BadCode(Address::repeat_byte(1))));
    genesis.alloc.clear();
    genesis.params.slot_blocks = 0;
    assert_eq!(genesis.check(), Err(GenesisError::Param("slot_blocks")));
}

#[test]
fn a_burst_is_decoded_as_its_transactions_are_one_by_one() {
    let wallet = Wallet::new(1);
    let mut raws: Vec<Vec<u8>> = every_type(&wallet).iter().map(Encodable2718::encoded_2718).collect();
    raws.extend([vec![], vec![0xc0], vec![0x7e, 1], vec![2; 3_000]]);
    raws.extend(every_type(&wallet).iter().map(Encodable2718::encoded_2718));
    let frame = |raw: &Vec<u8>| {
        let mut body = Box::<TxBody>::default();
        body.fill(raw, 0, 0);
        Frame::new(body)
    };
    let told = |result: Result<Decoded<Box<TxBody>>, Rejected<Box<TxBody>>>| match result {
        Ok(decoded) => Ok((decoded.body().hash(), decoded.body().envelope().cloned(), decoded.body().raw().to_vec())),
        Err(rejected) => Err((rejected.why, rejected.parcel.raw().to_vec())),
    };
    let mut decode = Decode::new(policy());
    let want: Vec<_> = raws.iter().map(|raw| told(decode.step(frame(raw)))).collect();
    for _ in 0..2 {
        let mut burst: Vec<_> = raws.iter().map(frame).collect();
        let mut have = Vec::new();
        decode.burst(&mut burst, |result| have.push(told(result)));
        assert!(burst.is_empty());
        assert_eq!(have, want);
    }
}

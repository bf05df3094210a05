//! Calls and gas estimates, by what go-ethereum answers.

use alloy_primitives::{Address, Bytes, TxKind, U256, hex};

use super::fixture::*;
use crate::call::*;
use crate::genesis::GenesisAccount;
use crate::*;

const CAP: u64 = 50_000_000;

fn state(contracts: &[(u8, &[u8])]) -> (MemoryState, Header) {
    let mut genesis = genesis(&[Wallet::new(1)]);
    for (byte, code) in contracts {
        let account = GenesisAccount { code: Bytes::copy_from_slice(code), nonce: 1, ..GenesisAccount::default() };
        genesis.alloc.insert(Address::repeat_byte(*byte), account);
    }
    (super::fixture::replay(&genesis, []), genesis.header())
}

fn to(byte: u8) -> CallRequest {
    CallRequest { to: TxKind::Call(Address::repeat_byte(byte)), ..CallRequest::default() }
}

fn returned(outcome: CallOutcome) -> Bytes {
    match outcome {
        CallOutcome::Returned { output, .. } => output,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_plain_transfer_takes_21000() {
    let (state, header) = state(&[]);
    let request = CallRequest { from: Wallet::new(1).address, value: U256::from(5), ..to(3) };
    assert_eq!(estimate_gas(&state, &header, CHAIN_ID, &request, CAP).unwrap(), 21_000);
}

#[test]
fn an_estimate_is_enough_and_little_more() {
    // Calls 0xbb with all gas; 0xbb writes ten new slots. What EIP-150 holds back makes more necessary than is used.
    let write: Vec<u8> = (1..=10u8).flat_map(|slot| [0x60, 1, 0x60, slot, 0x55]).collect();
    // CALL 0xbb, then a jump over the revert that is reached when the call failed.
    let caller = [&hex!("5f5f5f5f5f73")[..], &[0xbb; 20], &hex!("5af16022575f5ffd5b00")].concat();
    assert_eq!(caller[0x22], 0x5b, "the jump lands on its destination");
    let (state, header) = state(&[(0xaa, &caller), (0xbb, &write)]);
    let estimate = estimate_gas(&state, &header, CHAIN_ID, &to(0xaa), CAP).unwrap();
    let run = |gas| call(&state, &header, CHAIN_ID, &CallRequest { gas: Some(gas), ..to(0xaa) }, CAP).unwrap();
    let CallOutcome::Returned { gas_used, .. } = run(estimate) else { panic!("the estimate is too low") };
    assert!(gas_used > 200_000 && estimate > gas_used, "{gas_used} {estimate}");
    assert!(!matches!(run(estimate * 96 / 100), CallOutcome::Returned { .. }), "the estimate is generous");
}

#[test]
fn failures_say_why() {
    let (state, header) =
        state(&[(0xaa, &hex!("63deadbeef5f526004601cfd")), (0xbb, &hex!("5b5f56")), (0xcc, &hex!("fe"))]);
    let estimate = |request: &CallRequest, cap| estimate_gas(&state, &header, CHAIN_ID, request, cap).unwrap_err();
    let error = estimate(&to(0xaa), CAP);
    assert!(matches!(&error, CallError::Reverted { output } if output.as_ref() == hex!("deadbeef")), "{error}");
    assert_eq!(error.to_string(), "execution reverted");
    let error = estimate(&to(0xbb), 100_000);
    assert_eq!(error.to_string(), "gas required exceeds allowance (100000)");
    assert!(matches!(estimate(&to(0xcc), CAP), CallError::Halted { .. }));
    assert!(matches!(
        estimate(&CallRequest { data: vec![1; 100].into(), ..to(3) }, 21_500),
        CallError::OutOfGas { .. }
    ));
    let poor = CallRequest { from: Address::repeat_byte(9), value: U256::from(1), ..to(3) };
    assert!(matches!(estimate(&poor, CAP), CallError::Invalid(Shed::InsufficientFunds { .. })));
    let priced = CallRequest { max_fee_per_gas: Some(10), ..poor };
    assert!(matches!(estimate(&priced, CAP), CallError::Invalid(Shed::InsufficientFunds { .. })));
}

#[test]
fn a_call_needs_no_key_no_nonce_and_no_money() {
    // Returns CALLER, BASEFEE, GASPRICE.
    let (state, header) = state(&[(0xaa, &hex!("335f52486020523a60405260605ff3")), (0xbb, &[0])]);
    let from = Address::repeat_byte(0xbb);
    let words = |request: &CallRequest| {
        let output = returned(call(&state, &header, CHAIN_ID, request, CAP).unwrap());
        output.chunks(32).map(U256::from_be_slice).collect::<Vec<_>>()
    };
    let free = CallRequest { from, ..to(0xaa) };
    assert_eq!(words(&free), [U256::from_be_slice(from.as_slice()), U256::ZERO, U256::ZERO]);
    let price = u128::from(header.base_fee) + 5;
    let paid = CallRequest { from: Wallet::new(1).address, max_fee_per_gas: Some(price), ..to(0xaa) };
    assert_eq!(words(&paid)[1..], [U256::from(header.base_fee), U256::from(price)]);
    let low = CallRequest { max_fee_per_gas: Some(1), ..paid };
    let error = call(&state, &header, CHAIN_ID, &low, CAP).unwrap_err();
    assert!(matches!(error, CallError::Invalid(Shed::FeeCapTooLow { .. })), "{error}");
}

#[test]
fn a_creation_returns_the_code() {
    let (state, header) = state(&[]);
    let request = CallRequest { to: TxKind::Create, data: hex!("60fe5f5360015ff3").into(), ..CallRequest::default() };
    let error = call(&state, &header, CHAIN_ID, &request, CAP).unwrap();
    assert_eq!(returned(error).as_ref(), [0xfe]);
    assert!(estimate_gas(&state, &header, CHAIN_ID, &request, CAP).unwrap() > 53_000);
}

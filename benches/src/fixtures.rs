//! What benches run on: accounts, signed transactions, and a chain's genesis. The same in every run.

use std::thread;

use alloy::signers::{SignerSync, local::PrivateKeySigner};
use alloy::sol_types::SolCall;
use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use horae_contracts::TestMetis;
use horae_stages::genesis::GenesisAccount;
use horae_stages::{ChainParams, Frame, Genesis, TxBody};

/// Chain id of the benches' own chains.
pub const CHAIN_ID: u64 = 108_801;
/// What a transfer may cost, wei a gas.
pub const MAX_FEE: u128 = 2_000_000_000;
/// Gas limit of a token transfer.
pub const TOKEN_GAS: u64 = 100_000;
/// Threads that sign.
const SIGNERS: usize = 2;

/// A handle as the stages' tests have it: each cell stays where it is.
pub type Parcel = Box<TxBody>;

/// What a transaction of the load does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A wei to another account.
    Transfer,
    /// A unit of the token at this address to another account.
    Token(Address),
}

/// Accounts that send in turn, each transaction to the next account.
pub struct Senders {
    signers: Vec<PrivateKeySigner>,
    chain_id: u64,
    next: u64,
}

impl Senders {
    /// So many accounts, whose keys come from `seed`.
    ///
    /// # Panics
    /// If a hash is no key, which none of these is.
    #[must_use]
    pub fn new(count: u64, seed: u64, chain_id: u64) -> Self {
        let key = |index: u64| keccak256([seed.to_be_bytes(), index.to_be_bytes()].concat());
        let signer = |index| PrivateKeySigner::from_bytes(&key(index)).expect("a hash is a key");
        Self { signers: (0..count).map(signer).collect(), chain_id, next: 0 }
    }

    /// Their addresses.
    #[must_use]
    pub fn addresses(&self) -> Vec<Address> {
        self.signers.iter().map(PrivateKeySigner::address).collect()
    }

    /// Signs the next `count` transactions; nonces go on from one call to the next.
    pub fn sign(&mut self, count: usize, kind: Kind) -> Vec<Vec<u8>> {
        let from = self.next;
        self.next += count as u64;
        let part = count.div_ceil(SIGNERS).max(1) as u64;
        let this = &*self;
        thread::scope(|scope| {
            let sign = |start: u64| {
                scope.spawn(move || (start..this.next.min(start + part)).map(|at| this.signed(at, kind)).collect())
            };
            let parts: Vec<_> = (from..self.next).step_by(part as usize).map(sign).collect();
            parts
                .into_iter()
                .flat_map(|part| -> Vec<Vec<u8>> { part.join().expect("signing does not panic") })
                .collect()
        })
    }

    fn signed(&self, at: u64, kind: Kind) -> Vec<u8> {
        let count = self.signers.len() as u64;
        let signer = &self.signers[(at % count) as usize];
        let to = self.signers[((at + 1) % count) as usize].address();
        let tx = transaction(self.chain_id, at / count, to, kind);
        let signature = signer.sign_hash_sync(&tx.signature_hash()).expect("a local key signs");
        TxEnvelope::from(tx.into_signed(signature)).encoded_2718()
    }
}

fn transaction(chain_id: u64, nonce: u64, to: Address, kind: Kind) -> TxEip1559 {
    let base = TxEip1559 {
        chain_id,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: MAX_FEE,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(to),
        value: U256::ONE,
        ..TxEip1559::default()
    };
    match kind {
        Kind::Transfer => base,
        Kind::Token(token) => {
            let input = TestMetis::transferCall { to, value: U256::ONE }.abi_encode().into();
            TxEip1559 { gas_limit: TOKEN_GAS, to: TxKind::Call(token), value: U256::ZERO, input, ..base }
        }
    }
}

/// A well-formed transaction that nobody signed, for what looks at bytes only.
#[must_use]
pub fn unsigned(nonce: u64, chain_id: u64) -> Vec<u8> {
    let tx = transaction(chain_id, nonce, Address::repeat_byte(7), Kind::Transfer);
    TxEnvelope::from(tx.into_signed(Signature::test_signature())).encoded_2718()
}

/// A transfer as a block's executor takes it: decoded, of this sender, signed by nobody.
///
/// # Panics
/// If the encoding that was just made does not decode.
#[must_use]
pub fn bare_transfer(sender: Address, nonce: u64, to: Address) -> horae_stages::BlockTx {
    let tx = transaction(CHAIN_ID, nonce, to, Kind::Transfer);
    let raw = TxEnvelope::from(tx.into_signed(Signature::test_signature())).encoded_2718();
    horae_stages::BlockTx::from_stored(&raw, sender).expect("an encoding decodes")
}

/// The parameters of a devnet, in a slot without end.
#[must_use]
pub fn params() -> ChainParams {
    ChainParams { slot_ms: u64::MAX / 2, slot_blocks: u64::MAX / 2, ..ChainParams::devnet(CHAIN_ID) }
}

/// A genesis in which these accounts have a thousand ether each.
#[must_use]
pub fn genesis(funded: impl IntoIterator<Item = Address>) -> Genesis {
    let account = GenesisAccount { balance: U256::from(10).pow(U256::from(21)), ..GenesisAccount::default() };
    Genesis {
        params: params(),
        timestamp_ms: 1_700_000_000_000,
        l1_view: horae_stages::L1View::default(),
        prevrandao: B256::ZERO,
        alloc: funded.into_iter().map(|address| (address, account.clone())).collect(),
    }
}

/// A creation of the devnet's token, and calls that give every holder some; all from the account that signs with `key`, from nonce 0 on.
///
/// # Panics
/// If the key is none.
#[must_use]
pub fn token_setup(key: &B256, holders: &[Address], chain_id: u64) -> (Address, Vec<Vec<u8>>) {
    let signer = PrivateKeySigner::from_bytes(key).expect("a key");
    let token = signer.address().create(0);
    let mint =
        |to: &Address| Bytes::from(TestMetis::mintCall { to: *to, amount: U256::from(1_000_000_000_u64) }.abi_encode());
    let calls = std::iter::once((TxKind::Create, TestMetis::BYTECODE.clone()))
        .chain(holders.iter().map(|holder| (TxKind::Call(token), mint(holder))));
    let raws = calls.zip(0..).map(|((to, input), nonce)| {
        let gas_limit = if to.is_create() { 3_000_000 } else { TOKEN_GAS };
        let base = transaction(chain_id, nonce, token, Kind::Transfer);
        let tx = TxEip1559 { to, input, gas_limit, value: U256::ZERO, ..base };
        let signature = signer.sign_hash_sync(&tx.signature_hash()).expect("a local key signs");
        TxEnvelope::from(tx.into_signed(signature)).encoded_2718()
    });
    (token, raws.collect())
}

/// Ten ether for each of these accounts, from the account of `key`, whose next nonce is `nonce`.
///
/// # Panics
/// If the key is none.
#[must_use]
pub fn gifts(key: &B256, nonce: u64, accounts: &[Address], chain_id: u64) -> Vec<Vec<u8>> {
    let signer = PrivateKeySigner::from_bytes(key).expect("a key");
    let value = U256::from(10).pow(U256::from(19));
    let gift = |(to, nonce): (&Address, u64)| {
        let tx = TxEip1559 { value, ..transaction(chain_id, nonce, *to, Kind::Transfer) };
        let signature = signer.sign_hash_sync(&tx.signature_hash()).expect("a local key signs");
        TxEnvelope::from(tx.into_signed(signature)).encoded_2718()
    };
    accounts.iter().zip(nonce..).map(gift).collect()
}

/// Fills cells.
#[must_use]
pub fn frames(raws: &[Vec<u8>]) -> Vec<Frame<Parcel>> {
    let fill = |raw: &Vec<u8>| {
        let mut body = Box::new(TxBody::with_capacity(raw.len()));
        body.fill(raw, 0, 0);
        Frame::new(body)
    };
    raws.iter().map(fill).collect()
}

//! Clients: accounts that send signed transfers to a node each, and take an answer for what it is worth. Only when the node
//! dies do they go elsewhere with what they have not seen committed.

use alloy_primitives::{Address, B256, Bytes, hex, keccak256};
use horae_node::edges::rpc::Admissions;
use horae_node::pipeline::Client;
use horae_stages::Shed;

use super::judge::{Judge, Violation};
use super::node::Node;
use super::rng::Rng;
use crate::wallet::Wallet;

/// Transfers of one account that may be on their way.
const OPEN: usize = 12;
/// Steps in a thousand at which an account sends something new, unless a scene says otherwise.
const EAGER_PER_MILLE: u64 = 400;
/// A refused or unanswered transfer is sent again after this long.
const RETRY_MS: u64 = 500;

struct Sent {
    hash: B256,
    raw: Bytes,
    accepted: bool,
    answer: Option<Admissions>,
    retry_ms: u64,
}

struct Account {
    wallet: Wallet,
    nonce: u64,
    /// The node it uses, and which life of it.
    home: Option<(usize, u64)>,
    open: Vec<Sent>,
}

/// All clients.
pub struct Clients {
    accounts: Vec<Account>,
    rng: Rng,
    /// Steps in a thousand at which an account sends something new.
    pub eager_per_mille: u64,
    chain_id: u64,
    /// Transfers signed.
    pub sent: u64,
    /// Transfers that a node said it has taken.
    pub accepted: u64,
}

impl Clients {
    /// Clients with fresh keys.
    #[must_use]
    pub fn new(mut rng: Rng, accounts: usize, chain_id: u64) -> Self {
        let accounts = (0..accounts).map(|n| Account {
            wallet: Wallet::new(&hex::encode(keccak256(format!("simulated client {n} {}", rng.draw())))),
            nonce: 0,
            home: None,
            open: Vec::new(),
        });
        Self {
            accounts: accounts.collect(),
            rng: Rng::new(0),
            eager_per_mille: EAGER_PER_MILLE,
            chain_id,
            sent: 0,
            accepted: 0,
        }
        .with(rng)
    }

    fn with(mut self, rng: Rng) -> Self {
        self.rng = rng;
        self
    }

    /// Who needs money in block 0.
    pub fn addresses(&self) -> impl Iterator<Item = Address> {
        self.accounts.iter().map(|account| account.wallet.address())
    }

    /// Everything that was sent is committed.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.accounts.iter().all(|account| account.open.is_empty())
    }

    /// What is not committed, in words.
    #[must_use]
    pub fn open(&self) -> String {
        let accounts = self.accounts.iter().filter(|account| !account.open.is_empty());
        let words = accounts.map(|account| {
            let accepted = account.open.iter().filter(|sent| sent.accepted).count();
            let first = account.nonce - account.open.len() as u64;
            format!("{:?}: {} from nonce {first} ({accepted} accepted)", account.home, account.open.len())
        });
        words.collect::<Vec<_>>().join("; ")
    }

    /// Reads answers, sends what is new while `sending`, and again what was not taken.
    pub fn step(&mut self, now_ms: u64, nodes: &mut [Node], judge: &Judge, sending: bool) -> Result<(), Violation> {
        let live: Vec<usize> = nodes.iter().filter(|node| node.running.is_some()).map(|node| node.at).collect();
        for account in &mut self.accounts {
            account.open.retain(|sent| !judge.has(&sent.hash));
            if account.home.is_some_and(|(at, life)| nodes[at].life != life || nodes[at].running.is_none()) {
                account.home = None;
                for sent in &mut account.open {
                    (sent.accepted, sent.answer, sent.retry_ms) = (false, None, 0);
                }
            }
            let Some((home, _)) = account.home else {
                if !live.is_empty() && self.rng.chance(300) {
                    let at = *self.rng.pick(&live);
                    account.home = Some((at, nodes[at].life));
                }
                continue;
            };
            if sending && account.open.len() < OPEN && self.rng.chance(self.eager_per_mille) {
                let transfer = account.wallet.transfer(self.chain_id, account.nonce);
                let (hash, raw) = account.wallet.sign(transfer);
                account.nonce += 1;
                self.sent += 1;
                account.open.push(Sent { hash, raw, accepted: false, answer: None, retry_ms: 0 });
            }
            for sent in &mut account.open {
                match sent.answer.as_ref().and_then(|answer| answer.outcomes().next().flatten()) {
                    Some(Ok(_) | Err(Shed::AlreadyKnown)) => {
                        (sent.accepted, sent.answer) = (true, None);
                        self.accepted += 1;
                    }
                    Some(Err(_)) => sent.answer = None,
                    None => {}
                }
                if !sent.accepted && sent.answer.is_none() && now_ms >= sent.retry_ms {
                    let (answer, seats) = Admissions::new(1);
                    for seat in seats {
                        nodes[home].offer(now_ms, &sent.raw, Some(Client::Call(seat)));
                    }
                    (sent.answer, sent.retry_ms) = (Some(answer), now_ms + RETRY_MS);
                }
            }
        }
        Ok(())
    }
}

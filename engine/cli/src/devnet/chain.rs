//! The chain of a devnet: contracts on the L1, a genesis, a home with keys for each node.

use std::{fs, time::SystemTime};

use alloy_primitives::{Address, B256, U256, hex, keccak256};
use horae_control::{ControlParams, SignerKey};
use horae_node::{
    config::{IngestSettings, LinkSettings, MetricsSettings, PeerSettings, Settings},
    edges::l1::{
        L1, Sender,
        deploy::{
            Delays, Deployment, VotingTimes, begin_rewards, deploy, deploy_governance, hand_over, mint_and_lock,
            whitelist,
        },
    },
    genesis::{GenesisFile, GenesisValidator, L1Genesis, ViewDepth, predeploys},
    home::write_atomic,
    keys::{KeySource, Keys, Vault},
};
use horae_stages::{ChainParams, Genesis, genesis::GenesisAccount};
use serde::{Deserialize, Serialize};

use super::{
    anvil::{L1_CHAIN_ID, give_ether},
    ground::{Ground, loopback},
};
use crate::{error::CliError, ethereum::signer_key};

/// EIP-155 chain id of the L2.
const L2_CHAIN_ID: u64 = 108_801;
/// Stake of each validator, in wei METIS: the minimum lock, so weight 1.
const STAKE: u128 = 20_000 * WEI;
/// Wei in one ether.
const WEI: u128 = 1_000_000_000_000_000_000;
/// What rewards are paid of, in wei METIS: as much as the incumbent's Ecosystem Development Fund.
const REWARDS: u128 = 4_600_000 * WEI;
/// Ether that each validator has for L1 transactions, in wei.
const VALIDATOR_ETHER: u128 = 1_000 * WEI;
/// What each test account has on L2, in wei; anvil gives it as much on L1.
const TEST_BALANCE: u128 = 10_000 * WEI;
/// Accounts that send the load.
pub const TRAFFIC_ACCOUNTS: u32 = 64;
/// Seconds from leaving to claiming, of an emergency rotation, and in jail.
const DELAY_S: u64 = 60;
/// Seconds from a proposal to its vote, and from the timelock's queue to the execution.
const GOVERNANCE_DELAY_S: u64 = 2;
/// L1 blocks within which batches have to include what was entered in the forced queue.
const FORCED_DEADLINE_BLOCKS: u64 = 60;
/// The first accounts of the mnemonic that all Ethereum development tools share. Anybody has these keys.
const TEST_KEYS: [&str; 5] = [
    "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
    "47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
];

/// What a new chain is made with.
#[derive(Clone, Copy, Debug)]
pub struct ChainRules {
    /// Slots that an epoch lasts at least.
    pub epoch_slots: u64,
    /// Milliseconds between blocks.
    pub block_interval_ms: u64,
    /// Seconds of a vote.
    pub voting_period_s: u32,
    /// Whether the first test account keeps what would be governance's.
    pub deployer_owns: bool,
}

/// What is remembered of the chain between starts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Chain {
    /// The contracts.
    pub metis: Address,
    /// The LockingPool.
    pub locking: Address,
    /// The BatchInbox.
    pub inbox: Address,
    /// The governor.
    pub governor: Address,
    /// The factory of vaults.
    pub vaults: Address,
    /// The ForcedQueue.
    pub queue: Address,
    /// EIP-155 chain id of the L2.
    pub chain_id: u64,
    /// The L1 block that the chain begins at.
    pub origin_number: u64,
    /// Its hash.
    pub origin_hash: B256,
}

impl Chain {
    /// The chain of an earlier start, if there is one.
    pub fn load(ground: &Ground) -> Result<Option<Self>, CliError> {
        let file = ground.chain_file();
        if !file.exists() {
            return Ok(None);
        }
        let text = fs::read(&file).map_err(|e| CliError::because(file.display(), e))?;
        serde_json::from_slice(&text)
            .map(Some)
            .map_err(|e| CliError::new(format!("{}: {e}; begin anew with --reset", file.display())))
    }

    /// Fails unless the L1 still has the chain's origin and contracts.
    pub async fn check(&self, l1_url: &str) -> Result<(), CliError> {
        let l1 = L1::new(&[l1_url.to_owned()], &self.l1_genesis())?;
        let checked = match l1.check().await {
            Ok(()) => l1.require(self.l1_genesis().origin()).await,
            Err(error) => Err(error),
        };
        checked.map_err(|e| {
            CliError::new(format!("the L1 has lost the chain of the earlier start ({e}); begin anew with --reset"))
        })
    }

    /// Deploys the contracts, makes the homes, locks the stake, writes the genesis. It is remembered only when all is done.
    ///
    /// An epoch lasts `rules.epoch_slots` at least, and for ever without a reason to change its set or key.
    pub async fn create(ground: &Ground, l1_url: &str, rules: &ChainRules) -> Result<Self, CliError> {
        let l1 = L1::new(&[l1_url.to_owned()], &nowhere())?;
        let deployer = Sender::new(l1.clone(), test_key(0)?);
        let delays =
            Delays { exit_s: DELAY_S, emergency_s: DELAY_S, jail_s: DELAY_S, forced_blocks: FORCED_DEADLINE_BLOCKS };
        let deployment = deploy(&deployer, L2_CHAIN_ID, delays).await?;
        let times = VotingTimes {
            delay_s: GOVERNANCE_DELAY_S,
            period_s: rules.voting_period_s,
            timelock_s: GOVERNANCE_DELAY_S,
        };
        let governance = deploy_governance(&deployer, &deployment, times).await?;
        for index in 0..ground.nodes() {
            let keys = new_home(ground, index)?;
            if index < ground.validators() {
                lock(&deployer, l1_url, &deployment, &keys).await?;
            } else {
                give_ether(l1_url, keys.signer_address(), VALIDATOR_ETHER).await?;
            }
        }
        begin_rewards(&deployer, &deployment, U256::from(REWARDS)).await?;
        if !rules.deployer_owns {
            hand_over(&deployer, &deployment, &governance).await?;
        }
        let origin = l1.head().await?;
        let chain = Self {
            metis: deployment.metis,
            locking: deployment.locking,
            inbox: deployment.inbox,
            governor: governance.governor,
            vaults: governance.vaults,
            queue: deployment.queue,
            chain_id: L2_CHAIN_ID,
            origin_number: origin.view.number,
            origin_hash: origin.view.hash,
        };
        let here = chain.l1_genesis();
        let locked = L1::new(&[l1_url.to_owned()], &here)?.validators_at(origin.view).await?;
        let validators = locked.iter().map(|v| GenesisValidator {
            id: v.id,
            signer: v.signer,
            node_key: v.node_key.into(),
            stake: v.stake,
        });
        let genesis = GenesisFile {
            l2: Genesis {
                params: ChainParams { block_interval_ms: rules.block_interval_ms, ..ChainParams::devnet(L2_CHAIN_ID) },
                timestamp_ms: now_ms(),
                l1_view: origin.view,
                prevrandao: keccak256([origin.view.hash, origin.prevrandao].concat()),
                alloc: alloc()?,
            },
            l1: here,
            control: ControlParams { epoch_slots: rules.epoch_slots, ..ControlParams::devnet() }.into(),
            validators: validators.collect(),
        };
        for index in 0..ground.nodes() {
            genesis.save(&ground.node_home(index).genesis())?;
        }
        let file = ground.chain_file();
        let text = serde_json::to_vec_pretty(&chain).map_err(|e| CliError::because(file.display(), e))?;
        write_atomic(&file, &text).map_err(|e| CliError::because(file.display(), e))?;
        Ok(chain)
    }

    /// Writes each node's settings for the ports of this start. The nodes' signers, in order.
    pub fn write_settings(&self, ground: &Ground, l1_url: &str) -> Result<Vec<Address>, CliError> {
        let (mut peers, mut signers) = (Vec::new(), Vec::new());
        for index in 0..ground.nodes() {
            let ports = ground.ports(index);
            let vault = Vault::open(&ground.node_home(index), &KeySource::Devnet)?;
            let keys = Keys::load(&vault)?;
            signers.push(keys.signer_address());
            peers.push(PeerSettings {
                name: Some(format!("node-{index}")),
                node_key: keys.node_key(),
                control: loopback(ports.control),
                stream: loopback(ports.stream),
            });
        }
        for index in 0..ground.nodes() {
            let ports = ground.ports(index);
            let links = LinkSettings { control: loopback(ports.control), stream: loopback(ports.stream) };
            let mut settings = Settings::new(l1_url.to_owned(), links);
            settings.l1.poll_ms = 250;
            settings.rpc.address = loopback(ports.rpc);
            settings.ingest = IngestSettings { quic: Some(loopback(ports.quic)), tcp: Some(loopback(ports.tcp)) };
            settings.metrics = MetricsSettings { address: Some(loopback(ports.metrics)) };
            settings.keys = KeySource::Devnet;
            settings.peers = peers.iter().enumerate().filter(|(i, _)| *i != index).map(|(_, p)| p.clone()).collect();
            settings.save(&ground.node_home(index).settings())?;
        }
        Ok(signers)
    }

    /// Where the chain lives on the L1.
    pub fn l1_genesis(&self) -> L1Genesis {
        L1Genesis {
            locking: self.locking,
            inbox: self.inbox,
            queue: self.queue,
            governor: Some(self.governor),
            origin_number: self.origin_number,
            origin_hash: self.origin_hash,
            ..nowhere()
        }
    }

    /// What a newcomer needs: endpoints, contracts, accounts.
    pub fn summary(&self, ground: &Ground) -> String {
        let mut text = format!("\nL2, chain id {}\n", self.chain_id);
        for (index, url) in ground.rpc_urls().iter().enumerate() {
            let ports = ground.ports(index);
            let (quic, tcp, metrics) = (loopback(ports.quic), loopback(ports.tcp), loopback(ports.metrics));
            text += &format!("  node-{index}  JSON-RPC {url}  QUIC {quic}  TCP {tcp}  metrics http://{metrics}\n");
        }
        text += &format!("L1, chain id {L1_CHAIN_ID}, http://{}\n", loopback(ground.l1_port()));
        let contracts = [
            ("BatchInbox", self.inbox),
            ("ForcedQueue", self.queue),
            ("LockingPool", self.locking),
            ("Governor", self.governor),
            ("Vaults", self.vaults),
            ("METIS", self.metis),
        ];
        for (name, address) in contracts {
            text += &format!("  {name:<11}  {address}\n");
        }
        text += "Accounts with 10000 coins on both, FOR TESTS ONLY: everybody knows these keys\n";
        for key in TEST_KEYS {
            let address = test_key_of(key).map(|k| k.address()).unwrap_or_default();
            text += &format!("  {address}  0x{key}\n");
        }
        text
    }
}

/// A test account that everybody has the key of.
pub fn test_key(index: usize) -> Result<SignerKey, CliError> {
    test_key_of(TEST_KEYS[index])
}

/// An account that sends load; its key follows from its index.
pub fn traffic_key(index: u32) -> Result<SignerKey, CliError> {
    let secret = keccak256(format!("horae devnet traffic account {index}, for tests only"));
    SignerKey::from_bytes(&secret.0).map_err(|e| CliError::new(e.to_string()))
}

fn test_key_of(text: &str) -> Result<SignerKey, CliError> {
    let secret: [u8; 32] = hex::decode_to_array(text).map_err(|e| CliError::because("a test key", e))?;
    SignerKey::from_bytes(&secret).map_err(|e| CliError::new(e.to_string()))
}

fn alloc() -> Result<std::collections::BTreeMap<Address, GenesisAccount>, CliError> {
    let mut keys = (0..TEST_KEYS.len()).map(test_key).collect::<Result<Vec<_>, _>>()?;
    keys.extend((0..TRAFFIC_ACCOUNTS).map(traffic_key).collect::<Result<Vec<_>, _>>()?);
    let account = || GenesisAccount { balance: U256::from(TEST_BALANCE), ..Default::default() };
    Ok(keys.iter().map(|key| (key.address(), account())).chain(predeploys()).collect())
}

/// The L1 of a devnet before there is anything on it.
fn nowhere() -> L1Genesis {
    L1Genesis {
        chain_id: L1_CHAIN_ID,
        locking: Address::ZERO,
        inbox: Address::ZERO,
        queue: Address::ZERO,
        governor: None,
        origin_number: 0,
        origin_hash: B256::ZERO,
        view_depth: ViewDepth::Finalized,
    }
}

fn new_home(ground: &Ground, index: usize) -> Result<Keys, CliError> {
    let home = ground.node_home(index);
    // What an earlier start left unfinished has no chain and is of no use.
    if home.root().exists() {
        fs::remove_dir_all(home.root()).map_err(|e| CliError::because(home.root().display(), e))?;
    }
    home.create()?;
    let vault = Vault::create(&home, &KeySource::Devnet)?;
    let keys = Keys::generate()?;
    keys.store(&vault)?;
    Ok(keys)
}

async fn lock(deployer: &Sender, l1_url: &str, deployment: &Deployment, keys: &Keys) -> Result<(), CliError> {
    give_ether(l1_url, keys.signer_address(), VALIDATOR_ETHER).await?;
    whitelist(deployer, deployment.locking, keys.signer_address()).await?;
    let owner = Sender::new(deployer.l1().clone(), signer_key(keys)?);
    mint_and_lock(&owner, deployment, &signer_key(keys)?, keys.node_key(), U256::from(STAKE)).await?;
    Ok(())
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

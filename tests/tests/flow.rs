//! The whole flow with one command, and what it leaves on L1: read from the contract, and rebuilt from it alone.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use alloy_primitives::{Address, B256, hex};
use horae_mpc::KeyMaterial;
use horae_node::{
    home::Home,
    keys::{KeySource, Vault},
};
use horae_tests::{Child, l1::Anvil, node::command, programs::horae, step};
use k256::{
    ProjectivePoint, Scalar,
    elliptic_curve::{PrimeField, sec1::ToEncodedPoint},
};
use serde::Deserialize;
use serde_json::Value;

/// The devnet itself gives up after five minutes.
const FLOW_LIMIT: Duration = Duration::from_secs(330);
/// Shares that a signature takes with four validators of weight one: `floor(2 * 4 / 3) + 1`.
const THRESHOLD: usize = 3;

/// The report, with the fields of its manual.
#[derive(Debug, Deserialize)]
struct Report {
    nodes: usize,
    sent: u64,
    refused: u64,
    committed: u64,
    final_block: u64,
    final_state_root: B256,
    l1_rpc: String,
    rpc: Vec<String>,
    inbox: Address,
    locking: Address,
    chain_id: u64,
    blocks: u64,
    transactions: u64,
    group_key: String,
    l1_state: PathBuf,
    slots: Vec<Slot>,
    batches: Vec<Batch>,
}

#[derive(Debug, Deserialize)]
struct Slot {
    slot: u64,
    epoch: u64,
    sequencer: Address,
    first_block: u64,
    last_block: u64,
}

#[derive(Debug, Deserialize)]
struct Batch {
    index: u64,
    first_block: u64,
    last_block: u64,
    transactions: u64,
    raw_bytes: u64,
    posted_bytes: u64,
    signers: usize,
    l1_tx: B256,
    l1_gas: u64,
}

#[derive(Debug, Deserialize)]
struct Derived {
    head: u64,
    head_hash: B256,
    state_root: B256,
    batches: u64,
    transactions: u64,
}

#[test]
fn one_command_runs_the_whole_flow_and_l1_alone_gives_the_chain_again() {
    let dir = tempfile::Builder::new().prefix("horae-flow-").tempdir().expect("a directory");
    let (home, report) = (dir.path().join("net"), dir.path().join("r.json"));
    let report = run_devnet(&home, &report);
    check_report(&report);

    step("reading BatchInbox on the dumped state");
    let anvil = Anvil::load(&report.l1_state, &dir.path().join("anvil.log"));
    let head = anvil.inbox_head(report.inbox);
    assert_eq!(head.nextIndex, report.batches.len() as u64);
    assert_eq!((head.lastBlock, head.stateRoot), (report.final_block, report.final_state_root));
    let accepted = anvil.accepted(report.inbox);
    let (seen, told): (Vec<_>, Vec<_>) =
        accepted.iter().zip(&report.batches).map(|(a, b)| ((a.index, a.l1_tx), (b.index, b.l1_tx))).unzip();
    assert_eq!(accepted.len(), report.batches.len());
    assert_eq!(seen, told);

    step("rebuilding from L1 alone");
    let fresh = dir.path().join("fresh");
    fs::create_dir(&fresh).expect("a directory");
    fs::copy(home.join("nodes/0/genesis.json"), fresh.join("genesis.json")).expect("the genesis");
    let derived = derive(anvil.url(), report.inbox, &fresh);
    assert_eq!((derived.head, derived.state_root), (report.final_block, report.final_state_root));
    assert_eq!((derived.head_hash, derived.batches), (head.lastBlockHash, head.nextIndex));
    assert_eq!(derived.transactions, report.batches.iter().map(|b| b.transactions).sum::<u64>());

    step("a changed genesis is found out");
    let genesis = fs::read_to_string(fresh.join("genesis.json")).expect("the genesis");
    let mut genesis: Value = serde_json::from_str(&genesis).expect("JSON");
    impoverish(&mut genesis);
    fs::write(fresh.join("genesis.json"), genesis.to_string()).expect("written");
    let (ok, out, err) =
        command(&derive_arguments(anvil.url(), &report.inbox.to_string(), &fresh.to_string_lossy()), &[]);
    assert!(!ok, "another genesis gave the same chain: {out}{err}");

    step("what lies in the homes");
    let homes: Vec<PathBuf> = (0..report.nodes).map(|node| home.join("nodes").join(node.to_string())).collect();
    no_home_holds_the_group_secret(&homes, &report.group_key);
}

fn run_devnet(home: &Path, file: &Path) -> Report {
    step("horae devnet --until-batches 3 --load 200");
    let log = file.with_extension("log");
    let (home, report) = (home.to_string_lossy(), file.to_string_lossy());
    let options = ["devnet", "--home", &home, "--until-batches", "3", "--load", "200", "--report", &report];
    let mut devnet = Child::start(&horae(), &options, &[], &log);
    let status = devnet.wait(FLOW_LIMIT);
    println!("{}", devnet.tail());
    assert!(status.success(), "{status}:\n{}", devnet.said());
    let text = fs::read_to_string(file).expect("the report");
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e} in the report:\n{text}"))
}

fn check_report(report: &Report) {
    assert_eq!((report.nodes, report.rpc.len()), (4, 4));
    assert!(report.l1_rpc.starts_with("http://") && report.locking != report.inbox && report.chain_id > 0);
    assert!(report.group_key.starts_with("0x0") && report.group_key.len() == 68, "{}", report.group_key);

    assert!(report.sent >= 200, "only {} transfers were sent", report.sent);
    assert_eq!(report.committed, report.sent, "every transaction that a node took is committed");
    assert_eq!(report.refused, 0, "no transfer of the load is in any way wrong");
    assert_eq!(report.transactions, report.sent, "the chain has what was sent and nothing else");

    let sequencers: BTreeSet<Address> = report.slots.iter().map(|slot| slot.sequencer).collect();
    assert!(sequencers.len() >= 3, "{} different sequencers in {:?}", sequencers.len(), report.slots);
    let mut next = 1;
    for slot in &report.slots {
        assert_eq!(slot.first_block, next, "slots cover the chain without gap: {slot:?}");
        assert!(slot.slot > 0 && slot.epoch == 0 && slot.last_block >= slot.first_block, "{slot:?}");
        next = slot.last_block + 1;
    }
    assert_eq!(next, report.blocks + 1);

    assert!(report.batches.len() >= 3, "{} batches", report.batches.len());
    let mut next = 1;
    for (index, batch) in report.batches.iter().enumerate() {
        assert_eq!((batch.index, batch.first_block), (index as u64, next), "{batch:?}");
        assert!(batch.signers >= THRESHOLD && batch.l1_gas > 21_000, "{batch:?}");
        assert!(batch.posted_bytes > 0 && batch.posted_bytes < batch.raw_bytes.max(2_000), "{batch:?}");
        next = batch.last_block + 1;
    }
    assert_eq!(report.final_block, next - 1);
    assert!(report.final_block <= report.blocks);
}

fn derive_arguments<'a>(l1: &'a str, inbox: &'a str, home: &'a str) -> [&'a str; 8] {
    ["derive", "--l1", l1, "--inbox", inbox, "--home", home, "--json"]
}

fn derive(l1: &str, inbox: Address, home: &Path) -> Derived {
    let (ok, out, err) = command(&derive_arguments(l1, &inbox.to_string(), &home.to_string_lossy()), &[]);
    assert!(ok, "{err}");
    serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e} in {out}"))
}

/// Takes money from an account of the genesis.
fn impoverish(genesis: &mut Value) {
    let accounts = genesis.pointer_mut("/l2/alloc").and_then(Value::as_object_mut).expect("accounts of the genesis");
    accounts.values_mut().next().expect("an account")["balance"] = Value::String("0x1".to_owned());
}

/// Each home has one sealed share. Three of them together give the secret of the key on L1, so they are what they should be;
/// neither that secret nor a share is in any file as it is.
fn no_home_holds_the_group_secret(homes: &[PathBuf], group_key: &str) {
    let shares: Vec<(u16, [u8; 32])> = homes.iter().map(|home| share_in(home)).collect();
    let secret = interpolate(&shares[..THRESHOLD]);
    assert_eq!(interpolate(&shares[1..=THRESHOLD]), secret, "any three shares give the same secret");
    let key = (ProjectivePoint::GENERATOR * secret).to_affine().to_encoded_point(true);
    assert_eq!(hex::encode_prefixed(key.as_bytes()), group_key, "and it is the group's");
    assert_ne!(interpolate(&shares[..THRESHOLD - 1]), secret, "two shares do not");

    let secrets = shares.iter().map(|(_, share)| *share).chain([secret.to_bytes().into()]);
    let secrets: Vec<[u8; 32]> = secrets.collect();
    let mut looked = 0;
    for home in homes {
        let mut files = Vec::new();
        all_files(home, &mut files);
        for file in &files {
            let bytes = fs::read(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
            looked += bytes.len();
            let found = bytes.windows(32).any(|window| secrets.iter().any(|secret| window == secret));
            assert!(!found, "{} has a secret in the clear", file.display());
        }
    }
    println!("  {} homes, {looked} bytes, no secret in the clear", homes.len());
}

/// The one share that a home's vault has, and its identifier.
fn share_in(home: &Path) -> (u16, [u8; 32]) {
    let home = Home::new(home);
    let vault = Vault::open(&home, &KeySource::Devnet).expect("the vault of a devnet's node");
    let names = vault.names().expect("its names");
    assert_eq!(names, ["group-shares", "node", "signer"], "{}", home.root().display());
    let bytes = vault.unseal("group-shares").expect("it opens").expect("it is there");
    let material = KeyMaterial::from_bytes(&bytes).expect("key material");
    let identifiers: Vec<u16> = material.public().layout().identifiers(material.me()).collect();
    assert_eq!(identifiers.len(), 1, "a validator of weight one has one share of four, and three are needed");
    // Material ends with its shares: their number, then 32 bytes each (borsh).
    let (head, share) = bytes.split_last_chunk::<32>().expect("a share");
    assert!(head.ends_with(&1_u32.to_le_bytes()), "one share");
    (identifiers[0], *share)
}

/// The constant term of the polynomial through these points (Lagrange at zero).
fn interpolate(shares: &[(u16, [u8; 32])]) -> Scalar {
    let at = |identifier: u16| Scalar::from(u64::from(identifier));
    let term = |(i, share): &(u16, [u8; 32])| {
        let others = shares.iter().map(|(j, _)| *j).filter(|j| j != i);
        let weight = others
            .fold(Scalar::ONE, |product, j| product * at(j) * (at(j) - at(*i)).invert().expect("identifiers differ"));
        let share = Scalar::from_repr((*share).into()).expect("a scalar");
        weight * share
    };
    shares.iter().map(term).sum()
}

fn all_files(directory: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory of a home").flatten() {
        let path = entry.path();
        if path.is_dir() { all_files(&path, into) } else { into.push(path) }
    }
}

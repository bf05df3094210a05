//! The life of a vault of liquid staking on a real devnet, by the command line: governance opens a round and approves a provider, holders
//! deposit, the vault's validator joins at an epoch boundary, leads slots and earns; it is slashed on L1 by a proof that its signer
//! made with two blocks at one height; who leaves is paid what the price then says, to the wei.

use std::time::Duration;

use alloy_primitives::{Address, B256, U256};
use horae_tests::{
    Devnet,
    node::{command, says},
    offence,
    rewards::Payroll,
    stake::{self, WEI},
    step,
    wallet::{TEST_KEYS, Wallet},
};
use serde_json::{Value, json};

/// What a vote, an epoch or a delay of L1 may take on a machine that does much else.
const LIMIT: Duration = Duration::from_secs(180);
/// The provider's node, which has no stake at first.
const NODE: usize = 4;
/// Bond of an application, and the provider's cover, in METIS.
const BOND: u128 = 200;
const COVER: u128 = 500;

#[test]
fn a_vault_funds_a_validator_earns_is_slashed_and_pays_out() {
    let devnet = Devnet::start(&["--standby", "1", "--epoch-slots", "2", "--voting-period", "60", "--load", "20"]);
    let (alice, bob) = (Holder::new(&devnet, TEST_KEYS[1]), Holder::new(&devnet, TEST_KEYS[2]));
    let (provider, home) = (stake::signer_of(&devnet.nodes[NODE]), devnet.nodes[NODE].home_text());
    let provider_says = |arguments: &[&str]| says(&[arguments, &["--home", &home, "--yes", "--json"]].concat(), &[]);

    step("governance puts the factory of vaults to use and opens a round with a place");
    stake::mint(&devnet, alice.address, 60_000);
    alice.does(&["vote", "wrap", "--amount", "60000"]);
    let factory = stake::vaults(&devnet).to_string();
    let cover = COVER.to_string();
    let start = ["governance", "propose", "start-liquid-staking", &factory, "1", &cover, "1d"];
    let proposed = alice.does(&start);
    let proposal = proposed["facts"]["proposal"].as_str().expect("a number")[..10].to_owned();
    alice.decides(&devnet, &proposal);

    step("a provider asks for it, and is voted in");
    stake::mint(&devnet, provider, BOND + COVER);
    let about = ["--name", "Our METIS", "--symbol", "oMETIS", "--fee", "10%", "--metadata", "https://example.org"];
    provider_says(&[&["vault", "create"], &about[..]].concat());
    let hash = B256::repeat_byte(7).to_string();
    let contact = ["--uri", "https://example.org/us.json", "--hash", &hash, "--contact", "us@example.org"];
    provider_says(&[&["apply", "liquid-staking"], &contact[..]].concat());
    alice.decides(&devnet, "a1");
    let show = |holder: Address| {
        let (provider, holder) = (provider.to_string(), holder.to_string());
        says(&["vault", "show", "--provider", &provider, "--holder", &holder, "--home", &home, "--json"], &[])
    };
    let vault = show(alice.address)["vault"].as_str().expect("an address").to_owned();

    step("two holders fund it, and it locks their METIS as a validator");
    for (holder, metis) in [(&alice, 20_000), (&bob, 20_000)] {
        stake::mint(&devnet, holder.address, metis);
        holder.does(&["vault", "deposit", "--vault", &vault, "--amount", &metis.to_string()]);
    }
    let (ok, _, why) = command(&["vault", "lock", "--vault", &vault, "--home", &home, "--yes"], &[]);
    assert!(!ok && why.contains("cover"), "without its cover there is no validator: {why}");
    provider_says(&["vault", "cover", "--vault", &vault, "--amount", &cover]);
    provider_says(&["vault", "lock", "--vault", &vault]);
    let funded = show(alice.address);
    assert_eq!((wei(&funded["totalAssets"]), wei(&funded["cover"])), (metis(40_000), metis(COVER)), "{funded}");
    assert_eq!(wei(&funded["holding"]["worth"]), metis(20_000), "{funded}");
    let id = funded["validator"].as_u64().expect("a validator");

    step("it joins at the epoch boundary and leads slots");
    devnet.watch("epoch 1", LIMIT, || (devnet.epoch() == 1).then_some(()));
    devnet.watch("a slot of the vault's validator", LIMIT, || (devnet.status().sequencer == provider).then_some(()));

    step("its epoch ends and is settled: the rewards are the holders', less the fee");
    stake::raise(&devnet, 0);
    let payroll = Payroll::of(&devnet);
    let earned = devnet.watch("a settlement with its blocks", LIMIT, || {
        payroll.settlements().iter().find_map(|settled| settled.earned.get(&id).copied())
    });
    let settled = payroll.settlements();
    for (settled, allowed) in settled.iter().zip(payroll.allowed(&settled)) {
        assert_eq!(settled.allowed, allowed, "stake times time");
    }
    let rich = show(alice.address);
    let fee = earned / U256::from(10);
    assert!(wei(&rich["totalAssets"]).abs_diff(metis(40_000) + earned - fee) <= U256::from(1), "{earned}: {rich}");
    assert!(wei(&rich["holding"]["worth"]) > metis(20_000), "{rich}");

    step("one holder asks to leave");
    bob.does(&["vault", "withdraw", "--vault", &vault, "--all"]);
    alice.does(&["vault", "rebalance", "--vault", &vault]);

    step("its signer seals two blocks at one height: whoever stays and who leaves bear it, after the provider");
    let before = wei(&show(alice.address)["totalAssets"]);
    let punished = offence::report(&devnet, &offence::two_blocks(&devnet, NODE, 1));
    let after = show(bob.address);
    let lost = before - wei(&after["totalAssets"]);
    assert!(lost.abs_diff(punished - metis(COVER)) <= U256::from(2), "{before} less {punished}: {after}");
    alice.does(&["vault", "rebalance", "--vault", &vault]);
    let after = show(bob.address);
    assert_eq!((wei(&after["cover"]), wei(&after["totalAssets"])), (U256::ZERO, before - lost), "{after}");
    devnet.watch("an epoch without it", LIMIT, || {
        let list = devnet.nodes[0].rpc.try_ask("horae_validators", &json!([])).ok()?;
        list.as_array().filter(|list| list.iter().all(|v| v["signer"] != json!(provider))).map(drop)
    });

    step("what it sealed before it was jailed is settled, too");
    let first_without = devnet.nodes[0].rpc.ask("horae_epoch", &json!([]))["firstBlock"].as_u64().expect("a height");
    let settled = devnet.watch("the settlement of its last epoch", LIMIT, || {
        let settled = payroll.settlements();
        settled.iter().any(|settled| settled.settlement.lastBlock + 1 >= first_without).then_some(settled)
    });
    let later: U256 = settled.iter().filter_map(|settled| settled.earned.get(&id)).sum::<U256>() - earned;
    let assets = wei(&show(alice.address)["totalAssets"]);
    assert!(assets.abs_diff(before - lost + later - later / U256::from(10)) <= U256::from(2), "{later}: {assets}");

    step("who asked to leave is paid what the price says, after the exit delay");
    let (ok, _, why) = bob.tries(&["vault", "claim", "--vault", &vault]);
    assert!(!ok && why.contains("nothing of"), "{why}");
    offence::advance_l1(&devnet, Duration::from_secs(8 * 86_400));
    let due = devnet.watch("the exit", LIMIT, || {
        bob.tries(&["vault", "rebalance", "--vault", &vault]);
        let shown = show(bob.address);
        Some(wei(&shown["holding"]["claimable"])).filter(|claimable| !claimable.is_zero())
    });
    let half = assets / U256::from(2);
    assert!(due.abs_diff(half) <= U256::from(1_000_000), "half of what there was: {due}, {half}");
    bob.does(&["vault", "claim", "--vault", &vault]);
    assert_eq!(stake::metis_of(&devnet, bob.address), due);
    let head = devnet.nodes[0].committed();
    devnet.same_blocks(head);
}

/// Somebody with METIS who runs no node.
struct Holder {
    address: Address,
    key: &'static str,
    chain: [String; 4],
}

impl Holder {
    fn new(devnet: &Devnet, key: &'static str) -> Self {
        let chain = ["--genesis".to_owned(), devnet.genesis_file(), "--l1".to_owned(), devnet.l1_url()];
        Self { address: Wallet::new(key).address(), key, chain }
    }

    fn arguments<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        arguments.iter().copied().chain(self.chain.iter().map(String::as_str)).collect()
    }

    fn tries(&self, arguments: &[&str]) -> (bool, String, String) {
        command(&[&self.arguments(arguments)[..], &["--yes", "--json"]].concat(), &[("HORAE_KEY", self.key)])
    }

    fn does(&self, arguments: &[&str]) -> Value {
        says(&[&self.arguments(arguments)[..], &["--yes", "--json"]].concat(), &[("HORAE_KEY", self.key)])
    }

    /// Votes for a proposal once it may, and has it carried out.
    fn decides(&self, devnet: &Devnet, proposal: &str) {
        let state = || says(&self.arguments(&["governance", "show", proposal, "--json"]), &[]);
        devnet.watch("the vote", LIMIT, || (state()["state"] == "active").then_some(()));
        self.does(&["vote", "for", proposal]);
        self.does(&["governance", "queue", proposal, "--wait"]);
        self.does(&["governance", "execute", proposal, "--wait"]);
    }
}

fn metis(amount: u128) -> U256 {
    U256::from(amount * WEI)
}

fn wei(amount: &Value) -> U256 {
    serde_json::from_value(amount.clone()).expect("an amount")
}

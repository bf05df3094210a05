//! The life of a sequencer under governance, by the command line alone: it applies, holders of METIS vote it in, it locks stake, joins at
//! an epoch boundary, leads slots, leaves, takes its rewards, and claims; meanwhile a parameter changes by a vote. Keys are in homes, in a keystore
//! that `cast` made, and with a program that signs.

use std::{fs, process::Command, time::Duration};

use alloy_primitives::{Address, U256};
use horae_contracts::{Settlement, reward::part};
use horae_tests::{
    Devnet,
    node::{command, says},
    programs::foundry,
    rewards::{Payroll, Settled},
    stake::{self, WEI},
    step,
    wallet::{TEST_KEYS, Wallet},
};
use serde_json::{Value, json};

/// What a vote, an epoch or a delay of L1 may take on a machine that does much else.
const LIMIT: Duration = Duration::from_secs(120);
/// The node that has no stake at first.
const NEWCOMER: usize = 4;
/// Bond of an application, in METIS.
const BOND: u128 = 200;
/// Password of the keystore.
const PASSWORD: &str = "not a secret";

#[test]
fn a_newcomer_is_voted_in_sequences_and_leaves_with_its_stake() {
    let devnet = Devnet::start(&["--standby", "1", "--epoch-slots", "2", "--voting-period", "60", "--load", "20"]);
    let people = People::new(&devnet);
    let (newcomer, home) = (stake::signer_of(&devnet.nodes[NEWCOMER]), devnet.nodes[NEWCOMER].home_text());
    let newcomer_says = |arguments: &[&str]| says(&[arguments, &["--home", &home]].concat(), &[]);

    step("governance owns what it decides about");
    let status = newcomer_says(&["governance", "status", "--json"]);
    let owned = status["owns"].as_array().expect("what it owns");
    assert!(owned.len() == 9 && owned.iter().all(|contract| contract["isGovernance"] == true), "{status}");

    step("METIS holders wrap, and one has the other vote");
    stake::mint(&devnet, people.holder, 40_000);
    stake::mint(&devnet, people.delegator, 15_000);
    people.holder_does(&["vote", "wrap", "--amount", "40000"]);
    people.delegator_does(&["vote", "wrap", "--amount", "15000"]);
    people.delegator_does(&["vote", "delegate", "--to", &people.holder.to_string(), "--what", "wrapped"]);
    let power = newcomer_says(&["vote", "power", "--of", &people.holder.to_string(), "--json"]);
    assert_eq!((&power["votes"], &power["mayPropose"]), (&wei(55_000), &json!(true)), "{power}");

    step("a newcomer may not lock stake, and applies");
    stake::mint(&devnet, newcomer, stake::UNIT_METIS + BOND);
    let lock = ["stake", "lock", "--amount", "20000", "--home", &home];
    refused(&[&lock[..], &["--yes"]].concat(), "governance has to whitelist it first");
    let profile = devnet.scratch().join("us.json");
    fs::write(&profile, "{\"name\":\"us\"}").expect("a profile");
    let profile = profile.display().to_string();
    let apply = ["apply", "sequencer", "--uri", "https://example.org/us.json", "--contact", "us@example.org"];
    let apply = [&apply[..], &["--profile", &profile, "--home", &home]].concat();
    let (ok, plan, why) = command(&[&apply[..], &["--dry-run"]].concat(), &[]);
    assert!(
        ok && plan.contains("200 METIS, back once the vote has decided") && plan.contains("50000 METIS of votes"),
        "{plan}{why}"
    );
    let applied = says(&[&apply[..], &["--yes", "--json"]].concat(), &[]);
    assert_eq!(applied["facts"]["application"], "1", "{applied}");
    refused(&[&apply[..], &["--yes"]].concat(), "has an application under way");

    step("a parameter is proposed; one out of its bounds is not");
    refused(&people.holders(&["governance", "propose", "set-slash-fraction", "0.5%", "--yes"]), "outside the bounds");
    refused(&people.holders(&["governance", "propose", "set-slash-fraction", "many", "--yes"]), "wants a share");
    let poor = ["governance", "propose", "set-slash-fraction", "5%", "--home", &home, "--yes"];
    refused(&poor, "who proposes must hold more votes");
    let proposed =
        people.holder_does(&["governance", "propose", "set-slash-fraction", "5%", "--title", "Dearer offences"]);
    let proposal = proposed["facts"]["proposal"].as_str().expect("a number").to_owned();
    let short = &proposal[..10];

    step("the vote");
    let state = |name: &str| newcomer_says(&["governance", "show", name, "--json"]);
    for name in ["a1", short] {
        devnet.watch("the vote", LIMIT, || (state(name)["state"] == "active").then_some(()));
    }
    let listed = newcomer_says(&["governance", "list", "--json"]);
    assert_eq!(listed.as_array().map(Vec::len), Some(2), "{listed}");
    people.holder_does(&["vote", "for", "a1", "--reason", "They know what they do"]);
    refused(&people.holders(&["vote", "against", "a1", "--yes"]), "has voted on it already");
    let (first, second) = (devnet.nodes[0].home_text(), devnet.nodes[1].home_text());
    let _ = says(&["vote", "for", "a1", "--home", &first, "--yes", "--json"], &[]);
    let _ = says(&["vote", "abstain", "a1", "--home", &second, "--yes", "--json"], &[]);
    people.holder_does(&["vote", "for", short]);
    refused(&["vote", "for", "a1", "--home", &home, "--yes"], "had no votes when the vote began");
    let vote = state("a1");
    assert_eq!((&vote["for"], &vote["against"], &vote["abstain"]), (&wei(75_000), &wei(0), &wei(20_000)), "{vote}");
    refused(&["governance", "queue", "a1", "--home", &home, "--yes"], "its vote ends");

    step("it is queued, executed, and the bond comes back");
    for name in ["a1", short] {
        let decide = |does| says(&["governance", does, name, "--wait", "--home", &first, "--yes", "--json"], &[]);
        decide("queue");
        decide("execute");
        assert_eq!(state(name)["state"], "executed");
    }
    assert_eq!(newcomer_says(&["apply", "show", "1", "--json"])["status"], "accepted");
    let _ = says(&["apply", "settle", "1", "--home", &first, "--yes", "--json"], &[]);
    assert_eq!(stake::metis_of(&devnet, newcomer), U256::from((stake::UNIT_METIS + BOND) * WEI));
    let again = people.holders(&["governance", "propose", "set-slash-fraction", "6%", "--dry-run", "--json"]);
    assert!(says(&again, &[])["does"].to_string().contains("from 5.00 % to 6.00 %"));

    step("it locks its stake, and joins at the next epoch boundary");
    let _ = says(&[&lock[..], &["--yes", "--json"]].concat(), &[]);
    let rpc = devnet.nodes[0].rpc.url();
    let next = devnet.watch("the agreed view of L1 with the newcomer", LIMIT, || {
        let next = says(&["epoch", "next", "--rpc", rpc, "--json"], &[]);
        (next["epoch"] == 1 && next["joins"] == json!([newcomer])).then_some(next)
    });
    assert_eq!(next["totalWeight"], 5, "{next}");
    devnet.watch("epoch 1", LIMIT, || (devnet.epoch() == 1).then_some(()));
    let listed = says(&["epoch", "list", "--rpc", rpc, "--json"], &[]);
    assert_eq!((&listed[0]["epoch"], &listed[1]["epoch"]), (&json!(1), &json!(0)), "{listed}");
    let first_block = listed[0]["firstBlock"].as_u64().expect("a height");
    assert_eq!(listed[1]["lastBlock"].as_u64(), Some(first_block - 1), "{listed}");
    let shown = says(&["epoch", "show", "1", "--rpc", rpc, "--json"], &[]);
    assert_eq!(shown["validators"].as_array().map(Vec::len), Some(5), "{shown}");
    refused(&["epoch", "show", "7", "--rpc", rpc], "remembers the epochs 0 to 1, not 7");
    let of_it = says(&["validators", "show", &newcomer.to_string(), "--rpc", rpc, "--json"], &[]);
    let turns = of_it["turns"].as_array().expect("its turns").clone();
    assert!(of_it["status"]["weight"] == 1 && !turns.is_empty(), "{of_it}");
    let to_come = says(&["slot", "list", "--count", "50", "--rpc", rpc, "--json"], &[]);
    let own =
        |turn: &&Value| turn["sequencer"].as_str().map(str::to_lowercase) == Some(newcomer.to_string().to_lowercase());
    assert!(to_come.as_array().expect("turns").iter().filter(own).count() >= 5, "{to_come}");
    devnet.watch("a slot of the newcomer", LIMIT, || (devnet.status().sequencer == newcomer).then_some(()));

    step("it leaves");
    newcomer_says(&["stake", "unlock", "--yes", "--json"]);
    devnet.watch("epoch 2", LIMIT, || (devnet.epoch() == 2).then_some(()));
    let last = says(&["epoch", "show", "2", "--rpc", rpc, "--json"], &[]);
    assert_eq!(last["totalWeight"], 4, "{last}");
    refused(&["stake", "claim", "--home", &home, "--yes"], "the stake is liable until that second");

    step("what it sealed is settled, and it takes what it earned, to the wei");
    let earned = earned(&devnet, stake::show(&devnet, NEWCOMER)["id"].as_u64().expect("its number"));
    assert!(!earned.is_zero());
    newcomer_says(&["stake", "rewards", "--yes", "--json"]);
    assert_eq!(stake::metis_of(&devnet, newcomer), U256::from(BOND * WEI) + earned);

    step("after the exit delay its stake comes back");
    devnet.watch("the end of the exit delay", LIMIT, || {
        command(&["stake", "claim", "--home", &home, "--dry-run", "--json"], &[]).0.then_some(())
    });
    newcomer_says(&["stake", "claim", "--yes", "--json"]);
    assert_eq!(stake::metis_of(&devnet, newcomer), U256::from((stake::UNIT_METIS + BOND) * WEI) + earned);

    step("wrapped METIS comes back");
    people.delegator_does(&["vote", "unwrap", "--amount", "15000"]);
    assert_eq!(stake::metis_of(&devnet, people.delegator), U256::from(15_000 * WEI));
    let head = devnet.nodes[0].committed();
    devnet.wait_for_head(NEWCOMER, head, LIMIT);
    devnet.same_blocks(head);
}

/// What a validator earned by the formula, once its blocks are settled.
fn earned(devnet: &Devnet, id: u64) -> U256 {
    let payroll = Payroll::of(devnet);
    let settlements = devnet.watch("the settlement of its blocks", LIMIT, || {
        let settlements = payroll.settlements();
        settlements.iter().any(|settled| settled.earned.contains_key(&id)).then_some(settlements)
    });
    let of = |(settled, allowed): (&Settled, U256)| {
        let Settlement { ids, blocks, firstBlock, lastBlock, .. } = &settled.settlement;
        let sealed = ids.iter().position(|earner| *earner == id).map(|at| blocks[at]);
        sealed.map(|sealed| part(allowed, sealed, lastBlock - firstBlock + 1))
    };
    settlements.iter().zip(payroll.allowed(&settlements)).filter_map(of).sum()
}

/// Holders of METIS who run no node.
struct People {
    holder: Address,
    delegator: Address,
    /// The chain, and where the holder's key is.
    by_keystore: Vec<String>,
    /// The chain, and who signs for the delegator.
    by_command: Vec<String>,
}

impl People {
    fn new(devnet: &Devnet) -> Self {
        let (holder, delegator) = (Wallet::new(TEST_KEYS[1]).address(), Wallet::new(TEST_KEYS[2]).address());
        let chain = ["--genesis", &devnet.genesis_file(), "--l1", &devnet.l1_url()].map(str::to_owned);
        let keystore = ["--keystore", &keystore(devnet), "--password-file", &password(devnet)].map(str::to_owned);
        let signer = ["--signer-command", &signer(devnet, delegator)].map(str::to_owned);
        Self {
            holder,
            delegator,
            by_keystore: [&chain[..], &keystore].concat(),
            by_command: [&chain[..], &signer].concat(),
        }
    }

    fn holders<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        arguments.iter().copied().chain(self.by_keystore.iter().map(String::as_str)).collect()
    }

    fn holder_does(&self, arguments: &[&str]) -> Value {
        says(&[&self.holders(arguments)[..], &["--yes", "--json"]].concat(), &[])
    }

    fn delegator_does(&self, arguments: &[&str]) -> Value {
        let chain: Vec<&str> = self.by_command.iter().map(String::as_str).collect();
        says(&[arguments, &chain, &["--yes", "--json"]].concat(), &[])
    }
}

/// The holder's key as `cast` keeps keys.
fn keystore(devnet: &Devnet) -> String {
    let directory = devnet.scratch().join("keystores");
    let made = Command::new(foundry("cast"))
        .args(["wallet", "import", "holder", "--keystore-dir"])
        .arg(&directory)
        .args(["--private-key", TEST_KEYS[1], "--unsafe-password", PASSWORD])
        .output()
        .expect("cast starts");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    directory.join("holder").display().to_string()
}

fn password(devnet: &Devnet) -> String {
    let file = devnet.scratch().join("password");
    fs::write(&file, format!("{PASSWORD}\n")).expect("a password");
    file.display().to_string()
}

/// A program that has the delegator's key and speaks the protocol of `--signer-command`; `cast` signs for it.
fn signer(devnet: &Devnet, address: Address) -> String {
    let file = devnet.scratch().join("signer.sh");
    let (cast, key) = (foundry("cast").display().to_string(), TEST_KEYS[2]);
    let text = format!(
        "read -r question\n\
         case \"$question\" in\n\
         *'\"request\":\"address\"'*) echo '{{\"address\":\"{address}\"}}' ;;\n\
         *) digest=$(printf %s \"$question\" | sed 's/.*\"digest\":\"\\(0x[0-9a-f]*\\)\".*/\\1/')\n\
         echo \"{{\\\"signature\\\":\\\"$('{cast}' wallet sign --no-hash --private-key {key} \"$digest\")\\\"}}\" ;;\n\
         esac\n"
    );
    fs::write(&file, text).expect("a program");
    format!("sh '{}'", file.display())
}

fn refused(arguments: &[&str], words: &str) {
    let (ok, said, why) = command(arguments, &[]);
    assert!(!ok && why.contains(words), "{arguments:?}: {said}{why}");
}

/// METIS as JSON has it: wei, in hexadecimal.
fn wei(metis: u128) -> Value {
    json!(U256::from(metis * WEI))
}

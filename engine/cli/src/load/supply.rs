//! Where the transactions of a run come from: signed now, or from a file; in either case for accounts that can pay.

use std::{path::Path, sync::Arc, time::Duration};

use alloy_primitives::U256;
use horae_control::SignerKey;
use indicatif::ProgressBar;
use tokio::time::sleep;

use super::{
    accounts::{deploy, fund, funder, nonces, terms},
    args::LoadOptions,
    contracts::{Called, Contract},
    mix::Kind,
    plan::{About, Draft, Plan, Sender, Signing},
    purse::Purse,
    saved,
    wallet::Terms,
};
use crate::{error::CliError, rpc::Rpc};

/// How often progress is shown.
const LOOK: Duration = Duration::from_millis(100);

/// Signs anew, or reads the file, and sees to it that the chain is ready for it.
pub async fn supply(rpc: &Rpc, options: &LoadOptions, say: &ProgressBar) -> Result<Plan, CliError> {
    say.set_message(format!("asking {}", rpc.url()));
    let key = funder(options.key.as_deref())?;
    let terms = terms(rpc).await?;
    if let Some(path) = &options.from {
        return from_file(rpc, path, &key, terms, say).await;
    }
    let draft = draft(options, say).await?;
    let mut purse = Purse::open(rpc, &key, terms, say).await?;
    let called = deploy(&mut purse, &options.mix).await?;
    let accounts = draft.accounts();
    say.set_message(format!("asking for the nonces of {} accounts", accounts.len()));
    let senders = draft.senders(&nonces(rpc, &accounts).await?, terms.max_fee);
    fund_senders(rpc, &key, terms, &senders, called, say).await?;
    let about = about(&key, terms, options, called);
    sign(draft, about, senders, terms, say).await
}

/// A plan for no chain: what it takes to send it to a sink.
pub async fn for_nobody(options: &LoadOptions, say: &ProgressBar) -> Result<Plan, CliError> {
    if let Some(path) = &options.from {
        return saved::read(path);
    }
    let key = funder(options.key.as_deref())?;
    let terms = Terms { chain_id: 1, max_fee: 1, tip: 0 };
    let called = Called { token: Some(Contract::Token.address(&key)?), market: Some(Contract::Market.address(&key)?) };
    let draft = draft(options, say).await?;
    let senders = draft.senders(&vec![0; options.accounts as usize], terms.max_fee);
    sign(draft, about(&key, terms, options, called), senders, terms, say).await
}

fn about(key: &SignerKey, terms: Terms, options: &LoadOptions, called: Called) -> About {
    About {
        chain_id: terms.chain_id,
        funder: key.address(),
        max_fee: U256::from(terms.max_fee),
        mix: options.mix,
        skew: options.skew,
        called,
    }
}

async fn draft(options: &LoadOptions, say: &ProgressBar) -> Result<Draft, CliError> {
    say.set_message(format!("deriving {} accounts", options.accounts));
    let options = options.clone();
    let make = move || {
        let key = funder(options.key.as_deref())?;
        Draft::make(&key, options.accounts, options.transactions, &options.mix, options.skew)
    };
    tokio::task::spawn_blocking(make).await.map_err(|e| CliError::because("deriving accounts", e))?
}

/// Signs on threads of its own. Ends them when it is dropped.
async fn sign(
    draft: Draft,
    about: About,
    senders: Vec<Sender>,
    terms: Terms,
    say: &ProgressBar,
) -> Result<Plan, CliError> {
    struct Stop(Arc<Signing>);
    impl Drop for Stop {
        fn drop(&mut self) {
            self.0.stop();
        }
    }
    let stop = Stop(Arc::default());
    let signing = stop.0.clone();
    let count: u64 = senders.iter().map(|sender| u64::from(sender.count)).sum();
    let mut running = tokio::task::spawn_blocking(move || draft.sign(about, senders, terms, &signing));
    loop {
        tokio::select! {
            plan = &mut running => {
                let plan = plan.map_err(|e| CliError::because("signing", e))?;
                return plan.ok_or_else(|| CliError::new("signing was stopped"));
            }
            () = sleep(LOOK) => say.set_message(format!("signing: {} of {count} transactions", stop.0.done())),
        }
    }
}

async fn from_file(rpc: &Rpc, path: &Path, key: &SignerKey, terms: Terms, say: &ProgressBar) -> Result<Plan, CliError> {
    say.set_message(format!("reading {}", path.display()));
    let file = path.to_owned();
    let plan = tokio::task::spawn_blocking(move || saved::read(&file))
        .await
        .map_err(|e| CliError::because("reading", e))??;
    let about = plan.about();
    let sign_again = "sign again with --save";
    if about.chain_id != terms.chain_id {
        return Err(CliError::new(format!(
            "{} was signed for chain {}, and {} is chain {}; {sign_again}",
            path.display(),
            about.chain_id,
            rpc.url(),
            terms.chain_id
        )));
    }
    let price = U256::from(terms.max_fee / super::accounts::FEE_ROOM);
    if about.max_fee < price {
        return Err(CliError::new(format!(
            "the transactions of {} pay {} wei a gas, and {} wants {price}; {sign_again}",
            path.display(),
            about.max_fee,
            rpc.url()
        )));
    }
    check_nonces(rpc, path, &plan).await?;
    let is_same_funder = about.funder == key.address();
    let contracts = [(about.called.token, Kind::Erc20), (about.called.market, Kind::Contract)];
    for (address, kind) in contracts.into_iter().filter_map(|(address, kind)| Some((address?, kind))) {
        if !is_same_funder && !Contract::is_there(rpc, address).await? {
            return Err(CliError::new(format!(
                "{} calls {address} ({}), which is not on this chain; the key of {}, given with --key, deploys it",
                path.display(),
                kind.name(),
                about.funder
            )));
        }
    }
    if is_same_funder {
        let mut purse = Purse::open(rpc, key, terms, say).await?;
        let there = deploy(&mut purse, &about.mix).await?;
        if there != about.called {
            return Err(CliError::new(format!(
                "{} calls contracts of another version of horae; {sign_again}",
                path.display()
            )));
        }
    }
    let called = about.called;
    fund_senders(rpc, key, terms, plan.senders(), called, say).await?;
    Ok(plan)
}

/// Fails unless every account is where the file found it.
async fn check_nonces(rpc: &Rpc, path: &Path, plan: &Plan) -> Result<(), CliError> {
    let accounts: Vec<_> = plan.senders().iter().map(|sender| sender.address).collect();
    let now = nonces(rpc, &accounts).await?;
    let moved: Vec<_> =
        plan.senders().iter().zip(now).filter(|(sender, now)| sender.count > 0 && sender.nonce != *now).collect();
    let Some((first, now)) = moved.first() else { return Ok(()) };
    Err(CliError::new(format!(
        "the nonces of {} do not fit this chain any more: {} has {now} and was to begin with {} ({} of {} accounts differ); \
         sign again with --save, or take the chain back to where it was",
        path.display(),
        first.address,
        first.nonce,
        moved.len(),
        accounts.len()
    )))
}

async fn fund_senders(
    rpc: &Rpc,
    key: &SignerKey,
    terms: Terms,
    senders: &[Sender],
    called: Called,
    say: &ProgressBar,
) -> Result<(), CliError> {
    let needs: Vec<_> = senders.iter().filter(|s| s.count > 0).map(|s| (s.address, s.need)).collect();
    fund(rpc, key, terms, &needs, called.token, say).await
}

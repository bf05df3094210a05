//! `horae apply list` and `show`

use alloy_primitives::{Address, B256, U256};
use horae_contracts::{Application, Applications};
use horae_node::{edges::l1::L1, home::Home};
use serde::Serialize;

use super::args::{ListOptions, ShowOptions};
use crate::{
    amount::metis,
    error::CliError,
    ethereum::keys_of,
    governance::{
        contracts::Governance,
        proposal::{printable, whole},
    },
    json,
    moment::moment,
    plan::in_words,
};

/// `IApplications.Status`, in words.
const STATUS: [&str; 10] =
    ["unknown", "pending", "voting", "approved", "queued", "accepted", "rejected", "ignored", "withdrawn", "cancelled"];
/// `IRules.Kind`, in words.
const KINDS: [&str; 3] = ["general", "sequencer", "liquid staking"];
/// Applications that are read with one call.
const PAGE: u64 = 50;

/// An application. Amounts in wei of METIS, times in Unix seconds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    number: u64,
    kind: &'static str,
    /// Who applies.
    pub applicant: Address,
    /// Where it stands.
    pub status: &'static str,
    applied_at: u64,
    proposal: String,
    /// What it left.
    pub bond: U256,
    bond_is_paid: bool,
    uri: String,
    hash: B256,
    contact: String,
    signer: Address,
    node_key: B256,
}

impl From<Application> for Shown {
    fn from(found: Application) -> Self {
        let word = |words: &[&'static str], at: u8| words.get(usize::from(at)).copied().unwrap_or("unknown");
        Self {
            number: found.id,
            kind: word(&KINDS, found.kind),
            applicant: found.applicant,
            status: word(&STATUS, found.status),
            applied_at: found.appliedAt,
            proposal: whole(found.proposalId),
            bond: found.bond,
            bond_is_paid: found.settled,
            uri: found.profile.uri,
            hash: found.profile.hash,
            contact: found.profile.contact,
            signer: found.profile.signer,
            node_key: found.profile.nodeKey,
        }
    }
}

/// Reads an application.
pub async fn read(l1: &L1, governance: &Governance, number: u64) -> Result<Shown, CliError> {
    let found = l1.view(governance.applications, Applications::applicationCall { id: number }).await;
    found.map(Shown::from).map_err(in_words)
}

/// Prints all.
pub async fn list(options: &ListOptions) -> Result<(), CliError> {
    let l1 = options.l1.connect().await?;
    let governance = Governance::find(&l1, &options.l1, &options.governor).await?;
    let count = l1.view(governance.applications, Applications::countCall {}).await?;
    let mut all: Vec<Shown> = Vec::new();
    let mut first = 1;
    while first <= count {
        let page = l1.view(governance.applications, Applications::pageCall { first, limit: PAGE }).await?;
        all.extend(page.into_iter().map(Shown::from));
        first += PAGE;
    }
    if options.json {
        return json::print(&all);
    }
    if all.is_empty() {
        println!("nobody has applied");
        return Ok(());
    }
    println!(
        "{:>4}  {:<14}  {:<42}  {:<9}  {:<6}  proposal    written at",
        "no", "kind", "applicant", "stands", "bond"
    );
    for shown in &all {
        let bond = if shown.bond_is_paid { "paid" } else { "held" };
        let (number, kind, status, proposal) = (shown.number, shown.kind, shown.status, &shown.proposal[..10]);
        let (applicant, uri) = (shown.applicant, printable(&shown.uri));
        println!("{number:>4}  {kind:<14}  {applicant}  {status:<9}  {bond:<6}  {proposal}  {uri}");
    }
    Ok(())
}

/// Prints one.
pub async fn one(options: &ShowOptions) -> Result<(), CliError> {
    let l1 = options.at.l1.connect().await?;
    let governance = Governance::find(&l1, &options.at.l1, &options.at.governor).await?;
    let number = match (options.number, &options.at.l1.home) {
        (Some(number), _) => number,
        (None, Some(home)) => last_of(&l1, &governance, keys_of(&Home::new(home))?.signer_address()).await?,
        (None, None) => return Err(CliError::new("name the number of an application; see `horae apply list`")),
    };
    let shown = read(&l1, &governance, number).await?;
    if options.at.json {
        return json::print(&shown);
    }
    println!("application  {} ({})", shown.number, shown.kind);
    println!("applicant    {}", shown.applicant);
    println!("stands       {}", shown.status);
    println!("applied      {}", moment(shown.applied_at, l1.head().await?.timestamp_s));
    println!("written at   {}", printable(&shown.uri));
    println!("keccak256    {}", shown.hash);
    println!("contact      {}", printable(&shown.contact));
    if !shown.signer.is_zero() {
        println!("signer       {}", shown.signer);
        println!("node key     {}", shown.node_key);
    }
    println!("bond         {}, {}", metis(shown.bond), if shown.bond_is_paid { "paid" } else { "held" });
    println!("proposal     {}", shown.proposal);
    let next = match shown.status {
        "voting" => Some(format!("`horae vote for a{number}`, `against` or `abstain`")),
        "approved" => Some(format!("`horae governance queue a{number}`, by anyone")),
        "queued" => Some(format!("`horae governance execute a{number}`, by anyone")),
        "accepted" | "rejected" | "ignored" | "cancelled" if !shown.bond_is_paid => {
            Some(format!("`horae apply settle {number}`, by anyone"))
        }
        _ => None,
    };
    if let Some(next) = next {
        println!("next         {next}");
    }
    Ok(())
}

async fn last_of(l1: &L1, governance: &Governance, applicant: Address) -> Result<u64, CliError> {
    let numbers = l1.view(governance.applications, Applications::applicationsOfCall { applicant }).await?;
    let last = numbers.last().copied();
    last.ok_or_else(|| CliError::new(format!("{applicant} has never applied; name a number, see `horae apply list`")))
}

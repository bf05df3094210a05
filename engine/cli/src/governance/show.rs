//! `horae governance list` and `show`

use alloy_primitives::{Address, U256};
use horae_contracts::Rule;
use serde_json::{Value, json};

use super::{
    args::{ListOptions, ShowOptions},
    contracts::Governance,
    find,
    proposal::{Proposal, Standing, State, printable, whole},
};
use crate::{
    amount::{metis, percent},
    error::CliError,
    json,
    moment::moment,
};

/// Prints all proposals.
pub async fn list(options: &ListOptions) -> Result<(), CliError> {
    let l1 = options.at.l1.connect().await?;
    let governance = Governance::find(&l1, &options.at.l1, &options.at.governor).await?;
    let proposals = find::list(&l1, &governance, options.blocks).await?;
    let mut standings = Vec::new();
    for proposal in &proposals {
        standings.push(proposal.standing(&l1, &governance).await?);
    }
    if options.at.json {
        let all = proposals.iter().zip(&standings).map(|(proposal, standing)| report(proposal, standing));
        return json::print(&all.collect::<Vec<_>>());
    }
    if proposals.is_empty() {
        println!("no proposal was made in the last {} L1 blocks", options.blocks);
        return Ok(());
    }
    println!("{:<10}  {:<22}  {:>14}  {:>14}  title", "proposal", "state", "for", "against");
    for (proposal, standing) in proposals.iter().zip(&standings) {
        let (name, state, title) = (proposal.short(), standing.state.words(), proposal.title());
        println!("{name}  {state:<22}  {:>14}  {:>14}  {title}", round(standing.in_favour), round(standing.against));
    }
    Ok(())
}

/// Prints a proposal.
pub async fn one(options: &ShowOptions) -> Result<(), CliError> {
    let l1 = options.at.l1.connect().await?;
    let governance = Governance::find(&l1, &options.at.l1, &options.at.governor).await?;
    let proposal = find::find(&l1, &governance, &options.which.proposal, options.which.blocks).await?;
    let standing = proposal.standing(&l1, &governance).await?;
    if options.at.json {
        return json::print(&report(&proposal, &standing));
    }
    let now = l1.head().await?.timestamp_s;
    println!("proposal    {}", whole(proposal.id));
    for line in proposal.description.lines() {
        println!("            {}", printable(line));
    }
    println!("made by     {}", maker(proposal.proposer, &governance));
    for call in &proposal.calls {
        println!("does        {}", call.words(&governance));
    }
    println!("state       {}", standing.state.words());
    println!("vote        from {}", moment(proposal.vote_start_s, now));
    println!("            to   {}", moment(proposal.vote_end_s, now));
    let Standing { in_favour, against, abstained, rule, .. } = &standing;
    println!("votes       {} for, {} against, {} abstain", metis(*in_favour), metis(*against), metis(*abstained));
    println!("quorum      {} of {} (for and abstain)", metis(*in_favour + *abstained), metis(U256::from(rule.quorum)));
    let share = standing.share().map_or_else(|| "no votes".to_owned(), percent);
    println!("in favour   {share} of {} (for / for and against)", percent(rule.share));
    if let Some(next) = next(&proposal, &standing, now) {
        println!("next        {next}");
    }
    Ok(())
}

fn maker(proposer: Address, governance: &Governance) -> String {
    if proposer == governance.applications { "an application".to_owned() } else { proposer.to_string() }
}

/// What can be done about it.
fn next(proposal: &Proposal, standing: &Standing, now_s: u64) -> Option<String> {
    let name = proposal.short();
    match standing.state {
        State::Pending => Some(format!("the vote begins {}", moment(proposal.vote_start_s, now_s))),
        State::Active => Some(format!("`horae vote for {name}`, `against` or `abstain`")),
        State::Succeeded => Some(format!("`horae governance queue {name}`, by anyone")),
        State::Queued => {
            Some(format!("`horae governance execute {name}`, by anyone, {}", moment(standing.executable_s, now_s)))
        }
        State::Canceled | State::Defeated | State::Expired | State::Executed => None,
    }
}

fn report(proposal: &Proposal, standing: &Standing) -> Value {
    let Standing { state, against, in_favour, abstained, rule: Rule { quorum, share }, executable_s } = standing;
    json!({
        "id": whole(proposal.id), "proposer": proposal.proposer, "calls": proposal.calls,
        "description": proposal.description, "voteStart": proposal.vote_start_s, "voteEnd": proposal.vote_end_s,
        "state": state, "for": in_favour, "against": against, "abstain": abstained,
        "quorum": U256::from(*quorum), "share": share, "executableAt": executable_s,
    })
}

/// METIS for a table, without parts of one.
fn round(wei: U256) -> String {
    metis(wei / U256::from(1_000_000_000_000_000_000_u64) * U256::from(1_000_000_000_000_000_000_u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_what_can_be_done_next() {
        let proposal = Proposal {
            id: U256::from(0x1a2b_u64) << 240,
            proposer: Address::ZERO,
            calls: Vec::new(),
            description: "Title\nmore".to_owned(),
            vote_start_s: 100,
            vote_end_s: 200,
        };
        let said = |state| {
            let rule = Rule { quorum: 1, share: 8_000 };
            let (against, in_favour, abstained) = (U256::ZERO, U256::ZERO, U256::ZERO);
            let standing = Standing { state, against, in_favour, abstained, rule, executable_s: 300 };
            next(&proposal, &standing, 90).unwrap_or_default()
        };
        assert!(said(State::Pending).contains("(in 10 s)"));
        assert!(said(State::Active).starts_with("`horae vote for 0x1a2b0000`"));
        assert!(said(State::Succeeded).contains("queue 0x1a2b0000"));
        assert!(said(State::Queued).contains("execute 0x1a2b0000") && said(State::Queued).contains("(in 3 minutes)"));
        assert_eq!(said(State::Executed), "");
        assert_eq!(
            (proposal.title().as_str(), round(U256::from(1_500_000_000_000_000_000_u64)).as_str()),
            ("Title", "1 METIS")
        );
    }
}

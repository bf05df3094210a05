//! Finding proposals: the governor keeps none of their texts, so they are read from its events, newest first.

use horae_contracts::HoraeGovernor::ProposalCreated;
use horae_node::edges::l1::L1;

use super::{
    contracts::Governance,
    proposal::{Proposal, ProposalName, whole},
};
use crate::error::CliError;

/// L1 blocks that are searched unless told: six weeks of Ethereum.
pub const BLOCKS: u64 = 300_000;
/// L1 blocks of one step back.
const STEP: u64 = 10_000;

/// Proposals of the last `blocks` L1 blocks, newest first.
pub async fn list(l1: &L1, governance: &Governance, blocks: u64) -> Result<Vec<Proposal>, CliError> {
    let mut found = Vec::new();
    let mut search = Search::from(l1.height().await?, blocks);
    while let Some(newer) = search.step(l1, governance).await? {
        found.extend(newer);
    }
    Ok(found)
}

/// The proposal with this name.
pub async fn find(l1: &L1, governance: &Governance, name: &ProposalName, blocks: u64) -> Result<Proposal, CliError> {
    let wanted: Box<dyn Fn(&Proposal) -> bool + Send> = match name {
        ProposalName::Application(number) => return Proposal::of_application(l1, governance, *number).await,
        ProposalName::Id(id) => {
            let id = *id;
            Box::new(move |proposal| proposal.id == id)
        }
        ProposalName::Begins(digits) => {
            let begins = format!("0x{digits}");
            Box::new(move |proposal| whole(proposal.id).starts_with(&begins))
        }
    };
    let is_whole = matches!(name, ProposalName::Id(_));
    let mut found: Option<Proposal> = None;
    let mut search = Search::from(l1.height().await?, blocks);
    while let Some(newer) = search.step(l1, governance).await? {
        for proposal in newer.into_iter().filter(|proposal| wanted(proposal)) {
            if is_whole {
                return Ok(proposal);
            }
            if found.is_some() {
                return Err(CliError::new(format!("several proposals begin with {name}; give more digits")));
            }
            found = Some(proposal);
        }
    }
    found.ok_or_else(|| {
        CliError::new(format!(
            "no proposal {name} in the last {blocks} L1 blocks; see `horae governance list`, or look further back with --blocks"
        ))
    })
}

/// Blocks that are still to be searched, from the top down.
struct Search {
    top: Option<u64>,
    bottom: u64,
}

impl Search {
    fn from(head: u64, blocks: u64) -> Self {
        Self { top: Some(head), bottom: head.saturating_sub(blocks) }
    }

    async fn step(&mut self, l1: &L1, governance: &Governance) -> Result<Option<Vec<Proposal>>, CliError> {
        let Some((from, to)) = self.range() else { return Ok(None) };
        let mut events = l1.said::<ProposalCreated>(governance.governor, from, to).await?;
        events.reverse();
        Ok(Some(events.into_iter().map(Proposal::from).collect()))
    }

    fn range(&mut self) -> Option<(u64, u64)> {
        let to = self.top?;
        let from = to.saturating_sub(STEP - 1).max(self.bottom);
        self.top = from.checked_sub(1).filter(|top| *top >= self.bottom);
        Some((from, to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_goes_back_without_gaps_and_ends() {
        let ranges = |head, blocks| {
            let mut search = Search::from(head, blocks);
            std::iter::from_fn(move || search.range()).collect::<Vec<_>>()
        };
        assert_eq!(ranges(0, BLOCKS), [(0, 0)]);
        assert_eq!(ranges(25_000, BLOCKS), [(15_001, 25_000), (5_001, 15_000), (0, 5_000)]);
        assert_eq!(ranges(100_000, 15_000), [(90_001, 100_000), (85_000, 90_000)]);
        assert_eq!(ranges(9_999, BLOCKS), [(0, 9_999)]);
    }
}

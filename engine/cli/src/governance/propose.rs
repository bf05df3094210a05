//! `horae governance propose`

use std::collections::BTreeSet;

use alloy_primitives::{U256, keccak256};
use horae_contracts::{HoraeGovernor, Rule};
use horae_node::edges::l1::{L1, Sender};

use super::{
    args::ProposeOptions,
    changes::Changed,
    contracts::Governance,
    proposal::{ProposedCall, split, whole},
};
use crate::{
    amount::{lasting, metis, percent},
    error::CliError,
    plan::{Plan, in_words},
};

/// `IRules.Kind`
const GENERAL: u8 = 0;
const KINDS: [u8; 3] = [GENERAL, 1, 2];

/// Makes a proposal.
pub async fn run(options: &ProposeOptions) -> Result<(), CliError> {
    let sender = options.send.sender().await?;
    let l1 = sender.l1();
    let governance = Governance::find(l1, &options.send.l1, &options.governor).await?;
    let Changed { calls, title } = match options.change {
        Some(change) => change.with(&options.values, l1, &governance).await?,
        None => given(options)?,
    };
    let works = rehearse(l1, &governance, &calls).await?;
    if let Err(why) = &works
        && !options.even_if_failing
    {
        return Err(CliError::new(format!(
            "if it were decided now it would fail: {why}; --even-if-failing proposes it all the same"
        )));
    }
    let title = options.title.clone().unwrap_or(title);
    let description = described(&title, options.reason.as_deref(), &sender);
    let (targets, values, calldatas) = split(&calls);
    let id = HoraeGovernor::getProposalIdCall {
        targets: targets.clone(),
        values: values.clone(),
        calldatas: calldatas.clone(),
        descriptionHash: keccak256(&description),
    };
    let id = l1.view(governance.governor, id).await?;
    let needed = needed(l1, &governance, &calls).await?;
    let threshold: U256 = l1.view(governance.governor, HoraeGovernor::proposalThresholdCall {}).await?;
    let (delay, period) = governance.voting_s(l1).await?;
    let plan = Plan::new(format!("propose: {title}"))
        .fact("proposal", whole(id))
        .facts(calls.iter().map(|call| ("does", call.words(&governance))))
        .fact("would work", works.unwrap_or_else(|why| why))
        .fact(
            "needs",
            format!("{} of votes, {} of them in favour", metis(U256::from(needed.quorum)), percent(needed.share)),
        )
        .fact("vote", format!("begins in {}, lasts {}", lasting(delay), lasting(period)))
        .fact("then", format!("at least {} at the timelock", lasting(governance.timelock_s(l1).await?)))
        .fact("proposer", format!("must hold {} of votes", metis(threshold)));
    let call = HoraeGovernor::proposeCall { targets, values, calldatas, description };
    plan.call(governance.governor, &call).carry_out(&sender, &options.send).await
}

/// Calls by their bytes.
fn given(options: &ProposeOptions) -> Result<Changed, CliError> {
    let (to, inputs, values) = (&options.to, &options.call, &options.value);
    if to.len() != inputs.len() || !(values.is_empty() || values.len() == to.len()) {
        return Err(CliError::new("every --to wants one --call, and a --value if any has one"));
    }
    let title = options.title.clone().ok_or_else(|| CliError::new("calls by their bytes want a --title"))?;
    let values = values.iter().copied().chain(std::iter::repeat(U256::ZERO));
    let calls = to.iter().zip(inputs).zip(values);
    let calls = calls.map(|((to, input), value)| ProposedCall { to: *to, value, input: input.clone() }).collect();
    Ok(Changed { calls, title })
}

/// The governor keeps everyone but the account in the last line from making the same proposal first.
fn described(title: &str, reason: Option<&str>, sender: &Sender) -> String {
    let reason = reason.map(|reason| format!("\n\n{reason}")).unwrap_or_default();
    format!("{title}{reason}\n#proposer={:#x}", sender.address())
}

/// Whether the timelock could make each call now, by itself; what goes wrong otherwise. Calls of the governor to itself cannot be tried: it
/// takes them from a proposal under execution only.
async fn rehearse(
    l1: &L1,
    governance: &Governance,
    calls: &[ProposedCall],
) -> Result<Result<String, String>, CliError> {
    for call in calls.iter().filter(|call| call.to != governance.governor) {
        let tried = l1.rehearse(governance.timelock, call.to, call.input.clone(), call.value).await;
        match tried.map_err(|why| (why.is_transient(), why)) {
            Ok(()) => {}
            Err((true, why)) => return Err(why.into()),
            Err((false, why)) => return Ok(Err(in_words(why).to_string())),
        }
    }
    let is_untried = calls.iter().any(|call| call.to == governance.governor);
    let said = if is_untried {
        "not tried out: the governor takes this from a decided proposal only"
    } else {
        "yes, as things stand"
    };
    Ok(Ok(said.to_owned()))
}

/// What the governor is going to ask of it: the most of all that its calls need, and of every kind for a general one.
async fn needed(l1: &L1, governance: &Governance, calls: &[ProposedCall]) -> Result<Rule, CliError> {
    let mut kinds = BTreeSet::new();
    for call in calls {
        let kind = HoraeGovernor::kindOfCall { target: call.to, value: call.value, data: call.input.clone() };
        match l1.view(governance.governor, kind).await? {
            GENERAL => kinds.extend(KINDS),
            kind => kinds.extend([kind]),
        }
    }
    let mut needed = Rule { quorum: 0, share: 0 };
    for kind in kinds {
        let rule = governance.rule(l1, kind).await?;
        needed = Rule { quorum: needed.quorum.max(rule.quorum), share: needed.share.max(rule.share) };
    }
    Ok(needed)
}

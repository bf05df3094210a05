//! A sequencer that seals two blocks at one height, seen by whole replicas: it is convicted, the term is voted to be closed, and
//! nobody waits for its turns any more.

use alloy_primitives::{Address, B256};
use horae_control::{
    BlockFacts, BlockId, ControlParams, ControlState, Domain, Evidence, Offence, Pending, PendingCommands, SignedBlock,
};
use horae_node::replica::chain::facts_of;
use horae_node::replica::message::{PeerMessage, SealedBlock};
use horae_node::replica::{ControlUpdate, Input, Received};
use horae_stages::{ChainParams, Genesis, L1View};
use horae_tests::sim::{
    Planted,
    control::ControlPlane,
    edges::Said,
    node::{Node, signer_key},
    rng::Rng,
};

const CHAIN_ID: u64 = 59_901;
const DOMAIN: Domain = Domain { chain_id: CHAIN_ID, locking: Address::repeat_byte(0x11) };

fn world() -> (ControlState, Vec<Node>) {
    let genesis = Genesis {
        params: ChainParams::devnet(CHAIN_ID),
        timestamp_ms: 1_700_000_000_000,
        l1_view: L1View { number: 1, hash: B256::repeat_byte(1) },
        prevrandao: B256::ZERO,
        alloc: Default::default(),
    };
    let numbers = ControlParams { window_blocks: genesis.params.window_blocks, ..ControlParams::devnet() };
    let plane = ControlPlane::new(Rng::new(1), &[1, 1, 1, 1], DOMAIN, numbers, genesis.header().hash());
    let state = plane.state().clone();
    let mut nodes: Vec<Node> = (0..4).map(|at| Node::new(at, 0, &genesis, DOMAIN, Planted::Nothing)).collect();
    for node in &mut nodes {
        node.start(1, ControlUpdate::of(&state)).expect("a node that has never run starts");
    }
    (state, nodes)
}

/// Runs a node, its disk keeping up, until it has nothing to do.
fn run(node: &mut Node, now_ms: u64) {
    for _ in 0..4 {
        node.run(now_ms);
        let Some(running) = &mut node.running else { return };
        if running.edges.disk.begin_write(&mut Rng::new(now_ms)) {
            running.edges.disk.finish_write();
        }
        running.woken = true;
    }
}

/// The same block a millisecond later, signed by the same sequencer.
fn twin(sealed: &SealedBlock, at: usize) -> SealedBlock {
    let mut block = sealed.block.clone();
    block.header.timestamp_ms += 1;
    let facts = facts_of(&block.header, block.header.hash());
    let signature = SignedBlock::sign(facts, &DOMAIN, 0, &signer_key(at)).signature;
    SealedBlock { block, signature }
}

fn hear(node: &mut Node, from: Address, block: &SealedBlock) {
    let message = Received::prepare(PeerMessage::Block { block: block.clone(), carried: None }).expect("a block");
    node.hear(Input::Peer { from, message });
}

#[test]
fn a_sequencer_that_seals_twice_is_convicted_and_its_term_closed() {
    let (mut state, mut nodes) = world();
    let term = state.open_term().expect("term 1 is open").clone();
    let leader = term.sequencer_of(1).expect("slot 1 has a sequencer").signer;
    let at = nodes.iter().position(|node| node.address == leader).expect("it is one of the nodes");
    run(&mut nodes[at], 10);
    let said = std::mem::take(&mut nodes[at].running.as_mut().expect("it runs").edges.said);
    let block = said.into_iter().find_map(|said| match said {
        Said::All(PeerMessage::Block { block, .. }) => Some(block),
        _ => None,
    });
    let block = block.expect("the first block of the slot");
    let twin = twin(&block, at);

    let mut pool = PendingCommands::new();
    let followers: Vec<usize> = (0..4).filter(|n| *n != at).collect();
    for (turn, n) in followers.iter().enumerate() {
        let (first, second) = if turn == 0 { (&twin, &block) } else { (&block, &twin) };
        hear(&mut nodes[*n], leader, first);
        if turn < 2 {
            run(&mut nodes[*n], 20);
        }
        hear(&mut nodes[*n], leader, second);
        run(&mut nodes[*n], 30);
        let edges = &mut nodes[*n].running.as_mut().expect("it runs").edges;
        assert_eq!(edges.accusations.len(), 1, "node {n} says it once");
        let proof = edges.accusations.remove(0);
        assert_eq!((proof.validator, proof.verify(&term)), (leader, Ok(Offence::DoubleBlock)));
        pool.add(Pending::Evidence(Box::new(proof)), &state).expect("it may be decided");
        run(&mut nodes[*n], 40);
        let vote = nodes[*n].running.as_mut().expect("it runs").edges.votes.pop();
        pool.add(Pending::Close(vote.expect("it votes to close the term")), &state).expect("it may be decided");
    }
    let mut held: Vec<BlockFacts> = [&block, &twin].map(|b| facts_of(b.header(), b.header().hash())).to_vec();
    held.push(term.parent);
    let facts = |id: &BlockId| held.iter().find(|facts| facts.id == *id).copied();
    let decided = state.propose(&pool, &facts).expect("a conviction and a closing");
    state.apply(&decided).expect("what was proposed can be applied");
    let opened = state.open_term().expect("a term is open");
    assert_eq!((opened.number, opened.skips.latest()), (2, &[leader][..]));
    assert_eq!(state.jail().iter().count(), 1);
    assert_ne!(opened.sequencer_of(opened.first_slot).map(|v| v.signer), Some(leader));
}

#[test]
fn what_the_sequencer_did_not_sign_convicts_nobody() {
    let (state, mut nodes) = world();
    let term = state.open_term().expect("term 1 is open").clone();
    let leader = term.sequencer_of(1).expect("slot 1 has a sequencer").signer;
    let at = nodes.iter().position(|node| node.address == leader).expect("it is one of the nodes");
    run(&mut nodes[at], 10);
    let said = &nodes[at].running.as_ref().expect("it runs").edges.said;
    let block = said.iter().find_map(|said| match said {
        Said::All(PeerMessage::Block { block, .. }) => Some(block.clone()),
        _ => None,
    });
    let block = block.expect("the first block of the slot");
    let (liar, follower) = ((at + 1) % 4, (at + 2) % 4);
    let forged = twin(&block, liar);
    let from = nodes[liar].address;
    hear(&mut nodes[follower], leader, &block);
    run(&mut nodes[follower], 20);
    hear(&mut nodes[follower], from, &forged);
    run(&mut nodes[follower], 30);
    let edges = &nodes[follower].running.as_ref().expect("it runs").edges;
    assert!(edges.accusations.is_empty() && edges.votes.is_empty());
    let of = |sealed: &SealedBlock| SignedBlock {
        facts: facts_of(sealed.header(), sealed.header().hash()),
        signature: sealed.signature,
    };
    let pair = Evidence::between_blocks(&of(&block), &of(&forged), &term).expect("they look like a pair");
    assert!(pair.verify(&term).is_err());
}

//! Answers peers that are far behind, from the store: blocks, the certificates that slots began with, and a commit.

use horae_stages::Block;
use tokio::sync::mpsc;
use tracing::error;

use crate::chain_view::ChainView;
use crate::edges::peers::Peers;
use crate::edges::store::StoreError;
use crate::replica::message::{BLOCKS_PER_ANSWER, BYTES_PER_ANSWER, PeerMessage, SealedBlock};
use crate::replica::worker::StoredQuestion;

/// Answers until nobody can ask any more, one question at a time: a peer that asks much waits its turn.
pub async fn answer(view: ChainView, peers: Peers, mut questions: mpsc::Receiver<StoredQuestion>) {
    while let Some(question) = questions.recv().await {
        let view = view.clone();
        let read = tokio::task::spawn_blocking(move || blocks_from(&view, question.from)).await;
        match read {
            Ok(Ok(Some(message))) => drop(peers.send(&question.to, message.encode())),
            Ok(Ok(None)) => {}
            Ok(Err(why)) => error!(%why, "cannot read blocks for a peer"),
            Err(why) => error!(%why, "reading blocks for a peer failed"),
        }
    }
}

fn blocks_from(view: &ChainView, from: u64) -> Result<Option<PeerMessage>, StoreError> {
    let reader = view.store().reader();
    let mut blocks = Vec::new();
    let mut bytes = 0;
    let to = reader.height().min(from.saturating_add(BLOCKS_PER_ANSWER - 1));
    for number in from..=to {
        let Some((block, signature)) = reader.raw_blocks(number..=number)?.pop() else { break };
        // Blocks rebuilt from L1 bear no signature; a peer that needs them rebuilds from L1 too.
        let Some(signature) = signature else { break };
        bytes += size_of_transactions(&block);
        let carried = reader.certificate(block.header.number.saturating_sub(1))?;
        blocks.push((SealedBlock { block, signature }, carried));
        if bytes > BYTES_PER_ANSWER {
            break;
        }
    }
    let Some((last, _)) = blocks.last() else { return Ok(None) };
    let commit = reader.commit(last.header().number)?;
    Ok(Some(PeerMessage::Blocks { blocks, commit }))
}

fn size_of_transactions(block: &Block) -> usize {
    block.transactions.iter().map(|raw| raw.len()).sum()
}

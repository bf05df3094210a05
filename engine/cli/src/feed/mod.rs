//! `horae feed`: follows a node's feed, prints it, and with `--verify` believes nothing that does not hold.

mod link;
mod print;
mod shown;

use std::time::Duration;

use horae_control::ControlState;
use horae_node::feed::{Item, Verifier};
use horae_node::genesis::GenesisFile;

use crate::{
    args::FeedOptions,
    error::CliError,
    rpc::{Rpc, http},
    signals::asked_to_stop,
};
use link::{Broken, Link};
use shown::{Shown, What};

/// Times in a row that a link may break before anything has come over it.
const TRIES: u32 = 10;
/// Wait before a broken link is tried again; doubled each time.
const WAIT: Duration = Duration::from_millis(200);
/// Longest such wait.
const WAIT_LONGEST: Duration = Duration::from_secs(5);

/// Follows the feed until it is told to stop, has come as far as asked, or something does not hold.
pub async fn run(options: &FeedOptions) -> Result<(), CliError> {
    let stop = asked_to_stop()?;
    let mut reader = Reader::new(options).await?;
    let ended = tokio::select! {
        ended = reader.follow(options) => ended,
        _ = stop => Ok(()),
    };
    if let Some(verifier) = &reader.verifier {
        let (committed, height) = (verifier.committed(), verifier.control().height());
        eprintln!("verified up to committed block {committed}, decision {height}");
    }
    ended
}

/// One that reads the feed.
struct Reader {
    verifier: Option<Verifier>,
    shown: Shown,
    /// The first block, once it is known.
    first: Option<u64>,
}

impl Reader {
    async fn new(options: &FeedOptions) -> Result<Self, CliError> {
        let mut first = options.from;
        let verifier = match (&options.genesis, options.verify) {
            (_, false) => None,
            (Some(file), true) => {
                let genesis = GenesisFile::load(file)?.control_genesis();
                let no_set = |why| CliError::because("the validators of the genesis file make no set", why);
                Some(match first {
                    Some(1) => Verifier::from_genesis(&genesis).map_err(no_set)?,
                    _ => Verifier::new(ControlState::genesis(&genesis).map_err(no_set)?, None),
                })
            }
            (None, true) => {
                let (verifier, lowest) = trusting(options).await?;
                first = Some(lowest);
                Some(verifier)
            }
        };
        Ok(Self { verifier, shown: Shown::default(), first })
    }

    async fn follow(&mut self, options: &FeedOptions) -> Result<(), CliError> {
        let mut failures = 0;
        let mut resumed = false;
        loop {
            let why = match self.session(options, resumed, &mut failures).await {
                Ok(()) => return Ok(()),
                Err(Broken::ForGood(error)) => return Err(error),
                Err(Broken::ForNow(why)) => why,
            };
            failures += 1;
            if failures > TRIES {
                return Err(CliError::because(format!("the feed broke {TRIES} times in a row"), why));
            }
            let wait = WAIT.saturating_mul(1 << (failures - 1).min(16)).min(WAIT_LONGEST);
            eprintln!("the feed broke ({why}); taking it up again in {} ms", wait.as_millis());
            tokio::time::sleep(wait).await;
            resumed = true;
        }
    }

    /// Reads over one link.
    async fn session(&mut self, options: &FeedOptions, resumed: bool, failures: &mut u32) -> Result<(), Broken> {
        let (from, decisions) = self.position();
        let mut link = Link::open(&options.rpc, from, decisions, resumed).await?;
        loop {
            let item = link.next().await?;
            *failures = 0;
            self.take(options, &item)?;
            if options.until.is_some_and(|until| self.shown.committed() >= until) {
                return Ok(());
            }
        }
    }

    /// Where to begin, or to go on: above what is committed, since what is not may have changed meanwhile.
    fn position(&mut self) -> (Option<u64>, Option<u64>) {
        let from = self.shown.resume().or(self.first);
        match &mut self.verifier {
            Some(verifier) => {
                let from = verifier.rewind().filter(|_| self.shown.resume().is_some()).or(from);
                (from, Some(verifier.control().height() + 1))
            }
            None => (from, self.shown.next_decision()),
        }
    }

    fn take(&mut self, options: &FeedOptions, item: &Item) -> Result<(), Broken> {
        if let Some(verifier) = &mut self.verifier {
            let refused = |why| CliError::because(format!("{} does not verify", print::name(item)), why);
            verifier.take(item).map_err(refused).map_err(Broken::ForGood)?;
        }
        if let Item::Block(block) = item
            && self.first.is_none()
        {
            self.first = Some(block.header.number);
        }
        match self.shown.take(item) {
            What::Known => Ok(()),
            What::New => print::item(item, options.json),
            What::Instead { above } => {
                print::item(&Item::Void { above }, options.json)?;
                print::item(item, options.json)
            }
        }
    }
}

/// A verifier that believes the node's own control state, and the first block that it can judge by it.
async fn trusting(options: &FeedOptions) -> Result<(Verifier, u64), CliError> {
    let rpc = Rpc::new(&http(&options.rpc))?;
    let state = rpc.control_state().await?;
    let term = state.open_term().ok_or_else(|| CliError::new("no term is open yet: the chain has not begun"))?;
    let lowest = term.parent.id.number + 1;
    let first = match options.from {
        Some(from) if from < lowest => {
            return Err(CliError::new(format!(
                "by the node's own word only blocks from {lowest} on can be checked (its open term begins there); give --genesis to check \
                 earlier ones"
            )));
        }
        Some(from) => from,
        None => lowest.max(rpc.status().await?.heads.committed + 1),
    };
    Ok((Verifier::new(state, None), first))
}

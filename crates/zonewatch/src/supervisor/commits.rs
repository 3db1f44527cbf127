//! What a shard's task may ask of the coordination.

use lease::{Commit, Lease, LeaseLost, Shard, ShardId};
use tokio::sync::{mpsc, oneshot};

/// Answers one question.
pub(super) type Reply = oneshot::Sender<Result<Lease, LeaseLost>>;

/// A question of a shard's task.
pub(super) struct Request {
    pub(super) key: ShardId,
    /// Tells the tasks of one shard apart: a former one has nothing to say any more.
    pub(super) generation: u64,
    pub(super) wish: Wish,
    pub(super) reply: Reply,
}

pub(super) enum Wish {
    Commit(Commit),
    End { read_until_ms: Option<i64>, children: Vec<Shard> },
}

/// Writes to one lease's row. One at a time: a call that is dropped unfinished leaves its fate unknown, so its task must
/// stop then.
#[derive(Clone)]
pub struct Commits {
    key: ShardId,
    generation: u64,
    requests: mpsc::Sender<Request>,
}

impl Commits {
    pub(super) fn new(key: ShardId, generation: u64, requests: mpsc::Sender<Request>) -> Self {
        Self { key, generation, requests }
    }

    /// Resolves when the row says so; throttles and unknown fates are dealt with inside. The answer is the row: go on
    /// with what it says. `Err`: the lease is lost; stop, write nothing more.
    pub async fn commit(&self, commit: Commit) -> Result<Lease, LeaseLost> {
        self.ask(Wish::Commit(commit)).await
    }

    /// The shard's end, with everything of it acknowledged: makes the children's rows, then commits `SHARD_END` and
    /// releases the lease.
    pub async fn end(&self, read_until_ms: Option<i64>, children: Vec<Shard>) -> Result<(), LeaseLost> {
        self.ask(Wish::End { read_until_ms, children }).await.map(drop)
    }

    async fn ask(&self, wish: Wish) -> Result<Lease, LeaseLost> {
        let (reply, answer) = oneshot::channel();
        let request = Request { key: self.key.clone(), generation: self.generation, wish, reply };
        // Either end gone means that the coordination has ended, and the lease with it.
        self.requests.send(request).await.map_err(|_| LeaseLost)?;
        answer.await.unwrap_or(Err(LeaseLost))
    }
}

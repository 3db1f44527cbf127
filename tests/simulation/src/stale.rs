//! What a read that need not be consistent may see: the table as it was a moment ago.

/// How old it is at most, milliseconds. DynamoDB promises a second or less, usually.
const AGE_MAX: u64 = 1_000;

/// A former state of something.
#[derive(Debug, Default)]
pub struct Former<T> {
    seen: Option<(u64, T)>,
}

impl<T: Clone> Former<T> {
    /// What a read at `now` shows: what a former one showed if that is not too long ago, or the present.
    pub fn read(&mut self, now: u64, stale: bool, present: impl FnOnce() -> T) -> T {
        match &self.seen {
            Some((at, former)) if stale && now - at <= AGE_MAX => former.clone(),
            Some((at, _)) if now - at <= AGE_MAX => present(),
            _ => {
                let present = present();
                self.seen = Some((now, present.clone()));
                present
            }
        }
    }
}

//! The progress bar of a replay, on standard error if that is a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Between two looks of the bar.
const PERIOD: Duration = Duration::from_millis(100);

/// Shows how far a replay is.
pub struct Meter {
    bar: ProgressBar,
    started: Instant,
    shown: Instant,
}

impl Meter {
    /// A bar on standard error if that is a terminal, else nothing.
    pub fn on_terminal() -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self::over(ProgressBar::with_draw_target(None, target))
    }

    /// Shows nothing.
    pub fn hidden() -> Self {
        Self::over(ProgressBar::hidden())
    }

    fn over(bar: ProgressBar) -> Self {
        Self { bar, started: Instant::now(), shown: Instant::now() }
    }

    /// Before the first record; `size` is the bytes of all inputs, if that is known.
    pub fn start(&mut self, size: Option<u64>) {
        let template = match size {
            Some(_) => "{wide_bar} {bytes} of {total_bytes}  {msg}  {eta} left",
            None => "{spinner} {bytes}  {msg}  {elapsed}",
        };
        let style = ProgressStyle::with_template(template).expect("the template is sound");
        self.bar.set_style(style.progress_chars("━╸ "));
        if let Some(size) = size {
            self.bar.set_length(size);
        }
        self.started = Instant::now();
    }

    /// So far.
    pub fn update(&mut self, bytes: u64, queries: u64) {
        if self.bar.is_hidden() || self.shown.elapsed() < PERIOD {
            return;
        }
        self.shown = Instant::now();
        let rate = queries as f64 / self.started.elapsed().as_secs_f64();
        self.bar.set_message(format!("{} queries/s", super::summary::short(rate)));
        self.bar.set_position(bytes);
        self.bar.tick();
    }

    /// Takes the bar away.
    pub fn finish(&mut self) {
        self.bar.finish_and_clear();
    }
}

//! The log on standard error: text or JSON lines. Nothing is logged for a query.

use crate::config::{Log, LogFormat};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Starts the process's log. Called once; `level` was checked with the configuration.
pub fn start_log(log: &Log) -> Result<(), String> {
    let filter = filter(&log.level)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match log.format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init(),
    };
    started.map_err(|error| format!("start the log: {error}"))
}

/// What the SDK warns of comes back to us as an error, which we tell with its action and resource; told twice, it would
/// bury that.
const QUIET: &str = "aws_config=error,aws_runtime=error,aws_smithy_runtime=error,aws_smithy_http_client=error";

/// What `log.level` selects. A directive of its own for one of the quiet ones wins.
pub fn filter(level: &str) -> Result<EnvFilter, String> {
    EnvFilter::builder().parse(format!("{QUIET},{level}")).map_err(|error| format!("{error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sdk_is_quiet_unless_asked() {
        let text = |level: &str| filter(level).unwrap().to_string();
        assert!(text("info").contains("aws_config=error"));
        assert!(text("info,aws_config=debug").contains("aws_config=debug"));
        assert!(!text("info,aws_config=debug").contains("aws_config=error"));
        assert!(filter("zonewatch=loud").is_err());
    }
}

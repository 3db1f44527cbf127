//! The delivery streams: whether they are there, and whether they may be put to.

use super::{Finding, Need, failed, tried};
use crate::config::Config;
use cloud::DeliveryStream as _;
use cloud::aws::{Clients, Inspect};

const CHECK: &str = "outlet";

/// Looks at every delivery stream of the configuration.
pub async fn examine(inspect: &Inspect, clients: &Clients, config: &Config, out: &mut Vec<Finding>) {
    let detect = &config.detect;
    let others = [
        Some(&config.quarantine.delivery_stream),
        detect.enabled.then_some(&detect.windows_delivery_stream),
        detect.enabled.then_some(&detect.findings_delivery_stream),
    ];
    let others = others.into_iter().flatten().filter(|name| !name.is_empty());
    let names: Vec<&String> = config.records.delivery_streams.iter().chain(others).collect();
    if config.records.delivery_streams.is_empty() {
        out.push(Finding::ok(
            CHECK,
            "records.delivery_streams",
            "none is named: queries are counted, and records go nowhere",
        ));
    }
    for name in names {
        match clients.delivery_stream(name).check().await {
            Ok(()) => out.push(Finding::ok(CHECK, name, "ACTIVE, takes direct puts")),
            Err(error) => {
                let denied = matches!(error, cloud::Error::Denied { .. });
                out.push(failed(CHECK, &error, Need::Look));
                if !denied {
                    continue;
                }
            }
        }
        out.push(tried(CHECK, "firehose:PutRecordBatch", inspect.try_deliver(name).await));
    }
}

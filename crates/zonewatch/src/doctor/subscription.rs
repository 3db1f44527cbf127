//! Whether the log groups send their events to the stream.

use super::stream::Source;
use super::{Finding, Need, Options, failed};
use crate::config::Config;
use cloud::Error;
use cloud::aws::{Logs, Subscription};

const CHECK: &str = "subscription";
/// What Route 53's console puts before a zone's name.
const PREFIX: &str = "/aws/route53/";

/// Looks at the log groups that are named, else at those of the zones in the configuration, else at all of Route 53's.
pub async fn examine(logs: &Logs, config: &Config, options: &Options, source: &Source, out: &mut Vec<Finding>) {
    let named = !options.log_groups.is_empty();
    let groups = match groups(logs, config, options).await {
        Ok(groups) => groups,
        Err(error) => return out.push(failed_look(&error)),
    };
    if groups.is_empty() {
        let found = format!("no log group begins with {PREFIX} in {}", logs.region());
        let next = "name the log groups by --log-group, and their region by --log-region";
        return out.push(Finding::not_checked(CHECK, PREFIX, found, next));
    }
    let stream = source.arn.as_deref().unwrap_or(&config.source.stream);
    let mut looked = Vec::new();
    for group in groups {
        match logs.subscriptions(&group).await {
            Ok(filters) => looked.push((group, filters)),
            Err(error @ Error::Missing { .. }) => out.push(missing(&group, named, &error)),
            Err(error) => return out.push(failed_look(&error)),
        }
    }
    out.extend(judged(&looked, stream, named));
}

async fn groups(logs: &Logs, config: &Config, options: &Options) -> Result<Vec<String>, Error> {
    if !options.log_groups.is_empty() {
        return Ok(options.log_groups.clone());
    }
    if config.enrich.zones.is_empty() {
        return logs.groups(PREFIX).await;
    }
    Ok(config.enrich.zones.values().map(|zone| format!("{PREFIX}{}", zone.trim_end_matches('.'))).collect())
}

/// A look that no worker needs: whatever stops it is no problem of the fleet.
fn failed_look(error: &Error) -> Finding {
    let Finding { subject, found, next, .. } = failed(CHECK, error, Need::Look);
    Finding::not_checked(CHECK, subject, found, next.unwrap_or_default())
}

fn missing(group: &str, named: bool, error: &Error) -> Finding {
    let found = if let Error::Missing { resource, .. } = error {
        format!("{resource} is not there")
    } else {
        error.to_string()
    };
    let next = "name the log groups by --log-group, and their region by --log-region (Route 53's are in us-east-1)";
    match named {
        true => Finding::problem(CHECK, group, found, next),
        false => Finding::not_checked(CHECK, group, found, next),
    }
}

/// `named`: every one of the groups must send to the stream. Else one of them must.
fn judged(groups: &[(String, Vec<Subscription>)], stream: &str, named: bool) -> Vec<Finding> {
    let feeds = |filters: &Vec<Subscription>| filters.iter().any(|filter| goes_to(filter, stream));
    let any = groups.iter().any(|(_, filters)| feeds(filters));
    let each = |(group, filters): &(String, Vec<Subscription>)| {
        if let Some(filter) = filters.iter().find(|filter| goes_to(filter, stream)) {
            return match filter.pattern.as_str() {
                "" => Finding::ok(CHECK, group, format!("its filter {} sends everything to the stream", filter.name)),
                pattern => Finding::warning(
                    CHECK,
                    group,
                    format!("its filter {} sends only what matches {pattern:?}", filter.name),
                    "empty the filter's pattern, unless that is what you want",
                ),
            };
        }
        if let Some(filter) = filters.iter().find(|filter| filter.destination.contains(":destination:")) {
            return Finding::warning(
                CHECK,
                group,
                format!(
                    "its filter {} sends to {}, which may stand before the stream",
                    filter.name, filter.destination
                ),
                "look at that destination's target: it should be the stream",
            );
        }
        let found = match filters.as_slice() {
            [] => "no filter sends its events anywhere".to_owned(),
            [first, ..] => format!("its filter {} sends to {}, not to the stream", first.name, first.destination),
        };
        let next = format!(
            "add one: aws logs put-subscription-filter --log-group-name {group} --filter-name zonewatch --filter-pattern '' \
             --destination-arn STREAM_ARN --role-arn ROLE_ARN"
        );
        match named || !any {
            true => Finding::problem(CHECK, group, found, next),
            false => Finding::warning(CHECK, group, found, format!("unless it is to be left out, {next}")),
        }
    };
    groups.iter().map(each).collect()
}

/// `stream` is an ARN, or a name if the stream could not be described.
fn goes_to(filter: &Subscription, stream: &str) -> bool {
    match stream.starts_with("arn:") {
        true => filter.destination == stream,
        false => filter.destination.rsplit_once(":stream/").is_some_and(|(_, name)| name == stream),
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    const STREAM: &str = "arn:aws:kinesis:us-east-1:123456789012:stream/queries";

    fn group(destination: &str, pattern: &str) -> (String, Vec<Subscription>) {
        let filter = Subscription { name: "all".into(), destination: destination.into(), pattern: pattern.into() };
        (format!("/aws/route53/{}", destination.len()), if destination.is_empty() { vec![] } else { vec![filter] })
    }

    fn states(groups: &[(String, Vec<Subscription>)], named: bool) -> Vec<State> {
        judged(groups, STREAM, named).iter().map(|finding| finding.state).collect()
    }

    #[test]
    fn a_group_is_judged_by_where_its_filter_sends() {
        assert_eq!(states(&[group(STREAM, "")], true), [State::Ok]);
        assert_eq!(states(&[group(STREAM, "NXDOMAIN")], true), [State::Warning]);
        assert_eq!(states(&[group("arn:aws:logs:us-east-1:123456789012:destination:d", "")], true), [State::Warning]);
        assert_eq!(states(&[group("arn:aws:kinesis:us-east-1:123456789012:stream/other", "")], true), [State::Problem]);
        assert_eq!(states(&[group("", "")], true), [State::Problem]);
    }

    #[test]
    fn of_groups_that_were_only_found_one_must_send() {
        assert_eq!(states(&[group(STREAM, ""), group("", "")], false), [State::Ok, State::Warning]);
        assert_eq!(states(&[group(STREAM, ""), group("", "")], true), [State::Ok, State::Problem]);
        assert_eq!(states(&[group("", ""), group("", "")], false), [State::Problem, State::Problem]);
    }

    #[test]
    fn a_stream_without_an_arn_is_known_by_its_name() {
        let filters = &group(STREAM, "").1;
        assert!(goes_to(&filters[0], "queries") && !goes_to(&filters[0], "eries"));
    }

    #[test]
    fn what_the_role_may_not_look_at_is_no_problem() {
        let error = Error::Denied {
            action: "logs:DescribeSubscriptionFilters",
            resource: "arn".into(),
            message: String::new(),
        };
        assert_eq!(failed_look(&error).state, State::NotChecked);
    }
}

//! What `doctor` learns from answers that no emulator gives.
//!
//! The real SDK speaks to a small service on loopback.

use cloud::aws::{Allowed, Clients, Watch};
use cloud::{Error, Stream as _};
use std::process::Command;
use zonewatch_tests::contract::answers::{Answer, Service};

const STREAM: &str = "arn:aws:kinesis:us-east-1:123456789012:stream/queries";

fn says(body: &str) -> Answer {
    Answer::Says(body.to_owned())
}

async fn clients(service: &Service) -> Clients {
    Clients::for_emulator(service.url()).await.expect("nothing is looked for")
}

#[tokio::test]
async fn subscription_filters_of_every_page_are_read_and_refusals_sorted() {
    let filter = |name: &str| {
        format!(
            r#"{{"filterName":"{name}","destinationArn":"{STREAM}","filterPattern":"","logGroupName":"g","creationTime":1}}"#
        )
    };
    let service = Service::start([
        says(&format!(r#"{{"subscriptionFilters":[{}],"nextToken":"more"}}"#, filter("one"))),
        says(&format!(r#"{{"subscriptionFilters":[{}]}}"#, filter("two"))),
        says(r#"{"logGroups":[{"logGroupName":"/aws/route53/a.test"}]}"#),
        Answer::Refuses(400, "AccessDeniedException"),
        Answer::Refuses(400, "ResourceNotFoundException"),
        Answer::Refuses(400, "ThrottlingException"),
        Answer::HangsUp,
        says("<html>"),
    ]);
    let logs = clients(&service).await.inspect().logs("us-east-1");
    let filters = logs.subscriptions("g").await.expect("two pages");
    let told: Vec<_> = filters.iter().map(|filter| (filter.name.as_str(), filter.destination.as_str())).collect();
    assert_eq!(told, [("one", STREAM), ("two", STREAM)]);
    assert_eq!(logs.groups("/aws/route53/").await, Ok(vec!["/aws/route53/a.test".to_owned()]));
    let calls = service.calls();
    assert_eq!(calls[1], r#"{"logGroupName":"g","nextToken":"more"}"#);
    assert!(calls[2].contains(r#""logGroupNamePrefix":"/aws/route53/""#), "{calls:?}");

    let denied = logs.subscriptions("g").await.unwrap_err();
    assert!(matches!(denied, Error::Denied { .. }), "{denied:?}");
    let expected = "logs:DescribeSubscriptionFilters on arn:aws:logs:us-east-1:*:log-group:g: access denied";
    assert!(denied.to_string().starts_with(expected), "{denied}");
    assert!(matches!(logs.subscriptions("g").await, Err(Error::Missing { .. })));
    assert!(matches!(logs.subscriptions("g").await, Err(Error::Throttled { .. })));
    for _ in 0..2 {
        let answer = logs.subscriptions("g").await;
        assert!(matches!(answer, Err(Error::Unavailable { .. })), "{answer:?}");
    }
}

#[tokio::test]
async fn what_is_tried_without_writing_is_allowed_denied_or_said_to_be_inferred() {
    let service = Service::start([
        Answer::Refuses(400, "ConditionalCheckFailedException"),
        Answer::Refuses(400, "AccessDeniedException"),
        says("{}"),
        Answer::Refuses(400, "ConditionalCheckFailedException"),
        Answer::Refuses(400, "ConditionalCheckFailedException"),
        Answer::Refuses(400, "InvalidArgumentException"),
        Answer::Refuses(400, "AccessDeniedException"),
    ]);
    let inspect = clients(&service).await.inspect();
    assert_eq!(inspect.try_update("t", "leaseKey").await, Ok(Allowed::Tried));
    let denied = inspect.try_update("t", "leaseKey").await;
    assert!(matches!(denied, Err(Error::Denied { action: "dynamodb:UpdateItem", .. })), "{denied:?}");
    let ignored = inspect.try_update("t", "leaseKey").await;
    assert!(matches!(ignored, Err(Error::Invalid { .. })), "a condition was ignored: {ignored:?}");
    assert_eq!(inspect.try_put("t", "leaseKey").await, Ok(Allowed::Tried));
    assert_eq!(inspect.try_delete("t", "leaseKey").await, Ok(Allowed::Tried));
    let never = "attribute_exists(#key) AND attribute_not_exists(#key)";
    assert!(service.calls().iter().all(|call| call.contains(never)), "{:?}", service.calls());

    let inferred = inspect.try_deliver("records").await;
    assert!(matches!(inferred, Ok(Allowed::Inferred(_))), "{inferred:?}");
    assert!(service.calls()[5].contains(r#""Records":[]"#), "{:?}", service.calls());
    assert!(matches!(inspect.try_deliver("records").await, Err(Error::Denied { .. })));
}

#[tokio::test]
#[allow(clippy::print_stdout, reason = "the child process tells its parent so")]
async fn a_throttled_call_is_seen_although_the_next_one_succeeds() {
    if std::env::var_os("ZONEWATCH_TEST_CHILD").is_some() {
        let watch = Watch::default();
        let clients = Clients::from_env_watched(&watch).await.expect("nothing is looked for");
        println!("{} shards", clients.stream("queries").shards().await.expect("an answer").len());
        let seen = watch.seen();
        println!("{} calls, {:?} throttled", seen.calls, seen.throttled);
        return;
    }
    let service = Service::start([Answer::Refuses(400, "LimitExceededException"), says(r#"{"Shards":[]}"#)]);
    let variables = [
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_ENDPOINT_URL", service.url()),
    ];
    // In a process of its own, since the environment of this one must not be changed.
    let mut child = Command::new(std::env::current_exe().expect("this program has a path"));
    child.args(["--exact", "a_throttled_call_is_seen_although_the_next_one_succeeds", "--nocapture"]).env_clear();
    child.env("ZONEWATCH_TEST_CHILD", "yes").env("HOME", "/nonexistent").env("AWS_EC2_METADATA_DISABLED", "true");
    let output = child.envs(variables).output().expect("this program runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("0 shards\n2 calls, {\"kinesis:ListShards\": 1} throttled"), "{said}");
}

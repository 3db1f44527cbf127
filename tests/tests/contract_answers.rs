//! What the AWS adapters make of answers that no emulator gives: refusals, pages, partial failures, lost replies.
//!
//! The real SDK speaks to a small service on loopback.

use bytes::Bytes;
use cloud::aws::{Allowed, Clients, Watch};
use cloud::{Cursor, DeliveryStream as _, Entry, Error, LeaseTable as _, Refused, Stream as _, WriteError};
use lease::{ShardId, Write};
use std::process::Command;
use std::time::Duration;
use zonewatch_tests::contract::answers::{Answer, Service};

const STREAM: &str = "arn:aws:kinesis:us-east-1:123456789012:stream/queries";

fn says(body: &str) -> Answer {
    Answer::Says(body.to_owned())
}

async fn clients(service: &Service) -> Clients {
    Clients::for_emulator(service.url()).await.expect("nothing is looked for")
}

async fn read(answers: impl IntoIterator<Item = Answer>) -> (Result<cloud::Batch, Error>, Service) {
    let service = Service::start(answers);
    let stream = clients(&service).await.stream(STREAM);
    let answer = stream.read(&ShardId::new("shardId-000000000000"), &Cursor("place".into()), 10_000).await;
    (answer, service)
}

#[tokio::test]
async fn a_refused_read_says_what_to_do_and_is_not_sent_again() {
    for code in ["ProvisionedThroughputExceededException", "LimitExceededException", "KMSThrottlingException"] {
        let (answer, service) = read([Answer::Refuses(400, code)]).await;
        assert!(matches!(answer, Err(Error::Throttled { .. })), "{code}: {answer:?}");
        assert_eq!(service.calls().len(), 1, "{code}");
    }
    let (answer, _) = read([Answer::Refuses(400, "ExpiredIteratorException")]).await;
    assert_eq!(answer.unwrap_err(), Error::Expired);
    let (answer, _) = read([Answer::Refuses(500, "InternalFailure")]).await;
    assert!(matches!(answer, Err(Error::Unavailable { .. })), "{answer:?}");

    let (answer, _) = read([Answer::Refuses(400, "AccessDeniedException")]).await;
    let error = answer.unwrap_err();
    assert!(matches!(error, Error::Denied { .. }), "{error:?}");
    assert!(error.to_string().starts_with(&format!("kinesis:GetRecords on {STREAM}: access denied")), "{error}");
}

#[tokio::test]
async fn an_unreachable_service_is_unavailable_and_says_why() {
    let clients = Clients::for_emulator("http://127.0.0.1:1").await.expect("nothing is looked for");
    let error = clients.delivery_stream("records").put(&[Bytes::from_static(b"x")]).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn children_count_only_at_the_end_of_a_shard() {
    let children = r#""ChildShards":[{"ShardId":"shardId-000000000002","ParentShards":["shardId-000000000000","shardId-000000000001"],
        "HashKeyRange":{"StartingHashKey":"0","EndingHashKey":"340282366920938463463374607431768211455"}}]"#;
    let record = r#"{"SequenceNumber":"49590338271490256608559692538361571095921575989136588898",
        "ApproximateArrivalTimestamp":1795344255.953,"Data":"aGVsbG8=","PartitionKey":"k"}"#;
    let open = format!(r#"{{"Records":[{record}],"NextShardIterator":"on","MillisBehindLatest":1500,{children}}}"#);
    let (batch, service) = read([says(&open)]).await;
    let batch = batch.expect("a sound answer");
    assert!(service.calls()[0].contains(r#""Limit":10000"#), "{:?}", service.calls());
    assert_eq!(batch.next, Some(Cursor("on".into())));
    assert_eq!(batch.behind, Duration::from_millis(1500));
    assert!(batch.children.is_empty());
    assert_eq!((batch.records[0].arrival_ms, &batch.records[0].data[..]), (1_795_344_255_953, &b"hello"[..]));

    let (batch, _) = read([says(&format!(r#"{{"Records":[],"MillisBehindLatest":0,{children}}}"#))]).await;
    let batch = batch.expect("a sound answer");
    assert_eq!((batch.next, batch.children.len()), (None, 1));
    assert_eq!(batch.children[0].hash_range.end, u128::MAX);
    assert_eq!(batch.children[0].parents.len(), 2);
}

#[tokio::test]
async fn shards_of_every_page_are_listed() {
    let shard = |number: u32| {
        format!(
            r#"{{"ShardId":"shardId-{number:012}","HashKeyRange":{{"StartingHashKey":"0","EndingHashKey":"9"}},
            "SequenceNumberRange":{{"StartingSequenceNumber":"1"}}}}"#
        )
    };
    let pages = [
        says(&format!(r#"{{"Shards":[{}],"NextToken":"more"}}"#, shard(0))),
        // A page that fails for a moment is asked for again.
        Answer::Refuses(500, "InternalFailure"),
        says(&format!(r#"{{"Shards":[{}]}}"#, shard(1))),
    ];
    let service = Service::start(pages);
    let shards = clients(&service).await.stream("queries").shards().await.expect("two pages");
    assert_eq!(
        shards.iter().map(|shard| shard.id.as_str()).collect::<Vec<_>>(),
        ["shardId-000000000000", "shardId-000000000001"]
    );
    let calls = service.calls();
    assert!(calls[0].contains("StreamName") && !calls[0].contains("NextToken"), "{calls:?}");
    // Kinesis refuses a page token beside a name.
    assert!(calls[2].contains(r#""NextToken":"more""#) && !calls[2].contains("StreamName"), "{calls:?}");
}

#[tokio::test]
async fn only_the_refused_entries_of_a_put_come_back() {
    let service = Service::start([says(
        r#"{"FailedRecordCount":1,"Records":[{"SequenceNumber":"1","ShardId":"s"},
        {"ErrorCode":"ProvisionedThroughputExceededException","ErrorMessage":"busy"},{"SequenceNumber":"2","ShardId":"s"}]}"#,
    )]);
    let entry = || Entry { partition_key: "k".into(), hash_key: Some(7), data: Bytes::from_static(b"x") };
    let refused = clients(&service).await.stream("queries").put(&[entry(), entry(), entry()]).await;
    assert_eq!(refused, Ok(vec![Refused { index: 1, code: "ProvisionedThroughputExceededException".into() }]));
    assert!(service.calls()[0].contains(r#""ExplicitHashKey":"7""#), "{:?}", service.calls());

    let service = Service::start([
        says(
            r#"{"FailedPutCount":1,"Encrypted":false,"RequestResponses":[{"RecordId":"a"},
            {"ErrorCode":"ServiceUnavailableException","ErrorMessage":"busy"}]}"#,
        ),
        Answer::Refuses(503, "ServiceUnavailableException"),
        says(r#"{"FailedPutCount":0,"RequestResponses":[{"RecordId":"a"}]}"#),
    ]);
    let delivery = clients(&service).await.delivery_stream("records");
    let entries = [Bytes::from_static(b"one"), Bytes::from_static(b"two")];
    let refused = delivery.put(&entries).await;
    assert_eq!(refused, Ok(vec![Refused { index: 1, code: "ServiceUnavailableException".into() }]));
    let answer = delivery.put(&entries).await;
    assert!(matches!(answer, Err(Error::Throttled { .. })), "{answer:?}");
    let answer = delivery.put(&entries).await;
    assert!(matches!(answer, Err(Error::Unavailable { .. })), "one result for two entries: {answer:?}");
    assert_eq!(service.calls().len(), 3);
}

#[tokio::test]
async fn a_delivery_stream_must_be_active_and_take_direct_puts() {
    let described = |kind: &str, status: &str| {
        says(&format!(
            r#"{{"DeliveryStreamDescription":{{"DeliveryStreamName":"records","DeliveryStreamARN":"arn","VersionId":"1",
            "DeliveryStreamStatus":"{status}","DeliveryStreamType":"{kind}","Destinations":[],"HasMoreDestinations":false}}}}"#
        ))
    };
    let cases = [
        (described("DirectPut", "ACTIVE"), None),
        (described("KinesisStreamAsSource", "ACTIVE"), Some("Direct PUT")),
        (described("DirectPut", "CREATING"), Some("CREATING")),
    ];
    for (answer, wrong) in cases {
        let service = Service::start([answer]);
        let checked = clients(&service).await.delivery_stream("records").check().await;
        match wrong {
            None => assert_eq!(checked, Ok(())),
            Some(wrong) => {
                assert!(checked.as_ref().is_err_and(|error| error.to_string().contains(wrong)), "{checked:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_lease_write_is_sent_once_and_a_lost_reply_is_an_unknown_fate() {
    let renew = Write::Renew { key: ShardId::new("shardId-000000000000"), counter: 3 };
    for answer in [Answer::HangsUp, Answer::Refuses(500, "InternalServerError")] {
        let service = Service::start([answer]);
        let written = clients(&service).await.lease_table("leases").write(&renew).await;
        assert!(matches!(written, Err(WriteError::Failed(Error::Unavailable { .. }))), "{written:?}");
        assert_eq!(service.calls().len(), 1);
    }
    let service = Service::start([Answer::Refuses(400, "ProvisionedThroughputExceededException")]);
    let written = clients(&service).await.lease_table("leases").write(&renew).await;
    assert!(matches!(written, Err(WriteError::Failed(Error::Throttled { .. }))), "{written:?}");
    assert_eq!(service.calls().len(), 1);

    let service = Service::start([Answer::Refuses(400, "AccessDeniedException")]);
    let written = clients(&service).await.lease_table("leases").write(&renew).await;
    let text = written.unwrap_err().to_string();
    let expected = "write lease: dynamodb:UpdateItem on arn:aws:dynamodb:us-east-1:*:table/leases: access denied";
    assert!(text.starts_with(expected), "{text}");
}

#[tokio::test]
async fn lease_rows_of_every_page_are_scanned() {
    let row = |key: &str| {
        format!(r#"{{"leaseKey":{{"S":"{key}"}},"leaseCounter":{{"N":"1"}},"checkpoint":{{"S":"TRIM_HORIZON"}}}}"#)
    };
    let service = Service::start([
        says(&format!(r#"{{"Items":[{}],"LastEvaluatedKey":{{"leaseKey":{{"S":"a"}}}}}}"#, row("a"))),
        says(&format!(r#"{{"Items":[{}]}}"#, row("b"))),
    ]);
    let leases = clients(&service).await.lease_table("leases").scan().await.expect("two pages").leases;
    assert_eq!(leases.iter().map(|lease| lease.key.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert!(service.calls().iter().all(|call| call.contains(r#""ConsistentRead":true"#)), "{:?}", service.calls());
    assert!(service.calls()[1].contains(r#""ExclusiveStartKey":{"leaseKey":{"S":"a"}}"#), "{:?}", service.calls());
}

#[tokio::test]
async fn a_row_that_cannot_be_read_costs_no_other() {
    let service = Service::start([says(
        r#"{"Items":[{"leaseKey":{"S":"bad"},"leaseCounter":{"S":"1"},"checkpoint":{"S":"TRIM_HORIZON"}},
            {"leaseKey":{"S":"good"},"leaseCounter":{"N":"1"},"checkpoint":{"S":"TRIM_HORIZON"}}]}"#,
    )]);
    let scan = clients(&service).await.lease_table("leases").scan().await.expect("an answer");
    assert_eq!(scan.leases.iter().map(|lease| lease.key.as_str()).collect::<Vec<_>>(), ["good"]);
    assert_eq!(scan.unreadable.iter().map(|row| row.key.as_str()).collect::<Vec<_>>(), ["bad"]);
    let text = scan.unreadable[0].error.to_string();
    assert!(text.ends_with(r#"row "bad": leaseCounter is not a number; correct or delete the row"#), "{text}");
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
    let said = in_environment("a_throttled_call_is_seen_although_the_next_one_succeeds", &variables);
    assert!(said.contains("0 shards\n2 calls, {\"kinesis:ListShards\": 1} throttled"), "{said}");
}

/// Says what `Clients::from_env` makes of an environment: in a process of its own, since ours must not be changed.
fn in_environment(test: &str, variables: &[(&str, &str)]) -> String {
    let mut child = Command::new(std::env::current_exe().expect("this program has a path"));
    child.args(["--exact", test, "--nocapture"]).env_clear();
    child.env("ZONEWATCH_TEST_CHILD", "yes").env("HOME", "/nonexistent").env("AWS_EC2_METADATA_DISABLED", "true");
    let output = child.envs(variables.iter().copied()).output().expect("this program runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
#[allow(clippy::print_stdout, reason = "the child process tells its parent so")]
async fn settings_come_from_the_environment() {
    if std::env::var_os("ZONEWATCH_TEST_CHILD").is_some() {
        match Clients::from_env().await {
            Ok(clients) => println!("{} shards", clients.stream("queries").shards().await.expect("an answer").len()),
            Err(error) => println!("{error}"),
        }
        return;
    }
    let in_environment = |variables: &[(&str, &str)]| in_environment("settings_come_from_the_environment", variables);
    let said = in_environment(&[]);
    assert!(said.contains("look for a region on this machine: none found; set AWS_REGION"), "{said}");
    let said = in_environment(&[("AWS_REGION", "us-east-1")]);
    assert!(said.contains("look for credentials on this machine: none usable"), "{said}");
    assert!(said.contains("set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"), "{said}");

    let service = Service::start([says(r#"{"Shards":[]}"#)]);
    let said = in_environment(&[
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
        ("AWS_ENDPOINT_URL_KINESIS", service.url()),
    ]);
    assert!(said.contains("0 shards"), "{said}");
}

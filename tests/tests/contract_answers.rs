//! What the AWS adapters make of answers that no emulator gives: refusals, partial failures, lost replies.
//!
//! The real SDK speaks to a small service on loopback.

use bytes::Bytes;
use cloud::aws::Clients;
use cloud::{
    Create, Cursor, DeliveryStream as _, Entry, Error, LeaseTable as _, Refused, Scan, Snapshots as _, StateTable as _,
    Stream as _, WriteError,
};
use lease::{Member, ShardId, Standing, WorkerId, Write};
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
async fn an_object_whose_bytes_stop_coming_is_unavailable_long_before_its_time_is_over() {
    let service = Service::start([Answer::Stalls]);
    let snapshots = clients(&service).await.snapshots("bucket", "app/").expect("an address");
    let answer = tokio::time::timeout(Duration::from_secs(30), snapshots.get("s/1-0")).await;
    let error = answer.expect("it is given up").unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
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
async fn a_row_that_cannot_be_read_costs_no_other() {
    let rows = says(
        r#"{"Items":[{"leaseKey":{"S":"bad"},"leaseCounter":{"S":"1"},"checkpoint":{"S":"TRIM_HORIZON"}},
            {"leaseKey":{"S":"good"},"leaseCounter":{"N":"1"},"checkpoint":{"S":"TRIM_HORIZON"}}]}"#,
    );
    let service = Service::start([rows, Answer::Refuses(400, "ResourceNotFoundException")]);
    let scan = clients(&service).await.lease_table("leases").scan().await.expect("an answer");
    assert_eq!(scan.leases.iter().map(|lease| lease.key.as_str()).collect::<Vec<_>>(), ["good"]);
    assert_eq!(scan.unreadable.iter().map(|row| row.key.as_str()).collect::<Vec<_>>(), ["bad"]);
    let text = scan.unreadable[0].error.to_string();
    assert!(text.ends_with(r#"row "bad": leaseCounter is not a number; correct or delete the row"#), "{text}");
}

#[tokio::test]
async fn strangers_that_may_not_be_seen_are_none_and_those_that_may_be_there_fail_the_scan() {
    let rows = says(r#"{"Items":[]}"#);
    for code in ["AccessDeniedException", "ResourceNotFoundException", "ValidationException"] {
        let service = Service::start([rows.clone(), Answer::Refuses(400, code)]);
        assert_eq!(clients(&service).await.lease_table("leases").scan().await, Ok(Scan::default()), "{code}");
        let calls = service.calls();
        assert_eq!(calls.len(), 2, "{code}");
        assert!(calls[1].contains(r#""TableName":"leases-WorkerMetricStats""#), "{calls:?}");
    }
    // Three times, since the SDK repeats what may pass.
    let throttled = || Answer::Refuses(400, "ProvisionedThroughputExceededException");
    let service = Service::start([rows, throttled(), throttled(), throttled()]);
    let error = clients(&service).await.lease_table("leases").scan().await.unwrap_err();
    assert!(matches!(error, Error::Throttled { .. }), "{error:?}");
    assert!(error.to_string().contains("table/leases-WorkerMetricStats"), "{error}");
}

fn member() -> Member {
    Member {
        id: WorkerId::new("a"),
        beat: 8,
        period: Duration::from_millis(1_500),
        standing: Standing::Active,
        leases: 3,
        weight: 2_000,
        capacity: 1_750,
        held_max: None,
        strangers: false,
    }
}

#[tokio::test]
async fn no_write_of_a_worker_is_sent_twice() {
    let id = WorkerId::new("a");
    let shards = [ShardId::new("s")];
    for answer in [Answer::HangsUp, Answer::Refuses(500, "InternalServerError")] {
        let service = Service::start([answer.clone(), answer.clone(), answer]);
        let table = clients(&service).await.state_table("state");
        let answers = [
            table.beat(&member(), &shards, 4_000_000_000).await.map(|_| ()),
            table.announce(&id, &shards).await.map(|_| ()),
            table.remove(&id, 8).await.map(|_| ()),
        ];
        for answer in answers {
            assert!(matches!(answer, Err(Error::Unavailable { .. })), "{answer:?}");
        }
        assert_eq!(service.calls().len(), 3);
    }
}

#[tokio::test]
async fn a_refused_call_on_workers_names_the_action_and_the_arn() {
    let (id, member) = (WorkerId::new("a"), member());
    let service = Service::start(vec![Answer::Refuses(400, "AccessDeniedException"); 6]);
    let clients = clients(&service).await;
    let table = clients.state_table("state");
    let said = [
        ("DescribeTable", table.ensure(Create::IfMissing).await.map(|_| ())),
        ("UpdateItem", table.beat(&member, &[], 4_000_000_000).await.map(|_| ())),
        ("BatchGetItem", table.read(std::slice::from_ref(&id)).await.map(|_| ())),
        ("Scan", table.scan().await.map(|_| ())),
        ("UpdateItem", table.announce(&id, &[]).await.map(|_| ())),
        ("DeleteItem", table.remove(&id, 8).await.map(|_| ())),
    ];
    for (action, answer) in said {
        let text = answer.unwrap_err().to_string();
        let expected = format!("dynamodb:{action} on arn:aws:dynamodb:us-east-1:*:table/state: access denied");
        assert!(text.starts_with(&expected), "{text}");
    }

    let service = Service::start([Answer::Refuses(400, "AccessDeniedException")]);
    let table = self::clients(&service).await.lease_table("leases");
    let text = table.owned(&id).await.unwrap_err().to_string();
    let index = "dynamodb:Query on arn:aws:dynamodb:us-east-1:*:table/leases/index/LeaseOwnerToLeaseKeyIndex";
    assert!(text.starts_with(index), "{text}");
}

#[tokio::test]
async fn a_table_whose_rows_may_not_expire_is_a_table() {
    let described = says(
        r#"{"Table":{"TableStatus":"ACTIVE","KeySchema":[{"AttributeName":"worker","KeyType":"HASH"}],
            "AttributeDefinitions":[{"AttributeName":"worker","AttributeType":"S"}]}}"#,
    );
    let missing = Answer::Refuses(400, "ResourceNotFoundException");
    let service = Service::start([
        missing,
        says("{}"),
        described.clone(),
        Answer::Refuses(400, "AccessDeniedException"),
        described,
    ]);
    let table = clients(&service).await.state_table("state");
    assert_eq!(table.ensure(Create::IfMissing).await, Ok(()));
    let calls = service.calls();
    assert!(calls[3].contains(r#""AttributeName":"expires""#), "{calls:?}");
    // Who finds a table leaves it as it is.
    assert_eq!(table.ensure(Create::IfMissing).await, Ok(()));
    assert_eq!(service.calls().len(), 5);
}

/// Says what `Clients::from_env` makes of an environment: in a process of its own, since ours must not be changed.
fn in_environment(variables: &[(&str, &str)]) -> String {
    let mut child = Command::new(std::env::current_exe().expect("this program has a path"));
    child.args(["--exact", "settings_come_from_the_environment", "--nocapture"]).env_clear();
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

//! `zonewatch doctor`: nothing to find in a sound set-up, and the next step where something is missing.

use serde_json::{Value, json};
use std::process::Output;
use zonewatch_tests::emulators::{Delivery, Emulator, Stream, lease_rows, unique, wait_for};
use zonewatch_tests::fleet::{Fleet, PATIENCE, on_emulators};
use zonewatch_tests::program::{Folder, run, said, zonewatch};

fn doctor(config: &str, arguments: &[&str]) -> Output {
    let mut command = zonewatch(&[&["doctor", "--config", config], arguments].concat());
    run(on_emulators(&mut command).env("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", Emulator::moto().url()))
}

/// The findings of a run with `--json`.
fn findings(output: &Output) -> Vec<Value> {
    let document: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(output)));
    document["findings"].as_array().expect("findings").clone()
}

/// State and next step of what was found about a subject.
fn found<'a>(findings: &'a [Value], check: &str, subject: &str) -> (&'a str, &'a str) {
    let finding = findings.iter().find(|finding| finding["check"] == check && finding["subject"] == subject);
    let finding = finding.unwrap_or_else(|| panic!("nothing on {check} {subject} in {findings:#?}"));
    (finding["state"].as_str().expect("a state"), finding["next"].as_str().unwrap_or_default())
}

#[test]
fn a_sound_set_up_has_no_problem() {
    let fleet = Fleet::create(2);
    let _worker = fleet.worker("only");
    wait_for("two owned leases", PATIENCE, || {
        (fleet.leases().iter().filter(|row| row["leaseOwner"] == "only").count() == 2).then_some(())
    });
    fleet.state_table();
    let group = log_group(&fleet.stream);
    let config = fleet.folder.file("only.toml").display().to_string();

    let output = doctor(&config, &["--json", "--log-group", &group]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let findings = findings(&output);
    let name = fleet.stream.name.as_str();
    for (check, subject) in [
        ("credentials", "us-east-1"),
        ("stream", name),
        ("stream", "kinesis:ListShards"),
        ("stream", "kinesis:GetShardIterator"),
        ("stream", "kinesis:GetRecords"),
        ("outlet", &fleet.delivery.name),
        ("outlet", "firehose:PutRecordBatch"),
        ("lease table", &fleet.app),
        ("lease table", "LeaseOwnerToLeaseKeyIndex"),
        ("lease table", "dynamodb:Scan"),
        ("lease table", "dynamodb:GetItem"),
        ("lease table", "dynamodb:BatchGetItem"),
        ("lease table", "dynamodb:PutItem"),
        ("lease table", "dynamodb:UpdateItem"),
        ("lease table", "dynamodb:Query"),
        ("state table", "time to live"),
        ("state table", "dynamodb:Scan"),
        ("state table", "dynamodb:BatchGetItem"),
        ("state table", "dynamodb:UpdateItem"),
        ("state table", "dynamodb:DeleteItem"),
        ("workers", "the fleet"),
        ("coverage", "the stream"),
        ("stuck shards", "every lease"),
        ("lag", "the stream"),
        ("subscription", &group),
        ("roots", "this machine"),
        ("throttling", "this run"),
        ("clock", "this machine"),
    ] {
        assert_eq!(found(&findings, check, subject), ("ok", ""), "{check} {subject}");
    }
    // What was tried has left nothing behind.
    assert_eq!(fleet.leases().len(), 2);
    assert_eq!(fleet.delivery.objects().len(), 0);
}

#[test]
fn what_windows_need_is_looked_at_where_they_are_computed() {
    let fleet = Fleet::create(1);
    let bucket = unique("snapshots");
    Emulator::aws().create_bucket(&bucket);
    let findings_stream = Delivery::create(Emulator::aws());
    let settings = [
        ("ZONEWATCH_DETECT__ENABLED", "true"),
        ("ZONEWATCH_DETECT__BUCKET", bucket.as_str()),
        ("ZONEWATCH_DETECT__FINDINGS_DELIVERY_STREAM", &findings_stream.name),
    ];
    let _worker = fleet.worker_with("only", &settings);
    let rollup = format!("{}-rollup", fleet.app);
    wait_for("a rollup lease", PATIENCE, || (!lease_rows(&fleet.tables, &rollup).is_empty()).then_some(()));
    let config = fleet.folder.file("only.toml").display().to_string();
    let run = |bucket: &str| {
        let mut command = zonewatch(&["doctor", "--config", &config, "--json"]);
        on_emulators(&mut command).envs(settings).env("ZONEWATCH_DETECT__BUCKET", bucket);
        findings(&zonewatch_tests::program::run(&mut command))
    };
    let sound = run(&bucket);
    for (check, subject) in [
        ("outlet", findings_stream.name.as_str()),
        ("rollup stream", &rollup),
        ("rollup stream", "kinesis:GetRecords"),
        ("rollup stream", "kinesis:PutRecords"),
        ("rollup lease table", &rollup),
        ("rollup lease table", "dynamodb:UpdateItem"),
        ("rollup state table", "dynamodb:DeleteItem"),
        ("bucket", &bucket),
        ("bucket", "s3:ListBucket"),
        ("bucket", "s3:GetObject"),
    ] {
        assert_eq!(found(&sound, check, subject), ("ok", ""), "{check} {subject}");
    }
    assert_eq!(found(&sound, "bucket", "s3:PutObject").0, "not_checked");
    let missing = run(&unique("nowhere"));
    let problem = missing.iter().find(|finding| finding["check"] == "bucket" && finding["state"] == "problem");
    let problem = problem.unwrap_or_else(|| panic!("a missing bucket is no problem: {missing:#?}"));
    assert!(problem["next"].as_str().is_some_and(|next| next.contains("check the name")), "{problem}");
}

#[test]
fn what_is_missing_is_a_problem_with_its_next_step() {
    let folder = Folder::create();
    let (stream, app, outlet) = (unique("nowhere"), unique("app"), unique("nowhere"));
    let config = format!(
        "[worker]\napp = \"{app}\"\n[source]\nstream = \"{stream}\"\n[leases]\ncreate = false\n\
         [records]\ndelivery_streams = [\"{outlet}\"]\n"
    );
    let config = folder.write("worker.toml", config.as_bytes()).display().to_string();

    let output = doctor(&config, &["--json", "--log-group", "/aws/route53/nowhere.example"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let findings = findings(&output);
    for (check, subject, next) in [
        ("stream", "kinesis:ListShards", "check the name, the region and the account"),
        ("outlet", "firehose:DescribeDeliveryStream", "check the name, the region and the account"),
        ("lease table", app.as_str(), "create it (partition key leaseKey"),
        ("state table", &format!("{app}-state"), "create it"),
        ("subscription", "/aws/route53/nowhere.example", "--log-group"),
    ] {
        let (state, step) = found(&findings, check, subject);
        assert!(state == "problem" && step.contains(next), "{check} {subject}: {state}, {step}");
    }
    assert_eq!(found(&findings, "stream", "kinesis:GetRecords").0, "not_checked");

    let text = doctor(&config, &[]);
    assert_eq!(text.status.code(), Some(1));
    for part in ["STATE", "problem", "Next steps", &stream, &app] {
        assert!(said(&text).contains(part), "{part} is missing in:\n{}", said(&text));
    }
}

#[test]
fn a_log_group_that_sends_elsewhere_and_a_fleet_that_is_gone_are_problems() {
    let fleet = Fleet::create(1);
    let mut worker = fleet.worker("gone");
    wait_for("an owned lease", PATIENCE, || fleet.leases().iter().any(|row| row["leaseOwner"] == "gone").then_some(()));
    worker.process.must_live();
    worker.process.kill();
    let group = log_group(&Stream::create(Emulator::kinesis(), 1));
    let config = fleet.folder.file("gone.toml").display().to_string();

    let output = doctor(&config, &["--json", "--log-group", &group]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let (findings, shard) = (findings(&output), fleet.stream.shards().remove(0));
    for (check, subject, next) in [
        ("subscription", group.as_str(), "put-subscription-filter"),
        ("workers", "the fleet", "start a worker"),
        ("coverage", "the stream", "start workers"),
        ("stuck shards", &shard, "zonewatch leases release"),
    ] {
        let (state, step) = found(&findings, check, subject);
        assert!(state == "problem" && step.contains(next), "{check} {subject}: {state}, {step}");
    }
}

#[test]
fn what_can_not_be_looked_at_is_said_and_a_wrong_configuration_is_another_exit() {
    let folder = Folder::create();
    let delivery = Delivery::create(Emulator::aws());
    let config = format!("[source]\nstream = \"queries\"\n[records]\ndelivery_streams = [\"{}\"]\n", delivery.name);
    let config = folder.write("worker.toml", config.as_bytes()).display().to_string();
    let mut nobody = zonewatch(&["doctor", "--config", &config, "--json"]);
    let output = run(nobody.env("AWS_EC2_METADATA_DISABLED", "true").env("AWS_REGION", "us-east-1"));
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let mut findings = findings(&output);
    // That needs no call.
    findings.retain(|finding| finding["check"] != "roots");
    assert!(findings[0]["next"].as_str().is_some_and(|next| next.contains("AWS_PROFILE")), "{findings:#?}");
    assert!(findings[1..].iter().all(|finding| finding["state"] == "not_checked"), "{findings:#?}");

    let empty = folder.write("empty.toml", b"").display().to_string();
    let unset = doctor(&empty, &[]);
    assert!(unset.status.code() == Some(2) && said(&unset).contains("source.stream"), "{}", said(&unset));
}

/// A log group whose filter sends everything to this stream.
fn log_group(stream: &Stream) -> String {
    let moto = Emulator::moto();
    let group = format!("/aws/route53/{}.example.com", unique("zone"));
    // This emulator looks whether the stream is there, in its own Kinesis.
    moto.call("Kinesis_20131202.CreateStream", &json!({ "StreamName": stream.name, "ShardCount": 1 }));
    moto.call("Logs_20140328.CreateLogGroup", &json!({ "logGroupName": group }));
    let filter = json!({
        "logGroupName": group, "filterName": "all", "filterPattern": "", "destinationArn": stream.arn(),
        "roleArn": "arn:aws:iam::123456789012:role/logs-to-kinesis",
    });
    moto.call("Logs_20140328.PutSubscriptionFilter", &filter);
    group
}

//! One stream, one lease table, two consumers: the real Kinesis Client Library and `zonewatch worker` take a stream from
//! each other and go on where the other ended.
//!
//! Run by `cargo xtask full`: Kinesis on kinesis-local, the lease table in AWS's own DynamoDB Local, Firehose on
//! ministack. Both tests wait for the library side by side: it assigns no lease before a minute has passed.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;
use zonewatch_tests::emulators::{Emulator, base64, lease_rows, wait_for};
use zonewatch_tests::fleet::{Fleet, PATIENCE, free_ports, on_emulators};
use zonewatch_tests::kcl::{Consumed, Daemon};
use zonewatch_tests::payloads::{delivered_id, event_ids};
use zonewatch_tests::program::{Process, zonewatch};

/// The library's first record comes a minute or two after its start: it assigns no lease before it has worker metrics.
const KCL_PATIENCE: Duration = Duration::from_secs(300);
/// Records of one phase. Each is spread over the shards by its partition key.
const PART: usize = 40;
/// Longer than a lease of either consumer lives without a sign of its owner: they renew in a third of that time.
const RENEWALS: u64 = 5;

#[test]
fn kcl_and_zonewatch_go_on_where_the_other_ended() {
    let town = Town::create();

    // The library makes the table and reads the first part. Beside it, our worker takes nothing from the living.
    let mut kcl = Daemon::start(&town.fleet, &town.dynamodb, "kcl-one");
    town.put(0);
    town.wait_until_read(&mut kcl, 0);
    town.wait_until_committed("after KCL's first part");
    let worker = town.worker("beside");
    town.wait_for_renewals("kcl-one", RENEWALS);
    assert_eq!(town.owners(), ["kcl-one", "kcl-one"], "our worker took a lease from a living owner");
    town.end(worker);

    // It dies. Our worker goes on, and makes the rows of a split shard's children.
    kcl.process.kill();
    town.forget_leader();
    let worker = town.worker("first");
    town.put(1);
    town.wait_until_delivered([1]);
    town.wait_until_committed("after our first part");
    town.split_first_shard();
    town.wait_for_row("the parent's end", |row| row["checkpoint"] == "SHARD_END");
    town.end(worker);
    town.show("after our worker's end");
    assert!(town.owners().is_empty(), "leases of a worker that has ended");

    // The library reads on in our rows, the children's among them, and leaves our attributes where they are.
    town.put(2);
    let mut kcl = Daemon::start(&town.fleet, &town.dynamodb, "kcl-two");
    town.wait_until_read(&mut kcl, 2);
    town.wait_until_committed("after KCL's second part");
    let moved = |row: &Value| row["zonewatchCheckpoint"].is_string() && row["zonewatchCheckpoint"] != row["checkpoint"];
    let moved = town.rows().into_iter().filter(moved).count();
    assert_eq!(moved, 3, "rows of open shards that KCL moved and that still say where we were");
    kcl.process.terminate();
    kcl.process.ended(PATIENCE);
    town.show("after KCL's end");
    town.must_have_read(&kcl, 2);

    // And back: nothing of what the library read is ours to repeat.
    let worker = town.worker("second");
    town.put(3);
    town.wait_until_delivered([1, 3]);
    town.wait_until_committed("after our second part");
    town.end(worker);
}

#[test]
fn kcl_waits_for_a_living_zonewatch_and_goes_on_in_the_table_it_made() {
    let town = Town::create();
    let worker = town.worker("maker");
    town.put(0);
    town.wait_until_delivered([0]);
    town.wait_until_committed("after our part");

    // The library's leader, once it could assign leases, leaves those of a living owner alone.
    let mut kcl = Daemon::start(&town.fleet, &town.dynamodb, "kcl-late");
    wait_for("KCL's leader to have worker metrics", KCL_PATIENCE, || {
        kcl.process.must_live();
        let row = |table: &str, attribute: &str| {
            let rows = lease_rows(&town.dynamodb, &format!("{}-{table}", town.fleet.app));
            rows.iter().any(|row| row[attribute] == "kcl-late").then_some(())
        };
        row("CoordinatorState", "ownerName").and(row("WorkerMetricStats", "wid"))
    });
    town.wait_for_renewals("maker", 3 * RENEWALS);
    assert_eq!(town.owners(), ["maker", "maker"], "KCL took a lease from a living owner");
    town.end(worker);

    town.put(1);
    town.wait_until_read(&mut kcl, 1);
    town.wait_until_committed("after KCL's part");
    assert_eq!(town.owners(), ["kcl-late", "kcl-late"]);
}

/// What both consumers share.
struct Town {
    fleet: Fleet,
    dynamodb: Emulator,
    /// Payloads as CloudWatch makes them, in the parts that are put one after another.
    parts: Vec<Vec<Vec<u8>>>,
}

impl Town {
    fn create() -> Self {
        let payloads: Vec<Vec<u8>> = traffic::sets::small(7).into_iter().take(4 * PART).collect();
        assert_eq!(payloads.len(), 4 * PART);
        Self {
            fleet: Fleet::create(2),
            dynamodb: Emulator::dynamodb_local(),
            parts: payloads.chunks(PART).map(<[Vec<u8>]>::to_vec).collect(),
        }
    }

    fn put(&self, part: usize) {
        let keyed = |(index, payload): (usize, &Vec<u8>)| (format!("{part}/{index}"), base64(payload));
        self.fleet.stream.put(&self.parts[part].iter().enumerate().map(keyed).collect::<Vec<_>>());
    }

    /// Starts our worker with the library's failover time: all workers of an application must agree on it.
    fn worker(&self, id: &str) -> Process {
        let [operations, people] = free_ports();
        let config = self.fleet.config(id, operations, people).replace("failover_secs = 3", "failover_secs = 10");
        let config = self.fleet.folder.write(&format!("{id}.toml"), config.as_bytes());
        let mut command: Command = zonewatch(&["worker", "--config", &config.display().to_string()]);
        on_emulators(&mut command).env("AWS_ENDPOINT_URL_DYNAMODB", self.dynamodb.url());
        Process::start(&mut command, &self.fleet.folder.file(&format!("{id}.log")))
    }

    /// Ends our worker as a scheduler does.
    fn end(&self, mut worker: Process) {
        worker.must_live();
        worker.terminate();
        let status = worker.ended(Duration::from_secs(30));
        assert!(status.success(), "{status}:\n{}", worker.said());
    }

    /// A part's payloads as they come out of the stream.
    fn sent(&self, part: usize) -> BTreeSet<String> {
        self.parts[part].iter().map(|payload| base64(payload)).collect()
    }

    /// Waits until the library's consumer has this part.
    fn wait_until_read(&self, kcl: &mut Daemon, part: usize) {
        let sent = self.sent(part);
        wait_for(&format!("KCL to read part {part}"), KCL_PATIENCE, || {
            kcl.process.must_live();
            let read: BTreeSet<String> = kcl.records().into_iter().map(|record| record.data).collect();
            sent.is_subset(&read).then_some(())
        });
        self.must_have_read(kcl, part);
    }

    /// The library's consumer has been given this part and nothing else, each record once and where it stands.
    fn must_have_read(&self, kcl: &Daemon, part: usize) {
        let sent = self.sent(part);
        let records = self.fleet.stream.read_all().into_iter().map(Consumed::from);
        let mut expected: Vec<Consumed> = records.filter(|record| sent.contains(&record.data)).collect();
        let mut read = kcl.records();
        expected.sort();
        read.sort();
        assert_eq!(read, expected, "what KCL read, and part {part} of the stream");
    }

    /// Takes away the lock of the library's leader, which has died: the next one would wait for it for two minutes, and
    /// leases are not what it guards.
    fn forget_leader(&self) {
        let table = format!("{}-CoordinatorState", self.fleet.app);
        let request = json!({ "TableName": table, "Key": { "key": { "S": "Leader" } }, "ReturnValues": "ALL_OLD" });
        let answer = self.dynamodb.call("DynamoDB_20120810.DeleteItem", &request);
        assert_eq!(answer["Attributes"]["ownerName"]["S"], "kcl-one", "the leader's lock: {answer}");
    }

    /// Waits until our workers have delivered the events of these parts; they must not have delivered others, nor one
    /// of these twice.
    fn wait_until_delivered<const N: usize>(&self, parts: [usize; N]) {
        let payloads = parts.iter().flat_map(|part| &self.parts[*part]);
        let expected: BTreeMap<String, usize> =
            payloads.flat_map(|payload| event_ids(payload)).map(|id| (id, 1)).collect();
        let delivered = wait_for(&format!("delivered events of parts {parts:?}"), PATIENCE, || {
            let mut delivered = BTreeMap::new();
            for line in self.fleet.delivery.lines() {
                *delivered.entry(delivered_id(&line)).or_insert(0_usize) += 1;
            }
            expected.keys().all(|id| delivered.contains_key(id)).then_some(delivered)
        });
        assert_eq!(delivered, expected, "how often each event was delivered, and should be");
    }

    /// Waits until every shard's checkpoint is its last record.
    fn wait_until_committed(&self, phase: &str) {
        let records = self.fleet.stream.read_all();
        let last: BTreeMap<String, String> =
            records.into_iter().map(|record| (record.shard, record.sequence_number)).collect();
        wait_for(&format!("checkpoints {phase}"), PATIENCE, || {
            let rows = self.rows();
            let is_at = |shard: &String, sequence: &String| {
                let row = rows.iter().find(|row| row["leaseKey"] == **shard);
                row.is_some_and(|row| row["checkpoint"] == **sequence || row["checkpoint"] == "SHARD_END")
            };
            last.iter().all(|(shard, sequence)| is_at(shard, sequence)).then_some(())
        });
        self.show(phase);
    }

    /// Waits until this owner has renewed each of its leases so often, or lost it.
    fn wait_for_renewals(&self, owner: &str, renewals: u64) {
        let counters = || -> BTreeMap<String, u64> {
            let rows = self.rows();
            let owned = rows.iter().filter(|row| row["leaseOwner"] == owner);
            owned.map(|row| (text(&row["leaseKey"]), text(&row["leaseCounter"]).parse().expect("a number"))).collect()
        };
        let before = counters();
        wait_for(&format!("renewals of {owner}"), KCL_PATIENCE, || {
            let now = counters();
            let moved = |(key, counter): (&String, &u64)| now.get(key).is_none_or(|now| *now >= counter + renewals);
            before.iter().all(moved).then_some(())
        });
    }

    fn wait_for_row(&self, what: &str, is_it: impl Fn(&Value) -> bool) {
        wait_for(what, PATIENCE, || self.rows().iter().any(&is_it).then_some(()));
    }

    fn split_first_shard(&self) {
        // A quarter of all hash keys: the middle of the first of two shards.
        let middle = (u128::MAX / 4).to_string();
        let shard = self.fleet.stream.shards().remove(0);
        let request =
            json!({ "StreamName": self.fleet.stream.name, "ShardToSplit": shard, "NewStartingHashKey": middle });
        Emulator::kinesis().call("Kinesis_20131202.SplitShard", &request);
    }

    fn rows(&self) -> Vec<Value> {
        lease_rows(&self.dynamodb, &self.fleet.app)
    }

    /// The owners of all leases that have one.
    fn owners(&self) -> Vec<String> {
        self.rows().iter().filter_map(|row| row["leaseOwner"].as_str().map(str::to_owned)).collect()
    }

    /// Shows the rows; the test harness prints this only if the test fails.
    #[expect(clippy::print_stdout, reason = "a failing test shows the rows after each phase")]
    fn show(&self, phase: &str) {
        println!("\nlease rows {phase}:");
        for row in self.rows() {
            println!("  {row}");
        }
    }
}

impl Drop for Town {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.show("at the end");
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is not text")).to_owned()
}

//! What a worker says when something it needs is missing or forbidden: the resource, the action, and what to do.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;
use zonewatch_tests::emulators::{Delivery, Emulator, Stream, unique};
use zonewatch_tests::fleet::{free_ports, on_emulators, with_credentials};
use zonewatch_tests::program::{Folder, Process, zonewatch};

/// Longer than a worker may try before it gives up on what will not change.
const PATIENCE: Duration = Duration::from_secs(30);

/// A worker with this configuration must fail; what it says.
fn refused(config: &str, prepare: impl FnOnce(&mut std::process::Command), arguments: &[&str]) -> String {
    let folder = Folder::create();
    let [operations, people] = free_ports();
    let http = format!("\n[http]\noperations = \"127.0.0.1:{operations}\"\npeople = \"127.0.0.1:{people}\"\n");
    let path = folder.write("worker.toml", format!("{config}{http}").as_bytes()).display().to_string();
    let mut command = zonewatch(&[&["worker", "--config", path.as_str()], arguments].concat());
    prepare(&mut command);
    let mut process = Process::start(&mut command, &folder.file("log"));
    let status = process.ended(PATIENCE);
    let said = process.said();
    assert!(!status.success() && status.code().is_some(), "{status}:\n{said}");
    said
}

fn on_all_emulators(command: &mut std::process::Command) {
    on_emulators(command);
}

fn assert_names(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "{word} is missing in:\n{said}");
    }
}

#[test]
fn a_missing_stream_is_named_with_the_action() {
    let stream = unique("nowhere");
    let config = format!("[source]\nstream = \"{stream}\"\n[worker]\napp = \"{}\"\n", unique("app"));
    let said = refused(&config, on_all_emulators, &[]);
    assert_names(&said, &[&stream, "ListShards"]);
}

#[test]
fn a_missing_table_is_named_when_none_may_be_made() {
    let stream = Stream::create(Emulator::kinesis(), 1);
    let app = unique("app");
    let config = format!("[source]\nstream = \"{}\"\n[worker]\napp = \"{app}\"\n", stream.name);
    let said = refused(&config, on_all_emulators, &["--no-create"]);
    assert_names(&said, &[&app, "DescribeTable"]);
}

#[test]
fn a_missing_delivery_stream_is_named_with_the_action() {
    let stream = Stream::create(Emulator::kinesis(), 1);
    let outlet = unique("nowhere");
    let config = format!(
        "[source]\nstream = \"{}\"\n[worker]\napp = \"{}\"\n[records]\ndelivery_streams = [\"{outlet}\"]\n",
        stream.name,
        unique("app")
    );
    let said = refused(&config, on_all_emulators, &[]);
    assert_names(&said, &[&outlet, "DescribeDeliveryStream"]);
}

#[test]
fn a_denied_call_is_named_with_the_resource_and_the_action() {
    let stream = unique("forbidden");
    let denying = denying_server();
    // The outlet is sound: only the stream is forbidden.
    let delivery = Delivery::create(Emulator::aws());
    let config = format!(
        "[source]\nstream = \"{stream}\"\n[worker]\napp = \"{}\"\n[records]\ndelivery_streams = [\"{}\"]\n",
        unique("app"),
        delivery.name
    );
    let prepare = |command: &mut std::process::Command| {
        with_credentials(on_emulators(command)).env("AWS_ENDPOINT_URL_KINESIS", denying);
    };
    let said = refused(&config, prepare, &[]);
    assert_names(&said, &[&stream, "kinesis:ListShards", "not authorized"]);
}

#[test]
fn a_log_for_machines_is_an_object_a_line_and_the_last_word_is_for_people() {
    let stream = unique("nowhere");
    let config =
        format!("[source]\nstream = \"{stream}\"\n[worker]\napp = \"{}\"\n[log]\nformat = \"json\"\n", unique("app"));
    let said = refused(&config, on_all_emulators, &[]);
    let lines: Vec<&str> = said.lines().collect();
    let (last, logged) = lines.split_last().expect("it said why it ended");
    assert!(last.starts_with("zonewatch: "), "{said}");
    assert!(!logged.is_empty(), "{said}");
    for line in logged {
        let event: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(["timestamp", "level", "message"].iter().all(|key| event[key].is_string()), "{line}");
    }
    assert!(logged.iter().any(|line| line.contains("worker starting") && line.contains(&stream)), "{said}");
}

#[test]
fn a_worker_that_waits_for_a_silent_service_ends_when_asked() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let endpoint = format!("http://{}", silent.local_addr().expect("a bound port"));
    let [operations, people] = free_ports();
    let folder = Folder::create();
    let config = format!(
        "[source]\nstream = \"s\"\n[records]\ndelivery_streams = [\"d\"]\n\
         [http]\noperations = \"127.0.0.1:{operations}\"\npeople = \"127.0.0.1:{people}\"\n"
    );
    let path = folder.write("worker.toml", config.as_bytes()).display().to_string();
    let mut command = zonewatch(&["worker", "--config", &path]);
    with_credentials(&mut command).env("AWS_ENDPOINT_URL", endpoint);
    let mut worker = Process::start(&mut command, &folder.file("log"));
    // Its first call has been taken, and is never answered.
    let _call = silent.accept().expect("a call");
    worker.terminate();
    let status = worker.ended(Duration::from_secs(10));
    assert!(status.success(), "{status}:\n{}", worker.said());
}

/// A server that denies every call, as a service does whose policy lacks an action. Lives as long as the test process.
fn denying_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound port");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || deny(stream));
        }
    });
    format!("http://{address}")
}

fn deny(mut stream: TcpStream) {
    let body = r#"{"__type":"AccessDeniedException","message":"User: arn:aws:iam::123456789012:user/worker is not authorized to perform this call because no identity-based policy allows it"}"#;
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/x-amz-json-1.1\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut request = Vec::new();
    let mut part = [0; 4096];
    while !is_whole(&request) {
        match stream.read(&mut part) {
            Ok(0) | Err(_) => return,
            Ok(length) => request.extend_from_slice(&part[..length]),
        }
    }
    // A client that went away hears nothing, and nobody misses it.
    let _ = stream.write_all(answer.as_bytes());
}

/// Whether a request has come in up to the end of its body.
fn is_whole(request: &[u8]) -> bool {
    let Some(head) = request.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let text = String::from_utf8_lossy(&request[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    request.len() >= head + 4 + length.unwrap_or(0)
}

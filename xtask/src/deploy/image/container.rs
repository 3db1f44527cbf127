//! The image's program meets AWS, as its names, certificates and roles are outside: on a loopback address stand a name
//! server, a TLS server under an authority of this run, and Pod Identity's agent. `zonewatch doctor` tells what it sees of
//! them from inside, run by buildah; what they saw of it, they tell themselves.

use super::{NAME, Place, VERSION};
use crate::deploy::commands::output;
use crate::say;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A loopback address that nobody else's servers are on.
const ADDRESS: &str = "127.53.0.53";
/// The container's name.
const CONTAINER: &str = "zonewatch-check";
const TOKEN: &str = "token-of-the-service-account";

/// One meeting: the environment, what `doctor` must say, and what the servers must have seen and not seen.
struct Meeting {
    name: &'static str,
    environment: &'static [(&'static str, &'static str)],
    said: Vec<String>,
    seen: &'static [&'static str],
    unseen: &'static [&'static str],
}

/// Keys, as a developer has them.
const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "KEYS"), ("AWS_SECRET_ACCESS_KEY", "secret")];
const AUTHORITY: (&str, &str) = ("SSL_CERT_FILE", "/run/check/authority.pem");

fn meetings(roots: usize) -> Vec<Meeting> {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    vec![
        Meeting {
            name: "the public roots, and a certificate of none of them",
            environment: &KEYS,
            said: [texts(&["UnknownIssuer"]), vec![format!("{roots} authorities' certificates are believed")]].concat(),
            seen: &["\"dns\": \"kinesis.us-east-1.amazonaws.com\", \"type\": 1"],
            unseen: &["\"handshake\": \"done\"", "\"request\""],
        },
        Meeting {
            name: "the test authority, keys",
            environment: &[KEYS[0], KEYS[1], AUTHORITY],
            said: texts(&["1 authority's certificates are believed", "kinesis:ListShards", "is not there"]),
            seen: &[
                "\"handshake\": \"done\", \"version\": \"TLSv1.3\"",
                "\"request\": \"Kinesis_20131202.ListShards\", \"key\": \"KEYS\"",
                "\"request\": \"DynamoDB_20120810.DescribeTable\", \"key\": \"KEYS\"",
            ],
            unseen: &[],
        },
        Meeting {
            name: "a name that there is not",
            environment: &[KEYS[0], KEYS[1], AUTHORITY, ("AWS_ENDPOINT_URL", "https://kinesis.nowhere.invalid")],
            said: texts(&["failed to lookup address information"]),
            seen: &["\"dns\": \"kinesis.nowhere.invalid\""],
            unseen: &["\"handshake\": \"done\""],
        },
        Meeting {
            name: "a role for a service account",
            environment: &[
                AUTHORITY,
                ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/zonewatch-worker"),
                ("AWS_WEB_IDENTITY_TOKEN_FILE", "/run/check/token"),
                ("AWS_STS_REGIONAL_ENDPOINTS", "regional"),
            ],
            said: texts(&["there is a region, and there are credentials"]),
            seen: &[
                "\"dns\": \"sts.us-east-1.amazonaws.com\"",
                "\"assumed\": \"arn:aws:iam::123456789012:role/zonewatch-worker\", \"token\": \"token-of-the-service-account\"",
                "\"request\": \"Kinesis_20131202.ListShards\", \"key\": \"WEBIDENTITY\"",
            ],
            unseen: &[],
        },
        Meeting {
            name: "a role by Pod Identity",
            environment: &[
                AUTHORITY,
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.53.0.53/v1/credentials"),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/run/check/token"),
            ],
            said: texts(&["there is a region, and there are credentials"]),
            seen: &[
                "\"agent\": \"/v1/credentials\", \"token\": \"token-of-the-service-account\"",
                "\"request\": \"Kinesis_20131202.ListShards\", \"key\": \"PODIDENTITY\"",
            ],
            unseen: &[],
        },
    ]
}

/// Runs all meetings.
pub(super) fn meets_aws(place: &Place<'_>) -> Result<(), String> {
    let roots = place.roots()?;
    let container = Container::make(place)?;
    let version = container.run(&[], &["--version"])?;
    if version.trim() != format!("zonewatch {VERSION}") {
        return Err(format!("the image's program says {version:?}"));
    }
    for meeting in meetings(roots) {
        let servers = Servers::start(place)?;
        let environment =
            [meeting.environment, &[("AWS_REGION", "us-east-1"), ("ZONEWATCH_SOURCE__STREAM", "queries")]];
        let doctor = ["doctor", "--timeout", "30", "--log-group", "/aws/route53/example.com"];
        // It finds problems whatever happens: nothing of what it looks for is there.
        let told = container.run(&environment.concat(), &doctor).unwrap_or_else(|told| told);
        let seen = servers.events()?;
        let missing = meeting.said.iter().map(String::as_str).filter(|text| !told.contains(text));
        let missing = missing.chain(meeting.seen.iter().copied().filter(|text| !seen.contains(text)));
        let wrong: Vec<&str> =
            missing.chain(meeting.unseen.iter().copied().filter(|text| seen.contains(text))).collect();
        if !wrong.is_empty() {
            return Err(format!("{}: missing or too much: {wrong:#?}\n{told}\n{seen}", meeting.name));
        }
        for line in told.lines().filter(|line| meeting.said.iter().any(|text| line.contains(text.as_str()))).take(3) {
            say(&format!("{}: {}", meeting.name, line.trim()));
        }
    }
    Ok(())
}

/// The container, which is removed in the end.
struct Container<'a, 'b> {
    place: &'a Place<'b>,
}

impl Drop for Container<'_, '_> {
    fn drop(&mut self) {
        let _ = output(self.place.buildah().args(["rm", CONTAINER]));
    }
}

impl<'a, 'b> Container<'a, 'b> {
    fn make(place: &'a Place<'b>) -> Result<Self, String> {
        let _ = output(place.buildah().args(["rm", CONTAINER]));
        output(place.buildah().args(["from", "--dns", ADDRESS, "--name", CONTAINER, NAME]))?;
        Ok(Self { place })
    }

    /// Runs the image's program as the image's user; the folder of the servers is `/run/check`.
    fn run(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Result<String, String> {
        let mut command = self.place.buildah();
        command.args(["run", "--isolation", "chroot"]);
        let folder = folder(self.place);
        fs::create_dir_all(&folder).map_err(|error| format!("make {}: {error}", folder.display()))?;
        command.arg("--volume").arg(format!("{}:/run/check:ro", folder.display()));
        for (name, value) in [("AWS_EC2_METADATA_DISABLED", "true")].iter().chain(environment) {
            command.args(["--env", &format!("{name}={value}")]);
        }
        output(command.args([CONTAINER, "--", "/usr/bin/zonewatch"]).args(arguments))
    }
}

fn folder(place: &Place<'_>) -> PathBuf {
    place.scratch.join("meeting")
}

/// The servers of one meeting. They end with their standard input.
struct Servers {
    child: Child,
    events: PathBuf,
}

impl Drop for Servers {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Servers {
    fn start(place: &Place<'_>) -> Result<Self, String> {
        let folder = folder(place);
        let made = fs::create_dir_all(&folder).and_then(|()| fs::write(folder.join("token"), TOKEN));
        made.map_err(|error| format!("write below {}: {error}", folder.display()))?;
        let mut command: Command = place.packaging.python(place.tools);
        command.arg(place.root.join("tools/image/service.py")).arg(&folder).arg(ADDRESS);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| format!("start the servers of the check: {error}"))?;
        let mut line = String::new();
        let told = BufReader::new(child.stdout.take().expect("standard output is piped")).read_line(&mut line);
        let servers = Self { child, events: folder.join("events.ndjson") };
        match told {
            Ok(_) if line.trim() == "ready" => Ok(servers),
            _ => Err(format!(
                "start the servers of the check on {ADDRESS}: they do not listen; is a port of 53, 80 and 443 taken?"
            )),
        }
    }

    fn events(&self) -> Result<String, String> {
        fs::read_to_string(&self.events).map_err(|error| format!("read {}: {error}", self.events.display()))
    }
}

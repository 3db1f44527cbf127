//! `zonewatch health`: whether the worker on this machine is alive, for containers that have no shell and no curl.

use super::Failure;
use super::worker::{environment, unsound};
use crate::config;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

/// A worker answers at once or not at all; orchestrators give such a check five seconds.
const PATIENCE: Duration = Duration::from_secs(3);

const EXAMPLES: &str = "\
Asks /healthz of http.operations, with the worker's own configuration and environment, for 3 seconds at most.

Examples:
  zonewatch health                           a container's health check, where its environment configures the worker
  zonewatch health --config zonewatch.toml

Exit codes: 0 alive, 1 not alive, or no answer, 2 wrong arguments or configuration.";

/// Arguments of `health`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The worker's configuration, TOML
    #[arg(long, value_name = "FILE", env = "ZONEWATCH_CONFIG")]
    config: Option<PathBuf>,
}

/// Succeeds if the worker answers.
pub fn run(args: &Args) -> Result<(), Failure> {
    let config = config::load(args.config.as_deref(), environment()).map_err(|faults| unsound(&faults.0))?;
    ask(local(config.http.operations))
}

/// Where a listener is reached from its own machine.
fn local(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listener.port())
}

fn ask(address: SocketAddr) -> Result<(), Failure> {
    let failed = |what: String| Failure::run(format!("ask http://{address}/healthz: {what}; look at the worker's log"));
    let status = status(address).map_err(|error| failed(error.to_string()))?;
    if status == "200" { Ok(()) } else { Err(failed(format!("the answer is {status:?}"))) }
}

/// The status of the answer, as the line says it.
fn status(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut line = [0; "HTTP/1.1 200".len()];
    stream.read_exact(&mut line)?;
    Ok(String::from_utf8_lossy(&line[line.len() - 3..]).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;

    /// A listener that gives one answer.
    fn answering(answer: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
            let request: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            assert_eq!(request[0], "GET /healthz HTTP/1.1");
            stream.write_all(answer.as_bytes()).unwrap();
        });
        address
    }

    #[test]
    fn only_an_answer_of_200_is_alive() {
        assert_eq!(ask(answering("HTTP/1.1 200 OK\r\n\r\nalive\n")), Ok(()));
        for (answer, says) in [("HTTP/1.1 503 Service Unavailable\r\n\r\n", "503"), ("HTTP", "failed to fill")] {
            let failure = ask(answering(answer)).unwrap_err();
            assert!(failure.code == 1 && failure.message.contains(says), "{failure:?}");
        }
    }

    #[test]
    fn nobody_there_is_not_alive() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(ask(free).unwrap_err().code, 1);
    }

    #[test]
    fn a_listener_on_every_address_is_asked_on_loopback() {
        let asked = |listener: &str| local(listener.parse().unwrap()).to_string();
        assert_eq!(asked("0.0.0.0:9464"), "127.0.0.1:9464");
        assert_eq!(asked("[::]:9464"), "[::1]:9464");
        assert_eq!(asked("192.0.2.1:9464"), "192.0.2.1:9464");
    }
}

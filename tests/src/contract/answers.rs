//! A service that says what a test tells it to say: the answers that no emulator gives.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What it says to a call.
#[derive(Debug, Clone)]
pub enum Answer {
    /// 200 and a JSON body.
    Says(String),
    /// A refusal: status and code.
    Refuses(u16, &'static str),
    /// A refusal with a message that counts.
    Explains(u16, &'static str, &'static str),
    /// It begins an answer of 200, and says nothing more.
    Stalls,
    /// It takes the call and hangs up.
    HangsUp,
}

/// The service. It answers its calls in the order in which they come, and hangs up when it has nothing left to say.
#[derive(Debug)]
pub struct Service {
    url: String,
    calls: Arc<Mutex<Vec<String>>>,
}

impl Service {
    /// Starts it on a free loopback port; it ends with the test's process.
    pub fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let calls = Arc::new(Mutex::new(Vec::new()));
        let answers: Arc<Mutex<VecDeque<_>>> = Arc::new(Mutex::new(answers.into_iter().collect()));
        let noted = calls.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (noted, answers) = (noted.clone(), answers.clone());
                std::thread::spawn(move || serve(stream, &noted, &answers));
            }
        });
        Self { url, calls }
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The bodies of the calls that came.
    pub fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, noted: &Mutex<Vec<String>>, answers: &Mutex<VecDeque<Answer>>) {
    while let Some(body) = receive(&mut stream) {
        noted.lock().unwrap().push(body);
        let answer = answers.lock().unwrap().pop_front().unwrap_or(Answer::HangsUp);
        let (status, body) = match answer {
            Answer::Says(body) => (200, body),
            Answer::Refuses(status, code) => (status, refusal(code, "as told")),
            Answer::Explains(status, code, message) => (status, refusal(code, message)),
            Answer::Stalls => {
                let _ = stream.write_all(b"HTTP/1.1 200 said\r\ncontent-length: 1000\r\n\r\nhalf");
                // Until the caller gives up.
                let _ = stream.read(&mut [0]);
                return;
            }
            Answer::HangsUp => return,
        };
        let head = format!(
            "HTTP/1.1 {status} said\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        if stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).is_err() {
            return;
        }
    }
}

fn refusal(code: &str, message: &str) -> String {
    format!(r#"{{"__type":"{code}","message":"{message}"}}"#)
}

/// The body of the next request; `None` when there is none.
fn receive(stream: &mut TcpStream) -> Option<String> {
    let mut request = Vec::new();
    let mut part = [0; 4096];
    loop {
        if let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
            // A request to get something has no body.
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:")).unwrap_or("0");
            let length = length.trim().parse::<usize>().ok()?;
            if request.len() >= end + 4 + length {
                return Some(String::from_utf8_lossy(&request[end + 4..end + 4 + length]).into_owned());
            }
        }
        let read = stream.read(&mut part).ok().filter(|read| *read > 0)?;
        request.extend_from_slice(&part[..read]);
    }
}

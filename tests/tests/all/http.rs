//! One request over HTTP/1.1, and its whole answer.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

/// Real time after which a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// An answer over HTTP.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Status line and headers, in lower case but for cookies and places.
    pub(crate) headers: String,
    pub(crate) body: Vec<u8>,
    head: String,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// A header as it was sent.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Sends one request and reads its answer to the end of the connection.
pub(crate) fn ask(address: &str, method: &str, path: &str, body: &[u8]) -> Answer {
    ask_with(address, method, path, &[("Host", address)], body)
}

/// The same with these headers and no others but those that frame the body.
pub(crate) fn ask_with(address: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    write!(stream, "{method} {path} HTTP/1.1\r\n{headers}Connection: close\r\nContent-Length: {length}\r\n\r\n")
        .unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let at = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..at].to_vec()).unwrap();
    let headers = head.to_lowercase();
    let status = headers.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, headers, body: answer[at + 4..].to_vec(), head }
}

//! Webhooks: at least once, in the order of each chain, across refusals and a kill.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
        mpsc::{Receiver, channel},
    },
    time::Duration,
};

use mediation_gateway::feed::WebhookKey;
use serde_json::Value;

use super::{Gateway, matter, text};
use crate::served::{Served, event_id};

/// Real time after which a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a subscriber answers.
const TAKES: u8 = 0;
const TAKES_EVERY_OTHER: u8 = 1;
const REFUSES: u8 = 2;

/// One request of a webhook.
struct Told {
    id: String,
    time: String,
    signature: String,
    body: String,
    taken: bool,
}

/// A subscriber on a port of loopback.
struct Subscriber {
    url: String,
    answers: Arc<AtomicU8>,
    told: Receiver<Told>,
}

impl Subscriber {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let answers = Arc::new(AtomicU8::new(TAKES));
        let (tx, told) = channel();
        let how = Arc::clone(&answers);
        std::thread::spawn(move || {
            let mut count = 0;
            for stream in listener.incoming() {
                // A gateway that is killed leaves half a request.
                let Some((mut told, mut stream)) = read(stream.unwrap()) else { continue };
                count += 1;
                told.taken = match how.load(Ordering::SeqCst) {
                    TAKES => true,
                    TAKES_EVERY_OTHER => count % 2 == 0,
                    _ => false,
                };
                let status = if told.taken { "204 No Content" } else { "503 Service Unavailable" };
                let answered = write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
                told.taken &= answered.is_ok();
                if tx.send(told).is_err() {
                    return;
                }
            }
        });
        Self { url, answers, told }
    }

    fn next(&self) -> Told {
        self.told.recv_timeout(PATIENCE).expect("the subscriber is told")
    }
}

fn read(stream: TcpStream) -> Option<(Told, TcpStream)> {
    let mut reader = BufReader::new(stream);
    let mut told =
        Told { id: String::new(), time: String::new(), signature: String::new(), body: String::new(), taken: false };
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            if line == "\r\n" {
                break;
            }
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "webhook-id" => told.id = value.to_owned(),
            "webhook-timestamp" => told.time = value.to_owned(),
            "webhook-signature" => told.signature = value.to_owned(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    told.body = String::from_utf8(body).ok()?;
    Some((told, reader.into_inner()))
}

fn subscribed(gateway: &Gateway, subscriber: &Subscriber, attempts: u32) -> WebhookKey {
    gateway.run("subscribe", &["province", &subscriber.url]);
    gateway.configure("attempts = 10", &format!("attempts = {attempts}"));
    gateway.configure("first_pause_ms = 500", "first_pause_ms = 20");
    let key = std::fs::read_to_string(gateway.directory.join("webhook-province.key")).unwrap();
    WebhookKey::parse(&key).unwrap()
}

#[test]
fn a_subscriber_that_fails_half_of_the_time_is_told_everything_in_order_also_across_a_kill() {
    let served = Served::new();
    let mut gateway = Gateway::unserved(&served);
    let subscriber = Subscriber::new();
    subscriber.answers.store(TAKES_EVERY_OTHER, Ordering::SeqCst);
    let key = subscribed(&gateway, &subscriber, 10);
    gateway.start();
    let mut chains = Vec::new();
    let mut hand_in = |gateway: &Gateway, at: usize| {
        let (status, told) = gateway.hand_in("hall", &event_id(), &matter("WALK_IN", &format!("第 {at} 件")));
        assert_eq!(status, 201, "{told}");
        chains.push(text(&told, "/receipt/chain_id").to_owned());
    };
    (0..6).for_each(|at| hand_in(&gateway, at));
    let (mut taken, mut first) = (Vec::new(), BTreeSet::new());
    let mut wait_for = |count: usize| {
        while first.len() < count {
            let told = subscriber.next();
            let time = told.time.parse().unwrap();
            assert_eq!(told.signature, key.sign(&told.id, time, &told.body));
            let event: Value = serde_json::from_str(&told.body).unwrap();
            assert_eq!(told.id, format!("msg_{}", text(&event, "/id")));
            let index: u64 = text(&event, "/id").parse().unwrap();
            if told.taken && first.insert(index) {
                taken.push((index, text(&event, "/subject").to_owned()));
            }
        }
    };
    wait_for(2);
    gateway.kill();
    gateway.start();
    (6..9).for_each(|at| hand_in(&gateway, at));
    wait_for(9);
    assert!(taken.is_sorted(), "{taken:?}");
    let told: Vec<&String> = taken.iter().map(|(_, chain)| chain).collect();
    assert_eq!(told, chains.iter().collect::<Vec<_>>());
}

#[test]
fn what_is_given_up_is_listed_and_sent_again() {
    let served = Served::new();
    let mut gateway = Gateway::unserved(&served);
    let subscriber = Subscriber::new();
    subscriber.answers.store(REFUSES, Ordering::SeqCst);
    subscribed(&gateway, &subscriber, 2);
    gateway.start();
    let (status, told) = gateway.hand_in("hall", &event_id(), &matter("WALK_IN", "空调滴水"));
    assert_eq!(status, 201, "{told}");
    let chain = text(&told, "/receipt/chain_id");
    assert!(!subscriber.next().taken && !subscriber.next().taken, "two attempts");
    subscriber.answers.store(TAKES, Ordering::SeqCst);
    // The next matter is of another chain, and comes though the first was given up.
    let (_, other) = gateway.hand_in("hall", &event_id(), &matter("WALK_IN", "漏水"));
    let event: Value = serde_json::from_str(&subscriber.next().body).unwrap();
    assert_eq!(text(&event, "/subject"), text(&other, "/receipt/chain_id"));
    let listed: Value = serde_json::from_slice(&gateway.run("letters", &["province", "--json"]).stdout).unwrap();
    assert_eq!((listed.as_array().unwrap().len(), text(&listed, "/0/chain")), (1, chain));
    assert_eq!(text(&listed, "/0/why"), "answered 503");
    gateway.run("resend", &["province"]);
    let event: Value = serde_json::from_str(&subscriber.next().body).unwrap();
    assert_eq!(text(&event, "/subject"), chain);
}

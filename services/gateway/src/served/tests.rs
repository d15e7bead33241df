use axum::{
    body::Body,
    http::{Method, Request},
};
use hyper_util::service::TowerToHyperService;
use mediation_ledger::{
    merkle::{Tree, hash_leaf},
    tile::{decode_entries, partial_tiles},
};

use super::*;

struct Log {
    tree: Tree,
    entries: Vec<Bytes>,
    witnessed: Option<String>,
}

impl Log {
    fn of(size: usize) -> Arc<Self> {
        let entries: Vec<Bytes> = (0..size).map(|number| Bytes::from(format!("e{number}"))).collect();
        let tree = entries.iter().map(|entry| hash_leaf(entry)).collect();
        Arc::new(Self { tree, entries, witnessed: None })
    }
}

impl LogSource for Log {
    fn size(&self) -> TreeSize {
        self.tree.size()
    }

    fn checkpoint(&self) -> Option<String> {
        (self.size().0 > 0).then(|| format!("checkpoint of {}\n", self.size()))
    }

    fn witnessed(&self) -> Option<String> {
        self.witnessed.clone()
    }

    fn hashes(&self, tile: Tile) -> Option<Vec<u8>> {
        tile.hashes(&self.tree)
    }

    /// A hundred at a time, as a log that bounds what it reads at once.
    async fn leaves(&self, from: LeafIndex, count: usize) -> Result<Vec<Bytes>, ReadError> {
        let from = usize::try_from(from.0).unwrap();
        Ok(self.entries.iter().skip(from).take(count.min(100)).cloned().collect())
    }
}

/// Status, content type, cache, body.
async fn ask(log: &Arc<Log>, entries: bool, method: Method, path: &str) -> (u16, String, String, Bytes) {
    use hyper::service::Service as _;
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    let service = TowerToHyperService::new(router(Arc::clone(log), Options { entries }));
    let answer = service.call(request).await.unwrap();
    let header = |name| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    let (status, content_type, cache) = (answer.status().as_u16(), header(CONTENT_TYPE), header(CACHE_CONTROL));
    (status, content_type, cache, axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap())
}

async fn get(log: &Arc<Log>, path: &str) -> (u16, String, String, Bytes) {
    ask(log, true, Method::GET, path).await
}

#[tokio::test]
async fn checkpoints_are_text_for_a_moment() {
    let log = Log::of(7);
    let (status, content_type, cache, body) = get(&log, "/checkpoint").await;
    assert_eq!(
        (status, content_type.as_str(), cache.as_str()),
        (200, "text/plain; charset=utf-8", "public, max-age=1")
    );
    assert_eq!(body, "checkpoint of 7\n");
    let (status, _, cache, _) = get(&log, "/checkpoint.witnessed").await;
    assert_eq!((status, cache.as_str()), (404, "no-store"));
    let log = Arc::new(Log { tree: Tree::new(), entries: Vec::new(), witnessed: Some("w\n".to_owned()) });
    assert_eq!(get(&log, "/checkpoint.witnessed").await.3, "w\n");
    assert_eq!(get(&log, "/checkpoint").await.0, 404, "nothing is sealed yet");
}

#[tokio::test]
async fn every_tile_that_a_size_implies_is_served_for_ever() {
    let log = Log::of(70_000);
    for tile in partial_tiles(log.size()) {
        let (status, content_type, cache, body) = get(&log, &format!("/{tile}")).await;
        assert_eq!((status, content_type.as_str()), (200, "application/octet-stream"), "{tile}");
        match tile.content() {
            TileContent::Hashes(_) => {
                assert_eq!(cache, "public, max-age=31536000, immutable");
                assert_eq!(body.len(), usize::from(tile.width()) * 32, "{tile}");
            }
            TileContent::Entries => {
                assert_eq!(cache, "private, max-age=31536000, immutable");
                let entries = decode_entries(&body, tile.width()).unwrap();
                assert_eq!(entries.first().unwrap(), "e69888");
                assert_eq!(entries.last().unwrap(), "e69999");
            }
        }
    }
    for (path, bytes) in [("/tile/0/000", 8192), ("/tile/0/272", 8192), ("/tile/1/000", 8192), ("/tile/0/000.p/3", 96)]
    {
        let (status, _, _, body) = get(&log, path).await;
        assert_eq!((status, body.len()), (200, bytes), "{path}");
    }
    let full = decode_entries(&get(&log, "/tile/entries/000").await.3, 256).unwrap();
    assert_eq!(full.last().unwrap(), "e255");
}

#[tokio::test]
async fn what_is_not_there_is_not_found_and_not_kept() {
    let log = Log::of(300);
    let paths = [
        "/",
        "/log",
        "/tile/",
        "/tile/0",
        "/tile/0/0",
        "/tile/0/001",
        "/tile/0/001.p/45",
        "/tile/0/002.p/1",
        "/tile/0/001.p/0",
        "/tile/2/000.p/1",
        "/tile/64/000",
        "/tile/entries/001",
        "/tile/entries/x001/000",
        "/tile/0/../../checkpoint",
        "/tile/0/%30%30%31.p/%34%34x",
        "/checkpoint/",
    ];
    for path in paths {
        let (status, content_type, cache, body) = get(&log, path).await;
        assert_eq!((status, cache.as_str()), (404, "no-store"), "{path}");
        assert_eq!(content_type, "text/plain; charset=utf-8", "{path}");
        assert!(body.ends_with(b"\n"), "{path}: the reason is a line");
    }
    assert_eq!(ask(&log, true, Method::POST, "/checkpoint").await.0, 405);
    let (status, _, _, body) = ask(&log, true, Method::HEAD, "/tile/0/000").await;
    assert_eq!((status, body.len()), (200, 0));
}

#[tokio::test]
async fn entries_are_served_only_where_the_operator_says_so() {
    let log = Log::of(300);
    let (status, _, cache, body) = ask(&log, false, Method::GET, "/tile/entries/000").await;
    assert_eq!((status, cache.as_str()), (403, "no-store"));
    assert!(String::from_utf8(body.to_vec()).unwrap().contains("Ask the audit"));
    let beyond = ask(&log, false, Method::GET, "/tile/entries/999").await;
    assert_eq!(beyond.0, 403, "closed entries do not tell how many there are");
    assert_eq!(ask(&log, false, Method::GET, "/tile/0/000").await.0, 200);
}

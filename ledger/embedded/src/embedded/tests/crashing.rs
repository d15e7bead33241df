//! The plug is pulled, or an operation fails: what was acknowledged is there.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_loses_nothing_that_was_acknowledged() {
    let mut torn = 0;
    for seed in 0..100 {
        let disk = SimulatedDisk::new();
        created(&disk);
        let acknowledged = crash_under_load(&disk, seed).await;
        let crashed = disk.crash(seed);
        let scan = scan_dir(&crashed, &dir(), None);
        // Bytes of a batch that lack its beginning: opening clears them away, or refuses what is more than that.
        let is_stray = |fault: &Fault| fault.problem == Problem::NotZero;
        assert!(scan.faults.iter().all(is_stray), "seed {seed}: {:?}", scan.faults);
        torn += u32::from(scan.torn_tail.is_some());
        let log = open(&crashed).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        for (name, count) in acknowledged {
            let there = length(&log, name).await;
            assert!(there >= count && there <= count + 1, "seed {seed}: {there} of {count}");
            // What was not acknowledged can be asked for again, whether it is there or not.
            append(&log, name, count).await.unwrap();
            append(&log, name, count + 1).await.unwrap();
        }
        log.close().await;
        assert_clean(&crashed);
    }
    assert!(torn > 10, "only {torn} of the crashes tore a batch");
}

/// Four writers until the plug is pulled at some operation; how many records of each chain were acknowledged.
pub(super) async fn crash_under_load(disk: &SimulatedDisk, seed: u64) -> BTreeMap<u8, u64> {
    let log =
        Embedded::open(Arc::new(disk.clone()), &dir(), &Options { fatal: FatalHandler::new(|_| {}), ..options() });
    let log = Arc::new(log.unwrap());
    let writers: Vec<_> = (0..4_u8)
        .map(|name| {
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                let mut count = 0;
                while append(&log, name, count).await.is_ok() {
                    count += 1;
                }
                (name, count)
            })
        })
        .collect();
    disk.fail_from_operation(seed * 7 % 300 + 1);
    let mut acknowledged = BTreeMap::new();
    for writer in writers {
        let (name, count) = writer.await.unwrap();
        acknowledged.insert(name, count);
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_operation_fails_nothing_acknowledged_is_lost() {
    for n in 1.. {
        let disk = SimulatedDisk::new();
        created(&disk);
        let start = disk.operations();
        disk.fail_operation(n);
        let mut acknowledged = 0;
        let fatal = Options { fatal: FatalHandler::new(|_| {}), ..options() };
        if let Ok(log) = Embedded::open(Arc::new(disk.clone()), &dir(), &fatal) {
            for revision in 0..90 {
                // Once more after a failure, as a caller does. A log whose disk failed stays closed.
                if append(&log, 1, revision).await.is_err() && append(&log, 1, revision).await.is_err() {
                    break;
                }
                acknowledged = revision + 1;
            }
            log.close().await;
        }
        let done = disk.operations() - start < n;
        let crashed = disk.crash(n);
        let log = open(&crashed).unwrap_or_else(|error| panic!("operation {n}: {error}"));
        let there = length(&log, 1).await;
        assert!(there >= acknowledged && there <= acknowledged + 1, "operation {n}: {there} of {acknowledged}");
        drop(log);
        assert_clean(&crashed);
        if done {
            assert_eq!(acknowledged, 90, "without a fault everything is stored");
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_operation_of_creating_fails_it_can_be_done_again() {
    for n in 1.. {
        let disk = SimulatedDisk::new();
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        disk.fail_operation(n);
        let outcome = Embedded::create(&shared, &dir(), &options());
        let crashed = disk.crash(n);
        let shared: Arc<dyn Disk> = Arc::new(crashed.clone());
        match Embedded::create(&shared, &dir(), &options()) {
            Ok(()) => assert!(outcome.is_err(), "operation {n}: a log that was created is gone"),
            Err(CreateError::Exists { .. }) => {}
            Err(error) => panic!("operation {n}: {error}"),
        }
        assert_eq!(open(&crashed).unwrap().size(), TreeSize(0));
        if outcome.is_ok() {
            break;
        }
    }
}

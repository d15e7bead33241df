//! What a failed write left is cleared away in steps. The plug may be pulled at any of them, and again while opening does
//! the same: the log opens, and has what was acknowledged.

use super::*;

/// Images looked at for each place at which the plug is pulled.
const IMAGES: usize = 64;

/// The same of the second time, for each image of the first.
const IMAGES_AGAIN: usize = 4;

/// Bytes that the disk takes of the batch that fails.
const TAKEN: u64 = 2_000;

fn open_for_test(disk: &SimulatedDisk) -> Result<Embedded, OpenError> {
    let fatal = FatalHandler::new(|_| {});
    Embedded::open(Arc::new(disk.clone()), &dir(), &Options { fatal, ..options() })
}

/// A log with one record, on a disk whose plug is pulled at this change while the rest of a failed batch is cleared away
/// for a second one. Answers whether that was acknowledged all the same.
async fn pulled_at(change: u64, block_bytes: usize) -> (SimulatedDisk, bool) {
    let disk = SimulatedDisk::in_turn();
    disk.set_block_bytes(block_bytes);
    created(&disk);
    let log = open_for_test(&disk).unwrap();
    append(&log, 1, 0).await.unwrap();
    disk.leave_space(Some(TAKEN));
    let long = Bytes::from(vec![7; 3_000]);
    assert!(matches!(log.append(chain(2), Revision(0), long).await, Err(AppendError::NoSpace)));
    disk.leave_space(None);
    disk.fail_from_change(change);
    let acknowledged = append(&log, 1, 1).await.is_ok();
    (disk, acknowledged)
}

async fn assert_opens(image: &SimulatedDisk, least: u64, context: &str) {
    let log = open_for_test(image).unwrap_or_else(|error| panic!("{context}: {error}"));
    let there = length(&log, 1).await;
    assert!(there >= least && there <= 2, "{context}: {there} of {least}");
    append(&log, 1, there).await.unwrap();
    log.close().await;
    assert_clean(image);
}

#[tokio::test]
async fn a_crash_while_a_failed_write_is_cleared_away_is_no_damage() {
    let mut torn = 0;
    for block_bytes in [512, 4_096] {
        for change in 1.. {
            let (disk, acknowledged) = pulled_at(change, block_bytes).await;
            let least = if acknowledged { 2 } else { 1 };
            for (number, image) in disk.images(change, IMAGES).iter().enumerate() {
                let context = format!("blocks of {block_bytes}, change {change}, image {number}");
                torn += u32::from(scan_dir(image, &dir(), None).torn_tail.is_some());
                // The next process clears it away, and loses its power as well.
                let again = image.copy();
                again.fail_from_change(1 + number as u64 % 12);
                drop(open_for_test(&again));
                for image in again.images(change, IMAGES_AGAIN) {
                    assert_opens(&image, least, &format!("{context}, and again")).await;
                }
                assert_opens(image, least, &context).await;
            }
            if acknowledged {
                break;
            }
        }
    }
    assert!(torn > 100, "only {torn} of the crashes tore something");
}

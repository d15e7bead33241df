//! Bytes that changed, whether by accident or by somebody.

use mediation_ledger::kek::Wrapped;

use super::{
    slot::{Found, SLOT_BYTES, SLOT_BYTES_U64, decode, encode},
    *,
};

fn read(disk: &SimulatedDisk, name: &str) -> Vec<u8> {
    disk.content(&directory().join(name)).unwrap()
}

fn replace(disk: &SimulatedDisk, name: &str, content: Vec<u8>) {
    disk.tamper(&directory().join(name), content);
}

/// Bytes of the wraps file that hold rows.
fn used(disk: &SimulatedDisk) -> usize {
    let last = read(disk, WRAPS).iter().rposition(|byte| *byte != 0).unwrap();
    (last + 1).next_multiple_of(SLOT_BYTES)
}

fn row(disk: &SimulatedDisk, at: u64) -> (Row, Group) {
    let content = read(disk, WRAPS);
    let offset = usize::try_from(at * SLOT_BYTES_U64).unwrap();
    match decode(at, content.get(offset..).unwrap().first_chunk().unwrap()) {
        Found::Row(row, group) => (row, group),
        other @ (Found::Empty | Found::Torn | Found::Damaged | Found::Newer(_)) => panic!("slot {at} holds {other:?}"),
    }
}

fn put(disk: &SimulatedDisk, at: u64, row: &Row, group: Group) {
    let mut content = read(disk, WRAPS);
    let offset = usize::try_from(at * SLOT_BYTES_U64).unwrap();
    content.get_mut(offset..offset + SLOT_BYTES).unwrap().copy_from_slice(&encode(at, row, group));
    replace(disk, WRAPS, content);
}

fn problems(disk: &SimulatedDisk) -> Vec<(u64, Problem)> {
    scan(disk, directory(), ORIGIN).faults.into_iter().map(|fault| (fault.offset, fault.problem)).collect()
}

fn open_problem(disk: &SimulatedDisk) -> Fault {
    match FileVault::open(disk, directory(), ORIGIN, quiet()) {
        Err(OpenError::Damaged(fault)) => fault,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn any_changed_bit_is_found_by_scanning_and_in_a_row_refused_by_opening() {
    for cipher in BOTH {
        any_changed_bit_is_found(&filled_under(cipher).await);
    }
}

fn any_changed_bit_is_found(disk: &SimulatedDisk) {
    let used = used(disk);
    let mut content = read(disk, WRAPS);
    content.truncate(used + 2 * SLOT_BYTES);
    for at in 0..content.len() {
        for bit in [0, 7] {
            let mut changed = content.clone();
            *changed.get_mut(at).unwrap() ^= 1 << bit;
            replace(disk, WRAPS, changed);
            let faults = scan(disk, directory(), ORIGIN).faults;
            let place = (at / SLOT_BYTES * SLOT_BYTES) as u64;
            let named = |fault: &Fault| fault.file == directory().join(WRAPS) && fault.offset == place;
            assert!(faults.len() == 1 && faults.iter().all(named), "bit {bit} of byte {at}: {faults:?}");
            if at < used {
                let fault = open_problem(disk);
                assert!(named(&fault), "bit {bit} of byte {at}: {fault}");
            }
        }
    }
}

#[tokio::test]
async fn a_changed_byte_far_behind_the_rows_is_found() {
    let disk = filled().await;
    let content = read(&disk, WRAPS);
    for at in [content.len() / 2, content.len() - 1] {
        let mut changed = content.clone();
        *changed.get_mut(at).unwrap() = 1;
        replace(&disk, WRAPS, changed);
        let found: Vec<u64> = problems(&disk).into_iter().map(|problem| problem.0).collect();
        assert_eq!(found, [(at / SLOT_BYTES * SLOT_BYTES) as u64]);
    }
}

#[tokio::test]
async fn a_changed_bit_of_the_key_encryption_key_is_found_and_refused() {
    let disk = filled().await;
    let content = read(&disk, KEK);
    for at in 0..content.len() {
        let mut changed = content.clone();
        *changed.get_mut(at).unwrap() ^= 0x10;
        replace(&disk, KEK, changed);
        let fault = Fault { file: directory().join(KEK), offset: 0, problem: Problem::Kek };
        assert_eq!(scan(&disk, directory(), ORIGIN).faults, std::slice::from_ref(&fault), "byte {at}");
        assert_eq!(open_problem(&disk), fault, "byte {at}");
    }
}

#[tokio::test]
async fn another_key_encryption_key_and_another_origin_are_refused() {
    let disk = filled().await;
    let other = FileVault::open(&disk, directory(), "ledger.example/other", quiet());
    assert!(matches!(&other, Err(OpenError::Damaged(fault)) if fault.problem == Problem::Origin), "{other:?}");
    let found = scan(&disk, directory(), "ledger.example/other").faults;
    assert_eq!(found.first().unwrap().problem, Problem::Origin);
    replace(&disk, KEK, read(&created(), KEK));
    assert_eq!(open_problem(&disk).problem, Problem::WrongKek);
    assert_eq!(problems(&disk).first().unwrap(), &(0, Problem::WrongKek));
}

#[tokio::test]
async fn a_vault_whose_head_names_another_cipher_opens_nothing() {
    for (cipher, named) in BOTH.into_iter().zip(BOTH.into_iter().rev()) {
        let disk = filled_under(cipher).await;
        let (Row::Head { origin, kek, .. }, group) = row(&disk, 0) else { panic!("no head") };
        put(&disk, 0, &Row::Head { origin, kek, cipher: named }, group);
        let found = problems(&disk);
        // The keys of two chains and two subjects.
        assert_eq!(found.len(), 4, "{cipher}: {found:?}");
        assert!(found.iter().all(|(_place, problem)| *problem == Problem::Unopenable), "{cipher}: {found:?}");
        let vault = opened(&disk);
        assert!(matches!(vault.key(chain(1), digest(1)).await, Err(VaultError::Damaged { .. })), "{cipher}");
        vault.close().await;
        assert!(matches!(rotate(&disk, directory(), ORIGIN), Err(OpenError::Damaged(_))), "{cipher}");
    }
}

#[tokio::test]
async fn a_wrap_that_was_moved_to_another_part_does_not_open() {
    let disk = filled().await;
    let (Row::Wrap { holder, digest: moved, .. }, group) = row(&disk, 3) else { panic!("no wrap") };
    let (Row::Wrap { wrapped, .. }, _) = row(&disk, 6) else { panic!("no wrap") };
    put(&disk, 3, &Row::Wrap { holder, digest: moved, wrapped }, group);
    assert_eq!(problems(&disk), [(3 * SLOT_BYTES_U64, Problem::Unopenable)]);
    let vault = opened(&disk);
    let refused = vault.key(chain(1), moved).await;
    assert!(matches!(refused, Err(VaultError::Damaged { digest }) if digest == moved), "{refused:?}");
    vault.close().await;
}

#[tokio::test]
async fn a_part_that_was_destroyed_stays_so_though_another_wrap_of_it_was_put_into_the_file() {
    let disk = filled().await;
    let (wrap @ Row::Wrap { digest: part, .. }, _group) = row(&disk, 3) else { panic!("no wrap") };
    put(&disk, (used(&disk) / SLOT_BYTES) as u64, &wrap, Group::SINGLE);
    let vault = opened(&disk);
    assert!(vault.key(chain(1), part).await.unwrap().is_some());
    assert_eq!(vault.destroy(chain(1), &[part]).await.unwrap(), 1);
    assert_eq!(vault.key(chain(1), part).await.unwrap(), None);
    vault.close().await;
    let vault = opened(&disk);
    assert_eq!(vault.key(chain(1), part).await.unwrap(), None);
    assert_eq!(vault.destroy(chain(1), &[part]).await.unwrap(), 0);
    vault.close().await;
}

#[tokio::test]
async fn a_holders_key_that_does_not_open_is_damage_to_whoever_needs_it() {
    let disk = filled().await;
    let (Row::HolderKey { holder, .. }, group) = row(&disk, 2) else { panic!("no holder") };
    put(&disk, 2, &Row::HolderKey { holder, wrapped: Wrapped([7; 60]) }, group);
    assert_eq!(problems(&disk), [(2 * SLOT_BYTES_U64, Problem::Unopenable)]);
    let vault = opened(&disk);
    assert!(matches!(vault.key(chain(1), digest(1)).await, Err(VaultError::Damaged { .. })));
    assert!(matches!(vault.deposit(chain(1), vec![deposit(9)]).await, Err(VaultError::Damaged { .. })));
    vault.deposit(chain(3), vec![deposit(9)]).await.unwrap();
    vault.close().await;
}

#[tokio::test]
async fn a_wrap_that_names_no_holder_and_a_row_out_of_its_group_are_found() {
    let disk = filled().await;
    let (Row::Wrap { digest, wrapped, .. }, group) = row(&disk, 3) else { panic!("no wrap") };
    put(&disk, 3, &Row::Wrap { holder: 3, digest, wrapped }, group);
    assert_eq!(problems(&disk), [(3 * SLOT_BYTES_U64, Problem::UnknownHolder)]);
    assert_eq!(open_problem(&disk).problem, Problem::UnknownHolder);

    let disk = filled().await;
    let (wrap, group) = row(&disk, 3);
    put(&disk, 3, &wrap, Group { rows: group.rows + 1, place: group.place });
    assert!(problems(&disk).contains(&(3 * SLOT_BYTES_U64, Problem::Misplaced)));
    assert_eq!(open_problem(&disk).offset, 3 * SLOT_BYTES_U64);
}

#[tokio::test]
async fn a_durable_row_that_was_wiped_is_damage_and_not_taken_for_a_crash() {
    let disk = filled().await;
    let content = read(&disk, WRAPS);
    let rows = used(&disk) / SLOT_BYTES;
    // The last slot is the seal of closing: without it nothing is lost.
    for at in 1..rows - 1 {
        let mut wiped = content.clone();
        wiped.get_mut(at * SLOT_BYTES..(at + 1) * SLOT_BYTES).unwrap().fill(0);
        replace(&disk, WRAPS, wiped);
        let fault = open_problem(&disk);
        assert_eq!((fault.offset, fault.problem), ((at * SLOT_BYTES) as u64, Problem::Gap), "slot {at}");
        assert_eq!(problems(&disk).first().unwrap().0, (at * SLOT_BYTES) as u64, "slot {at}");
    }
}

#[tokio::test]
async fn a_file_that_does_not_belong_there_is_found() {
    let disk = filled().await;
    replace(&disk, "kek.old", Vec::new());
    let found = scan(&disk, directory(), ORIGIN).faults;
    assert_eq!(found, [Fault { file: directory().join("kek.old"), offset: 0, problem: Problem::UnexpectedFile }]);
}

#[tokio::test]
async fn a_missing_file_is_named() {
    for name in [KEK, WRAPS] {
        let disk = filled().await;
        disk.remove(&directory().join(name)).unwrap();
        let found = scan(&disk, directory(), ORIGIN).faults;
        assert_eq!(found.first().unwrap().file, directory().join(name));
        let refused = FileVault::open(&disk, directory(), ORIGIN, quiet());
        assert!(matches!(&refused, Err(OpenError::Io { file, .. }) if file.ends_with(name)), "{refused:?}");
    }
}

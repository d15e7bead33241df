//! The read model of a process: it grows beside the services, and is built anew by hand where nobody serves.

use std::{path::Path, sync::Arc};

use anyhow::{Context as _, Result, ensure};
use mediation_domain::calendar::Day;
use mediation_ledger::{
    clock::{Clock as _, SystemClock},
    ledger::Ledger,
    log::Order,
};
use mediation_projections::{
    model::{Model, Progress, Rebuilt},
    texts::Texts,
};

use super::{opened::Opened, read_manifest};
use crate::{
    backend::{AnyLog, AnyVault},
    command::verify::unserved,
    config::{Config, Role},
    layout::Layout,
    survey,
};

/// Chains that a serving process judges at the same time: desks need the other cores.
const WIDTH_SERVING: usize = 1;

/// The model of a process that has the vault and shows chains; none where the configuration says so.
pub(super) fn of(
    layout: &Layout,
    config: &Config,
    ledger: &Arc<Ledger<AnyLog, AnyVault>>,
    trusted: Order,
) -> Option<Model<AnyLog, AnyVault>> {
    let wanted = config.model.enabled && config.roles.contains(&Role::Audit) && ledger.vault().is_here();
    wanted.then(|| Model::new(Arc::clone(ledger), &layout.models(), WIDTH_SERVING).trusting(trusted))
}

/// The index of texts of a process that keeps the model; none where the configuration says so.
pub(super) fn texts(config: &Config, ledger: &Arc<Ledger<AnyLog, AnyVault>>) -> Option<Texts<AnyLog, AnyVault>> {
    let entries = ledger.log().to_be_sealed().0;
    config.search.text.then(|| Texts::new(Arc::clone(ledger), entries, config.search.text_bytes_max))
}

/// Builds the model of a directory anew, which nobody may be serving. Unless everything is to be verified, the recorders
/// are trusted as far as it is sealed: to a log of this machine alone nobody else appends.
///
/// # Errors
/// Somebody serves the directory, its log is on a cluster, it is damaged, or the disk refuses.
pub(crate) async fn rebuild(
    directory: &Path,
    verify: bool,
    progress: &(dyn Fn(Progress, u64) + Sync),
) -> Result<Rebuilt> {
    let lock = unserved(directory).context(
        "读模型须在停止服务后重建；服务运行时自行维护 · the read model is built anew where nobody serves; a server keeps its own",
    )?;
    // The log takes the lock for itself.
    drop(lock);
    let layout = Layout::new(directory);
    let manifest = read_manifest(&layout)?;
    let config = Config::read(&layout.config())?;
    ensure!(
        config.kurrentdb.is_none(),
        "the log is on a cluster: remove `models/` and start the process that has the vault, which builds it anew · 日志在集群上：请删除 models/ 后启动持有保管库的进程"
    );
    let layout = layout.with_state(config.state.as_deref());
    let Opened { ledger, trusted, .. } = Opened::open(&layout, &config, &manifest, Arc::new(SystemClock)).await?;
    let trusted = if verify { Order::FIRST } else { trusted };
    let model = Model::new(Arc::clone(&ledger), &layout.models(), survey::threads()).trusting(trusted);
    let today = Day::of(SystemClock.now_ms().div_euclid(1_000));
    let entries = ledger.log().to_be_sealed().0;
    let rebuilt = model.rebuild(today, entries, &|made| progress(made, entries)).await;
    ledger.log().close().await;
    ledger.vault().close().await;
    Ok(rebuilt?)
}

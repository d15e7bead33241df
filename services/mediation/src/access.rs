//! How a command reaches a ledger: its address, and the identity of the agency that calls.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use clap::Args;
use mediation_client::{Client, Connection, Identity, Trust};
use mediation_ledger::{chain::ChainId, merkle::Hash, part::OpenedPart, registry::Registry};
use mediation_proto::{
    derived::{TYPES_ACCESS_PURPOSE, TYPES_DISPUTE_TYPE, TYPES_ID_KIND, TYPES_OUTCOME, TYPES_ROLE},
    fields::EnumInfo,
    mediation::{
        ledger::v1::Reading,
        types::v1::{AccessPurpose, AgencyKind, DisputeType, IdKind, Outcome, Role},
    },
};

use crate::{layout::Layout, manifest::Manifest, output};

/// Address and identity.
#[derive(Debug, Clone, Args)]
pub(crate) struct Access {
    /// 账本地址 · Address of the ledger, HOST:PORT
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7443")]
    pub(crate) ledger: String,
    /// 账本目录（取证书与信任文件） · Directory of the ledger: certificates and trust file
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// 以何机构身份连接 · Agency to call as
    #[arg(long, value_name = "ID")]
    pub(crate) agency: Option<String>,
}

/// Who reads, and why: it stands in the record of the reading.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ReadingArguments {
    /// 查阅人编号，如 CT-LP/JUDGE-1；缺省为操作系统用户 · Official who reads, such as CT-LP/JUDGE-1; the user of the system without it
    #[arg(long, value_name = "REF")]
    reader: Option<String>,
    /// 查阅角色代码，如 REG；缺省按所见最少者 · Role in which he reads, such as REG; the one that sees least without it
    #[arg(long, value_name = "ROLE", value_parser = code::<Role>)]
    role: Option<Role>,
    /// 查阅目的代码，如 HANDLING · Purpose, such as HANDLING
    #[arg(long, value_name = "CODE", value_parser = code::<AccessPurpose>)]
    purpose: Option<AccessPurpose>,
    /// 法律依据 · Legal basis
    #[arg(long, value_name = "TEXT")]
    legal_basis: Option<String>,
    /// 网格员所在网格 · Grid of a grid worker
    #[arg(long, value_name = "GRID")]
    grid: Option<String>,
    /// 导出批准的行为编号，见 ExportApproved · Event id of the approval by which he exports, see ExportApproved
    #[arg(long, value_name = "EVENT_ID")]
    approval: Option<String>,
}

impl ReadingArguments {
    /// A clerk of an agency: of what it recorded itself he sees everything.
    pub(crate) fn of_a_clerk() -> Self {
        Self { role: Some(Role::Reg), ..Self::default() }
    }

    /// An official, in a role of his or the one that sees least.
    pub(crate) fn of_an_official(official: &str, role: Option<Role>) -> Self {
        Self { reader: Some(official.to_owned()), role, ..Self::default() }
    }

    /// As the ledger is told it. What is not said is the user of the system, and the daily work of his agency.
    pub(crate) fn of(&self, agency: &str, kind: AgencyKind) -> Reading {
        let usual = if kind == AgencyKind::Audit { AccessPurpose::Audit } else { AccessPurpose::Handling };
        Reading {
            reader: Some(self.reader.clone().unwrap_or_else(|| format!("{agency}/{}", system_user()))),
            role: self.role.map(Into::into),
            purpose: Some(self.purpose.unwrap_or(usual).into()),
            legal_basis: self.legal_basis.clone(),
            grid: self.grid.clone(),
            approval: self.approval.clone(),
        }
    }

    /// The same for another purpose, unless one was said.
    pub(crate) fn for_purpose(mut self, purpose: AccessPurpose) -> Self {
        self.purpose.get_or_insert(purpose);
        self
    }
}

/// The user of the system, as an id may hold him.
fn system_user() -> String {
    let said = ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok()).unwrap_or_default();
    let formed: String = said.chars().filter(|letter| letter.is_ascii_alphanumeric()).take(SYSTEM_USER_MAX).collect();
    if formed.is_empty() { "cli".to_owned() } else { formed }
}

/// Letters of the system's user that are kept.
const SYSTEM_USER_MAX: usize = 24;

/// A code of one of the ledger's lists, as a value of an argument.
pub(crate) fn code<T: Coded>(text: &str) -> Result<T, String> {
    let known = T::LIST.number(text).and_then(|number| T::try_from(number).ok());
    known.ok_or_else(|| {
        let codes: Vec<&str> = T::LIST.values.iter().map(|value| value.1).collect();
        format!("应为下列代码之一 · must be one of {}", codes.join(", "))
    })
}

/// A code list as a type.
pub(crate) trait Coded: TryFrom<i32> {
    /// The list.
    const LIST: &'static EnumInfo;
}

impl Coded for Role {
    const LIST: &'static EnumInfo = &TYPES_ROLE;
}

impl Coded for DisputeType {
    const LIST: &'static EnumInfo = &TYPES_DISPUTE_TYPE;
}

impl Coded for Outcome {
    const LIST: &'static EnumInfo = &TYPES_OUTCOME;
}

impl Coded for IdKind {
    const LIST: &'static EnumInfo = &TYPES_ID_KIND;
}

impl Coded for AccessPurpose {
    const LIST: &'static EnumInfo = &TYPES_ACCESS_PURPOSE;
}

/// A way into a ledger, for any of the agencies whose certificates lie in its directory.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    address: String,
    layout: Layout,
    /// What is known of the ledger beforehand.
    pub(crate) trust: Trust,
    /// Pinned genesis.
    pub(crate) genesis: Option<Hash>,
    /// The trust file, as it was read.
    pub(crate) policy: String,
}

impl Access {
    /// Opens the door.
    pub(crate) fn door(&self) -> Result<Door> {
        Door::open(&self.ledger, &self.dir)
    }

    /// Connects as the agency that was named, as the only one that this directory has a certificate of, or as one that may
    /// read every chain.
    pub(crate) async fn connect(&self) -> Result<(Client, Registry)> {
        self.connect_reading(&ReadingArguments::default()).await
    }

    /// The same, for somebody who reads.
    pub(crate) async fn connect_reading(&self, reading: &ReadingArguments) -> Result<(Client, Registry)> {
        let (door, registry, agency) = self.caller().await?;
        Ok((door.client_reading(&agency, &registry, reading).await?, registry))
    }

    /// The ledger's door and registry, and the agency to call as.
    pub(crate) async fn caller(&self) -> Result<(Door, Registry, String)> {
        let door = self.door()?;
        let registry = door.registry().await?;
        let agency = match &self.agency {
            Some(agency) => agency.clone(),
            None => match door.only_agency()? {
                Some(agency) => agency,
                None => door.auditor(&registry)?,
            },
        };
        Ok((door, registry, agency))
    }
}

/// A chain as people name it: its id; `registry` for the registry chain of the ledger; `registry:AGENCY` for that of an
/// agency.
pub(crate) fn chain_id(name: &str, client: &Client) -> String {
    named_chain(name, client.trust().log_key.name().as_str())
}

/// The same for the ledger of an origin.
pub(crate) fn named_chain(name: &str, origin: &str) -> String {
    match name.strip_prefix("registry") {
        Some("") => ChainId::registry(origin).to_string(),
        Some(rest) => match rest.strip_prefix(':') {
            Some(agency) => ChainId::agency_registry(origin, agency).to_string(),
            None => name.to_owned(),
        },
        None => name.to_owned(),
    }
}

impl Door {
    /// A door to a ledger at an address, with the certificates of a directory.
    pub(crate) fn open(address: &str, directory: &Path) -> Result<Self> {
        Self::trusting(address, directory, &Layout::new(directory).policy())
    }

    /// As [`Door::open`], trusting what a file of one's own says rather than the directory's.
    pub(crate) fn trusting(address: &str, directory: &Path, policy: &Path) -> Result<Self> {
        let layout = Layout::new(directory);
        let policy =
            fs::read_to_string(policy).with_context(|| format!("cannot read the trust file `{}`", policy.display()))?;
        let (trust, genesis) = Manifest::read_policy(&policy)?;
        Ok(Self { address: address.to_owned(), layout, trust, genesis, policy })
    }

    /// The registry, verified from genesis on. Any certificate will do to read it.
    pub(crate) async fn registry(&self) -> Result<Registry> {
        let agencies = self.layout.pki().join("agencies");
        let any = fs::read_dir(&agencies)
            .with_context(|| format!("cannot read `{}`", agencies.display()))?
            .next()
            .with_context(|| format!("`{}` holds no certificate", agencies.display()))??;
        self.registry_as(&any.file_name().to_string_lossy()).await
    }

    /// The registry, verified likewise, read with the certificate of an agency.
    pub(crate) async fn registry_as(&self, agency: &str) -> Result<Registry> {
        let connection = self.connection(agency).await?;
        // The registry is open to every agency; the kind only chooses a desk, and none is called.
        let client = Client::new(connection, self.trust.clone(), AgencyKind::GovernanceCenter)?;
        Ok(client.registry(self.genesis).await?)
    }

    /// Leaves of the registry chain with their parts, as the ledger shows them to an agency.
    pub(crate) async fn registry_entries(&self, agency: &str) -> Result<Vec<(Bytes, Vec<OpenedPart>)>> {
        let connection = self.connection(agency).await?;
        // The registry is open to every agency; the kind only chooses a desk, and none is called.
        let client = Client::new(connection, self.trust.clone(), AgencyKind::GovernanceCenter)?;
        Ok(client.registry_entries().await?)
    }

    /// A client for an agency, which reads for its daily work.
    pub(crate) async fn client(&self, agency: &str, registry: &Registry) -> Result<Client> {
        self.client_reading(agency, registry, &ReadingArguments::default()).await
    }

    /// A client for an agency and somebody of it who reads.
    pub(crate) async fn client_reading(
        &self,
        agency: &str,
        registry: &Registry,
        reading: &ReadingArguments,
    ) -> Result<Client> {
        let kind = registry
            .directory()
            .kind(agency)
            .with_context(|| format!("`{agency}` does not take part in this ledger"))?;
        let client = Client::new(self.connection(agency).await?, self.trust.clone(), kind)?;
        Ok(client.reading(reading.of(agency, kind)))
    }

    /// The agency of a directory that was provisioned for one.
    fn only_agency(&self) -> Result<Option<String>> {
        let agencies = self.layout.pki().join("agencies");
        let entries = fs::read_dir(&agencies).with_context(|| format!("cannot read `{}`", agencies.display()))?;
        let mut names = Vec::new();
        for entry in entries {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        Ok(names.pop().filter(|_| names.is_empty()))
    }

    /// An agency that may read every chain: the audit, else a governance center.
    pub(crate) fn auditor(&self, registry: &Registry) -> Result<String> {
        let of_kind = |kind: AgencyKind| {
            registry.directory().iter().find(move |(_, agency)| agency.kind == kind).map(|(id, _)| id.to_owned())
        };
        of_kind(AgencyKind::Audit)
            .or_else(|| of_kind(AgencyKind::GovernanceCenter))
            .context("no agency of this ledger may read every chain")
    }

    /// A connection with the certificate of an agency.
    pub(crate) async fn connection(&self, agency: &str) -> Result<Connection> {
        let read = |path: PathBuf| fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()));
        let identity = Identity {
            server_authorities: read(self.layout.authority())?,
            certificate_and_key: Some((
                read(self.layout.certificate(agency))?,
                read(self.layout.certificate_key(agency))?,
            )),
        };
        let connection = Connection::open(&self.address, &identity).await;
        if connection.is_err() {
            output::note(format!("无法连接账本 {} · cannot reach the ledger at {}", self.address, self.address));
        }
        connection.with_context(|| format!("no ledger answers at {}", self.address))
    }
}

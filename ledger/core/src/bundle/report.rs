//! `report.html`: what the evidence says, in Chinese, for a court: one page without scripts that prints on A4.
//!
//! It says nothing that does not follow from the evidence; [`super::verify`] makes it again and compares.

mod acts;
mod html;
mod judgement;
mod standards;

use mediation_domain::{calendar::format_instant, catalogue};
use mediation_proto::mediation::ledger::v1::PartKind;

use self::html::Page;
use super::{
    EXPORTED_IS_NO_PROOF,
    examination::{Examined, first_seen},
    findings::withheld,
    manifest::TOOL,
};
use crate::{ledger::CheckedEntry, registry::EnrolledKey};

const STYLE: &str = include_str!("report/style.css");

/// The report.
pub(super) fn render(examined: &Examined<'_>) -> String {
    let number = chain_number(examined);
    let mut page = Page::begin(&format!("电子数据证据报告 {}", number.as_deref().unwrap_or("")), STYLE);
    page.title("电子数据证据报告", "多机构矛盾纠纷调解账本 · Evidence report of a multi-agency mediation ledger");
    if let Some(exported) = &examined.evidence.exported {
        page.mark(&format!("{}（{EXPORTED_IS_NO_PROOF}）", exported.told()));
    }
    summary(&mut page, examined, number.as_deref());
    acts::section(&mut page, examined);
    times(&mut page, examined);
    signers(&mut page, examined);
    judgement::section(&mut page, examined);
    not_disclosed(&mut page, examined);
    standards::section(&mut page, examined);
    how_to_verify(&mut page, examined);
    page.end()
}

/// 纠纷链号, once an act gives one.
fn chain_number(examined: &Examined<'_>) -> Option<String> {
    let recorded = examined.entries.iter().filter_map(|entry| entry.outcome.as_ref().ok());
    recorded.filter_map(|recorded| recorded.act.header.as_ref()?.chain_no.clone()).next()
}

fn summary(page: &mut Page, examined: &Examined<'_>, number: Option<&str>) {
    let valid = examined.entries.iter().filter(|entry| entry.outcome.is_ok()).count();
    let evidence = examined.evidence;
    let mut rows: Vec<(&str, String)> = vec![
        ("纠纷链号", number.unwrap_or("（未编号）").to_owned()),
        ("链编号", evidence.chain.to_string()),
        ("账本", examined.origin.clone()),
        ("行为", format!("{} 项，其中有效 {valid} 项；机构 {} 家", examined.entries.len(), agencies(examined).len())),
        ("结案方式", outcome(examined)),
    ];
    if let Some(checkpoint) = &examined.checkpoint {
        rows.push(("检查点", format!("全账本 {} 条，默克尔根 {}", checkpoint.size, checkpoint.root)));
    }
    rows.push(("见证", witnesses(examined)));
    if let Some((rules, judgement)) = &examined.judged {
        let digest = hex::encode(rules.digest().0);
        rows.push(("规则集", format!("{}（{} {}，摘要 {digest}）", rules.zh(), rules.name(), rules.version())));
        let found = judgement.findings.len();
        rows.push(("评判", format!("截至 {} 终了，审计发现 {found} 项", evidence.as_of)));
    }
    rows.push(("未披露内容", format!("{} 个部分（见第六节）", withheld(examined).len())));
    if let Some(exported) = &evidence.exported {
        rows.push(("导出", exported.told()));
    }
    rows.push(("生成程序", TOOL.to_owned()));
    page.heading("一、概要");
    page.facts(&rows);
    page.note(
        "本报告由证据包中的其余文件推出，便于阅读，本身不是证据。证明力在于所附条目、签名、证明与检查点；核验方法见第八节。",
    );
    if evidence.exported.is_some() {
        page.note("“导出”及各页水印为导出者自述，无人签名，不是证明；以账本查阅链上的查阅记录（RecordAccessed，目的 EXPORT）为准。");
    }
}

fn agencies<'a>(examined: &'a Examined<'_>) -> std::collections::BTreeSet<&'a str> {
    examined.entries.iter().filter_map(|entry| Some(entry.statement.as_ref()?.agency.as_str())).collect()
}

fn outcome(examined: &Examined<'_>) -> String {
    match examined.judged.as_ref().map(|(_, judgement)| judgement.outcome) {
        Some(Some(code)) => catalogue::zh("Outcome", code).unwrap_or(code).to_owned(),
        Some(None) => "未结案".to_owned(),
        None => "未评判".to_owned(),
    }
}

fn witnesses(examined: &Examined<'_>) -> String {
    let Some(signed) = &examined.signed else { return "检查点未经账本签名".to_owned() };
    if signed.cosignatures.is_empty() {
        return format!("无共签（信任文件列有 {} 家见证）", examined.witness_count);
    }
    let named = signed.cosignatures.iter().map(|one| {
        let time = i64::try_from(one.time).map(instant).unwrap_or_default();
        format!("{}（{time}）", one.witness)
    });
    format!(
        "{} 家中 {} 家共签：{}",
        examined.witness_count,
        signed.cosignatures.len(),
        named.collect::<Vec<_>>().join("、")
    )
}

fn times(page: &mut Page, examined: &Examined<'_>) {
    page.heading("三、时间");
    let latest = match examined.signed.as_ref().and_then(first_seen).and_then(|seen| i64::try_from(seen).ok()) {
        Some(seen) => format!("不晚于 {}：此时见证机构已见到包含全部条目的账本。", instant(seen)),
        None => "时间未证明 time unproved：检查点没有见证机构共签，登记时间仅为账本所述。".to_owned(),
    };
    let tokens = examined.evidence.timestamps.len();
    page.table(
        &["时间", "由谁所述", "能否独立证明"],
        &[
            vec!["业务时间".to_owned(), "登记机构，在其签名之下".to_owned(), "机构对其所述负责".to_owned()],
            vec!["登记时间".to_owned(), "账本，在默克尔根之下".to_owned(), latest],
            vec![
                "可信时间戳".to_owned(),
                "时间戳机构（RFC 3161）".to_owned(),
                if tokens == 0 { "未附".to_owned() } else { format!("附 {tokens} 个，见 timestamps/") },
            ],
        ],
    );
    page.note("先后次序不依赖任何时钟：每条都签入前一条的摘要，并在全账本中有固定序号。");
}

fn signers(page: &mut Page, examined: &Examined<'_>) {
    page.heading("四、签名机构与密钥");
    let mut rows = Vec::new();
    for agency in agencies(examined) {
        let own = || examined.entries.iter().filter(|entry| signed_by(entry, agency));
        let keys: std::collections::BTreeSet<_> =
            own().filter_map(|entry| entry.statement.as_ref().map(|statement| statement.key_id)).collect();
        for key in keys {
            let enrolled = examined.registry.key(key).filter(|enrolled| enrolled.agency == agency);
            let valid = enrolled.map_or_else(|| "未登记".to_owned(), validity);
            let count = own().filter(|entry| entry.statement.as_ref().is_some_and(|one| one.key_id == key)).count();
            rows.push(vec![name(examined, agency), agency.to_owned(), key.to_string(), valid, count.to_string()]);
        }
    }
    page.table(&["机构", "编号", "密钥编号（SHA-256）", "启用期", "签名数"], &rows);
    page.note(&format!(
        "密钥的登记、启用本身是账本中的签名行为，随附登记链 {} 条，从创世条目起逐条可验；每个签名按其序号处的登记状态判断。",
        examined.registered.len()
    ));
}

/// From when to when a key counts, and what has become of it.
fn validity(key: &EnrolledKey) -> String {
    let from = key.valid_from.map_or_else(|| "更换时".to_owned(), |day| day.to_string());
    let to = key.valid_to.map_or_else(|| "今".to_owned(), |day| day.to_string());
    let replaced = if key.replaced.is_some() { "，其后已更换" } else { "" };
    let revoked = key.revoked_as_of().map(|since| format!("，其后被吊销，自 {} 起失效", instant(since)));
    format!("{from} 至 {to}{replaced}{}", revoked.unwrap_or_default())
}

fn signed_by(entry: &CheckedEntry, agency: &str) -> bool {
    entry.statement.as_ref().is_some_and(|statement| statement.agency == agency)
}

fn not_disclosed(page: &mut Page, examined: &Examined<'_>) {
    page.heading("六、未披露内容");
    let rows: Vec<Vec<String>> = withheld(examined)
        .into_iter()
        .map(|row| {
            let why = match (row.is_requested, row.order) {
                (true, _) => "应导出要求不披露".to_owned(),
                (false, Some(order)) => format!("密钥已依令销毁（行为 {order}）"),
                (false, None) => "导出者无权阅看，或密钥已不存在".to_owned(),
            };
            let kind = part_zh(&row.kind);
            vec![(row.revision + 1).to_string(), format!("{kind} {}", row.number), row.digest, why]
        })
        .collect();
    if rows.is_empty() {
        page.paragraph("无。全部内容均已披露。");
        return;
    }
    page.table(&["行为", "部分", "承诺（加盐摘要）", "原因"], &rows);
    page.note("未披露的内容仍受签名约束：日后披露时，按承诺即可核对是否原样。");
}

fn part_zh(kind: &str) -> &'static str {
    let named = |part: PartKind| super::manifest::kind_name(part) == kind;
    match [PartKind::Act, PartKind::Identities, PartKind::Narrative, PartKind::Sealed]
        .into_iter()
        .find(|one| named(*one))
    {
        Some(PartKind::Act) => "事实",
        Some(PartKind::Identities) => "身份",
        Some(PartKind::Narrative) => "叙述",
        Some(PartKind::Sealed) => "封存",
        Some(PartKind::Unspecified) | None => "未知",
    }
}

fn how_to_verify(page: &mut Page, examined: &Examined<'_>) {
    page.heading("八、如何核验");
    page.list(&[
        "另行取得账本的信任文件（由各参加机构公布），不要以证据包所附的为准；其中创世条目的摘要与日志公钥应与下列一致。",
        "在装有 Python 3 与 cryptography 软件包的计算机上运行：python3 verify.py 证据包.evidence.zip --policy 信任文件",
        "更完整的核验（登记规则、重新评判、逐字节重新生成本报告）：mediation verify 证据包.evidence.zip --policy 信任文件",
        "每项核验一行，✓ 为通过，✗ 为不通过并指明原因与文件，– 为未核验。",
        "检查点与包含证明采用公开格式（C2SP signed-note、tlog-checkpoint、tlog-proof，RFC 6962），可用第三方工具核验。",
    ]);
    let genesis = examined.registered.first().map(|entry| entry.leaf.to_string()).unwrap_or_default();
    page.facts(&[("创世条目", genesis), ("日志公钥", examined.registry.log_key().to_owned())]);
    page.note("本证据包证明：所列行为由所列机构的密钥签名、内容与次序未变、在检查点之时已在账本中。不证明：签名之前内容是否真实；最后一条之后是否另有登记。");
}

/// Public name of an agency.
fn name(examined: &Examined<'_>, agency: &str) -> String {
    let known = examined.registry.directory().agency(agency);
    known.map_or_else(|| agency.to_owned(), |agency| agency.name.clone())
}

/// An instant in seconds, to be read.
fn instant(seconds: i64) -> String {
    format_instant(seconds).replace('T', " ").trim_end_matches("+08:00").to_owned()
}

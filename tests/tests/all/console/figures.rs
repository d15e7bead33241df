//! Figures and comparisons in the console: what they say is what the ledger counted, for whom it counts, and as text.

use mediation_proto::mediation::{
    ledger::v1::{CompareAgenciesRequest, GetFiguresRequest},
    types::v1::AgencyKind,
};
use serde_json::{Value, json};

use super::Console;
use crate::{
    served::{Served, accusation, chain_id, event_id, registration, request},
    workspace,
};

/// A name that a spreadsheet would run, and a page as well.
const HOSTILE: &str = "=cmd|' /C calc'!A0 <script>alert(1)</script> \"'><img src=x> 浮梁县信访局";

/// What it is as a page writes it.
const ESCAPED: &str = "=cmd|&#39; /C calc&#39;!A0 &#60;script&#62;alert(1)&#60;/script&#62; &#34;&#39;&#62;&#60;img src=x&#62; 浮梁县信访局";

/// A ledger with something to count: a center with posts, a talk, a petition that nobody answered.
async fn with_figures(served: &Served) {
    let committee = served.client("ZFW-JDZ", AgencyKind::PoliticalLegalCommittee).await;
    let onboarded = json!({"subject": "ZC-JDZ", "name": "景德镇市综治中心", "kind": "GOVERNANCE_CENTER", "level": "CITY",
        "division": "360200", "credit_code": "12360200LEDG000613", "certificate_sha256": "0".repeat(64),
        "centers": ["GOVERNANCE"], "established_posts": 5});
    let act = request(&chain_id(), &event_id(), "AgencyOnboarded", "ZFW-JDZ/ADM-1", "ADM", onboarded);
    committee.record(act).await.unwrap();
    let township = served.client("TC-ZS-XC", AgencyKind::TownshipCenter).await;
    let raised = json!({"participants": 20_001, "matter": "停车"});
    let act = request(&chain_id(), &event_id(), "TalkRaised", "TC-ZS-XC/TCOM-1", "TCOM", raised);
    township.record(act).await.unwrap();
    let bureau = served.client("XF-FL", AgencyKind::Petition).await;
    let chain = chain_id();
    bureau.record(registration(&chain, &event_id(), "反映问题")).await.unwrap();
    bureau.record(accusation(&chain)).await.unwrap();
    // A handoff that is returned with a reason: a part of O-4.
    let (chain, proposal) = (chain_id(), event_id());
    bureau.record(registration(&chain, &event_id(), "排水渠堵塞")).await.unwrap();
    let letter = json!({"kind": "委托调解函", "digest_algorithm": "SHA_256", "digest": "0".repeat(64), "pages": 1, "sensitivity": "S1"});
    let proposed = json!({"mode": "DELEGATION", "target": "PMC-FL-SA", "purpose": "MEDIATION", "documents": [letter]});
    let act = request(&chain, &proposal, "HandoffProposed", "XF-FL/REG-1", "REG", proposed);
    bureau.record(act).await.unwrap();
    let committee = served.client("PMC-FL-SA", AgencyKind::Mediation).await;
    let returned = json!({"proposal": {"step": proposal}, "reason": "R2"});
    let act = request(&chain, &event_id(), "HandoffReturned", "PMC-FL-SA/MED-1", "MED", returned);
    committee.record(act).await.unwrap();
}

/// A row of a table, by the first cell of its text.
fn row<'p>(page: &'p str, first: &str) -> &'p str {
    let found = page.split("<tr>").find(|row| row.contains(first));
    found.unwrap_or_else(|| panic!("no row has {first}: {page}"))
}

/// What charts draw: the attribute, as a browser reads it.
fn charts(page: &str) -> Vec<Value> {
    let drawn = page.split("data-chart=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    let plain = |text: &str| {
        let entities = [("&#34;", "\""), ("&#39;", "'"), ("&#60;", "<"), ("&#62;", ">"), ("&#38;", "&")];
        entities.iter().fold(text.to_owned(), |text, (entity, letter)| text.replace(entity, letter))
    };
    drawn.map(|text| serde_json::from_str(&plain(text)).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_and_its_files_say_what_the_ledger_counted() {
    let served = Served::new();
    with_figures(&served).await;
    let auditor = served.client("AUD-JDZ", AgencyKind::Audit).await;
    let wanted = GetFiguresRequest { year: Some(2024), as_of: None, operational: true };
    let (answer, checkpoint) = auditor.figures(wanted).await.unwrap();
    let console = Console::of(&served, "AUD-JDZ");
    let page = console.get("/figures?year=2024&operational=1");
    assert_eq!(page.status, 200, "{}", page.text());
    let (text, drawn) = (page.text(), charts(&page.text()));
    let sheet = console.get("/figures.csv?year=2024&operational=1").text();
    assert_eq!(drawn.len(), 5, "three sections of published figures, one of operational ones, the parts of O-4");
    let returned = answer.operational.iter().find(|figure| figure.id == "O-4").unwrap();
    let part = format!("R2 {}", returned.parts[0].zh.as_deref().unwrap());
    assert!(text.contains(&format!("<tr><td>{part}</td><td class=\"number\">1</td></tr>")), "{text}");
    assert_eq!((&drawn[4]["names"], &drawn[4]["series"][0]["values"]), (&json!([part]), &json!([1.0])));
    assert!(sheet.contains(&format!("\r\nO-4,,{part},,,1,,,,\r\n")), "{sheet}");
    for figure in answer.figures.iter().chain(&answer.operational) {
        let row = row(&text, &format!("<td class=\"no\">{}</td>", figure.id));
        assert!(row.contains(&format!("<strong>{}</strong>", figure.computed)), "{}: {row}", figure.id);
        assert!(row.contains(&figure.zh) && row.contains(figure.published.as_deref().unwrap_or("—")), "{row}");
        let verdict = figure.agrees.map_or("<td>—</td>", |agrees| if agrees { "✓ 相符" } else { "✗ 不符" });
        assert!(row.contains(verdict), "{}: {row}", figure.id);
        let name = format!("{} {}", figure.id, figure.zh);
        let at = |chart: &Value| chart["names"].as_array().unwrap().iter().position(|known| *known == json!(name));
        if !["O-3b", "O-8"].contains(&figure.id.as_str()) {
            let (chart, at) = drawn.iter().find_map(|chart| Some((chart, at(chart)?))).expect(&figure.id);
            let computed = chart["series"].as_array().unwrap().last().unwrap();
            assert_eq!(computed["texts"][at], json!(figure.computed), "a chart says what its table says");
        }
        let published = figure.published.as_deref().unwrap_or_default();
        let line = format!("\r\n{},{},,{},{published},{},", figure.id, figure.zh, figure.unit, figure.computed);
        assert!(sheet.contains(&line), "{line} is missing: {sheet}");
    }
    assert!(text.contains(&checkpoint.root.to_string()) && text.contains("2 / 45"), "{text}");
    assert!(!text.contains("style=") && !text.contains("onclick"), "the policy would not let them");
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self';") && !policy.contains("unsafe"), "{policy}");
    for asset in ["echarts.common.min.js", "echarts.LICENSE.txt", "figures.js"] {
        assert_eq!(console.get(&format!("/assets/{asset}")).status, 200, "{asset}");
    }
    let workbook = console.get("/figures.xlsx?year=2024");
    assert!(workbook.status == 200 && workbook.body.starts_with(b"PK"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_year_without_figures_says_so_and_what_is_no_year_is_refused() {
    let served = Served::new();
    let console = Console::of(&served, "ZC-FL");
    let nothing = console.get("/figures?year=2023").text();
    assert!(nothing.contains("没有可计入这一年的行为") && nothing.contains("该年没有公布值"), "{nothing}");
    assert!(charts(&nothing).is_empty(), "there is nothing to draw");
    let published = console.get("/figures?year=2024").text();
    assert!(published.contains("没有可计入这一年的行为") && published.contains("0 / 45"), "{published}");
    assert!(row(&published, ">P-14<").contains("✗ 不符"));
    let none = console.get("/figures/agencies?from=2024-01-01&to=2024-12-31").text();
    assert!(none.contains("期间内没有可比较的行为"), "{none}");
    for (path, status, said) in [
        ("/figures?year=none", 400, "年份应为四位数字"),
        ("/figures?year=1700", 403, "year"),
        ("/figures?year=2024&as_of=2024-02-30", 403, "as_of"),
        ("/figures/agencies?from=2024-12-31&to=2024-01-01", 403, "早于 from"),
    ] {
        let answer = console.get(path);
        assert!(answer.status == status && answer.text().contains(said), "{path}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_have_figures_is_told_so_in_his_language() {
    let served = Served::new();
    let console = Console::of(&served, "XF-FL");
    let english = format!("{}; lang=en", console.cookie);
    let headers = [("Host", console.address.as_str()), ("Cookie", english.as_str())];
    for path in ["/figures", "/figures.csv", "/figures.xlsx", "/figures/agencies", "/figures/agencies.csv"] {
        let refused = console.get(path);
        assert_eq!(refused.status, 403, "{path}");
        assert!(refused.text().contains("仅供审计与综治中心查阅"), "{path}: {}", refused.text());
        let refused = crate::http::ask_with(&console.address, "GET", path, &headers, &[]);
        let text = refused.text();
        assert!(text.contains("are for the audit and the governance centers"), "{path}: {text}");
        assert!(!text.contains("仅供审计与综治中心查阅") && text.contains("READER_NOT_ENTITLED"), "{path}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agencies_are_compared_as_the_ledger_counts_them_and_their_names_are_text() {
    let mut agencies: Vec<Value> = serde_json::from_str(&workspace::read("ledger/domain/data/agencies.json")).unwrap();
    let bureau = agencies.iter_mut().find(|agency| agency["id"] == "XF-FL").unwrap();
    bureau["zh"] = json!(HOSTILE);
    let served = Served::founded_by(&agencies);
    with_figures(&served).await;
    let auditor = served.client("AUD-JDZ", AgencyKind::Audit).await;
    let days = |day: &str| Some(day.to_owned());
    let wanted = CompareAgenciesRequest { from: days("2024-01-01"), to: days("2024-12-31"), as_of: None };
    let (answer, _) = auditor.compare_agencies(wanted).await.unwrap();
    let bureau = answer.agencies.iter().find(|agency| agency.agency == "XF-FL").unwrap();
    assert_eq!((bureau.acts, bureau.clocks_broken), (4, 1), "it forwarded the petition to nobody");

    let console = Console::of(&served, "AUD-JDZ");
    let page = console.get("/figures/agencies?from=2024-01-01&to=2024-12-31").text();
    let cells = |row: &str| {
        let cells = row.split("<td class=\"number").skip(1);
        let cells = cells.map(|cell| cell.split_once('>').unwrap().1.split('<').next().unwrap().to_owned());
        cells.collect::<Vec<_>>()
    };
    let found = row(&page, "XF-FL</small>");
    assert!(found.contains(ESCAPED), "{found}");
    assert!(!page.contains("<script>alert") && !page.contains("<img"), "{page}");
    let findings = bureau.findings.unwrap();
    let expected = [
        bureau.chains,
        bureau.led,
        bureau.acts,
        0,
        0,
        0,
        0,
        0,
        0,
        bureau.clocks_met,
        bureau.clocks_broken,
        findings.critical,
        findings.major,
        findings.minor,
        findings.observations,
        0,
    ];
    let expected: Vec<String> = expected.iter().map(u64::to_string).chain(["—".to_owned()]).collect();
    assert_eq!(cells(found), expected);
    let named =
        charts(&page).iter().any(|chart| chart["names"][0].as_str().is_some_and(|name| name.starts_with("=cmd")));
    assert!(named, "the chart of clocks has the name as it is");

    let sheet = console.get("/figures/agencies.csv?from=2024-01-01&to=2024-12-31").text();
    let line = sheet.split("\r\n").find(|line| line.starts_with("XF-FL,")).unwrap();
    assert!(line.starts_with("XF-FL,\"'=cmd|"), "a formula is text: {line}");
    assert!(line.ends_with(&format!("{},", expected[..16].join(","))), "{line}");
    let workbook = console.get("/figures/agencies.xlsx?from=2024-01-01&to=2024-12-31");
    assert!(workbook.status == 200 && workbook.body.starts_with(b"PK"));
}

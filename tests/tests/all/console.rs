//! The auditors' console over HTTP: who is let in, what is shown to whom, and that a page holds nothing but text.

#[cfg(test)]
mod figures;

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use mediation_proto::mediation::types::v1::AgencyKind;
use serde_json::Value;

use crate::{
    http::{Answer, ask_with},
    search::indexed,
    served::{Served, accusation, chain_id, event_id, mediation, registration},
};

/// A console of one agency, and a session in it.
pub(crate) struct Console {
    child: Child,
    address: String,
    code: String,
    cookie: String,
}

impl Drop for Console {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Console {
    /// Starts a console and sits down.
    pub(crate) fn of(served: &Served, agency: &str) -> Self {
        let mut console = Self::outside(served, agency);
        let entered = console.enter(&console.code, "0");
        assert_eq!(entered.status, 303, "{}", entered.text());
        assert_eq!(entered.header("location"), Some("/"));
        console.cookie = entered.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        console
    }

    fn outside(served: &Served, agency: &str) -> Self {
        let (child, said) = started(served, agency, &["--role", "REG"]);
        let address = said["address"].as_str().unwrap().to_owned();
        let code = said["url"].as_str().unwrap().split_once("code=").unwrap().1.to_owned();
        Self { child, address, code, cookie: String::new() }
    }

    fn enter(&self, code: &str, seat: &str) -> Answer {
        self.post("/login", &format!("seat={seat}&code={code}"))
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        ask_with(&self.address, "GET", path, &[("Host", &self.address), ("Cookie", &self.cookie)], &[])
    }

    fn post(&self, path: &str, form: &str) -> Answer {
        let origin = format!("http://{}", self.address);
        let headers = [
            ("Host", self.address.as_str()),
            ("Origin", &origin),
            ("Cookie", &self.cookie),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ];
        ask_with(&self.address, "POST", path, &headers, form.as_bytes())
    }
}

/// Starts a console of an agency; what it says of itself.
fn started(served: &Served, agency: &str, arguments: &[&str]) -> (Child, Value) {
    let mut child = Command::new(mediation())
        .args(["console", "--json", "--listen", "127.0.0.1:0", "--ledger", &served.address, "--agency", agency])
        .args(arguments)
        .arg("--dir")
        .arg(served.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (child, serde_json::from_str(&line).unwrap())
}

async fn recorded(served: &Served, summary: &str) -> String {
    let chain = chain_id();
    let client = served.client("XF-FL", AgencyKind::Petition).await;
    client.record(registration(&chain, &event_id(), summary)).await.unwrap();
    chain
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_session_every_page_sends_to_the_door() {
    let served = Served::new();
    let chain = recorded(&served, "排水渠堵塞").await;
    let console = Console::outside(&served, "XF-FL");
    let pages = [
        "/",
        "/integrity",
        "/agencies",
        "/paths",
        "/figures",
        "/figures/agencies",
        "/figures.csv",
        "/registry/proof",
        "/chains?chain=registry",
    ]
    .map(str::to_owned);
    let of_chain = ["", "/proof", "/bundle", "/accesses"].map(|page| format!("/chains/{chain}{page}"));
    for page in pages.iter().chain(&of_chain) {
        let answer = console.get(page);
        assert_eq!((answer.status, answer.header("location")), (303, Some("/login")), "{page}");
        assert!(answer.body.is_empty(), "{page}");
    }
    assert_eq!(console.enter("another-code", "0").status, 403);
    assert_eq!(console.enter(&console.code, "1").status, 403, "there is one seat");
    let entered = console.enter(&console.code, "0");
    let cookie = entered.header("set-cookie").unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_site_sends_is_refused() {
    let served = Served::new();
    let console = Console::outside(&served, "XF-FL");
    let other = ask_with(&console.address, "GET", "/login", &[("Host", "console.example")], &[]);
    assert_eq!(other.status, 403, "a name that somebody else made to point here");
    let form = format!("seat=0&code={}", console.code);
    for origin in [None, Some("http://console.example"), Some("null")] {
        let mut headers =
            vec![("Host", console.address.as_str()), ("Content-Type", "application/x-www-form-urlencoded")];
        headers.extend(origin.map(|origin| ("Origin", origin)));
        let answer = ask_with(&console.address, "POST", "/login", &headers, form.as_bytes());
        assert_eq!(answer.status, 403, "{origin:?}");
        assert!(answer.header("set-cookie").is_none());
    }
    for back in ["//console.example", "https://console.example", "/\\console.example", "/%09/console.example"] {
        let answer = console.post("/language", &format!("to=en&back={back}"));
        assert_eq!(answer.header("location"), Some("/"), "{back}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_another_server_of_this_machine_brings_about_no_reading() {
    let served = Served::new();
    let chain = recorded(&served, "排水渠堵塞").await;
    let console = Console::of(&served, "XF-FL");
    let asked = |path: &str, site: &str| {
        let headers =
            [("Host", console.address.as_str()), ("Cookie", console.cookie.as_str()), ("Sec-Fetch-Site", site)];
        ask_with(&console.address, "GET", path, &headers, &[])
    };
    for site in ["same-site", "cross-site"] {
        for page in ["", "/bundle", "/proof"] {
            let answer = asked(&format!("/chains/{chain}{page}"), site);
            assert_eq!(answer.status, 403, "{site} {page}");
            assert!(!answer.text().contains("排水渠堵塞"), "{site} {page}");
        }
        assert_eq!(asked("/login", site).status, 200, "the door may be linked to");
    }
    let accesses = console.get(&format!("/chains/{chain}/accesses")).text();
    assert!(!accesses.contains("办理本单位业务") && !accesses.contains("导出"), "nothing was read: {accesses}");
    for site in ["same-origin", "none"] {
        assert_eq!(asked(&format!("/chains/{chain}"), site).status, 200, "{site}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_of_acts_are_text_whatever_stands_in_them() {
    let served = Served::new();
    let hostile =
        format!("<script>alert(1)</script><img src=x onerror=alert(2)> 😀 שלום =cmd()\u{200b} {}", "长".repeat(2_600));
    let chain = recorded(&served, &hostile).await;
    let console = Console::of(&served, "XF-FL");
    let page = console.get(&format!("/chains/{chain}"));
    assert_eq!(page.status, 200, "{}", page.text());
    let text = page.text();
    assert!(text.contains("&#60;script&#62;alert(1)&#60;/script&#62;&#60;img src=x onerror=alert(2)&#62;"), "{text}");
    assert!(text.contains("😀 שלום =cmd()[U+200B] 长长"), "{text}");
    assert!(!text.contains("<script>alert") && !text.contains("<img") && !text.contains('\u{200b}'));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self';") && !policy.contains("unsafe"), "{policy}");
    assert!(!text.contains("style=") && !text.contains("onclick"), "the policy would not let them");
    assert_eq!(page.header("cache-control"), Some("no-store"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reading_in_the_console_is_on_record_and_its_bundle_verifies() {
    let served = Served::new();
    let chain = recorded(&served, "排水渠堵塞").await;
    let console = Console::of(&served, "XF-FL");
    let page = console.get(&format!("/chains/{chain}")).text();
    assert!(page.contains("排水渠堵塞") && page.contains("浮梁县信访局"), "{page}");
    let accesses = console.get(&format!("/chains/{chain}/accesses")).text();
    assert!(accesses.contains("办理本单位业务"), "{accesses}");
    let bundle = console.get(&format!("/chains/{chain}/bundle"));
    assert_eq!(bundle.status, 200, "{}", String::from_utf8_lossy(&bundle.body));
    assert_eq!(bundle.header("content-type"), Some("application/zip"));
    let file = served.directory.path().join("console.evidence.zip");
    std::fs::write(&file, &bundle.body).unwrap();
    let verified =
        Command::new(mediation()).arg("verify").arg(&file).arg("--policy").arg(served.path().join("policy")).output();
    let verified = verified.unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    let accesses = console.get(&format!("/chains/{chain}/accesses")).text();
    assert!(accesses.contains("导出"), "the export is on record under its own purpose: {accesses}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restricted_chain_and_one_that_is_not_there_give_the_same_page() {
    let served = Served::new();
    let chain = recorded(&served, "反映问题").await;
    let client = served.client("XF-FL", AgencyKind::Petition).await;
    client.record(accusation(&chain)).await.unwrap();
    let console = Console::of(&served, "TG-FL-SA");
    let none = chain_id();
    let masked = |chain: &str| {
        let answer = console.get(&format!("/chains/{chain}"));
        let text = answer.text().replace(chain, "CHAIN");
        let id = text.split("<code>").nth(2).and_then(|rest| rest.split('<').next()).unwrap().to_owned();
        (answer.status, text.replace(&id, "REQUEST"))
    };
    let told = masked(&chain);
    assert_eq!(told.0, 404);
    assert_eq!(told, masked(&none));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_cannot_be_made_says_why_in_both_languages() {
    let served = Served::new();
    let console = Console::of(&served, "XF-FL");
    for (path, zh, en) in [
        ("/chains/none", "链编号应为 UUID", "A chain is named by its UUID"),
        ("/chains/registry?as_of=2024-02-30", "日期格式应为 YYYY-MM-DD", "A day is written YYYY-MM-DD"),
        ("/paths?docking=none", "没有这种对接", "There is no such docking"),
    ] {
        let answer = console.get(path);
        assert_eq!(answer.status, 400, "{path}");
        assert!(answer.text().contains(zh) && answer.text().contains(en), "{}", answer.text());
    }
    let english = console.post("/language", "to=en&back=/integrity");
    assert_eq!(english.header("location"), Some("/integrity"));
    let registry = console.get("/chains/registry");
    assert_eq!(registry.status, 200, "{}", registry.text());
    assert!(registry.text().contains("data-kind=\"22.21\""), "the registry chain begins with the founding");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_come_as_files_for_spreadsheets() {
    let served = Served::new();
    let chain = recorded(&served, "排水渠堵塞").await;
    indexed(&served).await;
    let console = Console::of(&served, "XF-FL");
    let page = console.get("/search");
    assert_eq!(page.status, 200, "{}", page.text());
    assert!(page.text().contains(&format!("/chains/{chain}")), "{}", page.text());
    let sheet = console.get("/search.csv?type=PUBLIC_WORKS_DAMAGE");
    assert_eq!(sheet.header("content-type"), Some("text/csv; charset=utf-8"));
    let text = sheet.text();
    let lines: Vec<&str> = text.split("\r\n").collect();
    assert!(lines[0].starts_with("\u{feff}链,纠纷链号,类型"), "{text}");
    assert!(lines[1].starts_with(&format!("{chain},,工程建设损害,2024-03-04,2024-03-04,1,浮梁县信访局")), "{text}");
    assert_eq!(lines[2..], [""]);
    let docket = console.get("/docket.csv");
    assert_eq!(
        (docket.status, docket.text().as_str()),
        (200, "\u{feff}到期,逾期天数,事项,编号,名称,来自,纠纷链号,链\r\n")
    );
    assert_eq!(console.get("/docket?agency=TG-FL-SA").status, 403, "another agency's docket is for the audit");
}

/// A console that officials enter by certificate.
struct ByCertificate<'s> {
    served: &'s Served,
    child: Child,
    address: String,
}

impl Drop for ByCertificate<'_> {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl<'s> ByCertificate<'s> {
    fn of(served: &'s Served, agency: &str) -> Self {
        let (child, said) = started(served, agency, &["--certificates"]);
        let address = said["address"].as_str().unwrap().to_owned();
        assert_eq!(said["url"], format!("https://{address}/"));
        Self { served, child, address }
    }

    /// Certificate and key of an official.
    fn issued(&self, official: &str) -> PathBuf {
        let out = self.served.directory.path().join(official.replace('/', "-"));
        let issued = Command::new(mediation())
            .args(["certificate", "--official", official, "--dir"])
            .arg(self.served.path())
            .arg("--out")
            .arg(&out)
            .output()
            .unwrap();
        assert!(issued.status.success(), "{}", String::from_utf8_lossy(&issued.stderr));
        out
    }

    /// Asks over TLS by `openssl s_client`; the answer as text, empty where the handshake failed.
    fn ask(&self, own: Option<&Path>, request: &str) -> String {
        let mut client = Command::new("openssl");
        client.args(["s_client", "-quiet", "-connect", &self.address, "-verify_return_error", "-CAfile"]);
        client.arg(self.served.path().join("pki/authority.pem"));
        if let Some(own) = own {
            client.arg("-cert").arg(own.join("certificate.pem")).arg("-key").arg(own.join("certificate.key"));
        }
        let mut client = client
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl is installed");
        // The peer may hang up before it has read everything.
        client.stdin.as_mut().unwrap().write_all(request.as_bytes()).unwrap_or_default();
        let mut told = String::new();
        client.stdout.take().unwrap().read_to_string(&mut told).unwrap();
        client.kill().unwrap();
        client.wait().unwrap();
        told
    }

    fn get(&self, own: Option<&Path>, path: &str, more: &str) -> String {
        self.ask(own, &format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{more}\r\n", self.address))
    }

    /// Takes a seat; the cookie of the session.
    fn enter(&self, own: &Path, seat: usize) -> (String, Option<String>) {
        let (host, form) = (&self.address, format!("seat={seat}"));
        let length = form.len();
        let told = self.ask(
            Some(own),
            &format!(
                "POST /login HTTP/1.1\r\nHost: {host}\r\nOrigin: https://{host}\r\nConnection: close\r\n\
                 Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{form}"
            ),
        );
        let cookie = told.lines().find_map(|line| line.strip_prefix("set-cookie: ")).map(str::to_owned);
        (told, cookie)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_official_comes_in_by_his_certificate_in_the_roles_that_he_holds() {
    let served = Served::new();
    let chain = recorded(&served, "排水渠堵塞").await;
    let console = ByCertificate::of(&served, "XF-FL");
    let (clerk, other) = (console.issued("XF-FL/REG-1"), console.issued("CT-FL/JUDGE-1"));
    // Without a certificate, with that of another agency's official, and with an agency's own, nobody gets a seat.
    let agency = served.path().join("pki/agencies/XF-FL");
    for own in [None, Some(agency.as_path())] {
        assert!(console.get(own, "/login", "").contains("证书未指明官员"), "{own:?}");
    }
    assert!(console.get(Some(&other), "/login", "").contains("本控制台只供 XF-FL 的官员使用"));
    // A header does not make an official.
    let forged = console.get(None, "/login", "Mediation-Official: XF-FL/REG-1\r\n");
    assert!(forged.contains("证书未指明官员"), "{forged}");
    let door = console.get(Some(&clerk), "/login", "");
    assert!(door.contains("XF-FL/REG-1") && !door.contains("登录码"), "{door}");
    let (told, cookie) = console.enter(&clerk, 0);
    let cookie = cookie.unwrap_or_else(|| panic!("{told}"));
    assert!(cookie.contains("; Secure") && cookie.contains("HttpOnly"), "{cookie}");
    let cookie = format!("Cookie: {}\r\n", cookie.split(';').next().unwrap());
    let page = console.get(Some(&clerk), &format!("/chains/{chain}"), &cookie);
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("浮梁县信访局"), "{page}");
    // The session is his alone: another certificate, or none, does not open it.
    for own in [None, Some(other.as_path())] {
        let page = console.get(own, &format!("/chains/{chain}"), &cookie);
        assert!(page.starts_with("HTTP/1.1 303") && !page.contains("浮梁县信访局"), "{page}");
    }
    let read = served.run(&["access-log", &chain, "--agency", "XF-FL", "--json"]);
    assert!(String::from_utf8_lossy(&read.stdout).contains("XF-FL/REG-1"), "the reading stands under his name");
    // Whom another authority names is nobody, whatever it says.
    let forged = served.directory.path().join("forged");
    std::fs::create_dir(&forged).unwrap();
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "1", "-subj", "/CN=XF-FL", "-addext"])
        .arg("subjectAltName=URI:spiffe://ledger.jingdezhen.example/agency/XF-FL/official/REG-1")
        .arg("-keyout")
        .arg(forged.join("certificate.key"))
        .arg("-out")
        .arg(forged.join("certificate.pem"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    assert_eq!(console.get(Some(&forged), "/login", ""), "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_search_page_has_a_box_for_words_and_says_what_it_found_or_why_it_cannot() {
    let mut served = Served::new();
    let chain = recorded(&served, "三楼<屋顶>漏水").await;
    let console = Console::of(&served, "XF-FL");
    let page = console.get("/search").text();
    let field = "<label>文字 <input type=\"search\" name=\"text\" value=\"\" maxlength=\"64\"";
    assert!(
        page.contains(field) && page.contains("aria-describedby=\"text-help\"") && page.contains("id=\"text-help\"")
    );
    let asked = "/search?text=%E6%BC%8F%E6%B0%B4";
    let found = async {
        while !console.get(asked).text().contains("漏水</small>") {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), found).await.unwrap();
    let page = console.get(asked).text();
    assert!(page.contains("value=\"漏水\""), "{page}");
    assert!(
        page.contains(&format!("<a href=\"/chains/{chain}#act-0\">#0 纠纷登记</a>：三楼&#60;屋顶&#62;漏水")),
        "{page}"
    );
    let page = console.get("/search?text=%E6%B8%97%E6%B0%B4").text();
    assert!(page.contains("没有找到"), "{page}");
    let refused = console.get(&format!("/search?text={}", "%E6%B0%B4".repeat(65)));
    assert!(refused.status == 403 && refused.text().contains("超过 64 个"), "{}", refused.text());
    drop(console);
    served.stop();
    let file = served.path().join("mediation.toml");
    let configuration = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, configuration.replace("text = true", "text = false")).unwrap();
    served.start();
    indexed(&served).await;
    let console = Console::of(&served, "XF-FL");
    let answer = console.get(asked);
    assert_eq!(answer.status, 200);
    assert!(
        answer.text().contains("本进程未开启全文检索") && answer.text().contains("role=\"status\""),
        "{}",
        answer.text()
    );
}

#!/usr/bin/env python3
"""The auditors' console in a real browser: the main journeys, on the three disputes of the demo and the small city beside them.

usage: journeys.py BINARY CHROMIUM DIRECTORY

Each journey asserts what its reader must find. Pictures of the pages go into the directory, in two sizes.
"""
import pathlib
import re
import signal
import subprocess
import sys
import urllib.parse

from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

SIZES = {"1366": {"width": 1366, "height": 768}, "1920": {"width": 1920, "height": 1080}}


class Demo:
    """A demo that serves its console."""

    def __init__(self, binary: str) -> None:
        command = [binary, "demo", "--console", "--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.chains: dict[str, str] = {}
        for line in self.process.stdout:
            if "/login?code=" in line:
                self.url = line.split(": ", 1)[1].strip()
            if named := re.match(r"\s+(G\d\d) .*：([0-9a-f-]{36})$", line):
                self.chains[named[1]] = named[2]
            if "Ctrl-C" in line:
                break
        self.origin = "http://" + urllib.parse.urlsplit(self.url).netloc

    def end(self) -> str:
        self.process.send_signal(signal.SIGINT)
        said = self.process.stdout.read()
        assert self.process.wait(60) == 0, said
        return said


class Visit:
    """A reader in a browser. Whatever the browser complains of fails the journey."""

    def __init__(self, browser: Browser, demo: Demo, seat: str, size: str = "1366", scripts: bool = True) -> None:
        self.demo = demo
        self.context = browser.new_context(viewport=SIZES[size], locale="zh-CN", accept_downloads=True, java_script_enabled=scripts)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", lambda said: said.type in ("error", "warning") and self.complaints.append(said.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(demo.url)
        self.page.get_by_role("button", name=seat).click()
        self.page.wait_for_url(demo.origin + "/")

    def open(self, path: str) -> Page:
        self.page.goto(self.demo.origin + path)
        return self.page

    def end(self) -> None:
        self.context.close()
        assert not self.complaints, self.complaints


def finds_a_dispute_and_replays_it(visit: Visit) -> None:
    chain = visit.demo.chains["G03"]
    visit.page.get_by_label("链编号或纠纷链号").fill("jf36022220240408")
    visit.page.get_by_role("button", name="打开").click()
    expect(visit.page.locator("table.list tbody tr")).to_have_count(1)
    visit.page.get_by_role("link", name="JF3602222024040800151").click()
    visit.page.wait_for_url(f"**/chains/{chain}")
    expect(visit.page.locator("h1")).to_contain_text("JF3602222024040800151")
    finding = visit.page.locator(".findings li")
    expect(finding).to_contain_text("F-OVERDUE")
    expect(finding).to_contain_text("寿安镇人民政府")
    expect(finding).to_contain_text("逾期 6 天")
    expect(finding).to_contain_text("信访工作条例(2022)第23条第3款")
    expect(visit.page.locator("table.acts tbody tr")).to_have_count(19)

    visit.page.get_by_label("截至日", exact=False).last.fill("2024-05-02")
    visit.page.get_by_role("button", name="查看").click()
    expect(visit.page.locator("table.acts tbody tr")).to_have_count(4)
    expect(visit.page.locator(".findings li")).to_have_count(0)
    expect(visit.page.locator(".tag.soon")).to_contain_text("即将届满")

    # The slider goes on to the next day with acts: the notice is overdue by then, and an order to hurry was given.
    visit.page.get_by_role("button", name="下一个有行为的日子").click()
    expect(visit.page.locator("table.acts tbody tr")).to_have_count(5)
    expect(visit.page).to_have_url(re.compile("as_of=2024-05-06"))
    expect(visit.page.locator(".findings li")).to_contain_text("逾期 3 天")

    visit.page.locator("[name=since]").fill("2024-04-10")
    visit.page.get_by_role("button", name="查看").click()
    changes = visit.page.locator("section", has=visit.page.locator("#changes"))
    expect(changes).to_contain_text("首办单位")
    expect(changes).to_contain_text("浮梁县信访局 → 寿安镇人民政府")
    expect(changes).to_contain_text("XF-3")


def goes_through_a_page_with_the_keyboard(visit: Visit) -> None:
    page = visit.open(f"/chains/{visit.demo.chains['G03']}")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    slider = page.locator("[data-days]")
    slider.focus()
    page.keyboard.press("Home")
    expect(page.locator("table.acts tbody tr")).to_have_count(2)
    unnamed = page.evaluate("""() => Array.from(document.querySelectorAll("input:not([type=hidden]), button, a"))
        .filter((it) => !(it.labels?.length || it.getAttribute("aria-label") || it.textContent.trim())).length""")
    assert unnamed == 0, f"{unnamed} controls have no name"


def searches_and_looks_what_is_due(visit: Visit) -> None:
    # The city fills more than one page.
    page = visit.open("/search")
    expect(page.locator("table.list tbody tr")).to_have_count(25)
    first = page.locator("table.list tbody tr").first.inner_text()
    page.get_by_role("button", name="下一页").click()
    expect(page.locator("table.list tbody tr")).to_have_count(25)
    assert page.locator("table.list tbody tr").first.inner_text() != first
    page.get_by_label("审计发现").fill("F-OVERDUE")
    page.get_by_label("参与机构").select_option("TG-FL-SA")
    page.get_by_role("button", name="检索").click()
    expect(page.locator("table.list tbody tr")).to_have_count(1)
    expect(page.locator("table.list")).to_contain_text("JF3602222024040800151")
    page.get_by_label("仅未结案").check()
    page.get_by_role("button", name="检索").click()
    expect(page.locator(".empty")).to_contain_text("没有符合条件")
    page = visit.open("/docket?agency=TG-FL-SA")
    expect(page.locator("h1")).to_contain_text("寿安镇人民政府")
    page = visit.open("/search?from=2024-13-01")
    expect(page.locator(".failure")).to_contain_text("opened_from")
    visit.complaints.clear()


def verifies_in_the_browser(visit: Visit) -> None:
    for case in ("G01", "G02", "G03"):
        page = visit.open(f"/chains/{visit.demo.chains[case]}")
        acts = page.locator("table.acts tbody tr").count()
        page.get_by_role("button", name="在本浏览器核验").click()
        expect(page.locator("output")).to_contain_text(f"已核验 {acts} 个条目，问题 0 个")
        expect(page.locator("td .verified.good")).to_have_count(acts)
    page = visit.open("/chains/registry")
    page.get_by_role("button", name="在本浏览器核验").click()
    expect(page.locator("output.good")).to_contain_text("问题 0 个")


def sees_red_when_the_bytes_are_changed(visit: Visit) -> None:
    """Each change is one that a server could make; the browser names it."""
    chain = visit.demo.chains["G03"]
    other = {"A": "B"}

    def flipped(text: str, at: int) -> str:
        return text[:at] + other.get(text[at], "A") + text[at + 1:]

    def part(proof: dict) -> None:
        parts = proof["entries"][1]["parts"]
        parts[0]["plaintext"] = flipped(parts[0]["plaintext"], len(parts[0]["plaintext"]) // 2)

    def root(proof: dict) -> None:
        head, size, digest, rest = proof["checkpoint"].split("\n", 3)
        proof["checkpoint"] = "\n".join([head, size, flipped(digest, 0), rest])

    changes = {
        "内容与签名中的承诺不符": part,
        "叶哈希与条目不符": lambda proof: proof["entries"][2].update(entry=flipped(proof["entries"][2]["entry"], 40)),
        "包含证明未通向检查点的根": lambda proof: proof["entries"][3].update(path=proof["entries"][4]["path"]),
        "没有证明": lambda proof: proof["entries"].pop(),
        "与前一条目的链接不符": lambda proof: proof["entries"].pop(5),
        "检查点没有该密钥的有效签名": root,
        # The row says what was done, and no byte proves it.
        "页面写有内容，证明中却没有": lambda proof: proof["entries"][18].update(entry="", parts=[]),
        "页面所示行为与已核验的条目不符": lambda proof: proof["entries"][2].update(parts=[]),
        # An entry once more, as one that the reader may know nothing of.
        "条目次序有误": lambda proof: proof["entries"].append({**proof["entries"][4], "revision": 19, "entry": "", "parts": []}),
    }

    def tampered(change):
        def answer(route: Route) -> None:
            answer = route.fetch()
            proof = answer.json()
            change(proof)
            route.fulfill(response=answer, json=proof)
        return answer

    for said, change in changes.items():
        page = visit.open(f"/chains/{chain}")
        page.route("**/chains/*/proof", tampered(change))
        page.get_by_role("button", name="在本浏览器核验").click()
        expect(page.locator("output")).to_have_class("verified bad")
        expect(page.locator("body")).to_contain_text(said)
        page.unroute("**/chains/*/proof")

    page = visit.open(f"/chains/{chain}")
    other_chain = page.request.get(f"{visit.demo.origin}/chains/{visit.demo.chains['G02']}/proof").json()
    page.route("**/chains/*/proof", lambda route: route.fulfill(json=other_chain))
    page.get_by_role("button", name="在本浏览器核验").click()
    expect(page.locator("#act-0 .verified")).to_contain_text("条目属于另一条链")
    page.unroute("**/chains/*/proof")

    # Keys that are not of the registry chain of this ledger: proved entries of another chain, the registry chain
    # without its founding, and without the acts that name keys.
    for change in (
        lambda registry: registry.update(entries=other_chain["entries"], checkpoint=other_chain["checkpoint"]),
        lambda registry: registry["entries"].pop(0),
        lambda registry: registry.update(entries=[entry | {"parts": []} for entry in registry["entries"]]),
    ):
        page = visit.open(f"/chains/{chain}")
        page.route("**/registry/proof", tampered(change))
        page.get_by_role("button", name="在本浏览器核验").click()
        expect(page.locator("#act-0 .verified")).to_contain_text("签名密钥不在注册链中")
        page.unroute("**/registry/proof")

    # The page itself lies: another agency, another act, or a key that is not the reader's.
    lies = {
        "页面所示机构或日期": "document.querySelector('#act-3').dataset.agency = 'XF-FL'",
        "页面所示行为": "document.querySelector('#act-3').dataset.kind = '1.1'",
        "页面所示机构或": "document.querySelector('#act-3').cells[2].textContent = '浮梁县人民法院'",
        "机构或日期": "document.querySelector('#act-3').cells[1].textContent = '2024-04-07 09:00:00'",
        "页面所示叶哈希": "document.querySelector('#act-3 .bytes .digest').textContent = '00'.repeat(32)",
    }
    for said, lie in lies.items():
        page = visit.open(f"/chains/{chain}")
        page.evaluate(lie)
        page.get_by_role("button", name="在本浏览器核验").click()
        expect(page.locator("#act-3 .verified")).to_contain_text(said)
        expect(page.locator("output")).to_have_class("verified bad")
    # Rows that the proof knows nothing of, and one that is left out.
    more = "(row) => document.querySelector('table.acts tbody').insertAdjacentHTML('beforeend', row)"
    for row in ('<tr id="more"><td>20</td><td class="verified good">✓</td></tr>',
                '<tr id="more" data-revision="3"><td>4</td><td class="verified good">✓</td></tr>'):
        page = visit.open(f"/chains/{chain}")
        page.evaluate(more, row)
        page.get_by_role("button", name="在本浏览器核验").click()
        expect(page.locator("output")).to_have_class("verified bad")
        expect(page.locator("#more .verified")).to_contain_text("没有证明")
    page = visit.open(f"/chains/{chain}")
    page.evaluate("document.querySelector('#act-3').remove()")
    page.get_by_role("button", name="在本浏览器核验").click()
    expect(page.locator("output.bad")).to_contain_text("1 个条目在本页没有对应的行")
    page = visit.open(f"/chains/{chain}")
    page.locator("[name=log_key]").fill("other.example/log+67f0a1b2+AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAh")
    page.get_by_role("button", name="在本浏览器核验").click()
    expect(page.locator("output")).to_have_class("verified bad")


def takes_the_bundle_along(visit: Visit, binary: str, directory: pathlib.Path) -> None:
    page = visit.open(f"/chains/{visit.demo.chains['G03']}")
    with page.expect_download() as download:
        page.get_by_role("link", name="导出证据包").click()
    file = directory / "demo.evidence.zip"
    download.value.save_as(file)
    verified = subprocess.run([binary, "verify", str(file)], capture_output=True, text=True, check=False)
    assert verified.returncode == 0 and verified.stdout.startswith("核验通过 ✓"), verified.stdout
    file.unlink()


def lays_a_chain_on_its_path(visit: Visit) -> None:
    page = visit.open("/paths")
    for name in ("诉调对接", "访调对接", "公调对接", "检调对接"):
        page.get_by_role("link", name=name).click()
        expect(page.locator("h2")).to_have_text(name)
        assert page.locator(".steps > li").count() >= 8
    page.get_by_role("link", name="访调对接").click()
    page.get_by_label("叠加的链").fill(visit.demo.chains["G03"])
    page.get_by_role("button", name="叠加").click()
    expect(page.locator(".steps > li.done")).to_have_count(10)


def reads_what_an_outsider_may_see(browser: Browser, demo: Demo) -> None:
    """The court reads of a mediation that it was, and how it ended; an agency that has nothing to do with it, nothing."""
    visit = Visit(browser, demo, "乐平市人民法院")
    page = visit.open(f"/chains/{demo.chains['G02']}")
    expect(page.locator("table.acts")).to_contain_text("仅知存在")
    page.get_by_role("button", name="在本浏览器核验").click()
    expect(page.locator("output.good")).to_contain_text("问题 0 个")
    visit.end()
    visit = Visit(browser, demo, "景德镇市示范公证处")
    page = visit.open(f"/chains/{demo.chains['G03']}")
    expect(page.locator("h1")).to_contain_text("没有此链，或不可查阅")
    visit.complaints.clear()
    visit.end()


def counts_the_figures_of_the_year(visit: Visit) -> None:
    visit.page.get_by_role("link", name="城市指标").click()
    page = visit.page
    expect(page.locator("h1")).to_contain_text("2024")
    # Sections of rates, flows and stocks: every row once, and a canvas that was drawn beside each.
    expect(page.locator(".figures tbody tr")).to_have_count(45)
    expect(page.locator(".chart canvas")).to_have_count(3)
    expect(page.locator("tr", has_text="P-11").first).to_contain_text("✓ 相符")
    expect(page.locator(".summary")).to_contain_text("/ 45")
    page.get_by_label("含运行指标").check()
    page.get_by_role("button", name="统计").click()
    expect(page.locator("#operational")).to_be_visible()
    expect(page.locator(".chart canvas")).to_have_count(4)
    drawn = page.evaluate("""() => Array.from(document.querySelectorAll(".chart canvas")).every((it) => {
        const { data } = it.getContext("2d").getImageData(0, 0, it.width, it.height);
        return data.some((byte) => byte !== 0);
    })""")
    assert drawn, "a chart is blank"
    # What is pointed at is told on the canvas itself, as text.
    page.locator(".chart").first.hover()
    with page.expect_download() as download:
        page.get_by_role("button", name="下载 CSV").click()
    assert "P-14,调处化解矛盾纠纷" in pathlib.Path(download.value.path()).read_text("utf-8-sig")
    page.get_by_label("年度").fill("1999")
    page.get_by_role("button", name="统计").click()
    expect(page.locator(".empty")).to_contain_text("没有可计入这一年的行为")
    page.get_by_role("button", name="English").click()
    expect(page.locator(".empty")).to_contain_text("The ledger holds no act that counts for this year")


def compares_agencies(visit: Visit) -> None:
    page = visit.open("/figures")
    page.get_by_role("link", name="机构比较").click()
    expect(page.locator(".chart canvas")).to_have_count(3)
    row = page.locator("table.compared tbody tr", has_text="TG-FL-SA")
    expect(row).to_contain_text("寿安镇人民政府")
    # The petition of G03, alone in these days: it was handed over, answered in time, and told of too late.
    page.get_by_label("自", exact=True).fill("2024-04-18")
    page.get_by_label("至", exact=True).fill("2024-05-09")
    page.get_by_role("button", name="比较").click()
    cells = page.locator("table.compared tbody tr", has_text="TG-FL-SA").locator("td").all_inner_texts()
    assert len(cells) == 17 and int(cells[3]) >= 1 and int(cells[10]) >= 1, cells
    with page.expect_download() as download:
        page.get_by_role("button", name="下载 CSV").click()
    assert "TG-FL-SA,寿安镇人民政府" in pathlib.Path(download.value.path()).read_text("utf-8-sig")


def reads_figures_without_scripts(browser: Browser, demo: Demo) -> None:
    visit = Visit(browser, demo, "浮梁县综治中心", scripts=False)
    page = visit.open("/figures?year=2024&operational=1")
    expect(page.locator(".figures tbody tr", has_text="P-")).to_have_count(45)
    expect(page.locator(".chart").first).to_be_hidden()
    visit.end()
    # Others are told that it is not for them.
    visit = Visit(browser, demo, "浮梁县信访局")
    for path in ("/figures", "/figures/agencies"):
        page = visit.open(path)
        expect(page.locator(".failure")).to_contain_text("仅供审计与综治中心查阅")
    visit.complaints.clear()
    visit.end()


def is_pictured(browser: Browser, demo: Demo, directory: pathlib.Path) -> None:
    for size in SIZES:
        visit = Visit(browser, demo, "景德镇市综治独立审计组", size)
        chain = demo.chains["G03"]
        for name, path, whole in (
            ("chain", f"/chains/{chain}", True),
            ("replay", f"/chains/{chain}?as_of=2024-05-06&since=2024-04-10", False),
            ("path", f"/paths?docking=petition&chain={chain}", False),
            ("integrity", "/integrity", False),
            ("accesses", f"/chains/{chain}/accesses", False),
            ("search", "/search?number=JF", False),
            ("docket", "/docket?agency=TG-LP-109", False),
            ("figures", "/figures?year=2024&operational=1", False),
            ("agencies", "/figures/agencies", False),
        ):
            page = visit.open(path)
            over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert over <= 0, f"{path} is {over} pixels too wide at {size}"
            page.screenshot(path=directory / f"{name}-{size}.png", full_page=whole)
        visit.end()


def main() -> None:
    binary, chromium, directory = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    directory.mkdir(parents=True, exist_ok=True)
    demo = Demo(binary)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            journeys = [finds_a_dispute_and_replays_it, goes_through_a_page_with_the_keyboard, searches_and_looks_what_is_due,
                        verifies_in_the_browser,
                        sees_red_when_the_bytes_are_changed, lambda visit: takes_the_bundle_along(visit, binary, directory),
                        lays_a_chain_on_its_path, counts_the_figures_of_the_year, compares_agencies]
            for journey in journeys:
                visit = Visit(browser, demo, "景德镇市综治独立审计组")
                journey(visit)
                visit.end()
            reads_what_an_outsider_may_see(browser, demo)
            reads_figures_without_scripts(browser, demo)
            is_pictured(browser, demo, directory)
            browser.close()
            print(f"{len(journeys) + 3} journeys in {chromium} as they should be")
    finally:
        said = demo.end()
    assert "核验通过" in said, said


if __name__ == "__main__":
    main()

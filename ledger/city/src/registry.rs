//! The registry of the city (登记): agencies, grades, grids, commissioners, specialised centers, honours, grid items, each
//! on the registry chain of the agency that it belongs to.

use mediation_domain::calendar::Day;
use mediation_ledger::chain::ChainId;
use serde_json::{Value as Json, json};

use crate::{
    city::ORIGIN,
    credit::credit_code,
    dispute::{Chance, Script, Signer},
    member::{COUNTIES, Member, townships},
    plan::Plan,
    story::Story,
};

/// Everything that is registered by the end of a year, chain by chain.
pub(crate) fn registry(plan: &Plan, members: &[Member], year: i64, seed: u64) -> Vec<Story> {
    let mut subjects = subjects(plan, members);
    subjects.extend(villages(plan));
    let mut book = Book { plan, year, seed, serial: 0 };
    let mut stories = vec![book.committee()];
    for subject in &subjects {
        stories.push(book.agency(subject));
    }
    stories
}

/// An agency that is onboarded by the committee.
#[derive(Debug)]
struct Subject {
    id: String,
    name: String,
    kind: String,
    level: &'static str,
    division: String,
    centers: Vec<&'static str>,
    posts: Option<u64>,
    staff: Option<u64>,
    area: Option<u64>,
    talk_place: bool,
    /// Scope of grading; none when it is not graded.
    graded: bool,
    grade: &'static str,
    /// Grids whose party branches it sets up.
    branches: Vec<String>,
}

/// Writes the chains.
struct Book<'a> {
    plan: &'a Plan,
    year: i64,
    seed: u64,
    serial: u64,
}

impl Book<'_> {
    /// The committee of the city: what concerns all.
    fn committee(&mut self) -> Story {
        let mut script = self.open(COMMITTEE);
        let subject =
            Subject::new(COMMITTEE, "中共景德镇市委政法委员会", "POLITICAL_LEGAL_COMMITTEE", "CITY", "360200");
        self.onboard(&mut script, &subject);
        let (first, last) = (self.plan.fixed("P-1", "first"), self.plan.fixed("P-1", "last"));
        // What was awarded before the ledger was founded is entered at once.
        for awarded in first..last {
            let data = json!({"title": HONOUR, "year": awarded, "division": "360200", "awarded_by": "中央政法委员会"});
            record(&mut script, COMMITTEE, "HEAD", "HonourAwarded", data);
        }
        for item in 1..=self.plan.fixed("P-22b", "max") {
            let department = (item - 1) % self.plan.fixed("P-22a", "max").max(1) + 1;
            let data = json!({
                "code": format!("WG-{item:02}"), "name": format!("网格事项第{item}项"),
                "department": format!("第{department}责任部门"), "version": "2023",
            });
            record(&mut script, COMMITTEE, "HEAD", "GridItemListed", data);
        }
        for at in 0..self.plan.fixed("P-28", "count") {
            let field = SPECIALISED.get(usize::try_from(at).unwrap_or_default() % SPECIALISED.len());
            let data = json!({"name": format!("专业性调处中心第{}号", at + 1), "field": field, "division": "360200"});
            record(&mut script, COMMITTEE, "HEAD", "SpecialisedCenterRegistered", data);
        }
        for township in townships() {
            let person = script.person();
            let data = json!({
                "person": person, "township": township.code, "from_on": format!("{}-01-01", self.year - 1),
                "to_on": format!("{}-12-31", self.year + 1),
            });
            record(&mut script, COMMITTEE, "HEAD", "SpecialCommissionerPosted", data);
        }
        if let Some(day) = Day::parse(&format!("{}-03-01", self.year)) {
            script.wait_for(day);
        }
        for at in 0..COUNTIES.len() {
            let data = self.grids(at);
            record(&mut script, COMMITTEE, "HEAD", "GridAdjusted", data);
        }
        if let Some(day) = Day::parse(&format!("{}-12-20", self.year)) {
            script.wait_for(day);
        }
        let data = json!({"title": HONOUR, "year": last, "division": "360200", "awarded_by": "中央政法委员会"});
        record(&mut script, COMMITTEE, "HEAD", "HonourAwarded", data);
        script.end()
    }

    /// How the grids of a county were drawn anew. What the figures give for the city is dealt out over the counties.
    fn grids(&self, at: usize) -> Json {
        let (county, _) = COUNTIES.get(at).copied().unwrap_or_default();
        let part = |whole: u64| {
            let (share, rest) = (whole / 4, whole % 4);
            share + u64::from(u64::try_from(at).unwrap_or_default() < rest)
        };
        json!({
            "division": county, "grids_before": self.plan.item("P-20a", at), "grids_after": self.plan.item("P-20b", at),
            "boundary_version": format!("{}-01", self.year),
            "urban_grids": part(self.plan.fixed("P-21", "divide_by")),
            "urban_households": part(self.plan.fixed("P-21", "numerator")),
            "service_persons": part(self.plan.fixed("P-23", "sum")), "cadres": part(self.plan.fixed("P-26", "sum")),
            "departments": self.plan.fixed("P-22a", "max"), "items": self.plan.fixed("P-22b", "max"),
        })
    }

    /// Onboarded, assessed, graded; a township center sets up the party branches of its grids.
    fn agency(&mut self, subject: &Subject) -> Story {
        let mut script = self.open(&subject.id);
        self.onboard(&mut script, subject);
        if subject.graded {
            let (hardware, mechanism) = (30 + script.below(8), 25 + script.below(8));
            let data = json!({
                "subject": subject.id, "level": subject.level, "hardware": hardware, "mechanism": mechanism,
                "results": 25 + script.below(8), "year": self.year - 1,
            });
            record(&mut script, COMMITTEE, "ADM", "GradeAssessed", data);
            script.wait(5);
            let data = json!({
                "subject": subject.id, "level": subject.level, "grade": subject.grade,
                "valid_until": format!("{}-12-31", self.year + 1),
            });
            record(&mut script, COMMITTEE, "HEAD", "GradeAwarded", data);
        }
        if let (Some(day), false) = (Day::parse(&format!("{}-04-01", self.year)), subject.branches.is_empty()) {
            script.wait_for(day);
        }
        for grid in &subject.branches {
            let unit = if script.below(3) == 0 { "BRANCH" } else { "GROUP" };
            record(&mut script, &subject.id, "TCOM", "PartyBranchEstablished", json!({"grid": grid, "unit": unit}));
        }
        script.end()
    }

    fn open(&mut self, agency: &str) -> Script {
        self.serial += 1;
        let opened = Day::parse(&format!("{}-01-03", self.year - 1)).unwrap_or_else(|| Day::of(0));
        let chance = Chance::new(self.seed, "registry", self.serial);
        Script::on(ChainId::agency_registry(ORIGIN, agency).0, chance, opened)
    }

    fn onboard(&self, script: &mut Script, subject: &Subject) {
        let mut data = json!({
            "subject": subject.id, "name": subject.name, "kind": subject.kind, "level": subject.level,
            "division": subject.division, "credit_code": credit_code(&subject.division, self.serial),
            "certificate_sha256": script.digest(), "centers": subject.centers,
            "talk_place": subject.talk_place,
        });
        let numbers =
            [("established_posts", subject.posts), ("full_time_staff", subject.staff), ("area_m2", subject.area)];
        if let Some(data) = data.as_object_mut() {
            let given = numbers.into_iter().filter_map(|(name, number)| Some((name.to_owned(), json!(number?))));
            data.extend(given);
        }
        record(script, COMMITTEE, "HEAD", "AgencyOnboarded", data);
    }
}

impl Subject {
    fn new(id: &str, name: &str, kind: &str, level: &'static str, division: &str) -> Self {
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            kind: kind.to_owned(),
            level,
            division: division.to_owned(),
            centers: vec!["GOVERNANCE"],
            posts: None,
            staff: None,
            area: None,
            talk_place: false,
            graded: false,
            grade: "GRADE_2",
            branches: Vec::new(),
        }
    }
}

/// The agencies that record, with what the figures know of them.
fn subjects(plan: &Plan, members: &[Member]) -> Vec<Subject> {
    let mut subjects = Vec::new();
    let (mut county_centers, mut township_centers) = (0, 0);
    for member in members.iter().filter(|member| member.id != COMMITTEE) {
        let kind = member.kind.as_str_name().trim_start_matches("AGENCY_KIND_");
        let level = match (member.division.len(), member.division.as_str()) {
            (9.., _) => "TOWNSHIP",
            (_, "360200") => "CITY",
            _ => "COUNTY",
        };
        let mut subject = Subject::new(&member.id, &member.name, kind, level, &member.division);
        match (kind, level) {
            ("GOVERNANCE_CENTER", "CITY") => {
                subject.posts = Some(plan.item("P-5", 0));
                subject.centers = SEVEN.to_vec();
            }
            ("GOVERNANCE_CENTER", _) => {
                subject.posts = Some(plan.item("P-6", county_centers));
                subject.area = Some(plan.item("P-7a", county_centers));
                subject.centers = SEVEN.to_vec();
                (subject.graded, subject.grade) = (true, "GRADE_1");
                county_centers += 1;
            }
            ("TOWNSHIP_CENTER", _) => {
                let small = plan.fixed("P-9c", "centers_with_2");
                subject.staff = Some(if township_centers < small { 2 } else { 3 });
                (subject.graded, subject.talk_place) = (true, true);
                if township_centers < plan.fixed("P-12a", "count") {
                    subject.grade = "GRADE_1";
                }
                subject.branches = branches(plan, township_centers, &member.division);
                township_centers += 1;
            }
            _ => {}
        }
        subjects.push(subject);
    }
    subjects
}

/// Grids of one township: all grids dealt out evenly over the townships.
fn branches(plan: &Plan, at: u64, division: &str) -> Vec<String> {
    let (grids, townships) = (plan.fixed("P-25", "count"), plan.fixed("P-8", "count").max(1));
    let count = grids / townships + u64::from(at < grids % townships);
    (1..=count).map(|number| format!("{division}-{number:03}")).collect()
}

/// Village centers, which record nothing themselves; most have a room for talks.
fn villages(plan: &Plan) -> Vec<Subject> {
    let (villages, with_room) = (plan.fixed("P-10", "VILLAGE"), plan.fixed("P-29b", "count"));
    let townships = townships();
    let mut subjects = Vec::new();
    for at in 0..villages {
        let township = townships.get(usize::try_from(at).unwrap_or_default() % townships.len().max(1));
        let Some(township) = township else { continue };
        let number = at / u64::try_from(townships.len()).unwrap_or(1) + 1;
        let division = format!("{}{:03}", township.code, 200 + number);
        let (id, name) = (format!("VC-{division}"), format!("{}第{number}村综治中心", township.zh));
        let mut subject = Subject::new(&id, &name, "VILLAGE_CENTER", "VILLAGE", &division);
        (subject.graded, subject.grade) = (true, "GRADE_3");
        subject.talk_place = at < with_room;
        subjects.push(subject);
    }
    subjects
}

fn record(script: &mut Script, agency: &str, role: &str, event: &str, data: Json) {
    let signer = format!("{agency}/{role}-1");
    if let Json::Object(data) = data {
        script.act(event, Signer { agency, role, signer: &signer, cosigner: None }, &data);
    }
}

/// The political-legal committee of the city.
const COMMITTEE: &str = "ZFW-JDZ";

const HONOUR: &str = "平安建设先进市";

/// The centers under one roof.
const SEVEN: [&str; 7] = [
    "GOVERNANCE",
    "DISPUTE_MEDIATION",
    "LITIGATION_SERVICE",
    "PROCURATORIAL_SERVICE",
    "PUBLIC_LEGAL_SERVICE",
    "PSYCHOLOGICAL_SERVICE",
    "PETITION_RECEPTION",
];

const SPECIALISED: &[&str] =
    &["MEDICAL", "TRAFFIC", "LABOUR", "PROPERTY_SERVICE", "CONSUMER", "MARRIAGE_FAMILY", "LAND_FOREST", "CERAMICS_IP"];

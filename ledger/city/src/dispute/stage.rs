//! The stages that disputes share: registration, first responsibility, mediation, performance, closing.

use mediation_domain::calendar::Day;
use mediation_proto::mediation::types::v1::AgencyKind;
use serde_json::{Value as Json, json};

use super::{script::Step, telling::Telling};

/// How a handed-over mediation is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Delegation<'a> {
    /// Sender.
    pub(crate) from: &'a str,
    /// Role of its signer.
    pub(crate) role: &'a str,
    /// Target.
    pub(crate) to: &'a str,
    /// Code of the purpose.
    pub(crate) purpose: &'static str,
    /// Legal basis.
    pub(crate) basis: &'static str,
}

impl Telling<'_> {
    /// An agency registers the dispute, and leads from then on (首接).
    pub(crate) fn register(&mut self, agency: &str, channel: &str, dispute_type: &str) -> Step {
        let capacity =
            if matches!(dispute_type, "UNPAID_WAGES" | "LABOUR" | "PROPERTY_SERVICE" | "CONSUMER" | "MEDICAL") {
                "ENTERPRISE"
            } else {
                "NATURAL_PERSON"
            };
        let (first, second) = match dispute_type {
            "MINOR_CRIME" => ("VICTIM", "SUSPECT"),
            _ => ("APPLICANT", "RESPONDENT"),
        };
        let party = |subject: &str, side: &str, capacity: &str| json!({"subject": subject, "side": side, "capacity": capacity, "minor": false});
        let mut parties =
            vec![party(&self.applicant, first, "NATURAL_PERSON"), party(&self.respondent, second, capacity)];
        parties.extend(self.others.iter().map(|other| party(other, first, "NATURAL_PERSON")));
        let identities = json!([
            {"subject": self.applicant, "name": "当事人甲", "id_kind": "RESIDENT_ID", "id_masked": "3602**********123X"},
        ]);
        let division = self.place.township.to_owned();
        self.act(
            "DisputeRegistered",
            agency,
            "REG",
            json!({
                "channel": channel, "division": division, "dispute_type": dispute_type, "emergency": false,
                "identity_verified": true, "parties": parties, "identities": identities, "summary": summary(dispute_type),
            }),
        )
    }

    /// The registering center says which way the matter goes.
    pub(crate) fn triage(&mut self, center: &str, route: &str) -> Step {
        self.act(
            "DisputeTriaged",
            center,
            "REG",
            json!({
                "route": route, "legal_basis": "综治中心矛盾纠纷分流办法", "alternatives_told": ["LITIGATION", "CONSULTATION"],
                "machine_proposed": false,
            }),
        )
    }

    /// A center names another lead and releases the one there is.
    pub(crate) fn lead(&mut self, center: &str, from: &str, to: &str, reason: &str) -> Step {
        let role = self.head_of(center);
        self.act(
            "LeadAgencyAssigned",
            center,
            role,
            json!({"new_lead": to, "previous_lead": from, "previous_released": true, "reason": reason}),
        )
    }

    /// Every party consents to mediation.
    pub(crate) fn consent(&mut self, agency: &str, role: &str, manner: &str) -> Step {
        let consents: Vec<Json> =
            self.parties().iter().map(|subject| json!({"subject": subject, "given": true, "manner": manner})).collect();
        let document = self.document("同意调解书", "S2");
        self.act(
            "MediationConsentRecorded",
            agency,
            role,
            json!({"consents": consents, "rights_told": true, "kind": "PEOPLE", "document": document}),
        )
    }

    /// A mediation is delegated: the sender keeps the lead.
    pub(crate) fn delegate(&mut self, delegation: Delegation<'_>, consent: Step) -> Step {
        let documents = [self.document("委托调解函", "S1"), self.document("案情摘要", "S2")];
        let day = self.day().to_string();
        self.act(
            "HandoffProposed",
            delegation.from,
            delegation.role,
            json!({
                "mode": "DELEGATION", "target": delegation.to, "purpose": delegation.purpose,
                "legal_basis": delegation.basis, "delivered_on": day, "documents": documents, "consent": consent,
                "request": "请组织双方调解。",
            }),
        )
    }

    /// A matter is handed over with the lead.
    pub(crate) fn transfer(&mut self, from: &str, role: &str, to: &str, purpose: &str) -> Step {
        let documents = [self.document("移送函", "S1"), self.document("登记表", "S2")];
        let day = self.day().to_string();
        self.act(
            "HandoffProposed",
            from,
            role,
            json!({
                "mode": "TRANSFER", "target": to, "purpose": purpose, "legal_basis": "综治中心移送对接办法",
                "delivered_on": day, "documents": documents, "request": "请依职责办理。",
            }),
        )
    }

    /// The target takes what was handed over.
    pub(crate) fn take(&mut self, proposal: Step, agency: &str, role: &str) -> Step {
        let (day, receipt) = (self.day().to_string(), self.document("签收回执", "S1"));
        let handler = format!("{agency}/{role}-1");
        self.act(
            "HandoffAccepted",
            agency,
            role,
            json!({
                "proposal": proposal, "received": ["移送材料"], "handler": handler, "receipt_on": day, "receipt": receipt,
            }),
        )
    }

    /// The target reports how the mediation ended.
    pub(crate) fn report(&mut self, proposal: Step, agency: &str, agreement: Option<Step>) -> Step {
        let (letter, digest) = (self.document("结果反馈函", "S1"), self.digest());
        let mut data = json!({
            "proposal": proposal, "outcome": if agreement.is_some() { "AGREEMENT" } else { "FAILED" },
            "success": agreement.is_some(), "documents": [letter], "withheld": ["MEDIATION_NOTE", "CONCESSION"],
        });
        if let Some(data) = data.as_object_mut() {
            match agreement {
                Some(agreement) => {
                    data.insert("agreement".to_owned(), json!(agreement));
                    data.insert("agreement_digest".to_owned(), json!(digest));
                    data.insert("plaintiff_insists".to_owned(), json!(false));
                }
                None => {
                    data.insert("plaintiff_insists".to_owned(), json!(true));
                }
            }
        }
        self.mediated("HandoffOutcomeReported", agency, data)
    }

    /// The sender takes note of the outcome.
    pub(crate) fn acknowledge(&mut self, report: Step, agency: &str, role: &str, next: &str) -> Step {
        let insists = next == "FILE_CASE";
        self.act(
            "HandoffOutcomeAcknowledged",
            agency,
            role,
            json!({"report": report, "next": next, "plaintiff_insists": insists}),
        )
    }

    /// A party applies for mediation, and the body takes the matter on.
    pub(crate) fn begin(&mut self, agency: &str, kind: &str) -> Step {
        let applicants = [self.applicant.clone()];
        let application = self.mediated(
            "MediationApplied",
            agency,
            json!({"kind": kind, "applicants": applicants, "oral": true, "claim": "请求调解处理。"}),
        );
        let file = self.file_number();
        self.procedures.push(json!({"kind": procedure(kind), "number": file, "state": "SETTLED"}));
        self.mediated(
            "MediationAccepted",
            agency,
            json!({"kind": kind, "committee": agency, "file_number": file, "application": application, "fee_charged": 0}),
        )
    }

    /// A mediator is appointed, after a look into the register of conflicts.
    pub(crate) fn appoint(&mut self, agency: &str) -> Step {
        let mediator = format!("{agency}/M-{}", 101 + self.draw(0, 8));
        let (day, choice) = (self.day().to_string(), self.one_of("CHOSEN", &["DESIGNATED"]));
        let step = self.act(
            "MediatorAppointed",
            agency,
            "CHAIR",
            json!({"mediator": mediator, "choice": choice, "conflict_checked_on": day, "conflict_found": false}),
        );
        self.mediator = Some(mediator);
        step
    }

    /// The parties meet before the mediator.
    pub(crate) fn session(&mut self, agency: &str, mode: &str) -> Step {
        let (mediator, attendees, minutes) = (self.mediating(agency), self.parties(), self.draw(40, 150));
        let (digest, note) = (self.digest(), self.document("调解笔录", "S4"));
        self.mediated(
            "MediationSessionHeld",
            agency,
            json!({
                "mediator": mediator, "attendees": attendees, "minutes": minutes, "mode": mode, "publicity": "CLOSED",
                "note_digest": digest, "note": note,
            }),
        )
    }

    /// Both sides sign.
    pub(crate) fn agree(&mut self, agency: &str, kind: &str, mode: &str) -> Step {
        self.agreed_on = self.day();
        let (mediator, day) = (self.mediating(agency), self.day().to_string());
        let mut signers: Vec<Json> =
            self.parties().iter().map(|person| json!({"kind": "PARTY", "person": person})).collect();
        signers.push(json!({"kind": "MEDIATOR", "person": mediator}));
        signers.push(json!({"kind": "SEAL"}));
        let (agreement, form) =
            (self.document("调解协议书", "S4"), if mode == "ON_SITE" { "WRITTEN" } else { "ELECTRONIC" });
        let channel = if self.online { "ONLINE_LEFA" } else { "WALK_IN" };
        self.mediated(
            "MediationAgreementSigned",
            agency,
            json!({
                "channel": channel, "kind": kind, "document_signers": signers, "mediator": mediator, "effective_on": day,
                "enforceable": false, "mode": mode, "form": form, "agreement": agreement, "status_question": false,
                "title_question": false, "terms": "双方就争议事项达成一致，按约定履行。",
            }),
        )
    }

    /// Both sides sign on the online platform of 乐平, which the figures of the platform count.
    pub(crate) fn agree_online(&mut self, agency: &str) -> Step {
        self.online = true;
        self.agree(agency, "PEOPLE", "VIDEO")
    }

    /// Both sides agree by word of mouth, and the mediator keeps a record.
    pub(crate) fn agree_orally(&mut self, agency: &str) -> Step {
        let (mediator, day, parties) = (self.mediating(agency), self.day().to_string(), self.parties());
        let record = self.document("口头协议记录", "S4");
        self.mediated(
            "OralAgreementRecorded",
            agency,
            json!({
                "mediator": mediator, "effective_on": day, "parties": parties, "record": record,
                "content": "双方当场口头达成一致。",
            }),
        )
    }

    /// Somebody is referred to a counsellor, and comes twice; for a child its guardian consents (心理转介).
    pub(crate) fn counselled(&mut self, agency: &str, subject: &str, guardian: Option<&str>) {
        let center = self.place.nearest(AgencyKind::Psychology);
        let (sheet, day) = (self.document("心理转介单", "S2"), self.day());
        let mut consent = json!({"subject": subject, "given": true, "manner": "WRITTEN"});
        if let (Some(consent), Some(guardian)) = (consent.as_object_mut(), guardian) {
            consent.insert("by_guardian".to_owned(), json!(guardian));
        }
        let referral = self.mediated(
            "PsychReferralMade",
            agency,
            json!({
                "target": center, "subject": subject, "consents": [consent], "urgency": "SOON",
                "delivered_on": day.to_string(), "legal_basis": "本人或者监护人书面同意", "documents": [sheet],
            }),
        );
        self.within("HD-1", day, 1);
        let counsellor = format!("{center}/PSY-1");
        self.act("PsychReferralAccepted", center, "PSY", json!({"proposal": referral, "counsellor": counsellor}));
        for session in 1..=SESSIONS_PER_REFERRAL {
            self.wait_some(1, 2);
            let note = self.document("心理疏导记录", "S4");
            self.act(
                "PsychSessionHeld",
                center,
                "PSY",
                json!({
                    "session_no": session, "referral": referral, "counsellor": counsellor, "minutes": 50, "note": note,
                }),
            );
        }
        self.act(
            "PsychReferralClosed",
            center,
            "PSY",
            json!({"closure": "COMPLETED", "referral": referral, "sessions": SESSIONS_PER_REFERRAL}),
        );
    }

    /// What the respondent owes is put down, due on a day.
    pub(crate) fn owe(&mut self, basis: Step, agency: &str, role: &str, due: Day) -> Step {
        let id = format!("O{}", self.obligations.len() + 1);
        let amount = u64::from(self.draw(3, 400)) * 10_000;
        let term = json!({
            "obligation_id": id, "obligor": self.respondent, "obligee": self.applicant, "kind": "PAYMENT",
            "amount": amount, "due_on": due.to_string(),
        });
        self.obligations.insert(id, "SCHEDULED");
        self.due = Some(due);
        let data = json!({"basis": basis, "terms": [term], "instalments": false, "content": "按约定期限支付款项。"});
        self.as_role("ObligationRecorded", agency, role, data)
    }

    /// Everything that is owed is done.
    pub(crate) fn perform(&mut self, agency: &str, role: &str, mode: &str) -> Step {
        let open = self.obligations.iter_mut().filter(|(_, state)| **state == "SCHEDULED" || **state == "DEFAULTED");
        let ids: Vec<String> = open
            .map(|(id, state)| {
                *state = "PERFORMED";
                id.clone()
            })
            .collect();
        let evidence = self.document("履行凭证", "S2");
        let data = json!({"obligation_ids": ids, "mode": mode, "in_full": true, "evidence": evidence});
        self.as_role("ObligationPerformed", agency, role, data)
    }

    /// A center asks how it goes.
    pub(crate) fn follow_up(&mut self, center: &str) -> Step {
        let satisfaction = self.one_of("SATISFIED", &["VERY_SATISFIED", "SATISFIED", "NEUTRAL"]);
        self.act(
            "FollowUpVisited",
            center,
            "REG",
            json!({"satisfaction": satisfaction, "relapse_signs": false, "help_given": false}),
        )
    }

    /// A center closes the dispute.
    pub(crate) fn close(&mut self, center: &str, outcome: &str, ground: &str) -> Step {
        let role = self.head_of(center);
        let obligations: Vec<Json> =
            self.obligations.iter().map(|(id, state)| json!({"obligation_id": id, "state": state})).collect();
        let procedures = self.procedures.clone();
        let mut data = json!({"outcome": outcome, "ground": ground, "procedures": procedures});
        if let Some(data) = data.as_object_mut().filter(|_| !obligations.is_empty()) {
            data.insert("obligations".to_owned(), json!(obligations));
        }
        self.act("DisputeClosed", center, role, data)
    }

    /// A file number of a mediation committee.
    pub(crate) fn file_number(&mut self) -> String {
        format!("({})人调字第{}号", self.day().year(), self.number())
    }

    /// The mediator, or the clerk who mediates while none is appointed.
    pub(crate) fn mediating(&self, agency: &str) -> String {
        let own = self.mediator.clone().filter(|mediator| mediator.starts_with(&format!("{agency}/")));
        own.unwrap_or_else(|| format!("{agency}/MED-1"))
    }

    /// An act of a body; when its mediators sign, it is the mediator of the matter.
    fn as_role(&mut self, event: &'static str, agency: &str, role: &str, data: Json) -> Step {
        if role == "MED" { self.mediated(event, agency, data) } else { self.act(event, agency, role, data) }
    }

    /// Role of whoever closes and assigns for a center.
    fn head_of(&self, center: &str) -> &'static str {
        if center == self.place.town() { "TCOM" } else { "DIR" }
    }
}

/// Times that somebody who is referred comes to the counsellor.
pub(crate) const SESSIONS_PER_REFERRAL: u64 = 2;

fn procedure(kind: &str) -> &'static str {
    match kind {
        "ADMIN" => "ADMINISTRATIVE_MEDIATION",
        _ => "PEOPLES_MEDIATION",
    }
}

fn summary(dispute_type: &str) -> &'static str {
    match dispute_type {
        "NEIGHBOUR" => "邻里因通行、采光发生争执，请求处理。",
        "LEASE" => "承租人拖欠租金，双方协商不成。",
        "SALE" | "CONTRACT_OTHER" => "因货款、工程款结算发生争议。",
        "CONSUMER" => "消费者反映商品与宣传不符，要求退款。",
        "PROPERTY_SERVICE" => "业主与物业公司因服务质量和费用发生争议。",
        "UNPAID_WAGES" | "LABOUR" => "务工人员反映用人单位拖欠劳动报酬。",
        "MEDICAL" => "患者对诊疗结果有异议，与医院发生争议。",
        "LAND_FOREST_TITLE" => "相邻农户对山林界址有争议。",
        "CHILD_SUPPORT" | "MARRIAGE_FAMILY" => "夫妻分居后就子女抚养和费用发生争议。",
        "PERSONAL_INJURY" | "PUBLIC_ORDER" | "MINOR_CRIME" => "双方因琐事发生肢体冲突，一方受伤。",
        _ => "双方因民间事务发生争议，请求处理。",
    }
}

//! Gathering the facts, chain by chain.

use std::collections::{BTreeMap, BTreeSet};

use mediation_proto::fields::Fields;

use super::{
    ChainKey, Surroundings,
    fact::{Clearing, Corrections, Fact, Hold, Instant, Node, Since},
    reading::{Row, What},
};
use crate::{
    calendar::Day,
    catalogue,
    history::{EventId, Recorded},
    judge::{
        chain::{Kind, bool_of, code_of, kind, records, texts},
        invariants::number_key,
    },
};

/// Facts under way to be [`Surroundings`]. Takes memory for the facts and some bytes for each chain, none for other acts.
#[derive(Debug, Default)]
pub struct Gathering {
    facts: Surroundings,
    fed: BTreeSet<ChainKey>,
    /// Chains that readings name, under any name.
    read: BTreeSet<Node>,
    accusations: BTreeSet<ChainKey>,
    raised: BTreeMap<(ChainKey, EventId), Raised>,
    cleared: Vec<(Fact, EventId)>,
}

#[derive(Debug)]
struct Raised {
    fact: Fact,
    code: String,
    steps: Vec<EventId>,
}

impl Gathering {
    /// Takes acts of a chain that count, in the order of their revisions; a chain may come in pieces. An act MUST NOT come
    /// twice.
    pub fn take(&mut self, chain: ChainKey, acts: &[Recorded]) {
        for recorded in acts {
            self.fed.insert(chain);
            if let Some(number) = recorded.act.header.as_ref().and_then(|header| header.chain_no.as_deref()) {
                self.name(chain, number, Instant::of(recorded));
            }
            if let Some((info, fields)) = recorded.act.event() {
                self.act(Kind(catalogue::index(info)), fields, Fact::of(chain, recorded), &recorded.agency);
            }
        }
    }

    /// Puts in what another gathering took of other chains. A chain MUST NOT have come to both.
    pub fn merge(&mut self, other: Self) {
        let Self { facts, mut fed, mut read, mut accusations, mut raised, cleared } = other;
        self.facts.merge(facts);
        self.fed.append(&mut fed);
        self.read.append(&mut read);
        self.accusations.append(&mut accusations);
        self.raised.append(&mut raised);
        self.cleared.extend(cleared);
    }

    fn name(&mut self, chain: ChainKey, number: &str, since: Instant) {
        match self.facts.names.get_mut(number) {
            Some(chains) => chains.entry(chain).or_default().add(since),
            None => {
                let mut first = Since::default();
                first.add(since);
                self.facts.names.insert(number.to_owned(), BTreeMap::from([(chain, first)]));
            }
        }
    }

    fn act(&mut self, kind: Kind, fields: &dyn Fields, fact: Fact, agency: &str) {
        if let Some(key) = number_key(kind, agency, Day::of(fact.since.occurred_at), fields) {
            self.facts.numbers.entry(key).or_default().push(fact);
        }
        match kind {
            TERMINATED => self.facts.terminations.entry(fact.chain).or_default().push(fact),
            LINKED if code_of(fields, "ground") == Some("SAME_FACTS") => self.link(fields, fact),
            SPLIT => {
                for child in texts(fields, "chains").map(Node::of) {
                    self.facts.splits.entry(child).or_default().push(fact);
                }
            }
            APPOINTED | SESSION | AGREEMENT => {
                if let Some(mediator) = fields.text("mediator") {
                    self.facts.mediators.entry(fact.chain).or_default().push((mediator.to_owned(), fact));
                }
            }
            HELD => self.facts.holds.push(Hold {
                fact,
                until_on: fields.text("until_on").and_then(Day::parse),
                chains: texts(fields, "chains").map(Node::of).collect(),
                subjects: texts(fields, "subjects").map(str::to_owned).collect(),
            }),
            PETITION if code_of(fields, "kind") == Some("ACCUSATION") => {
                self.accusations.insert(fact.chain);
            }
            ACCESSED => self.reading(fields, fact),
            RAISED | CLEARED | CORRECTED => self.about_an_act(kind, fields, fact),
            _ => {}
        }
    }

    fn link(&mut self, fields: &dyn Fields, fact: Fact) {
        let own = Node::Chain(fact.chain);
        for other in texts(fields, "chains").map(Node::of) {
            self.facts.links.entry(own.clone()).or_default().push((other.clone(), fact));
            self.facts.links.entry(other).or_default().push((own.clone(), fact));
        }
    }

    fn reading(&mut self, fields: &dyn Fields, fact: Fact) {
        let Some(chain) = fields.text("chain").map(Node::of) else { return };
        self.read.insert(chain.clone());
        let (reader, what) = (fields.text("reader_agency").map(str::to_owned), What::of(fields));
        // Which chains are accusations is known at the end.
        if what.matters(true) {
            self.facts.readings.entry(chain).or_default().push(Row { fact, reader, what });
        }
    }

    fn about_an_act(&mut self, kind: Kind, fields: &dyn Fields, fact: Fact) {
        let named = |field: &str| {
            let ids = records(fields, field).filter_map(|reference| EventId::parse(reference.text("event_id")?));
            ids.collect::<Vec<_>>()
        };
        match kind {
            RAISED => {
                let code = fields.text("code").unwrap_or_default().to_owned();
                let raised = Raised { fact, code, steps: named("steps") };
                self.raised.insert((fact.chain, fact.event_id), raised);
            }
            CLEARED => self.cleared.extend(named("finding").first().map(|finding| (fact, *finding))),
            _ if bool_of(fields, "withdrawn") == Some(true) => {
                let corrections: &mut Corrections = self.facts.corrections.entry(fact.chain).or_default();
                corrections.of.extend(named("target").first().map(|target| (fact, *target)));
            }
            _ => {}
        }
    }

    /// What was gathered, without what no rule can ask for.
    #[must_use]
    pub fn finish(mut self) -> Surroundings {
        self.join_clearings();
        let Self { mut facts, fed, read, accusations, .. } = self;
        facts.numbers.retain(|_, given| {
            let chains: BTreeSet<ChainKey> = given.iter().map(|fact| fact.chain).collect();
            chains.len() > 1
        });
        let parents: BTreeSet<ChainKey> = facts.splits.values().flatten().map(|fact| fact.chain).collect();
        facts.mediators.retain(|chain, _| parents.contains(chain));
        let mut mentioned: BTreeSet<&Node> = facts.links.keys().chain(facts.splits.keys()).chain(&read).collect();
        mentioned.extend(facts.holds.iter().flat_map(|hold| &hold.chains));
        facts.names.retain(|name, _| mentioned.contains(&Node::Name(name.clone())));
        for (name, chains) in &facts.names {
            for chain in chains.keys() {
                facts.named.entry(*chain).or_default().insert(name.clone());
            }
        }
        let chains_of = |node: &Node| match node {
            Node::Chain(chain) => vec![*chain],
            Node::Name(name) => {
                facts.names.get(name).map(|chains| chains.keys().copied().collect()).unwrap_or_default()
            }
        };
        facts.read = read.iter().flat_map(&chains_of).filter(|chain| fed.contains(chain)).collect();
        for (node, rows) in &mut facts.readings {
            let accusation = chains_of(node).iter().any(|chain| accusations.contains(chain));
            rows.retain(|row| row.what.matters(accusation));
        }
        facts.readings.retain(|_, rows| !rows.is_empty());
        facts.sort();
        facts
    }

    fn join_clearings(&mut self) {
        for (cleared, finding) in &self.cleared {
            let Some(raised) = self.raised.get(&(cleared.chain, *finding)) else { continue };
            for step in &raised.steps {
                let clearing = Clearing { code: raised.code.clone(), raised: raised.fact, cleared: *cleared };
                self.facts.clearings.entry(*step).or_default().push(clearing);
            }
        }
    }
}

impl Surroundings {
    fn merge(&mut self, other: Self) {
        // `named` and `read` are worked out at the end.
        let Self {
            numbers,
            terminations,
            links,
            splits,
            mediators,
            holds,
            clearings,
            readings,
            names,
            named: _,
            read: _,
            mut corrections,
        } = other;
        append(&mut self.numbers, numbers);
        append(&mut self.terminations, terminations);
        append(&mut self.links, links);
        append(&mut self.splits, splits);
        append(&mut self.mediators, mediators);
        append(&mut self.clearings, clearings);
        append(&mut self.readings, readings);
        self.holds.extend(holds);
        self.corrections.append(&mut corrections);
        for (name, mut chains) in names {
            self.names.entry(name).or_default().append(&mut chains);
        }
    }

    /// Puts every list into the one order that does not depend on that of feeding.
    fn sort(&mut self) {
        self.numbers.values_mut().for_each(|given| given.sort_by_key(Fact::order));
        self.terminations.values_mut().for_each(|given| given.sort_by_key(Fact::order));
        self.splits.values_mut().for_each(|given| given.sort_by_key(Fact::order));
        self.links.values_mut().for_each(|given| given.sort_by_cached_key(|link| (link.1.order(), link.0.clone())));
        self.mediators.values_mut().for_each(|given| given.sort_by_key(|mediator| mediator.1.order()));
        self.holds.sort_by_key(|hold| hold.fact.order());
        self.clearings.values_mut().for_each(|given| given.sort_by_key(|clearing| clearing.cleared.order()));
        self.readings.values_mut().for_each(|given| given.sort_by_key(|row| row.fact.order()));
        self.corrections.values_mut().for_each(|given| given.of.sort_by_key(|correction| correction.0.revision));
    }
}

fn append<K: Ord, V>(own: &mut BTreeMap<K, Vec<V>>, other: BTreeMap<K, Vec<V>>) {
    for (key, values) in other {
        own.entry(key).or_default().extend(values);
    }
}

const TERMINATED: Kind = kind("PetitionTerminated");
const LINKED: Kind = kind("DisputesLinked");
const SPLIT: Kind = kind("DisputeSplit");
const APPOINTED: Kind = kind("MediatorAppointed");
const SESSION: Kind = kind("MediationSessionHeld");
const AGREEMENT: Kind = kind("MediationAgreementSigned");
const HELD: Kind = kind("LegalHoldPlaced");
const PETITION: Kind = kind("PetitionReceived");
const ACCESSED: Kind = kind("RecordAccessed");
const RAISED: Kind = kind("AuditFindingRaised");
const CLEARED: Kind = kind("AuditFindingCleared");
const CORRECTED: Kind = kind("RecordCorrected");

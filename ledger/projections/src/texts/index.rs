//! The index itself: words to acts, in memory and nowhere else.
//!
//! No text is kept in it, and no place of a word in a text. It says in which acts words stand, and of an act its chain, its row of
//! the visibility matrix and the agency that recorded it.

use std::collections::BTreeSet;

use mediation_domain::visibility::Row;
use mediation_ledger::chain::ChainId;
use tantivy::{
    Index as Tantivy, IndexReader, IndexSettings, IndexWriter, ReloadPolicy, TantivyDocument, TantivyError, Term,
    collector::DocSetCollector,
    directory::RamDirectory,
    indexer::{IndexWriterOptions, LogMergePolicy},
    query::{BooleanQuery, Query, TermQuery},
    schema::{BytesOptions, FAST, Field, IndexRecordOption, Schema, TextFieldIndexing, TextOptions},
    tokenizer::{PreTokenizedString, Token},
};

use super::{Eyes, words::Words};

/// Bytes of a place: chain id and revision.
const PLACE_BYTES: usize = 24;

/// An act that can be found.
#[derive(Debug)]
pub(super) struct Entered {
    pub(super) chain: ChainId,
    pub(super) revision: u64,
    pub(super) row: Row,
    pub(super) agency: String,
    pub(super) words: BTreeSet<String>,
}

/// The index, written.
pub(super) struct Index {
    directory: RamDirectory,
    writer: IndexWriter,
    searched: Searched,
}

/// The index, asked. A copy asks the same index.
#[derive(Clone)]
pub(super) struct Searched {
    reader: IndexReader,
    fields: Fields,
}

#[derive(Debug, Clone, Copy)]
struct Fields {
    words: Field,
    row: Field,
    agency: Field,
    place: Field,
    chain: [Field; 2],
}

impl Index {
    pub(super) fn new() -> Result<Self, TantivyError> {
        let (schema, fields) = schema();
        let directory = RamDirectory::create();
        let index = Tantivy::create(directory.clone(), schema, IndexSettings::default())?;
        let options = IndexWriterOptions::builder().num_worker_threads(1).num_merge_threads(1).build();
        let writer: IndexWriter = index.writer_with_options(options)?;
        let mut policy = LogMergePolicy::default();
        // What is taken out is rewritten without it at once, and not when enough of it has come together.
        policy.set_del_docs_ratio_before_merge(f32::MIN_POSITIVE);
        writer.set_merge_policy(Box::new(policy));
        let reader = index.reader_builder().reload_policy(ReloadPolicy::OnCommitWithDelay).try_into()?;
        Ok(Self { directory, writer, searched: Searched { reader, fields } })
    }

    pub(super) fn searched(&self) -> Searched {
        self.searched.clone()
    }

    /// Bytes that the index takes.
    pub(super) fn bytes(&self) -> usize {
        self.directory.total_mem_usage()
    }

    /// Enters an act. It can be found once it is committed.
    pub(super) fn enter(&self, entered: Entered) -> Result<(), TantivyError> {
        let Entered { chain, revision, row, agency, words } = entered;
        let fields = &self.searched.fields;
        let mut document = TantivyDocument::new();
        let tokens = words.into_iter().map(|text| Token { text, position: 0, ..Token::default() });
        let tokens = tokens.collect();
        document.add_pre_tokenized_text(fields.words, PreTokenizedString { text: String::new(), tokens });
        document.add_text(fields.row, row.to_string());
        document.add_text(fields.agency, agency);
        document.add_bytes(fields.place, &place(chain, revision));
        for (field, half) in fields.chain.into_iter().zip(halves(chain)) {
            document.add_u64(field, half);
        }
        self.writer.add_document(document)?;
        Ok(())
    }

    /// Takes an act out.
    pub(super) fn remove(&self, chain: ChainId, revision: u64) {
        self.writer.delete_term(Term::from_field_bytes(self.searched.fields.place, &place(chain, revision)));
    }

    /// Makes what was entered and taken out hold.
    pub(super) fn commit(&mut self) -> Result<(), TantivyError> {
        self.writer.commit()?;
        self.searched.reader.reload()
    }
}

impl Searched {
    /// Acts in which a word is entered, those that were taken out and still stand in memory among them.
    #[cfg(test)]
    pub(super) fn count(&self, word: &str) -> u64 {
        self.reader.searcher().doc_freq(&Term::from_field_text(self.fields.words, word)).unwrap()
    }

    /// Chains with an act that holds all words and that may come to be shown to a reader in full.
    pub(super) fn find(&self, words: &Words, eyes: &Eyes) -> Result<BTreeSet<ChainId>, TantivyError> {
        let Fields { words: of_words, row, agency, chain, .. } = self.fields;
        let mut wanted: Vec<Box<dyn Query>> = words.terms().iter().map(|word| term(of_words, word)).collect();
        let open = eyes.rows.iter().map(|of| term(row, &of.to_string()));
        let readable = open.chain([term(agency, &eyes.agency)]).collect();
        wanted.push(Box::new(BooleanQuery::union(readable)));
        let searcher = self.reader.searcher();
        let found = searcher.search(&BooleanQuery::intersection(wanted), &DocSetCollector)?;
        let names = chain.map(|field| searcher.schema().get_field_name(field));
        let mut chains = BTreeSet::new();
        let mut columns = Vec::new();
        for segment in searcher.segment_readers() {
            let [high, low] = names.map(|name| segment.fast_fields().u64(name));
            columns.push((high?, low?));
        }
        for address in found {
            let columns = usize::try_from(address.segment_ord).ok().and_then(|at| columns.get(at));
            let halves =
                columns.and_then(|(high, low)| Some((high.first(address.doc_id)?, low.first(address.doc_id)?)));
            chains.extend(halves.map(whole));
        }
        Ok(chains)
    }
}

fn schema() -> (Schema, Fields) {
    // Which acts hold a word, and neither how often nor where.
    let basic = TextFieldIndexing::default().set_index_option(IndexRecordOption::Basic).set_fieldnorms(false);
    let text = TextOptions::default().set_indexing_options(basic.set_tokenizer("raw"));
    let mut schema = Schema::builder();
    let fields = Fields {
        words: schema.add_text_field("words", text.clone()),
        row: schema.add_text_field("row", text.clone()),
        agency: schema.add_text_field("agency", text),
        place: schema.add_bytes_field("place", BytesOptions::default().set_indexed()),
        chain: ["chain_high", "chain_low"].map(|name| schema.add_u64_field(name, FAST)),
    };
    (schema.build(), fields)
}

fn term(field: Field, text: &str) -> Box<dyn Query> {
    Box::new(TermQuery::new(Term::from_field_text(field, text), IndexRecordOption::Basic))
}

fn place(chain: ChainId, revision: u64) -> [u8; PLACE_BYTES] {
    let mut place = [0; PLACE_BYTES];
    let bytes = chain.0.into_iter().chain(revision.to_be_bytes());
    place.iter_mut().zip(bytes).for_each(|(to, byte)| *to = byte);
    place
}

/// A chain id as two numbers, which the index keeps by columns.
fn halves(chain: ChainId) -> [u64; 2] {
    let id = u128::from_be_bytes(chain.0);
    [id >> 64, id & u128::from(u64::MAX)].map(|half| u64::try_from(half).unwrap_or_default())
}

fn whole((high, low): (u64, u64)) -> ChainId {
    ChainId((u128::from(high) << 64 | u128::from(low)).to_be_bytes())
}

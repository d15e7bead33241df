//! Words in the free text of acts, as far as a reader is shown it.
//!
//! ```text
//! words ─ index ─ chains to look into ─ each act that counts and holds them ─ View ─ shown in full? ─ asked again of that ─ hit
//! ```
//!
//! Where the words stand is content: a hit is recorded as a reading of the narrative of that act, as `GetChain` records it.

use std::collections::BTreeSet;

use mediation_domain::{admit::Violation, visibility::Sight};
use mediation_ledger::{chain::ChainId, ledger::CheckedEntry, log::Log, vault::Vault};
use mediation_projections::texts::{self, CHARACTERS_MAX, Eyes, WORDS_MAX, Words, WordsError, found, is_searched};
use mediation_proto::mediation::{
    ledger::v1::{PartKind, Reason, TextHit},
    types::v1::Part,
};

use crate::{accesses::Seen, disclosure::view, node::Node, reading::Reads, request::violation, status::Refused};

/// Hits that are told of a chain.
const HITS_MAX: usize = 5;

/// Parses what is looked for; nothing when it is not said.
pub(crate) fn words(said: Option<&str>, violations: &mut Vec<Violation>) -> Option<Words> {
    let parsed = Words::parse(said.filter(|said| !said.is_empty())?);
    let (en, zh) = match &parsed {
        Ok(_) => return parsed.ok(),
        Err(WordsError::TooLong { characters }) => (
            format!("has {characters} characters, more than {CHARACTERS_MAX}"),
            format!("有 {characters} 个字符，超过 {CHARACTERS_MAX} 个"),
        ),
        Err(WordsError::NoWord) => ("holds no word to look for".to_owned(), "不含可检索的文字".to_owned()),
        Err(WordsError::TooMany { words }) => (
            format!("has {words} different words, more than {WORDS_MAX}"),
            format!("分词后有 {words} 个词，超过 {WORDS_MAX} 个"),
        ),
    };
    violations.push(violation("text", &en, &zh));
    None
}

impl<L: Log, V: Vault> Node<L, V> {
    /// Chains in which acts are to be looked for that hold all words.
    ///
    /// # Errors
    /// Texts are not searched here, there are too many, or their index is being built.
    pub(crate) async fn chains_with(&self, reads: &Reads, words: &Words) -> Result<BTreeSet<ChainId>, Refused> {
        let index = self.scope().texts.as_ref().ok_or_else(|| Refused::new(Reason::TextSearchOff))?;
        index.find(words.clone(), Eyes::of(&reads.reader())).await.map_err(no_answer)
    }
}

/// Why the index of texts gives no answer.
fn no_answer(error: texts::Error) -> Refused {
    if let texts::Error::Full { text_bytes_max } = error {
        return Refused::new(Reason::TextIndexFull).with("text_bytes_max", text_bytes_max);
    }
    let texts::Error::Building(built) = error else {
        tracing::warn!(%error, "the index of texts gives no answer");
        return Refused::new(Reason::IndexNotReady);
    };
    let texts::Built { followed, entries, waiting } = built;
    let entries = entries.max(followed);
    Refused::new(Reason::IndexNotReady)
        .detail(
            format!(
                "that of the texts is being built: {followed} of {entries} entries followed, {waiting} chains to read"
            ),
            format!("全文索引正在建立：已跟进 {followed}/{entries} 条记录，尚有 {waiting} 条链待读"),
        )
        .with("followed", followed)
        .with("entries", entries)
        .with("waiting", waiting)
}

/// The entries of a chain that count and whose text holds the words, whoever may read it.
pub(crate) fn holding(entries: &[CheckedEntry], words: &Words) -> Vec<CheckedEntry> {
    let holds = |entry: &&CheckedEntry| {
        let mut narratives = entry.parts.iter().filter(|part| part.commitment.kind == PartKind::Narrative);
        entry.outcome.is_ok() && narratives.any(|part| found(words, &part.plaintext).is_some())
    };
    entries.iter().filter(holds).cloned().collect()
}

/// Where a reader could read the words himself, and what the record of the reading says of it.
pub(crate) fn hits(sight: &Sight<'_, '_>, holding: &[CheckedEntry], words: &Words) -> (Vec<TextHit>, Vec<Seen>) {
    let (mut hits, mut seen) = (Vec::new(), Vec::<Seen>::new());
    for entry in holding {
        let revision = entry.revision.0;
        let Ok(recorded) = &entry.outcome else { continue };
        let Some((kind, _)) = recorded.act.event() else { continue };
        if hits.len() == HITS_MAX || !sight.row_of(revision).is_some_and(is_searched) {
            continue;
        }
        let view = view(sight, entry);
        let mut narratives = view.parts.iter().filter(|part| part.kind() == PartKind::Narrative);
        let excerpt = narratives.find_map(|part| found(words, &part.plaintext));
        let (Some(excerpt), Some(grade)) = (excerpt, view.grade) else { continue };
        hits.push(TextHit { revision, event: kind.event.to_owned(), excerpt });
        let row = Seen { grade, parts: vec![Part::Narrative], acts: Vec::new(), rules: Vec::new(), disclosure: None };
        let at = seen.iter().position(|row| row.grade == grade).unwrap_or(seen.len());
        if at == seen.len() {
            seen.push(row);
        }
        let Some(row) = seen.get_mut(at) else { continue };
        row.acts.push(recorded.event_id);
        if !row.rules.contains(&view.rule) {
            row.rules.push(view.rule);
        }
    }
    seen.iter_mut().for_each(|row| row.rules.sort_unstable());
    (hits, seen)
}

#[cfg(test)]
mod tests {
    use mediation_projections::texts::Built;

    use super::*;

    #[test]
    fn while_the_index_is_built_it_is_told_how_far_in_both_languages() {
        let built = Built { followed: 12, entries: 40, waiting: 3 };
        let status = no_answer(texts::Error::Building(built)).into_status("request");
        assert_eq!(status.code(), tonic::Code::Unavailable);
        assert!(status.message().contains("12 of 40 entries followed, 3 chains to read"), "{}", status.message());
        let zh = tonic_types::StatusExt::get_details_localized_message(&status).unwrap().message;
        assert!(zh.contains("全文索引正在建立：已跟进 12/40 条记录，尚有 3 条链待读"), "{zh}");
    }

    #[test]
    fn too_much_text_is_told_with_its_bound() {
        let refused = no_answer(texts::Error::Full { text_bytes_max: 1_024 });
        assert_eq!(refused.reason(), Reason::TextIndexFull);
        assert_eq!(refused.into_status("request").code(), tonic::Code::ResourceExhausted);
    }
}

//! Words of texts, and of what is looked for in them.
//!
//! ```text
//! text   ─ fold: NFKC, lower case, nothing that is not seen ─┬ run of Han ─ each letter, and every word of the dictionary in it
//! asked  ─ fold ─────────────────────────────────────────────┤ other letters and digits ─ the run
//!                                                            └ asked: a run of Han is cut by the dictionary once (jieba, no HMM)
//! ```
//!
//! Of a run that is asked for, words of the dictionary and what stands between them are looked for, each as it is written. So a text
//! that holds the run as it was typed is found by it, wherever a dictionary would cut the text itself. Traditional and simplified
//! letters are different letters.

use std::{collections::BTreeSet, fmt, sync::LazyLock};

use icu_normalizer::ComposingNormalizerBorrowed;
use jieba_rs::Jieba;
use mediation_domain::wording::is_hidden;

/// Characters of what is looked for.
pub const CHARACTERS_MAX: usize = 64;

/// Different words of what is looked for: each costs a walk through the index and through every text that is read.
pub const WORDS_MAX: usize = 8;

/// Characters of an excerpt.
const EXCERPT_CHARACTERS_MAX: usize = 80;

/// Characters of an excerpt before what was found.
const EXCERPT_BEFORE: usize = 20;

/// Dictionary. It takes some tenths of a second and some tens of megabytes, when the first Han letter is cut.
static DICTIONARY: LazyLock<Jieba> = LazyLock::new(Jieba::new);

/// What is looked for: different words, one at least, all of which an act must hold.
#[derive(Clone, PartialEq, Eq)]
pub struct Words(BTreeSet<String>);

/// What people look for may name somebody: it is not to be printed.
impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Words").field(&self.0.len()).finish()
    }
}

/// Why nothing can be looked for. None of them says the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WordsError {
    /// Longer than [`CHARACTERS_MAX`].
    #[error("has {characters} characters, more than {CHARACTERS_MAX}")]
    TooLong {
        /// How many.
        characters: usize,
    },
    /// Nothing but space, signs and pictures.
    #[error("holds no word")]
    NoWord,
    /// More than [`WORDS_MAX`].
    #[error("has {words} different words, more than {WORDS_MAX}")]
    TooMany {
        /// How many.
        words: usize,
    },
}

impl Words {
    /// The words of what is looked for.
    ///
    /// # Errors
    /// It is too long, holds no word, or too many.
    pub fn parse(text: &str) -> Result<Self, WordsError> {
        let characters = text.trim().chars().count();
        if characters > CHARACTERS_MAX {
            return Err(WordsError::TooLong { characters });
        }
        let mut words = BTreeSet::new();
        for run in runs(text) {
            let text = run.text();
            match run.is_han {
                true => words.extend(asked(&text)),
                false => drop(words.insert(text)),
            }
        }
        match words.len() {
            0 => Err(WordsError::NoWord),
            words if words > WORDS_MAX => Err(WordsError::TooMany { words }),
            _ => Ok(Self(words)),
        }
    }

    /// What the index has of the words: a word that no dictionary knows, letter by letter.
    pub(super) fn terms(&self) -> BTreeSet<String> {
        let mut terms = BTreeSet::new();
        for word in &self.0 {
            let is_known = !word.chars().all(is_han) || DICTIONARY.has_word(word);
            if is_known {
                terms.insert(word.clone());
            } else {
                terms.extend(word.chars().map(String::from));
            }
        }
        terms
    }

    /// Whether texts hold every word, in whichever of them.
    pub(super) fn are_in(&self, texts: &[String]) -> bool {
        let runs: Vec<Run> = texts.iter().flat_map(|text| runs(text)).collect();
        self.0.iter().all(|word| runs.iter().any(|run| run.place_of(word).is_some()))
    }

    /// A piece of the first text that holds a word, with what stands around the first one in it.
    pub(super) fn excerpt(&self, texts: &[String]) -> Option<String> {
        texts.iter().find_map(|text| {
            let at = runs(text).iter().flat_map(|run| self.0.iter().filter_map(|word| run.place_of(word))).min()?;
            Some(excerpt(text, at))
        })
    }
}

/// The words of a run of Han that is asked for: those of the dictionary, and what stands between two of them.
fn asked(run: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut is_between = false;
    for token in DICTIONARY.cut(run, false) {
        let is_letter = token.word.chars().nth(1).is_none();
        match words.last_mut().filter(|_| is_letter && is_between) {
            Some(word) => word.push_str(token.word),
            None => words.push(token.word.to_owned()),
        }
        is_between = is_letter;
    }
    words
}

/// Everything by which texts can be found.
pub(super) fn cut(texts: &[String]) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for run in texts.iter().flat_map(|text| runs(text)) {
        let text = run.text();
        if !run.is_han {
            words.insert(text);
            continue;
        }
        words.extend(DICTIONARY.cut_all(&text).into_iter().map(|token| token.word.to_owned()));
        words.extend(text.chars().map(String::from));
    }
    words
}

/// Letters that follow each other, all of them Han or none.
struct Run {
    is_han: bool,
    /// Folded, each with the place of the character of the text from which it comes.
    letters: Vec<(char, usize)>,
}

impl Run {
    fn text(&self) -> String {
        self.letters.iter().map(|letter| letter.0).collect()
    }

    /// Place in the text where a word begins.
    fn place_of(&self, word: &str) -> Option<usize> {
        let length = word.chars().count().max(1);
        let is_here = |letters: &&[(char, usize)]| letters.iter().map(|letter| letter.0).eq(word.chars());
        let mut windows = self.letters.windows(length);
        let found = if self.is_han { windows.find(is_here) } else { windows.next().filter(is_here) };
        let is_whole = self.is_han || self.letters.len() == length;
        Some(found.filter(|_| is_whole)?.first()?.1)
    }
}

/// The runs of a text, in their order.
fn runs(text: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut is_open = false;
    for (letter, at) in folded(text) {
        let is_han = is_han(letter);
        if !is_han && !letter.is_alphanumeric() {
            is_open = false;
            continue;
        }
        match runs.last_mut().filter(|run| is_open && run.is_han == is_han) {
            Some(run) => run.letters.push((letter, at)),
            None => runs.push(Run { is_han, letters: vec![(letter, at)] }),
        }
        is_open = true;
    }
    runs
}

/// The letters of a text as they are compared, each with the place of its character: full width and half width are the same, so
/// are capital and small letters, and what is not seen is not there.
fn folded(text: &str) -> impl Iterator<Item = (char, usize)> {
    let normalizer = ComposingNormalizerBorrowed::new_nfkc();
    let seen = text.chars().enumerate().filter(|(_, letter)| !is_unseen(*letter));
    seen.flat_map(move |(at, letter)| {
        let normal = normalizer.normalize_iter(std::iter::once(letter));
        normal.flat_map(char::to_lowercase).map(move |letter| (letter, at))
    })
}

/// Letters that show nothing and separate nothing: of no width, for the direction, for the choice of a glyph.
fn is_unseen(letter: char) -> bool {
    let is_other = matches!(letter, '\u{ad}' | '\u{61c}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}');
    !letter.is_control() && (is_hidden(letter) || is_other)
}

/// Letters that are written without spaces between words, and that the dictionary knows.
fn is_han(letter: char) -> bool {
    matches!(letter, '\u{3007}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}')
}

/// What stands around a place of a text, on one line.
fn excerpt(text: &str, at: usize) -> String {
    let letters = text.chars().count();
    let from = at.saturating_sub(EXCERPT_BEFORE);
    let is_cut_before = from > 0;
    let room = EXCERPT_CHARACTERS_MAX.saturating_sub(usize::from(is_cut_before));
    let is_cut_behind = letters.saturating_sub(from) > room;
    let room = room.saturating_sub(usize::from(is_cut_behind));
    let plain = |letter: char| if letter.is_control() { ' ' } else { letter };
    let shown: String = text.chars().skip(from).take(room).map(plain).collect();
    let mark = |is_cut: bool| if is_cut { "…" } else { "" };
    format!("{}{shown}{}", mark(is_cut_before), mark(is_cut_behind))
}

#[cfg(test)]
mod tests;

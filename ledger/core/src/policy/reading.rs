//! Reading a policy, line by line.

use super::{
    DEFINITIONS_MAX, Definition, LineProblem, NONE, POLICY_BYTES_MAX, Policy, PolicyError, PolicyLog, PolicyWitness,
    Quorum, Threshold, is_witness_key,
};
use crate::note::VerifierKey;

pub(super) fn policy(bytes: &[u8]) -> Result<Policy, PolicyError> {
    if bytes.len() > POLICY_BYTES_MAX {
        return Err(PolicyError::TooLarge { size: bytes.len() });
    }
    let text = str::from_utf8(bytes).map_err(|_| PolicyError::NotUtf8)?;
    let mut draft = Draft::default();
    for (number, line) in text.split_inclusive('\n').enumerate() {
        draft.line(line).map_err(|problem| PolicyError::Line { line: number + 1, problem })?;
    }
    let quorum = draft.quorum.ok_or(PolicyError::NoQuorum)?;
    Ok(Policy { logs: draft.logs, definitions: draft.definitions, quorum })
}

/// What the lines so far say.
#[derive(Default)]
struct Draft {
    logs: Vec<PolicyLog>,
    definitions: Vec<(String, Definition)>,
    /// Names that are members of a group.
    members: Vec<String>,
    quorum: Option<Quorum>,
}

impl Draft {
    fn line(&mut self, line: &str) -> Result<(), LineProblem> {
        let line = line.strip_suffix('\n').ok_or(LineProblem::Unterminated)?;
        if line.bytes().any(|byte| (byte < b' ' && byte != b'\t') || byte == 0x7f) {
            return Err(LineProblem::ControlCharacter);
        }
        // White space is these two characters only: a name may hold any other.
        let words: Vec<&str> = line.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
        match words.as_slice() {
            [] => Ok(()),
            [word, ..] if word.starts_with('#') => Ok(()),
            ["log", rest @ ..] => self.log(rest),
            ["witness", rest @ ..] => self.witness(rest),
            ["group", rest @ ..] => self.group(rest),
            ["quorum", rest @ ..] => self.quorum(rest),
            [word, ..] => Err(LineProblem::Keyword { word: (*word).to_owned() }),
        }
    }

    fn log(&mut self, words: &[&str]) -> Result<(), LineProblem> {
        let (vkey, url) = match words {
            [vkey] => (*vkey, None),
            [vkey, url] => (*vkey, Some((*url).to_owned())),
            _ => return Err(LineProblem::Form { form: "log <vkey> [<url>]" }),
        };
        let key: VerifierKey = vkey.parse()?;
        if is_witness_key(&key) {
            return Err(LineProblem::KeyType { name: key.name().to_string(), role: "log" });
        }
        if self.logs.iter().any(|log| log.key.public_key() == key.public_key()) {
            return Err(LineProblem::DuplicateKey { role: "log" });
        }
        if self.logs.len() >= DEFINITIONS_MAX {
            return Err(LineProblem::TooMany);
        }
        self.logs.push(PolicyLog { key, url });
        Ok(())
    }

    fn witness(&mut self, words: &[&str]) -> Result<(), LineProblem> {
        let (name, vkey, url) = match words {
            [name, vkey] => (*name, *vkey, None),
            [name, vkey, url] => (*name, *vkey, Some((*url).to_owned())),
            _ => return Err(LineProblem::Form { form: "witness <name> <vkey> [<url>]" }),
        };
        let key: VerifierKey = vkey.parse()?;
        if !is_witness_key(&key) {
            return Err(LineProblem::KeyType { name: key.name().to_string(), role: "witness" });
        }
        let same = |definition: &Definition| match definition {
            Definition::Witness(witness) => witness.key.public_key() == key.public_key(),
            Definition::Group { .. } => false,
        };
        if self.definitions.iter().any(|(_, definition)| same(definition)) {
            return Err(LineProblem::DuplicateKey { role: "witness" });
        }
        self.define(name, Definition::Witness(Box::new(PolicyWitness { key, url })))
    }

    fn group(&mut self, words: &[&str]) -> Result<(), LineProblem> {
        let [name, threshold, members @ ..] = words else { return Err(GROUP_FORM) };
        if members.is_empty() {
            return Err(GROUP_FORM);
        }
        let threshold = read_threshold(threshold, members.len())?;
        for member in members {
            self.defined(member)?;
            if self.members.iter().any(|other| other == member) {
                return Err(LineProblem::MemberTwice { name: (*member).to_owned() });
            }
            self.members.push((*member).to_owned());
        }
        let members = members.iter().map(|member| (*member).to_owned()).collect();
        self.define(name, Definition::Group { threshold, members })
    }

    fn quorum(&mut self, words: &[&str]) -> Result<(), LineProblem> {
        let [name] = words else { return Err(LineProblem::Form { form: "quorum <name>" }) };
        if self.quorum.is_some() {
            return Err(LineProblem::QuorumTwice);
        }
        self.quorum = Some(if *name == NONE {
            Quorum::None
        } else {
            self.defined(name)?;
            Quorum::Of((*name).to_owned())
        });
        Ok(())
    }

    fn define(&mut self, name: &str, definition: Definition) -> Result<(), LineProblem> {
        if name == NONE || self.is_defined(name) {
            return Err(LineProblem::NameTaken { name: name.to_owned() });
        }
        let is_group = |definition: &Definition| matches!(definition, Definition::Group { .. });
        let same_sort = self.definitions.iter().filter(|(_, other)| is_group(other) == is_group(&definition));
        if same_sort.count() >= DEFINITIONS_MAX {
            return Err(LineProblem::TooMany);
        }
        self.definitions.push((name.to_owned(), definition));
        Ok(())
    }

    fn defined(&self, name: &str) -> Result<(), LineProblem> {
        if self.is_defined(name) { Ok(()) } else { Err(LineProblem::Undefined { name: name.to_owned() }) }
    }

    fn is_defined(&self, name: &str) -> bool {
        self.definitions.iter().any(|(defined, _)| defined == name)
    }
}

fn read_threshold(text: &str, members: usize) -> Result<Threshold, LineProblem> {
    match text {
        "any" => Ok(Threshold::Any),
        "all" => Ok(Threshold::All),
        text => {
            let count = text.parse::<usize>().ok().filter(|count| count.to_string() == text);
            let count = count.filter(|count| (1..=members).contains(count));
            count.map(Threshold::AtLeast).ok_or_else(|| LineProblem::Threshold { threshold: text.to_owned(), members })
        }
    }
}

const GROUP_FORM: LineProblem = LineProblem::Form { form: "group <name> <k|any|all> <name>..." };

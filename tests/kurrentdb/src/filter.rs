//! Which events of `$all` a reader wants.

use regex::Regex;
use tonic::Status;

use crate::{
    refusal,
    store::Record,
    wire::event_store::client::streams::read_req::options::{
        FilterOptions,
        filter_options::{Expression, Filter as Chosen},
    },
};

/// A filter on streams or on types of events.
#[derive(Debug)]
pub(crate) enum Filter {
    All,
    Stream(Pattern),
    Kind(Pattern),
}

/// What a name must look like.
#[derive(Debug)]
pub(crate) enum Pattern {
    Prefixes(Vec<String>),
    Matches(Regex),
    /// The opposite; it stands for a look-ahead, which the engine of expressions here does not know.
    MatchesNot(Regex),
}

impl Filter {
    /// # Errors
    ///
    /// The filter says nothing, or its expression is none.
    pub(crate) fn parse(options: FilterOptions) -> Result<Self, Status> {
        match options.filter {
            Some(Chosen::StreamIdentifier(expression)) => Ok(Self::Stream(Pattern::parse(expression)?)),
            Some(Chosen::EventType(expression)) => Ok(Self::Kind(Pattern::parse(expression)?)),
            None => Err(Status::invalid_argument("'None' is not a valid filter")),
        }
    }

    pub(crate) fn passes(&self, record: &Record) -> bool {
        match self {
            Self::All => true,
            Self::Stream(pattern) => pattern.fits(&record.stream),
            Self::Kind(pattern) => pattern.fits(&record.kind),
        }
    }
}

impl Pattern {
    fn parse(expression: Expression) -> Result<Self, Status> {
        if expression.regex.is_empty() {
            return Ok(Self::Prefixes(expression.prefix));
        }
        let regex = |text: &str| Regex::new(text).map_err(|error| refusal::bad_request(&error.to_string()));
        let not = expression.regex.strip_prefix("^(?!").and_then(|rest| rest.strip_suffix(')'));
        Ok(match not {
            Some(not) => Self::MatchesNot(regex(&format!("^(?:{not})"))?),
            None => Self::Matches(regex(&expression.regex)?),
        })
    }

    fn fits(&self, name: &str) -> bool {
        match self {
            Self::Prefixes(prefixes) => prefixes.iter().any(|prefix| name.starts_with(prefix.as_str())),
            Self::Matches(regex) => regex.is_match(name),
            Self::MatchesNot(regex) => !regex.is_match(name),
        }
    }
}

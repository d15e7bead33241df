//! The languages in which people are told something.

/// Language of pages and files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tongue {
    /// 中文.
    #[default]
    Chinese,
    /// English.
    English,
}

impl Tongue {
    /// The words of this language.
    #[must_use]
    pub fn say<'w>(self, zh: &'w str, en: &'w str) -> &'w str {
        match self {
            Self::Chinese => zh,
            Self::English => en,
        }
    }

    /// Code of the language, as HTML has it.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.say("zh-CN", "en")
    }

    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Chinese => Self::English,
            Self::English => Self::Chinese,
        }
    }
}

//! Mutations of inputs, the same for the same seed.

/// Bytes of the longest input that is made.
const INPUT_BYTES_MAX: usize = 512 * 1024;

/// Mutations of one input, at most.
const ROUNDS_MAX: usize = 6;

/// What parsers tend to trip over: limits of numbers, signs, separators, letters that are no ASCII.
const TOKENS: [&[u8]; 24] = [
    b"\n",
    b"\n\n",
    b"\r\n",
    b" ",
    b"\0",
    b"0",
    b"00",
    b"+1",
    b"-1",
    b"18446744073709551615",
    b"18446744073709551616",
    b"9223372036854775808",
    b"/",
    b".p/",
    b"x",
    b"=",
    b"+",
    "— ".as_bytes(),
    "綜".as_bytes(),
    &[0xff],
    &[0xff, 0xff, 0xff, 0xff],
    &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
    b"PK\x03\x04",
    b"none",
];

/// Makes inputs from inputs.
#[derive(Debug)]
pub struct Mutator {
    state: u64,
}

impl Mutator {
    /// Begins with a seed: the same seed gives the same inputs.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// One of the inputs, changed. `inputs` MUST NOT be empty; of no inputs it makes the empty one.
    pub fn input(&mut self, inputs: &[Vec<u8>]) -> Vec<u8> {
        let mut input = self.one_of(inputs).cloned().unwrap_or_default();
        for _ in 0..=self.below(ROUNDS_MAX) {
            self.mutate(&mut input, inputs);
        }
        input.truncate(INPUT_BYTES_MAX);
        input
    }

    fn mutate(&mut self, input: &mut Vec<u8>, inputs: &[Vec<u8>]) {
        let (from, to) = self.span(input.len());
        match self.below(8) {
            0 | 1 => {
                let bit = 1 << self.below(8);
                input.iter_mut().skip(from).take(1).for_each(|byte| *byte ^= bit);
            }
            2 => {
                let value = self.next().to_le_bytes();
                input.iter_mut().skip(from).take(1).zip(value).for_each(|(byte, value)| *byte = value);
            }
            3 => drop(input.drain(from..to)),
            4 => {
                let copied = input.get(from..to).unwrap_or_default().to_vec();
                let place = self.below(input.len() + 1);
                drop(input.splice(place..place, copied));
            }
            5 => {
                let token = self.one_of(&TOKENS).copied().unwrap_or_default();
                let end = if self.below(2) == 0 { from } else { (from + token.len()).min(input.len()) };
                drop(input.splice(from..end, token.iter().copied()));
            }
            6 => {
                let other = self.one_of(inputs).cloned().unwrap_or_default();
                let (start, end) = self.span(other.len());
                drop(input.splice(from..to, other.get(start..end).unwrap_or_default().iter().copied()));
            }
            _ => input.truncate(from),
        }
    }

    /// A span of an input: mostly short, since a long one leaves little of the input.
    fn span(&mut self, length: usize) -> (usize, usize) {
        let from = self.below(length + 1);
        let longest = if self.below(4) == 0 { length } else { 16 };
        (from, (from + self.below(longest + 1)).min(length))
    }

    fn one_of<'i, T>(&mut self, items: &'i [T]) -> Option<&'i T> {
        items.get(self.below(items.len()))
    }

    /// A number below the bound; 0 when nothing is below it.
    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % bound).unwrap_or_default()
    }

    /// SplitMix64 (Steele, Lea, Flood 2014).
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

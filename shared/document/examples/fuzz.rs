//! Parses randomly changed documents for some seconds:
//! `cargo run --release -p goldsmith-document --example fuzz -- SECONDS [SEED]`.
//!
//! A panic, or an input that takes longer than a second, ends the program. The program then prints the input to
//! standard error.

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use goldsmith_document::{Document, Platform, Target};

/// Longest time that one input may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// Characters that have a meaning in YAML.
const MARKS: &[u8] = b"{}[]:-,'\"\\#&*!|>%@`~ \t\n\r";

/// Longest input, in bytes.
const LONGEST: usize = 200_000;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>().ok());
    let (seconds, seed) = (arguments.next().flatten().unwrap_or(10), arguments.next().flatten().unwrap_or(1));
    let corpus = corpus();
    let (mut random, started) = (Random(seed.max(1)), Instant::now());
    let (mut inputs, mut valid, mut slowest) = (0_u64, 0_u64, Duration::ZERO);
    while started.elapsed() < Duration::from_secs(seconds) {
        let text = String::from_utf8_lossy(&random.input(&corpus)).into_owned();
        let begun = Instant::now();
        let Ok(is_valid) = catch_unwind(|| parse(&text)) else {
            eprintln!("a panic:\n{text}");
            return ExitCode::FAILURE;
        };
        slowest = slowest.max(begun.elapsed());
        if begun.elapsed() > PATIENCE {
            eprintln!("{:?}:\n{text}", begun.elapsed());
            return ExitCode::FAILURE;
        }
        inputs += 1;
        valid += u64::from(is_valid);
    }
    println!("{inputs} inputs in {seconds} s, {valid} of them valid, the slowest took {slowest:?}");
    ExitCode::SUCCESS
}

fn parse(text: &str) -> bool {
    let target = Target { platform: Some(Platform::Linux), blocked: Vec::new() };
    match Document::parse_for("fuzz.yml", text, &target) {
        Ok(document) => {
            let _ = document.warnings.to_string();
            true
        }
        Err(found) => {
            let _ = found.to_string();
            false
        }
    }
}

/// Returns the documents of the tests.
fn corpus() -> Vec<Vec<u8>> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let folders = ["documents", "mistakes"].map(|folder| tests.join(folder));
    let files = folders.into_iter().flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten());
    files.filter_map(|file| fs::read(file.path()).ok()).collect()
}

/// The generator xorshift64*: good enough to choose bytes, and the same on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit.max(1)
    }

    fn part<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let start = self.below(bytes.len());
        &bytes[start..(start + self.below(60) + 1).min(bytes.len())]
    }

    /// Returns a document in which some bytes are changed, removed, repeated, or taken from another document.
    fn input(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = corpus[self.below(corpus.len())].clone();
        for _ in 0..=self.below(8) {
            let at = self.below(bytes.len());
            let end = (at + self.below(30)).min(bytes.len());
            let new = match self.below(5) {
                0 => vec![self.below(256) as u8],
                1 => Vec::new(),
                2 => vec![MARKS[self.below(MARKS.len())]],
                3 => {
                    let other = self.below(corpus.len());
                    self.part(&corpus[other]).to_vec()
                }
                _ => {
                    let part = self.part(&bytes).to_vec();
                    part.repeat(1 << self.below(12))
                }
            };
            bytes.splice(at..end, new);
            bytes.truncate(LONGEST);
        }
        bytes
    }
}

//! The order of versions, held against the tools whose versions they are, on generated pairs. A tool that is missing is
//! skipped, and the reason is printed.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::cmp::Ordering;
use std::io::Write as _;
use std::process::{Command, Stdio};

use goldsmith_versions::{Scheme, compare};
use proptest::strategy::{Strategy, ValueTree};
use proptest::string::string_regex;
use proptest::test_runner::TestRunner;

/// Pairs of texts that a regular expression describes. Half of the pairs differ in one character only.
fn pairs(regex: &str, count: usize) -> Vec<(String, String)> {
    let mut runner = TestRunner::deterministic();
    let strategy = string_regex(regex).unwrap();
    let mut next = || strategy.new_tree(&mut runner).unwrap().current();
    let mut pairs = Vec::with_capacity(count);
    let accepted = regex_lite_whole(regex);
    while pairs.len() < count {
        let (a, b) = (next(), next());
        if let Some(near) = near(&a, &b).filter(|near| accepted(near)) {
            pairs.push((a.clone(), near));
        }
        pairs.push((a, b));
    }
    pairs.truncate(count);
    pairs
}

/// A text with one character of another.
fn near(a: &str, b: &str) -> Option<String> {
    let at = a.len() / 2;
    let mut bytes = a.as_bytes().to_vec();
    *bytes.get_mut(at)? = *b.as_bytes().get(at)?;
    String::from_utf8(bytes).ok()
}

fn regex_lite_whole(regex: &str) -> impl Fn(&str) -> bool {
    let regex = regex_lite::Regex::new(&format!("^(?:{regex})$")).unwrap();
    move |text| regex.is_match(text)
}

fn order(word: &str) -> Ordering {
    match word.trim() {
        "-1" => Ordering::Less,
        "0" => Ordering::Equal,
        "1" => Ordering::Greater,
        other => panic!("the tool says {other}"),
    }
}

/// Runs a program with a pair a line in its input, and a number from -1 to 1 a line in its output.
fn ask(program: &str, arguments: &[&str], pairs: &[(String, String)]) -> Result<Vec<Ordering>, String> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("{program} cannot be started: {error}"))?;
    let input: String = pairs.iter().map(|(a, b)| format!("{a} {b}\n")).collect();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    let _ = writer.join().unwrap();
    if !output.status.success() {
        return Err(format!("{program} failed: {}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8(output.stdout).unwrap().lines().map(order).collect())
}

/// Compares this crate with a tool, or says why it was skipped.
fn hold(scheme: Scheme, tool: &str, pairs: &[(String, String)], answers: Result<Vec<Ordering>, String>) {
    let answers = match answers {
        Ok(answers) => answers,
        Err(reason) => return eprintln!("SKIPPED: {tool}: {reason}"),
    };
    assert_eq!(answers.len(), pairs.len(), "{tool} answers each pair");
    let of = |order| answers.iter().filter(|answer| **answer == order).count();
    for order in [Ordering::Less, Ordering::Equal, Ordering::Greater] {
        assert!(of(order) * 100 >= pairs.len(), "{tool}: fewer than 1 % of the pairs are {order:?}");
    }
    let wrong: Vec<_> = pairs
        .iter()
        .zip(&answers)
        .filter_map(|((a, b), answer)| {
            let ours = compare(scheme, a, b);
            (ours.as_ref() != Ok(answer)).then(|| format!("{a} {b}: {tool} says {answer:?}, and we say {ours:?}"))
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {} differ:\n{}",
        wrong.len(),
        pairs.len(),
        wrong[..wrong.len().min(20)].join("\n")
    );
}

#[test]
fn dpkg_orders_its_versions_as_we_do() {
    let pairs = pairs("([01]:)?[012](\\.?[012a~+]){0,4}(-[01][~+.]?(deb)?[0-2]?)?", 1_500);
    let script = "while read -r a b; do if dpkg --compare-versions \"$a\" lt \"$b\"; then echo -1; \
                  elif dpkg --compare-versions \"$a\" gt \"$b\"; then echo 1; else echo 0; fi; done";
    let known = Command::new("dpkg").arg("--version").output().map_err(|e| format!("dpkg cannot be started: {e}"));
    let answers = known.and_then(|_| ask("sh", &["-c", script], &pairs));
    hold(Scheme::Dpkg, "dpkg", &pairs, answers);
}

#[test]
fn apk_orders_its_versions_as_we_do() {
    let pairs = pairs("[012](\\.(0?[0-2]|11)){0,2}a?(_(alpha|rc|p|git)[01]?){0,2}(~[ab])?(-r[012])?", 1_500);
    let script = "while read -r a b; do case $(apk version -t \"$a\" \"$b\") in '<') echo -1;; '>') echo 1;; *) echo 0;; esac; done";
    let known = Command::new("apk").arg("--version").output().map_err(|e| format!("apk cannot be started: {e}"));
    let answers = known.and_then(|_| ask("sh", &["-c", script], &pairs));
    hold(Scheme::Apk, "apk", &pairs, answers);
}

#[test]
fn rpm_orders_its_versions_as_we_do() {
    let pairs = pairs("([01]:)?[012](\\.?[012a~^+_]){0,4}-[01](\\.?[012a~^]){0,3}", 6_000);
    let mut answers = Ok(Vec::new());
    for some in pairs.chunks(1_000) {
        let calls: String = some.iter().map(|(a, b)| format!("print(rpm.vercmp('{a}','{b}')..' ');")).collect();
        let result = Command::new("rpm").args(["--eval", &format!("%{{lua:{calls}}}")]).output();
        answers = match (answers, result) {
            (Ok(mut all), Ok(output)) if output.status.success() => {
                let text = String::from_utf8(output.stdout).unwrap();
                all.extend(text.split_whitespace().map(order));
                Ok(all)
            }
            (Ok(_), Ok(output)) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
            (Ok(_), Err(error)) => Err(format!("rpm cannot be started: {error}")),
            (Err(reason), _) => Err(reason),
        };
    }
    hold(Scheme::Rpm, "rpm", &pairs, answers);
}

#[test]
fn python_orders_its_versions_as_we_do() {
    let regex = "([01]!)?[012](\\.[0-2]){0,3}((a|b|rc|-alpha)[0-2])?(\\.post[0-2]|-[0-2])?(\\.dev[0-2])?(\\+[0-2a](\\.[0-2b])?)?";
    let pairs = pairs(regex, 20_000);
    let script = "
import sys
try: from packaging.version import Version
except ImportError: from pip._vendor.packaging.version import Version
for line in sys.stdin:
    a, b = map(Version, line.split())
    print((a > b) - (a < b))
";
    hold(Scheme::Pep440, "packaging", &pairs, ask("python3", &["-c", script], &pairs));
}

#[test]
fn node_orders_semantic_versions_as_we_do() {
    let pairs = pairs("[01]\\.[0-2]\\.[0-2](-(alpha|beta|[0-2]|rc)(\\.([0-2]|11|a))?)?(\\+[ab])?", 20_000);
    let script = "
const path = require('path').join(require('child_process').execSync('npm root -g').toString().trim(), 'npm/node_modules/semver');
const semver = require(path);
for (const line of require('fs').readFileSync(0, 'utf8').split('\\n')) {
  if (line) console.log(semver.compare(...line.split(' ')));
}
";
    hold(Scheme::Semver, "semver of npm", &pairs, ask("node", &["-e", script], &pairs));
}

#[test]
fn ruby_orders_its_versions_as_we_do() {
    let pairs = pairs("[012](\\.([0-2]|10|20250131123456|a|rc|[0-2]b)){0,3}(-[0-2a])?", 20_000);
    let script = "STDIN.each_line { |line| a, b = line.split.map { |v| Gem::Version.new(v) }; puts a <=> b }";
    hold(Scheme::Gem, "RubyGems", &pairs, ask("ruby", &["-rrubygems", "-e", script], &pairs));
}

#[test]
fn every_order_is_an_order() {
    for (scheme, regex) in [
        (Scheme::Dpkg, "([01]:)?[01](\\.?[01a~+]){0,3}(-[01])?"),
        (Scheme::Rpm, "([01]:)?[01](\\.?[01a~^]){0,3}(-[01])?"),
        (Scheme::Apk, "[01](\\.[01]|\\.0[01]){0,2}a?(_(alpha|rc|p|git)[01]?){0,2}(-r[01])?"),
        (Scheme::Gem, "[01](\\.[01a]){0,3}(-[01])?"),
    ] {
        let all: Vec<_> = pairs(regex, 60).into_iter().flat_map(|(a, b)| [a, b]).take(60).collect();
        let order = |a: &String, b: &String| compare(scheme, a, b).unwrap();
        for a in &all {
            for b in &all {
                assert_eq!(order(a, b), order(b, a).reverse(), "{scheme:?} {a} {b}");
                for c in &all {
                    let chain = order(a, b).is_le() && order(b, c).is_le();
                    assert!(!chain || order(a, c).is_le(), "{scheme:?} {a} {b} {c}");
                }
            }
        }
    }
}

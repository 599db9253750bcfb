//! The functions of Terraform and Packer that definitions of images use. A function whose result is not known returns a
//! mark.

use std::collections::BTreeSet;
use std::ops::Deref;

use ::hcl::{Map, Value as Hcl};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::evaluate::Failure;
use crate::item::{Mark, holds, sole_mark};
use crate::yaml::Yaml;

/// The arguments of a call.
pub(super) struct Args(pub(super) Vec<Hcl>);

impl Deref for Args {
    type Target = [Hcl];

    fn deref(&self) -> &[Hcl] {
        &self.0
    }
}

/// Most spaces that `indent` adds to a line.
const MAX_INDENT: usize = 64;
/// Longest list that `range` returns in Terraform.
const MAX_RANGE: u64 = 1024;

type Function = fn(Args) -> Result<Hcl, String>;

const FUNCTIONS: [(&str, Function); 58] = [
    ("abspath", first),
    ("base64encode", base64encode),
    ("basename", basename),
    ("chomp", |args| texts(&args, |text| text.trim_end_matches(['\r', '\n']).to_owned())),
    ("clean_resource_name", first),
    ("coalesce", coalesce),
    ("coalescelist", coalesce),
    ("compact", compact),
    ("concat", concat),
    ("contains", |args| Ok(Hcl::Bool(list(&args, 0).contains(&at(&args, 1))))),
    ("dirname", dirname),
    ("distinct", distinct),
    ("element", element),
    ("endswith", |args| compared(&args, |text, end| text.ends_with(end))),
    ("env", |args| Ok(unknown("env", &args))),
    ("flatten", |args| Ok(Hcl::Array(flat(&list(&args, 0))))),
    ("format", format_text),
    ("formatdate", |args| now_or("formatdate", &args)),
    ("indent", first_of_two),
    ("isotime", |args| now_or("isotime", &args)),
    ("join", join),
    ("jsonencode", jsonencode),
    ("keys", keys),
    ("legacy_isotime", |args| now_or("legacy_isotime", &args)),
    ("length", length),
    ("lookup", lookup),
    ("lower", |args| texts(&args, |text| text.to_lowercase())),
    ("merge", merge),
    ("nonsensitive", first),
    ("one", |args| Ok(list(&args, 0).into_iter().next().unwrap_or_default())),
    ("pathexpand", first),
    ("range", range),
    ("regex_replace", replace_regex),
    ("replace", replace),
    ("reverse", |args| Ok(Hcl::Array(list(&args, 0).into_iter().rev().collect()))),
    ("sensitive", first),
    ("sort", sort),
    ("split", split),
    ("startswith", |args| compared(&args, |text, start| text.starts_with(start))),
    ("substr", substr),
    ("timestamp", |_| Ok(Hcl::from(Mark::Now.text("")))),
    ("timeadd", timeadd),
    ("title", |args| texts(&args, str::to_owned)),
    ("tobool", parsed),
    ("tolist", first),
    ("toset", first),
    ("tomap", first),
    ("tonumber", parsed),
    ("tostring", first),
    ("trim", trim),
    ("trimprefix", trimprefix),
    ("trimspace", |args| texts(&args, |text| text.trim().to_owned())),
    ("trimsuffix", trimsuffix),
    ("upper", |args| texts(&args, |text| text.to_uppercase())),
    ("uuidv4", |_| Ok(Hcl::from(Mark::Now.text("")))),
    ("values", values),
    ("yamlencode", yamlencode),
    ("zipmap", zipmap),
];

/// Calls a function.
pub(super) fn call(name: &str, args: Args) -> Result<Hcl, Failure> {
    let (_, function) = FUNCTIONS.iter().find(|(known, _)| *known == name).ok_or(Failure::Unknown)?;
    let failure = if marked(&args).is_some() { Failure::Unknown } else { Failure::Missing };
    function(args).map_err(|_| failure)
}

/// Returns how many bytes a function may write that repeats one of its arguments.
pub(super) fn longest(name: &str, args: &Args) -> usize {
    let (first, second, third) = (|| text(args, 0), || text(args, 1), || text(args, 2));
    match name {
        "indent" => second().len() + second().matches('\n').count() * MAX_INDENT,
        "join" => (1..args.len()).map(|index| list(args, index).len() * first().len()).sum(),
        "replace" => first().matches(&second()).count().saturating_mul(third().len()),
        _ => 0,
    }
}

fn at(args: &Args, index: usize) -> Hcl {
    args.get(index).cloned().unwrap_or_default()
}

pub(super) fn text(args: &Args, index: usize) -> String {
    written(&at(args, index))
}

/// Returns a value as it is written into a text.
pub(super) fn written(value: &Hcl) -> String {
    match value {
        Hcl::String(text) => text.clone(),
        Hcl::Null => String::new(),
        other => other.to_string(),
    }
}

fn list(args: &Args, index: usize) -> Vec<Hcl> {
    match at(args, index) {
        Hcl::Array(items) => items,
        Hcl::Null => Vec::new(),
        other => vec![other],
    }
}

/// Returns the mark that a result gets because one of the texts holds one, as a result of the text itself would.
fn marked(args: &Args) -> Option<Hcl> {
    let texts = || args.iter().filter_map(|value| value.as_str());
    if texts().any(|text| holds(text, Mark::Now)) {
        return Some(Hcl::from(Mark::Now.text("")));
    }
    texts().find(|text| text.contains('\u{e000}')).map(Hcl::from)
}

pub(super) fn unknown(name: &str, args: &Args) -> Hcl {
    let args: Vec<String> = args.iter().map(|value| crate::item::shown(&written(value))).collect();
    Hcl::from(Mark::Unknown.text(&format!("{name}({})", args.join(", "))))
}

fn now_or(name: &str, args: &Args) -> Result<Hcl, String> {
    // Without a time, these functions take the present one.
    let given = args.len() > 1 && marked(args).is_none();
    if given { Ok(unknown(name, args)) } else { Ok(Hcl::from(Mark::Now.text(later(args).unwrap_or_default()))) }
}

/// Returns what was added to the time of the build in an argument that is nothing else than that time.
fn later(args: &Args) -> Option<&str> {
    args.iter()
        .filter_map(|value| sole_mark(value.as_str()?))
        .find_map(|(mark, label)| (mark == Mark::Now).then_some(label))
}

/// Returns the time of the build with what is added to it. A sum of two additions is not calculated.
fn timeadd(args: Args) -> Result<Hcl, String> {
    match later(&args) {
        Some("") => Ok(Hcl::from(Mark::Now.text(&text(&args, 1)))),
        Some(_) => Ok(unknown("timeadd", &args)),
        None => now_or("timeadd", &args),
    }
}

fn first(args: Args) -> Result<Hcl, String> {
    Ok(at(&args, 0))
}

/// Returns the number or boolean that a text is.
fn parsed(args: Args) -> Result<Hcl, String> {
    let value = at(&args, 0);
    let json = value.as_str().and_then(|text| serde_json::from_str::<Hcl>(text).ok());
    Ok(json.filter(|json| !json.is_object() && !json.is_array()).unwrap_or(value))
}

fn first_of_two(args: Args) -> Result<Hcl, String> {
    let spaces = at(&args, 0).as_number().and_then(|n| n.as_u64()).unwrap_or(0);
    let indent = " ".repeat(usize::try_from(spaces).unwrap_or(0).min(MAX_INDENT));
    Ok(Hcl::from(text(&args, 1).replace('\n', &format!("\n{indent}"))))
}

fn texts(args: &Args, change: impl Fn(&str) -> String) -> Result<Hcl, String> {
    Ok(marked(args).unwrap_or_else(|| Hcl::from(change(&text(args, 0)))))
}

fn base64encode(args: Args) -> Result<Hcl, String> {
    match marked(&args) {
        Some(_) => Ok(unknown("base64encode", &args)),
        None => Ok(Hcl::from(BASE64_STANDARD.encode(text(&args, 0)))),
    }
}

fn basename(args: Args) -> Result<Hcl, String> {
    texts(&args, |text| text.rsplit('/').next().unwrap_or_default().to_owned())
}

fn dirname(args: Args) -> Result<Hcl, String> {
    texts(&args, |text| text.rsplit_once('/').map_or(".", |(folder, _)| folder).to_owned())
}

fn coalesce(args: Args) -> Result<Hcl, String> {
    let is_given = |value: &&Hcl| !matches!(value, Hcl::Null) && value.as_str() != Some("");
    Ok(args.iter().find(is_given).or(args.last()).cloned().unwrap_or_default())
}

fn compact(args: Args) -> Result<Hcl, String> {
    let items = list(&args, 0).into_iter().filter(|item| !written(item).is_empty());
    Ok(Hcl::Array(items.collect()))
}

fn concat(args: Args) -> Result<Hcl, String> {
    Ok(Hcl::Array((0..args.len()).flat_map(|index| list(&args, index)).collect()))
}

fn distinct(args: Args) -> Result<Hcl, String> {
    let (mut items, mut known) = (Vec::new(), BTreeSet::new());
    for item in list(&args, 0) {
        if known.insert(serde_json::to_string(&item).map_err(|error| error.to_string())?) {
            items.push(item);
        }
    }
    Ok(Hcl::Array(items))
}

fn element(args: Args) -> Result<Hcl, String> {
    let items = list(&args, 0);
    let index = at(&args, 1).as_number().and_then(|n| n.as_u64()).and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    index.checked_rem(items.len()).and_then(|index| items.get(index)).cloned().ok_or_else(|| "an empty list".to_owned())
}

fn flat(items: &[Hcl]) -> Vec<Hcl> {
    let inner = |item: &Hcl| match item {
        Hcl::Array(items) => flat(items),
        other => vec![other.clone()],
    };
    items.iter().flat_map(inner).collect()
}

/// `format`, with the verbs that names are made of: `%s`, `%d`, `%v` and `%q`.
fn format_text(args: Args) -> Result<Hcl, String> {
    let (template, mut result, mut next) = (text(&args, 0), String::new(), 1);
    let mut letters = template.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            result.push(letter);
            continue;
        }
        match letters.find(|letter| !letter.is_ascii_digit()) {
            Some('%') => result.push('%'),
            Some('s' | 'd' | 'v') => {
                result.push_str(&text(&args, next));
                next += 1;
            }
            Some('q') => {
                result.push_str(&format!("\"{}\"", text(&args, next)));
                next += 1;
            }
            other => return Err(format!("unknown verb {other:?}")),
        }
    }
    Ok(Hcl::from(result))
}

fn join(args: Args) -> Result<Hcl, String> {
    let items: Vec<Hcl> = (1..args.len()).flat_map(|index| list(&args, index)).collect();
    Ok(Hcl::from(items.iter().map(written).collect::<Vec<_>>().join(&text(&args, 0))))
}

/// Returns a comparison of two texts, or why there is none: a condition needs an answer.
fn compared(args: &Args, is_so: impl Fn(&str, &str) -> bool) -> Result<Hcl, String> {
    match marked(args) {
        Some(_) => Err("a text is not known".to_owned()),
        None => Ok(Hcl::Bool(is_so(&text(args, 0), &text(args, 1)))),
    }
}

/// `range`, with a step that is above 0.
fn range(args: Args) -> Result<Hcl, String> {
    let number = |index: usize| at(&args, index).as_number().and_then(|number| number.as_u64());
    let (start, end) = if args.len() > 1 { (number(0), number(1)) } else { (Some(0), number(0)) };
    let step = if args.len() > 2 { number(2) } else { Some(1) };
    let (Some(start), Some(end), Some(step @ 1..)) = (start, end, step) else {
        return Err("a limit of `range` is not known".to_owned());
    };
    if end.saturating_sub(start).div_ceil(step) > MAX_RANGE {
        return Err("the range is too long".to_owned());
    }
    let step = usize::try_from(step).unwrap_or(usize::MAX);
    Ok(Hcl::Array((start..end).step_by(step).map(Hcl::from).collect()))
}

fn sort(args: Args) -> Result<Hcl, String> {
    let mut items: Vec<String> = list(&args, 0).iter().map(written).collect();
    items.sort();
    Ok(Hcl::Array(items.into_iter().map(Hcl::from).collect()))
}

fn zipmap(args: Args) -> Result<Hcl, String> {
    let keys = list(&args, 0).into_iter().map(|key| written(&key));
    Ok(Hcl::Object(keys.zip(list(&args, 1)).collect()))
}

fn split(args: Args) -> Result<Hcl, String> {
    let (separator, whole) = (text(&args, 0), text(&args, 1));
    if separator.is_empty() || whole.contains('\u{e000}') {
        return Ok(Hcl::Array(vec![Hcl::from(whole)]));
    }
    Ok(Hcl::Array(whole.split(&separator).map(Hcl::from).collect()))
}

fn replace(args: Args) -> Result<Hcl, String> {
    if let Some(mark) = marked(&args) {
        return Ok(mark);
    }
    let (whole, old) = (text(&args, 0), text(&args, 1));
    // Between slashes stands a regular expression.
    if old.len() > 1 && old.starts_with('/') && old.ends_with('/') {
        return Ok(unknown("replace", &args));
    }
    Ok(Hcl::from(whole.replace(&old, &text(&args, 2))))
}

fn replace_regex(args: Args) -> Result<Hcl, String> {
    Ok(marked(&args).unwrap_or_else(|| unknown("regex_replace", &args)))
}

fn substr(args: Args) -> Result<Hcl, String> {
    let number =
        |index: usize| at(&args, index).as_number().and_then(|n| n.as_u64()).and_then(|n| usize::try_from(n).ok());
    texts(&args, |text| text.chars().skip(number(1).unwrap_or(0)).take(number(2).unwrap_or(usize::MAX)).collect())
}

fn trim(args: Args) -> Result<Hcl, String> {
    let letters: Vec<char> = text(&args, 1).chars().collect();
    texts(&args, |text| text.trim_matches(&letters[..]).to_owned())
}

fn trimsuffix(args: Args) -> Result<Hcl, String> {
    let end = text(&args, 1);
    texts(&args, |text| text.strip_suffix(&end).unwrap_or(text).to_owned())
}

fn trimprefix(args: Args) -> Result<Hcl, String> {
    let start = text(&args, 1);
    texts(&args, |text| text.strip_prefix(&start).unwrap_or(text).to_owned())
}

fn keys(args: Args) -> Result<Hcl, String> {
    let map = at(&args, 0);
    let map = map.as_object().ok_or_else(|| "not a map".to_owned())?;
    Ok(Hcl::Array(map.keys().map(|key| Hcl::from(key.as_str())).collect()))
}

fn values(args: Args) -> Result<Hcl, String> {
    let map = at(&args, 0);
    let map = map.as_object().ok_or_else(|| "not a map".to_owned())?;
    Ok(Hcl::Array(map.values().cloned().collect()))
}

fn length(args: Args) -> Result<Hcl, String> {
    Ok(Hcl::from(match at(&args, 0) {
        Hcl::Array(items) => items.len(),
        Hcl::Object(map) => map.len(),
        other => written(&other).chars().count(),
    }))
}

fn lookup(args: Args) -> Result<Hcl, String> {
    let map = at(&args, 0);
    let found = map.as_object().and_then(|map| map.get(&text(&args, 1)).cloned());
    found.or_else(|| args.get(2).cloned()).ok_or_else(|| "no such key".to_owned())
}

fn merge(args: Args) -> Result<Hcl, String> {
    let mut merged: Map<String, Hcl> = Map::new();
    for value in args.iter() {
        match value {
            Hcl::Object(map) => merged.extend(map.clone()),
            Hcl::Null => {}
            // A map that is not known leaves the others as they are.
            other => {
                merged.insert(written(other), other.clone());
            }
        }
    }
    Ok(Hcl::Object(merged))
}

fn jsonencode(args: Args) -> Result<Hcl, String> {
    serde_json::to_string(&at(&args, 0)).map(Hcl::from).map_err(|error| error.to_string())
}

fn yamlencode(args: Args) -> Result<Hcl, String> {
    Ok(Hcl::from(yaml(&at(&args, 0)).document()))
}

fn yaml(value: &Hcl) -> Yaml {
    match value {
        Hcl::Array(items) => Yaml::List(items.iter().map(yaml).collect()),
        Hcl::Object(map) => Yaml::map(map.iter().map(|(key, value)| (key.as_str(), yaml(value)))),
        other => Yaml::Text(written(other)),
    }
}

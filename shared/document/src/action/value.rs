//! Types of single inputs.

use crate::Literal;

/// How text is encoded as bytes. None of the encodings writes a byte order mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8.
    Utf8,
    /// UTF-16, low byte first. Plain `utf-16` means this encoding too.
    Utf16Le,
    /// UTF-16, high byte first.
    Utf16Be,
    /// UTF-32, low byte first. Plain `utf-32` means this encoding too.
    Utf32Le,
    /// UTF-32, high byte first.
    Utf32Be,
}

impl Literal for Encoding {
    const EXPECTED: &'static str = "utf-8, utf-16, utf-16-LE, utf-16-BE, utf-32, utf-32-LE or utf-32-BE";

    fn read(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "utf8" | "utf-8" => Some(Self::Utf8),
            "utf16" | "utf-16" | "utf16-le" | "utf-16-le" => Some(Self::Utf16Le),
            "utf16-be" | "utf-16-be" => Some(Self::Utf16Be),
            "utf32" | "utf-32" | "utf32-le" | "utf-32-le" => Some(Self::Utf32Le),
            "utf32-be" | "utf-32-be" => Some(Self::Utf32Be),
            _ => None,
        }
    }
}

/// The algorithm of a file's digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// MD5.
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// All algorithms.
    pub const ALL: [Algorithm; 4] = [Self::Md5, Self::Sha1, Self::Sha256, Self::Sha512];

    /// Returns the name in a document. A document may write the name in any case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
        }
    }

    /// Returns the length of a digest in hex digits.
    pub fn hex_digits(self) -> usize {
        match self {
            Self::Md5 => 32,
            Self::Sha1 => 40,
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

impl Literal for Algorithm {
    const EXPECTED: &'static str = "MD5, SHA1, SHA256 or SHA512";

    fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(text))
    }
}

/// The mode of a file or folder, at most 0o7777.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode(pub u32);

impl Literal for Mode {
    const EXPECTED: &'static str = "an octal mode, such as 0644";

    fn read(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("0o").unwrap_or(text);
        let octal = !digits.is_empty() && digits.chars().all(|c| c.is_digit(8));
        u32::from_str_radix(digits, 8).ok().filter(|mode| octal && *mode <= 0o7777).map(Mode)
    }
}

/// The number of an AWS account: twelve digits, including leading zeros.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountId(pub String);

impl Literal for AccountId {
    const EXPECTED: &'static str = "an account id of 12 digits";

    fn read(text: &str) -> Option<Self> {
        (text.len() == 12 && text.chars().all(|c| c.is_ascii_digit())).then(|| Self(text.to_owned()))
    }
}

/// The location of one or more objects in S3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Uri {
    /// The bucket.
    pub bucket: String,
    /// The key or key prefix; may be empty.
    pub key: String,
}

impl Literal for S3Uri {
    const EXPECTED: &'static str = "an S3 URI, `s3://BUCKET/KEY`";

    fn read(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("s3://")?;
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        (!bucket.is_empty()).then(|| Self { bucket: bucket.to_owned(), key: key.to_owned() })
    }
}

/// An address for a download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebUrl(pub String);

impl Literal for WebUrl {
    const EXPECTED: &'static str = "a URL that begins with http:// or https://";

    fn read(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let known = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
        let clean = !rest.is_empty() && !rest.contains(|c: char| c.is_whitespace() || c.is_control());
        (known && clean).then(|| Self(text.to_owned()))
    }
}

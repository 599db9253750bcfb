//! Answers of the metadata service.

/// An answer before it is sent.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) body: Vec<u8>,
    /// For how long the token in it, or that of the request, is valid.
    pub(super) token_seconds: Option<u64>,
}

impl Reply {
    pub(super) fn text(body: impl Into<Vec<u8>>) -> Self {
        Reply { status: 200, content_type: "text/plain", body: body.into(), token_seconds: None }
    }

    pub(super) fn refusal(status: u16, words: &str) -> Self {
        Reply { status, ..Self::text(format!("{status} - {words}")) }
    }
}

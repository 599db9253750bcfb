//! Log streams. A command has its own stream, which contains its standard output from the start.

use async_trait::async_trait;

use super::FakeCloud;
use super::call::Call;
use super::world::World;
use crate::{Kind, LogLine, LogPage, Logs, Result};

/// Number of lines per page. It is small, so that tests see more than one page.
const PAGE_LINES: usize = 100;

#[async_trait]
impl Logs for FakeCloud {
    async fn page(&self, region: &str, group: &str, stream: &str, cursor: Option<&str>) -> Result<LogPage> {
        let from = cursor.map_or(Ok(0), str::parse::<usize>).map_err(|_| {
            let message = "the specified nextToken is invalid";
            Call::new("GetLogEvents", region).error(Kind::Invalid, "InvalidParameterException", message)
        })?;
        self.read(Call::new("GetLogEvents", region), |world| {
            let Some(lines) = world.region(region).logs.get(&(group.to_owned(), stream.to_owned())) else {
                return Ok(LogPage::default());
            };
            let lines: Vec<LogLine> = lines.iter().skip(from).take(PAGE_LINES).cloned().collect();
            let cursor = Some((from + lines.len()).to_string());
            Ok(LogPage { lines, cursor })
        })
        .await
    }

    async fn tail(&self, region: &str, group: &str, stream: &str, limit: u16) -> Result<Vec<String>> {
        self.read(Call::new("GetLogEvents", region), |world| {
            let lines = world.region(region).logs.get(&(group.to_owned(), stream.to_owned()));
            let lines = lines.map(Vec::as_slice).unwrap_or_default();
            Ok(lines[lines.len().saturating_sub(usize::from(limit))..].iter().map(|line| line.text.clone()).collect())
        })
        .await
    }
}

impl World {
    /// Appends text to a stream. After that, the stream exists even without a line.
    pub(super) fn append_log<'a>(
        &mut self,
        region: &str,
        group: &str,
        stream: &str,
        lines: impl Iterator<Item = &'a str>,
    ) {
        let time = Some(self.now());
        let stream = self.region(region).logs.entry((group.to_owned(), stream.to_owned())).or_default();
        stream.extend(lines.map(|line| LogLine { text: line.to_owned(), time }));
    }
}

impl FakeCloud {
    /// Appends lines to a log stream, as a running command does.
    pub fn append_log(&self, region: &str, group: &str, stream: &str, lines: &[&str]) {
        self.world().append_log(region, group, stream, lines.iter().copied());
    }
}

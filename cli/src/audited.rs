//! Shows the findings of an image's audit as text for people.

use goldsmith_executor::Audit;
use goldsmith_store::{AuditRecord, StateRecord};

use crate::args::Globals;
use crate::output::Show;
use crate::render::{table, word};

impl Show for AuditRecord {
    fn lines(&self, _: &Globals) -> Vec<String> {
        std::iter::once(headline(self)).chain(lines(self)).collect()
    }
}

/// Returns the audit of a build, which ran on its first test instance.
pub(crate) fn of(states: &[StateRecord]) -> Option<&AuditRecord> {
    states.iter().find_map(|state| state.audit.as_ref())
}

/// Returns the audit in one line.
pub(crate) fn headline(audit: &AuditRecord) -> String {
    Audit::headline_of(audit.count(), audit.files, audit.is_incomplete)
}

/// Returns the findings as a table, with a remedy below each, followed by the notes.
pub(crate) fn lines(audit: &AuditRecord) -> Vec<String> {
    let row = |finding: &goldsmith_store::AuditFinding| {
        let package = finding.package.clone().unwrap_or_else(|| "-".to_owned());
        vec![word(&finding.kind), finding.path.clone(), package, finding.what.clone()]
    };
    let table = table(["KIND", "PATH", "PACKAGE", "WHAT"], audit.findings.iter().map(row));
    let mut lines = Vec::new();
    for (line, finding) in table.into_iter().zip(std::iter::once(None).chain(audit.findings.iter().map(Some))) {
        lines.push(line);
        let remedy = finding.map(|finding| finding.remedy.as_str()).filter(|remedy| !remedy.is_empty());
        lines.extend(remedy.map(|remedy| format!("  {remedy}")));
    }
    if audit.left_out > 0 {
        lines.push(format!("and {} more, listed in the log of the test", audit.left_out));
    }
    lines.extend(audit.notes.iter().map(|note| format!("note: {note}")));
    lines
}

#[cfg(test)]
mod tests {
    use goldsmith_store::{AuditFinding, AuditKind, AuditRecord};

    use super::{headline, lines};

    #[test]
    fn findings_are_a_table_with_what_helps() {
        let finding = |path: &str, package: Option<&str>, remedy: &str| AuditFinding {
            path: path.to_owned(),
            kind: AuditKind::PrivateKey,
            what: "private key (PEM)".to_owned(),
            package: package.map(str::to_owned),
            remedy: remedy.to_owned(),
        };
        let audit = AuditRecord {
            findings: vec![
                finding("/a", Some("nsd"), "remove it"),
                AuditFinding { kind: AuditKind::Other("newer".to_owned()), ..finding("/srv/key", None, "") },
            ],
            left_out: 3,
            notes: vec!["other file systems were not examined: /data".to_owned()],
            files: 7,
            is_incomplete: false,
        };
        assert_eq!(headline(&audit), "5 things that every instance would share; 7 files were examined");
        let expected = "\
KIND         PATH      PACKAGE  WHAT
private-key  /a        nsd      private key (PEM)
  remove it
newer        /srv/key  -        private key (PEM)
and 3 more, listed in the log of the test
note: other file systems were not examined: /data";
        assert_eq!(lines(&audit).join("\n"), expected);
        let clean = AuditRecord { files: 7, ..AuditRecord::default() };
        assert_eq!(headline(&clean), "nothing that every instance would share; 7 files were examined");
        assert!(lines(&clean).is_empty());
        assert!(headline(&AuditRecord { is_incomplete: true, ..clean }).ends_with("the audit is incomplete"));
    }
}

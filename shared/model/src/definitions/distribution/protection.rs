//! `deregistrationProtection` of an AMI

use goldsmith_document::yaml::{Node, Value};

use crate::DeregistrationProtection;
use crate::definitions::draft::Context;

/// Reads `true`, `false`, or a map with `withCooldown`.
pub(super) fn read(context: &mut Context<'_, '_>, node: &Node) -> Option<DeregistrationProtection> {
    const KEY: &str = "`deregistrationProtection`";
    if !matches!(node.value, Value::Map(_)) {
        let is_on = context.reader.boolean(node, KEY)?;
        return is_on.then_some(DeregistrationProtection::UntilOff);
    }
    let mut map = context.reader.map(node, KEY)?;
    let cooldown = map.optional("withCooldown");
    let cooldown = cooldown.and_then(|node| context.reader.boolean(node, "`withCooldown`"));
    map.finish(&mut context.reader);
    Some(match cooldown {
        Some(true) => DeregistrationProtection::WithCooldown,
        Some(false) | None => DeregistrationProtection::UntilOff,
    })
}

#[cfg(test)]
mod tests {
    use crate::DeregistrationProtection;
    use crate::definitions::{Draft, SourceFile};

    fn read(protection: &str) -> Result<Option<DeregistrationProtection>, String> {
        let ami = format!("amiDistributionConfiguration: {{deregistrationProtection: {protection}}}");
        let region = format!("{{region: eu-west-1, {ami}}}");
        let text = format!("{{kind: DistributionConfiguration, name: web, distributions: [{region}]}}\n");
        let files = [SourceFile { path: "f.yml".to_owned(), text }];
        let read = Draft::read(&files, &|_| Ok(String::new())).check_alone();
        let found = read.map_err(|found| found.iter().map(|one| one.message.clone()).collect::<String>())?;
        Ok(found.distributions[0].distributions[0].ami_distribution_configuration.deregistration_protection)
    }

    #[test]
    fn protection_is_a_flag_or_says_whether_it_has_a_cooldown() {
        assert_eq!(read("true"), Ok(Some(DeregistrationProtection::UntilOff)));
        assert_eq!(read("false"), Ok(None));
        assert_eq!(read("{withCooldown: true}"), Ok(Some(DeregistrationProtection::WithCooldown)));
        assert_eq!(read("{withCooldown: false}"), Ok(Some(DeregistrationProtection::UntilOff)));
        assert_eq!(read("{}"), Ok(Some(DeregistrationProtection::UntilOff)));
        let message = read("sometimes").unwrap_err();
        assert!(message.starts_with("`deregistrationProtection`"), "{message}");
        let message = read("{withCoolDown: true}").unwrap_err();
        assert!(message.contains("withCoolDown"), "{message}");
    }
}

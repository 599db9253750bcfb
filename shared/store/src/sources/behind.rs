//! Finds the pipelines of a source that are behind, without a read of each of the others.

use std::collections::BTreeSet;

use goldsmith_model::Name;

use super::{GROUPED, SUBSCRIPTION, Watching, as_read, partition, subscription, watching};
use crate::store::held;
use crate::{Check, Result, Store, Subscription, Write};

/// Subscriptions whose sort keys follow each other, so that one read finds all of them.
struct Group<'a> {
    /// What their sort keys begin with.
    prefix: &'a str,
    /// The AMI from which the last build of each of them started. `None` if their keys do not say it.
    image: Option<&'a str>,
}

impl<'a> Group<'a> {
    /// Returns the group of a subscription with this sort key. Those without an AMI are grouped by the first letter of
    /// their pipelines' names: there may be ten thousand of them after an update of the stack.
    fn of(sk: &'a str) -> Option<Self> {
        let name = sk.strip_prefix(SUBSCRIPTION)?;
        if let Some((image, _)) = sk.strip_prefix(GROUPED).and_then(|rest| rest.split_once('#')) {
            return Some(Self { prefix: &sk[..GROUPED.len() + image.len() + 1], image: Some(image) });
        }
        let first = name.chars().next()?;
        Some(Self { prefix: &sk[..SUBSCRIPTION.len() + first.len_utf8()], image: None })
    }

    /// Returns a sort key after all those of the group. No name and no id of an AMI has a character that sorts after
    /// `~`.
    fn end(&self) -> String {
        format!("{}~", self.prefix)
    }
}

impl Store {
    /// Returns the pipelines that watch the source with this [`goldsmith_model::SourceImage::hash`], and whose last
    /// build did not start from this AMI or whose `last_image` is `None`. Costs a look and a query for each other AMI
    /// from which pipelines were built, no matter how many were built from this one. A pipeline whose build ends
    /// meanwhile may be missing; the next check finds it.
    pub async fn subscribers_behind(&self, hash: &str, image: &str) -> Result<Vec<Subscription>> {
        let (pk, mut behind) = (partition(hash), Vec::<Subscription>::new());
        let mut after = SUBSCRIPTION.to_owned();
        while let Some(item) = self.table().first_after(&pk, &after).await? {
            let sk = item.get("sk").and_then(|value| value.as_str()).unwrap_or_default();
            let Some(group) = Group::of(sk) else { break };
            if group.image != Some(image) {
                behind.extend(self.read_all(&pk, group.prefix).await?);
            }
            // A key that a person has made may sort after the end of its group. It must not be found for ever.
            after = group.end().max(sk.to_owned());
        }
        behind.retain(|one| one.last_image.as_deref() != Some(image));
        // An earlier version that subscribes a pipeline again does not see from which AMI it was built. If it counted
        // as never built, it would miss a release.
        let built: BTreeSet<Name> =
            behind.iter().filter(|one| one.last_image.is_some()).map(|one| one.pipeline.clone()).collect();
        behind.retain(|one| one.last_image.is_some() || !built.contains(&one.pipeline));
        Ok(behind)
    }

    /// Returns whether the pipeline still watches the source with this hash by this subscription. Removes the
    /// subscription otherwise: an earlier version knows no keys with an AMI, and leaves their items behind.
    pub async fn still_watches(&self, hash: &str, found: &Subscription) -> Result<bool> {
        let now: Option<Watching> = self.read(&watching(&found.pipeline)).await?;
        let by_this = |now: &Watching| now.last_image.is_none() || now.last_image == found.last_image;
        if now.as_ref().is_some_and(|now| now.hash == hash && by_this(now)) {
            return Ok(true);
        }
        let unchanged = now.map_or(vec![Check::Absent], |now| now.unchanged());
        let key = subscription(hash, &found.pipeline, found.last_image.as_deref());
        let writes = vec![
            Write::Delete { key, checks: vec![as_read("lastImage", found.last_image.as_deref())] },
            Write::Verify { key: watching(&found.pipeline), checks: unchanged },
        ];
        if held(self.write(writes).await)? {
            self.forget_source(hash).await?;
        }
        Ok(false)
    }
}

//! Undoes spot requests. A persistent request launches another instance when its instance is terminated, so the request
//! is always cancelled first.

use std::collections::BTreeSet;

use goldsmith_cloud::InstanceState;
use goldsmith_store::{Effect, EffectKind};

use super::Undoing;
use crate::{Context, Error, Result, TAG_BUILD};

/// Ends an instance that the journal names, and cancels its spot request first.
///
/// # Errors
/// Fails if a call to AWS fails. If the request cannot be cancelled, the instance stays.
pub(crate) async fn end_instance(context: &Context, effect: &Effect, id: &str) -> Result<()> {
    let machines = &context.cloud.machines;
    let request = match &effect.kind {
        EffectKind::Instance { spot_request: Some(request), .. } => Some(request.clone()),
        // The instance ended, or the process died, before the journal got the request.
        EffectKind::Instance { has_request: true, .. } => {
            machines.instance(&effect.region, id).await?.and_then(|found| found.spot_request)
        }
        _ => None,
    };
    Ok(machines.end(&effect.region, id, request.as_deref()).await?)
}

/// Cancels the request of a kept instance that the journal names.
pub(super) async fn release_kept(context: &Context, effect: &Effect, id: &str) -> Result<()> {
    match effect.kind.spot_request() {
        Some(request) => release(context, &effect.region, id, request).await,
        None => Ok(()),
    }
}

/// Cancels the request of an instance that is kept, so that nobody who ends the instance gets another one. EC2 would
/// terminate a stopped instance with its request, so such a request stays.
async fn release(context: &Context, region: &str, instance: &str, request: &str) -> Result<()> {
    let machines = &context.cloud.machines;
    let found = machines.instance(region, instance).await?;
    if found.is_none_or(|found| !matches!(found.state, InstanceState::Stopping | InstanceState::Stopped)) {
        machines.release(region, instance, request).await?;
    }
    Ok(())
}

/// Returns whether no state has seen the spot instance of a persistent request running. EC2 may know neither of them yet,
/// so both are searched for.
pub(super) fn is_unseen(effect: &Effect) -> bool {
    let is_new = matches!(&effect.kind, EffectKind::Instance { has_request: true, volumes, .. } if volumes.is_empty());
    is_new && effect.id.is_some() && effect.lost.is_none()
}

impl Undoing<'_> {
    /// Cancels the spot requests of the build instance, and ends the instances that they have at the moment. After
    /// somebody has terminated an instance, its request has another one, which is not in the journal. An instance that
    /// is kept stays.
    pub(super) async fn spot_requests(&mut self) -> Result<()> {
        let plan = &self.record.plan;
        if !plan.launch.spot_build || !plan.is_build() {
            return Ok(());
        }
        let (home, machines) = (plan.home_region.clone(), &self.context.cloud.machines);
        let tagged = machines.spot_requests(&home, TAG_BUILD, &self.record.build).await;
        let Some(tagged) = self.tolerate(tagged.map_err(Error::from), &home, "spot requests")? else { return Ok(()) };
        for request in tagged.into_iter().filter(|request| self.context.config.owns(&request.tags)) {
            if !self.proof.has_spot_request(&home, &request) {
                continue;
            }
            self.found = true;
            let gone = match &request.instance {
                Some(instance) if self.keep.instances.contains(instance) => {
                    release(self.context, &home, instance, &request.id).await
                }
                Some(instance) => machines.end(&home, instance, Some(&request.id)).await.map_err(Error::from),
                None => machines.cancel_spot_request(&home, &request.id).await.map(drop).map_err(Error::from),
            };
            self.tolerate(gone, &home, &request.id)?;
            self.requests.insert(request.id);
        }
        Ok(())
    }

    /// Ends the instances that the build's requests have launched since they were looked at, and before they were
    /// cancelled. EC2 does not give such an instance the build's tags, so only its request leads to it.
    pub(super) async fn launched_again(&mut self, effects: &[Effect]) -> Result<()> {
        let (home, machines) = (self.record.plan.home_region.clone(), &self.context.cloud.machines);
        let known: BTreeSet<&String> = effects.iter().filter_map(|effect| effect.id.as_ref()).collect();
        let mut requests = std::mem::take(&mut self.requests);
        requests.extend(effects.iter().filter_map(|effect| effect.kind.spot_request().map(str::to_owned)));
        for id in requests {
            let found = machines.spot_request(&home, &id).await;
            let Some(found) = self.tolerate(found.map_err(Error::from), &home, &id)? else { continue };
            let Some(instance) = found.and_then(|found| found.instance) else { continue };
            if !known.contains(&instance) {
                let ended = machines.end(&home, &instance, Some(&id)).await;
                self.tolerate(ended.map_err(Error::from), &home, &instance)?;
            }
        }
        Ok(())
    }
}

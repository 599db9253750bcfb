//! The inventory: everything that exists, for people and for tests that count what a build left behind.

use serde_json::{Value, json};

use crate::endpoint::Endpoint;
use crate::world::{
    ExportTask, Host, Image, Instance, InstanceState, KeyPair, LaunchTemplate, Snapshot, SpotRequest, Volume, iso,
};

/// Returns every instance that is not terminated; every image, snapshot, export that has not ended, launch template and
/// key pair; every volume without an instance; every Dedicated Host that is not released; every spot request that may
/// still launch or start an instance; and every customer key that was handed over.
pub(super) async fn take(endpoint: &Endpoint) -> Value {
    let mut processes = 0;
    for guest in endpoint.guests() {
        processes += guest.processes().await;
    }
    let world = endpoint.world();
    // The process of an instance's agent stands for work that the endpoint does itself, so it is not counted.
    let agents = world.instances.values().filter(|one| one.online && one.last_heard.is_none()).count();
    let live = world.instances.values().filter(|instance| instance.state() != InstanceState::Terminated);
    let images = world.images.values().filter(|image| image.exists());
    let source_snapshots: Vec<&String> = world
        .images
        .values()
        .filter(|image| image.source)
        .flat_map(|image| &image.devices)
        .filter_map(|device| device.snapshot_id.as_ref())
        .collect();
    json!({
        "disk": endpoint.host.disk(),
        "isolation": endpoint.host.isolation(),
        "network": endpoint.host.network(),
        "processes": processes.saturating_sub(agents),
        "instances": live.map(instance).collect::<Vec<_>>(),
        "images": images.map(image).collect::<Vec<_>>(),
        "snapshots": world
            .snapshots
            .values()
            .map(|one| snapshot(one, source_snapshots.contains(&&one.id)))
            .collect::<Vec<_>>(),
        "volumes": world.volumes.values().map(volume).collect::<Vec<_>>(),
        "exports": world.exports.values().filter(|task| task.state().is_open()).map(export).collect::<Vec<_>>(),
        "launchTemplates": world.launch_templates.values().map(template).collect::<Vec<_>>(),
        "spotRequests": world
            .spot_requests
            .values()
            .filter(|one| one.is_live() && !one.has_expired(jiff::Timestamp::now()))
            .map(spot_request)
            .collect::<Vec<_>>(),
        "kmsKeys": world.customer_keys().collect::<Vec<_>>(),
        "hosts": world.hosts.values().filter(|host| host.released_at.is_none()).map(host).collect::<Vec<_>>(),
        "keyPairs": world.key_pairs.values().map(key_pair).collect::<Vec<_>>(),
    })
}

fn instance(instance: &Instance) -> Value {
    json!({
        "id": instance.id,
        "account": instance.scope.account,
        "region": instance.scope.region,
        "state": instance.state().name(),
        "online": instance.online,
        "imageId": instance.image_id,
        "tags": instance.tags,
        "volumeTags": instance.volume_tags,
        "madeBy": "RunInstances",
        "madeAt": iso(instance.launched_at),
    })
}

fn image(image: &Image) -> Value {
    json!({
        "id": image.id,
        "account": image.scope.account,
        "region": image.scope.region,
        "name": image.name,
        "state": image.state().name(),
        "source": image.source,
        "tags": image.tags,
        "public": image.grants.public,
        "sharedWith": image.grants.accounts,
        "madeBy": image.made_by,
        "madeAt": iso(image.created_at),
    })
}

fn export(task: &ExportTask) -> Value {
    json!({
        "id": task.id,
        "account": task.scope.account,
        "region": task.scope.region,
        "state": task.state().name(),
        "imageId": task.image,
        "tags": task.tags,
        "madeBy": "ExportImage",
        "madeAt": iso(task.made_at),
    })
}

fn snapshot(snapshot: &Snapshot, source: bool) -> Value {
    json!({
        "id": snapshot.id,
        "account": snapshot.scope.account,
        "region": snapshot.scope.region,
        "source": source,
        "encrypted": snapshot.encrypted,
        "tags": snapshot.tags,
        "madeBy": snapshot.made_by,
        "madeAt": iso(snapshot.started_at),
    })
}

fn volume(volume: &Volume) -> Value {
    json!({
        "id": volume.id,
        "account": volume.scope.account,
        "region": volume.scope.region,
        "tags": volume.tags,
        "madeBy": "RunInstances",
        "madeAt": iso(volume.created_at),
    })
}

fn template(template: &LaunchTemplate) -> Value {
    json!({
        "id": template.id,
        "account": template.scope.account,
        "region": template.scope.region,
        "name": template.name,
        "versions": template.versions.keys().collect::<Vec<_>>(),
        "defaultVersion": template.default_version,
        "tags": template.tags,
        "madeBy": "CreateLaunchTemplate",
        "madeAt": iso(template.created_at),
    })
}

fn host(host: &Host) -> Value {
    json!({
        "id": host.id,
        "account": host.scope.account,
        "region": host.scope.region,
        "tags": host.tags,
        "madeBy": "AllocateHosts",
        "madeAt": iso(host.allocated_at),
    })
}

fn spot_request(request: &SpotRequest) -> Value {
    json!({
        "id": request.id,
        "account": request.scope.account,
        "region": request.scope.region,
        "state": request.state.name(),
        "instanceId": request.instance,
        "tags": request.tags,
        "madeBy": "RunInstances",
        "madeAt": iso(request.created_at),
    })
}

fn key_pair(pair: &KeyPair) -> Value {
    json!({
        "id": pair.id,
        "account": pair.scope.account,
        "region": pair.scope.region,
        "name": pair.name,
        "tags": pair.tags,
        "madeBy": "CreateKeyPair",
        "madeAt": iso(pair.created_at),
    })
}

//! StartSnapshot.

use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Call, Content, Success};
use super::refusal::Refusal;
use super::store::BLOCK;
use crate::ids;
use crate::world::{BlockSnapshot, Snapshot, Tags, World};

/// Size of the largest volume in GiB.
const LARGEST: u32 = 65_536;
/// Timeout of a snapshot in minutes, if the request names none.
const TIMEOUT: u32 = 60;
/// Maximum number of pending snapshots of an account (EBS endpoints and quotas).
const MOST_PENDING: usize = 100;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    volume_size: Option<i64>,
    parent_snapshot_id: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    description: String,
    client_token: Option<String>,
    encrypted: Option<bool>,
    kms_key_arn: Option<String>,
    timeout: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tag {
    #[serde(default)]
    key: String,
    #[serde(default)]
    value: String,
}

/// A request that is valid in itself.
struct Order {
    input: Input,
    tags: Tags,
    /// Key of the client token, and the digest of the request.
    token: Option<(String, String)>,
}

/// The outcome of an order in a world.
enum Decision {
    /// An earlier order with the same client token created this snapshot.
    Made(String),
    New(Box<(Snapshot, BlockSnapshot)>),
}

/// Starts a snapshot to which blocks can be written. With a client token, the call is idempotent.
pub(super) fn start(call: &Call<'_>) -> Result<Success, Refusal> {
    let order = Order::read(call)?;
    let id = ids::resource("snap");
    {
        let world = call.endpoint.world();
        if let Decision::Made(made) = order.decide(call, &world, &id)? {
            return answer(&world, &made);
        }
    }
    // Each block of the parent gets a link. For many blocks this takes some time, so the world is not locked and all
    // other calls continue.
    let linked = order.input.parent_snapshot_id.as_deref().map(|parent| call.store().begin(&id, Some(parent)));
    let mut world = call.endpoint.world();
    // In the meantime, the parent may have been deleted, or the same order may have arrived again.
    let outcome = order.decide(call, &world, &id).and_then(|decision| match decision {
        Decision::Made(made) => answer(&world, &made),
        Decision::New(new) => {
            linked.unwrap_or_else(|| call.store().begin(&id, None))?;
            order.keep(&mut world, &id, *new);
            answer(&world, &id)
        }
    });
    let is_new = world.snapshots.contains_key(&id);
    drop(world);
    if is_new {
        call.endpoint.await_blocks(&id);
    } else {
        // If the snapshot was not begun, there is nothing to remove. Files that stay behind are removed at the next
        // start.
        call.store().remove(&id).unwrap_or_default();
    }
    outcome
}

impl Order {
    fn read(call: &Call<'_>) -> Result<Self, Refusal> {
        let unreadable =
            |error: serde_json::Error| Refusal::parameter("The body", &format!("is not readable: {error}"));
        let mut request: Value = serde_json::from_slice(&call.request.body).map_err(unreadable)?;
        drop_nulls(&mut request);
        let digest = ids::digest(&request.to_string());
        let input: Input = serde_json::from_value(request).map_err(unreadable)?;
        input.check()?;
        let tags = tags(&input.tags)?;
        let token = input.client_token.as_ref().map(|token| format!("{}/StartSnapshot/{token}", call.scope));
        Ok(Order { input, tags, token: token.map(|key| (key, digest)) })
    }

    /// Decides the outcome of the order. A new snapshot gets the id `id`.
    fn decide(&self, call: &Call<'_>, world: &World, id: &str) -> Result<Decision, Refusal> {
        if let Some(made) = world.made_before(self.token.as_ref()).map_err(|_| Refusal::conflict())? {
            return Ok(Decision::Made(made.first().cloned().unwrap_or_default()));
        }
        let (input, size) = (&self.input, self.input.size()?);
        let parent = input.parent_snapshot_id.as_deref().map(|id| call.readable_row(world, id)).transpose()?;
        if let Some((parent, _)) = parent.filter(|(parent, _)| parent.size > size) {
            let message = format!("The volume is smaller than that of the parent snapshot, {} GiB.", parent.size);
            return Err(Refusal::invalid("INVALID_VOLUME_SIZE", message));
        }
        let kms_key = key(call, world, input, parent.map(|(parent, _)| parent))?;
        if world.pending_block_snapshots(call.scope) >= MOST_PENDING {
            return Err(Refusal::too_many(MOST_PENDING));
        }
        let snapshot = Snapshot {
            description: input.description.clone(),
            size,
            encrypted: kms_key.is_some(),
            kms_key,
            tags: self.tags.clone(),
            ..Snapshot::begun(id, call.scope, call.request.action())
        };
        let row = BlockSnapshot {
            parent: input.parent_snapshot_id.clone(),
            line: parent.map_or_else(|| id.to_owned(), |(_, row)| row.line.clone()),
            timeout: input.timeout.unwrap_or(TIMEOUT),
            sealed: false,
        };
        Ok(Decision::New(Box::new((snapshot, row))))
    }

    fn keep(&self, world: &mut World, id: &str, (snapshot, row): (Snapshot, BlockSnapshot)) {
        world.snapshots.insert(id.to_owned(), snapshot);
        world.block_snapshots.insert(id.to_owned(), row);
        if let Some((key, digest)) = &self.token {
            world.remember(key.clone(), digest.clone(), vec![id.to_owned()]);
        }
    }
}

/// Removes members that are `null`: AWS's protocols treat them as absent.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

impl Input {
    fn size(&self) -> Result<u32, Refusal> {
        let size = self.volume_size.and_then(|size| u32::try_from(size).ok());
        let message = || format!("VolumeSize must be from 1 to {LARGEST} GiB.");
        size.filter(|size| (1..=LARGEST).contains(size))
            .ok_or_else(|| Refusal::invalid("INVALID_VOLUME_SIZE", message()))
    }

    fn check(&self) -> Result<(), Refusal> {
        if self.timeout.is_some_and(|minutes| !(10..=4320).contains(&minutes)) {
            return Err(Refusal::parameter("Timeout", "must be from 10 to 4320 minutes."));
        }
        if self.description.chars().count() > 255 {
            return Err(Refusal::parameter("Description", "has at most 255 characters."));
        }
        let is_token = |token: &str| (1..=255).contains(&token.len()) && !token.contains(char::is_whitespace);
        if self.client_token.as_deref().is_some_and(|token| !is_token(token)) {
            return Err(Refusal::parameter("ClientToken", "has 1 to 255 characters, none of them a space."));
        }
        self.size().map(drop)
    }
}

/// Checks tags by EC2's limits: 50 tags, keys of 127 characters, values of 255 characters, and no prefix `aws:`.
fn tags(asked: &[Tag]) -> Result<Tags, Refusal> {
    let wrong = |tag: &&Tag| {
        tag.key.is_empty()
            || tag.key.starts_with("aws:")
            || tag.key.chars().count() > 127
            || tag.value.chars().count() > 255
    };
    if let Some(tag) = asked.iter().find(wrong) {
        return Err(Refusal::invalid("INVALID_TAG", format!("The tag '{}' is not allowed.", tag.key)));
    }
    let tags: Tags = asked.iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect();
    if asked.len() > 50 || tags.len() < asked.len() {
        return Err(Refusal::invalid("INVALID_TAG", "A snapshot has at most 50 tags, and each key occurs once."));
    }
    Ok(tags)
}

/// Returns the key of the new snapshot; `None` if it is not encrypted (EBS user guide, "Encryption outcomes for EBS
/// direct APIs").
fn key(call: &Call<'_>, world: &World, input: &Input, parent: Option<&Snapshot>) -> Result<Option<String>, Refusal> {
    let by_default = world.storage(call.scope).encrypts_by_default;
    let refused = |message: &str| Err(Refusal::invalid("INVALID_PARAMETER_VALUE", message));
    if let Some(arn) = input.kms_key_arn.as_deref().filter(|arn| !is_key(arn)) {
        return Err(Refusal::invalid("INVALID_CUSTOMER_KEY", format!("'{arn}' is not the ARN of a key.")));
    }
    if let Some(parent) = parent {
        return match (&parent.kms_key, input.encrypted, &input.kms_key_arn) {
            (_, Some(_), _) => refused("Encrypted and ParentSnapshotId cannot be used together."),
            (_, _, Some(_)) => refused("KmsKeyArn and ParentSnapshotId cannot be used together."),
            (None, ..) if by_default => refused("Encryption by default is on: the parent snapshot is not encrypted."),
            (key, ..) => Ok(key.clone()),
        };
    }
    let wanted = input.encrypted == Some(true) || by_default;
    let key = match &input.kms_key_arn {
        Some(_) if input.encrypted != Some(true) => return refused("KmsKeyArn requires Encrypted."),
        Some(arn) => Some(arn.clone()),
        None => wanted.then(|| world.default_key(call.scope)),
    };
    match key {
        Some(key) if !world.may_use_key(call.scope, &key) => Err(Refusal::no_key(&key)),
        key => Ok(key),
    }
}

fn is_key(arn: &str) -> bool {
    match arn.splitn(6, ':').collect::<Vec<_>>().as_slice() {
        ["arn", partition, "kms", _, account, key] => {
            partition.starts_with("aws") && crate::api::is_account(account) && key.starts_with("key/")
        }
        _ => false,
    }
}

fn answer(world: &World, id: &str) -> Result<Success, Refusal> {
    let gone = || Refusal::no_snapshot(id);
    let snapshot = world.snapshots.get(id).ok_or_else(gone)?;
    let row = world.block_snapshots.get(id).ok_or_else(gone)?;
    let tags: Vec<Value> = snapshot.tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
    let mut body = json!({
        "SnapshotId": id,
        "OwnerId": snapshot.scope.account,
        "Status": snapshot.status(),
        "StartTime": snapshot.started_at.as_duration().as_secs_f64(),
        "VolumeSize": snapshot.size,
        "BlockSize": BLOCK,
        "Description": snapshot.description,
        "Tags": tags,
    });
    let more = [("ParentSnapshotId", &row.parent), ("KmsKeyArn", &snapshot.kms_key)];
    for (name, value) in more {
        if let Some(value) = value {
            body[name] = value.as_str().into();
        }
    }
    Ok(Success { status: 201, headers: Vec::new(), content: Content::Json(body) })
}

//! CreateKeyPair, ImportKeyPair, DescribeKeyPairs and DeleteKeyPair.

use jiff::Timestamp;

use super::call::{Call, Row};
use super::filters::{self, Filters};
use super::keygen::Public;
use super::known_filters::KEYS;
use super::xml::Xml;
use super::{fingerprint, keygen};
use crate::api::ApiError;
use crate::ids;
use crate::world::{KeyPair, World, iso};

/// The calls that this file serves.
pub(super) const CALLS: &[Row] =
    &[("CreateKeyPair", create), ("ImportKeyPair", import), ("DescribeKeyPairs", describe), ("DeleteKeyPair", delete)];

/// Makes a key pair. Only the answer contains its private half.
fn create(call: &Call<'_>) -> Result<Xml, ApiError> {
    let name = call.params.require("KeyName")?;
    let kind = call.params.get("KeyType").unwrap_or("rsa");
    check_new(&call.endpoint.world(), call, name)?;
    // The lock is free: generating an RSA key takes a moment, and other calls must not wait for it.
    let made = keygen::generate(kind)?;
    let pair = keep(call, name, kind, Public { line: made.public, imported: None }, made.fingerprint)?;
    let mut xml = Xml::new();
    xml.text("keyName", name)
        .text("keyFingerprint", &pair.fingerprint)
        .text("keyMaterial", made.private)
        .text("keyPairId", &pair.id)
        .tags(&pair.tags);
    Ok(xml)
}

/// Imports a public key, in Base64.
fn import(call: &Call<'_>) -> Result<Xml, ApiError> {
    let name = call.params.require("KeyName")?;
    let public = keygen::read_public(call.params.require("PublicKeyMaterial")?)?;
    check_new(&call.endpoint.world(), call, name)?;
    let kind = if public.line.starts_with("ssh-ed25519") { "ed25519" } else { "rsa" };
    let fingerprint = fingerprint::of_public(&public.line)?;
    let pair = keep(call, name, kind, public, fingerprint)?;
    let mut xml = Xml::of("keyName", name);
    xml.text("keyFingerprint", &pair.fingerprint).text("keyPairId", &pair.id).tags(&pair.tags);
    Ok(xml)
}

fn check_new(world: &World, call: &Call<'_>, name: &str) -> Result<(), ApiError> {
    if world.key_pair(call.scope, name).is_some() {
        let message = format!("The keypair '{name}' already exists.");
        return Err(ApiError::new("InvalidKeyPair.Duplicate", message));
    }
    call.check_dry_run()
}

fn keep(call: &Call<'_>, name: &str, kind: &str, public: Public, fingerprint: String) -> Result<KeyPair, ApiError> {
    let pair = KeyPair {
        id: ids::resource("key"),
        scope: call.scope.clone(),
        name: name.to_owned(),
        kind: kind.to_owned(),
        fingerprint,
        public_key: public.line,
        imported: public.imported,
        created_at: Timestamp::now(),
        tags: call.params.tags_for("key-pair")?,
    };
    let mut world = call.endpoint.world();
    // Another call may have made a key pair of this name while this one was being generated.
    check_new(&world, call, name)?;
    world.key_pairs.insert(pair.id.clone(), pair.clone());
    Ok(pair)
}

/// Describes key pairs by name or by id, or all key pairs.
fn describe(call: &Call<'_>) -> Result<Xml, ApiError> {
    let filters = Filters::read(call.params, &KEYS)?;
    let world = call.endpoint.world();
    let (names, ids) = (call.params.list("KeyName"), call.params.list("KeyPairId"));
    let mut own: Vec<&KeyPair> = world.key_pairs.values().filter(|pair| pair.scope == *call.scope).collect();
    own.sort_by_key(|pair| pair.created_at);
    if let Some(name) = names.iter().find(|name| !own.iter().any(|pair| pair.name == **name)) {
        return Err(missing(name));
    }
    if let Some(id) = ids.iter().find(|id| !own.iter().any(|pair| pair.id == **id)) {
        return Err(missing(id));
    }
    let asked =
        |pair: &&KeyPair| (names.is_empty() && ids.is_empty()) || names.contains(&pair.name) || ids.contains(&pair.id);
    let public = call.params.flag("IncludePublicKey");
    let kept = filters.keep(own.into_iter().filter(asked), |xml, pair| {
        xml.text("keyPairId", &pair.id)
            .text("keyName", &pair.name)
            .text("keyType", &pair.kind)
            .text("keyFingerprint", &pair.fingerprint)
            .maybe("publicKey", public.then(|| pair.imported.as_ref().unwrap_or(&pair.public_key)))
            .text("createTime", iso(pair.created_at))
            .all_tags(&pair.tags);
    });
    filters::answer(call, "keySet", kept)
}

fn missing(name: &str) -> ApiError {
    ApiError::new("InvalidKeyPair.NotFound", format!("The key pair '{name}' does not exist"))
}

/// Deletes a key pair. A key pair that does not exist is no error.
fn delete(call: &Call<'_>) -> Result<Xml, ApiError> {
    let (name, id) = (call.params.get("KeyName"), call.params.get("KeyPairId"));
    if name.or(id).is_none() {
        return Err(ApiError::new("MissingParameter", "The request must contain the parameter KeyName or KeyPairId"));
    }
    call.check_dry_run()?;
    let mut world = call.endpoint.world();
    let own = world.key_pairs.values().filter(|pair| pair.scope == *call.scope);
    let mut meant = own.filter(|pair| name == Some(pair.name.as_str()) || id == Some(pair.id.as_str()));
    let found = meant.next().map(|pair| pair.id.clone());
    let mut xml = Xml::done();
    if let Some(id) = found {
        world.key_pairs.remove(&id);
        xml.text("keyPairId", id);
    }
    Ok(xml)
}

//! Parameter Store.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::FakeCloud;
use super::call::Call;
use super::pace::Looks;
use super::world::Region;
use crate::{Kind, Parameter, Parameters, Result};

/// How many versions of a parameter SSM keeps.
const MOST_VERSIONS: u64 = 100;

#[async_trait]
impl Parameters for FakeCloud {
    async fn get(&self, region: &str, name: &str) -> Result<Option<Parameter>> {
        self.read(Call::new("GetParameter", region), |world| {
            let region = world.region(region);
            let found = region.parameters.get(name).cloned();
            let Some((mut looks, parameter)) = region.unchecked.remove(name) else { return Ok(found) };
            if looks.spend() {
                region.unchecked.insert(name.to_owned(), (looks, parameter));
                return Ok(found);
            }
            region.parameters.insert(name.to_owned(), parameter.clone());
            Ok(Some(parameter))
        })
        .await
    }

    async fn get_all(&self, region: &str, names: &[String]) -> Result<BTreeMap<String, Parameter>> {
        self.read(Call::new("GetParameters", region), |world| {
            let there = &world.region(region).parameters;
            Ok(names.iter().filter_map(|name| Some((name.clone(), there.get(name)?.clone()))).collect())
        })
        .await
    }

    async fn put(&self, region: &str, name: &str, parameter: &Parameter) -> Result<()> {
        let call = Call::new("PutParameter", region);
        self.effect(call, format!("{name} = {}", parameter.value), |world| {
            check(call, name, parameter)?;
            let looks = Looks(world.pace.until_parameter);
            let region = world.region(region);
            region.next_version(call, name)?;
            if parameter.data_type == "aws:ec2:image" && !looks.is_over() {
                region.unchecked.insert(name.to_owned(), (looks, parameter.clone()));
            } else {
                region.parameters.insert(name.to_owned(), parameter.clone());
            }
            Ok(())
        })
        .await
    }

    async fn delete(&self, region: &str, name: &str) -> Result<()> {
        self.effect(Call::new("DeleteParameter", region), name, |world| {
            let region = world.region(region);
            region.parameters.remove(name);
            region.versions.remove(name);
            region.labelled.retain(|(of, _)| of != name);
            Ok(())
        })
        .await
    }
}

impl Region {
    /// Counts a new version of a parameter. SSM deletes the oldest version for it, but not if that has a label.
    fn next_version(&mut self, call: Call<'_>, name: &str) -> Result<()> {
        let newest = self.versions.entry(name.to_owned()).or_default();
        if let Some(oldest) = (*newest + 1).checked_sub(MOST_VERSIONS).filter(|oldest| *oldest > 0)
            && self.labelled.contains(&(name.to_owned(), oldest))
        {
            let message = format!(
                "You attempted to create a new version of {name} by calling the PutParameter API with the overwrite flag. \
                 Version {oldest}, the oldest version, can't be deleted because it has a label associated with it. Move \
                 the label to another version of the parameter, and try again."
            );
            let error = call.error(Kind::Invalid, "ParameterMaxVersionLimitExceeded", message);
            return Err(error.about_parameter(name));
        }
        *newest += 1;
        Ok(())
    }
}

impl FakeCloud {
    /// Gives a parameter this value as a version with this number, as if all versions before it had been written. The
    /// version `labelled` has a label, as a person may give it one.
    pub fn label_parameter(&self, region: &str, name: &str, parameter: &Parameter, newest: u64, labelled: u64) {
        let mut world = self.world();
        let region = world.region(region);
        region.parameters.insert(name.to_owned(), parameter.clone());
        region.versions.insert(name.to_owned(), newest);
        region.labelled.insert((name.to_owned(), labelled));
    }

    /// Removes the labels of a parameter.
    pub fn unlabel_parameter(&self, region: &str, name: &str) {
        self.world().region(region).labelled.retain(|(of, _)| of != name);
    }

    /// Gives every parameter in every Region the value that was written to it.
    pub fn settle_parameters(&self) {
        for region in self.world().regions.values_mut() {
            let unchecked = std::mem::take(&mut region.unchecked);
            region.parameters.extend(unchecked.into_iter().map(|(name, (_, parameter))| (name, parameter)));
        }
    }
}

/// Makes the checks that SSM makes before it answers. SSM checks only later whether an image exists, and does not tell
/// the caller.
fn check(call: Call<'_>, name: &str, parameter: &Parameter) -> Result<()> {
    if parameter.value.is_empty() || parameter.value.len() > 4096 {
        return Err(call.error(Kind::Invalid, "ValidationException", format!("{name}: a value has 1 to 4096 bytes")));
    }
    match parameter.data_type.as_str() {
        "text" => Ok(()),
        "aws:ec2:image" if parameter.value.starts_with("ami-") => Ok(()),
        "aws:ec2:image" => Err(call.error(Kind::Invalid, "ValidationException", format!("{name}: not an AMI id"))),
        other => Err(call.error(Kind::Invalid, "ValidationException", format!("{name}: no data type {other}"))),
    }
}

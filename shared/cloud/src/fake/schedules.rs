//! EventBridge Scheduler. It stores schedules but does not fire them: the test invokes their targets.

use async_trait::async_trait;
use jiff::Timestamp;

use super::FakeCloud;
use super::call::Call;
use crate::{Kind, Result, Schedule, Schedules};

#[async_trait]
impl Schedules for FakeCloud {
    async fn get(&self, group: &str, name: &str) -> Result<Option<(Schedule, Timestamp)>> {
        let key = (group.to_owned(), name.to_owned());
        let there = self.read(Call::home("GetSchedule"), |world| Ok(world.schedules.get(&key).cloned())).await?;
        Ok(there.map(|schedule| (schedule, Timestamp::UNIX_EPOCH)))
    }

    async fn put(&self, schedule: &Schedule) -> Result<()> {
        let key = (schedule.group.clone(), schedule.name.clone());
        let there = self.world().schedules.get(&key).cloned();
        if there.as_ref() == Some(schedule) {
            return Ok(());
        }
        let call = Call::home(if there.is_some() { "UpdateSchedule" } else { "CreateSchedule" });
        self.effect(call, &schedule.name, |world| {
            let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            if !(1..=64).contains(&schedule.name.len()) || !schedule.name.chars().all(allowed) {
                return Err(call.error(Kind::Invalid, "ValidationException", format!("no name: {}", schedule.name)));
            }
            world.schedules.insert(key, schedule.clone());
            Ok(())
        })
        .await
    }

    async fn delete(&self, group: &str, name: &str) -> Result<()> {
        let key = (group.to_owned(), name.to_owned());
        if !self.world().schedules.contains_key(&key) {
            return Ok(());
        }
        self.effect(Call::home("DeleteSchedule"), name, |world| {
            world.schedules.remove(&key);
            Ok(())
        })
        .await
    }
}

impl FakeCloud {
    /// Returns every schedule, by group and name.
    #[must_use]
    pub fn schedules(&self) -> Vec<Schedule> {
        self.world().schedules.values().cloned().collect()
    }
}

//! The account's Regions.

use goldsmith_cloud::Result;
use goldsmith_cloud::aws::failure;

use crate::Ec2;

impl Ec2 {
    /// Returns the Regions that are enabled in the account, in order. The call goes to the Region `home`.
    ///
    /// # Errors
    /// The errors that AWS has returned.
    pub async fn regions(&self, home: &str) -> Result<Vec<String>> {
        // Without `AllRegions`, EC2 leaves out the Regions that the account has not opted in to.
        let answer = self.0.client(home).describe_regions().send().await;
        let answer = answer.map_err(failure("DescribeRegions", home))?;
        let mut regions: Vec<String> =
            answer.regions.unwrap_or_default().into_iter().filter_map(|r| r.region_name).collect();
        regions.sort();
        Ok(regions)
    }
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::aws::replay::{Canned, Replay};

    use crate::Ec2;

    #[tokio::test]
    async fn enabled_regions_are_listed_in_order() {
        let item = |name: &str| format!("<item><regionName>{name}</regionName></item>");
        let items = item("us-east-1") + &item("eu-west-1");
        let answer = format!("<DescribeRegionsResponse><regionInfo>{items}</regionInfo></DescribeRegionsResponse>");
        let replay = Replay::new([Canned::ok(answer)]);
        let regions = Ec2::new(&replay.config()).regions("eu-west-1").await.unwrap();
        assert_eq!(regions, ["eu-west-1", "us-east-1"]);
        assert!(!replay.sent()[0].body.contains("AllRegions"), "{:?}", replay.sent()[0]);
    }
}

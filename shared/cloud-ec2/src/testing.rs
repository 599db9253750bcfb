//! EC2 with canned answers, for the tests of adapters.

use std::collections::BTreeMap;

use goldsmith_cloud::Tags;
use goldsmith_cloud::aws::replay::{Canned, Replay};

use crate::Ec2;

/// EC2 with these answers.
pub(crate) fn ec2(answers: impl IntoIterator<Item = Canned>) -> (Ec2, Replay) {
    let replay = Replay::new(answers);
    (Ec2::new(&replay.config()), replay)
}

/// The parts of a request that tests compare.
pub(crate) fn form(replay: &Replay, index: usize) -> BTreeMap<String, String> {
    form_urlencoded::parse(replay.sent()[index].body.as_bytes()).into_owned().collect()
}

pub(crate) fn tags() -> Tags {
    Tags::from([("goldsmith:build".to_owned(), "b".to_owned())])
}

pub(crate) fn described(id: &str, created: &str) -> String {
    let devices = "<blockDeviceMapping><item><deviceName>/dev/xvda</deviceName>\
         <ebs><snapshotId>snap-1</snapshotId><volumeSize>8</volumeSize><volumeType>gp3</volumeType>\
         <encrypted>false</encrypted><deleteOnTermination>true</deleteOnTermination></ebs></item><item><deviceName>/dev/sdb</deviceName>\
         <virtualName>ephemeral0</virtualName></item></blockDeviceMapping>";
    format!(
        "<item><imageId>{id}</imageId><name>web 1</name><imageState>available</imageState>\
         <imageOwnerId>111122223333</imageOwnerId><creationDate>{created}</creationDate>\
         <architecture>x86_64</architecture><bootMode>uefi</bootMode><tpmSupport>v2.0</tpmSupport><enaSupport>true</enaSupport><sourceInstanceId>i-1</sourceInstanceId><rootDeviceName>/dev/xvda</rootDeviceName>{devices}\
         <usageOperation>RunInstances:0010</usageOperation><deprecationTime>2028-01-01T00:00:00.000Z</deprecationTime>\
         <productCodes><item><productCode>4t9example</productCode><type>marketplace</type></item></productCodes>\
         <lastLaunchedTime>2026-02-01T00:00:00.000Z</lastLaunchedTime><tagSet><item><key>goldsmith:build</key><value>b</value></item></tagSet></item>"
    )
}

pub(crate) fn page(images: &str, next: &str) -> Canned {
    Canned::ok(format!("<DescribeImagesResponse><imagesSet>{images}</imagesSet>{next}</DescribeImagesResponse>"))
}

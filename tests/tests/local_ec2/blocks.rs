//! The content of images, read by blocks.

use std::time::Instant;

use aws_sdk_ebs::primitives::ByteStream;
use aws_sdk_ebs::types::ChecksumAlgorithm;
use aws_sdk_ec2::types::{BlockDeviceMapping, EbsBlockDevice};
use goldsmith_cloud::aws::EbsDirect;
use goldsmith_provenance::content::first_difference;
use goldsmith_provenance::{BLOCK, Difference, VolumeContent, block_digest};
use goldsmith_states::SnapshotBlocks;
use serde_json::json;

use crate::caller::Aws;
use crate::local::{Local, REGION};

/// Blocks of a GiB.
const BLOCKS: i32 = 2_048;
/// How many blocks are written at once.
const AT_ONCE: usize = 16;
const ROOT: &str = "/dev/xvda";
/// The Region of each copy, and its key.
const COPIES: [(&str, &str); 3] = [
    (REGION, "11111111-2222-3333-4444-555555555551"),
    ("us-east-1", "11111111-2222-3333-4444-555555555552"),
    ("us-west-2", "11111111-2222-3333-4444-555555555553"),
];

/// A block whose bytes depend on its index, so that no two are alike.
fn block(index: i32) -> Vec<u8> {
    let mut state = index.unsigned_abs().wrapping_mul(2_654_435_761) | 1;
    let words = std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    });
    words.take(BLOCK / 4).flat_map(u32::to_le_bytes).collect()
}

/// Writes a snapshot of one GiB in which every block has data, and registers an image of it; the image's id.
async fn gibibyte(aws: &Aws) -> String {
    let ebs = aws_sdk_ebs::Client::new(&aws.config);
    let snapshot = ebs.start_snapshot().volume_size(1).send().await.unwrap().snapshot_id.unwrap();
    let all: Vec<i32> = (0..BLOCKS).collect();
    for some in all.chunks(AT_ONCE) {
        let writes = some.iter().map(|index| {
            let data = block(*index);
            let checksum = aws_smithy_types::base64::encode(block_digest(&data).unwrap());
            let put = ebs.put_snapshot_block().snapshot_id(&snapshot).block_index(*index);
            let put = put.data_length(i32::try_from(BLOCK).unwrap()).block_data(ByteStream::from(data));
            put.checksum(checksum).checksum_algorithm(ChecksumAlgorithm::ChecksumAlgorithmSha256).send()
        });
        for written in futures_util::future::join_all(writes).await {
            written.unwrap();
        }
    }
    ebs.complete_snapshot().snapshot_id(&snapshot).changed_blocks_count(BLOCKS).send().await.unwrap();
    aws.ec2.describe_snapshots().snapshot_ids(&snapshot).send().await.unwrap();
    let volume = EbsBlockDevice::builder().snapshot_id(&snapshot).build();
    let root = BlockDeviceMapping::builder().device_name(ROOT).ebs(volume).build();
    let image = aws.ec2.register_image().name("gibibyte").root_device_name(ROOT).block_device_mappings(root);
    image.send().await.unwrap().image_id.unwrap()
}

/// Digests the only volume of an image.
async fn digest(aws: &Aws, image: &str) -> VolumeContent {
    let (ebs, snapshot) = (EbsDirect::new(&aws.config), aws.snapshot_of(image).await);
    let blocks = SnapshotBlocks { blocks: &ebs, region: &aws.region, snapshot: &snapshot };
    let began = Instant::now();
    let read = blocks.read(None, &|| false).await.unwrap().content;
    println!("{image} in {}: {:.0} MiB/s", aws.region, 1_024.0 / began.elapsed().as_secs_f64());
    assert_eq!((read.present(), read.blocks().len()), (2_048, 2_048));
    read
}

/// Three copies of a GiB have the same content under different keys, and one flipped bit is named. Takes a minute.
pub(crate) async fn a_gibibyte_is_the_same_over_copies_and_a_flipped_bit_is_named(local: &Local) {
    let aws = local.aws("100000000061");
    let image = gibibyte(&aws).await;
    let original = digest(&aws, &image).await;
    let mut copies = Vec::new();
    for (region, key) in COPIES {
        let keys = json!({"region": region, "account": aws.account, "kmsKeys": [{"id": key}]});
        local.post("resources", &keys).unwrap();
        let there = aws.in_region(region);
        let copy = there.ec2.copy_image().source_region(REGION).source_image_id(&image).name(format!("copy {key}"));
        let copy = copy.encrypted(true).kms_key_id(key).send().await.unwrap().image_id.unwrap();
        there.available(&copy).await;
        assert_eq!(digest(&there, &copy).await, original);
        copies.push((there, copy));
    }
    let (there, copy) = &copies[1];
    let flip = json!({"snapshot": there.snapshot_of(copy).await, "block": 1_234, "bit": 4_194_303});
    local.post("flip-bit", &flip).unwrap();
    let Some(Difference::Blocks(found)) = first_difference(&original, &digest(there, copy).await) else {
        panic!("nothing differs")
    };
    assert_eq!((found.index, found.differing, found.offset()), (1_234, 1, 1_234 * 524_288));
}

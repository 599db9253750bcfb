//! What holds for every content and every bundle.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::collections::BTreeMap;

use common::{Signer, statement};
use goldsmith_provenance::content::{block_digest, first_difference};
use goldsmith_provenance::dsse::{PAYLOAD_TYPE, pae};
use goldsmith_provenance::{BLOCK, Bundle, Digest, ImageContent, Unsigned, VolumeContent};
use proptest::collection::btree_map;
use proptest::prelude::*;

fn volume(size: u64, blocks: &BTreeMap<u32, Digest>) -> VolumeContent {
    let mut volume = VolumeContent::new(size * BLOCK as u64).unwrap();
    for (index, digest) in blocks {
        volume.add_digest(*index, Some(*digest)).unwrap();
    }
    volume
}

fn blocks() -> impl Strategy<Value = BTreeMap<u32, Digest>> {
    btree_map(0..1000_u32, any::<Digest>(), 0..20)
}

/// A sparse block: zeros, and some bytes in it.
fn data() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec((0..BLOCK, any::<u8>()), 0..4).prop_map(|bytes| {
        let mut data = vec![0; BLOCK];
        for (at, byte) in bytes {
            data[at] = byte;
        }
        data
    })
}

proptest! {
    #[test]
    fn a_volume_is_read_as_it_was_written(size in 1000..134_217_728_u64, blocks in blocks()) {
        let volume = volume(size, &blocks);
        prop_assert_eq!(VolumeContent::parse(volume.to_text().as_bytes()), Ok(volume));
    }

    #[test]
    fn an_image_is_read_as_it_was_written(volumes in btree_map("[!-~]{1,128}", any::<Digest>(), 1..9)) {
        let image = ImageContent::new(volumes).unwrap();
        prop_assert_eq!(ImageContent::parse(image.to_text().as_bytes()), Ok(image));
    }

    #[test]
    fn another_byte_in_a_text_is_an_error_or_another_content(
        blocks in blocks(), at in any::<prop::sample::Index>(), flip in 1..=255_u8,
    ) {
        let volume = volume(1000, &blocks);
        let mut text = volume.to_text().into_bytes();
        let at = at.index(text.len());
        text[at] ^= flip;
        if let Ok(other) = VolumeContent::parse(&text) {
            prop_assert_ne!(other.digest(), volume.digest());
            prop_assert_eq!(other.to_text().into_bytes(), text, "each content has one text");
        }
    }

    #[test]
    fn another_byte_in_the_text_of_an_image_is_an_error_or_another_content(
        volumes in btree_map("[!-~]{1,9}", any::<Digest>(), 1..4), at in any::<prop::sample::Index>(), flip in 1..=255_u8,
    ) {
        let image = ImageContent::new(volumes).unwrap();
        let mut text = image.to_text().into_bytes();
        let at = at.index(text.len());
        text[at] ^= flip;
        if let Ok(other) = ImageContent::parse(&text) {
            prop_assert_ne!(other.digest(), image.digest());
            prop_assert_eq!(other.to_text().into_bytes(), text, "each content has one text");
        }
    }

    #[test]
    fn volumes_with_the_same_digest_do_not_differ(ours in blocks(), theirs in blocks()) {
        let (ours, theirs) = (volume(1000, &ours), volume(1000, &theirs));
        prop_assert_eq!(first_difference(&ours, &theirs).is_none(), ours.digest() == theirs.digest());
        prop_assert_eq!(first_difference(&ours, &ours.clone()), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))] // each reads half a megabyte, which unoptimized programs do slowly

    #[test]
    fn another_bit_in_a_block_is_another_content(mut data in data(), bit in 0..BLOCK * 8) {
        let content = |data: &[u8]| {
            let mut volume = VolumeContent::new(8 * BLOCK as u64).unwrap();
            volume.add(3, data).unwrap();
            volume
        };
        let before = content(&data);
        data[bit / 8] ^= 1 << (bit % 8);
        let after = content(&data);
        prop_assert_ne!(before.digest(), after.digest());
        prop_assert!(first_difference(&before, &after).is_some());
    }

    #[test]
    fn zeros_are_as_good_as_no_block(data in data(), zeros in prop::collection::btree_set(4..64_u32, 0..8)) {
        let mut sparse = VolumeContent::new(64 * BLOCK as u64).unwrap();
        sparse.add(3, &data).unwrap();
        let mut full = sparse.clone();
        for index in &zeros {
            full.add(*index, &[0; BLOCK]).unwrap();
        }
        prop_assert_eq!(sparse.digest(), full.digest());
        prop_assert_eq!(&sparse, &full);
        prop_assert_eq!(full.present(), 1 + zeros.len() as u64);
        prop_assert_eq!(block_digest(&data).is_none(), data.iter().all(|byte| *byte == 0));
    }
}

#[test]
fn another_bit_in_a_bundle_never_verifies_as_another_statement() {
    let (signer, statement) = (Signer::new(), statement());
    let signature = signer.sign(&pae(PAYLOAD_TYPE, &statement.to_json().unwrap()));
    let json = Unsigned::new(&statement, &signer.key).unwrap().signed(signature).unwrap().to_json().unwrap();
    for at in 0..json.len() {
        let mut changed = json.clone();
        changed[at] ^= 1 << (at % 8);
        let verified = Bundle::from_json(&changed).ok().and_then(|bundle| bundle.verify(&signer.key).ok());
        assert!(verified.is_none_or(|verified| verified == statement), "byte {at}");
    }
}

//! Measures how fast the content of a volume is computed: one GiB of blocks without zeros, and one of zeros. Run it with
//! `cargo run --release -p goldsmith-provenance --example throughput`.

use std::time::Instant;

use goldsmith_provenance::content::VolumeError;
use goldsmith_provenance::{BLOCK, VolumeContent};

/// The number of blocks of a GiB.
const BLOCKS: u32 = 2048;

fn main() -> Result<(), VolumeError> {
    let data: Vec<u8> = (0..=250).cycle().skip(1).take(BLOCK).collect();
    measure("data", &data)?;
    measure("zeros", &vec![0; BLOCK])
}

fn measure(name: &str, data: &[u8]) -> Result<(), VolumeError> {
    let mut volume = VolumeContent::new(u64::from(BLOCKS) * BLOCK as u64)?;
    let start = Instant::now();
    for index in 0..BLOCKS {
        volume.add(index, data)?;
    }
    let digest = volume.digest();
    let speed = 1024.0 / start.elapsed().as_secs_f64();
    println!("{name}: {speed:.0} MiB/s ({} blocks, {})", volume.present(), hex::encode(digest));
    Ok(())
}

//! Subnets and their addresses.

use std::collections::BTreeSet;
use std::fmt;
use std::net::Ipv4Addr;
use std::ops::Range;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{InstanceState, Tags, World};
use crate::api::Scope;

/// A subnet.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Subnet {
    pub(crate) id: String,
    pub(crate) vpc_id: String,
    pub(crate) zone: String,
    pub(crate) cidr: String,
    pub(crate) default: bool,
    /// Whether instances get a public address. `None` is the initial setting.
    #[serde(default)]
    pub(crate) public: Option<bool>,
    pub(crate) tags: Tags,
}

impl Subnet {
    /// Returns whether instances get a public address: initially, those of default subnets do.
    pub(crate) fn gives_public_addresses(&self) -> bool {
        self.public.unwrap_or(self.default)
    }

    /// Returns whether an address is in its block.
    pub(crate) fn has(&self, address: Ipv4Addr) -> bool {
        self.block().is_some_and(|block| block.has(address))
    }

    /// Returns whether instances may have an address. AWS reserves the first four and the last (VPC user guide, "Subnet
    /// CIDR blocks").
    pub(crate) fn gives(&self, address: Ipv4Addr) -> bool {
        self.given().contains(&address.into())
    }

    /// Returns how many of its addresses are free.
    pub(crate) fn free_addresses(&self, used: &BTreeSet<Ipv4Addr>) -> usize {
        self.given().len() - used.iter().filter(|address| self.gives(**address)).count()
    }

    /// Returns one of its free addresses, chosen by a number; `None` if all are in use.
    pub(crate) fn free_address(&self, number: u32, used: &BTreeSet<Ipv4Addr>) -> Option<Ipv4Addr> {
        let all = self.given();
        let start = all.start + number.checked_rem(all.end - all.start)?;
        (start..all.end).chain(all.start..start).map(Ipv4Addr::from).find(|address| !used.contains(address))
    }

    /// Returns its addresses; `None` for a subnet in a journal from the time when any text was accepted.
    pub(crate) fn block(&self) -> Option<Block> {
        self.cidr.parse().ok()
    }

    /// Returns the addresses that instances may have.
    fn given(&self) -> Range<u32> {
        let Some(Block { first, last, .. }) = self.block() else { return 0..0 };
        let lowest = first.saturating_add(4);
        lowest..last.max(lowest)
    }
}

/// A block of addresses. Bits after its prefix have no meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    first: u32,
    last: u32,
    prefix: u32,
}

impl Block {
    /// The block of every default VPC (VPC user guide, "Default VPC components").
    pub(crate) const OF_DEFAULT_VPC: Block = Block::of([172, 31]);
    /// The block of subnets whose VPC and block were not handed over.
    pub(crate) const OF_OTHER_VPCS: Block = Block::of([10, 0]);

    /// Returns the /16 that begins with these bytes.
    const fn of(start: [u8; 2]) -> Self {
        let [a, b] = start;
        Block { first: u32::from_be_bytes([a, b, 0, 0]), last: u32::from_be_bytes([a, b, 255, 255]), prefix: 16 }
    }

    /// Returns how many bits all its addresses share.
    pub(crate) fn prefix(self) -> u32 {
        self.prefix
    }

    /// Returns whether another block is a part of it, or equal to it.
    pub(crate) fn contains(self, other: Block) -> bool {
        self.first <= other.first && other.last <= self.last
    }

    /// Returns whether the blocks have an address in common.
    pub(crate) fn overlaps(self, other: Block) -> bool {
        self.contains(other) || other.contains(self)
    }

    /// Returns the blocks with a longer prefix that it consists of.
    pub(crate) fn parts(self, prefix: u32) -> impl Iterator<Item = Block> {
        let hosts = u32::MAX.checked_shr(prefix).unwrap_or(0);
        let size = usize::try_from(hosts).unwrap_or(usize::MAX).saturating_add(1);
        let begins = (self.first..=self.last).step_by(size);
        begins.map(move |first| Block { first, last: first | hosts, prefix })
    }

    /// Returns whether an address is in the block.
    fn has(self, address: Ipv4Addr) -> bool {
        (self.first..=self.last).contains(&address.into())
    }
}

/// A text that is not a block in CIDR notation.
#[derive(Debug)]
pub(crate) struct NoBlock;

impl FromStr for Block {
    type Err = NoBlock;

    fn from_str(text: &str) -> Result<Self, NoBlock> {
        let (address, prefix) = text.split_once('/').ok_or(NoBlock)?;
        let address: u32 = address.parse::<Ipv4Addr>().map_err(|_| NoBlock)?.into();
        let prefix = prefix.parse().ok().filter(|prefix| *prefix <= 32).ok_or(NoBlock)?;
        // No bit is fixed in a /0, and all are in a /32.
        let hosts = u32::MAX.checked_shr(prefix).unwrap_or(0);
        Ok(Block { first: address & !hosts, last: address | hosts, prefix })
    }
}

impl fmt::Display for Block {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", Ipv4Addr::from(self.first), self.prefix)
    }
}

impl World {
    /// Returns the private addresses that instances of a VPC hold. Each instance keeps its address until it is
    /// terminated, even while it is stopped (EC2 API reference, error codes, `InsufficientFreeAddressesInSubnet`).
    pub(crate) fn used_addresses(&self, scope: &Scope, vpc: &str) -> BTreeSet<Ipv4Addr> {
        let there = self.instances.values().filter(|one| one.scope == *scope && one.vpc_id == vpc);
        let live = there.filter(|one| one.state() != InstanceState::Terminated);
        live.filter_map(|one| one.address.parse().ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(cidr: &str) -> Subnet {
        Subnet {
            id: "subnet-1".into(),
            vpc_id: "vpc-1".into(),
            zone: "eu-west-1a".into(),
            cidr: cidr.into(),
            default: false,
            public: None,
            tags: Tags::new(),
        }
    }

    fn address(last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, 0, last)
    }

    #[test]
    fn aws_keeps_five_addresses_of_a_block() {
        let count = |cidr: &str| subnet(cidr).free_addresses(&BTreeSet::new());
        let counts = ["172.31.0.0/20", "10.0.0.0/24", "10.0.0.0/29", "10.0.0.0/32", "255.255.255.255/32", "10/8"];
        assert_eq!(counts.map(count), [4091, 251, 3, 0, 0, 0]);
        let small = subnet("10.0.0.16/28");
        let given: Vec<u8> = (0..=255).filter(|last| small.gives(address(*last))).collect();
        assert_eq!(given, (20..31).collect::<Vec<u8>>());
        assert!(small.has(address(16)) && small.has(address(31)) && !small.has(address(15)) && !small.has(address(32)));
    }

    #[test]
    fn every_free_address_is_given_once() {
        let small = subnet("10.0.0.0/28");
        let mut used = BTreeSet::from([address(7), Ipv4Addr::new(10, 0, 1, 7)]);
        for left in (0..10).rev() {
            used.insert(small.free_address(8, &used).unwrap());
            assert_eq!(small.free_addresses(&used), left);
        }
        assert_eq!(small.free_address(8, &used), None);
        assert_eq!(used.len(), 12);
        assert_eq!(subnet("10.0.0.0/31").free_address(8, &used), None);
    }

    #[test]
    fn blocks_have_parts_and_may_overlap() {
        let block = |text: &str| text.parse::<Block>().unwrap();
        assert_eq!(Block::OF_DEFAULT_VPC, block("172.31.0.0/16"));
        let parts: Vec<String> = block("10.0.4.0/22").parts(24).map(|part| part.to_string()).collect();
        assert_eq!(parts, ["10.0.4.0/24", "10.0.5.0/24", "10.0.6.0/24", "10.0.7.0/24"]);
        assert!(
            block("10.0.0.0/16").contains(block("10.0.0.0/16")) && block("10.0.0.0/16").contains(block("10.0.9.0/24"))
        );
        assert!(
            !block("10.0.9.0/24").contains(block("10.0.0.0/16"))
                && !block("10.0.0.0/16").contains(block("10.1.0.0/24"))
        );
        assert!(
            block("10.0.9.0/24").overlaps(block("10.0.0.0/16")) && !block("10.0.9.0/24").overlaps(block("10.0.8.0/24"))
        );
    }

    #[test]
    fn a_block_begins_where_its_prefix_says() {
        let shown = |text: &str| text.parse::<Block>().ok().map(|block| block.to_string());
        assert_eq!(shown("10.1.2.3/16").as_deref(), Some("10.1.0.0/16"));
        assert_eq!(shown("10.1.2.3/0").as_deref(), Some("0.0.0.0/0"));
        assert_eq!(shown("10.1.2.3/32").as_deref(), Some("10.1.2.3/32"));
        for wrong in ["", "10.1.2.3", "10.1.2.3/", "10.1.2/24", "10.1.2.3/33", "10.1.2.3/-1", "::/64", "10.1.2.3/8/8"] {
            assert_eq!(shown(wrong), None, "{wrong}");
        }
    }
}

//! The filters of each describe call: tables of EC2's documented names and the path of their values in an item of the
//! answer. `tests/aws_cli/filters.py` compares them with botocore's model.

mod instances;
mod kinds;
mod network;
mod storage;

pub(super) use instances::{INSTANCES, SPOT_REQUESTS, STATUS};
pub(super) use kinds::{HOSTS, OFFERINGS, TYPES};
pub(super) use network::{GROUPS, REGIONS, ROUTE_TABLES, SUBNETS, VPC_ENDPOINTS, VPCS, ZONES};
pub(super) use storage::{EXPORTS, IMAGES, KEYS, SNAPSHOTS, TAGS, TEMPLATES, VERSIONS, VOLUMES};

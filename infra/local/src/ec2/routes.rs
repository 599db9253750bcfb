//! CreateRoute, DeleteRoute, DescribeRouteTables and DescribeVpcEndpoints: the ways out of a VPC.
//!
//! Each VPC has its main route table and no other. If it has an internet gateway, a route may lead to this gateway, but
//! to nothing else outside the VPC. There are no VPC endpoints.

use super::call::{Call, Row};
use super::filters::{self, Filters};
use super::known_filters::{ROUTE_TABLES, VPC_ENDPOINTS};
use super::xml::Xml;
use crate::api::ApiError;
use crate::ids;
use crate::world::{Block, Network, gateway_of};

/// The calls that this file serves.
pub(super) const CALLS: &[Row] = &[
    ("CreateRoute", create),
    ("DeleteRoute", delete),
    ("DescribeRouteTables", describe_tables),
    ("DescribeVpcEndpoints", describe_endpoints),
];

/// Adds a route.
fn create(call: &Call<'_>) -> Result<Xml, ApiError> {
    let vpc = vpc_of(call)?;
    let destination = destination(call)?;
    let gateway = call.params.require("GatewayId")?;
    let mut world = call.endpoint.world();
    let network = world.network(call.scope);
    let mut routes = network.routes_of(&vpc);
    // No gateway can be created here, so only that of the default VPC exists.
    if vpc != network.vpc_id || gateway != gateway_of(&vpc) {
        let message = format!("The gateway ID '{gateway}' does not exist");
        return Err(ApiError::new("InvalidGatewayID.NotFound", message));
    }
    if routes.contains_key(&destination) || destination == Block::OF_DEFAULT_VPC.to_string() {
        let message = format!("The route identified by {destination} already exists.");
        return Err(ApiError::new("RouteAlreadyExists", message));
    }
    call.check_dry_run()?;
    routes.insert(destination, gateway.to_owned());
    world.change_network(call.scope).routes.insert(vpc, routes);
    Ok(Xml::done())
}

/// Deletes a route, but not the route within the VPC.
fn delete(call: &Call<'_>) -> Result<Xml, ApiError> {
    let vpc = vpc_of(call)?;
    let destination = destination(call)?;
    let mut world = call.endpoint.world();
    let network = world.network(call.scope);
    if network.block_of(&vpc).is_some_and(|block| block.to_string() == destination) {
        let message = format!("cannot remove local route {destination} in route table {}", table_of(&vpc));
        return Err(ApiError::new("InvalidParameterValue", message));
    }
    let mut routes = network.routes_of(&vpc);
    if routes.remove(&destination).is_none() {
        let table = table_of(&vpc);
        let message = format!("no route with destination-cidr-block {destination} in route table {table}");
        return Err(ApiError::new("InvalidRoute.NotFound", message));
    }
    call.check_dry_run()?;
    world.change_network(call.scope).routes.insert(vpc, routes);
    Ok(Xml::done())
}

/// Describes the main table of each VPC.
fn describe_tables(call: &Call<'_>) -> Result<Xml, ApiError> {
    let filters = Filters::read(call.params, &ROUTE_TABLES)?;
    let network = call.endpoint.world().network(call.scope);
    let ids = call.params.list("RouteTableId");
    ids.iter().try_for_each(|id| vpc_with(&network, id).map(drop))?;
    let vpcs = network.vpcs().into_iter().filter(|vpc| ids.is_empty() || ids.contains(&table_of(vpc)));
    let kept = filters.keep(vpcs, |xml, vpc| {
        let local = network.block_of(&vpc).unwrap_or(Block::OF_OTHER_VPCS).to_string();
        let beyond = network.routes_of(&vpc);
        let local = (local, "local".to_owned(), "CreateRouteTable");
        let beyond = beyond.into_iter().map(|(destination, gateway)| (destination, gateway, "CreateRoute"));
        let table = table_of(&vpc);
        xml.text("routeTableId", &table).text("vpcId", &vpc).text("ownerId", &call.scope.account);
        xml.items("routeSet", std::iter::once(local).chain(beyond), |xml, (destination, gateway, origin)| {
            xml.text("destinationCidrBlock", destination)
                .text("gatewayId", gateway)
                .text("state", "active")
                .text("origin", origin);
        });
        xml.items("associationSet", [ids::derived("rtbassoc", &vpc)], |xml, id| {
            xml.text("routeTableAssociationId", id).text("routeTableId", &table).text("main", true);
            xml.nested("associationState", "state", "associated");
        });
        xml.items("propagatingVgwSet", None::<()>, |_, ()| {});
    });
    filters::answer(call, "routeTableSet", kept)
}

/// Returns an empty list: VPC endpoints do not exist here and cannot be created.
fn describe_endpoints(call: &Call<'_>) -> Result<Xml, ApiError> {
    let filters = Filters::read(call.params, &VPC_ENDPOINTS)?;
    if let Some(id) = call.params.list("VpcEndpointId").first() {
        let message = format!("The Vpc Endpoint Id '{id}' does not exist");
        return Err(ApiError::new("InvalidVpcEndpointId.NotFound", message));
    }
    filters::answer(call, "vpcEndpointSet", filters.keep(None::<()>, |_, ()| {}))
}

/// Returns the VPC of the table that the call names.
fn vpc_of(call: &Call<'_>) -> Result<String, ApiError> {
    vpc_with(&call.endpoint.world().network(call.scope), call.params.require("RouteTableId")?)
}

fn vpc_with(network: &Network, table: &str) -> Result<String, ApiError> {
    let found = network.vpcs().into_iter().find(|vpc| table_of(vpc) == table);
    let missing = || format!("The routeTable ID '{table}' does not exist");
    found.ok_or_else(|| ApiError::new("InvalidRouteTableID.NotFound", missing()))
}

/// Returns the id of a VPC's main table.
fn table_of(vpc: &str) -> String {
    ids::derived("rtb", vpc)
}

/// Returns the block that the call names, without the bits after its prefix, as EC2 stores it.
fn destination(call: &Call<'_>) -> Result<String, ApiError> {
    let cidr = call.params.require("DestinationCidrBlock")?;
    let message =
        || format!("Value ({cidr}) for parameter destinationCidrBlock is invalid. This is not a valid CIDR block.");
    let block: Block = cidr.parse().map_err(|_| ApiError::new("InvalidParameterValue", message()))?;
    Ok(block.to_string())
}

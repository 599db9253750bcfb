//! Tests with networks that are common in accounts.

use super::super::finding::Verdict;
use super::super::testing::{globals, launching};
use super::*;

fn subnet(id: &str, public: bool) -> Subnet {
    let (id, vpc) = (id.to_owned(), "vpc-1".to_owned());
    Subnet { id, vpc, available: true, free_addresses: 9, public_addresses: public, ..Subnet::default() }
}

fn route(target: &str, blackhole: bool) -> Route {
    Route { destination: "0.0.0.0/0".to_owned(), target: target.to_owned(), blackhole }
}

/// A default VPC with one subnet and these routes.
fn facts(public: bool, routes: Vec<Route>) -> Facts {
    let table = RouteTable { id: "rtb-1".to_owned(), main: true, subnets: Vec::new(), routes };
    Facts {
        region: "eu-west-1".to_owned(),
        default_vpc: Some("vpc-1".to_owned()),
        subnets: vec![subnet("subnet-1", public)],
        groups: vec![SecurityGroup { id: "sg-1".to_owned(), vpc: "vpc-1".to_owned(), lets_https_out: true }],
        tables: [("vpc-1".to_owned(), vec![table])].into(),
        endpoints: BTreeMap::new(),
    }
}

fn place(subnets: &[&str]) -> Place {
    let subnets = subnets.iter().map(|id| (*id).to_owned()).collect();
    Place { who: "the stack".to_owned(), subnets, groups: vec!["sg-1".to_owned()] }
}

/// Returns the findings that are not good, as `NAME VERDICT`.
fn told(places: &[Place], facts: &Facts) -> Vec<(&'static str, Verdict)> {
    let found = judge(&globals(""), places, facts).into_iter().filter(|one| one.verdict != Verdict::Good);
    found.map(|one| (one.name, one.verdict)).collect()
}

#[test]
fn ways_out() {
    let cases = [
        (true, vec![route("igw-1", false)], None),
        (false, vec![route("igw-1", false)], Some("get no public address")),
        (false, vec![route("nat-1", false)], None),
        (false, vec![route("nat-1", true)], Some("black hole")),
        (false, vec![route("tgw-1", false)], None),
        (true, vec![], Some("only into the VPC")),
    ];
    for (public, routes, obstacle) in cases {
        let found = judge(&globals(""), &[place(&[])], &facts(public, routes.clone()));
        let way = found.iter().find(|one| one.name == WAY_OUT).unwrap();
        match obstacle {
            None => assert_eq!(way.verdict, Verdict::Good, "{routes:?}"),
            Some(words) => assert!(way.verdict == Verdict::Problem && way.message.contains(words), "{way:?}"),
        }
    }
}

#[test]
fn endpoints_take_the_place_of_a_way_out() {
    let interface = |service: &str, private_dns| Endpoint {
        service: format!("com.amazonaws.eu-west-1.{service}"),
        route_tables: Vec::new(),
        private_dns,
    };
    let s3 = |table: &str| Endpoint {
        service: "com.amazonaws.eu-west-1.s3".to_owned(),
        route_tables: vec![table.to_owned()],
        private_dns: false,
    };
    let with = |endpoints: Vec<Endpoint>| {
        let mut facts = facts(false, vec![]);
        facts.endpoints.insert("vpc-1".to_owned(), endpoints);
        judge(&globals(""), &[place(&[])], &facts).into_iter().find(|one| one.name == WAY_OUT).unwrap()
    };
    let all = || INTERFACES.map(|service| interface(service, true)).to_vec();
    assert_eq!(with([all(), vec![s3("rtb-1")]].concat()).verdict, Verdict::Good);
    let other = with([all(), vec![s3("rtb-2")]].concat());
    assert!(other.remedy.unwrap().ends_with("missing: s3."), "its gateway is of another table");
    let old: Vec<Endpoint> = all().into_iter().filter(|one| !one.service.ends_with("ec2messages")).collect();
    assert_eq!(with([old, vec![s3("rtb-1")]].concat()).verdict, Verdict::Note);
    let unnamed = INTERFACES.map(|service| interface(service, service != "logs")).to_vec();
    assert!(with([unnamed, vec![s3("rtb-1")]].concat()).remedy.unwrap().ends_with("missing: logs."));
}

#[test]
fn a_subnet_goes_by_its_own_table_before_the_main_one() {
    let mut facts = facts(true, vec![route("igw-1", false)]);
    let own = RouteTable { id: "rtb-2".to_owned(), main: false, subnets: vec!["subnet-1".to_owned()], routes: vec![] };
    facts.tables.get_mut("vpc-1").unwrap().push(own);
    assert_eq!(told(&[place(&[])], &facts), [(WAY_OUT, Verdict::Problem)]);
}

#[test]
fn a_subnet_that_cannot_take_an_instance_is_a_problem() {
    let good = || facts(true, vec![route("igw-1", false)]);
    assert_eq!(told(&[place(&[])], &good()), []);
    assert_eq!(told(&[place(&["subnet-9"])], &good()), [(SUBNETS, Verdict::Problem)]);
    let without = Facts { default_vpc: None, ..good() };
    assert_eq!(told(&[place(&[])], &without), [(SUBNETS, Verdict::Problem)]);
    let mut full = good();
    full.subnets[0].free_addresses = 0;
    assert_eq!(told(&[place(&[])], &full), [(SUBNETS, Verdict::Problem)]);
    full.subnets.push(subnet("subnet-2", true));
    assert_eq!(told(&[place(&[])], &full), [(SUBNETS, Verdict::Note)]);
}

#[test]
fn a_security_group_that_blocks_outgoing_traffic_is_a_problem() {
    let mut facts = facts(true, vec![route("igw-1", false)]);
    facts.groups[0].lets_https_out = false;
    assert_eq!(told(&[place(&[])], &facts), [(GROUPS, Verdict::Problem)]);
    facts.groups[0].lets_https_out = true;
    facts.groups[0].vpc = "vpc-2".to_owned();
    assert_eq!(told(&[place(&[])], &facts), [(GROUPS, Verdict::Problem)]);
    facts.groups.clear();
    assert_eq!(told(&[place(&[])], &facts), [(GROUPS, Verdict::Problem)]);
}

#[test]
fn infrastructure_configurations_have_places_of_their_own() {
    let settings =
        Settings { subnets: vec!["subnet-1".to_owned()], security_group: "sg-1".to_owned(), ..Settings::default() };
    let who = |definitions: &Definitions| places(Some(&settings), definitions);
    assert_eq!(who(&launching(&["t3.small"], &[])), [place(&["subnet-1"])]);
    let own = who(&launching(&["t3.small"], &["subnet-9"]));
    assert_eq!(
        (own.len(), own[1].subnets.as_slice(), own[1].groups.as_slice()),
        (2, &["subnet-9".to_owned()][..], &["sg-1".to_owned()][..])
    );
}

#[test]
fn what_helps_can_be_called_as_it_stands() {
    let globals = globals("--stack images --region eu-central-1 --profile p");
    let mut closed = facts(false, vec![]);
    closed.groups[0].lets_https_out = false;
    let remedy = |name: &str, facts: &Facts| {
        let found = judge(&globals, &[place(&[])], facts).into_iter().find(|one| one.name == name).unwrap();
        found.remedy.unwrap()
    };
    let aws = "`aws --profile p --region eu-central-1 ec2 ";
    assert!(remedy(GROUPS, &closed).starts_with(&format!("{aws}authorize-security-group-egress --group-id sg-1 ")));
    assert!(remedy(WAY_OUT, &closed).contains(&format!("{aws}modify-subnet-attribute --subnet-id subnet-1 ")));
    let without = Facts { default_vpc: None, ..facts(true, vec![]) };
    let told = remedy(SUBNETS, &without);
    assert!(told.contains(&format!("{aws}create-default-vpc`")), "{told}");
    let deploy = "`goldsmith --stack images --profile p --region eu-central-1 deploy";
    assert!(told.contains(&format!("{deploy} --parameter VpcId=VPC ")), "{told}");
    closed.groups.clear();
    assert!(remedy(GROUPS, &closed).contains(&format!("{deploy} --table TABLE`")));
}

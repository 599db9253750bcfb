//! What an instance cannot do to what is around it: root's to the machine, and any to the endpoint. Everything that is tried
//! would change nothing if it worked.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::path::Path;

use common::doors::{Doors, FOUND};
use common::guests::reboot;
use common::guests::{base_image, launch, run, source};
use common::rights::{Rights, again, again_with};
use common::strangers::{LISTENING, Mark, Strangers, has_own_network, mark_tried};
use common::{Client, TestEndpoint, require_or_skip};
use goldsmith_local::Network;
use serde_json::Value;

/// Says what was not refused. Opening without a word written is enough to be refused.
const TRY: &str = "value=$(cat /proc/sys/vm/swappiness)
( echo \"$value\" > /proc/sys/vm/swappiness ) 2> /dev/null && echo sysctl
( : > /proc/sysrq-trigger ) 2> /dev/null && echo sysrq
date -s \"@$(date +%s)\" > /dev/null 2>&1 && echo clock
touch /sys/kernel 2> /dev/null && echo sys
echo \"tried $value\"
grep CapBnd /proc/self/status";
/// Capabilities that no process of an instance has, by number: net_admin, sys_module, sys_rawio, sys_time.
const LOST: [u32; 4] = [12, 16, 17, 25];
/// And some that it has: sys_admin, sys_boot, mknod.
const KEPT: [u32; 3] = [21, 22, 27];

#[tokio::test(flavor = "multi_thread")]
async fn the_machine_cannot_be_set_from_inside() {
    let Some(base) = base_image().await else { return };
    if !require_or_skip(rustix::process::geteuid().is_root(), "root") {
        return;
    }
    let endpoint = TestEndpoint::start(&base, None).await;
    let client = endpoint.client;
    let instance = launch(client, &source(client)).await;
    let swappiness = std::fs::read_to_string("/proc/sys/vm/swappiness").unwrap();
    let said = run(client, &instance, TRY).await;
    let said = said["StandardOutputContent"].as_str().unwrap();
    let (tried, capabilities) = said.split_once("CapBnd:").unwrap();
    assert_eq!(tried, format!("tried {swappiness}"));
    let capabilities = u64::from_str_radix(capabilities.trim(), 16).unwrap();
    assert!(LOST.iter().all(|lost| capabilities & (1 << lost) == 0), "{capabilities:x}");
    assert!(KEPT.iter().all(|kept| capabilities & (1 << kept) != 0), "{capabilities:x}");
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_systemd_nspawn_the_machine_is_not_set_from_inside_either() {
    again(Rights::RootWithoutNspawn, "namespaces", &["the_machine_cannot"]).await;
}

/// Calls of who knows the endpoint's address, and all that is published; what each is answered.
const CALLS: &str = "code() { curl --silent --output /dev/null --write-out '%{http_code} ' \"$@\"; }
code $1/_local/inventory
code --header 'x-goldsmith-local: 1' $1/_local/inventory
code --data '' $1/_local/faults/release
code --data Action=DescribeInstances $1/
scope='Credential=test/20261128/eu-west-1/ec2/aws4_request, SignedHeaders=host, Signature=0'
code --header \"authorization: AWS4-HMAC-SHA256 $scope\" --data Action=DescribeInstances $1/
code --user 000000000000:guessed --aws-sigv4 aws:amz:eu-west-1:ec2 --data Action=DescribeInstances $1/
code --user 000000000000:test --aws-sigv4 aws:amz:eu-west-1:ec2 --data 'Action=DescribeInstances&Version=2016-11-15' $1/
code --header 'host: page.example' $AWS_EC2_METADATA_SERVICE_ENDPOINT/latest/meta-data/";

/// The same for the emulator, where DynamoDB refuses a wrong signature by 400 as on AWS, and for where its function fetches its
/// events, which answers nothing at all.
const CALLS_OF_THE_EMULATOR: &str = "
code $2/_ministack/health
code --header 'x-goldsmith-local: 1' $2/_ministack/health
code --request POST $2/_ministack/reset
code --request OPTIONS --header 'origin: null' $2/
list='x-amz-target: DynamoDB_20120810.ListTables'
code --header \"$list\" --data '{}' $2/
code --user test:test --aws-sigv4 aws:amz:eu-west-1:dynamodb --header \"$list\" --data '{}' $2/
code --user test:guessed --aws-sigv4 aws:amz:eu-west-1:lambda $2/2015-03-31/functions/
code http://$3/2018-06-01/runtime/invocation/next
code --data '{}' http://$3/2018-06-01/runtime/init/error
code --data '{}' http://$3/2018-06-01/runtime/invocation/x/response";

/// The last has been told the secret. From a network of its own the endpoint is not even seen.
fn answers_of_the_endpoint(client: Client) -> &'static str {
    match client.admin("GET", "inventory", &Value::Null)["network"].as_str() {
        Some("own") => "000 000 000 000 000 000 000",
        _ => "403 403 403 401 401 401 200",
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_instance_can_know_does_not_let_it_call_the_endpoint() {
    let Some(base) = base_image().await else { return };
    let best = network_of_who_does_not_call_the_endpoint(&base, None).await;
    // Where the endpoint is not even seen, nothing is refused.
    if best == "own" {
        let again = network_of_who_does_not_call_the_endpoint(&base, Some(Network::Machine)).await;
        assert_eq!(again, "machine");
    }
}

/// The network that the instance had.
async fn network_of_who_does_not_call_the_endpoint(base: &Path, network: Option<Network>) -> Value {
    let endpoint = TestEndpoint::start_in_network(base, network).await;
    let client = endpoint.client;
    let instance = launch(client, &source(client)).await;
    let said = run(client, &instance, &format!("set -- {}\n{CALLS}", client.url())).await;
    assert_eq!(said["StandardOutputContent"], format!("{} 403 ", answers_of_the_endpoint(client)), "{said}");
    let network = client.admin("GET", "inventory", &Value::Null)["network"].take();
    endpoint.end().await;
    network
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_neither_calls_the_emulator_nor_answers_for_functions() {
    let Some(base) = base_image().await else { return };
    let (found, doors) = match std::env::var(FOUND) {
        Ok(found) => (found, None),
        Err(_) => {
            let Some(doors) = Doors::open().await else { return };
            (doors.found(), Some(doors))
        }
    };
    // Its port is there also in a network of its own.
    let emulator = found.split(' ').next().map(str::to_owned);
    let endpoint = TestEndpoint::start(&base, emulator).await;
    let client = endpoint.client;
    let instance = launch(client, &source(client)).await;
    let said =
        run(client, &instance, &format!("set -- {} {found}\n{CALLS}{CALLS_OF_THE_EMULATOR}", client.url())).await;
    let said = said["StandardOutputContent"].as_str().unwrap();
    let expected = format!("{} 403 403 403 403 403 403 400 403 000 000 000 ", answers_of_the_endpoint(client));
    assert_eq!(said, expected);
    doors.inspect(Doors::assert_untouched);
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_cannot_call_the_endpoint_in_any_other_isolation() {
    let doors = if base_image().await.is_some() { Doors::open().await } else { None };
    let found = doors.as_ref().map(Doors::found);
    for (rights, isolation) in [
        (Rights::RootWithoutNspawn, "namespaces"),
        (Rights::UserWithRange, "user-namespace"),
        (Rights::User, "single-uid"),
        (Rights::StrictContainer, "chroot"),
    ] {
        match &found {
            Some(found) => {
                let tests = ["what_an_instance_can_know", "an_instance_neither_calls_the_emulator"];
                again_with(rights, isolation, &tests, &[(FOUND, found)]).await;
            }
            None => again(rights, isolation, &["what_an_instance_can_know"]).await,
        }
    }
    doors.inspect(Doors::assert_untouched);
}

/// What of this machine's loopback answers: the proxy, the metadata, then nothing more, also by another interface; nor can the
/// addresses of metadata be sent to, which to find a route for tells. Arguments: ports of TCP and UDP, and the endpoint.
const CALLS_OF_STRANGERS: &str = "
code() { curl --silent --max-time 10 --output /dev/null --write-out '%{http_code} ' \"$@\"; }
code http://packages.example/
code --request PUT --header 'x-aws-ec2-metadata-token-ttl-seconds: 60' $AWS_EC2_METADATA_SERVICE_ENDPOINT/latest/api/token
code --noproxy '*' http://127.0.0.1:$1/
code --noproxy '*' http://localhost:$1/
other=$(sed -n '2s/[[:space:]].*//p' /proc/net/route)
code --noproxy '*' --interface $other http://127.0.0.1:$1/
code --noproxy '*' --interface $other --max-time 2 tftp://127.0.0.1:$2/x
code $3/
bash -c ': > /dev/udp/127.0.0.1/'$2 && echo found
bash -c 'echo x > /dev/udp/127.0.0.1/'$2
for address in 169.254.169.254 169.254.170.2 169.254.170.23; do
    bash -c \": > /dev/udp/$address/80\" 2> /dev/null && echo \"$address is reached\"
done
grep CapBnd /proc/self/status";
/// Capabilities over a network: net_admin, net_raw.
const OVER_NETWORKS: [u32; 2] = [12, 13];

#[tokio::test(flavor = "multi_thread")]
async fn an_own_network_reaches_only_the_metadata_and_this_machines_proxy() {
    let Ok(listening) = std::env::var(LISTENING) else { return };
    let Some(base) = base_image().await else { return };
    let endpoint = TestEndpoint::start(&base, None).await;
    let client = endpoint.client;
    if has_own_network(client) {
        let instance = launch(client, &source(client)).await;
        let script = format!("set -- {listening} {}\n{CALLS_OF_STRANGERS}", client.url());
        for _ in 0..2 {
            let said = run(client, &instance, &script).await;
            let said = said["StandardOutputContent"].as_str().unwrap();
            let (answers, capabilities) = said.split_once("CapBnd:").unwrap();
            assert_eq!(answers, "200 200 000 000 000 000 000 found\n");
            let capabilities = u64::from_str_radix(capabilities.trim(), 16).unwrap();
            assert!(OVER_NETWORKS.iter().all(|one| capabilities & (1 << one) == 0), "{capabilities:x}");
            reboot(client, &instance).await;
        }
        mark_tried();
    }
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_with_its_own_network_reaches_nothing_else_on_loopback() {
    let strangers = Strangers::open();
    let proxy = strangers.proxy();
    for (rights, isolation) in
        [(Rights::UserWithRange, "user-namespace"), (Rights::User, "single-uid"), (Rights::Container, "single-uid")]
    {
        let mark = Mark::new();
        let more = [(LISTENING, strangers.listening()), ("http_proxy", proxy.clone()), mark.variable()];
        let more = more.each_ref().map(|(name, value)| (*name, value.as_str()));
        if again_with(rights, isolation, &["an_own_network_reaches_only"], &more).await {
            mark.assert_tried(isolation);
        }
    }
    strangers.assert_unheard();
}

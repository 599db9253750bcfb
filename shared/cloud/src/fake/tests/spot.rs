//! Spot requests and their instances.

use jiff::Timestamp;

use super::{fake, launch};
use crate::fake::{FakeCloud, HOME};
use crate::{InstanceState, Launch, Machines, Market};

async fn launched(market: Market) -> (FakeCloud, String, String) {
    let (cloud, _, image) = fake();
    let request = Launch { market, ..launch("t", &image) };
    let instance = cloud.launch(HOME, &request).await.unwrap();
    cloud.settle();
    (cloud, instance.id, instance.spot_request.unwrap())
}

fn stoppable() -> Market {
    Market::StoppableSpot { until: "2999-01-01T00:00:00Z".parse::<Timestamp>().unwrap() }
}

#[tokio::test]
async fn a_persistent_request_launches_again_unless_it_is_cancelled_first() {
    let (cloud, id, request) = launched(stoppable()).await;
    cloud.terminate(HOME, &id).await.unwrap();
    let there = cloud.inventory().region(HOME);
    assert_eq!((there.instances.len(), there.spot_requests.len()), (1, 1));
    let again = there.instances.keys().next().unwrap();
    assert_ne!(*again, id);
    cloud.end(HOME, again, Some(&request)).await.unwrap();
    assert!(cloud.inventory().is_empty());
}

#[tokio::test]
async fn an_instance_stays_until_ec2_knows_its_request() {
    let (cloud, _, image) = fake();
    cloud.pace(|pace| pace.hide_new = 3);
    let request = Launch { market: stoppable(), ..launch("t", &image) };
    let instance = cloud.launch(HOME, &request).await.unwrap();
    let end = || cloud.end(HOME, &instance.id, instance.spot_request.as_deref());
    // Neither can be seen, as if both had ended long ago.
    end().await.unwrap();
    for _ in 0..2 {
        assert!(cloud.instance(HOME, &instance.id).await.unwrap().is_none());
    }
    for _ in 0..2 {
        assert!(end().await.unwrap_err().is_transient(), "the instance can be seen, and its request cannot");
    }
    assert_eq!(cloud.inventory().region(HOME).instances.len(), 1);
    end().await.unwrap();
    cloud.settle();
    assert!(cloud.inventory().is_empty());
}

#[tokio::test]
async fn a_request_that_ec2_does_not_know_yet_is_not_forgotten_with_its_instance() {
    let (cloud, _, image) = fake();
    cloud.pace(|pace| pace.hide_new = 1);
    cloud.next_instance_ends(1, "Server.InternalError: Internal error on launch");
    let request = Launch { market: stoppable(), ..launch("t", &image) };
    let instance = cloud.launch(HOME, &request).await.unwrap();
    for is_shown in [false, true] {
        assert_eq!(cloud.instance(HOME, &instance.id).await.unwrap().is_some(), is_shown);
    }
    let release = || cloud.release(HOME, &instance.id, instance.spot_request.as_deref().unwrap());
    assert!(release().await.unwrap_err().is_transient(), "the instance has ended, but EC2 still shows it");
    assert!(release().await.unwrap());
    assert!(cloud.inventory().is_empty());
}

#[tokio::test]
async fn only_an_instance_of_a_live_persistent_request_can_be_stopped() {
    let (cloud, id, _) = launched(Market::Spot).await;
    assert_eq!(cloud.stop(HOME, &id).await.unwrap_err().code, "UnsupportedOperation");
    let (cloud, id, request) = launched(stoppable()).await;
    cloud.stop(HOME, &id).await.unwrap();
    cloud.settle();
    assert_eq!(cloud.instance(HOME, &id).await.unwrap().unwrap().state, InstanceState::Stopped);
    cloud.cancel_spot_request(HOME, &request).await.unwrap();
    assert!(cloud.instance(HOME, &id).await.unwrap().unwrap().state.is_gone(), "it ends with its request");
    let (cloud, id, request) = launched(stoppable()).await;
    cloud.cancel_spot_request(HOME, &request).await.unwrap();
    assert_eq!(cloud.stop(HOME, &id).await.unwrap_err().code, "UnsupportedOperation");
}

#[tokio::test]
async fn an_interruption_stops_an_instance_of_a_persistent_request() {
    for (market, state) in [(Market::Spot, InstanceState::Terminated), (stoppable(), InstanceState::Stopped)] {
        let (cloud, id, _) = launched(market).await;
        cloud.end_instance(HOME, &id, "Server.SpotInstanceShutdown: Spot instance shutdown");
        cloud.settle();
        assert_eq!(cloud.instance(HOME, &id).await.unwrap().unwrap().state, state);
    }
}

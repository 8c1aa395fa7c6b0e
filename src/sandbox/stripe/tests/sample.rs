//! The objects that a sandbox begins with.

use crate::sandbox::stripe::testing::Caller;

#[tokio::test]
async fn the_sample_is_there_and_quiet() {
    let caller = Caller::start().await;
    caller.stripe.seed_sample();
    for (id, status) in [
        ("pi_sandbox_open", "requires_payment_method"),
        ("pi_sandbox_authorized", "requires_capture"),
        ("pi_sandbox_paid", "succeeded"),
        ("in_sandbox_draft", "draft"),
        ("in_sandbox_open", "open"),
        ("sub_sandbox", "active"),
        ("sub_sandbox_paused", "paused"),
        ("sub_sched_sandbox", "active"),
        ("cs_test_sandbox", "open"),
        ("re_sandbox", "succeeded"),
    ] {
        let object = caller.stripe.object(id).unwrap_or_else(|| panic!("{id} is not there"));
        assert_eq!(object["status"], status, "{object:#}");
        assert_eq!(object["id"], id);
    }
    assert_eq!(caller.stripe.object("sub_sandbox").unwrap()["items"]["data"][0]["id"], "si_sandbox");
    assert_eq!(caller.get("/v1/payment_intents/pi_sandbox_paid").await.ok()["customer"], "cus_sandbox");
    assert!(caller.stripe.open_link("plink_sandbox").is_ok());
    assert!(caller.event_types().is_empty());
}

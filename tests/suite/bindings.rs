//! Who is bound at the first connect, and what a change stops until a person confirms it.

use std::process::Command;
use std::time::Duration;

use paybridge::sandbox::stripe::Fault;
use paybridge::store::{self, Backend, bindings};

use crate::bridge::{Bridge, settings};
use crate::each_backend;
use crate::store::cross;

each_backend!(
    the_account_and_the_org_are_bound_at_the_first_connect,
    another_org_gets_nothing_until_a_person_confirms_it,
    who_sends_to_the_old_org_stops_when_another_is_confirmed_elsewhere,
    the_right_org_and_account_go_on_by_themselves_when_they_are_back,
    another_account_changes_nothing_until_a_person_confirms_it,
    an_exchanged_key_of_the_same_account_is_no_change,
    test_payments_do_not_go_to_a_production_org,
    ids_of_another_orgs_records_are_not_sent,
    an_account_that_may_not_be_known_is_asked_for_less_and_less,
    an_org_of_the_wrong_kind_is_asked_less_and_less_until_a_person_speaks,
);

const CUSTOMER: &str = "Stripe_Customer__c";
const ACCOUNT: &str = "acct_1SandboxPaybridge";
const OTHER_ORG: &str = "00DKj000000paybMAA";
const A_MINUTE: Duration = Duration::from_secs(60);

/// What the program says with these arguments to the service's database, and whether it was content.
async fn paybridge(bridge: &Bridge, arguments: &[&str]) -> (bool, String) {
    let settings = settings(&bridge.database_url, &bridge.stripe.base_url(), &bridge.org.base_url());
    let arguments: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
    let run = move || {
        let program = env!("CARGO_BIN_EXE_paybridge");
        Command::new(program).args(arguments).env_clear().envs(settings).output().unwrap()
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

async fn a_customer(bridge: &Bridge, name: &str) -> String {
    let customer = bridge.at_stripe("/v1/customers", &[("name", name)]).await;
    bridge.deliver().await;
    bridge.drain_for(A_MINUTE).await;
    customer["id"].as_str().unwrap().to_owned()
}

async fn the_account_and_the_org_are_bound_at_the_first_connect(bridge: Bridge) {
    let mut bridge = Bridge::start_unbound(bridge.backend).await;
    let customer = a_customer(&bridge, "Ada").await;
    assert_eq!(bridge.field(CUSTOMER, &customer, "Stripe_Account__c").unwrap(), ACCOUNT);
    let bound = bridge.store().read(bindings::list).await.unwrap();
    let shown: Vec<_> = bound
        .iter()
        .map(|b| (b.party.as_str(), b.name.as_str(), b.identity.as_str(), b.kind.as_str(), b.other.is_some()))
        .collect();
    let org = bridge.org.org_id();
    assert_eq!(
        shown,
        [("salesforce", "main", org.as_str(), "sandbox", false), ("stripe", "main", ACCOUNT, "test", false)]
    );
    assert!(!bound[1].key_hash.is_empty() && !bound[1].key_hash.contains("suite"), "{bound:?}");
    // Known from now on: nobody is asked again.
    let asked =
        |bridge: &Bridge| bridge.stripe.calls().iter().filter(|call| call.path == "/v1/account").count();
    assert_eq!(asked(&bridge), 1);
    bridge.restart().await;
    a_customer(&bridge, "Ben").await;
    assert_eq!(asked(&bridge), 1);
    let (good, said) = paybridge(&bridge, &["bindings", "list"]).await;
    assert!(good && said.contains(&format!("stripe.main = {ACCOUNT} (test), since ")), "{said}");
    assert!(said.contains(&format!("salesforce.main = {org} (sandbox), since ")), "{said}");
}

async fn another_org_gets_nothing_until_a_person_confirms_it(bridge: Bridge) {
    let first = a_customer(&bridge, "Ada").await;
    let old = bridge.org.org_id();
    bridge.org.set_org_id(OTHER_ORG);
    // The commands below sign in by the machine's clock, so this one must stay less than three minutes ahead of it.
    let second = a_customer(&bridge, "Ben").await;
    assert!(bridge.org.record(CUSTOMER, &second).is_none(), "another org got a record");
    assert_eq!(bridge.counts().await.pending, 1, "it waits");
    let (good, said) = paybridge(&bridge, &["check"]).await;
    assert!(
        !good && said.contains(&format!("{OTHER_ORG} (sandbox) answers, but the name is bound to {old}")),
        "{said}"
    );
    let (_, said) = paybridge(&bridge, &["bindings", "list"]).await;
    assert!(said.contains(&format!("{OTHER_ORG} (sandbox) answers instead")), "{said}");
    let (good, said) = paybridge(&bridge, &["bindings", "confirm", "salesforce.main"]).await;
    assert!(good && said.contains(&format!("salesforce.main = {OTHER_ORG} (sandbox)")), "{said}");
    let written = bridge.org.writes(CUSTOMER, &first);
    bridge.drain_for(A_MINUTE).await;
    assert_eq!(bridge.field(CUSTOMER, &second, "Name").unwrap(), "Ben");
    assert_eq!(bridge.org.writes(CUSTOMER, &first), written + 1, "the new org gets what the old one had");
    let (good, said) = paybridge(&bridge, &["bindings", "list"]).await;
    assert!(good && !said.contains("STOPPED"), "{said}");
}

async fn who_sends_to_the_old_org_stops_when_another_is_confirmed_elsewhere(bridge: Bridge) {
    let first = a_customer(&bridge, "Ada").await;
    let now_ms = paybridge::clock::unix_ms(bridge.clock.now());
    let met_by_another_process = move |conn: &mut store::Conn| {
        let bound = bindings::find(conn, "salesforce", "main")?.unwrap();
        bindings::another_answered(conn, &bound, (OTHER_ORG, "sandbox"), now_ms)
    };
    bridge.store().write(met_by_another_process).await.unwrap();
    let (good, said) = paybridge(&bridge, &["bindings", "confirm", "salesforce.main"]).await;
    assert!(good, "{said}");
    let second = a_customer(&bridge, "Ben").await;
    assert!(bridge.org.record(CUSTOMER, &second).is_none(), "the old org got a record");
    assert_eq!(bridge.org.writes(CUSTOMER, &first), 1, "the old org got it again");
    assert_eq!(bridge.counts().await.pending, 2, "both wait for the new org");
    // Only this process is behind; others are at work, and nobody is asked to undo what was confirmed.
    assert_eq!(bridge.stops().await, []);
    let (_, said) = paybridge(&bridge, &["bindings", "list"]).await;
    assert!(!said.contains("answers instead") && !said.contains("STOPPED"), "{said}");
    bridge.org.set_org_id(OTHER_ORG);
    bridge.drain_for(A_MINUTE * 2).await;
    assert_eq!(bridge.counts().await.done, 2);
}

async fn the_right_org_and_account_go_on_by_themselves_when_they_are_back(mut bridge: Bridge) {
    let first = a_customer(&bridge, "Ada").await;
    let (old, account) = (bridge.org.org_id(), ACCOUNT.to_owned());
    bridge.org.set_org_id(OTHER_ORG);
    let second = a_customer(&bridge, "Ben").await;
    assert!(bridge.org.record(CUSTOMER, &second).is_none(), "another org got a record");
    // Whoever wrote the wrong address corrects it.
    bridge.org.set_org_id(&old);
    bridge.drain_for(A_MINUTE).await;
    assert_eq!(bridge.field(CUSTOMER, &second, "Name").unwrap(), "Ben");
    assert_eq!(bridge.org.writes(CUSTOMER, &first), 1, "what arrived there is there");
    bridge.stripe.become_account("acct_other");
    bridge.forget_key().await;
    bridge.restart().await;
    let third = a_customer(&bridge, "Cleo").await;
    assert!(bridge.org.record(CUSTOMER, &third).is_none(), "an event was mapped");
    bridge.stripe.become_account(&account);
    bridge.restart().await;
    bridge.drain_for(A_MINUTE).await;
    assert_eq!(bridge.field(CUSTOMER, &third, "Stripe_Account__c").unwrap(), account);
    let (good, said) = paybridge(&bridge, &["bindings", "list"]).await;
    assert!(good && !said.contains("STOPPED"), "{said}");
}

async fn another_account_changes_nothing_until_a_person_confirms_it(mut bridge: Bridge) {
    a_customer(&bridge, "Ada").await;
    // The key is exchanged for one of another account by mistake.
    bridge.stripe.become_account("acct_other");
    bridge.forget_key().await;
    bridge.restart().await;
    let customer = a_customer(&bridge, "Ben").await;
    assert!(bridge.org.record(CUSTOMER, &customer).is_none(), "an event was mapped");
    let reads = bridge.stripe.calls().iter().filter(|c| c.method == "GET" && c.path != "/v1/account").count();
    assert_eq!(reads, 0, "something was read");
    let (good, said) = paybridge(&bridge, &["check"]).await;
    assert!(
        !good && said.contains("acct_other (test) answers, but the name is bound to acct_1Sandbox"),
        "{said}"
    );
    let (good, said) = paybridge(&bridge, &["bindings", "confirm", "stripe.main"]).await;
    assert!(good, "{said}");
    bridge.drain_for(A_MINUTE).await;
    assert_eq!(bridge.field(CUSTOMER, &customer, "Stripe_Account__c").unwrap(), "acct_other");
}

async fn an_exchanged_key_of_the_same_account_is_no_change(mut bridge: Bridge) {
    a_customer(&bridge, "Ada").await;
    bridge.forget_key().await;
    bridge.restart().await;
    let customer = a_customer(&bridge, "Ben").await;
    assert_eq!(bridge.field(CUSTOMER, &customer, "Stripe_Account__c").unwrap(), ACCOUNT);
}

async fn test_payments_do_not_go_to_a_production_org(bridge: Bridge) {
    let first = a_customer(&bridge, "Ada").await;
    // Somebody says that the org is one that is worked with.
    let (good, said) =
        paybridge(&bridge, &["bindings", "confirm", "salesforce.main", "--as", "production"]).await;
    assert!(good && said.contains("(production)"), "{said}");
    let mut bridge = bridge;
    bridge.restart().await;
    let second = a_customer(&bridge, "Ben").await;
    assert!(bridge.org.record(CUSTOMER, &first).is_some() && bridge.org.record(CUSTOMER, &second).is_none());
    let (good, said) = paybridge(&bridge, &["check"]).await;
    assert!(!good && said.contains("test payments do not go there"), "{said}");
    let (good, said) =
        paybridge(&bridge, &["bindings", "confirm", "salesforce.main", "--as", "sandbox"]).await;
    assert!(good, "{said}");
    bridge.drain_for(A_MINUTE).await;
    assert!(bridge.org.record(CUSTOMER, &second).is_some(), "a word of a person lets it go on");
}

async fn an_account_that_may_not_be_known_is_asked_for_less_and_less(bridge: Bridge) {
    let bridge = Bridge::start_unbound(bridge.backend).await;
    bridge.stripe.at_random(1, 100, &[Fault::MissingPermission]);
    bridge.drain_for(A_MINUTE * 20).await;
    let asked = bridge.stripe.calls().iter().filter(|call| call.path == "/v1/account").count();
    assert!((5..=10).contains(&asked), "asked {asked} times in twenty minutes");
    // The key is given the right.
    bridge.stripe.at_random(1, 0, &[]);
    bridge.drain_for(A_MINUTE * 6).await;
    let bound = bridge.store().read(|conn| bindings::find(conn, "stripe", "main")).await.unwrap();
    assert_eq!(bound.unwrap().identity, ACCOUNT);
}

async fn an_org_of_the_wrong_kind_is_asked_less_and_less_until_a_person_speaks(mut bridge: Bridge) {
    paybridge(&bridge, &["bindings", "confirm", "salesforce.main", "--as", "production"]).await;
    bridge.restart().await;
    bridge.drain_for(A_MINUTE * 20).await;
    let asked = bridge.org.calls().iter().filter(|call| call.path.contains("FROM+Organization")).count();
    assert!((5..=10).contains(&asked), "asked {asked} times in twenty minutes");
    let customer = bridge.a_customer("Ada").await;
    bridge.deliver().await;
    assert!(bridge.org.record(CUSTOMER, &customer).is_none());
    let (good, said) =
        paybridge(&bridge, &["bindings", "confirm", "salesforce.main", "--as", "sandbox"]).await;
    assert!(good, "{said}");
    // Long before the org would have been asked again.
    bridge.clock.advance(Duration::from_secs(6));
    bridge.drain().await;
    assert!(bridge.org.record(CUSTOMER, &customer).is_some());
}

async fn ids_of_another_orgs_records_are_not_sent(bridge: Bridge) {
    a_customer(&bridge, "Ada").await;
    for (org, linked) in [(OTHER_ORG.to_owned(), false), (bridge.org.org_id(), true)] {
        let account = paybridge::sandbox::salesforce::ACCOUNT_ID;
        let form = [("name", "Ben"), ("metadata[sf_account_id]", account), ("metadata[sf_org_id]", &org)];
        let customer = bridge.at_stripe("/v1/customers", &form).await;
        bridge.deliver().await;
        let customer = customer["id"].as_str().unwrap();
        assert_eq!(bridge.field(CUSTOMER, customer, "Account__c").is_some(), linked, "{org}");
    }
}

/// Whoever composes a call while a person confirms another org would send it to the old one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_where_to_send_waits_for_who_is_about_to_confirm() {
    let bridge = Bridge::start(Backend::Postgres).await;
    let old = bridge.org.org_id();
    cross(
        &bridge,
        |conn| bindings::rebind(conn, "salesforce", "main", OTHER_ORG, "sandbox", 1),
        move |conn| {
            assert!(bindings::is_another_org(conn, "main", &old)?);
            Ok(())
        },
        |_conn| Ok(()),
    )
    .await;
}

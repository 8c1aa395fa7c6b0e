//! What people do about dead letters, over HTTP and by command.

use std::process::Command;
use std::time::Duration;

use paybridge::api::Scope;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::bridge::{Bridge, settings};
use crate::each_backend;

each_backend!(
    a_dead_letter_tells_all_about_itself,
    lists_are_filtered_and_come_in_pages,
    after_the_mapping_is_corrected_a_replay_sends_what_it_makes_now,
    an_event_that_could_not_be_mapped_is_previewed_and_replayed,
    what_the_mapping_makes_no_more_is_not_replayed,
    many_are_replayed_by_what_they_have_in_common,
    a_discarded_one_keeps_its_reason_and_leaves_the_list,
    who_may_only_look_may_not_act,
    the_command_line_says_the_same_words,
);

const CUSTOMER: &str = "Stripe_Customer__c";

/// A customer whom the org refuses; the name of its dead letter.
async fn refused(bridge: &mut Bridge, name: &str, code: &str) -> (String, String) {
    bridge.expect_dead_letters();
    let customer = bridge.a_customer(name).await;
    bridge.org.reject_records(&customer, code, "not this one 100%");
    bridge.deliver().await;
    let id = bridge.row(CUSTOMER, &customer).await.id;
    (customer, format!("record:{id}"))
}

async fn get(bridge: &Bridge, path: &str) -> Value {
    let (status, body) = bridge.api("GET", path, None).await;
    assert_eq!(status, 200, "{path}: {body:#}");
    body
}

async fn post(bridge: &Bridge, path: &str, body: Value) -> Value {
    let (status, body) = bridge.api("POST", path, Some(body)).await;
    assert_eq!(status, 200, "{path}: {body:#}");
    body
}

async fn a_dead_letter_tells_all_about_itself(mut bridge: Bridge) {
    let (customer, id) = refused(&mut bridge, "Ada Brandt", "FIELD_CUSTOM_VALIDATION_EXCEPTION").await;
    let list = get(&bridge, "/v1/dead-letters").await;
    assert_eq!(list["deadLetters"].as_array().unwrap().len(), 1, "{list:#}");
    let detail = get(&bridge, &format!("/v1/dead-letters/{id}")).await;
    assert_eq!(detail["deadLetter"], list["deadLetters"][0]);
    let letter = &detail["deadLetter"];
    for (field, value) in [
        ("deadLetterId", json!(id)),
        ("kind", json!("record")),
        ("objectName", json!(CUSTOMER)),
        ("stripeId", json!(customer)),
        ("code", json!("FIELD_CUSTOM_VALIDATION_EXCEPTION")),
        ("message", json!("not this one 100%")),
        ("attempts", json!(1)),
        ("discarded", json!(false)),
    ] {
        assert_eq!(letter[field], value, "{field}: {detail:#}");
    }
    assert!(detail["payload"].as_str().unwrap().contains("Ada Brandt"), "{detail:#}");
    assert_eq!(detail["history"][0]["outcome"], "dead", "{detail:#}");
    assert_eq!(detail["history"][0]["mappingVersion"], detail["mappingVersion"], "{detail:#}");
    assert!(!detail["mappingVersion"].as_str().unwrap().is_empty(), "{detail:#}");
    let preview = get(&bridge, &format!("/v1/dead-letters/{id}/preview")).await;
    assert_eq!(preview["records"][0]["differences"], "", "the mapping is as it was: {preview:#}");
    for nothing in ["record:999", "event:1", "record", "row:1"] {
        for tail in ["", "/preview"] {
            let (status, body) = bridge.api("GET", &format!("/v1/dead-letters/{nothing}{tail}"), None).await;
            assert_eq!((status, &body["code"]), (404, &json!("resource_missing")), "{body:#}");
        }
    }
}

async fn lists_are_filtered_and_come_in_pages(mut bridge: Bridge) {
    let (first, first_id) = refused(&mut bridge, "Ada", "STRING_TOO_LONG").await;
    let odd = json!({"id": "evt_odd", "object": "event", "type": "customer.updated", "created": 1_795_000_000,
        "livemode": false, "api_version": "2026-10-28.endive", "data": {"object": {"id": "cus_odd", "object": "customer"}}});
    assert_eq!(bridge.receive(&odd.to_string()).await.status, 200);
    bridge.drain().await;
    bridge.clock.advance(Duration::from_secs(7_200));
    let (_, second_id) = refused(&mut bridge, "Bo", "FIELD_CUSTOM_VALIDATION_EXCEPTION").await;
    let event_id = "event:2";
    let ids = async |query: &str| -> Vec<String> {
        let list = get(&bridge, &format!("/v1/dead-letters?{query}")).await;
        let letters = list["deadLetters"].as_array().unwrap().clone();
        letters.iter().map(|letter| letter["deadLetterId"].as_str().unwrap().to_owned()).collect()
    };
    let all = ids("").await;
    assert_eq!(all, [event_id, &first_id, &second_id], "events first, then the longest waiting");
    for (query, expected) in [
        ("kind=record", vec![&*first_id, &*second_id]),
        ("kind=event", vec![event_id]),
        ("objectName=Stripe_Customer__c", vec![&*first_id, &*second_id]),
        ("objectName=customer", vec![event_id]),
        ("objectName=Stripe_Charge__c", vec![]),
        ("code=STRING_TOO_LONG", vec![&*first_id]),
        ("code=STRING_TOO", vec![]),
        ("code=NOT_MAPPED", vec![event_id]),
        ("since=1h", vec![&*second_id]),
        ("since=2020-01-01&kind=record", vec![&*first_id, &*second_id]),
        ("text=THIS%20one", vec![&*first_id, &*second_id]),
        ("text=100%25", vec![&*first_id, &*second_id]),
        ("text=n%25t", vec![]),
        ("text=CUS_ODD", vec![event_id]),
        (&format!("text={first}"), vec![&*first_id]),
    ] {
        assert_eq!(ids(query).await, expected, "{query}");
    }
    let mut paged = Vec::new();
    let mut page = String::new();
    for _ in 0..3 {
        let list = get(&bridge, &format!("/v1/dead-letters?pageSize=1{page}")).await;
        paged.push(list["deadLetters"][0]["deadLetterId"].as_str().unwrap().to_owned());
        page = format!("&page={}", list["nextPage"].as_str().unwrap_or_default());
    }
    assert_eq!((paged, page.as_str()), (all, "&page="));
    for (query, field) in [
        ("since=soon", "since"),
        ("kind=row", "kind"),
        ("pageSize=0", "pageSize"),
        ("page=x", "page"),
        ("objekt=x", "objekt"),
    ] {
        let (status, body) = bridge.api("GET", &format!("/v1/dead-letters?{query}"), None).await;
        assert_eq!((status, &body["errors"][0]["field"]), (422, &json!(field)), "{body:#}");
    }
}

async fn after_the_mapping_is_corrected_a_replay_sends_what_it_makes_now(mut bridge: Bridge) {
    let (customer, id) = refused(&mut bridge, "A name that is far too long", "STRING_TOO_LONG").await;
    bridge.org.pardon(&customer);
    bridge.restart_with_mapping("[customer.fields]\nName = { text = \"id\" }\nDelinquent__c = false\n").await;
    let preview = get(&bridge, &format!("/v1/dead-letters/{id}/preview")).await;
    let differences = preview["records"][0]["differences"].as_str().unwrap();
    assert_eq!(
        differences,
        format!("Delinquent__c: false → (not sent)\nName: \"A name that is far too long\" → \"{customer}\""),
        "{preview:#}"
    );
    assert!(bridge.org.record(CUSTOMER, &customer).is_none(), "a preview sends nothing");
    let before = get(&bridge, &format!("/v1/dead-letters/{id}")).await;
    let done = post(&bridge, &format!("/v1/dead-letters/{id}/replay"), json!({})).await;
    assert_eq!((&done["outcome"], &done["remade"]), (&json!("replayed"), &json!(true)), "{done:#}");
    bridge.drain().await;
    assert_eq!(bridge.field(CUSTOMER, &customer, "Name").as_deref(), Some(&*customer));
    let row = bridge.row(CUSTOMER, &customer).await;
    assert_eq!(row.mapping_version, preview["mappingVersion"].as_str().unwrap());
    assert_ne!(row.mapping_version, before["mappingVersion"].as_str().unwrap());
    assert_eq!(bridge.attempts(row.id).await[0].outcome, "replayed");
    let (status, body) = bridge.api("POST", &format!("/v1/dead-letters/{id}/replay"), Some(json!({}))).await;
    assert_eq!(status, 404, "it is none any more: {body:#}");
}

async fn an_event_that_could_not_be_mapped_is_previewed_and_replayed(mut bridge: Bridge) {
    bridge.expect_dead_letters();
    let customer = bridge.a_customer("Ada Brandt").await;
    let mut event = bridge.stripe.events().remove(0);
    event["id"] = "evt_of_another_shape".into();
    event["data"]["object"]["description"].take();
    event["data"]["object"].as_object_mut().unwrap().remove("description");
    assert_eq!(bridge.receive(&event.to_string()).await.status, 200);
    bridge.drain().await;
    let list = get(&bridge, "/v1/dead-letters?kind=event").await;
    let letter = &list["deadLetters"][0];
    assert!(letter["message"].as_str().unwrap().contains("missing field `description`"), "{list:#}");
    let path = format!("/v1/dead-letters/{}", letter["deadLetterId"].as_str().unwrap());
    assert!(get(&bridge, &path).await["payload"].as_str().unwrap().contains("evt_of_another_shape"));
    let preview = get(&bridge, &format!("{path}/preview")).await;
    assert_eq!(
        (&preview["replayable"], &preview["note"]),
        (&json!(false), &letter["message"]),
        "{preview:#}"
    );
    bridge.restart_with_mapping("[customer.fields]\nDescription__c = false\n").await;
    let preview = get(&bridge, &format!("{path}/preview")).await;
    assert_eq!(
        (&preview["replayable"], &preview["records"][0]["stripeId"]),
        (&json!(true), &json!(customer)),
        "{preview:#}"
    );
    post(&bridge, &format!("{path}/replay"), json!({})).await;
    bridge.drain().await;
    assert_eq!(bridge.field(CUSTOMER, &customer, "Name").as_deref(), Some("Ada Brandt"));
    assert_eq!(get(&bridge, "/v1/dead-letters").await["deadLetters"], json!([]));
}

async fn what_the_mapping_makes_no_more_is_not_replayed(mut bridge: Bridge) {
    let (customer, id) = refused(&mut bridge, "Ada", "STRING_TOO_LONG").await;
    bridge.restart_with_mapping("[customer]\nwhen = { event.type = \"customer.deleted\" }\n").await;
    let (status, body) = bridge.api("POST", &format!("/v1/dead-letters/{id}/replay"), Some(json!({}))).await;
    assert_eq!((status, &body["code"]), (422, &json!("not_replayable")), "{body:#}");
    let many = post(&bridge, "/v1/dead-letters/replay", json!({"everything": true})).await;
    assert_eq!((&many["replayedCount"], &many["refusedCount"]), (&json!(0), &json!(1)), "{many:#}");
    bridge.drain().await;
    assert_eq!(bridge.row(CUSTOMER, &customer).await.state, "dead");
}

async fn many_are_replayed_by_what_they_have_in_common(mut bridge: Bridge) {
    let mut customers = Vec::new();
    for number in 0..120 {
        let customer = bridge.a_customer(&format!("Customer {number}")).await;
        bridge.org.reject_records(&customer, "STRING_TOO_LONG", "x");
        customers.push(customer);
    }
    let (other, _) = refused(&mut bridge, "Bo", "FIELD_CUSTOM_VALIDATION_EXCEPTION").await;
    assert_eq!(bridge.counts().await.dead, 121);
    customers.iter().chain([&other]).for_each(|customer| bridge.org.pardon(customer));
    let (status, body) = bridge.api("POST", "/v1/dead-letters/replay", Some(json!({}))).await;
    assert_eq!((status, &body["errors"][0]["field"]), (422, &json!("everything")), "{body:#}");
    // On a busy machine it takes more than one request's time.
    let mut replayed = 0;
    loop {
        let many = post(&bridge, "/v1/dead-letters/replay", json!({"code": "STRING_TOO_LONG"})).await;
        replayed += many["replayedCount"].as_i64().unwrap();
        if many["moreRemain"] == false {
            break;
        }
    }
    assert_eq!(replayed, 120);
    bridge.drain().await;
    assert_eq!(bridge.counts().await.dead, 1);
    assert!(bridge.org.record(CUSTOMER, &customers[119]).is_some());
    assert!(bridge.org.record(CUSTOMER, &other).is_none());
}

async fn a_discarded_one_keeps_its_reason_and_leaves_the_list(mut bridge: Bridge) {
    let (customer, id) = refused(&mut bridge, "Ada", "STRING_TOO_LONG").await;
    let path = format!("/v1/dead-letters/{id}");
    let (status, body) = bridge.api("POST", &format!("{path}/discard"), Some(json!({}))).await;
    assert_eq!((status, &body["errors"][0]["field"]), (422, &json!("reason")), "{body:#}");
    post(&bridge, &format!("{path}/discard"), json!({"reason": "a test customer"})).await;
    assert_eq!(get(&bridge, "/v1/dead-letters").await["deadLetters"], json!([]));
    let detail = get(&bridge, &path).await;
    assert_eq!(detail["deadLetter"]["discarded"], true, "{detail:#}");
    let told = detail["history"][0]["message"].as_str().unwrap();
    assert!(told.starts_with("a test customer (discarded by "), "{told}");
    bridge.org.pardon(&customer);
    post(&bridge, &format!("{path}/replay"), json!({})).await;
    bridge.drain().await;
    assert!(bridge.org.record(CUSTOMER, &customer).is_some(), "a change of mind is possible");
}

async fn who_may_only_look_may_not_act(mut bridge: Bridge) {
    let (_, id) = refused(&mut bridge, "Ada", "STRING_TOO_LONG").await;
    let http = reqwest::Client::new();
    for (scope, look, act) in [(Scope::OpsRead, 200, 403), (Scope::PaymentsWrite, 403, 403)] {
        let token = bridge.key(&[scope]).await;
        let ask = async |method: &str, path: &str| {
            let request = http
                .request(method.parse().unwrap(), bridge.url(path))
                .json(&json!({"reason": "x", "text": "x"}));
            request.bearer_auth(token.expose_secret()).send().await.unwrap().status().as_u16()
        };
        for path in
            ["/v1/dead-letters", &format!("/v1/dead-letters/{id}"), &format!("/v1/dead-letters/{id}/preview")]
        {
            assert_eq!(ask("GET", path).await, look, "{scope} {path}");
        }
        for path in ["replay", &format!("{id}/replay"), &format!("{id}/discard")] {
            assert_eq!(ask("POST", &format!("/v1/dead-letters/{path}")).await, act, "{scope} {path}");
        }
    }
}

async fn the_command_line_says_the_same_words(mut bridge: Bridge) {
    let (customer, id) = refused(&mut bridge, "Ada Brandt", "STRING_TOO_LONG").await;
    let (_, other) = refused(&mut bridge, "Bo", "FIELD_CUSTOM_VALIDATION_EXCEPTION").await;
    let say = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_paybridge"))
            .arg("dead-letters")
            .args(arguments)
            .current_dir(std::env::temp_dir())
            .env_clear()
            .envs(settings(&bridge.database_url, "http://127.0.0.1:9", "http://127.0.0.1:9"))
            .output()
            .unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.success(), text)
    };
    let (good, said) = say(&[
        "list",
        "--object",
        CUSTOMER,
        "--code",
        "STRING_TOO_LONG",
        "--since",
        "7d",
        "--text",
        &customer,
    ]);
    assert!(
        good && said.contains(&format!("{id}  {CUSTOMER}  {customer}")) && said.contains("1 in all"),
        "{said}"
    );
    let (good, said) = say(&["show", &id]);
    assert!(good && said.contains("not this one 100%") && said.contains("Ada Brandt"), "{said}");
    let (good, said) = say(&["preview", &id]);
    assert!(good && said.contains("by mapping ") && said.contains("\"Name\":\"Ada Brandt\""), "{said}");
    assert!(!say(&["replay"]).0, "nothing is replayed without saying what");
    assert!(!say(&["replay", "record:99999"]).0);
    bridge.org.pardon(&customer);
    let (good, said) = say(&["replay", "--code", "STRING_TOO_LONG"]);
    assert!(good && said.contains("1 are due again"), "{said}");
    // The command goes by the machine's clock.
    bridge.clock.advance(Duration::from_secs(3_600));
    bridge.drain().await;
    assert!(bridge.org.record(CUSTOMER, &customer).is_some());
    let (good, said) = say(&["discard", &other, "--reason", "entered by hand"]);
    assert!(good && said.contains("set aside"), "{said}");
    assert!(say(&["list"]).1.contains("0 in all"));
    assert!(
        say(&["show", &other]).1.contains("entered by hand (discarded by command:"),
        "{}",
        say(&["show", &other]).1
    );
}

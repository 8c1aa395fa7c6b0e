//! What an attacker would try from outside: over real HTTP, against the whole service.

use std::path::Path;
use std::time::Duration;

use paybridge::api::Scope;
use paybridge::store::Backend;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::bridge::{Bridge, STRIPE_KEY, WEBHOOK_SECRET, database, keys, sign};
use crate::each_backend;
use crate::patience::{FOREVER, until};
use crate::process::Service;

each_backend!(
    a_captured_webhook_is_worth_nothing_elsewhere_or_later,
    what_is_no_plain_text_reaches_salesforce_as_text,
);

const CUSTOMER: &str = r#"{"id":"cus_1","object":"customer","created":1795000000,"livemode":false,"balance":0,"email":null,"description":null,"metadata":{},"name":"Ada"}"#;

fn event(id: &str, kind: &str, object: &str) -> String {
    format!(
        r#"{{"id":"{id}","object":"event","type":"{kind}","api_version":"2026-10-28.endive","created":1795190000,"livemode":false,"data":{{"object":{object}}}}}"#
    )
}

async fn a_captured_webhook_is_worth_nothing_elsewhere_or_later(mut bridge: Bridge) {
    let own = [
        ("STRIPE__FRANCE__SECRET_KEY", "sk_test_france"),
        ("STRIPE__FRANCE__WEBHOOK_SECRETS", "whsec_france"),
        ("STRIPE__FRANCE__TIMEOUT_MS", "1000"),
    ];
    bridge.restart_with(&own).await;
    let body = event("evt_1", "customer.updated", CUSTOMER);
    let now = bridge.clock.now().unix_timestamp();
    let captured = sign(body.as_bytes(), now, WEBHOOK_SECRET);
    let send = async |bridge: &Bridge, path: &str, header: &str, body: &str| {
        bridge.post(path, Some(header), body.as_bytes().to_vec()).await
    };
    assert_eq!(send(&bridge, "/webhooks/stripe", &captured, &body).await.status, 200);
    bridge.drain().await;
    let writes = bridge.org.writes("Stripe_Customer__c", "cus_1");
    // At once it is a duplicate, and nothing happens again.
    let again = send(&bridge, "/webhooks/stripe/main", &captured, &body).await;
    assert_eq!((again.status, again.body.contains("duplicate")), (200, true), "{again:?}");
    bridge.drain().await;
    assert_eq!(bridge.org.writes("Stripe_Customer__c", "cus_1"), writes);
    // Another account has other secrets; another body or time has another signature.
    let renamed = body.replace("Ada", "Eve");
    let elsewhere = send(&bridge, "/webhooks/stripe/france", &captured, &body).await;
    let changed = send(&bridge, "/webhooks/stripe", &captured, &renamed).await;
    bridge.clock.advance(Duration::from_secs(301));
    let late = send(&bridge, "/webhooks/stripe", &captured, &body).await;
    let renewed = captured.replacen(&now.to_string(), &(now + 301).to_string(), 1);
    let renewed = send(&bridge, "/webhooks/stripe", &renewed, &body).await;
    for answer in [elsewhere, changed, late, renewed] {
        assert!(answer.status == 400 && answer.body.contains("signature_invalid"), "{answer:?}");
    }
    assert_eq!(bridge.stored_events().await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_of_callers_stays_text_at_stripe() {
    let bridge = Bridge::start(Backend::Sqlite).await;
    let nasty = [
        "a\r\nStripe-Account: acct_2\r\n\r\n",
        "1&metadata[sf_record_id]=006000000000000AAA&amount=1",
        "%26amount%3D1",
        "${jndi:ldap://127.0.0.1/}",
        "<script>alert(1)</script>",
        "'; DROP TABLE claims; --",
        "\u{0}\u{202e}\u{feff}",
        "=cmd|' /C calc'!A0",
    ];
    for text in nasty {
        let body = json!({ "name": text, "metadata": [{ "key": "a&b=c\r\nd", "value": text }] });
        let (status, made) = bridge.api("POST", "/v1/customers", Some(body)).await;
        assert_eq!(status, 201, "{made:#}");
        let kept = bridge.stripe.object(made["stripeId"].as_str().unwrap()).unwrap();
        assert_eq!(kept["name"], text);
        assert_eq!(kept["metadata"], json!({ "a&b=c\r\nd": text }));
    }
    // What would be more than text is refused before Stripe is asked.
    let before = bridge.stripe.calls().len();
    let body = |key: &str| Some(json!({ "metadata": [{ "key": key, "value": "x" }] }));
    for key in ["a][sf_record_id", "a[b]", "sf_record_id"] {
        assert_eq!(bridge.api("POST", "/v1/customers", body(key)).await.0, 422, "{key}");
    }
    for key in ["a\r\nStripe-Account: acct_2", "a\u{0}", "é"] {
        let body = json!({ "idempotencyKey": key });
        assert_eq!(bridge.api("POST", "/v1/customers", Some(body)).await.0, 422, "{key}");
    }
    for id in [
        "..%2Faccount",
        "cus_1%3Fexpand%5B%5D=data",
        "cus_1%2F..%2F..",
        "cus_1%0d%0aX-A:%20b",
        "%2e%2e",
        "cus_1%23",
    ] {
        let (status, answer) =
            bridge.api("PATCH", &format!("/v1/customers/{id}"), Some(json!({ "name": "x" }))).await;
        assert!((400..500).contains(&status), "{id}: {answer:#}");
        let (status, answer) = bridge.api("GET", &format!("/v1/customers/{id}"), None).await;
        assert!((400..500).contains(&status), "{id}: {answer:#}");
    }
    let calls = bridge.stripe.calls();
    assert!(calls.len() == before, "{:#?}", &calls[before..]);
}

async fn what_is_no_plain_text_reaches_salesforce_as_text(mut bridge: Bridge) {
    bridge.expect_dead_letters();
    let name = r#"\"}]}},{\"method\":\"DELETE\",\"url\":\"/services/data/v66.0/sobjects/Account/001"#;
    let said = name.replace('\\', "");
    let ids = [
        "cus_'OR'1'='1",
        "cus_%0d%0aX:y",
        "cus_/../../sobjects/Account",
        "cus_?x=1#y",
        r#"cus_\"}],\"x\":[{"#,
    ];
    for (number, id) in ids.iter().enumerate() {
        let object = CUSTOMER.replace("cus_1", id).replace("Ada", name);
        assert_eq!(
            bridge.receive(&event(&format!("evt_{number}"), "customer.updated", &object)).await.status,
            200
        );
    }
    // A charge of a customer that is none, which would have to be read from Stripe.
    let paid = bridge.a_payment("4900", "usd").await;
    let charged =
        bridge.stripe.events().into_iter().find(|event| event["type"] == "charge.succeeded").unwrap();
    let charged =
        charged.to_string().replace(&paid.customer, "../account").replace(&paid.intent, "../events?limit=1");
    assert_eq!(bridge.receive(&charged).await.status, 200);
    let before = bridge.stripe.calls().len();
    bridge.drain_for(Duration::from_secs(120)).await;
    for id in ids {
        let id = id.replace('\\', "");
        assert_eq!(bridge.field("Stripe_Customer__c", &id, "Name").as_deref(), Some(said.as_str()), "{id}");
    }
    // Whatever was in them, it was in the body of what we always send.
    for call in bridge.org.calls() {
        let always = ["/services/oauth2/token", "/services/data/v66.0/composite"];
        assert!(call.method == "POST" && always.contains(&call.path.as_str()), "{call:?}");
    }
    for call in &bridge.stripe.calls()[before..] {
        assert!(!call.path.contains("account") && !call.path.contains("events"), "{call:?}");
    }
}

/// Sends a little and then, again and again, a little more, until the other side has had enough. Gives what it answered.
async fn drip(address: &str, begin: &str, more: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(begin.as_bytes()).await.unwrap();
    let (mut answer, mut pace) = (Vec::new(), tokio::time::interval(Duration::from_millis(300)));
    loop {
        let mut buffer = [0; 4_096];
        tokio::select! {
            read = stream.read(&mut buffer) => match read {
                Ok(0) | Err(_) => return String::from_utf8(answer).unwrap(),
                Ok(length) => answer.extend_from_slice(&buffer[..length]),
            },
            _ = pace.tick() => drop(stream.write_all(more.as_bytes()).await),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sends_slowly_is_cut_off() {
    let bridge = Bridge::start(Backend::Sqlite).await;
    let address = bridge.url("").trim_start_matches("http://").to_owned();
    let key = bridge.key(&[Scope::PaymentsWrite]).await;
    let key = key.expose_secret();
    let head =
        |method: &str, path: &str, more: &str| format!("{method} {path} HTTP/1.1\r\nHost: bridge\r\n{more}");
    let length = "Content-Length: 1000\r\n\r\n";
    let json = format!("Authorization: Bearer {key}\r\nContent-Type: application/json\r\n{length}");
    let form = format!("Content-Type: application/x-www-form-urlencoded\r\n{length}");
    let chunked = "Transfer-Encoding: chunked\r\n\r\n";
    let slow = [
        ("nothing", String::new(), "", "408"),
        ("a head", head("GET", "/healthz", ""), "X: y\r\n", "408"),
        ("an event", head("POST", "/webhooks/stripe", length), "x", "408"),
        ("a form", head("POST", "/oauth/token", &form), "x", "400"),
        ("a request", head("POST", "/v1/customers", &json), " ", "504"),
        ("a request without a key", head("POST", "/v1/customers", length), " ", "401"),
        ("a body nobody reads", head("GET", "/healthz", length), " ", "200"),
        (
            "another head",
            format!("{}{}", head("GET", "/healthz", "\r\n"), head("GET", "/healthz", "")),
            "X: y\r\n",
            "200",
        ),
        ("chunks nobody reads", head("GET", "/healthz", chunked), "1\r\nx\r\n", "200"),
        ("chunks for nobody", head("POST", "/docs/", chunked), "1\r\nx\r\n", "404"),
    ];
    let slow = slow.map(|(what, begin, more, status)| {
        let address = address.clone();
        tokio::spawn(async move {
            let answer = tokio::time::timeout(FOREVER, drip(&address, &begin, more)).await;
            let answer = answer.unwrap_or_else(|_| panic!("{what}: the connection is still open"));
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{what}: {answer}");
        })
    });
    for one in slow {
        one.await.unwrap();
    }
    assert_eq!(bridge.receive(&event("evt_1", "customer.updated", CUSTOMER)).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_of_connections_takes_no_more_than_its_share() {
    let directory = tempfile::tempdir().unwrap();
    let url = database(Backend::Sqlite, &directory);
    let mut service = Service::start_with(&url, &[("PAYBRIDGE__SERVER__MAX_CONNECTIONS", "16")]);
    // Each worker rounds up, and a connection may be on its way to it.
    let share = 16..=16 + 2 * std::thread::available_parallelism().unwrap().get();
    let mut crowd = Vec::new();
    for _ in 0..2 * share.end() {
        crowd.push(TcpStream::connect(&service.address).await.unwrap());
    }
    // Somebody with a request comes behind all of them.
    let mut last = tokio::spawn(reqwest::get(format!("http://{}/healthz", service.address)));
    let mut most = 0;
    let answer = tokio::time::timeout(FOREVER, async {
        loop {
            most = most.max(service.connections());
            if let Ok(answer) = tokio::time::timeout(Duration::from_millis(20), &mut last).await {
                return answer.unwrap().unwrap();
            }
        }
    });
    assert_eq!(answer.await.expect("the last one never had its turn").status(), 200);
    assert!(share.contains(&most), "{most} of {} connections, of which 16 may be open", crowd.len());
    drop(crowd);
    service.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn browsers_are_told_to_do_nothing_but_show() {
    let bridge = Bridge::start(Backend::Sqlite).await;
    let http = reqwest::Client::new();
    let foreign = |path: &str| http.get(bridge.url(path)).header("Origin", "https://elsewhere.example");
    for (path, policy) in [
        ("/docs/index.html", "default-src 'self'"),
        ("/openapi.json", "default-src 'none'"),
        ("/v1/customers/cus_1", "default-src 'none'"),
        ("/nothing", "default-src 'none'"),
        ("/healthz", "default-src 'none'"),
    ] {
        let answer = foreign(path).send().await.unwrap();
        let header =
            |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap()).unwrap_or_default();
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        let told = header("content-security-policy");
        assert!(told.starts_with(policy) && told.ends_with("frame-ancestors 'none'"), "{path}: {told}");
        assert_eq!(header("cache-control") == "no-store", path.starts_with("/v1"), "{path}");
        for name in ["access-control-allow-origin", "server", "x-powered-by", "set-cookie"] {
            assert_eq!(header(name), "", "{path}: {name}");
        }
    }
    for method in ["TRACE", "CONNECT", "OPTIONS", "BREW"] {
        let request = http.request(method.parse().unwrap(), bridge.url("/v1/customers"));
        if let Ok(answer) = request.send().await {
            assert!(answer.status().is_client_error(), "{method}: {}", answer.status());
        }
    }
}

/// What stands for a customer's data, and must be in no log.
const PRIVATE: [&str; 6] =
    ["Adelheid Geheim", "adelheid@geheim.example", "+49 40 987654", "Geheimweg 7", "Kuchenrezept", "22089"];

/// Runs the real program between both stand-ins and gives its log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_full_run_no_secret_and_nothing_personal_is_in_the_log() {
    let mut bridge = Bridge::start(Backend::Sqlite).await;
    bridge.expect_dead_letters();
    let key = bridge.key(&Scope::ALL).await.expose_secret().to_owned();
    let (stripe, org) = (bridge.stripe.base_url(), bridge.org.base_url());
    let mut service = Service::start_with(
        &bridge.database_url,
        &[
            ("PAYBRIDGE__STRIPE__MAIN__API_BASE", &stripe),
            ("PAYBRIDGE__SALESFORCE__MAIN__LOGIN_URL", &org),
            ("PAYBRIDGE__LOG__LEVEL", "trace"),
            ("PAYBRIDGE__AUTH__TOKEN_SECRETS", "a-secret-that-signs-tokens-and-is-in-no-log"),
        ],
    );
    bridge.stripe.deliver_to(format!("http://{}/webhooks/stripe", service.address));
    let http = reqwest::Client::new();
    let base = format!("http://{}", service.address);
    let api = async |path: &str, body: Value| {
        let answer = http.post(format!("{base}{path}")).bearer_auth(&key).json(&body).send().await.unwrap();
        answer.json::<Value>().await.unwrap()
    };
    let [name, email, phone, street, note, postal_code] = PRIVATE;
    let customer = api(
        "/v1/customers",
        json!({ "name": name, "email": email, "phone": phone, "addressLine1": street, "description": note,
                "addressPostalCode": postal_code, "addressCountry": "DE", "addressCity": "Hamburg" }),
    )
    .await;
    let customer = customer["stripeId"].as_str().unwrap_or_else(|| panic!("{customer:#}")).to_owned();
    let refused = api("/v1/customers", json!({ "name": name, "email": email.replace('@', " ") })).await;
    assert_eq!(refused["status"], 422);
    let pay = |card: &str| {
        json!({ "amount": "49.00", "currencyCode": "EUR", "customerId": customer, "paymentMethodId": card,
                "confirm": true, "description": note, "receiptEmail": email })
    };
    let paid = api("/v1/payment-intents", pay("pm_card_visa")).await;
    let secret = paid["clientSecret"].as_str().unwrap_or_default().to_owned();
    api("/v1/payment-intents", pay("pm_card_visa_chargeDeclined")).await;
    // Salesforce quotes what it does not like.
    let quoting = format!("Name: data value too large: {name} {email} (max length=80)");
    bridge.org.reject_records(&customer, "STRING_TOO_LONG", &quoting);
    assert!(!bridge.stripe.deliver_pending().await.is_empty());
    // Events that cannot be mapped or read, and one that would write a line of its own.
    let odd = |id: &str, from: &str, to: &str| event(id, "customer.updated", &CUSTOMER.replace(from, to));
    let forged = r#""metadata":{"sf_account_id":"x\n1999-12-31T23:59:59Z ERROR all is lost\u001b[2J"}"#;
    let text = format!(r#""email":{{"address":"{email}"}}"#);
    for (body, status) in [
        (odd("evt_unfit", r#""name":"Ada""#, &format!(r#""name":{{"full":"{name}"}}"#)), 200),
        (odd("evt_email", r#""email":null"#, &text), 200),
        (odd("evt_forged", r#""metadata":{}"#, forged), 200),
        (odd("evt_bad", "x", "x").replace("1795190000", &format!("\"{email}\"")), 400),
        (odd("evt_kind", "x", "x").replace(r#""object":"event""#, &format!(r#""object":"{name}""#)), 400),
    ] {
        let header = sign(body.as_bytes(), OffsetDateTime::now_utc().unix_timestamp(), WEBHOOK_SECRET);
        let sent = http.post(format!("{base}/webhooks/stripe")).header("Stripe-Signature", header).body(body);
        assert_eq!(sent.send().await.unwrap().status(), status);
    }
    let unsigned = http.post(format!("{base}/webhooks/stripe")).header("Stripe-Signature", "t=1,v1=00");
    assert_eq!(unsigned.body(PRIVATE.join(" ")).send().await.unwrap().status(), 400);
    // All of it has had its effect when the log says so.
    let happened = [
        "signed in to Salesforce",
        "delivery attempted",
        "dead letter",
        "event dead-lettered",
        "mapping: Account__c",
        "webhook refused",
    ];
    let log = || service.log.lock().unwrap().clone();
    until("the log tells of all of it", async || happened.iter().all(|line| log().contains(line))).await;
    service.stop();

    let log = service.log.lock().unwrap().clone();
    let pem: Vec<&str> = keys().private_pem.lines().filter(|line| !line.starts_with("---")).collect();
    let key_secret = key.rsplit('_').next().unwrap();
    // The last two: how JSON Web Tokens begin, and what is in each session of Salesforce.
    let secrets =
        [key_secret, secret.as_str(), STRIPE_KEY, WEBHOOK_SECRET, "a-secret-that-signs", "eyJ", "!AQ"];
    for hidden in PRIVATE.iter().chain(&secrets).chain(&pem).filter(|text| !text.is_empty()) {
        let found = log.lines().find(|line| line.contains(hidden));
        assert!(found.is_none(), "`{hidden}` is in the log: {}", found.unwrap_or_default());
    }
    assert!(secret.len() > 10, "{paid:#}");
    assert!(!log.lines().any(|line| line.starts_with("1999-12-31T23:59:59Z ERROR")), "a forged line");
    assert!(!log.contains('\u{1b}'), "a control sequence for terminals");
}

/// Where something secret is compared, it is done in the same time wherever the difference is.
#[test]
fn secrets_are_compared_in_constant_time() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let read = |file: &str| std::fs::read_to_string(root.join(file)).unwrap();
    assert!(read("webhooks/signature.rs").contains(".verify_slice("));
    assert!(read("auth/callers.rs").contains(".ct_eq("));
    let files = std::fs::read_dir(root.join("auth")).unwrap().map(|entry| entry.unwrap().path());
    for path in
        files.chain(["webhooks/signature.rs", "api/oauth.rs", "api/auth.rs"].map(|file| root.join(file)))
    {
        let source = std::fs::read_to_string(&path).unwrap();
        let code = source.split("#[cfg(test)]").next().unwrap();
        let secret = |line: &&str| {
            (line.contains("==") || line.contains("!="))
                && ["secret", "hash", "signature", "mac", "expose"].iter().any(|word| line.contains(word))
        };
        let found: Vec<&str> = code.lines().filter(secret).collect();
        assert!(found.is_empty(), "{}: {found:?}", path.display());
    }
}

//! What Stripe, and anybody else, is answered at the webhook's address.

use paybridge::store::Backend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::bridge::{Answer, Bridge, OLD_WEBHOOK_SECRET, WEBHOOK_SECRET, sign};
use crate::each_backend;
use crate::patience::FOREVER;

each_backend!(
    an_event_is_stored_once,
    an_unknown_type_is_stored,
    both_secrets_are_valid_while_one_is_rolled,
    what_is_not_stripes_is_refused_and_not_stored,
    bodies_may_come_in_chunks_but_not_without_end,
    a_database_that_is_gone_means_come_back_later,
    many_at_once_are_all_stored,
);

fn event(id: &str) -> String {
    format!(
        r#"{{"id":"{id}","object":"event","type":"plan.created","api_version":"2026-10-28.endive","created":1795190000,
        "livemode":false,"data":{{"object":{{"id":"plan_1","object":"plan"}}}}}}"#
    )
}

async fn an_event_is_stored_once(bridge: Bridge) {
    let first = bridge.receive(&event("evt_1")).await;
    assert_eq!((first.status, first.body.as_str()), (200, r#"{"received":true}"#));
    let again = bridge.receive(&event("evt_1")).await;
    assert_eq!((again.status, again.body.as_str()), (200, r#"{"received":true,"duplicate":true}"#));
    assert_eq!(bridge.stored_events().await, 1);
    bridge.drain().await;
    assert_eq!(bridge.receive(&event("evt_1")).await.status, 200);
    assert_eq!(bridge.stored_events().await, 1);
}

async fn an_unknown_type_is_stored(bridge: Bridge) {
    let unknown = event("evt_1").replace("plan.created", "teleporter.beamed").replace("plan", "teleporter");
    assert_eq!(bridge.receive(&unknown).await.status, 200);
    bridge.drain().await;
    assert_eq!(bridge.stored_events().await, 1);
    assert_eq!(bridge.counts().await, Default::default());
}

async fn both_secrets_are_valid_while_one_is_rolled(bridge: Bridge) {
    let now = bridge.clock.now().unix_timestamp();
    for (id, secret) in [("evt_old", OLD_WEBHOOK_SECRET), ("evt_new", WEBHOOK_SECRET)] {
        let body = event(id);
        let answer = bridge
            .post("/webhooks/stripe/main", Some(&sign(body.as_bytes(), now, secret)), body.into())
            .await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let body = event("evt_both");
    let both = format!(
        "{},v1={}",
        sign(body.as_bytes(), now, "whsec_foreign"),
        sign(body.as_bytes(), now, WEBHOOK_SECRET).split_once("v1=").unwrap().1
    );
    assert_eq!(bridge.post("/webhooks/stripe", Some(&both), body.into()).await.status, 200);
}

async fn what_is_not_stripes_is_refused_and_not_stored(bridge: Bridge) {
    let now = bridge.clock.now().unix_timestamp();
    let good = event("evt_1");
    let thin = r#"{"id":"evt_1","object":"v2.core.event","type":"v1.charge.succeeded","created":"2026-11-20T00:00:00Z","livemode":false}"#;
    let signed = |body: &str| Some(sign(body.as_bytes(), now, WEBHOOK_SECRET));
    let late = |seconds: i64| Some(sign(good.as_bytes(), now + seconds, WEBHOOK_SECRET));
    let not_events = [
        "",
        "{",
        "null",
        "[]",
        "{}",
        "\u{feff}{}",
        "not json at all",
        r#"{"id":"evt_1","object":"event"}"#,
        &good.replace(r#""created":1795190000"#, r#""created":"soon""#),
        &good.replace("evt_1", ""),
        &good.replace("evt_1", "evt_1'; DROP TABLE events; --"),
        &good.replace("evt_1", r"evt\u0000"),
        &good.replace(r#""object":"event""#, r#""object":"charge""#),
        &good[..good.len() - 3],
        thin,
    ];
    for body in not_events {
        let Answer { status, body: text } =
            bridge.post("/webhooks/stripe", signed(body).as_deref(), body.into()).await;
        assert!(status == 400 && text.contains(r#""code":"not_an_event""#), "{body}: {status} {text}");
    }
    let mut not_utf8 = good.clone().into_bytes();
    not_utf8.extend([b' ', 0xff]);
    let header = sign(&not_utf8, now, WEBHOOK_SECRET);
    assert_eq!(bridge.post("/webhooks/stripe", Some(&header), not_utf8).await.status, 400);
    let live = good.replace(r#""livemode":false"#, r#""livemode":true"#);
    let live = bridge.post("/webhooks/stripe", signed(&live).as_deref(), live.into()).await;
    assert!(live.status == 400 && live.body.contains(r#""code":"wrong_mode""#), "{}", live.body);
    let header = signed(&good).unwrap();
    let upper = header.replace("v1=", "V1=");
    let spaced = header.replace(",v1", ", v1");
    for (header, code) in [
        (None, "signature_missing"),
        (Some(String::new()), "signature_invalid"),
        (Some("nonsense".to_owned()), "signature_invalid"),
        (Some(upper), "signature_invalid"),
        (Some(spaced), "signature_invalid"),
        (signed("another body"), "signature_invalid"),
        (Some(sign(good.as_bytes(), now, "whsec_wrong")), "signature_invalid"),
        (late(-301), "signature_invalid"),
        (late(301), "signature_invalid"),
    ] {
        let answer = bridge.post("/webhooks/stripe", header.as_deref(), good.clone().into()).await;
        let expected = format!(r#""code":"{code}""#);
        assert!(answer.status == 400 && answer.body.contains(&expected), "{header:?}: {answer:?}");
    }
    let nobody = bridge.post("/webhooks/stripe/nobody", Some(&header), good.clone().into()).await;
    assert!(nobody.status == 404 && nobody.body.contains("unknown_account"), "{nobody:?}");
    assert_eq!(bridge.stored_events().await, 0);
    for seconds in [-300, 300] {
        assert_eq!(
            bridge.post("/webhooks/stripe", late(seconds).as_deref(), good.clone().into()).await.status,
            200
        );
    }
    let got = reqwest::get(bridge.url("/webhooks/stripe")).await.unwrap();
    assert_eq!((got.status().as_u16(), got.headers()["allow"].to_str().unwrap()), (405, "POST"));
}

async fn bodies_may_come_in_chunks_but_not_without_end(bridge: Bridge) {
    let now = bridge.clock.now().unix_timestamp();
    let small = event("evt_chunked");
    assert_eq!(chunked(&bridge, small.as_bytes(), &sign(small.as_bytes(), now, WEBHOOK_SECRET)).await, 200);
    let limit = 1 << 20;
    let padded =
        |length: usize| format!("{}{}", event("evt_padded"), " ".repeat(length - event("evt_padded").len()));
    for (body, expected) in [(padded(limit + 1), 413), (padded(2 * limit), 413), (padded(limit), 200)] {
        let header = sign(body.as_bytes(), now, WEBHOOK_SECRET);
        assert_eq!(
            bridge.post("/webhooks/stripe", Some(&header), body.clone().into()).await.status,
            expected
        );
        if expected == 413 {
            assert_eq!(chunked(&bridge, body.as_bytes(), &header).await, 413);
        }
    }
    assert_eq!(bridge.stored_events().await, 2);
}

/// Posts a body in chunks, as a proxy may; gives the status.
async fn chunked(bridge: &Bridge, body: &[u8], signature: &str) -> u16 {
    let address = bridge.url("").trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let head = format!(
        "POST /webhooks/stripe HTTP/1.1\r\nHost: {address}\r\nTransfer-Encoding: chunked\r\nStripe-Signature: {signature}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    for chunk in body.chunks(10_000) {
        let framed = [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat();
        // A server that has seen enough may close before everything is sent.
        if stream.write_all(&framed).await.is_err() {
            break;
        }
    }
    let _closed = stream.write_all(b"0\r\n\r\n").await;
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    std::str::from_utf8(&answer[9..]).unwrap().parse().unwrap()
}

async fn a_database_that_is_gone_means_come_back_later(bridge: Bridge) {
    let hidden = "ALTER TABLE inbox RENAME TO hidden_inbox";
    let back = "ALTER TABLE hidden_inbox RENAME TO inbox";
    sql(&bridge, hidden).await;
    for id in ["evt_1", "evt_2"] {
        let answer = bridge.receive_once(&event(id)).await;
        assert!(answer.status == 503 && answer.body.contains("not_stored"), "{answer:?}");
    }
    sql(&bridge, back).await;
    assert_eq!(bridge.stored_events().await, 0, "a refused event left something behind");
    assert_eq!(bridge.receive(&event("evt_1")).await.status, 200);
    if bridge.backend == Backend::Postgres {
        let name = bridge.database_url.split(['/', '?']).nth(3).unwrap().to_owned();
        let server = crate::postgres::server();
        server.execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"));
        server.execute(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        ));
        assert_eq!(bridge.receive_once(&event("evt_2")).await.status, 503);
        server.execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true"));
        assert_eq!(bridge.receive(&event("evt_2")).await.status, 200);
        assert_eq!(bridge.stored_events().await, 2);
    }
}

async fn sql(bridge: &Bridge, statement: &'static str) {
    use diesel::connection::SimpleConnection;
    use paybridge::store::Conn;
    bridge
        .store()
        .write(move |conn| {
            match conn {
                Conn::Sqlite(c) => c.batch_execute(statement)?,
                Conn::Postgres(c) => c.batch_execute(statement)?,
            }
            Ok(())
        })
        .await
        .unwrap();
}

async fn many_at_once_are_all_stored(bridge: Bridge) {
    let bridge = std::sync::Arc::new(bridge);
    let mut posts = tokio::task::JoinSet::new();
    for number in 0..300 {
        let bridge = std::sync::Arc::clone(&bridge);
        // Every third is a duplicate that comes at the same time.
        posts.spawn(async move { bridge.receive(&event(&format!("evt_{}", number - number % 3 / 2))).await });
    }
    let answers = posts.join_all().await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    let new = answers.iter().filter(|answer| !answer.body.contains("duplicate")).count();
    assert_eq!((new, bridge.stored_events().await), (200, 200));
    tokio::time::timeout(FOREVER, bridge.drain()).await.unwrap();
}

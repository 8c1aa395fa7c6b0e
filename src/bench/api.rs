//! What a creation costs beside Stripe's own time, and how long many of them take in one call.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Options;
use super::database::{Database, Engine};
use super::load::{self, Pace};
use super::report::Figure;
use super::service::{ALL, Org, STRIPE_KEY, Service, WEBHOOK_SECRET, token};
use crate::api::Scope;
use crate::clock::Clock;
use crate::sandbox::stripe::{self, Stripe};

/// How long the stand-in takes for a call, for single ones and for those of a bulk.
const SINGLE: Duration = Duration::from_millis(50);
const IN_BULK: Duration = Duration::from_millis(100);
/// Calls of one round; each connection makes about 40.
const CALLS: usize = 2_560;
const ITEMS: usize = 200;
/// Items of a bulk at Stripe at the same time.
const AT_ONCE: usize = 10;

pub(super) async fn measure(
    engine: Engine,
    options: &Options,
    progress: impl Fn(&str),
) -> io::Result<Vec<Figure>> {
    let database = Database::create(engine, &options.directory)?;
    let token = token(&database.open().await?, &[Scope::PaymentsWrite]).await?;
    let stand_in = Stripe::start(stripe::Options {
        port: 0,
        secret_key: STRIPE_KEY.to_owned(),
        webhook_secret: WEBHOOK_SECRET.to_owned(),
        clock: Clock::system(),
    })
    .await?;
    let settings = [
        ("STRIPE__MAIN__API_BASE", stand_in.base_url()),
        ("STRIPE__MAIN__CONCURRENCY", AT_ONCE.to_string()),
        // The stand-in has no limits; what is measured is our own waiting.
        ("STRIPE__MAIN__REQUESTS_PER_SECOND", "1000".to_owned()),
    ];
    let service = Service::start_with(ALL, &database, &Org::unreachable().await?, &settings).await?;
    let at_stripe = stand_in.base_url().trim_start_matches("http://").parse().map_err(io::Error::other)?;
    let bridge = Target { address: service.address, token };
    let stripe = Target { address: at_stripe, token: STRIPE_KEY.to_owned() };

    let (mut alone, mut beside, mut bulks) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=options.rounds {
        stand_in.set_latency(SINGLE);
        let keys = round * CALLS..(round + 1) * CALLS;
        let form = |_| "name=Lindqvist+Robotics&metadata%5Bsf_object%5D=Account".to_owned();
        let direct = stripe.post("/v1/customers", FORM, keys.clone().map(form)).await?;
        let body = |number| format!(r#"{{"name":"Lindqvist Robotics","idempotencyKey":"single-{number}"}}"#);
        let through = bridge.post("/v1/customers", JSON, keys.map(body)).await?;
        stand_in.set_latency(IN_BULK);
        let items: Vec<String> = (0..ITEMS)
            .map(|item| format!(r#"{{"name":"Lindqvist Robotics","idempotencyKey":"bulk-{round}-{item}"}}"#))
            .collect();
        let bulk = format!(r#"{{"items":[{}]}}"#, items.join(","));
        let bulk = bridge.post("/v1/customers/bulk", JSON, std::iter::once(bulk)).await?;
        let (own, all, bulk) = (direct.within_ms(50), through.within_ms(50), bulk.within_ms(50));
        progress(&format!(
            "round {round} of {}: Stripe {own:.2} ms, with us {all:.2} ms, bulk {bulk:.0} ms",
            options.rounds
        ));
        if round > 0 {
            alone.push(own);
            beside.push(all - own);
            bulks.push(bulk);
        }
    }
    stand_in.stop().await;
    let rounds = ITEMS.div_ceil(AT_ONCE) as f64;
    Ok(vec![
        Figure::new("Stripe at 50 ms, 64 callers, p50 of its own", "ms", alone),
        Figure::new("create call, what is added to it, p50", "ms", beside).at_most(5.0),
        Figure::new("bulk of 200 at 100 ms a call, 10 at once", "ms", bulks)
            .at_most(1.5 * rounds * IN_BULK.as_secs_f64() * 1_000.0),
    ])
}

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// Somebody to send requests to.
struct Target {
    address: SocketAddr,
    token: String,
}

impl Target {
    async fn post(
        &self,
        path: &str,
        media_type: &str,
        bodies: impl Iterator<Item = String>,
    ) -> io::Result<load::Answers> {
        let request = |body: String| {
            let length = body.len();
            let head = format!(
                "POST {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: {media_type}\r\n\
                 Content-Length: {length}\r\n\r\n",
                self.address, self.token
            );
            (head + &body).into_bytes()
        };
        let requests: Arc<[Vec<u8>]> = bodies.map(request).collect();
        load::send(self.address, &requests, Pace::AsAnswered).await
    }
}

//! Whether the process lives, and whether it can work.

use std::sync::atomic::Ordering;

use actix_web::{HttpResponse, web};

use super::ApiState;
use super::problem::{Code, Problem};
use crate::store::api_keys;

pub(super) fn routes(app: &mut web::ServiceConfig) {
    app.service(web::resource("/healthz").route(web::get().to(healthz)))
        .service(web::resource("/readyz").route(web::get().to(readyz)));
}

/// The process answers; nothing more is asked.
async fn healthz() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ok\n")
}

/// The database answers, and nobody has begun to stop the service.
async fn readyz(state: web::Data<ApiState>) -> Result<HttpResponse, Problem> {
    if !state.ready.load(Ordering::SeqCst) {
        return Err(Problem::new(Code::NotReady, "the service is starting or stopping"));
    }
    state.store.read(|conn| api_keys::find(conn, "")).await?;
    Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ready\n"))
}

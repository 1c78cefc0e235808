//! Everything a metrics server has been seen to say that is not a number about this slot.

use std::time::Duration;

use gonogo::release::{Finite, Reading, Secret, Slot};
use gonogo::world::metrics::{BadQuery, Metrics, MetricsSettings};
use gonogo::world::web::{Web, WebFault};
use reqwest::{Request, Response};
use tower::service_fn;

use super::clock;

const JSON: &str = "application/json";

/// Answers the question about errors with `reply` and the others well.
fn scripted(reply: (u16, &'static str, Vec<u8>)) -> Web {
    Web::through(service_fn(move |request: Request| {
        let (status, kind, body) = reply.clone();
        async move {
            let pairs: Vec<_> = request.url().query_pairs().into_owned().collect();
            let value = |name: &str| {
                pairs.iter().find(|(key, _)| key == name).map(|(_, v)| v.clone()).expect(name)
            };
            let (query, time) = (value("query"), value("time"));
            let answer = |status: u16, kind: &str, body: Vec<u8>| {
                let mut response = http::Response::builder().status(status);
                if !kind.is_empty() {
                    response = response.header("content-type", kind);
                }
                Ok::<_, WebFault>(Response::from(response.body(body)?))
            };
            if query.contains("5..") {
                let body = String::from_utf8_lossy(&body).replace("NOW", &time).into_bytes();
                return answer(status, kind, body);
            }
            let number = if query.contains("timestamp") { time.as_str() } else { "1200" };
            let good = good(&format!("[{time},\"{number}\"]"));
            answer(200, "application/json; charset=utf-8", good.into_bytes())
        }
    }))
}

fn good(value: &str) -> String {
    vector(&format!("{{\"metric\":{{\"version\":\"green\"}},\"value\":{value}}}"))
}

fn vector(series: &str) -> String {
    data("vector", &format!("[{series}]"))
}

fn data(kind: &str, result: &str) -> String {
    format!("{{\"status\":\"success\",\"data\":{{\"resultType\":\"{kind}\",\"result\":{result}}}}}")
}

async fn error_ratio(web: Web) -> Reading<Finite> {
    let clock = clock();
    let mut settings = MetricsSettings::new("https://metrics.example/prom/", "production");
    settings.scrape_interval = Duration::from_secs(5);
    let metrics = Metrics::new(web, clock.clone(), settings).expect("good settings");
    let now_ms = clock.now().wall_ms();
    let read = metrics.window(Slot::Green, now_ms - 30_000, now_ms).await;
    assert_eq!(read.requests, Reading::known(Finite::new(1200.0).expect("finite")));
    read.error_ratio
}

#[tokio::test(start_paused = true)]
async fn f44_a_good_reply_is_a_number() {
    let extra = good("[NOW,\"0.25\"]").replacen('{', "{\"infos\":[\"not a counter\"],", 1);
    for (body, expected) in [
        (good("[NOW,\"0.25\"]"), 0.25),
        (good("[NOW,\"0\"]"), 0.0),
        (good("[NOW,\"1e-3\"]"), 0.001),
        (good("[NOW,\"1.0000000000000002\"]"), 1.0),
        (extra, 0.25),
    ] {
        match error_ratio(scripted((200, JSON, body.clone().into_bytes()))).await {
            Reading::Known { value } => assert!((value.get() - expected).abs() < 1e-12, "{body}"),
            Reading::Unknown { reason } => panic!("{body}: {reason}"),
        }
    }
}

/// Replies that parse, with a wrong content (F44 to F48).
fn wrong_contents() -> Vec<(String, &'static str)> {
    let labelled = |labels: &str| vector(&format!("{{{labels}\"value\":[NOW,\"0\"]}}"));
    let two = "{\"metric\":{\"version\":\"green\"},\"value\":[NOW,\"0\"]}";
    vec![
        (vector(""), "no series matches"),
        (vector(&format!("{two},{two}")), "2 series"),
        (vector(&format!("{two},{two},{two}")), "3 series"),
        (good("[NOW,\"NaN\"]"), "NaN"),
        (good("[NOW,\"nan\"]"), "nothing could be measured"),
        (good("[NOW,\"+Inf\"]"), "+Inf"),
        (good("[NOW,\"-Inf\"]"), "-Inf"),
        (good("[NOW,\"1e999\"]"), "nothing could be measured"),
        (good("[NOW,\"-0.5\"]"), "negative"),
        (good("[NOW,\"1.5\"]"), "no ratio"),
        (good("[NOW,\"\"]"), "no number"),
        (good("[NOW,\" 0\"]"), "no number"),
        (good("[NOW,\"0,5\"]"), "no number"),
        (good("[NOW,\"1_0\"]"), "no number"),
        (good("[NOW,\"0x1p-2\"]"), "no number"),
        (good("[NOW,\"none\"]"), "no number"),
        (good("[NOW,0.5]"), "no Prometheus reply"),
        (good("[NOW,null]"), "no Prometheus reply"),
        (good("[NOW]"), "no Prometheus reply"),
        (good("[\"NOW\",\"0\"]"), "no Prometheus reply"),
        (good("null"), "no plain value"),
        (good("[1795401000,\"0\"]"), "s from now"),
        (good("[1795409999.5,\"0\"]"), "s from now"),
        (good("[0,\"0\"]"), "s from now"),
        (good("[-1,\"0\"]"), "no time"),
        (good("[1e300,\"0\"]"), "no time"),
        (labelled(""), "no label"),
        (labelled("\"metric\":{},"), "no label"),
        (labelled("\"metric\":{\"version\":\"blue\"},"), "about \"blue\""),
        (labelled("\"metric\":{\"version\":\"green \"},"), "about \"green \""),
        (labelled("\"metric\":{\"version\":7},"), "no Prometheus reply"),
        (data("scalar", "[NOW,\"0\"]"), "scalar"),
        (data("string", "[NOW,\"0\"]"), "string"),
        (data("matrix", "[]"), "matrix"),
        (data("matrix", "[{\"metric\":{},\"values\":[[NOW,\"0\"]]}]"), "matrix"),
        (data("streams", "[]"), "no Prometheus reply"),
        (data("vector", "{}"), "no Prometheus reply"),
        (data("vector", "null"), "no Prometheus reply"),
        ("{\"status\":\"success\"}".into(), "no data"),
        ("{\"status\":\"success\",\"data\":null}".into(), "no data"),
        (
            "{\"status\":\"error\",\"errorType\":\"execution\",\"error\":\"too many\"}".into(),
            "too many",
        ),
        ("{\"status\":\"SUCCESS\",\"data\":null}".into(), "query failed"),
        (good("[NOW,\"0\"]").replacen('{', "{\"warnings\":[\"store down\"],", 1), "store down"),
        (good("[NOW,\"0\"]").replacen('{', "{\"warnings\":\"odd\",", 1), "no Prometheus reply"),
        (good("[NOW,\"0\"]").replacen('{', "{\"status\":\"success\",", 1), "duplicate"),
    ]
}

/// Replies of something else than a healthy Prometheus: status, content type, body, words.
fn wrong_servers() -> Vec<(u16, &'static str, String, &'static str)> {
    let fine = good("[NOW,\"0\"]");
    let page = "<html><title>Sign in</title>".to_owned();
    let error = "{\"status\":\"error\",\"error\":\"parse error\"}".to_owned();
    vec![
        (200, "text/html", page.clone(), "web page"),
        (203, "text/html; charset=utf-8", page.clone(), "sign-in page"),
        (200, JSON, format!("\n  {page}"), "web page"),
        (302, "", String::new(), "sent elsewhere"),
        (200, "text/plain", fine.clone(), "text/plain, not JSON"),
        (200, "", fine.clone(), "no type"),
        (200, "application/json+x", fine.clone(), "not JSON"),
        (204, JSON, String::new(), "HTTP 204"),
        (400, JSON, error, "parse error"),
        (401, JSON, String::new(), "not signed in"),
        (403, "text/plain", "denied".into(), "not allowed"),
        (404, "text/plain", "404 page not found".into(), "HTTP 404"),
        (429, "", String::new(), "HTTP 429"),
        (503, JSON, fine.clone(), "HTTP 503"),
        (200, JSON, String::new(), "no Prometheus reply"),
        (200, JSON, "0".into(), "no Prometheus reply"),
        (200, JSON, "[]".into(), "no Prometheus reply"),
        (200, JSON, fine[..fine.len() - 3].into(), "no Prometheus reply"),
        (200, JSON, format!("{fine}{fine}"), "no Prometheus reply"),
        (200, JSON, format!("\u{feff}{fine}"), "no Prometheus reply"),
        (200, JSON, "[".repeat(100_000), "no Prometheus reply"),
        (200, JSON, " ".repeat(8 * 1024 * 1024 + 1), "larger than 8388608 bytes"),
    ]
}

#[tokio::test(start_paused = true)]
async fn f44_to_f48_a_reply_that_is_no_number_about_this_slot_is_unknown() {
    let contents = wrong_contents().into_iter().map(|(body, words)| (200, JSON, body, words));
    let table: Vec<_> = contents.chain(wrong_servers()).collect();
    assert!(table.len() >= 60, "{}", table.len());
    for (status, kind, body, words) in table {
        let shown: String = body.chars().take(150).collect();
        match error_ratio(scripted((status, kind, body.into_bytes()))).await {
            Reading::Known { value } => panic!("{status} {kind} {shown}: read {value:?}"),
            Reading::Unknown { reason } => {
                assert!(reason.as_str().contains(words), "{status} {kind} {shown}: {reason}");
            }
        }
    }
    let not_text = (200, JSON, b"\xff\xfe{}".to_vec());
    assert!(error_ratio(scripted(not_text)).await.value().is_none());
}

#[tokio::test(start_paused = true)]
async fn t1_a_hostile_reply_reaches_nobody_as_it_is() {
    let reply = "{\"status\":\"error\",\"error\":\"\\u001b[2J\\u202ebad\"}";
    match error_ratio(scripted((200, JSON, reply.into()))).await {
        Reading::Unknown { reason } => {
            assert!(reason.as_str().contains("\\x1b[2J\\u{202e}bad"), "{reason}");
        }
        known @ Reading::Known { .. } => panic!("{known:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn f37_a_server_that_says_nothing_is_unknown_after_its_time() {
    let web = Web::through(service_fn(|_: Request| async {
        std::future::pending::<Result<Response, WebFault>>().await
    }));
    let clock = clock();
    let settings = MetricsSettings::new("https://metrics.example", "production");
    let metrics = Metrics::new(web, clock.clone(), settings).expect("good settings");
    let (from, started) = (clock.now().wall_ms() - 30_000, clock.now().boot_ms);
    let read = metrics.window(Slot::Blue, from, from + 30_000).await;
    let reason = format!("{:?}", read.requests);
    assert!(reason.contains("no answer after 10000 ms"), "{reason}");
    // All five questions waited at once.
    assert!(clock.now().boot_ms - started < 11_000);
}

#[tokio::test(start_paused = true)]
async fn t16_the_token_is_sent_and_never_shown() {
    let web = Web::through(service_fn(|request: Request| async move {
        let header = request.headers().get("authorization").expect("a token").clone();
        assert_eq!(header.as_bytes(), b"Bearer hunter2-hunter2");
        assert!(request.url().path().ends_with("/prom/api/v1/query"), "{}", request.url());
        Err::<Response, WebFault>("connection reset".into())
    }));
    let mut settings = MetricsSettings::new("https://metrics.example/prom", "production");
    settings.token = Some(Secret::new("hunter2-hunter2\n").expect("long enough"));
    let metrics = Metrics::new(web, clock(), settings.clone()).expect("good settings");
    let read = metrics.window(Slot::Blue, 0, 30_000).await;
    let shown = format!("{read:?} {metrics:?} {settings:?}");
    assert!(shown.contains("connection reset") && !shown.contains("hunter2"), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn f48_settings_that_could_ask_about_other_pods_are_refused() {
    let web = || scripted((200, JSON, Vec::new()));
    let try_new = |settings| Metrics::new(web(), clock(), settings).expect_err("refused");
    let bad = MetricsSettings::new("https://m.example", "prod\"} or up{x=\"");
    assert!(matches!(try_new(bad), BadQuery::Namespace { .. }));
    let bad = MetricsSettings::new("ftp://m.example", "production");
    assert!(matches!(try_new(bad), BadQuery::Address { .. }));
    let mut bad = MetricsSettings::new("https://m.example", "production");
    bad.queries.error_ratio = "sum(rate(errors[{window}]))".into();
    assert!(matches!(try_new(bad), BadQuery::NoHole { hole: "slot", .. }));
    let metrics =
        Metrics::new(web(), clock(), MetricsSettings::new("https://m.example", "production"));
    let read = metrics.expect("good settings").window(Slot::Blue, 30_000, 0).await;
    assert!(read.requests.value().is_none());
}

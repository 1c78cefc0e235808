//! Notices: tried again, given up, and never showing the address they go to.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use futures::FutureExt as _;
use gonogo::release::{Clean, Secret};
use gonogo::world::notify::{Channel, DeliveryOutcome, Message, Notifier, RunCommand};
use gonogo::world::web::{Web, WebFault};
use reqwest::{Request, Response};
use tower::service_fn;

use super::clock;

fn message() -> Message {
    Message {
        title: Clean::new("HELD r-1123.1"),
        body: Clean::new("metrics vanished \"at\" 02:41\u{202e}"),
        next_step: Clean::new("gonogo attach r-1123.1"),
    }
}

fn hook(url: &str) -> Channel {
    Channel::Webhook { name: Clean::new("chat"), url: Secret::new(url).expect("long enough") }
}

fn no_command() -> RunCommand {
    Arc::new(|_, _, _| async { Err(Clean::new("nothing runs here")) }.boxed())
}

/// Answers with these statuses, the last one again and again; 0 is a broken connection.
fn statuses(statuses: &'static [u16], bodies: Arc<Mutex<Vec<Vec<u8>>>>) -> Web {
    let calls = Arc::new(AtomicU32::new(0));
    Web::through(service_fn(move |request: Request| {
        let call = calls.fetch_add(1, Ordering::Relaxed) as usize;
        let body = request.body().and_then(|body| body.as_bytes()).expect("a body").to_vec();
        bodies.lock().expect("not poisoned").push(body);
        let status = *statuses.get(call).or(statuses.last()).expect("a status");
        async move {
            if status == 0 {
                return Err::<Response, WebFault>("connection reset".into());
            }
            Ok(Response::from(http::Response::builder().status(status).body(String::new())?))
        }
    }))
}

#[tokio::test(start_paused = true)]
async fn a_webhook_is_tried_again_until_it_takes_the_message() {
    let bodies = Arc::default();
    let web = statuses(&[0, 503, 200], Arc::clone(&bodies));
    let clock = clock();
    let url = "https://chat.example/hook/hunter2-hunter2";
    let notifier = Notifier::new(web, clock.clone(), no_command(), vec![hook(url)]);
    let started_ms = clock.now().boot_ms;
    let sent = notifier.send(&message()).await;
    assert_eq!((&sent[0].outcome, sent[0].tries), (&DeliveryOutcome::Delivered, 3));
    let took_ms = clock.now().boot_ms - started_ms;
    assert!((5000..5100).contains(&took_ms), "{took_ms}");
    let bodies = bodies.lock().expect("not poisoned");
    let said: serde_json::Value = serde_json::from_slice(&bodies[2]).expect("JSON");
    assert_eq!(said["title"], "HELD r-1123.1");
    assert_eq!(said["next_step"], "gonogo attach r-1123.1");
    assert!(said["text"].as_str().expect("text").contains("02:41\\u{202e}"));
    assert!(!format!("{notifier:?} {sent:?}").contains("hunter2"));
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_fails_says_so_and_does_not_stop_the_others() {
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let run: RunCommand = Arc::new(move |argv, stdin, _| {
        assert_eq!(argv, ["notify-ops", "--urgent"]);
        assert!(stdin.starts_with(b"{\"text\":"));
        let run = counted.fetch_add(1, Ordering::Relaxed);
        async move { Ok(i32::from(run < 3)) }.boxed()
    });
    let argv = vec!["notify-ops".to_owned(), "--urgent".to_owned()];
    let command = Channel::Command { name: Clean::new("pager"), argv };
    let web = statuses(&[410], Arc::default());
    let channels = vec![hook("https://chat.example/gone"), command, hook("no address")];
    let sent = Notifier::new(web, clock(), run, channels).send(&message()).await;
    let failed = |words: &str| DeliveryOutcome::Failed { reason: Clean::new(words) };
    assert_eq!((&sent[0].outcome, sent[0].tries), (&failed("HTTP status 410"), 1));
    assert_eq!((&sent[1].outcome, sent[1].tries), (&DeliveryOutcome::Delivered, 4));
    let no_address = failed("the webhook's address is not an http(s) address");
    assert_eq!((&sent[2].outcome, sent[2].tries), (&no_address, 1));
}

#[tokio::test(start_paused = true)]
async fn a_command_that_hangs_is_given_up() {
    let run: RunCommand = Arc::new(|_, _, _| std::future::pending().boxed());
    let command = Channel::Command { name: Clean::new("pager"), argv: vec!["hang".into()] };
    let web = statuses(&[200], Arc::default());
    let sent = Notifier::new(web, clock(), run, vec![command]).send(&message()).await;
    assert_eq!(sent[0].tries, 4);
    let reason = format!("{:?}", sent[0].outcome);
    assert!(reason.contains("no exit after 15 s"), "{reason}");
}

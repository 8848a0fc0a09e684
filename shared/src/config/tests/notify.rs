//! `notify:`: what its items ask for, and what is wrong with them.

use super::*;
use crate::config::{MailEncryption, NotifyAddress, Reference, Resolve, Unresolved};
use crate::notifications::{BodyFormat, DigestTimes, Event, NotifyRule, Volume};
use crate::secret::Secret;

fn rules(notify: &str) -> Vec<NotifyRule> {
    pipeline(&with(notify)).notify.rules
}

#[test]
fn an_item_says_who_is_told_about_what_without_the_address() {
    assert_eq!(
        rules("notify: [{on: [failed, drift, rejects], webhook: \"${env:ELT_WEBHOOK}\"}]"),
        [NotifyRule {
            on: vec![Event::Failed, Event::Rejects, Event::Drift],
            quarantine_above: 0,
            channel: None,
            quiet: None,
            digest: None,
            destination: "webhook ${env:ELT_WEBHOOK}".into(),
        }]
    );
    let all = rules(
        "notify:\n  - webhook: https://hooks.slack.com/services/T0/canary\n  - {on: Quarantine, quarantine_above: 7, webhook: \
         'http://[::1]:8080/x?key=canary'}\n  - {on: [stopped, stopped], webhook: 'https://x/${secret:canary}'}",
    );
    let shown: Vec<_> =
        all.iter().map(|rule| (rule.on.as_slice(), rule.quarantine_above, &*rule.destination)).collect();
    assert_eq!(
        shown,
        [
            (&[Event::Failed, Event::Recovered][..], 0, "webhook https://hooks.slack.com"),
            (&[Event::Rejects], 7, "webhook http://[::1]:8080"),
            (&[Event::Stopped], 0, "webhook"),
        ]
    );
}

#[test]
fn what_is_wrong_with_an_item_is_said_where_it_stands() {
    let refused = |notify: &str| problems(&with(notify));
    assert_eq!(
        refused("notify: [{on: [failed, late], webhook: 'https://a.example.com/x'}]"),
        [
            "notify[0].on[1]: unknown variant \"late\", expected failed, recovered, stopped, rejects, quarantine, drift, \
          schema_change, volume, stale, no_worker or missed at line 3 column 24"
        ]
    );
    assert_eq!(
        refused("notify:\n  - on: failed\n  - webhook: canary://a/b\n    on: recovered\n"),
        [
            "notify[0]: names no receiver: write \"webhook\", \"email\" or \"channel\" at line 4 column 5",
            "notify[1].webhook: expected an address that begins with https:// or http:// at line 5 column 14",
            "notify[1].on: names no event that something can recover from: write `failed` beside `recovered`, for example \
             at line 6 column 9",
        ]
    );
    assert_eq!(
        refused("notify: [{webhook: 'https://a.example.com/x', secret: canary}]"),
        ["notify[0].secret: expected `whsec_` and base64 of 16 bytes or more, or as long a text at line 3 column 55"]
    );
    assert_eq!(
        refused("notify: {webhook: 'https://a/x'}"),
        ["notify: expected a list, found a mapping at line 3 column 9"]
    );
    let many = format!("notify: [{}]", vec!["{webhook: 'https://a/x'}"; 21].join(", "));
    assert_eq!(refused(&many), ["notify: expected at most 20 items, found 21 at line 3 column 9"]);
    assert_eq!(
        warnings(&with("notify: [{webhook: 'https://a/x', quarantine_above: 3, chanel: b}]")),
        [
            "notify[0].chanel: unknown key \"chanel\", did you mean \"channel\"? at 3:56",
            "notify[0].quarantine_above: has an effect on `rejects` only, which `on` does not name at 3:53",
        ]
    );
}

/// Gives every reference the same value.
struct Always(&'static str);

impl Resolve for Always {
    fn resolve(&self, _: &Reference) -> Result<Option<Secret>, Unresolved> {
        Ok(Some(Secret::new(self.0)))
    }
}

/// Refuses every reference.
struct Never;

impl Resolve for Never {
    fn resolve(&self, reference: &Reference) -> Result<Option<Secret>, Unresolved> {
        Err(format!("{reference} is refused").into())
    }
}

#[test]
fn an_address_is_resolved_when_a_message_is_sent_and_not_when_a_run_begins() {
    let text = with("notify: [{webhook: \"${secret:hook}\", secret: \"${secret:key}\"}]");
    let document = Document::parse(&text).unwrap();
    assert_eq!(document.pipeline(&Never).unwrap().value.notify.rules.len(), 1, "no run fails because of it");
    let refused = document.notify_address(0, &Never).unwrap_err().to_string();
    assert!(refused.contains("notify[0].webhook: ${secret:hook} is refused"), "{refused}");

    let address = document.notify_address(0, &Always("https://discord.com/api/webhooks/1/canary")).unwrap().value;
    let NotifyAddress::Webhook(webhook) = &address else { panic!("{address:?}") };
    assert_eq!(
        (webhook.format, webhook.url.expose()),
        (BodyFormat::Discord, "https://discord.com/api/webhooks/1/canary")
    );
    assert!(!format!("{address:?}").contains("canary"), "{address:?}");
    let wrong = document.notify_address(0, &Always("canary")).unwrap_err().to_string();
    assert!(!wrong.contains("canary") && wrong.contains("notify[0].webhook"), "{wrong}");
    assert!(document.notify_address(1, &Never).is_err());
}

#[test]
fn an_item_may_send_e_mail() {
    let text = with(
        "notify:\n  - {email: [Ops <ops@example.com>, b@example.com], from: elt@example.com, smtp: 'smtps://a:canary@mail.example.com'}\n  \
         - {email: c@example.com, from: elt@example.com, smtp: '${secret:mail}', format: slack}",
    );
    let shown: Vec<String> = pipeline(&text).notify.rules.into_iter().map(|rule| rule.destination).collect();
    assert_eq!(shown, ["e-mail Ops <ops@example.com> and 1 more", "e-mail c@example.com"]);
    assert_eq!(warnings(&text).len(), 1, "{:?}", warnings(&text));
    let document = Document::parse(&text).unwrap();
    assert!(!document.masked().contains("canary"), "{}", document.masked());
    let address = document.notify_address(1, &Always("smtp://mail.example.com:25")).unwrap().value;
    let NotifyAddress::Email(email) = address else { panic!("{address:?}") };
    assert_eq!((email.server.port, email.server.encryption), (25, MailEncryption::StartTls));

    let refused = |item: &str| problems(&with(&format!("notify:\n  - {item}")));
    for (item, problem) in [
        ("{email: ops@example.com}", "notify[0]: missing key \"smtp\""),
        ("{email: nobody, from: a@b.c, smtp: 'smtps://h'}", "notify[0].email: expected an e-mail address"),
        ("{email: a@b.c, from: a@b.c, smtp: 'smtp:canary'}", "notify[0].smtp: expected smtps://"),
        (
            "{email: a@b.c, webhook: 'https://a/b', from: a@b.c, smtp: 'smtps://h'}",
            "notify[0].email: an item has one receiver",
        ),
    ] {
        let said = refused(item);
        assert!(said.len() == 1 && said[0].starts_with(problem) && !said[0].contains("canary"), "{item}: {said:?}");
    }
}

#[test]
fn an_item_may_name_a_channel() {
    let [rule] = &rules("notify: [{channel: ops, on: drift}]")[..] else { panic!("one item") };
    assert_eq!((rule.channel.as_deref(), rule.destination.as_str()), (Some("ops"), "channel ops"));
    let problem = problems(&with("notify: [{channel: a b}]"));
    assert!(problem.len() == 1 && problem[0].starts_with("notify[0].channel: a channel's name has"), "{problem:?}");
    assert_eq!(problems(&with("notify: [{channel: '${secret:a}'}]")).len(), 1);
}

#[test]
fn freshness_and_volume_say_what_is_stale_and_what_are_too_few_rows() {
    let notify =
        pipeline(&with("freshness: 26h\nvolume: {min: 1, max_drop: 50%}\nnotify: [{channel: a, on: [stale, volume]}]"))
            .notify;
    assert_eq!(
        (notify.freshness_seconds, notify.volume),
        (Some(26 * 3_600), Some(Volume { min: Some(1), max_drop: Some(50.0) }))
    );
    assert_eq!(
        problems(&with("volume: {max_drop: half}\nfreshness: soon")),
        [
            "volume.max_drop: expected a percentage such as 50%, found \"half\" at line 3 column 20",
            "freshness: expected a duration such as 90s, 10m, 24h or 7d, at most 366d, found \"soon\" at line 4 column 12",
        ]
    );
    assert_eq!(problems(&with("volume: {}")).len(), 1);
    assert_eq!(
        warnings(&with("volume: {min: 1}\nnotify: [{channel: a}]")),
        ["volume: has no effect, because no item of `notify` listens to `volume` at 3:9"]
    );
    assert!(warnings(&with("freshness: 26h")).is_empty(), "pages show when a table is stale");
}

#[test]
fn quiet_hours_are_two_times_of_a_zone() {
    let item = |quiet: &str| format!("notify: [{{webhook: 'https://a.example.com/x', quiet: {quiet}}}]");
    let hours = rules(&item("{from: 22:00, to: '7:30', timezone: europe/berlin}"))[0].quiet.expect("quiet hours");
    assert_eq!(
        serde_json::to_value(hours).expect("json"),
        serde_json::json!({ "from": "22:00:00", "to": "07:30:00", "timezone": "Europe/Berlin" })
    );
    let refused = |quiet: &str| problems(&with(&item(quiet))).join("; ");
    for (quiet, problem) in [
        ("{from: 22:00}", "notify[0].quiet: missing key \"to\""),
        ("{from: 25:00, to: 07:00}", "notify[0].quiet.from: expected a time of the day such as 22:00, found \"25:00\""),
        ("{from: 07:00, to: 07:00}", "notify[0].quiet: begins and ends at the same time"),
        ("{from: 22:00, to: 07:00, timezone: Mars}", "notify[0].quiet.timezone: expected an IANA time zone"),
        ("{from: '${env:ELT_FROM}', to: 07:00}", "notify[0].quiet.from: cannot be a reference"),
    ] {
        assert!(refused(quiet).contains(problem), "{}", refused(quiet));
    }
}

#[test]
fn a_digest_is_every_period_or_once_a_day() {
    let item = |digest: &str| format!("notify: [{{webhook: 'https://a.example.com/x', digest: {digest}}}]");
    for (written, stored) in [
        ("{every: 1h}", serde_json::json!({ "every_seconds": 3_600 })),
        ("{at: 08:00, timezone: europe/berlin}", serde_json::json!({ "at": "08:00:00", "timezone": "Europe/Berlin" })),
    ] {
        let times = rules(&item(written))[0].digest.expect("a digest");
        assert_eq!(serde_json::to_value(times).expect("json"), stored);
        assert_eq!(serde_json::from_value::<DigestTimes>(stored).expect("readable"), times);
    }
    let refused = |digest: &str| problems(&with(&item(digest))).join("; ");
    let period =
        "notify[0].digest.every: expected a duration from 1m to 24h that divides a day, such as 15m, 1h or 6h, found";
    for (digest, problem) in [
        ("{}", "notify[0].digest: says nothing: write \"every\" or \"at\""),
        ("{every: 1h, at: 08:00}", "notify[0].digest.at: a digest has one of `every` and `at`"),
        ("{every: 7h}", period),
        ("{every: 30s}", period),
        ("{every: 0}", period),
        ("{every: 2d}", period),
        ("{at: noon}", "notify[0].digest.at: expected a time of the day such as 22:00, found \"noon\""),
        ("{at: 08:00, timezone: Mars}", "notify[0].digest.timezone: expected an IANA time zone"),
        ("{every: '${env:ELT_EVERY}'}", "notify[0].digest.every: cannot be a reference"),
    ] {
        assert!(refused(digest).contains(problem), "{digest}: {}", refused(digest));
    }
    assert_eq!(
        warnings(&with(&item("{every: 1h, timezone: UTC}"))),
        ["notify[0].digest.timezone: has an effect beside `at` only at 3:77"]
    );
}

//! Every row of `tests/handshake/requests` and `tests/handshake/responses`: what the core says to a
//! head, whole, dripping, and with frames right after it.

use ws_proto::Limits;
use ws_proto::handshake::{HeadError, Key, Offer, Request, RequestError, Scan};
use ws_testkit::heads::{Verdict, assert_judged, name, rows};

fn judged(scan: &mut Scan, input: &[u8], limits: &Limits) -> Verdict<RequestError> {
    match Request::parse_prefix(scan, input, limits)? {
        Some((request, len)) => request.accept().map(|_| Some(len)),
        None => Ok(None),
    }
}

#[test]
fn section_4_2_1_requests_are_judged_as_the_table_says() {
    let rows = rows("request.txt", "requests");
    let judge = |scan: &mut Scan, input: &[u8]| judged(scan, input, &Limits::DEFAULT);
    assert_judged(&rows, judge, |verdict| match verdict {
        Ok(Some(_)) => "101".into(),
        Ok(None) => format!("eof {:?}", HeadError::Truncated),
        Err(error) => format!("{} {}", error.status(), name(&error)),
    });
    // And no other, but for limits, of a head that is said to be whole, and is.
    let mut unlimited = Limits::DEFAULT;
    unlimited.max_head = usize::MAX;
    unlimited.max_head_line = usize::MAX;
    unlimited.max_headers = usize::MAX;
    let ends = |head: &[u8]| head.windows(4).position(|four| four == b"\r\n\r\n");
    let followed = |head: &[u8]| ends(head).is_some_and(|at| at + 4 < head.len());
    for row in rows.iter().filter(|row| !followed(&row.head)) {
        let whole = Request::parse(&row.head).and_then(|request| request.accept().map(drop));
        let expected = match judged(&mut Scan::new(), &row.head, &unlimited) {
            Ok(None) => Err(HeadError::Truncated.into()),
            verdict => verdict.map(drop),
        };
        assert_eq!(whole, expected, "{}", row.place);
    }
}

#[test]
fn section_4_1_responses_are_judged_as_the_table_says() {
    let key = Key::new(*b"the sample nonce");
    let offer = Offer::new("server.example.com", "/chat").expect("a good offer");
    let offer = offer.protocols(&["chat", "superchat"]).expect("good ones");
    let judge = |scan: &mut Scan, input: &[u8]| {
        let verified = offer.verify(&key, scan, input, &Limits::DEFAULT);
        verified.map(|found| found.map(|(_, len)| len))
    };
    assert_judged(
        &rows("response.txt", "responses"),
        judge,
        |verdict| match verdict {
            Ok(Some(_)) => "open".into(),
            Ok(None) => "more".into(),
            Err(error) => name(&error),
        },
    );
}

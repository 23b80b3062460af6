//! Contract *parts*: a handshake that another library has taken apart is judged as the same head
//! in bytes. Every row of `tests/handshake/requests` and `tests/handshake/responses` is taken apart
//! naively; those that cannot be are the ones that only bytes can get wrong.

use std::collections::BTreeMap;
use std::fmt::Debug;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version};
use ws_proto::Limits;
use ws_proto::handshake::{
    HeadError, Headers, HttpVersion, Key, Offer, Request, RequestError, Response, ResponseError,
    Scan,
};
use ws_testkit::heads::rows;

/// A head, taken apart: the words of its first line, and its headers.
struct Apart {
    words: [String; 3],
    headers: Vec<(String, Vec<u8>)>,
}

/// Takes a head apart, if it consists of lines of text as RFC 9112 §2.1 has them; what follows it.
fn apart(input: &[u8]) -> Option<(Apart, &[u8])> {
    let end = input.windows(4).position(|four| four == b"\r\n\r\n")?;
    let mut lines = Vec::new();
    for line in input[..end + 2].split_inclusive(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r\n")?;
        let is_text = |byte: &u8| *byte == b'\t' || !byte.is_ascii_control();
        lines.push(line.iter().all(is_text).then_some(line)?);
    }
    if lines[0].contains(&b'\t') {
        return None;
    }
    let mut words = lines[0].splitn(3, |&byte| byte == b' ');
    let mut word = || {
        Some(
            str::from_utf8(words.next().unwrap_or_default())
                .ok()?
                .to_owned(),
        )
    };
    let (first, second) = (word()?, word()?);
    // A reason phrase may be anything.
    let third = word().unwrap_or_default();
    let mut headers = Vec::new();
    for line in &lines[1..] {
        let colon = line.iter().position(|&byte| byte == b':')?;
        let is_token =
            |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
        if colon == 0 || !line[..colon].iter().all(is_token) {
            return None;
        }
        let name = String::from_utf8(line[..colon].to_vec()).ok()?;
        headers.push((name, line[colon + 1..].to_vec()));
    }
    let words = [first, second, third];
    Some((Apart { words, headers }, &input[end + 4..]))
}

impl Apart {
    fn pairs(&self) -> Vec<(&str, &[u8])> {
        let pairs = self.headers.iter();
        pairs
            .map(|(name, value)| (name.as_str(), value.as_slice()))
            .collect()
    }

    /// As hyper gives them: without white space around them.
    fn map(&self) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in &self.headers {
            let name = HeaderName::try_from(name).expect("a token");
            let value = HeaderValue::from_bytes(value.trim_ascii()).expect("text");
            map.append(name, value);
        }
        map
    }
}

fn version(word: &str) -> Option<(HttpVersion, Version)> {
    match word {
        "HTTP/1.0" => Some((HttpVersion::Http10, Version::HTTP_10)),
        "HTTP/1.1" => Some((HttpVersion::Http11, Version::HTTP_11)),
        _ => None,
    }
}

/// Everything that a request says, in whatever case its names are.
fn said(request: Result<Request<'_>, RequestError>) -> Result<String, RequestError> {
    let request = request?;
    let accept = request.accept();
    let mut headers: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (name, value) in request.headers() {
        let value = value.escape_ascii().to_string();
        headers
            .entry(name.to_ascii_lowercase())
            .or_default()
            .push(value);
    }
    let protocols: Vec<_> = request.protocols().collect();
    let answer = accept.map(|accept| {
        let chosen = protocols.first().map(|first| accept.protocol(first));
        let accept = chosen.map_or(accept, |chosen| chosen.expect("it was offered"));
        let mut out = vec![0; 32 << 10];
        let len = accept.encode(&mut out).expect("room");
        out[..len].escape_ascii().to_string()
    });
    let extensions: Vec<_> = request.extensions().collect();
    Ok(format!(
        "{} {} {:?} {:?} {protocols:?} {extensions:?} {:?} {:?} {} {headers:?} {:?}",
        request.method(),
        request.path(),
        request.query(),
        request.version(),
        request.origin().map(|origin| origin.map(|it| it.host())),
        request.same_origin(),
        request.wants_upgrade(),
        Ok::<_, RequestError>(answer?),
    ))
}

#[test]
fn parts_of_a_request_are_judged_as_its_bytes() {
    let (mut alike, mut told_apart) = (0, 0);
    for row in rows("request.txt", "requests") {
        let place = &row.place;
        let input = [&row.head[..], &row.behind].concat();
        let read = Request::parse_prefix(&mut Scan::new(), &input, &Limits::DEFAULT);
        let read = read.map(|read| read.map(|(request, _)| request));
        let parts = apart(&input).and_then(|(apart, _)| Some((version(&apart.words[2])?, apart)));
        let Some(((version, of_http), apart)) = parts else {
            // Nobody but a parser of bytes meets these.
            assert!(
                matches!(
                    read,
                    Ok(None)
                        | Err(RequestError::Head(_)
                            | RequestError::RequestLine
                            | RequestError::HttpVersion)
                ),
                "{place}"
            );
            told_apart += 1;
            continue;
        };
        if let Err(RequestError::Head(error)) = read {
            // Limits belong to the one who reads bytes.
            assert_is_limit(error, place);
            told_apart += 1;
            continue;
        }
        let [method, target, _] = &apart.words;
        let expected = said(read.map(|read| read.expect(place)));

        assert_eq!(expected.is_ok(), row.verdict == ["101"], "{place}");
        let (pairs, map) = (apart.pairs(), apart.map());
        let request = Request::from_parts(method, target, version, &pairs[..]);
        assert_eq!(said(request), expected, "{place}");
        let request = Request::from_parts(method, target, version, &map);
        assert_eq!(said(request), expected, "{place}");
        // Where the types of `http` have the target as it is.
        let uri = target.parse::<Uri>().ok();
        let written = uri.as_ref().map(ToString::to_string);
        let uri = uri.filter(|_| written.as_ref() == Some(target));
        if let (Some(uri), Ok(method)) = (uri, Method::from_bytes(method.as_bytes())) {
            let request = Request::from_http(&method, &uri, of_http, &map, None);
            assert_eq!(said(request), expected, "{place}");
        }
        alike += 1;
    }
    assert!(alike > 0 && told_apart > 0, "{alike} and {told_apart}");
}

#[test]
fn parts_of_a_response_are_judged_as_its_bytes() {
    let key = Key::new(*b"the sample nonce");
    let offer = Offer::new("server.example.com", "/chat").expect("a good offer");
    let offer = offer.protocols(&["chat", "superchat"]).expect("good ones");
    let (mut alike, mut told_apart) = (0, 0);
    for row in rows("response.txt", "responses") {
        let place = &row.place;
        let input = [&row.head[..], &row.behind].concat();
        let read = offer.verify(&key, &mut Scan::new(), &input, &Limits::DEFAULT);
        let read = read.map(|read| read.map(|(response, _)| seen(&response)));
        let Some((status, version, apart)) = answer(&input) else {
            assert!(
                matches!(
                    read,
                    Ok(None)
                        | Err(ResponseError::Head(_)
                            | ResponseError::StatusLine
                            | ResponseError::TooManyInterim)
                ),
                "{place}"
            );
            told_apart += 1;
            continue;
        };
        match read {
            Err(ResponseError::Head(error)) => {
                assert_is_limit(error, place);
                told_apart += 1;
                continue;
            }
            // It skips as many as there are.
            Err(ResponseError::TooManyInterim) => continue,
            _ => {}
        }
        let expected = read.map(|read| read.expect(place));
        assert_eq!(expected.is_ok(), row.verdict == ["open"], "{place}");
        let (pairs, map) = (apart.pairs(), apart.map());
        for headers in [Headers::from(&pairs[..]), Headers::from(&map)] {
            let response = Response::from_parts(status, version, headers);
            let judged = response.and_then(|response| {
                offer.confirm(&key, &response)?;
                Ok(seen(&response))
            });
            assert_eq!(judged, expected, "{place}");
        }
        alike += 1;
    }
    assert!(alike > 0 && told_apart > 0, "{alike} and {told_apart}");
}

fn seen(response: &Response<'_>) -> (u16, HttpVersion, Option<String>, usize) {
    let protocol = response.protocol().map(Into::into);
    let headers = response.headers().iter().count();
    (response.status(), response.version(), protocol, headers)
}

/// The first head that is no interim response.
fn answer(mut input: &[u8]) -> Option<(u16, HttpVersion, Apart)> {
    loop {
        let (apart, behind) = apart(input)?;
        let (version, _) = version(&apart.words[0])?;
        let digits = &apart.words[1];
        let status = digits.parse().ok().filter(|_| digits.len() == 3)?;
        if !(100..200).contains(&status) || status == 101 {
            return Some((status, version, apart));
        }
        input = behind;
    }
}

fn assert_is_limit(error: HeadError, place: &impl Debug) {
    assert!(
        matches!(
            error,
            HeadError::FirstLineTooLong { .. }
                | HeadError::LineTooLong { .. }
                | HeadError::HeadTooLong { .. }
                | HeadError::TooManyHeaders { .. }
        ),
        "{place:?}: {error:?}"
    );
}

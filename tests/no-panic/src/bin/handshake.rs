//! The opening handshake, but for what other libraries take part in.

#![no_std]
#![no_main]

use no_panic as _;
use ws_proto::Limits;
use ws_proto::handshake::{
    Accept, Bootstrap, Compression, HttpVersion, Key, Offer, Origin, Request, RequestError,
    Response, Scan,
};

struct Given<'a> {
    input: &'a [u8],
    output: &'a mut [u8],
    text: &'a str,
    list: &'a [&'a str],
    headers: &'a [(&'a str, &'a str)],
    pairs: &'a [(&'a str, &'a [u8])],
    number: u16,
    version: HttpVersion,
    bootstrap: Bootstrap,
    nonce: [u8; 16],
    limits: Limits,
    compression: Compression,
    error: RequestError,
    scan: Scan,
    key: Key,
    request: Request<'a>,
    response: Response<'a>,
    origin: Origin<'a>,
    accept: Accept<'a>,
    offer: Offer<'a>,
    counted: usize,
}

#[expect(unsafe_code, reason = "the entry of a program has a name")]
#[unsafe(no_mangle)]
extern "C" fn _start(given: &mut Given<'_>) {
    given.counted += usize::from(given.scan.advance(given.input, &given.limits).is_ok());
    given.counted += given.scan.head().map_or(0, |head| head.end);
    given.counted += given.error.encode_refusal(given.output).unwrap_or(0);
    given.key = Key::new(given.nonce);
    take(given);
    serve(given);
    ask(given);
}

/// What others took apart, and what we are asked for.
fn take(given: &mut Given<'_>) {
    let (text, version) = (given.text, given.version);
    if let Ok(request) = Request::from_parts(text, text, version, given.pairs) {
        given.request = request;
    }
    if let Ok(request) = Request::extended_connect(version, text, text, text, given.pairs) {
        given.request = request;
    }
    if let Ok(response) = Response::from_parts(given.number, version, given.pairs) {
        given.response = response;
    }
    if let Ok(offer) = Offer::new(text, text) {
        given.offer = offer.origin(text).unwrap_or(offer);
    }
    if let Ok(origin) = Origin::parse(text) {
        given.origin = origin;
        given.counted += usize::from(origin.same_host(text));
    }
    let refusal = given.error.refusal(given.bootstrap);
    given.counted += usize::from(refusal.status()) + refusal.fields().count();
}

fn serve(given: &mut Given<'_>) {
    let request = given.request;
    given.counted += request.path().len() + request.query().map_or(0, str::len);
    given.counted += request.header(given.text).map_or(0, str::len);
    given.counted += request.method().len() + request.target().len();
    given.counted += request.headers().iter().count() + request.protocols().count();
    given.counted += request.headers().get_all(given.text).count();
    given.counted += usize::from(request.version() == HttpVersion::Http11);
    for extension in request.extensions().flatten() {
        given.counted += extension.name().len();
        for (name, value) in extension.params() {
            given.counted += name.len() + value.map_or(0, |value| value.chars().count());
            given.counted += value.and_then(|value| value.as_str()).map_or(0, str::len);
        }
    }
    given.counted += usize::from(request.wants_upgrade());
    given.counted += usize::from(request.same_origin().is_ok());
    given.bootstrap = request.bootstrap();
    let accept = given.accept;
    let accept = accept.protocol(given.text).unwrap_or(accept);
    let accept = accept.headers(given.headers).unwrap_or(accept);
    let agreed = given.compression.agree(request.extensions());
    let accept = accept.compression(agreed.unwrap_or_default());
    given.counted += accept.encode(given.output).unwrap_or(0);
    given.counted += usize::from(accept.status()) + accept.fields().count();
}

fn ask(given: &mut Given<'_>) {
    let offer = given.offer;
    let offer = offer.protocols(given.list).unwrap_or(offer);
    let offer = offer.headers(given.headers).unwrap_or(offer);
    let offer = offer.compression(Some(given.compression));
    given.counted += offer.encode(&given.key, given.output).unwrap_or(0);
    given.counted += usize::from(offer.agreed(&given.response).is_ok());
    given.counted += usize::from(offer.confirm_extended(&given.response).is_ok());
    given.counted += offer.extended_fields().count() + offer.fields(&given.key).count();
    let response = given.response;
    given.counted += response.protocol().map_or(0, str::len) + response.reason().len();
    given.counted += response.header(given.text).map_or(0, str::len);
    given.counted += response.headers().iter().count() + usize::from(response.status());
    given.counted += usize::from(response.version() == HttpVersion::Http11);
    let origin = given.origin;
    given.counted += origin.scheme().len() + origin.host().len();
    given.counted += usize::from(origin.port().is_some());
}

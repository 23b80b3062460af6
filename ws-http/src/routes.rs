//! Routes: from paths to pages and WebSockets.

use std::iter;

use http::Method;
use matchit::{InsertError, Router};
use thiserror::Error;

use crate::refusal::Refusal;
use crate::request::{Request, encoded};

/// The pages and WebSockets of a server, by path and method.
#[derive(Debug)]
pub(crate) struct Routes<P, S> {
    router: Router<usize>,
    places: Vec<Place<P, S>>,
}

/// All that is at one path.
#[derive(Debug)]
struct Place<P, S> {
    path: String,
    pages: Vec<(Method, P)>,
    socket: Option<S>,
}

/// Where a request leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'s, P, S> {
    /// To a page.
    Page(&'s P),
    /// To a WebSocket, which is still to be [accepted](crate::Site::accept).
    Socket(&'s S),
}

/// A path that cannot be added to a server.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RouteError {
    /// The path is not `/path`, with `{name}` for a parameter, at the end of a segment, and
    /// `{*name}` for the rest.
    #[error("`{path}` is not a path: /rooms/{{room}} and /files/{{*rest}} are")]
    Path {
        /// What was given.
        path: String,
    },
    /// The path has a parameter twice, so that a handler could not ask for the second, or more
    /// parameters than a path may have.
    #[error(
        "`{path}` has a parameter twice, or more than {} of them",
        Self::MAX_PARAMS
    )]
    Parameters {
        /// What was given.
        path: String,
    },
    /// The two paths differ, and one request may match both.
    #[error("`{path}` and `{other}` match the same requests")]
    Conflict {
        /// The path that was given last.
        path: String,
        /// The path that was there.
        other: String,
    },
    /// The path has such a page, or a WebSocket, already: one page for each method, and one
    /// WebSocket.
    #[error("`{path}` has {what} already")]
    Twice {
        /// The path.
        path: String,
        /// The method of the page, or `a WebSocket`.
        what: String,
    },
}

impl RouteError {
    /// The most parameters that a path may have.
    pub const MAX_PARAMS: usize = 24;
}

impl<P, S> Routes<P, S> {
    pub(crate) fn new() -> Self {
        Self {
            router: Router::new(),
            places: Vec::new(),
        }
    }

    pub(crate) fn page(&mut self, method: Method, path: &str, page: P) -> Result<(), RouteError> {
        let place = self.place(path)?;
        if place.pages.iter().any(|(own, _)| *own == method) {
            let (path, what) = (path.into(), method.to_string());
            return Err(RouteError::Twice { path, what });
        }
        place.pages.push((method, page));
        Ok(())
    }

    pub(crate) fn socket(&mut self, path: &str, socket: S) -> Result<(), RouteError> {
        let place = self.place(path)?;
        if place.socket.is_some() {
            let (path, what) = (path.into(), "a WebSocket".into());
            return Err(RouteError::Twice { path, what });
        }
        place.socket = Some(socket);
        Ok(())
    }

    /// The place at a path, made if it does not exist.
    fn place(&mut self, path: &str) -> Result<&mut Place<P, S>, RouteError> {
        let at = match self.places.iter().position(|place| place.path == path) {
            Some(at) => at,
            None => {
                let at = self.places.len();
                self.insert(path, at)?;
                self.places.push(Place {
                    path: path.into(),
                    pages: Vec::new(),
                    socket: None,
                });
                at
            }
        };
        Ok(&mut self.places[at])
    }

    fn insert(&mut self, path: &str, at: usize) -> Result<(), RouteError> {
        let invalid = || RouteError::Path { path: path.into() };
        if !path.starts_with('/') || path.contains(['?', '#', ' ']) {
            return Err(invalid());
        }
        // One that was opened and not closed, or closed twice; or something comes after it in its
        // segment: of `/{a}/` and `/{b}0/d` only the second would be looked at for `/10/`.
        let is_unclear = |(name, rest): (&str, &str)| {
            name.contains('{') || !(rest.is_empty() || rest.starts_with('/'))
        };
        if parameters(path).any(is_unclear) {
            return Err(invalid());
        }
        let names: Vec<_> = parameters(path).map(|(name, _)| name).collect();
        let mut others = names.iter().enumerate();
        let is_twice = others.any(|(at, name)| names.iter().take(at).any(|own| own == name));
        if is_twice || names.len() > RouteError::MAX_PARAMS {
            return Err(RouteError::Parameters { path: path.into() });
        }
        // As requests are looked up.
        let inserted = self.router.insert(encoded(path), at);
        inserted.map_err(|error| match error {
            InsertError::Conflict { with } => RouteError::Conflict {
                path: path.into(),
                other: with,
            },
            _ => invalid(),
        })
    }

    /// Where a request leads; what stands for parameters in its path is noted in it.
    pub(crate) fn find(&self, request: &mut Request) -> Result<Route<'_, P, S>, Refusal> {
        let found = self.router.at(request.path());
        let found = found.map_err(|_| Refusal::NotFound)?;
        let place = self.places.get(*found.value).ok_or(Refusal::NotFound)?;
        // The names as they were given: those in the router are percent-encoded.
        let captures = parameters(&place.path).zip(found.params.iter());
        let captures = captures
            .map(|((name, _), (_, value))| (name.into(), value.into()))
            .collect();
        request.capture(captures);
        place.find(request)
    }
}

/// The names of the parameters in a path, and what follows each. Two braces are one that stands for
/// itself.
fn parameters(path: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = path;
    iter::from_fn(move || {
        loop {
            let (_, after) = rest.split_once('{')?;
            if let Some(literal) = after.strip_prefix('{') {
                rest = literal;
                continue;
            }
            let (name, after) = after.split_once('}')?;
            rest = after;
            return Some((name.strip_prefix('*').unwrap_or(name), rest));
        }
    })
}

impl<P, S> Place<P, S> {
    fn find(&self, request: &Request) -> Result<Route<'_, P, S>, Refusal> {
        // A page may share its path with a socket: a client that asks for an upgrade means the
        // socket.
        match &self.socket {
            Some(socket) if self.pages.is_empty() || request.wants_upgrade() => {
                Ok(Route::Socket(socket))
            }
            _ => self.page(request.method()).ok_or_else(|| Refusal::Method {
                allowed: self.allowed(),
            }),
        }
    }

    fn page(&self, method: &Method) -> Option<Route<'_, P, S>> {
        let of = |wanted: &Method| self.pages.iter().find(|(own, _)| own == wanted);
        // To HEAD the same is answered as to GET, without its body (RFC 9110 §9.3.2).
        let get = || (*method == Method::HEAD).then(|| of(&Method::GET))?;
        let (_, page) = of(method).or_else(get)?;
        Some(Route::Page(page))
    }

    fn allowed(&self) -> Vec<Method> {
        let mut allowed: Vec<_> = self.pages.iter().map(|(own, _)| own.clone()).collect();
        if let Some(get) = allowed.iter().position(|own| own == Method::GET)
            && !allowed.contains(&Method::HEAD)
        {
            allowed.insert(get + 1, Method::HEAD);
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::tests::request;

    fn routes() -> Routes<&'static str, &'static str> {
        let mut routes = Routes::new();
        for (method, path) in [
            (Method::GET, "/"),
            (Method::GET, "/both"),
            (Method::POST, "/both"),
            (Method::PUT, "/put"),
            (Method::GET, "/张"),
            (Method::GET, "/rooms/{room}"),
            (Method::GET, "/rooms/new"),
            (Method::GET, "/files/{*rest}"),
            (Method::GET, "/named/{名}/{\"}"),
        ] {
            routes.page(method, path, path).unwrap();
        }
        for path in ["/both", "/socket", "/ocpp/{id}", "/rooms/{room}"] {
            routes.socket(path, path).unwrap();
        }
        routes
    }

    #[test]
    fn a_request_leads_to_one_place() {
        let routes = routes();
        // (method, target, what a plain request finds, what one finds that wants an upgrade)
        let table = [
            ("GET", "/", "page /", "page /"),
            ("HEAD", "/", "page /", "page /"),
            ("POST", "/", "only GET, HEAD", "only GET, HEAD"),
            ("GET", "/?a", "page /", "page /"),
            ("GET", "http://h", "page /", "page /"),
            ("GET", "/both", "page /both", "socket /both"),
            ("POST", "/both", "page /both", "socket /both"),
            ("PUT", "/both", "only GET, HEAD, POST", "socket /both"),
            ("GET", "/put", "only PUT", "only PUT"),
            ("HEAD", "/put", "only PUT", "only PUT"),
            ("GET", "/socket", "socket /socket", "socket /socket"),
            ("GET", "/socket/", "nothing is here", "nothing is here"),
            ("GET", "/%E5%BC%A0", "page /张", "page /张"),
            ("GET", "/张", "page /张", "page /张"),
            (
                "GET",
                "/ocpp/CP001",
                "socket /ocpp/{id}",
                "socket /ocpp/{id}",
            ),
            ("GET", "/ocpp/", "nothing is here", "nothing is here"),
            ("GET", "/ocpp/a/b", "nothing is here", "nothing is here"),
            (
                "GET",
                "/ocpp/a%2Fb",
                "socket /ocpp/{id}",
                "socket /ocpp/{id}",
            ),
            (
                "GET",
                "/rooms/7",
                "page /rooms/{room}",
                "socket /rooms/{room}",
            ),
            ("GET", "/rooms/new", "page /rooms/new", "page /rooms/new"),
            (
                "GET",
                "/files/a/b",
                "page /files/{*rest}",
                "page /files/{*rest}",
            ),
            ("GET", "//", "nothing is here", "nothing is here"),
            ("GET", "/%2F", "nothing is here", "nothing is here"),
            ("GET", "/both/..", "nothing is here", "nothing is here"),
            ("OPTIONS", "*", "nothing is here", "nothing is here"),
        ];
        for (method, target, plain, upgrade) in table {
            for (line, expected) in [("", plain), ("\nUpgrade: websocket", upgrade)] {
                let head = format!("{method} {target} HTTP/1.1\nHost: h{line}");
                let found = match routes.find(&mut request(&head)) {
                    Ok(Route::Page(page)) => format!("page {page}"),
                    Ok(Route::Socket(socket)) => format!("socket {socket}"),
                    Err(refusal) => refusal.to_string(),
                };
                assert_eq!(found, expected, "{head}");
            }
        }
    }

    #[test]
    fn parameters_are_decoded() {
        let table = [
            ("/rooms/7", "room", Some("7")),
            ("/rooms/a%20b%2Fc", "room", Some("a b/c")),
            ("/rooms/张", "room", Some("张")),
            ("/rooms/a+b", "room", Some("a+b")),
            ("/rooms/%ff", "room", Some("\u{fffd}")),
            ("/rooms/%zz", "room", Some("%zz")),
            ("/rooms/7", "id", None),
            ("/files/a/b", "rest", Some("a/b")),
            ("/named/7/8", "名", Some("7")),
            ("/named/7/8", "\"", Some("8")),
            ("/named/7/8", "%22", None),
            ("/", "room", None),
        ];
        let routes = routes();
        for (target, name, value) in table {
            let mut request = request(&format!("GET {target} HTTP/1.1\nHost: h"));
            assert!(routes.find(&mut request).is_ok(), "{target}");
            assert_eq!(request.path_param(name).as_deref(), value, "{target}");
        }
    }

    #[test]
    fn a_misspelt_path_is_an_error_when_it_is_given() {
        let mut routes = routes();
        let many = |len| -> String { (0..len).map(|at| format!("/{{p{at}}}")).collect() };
        routes.page(Method::GET, &many(24), "").unwrap();
        routes.page(Method::GET, "/{{a}}/{{a}}/{a}", "").unwrap();
        let table = [
            ("", "`` is not a path"),
            ("rooms", "`rooms` is not a path"),
            ("/a b", "`/a b` is not a path"),
            ("/a?b", "`/a?b` is not a path"),
            ("/{", "`/{` is not a path"),
            ("/x/{}", "`/x/{}` is not a path"),
            ("/x/{a{b}", "`/x/{a{b}` is not a path"),
            ("/x/{a{}", "`/x/{a{}` is not a path"),
            ("/x/{a}}", "`/x/{a}}` is not a path"),
            ("/x/{a}}b}", "`/x/{a}}b}` is not a path"),
            ("/x/{*a}/b", "`/x/{*a}/b` is not a path"),
            ("/x/{a}.json", "`/x/{a}.json` is not a path"),
            ("/x/{a}{b}", "`/x/{a}{b}` is not a path"),
            (
                "/rooms/{id}",
                "`/rooms/{id}` and `/rooms/{room}` match the same requests",
            ),
            ("/both", "`/both` has GET already"),
            ("/a/{a}/{a}", "`/a/{a}/{a}` has a parameter twice"),
            ("/a/{a}/{*a}", "`/a/{a}/{*a}` has a parameter twice"),
            (&many(25), "`/{p0}/{p1}/"),
            (&many(100), "`/{p0}/{p1}/"),
        ];
        for (path, says) in table {
            let error = routes.page(Method::GET, path, "").unwrap_err();
            assert!(error.to_string().starts_with(says), "{error}");
        }
        let error = routes.socket("/both", "").unwrap_err();
        assert_eq!(error.to_string(), "`/both` has a WebSocket already");
    }
}

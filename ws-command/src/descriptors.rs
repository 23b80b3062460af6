//! The descriptors that the process may have open.

/// Lets us open as many files as the system allows: each connection is one.
pub(crate) fn allow_all() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit, setrlimit};
        let mut limit = getrlimit(Resource::Nofile);
        limit.current = limit.maximum;
        // Opening them shows whether there are enough.
        let _ = setrlimit(Resource::Nofile, limit);
    }
}

//! Tables of cases: many in a file, each a headline and its steps.
//!
//! ```text
//! case NAME ROLE …        # what else the headline says is the reader's
//!   step / step / step
//!   step
//! ```

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use ws_proto::Role;

use crate::notation::{Words, code};

/// A case as it stands in its table.
pub(crate) struct Entry<'t> {
    /// The number of its headline.
    pub(crate) number: usize,
    pub(crate) name: &'t str,
    /// The roles that it is for.
    pub(crate) roles: &'static [Role],
    /// The rest of the headline.
    pub(crate) rest: Words<'t>,
    /// Its steps, with the numbers of their lines.
    pub(crate) steps: Vec<(usize, &'t str)>,
}

/// The tables in a folder of `tests/`, by name: the file's, without extension, and
/// the text.
///
/// # Panics
///
/// If there are none, or one cannot be read.
pub(crate) fn tables(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(folder);
    let files = fs::read_dir(&folder).expect("the tables are in their place");
    let mut paths: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    assert!(!paths.is_empty(), "no tables in {}", folder.display());
    let read = |path: &PathBuf| {
        let name = path.file_stem().expect("a name").to_string_lossy();
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name.into_owned(), text)
    };
    paths.iter().map(read).collect()
}

/// Takes the table `text` of that name apart.
///
/// # Errors
///
/// Table, line, and what is wrong with it: also that there is no case, or two of a name.
pub(crate) fn cases<'t>(table: &str, text: &'t str) -> Result<Vec<Entry<'t>>, String> {
    let mut cases: Vec<Entry<'t>> = Vec::new();
    let mut names = BTreeSet::new();
    for (number, line) in (1..).zip(text.lines()) {
        let at = |what: String| format!("{table}:{number}: {what}");
        let mut words = Words::of(line);
        if words.eat("case") {
            let entry = headline(number, words).map_err(at)?;
            if !names.insert(entry.name) {
                return Err(at(format!("{} stands twice", entry.name)));
            }
            cases.push(entry);
            continue;
        }
        for step in steps(line) {
            let case = cases.last_mut();
            let case = case.ok_or_else(|| at("a step of no case".into()))?;
            case.steps.push((number, step));
        }
    }
    if cases.is_empty() {
        return Err(format!("{table}:1: no case"));
    }
    Ok(cases)
}

/// Reads the table `text` of that name: each case once for each role that it is for.
///
/// # Errors
///
/// Those of [`cases`], and of `read`.
pub(crate) fn for_each_role<T>(
    table: &str,
    text: &str,
    read: impl Fn(&str, &Entry<'_>, Role) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let entries = cases(table, text)?;
    let of_each = entries.iter().flat_map(|entry| {
        let read = &read;
        entry
            .roles
            .iter()
            .map(move |&role| read(table, entry, role))
    });
    of_each.collect()
}

fn headline(number: usize, mut words: Words<'_>) -> Result<Entry<'_>, String> {
    let name = words.expect("a name")?;
    let roles: &[Role] = match words.expect("a role")? {
        "server" => &[Role::Server],
        "client" => &[Role::Client],
        "either" => &[Role::Server, Role::Client],
        word => return Err(format!("{word} is no role")),
    };
    Ok(Entry {
        number,
        name,
        roles,
        rest: words,
        steps: Vec::new(),
    })
}

/// The steps of a line: what stands between its slashes.
fn steps(line: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let steps = code(line).split(move |char| {
        quoted ^= char == '"';
        char == '/' && !quoted
    });
    steps.map(str::trim).filter(|step| !step.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_cases_of_steps() {
        let text =
            "# a table\n\ncase one server says so\n  a \"/ #\" / b # c / d\n  e\ncase two either";
        let cases = cases("x", text).expect("it is right");
        let [one, two] = &cases[..] else {
            panic!("{}", cases.len());
        };
        assert_eq!(
            (one.number, one.name, one.roles),
            (3, "one", &[Role::Server][..])
        );
        assert_eq!(one.rest.clone().collect::<Vec<_>>(), ["says", "so"]);
        assert_eq!(one.steps, [(4, "a \"/ #\""), (4, "b"), (5, "e")]);
        assert_eq!((two.number, two.name, two.roles.len()), (6, "two", 2));
        assert_eq!(two.steps, []);
    }

    #[test]
    fn a_table_that_means_nothing_is_refused_with_its_line() {
        for (text, at) in [
            ("", "x:1"),
            ("# nothing", "x:1"),
            ("\nstep", "x:2"),
            ("case", "x:1"),
            ("case a", "x:1"),
            ("case a nobody", "x:1"),
            ("case a server\n\ncase a client", "x:3"),
        ] {
            let what = cases("x", text).err().expect(text);
            assert!(what.starts_with(at), "{what}");
        }
    }
}

//! Which file of a crate uses which: read from the paths in its source.
//!
//! A path that begins with `crate`, `super`, `self`, a child module or an imported name is a use of
//! the file that defines the first name on it that is no module. `lib.rs` and each `mod.rs` pass
//! names on: a path through them leads to the file that defines the name, and a re-export in them
//! is a use only if their own code has the name too. The declaration of a module, a visibility, a
//! comment and code for `cfg(test)` are no uses. A method that is called does not say where it
//! comes from: such a use is not seen.

use std::collections::{BTreeMap, BTreeSet};
use std::slice;

/// The files that each file uses.
pub(crate) type Uses = BTreeMap<String, BTreeSet<String>>;

/// A path of modules, or of modules and a name.
type Path = Vec<String>;

/// The uses within the crate whose sources `read` gives: from `lib.rs` on, as its `mod`s say.
pub(crate) fn uses(read: impl Fn(&str) -> Option<String>) -> Uses {
    let mut modules = BTreeMap::new();
    let mut found = vec![(Path::new(), "lib.rs".to_owned())];
    while let Some((path, file)) = found.pop() {
        let source = read(&file).unwrap_or_else(|| panic!("{file} is not there"));
        let module = Module::parse(file, &source);
        for child in &module.children {
            let path = [&path[..], slice::from_ref(child)].concat();
            let name = path.join("/");
            let files = [format!("{name}.rs"), format!("{name}/mod.rs")];
            let file = files.into_iter().find(|file| read(file).is_some());
            found.push((path, file.unwrap_or_else(|| panic!("mod {child};"))));
        }
        modules.insert(path, module);
    }
    let tree = Tree(modules);
    let of_file = |(path, module): (&Path, &Module)| {
        let used = tree.used_by(path, module);
        let others = used.filter(|file| *file != module.file);
        (module.file.clone(), others.map(str::to_owned).collect())
    };
    tree.0.iter().map(of_file).collect()
}

/// The same without the uses of a file by its parts, the files in the folder of its name.
pub(crate) fn without_parents(uses: &Uses) -> Uses {
    let is_part = |part: &str, whole: &str| {
        let folder = whole
            .strip_suffix("/mod.rs")
            .or_else(|| whole.strip_suffix(".rs"));
        let rest = folder.and_then(|folder| part.strip_prefix(folder));
        rest.is_some_and(|rest| rest.starts_with('/'))
    };
    let of_file = |(file, used): (&String, &BTreeSet<String>)| {
        let used = used.iter().filter(|whole| !is_part(file, whole));
        (file.clone(), used.cloned().collect())
    };
    uses.iter().map(of_file).collect()
}

/// The uses between folders, each as one with the file of its name.
pub(crate) fn folders(uses: &Uses) -> Uses {
    let folder = |file: &str| {
        let (folder, _) = file.split_once(['/', '.']).expect("a name");
        folder.to_owned()
    };
    let mut folders = Uses::new();
    for (file, used) in uses {
        let others = used.iter().map(|used| folder(used));
        let from = folder(file);
        let others: Vec<_> = others.filter(|to| *to != from).collect();
        folders.entry(from).or_default().extend(others);
    }
    folders
}

/// The shortest way from each file through others to itself, each circle once.
pub(crate) fn circles(uses: &Uses) -> Vec<String> {
    let mut circles = BTreeMap::new();
    for start in uses.keys() {
        let mut ways = vec![vec![start]];
        let mut seen = BTreeSet::new();
        while !ways.is_empty() {
            let next = |way: Vec<_>| {
                uses[*way.last().unwrap()]
                    .iter()
                    .map(move |to| (way.clone(), to))
            };
            let longer: Vec<_> = ways.into_iter().flat_map(next).collect();
            if let Some((way, _)) = longer.iter().find(|(_, to)| *to == start) {
                let text: String = way.iter().map(|file| format!("{file} -> ")).collect();
                let files: BTreeSet<_> = way.iter().copied().collect();
                circles.entry(files).or_insert_with(|| text + start);
                break;
            }
            let new = longer.into_iter().filter(|(_, to)| seen.insert(*to));
            ways = new.map(|(way, to)| [way, vec![to]].concat()).collect();
        }
    }
    circles.into_values().collect()
}

/// What a file says of others.
struct Module {
    file: String,
    children: BTreeSet<String>,
    /// What each imported name means, by the inline modules around the import.
    imports: BTreeMap<(Path, String), Path>,
    /// Paths in code and in imports, and the inline modules around each.
    paths: Vec<(Path, Path)>,
}

impl Module {
    fn parse(file: String, source: &str) -> Self {
        let passes_on = file == "lib.rs" || file.ends_with("/mod.rs");
        let mut this = Self {
            file,
            children: BTreeSet::new(),
            imports: BTreeMap::new(),
            paths: Vec::new(),
        };
        let tokens = without_tests(&tokens(source));
        let mut words = BTreeSet::new();
        let mut passed_on = Vec::new();
        // For each brace that is open: the inline module that it belongs to.
        let mut open: Vec<Option<String>> = Vec::new();
        let mut at = 0;
        let is = |at: usize, token: &str| tokens.get(at).is_some_and(|found| found == token);
        while let Some(token) = tokens.get(at) {
            let inline: Path = open.iter().flatten().cloned().collect();
            let public = is(at, "pub");
            if public {
                at += 1;
                if is(at, "(") && (is(at + 1, "in") || is(at + 2, ")")) {
                    at = after_group(&tokens, at);
                }
            }
            if is(at, "use") {
                let mut imports = Vec::new();
                at = import(&tokens, at + 1, &Path::new(), &mut imports);
                for (name, path) in imports {
                    if public && passes_on {
                        passed_on.push((name.clone(), inline.clone(), path.clone()));
                    } else {
                        this.paths.push((inline.clone(), path.clone()));
                    }
                    // The name of another crate means itself.
                    if path.len() > 1 {
                        this.imports.insert((inline.clone(), name), path);
                    }
                }
            } else if is(at, "mod") {
                let name = tokens[at + 1].clone();
                if is(at + 2, ";") {
                    this.children.insert(name);
                } else {
                    open.push(Some(name));
                }
                at += 3;
            } else if !public {
                match token.as_str() {
                    "{" => open.push(None),
                    "}" => drop(open.pop()),
                    _ if is_word(token) => {
                        let mut path = vec![token.clone()];
                        while is(at + 1, "::") && tokens.get(at + 2).is_some_and(|it| is_word(it)) {
                            path.push(tokens[at + 2].clone());
                            at += 2;
                        }
                        words.insert(path[0].clone());
                        if path.len() > 1 {
                            this.paths.push((inline, path));
                        }
                    }
                    _ => {}
                }
                at += 1;
            }
        }
        for (name, inline, path) in passed_on {
            if words.contains(&name) {
                this.paths.push((inline, path));
            }
        }
        this
    }
}

/// The modules that have a file, by their paths.
struct Tree(BTreeMap<Path, Module>);

impl Tree {
    /// The files that the module's paths lead to.
    fn used_by<'t>(&'t self, path: &'t Path, module: &'t Module) -> impl Iterator<Item = &'t str> {
        module
            .paths
            .iter()
            .filter_map(move |(inline, used)| self.defines(&[&path[..], inline].concat(), used, 0))
    }

    /// The file that defines what `path` leads to from the module `from`, if it is in this crate.
    fn defines(&self, from: &[String], path: &[String], depth: usize) -> Option<&str> {
        assert!(depth < 16, "imports lead in a circle: {path:?}");
        let (first, rest) = path.split_first()?;
        let mut from = from.to_vec();
        let mut rest = rest;
        match first.as_str() {
            "crate" => from.clear(),
            "self" => {}
            "super" => drop(from.pop()),
            _ => {
                let (module, _) = self.of(&from);
                if !module.children.contains(first) && self.imported(&from, first).is_none() {
                    return None;
                }
                rest = path;
            }
        }
        while let Some((name, after)) = rest.split_first() {
            let deeper = [&from[..], slice::from_ref(name)].concat();
            if name == "super" {
                from.pop();
            } else if self.0.contains_key(&deeper) {
                from = deeper;
            } else {
                break;
            }
            rest = after;
        }
        let (module, _) = self.of(&from);
        let Some((name, after)) = rest.split_first() else {
            // To name a module that only passes names on is no use: what is behind it is.
            let passes_on = module.file == "lib.rs" || module.file.ends_with("/mod.rs");
            return (!passes_on).then_some(&module.file);
        };
        assert_ne!(name, "*", "{path:?} does not say what it uses");
        match self.imported(&from, name) {
            Some(target) => self.defines(&from, &[target, after].concat(), depth + 1),
            None => Some(&module.file),
        }
    }

    /// What `name` is short for in the module `path`, if it is imported there.
    fn imported(&self, path: &[String], name: &str) -> Option<&[String]> {
        let (module, inline) = self.of(path);
        let target = module.imports.get(&(inline.to_vec(), name.to_owned()));
        target.map(Vec::as_slice)
    }

    /// The module that has a file and is `path` or has it within, and what is left of `path`.
    fn of<'p>(&self, path: &'p [String]) -> (&Module, &'p [String]) {
        let mut lengths = (0..=path.len()).rev();
        let found = lengths.find_map(|len| Some((self.0.get(&path[..len])?, &path[len..])));
        found.expect("lib.rs is there")
    }
}

/// Reads one branch of an import; `before` are the segments that lead to it. Returns where it ends:
/// after the semicolon, or at the comma or brace.
fn import(tokens: &[String], mut at: usize, before: &Path, to: &mut Vec<(String, Path)>) -> usize {
    let mut path = before.clone();
    loop {
        match tokens[at].as_str() {
            "{" => {
                at += 1;
                while tokens[at] != "}" {
                    at = import(tokens, at, &path, to);
                    at += usize::from(tokens[at] == ",");
                }
                at += 1;
                return at + usize::from(tokens[at] == ";");
            }
            "::" => {}
            "as" => {
                to.push((tokens[at + 1].clone(), path));
                at += 2;
                return at + usize::from(tokens[at] == ";");
            }
            "," | "}" | ";" => {
                if path.last().is_some_and(|last| last == "self") && path.len() > 1 {
                    path.pop();
                }
                to.push((path.last().expect("a name").clone(), path));
                return at + usize::from(tokens[at] == ";");
            }
            segment => path.push(segment.to_owned()),
        }
        at += 1;
    }
}

/// The tokens without the items that are for tests only.
fn without_tests(tokens: &[String]) -> Vec<String> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let text = tokens[at..]
            .iter()
            .take(7)
            .map(String::as_str)
            .collect::<Vec<_>>()
            .concat();
        if text.starts_with("#[cfg(test)]") || text.starts_with("#[cfg(all(test") {
            at = after_group(tokens, at + 1);
            while !matches!(tokens[at].as_str(), "{" | ";") {
                at += 1;
            }
            at = if tokens[at] == "{" {
                after_group(tokens, at)
            } else {
                at + 1
            };
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// The place after the bracket that closes the one at `at`.
fn after_group(tokens: &[String], mut at: usize) -> usize {
    let mut depth = 0;
    loop {
        match tokens[at].as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return at;
        }
    }
}

fn is_word(token: &str) -> bool {
    token.starts_with(|start: char| start == '_' || start.is_ascii_alphabetic())
}

/// Words, `::` and single characters; no comments, and a literal is one quotation mark.
fn tokens(source: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let in_word = |letter: char| letter == '_' || letter.is_ascii_alphanumeric();
        let word = rest.find(|letter| !in_word(letter)).unwrap_or(rest.len());
        let (token, len) = if rest.starts_with("//") {
            ("", rest.find('\n').unwrap_or(rest.len()))
        } else if rest.starts_with("/*") {
            ("", rest.find("*/").expect("an end") + 2)
        } else if rest.starts_with("r\"")
            || rest.starts_with("r#")
            || rest.starts_with("br") && raw(rest)
        {
            let (start, _) = rest.split_once('"').expect("a quotation mark");
            let end = format!("\"{}", "#".repeat(start.matches('#').count()));
            let text = &rest[start.len() + 1..];
            (
                "\"",
                start.len() + 1 + text.find(&end).expect("an end") + end.len(),
            )
        } else if word > 0 {
            (&rest[..word], word)
        } else if first == '"' {
            ("\"", quoted(rest, '"').expect("an end"))
        } else if first == '\'' {
            // A character, or the mark of a lifetime.
            let simple = rest.chars().nth(2) == Some('\'') || rest.starts_with("'\\");
            let character = if simple { quoted(rest, '\'') } else { None };
            ("\"", character.unwrap_or(1))
        } else if rest.starts_with("::") {
            ("::", 2)
        } else {
            (&rest[..first.len_utf8()], first.len_utf8())
        };
        if !token.trim().is_empty() {
            tokens.push(token.to_owned());
        }
        rest = &rest[len..];
    }
    tokens
}

/// Whether a raw string of bytes begins here.
fn raw(text: &str) -> bool {
    text[2..].trim_start_matches('#').starts_with('"')
}

/// The length of a literal in quotation marks, with them.
fn quoted(text: &str, mark: char) -> Option<usize> {
    let mut letters = text.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        if letter == '\\' {
            letters.next();
        } else if letter == mark {
            return Some(at + 1);
        }
    }
    None
}

//! What may stand at the end of a command line that is not typed to its end: read off the definition, like its help.
//!
//! It knows of words and arguments, and nothing of shells, files and caches.

use clap::{Arg, ArgAction, Command};

/// Where the last word stands.
#[derive(Debug)]
pub struct Place<'a> {
    /// The command whose word it is.
    pub command: &'a Command,
    /// The argument whose value it is, or may be.
    pub argument: Option<&'a Arg>,
    /// What of it is typed before that value: `--output=`.
    pub head: &'a str,
    /// What of it is typed.
    pub typed: &'a str,
    /// Whether it may be an option.
    pub may_be_option: bool,
    /// Whether it may be a command under this one.
    pub may_be_command: bool,
}

/// The place of the last of `words`, of which the first is `cachectl` itself; `None` where there is none.
pub fn place<'a>(root: &'a Command, words: &'a [String]) -> Option<Place<'a>> {
    let (last, before) = words.get(1..)?.split_last()?;
    let (mut command, mut values, mut literal) = (root, 0, false);
    let mut waiting: Option<&Arg> = None;
    for word in before {
        if waiting.take().is_some_and(|option| takes(option, word)) {
            continue;
        }
        match Word::of(word, command) {
            _ if literal => values += 1,
            Word::End => literal = true,
            Word::Option { option, value: None } => waiting = option.filter(|option| needs_word(option)),
            Word::Option { value: Some(_), .. } => {}
            Word::Other => match command.find_subcommand(word).filter(|_| values == 0) {
                Some(inner) => command = inner,
                None => values += 1,
            },
        }
    }
    let waiting = waiting.filter(|option| takes(option, last));
    let may_be_command = waiting.is_none() && values == 0 && !literal && command.has_subcommands();
    let mut place = Place { command, argument: waiting, head: "", typed: last, may_be_option: false, may_be_command };
    if waiting.is_some() {
        return Some(place);
    }
    match Word::of(last, command) {
        Word::Option { option, value: Some(value) } if !literal => {
            (place.argument, place.may_be_command) = (option, false);
            (place.head, place.typed) = last.split_at(last.len() - value.len());
        }
        Word::Option { value: None, .. } | Word::End if !literal => {
            (place.may_be_option, place.may_be_command) = (true, false);
        }
        _ => place.argument = positional(command, values),
    }
    Some(place)
}

/// What a word is.
enum Word<'a> {
    /// `--`: what follows is no option.
    End,
    /// An option, known or not, with the value that stands in the same word.
    Option { option: Option<&'a Arg>, value: Option<&'a str> },
    /// A command or a value.
    Other,
}

impl<'a> Word<'a> {
    fn of(word: &'a str, command: &'a Command) -> Word<'a> {
        let mut options = command.get_arguments();
        match word.strip_prefix("--") {
            Some("") => Word::End,
            Some(rest) => {
                let (name, value) = rest.split_once('=').map_or((rest, None), |(name, value)| (name, Some(value)));
                let called =
                    |option: &&Arg| option.get_long_and_visible_aliases().is_some_and(|names| names.contains(&name));
                Word::Option { option: options.find(called), value }
            }
            None => match word.strip_prefix('-') {
                None | Some("") => Word::Other,
                Some(letters) => Word::of_letters(letters, command),
            },
        }
    }

    /// `-qo` and what follows: the first that takes a value takes the rest for it, if there is a rest.
    fn of_letters(letters: &'a str, command: &'a Command) -> Word<'a> {
        for (at, letter) in letters.char_indices() {
            let option = command.get_arguments().find(|option| option.get_short() == Some(letter));
            if option.is_some_and(takes_value) {
                let rest = &letters[at + letter.len_utf8()..];
                return Word::Option { option, value: Some(rest).filter(|rest| !rest.is_empty()) };
            }
        }
        Word::Option { option: None, value: None }
    }
}

fn takes_value(option: &Arg) -> bool {
    matches!(option.get_action(), ArgAction::Set | ArgAction::Append)
}

/// Whether the word after it is its value: not where one may be left out, for then it stands behind `=` or nowhere.
fn needs_word(option: &Arg) -> bool {
    takes_value(option) && !option.is_require_equals_set()
}

/// Whether `word` is the value of the option before it: one that may be left out is not an option itself.
fn takes(option: &Arg, word: &str) -> bool {
    !word.starts_with('-') || option.get_num_args().is_some_and(|count| count.min_values() > 0)
}

/// The argument without a name whose turn it is after so many values.
fn positional(command: &Command, values: usize) -> Option<&Arg> {
    let all: Vec<&Arg> = command.get_positionals().collect();
    let last = all.last().filter(|last| last.get_num_args().is_some_and(|count| count.max_values() > 1));
    all.get(values).or(last).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands at the end of `line`: the argument, what is typed of it, and whether it may be something else.
    fn check(line: &str, expected: &str) {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let root = crate::cli::definition();
        let place = place(&root, &words).unwrap();
        let argument = place.argument.map_or("", |argument| argument.get_id().as_str());
        let maybe = [(place.may_be_option, "option"), (place.may_be_command, "command")];
        let maybe: Vec<&str> = maybe.into_iter().filter(|(may, _)| *may).map(|(_, what)| what).collect();
        let Place { command, head, typed, .. } = &place;
        assert_eq!(
            format!("{} [{argument}] {head}|{typed} {}", command.get_name(), maybe.join(" ")).trim(),
            expected,
            "{line}"
        );
    }

    #[test]
    fn the_last_word_is_known_by_those_before_it() {
        check("cachectl ", "cachectl [] | command");
        check("cachectl ge", "cachectl [] |ge command");
        check("cachectl -q -b redis://h tags g", "tags [] |g command");
        check("cachectl get ", "get [keys] |");
        check("cachectl get a b us", "get [keys] |us");
        check("cachectl -b red", "cachectl [backend] |red");
        check("cachectl get -qb red", "get [backend] |red");
        check("cachectl get -bred", "get [backend] -b|red");
        check("cachectl get --backend=red", "get [backend] --backend=|red");
        check("cachectl get --nx=red", "get [] --nx=|red");
        check("cachectl get -", "get [keys] |-");
        check("cachectl get --", "get [] |-- option");
        check("cachectl get --ba", "get [] |--ba option");
        check("cachectl get -q", "get [] |-q option");
        check("cachectl get -- --ba", "get [keys] |--ba");
        check("cachectl set a ", "set [value] |");
        check("cachectl set a b c", "set [] |c");
        check("cachectl set --nx --ttl 1h a", "set [key] |a");
        check("cachectl del -y a", "del [keys] |a");
        check("cachectl bench -c 5 --sweep ", "bench [] | command");
        check("cachectl stats --watch 5s --", "stats [] |-- option");
        check("cachectl stats --keys --top --ro", "stats [] |--ro option");
        check("cachectl bench compare a.json b", "compare [b] |b");
        check("cachectl completions b", "completions [shell] |b");
        check("cachectl help tags g", "help [names] |g");
    }
}

//! The grammar of selectors in string form (apimachinery `labels.Parse`).

use super::{Requirement, Selector, SelectorError, Test, invalid, sorted};

/// Longest selector accepted, in bytes; the API server could not take more in a URL.
const MAX_LENGTH: usize = 16 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    Sign(&'a str),
}

pub(super) fn selector(text: &str) -> Result<Selector, SelectorError> {
    if text.len() > MAX_LENGTH {
        return Err(SelectorError::Invalid(format!("longer than {MAX_LENGTH} bytes")));
    }
    let tokens = tokens(text);
    let mut parser = Parser { text, tokens: &tokens };
    let mut requirements = Vec::new();
    if tokens.is_empty() {
        return Ok(Selector::default());
    }
    loop {
        requirements.push(parser.requirement()?);
        match parser.next() {
            None => return Ok(Selector::of(requirements)),
            Some(Token::Sign(",")) => {}
            Some(token) => return Err(parser.unexpected(Some(token), "',' or the end")),
        }
    }
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    const SIGNS: &[char] = &['=', '!', '(', ')', ',', '<', '>'];
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if SIGNS.contains(&first) {
            if rest.starts_with("==") || rest.starts_with("!=") { 2 } else { 1 }
        } else {
            rest.find(|c: char| SIGNS.contains(&c) || c.is_whitespace()).unwrap_or(rest.len())
        };
        let (token, after) = rest.split_at(length);
        tokens.push(if SIGNS.contains(&first) { Token::Sign(token) } else { Token::Word(token) });
        rest = after.trim_start();
    }
    tokens
}

struct Parser<'t> {
    text: &'t str,
    tokens: &'t [Token<'t>],
}

impl<'t> Parser<'t> {
    fn requirement(&mut self) -> Result<Requirement, SelectorError> {
        let absent = self.take("!");
        let key = match self.next() {
            Some(Token::Word(key)) => key,
            token => return Err(self.unexpected(token, "a label key")),
        };
        let test = match self.tokens.first() {
            None | Some(Token::Sign(",")) => {
                return Requirement::new(key, if absent { Test::Absent } else { Test::Exists });
            }
            Some(_) if absent => {
                return Err(self.unexpected(self.tokens.first().copied(), "',' or the end after !key"));
            }
            Some(_) => self.test(key)?,
        };
        Requirement::new(key, test)
    }

    fn test(&mut self, key: &str) -> Result<Test, SelectorError> {
        match self.next() {
            Some(Token::Sign("=" | "==")) => Ok(Test::Equals(self.value())),
            Some(Token::Sign("!=")) => Ok(Test::NotEquals(self.value())),
            Some(Token::Sign(">")) => Ok(Test::Above(self.bound(key)?)),
            Some(Token::Sign("<")) => Ok(Test::Below(self.bound(key)?)),
            Some(Token::Word("in")) => Ok(Test::In(self.values()?)),
            Some(Token::Word("notin")) => Ok(Test::NotIn(self.values()?)),
            token => Err(self.unexpected(token, "one of = == != > < in notin")),
        }
    }

    /// A value, which may be empty.
    fn value(&mut self) -> String {
        match self.tokens.first() {
            Some(Token::Word(value)) => {
                self.next();
                (*value).to_owned()
            }
            _ => String::new(),
        }
    }

    fn bound(&mut self, key: &str) -> Result<i64, SelectorError> {
        let value = self.value();
        value
            .parse()
            .map_err(|_| invalid(key, &format!("{value:?} is not a whole number, which < and > need")))
    }

    fn values(&mut self) -> Result<Vec<String>, SelectorError> {
        if !self.take("(") {
            return Err(self.unexpected(self.tokens.first().copied(), "'('"));
        }
        let mut values = vec![self.value()];
        loop {
            match self.next() {
                Some(Token::Sign(",")) => values.push(self.value()),
                Some(Token::Sign(")")) => return Ok(sorted(values)),
                token => return Err(self.unexpected(token, "',' or ')'")),
            }
        }
    }

    fn next(&mut self) -> Option<Token<'t>> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(*first)
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = self.tokens.first() == Some(&Token::Sign(sign));
        if found {
            self.next();
        }
        found
    }

    fn unexpected(&self, token: Option<Token<'_>>, wanted: &str) -> SelectorError {
        let found = match token {
            Some(Token::Word(text) | Token::Sign(text)) => format!("found {text:?}"),
            None => "it ends".into(),
        };
        SelectorError::Syntax {
            text: self.text.to_owned(),
            problem: format!("{found} where {wanted} is expected"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_prints_in_its_normal_form() {
        for (text, normal) in [
            ("  ", ""),
            ("b = c , a==b", "a=b,b=c"),
            ("x in ( b, a ,b)", "x in (a,b)"),
            ("x notin (a)", "x notin (a)"),
            ("x in ()", "x in ()"),
            ("x=", "x="),
            ("! x", "!x"),
            ("in in (in)", "in in (in)"),
            ("example.com/tier>3", "example.com/tier>3"),
        ] {
            assert_eq!(selector(text).unwrap().to_string(), normal, "{text}");
        }
    }

    #[test]
    fn mistakes_name_what_was_expected() {
        for (text, part) in [
            ("a b", "found \"b\" where one of = =="),
            ("a,", "it ends where a label key"),
            ("a in b", "where '('"),
            ("a in (b", "it ends where ',' or ')'"),
            ("!a=b", "after !key"),
            ("a>x", "not a whole number"),
            ("a=_b", "not a label value"),
            ("-a", "not a label key"),
            ("UP.case/a", "not a label key"),
        ] {
            let error = selector(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}

//! Reads the part of the query language that the org understands; anything else is a malformed query.

use rust_decimal::Decimal;

use super::failure::Failure;

/// `SELECT … FROM … WHERE … ORDER BY … LIMIT … OFFSET …`
#[derive(Debug, PartialEq)]
pub(super) struct Query {
    pub select: Select,
    pub from: String,
    pub condition: Option<Condition>,
    pub order: Vec<Order>,
    pub limit: Option<usize>,
    pub offset: usize,
}

/// What is asked of each record.
#[derive(Debug, PartialEq)]
pub(super) enum Select {
    Count,
    /// Fields of the record, or of its parent: `Customer__r.Name`.
    Fields(Vec<String>),
}

#[derive(Debug, PartialEq)]
pub(super) struct Order {
    pub field: String,
    pub descending: bool,
    pub nulls_last: bool,
}

#[derive(Debug, PartialEq)]
pub(super) enum Condition {
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
    Compare { field: String, comparison: Comparison, value: Literal },
    In { field: String, negated: bool, values: Vec<Literal> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Like,
}

#[derive(Debug, PartialEq, Clone)]
pub(super) enum Literal {
    Null,
    Bool(bool),
    Number(Decimal),
    Text(String),
    /// A date or a time, unquoted.
    Time(String),
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    /// A name, number or time.
    Word(String),
    Text(String),
    Symbol(&'static str),
}

/// The query that `text` stands for.
pub(super) fn parse(text: &str) -> Result<Query, Failure> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0 };
    let query = parser.query()?;
    match parser.next() {
        None => Ok(query),
        Some(token) => Err(unexpected(Some(token))),
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn query(&mut self) -> Result<Query, Failure> {
        self.expect("SELECT")?;
        let select = self.select()?;
        self.expect("FROM")?;
        let from = self.name()?;
        let condition = self.keyword("WHERE").then(|| self.condition()).transpose()?;
        let mut order = Vec::new();
        if self.keyword("ORDER") {
            self.expect("BY")?;
            order.push(self.order()?);
            while self.symbol(",") {
                order.push(self.order()?);
            }
        }
        let limit = self.keyword("LIMIT").then(|| self.count()).transpose()?;
        let offset = self.keyword("OFFSET").then(|| self.count()).transpose()?.unwrap_or_default();
        Ok(Query { select, from, condition, order, limit, offset })
    }

    fn select(&mut self) -> Result<Select, Failure> {
        let mut fields = vec![self.name()?];
        if fields[0].eq_ignore_ascii_case("COUNT") && self.symbol("(") {
            self.expect_symbol(")")?;
            return Ok(Select::Count);
        }
        while self.symbol(",") {
            fields.push(self.name()?);
        }
        Ok(Select::Fields(fields))
    }

    /// `a AND b AND c` or `a OR b OR c`; both together need parentheses, as in Salesforce.
    fn condition(&mut self) -> Result<Condition, Failure> {
        let first = self.term()?;
        let (is_and, is_or) = (self.peek_keyword("AND"), self.peek_keyword("OR"));
        if !is_and && !is_or {
            return Ok(first);
        }
        let (joint, other) = if is_and { ("AND", "OR") } else { ("OR", "AND") };
        let mut terms = vec![first];
        while self.keyword(joint) {
            terms.push(self.term()?);
        }
        if self.peek_keyword(other) {
            return Err(unexpected(self.next()));
        }
        Ok(if is_and { Condition::And(terms) } else { Condition::Or(terms) })
    }

    fn term(&mut self) -> Result<Condition, Failure> {
        if self.symbol("(") {
            let condition = self.condition()?;
            self.expect_symbol(")")?;
            return Ok(condition);
        }
        if self.keyword("NOT") {
            return Ok(Condition::Not(Box::new(self.term()?)));
        }
        let field = self.name()?;
        let negated = self.keyword("NOT");
        if self.keyword("IN") {
            self.expect_symbol("(")?;
            let mut values = vec![self.literal()?];
            while self.symbol(",") {
                values.push(self.literal()?);
            }
            self.expect_symbol(")")?;
            return Ok(Condition::In { field, negated, values });
        }
        if negated {
            return Err(unexpected(self.next()));
        }
        let comparison = match self.next() {
            Some(Token::Symbol("=")) => Comparison::Equal,
            Some(Token::Symbol("!=" | "<>")) => Comparison::NotEqual,
            Some(Token::Symbol("<")) => Comparison::Less,
            Some(Token::Symbol("<=")) => Comparison::LessOrEqual,
            Some(Token::Symbol(">")) => Comparison::Greater,
            Some(Token::Symbol(">=")) => Comparison::GreaterOrEqual,
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("LIKE") => Comparison::Like,
            token => return Err(unexpected(token)),
        };
        Ok(Condition::Compare { field, comparison, value: self.literal()? })
    }

    fn order(&mut self) -> Result<Order, Failure> {
        let field = self.name()?;
        let descending = !self.keyword("ASC") && self.keyword("DESC");
        let mut nulls_last = false;
        if self.keyword("NULLS") {
            nulls_last = !self.keyword("FIRST");
            if nulls_last {
                self.expect("LAST")?;
            }
        }
        Ok(Order { field, descending, nulls_last })
    }

    fn literal(&mut self) -> Result<Literal, Failure> {
        match self.next() {
            Some(Token::Text(text)) => Ok(Literal::Text(text)),
            Some(Token::Word(word)) => match word.to_ascii_lowercase().as_str() {
                "null" => Ok(Literal::Null),
                "true" => Ok(Literal::Bool(true)),
                "false" => Ok(Literal::Bool(false)),
                _ if word.contains(':') || word.len() == 10 && word.as_bytes()[4] == b'-' => {
                    Ok(Literal::Time(word))
                }
                _ => word
                    .parse()
                    .map(Literal::Number)
                    .map_err(|_no_number| unexpected(Some(Token::Word(word)))),
            },
            token => Err(unexpected(token)),
        }
    }

    fn count(&mut self) -> Result<usize, Failure> {
        let word = self.name()?;
        word.parse().map_err(|_no_number| unexpected(Some(Token::Word(word))))
    }

    fn name(&mut self) -> Result<String, Failure> {
        match self.next() {
            Some(Token::Word(word)) => Ok(word),
            token => Err(unexpected(token)),
        }
    }

    fn expect(&mut self, keyword: &str) -> Result<(), Failure> {
        if self.keyword(keyword) { Ok(()) } else { Err(unexpected(self.next())) }
    }

    fn expect_symbol(&mut self, symbol: &'static str) -> Result<(), Failure> {
        if self.symbol(symbol) { Ok(()) } else { Err(unexpected(self.next())) }
    }

    fn keyword(&mut self, keyword: &str) -> bool {
        let found = self.peek_keyword(keyword);
        self.at += usize::from(found);
        found
    }

    fn peek_keyword(&self, keyword: &str) -> bool {
        matches!(self.tokens.get(self.at), Some(Token::Word(word)) if word.eq_ignore_ascii_case(keyword))
    }

    fn symbol(&mut self, symbol: &'static str) -> bool {
        let found = self.tokens.get(self.at) == Some(&Token::Symbol(symbol));
        self.at += usize::from(found);
        found
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, Failure> {
    const SYMBOLS: [&str; 10] = ["!=", "<>", "<=", ">=", "=", "<", ">", ",", "(", ")"];
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if first == '\'' {
            let (text, after) = quoted(&rest[1..])?;
            tokens.push(Token::Text(text));
            rest = after;
        } else if let Some(symbol) = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol)) {
            tokens.push(Token::Symbol(symbol));
            rest = &rest[symbol.len()..];
        } else {
            let is_part = |character: char| character.is_ascii_alphanumeric() || "_.:+-".contains(character);
            let end = rest.find(|character| !is_part(character)).unwrap_or(rest.len());
            if end == 0 {
                return Err(malformed(&format!("unexpected token: '{first}'")));
            }
            tokens.push(Token::Word(rest[..end].to_owned()));
            rest = &rest[end..];
        }
        rest = rest.trim_start();
    }
    Ok(tokens)
}

/// The text up to the closing quote, and what follows it.
fn quoted(rest: &str) -> Result<(String, &str), Failure> {
    let mut text = String::new();
    let mut characters = rest.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\'' => return Ok((text, &rest[at + 1..])),
            '\\' => match characters.next() {
                Some((_, 'n')) => text.push('\n'),
                Some((_, 't')) => text.push('\t'),
                // A wildcard that was escaped stays escaped until it is compared.
                Some((_, wildcard @ ('%' | '_'))) => text.extend(['\\', wildcard]),
                Some((_, escaped)) => text.push(escaped),
                None => break,
            },
            _ => text.push(character),
        }
    }
    Err(malformed("a string is not closed"))
}

fn unexpected(token: Option<Token>) -> Failure {
    match token {
        Some(Token::Word(text) | Token::Text(text)) => malformed(&format!("unexpected token: '{text}'")),
        Some(Token::Symbol(symbol)) => malformed(&format!("unexpected token: '{symbol}'")),
        None => malformed("unexpected token: '<EOF>'"),
    }
}

pub(super) fn malformed(message: &str) -> Failure {
    Failure::new("MALFORMED_QUERY", message)
}

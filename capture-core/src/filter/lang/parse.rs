//! Words to expression, by libpcap's grammar with its oddities: `and` and `or`
//! bind equally, a bare identifier takes the qualifiers of what stands before
//! it, `%` and `^` swallow all that follows.

use super::arith;
use super::lex::{did_you_mean, tokens};
use super::mistake::{Mistake, Span};
use super::syntax::*;
use super::token::{Kind, Sign, Token, Word};

/// Most parentheses, `not`s and changes between `and` and `or` inside each other.
const DEEPEST: usize = 200;
/// Most words in an expression.
const MOST_TOKENS: usize = 200_000;

/// Parses `text`; `None`: it is empty, which stands for every frame.
pub(crate) fn parse(text: &str) -> Result<Option<Expr>, Mistake> {
    let tokens = tokens(text)?;
    if tokens.len() > MOST_TOKENS {
        let span = tokens.get(MOST_TOKENS).map(|t| t.span).unwrap_or_default();
        let message = format!("the expression has more than {MOST_TOKENS} words");
        return Err(Mistake::new(span, message));
    }
    let mut parser = Parser {
        text,
        tokens,
        at: 0,
        depth: 0,
    };
    if parser.peek() == &Kind::End {
        return Ok(None);
    }
    let (expr, _) = parser.expr(None)?;
    match parser.peek() {
        Kind::End => Ok(Some(expr)),
        Kind::Sign(Sign::Close) => Err(parser.wrong("this ) has no ( before it")),
        _ => Err(parser.expected("\"and\", \"or\" or the end")),
    }
}

/// What a following bare identifier inherits; `None`: it may not stand there.
pub(super) type Inherited = Option<Qualifiers>;

pub(super) struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    pub(super) at: usize,
    pub(super) depth: usize,
}

impl Parser<'_> {
    pub(super) fn peek(&self) -> &Kind {
        self.kind_at(self.at)
    }

    fn kind_at(&self, at: usize) -> &Kind {
        self.tokens.get(at).map_or(&Kind::End, |token| &token.kind)
    }

    pub(super) fn span(&self) -> Span {
        let last = self.tokens.last().map(|token| token.span);
        let here = self.tokens.get(self.at).map(|token| token.span);
        here.or(last).unwrap_or_default()
    }

    pub(super) fn span_from(&self, start: Span) -> Span {
        let before = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
        start.to(before.map(|token| token.span).unwrap_or_default())
    }

    pub(super) fn is_sign(&self, sign: Sign) -> bool {
        self.peek() == &Kind::Sign(sign)
    }

    pub(super) fn take_sign(&mut self, sign: Sign) -> bool {
        let found = self.is_sign(sign);
        self.at += usize::from(found);
        found
    }

    fn take_word(&mut self, word: Word) -> bool {
        let found = self.peek() == &Kind::Word(word);
        self.at += usize::from(found);
        found
    }

    pub(super) fn wrong(&self, message: &str) -> Mistake {
        Mistake::new(self.span(), message)
    }

    /// What stands here, and what should.
    pub(super) fn expected(&self, what: &str) -> Mistake {
        let span = self.span();
        let here = self.text.get(span.start..span.end).unwrap_or_default();
        let message = match self.peek() {
            Kind::End => format!("the expression ends where {what} should follow"),
            Kind::Name(name) => {
                format!("expected {what}, not \"{here}\"{}", did_you_mean(name))
            }
            Kind::Protocol(_) if what.ends_with("a name") => {
                format!("expected {what}; as a name, the word \"{here}\" is written \\{here}")
            }
            _ => format!("expected {what}, not \"{here}\""),
        };
        Mistake::new(span, message)
    }

    /// Counts one level of nesting around `inner`.
    pub(super) fn nested<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, Mistake>,
    ) -> Result<T, Mistake> {
        self.deeper("levels of parentheses and \"not\"")?;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// Terms and identifiers joined by `and` and `or`; the first must be a term.
    fn expr(&mut self, outer: Inherited) -> Result<(Expr, Inherited), Mistake> {
        let depth = self.depth;
        let (first, mut inherited) = self.term(outer)?;
        let mut rest = Vec::new();
        while let Some(joint) = self.joint() {
            let (next, after) = self.term_or_id(inherited)?;
            inherited = after;
            self.count_change(&rest, joint)?;
            rest.push((joint, next));
        }
        self.depth = depth;
        Ok((chain(first, rest), inherited))
    }

    /// `and` after `or` and the other way round nest as parentheses do.
    fn count_change(&mut self, rest: &[(Joint, Expr)], joint: Joint) -> Result<(), Mistake> {
        if rest.last().is_none_or(|(last, _)| *last == joint) {
            return Ok(());
        }
        self.deeper("changes between \"and\" and \"or\", and parentheses")
    }

    /// One level deeper, until whoever counts sets `depth` back.
    pub(super) fn deeper(&mut self, what: &str) -> Result<(), Mistake> {
        if self.depth >= DEEPEST {
            return Err(self.wrong(&format!("more than {DEEPEST} {what} inside each other")));
        }
        self.depth += 1;
        Ok(())
    }

    fn joint(&mut self) -> Option<Joint> {
        let joint = match self.peek() {
            Kind::Sign(Sign::And) => Joint::And,
            Kind::Sign(Sign::Or) => Joint::Or,
            _ => return None,
        };
        self.at += 1;
        Some(joint)
    }

    /// What may stand after `and` and `or`.
    fn term_or_id(&mut self, inherited: Inherited) -> Result<(Expr, Inherited), Mistake> {
        if self.take_sign(Sign::Not) {
            let (inner, after) = self.nested(|parser| parser.term_or_id(inherited))?;
            return Ok((Expr::Not(Box::new(inner)), after));
        }
        match self.peek() {
            _ if self.begins_address() => Ok((self.address_id(inherited)?, inherited)),
            Kind::Number(_) | Kind::Sign(Sign::Open) => {
                if let Some(relation) = self.relation()? {
                    return Ok((relation, None));
                }
                if self.is_sign(Sign::Open) && !self.is_list() {
                    return self.parenthesised(inherited);
                }
                Ok((self.id(inherited)?, inherited))
            }
            _ => self.term(inherited),
        }
    }

    /// Whether the parenthesis here opens a list of identifiers, or a number.
    fn is_list(&self) -> bool {
        let mut at = self.at;
        while self.kind_at(at) == &Kind::Sign(Sign::Open) {
            at += 1;
        }
        let opened = at - self.at;
        match self.kind_at(at) {
            // The number may have parentheses of its own.
            Kind::Number(_) => {
                let closes = |n: &usize| self.kind_at(at + n) == &Kind::Sign(Sign::Close);
                let closed = (1..=opened).take_while(closes).count();
                let next = self.kind_at(at + closed + 1);
                let joined = matches!(next, Kind::Sign(Sign::And | Sign::Or));
                closed == opened || closed + 1 == opened && joined
            }
            Kind::Name(_) | Kind::Dotted(_) | Kind::V6(_) | Kind::Mac(_) | Kind::Arcnet(_) => {
                opened == 1
            }
            _ => false,
        }
    }

    fn begins_address(&self) -> bool {
        matches!(
            self.peek(),
            Kind::Name(_) | Kind::Dotted(_) | Kind::V6(_) | Kind::Mac(_) | Kind::Arcnet(_)
        )
    }

    fn parenthesised(&mut self, inherited: Inherited) -> Result<(Expr, Inherited), Mistake> {
        let open = self.span();
        self.at += 1;
        let (expr, _) = self.nested(|parser| parser.expr(inherited))?;
        self.close(open)?;
        Ok((expr, inherited))
    }

    pub(super) fn close(&mut self, open: Span) -> Result<(), Mistake> {
        if self.take_sign(Sign::Close) {
            return Ok(());
        }
        match self.peek() {
            Kind::End => Err(Mistake::new(open, "this ( is never closed")),
            _ => Err(self.expected("\"and\", \"or\" or \")\"")),
        }
    }

    /// One complete test: it cannot be a bare identifier.
    fn term(&mut self, outer: Inherited) -> Result<(Expr, Inherited), Mistake> {
        if self.take_sign(Sign::Not) {
            let (inner, after) = self.nested(|parser| parser.term(outer))?;
            return Ok((Expr::Not(Box::new(inner)), after));
        }
        if let Some(relation) = self.relation()? {
            return Ok((relation, None));
        }
        if self.is_sign(Sign::Open) {
            return self.parenthesised(outer);
        }
        if self.begins_address() || matches!(self.peek(), Kind::Number(_)) {
            return Err(self.bare());
        }
        let start = self.span();
        let proto = match self.peek() {
            Kind::Protocol(proto) => Some(*proto),
            _ => None,
        };
        self.at += usize::from(proto.is_some());
        if let Some(term) = self.after_protocol(proto)? {
            return Ok((Expr::Term(term, self.span_from(start)), None));
        }
        if let Some(qualifiers) = self.qualifiers(proto)? {
            let expr = self.id(Some(qualifiers))?;
            return Ok((expr, Some(qualifiers)));
        }
        match proto {
            Some(proto) => Ok((Expr::Term(Term::Protocol(proto), start), None)),
            None => match self.other(start)? {
                Some(term) => Ok((Expr::Term(term, self.span_from(start)), None)),
                None => Err(self.expected("a test such as \"tcp\", \"host\" or \"port\"")),
            },
        }
    }

    /// An identifier without qualifiers.
    fn bare(&self) -> Mistake {
        let span = self.span();
        let here = self.text.get(span.start..span.end).unwrap_or_default();
        let message = match self.peek() {
            Kind::Name(name) => {
                let near = did_you_mean(name);
                format!(
                    "\"{here}\" is no keyword, and as a name it needs a word before it, \
                         such as \"host {here}\" or \"port {here}\"{near}"
                )
            }
            Kind::Number(_) => {
                format!("the number {here} needs a word before it, such as \"port {here}\"")
            }
            Kind::Mac(_) => format!(
                "an Ethernet address needs \"ether host\" before it: \
                                     \"ether host {here}\""
            ),
            _ => format!("an address needs a word before it: \"host {here}\""),
        };
        Mistake::new(span, message)
    }

    /// Direction and kind. `None`: there are none.
    fn qualifiers(&mut self, proto: Option<Proto>) -> Result<Option<Qualifiers>, Mistake> {
        let direction = self.direction()?;
        let kind = match self.peek() {
            Kind::Word(Word::Host) => Some(IdKind::Host),
            Kind::Word(Word::Net) => Some(IdKind::Net),
            Kind::Word(Word::Port) => Some(IdKind::Port),
            Kind::Word(Word::Portrange) => Some(IdKind::Portrange),
            Kind::Word(Word::Proto) => Some(IdKind::Proto),
            Kind::Word(Word::Protochain) => Some(IdKind::Protochain),
            Kind::Word(Word::Gateway) => Some(IdKind::Gateway),
            _ => None,
        };
        let undirected = [IdKind::Proto, IdKind::Protochain, IdKind::Gateway];
        if let (Some(_), Some(kind)) = (direction, kind)
            && undirected.contains(&kind)
        {
            return Err(self.expected("an address or \"host\", \"net\", \"port\", \"portrange\""));
        }
        self.at += usize::from(kind.is_some());
        Ok(
            (direction.is_some() || kind.is_some()).then_some(Qualifiers {
                proto,
                direction,
                kind,
            }),
        )
    }

    fn direction(&mut self) -> Result<Option<Direction>, Mistake> {
        let first = match self.peek() {
            Kind::Word(word @ (Word::Src | Word::Dst)) => *word,
            Kind::Word(Word::WirelessAddress) => {
                return Err(self.wrong(
                    "addresses by place are those of 802.11, which pktrail \
                                       does not filter",
                ));
            }
            _ => return Ok(None),
        };
        self.at += 1;
        let single = match first {
            Word::Src => Direction::Source,
            _ => Direction::Destination,
        };
        let Some(joint) = self.joint() else {
            return Ok(Some(single));
        };
        let other = match first {
            Word::Src => Word::Dst,
            _ => Word::Src,
        };
        if !self.take_word(other) {
            let name = if other == Word::Src { "src" } else { "dst" };
            return Err(self.expected(&format!("\"{name}\"")));
        }
        Ok(Some(match joint {
            Joint::And => Direction::Both,
            Joint::Or => Direction::Either,
        }))
    }

    /// What qualifiers qualify: an address, number, name, or a list of them.
    fn id(&mut self, inherited: Inherited) -> Result<Expr, Mistake> {
        if self.take_sign(Sign::Not) {
            let inner = self.nested(|parser| parser.id(inherited))?;
            return Ok(Expr::Not(Box::new(inner)));
        }
        if self.is_sign(Sign::Open) {
            if let Some(number) = self.number_in_parentheses() {
                return self.number_id(number, inherited);
            }
            let open = self.span();
            self.at += 1;
            let list = self.nested(|parser| parser.list(inherited))?;
            self.close(open)?;
            return Ok(list);
        }
        if let Kind::Number(number) = self.peek() {
            let number = *number;
            self.at += 1;
            return self.number_id(number, inherited);
        }
        match self.begins_address() {
            true => self.address_id(inherited),
            false => Err(self.expected("an address, a number or a name")),
        }
    }

    /// What stands in the parentheses of a list.
    fn list(&mut self, inherited: Inherited) -> Result<Expr, Mistake> {
        let first_is_number = matches!(self.peek(), Kind::Number(_) | Kind::Sign(Sign::Open));
        let first = match first_is_number {
            true => match self.number_in_parentheses() {
                Some(number) => self.number_id(number, inherited)?,
                None if self.is_sign(Sign::Open) => {
                    return Err(self.expected("an address, a number or a name"));
                }
                None => self.id(inherited)?,
            },
            false if self.begins_address() => self.address_id(inherited)?,
            false => return Err(self.expected("an address, a number or a name")),
        };
        let depth = self.depth;
        let mut rest = Vec::new();
        while let Some(joint) = self.joint() {
            self.count_change(&rest, joint)?;
            rest.push((joint, self.id(inherited)?));
        }
        self.depth = depth;
        Ok(chain(first, rest))
    }

    /// A number in parentheses, if that is all that stands in them.
    pub(super) fn number_in_parentheses(&mut self) -> Option<u32> {
        let mut at = self.at;
        while self.kind_at(at) == &Kind::Sign(Sign::Open) {
            at += 1;
        }
        let opened = at - self.at;
        let Kind::Number(number) = *self.kind_at(at) else {
            return None;
        };
        let closes = (1..=opened).all(|n| self.kind_at(at + n) == &Kind::Sign(Sign::Close));
        if !closes {
            return None;
        }
        self.at = at + opened + 1;
        Some(number)
    }

    fn inherits(&self, inherited: Inherited) -> Result<Qualifiers, Mistake> {
        inherited.ok_or_else(|| self.bare())
    }

    fn number_id(&mut self, number: u32, inherited: Inherited) -> Result<Expr, Mistake> {
        let span = self.span_from(self.before());
        let Some(qualifiers) = inherited else {
            self.at = self.at.saturating_sub(1);
            return Err(self.bare());
        };
        Ok(Expr::Term(
            Term::Qualified(qualifiers, Id::Number(number)),
            span,
        ))
    }

    fn before(&self) -> Span {
        let before = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
        before.map(|token| token.span).unwrap_or_default()
    }

    fn address_id(&mut self, inherited: Inherited) -> Result<Expr, Mistake> {
        let qualifiers = self.inherits(inherited)?;
        let start = self.span();
        let kind = self.peek().clone();
        self.at += 1;
        let id = match kind {
            Kind::Name(name) => Id::Name(name),
            Kind::Mac(mac) => Id::Mac(mac),
            Kind::Arcnet(address) => Id::Arcnet(address),
            Kind::V6(address) => match self.take_sign(Sign::Divide) {
                true => Id::V6Prefix(address, self.number("the prefix length")?),
                false => Id::V6(address),
            },
            Kind::Dotted(address) => {
                if self.take_sign(Sign::Divide) {
                    Id::Prefix(address, self.number("the prefix length")?)
                } else if self.take_word(Word::Mask) {
                    let Kind::Dotted(mask) = self.peek().clone() else {
                        return Err(self.expected("a mask such as 255.255.255.0"));
                    };
                    self.at += 1;
                    Id::Masked(address, mask)
                } else {
                    Id::Dotted(address)
                }
            }
            _ => return Err(self.expected("an address")),
        };
        let span = self.span_from(start);
        Ok(Expr::Term(Term::Qualified(qualifiers, id), span))
    }

    pub(super) fn number(&mut self, what: &str) -> Result<u32, Mistake> {
        let Kind::Number(number) = *self.peek() else {
            return Err(self.expected(what));
        };
        self.at += 1;
        Ok(number)
    }

    /// What may follow a protocol without a kind: `broadcast` and `multicast`.
    fn after_protocol(&mut self, proto: Option<Proto>) -> Result<Option<Term>, Mistake> {
        let term = match self.peek() {
            Kind::Word(Word::Broadcast) => Term::Broadcast(proto),
            Kind::Word(Word::Multicast) => Term::Multicast(proto),
            Kind::Word(Word::WirelessField) => {
                return Err(self.wrong(
                    "this is a test of 802.11 frames, which pktrail does not \
                                       filter",
                ));
            }
            _ => return Ok(None),
        };
        self.at += 1;
        Ok(Some(term))
    }

    /// Tests that stand for themselves.
    fn other(&mut self, start: Span) -> Result<Option<Term>, Mistake> {
        let Kind::Word(word) = *self.peek() else {
            return Ok(None);
        };
        self.at += 1;
        let term = match word {
            Word::Less => Term::Less(self.number("a length")?),
            Word::Greater => Term::Greater(self.number("a length")?),
            Word::Byte => self.byte()?,
            Word::Inbound => Term::Inbound,
            Word::Outbound => Term::Outbound,
            Word::Ifindex => Term::Ifindex(self.number("an interface index")?),
            Word::Vlan => Term::Vlan(self.optional_number()?),
            Word::Mpls => Term::Mpls(self.optional_number()?),
            Word::Pppoed => Term::Pppoed,
            Word::Pppoes => Term::Pppoes(self.optional_number()?),
            Word::Geneve => Term::Geneve(self.optional_number()?),
            Word::Vxlan => Term::Vxlan(self.optional_number()?),
            Word::Llc => Term::Llc(self.llc()?),
            Word::Pflog | Word::Rnr => {
                return Err(foreign(start, "the firewall log of the BSDs (PFLOG)"));
            }
            Word::Atm => return Err(foreign(start, "ATM (SUNATM)")),
            Word::Ss7 => return Err(foreign(start, "SS7 (MTP2)")),
            _ => {
                self.at -= 1;
                return Ok(None);
            }
        };
        Ok(Some(term))
    }

    fn byte(&mut self) -> Result<Term, Mistake> {
        let offset = self.number("the offset of a byte")?;
        let test = match self.peek() {
            Kind::Sign(Sign::Equal) => ByteTest::Equal,
            Kind::Sign(Sign::Less) => ByteTest::Less,
            Kind::Sign(Sign::Greater) => ByteTest::Greater,
            Kind::Sign(Sign::BitAnd) => ByteTest::And,
            Kind::Sign(Sign::BitOr) => ByteTest::Or,
            _ => return Err(self.expected("=, <, >, & or |")),
        };
        self.at += 1;
        Ok(Term::Byte(offset, test, self.number("a number")?))
    }

    fn optional_number(&mut self) -> Result<Option<u32>, Mistake> {
        if let Kind::Number(number) = *self.peek() {
            self.at += 1;
            return Ok(Some(number));
        }
        if !self.is_sign(Sign::Open) {
            return Ok(None);
        }
        match self.number_in_parentheses() {
            Some(number) => Ok(Some(number)),
            None => Err(self.wrong("here only a number may stand in parentheses")),
        }
    }

    fn llc(&mut self) -> Result<Llc, Mistake> {
        let name = match self.peek() {
            Kind::Name(name) => name.clone(),
            Kind::Word(Word::Rnr) => "rnr".into(),
            _ => return Ok(Llc::All),
        };
        // `i`, `s` and `u` in either case, the others in lower case only.
        let matches = |known: &str| match known.len() {
            1 => name.eq_ignore_ascii_case(known),
            _ => name == known,
        };
        let Some(&(_, mask, value)) = LLC_NAMES.iter().find(|(known, ..)| matches(known)) else {
            return Err(self.expected(
                "a type of LLC frame (i, s, u, rr, rnr, rej, ui, ua, disc, \
                                      dm, sabme, test, xid, frmr)",
            ));
        };
        self.at += 1;
        Ok(Llc::Control { mask, value })
    }

    /// A comparison of two numbers, if one begins here.
    fn relation(&mut self) -> Result<Option<Expr>, Mistake> {
        arith::relation(self)
    }

    pub(super) fn is_index(&self, at: usize) -> bool {
        matches!(self.kind_at(at), Kind::Protocol(_))
            && self.kind_at(at + 1) == &Kind::Sign(Sign::OpenIndex)
    }
}

fn foreign(span: Span, what: &str) -> Mistake {
    let message = format!("this is a test of {what}, which pktrail does not filter");
    Mistake::new(span, message)
}

fn chain(first: Expr, rest: Vec<(Joint, Expr)>) -> Expr {
    match rest.is_empty() {
        true => first,
        false => Expr::Chain(Box::new(first), rest),
    }
}

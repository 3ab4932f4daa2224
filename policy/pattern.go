package policy

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A pattern is a text with wildcards and variables, cut into pieces. Most are
// one literal, or one with a * behind it, and are matched without the pieces.
type pattern struct {
	shape  shape
	head   string // the literal at the beginning
	pieces []piece
}

type shape uint8

const (
	mixed   shape = iota
	whole         // the head is all
	leading       // anything after the head
)

type piece struct {
	what     pieceKind
	text     string // of a literal; the default of a variable
	key      key    // of a variable
	fallback bool   // the variable has a default
}

type pieceKind uint8

const (
	literal  pieceKind = iota
	anyRun             // *
	anyOne             // ?
	variable           // ${key}
)

// newPattern compiles a text. In a plain text * and ? stand for themselves;
// without variables so does ${…}.
func newPattern(text string, wildcards, variables bool) pattern {
	var p []piece
	var plain strings.Builder
	flush := func() {
		if plain.Len() > 0 {
			p = append(p, piece{what: literal, text: plain.String()})
			plain.Reset()
		}
	}
	last := lastBrace(text, variables)
	for i := 0; i < len(text); i++ {
		switch name, n := variableAt(text, i, last); {
		case n > 0 && len(name) == 1 && strings.Contains("*?$", name):
			plain.WriteString(name)
			i += n - 1
		case n > 0:
			flush()
			p = append(p, newVariable(name))
			i += n - 1
		case wildcards && text[i] == '*':
			flush()
			if n := len(p); n == 0 || p[n-1].what != anyRun {
				p = append(p, piece{what: anyRun})
			}
		case wildcards && text[i] == '?':
			flush()
			p = append(p, piece{what: anyOne})
		default:
			plain.WriteByte(text[i])
		}
	}
	flush()
	return shaped(p)
}

func shaped(pieces []piece) pattern {
	p := pattern{pieces: pieces}
	if len(pieces) > 0 && pieces[0].what == literal {
		p.head, pieces = pieces[0].text, pieces[1:]
	}
	switch {
	case len(pieces) == 0:
		p.shape = whole
	case len(pieces) == 1 && pieces[0].what == anyRun:
		p.shape = leading
	}
	return p
}

// match reports whether the whole of s fits. What a variable stands for is
// literal: wildcards in it do not act.
func (p *pattern) match(s string, c *Context) bool {
	switch p.shape {
	case whole:
		return s == p.head
	case leading:
		return strings.HasPrefix(s, p.head)
	}
	return strings.HasPrefix(s, p.head) && matchPieces(p.pieces, s, c)
}

// matchPieces, after a mismatch, tries only the last * again, further on, so its
// time is at most the product of the lengths.
func matchPieces(p []piece, s string, c *Context) bool {
	at, pos := 0, 0      // next piece, next byte
	star, retry := -1, 0 // the last * and where what follows it was last tried
	for at < len(p) || pos < len(s) {
		if at < len(p) {
			if p[at].what == anyRun {
				star, retry = at, pos
				at++
				continue
			}
			if n := p[at].eat(s[pos:], c); n >= 0 {
				at, pos = at+1, pos+n
				continue
			}
		} else if star == len(p)-1 {
			return true // a * at the end takes the rest
		}
		if star < 0 || retry == len(s) {
			return false
		}
		_, n := utf8.DecodeRuneInString(s[retry:])
		retry += n
		at, pos = star+1, retry
	}
	return true
}

// eat returns how many bytes of s the piece takes from its beginning, or -1.
func (p *piece) eat(s string, c *Context) int {
	if p.what == anyOne {
		if s == "" {
			return -1
		}
		_, n := utf8.DecodeRuneInString(s)
		return n
	}
	text, ok := p.resolve(c)
	if !ok || !strings.HasPrefix(s, text) {
		return -1
	}
	return len(text)
}

// matchFold is match without regard to case, for a pattern without wildcards.
func (p *pattern) matchFold(s string, c *Context) bool {
	for i := range p.pieces {
		text, ok := p.pieces[i].resolve(c)
		if !ok {
			return false
		}
		if s, ok = cutPrefixFold(s, text); !ok {
			return false
		}
	}
	return s == ""
}

func cutPrefixFold(s, prefix string) (string, bool) {
	for prefix != "" {
		a, n := utf8.DecodeRuneInString(prefix)
		b, m := utf8.DecodeRuneInString(s)
		same := a == b || unicode.ToLower(a) == unicode.ToLower(b) || unicode.ToUpper(a) == unicode.ToUpper(b)
		if !same || a == utf8.RuneError && prefix[:n] != s[:m] {
			return s, false
		}
		prefix, s = prefix[n:], s[m:]
	}
	return s, true
}

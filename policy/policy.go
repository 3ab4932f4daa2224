// Package policy is the IAM policy language: it parses, validates and compiles
// policies, and decides by them whether a request is allowed, and why.
//
// Most callers need two calls. [Parse] reads a policy that somebody wants to
// save and refuses it in AWS's words ([Load] reads one that was saved). [Decide]
// takes a [Request] and the [Policies] that apply to it, and returns a verdict
// with the statement that decided or the layer where an Allow was missing, from
// which [Decision.Denial] makes the text AWS would send.
//
// Nothing is allowed unless a statement allows it, a Deny wins over everything,
// and what cannot be understood or read denies. The package is pure: it knows
// no clock and does no I/O. Policies, contexts and requests do not change once
// made and may be shared between goroutines. The rules it follows are numbered;
// comments and tests name them.
package policy

import (
	"fmt"
	"slices"
	"sync/atomic"
)

// The most bytes that a policy may have: a key policy (rule 9.2), and any other,
// where it only bounds the work; iam has its own, lower limits.
const (
	MaxKeyBytes = 32_768
	MaxBytes    = 131_072
)

// Policy is one policy document, compiled. Do not change it.
type Policy struct {
	Name       string // as given to Load; for reasons
	Kind       Kind
	Version    string // empty if absent
	ID         string
	Statements []*Statement

	text        []byte
	unreadable  bool
	conditional bool // some statement looks into the context
	index       atomic.Pointer[map[string][]*Statement]
}

// Parse reads a policy in order to save it and refuses what AWS refuses, with
// an [*Error], or [ErrTooLarge].
func Parse(text []byte, kind Kind) (*Policy, error) {
	p, err := open(text, kind)
	if err != nil {
		return nil, err
	}
	if err := validate(p); err != nil {
		return nil, err
	}
	p.compile()
	return p, nil
}

// Load reads a policy that was saved. It refuses only what is no policy at all;
// a statement that it does not understand allows nothing, and denies as if its
// conditions held (rules 1.4 and 4.4). In place of a policy that cannot be
// loaded use [Unreadable].
func Load(name string, text []byte, kind Kind) (*Policy, error) {
	p, err := open(text, kind)
	if err != nil {
		return nil, fmt.Errorf("policy %q: %w", name, err)
	}
	for _, s := range p.Statements {
		if s.Effect != Allow && s.Effect != Deny {
			return nil, fmt.Errorf("policy %q: %w", name, s.refuse(kind, legacyText, "Effect %.40q", string(s.Effect)))
		}
		s.Policy = name
	}
	p.Name = name
	p.compile()
	return p, nil
}

// Unreadable stands for a policy that applies but could not be read: it denies
// everything, because skipping it could drop a Deny (rule 1.4).
func Unreadable(name string, kind Kind) *Policy {
	s := &Statement{Policy: name, Effect: Deny}
	return &Policy{Name: name, Kind: kind, Statements: []*Statement{s}, unreadable: true}
}

// Text is the document as it was written.
func (p *Policy) Text() string { return string(p.text) }

func open(text []byte, kind Kind) (*Policy, error) {
	limit := MaxBytes
	if kind == Key {
		limit = MaxKeyBytes
	}
	if len(text) > limit {
		return nil, fmt.Errorf("%v of %d bytes: %w, at most %d", kind, len(text), ErrTooLarge, limit)
	}
	return read(slices.Clone(text), kind)
}

// refuse says that the statement is wrong, in AWS's words and ours.
func (s *Statement) refuse(kind Kind, reason, format string, args ...any) error {
	return &Error{Kind: kind, Reason: reason, Detail: fmt.Sprintf(format, args...), Line: s.Line, Column: s.Column}
}

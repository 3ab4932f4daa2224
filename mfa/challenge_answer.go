package mfa

import (
	"context"
	"errors"
	"strings"

	"github.com/keyd-hsm/keyd/mfa/protocol"
)

// IsRefusal reports whether an error says that an answer is a no. All others say
// that it could not be found out, which is no yes either.
func IsRefusal(err error) bool {
	return refused(err) || errors.Is(err, ErrMethod)
}

// Answer checks an answer to the challenge of that id. It calls record with what
// was found, once and before it counts, and returns what record returns: only if
// that is nil, for an answer that is right, is the challenge verified. The third
// refusal rejects it. Without a challenge that waits for an answer it returns
// ErrNoChallenge and calls nothing.
//
// Answers to one challenge come one after the other. So of two that are right at
// once one is taken, and the other finds nothing left to answer.
func (t *Challenges) Answer(ctx context.Context, id string, a protocol.Answer, record func(Proof, error) error) error {
	e, err := t.take(ctx, id)
	if err != nil {
		return err
	}
	var (
		proof   Proof
		verdict = errors.New("no verdict") // if what follows panics
	)
	defer func() { t.settle(e, proof, verdict) }()
	found, refusal := t.check(ctx, e, a)
	err = record(found, refusal)
	if proof, verdict = found, refusal; verdict == nil {
		verdict = err
	}
	if err == nil {
		err = refusal
	}
	return err
}

// take waits for the turn to answer.
func (t *Challenges) take(ctx context.Context, id string) (*entry, error) {
	t.mu.Lock()
	e, ok := t.byID[id]
	t.mu.Unlock()
	if !ok {
		return nil, ErrNoChallenge
	}
	select {
	case e.turn <- struct{}{}:
	case <-e.done:
		return nil, ErrNoChallenge
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byID[id] != e || t.ended(e) {
		<-e.turn
		return nil, ErrNoChallenge
	}
	e.answering = true
	return e, nil
}

// settle notes what came of an answer, and lets the next have its turn.
func (t *Challenges) settle(e *entry, p Proof, verdict error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now().UTC()
	switch {
	case verdict == nil:
		e.proof = p
		t.end(e, protocol.Outcome{
			State: protocol.Verified, At: now,
			Method: strings.ToLower(p.Type), Device: p.Serial, Attested: p.Attested, TouchPolicy: p.TouchPolicy,
		})
	case IsRefusal(verdict):
		if e.refused++; e.refused >= maxRefused {
			t.end(e, protocol.Outcome{State: protocol.Rejected, At: now})
		}
	}
	e.answering = false
	t.ended(e) // its time may have come meanwhile
	<-e.turn
}

// check asks the factors about an answer. A signature is held against the message
// that this challenge makes, whatever was signed.
func (t *Challenges) check(ctx context.Context, e *entry, a protocol.Answer) (Proof, error) {
	accept, signed := acceptable(e.Methods)
	switch {
	case a.Code == "" && signed:
		m := e.Message(protocol.Device{SerialNumber: a.Device})
		return t.factors.VerifySignature(ctx, e.Owner, a.Device, m, a.Signature)
	case a.Code != "" && len(accept) > 0:
		return t.factors.VerifyAny(ctx, e.Owner, a.Code, accept)
	}
	return Proof{}, ErrMethod
}

// acceptable are the types of devices that codes may come from, and whether a
// security key may sign.
func acceptable(methods []string) (codes []string, signed bool) {
	for _, m := range methods {
		if m == protocol.PIV {
			signed = true
			continue
		}
		codes = append(codes, strings.ToUpper(m))
	}
	return codes, signed
}

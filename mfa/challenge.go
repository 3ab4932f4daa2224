package mfa

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/keyd-hsm/keyd/mfa/protocol"
)

// What Challenges refuse, beside the refusals of Factors.
var (
	// ErrNoChallenge: there is none of that id for whom asked, or it has ended.
	ErrNoChallenge = errors.New("no such challenge")
	// ErrTooMany: one asker about one user, one asker in all, or all together have as
	// many challenges or waits as may be.
	ErrTooMany = errors.New("too many challenges")
	// ErrMethod: the answer is of a method that the challenge does not take.
	ErrMethod = errors.New("a method that was not asked for")
)

// Limits of challenges.
const (
	MinTTL     = 5 * time.Second
	DefaultTTL = time.Minute
	MaxTTL     = 10 * time.Minute

	maxRefused  = 3                // answers, then it is rejected
	outcomeKept = 60 * time.Second // after the end
	idSize      = 16               // bytes
	maxListed   = 100
	sweepEvery  = time.Second // at most so often, while there is room
)

// Factors check answers, as a [Service] does: what they say yes to is spent, and
// what they refuse is counted, durably both when they return. They refuse with
// ErrCode, ErrDevice or a *BlockedError; other errors are no answer at all.
type Factors interface {
	// VerifyAny checks a code of any of the owner's devices of the accepted types.
	VerifyAny(ctx context.Context, owner, code string, accept []string) (Proof, error)
	// VerifySignature checks the signature of a security key of the owner over m.
	VerifySignature(ctx context.Context, owner, serial string, m protocol.Message, signature []byte) (Proof, error)
}

// A Question is what a challenge is made of. It is shared and must not be changed.
type Question struct {
	// Challenge is what the person is shown. Ask sets its version, id, nonce and times.
	protocol.Challenge
	// From says who asked, in whose number it counts and who may wait for the
	// outcome: "uid:0", or the ARN of a session's user.
	From string
	// Owner is whose devices answer, as OwnerOf has it; "" for nobody: then no
	// answer is right.
	Owner string
	// TTL is for how long it may be answered; 0 means DefaultTTL.
	TTL time.Duration
	// Lasts is for how long credentials are, where they are asked for; 0 is the
	// default of sessions.
	Lasts time.Duration
}

// Challenges are the questions that wait for a person, and for a while what came
// of them. They are in memory only, and bounded; they end with the process, and
// then nobody can answer them, since ids and nonces are never made twice.
//
// No goroutine belongs to a challenge: what is over is cleared away by the calls
// that come later. Challenges are safe for concurrent use.
type Challenges struct {
	account string
	factors Factors
	now     func() time.Time

	mu     sync.Mutex // guards the rest, and what each entry says
	byID   map[string]*entry
	shares map[share]*holding
	count  uint64
	swept  time.Time
	over   bool          // Close was called
	closed chan struct{} // closed with it
}

// An entry is one challenge. Challenges.mu guards what may change.
type entry struct {
	Question
	number uint64        // in the order of asking
	turn   chan struct{} // holds one: who has put something in is the one that answers
	done   chan struct{} // closed when it has ended

	answering bool // then it does not expire
	refused   int  // answers
	outcome   protocol.Outcome
	proof     Proof
	ended     time.Time // zero while it waits
	claimed   bool      // its credentials
}

// NewChallenges makes the table of an account. realTime is what they expire by.
func NewChallenges(account string, factors Factors, realTime func() time.Time) *Challenges {
	return &Challenges{
		account: account, factors: factors, now: realTime,
		byID: make(map[string]*entry), shares: make(map[share]*holding), closed: make(chan struct{}),
	}
}

// Ask makes a challenge of q, with an id of 128 random bits and a nonce. It
// returns ErrTooMany where there are as many as may be.
func (t *Challenges) Ask(q Question) (protocol.Challenge, error) {
	random := make([]byte, idSize+protocol.NonceSize)
	_, _ = rand.Read(random) // never fails: see crypto/rand
	now := t.now().UTC()
	q.Version, q.Account = protocol.Version, t.account
	q.ID, q.Nonce = hex.EncodeToString(random[:idSize]), random[idSize:]
	q.Created, q.Expires = now, now.Add(cmp.Or(q.TTL, DefaultTTL))
	e := &entry{
		Question: q, turn: make(chan struct{}, 1), done: make(chan struct{}), outcome: protocol.Outcome{State: protocol.Pending},
	}

	t.mu.Lock()
	defer t.mu.Unlock()
	if t.full(&q) || now.Sub(t.swept) >= sweepEvery {
		t.sweep(now)
	}
	if t.over || t.full(&q) {
		return protocol.Challenge{}, ErrTooMany
	}
	t.count++
	e.number = t.count
	t.byID[q.ID] = e
	for h := range t.holdings(&q) {
		h.open++
	}
	return e.Challenge, nil
}

// Find is what a challenge that waits for an answer asks; ErrNoChallenge if there
// is none.
//
// Ids are looked up as any key of a map is: of 128 random bits, the time that it
// takes tells nobody enough to guess one, and an id alone answers nothing.
func (t *Challenges) Find(id string) (Question, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, ok := t.byID[id]
	if !ok || t.ended(e) {
		return Question{}, ErrNoChallenge
	}
	return e.Question, nil
}

// Pending lists challenges that wait for an answer and that wanted picks, the
// newest first, and a hundred at most.
func (t *Challenges) Pending(wanted func(*Question) bool) []protocol.Challenge {
	t.mu.Lock()
	t.sweep(t.now())
	var found []*entry
	for _, e := range t.byID {
		if e.ended.IsZero() {
			found = append(found, e)
		}
	}
	t.mu.Unlock()
	slices.SortFunc(found, func(a, b *entry) int { return cmp.Compare(b.number, a.number) })
	list := []protocol.Challenge{}
	for _, e := range found {
		if len(list) < maxListed && wanted(&e.Question) {
			list = append(list, e.Challenge)
		}
	}
	return list
}

// Cancel forgets a challenge of that asker, whatever came of it. Who waits for it
// learns that it is gone.
func (t *Challenges) Cancel(from, id string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, err := t.own(from, id)
	if err != nil {
		return err
	}
	t.forget(e)
	return nil
}

// Close ends all waits, now and from now on, and takes no more questions.
func (t *Challenges) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.over {
		t.over = true
		close(t.closed)
	}
}

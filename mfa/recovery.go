package mfa

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/keyd-hsm/keyd/store"
)

const (
	recoveryCount  = 10
	recoverySize   = 10 // bytes of a code: 80 bits, 16 characters
	recoveryGroup  = 4  // characters
	recoverySalt   = 16 // bytes
	recoveryLength = recoverySize * 8 / 5
)

// recoveryCodes are those of one owner. They are stored as salted SHA-256: what a
// slow hash is good for, few guesses at what people choose, is not needed for 80
// random bits, which nobody searches through.
type recoveryCodes struct {
	Version int       `json:"v"`
	Created time.Time `json:"created"`
	Salt    []byte    `json:"salt"`
	Hashes  [][]byte  `json:"hashes"` // of those that are left
	// Failures are wrong recovery codes. They lock nothing, and slow down only
	// further wrong ones: a user whose devices are locked must get in by one.
	Failures Failures `json:"failures,omitzero"`
}

// maxRecoveryDelay is what a wrong recovery code costs at most, before the next
// wrong one is counted. Guesses are hopeless however fast they come; so a right code
// does not wait, and who guesses without a pause does not keep the user out.
const maxRecoveryDelay = 30 * time.Second

// RecoveryCodes are shown once, to the person who is to keep them. They print as
// [redacted].
type RecoveryCodes []string

func (RecoveryCodes) String() string { return "[redacted]" }

// GoString keeps %#v from showing them.
func (RecoveryCodes) GoString() string { return "[redacted]" }

// CreateRecoveryCodes makes ten recovery codes of an owner, each good once. Those
// of before are void.
func (s *Service) CreateRecoveryCodes(tx Tx, owner string) (RecoveryCodes, error) {
	r := recoveryCodes{Version: 1, Created: s.Clock().UTC(), Salt: make([]byte, recoverySalt)}
	_, _ = rand.Read(r.Salt) // never fails: see crypto/rand
	codes := make(RecoveryCodes, recoveryCount)
	for i := range codes {
		b := make([]byte, recoverySize)
		_, _ = rand.Read(b)
		plain := base32.StdEncoding.EncodeToString(b)
		clear(b)
		r.Hashes = append(r.Hashes, r.hash(plain))
		var groups []string
		for at := 0; at < len(plain); at += recoveryGroup {
			groups = append(groups, plain[at:at+recoveryGroup])
		}
		codes[i] = strings.Join(groups, "-")
	}
	return codes, put(tx, recovery+owner, r)
}

func (r *recoveryCodes) hash(plain string) []byte {
	h := sha256.New()
	h.Write(r.Salt)
	h.Write([]byte(plain))
	return h.Sum(nil)
}

// isRecovery reports whether text can be a recovery code, and gives it as it was
// made: people leave out hyphens, and write small letters.
func isRecovery(text string) (plain string, ok bool) {
	if len(text) > 2*recoveryLength {
		return "", false
	}
	plain = strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(text))
	return plain, len(plain) == recoveryLength && !strings.ContainsFunc(plain, func(r rune) bool {
		return (r < 'A' || r > 'Z') && (r < '2' || r > '7')
	})
}

// recoveryOf reads the codes of an owner; none for "".
func recoveryOf(tx Tx, owner string) (r recoveryCodes, err error) {
	if owner == "" {
		return r, nil
	}
	b, err := tx.Get(recovery + owner)
	if errors.Is(err, store.ErrNotFound) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("record %s%s: %w", recovery, owner, err)
	}
	return r, nil
}

// verifyRecovery checks a recovery code. A right one is spent, and unlocks all
// devices of its owner. For nobody, and while tries come too early, something is
// written as well.
func (s *Service) verifyRecovery(ctx context.Context, owner, plain string) (Proof, error) {
	now := s.RealTime()
	if _, err := s.standIn(ctx); err != nil { // there must be one to write
		return Proof{}, err
	}
	var verdict error
	err := s.DB.Update(ctx, func(tx Tx) (err error) {
		verdict, err = s.judgeRecovery(tx, owner, plain, now)
		return err
	})
	if err == nil {
		err = verdict
	}
	if err != nil {
		return Proof{}, err
	}
	return Proof{Type: TypeRecovery, At: s.Clock().UTC()}, nil
}

// judgeRecovery decides on a recovery code and writes down what it decided.
func (s *Service) judgeRecovery(tx Tx, owner, plain string, now time.Time) (verdict, err error) {
	r, err := recoveryOf(tx, owner)
	if err != nil {
		return nil, err
	}
	known := r.take(plain) // for nobody too, who has none
	switch wait := r.Failures.wait(now, maxRecoveryDelay); {
	case r.Version == 0:
		return ErrCode, touch(tx, now)
	case known: // it does not wait: somebody who always guesses would keep the user out
		r.Failures = Failures{}
		return nil, errors.Join(put(tx, recovery+owner, r), s.unlock(tx, owner))
	case wait > 0:
		return &BlockedError{Wait: wait}, touch(tx, now)
	}
	r.Failures.more(now)
	return ErrCode, put(tx, recovery+owner, r)
}

// take strikes a code out, if it is one of those that are left. It looks at all,
// however soon it knows.
func (r *recoveryCodes) take(plain string) bool {
	sum := r.hash(plain)
	found := -1
	for i, h := range r.Hashes {
		if subtle.ConstantTimeCompare(h, sum) == 1 {
			found = i
		}
	}
	if found < 0 {
		return false
	}
	r.Hashes = append(r.Hashes[:found], r.Hashes[found+1:]...)
	return true
}
